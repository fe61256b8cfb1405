//! What a world says that a record must hold, in the form in which `corpora/golden` keeps it.

use std::fmt::Write;

use heapmatrix_reader::Kind;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value as Json;

/// A record, with the fields' names and order of the reader's structures, those of a frame's function among the
/// frame's own.
///
/// As JSON it is an object: its `kind`, `what` it is in the world's terms, and the fields. Addresses are strings
/// such as `"0x10"`. Contents are two values: their `size` in bytes and `contents`, as hexadecimal digits without
/// the zero bytes at the end. Field lists are the offsets of the pointers, and a stack lists calls, each as its
/// function, file and line.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    kind: Kind,
    what: String,
    fields: Vec<(String, Json)>,
}

impl Truth {
    pub(super) fn new(kind: Kind, what: &str) -> Self {
        Self { kind, what: what.to_owned(), fields: Vec::new() }
    }

    /// The record's kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn tell(&mut self, field: &str, value: Json) {
        let name = field.rsplit('.').next().unwrap_or(field);
        let value = match value.as_u64() {
            Some(address) if is_address(name) => format!("{address:#x}").into(),
            _ => value,
        };
        self.fields.push((name.to_owned(), value));
    }

    pub(super) fn tell_contents(&mut self, contents: &[u8]) {
        let told = contents.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        let mut digits = String::with_capacity(2 * told);
        for byte in &contents[..told] {
            write!(digits, "{byte:02x}").expect("a string takes everything");
        }
        self.fields.push(("size".to_owned(), contents.len().into()));
        self.fields.push(("contents".to_owned(), digits.into()));
    }
}

/// Whether the fields of a name hold addresses. JSON's numbers are exact to 2^53 only.
fn is_address(name: &str) -> bool {
    const NAMES: [&str; 23] = [
        "address",
        "argument_data",
        "argument_type",
        "bucket",
        "child_sp",
        "closure",
        "context",
        "continuation_pc",
        "creation_pc",
        "defer",
        "entry",
        "goroutine",
        "heap_end",
        "heap_start",
        "link",
        "object",
        "object_type",
        "panic",
        "pc",
        "sp",
        "target",
        "thread",
        "type_address",
    ];
    NAMES.binary_search(&name).is_ok()
}

impl Serialize for Truth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len() + 2))?;
        map.serialize_entry("kind", self.kind.name())?;
        map.serialize_entry("what", &self.what)?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
