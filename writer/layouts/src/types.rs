//! The sizes of types.

use std::collections::HashMap;

use gimli::{DebugInfoOffset, Unit};

use super::{Entry, Slice, offset, type_of, unsigned};

/// How many names of names are followed.
const MOST_NAMES: u32 = 64;

/// What is known of a type's size.
#[derive(Clone, Copy)]
enum Size {
    Bytes(u64),
    /// That of a pointer.
    Pointer,
    /// That of another type.
    Of(DebugInfoOffset),
}

/// The sizes of all types of a program.
#[derive(Default)]
pub(crate) struct Types {
    /// The size of a pointer, in bytes.
    pub ptr_size: u64,
    sizes: HashMap<usize, Size>,
}

impl Types {
    /// Takes note of a type whose size is known.
    pub(crate) fn size(&mut self, at: DebugInfoOffset, size: u64) {
        self.sizes.insert(at.0, Size::Bytes(size));
    }

    /// Takes note of an entry, if it is a type.
    pub(crate) fn entry(&mut self, unit: &Unit<Slice<'_>>, entry: &Entry<'_>) {
        let size = match entry.tag() {
            gimli::DW_TAG_base_type | gimli::DW_TAG_array_type => {
                Size::Bytes(unsigned(entry, gimli::DW_AT_byte_size).unwrap_or(0))
            }
            gimli::DW_TAG_pointer_type | gimli::DW_TAG_subroutine_type => Size::Pointer,
            gimli::DW_TAG_typedef => match type_of(unit, entry) {
                Some(other) => Size::Of(other),
                None => return,
            },
            _ => return,
        };
        self.sizes.insert(offset(unit, entry.offset()).0, size);
    }

    /// The size of a type in bytes, if it is known.
    pub(crate) fn size_of(&self, mut at: DebugInfoOffset) -> Option<u64> {
        for _ in 0..MOST_NAMES {
            match *self.sizes.get(&at.0)? {
                Size::Bytes(size) => return Some(size),
                Size::Pointer => return Some(self.ptr_size),
                Size::Of(other) => at = other,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_name_each_other_have_no_size() {
        let mut types = Types { ptr_size: 4, ..Types::default() };
        let at = DebugInfoOffset;
        types.sizes.extend([
            (1, Size::Of(at(2))),
            (2, Size::Of(at(1))),
            (3, Size::Of(at(4))),
            (4, Size::Pointer),
        ]);
        types.size(at(5), 24);
        assert_eq!([1, 2, 3, 5, 6].map(|n| types.size_of(at(n))), [None, None, Some(4), Some(24), None]);
    }
}
