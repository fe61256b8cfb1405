//! Isomorphism: dumps of one world, of all machines and all releases, mean the same once addresses have names.
//!
//! What it can find: what depends on the machine or the release and must not. What it cannot find: what is wrong in the
//! same way everywhere.

use std::collections::BTreeMap;
use std::fmt;

use heapmatrix_reader::{Dump, Error, Index, Record};

use super::layout::{Layout, leaves};
use super::report::{Part, Report, printed};
use super::world::{Type, Value, Wait, World};

/// A dump with names in the place of addresses, and leaves in that of offsets: what is said of each subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    facts: BTreeMap<String, Vec<String>>,
}

/// Where two graphs differ first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is about.
    pub subject: String,
    /// What this graph says of it.
    pub here: String,
    /// What the other says.
    pub there: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: here {}, there {}", self.subject, self.here, self.there)
    }
}

/// Addresses and their names.
struct Names {
    /// The start of each thing, with its end and its name.
    things: BTreeMap<u64, (u64, String)>,
}

impl Names {
    fn new(world: &World, report: &Report, layout: Layout) -> Names {
        let mut things = BTreeMap::new();
        for (i, (object, made)) in world.objects.iter().zip(&report.objects).enumerate() {
            things.insert(made.address, (made.address + layout.size(&object.typ), format!("object {i}")));
        }
        // Not all releases have weak pointers.
        let weak = |part: &&Part| {
            let set = world.objects.get(part.object).map_or(&[][..], |object| &object.set);
            set.iter().any(|a| a.leaf == part.leaf && matches!(a.value, Value::Weak(_)))
        };
        for part in report.parts.iter().filter(|part| !weak(part)) {
            let name = format!("leaf {} of object {}", part.leaf, part.object);
            things.entry(part.address).or_insert((part.address + 1, name));
        }
        things.insert(report.anchor, (report.anchor + layout.word, "main.anchor".to_owned()));
        things.insert(report.cells, (report.cells + 1024 * layout.word, "main.cells".to_owned()));
        for (i, due) in report.queued.iter().enumerate() {
            things.insert(due.object, (due.object + 2 * layout.word, format!("queued object {i}")));
        }
        Names { things }
    }

    /// The name of what an address is in.
    fn get(&self, address: u64) -> Option<&str> {
        let (_, (end, name)) = self.things.range(..=address).next_back()?;
        (address < *end).then_some(name)
    }
}

impl Graph {
    /// The graph of a dump.
    ///
    /// # Errors
    /// The dump cannot be read.
    pub fn new(world: &World, report: &Report, dump: &[u8]) -> Result<Graph, Error> {
        let dump = Dump::new(dump)?;
        let index = Index::new(dump)?;
        let params = *dump.params();
        let layout = Layout { word: params.pointer_size.bytes() };
        let names = Names::new(world, report, layout);
        let mut graph = Graph::default();
        let points_to = |contents: &[u8], offset: u64| {
            params.word(contents, offset).and_then(|address| names.get(address)).map(str::to_owned)
        };

        for i in world.alive() {
            let Some(id) = index.find(report.objects[i].address) else { continue };
            let (typ, at) = (&world.objects[i].typ, report.objects[i].address - index.address(id));
            let leaf_at = leaf_offsets(layout, typ);
            let edges = index.object(id).fields.filter_map(|field| {
                let to = points_to(index.contents(id), field.offset)?;
                let offset = field.offset.checked_sub(at)?;
                let leaf = leaf_at.partition_point(|&start| start <= offset).checked_sub(1)?;
                Some(format!("{leaf} to {to}"))
            });
            graph.facts.insert(format!("pointers of object {i}, from leaf"), edges.collect());
        }
        let mut goroutine = None;
        for record in dump.records() {
            match record?.1 {
                Record::Goroutine(record) => {
                    // One that has not run by then may have told its number after the dump, or not.
                    goroutine = report.goroutines.iter().position(|&id| id == record.id);
                    goroutine = goroutine.filter(|&i| world.goroutines[i].wait != Wait::Runnable);
                    if let Some(i) = goroutine {
                        graph.say(format!("goroutine {i}"), format!("status {}", record.status));
                    }
                }
                Record::StackFrame(frame) => {
                    let name = frame.function.name.to_string();
                    if let Some(i) = goroutine.filter(|_| name.starts_with("main.")) {
                        graph.say(format!("frames of goroutine {i}"), printed(&name).into_owned());
                    }
                }
                Record::Panic(panic) => {
                    if let Some(i) = goroutine {
                        let data = names.get(panic.argument_data).unwrap_or("something else");
                        graph.say(format!("panics of goroutine {i}"), data.to_owned());
                    }
                }
                Record::Finalizer(record) => graph.finalizer("finalizer", record.object, &names),
                Record::QueuedFinalizer(record) => graph.finalizer("queued finalizer", record.object, &names),
                Record::Type(typ) => {
                    // `-trimpath` and nothing else decides which of the program's own types are there.
                    let name = typ.name.to_string();
                    if name.trim_start_matches('*').starts_with("main.") {
                        graph.facts.insert(
                            format!("type {name}"),
                            vec![format!("data is pointer: {}", typ.data_is_pointer)],
                        );
                    }
                }
                Record::Bss(segment) => {
                    let start = report.cells.wrapping_sub(segment.address);
                    let within = start..start.saturating_add(1024 * layout.word);
                    for field in segment.fields.filter(|field| within.contains(&field.offset)) {
                        let cell = (field.offset - start) / layout.word;
                        if let Some(to) = points_to(segment.contents, field.offset) {
                            graph.say("main.cells".to_owned(), format!("word {cell} to {to}"));
                        }
                    }
                }
                _ => {}
            }
        }
        // The queue's order is the sweeper's.
        for facts in
            graph.facts.iter_mut().filter(|(subject, _)| subject.ends_with("finalizers")).map(|(_, f)| f)
        {
            facts.sort();
        }
        Ok(graph)
    }

    fn say(&mut self, subject: String, fact: String) {
        self.facts.entry(subject).or_default().push(fact);
    }

    fn finalizer(&mut self, kind: &str, object: u64, names: &Names) {
        if let Some(name) = names.get(object) {
            self.say(format!("{kind}s"), name.to_owned());
        }
    }

    /// The first difference to another machine's or release's graph of the same world.
    pub fn difference(&self, other: &Graph) -> Option<Difference> {
        let subjects = self.facts.keys().chain(other.facts.keys());
        let mut subjects: Vec<&String> = subjects.collect();
        subjects.sort();
        subjects.into_iter().find_map(|subject| {
            let (here, there) = (self.facts.get(subject), other.facts.get(subject));
            if here == there {
                return None;
            }
            let (here, there) = (here.map_or(&[][..], |f| f), there.map_or(&[][..], |f| f));
            let at = here.iter().zip(there).take_while(|(a, b)| a == b).count();
            let say = |facts: &[String]| facts.get(at).cloned().unwrap_or_else(|| "nothing more".to_owned());
            Some(Difference { subject: subject.clone(), here: say(here), there: say(there) })
        })
    }
}

/// Where each leaf of a type begins.
fn leaf_offsets(layout: Layout, typ: &Type) -> Vec<u64> {
    (0..leaves(typ)).map(|leaf| layout.leaf(typ, leaf).0).collect()
}
