//! Heaps in the formats of other tools.

mod dot;
mod heapsnapshot;
mod jsonl;
#[cfg(feature = "parquet")]
mod parquet;
mod pprof;

use std::io::{self, Write};

use crate::heap::Heap;

#[cfg(feature = "parquet")]
pub use parquet::{Table, write as parquet};

/// How many nodes viewers of heap snapshots can take: what has more is for other formats.
pub const HEAPSNAPSHOT_NODES: u32 = 10_000_000;

/// Writes a profile for `go tool pprof`, gzipped as that wants it. Its samples are the paths and the dominators of the
/// objects that roots reach, each merged by type, in objects and in bytes.
///
/// # Errors
/// Those of `out`.
pub fn pprof(heap: &Heap<'_, '_>, out: impl Write) -> io::Result<()> {
    pprof::write(heap, out)
}

/// Writes the merged dominator tree for Graphviz: the `limit` nodes that retain most.
///
/// # Errors
/// Those of `out`.
pub fn dot(heap: &Heap<'_, '_>, limit: usize, out: impl Write) -> io::Result<()> {
    dot::write(heap, limit, out)
}

/// Writes a line of JSON for each root and each object.
///
/// # Errors
/// Those of `out`.
pub fn jsonl(heap: &Heap<'_, '_>, out: impl Write) -> io::Result<()> {
    jsonl::write(heap, out)
}

/// Writes a heap snapshot for the developer tools of Chrome and for what else reads those, with all that roots reach.
/// Viewers fail above [`HEAPSNAPSHOT_NODES`].
///
/// # Errors
/// Those of `out`.
pub fn heapsnapshot(heap: &Heap<'_, '_>, out: impl Write) -> io::Result<()> {
    heapsnapshot::write(heap, out)
}

/// A string as JSON has it.
fn json_string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c < ' ' => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Strings, each with a number.
#[derive(Default)]
struct Strings {
    numbers: std::collections::HashMap<String, u64>,
    all: Vec<String>,
}

impl Strings {
    fn number(&mut self, text: String) -> u64 {
        let next = self.all.len() as u64;
        match self.numbers.get(&text) {
            Some(&number) => number,
            None => {
                self.numbers.insert(text.clone(), next);
                self.all.push(text);
                next
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn strings_are_quoted() {
        assert_eq!(super::json_string("a\"b\\c\n…"), "\"a\\\"b\\\\c\\u000a…\"");
    }
}
