//! The heap bitmap: which words of the heap are pointers (mbitmap.go).
//!
//! Two bits for each pointer-sized word, four words a byte, in bytes that run *down* from the start
//! of the arena. The low half of a byte has the pointer bits, the high half the mark bits. Here the two
//! are taken apart for many words at a time, so that an object's are had by a shift and a mask.

use super::layout::{offset, uintptr};
use crate::error::{Error, Place};
use crate::memory::{Addr, Memory};
use crate::target::Target;
use crate::wrong::wrong;

const BITMAP: Place = Place::new("mheap", "bitmap");

/// How many bytes of the bitmap are read at once.
const WINDOW: usize = 1024;

/// How many groups of 64 words that makes.
const GROUPS: usize = WINDOW / 16;

/// `heapBits` of up to 64 words; the lowest bit belongs to the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeapBits {
    /// `isPointer`.
    pub pointers: u64,
    /// `isMarked`. From an object's third word on, the mark says that its description goes on.
    pub marks: u64,
}

/// The bitmap, of which it holds a window.
pub(crate) struct HeapBitmap<'m, M: ?Sized> {
    memory: &'m M,
    arena_start: Addr,
    /// The bits of the window's words. The last group is there to be shifted in, and stays zero.
    groups: Box<[HeapBits; GROUPS + 1]>,
    /// The words that the window describes: from `first`, a multiple of 4, up to `end`.
    first: u64,
    end: u64,
}

impl<'m, M: Memory + ?Sized> HeapBitmap<'m, M> {
    /// The bitmap of the arena that begins at `arena_start`.
    pub(crate) fn new(memory: &'m M, arena_start: Addr) -> Self {
        let groups = Box::new([HeapBits { pointers: 0, marks: 0 }; GROUPS + 1]);
        HeapBitmap { memory, arena_start, groups, first: 0, end: 0 }
    }

    /// Which word of the arena is at `addr`.
    pub(crate) fn word<T: Target>(&self, addr: Addr) -> u64 {
        uintptr::<T>(addr.0.wrapping_sub(self.arena_start.0))
            / if wrong!(BitmapOf64Bits) { 8 } else { T::PTR_SIZE }
    }

    /// Port of `heapBitsForAddr`, for the `n` words from this number on, at most 64. Words up to `limit`
    /// may be read ahead. The bits above the lowest `n` mean nothing.
    #[inline(always)]
    pub(crate) fn bits<T: Target>(&mut self, word: u64, n: u64, limit: u64) -> Result<HeapBits, Error> {
        if word < self.first || word + n > self.end {
            self.slide::<T>(word, n, limit)?;
        }
        let (group, shift) = ((word - self.first) / 64, (word - self.first) % 64);
        let [low, high] = [self.groups[group as usize], self.groups[group as usize + 1]];
        // Two shifts, because one of 64 would be one of 0.
        let join = |low: u64, high: u64| low >> shift | high << 1 << (63 - shift);
        Ok(HeapBits { pointers: join(low.pointers, high.pointers), marks: join(low.marks, high.marks) })
    }

    /// Moves the window so that it begins with `word`, and has at least `n` words.
    #[cold]
    fn slide<T: Target>(&mut self, word: u64, n: u64, limit: u64) -> Result<(), Error> {
        let first = word / 4;
        let end = limit.max(word + n).div_ceil(4).min(first + WINDOW as u64);
        let bytes = (end - first) as usize;
        let mut window = [0; WINDOW];
        let (_, described) = window.split_at_mut(WINDOW - bytes);
        self.end = self.first;
        self.memory
            .read(offset::<T>(self.arena_start, end.wrapping_neg()), described)
            .map_err(|source| Error::Unreadable { place: BITMAP, source })?;
        (self.first, self.end) = (4 * first, 4 * end);
        if wrong!(BitmapUpwards) {
            described.reverse();
        }
        // The last byte in memory is the first one in the order of words.
        for (group, bytes) in self.groups.iter_mut().zip(window.rchunks_exact(16)).take(bytes.div_ceil(16)) {
            let bits = u128::from_be_bytes(bytes.try_into().expect("16 bytes"));
            let bits = if wrong!(BitmapBitsReversed) { reversed(bits) } else { bits };
            let [low, high] = [bits as u64, (bits >> 64) as u64];
            group.pointers = low_halves(low) | low_halves(high) << 32;
            group.marks = low_halves(low >> 4) | low_halves(high >> 4) << 32;
        }
        Ok(())
    }
}

/// The low halves of the bytes of `bits`, side by side.
fn low_halves(bits: u64) -> u64 {
    let bits = bits & 0x0f0f_0f0f_0f0f_0f0f;
    let bits = (bits | bits >> 4) & 0x00ff_00ff_00ff_00ff;
    let bits = (bits | bits >> 8) & 0x0000_ffff_0000_ffff;
    (bits | bits >> 16) & 0xffff_ffff
}

/// The bits of four words in each half of a byte, in reverse.
#[cold]
fn reversed(bits: u128) -> u128 {
    let bytes = bits.to_be_bytes().map(|byte| byte.reverse_bits().rotate_left(4));
    u128::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Amd64;
    use crate::testing::Segments;

    #[test]
    fn words_have_the_bits_of_their_place_in_the_bitmap() {
        const ARENA: u64 = 0x10_0000;
        const WORDS: u64 = 3 * 4 * WINDOW as u64 + 20;
        let byte = |i: u64| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
        let mut memory = Segments::new(true);
        memory.map(ARENA - WORDS / 4, WORDS / 4);
        for i in 0..WORDS / 4 {
            memory.write(Addr(ARENA - 1 - i), &[byte(i)]);
        }
        let mut bitmap = HeapBitmap::new(&memory, Addr(ARENA));
        // Forwards in steps of all lengths, across the window's end, and far back again.
        let (mut word, mut n) = (0, 1);
        while word + n <= WORDS {
            let bits = bitmap.bits::<Amd64>(word, n, WORDS).unwrap();
            for i in 0..n {
                let expected = byte((word + i) / 4) >> ((word + i) % 4);
                assert_eq!(
                    bits.pointers >> i & 1,
                    u64::from(expected & 1),
                    "pointer bit of word {}",
                    word + i
                );
                assert_eq!(bits.marks >> i & 1, u64::from(expected >> 4 & 1), "mark of word {}", word + i);
            }
            word += n - n / 3;
            n = n % 64 + 1;
        }
        assert!(bitmap.bits::<Amd64>(0, 64, WORDS).is_ok());
        let error = bitmap.bits::<Amd64>(WORDS - 1, 2, WORDS + 1).unwrap_err();
        assert!(matches!(error, Error::Unreadable { place: BITMAP, .. }), "{error}");
    }
}
