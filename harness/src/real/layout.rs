//! How Go lays out types in memory: sizes, alignments, leaves and pointers, by the size of a pointer alone.
//!
//! Source: `types.CalcSize` and `types.RegSize` of `cmd/compile`, `typebits.Set`.

use std::collections::BTreeSet;

use super::world::Type;

/// The machine's rules.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The size of a pointer in bytes.
    pub word: u64,
}

impl Layout {
    /// The size of a type's values, in bytes.
    pub fn size(self, typ: &Type) -> u64 {
        match typ {
            Type::Bool | Type::Uint8 => 1,
            Type::Uint16 => 2,
            Type::Uint32 => 4,
            Type::Uint64 | Type::Float64 => 8,
            Type::Complex128 => 16,
            Type::String | Type::Any | Type::Shape | Type::Cell => 2 * self.word,
            Type::Slice(_) => 3 * self.word,
            Type::Uintptr
            | Type::Unsafe
            | Type::Pointer(_)
            | Type::Chan(_)
            | Type::Map(..)
            | Type::Func(..) => self.word,
            Type::Array(length, element) => length * self.size(element),
            Type::Struct(fields) => {
                let end = self.offsets(fields).last().map_or(0, |(offset, field)| offset + self.size(field));
                end.next_multiple_of(self.align(typ))
            }
        }
    }

    /// What a type's values are aligned to: no more than a register's size.
    pub fn align(self, typ: &Type) -> u64 {
        match typ {
            Type::Bool | Type::Uint8 => 1,
            Type::Uint16 => 2,
            Type::Uint32 => 4,
            Type::Array(_, element) => self.align(element),
            Type::Struct(fields) => fields.iter().map(|field| self.align(field)).max().unwrap_or(1),
            _ => self.word,
        }
    }

    /// A struct's fields with their offsets.
    fn offsets(self, fields: &[Type]) -> impl Iterator<Item = (u64, &Type)> {
        let mut end = 0_u64;
        fields.iter().map(move |field| {
            let offset = end.next_multiple_of(self.align(field));
            end = offset + self.size(field);
            (offset, field)
        })
    }

    /// The offset and type of a leaf, which must be there.
    pub fn leaf(self, typ: &Type, mut index: u64) -> (u64, Type) {
        match typ {
            Type::Struct(fields) => {
                for (offset, field) in self.offsets(fields) {
                    let count = leaves(field);
                    if index < count {
                        let (within, leaf) = self.leaf(field, index);
                        return (offset + within, leaf);
                    }
                    index -= count;
                }
                panic!("a struct has no leaf {index}")
            }
            Type::Array(_, element) => {
                let count = leaves(element);
                let (within, leaf) = self.leaf(element, index % count);
                (index / count * self.size(element) + within, leaf)
            }
            Type::Cell if index == 0 => (0, Type::Unsafe),
            Type::Cell => (self.word, Type::Uintptr),
            _ => (0, typ.clone()),
        }
    }

    /// The offsets of a type's pointers, in order, added to `at`.
    ///
    /// The first word of an interface is not among them: it points to what the collector need not follow, and the compiler
    /// does not count it. `reflect.StructOf` does: see [`first_words`](Self::first_words).
    pub fn pointers(self, typ: &Type, at: u64, to: &mut Vec<u64>) {
        match typ {
            Type::Struct(fields) => {
                self.offsets(fields).for_each(|(offset, field)| self.pointers(field, at + offset, to));
            }
            Type::Array(length, element) if has_pointers(element) => {
                (0..*length).for_each(|i| self.pointers(element, at + i * self.size(element), to));
            }
            Type::Any | Type::Shape => to.push(at + self.word),
            _ if has_pointers(typ) => to.push(at),
            _ => {}
        }
    }
}

impl Layout {
    /// The offsets of the first words of a type's interfaces. Source: `addTypeBits` of `reflect`.
    pub fn first_words(self, typ: &Type, at: u64, to: &mut BTreeSet<u64>) {
        match typ {
            Type::Struct(fields) => {
                self.offsets(fields).for_each(|(offset, field)| self.first_words(field, at + offset, to));
            }
            Type::Array(length, element) if has_pointers(element) => {
                (0..*length).for_each(|i| self.first_words(element, at + i * self.size(element), to));
            }
            Type::Any | Type::Shape => {
                to.insert(at);
            }
            _ => {}
        }
    }
}

/// Whether values of a type have pointers.
pub fn has_pointers(typ: &Type) -> bool {
    match typ {
        Type::Bool | Type::Uint8 | Type::Uint16 | Type::Uint32 | Type::Uint64 | Type::Uintptr => false,
        Type::Float64 | Type::Complex128 => false,
        Type::Array(_, element) => has_pointers(element),
        Type::Struct(fields) => fields.iter().any(has_pointers),
        _ => true,
    }
}

/// How many leaves a type has: parts that are no structs and arrays.
pub fn leaves(typ: &Type) -> u64 {
    match typ {
        Type::Cell => 2,
        Type::Struct(fields) => fields.iter().map(leaves).sum(),
        Type::Array(length, element) => length * leaves(element),
        _ => 1,
    }
}

/// The sizes of small allocations, the same in every release since Go 1.16. Source: `runtime/sizeclasses.go`.
const CLASSES: [u64; 67] = [
    8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320, 352, 384, 416,
    448, 480, 512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792, 2048, 2304, 2688, 3072, 3200,
    3456, 4096, 4864, 5376, 6144, 6528, 6784, 6912, 8192, 9472, 9728, 10240, 10880, 12288, 13568, 14336,
    16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768,
];
const PAGE: u64 = 8192;
/// Objects without pointers that are smaller share a slot of this size.
const TINY: u64 = 16;
/// What stands before a small object with pointers whose span does not describe them, since Go 1.22.
const HEADER: u64 = 8;

/// The slot that an allocation gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its size in bytes.
    pub size: u64,
    /// Where the allocation is in it; `None` where others may be before it.
    pub offset: Option<u64>,
}

impl Layout {
    /// The largest objects whose pointers their span describes, in bytes, since Go 1.22: of as many words as a word has bits.
    pub fn described(self) -> u64 {
        self.word * self.word * 8
    }

    /// The slot of an allocation in Go 1.`release`. Source: `mallocgc`.
    pub fn slot(self, size: u64, pointers: bool, release: u8) -> Slot {
        if !pointers && size < TINY {
            return Slot { size: TINY, offset: None };
        }
        let headers = release >= 22;
        let header = if headers && pointers && size > self.described() { HEADER } else { 0 };
        let largest = CLASSES[CLASSES.len() - 1] - if headers { HEADER } else { 0 };
        if size > largest {
            return Slot { size: size.next_multiple_of(PAGE), offset: Some(0) };
        }
        let class = CLASSES.iter().copied().find(|&class| class >= size + header);
        Slot { size: class.expect("no small object is larger than the largest class"), offset: Some(header) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_laid_out_as_go_does() {
        let typ = Type::Struct(vec![
            Type::Uint8,
            Type::Uint64,
            Type::Array(3, Box::new(Type::Struct(vec![Type::Uint16, Type::String]))),
            Type::Any,
            Type::Bool,
        ]);
        for (word, size, leaf, pointers) in [
            (8, 8 + 8 + 3 * 24 + 16 + 8, 16 + 24, vec![24, 48, 72, 96]),
            (4, 4 + 8 + 3 * 12 + 8 + 4, 12 + 12, vec![16, 28, 40, 52]),
        ] {
            let layout = Layout { word };
            assert_eq!(layout.size(&typ), size);
            assert_eq!(layout.leaf(&typ, 4), (leaf, Type::Uint16));
            let mut found = Vec::new();
            layout.pointers(&typ, 0, &mut found);
            assert_eq!(found, pointers);
        }
        assert_eq!(leaves(&typ), 2 + 3 * 2 + 2);
    }

    #[test]
    fn slots_are_those_of_the_release() {
        let layout = Layout { word: 8 };
        let slot = |size, pointers, release| layout.slot(size, pointers, release);
        assert_eq!(slot(15, false, 27), Slot { size: 16, offset: None });
        assert_eq!(slot(8, true, 27), Slot { size: 8, offset: Some(0) });
        assert_eq!(slot(512, true, 27), Slot { size: 512, offset: Some(0) });
        assert_eq!(slot(520, true, 27), Slot { size: 576, offset: Some(8) });
        assert_eq!(slot(576, true, 27), Slot { size: 640, offset: Some(8) });
        assert_eq!(slot(576, true, 21), Slot { size: 576, offset: Some(0) });
        assert_eq!(slot(32_768, true, 27), Slot { size: 32_768, offset: Some(0) });
        assert_eq!(slot(32_769, false, 21), Slot { size: 40_960, offset: Some(0) });
        assert_eq!(Layout { word: 4 }.slot(132, true, 22), Slot { size: 144, offset: Some(8) });
    }
}
