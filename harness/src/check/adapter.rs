//! Adapters: how to understand readers that print something else than JSON.
//!
//! An adapter is a list of patterns, each with the kind of record that a line is if it matches. Groups of the pattern
//! are the record's fields, by the names of the corpus; `count` is the number of records that a line stands for.
//! Decimal or hexadecimal numbers are numbers.

use heapmatrix_reader::Kind;
use regex::bytes::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use super::said::Line;

/// How to understand what a reader prints.
#[derive(Clone, Debug)]
pub struct Adapter {
    name: String,
    patterns: Vec<(&'static str, Regex)>,
}

/// A built-in adapter: its name, for what it is, and its patterns.
struct BuiltIn {
    name: &'static str,
    patterns: &'static [(&'static str, &'static str)],
}

/// The readers that are known. Patterns are anchored, so that names of a program are not taken for records.
const BUILT_IN: [BuiltIn; 4] = [
    // heapspurs DUMP --print
    BuiltIn {
        name: "heapspurs",
        patterns: &[
            ("eof", r"^End Of File$"),
            (
                "params",
                r"^DumpParams: BigEndian=(?<big_endian>true|false), PointerSize=(?<pointer_size>\d+), Heap=(?<heap_start>0x[0-9a-f]+)-(?<heap_end>0x[0-9a-f]+), Architecture=.*, GOEXPERIMENT=.*, Cpus=(?<cpus>\d+)$",
            ),
            ("type", r"^TypeDescriptor for '.*' @ (?<address>0x[0-9a-f]+): Objects are (?<size>\d+) bytes$"),
            ("itab", r"^Itab @ (?<address>0x[0-9a-f]+): (?<type_address>0x[0-9a-f]+)$"),
            (
                "object",
                r"^Object @ (?<address>0x[0-9a-f]+) with (?<pointers>\d+) pointers in (?<size>\d+) bytes$",
            ),
            (
                "goroutine",
                r"^Goroutine\[(?<id>\d+)\] @ (?<address>0x[0-9a-f]+): .*, Stack @ (?<sp>0x[0-9a-f]+)$",
            ),
            (
                "stackframe",
                r"^StackFrame\[(?<depth>\d+)\] @ (?<sp>0x[0-9a-f]+): .* with (?<pointers>\d+) pointers in (?<size>\d+) bytes; child = (?<child_sp>0x[0-9a-f]+)$",
            ),
            ("defer", r"^\*heapdump\.DeferRecord$"),
            ("panic", r"^\*heapdump\.PanicRecord$"),
            (
                "osthread",
                r"^OsThread @ (?<address>0x[0-9a-f]+): GoId = (?<id>\d+); OsId = (?<os_id>0x[0-9a-f]+)$",
            ),
            ("data", r"^DataSegment @ (?<address>0x[0-9a-f]+)-0x[0-9a-f]+ with (?<pointers>\d+) pointers$"),
            ("bss", r"^BssSegment @ (?<address>0x[0-9a-f]+)-0x[0-9a-f]+ with (?<pointers>\d+) pointers$"),
            (
                "finalizer",
                r"^RegisteredFinalizer @ (?<object>0x[0-9a-f]+): FuncVal: (?<closure>0x[0-9a-f]+), ",
            ),
            (
                "queuedfinalizer",
                r"^QueuedFinalizer @ (?<object>0x[0-9a-f]+): FuncVal: (?<closure>0x[0-9a-f]+), ",
            ),
            ("memstats", r"^MemStats: \{Alloc:(?<alloc>\d+) TotalAlloc:(?<total_alloc>\d+) Sys:(?<sys>\d+) "),
            ("memprof", r"^AllocFreeProfileRecord: \{Id:(?<address>\d+) Size:(?<size>\d+) "),
            (
                "allocsample",
                r"^AllocStackTraceSample: \{Address:(?<object>\d+) AllocFreeProfileRecordId:(?<bucket>\d+)\}$",
            ),
            ("otherroot", r"^OtherRoot @ (?<target>0x[0-9a-f]+): "),
        ],
    },
    // heaputil.PrintDump
    BuiltIn {
        name: "heaputil",
        patterns: &[
            (
                "params",
                r"^DumpParams \(big endian = (?<big_endian>true|false), ptrsize = (?<pointer_size>\d+), heap start = (?<heap_start>0x[0-9a-f]+), heap end = (?<heap_end>0x[0-9a-f]+), ",
            ),
            (
                "object",
                r"^Object at address (?<address>0x[0-9a-f]+) \(pointers=(?<pointers>\d+)\) \(bytes=(?<size>\d+)\)$",
            ),
            ("goroutine", r"^Goroutine at address (?<address>0x[0-9a-f]+) \(routine ID = (?<id>\d+), "),
            (
                "stackframe",
                r"^Stack Frame \[.*\] at address (?<sp>0x[0-9a-f]+) \(depth = (?<depth>\d+), pointers = (?<pointers>\d+), content bytes = (?<size>\d+), child pointer address = (?<child_sp>0x[0-9a-f]+)\)$",
            ),
            (
                "data",
                r"^Data segment at address (?<address>0x[0-9a-f]+) \(content size = (?<size>\d+), pointers = (?<pointers>\d+)\)$",
            ),
            (
                "bss",
                r"^BSS segment at address (?<address>0x[0-9a-f]+) \(content size = (?<size>\d+), pointers = (?<pointers>\d+)\)$",
            ),
            (
                "osthread",
                r"^OS thread at address (?<address>0x[0-9a-f]+) \(Go internal ID = (?<id>\d+), OS ID = (?<os_id>\d+)\)$",
            ),
            // It has the same words for finalizers that are set and those that are queued.
            (
                "type",
                r"^TypeDescriptor at address (?<address>0x[0-9a-f]+) \(name = .*, size = (?<size>\d+), hasType = (?:true|false)\)$",
            ),
            (
                "itab",
                r"^ITab at address (?<address>0x[0-9a-f]+), type descriptor address = (?<type_address>0x[0-9a-f]+)$",
            ),
            ("defer", r"^Defer record at address (?<address>0x[0-9a-f]+) "),
            ("panic", r"^Panic record at address (?<address>0x[0-9a-f]+) "),
            ("otherroot", r"^OtherRoot at address (?<target>0x[0-9a-f]+)$"),
            ("memprof", r"^Alloc/free profile record: "),
            (
                "allocsample",
                r"^Alloc stack trace sample at address (?<object>0x[0-9a-f]+), record ID = (?<bucket>\d+)$",
            ),
            ("memstats", r"^MemStats: \{Alloc:(?<alloc>\d+) TotalAlloc:(?<total_alloc>\d+) Sys:(?<sys>\d+) "),
        ],
    },
    // The front page that heapdump14's hview serves: docs/check-reader.md shows how to have it printed.
    BuiltIn { name: "heapdump14", patterns: &[("object", r"^Heap objects: (?<count>\d+)$")] },
    // A histogram of the heap, such as viewcore's: a count, a size in bytes, and a type.
    BuiltIn { name: "viewcore", patterns: &[("object", r"^\s*(?<count>\d+)\s+(?<size>\d+)\s+\d+\s+\S")] },
];

impl Adapter {
    /// The names of the built-in adapters.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|built_in| built_in.name)
    }

    /// A built-in adapter, or one in a file: a JSON object with patterns by kinds of records.
    ///
    /// # Errors
    /// If there is none of that name, or what is wrong with the file.
    pub fn open(name: &str) -> Result<Self, String> {
        if let Some(built_in) = BUILT_IN.iter().find(|built_in| built_in.name == name) {
            return Self::new(name, built_in.patterns.iter().copied());
        }
        let names: Vec<_> = Self::names().collect();
        let text = std::fs::read_to_string(name).map_err(|error| {
            format!(
                "no adapter {name}: choose from {}, or name a file of patterns ({error})",
                names.join(", ")
            )
        })?;
        let patterns: Map<String, Value> = serde_json::from_str(&text)
            .map_err(|error| format!("{name}: no JSON object of patterns: {error}"))?;
        let patterns = patterns.iter().map(|(kind, pattern)| match pattern {
            Value::String(pattern) => Ok((&**kind, &**pattern)),
            _ => Err(format!("{name}: {kind}: a pattern is a string")),
        });
        Self::new(name, patterns.collect::<Result<Vec<_>, _>>()?)
    }

    fn new<'a>(name: &str, patterns: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, String> {
        let compile = |(kind, pattern): (&str, &str)| {
            let known = Kind::ALL.iter().find(|known| known.name() == kind);
            let known = known.ok_or_else(|| {
                let kinds = Kind::ALL.map(Kind::name).join(", ");
                format!("{name}: no kind of record is named {kind}: the kinds are {kinds}")
            })?;
            // Names of a program are bytes.
            let regex = RegexBuilder::new(pattern).unicode(false).build().map_err(|error| {
                let error = error.to_string();
                format!("{name}: {kind}: {}", error.lines().last().unwrap_or_default())
            })?;
            Ok((known.name(), regex))
        };
        let patterns = patterns.into_iter().map(compile).collect::<Result<Vec<_>, String>>()?;
        if patterns.is_empty() {
            return Err(format!("{name}: no patterns"));
        }
        Ok(Self { name: name.to_owned(), patterns })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kinds of records that it knows.
    pub fn kinds(&self) -> Vec<&'static str> {
        self.patterns.iter().map(|(kind, _)| *kind).collect()
    }

    /// The records in what a reader printed.
    pub fn lines(&self, printed: &[u8]) -> Vec<Line> {
        let lines = printed.split(|&byte| byte == b'\n');
        lines
            .filter_map(|text| self.patterns.iter().find_map(|(kind, regex)| line(kind, regex, text)))
            .collect()
    }
}

/// A line as a record of a kind.
fn line(kind: &str, regex: &Regex, text: &[u8]) -> Option<Line> {
    let captures = regex.captures(text.strip_suffix(b"\r").unwrap_or(text))?;
    let mut values = Map::new();
    for name in regex.capture_names().flatten() {
        if let Some(found) = captures.name(name) {
            let found = String::from_utf8_lossy(found.as_bytes());
            let value = match (&*found, found.parse::<u64>()) {
                ("true", _) => Value::Bool(true),
                ("false", _) => Value::Bool(false),
                (_, Ok(number)) => number.into(),
                _ => Value::String(found.into_owned()),
            };
            values.insert(name.to_owned(), value);
        }
    }
    let count = values.remove("count").and_then(|count| count.as_u64()).unwrap_or(1);
    Some(Line { kind: kind.to_owned(), count, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_record_with_the_fields_of_its_groups() {
        let heapspurs = Adapter::open("heapspurs").unwrap();
        let printed =
            b"Object @ 0xc000016000 with 4 pointers in 64 bytes\n  Pointer[0]@0xc000016000 = 0x7ff7\n\
            Goroutine[1] @ 0xc0000061a0: Waiting (GC), Stack @ 0xc0000d2700\n";
        let lines = heapspurs.lines(printed);
        assert_eq!(lines.len(), 2);
        assert_eq!(
            (&*lines[0].kind, lines[0].number("size"), lines[0].pointers()),
            ("object", Some(64), Some(4))
        );
        assert_eq!(lines[1].number("sp"), Some(0xc0_000d_2700));
        assert!(heapspurs.kinds().contains(&"panic"));
    }

    #[test]
    fn a_line_of_a_histogram_stands_for_many_objects() {
        let lines =
            Adapter::open("viewcore").unwrap().lines(b" count  size  bytes type\n  12  48  576 main.T\n");
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0].count, lines[0].number("size")), (12, Some(48)));
    }

    #[test]
    fn a_page_says_how_many_objects_there_are() {
        let page = b"<h2>Heap dump viewer</h2>\n<br>\nHeap live: 32 bytes\n<br>\nHeap objects: 37\n<br>\n";
        let lines = Adapter::open("heapdump14").unwrap().lines(page);
        assert_eq!(lines.iter().map(|line| (&*line.kind, line.count)).collect::<Vec<_>>(), [("object", 37)]);
    }

    #[test]
    fn what_is_wrong_with_an_adapter_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("mine.json");
        let error = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Adapter::open(file.to_str().unwrap()).unwrap_err()
        };
        assert!(Adapter::open("nobody").unwrap_err().starts_with(
            "no adapter nobody: choose from heapspurs, heaputil, heapdump14, viewcore, or name a file of patterns (",
        ));
        assert!(error("[]").contains("no JSON object of patterns"));
        assert!(error("{}").ends_with(": no patterns"));
        assert!(error(r#"{"objet": "x"}"#).contains("no kind of record is named objet: the kinds are eof, "));
        assert!(error(r#"{"object": "("}"#).contains("object: error: unclosed group"));
        assert!(error(r#"{"object": 3}"#).ends_with("object: a pattern is a string"));
        std::fs::write(&file, r#"{"object": "^o (?<size>\\d+)$"}"#).unwrap();
        let mine = Adapter::open(file.to_str().unwrap()).unwrap();
        assert_eq!(mine.lines(b"o 8\r\nx\no 9").len(), 2);
    }
}
