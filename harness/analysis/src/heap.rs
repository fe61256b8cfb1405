//! A dump with all that is known about it: where the reports begin.

use std::borrow::Cow;
use std::collections::HashMap;

use heapmatrix_reader::{Dump, Index};

use crate::dominators::Dominators;
use crate::graph::{Graph, Root, RootKind, TooLarge};
use crate::naming::{Nameless, Naming};

/// The objects and roots of a dump, their types, and what they retain.
pub struct Heap<'i, 'a> {
    index: &'i Index<'a>,
    naming: &'i dyn Naming,
    graph: Graph,
    dominators: Dominators,
    /// By node.
    retained: Vec<u64>,
}

/// What objects and roots have in common that are one row of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// All roots.
    All,
    /// All global variables.
    Globals,
    /// A global variable, by its node.
    Variable(u32),
    /// Goroutines in the same state, by the node of their group.
    Stacks(u32),
    /// Frames of a function, by its entry.
    Function(u64),
    /// What finalizers keep.
    Finalizers,
    /// A root that the writer of the dump named, by its node.
    Other(u32),
    /// Objects of a type.
    Type(u32),
    /// Objects of this size, in bytes, whose type is not known; with fields that may be pointers or without.
    Size(u64, bool),
}

impl<'i, 'a> Heap<'i, 'a> {
    /// All about a dump of which only its index is known.
    ///
    /// # Errors
    /// Those of [`Graph::new`].
    pub fn new(index: &'i Index<'a>) -> Result<Self, TooLarge> {
        Self::with_naming(index, &Nameless)
    }

    /// All about a dump of whose objects' types something is known.
    ///
    /// # Errors
    /// Those of [`Graph::new`].
    pub fn with_naming(index: &'i Index<'a>, naming: &'i dyn Naming) -> Result<Self, TooLarge> {
        let graph = Graph::new(index, &|address| naming.global_start(address))?;
        Ok(Self::of_graph(index, naming, graph))
    }

    /// All about a dump whose graph is made already.
    pub fn of_graph(index: &'i Index<'a>, naming: &'i dyn Naming, graph: Graph) -> Self {
        let dominators = Dominators::new(graph.rows(), graph.all());
        let objects = graph.objects();
        let retained = dominators.sums(|node| if node < objects { index.size(node as usize) } else { 0 });
        Self { index, naming, graph, dominators, retained }
    }

    /// All about a dump of which it is known already.
    pub fn of_parts(
        index: &'i Index<'a>,
        naming: &'i dyn Naming,
        (graph, dominators, retained): (Graph, Dominators, Vec<u64>),
    ) -> Self {
        Self { index, naming, graph, dominators, retained }
    }

    /// What each node [retains](Self::retained).
    pub(crate) fn all_retained(&self) -> &[u64] {
        &self.retained
    }

    /// The objects by address.
    pub fn index(&self) -> &'i Index<'a> {
        self.index
    }

    /// The dump.
    pub fn dump(&self) -> &'i Dump<'a> {
        self.index.dump()
    }

    /// What its types and variables are called.
    pub fn naming(&self) -> &'i dyn Naming {
        self.naming
    }

    /// What points to what.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What dominates what.
    pub fn dominators(&self) -> &Dominators {
        &self.dominators
    }

    /// A node's own size, in bytes: 0 for roots.
    pub fn size(&self, node: u32) -> u64 {
        if node < self.graph.objects() { self.index.size(node as usize) } else { 0 }
    }

    /// The size of a node and of all that would be gone without it, in bytes; 0 for what is not reached.
    pub fn retained(&self, node: u32) -> u64 {
        self.retained[node as usize]
    }

    /// The objects that roots reach.
    pub fn reached(&self) -> Total {
        let bytes = self.retained(self.graph.all());
        let roots = self.graph.len() - self.graph.objects();
        Total { objects: u64::from(self.dominators.reached() - roots), bytes }
    }

    /// The objects that no root reaches: garbage that was not swept, and what only roots hold that no dump has.
    pub fn unreached(&self) -> Total {
        let unreached = (0..self.graph.objects())
            .filter(|&object| !self.dominators.reaches(object) && !self.graph.is_excluded(object));
        let mut total = Total::default();
        unreached.for_each(|object| total.add(self.size(object)));
        total
    }

    /// The object in which an address is.
    pub fn find(&self, address: u64) -> Option<u32> {
        let object = self.index.find(address)? as u32;
        (!self.graph.is_excluded(object)).then_some(object)
    }

    /// The label of a node. A goroutine has that of its group.
    pub fn label(&self, node: u32) -> Label {
        let Some(root) = self.graph.root(node) else {
            return match self.naming.type_of(node) {
                Some(of) => Label::Type(of),
                None => Label::Size(self.size(node), self.index.has_fields(node as usize)),
            };
        };
        match root.kind {
            RootKind::All => Label::All,
            RootKind::Globals => Label::Globals,
            RootKind::Variable => Label::Variable(node),
            RootKind::Stacks => Label::Stacks(node),
            RootKind::Goroutine => Label::Stacks(root.parent),
            RootKind::Frame => {
                Label::Function(root.frame(self.dump()).map_or(0, |frame| frame.function.entry))
            }
            RootKind::Finalizers => Label::Finalizers,
            RootKind::Other => Label::Other(node),
        }
    }

    /// What a label is called. `example` is a node that has it.
    pub fn name(&self, label: Label, example: u32) -> String {
        match label {
            Label::All => "all roots".to_owned(),
            Label::Globals => "global variables".to_owned(),
            Label::Finalizers => "finalizers".to_owned(),
            Label::Type(of) => self.naming.name(of),
            Label::Size(size, pointers) => {
                format!("? {size} bytes {}", if pointers { "with pointers" } else { "without pointers" })
            }
            Label::Variable(node) => {
                let address = self.graph.root(node).and_then(Root::address).unwrap_or(0);
                self.naming
                    .global(address)
                    .map_or_else(|| format!("global {address:#x}"), |global| global.name)
            }
            Label::Stacks(node) => {
                let frames = self.graph.root(node).map_or_else(Vec::new, |root| root.frames(self.dump()));
                goroutine_name(frames.iter().rev().map(|frame| text(frame.function.name.0)))
            }
            Label::Function(entry) => {
                let frame = self.graph.root(example).and_then(|root| root.frame(self.dump()));
                frame.map_or_else(
                    || format!("function {entry:#x}"),
                    |frame| text(frame.function.name.0).into(),
                )
            }
            Label::Other(node) => {
                let root = self.graph.root(node).and_then(|root| root.other(self.dump()));
                root.map_or_else(|| "other root".to_owned(), |root| text(root.description.0).into())
            }
        }
    }

    /// What a label is called across dumps of one process: the same for goroutines whose stacks are the same only.
    pub fn key(&self, label: Label, example: u32) -> String {
        match label {
            Label::Stacks(node) => {
                let frames = self.graph.root(node).map_or_else(Vec::new, |root| root.frames(self.dump()));
                let functions = frames.iter().map(|frame| format!("{:x}", frame.function.entry));
                format!("goroutine {}", functions.collect::<Vec<_>>().join(" "))
            }
            _ => self.name(label, example),
        }
    }

    /// How an expression goes on from a node to an object that it points to, where `place` is the offset of the pointer;
    /// roots know their places.
    pub fn step(&self, from: u32, to: u32, place: u64) -> String {
        let Some(root) = self.graph.root(from) else {
            let offset = place.saturating_sub(self.naming.start_of(from));
            let path = self.naming.type_of(from).map(|of| self.naming.path(of, offset));
            // Where nothing is known: fields of a structure are few, elements of an array are alike.
            let unknown = || if self.size(from) > 256 { "[…]".to_owned() } else { format!("[+{offset}]") };
            return path.filter(|path| !path.starts_with('+')).unwrap_or_else(unknown);
        };
        let place = self.graph.place(from, to).unwrap_or(0);
        match root.kind {
            RootKind::Variable => self.naming.global(place).map_or_else(
                || format!("global {place:#x}"),
                |global| format!("{}{}", global.name, global.path),
            ),
            RootKind::Frame => {
                let Some(frame) = root.frame(self.dump()) else { return String::new() };
                let function = text(frame.function.name.0);
                match self.naming.local(&frame, place) {
                    Some(path) => format!("{function}: {path}"),
                    None => format!("{function}: frame[+{place}]"),
                }
            }
            RootKind::Goroutine => "goroutine".to_owned(),
            RootKind::All => "(no root)".to_owned(),
            _ => self.name(self.label(from), from),
        }
    }
}

/// Objects, and the sum of their sizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// How many.
    pub objects: u64,
    /// Their sizes, in bytes.
    pub bytes: u64,
}

impl Total {
    /// Counts an object of a size.
    pub fn add(&mut self, size: u64) {
        self.objects += 1;
        self.bytes = self.bytes.saturating_add(size);
    }
}

/// A string of the program, with a replacement for what is not UTF-8.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// What a goroutine is called, by its functions from the outermost inwards: the one that it was started with, and the
/// last that is not the runtime's.
fn goroutine_name<'s>(functions: impl Iterator<Item = Cow<'s, str>>) -> String {
    let functions: Vec<_> = functions.filter(|name| name != "runtime.goexit").collect();
    let Some(first) = functions.first() else { return "goroutine".to_owned() };
    let own = |name: &&Cow<'_, str>| !name.starts_with("runtime.") && !name.starts_with("internal/");
    match functions.iter().rev().find(own) {
        Some(last) if last != first => format!("goroutine {first} … {last}"),
        _ => format!("goroutine {first}"),
    }
}

/// The names of labels, each made once.
pub struct Names<'h, 'i, 'a> {
    heap: &'h Heap<'i, 'a>,
    names: HashMap<Label, String>,
}

impl<'h, 'i, 'a> Names<'h, 'i, 'a> {
    /// No name so far.
    pub fn new(heap: &'h Heap<'i, 'a>) -> Self {
        Self { heap, names: HashMap::new() }
    }

    /// The name of a label that a node has.
    pub fn name(&mut self, label: Label, example: u32) -> &str {
        self.names.entry(label).or_insert_with(|| self.heap.name(label, example))
    }
}
