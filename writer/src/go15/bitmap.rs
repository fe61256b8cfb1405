//! The heap bitmap: which words of the heap are pointers (mbitmap.go).
//!
//! Two bits for each pointer-sized word, four words a byte, in bytes that run *down* from the start
//! of the arena. The low half of a byte has the pointer bits, the high half the mark bits. Here the two
//! are taken apart for many words at a time, so that an object's are had by a shift and a mask.

use crate::error::{Error, Place};
use crate::go15::arch::Target;
use crate::memory::{Addr, Memory};
use crate::process::{offset, uintptr};
use crate::runtime::{GROUP, MOST_WORDS};

const BITMAP: Place = Place::new("mheap", "bitmap");

/// How many bytes of the bitmap are read at once.
const WINDOW: usize = 1024;

/// How many words' bits are certainly in the window that begins with the first of them.
pub(crate) const WINDOW_WORDS: u64 = 4 * WINDOW as u64 - 3;

// The bits of a group of objects are all in the window at once, if each has those of its words in one load: an unaligned
// one of 64 bits, wherever they begin.
const _: () = assert!(GROUP * MOST_WORDS <= WINDOW_WORDS && MOST_WORDS + 7 < 64);

/// `heapBits` of up to [`MOST_WORDS`] words; the lowest bit belongs to the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeapBits {
    /// `isPointer`.
    pub pointers: u64,
    /// `isMarked`. From an object's third word on, the mark says that its description goes on.
    pub marks: u64,
}

impl HeapBits {
    /// Of some words of an object, its first ones or later ones, those that are described: the marks of all others are
    /// taken away, and their pointers.
    #[inline(always)]
    pub(crate) fn described(self, first: bool) -> HeapBits {
        // From the third word on the mark says whether the object goes on.
        let marks = if first { self.marks | 0b11 } else { self.marks };
        // The ones below the lowest zero: adding one makes zeros of them.
        let marks = marks & !marks.wrapping_add(1);
        HeapBits { pointers: self.pointers & marks, marks }
    }
}

/// A bit for each word, and bytes to be loaded along with the last ones.
type Bits = [u8; WINDOW / 2 + 8];

/// The bits of some words.
pub(crate) struct Words {
    pointers: Bits,
    marks: Bits,
}

impl Words {
    /// `heapBits` of the words from this number on: of [`MOST_WORDS`], if there are so many.
    #[inline(always)]
    pub(crate) fn bits(&self, word: u64) -> HeapBits {
        let (byte, shift) = ((word / 8) as usize, word % 8);
        let load = |bits: &Bits| {
            let eight = bits[byte..].first_chunk().expect("there are eight after the last");
            u64::from_le_bytes(*eight) >> shift
        };
        HeapBits { pointers: load(&self.pointers), marks: load(&self.marks) }
    }
}

/// The bitmap, of which it holds a window.
pub(crate) struct HeapBitmap<'m> {
    memory: &'m dyn Memory,
    arena_start: Addr,
    window: Box<Words>,
    /// The window as it is in memory: the bytes before its end.
    bytes: Box<[u8; WINDOW]>,
    /// The words that the window describes: from `first`, a multiple of 4, up to `end`.
    first: u64,
    end: u64,
}

impl<'m> HeapBitmap<'m> {
    /// The bitmap of the arena that begins at `arena_start`.
    pub(crate) fn new(memory: &'m dyn Memory, arena_start: Addr) -> Self {
        let window = Box::new(Words { pointers: [0; WINDOW / 2 + 8], marks: [0; WINDOW / 2 + 8] });
        HeapBitmap { memory, arena_start, window, bytes: Box::new([0; WINDOW]), first: 0, end: 0 }
    }

    /// Which word of the arena is at `addr`.
    pub(crate) fn word<T: Target>(&self, addr: Addr) -> u64 {
        uintptr::<T>(addr.0.wrapping_sub(self.arena_start.0)) / T::PTR_SIZE
    }

    /// Port of `heapBitsForAddr`, for the `n` words from this number on, at most [`WINDOW_WORDS`]: the bits of
    /// many words, and which of these `word` is. Words up to `limit` may be read ahead.
    pub(crate) fn words<T: Target>(&mut self, word: u64, n: u64, limit: u64) -> Result<(&Words, u64), Error> {
        if word < self.first || word + n > self.end {
            self.slide::<T>(word, n, limit)?;
        }
        Ok((&self.window, word - self.first))
    }

    /// Moves the window so that it begins with `word`, and has at least `n` words.
    #[cold]
    fn slide<T: Target>(&mut self, word: u64, n: u64, limit: u64) -> Result<(), Error> {
        let first = word / 4;
        let end = limit.max(word + n).div_ceil(4).min(first + WINDOW as u64);
        let bytes = (end - first) as usize;
        let described = &mut self.bytes[WINDOW - bytes..];
        self.end = self.first;
        self.memory
            .read(offset::<T>(self.arena_start, end.wrapping_neg()), described)
            .map_err(|source| Error::Unreadable { place: BITMAP, source })?;
        (self.first, self.end) = (4 * first, 4 * end);
        // The last byte in memory is the first one in the order of words.
        let groups = self.window.pointers.chunks_exact_mut(4).zip(self.window.marks.chunks_exact_mut(4));
        for ((pointers, marks), bytes) in groups.zip(self.bytes.rchunks_exact(8)).take(bytes.div_ceil(8)) {
            let bits = u64::from_be_bytes(bytes.try_into().expect("8 bytes"));
            pointers.copy_from_slice(&low_halves(bits).to_le_bytes());
            marks.copy_from_slice(&low_halves(bits >> 4).to_le_bytes());
        }
        Ok(())
    }
}

/// The low halves of the bytes of `bits`, side by side.
fn low_halves(bits: u64) -> u32 {
    let bits = bits & 0x0f0f_0f0f_0f0f_0f0f;
    let bits = (bits | bits >> 4) & 0x00ff_00ff_00ff_00ff;
    let bits = (bits | bits >> 8) & 0x0000_ffff_0000_ffff;
    (bits | bits >> 16) as u32
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
            let (words, first) = bitmap.words::<Amd64>(word, n, WORDS).unwrap();
            let bits = words.bits(first);
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
            n = n % MOST_WORDS + 1;
        }
        assert!(bitmap.words::<Amd64>(0, MOST_WORDS, WORDS).is_ok());
        let error = bitmap.words::<Amd64>(WORDS - 1, 2, WORDS + 1).err().unwrap();
        assert!(matches!(error, Error::Unreadable { place: BITMAP, .. }), "{error}");
    }
}
