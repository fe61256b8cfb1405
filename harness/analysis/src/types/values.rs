//! What an object's fields hold, in words.

use heapmatrix_reader::{Index, Params};

use super::memory::{Memory, Others};
use super::table::{DEPTH, Kind, TypeId};
use super::{Binary, Typing};

/// A field of an object, and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldValue {
    /// Where it is in the object's contents, in bytes.
    pub offset: u64,
    /// Its path, such as `.Profile.Labels[2]`; empty if the object is one value.
    pub path: String,
    /// Its type.
    pub type_: TypeId,
    /// What it holds, as Go would print it: strings are quoted, pointers in hexadecimal.
    pub text: String,
    /// The address that it leads to, or 0.
    pub target: u64,
}

/// Reads the fields of objects.
pub struct Values<'x, 'd> {
    index: &'x Index<'d>,
    typing: &'x Typing,
    binary: Option<&'x Binary<'x>>,
    memory: Memory<'d>,
    params: Params<'d>,
}

/// The longest text of a string, in bytes.
const MOST_TEXT: usize = 80;

impl<'x, 'd> Values<'x, 'd> {
    /// For the objects of a dump. Reads it once, for its segments and stacks.
    pub fn new(index: &'x Index<'d>, typing: &'x Typing, binary: Option<&'x Binary<'x>>) -> Self {
        Self { index, typing, binary, memory: Memory::of(&Others::of(index)), params: *index.dump().params() }
    }

    /// The fields of an object, up to so many. Elements of arrays are fields.
    ///
    /// # Panics
    /// If there is no such object.
    pub fn fields(&self, object: usize, limit: usize) -> Vec<FieldValue> {
        let start = self.typing.start_of(object);
        let bytes = self.index.contents(object).get(start as usize..).unwrap_or_default();
        let mut fields = Vec::new();
        self.add(&mut fields, limit, String::new(), bytes, start, self.typing.type_of(object), 0);
        fields
    }

    #[expect(clippy::too_many_arguments, reason = "where the value is, and what is known of it")]
    fn add(
        &self,
        fields: &mut Vec<FieldValue>,
        limit: usize,
        path: String,
        bytes: &[u8],
        offset: u64,
        id: TypeId,
        depth: u32,
    ) {
        if fields.len() >= limit || depth > DEPTH || bytes.is_empty() {
            return;
        }
        let types = self.typing.types();
        let from = |start: u64| bytes.get(usize::try_from(start).ok()?..).filter(|rest| !rest.is_empty());
        match &types.get(id).kind {
            Kind::Struct(parts) => {
                for part in parts {
                    let Some(rest) = from(part.offset) else { continue };
                    let path = format!("{path}.{}", part.name);
                    self.add(fields, limit, path, rest, offset + part.offset, part.type_, depth + 1);
                }
                return;
            }
            Kind::Array { element, .. } | Kind::Run { element, .. } if *element != TypeId::BYTE => {
                let size = types.get(*element).size;
                let count = match types.get(id).kind {
                    Kind::Array { length, .. } => length,
                    _ if size == 0 => 0,
                    _ => bytes.len() as u64 / size,
                };
                if !self.is_text(*element) {
                    for i in 0..count {
                        let Some(rest) = size.checked_mul(i).and_then(from) else { break };
                        if fields.len() >= limit {
                            break;
                        }
                        let path = format!("{path}[{i}]");
                        self.add(fields, limit, path, rest, offset + i * size, *element, depth + 1);
                    }
                    return;
                }
            }
            Kind::Partial { offset: start, element } => {
                if let Some(rest) = from(*start) {
                    let path = format!("{path}+{start}");
                    self.add(fields, limit, path, rest, offset + start, *element, depth + 1);
                }
                return;
            }
            _ => {}
        }
        let (text, target) = self.text(bytes, id);
        fields.push(FieldValue { offset, path, type_: id, text, target });
    }

    /// Whether elements of a type are shown together, as text.
    fn is_text(&self, element: TypeId) -> bool {
        let type_ = self.typing.types().get(element);
        type_.size == 1 && matches!(type_.kind, Kind::Unsigned)
    }

    /// What a value holds, and the address that it leads to.
    fn text(&self, bytes: &[u8], id: TypeId) -> (String, u64) {
        let types = self.typing.types();
        let type_ = types.get(id);
        let size = types.word;
        let word = |number: u64| self.memory.word(bytes, number * size);
        let address = |address: u64| if address == 0 { "nil".to_owned() } else { format!("{address:#x}") };
        let first = word(0);
        match type_.kind {
            Kind::Bool => ((bytes[0] != 0).to_string(), 0),
            Kind::Unsigned => (self.unsigned(bytes, type_.size).to_string(), 0),
            Kind::Signed => (self.signed(bytes, type_.size).to_string(), 0),
            Kind::Float => (self.float(bytes, type_.size), 0),
            Kind::Complex => {
                let half = type_.size / 2;
                let second = bytes.get(half as usize..).unwrap_or_default();
                (format!("({} + {}i)", self.float(bytes, half), self.float(second, half)), 0)
            }
            Kind::String => match self.at(first).map(|text| &text[..text.len().min(word(1) as usize)]) {
                Some(text) => (quoted(text), first),
                None if word(1) == 0 => ("\"\"".to_owned(), 0),
                None => (format!("{} bytes at {first:#x}", word(1)), first),
            },
            Kind::Slice(_) if first == 0 => ("nil".to_owned(), 0),
            Kind::Slice(_) => (format!("{first:#x}, length {}, capacity {}", word(1), word(2)), first),
            Kind::Interface | Kind::EmptyInterface if first == 0 => ("nil".to_owned(), 0),
            Kind::Interface | Kind::EmptyInterface => {
                let held = match type_.kind {
                    Kind::Interface => self.typing.itab(first),
                    _ => self.typing.descriptor(first),
                };
                let name = held.map_or("?", |id| self.typing.name(id));
                (format!("{name} at {}", address(word(1))), word(1))
            }
            Kind::Func => {
                let entry = self.at(first).map(|closure| self.memory.word(closure, 0));
                let name = entry
                    .zip(self.binary)
                    .and_then(|(entry, binary)| binary.function(self.typing.in_binary(entry)));
                (name.map_or_else(|| address(first), |name| format!("{name} at {first:#x}")), first)
            }
            Kind::Map(_) if first != 0 => {
                let count = self.at(first).map_or(0, |header| self.memory.word(header, 0));
                (format!("{first:#x}, length {count}"), first)
            }
            Kind::Array { length, .. } => (quoted(&bytes[..bytes.len().min(length as usize)]), 0),
            Kind::Run { .. } => (quoted(bytes), 0),
            Kind::Unknown | Kind::Sized { .. } | Kind::Header(_) => (quoted(bytes), 0),
            _ => (address(first), first),
        }
    }

    /// The bytes at an address: of the dump, otherwise of the program's file.
    fn at(&self, address: u64) -> Option<&[u8]> {
        if let Some((object, inside)) = self.index.locate(address) {
            return self.index.contents(object).get(inside as usize..);
        }
        self.memory
            .at(address)
            .or_else(|| self.binary?.elf.at(self.typing.in_binary(address)))
            .filter(|_| address != 0)
    }

    fn unsigned(&self, bytes: &[u8], size: u64) -> u64 {
        let bytes = &bytes[..bytes.len().min(size as usize).min(8)];
        let add = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
        match self.params.big_endian {
            true => bytes.iter().fold(0, add),
            false => bytes.iter().rev().fold(0, add),
        }
    }

    fn signed(&self, bytes: &[u8], size: u64) -> i64 {
        let unused = 64 - 8 * size.clamp(1, 8);
        (self.unsigned(bytes, size) << unused).cast_signed() >> unused
    }

    fn float(&self, bytes: &[u8], size: u64) -> String {
        let bits = self.unsigned(bytes, size);
        match size {
            4 => f32::from_bits(bits as u32).to_string(),
            _ => f64::from_bits(bits).to_string(),
        }
    }
}

/// A text in quotes, cut off if it is long. What is no text is escaped.
fn quoted(text: &[u8]) -> String {
    let cut = &text[..text.len().min(MOST_TEXT)];
    let shown = match std::str::from_utf8(cut) {
        Ok(text) => format!("{text:?}"),
        Err(_) => format!("\"{}\"", cut.escape_ascii()),
    };
    if cut.len() < text.len() { format!("{shown} and {} bytes more", text.len() - cut.len()) } else { shown }
}
