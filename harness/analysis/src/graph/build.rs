//! From the records of a dump to its graph.

use std::collections::HashMap;

use heapmatrix_reader::{
    Fields, Finalizer, Goroutine, Index, Record, Segment, SlotCount, SlotRule, StackFrame,
};

use crate::bits::Bits;

use super::{Counts, Graph, Root, RootKind, Rows, Stacks, TooLarge};

/// Finds the start of the global variable that has an address, if that is known.
pub type VariableStart<'f> = &'f dyn Fn(u64) -> Option<u64>;

/// The node of [`RootKind::All`], counted from the first root.
const ALL: u32 = 0;
/// The node of [`RootKind::Globals`].
const GLOBALS: u32 = 1;
/// The node of [`RootKind::Finalizers`].
const FINALIZERS: u32 = 2;

/// Adds up a graph while the records are read.
pub(super) struct Builder<'i, 'a> {
    index: &'i Index<'a>,
    word_size: u64,
    stacks: Stacks,
    excluded: Bits,
    roots: Vec<Root>,
    edges: Vec<RootEdge>,
    /// The goroutine whose records are being read, and the functions of its frames.
    goroutine: Option<(u32, Vec<u64>)>,
    /// The groups of goroutines by state and functions.
    groups: HashMap<Vec<u64>, u32>,
    counts: Counts,
}

/// A pointer of a root, or from a root to a part of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RootEdge {
    /// The root's node; while the graph is built, its number among the roots.
    pub from: u32,
    /// The node that it points to.
    pub to: u32,
    /// Where the pointer is: an address in variables, an offset in frames, and 0 elsewhere.
    pub place: u64,
}

impl<'i, 'a> Builder<'i, 'a> {
    pub(super) fn new(index: &'i Index<'a>, stacks: Stacks) -> Result<Self, TooLarge> {
        // The nodes of roots need numbers as well.
        u32::try_from(index.len()).ok().filter(|&objects| objects < u32::MAX / 2).ok_or(TooLarge)?;
        let mut builder = Self {
            index,
            word_size: index.dump().params().pointer_size.bytes(),
            stacks,
            excluded: Bits::new(index.len()),
            roots: Vec::new(),
            edges: Vec::new(),
            goroutine: None,
            groups: HashMap::new(),
            counts: Counts::default(),
        };
        for kind in [RootKind::All, RootKind::Globals, RootKind::Finalizers] {
            builder.root(kind, 0, ALL);
        }
        builder.exclude();
        Ok(builder)
    }

    /// Finds the records that are no objects.
    fn exclude(&mut self) {
        let dump = self.index.dump();
        self.counts.records = self.index.len() as u64;
        let Some(mut rule) = SlotRule::new(dump.version(), dump.params()) else { return };
        let (index, excluded) = (self.index, &mut self.excluded);
        let mut count = SlotCount::default();
        // The rule is told where objects are in the index in place of where they are in the dump.
        let mut each = |slot: heapmatrix_reader::Slot| {
            count.add(slot);
            if slot.certain {
                excluded.set(slot.offset as usize);
            }
        };
        for id in 0..index.len() {
            let size = index.size(id);
            if size <= rule.largest() {
                rule.object(id as u64, index.address(id), size, index.has_fields(id), &mut each);
            }
        }
        rule.finish(&mut each);
        self.counts.slots = count;
    }

    pub(super) fn build(mut self, variable: VariableStart<'_>) -> Result<Graph, TooLarge> {
        let index = self.index;
        let mut rows = Rows::new();
        for id in 0..index.len() {
            let excluded = &self.excluded;
            if excluded.get(id) {
                rows.push([])?;
            } else {
                let targets = index.edges(id).map(|edge| edge.target).filter(|&target| !excluded.get(target));
                rows.push(targets.map(|target| target as u32))?;
            }
        }
        for run in index.others() {
            for (offset, record) in run {
                if !matches!(record, Record::StackFrame(_) | Record::Defer(_) | Record::Panic(_)) {
                    self.end_goroutine();
                }
                self.record(offset, record, variable);
            }
            self.end_goroutine();
        }
        self.finish(rows)
    }

    fn finish(mut self, mut rows: Rows) -> Result<Graph, TooLarge> {
        let objects = rows.len();
        let roots = u32::try_from(self.roots.len()).map_err(|_| TooLarge)?;
        objects.checked_add(roots).ok_or(TooLarge)?;
        if self.edges.is_empty() {
            self.hold_what_nothing_points_to(&rows);
        }
        for root in 1..roots {
            let from = self.roots[root as usize].parent;
            self.edges.push(RootEdge { from, to: objects + root, place: 0 });
        }
        for edge in &mut self.edges {
            edge.from += objects;
        }
        for root in &mut self.roots {
            root.parent += objects;
        }
        self.edges.sort_unstable();
        self.edges.dedup_by_key(|edge| (edge.from, edge.to));
        let mut rest = &self.edges[..];
        for root in objects..objects + roots {
            let (row, others) = rest.split_at(rest.partition_point(|edge| edge.from == root));
            rows.push(row.iter().map(|edge| edge.to))?;
            rest = others;
        }
        rows.shrink();
        let Self { roots, edges, excluded, counts, .. } = self;
        Ok(Graph { rows, objects, roots, edges, excluded, counts })
    }

    /// Of a dump that was cut off the roots are missing, which come after the objects: then objects that no other one points
    /// to are the nearest to roots that there are.
    fn hold_what_nothing_points_to(&mut self, rows: &Rows) {
        let mut held = Bits::new(rows.len() as usize);
        for object in 0..rows.len() {
            rows.row(object)
                .iter()
                .filter(|&&target| target != object)
                .for_each(|&target| held.set(target as usize));
        }
        let free = (0..rows.len())
            .filter(|&object| !held.get(object as usize) && !self.excluded.get(object as usize));
        self.edges.extend(free.map(|to| RootEdge { from: ALL, to, place: 0 }));
    }

    fn root(&mut self, kind: RootKind, at: u64, parent: u32) -> u32 {
        self.roots.push(Root { kind, parent, at });
        (self.roots.len() - 1) as u32
    }

    /// An edge to the object at an address, if one is there.
    fn edge(&mut self, root: u32, address: u64, place: u64) {
        if let Some(target) = self.index.find(address).filter(|&target| !self.excluded.get(target)) {
            self.edges.push(RootEdge { from: root, to: target as u32, place });
        }
    }

    fn record(&mut self, offset: u64, record: Record<'_>, variable: VariableStart<'_>) {
        match record {
            Record::Data(segment) | Record::Bss(segment) => self.segment(&segment, variable),
            Record::Goroutine(goroutine) => self.begin_goroutine(offset, &goroutine),
            Record::StackFrame(frame) => self.frame(offset, &frame),
            Record::Defer(defer) => self.of_goroutine([defer.address, defer.closure]),
            Record::Panic(panic) => self.of_goroutine([panic.address, panic.argument_data]),
            Record::Finalizer(finalizer) => self.finalizer(&finalizer, false),
            Record::QueuedFinalizer(finalizer) => self.finalizer(&finalizer, true),
            Record::OtherRoot(other) => {
                let root = self.root(RootKind::Other, offset, ALL);
                self.edge(root, other.target, 0);
            }
            Record::MemStats(memstats) => self.counts.heap_objects = Some(memstats.heap_objects),
            _ => {}
        }
    }

    fn segment(&mut self, segment: &Segment<'_>, variable: VariableStart<'_>) {
        let mut current: Option<(u64, u32)> = None;
        let index = self.index;
        for edge in index.edges_of(segment.contents, segment.fields) {
            if self.excluded.get(edge.target) {
                continue;
            }
            let address = segment.address.wrapping_add(edge.offset);
            let start = variable(address).unwrap_or(address);
            let root = match current {
                Some((variable, root)) if variable == start => root,
                _ => self.root(RootKind::Variable, start, GLOBALS),
            };
            current = Some((start, root));
            self.edges.push(RootEdge { from: root, to: edge.target as u32, place: address });
        }
    }

    fn begin_goroutine(&mut self, offset: u64, goroutine: &Goroutine<'_>) {
        let root = self.root(RootKind::Goroutine, offset, ALL);
        for address in [goroutine.context, goroutine.defer, goroutine.panic] {
            self.edge(root, address, 0);
        }
        let mut key = vec![goroutine.status];
        // What it is waiting for is stale unless it is waiting.
        if goroutine.status == WAITING {
            key.push(goroutine.wait_reason.len() as u64);
            key.extend(goroutine.wait_reason.iter().map(|&byte| u64::from(byte)));
        }
        self.goroutine = Some((root, key));
        self.counts.goroutines += 1;
    }

    /// Puts the goroutine that has been read into its group.
    fn end_goroutine(&mut self) {
        let Some((goroutine, key)) = self.goroutine.take() else { return };
        let group = match self.groups.get(&key) {
            Some(&group) => group,
            None => {
                let at = self.roots[goroutine as usize].at;
                let group = self.root(RootKind::Stacks, at, ALL);
                self.groups.insert(key, group);
                group
            }
        };
        self.roots[goroutine as usize].parent = group;
    }

    fn frame(&mut self, offset: u64, frame: &StackFrame<'_>) {
        let parent = self.goroutine.as_ref().map_or(ALL, |&(goroutine, _)| goroutine);
        let root = self.root(RootKind::Frame, offset, parent);
        if let Some((_, key)) = &mut self.goroutine {
            key.push(frame.function.entry);
        }
        self.counts.frames += 1;
        self.listed(root, frame.contents, frame.fields);
        if self.stacks == Stacks::Conservative {
            let before = self.edges.len();
            self.conservative(root, frame);
            self.counts.conservative += (self.edges.len() - before) as u64;
        }
    }

    fn listed(&mut self, root: u32, contents: &[u8], fields: Fields<'_>) {
        let (index, excluded) = (self.index, &self.excluded);
        let edges = index.edges_of(contents, fields).filter(|edge| !excluded.get(edge.target));
        self.edges.extend(edges.map(|edge| RootEdge {
            from: root,
            to: edge.target as u32,
            place: edge.offset,
        }));
    }

    /// Every word of a frame that points to an object and is not among its fields.
    ///
    /// `dumpframe` lists the words of the arguments' and the locals' stack maps. Variables whose address is taken
    /// are in neither since Go 1.12, which has stack objects (`FUNCDATA_StackObjects`), and what a frame spills at a
    /// call without a stack map in none of any release.
    fn conservative(&mut self, root: u32, frame: &StackFrame<'_>) {
        let params = self.index.dump().params();
        let mut fields = frame.fields.map(|field| field.offset).peekable();
        let length = frame.contents.len() as u64;
        // Frames start at a word's boundary.
        for offset in (0..length).step_by(self.word_size as usize) {
            while fields.next_if(|&field| field < offset).is_some() {}
            if fields.peek() == Some(&offset) {
                continue;
            }
            if let Some(address) = params.word(frame.contents, offset) {
                self.edge(root, address, offset);
            }
        }
    }

    fn of_goroutine(&mut self, addresses: [u64; 2]) {
        let root = self.goroutine.as_ref().map_or(ALL, |&(goroutine, _)| goroutine);
        for address in addresses {
            self.edge(root, address, 0);
        }
    }

    /// A finalizer keeps its closure and what its object points to; the object itself once it is queued.
    /// Source: `markroot` in `runtime/mgcmark.go`.
    fn finalizer(&mut self, finalizer: &Finalizer, queued: bool) {
        self.counts.finalizers += 1;
        self.edge(FINALIZERS, finalizer.closure, 0);
        if queued {
            self.edge(FINALIZERS, finalizer.object, 0);
        } else if let Some(object) = self.index.find(finalizer.object) {
            let object = self.index.object(object);
            self.listed(FINALIZERS, object.contents, object.fields);
        }
    }
}

/// The status of a goroutine that waits. Source: `_Gwaiting` in `runtime/runtime2.go`.
const WAITING: u64 = 4;
