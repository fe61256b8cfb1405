//! Dumps put together from records: the machines, the formats, and what is written of each value.
//!
//! The encoding is that of Go's `runtime/heapdump.go`, written down here again: it shares nothing with a reader.

use serde_json::{Map, Value, json};

use super::said::Line;

/// A machine, as a dump describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// GOARCH.
    pub name: &'static str,
    /// Bytes of a pointer.
    pub pointer_size: u64,
    /// Whether the most significant byte of a word comes first.
    pub big_endian: bool,
    /// Go's character for it, if Go 1.5 or 1.6 had one.
    pub character: Option<u8>,
}

const fn machine(name: &'static str, pointer_size: u64, big_endian: bool, character: Option<u8>) -> Machine {
    Machine { name, pointer_size, big_endian, character }
}

/// The machines of which dumps are made.
pub const MACHINES: [Machine; 12] = [
    machine("amd64", 8, false, Some(b'6')),
    machine("386", 4, false, Some(b'8')),
    machine("arm", 4, false, Some(b'5')),
    machine("ppc64", 8, true, Some(b'9')),
    machine("arm64", 8, false, Some(b'7')),
    machine("ppc64le", 8, false, Some(b'9')),
    machine("mips", 4, true, None),
    machine("mipsle", 4, false, None),
    machine("mips64", 8, true, None),
    machine("mips64le", 8, false, None),
    machine("riscv64", 8, false, None),
    machine("s390x", 8, true, None),
];

/// The formats, each with whether it names the machine by a character.
pub const FORMATS: [(&str, bool); 3] = [("go1.5", true), ("go1.6", true), ("go1.7", false)];

/// A value of a record.
#[derive(Clone, Debug)]
pub enum Field {
    /// A number.
    Int(u64),
    /// A number that is an address.
    Address(u64),
    /// A truth value.
    Bool(bool),
    /// A string.
    Text(Vec<u8>),
    /// Memory.
    Contents(Vec<u8>),
    /// Offsets of pointers.
    Fields(Vec<u64>),
    /// A stack of the memory profile: function, file, line.
    Stack(Vec<(Vec<u8>, Vec<u8>, u64)>),
    /// Numbers without their number.
    Ints(Vec<u64>),
}

/// A record: its tag, its kind, and its fields in the order of the dump.
#[derive(Clone, Debug)]
pub struct Record(pub u64, pub &'static str, pub Vec<(&'static str, Field)>);

/// Appends an unsigned integer of variable length.
pub fn uvarint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn bytes(value: &[u8], out: &mut Vec<u8>) {
    uvarint(value.len() as u64, out);
    out.extend(value);
}

impl Record {
    /// Appends the record to a dump.
    pub fn write(&self, out: &mut Vec<u8>) {
        uvarint(self.0, out);
        for (_, field) in &self.2 {
            match field {
                Field::Int(value) | Field::Address(value) => uvarint(*value, out),
                Field::Bool(value) => uvarint((*value).into(), out),
                Field::Text(value) | Field::Contents(value) => bytes(value, out),
                Field::Fields(offsets) => {
                    for &offset in offsets {
                        out.push(1);
                        uvarint(offset, out);
                    }
                    out.push(0);
                }
                Field::Stack(calls) => {
                    uvarint(calls.len() as u64, out);
                    for (function, file, line) in calls {
                        bytes(function, out);
                        bytes(file, out);
                        uvarint(*line, out);
                    }
                }
                Field::Ints(values) => values.iter().for_each(|&value| uvarint(value, out)),
            }
        }
    }

    /// What is true of it.
    pub(super) fn line(&self) -> Line {
        let mut values = Map::new();
        values.insert("kind".to_owned(), self.1.into());
        for (name, field) in &self.2 {
            let value = match field {
                Field::Int(value) => (*value).into(),
                Field::Address(value) => format!("{value:#x}").into(),
                Field::Bool(value) => (*value).into(),
                Field::Text(value) => text(value),
                Field::Contents(value) => {
                    values.insert("size".to_owned(), value.len().into());
                    hex(value).into()
                }
                Field::Fields(offsets) => json!(offsets),
                Field::Stack(calls) => calls
                    .iter()
                    .map(|(function, file, line)| json!([text(function), text(file), line]))
                    .collect(),
                Field::Ints(values) => json!(values),
            };
            values.insert((*name).to_owned(), value);
        }
        Line::new(Value::Object(values)).expect("it has a kind")
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A string of a program: an object with its bytes if it is not UTF-8.
fn text(bytes: &[u8]) -> Value {
    match str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({"bytes": hex(bytes)}),
    }
}

/// A dump of these records.
pub fn dump(format: &str, records: &[Record]) -> Vec<u8> {
    let mut out = format!("{format} heap dump\n").into_bytes();
    records.iter().for_each(|record| record.write(&mut out));
    out
}

/// The record that describes a machine.
pub fn params(machine: Machine, format: &str, heap: (u64, u64)) -> Record {
    let arch = match machine.character.filter(|_| format != "go1.7") {
        Some(character) => Field::Int(character.into()),
        None => Field::Text(machine.name.into()),
    };
    Record(
        6,
        "params",
        vec![
            ("big_endian", Field::Bool(machine.big_endian)),
            ("pointer_size", Field::Int(machine.pointer_size)),
            ("heap_start", Field::Address(heap.0)),
            ("heap_end", Field::Address(heap.1)),
            ("arch", arch),
            ("experiment", Field::Text(b"".into())),
            ("cpus", Field::Int(1)),
        ],
    )
}

/// The end of a dump.
pub fn eof() -> Record {
    Record(0, "eof", vec![])
}
