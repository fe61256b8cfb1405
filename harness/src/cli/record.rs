//! A record as named values, for people (`name=value`) and for machines (JSON): one list for both.

use std::fmt;
use std::io;

use heapmatrix_reader::{
    Arch, Extent, Fields, FrameExtent, Function, Head, Kind, MemStats, Params, Record, Stack,
};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use super::escape::{Name, Quoted};
use super::out::{FAINT, NAME, Out};
use super::summary::Architecture;

/// A record: where it is in the dump, what it says, and what memory it holds.
pub struct Row<'a> {
    /// The offset of its tag.
    pub offset: u64,
    /// Its kind.
    pub kind: Kind,
    /// What it says, by name. The first value of most is their address.
    pub values: Vec<(&'static str, Value<'a>)>,
    /// The memory that it is about.
    pub extent: Option<Extent>,
    /// What is there, if it is to be shown.
    pub contents: Option<&'a [u8]>,
    /// Its pointers and what they hold, if they are to be shown.
    pub pointers: Option<Pointers<'a>>,
}

/// A value in a record.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// An address.
    Address(u64),
    /// A number or a size in bytes.
    Number(u64),
    /// A truth value.
    Flag(bool),
    /// A string of the program.
    Text(&'a [u8]),
    /// The architecture, and the parameters that tell which it is.
    Arch(Params<'a>),
    /// A goroutine's status.
    Status(u64),
    /// A time in nanoseconds.
    Nanoseconds(u64),
    /// A profile bucket's stack.
    Stack(Stack<'a>),
}

/// Pointer fields of contents.
#[derive(Clone, Copy)]
pub struct Pointers<'a> {
    /// The machine.
    pub params: Params<'a>,
    /// Where the fields are.
    pub fields: Fields<'a>,
    /// What they are in.
    pub contents: &'a [u8],
}

impl<'a> Pointers<'a> {
    /// Each field's offset, and the word that is there; `None` past the contents' end.
    pub fn iter(self) -> impl Iterator<Item = (u64, Option<u64>)> {
        self.fields.map(move |field| (field.offset, self.params.word(self.contents, field.offset)))
    }
}

/// What the runtime calls a goroutine's status.
pub fn status_name(status: u64) -> Option<&'static str> {
    Some(match status {
        1 => "runnable",
        2 => "running",
        3 => "syscall",
        4 => "waiting",
        _ => return None,
    })
}

impl<'a> Row<'a> {
    /// A record that is whole.
    pub fn new(offset: u64, record: &Record<'a>) -> Self {
        let (values, extent) = match record {
            Record::Object(o) => {
                let extent = extent(o.address, o.contents);
                (extent_values(extent, o.fields.count()), Some(extent))
            }
            Record::Data(s) | Record::Bss(s) => {
                let extent = extent(s.address, s.contents);
                (extent_values(extent, s.fields.count()), Some(extent))
            }
            Record::StackFrame(s) => {
                let frame = FrameExtent {
                    sp: s.sp,
                    depth: s.depth,
                    child_sp: s.child_sp,
                    length: s.contents.len() as u64,
                };
                (frame_values(frame, Some(s.function), s.fields.count()), Some(extent(s.sp, s.contents)))
            }
            other => (plain_values(other), None),
        };
        Self { offset, kind: record.kind(), values, extent, contents: None, pointers: None }
    }

    /// A record that came in pieces.
    pub fn of_pieces(offset: u64, head: Head, function: Option<Function<'a>>, fields: usize) -> Self {
        let (values, extent) = match head {
            Head::Object(extent) | Head::Data(extent) | Head::Bss(extent) => {
                (extent_values(extent, fields), extent)
            }
            Head::StackFrame(frame) => {
                let extent = Extent { address: frame.sp, length: frame.length };
                (frame_values(frame, function, fields), extent)
            }
        };
        Self { offset, kind: head.kind(), values, extent: Some(extent), contents: None, pointers: None }
    }

    /// Whether it has to do with an address: its memory holds it, or a value is it.
    pub fn has_address(&self, wanted: u64) -> bool {
        let holds = |extent: Extent| wanted.wrapping_sub(extent.address) < extent.length;
        // The heap's limits are no record's address.
        self.extent.is_some_and(holds)
            || self.kind != Kind::Params
                && self.values.iter().any(|&(_, value)| matches!(value, Value::Address(a) if a == wanted))
    }

    /// The addresses of types that it names.
    pub fn types(&self) -> impl Iterator<Item = u64> {
        self.values.iter().filter_map(|&(name, value)| match value {
            Value::Address(address) if name.ends_with("type") => Some(address),
            _ => None,
        })
    }

    /// Prints it on a line, and below that its pointers and its contents, if they are to be shown.
    pub fn print(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.text(format_args!("{:>12}  ", self.offset))?;
        let width = if self.values.is_empty() { 0 } else { 15 };
        out.paint(NAME, format_args!("{:<width$}", self.kind))?;
        for (name, value) in &self.values {
            out.text(" ")?;
            if *name != "address" {
                out.paint(FAINT, format_args!("{name}="))?;
            }
            out.text(value)?;
        }
        out.end()?;
        for (offset, value) in self.pointers.into_iter().flat_map(Pointers::iter) {
            let value = value.map_or("past the end".to_owned(), |value| format!("{value:#x}"));
            out.line(format_args!("{:>14}{:<12} {value}", "", format!("+{offset:#x}")))?;
        }
        if let (Some(contents), Some(extent)) = (self.contents, self.extent) {
            super::hex::dump(out, extent.address, contents)?;
        }
        Ok(())
    }
}

fn extent(address: u64, contents: &[u8]) -> Extent {
    Extent { address, length: contents.len() as u64 }
}

fn extent_values<'a>(extent: Extent, fields: usize) -> Vec<(&'static str, Value<'a>)> {
    vec![
        ("address", Value::Address(extent.address)),
        ("size", Value::Number(extent.length)),
        ("pointers", Value::Number(fields as u64)),
    ]
}

fn frame_values<'a>(
    frame: FrameExtent,
    function: Option<Function<'a>>,
    fields: usize,
) -> Vec<(&'static str, Value<'a>)> {
    let mut values = vec![
        ("address", Value::Address(frame.sp)),
        ("depth", Value::Number(frame.depth)),
        ("size", Value::Number(frame.length)),
        ("pointers", Value::Number(fields as u64)),
        ("child_sp", Value::Address(frame.child_sp)),
    ];
    if let Some(function) = function {
        values.splice(1..1, [("function", Value::Text(function.name.0))]);
        values.extend([
            ("entry", Value::Address(function.entry)),
            ("pc", Value::Address(function.pc)),
            ("continuation_pc", Value::Address(function.continuation_pc)),
        ]);
    }
    values
}

/// The values of records without contents.
fn plain_values<'a>(record: &Record<'a>) -> Vec<(&'static str, Value<'a>)> {
    use Value::{Address, Flag, Nanoseconds, Number, Status, Text};
    match record {
        Record::Eof | Record::Object(_) | Record::Data(_) | Record::Bss(_) | Record::StackFrame(_) => vec![],
        Record::OtherRoot(r) => {
            vec![("description", Text(r.description.0)), ("target", Address(r.target))]
        }
        Record::Type(t) => vec![
            ("address", Address(t.address)),
            ("name", Text(t.name.0)),
            ("size", Number(t.size)),
            ("data_is_pointer", Flag(t.data_is_pointer)),
        ],
        Record::Goroutine(g) => vec![
            ("address", Address(g.address)),
            ("id", Number(g.id)),
            ("status", Status(g.status)),
            ("wait_reason", Text(g.wait_reason.0)),
            ("wait_since", Nanoseconds(g.wait_since)),
            ("sp", Address(g.sp)),
            ("creation_pc", Address(g.creation_pc)),
            ("is_system", Flag(g.is_system)),
            ("is_background", Flag(g.is_background)),
            ("context", Address(g.context)),
            ("thread", Address(g.thread)),
            ("defer", Address(g.defer)),
            ("panic", Address(g.panic)),
        ],
        Record::Params(p) => vec![
            ("arch", Value::Arch(*p)),
            ("big_endian", Flag(p.big_endian)),
            ("ptr_size", Number(p.pointer_size.bytes())),
            ("heap_start", Address(p.heap_start)),
            ("heap_end", Address(p.heap_end)),
            ("ncpu", Number(p.cpus)),
            ("experiment", Text(p.experiment.0)),
        ],
        Record::Finalizer(f) | Record::QueuedFinalizer(f) => vec![
            ("object", Address(f.object)),
            ("closure", Address(f.closure)),
            ("entry", Address(f.entry)),
            ("argument_type", Address(f.argument_type)),
            ("object_type", Address(f.object_type)),
        ],
        Record::Itab(i) => vec![("address", Address(i.address)), ("type", Address(i.type_address))],
        Record::OsThread(t) => {
            vec![("address", Address(t.address)), ("id", Number(t.id)), ("os_id", Number(t.os_id))]
        }
        Record::MemStats(m) => stats(m).map(|(name, value)| (name, Number(value))).into(),
        Record::Defer(d) => vec![
            ("address", Address(d.address)),
            ("goroutine", Address(d.goroutine)),
            ("sp", Address(d.sp)),
            ("pc", Address(d.pc)),
            ("closure", Address(d.closure)),
            ("entry", Address(d.entry)),
            ("link", Address(d.link)),
        ],
        Record::Panic(p) => vec![
            ("address", Address(p.address)),
            ("goroutine", Address(p.goroutine)),
            ("argument_type", Address(p.argument_type)),
            ("argument_data", Address(p.argument_data)),
            ("link", Address(p.link)),
        ],
        Record::MemProf(b) => vec![
            ("address", Address(b.address)),
            ("size", Number(b.size)),
            ("allocs", Number(b.allocs)),
            ("frees", Number(b.frees)),
            ("stack", Value::Stack(b.stack)),
        ],
        Record::AllocSample(s) => vec![("object", Address(s.object)), ("bucket", Address(s.bucket))],
    }
}

/// The statistics by the names that the Go runtime has for them; the single pauses are left out.
pub fn stats(stats: &MemStats) -> [(&'static str, u64); 25] {
    [
        ("alloc", stats.alloc),
        ("total_alloc", stats.total_alloc),
        ("sys", stats.sys),
        ("nlookup", stats.lookups),
        ("nmalloc", stats.mallocs),
        ("nfree", stats.frees),
        ("heap_alloc", stats.heap_alloc),
        ("heap_sys", stats.heap_sys),
        ("heap_idle", stats.heap_idle),
        ("heap_inuse", stats.heap_inuse),
        ("heap_released", stats.heap_released),
        ("heap_objects", stats.heap_objects),
        ("stacks_inuse", stats.stack_inuse),
        ("stacks_sys", stats.stack_sys),
        ("mspan_inuse", stats.mspan_inuse),
        ("mspan_sys", stats.mspan_sys),
        ("mcache_inuse", stats.mcache_inuse),
        ("mcache_sys", stats.mcache_sys),
        ("buckhash_sys", stats.buckhash_sys),
        ("gc_sys", stats.gc_sys),
        ("other_sys", stats.other_sys),
        ("next_gc", stats.next_gc),
        ("last_gc", stats.last_gc),
        ("pause_total_ns", stats.pause_total_ns),
        ("num_gc", stats.num_gc),
    ]
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address:#x}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Text(text) => write!(f, "{}", Quoted(text)),
            Self::Arch(params) => match params.arch {
                Arch::Name(name) => write!(f, "{}", Name(name.0)),
                // In the quotes that characters have.
                Arch::Char(_) => write!(f, "{}", params.arch),
            },
            Self::Status(status) => match status_name(*status) {
                Some(name) => f.write_str(name),
                None => write!(f, "{status}"),
            },
            Self::Nanoseconds(time) => write!(f, "{}.{:09}s", time / 1_000_000_000, time % 1_000_000_000),
            // Nothing is collected, as it may be several times as long as the record.
            Self::Stack(stack) => stack.enumerate().try_for_each(|(i, call)| {
                let separator = if i == 0 { "" } else { " < " };
                write!(f, "{separator}{}@{}:{}", Quoted(&call.function), Quoted(&call.file), call.line)
            }),
        }
    }
}

/// A string of the program as JSON: a string, or if it is not UTF-8 `{"bytes": "666fff"}`.
pub struct JsonText<'a>(pub &'a [u8]);

impl Serialize for JsonText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("bytes", &format_args!("{}", super::hex::Digits(self.0)))?;
                map.end()
            }
        }
    }
}

/// An address as JSON, where numbers are exact to 2^53 only.
struct JsonAddress(u64);

impl Serialize for JsonAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#x}", self.0))
    }
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("offset", &self.offset)?;
        map.serialize_entry("kind", self.kind.name())?;
        for (name, value) in &self.values {
            match value {
                Value::Address(address) => map.serialize_entry(name, &JsonAddress(*address))?,
                Value::Number(number) | Value::Nanoseconds(number) => map.serialize_entry(name, number)?,
                Value::Flag(flag) => map.serialize_entry(name, flag)?,
                Value::Text(text) => map.serialize_entry(name, &JsonText(text))?,
                Value::Arch(params) => {
                    let arch = Architecture::new(params);
                    let (name, character) = arch.json();
                    map.serialize_entry("arch", &name)?;
                    if let Some(character) = character {
                        map.serialize_entry("thechar", character)?;
                    }
                }
                Value::Status(status) => {
                    map.serialize_entry("status", status)?;
                    map.serialize_entry("status_name", &status_name(*status))?;
                }
                Value::Stack(stack) => map.serialize_entry(name, &Calls(*stack))?,
            }
        }
        if let Some(pointers) = self.pointers {
            map.serialize_entry("fields", &pointers)?;
        }
        if let Some(contents) = self.contents {
            map.serialize_entry("contents", &format_args!("{}", super::hex::Digits(contents)))?;
        }
        map.end()
    }
}

impl Serialize for Pointers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Pointer {
            offset: u64,
            value: Option<JsonAddress>,
        }
        serializer
            .collect_seq(self.iter().map(|(offset, value)| Pointer { offset, value: value.map(JsonAddress) }))
    }
}

struct Calls<'a>(Stack<'a>);

impl Serialize for Calls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Frame<'a> {
            function: JsonText<'a>,
            file: JsonText<'a>,
            line: u64,
        }
        let mut seq = serializer.serialize_seq(None)?;
        for call in self.0 {
            let (function, file) = (JsonText(call.function.0), JsonText(call.file.0));
            seq.serialize_element(&Frame { function, file, line: call.line })?;
        }
        seq.end()
    }
}
