//! What `heapBitsSetType` (mbitmap.go) leaves in the heap bitmap for an object.

use crate::world::Contents;

/// The bitmap bytes of an object, as pairs of bytes: a mask of the bits to keep, and the bits to set.
/// The first pair is for the byte that describes the object's first word; the bitmap goes on downwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeapBits {
    /// The pairs for an object whose description begins with a bitmap byte.
    pub aligned: Vec<u8>,
    /// The pairs for an object whose description begins in the middle of a byte. Empty when every
    /// object of the size is aligned.
    pub halfway: Vec<u8>,
}

/// The bitmap bytes of an object in a slot of so many words, or none if nothing is to be written:
/// memory without pointers is described so already, and so are objects of a single word.
pub(crate) fn heap_bits(contents: &Contents, slot_words: u64) -> Option<HeapBits> {
    let Contents::Words { slots, .. } = contents else { return None };
    // The description ends after the last pointer, but has two words at least.
    let described = match contents.pointer_words() as u64 {
        0 => return None,
        pointers => pointers.max(2),
    };
    if slot_words == 1 {
        return None;
    }
    let bits = |word: u64| {
        let pointer = u8::from(slots.get(word as usize).is_some_and(|slot| slot.is_pointer()));
        // The high bit of the first two words is for marks; from the third on it says that the
        // description goes on.
        let described = u8::from((2..described).contains(&word));
        pointer | described << 4
    };
    let pairs = |shift: u64| {
        let mut pairs = Vec::with_capacity(2 * (shift + slot_words).div_ceil(4) as usize);
        for byte in 0..(shift + slot_words).div_ceil(4) {
            let (mut keep, mut set) = (0, 0);
            for entry in 0..4 {
                match (4 * byte + entry).checked_sub(shift).filter(|&word| word < slot_words) {
                    Some(word) => set |= bits(word) << entry,
                    None => keep |= 0x11 << entry,
                }
            }
            pairs.extend([keep, set]);
        }
        pairs
    };
    Some(HeapBits { aligned: pairs(0), halfway: if slot_words % 4 == 2 { pairs(2) } else { Vec::new() } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Slot, Value};

    fn words(len: u32, pointers: &[usize]) -> Contents {
        let count = pointers.iter().max().map_or(0, |last| last + 1);
        let slot =
            |i| if pointers.contains(&i) { Slot::Pointer(Value::NIL) } else { Slot::Plain(Value::NIL) };
        Contents::Words { len, slots: (0..count).map(slot).collect() }
    }

    #[test]
    fn two_words_fill_half_a_byte() {
        let bits = heap_bits(&words(2, &[0]), 2).unwrap();
        assert_eq!((&bits.aligned[..], &bits.halfway[..]), (&[0xcc, 0x01][..], &[0x33, 0x04][..]));
    }

    #[test]
    fn the_description_ends_behind_the_last_pointer() {
        // Words 0 and 4 are pointers: 2, 3 and 4 say "goes on", and 5 is dead.
        let bits = heap_bits(&words(6, &[0, 4]), 6).unwrap();
        assert_eq!(bits.aligned, [0x00, 0xc1, 0xcc, 0x11]);
        assert_eq!(bits.halfway, [0x33, 0x04, 0x00, 0x74]);
        // One pointer in the first word: the third says at once that the description is over.
        assert_eq!(heap_bits(&words(4, &[0]), 4).unwrap().aligned, [0x00, 0x01]);
    }

    #[test]
    fn nothing_is_written_for_memory_without_pointers_and_for_single_words() {
        assert_eq!(heap_bits(&words(4, &[]), 4), None);
        assert_eq!(heap_bits(&Contents::Bytes { len: 40, pattern: vec![1] }, 6), None);
        assert_eq!(heap_bits(&words(1, &[0]), 1), None);
    }
}
