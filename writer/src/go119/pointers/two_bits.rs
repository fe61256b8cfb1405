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
    /// The arena last looked at: which, and where its `heapArena` is.
    last: Option<(u64, Addr)>,
}

impl<'m, T: Target> TwoBits<'m, T> {
    pub(super) fn new(process: Process<'m, T>, bitmap: At) -> Self {
        TwoBits { process, bitmap, buf: Vec::new(), last: None }
    }

    /// The `heapArena` of an address: nearly always that of the address before.
    fn arena(&mut self, at: &SpanIn<'_>, p: u64) -> Result<Addr, Error> {
        let number = p / at.heap.arena_bytes();
        if let Some((last, arena)) = self.last
            && last == number
        {
            return Ok(arena);
        }
        let arena = at.heap.arena(&self.process, at.shape, Addr(p))?;
        self.last = Some((number, arena));
        Ok(arena)
    }

    /// Port of `heapBitsForAddr`, for the `n` words from `p` on: which bit of the windows is that of the first. The bits
    /// after the last may be anything.
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
            let arena = self.arena(at, byte * per_byte)?;
            let index = byte % (arena_bytes / per_byte).max(1);
            let len = (end - byte).min((arena_bytes / per_byte).max(1) - index);
            let from = offset::<T>(arena, self.bitmap.offset + index);
            let bytes = match self.process.memory.borrow(from, len) {
                Some(bytes) => bytes,
                None => {
                    self.buf.resize(len as usize, 0);
                    let read = self.process.memory.read(from, &mut self.buf);
                    read.map_err(|source| Error::Unreadable { place: self.bitmap.place, source })?;
                    &self.buf
                }
            };
            let (eights, rest) = bytes.as_chunks();
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            let eights = eights.iter().chain((!rest.is_empty()).then_some(&last));
            for (at, &eight) in (done..).step_by(4).zip(eights) {
                let pairs = u64::from_le_bytes(eight);
                pointers[at..at + 4].copy_from_slice(&low_halves(pairs).to_le_bytes());
                marks[at..at + 4].copy_from_slice(&low_halves(pairs >> 4).to_le_bytes());
            }
            // What is beyond the last byte is overwritten by what follows.
            done += bytes.len().div_ceil(2);
            // An arena's last byte is one of an even number.
            byte += len;
        }
        Ok(first)
    }
}

/// The low halves of eight bytes, next to each other.
#[inline(always)]
fn low_halves(bytes: u64) -> u32 {
    let halves = bytes & 0x0f0f_0f0f_0f0f_0f0f;
    let pairs = (halves | halves >> 4) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    (fours | fours >> 16) as u32
}

#[cfg(test)]
mod tests {
    use super::low_halves;

    #[test]
    fn halves_come_together() {
        assert_eq!(low_halves(0xf1e2_d3c4_b5a6_9788), 0x1234_5678);
        assert_eq!(low_halves(0xf1e2_d3c4_b5a6_9788 >> 4), 0xfedc_ba98);
    }
}
