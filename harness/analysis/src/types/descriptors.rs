//! Type descriptors of the program's read-only data: what the runtime itself knows of types, which a stripped program
//! has too. Source: `internal/abi/type.go`, before Go 1.21 `runtime/type.go`.

use super::elf::{Elf, uvarint};
use super::headers::add_header;
use super::moduledata::minor;
use super::table::{Field, Kind, TypeId, Types};

/// The descriptors of a program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Descriptors {
    start: u64,
    end: u64,
    minor: u32,
}

/// The oldest release whose descriptors are read: before, names were strings.
const OLDEST: u32 = 7;

/// A structure with more fields is none.
const MOST_FIELDS: u64 = 1 << 16;

/// A name of more bytes is none.
const MOST_NAME: u64 = 1 << 14;

/// `abi.TFlagExtraStar`: the name's text has a `*` that is not part of it.
const EXTRA_STAR: u8 = 2;

/// The numbers of `reflect.Kind`.
mod kind {
    pub const BOOL: u8 = 1;
    pub const INT: u8 = 2;
    pub const INT64: u8 = 6;
    pub const UINT: u8 = 7;
    pub const UINTPTR: u8 = 12;
    pub const FLOAT32: u8 = 13;
    pub const FLOAT64: u8 = 14;
    pub const COMPLEX64: u8 = 15;
    pub const COMPLEX128: u8 = 16;
    pub const ARRAY: u8 = 17;
    pub const CHAN: u8 = 18;
    pub const FUNC: u8 = 19;
    pub const INTERFACE: u8 = 20;
    pub const MAP: u8 = 21;
    pub const POINTER: u8 = 22;
    pub const SLICE: u8 = 23;
    pub const STRING: u8 = 24;
    pub const STRUCT: u8 = 25;
    pub const UNSAFE_POINTER: u8 = 26;
}

/// What is read of a descriptor besides what depends on its kind.
struct Head {
    size: u64,
    pointers: bool,
    kind: u8,
    name: String,
}

impl Descriptors {
    pub fn of(elf: &Elf<'_>) -> Option<Self> {
        let (start, end) = elf.places.types?;
        (minor(elf) >= OLDEST).then_some(Self { start, end, minor: minor(elf) })
    }

    /// The type whose descriptor is at an address, with all that it consists of and points to.
    pub fn read(&self, elf: &Elf<'_>, address: u64, types: &mut Types) -> Option<TypeId> {
        let mut pending = Vec::new();
        let id = self.reference(elf, address, types, &mut pending)?;
        let mut added = Vec::new();
        while let Some((address, id)) = pending.pop() {
            if let Some(kind) = self.kind(elf, address, types, &mut pending) {
                types.get_mut(id).kind = kind;
            }
            added.push(id);
        }
        for id in added {
            add_header(types, id);
        }
        Some(id)
    }

    /// The type of a descriptor, which is looked at later if it is new.
    fn reference(
        &self,
        elf: &Elf<'_>,
        address: u64,
        types: &mut Types,
        pending: &mut Vec<(u64, TypeId)>,
    ) -> Option<TypeId> {
        if let Some(&id) = types.by_descriptor.get(&address) {
            return Some(id);
        }
        let head = self.head(elf, address)?;
        types.descriptor_budget = types.descriptor_budget.checked_sub(1 + head.name.len() as u64 / 8)?;
        let id = types.add(head.name, head.size, Kind::Unknown);
        types.get_mut(id).pointers = head.pointers;
        types.by_descriptor.insert(address, id);
        pending.push((address, id));
        Some(id)
    }

    fn head(&self, elf: &Elf<'_>, address: u64) -> Option<Head> {
        let word = elf.word.bytes();
        if !(self.start..self.end).contains(&address) || !address.is_multiple_of(word) {
            return None;
        }
        let bytes = elf.at(address)?;
        let size = elf.word_at(address)?;
        let pointers = elf.word_at(address + word)?;
        let flags = bytes.get(2 * word as usize + 4..)?.first_chunk::<4>()?;
        let [tflag, align, field_align, kind] = *flags;
        let kind = kind & 31;
        // What is none mostly fails here.
        if !(kind::BOOL..=kind::UNSAFE_POINTER).contains(&kind)
            || pointers > size
            || !align.is_power_of_two()
            || !field_align.is_power_of_two()
        {
            return None;
        }
        let name = elf.u32_at(address + 4 * word + 8)?;
        let mut name = self.name(elf, self.start.checked_add(name.into())?)?;
        if tflag & EXTRA_STAR != 0 && name.starts_with('*') {
            name.remove(0);
        }
        Some(Head { size, pointers: pointers > 0, kind, name })
    }

    /// A name: flags, length and text.
    fn name(&self, elf: &Elf<'_>, address: u64) -> Option<String> {
        let bytes = elf.at(address)?;
        let (length, start) = if self.minor >= 17 {
            let (length, size) = uvarint(bytes.get(1..)?)?;
            (length, 1 + size)
        } else {
            (u16::from_be_bytes(*bytes.get(1..)?.first_chunk()?).into(), 3)
        };
        if length > MOST_NAME {
            return None;
        }
        let end = start.checked_add(length as usize)?;
        Some(String::from_utf8_lossy(bytes.get(start..end)?).into_owned())
    }

    fn kind(
        &self,
        elf: &Elf<'_>,
        address: u64,
        types: &mut Types,
        pending: &mut Vec<(u64, TypeId)>,
    ) -> Option<Kind> {
        let word = elf.word.bytes();
        let head = self.head(elf, address)?;
        let after = address + 4 * word + 16;
        let mut part = |types: &mut Types, number: u64| {
            self.reference(elf, elf.word_at(after + number * word)?, types, pending)
        };
        Some(match head.kind {
            kind::BOOL => Kind::Bool,
            kind::INT..=kind::INT64 => Kind::Signed,
            kind::UINT..=kind::UINTPTR => Kind::Unsigned,
            kind::FLOAT32..=kind::FLOAT64 => Kind::Float,
            kind::COMPLEX64..=kind::COMPLEX128 => Kind::Complex,
            kind::ARRAY => Kind::Array { element: part(types, 0)?, length: elf.word_at(after + 2 * word)? },
            kind::CHAN => Kind::Chan(part(types, 0)?),
            kind::FUNC => Kind::Func,
            kind::INTERFACE => match elf.word_at(after + 2 * word)? {
                0 => Kind::EmptyInterface,
                _ => Kind::Interface,
            },
            kind::MAP => Kind::Map(part(types, 2)?),
            kind::POINTER => Kind::Pointer(part(types, 0)?),
            kind::SLICE => Kind::Slice(part(types, 0)?),
            kind::STRING => Kind::String,
            kind::UNSAFE_POINTER => Kind::UnsafePointer,
            kind::STRUCT => {
                let (fields, count) = (elf.word_at(after + word)?, elf.word_at(after + 2 * word)?);
                self.fields(elf, fields, count.min(MOST_FIELDS), types, pending)
            }
            _ => return None,
        })
    }

    /// A structure's fields: name, type and offset of each.
    fn fields(
        &self,
        elf: &Elf<'_>,
        address: u64,
        count: u64,
        types: &mut Types,
        pending: &mut Vec<(u64, TypeId)>,
    ) -> Kind {
        let word = elf.word.bytes();
        let mut fields = Vec::new();
        for i in 0..count {
            let field = || {
                let at = address.checked_add(i * 3 * word)?;
                let (name, type_) = (elf.word_at(at)?, elf.word_at(at + word)?);
                let offset = elf.word_at(at + 2 * word)?;
                // From Go 1.9 to 1.18 the lowest bit says that it is embedded; since then one of the name's.
                let (offset, embedded) = match self.minor {
                    9..=18 => (offset >> 1, offset & 1 != 0),
                    _ => (offset, elf.at(name)?.first()? & 8 != 0),
                };
                Some((self.name(elf, name)?, type_, offset, embedded))
            };
            let Some((name, type_, offset, embedded)) = field() else { break };
            let cost = 1 + name.len() as u64 / 8;
            let Some(left) = types.descriptor_budget.checked_sub(cost) else { break };
            types.descriptor_budget = left;
            let Some(type_) = self.reference(elf, type_, types, pending) else { break };
            fields.push(Field { name: name.into(), offset, type_, embedded });
        }
        Kind::Struct(fields)
    }
}
