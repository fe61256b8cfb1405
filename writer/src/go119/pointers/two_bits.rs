//! Up to Go 1.19: two bits for each word of the heap, four words a byte.
//!
//! The low half of a byte has the pointer bits, the high half the scan bits: a word without one is where the description
//! of its object ends.

use super::{SpanIn, Window};
use crate::error::Error;
use crate::go119::layout::At;
use crate::memory::Addr;
use crate::process::{Process, offset};
use crate::target::Target;

/// `heapArena.bitmap`.
pub(super) struct TwoBits<'m, T> {
    process: Process<'m, T>,
    bitmap: At,
    buf: Vec<u8>,
}

impl<'m, T: Target> TwoBits<'m, T> {
    pub(super) fn new(process: Process<'m, T>, bitmap: At) -> Self {
        TwoBits { process, bitmap, buf: Vec::new() }
    }

    /// Port of `heapBitsForAddr`, for the `n` words from `p` on: which bit of the windows is that of the first.
    pub(super) fn window(
        &mut self,
        at: &SpanIn<'_>,
        p: Addr,
        n: u64,
        pointers: &mut Window,
        marks: &mut Window,
    ) -> Result<u64, Error> {
        let per_byte = 4 * T::PTR_SIZE;
        let arena_bytes = at.heap.arena_bytes();
        let first = p.0 / T::PTR_SIZE % 4;
        // From one arena to the next, in whole bytes.
        let (mut byte, end) = (p.0 / per_byte, (p.0 / T::PTR_SIZE).saturating_add(n).div_ceil(4));
        let mut done = 0;
        while byte < end {
            let arena = at.heap.arena(&self.process, at.shape, Addr(byte * per_byte))?;
            let index = byte % (arena_bytes / per_byte).max(1);
            let len = (end - byte).min((arena_bytes / per_byte).max(1) - index);
            let from = offset::<T>(arena, self.bitmap.offset + index);
            self.buf.resize(len as usize, 0);
            let read = self.process.memory.read(from, &mut self.buf);
            read.map_err(|source| Error::Unreadable { place: self.bitmap.place, source })?;
            for pair in self.buf.chunks(2) {
                let (low, high) = (pair[0], pair.get(1).copied().unwrap_or(0));
                pointers[done] = low & 15 | high << 4;
                marks[done] = low >> 4 | high & 0xf0;
                done += 1;
            }
            // An arena's last byte is one of an even number.
            byte += len;
        }
        for window in [pointers, marks] {
            window[done..].fill(0);
        }
        Ok(first)
    }
}
