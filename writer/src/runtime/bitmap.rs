//! The heap bitmap: which words of the heap are pointers (mbitmap.go).
//!
//! Two bits for each pointer-sized word, four words a byte, in bytes that run *down* from the start
//! of the arena. The low half of a byte has the pointer bits, the high half the mark bits.

use super::layout::{offset, uintptr};
use crate::error::{Error, Place};
use crate::memory::{Addr, Memory};
use crate::target::Target;
use crate::wrong::wrong;

const BITMAP: Place = Place::new("mheap", "bitmap");

/// How many bytes of the bitmap are read at once.
const WINDOW: usize = 1024;

/// `heapBits`: the bits of one word.
#[derive(Clone, Copy)]
pub(crate) struct HeapBits(u8);

impl HeapBits {
    /// Port of `isPointer`.
    pub(crate) fn is_pointer(self) -> bool {
        self.0 & 0x01 != 0
    }

    /// Port of `isMarked`. From an object's third word on, the mark says that its description goes on.
    pub(crate) fn is_marked(self) -> bool {
        self.0 & 0x10 != 0
    }
}

/// The bitmap, of which it holds a window.
pub(crate) struct HeapBitmap<'m, M: ?Sized> {
    memory: &'m M,
    arena_start: Addr,
    /// The window's bytes, in the order of memory: against the order of the words.
    window: Box<[u8; WINDOW]>,
    /// The words that the window describes: from `first`, a multiple of 4, up to `end`.
    first: u64,
    end: u64,
}

impl<'m, M: Memory + ?Sized> HeapBitmap<'m, M> {
    /// The bitmap of the arena that begins at `arena_start`.
    pub(crate) fn new(memory: &'m M, arena_start: Addr) -> Self {
        HeapBitmap { memory, arena_start, window: Box::new([0; WINDOW]), first: 0, end: 0 }
    }

    /// Which word of the arena is at `addr`.
    pub(crate) fn word<T: Target>(&self, addr: Addr) -> u64 {
        uintptr::<T>(addr.0.wrapping_sub(self.arena_start.0))
            / if wrong!(BitmapOf64Bits) { 8 } else { T::PTR_SIZE }
    }

    /// Port of `heapBitsForAddr`, for the word of this number. Words up to `limit` may be read ahead.
    #[inline]
    pub(crate) fn bits<T: Target>(&mut self, word: u64, limit: u64) -> Result<HeapBits, Error> {
        if word < self.first || word >= self.end {
            self.slide::<T>(word, limit)?;
        }
        let bytes = (self.end - self.first) / 4;
        let down = (word - self.first) / 4;
        let byte = self.window[if wrong!(BitmapUpwards) { down } else { bytes - 1 - down } as usize];
        Ok(HeapBits(byte >> if wrong!(BitmapBitsReversed) { 3 - word % 4 } else { word % 4 }))
    }

    /// Moves the window so that it begins with `word`.
    fn slide<T: Target>(&mut self, word: u64, limit: u64) -> Result<(), Error> {
        let first = word / 4;
        let bytes = limit.div_ceil(4).saturating_sub(first).clamp(1, WINDOW as u64);
        self.end = self.first;
        let lowest = offset::<T>(self.arena_start, (first + bytes).wrapping_neg());
        self.memory
            .read(lowest, &mut self.window[..bytes as usize])
            .map_err(|source| Error::Unreadable { place: BITMAP, source })?;
        (self.first, self.end) = (4 * first, 4 * (first + bytes));
        Ok(())
    }
}
