//! The graph of a dump: its records, with names in the place of addresses.

use std::fmt;

use heapmatrix_emu::image::{FrameAt, Locations};
use heapmatrix_emu::world::{Contents, Stop, World};
use heapmatrix_reader::{Dump, Fields, Kind, Record, StackFrame};
use heapmatrix_writer::AnyTarget;

use super::names::{Names, Thing, words_in_frame};

/// A dump, with names in the place of addresses. See the [module](super).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// The machine.
    pub target: AnyTarget,
    /// The records, by kind and by what they are about.
    pub nodes: Vec<Node>,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its kind.
    pub kind: Kind,
    /// What it is about, if that has a name.
    pub subject: Option<Thing>,
    /// Its fields, under the reader's names.
    pub terms: Vec<(&'static str, Term)>,
}

/// A value of a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Term {
    /// An address in something.
    Place {
        /// What it is in.
        thing: Thing,
        /// How many bytes into it; 0 in code.
        offset: u64,
        /// The address itself.
        address: u64,
    },
    /// A word that is no address of anything: 32-bit machines have the low half.
    Word(u64),
    /// A number that has the same width everywhere.
    Number(u64),
    /// A size, which only machines of the same word size share.
    Size(u64),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Term {
    /// Whether two machines mean the same.
    pub(super) fn same(&self, other: &Term, same_words: bool) -> bool {
        let equal = |l: u64, r: u64| if same_words { l == r } else { l as u32 == r as u32 };
        match (self, other) {
            (Term::Place { thing: l, offset: a, .. }, Term::Place { thing: r, offset: b, .. }) => {
                l == r && if same_words { a == b } else { (*a == 0) == (*b == 0) }
            }
            (Term::Word(l), Term::Word(r)) => equal(*l, *r),
            // A number that happens to be an address on one of the machines.
            (Term::Place { address, .. }, Term::Word(word))
            | (Term::Word(word), Term::Place { address, .. }) => equal(*address, *word),
            (Term::Size(_), Term::Size(_)) if !same_words => true,
            _ => self == other,
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.subject {
            Some(thing) => write!(f, "{} of {thing:?}", self.kind),
            None => write!(f, "{}", self.kind),
        }
    }
}

impl Graph {
    pub(super) fn new(world: &World, at: &Locations, dump: &[u8]) -> heapmatrix_reader::Result<Graph> {
        let names = Names::new(world, at);
        let mut builder = Builder { world, at, names, goroutine: None, frame: 0 };
        let mut nodes = Vec::new();
        for record in Dump::new(dump)?.records() {
            nodes.push(builder.node(&record?.1));
        }
        // Where a record stands follows from addresses and block sizes, which machines do not share.
        nodes.sort_by_cached_key(|node: &Node| {
            let common = node.terms.iter().filter(|(_, term)| matches!(term, Term::Place { .. }));
            let common: Vec<Thing> = common
                .map(|(_, term)| match term {
                    Term::Place { thing, .. } => *thing,
                    _ => Thing::Stub,
                })
                .collect();
            (node.kind, node.subject, if node.kind == Kind::QueuedFinalizer { common } else { Vec::new() })
        });
        Ok(Graph { target: at.target, nodes })
    }
}

struct Builder<'a> {
    world: &'a World,
    at: &'a Locations,
    names: Names,
    /// The goroutine that the records are of.
    goroutine: Option<usize>,
    /// How many of its frames there were.
    frame: usize,
}

impl Builder<'_> {
    fn node(&mut self, record: &Record<'_>) -> Node {
        let mut subject = None;
        let kind = record.kind();
        let word = |value| self.word(value);
        let text = |text: heapmatrix_reader::Text<'_>| Term::Bytes(text.0.to_vec());
        let flag = |flag| Term::Number(u64::from(flag));
        let mut terms = match record {
            Record::Eof => vec![],
            // What is missing here is the machine itself.
            Record::Params(r) => vec![("cpus", Term::Number(r.cpus)), ("experiment", text(r.experiment))],
            Record::Object(r) => {
                subject = self.thing(r.address);
                let mut terms =
                    vec![("address", word(r.address)), ("size", Term::Size(r.contents.len() as u64))];
                terms.extend(self.object(subject, r.contents));
                self.fields(r.fields, &mut terms, 0, usize::MAX);
                terms
            }
            Record::Data(r) | Record::Bss(r) => {
                let words = if kind == Kind::Data { self.world.data.len() } else { self.world.bss.len() };
                // An empty segment is nowhere.
                let mut terms = vec![("address", if words == 0 { Term::Word(0) } else { word(r.address) })];
                terms.extend(self.words(r.contents, words));
                self.fields(r.fields, &mut terms, 0, words);
                terms
            }
            Record::Type(r) => {
                subject = self.thing(r.address);
                vec![
                    ("address", word(r.address)),
                    ("size", Term::Size(r.size)),
                    ("name", text(r.name)),
                    ("data_is_pointer", flag(r.data_is_pointer)),
                ]
            }
            Record::Itab(r) => {
                subject = self.thing(r.address);
                vec![("address", word(r.address)), ("type_address", word(r.type_address))]
            }
            Record::Goroutine(r) => {
                subject = self.thing(r.address);
                self.goroutine = match subject {
                    Some(Thing::Goroutine(i)) => Some(i),
                    _ => None,
                };
                self.frame = 0;
                vec![
                    ("address", self.word(r.address)),
                    ("id", Term::Number(r.id)),
                    ("creation_pc", self.word(r.creation_pc)),
                    ("status", Term::Number(r.status)),
                    ("is_system", flag(r.is_system)),
                    ("is_background", flag(r.is_background)),
                    ("wait_since", Term::Number(r.wait_since)),
                    ("wait_reason", text(r.wait_reason)),
                    ("context", self.word(r.context)),
                    ("thread", self.word(r.thread)),
                    ("defer", self.word(r.defer)),
                    ("panic", self.word(r.panic)),
                ]
            }
            Record::StackFrame(r) => {
                subject = self.goroutine.map(|i| Thing::Stack(i, self.frame, 0));
                let terms = self.frame(r);
                self.frame += 1;
                terms
            }
            Record::Defer(r) => {
                subject = self.thing(r.address);
                vec![
                    ("address", word(r.address)),
                    ("goroutine", word(r.goroutine)),
                    ("sp", self.frame_at(r.sp, 0)),
                    ("pc", word(r.pc)),
                    ("closure", word(r.closure)),
                    ("entry", word(r.entry)),
                    ("link", word(r.link)),
                ]
            }
            Record::Panic(r) => {
                subject = self.thing(r.address);
                vec![
                    ("address", word(r.address)),
                    ("goroutine", word(r.goroutine)),
                    ("argument_type", word(r.argument_type)),
                    ("argument_data", word(r.argument_data)),
                    ("defer", word(r.defer)),
                    ("link", word(r.link)),
                ]
            }
            Record::OsThread(r) => {
                subject = self.thing(r.address);
                vec![
                    ("address", word(r.address)),
                    ("id", Term::Number(r.id)),
                    ("os_id", Term::Number(r.os_id)),
                ]
            }
            Record::Finalizer(r) | Record::QueuedFinalizer(r) => {
                subject = self.thing(r.object);
                vec![
                    ("object", word(r.object)),
                    ("closure", word(r.closure)),
                    ("entry", word(r.entry)),
                    ("argument_type", word(r.argument_type)),
                    ("object_type", word(r.object_type)),
                ]
            }
            Record::MemProf(r) => {
                subject = self.thing(r.address);
                let mut terms = vec![
                    ("address", word(r.address)),
                    ("size", Term::Word(r.size)),
                    ("allocs", Term::Word(r.allocs)),
                    ("frees", Term::Word(r.frees)),
                ];
                for call in r.stack {
                    terms.push(("function", unknown_pc(call.function.0)));
                    terms.push(("file", text(call.file)));
                    terms.push(("line", Term::Number(call.line)));
                }
                terms
            }
            Record::AllocSample(r) => {
                subject = self.thing(r.object);
                vec![("object", word(r.object)), ("bucket", word(r.bucket))]
            }
            Record::OtherRoot(r) => vec![("description", text(r.description)), ("target", word(r.target))],
            // Its fields are numbers, one after the other: no address needs a name.
            Record::MemStats(_) => {
                let mut bytes = Vec::new();
                record.write_to(&mut bytes).expect("memory does not fail");
                vec![("statistics", Term::Bytes(bytes))]
            }
        };
        terms.shrink_to_fit();
        Node { kind, subject, terms }
    }

    fn thing(&self, addr: u64) -> Option<Thing> {
        self.names.find(addr).map(|(thing, _)| thing)
    }

    /// A word, as the name of what it is the address of, if it is.
    fn word(&self, value: u64) -> Term {
        match self.names.find(value) {
            // Machines need different numbers of bytes for the same instructions.
            Some((thing @ (Thing::Code(_) | Thing::Stub), _)) => {
                Term::Place { thing, offset: 0, address: value }
            }
            Some((thing, offset)) => Term::Place { thing, offset, address: value },
            None => Term::Word(value),
        }
    }

    /// A stack pointer, as the name of a frame that has it: of activation `k`, or else of the outermost. (On
    /// machines with a link register an empty frame has the stack pointer of its caller.)
    fn frame_at(&self, sp: u64, k: usize) -> Term {
        let at = self.goroutine.and_then(|i| Some((i, &self.at.goroutines.get(i)?.frames)));
        let frame = at.and_then(|(i, frames)| {
            let own = frames.get(k).is_some_and(|frame| frame.sp.0 == sp).then_some(k);
            Some((i, own.or_else(|| frames.iter().position(|frame| frame.sp.0 == sp))?))
        });
        frame.map_or(Term::Word(sp), |(i, k)| Term::Place {
            thing: Thing::Stack(i, k, 0),
            offset: 0,
            address: sp,
        })
    }

    /// The first words of some contents.
    fn words(&self, contents: &[u8], count: usize) -> Vec<(&'static str, Term)> {
        let words = contents.chunks_exact(self.at.target.ptr_size() as usize).take(count);
        words
            .map(|bytes| {
                let number = |n: u64, byte: &u8| n << 8 | u64::from(*byte);
                let big = self.at.target.big_endian();
                let value =
                    if big { bytes.iter().fold(0, number) } else { bytes.iter().rev().fold(0, number) };
                ("contents", self.word(value))
            })
            .collect()
    }

    /// What an object holds, without the zeros at its end: size classes differ.
    fn object(&self, subject: Option<Thing>, contents: &[u8]) -> Vec<(&'static str, Term)> {
        let Some(Thing::Object(i)) = subject else { return Vec::new() };
        let Contents::Bytes { .. } = self.world.objects[i].contents else {
            let mut words = self.words(contents, usize::MAX);
            let len = words.iter().rposition(|word| word.1 != Term::Word(0)).map_or(0, |last| last + 1);
            words.truncate(len);
            return words;
        };
        let len = contents.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        vec![("contents", Term::Bytes(contents[..len].to_vec()))]
    }

    /// The fields in the `count` words from byte `from` on, by the number of their word.
    fn fields(&self, fields: Fields<'_>, terms: &mut Vec<(&'static str, Term)>, from: u64, count: usize) {
        let word = self.at.target.ptr_size();
        for field in fields {
            let Some(after) = field.offset.checked_sub(from) else { continue };
            if after / word < count as u64 {
                terms.push(("fields", Term::Number(after / word)));
                // An offset inside of a word is a mistake that must not be rounded away.
                if after % word != 0 {
                    terms.push(("fields, inside of a word", Term::Number(after % word)));
                }
            }
        }
    }

    fn frame(&self, r: &StackFrame<'_>) -> Vec<(&'static str, Term)> {
        let mut terms = vec![
            ("depth", Term::Number(r.depth)),
            ("function.entry", self.word(r.function.entry)),
            ("function.pc", self.word(r.function.pc)),
            ("function.name", Term::Bytes(r.function.name.0.to_vec())),
        ];
        // Of the frame at the bottom all words are the machine's.
        let Some((i, k, frame)) = self.activation() else { return terms };
        let g = &self.world.goroutines[i];
        // With a link register a leaf has its caller's SP, and so is taken to have its caller's defer.
        if !self.world.functions[g.activations[k].function].leaf {
            terms.push(("function.continuation_pc", self.word(r.function.continuation_pc)));
        }
        terms.push(("sp", self.frame_at(r.sp, k)));
        terms.push(("child_sp", self.frame_at(r.child_sp, k + 1)));
        let from = frame.words.0.saturating_sub(frame.sp.0);
        let count = words_in_frame(self.world, i, k);
        let contents = usize::try_from(from).ok().and_then(|from| r.contents.get(from..)).unwrap_or(&[]);
        terms.extend(self.words(contents, count));
        // The walk from a call of nil begins with another PC on machines with a link register, and so
        // may with another stack map; its arguments are fields of the frame around it.
        if g.stop != Stop::NilCall || k + 2 < g.activations.len() {
            self.fields(r.fields, &mut terms, from, count);
        }
        terms
    }

    /// Which activation the frame is of.
    fn activation(&self) -> Option<(usize, usize, &FrameAt)> {
        let i = self.goroutine?;
        let frames = &self.at.goroutines.get(i)?.frames;
        let k = frames.len().checked_sub(self.frame + 1)?;
        Some((i, k, &frames[k]))
    }
}

/// The name of a function; of an unknown one that is a PC in brackets, and so a word.
fn unknown_pc(name: &[u8]) -> Term {
    let pc = || {
        let digits = name.strip_prefix(b"(0x")?.strip_suffix(b")")?;
        u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    pc().map_or_else(|| Term::Bytes(name.to_vec()), Term::Word)
}
