//! Go 1.20 and 1.21: one bit for each word of the heap, in words.
//!
//! For each word of bits another bit says that what remains of the object has no more pointers, so that the next words of
//! bits need not be in order.

use super::SpanIn;
use crate::error::Error;
use crate::go119::layout::At;
use crate::memory::Addr;
use crate::process::Process;
use crate::runtime::low_bits;
use crate::target::Target;

/// `heapArena.bitmap` and `heapArena.noMorePtrs`.
pub(super) struct OneBit<'m, T> {
    process: Process<'m, T>,
    bitmap: At,
    no_more_ptrs: At,
    /// The arena last looked at: which, and where its `heapArena` is.
    last: Option<(u64, Addr)>,
}

impl<'m, T: Target> OneBit<'m, T> {
    pub(super) fn new(process: Process<'m, T>, bitmap: At, no_more_ptrs: At) -> Self {
        OneBit { process, bitmap, no_more_ptrs, last: None }
    }

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

    /// Port of `heapBitsForAddr` and `next`: words `i` to `i + n` of the object of `nptr` words at `p`.
    pub(super) fn bits(
        &mut self,
        at: &SpanIn<'_>,
        p: Addr,
        nptr: u64,
        i: u64,
        n: u64,
    ) -> Result<(u64, bool), Error> {
        let ptr_bits = 8 * T::PTR_SIZE;
        let (mut bits, mut done) = (0, 0);
        while done < n {
            let addr = p.0.wrapping_add((i + done) * T::PTR_SIZE);
            let arena = self.arena(at, addr)?;
            let word = addr % at.heap.arena_bytes() / T::PTR_SIZE;
            let (idx, off) = (word / ptr_bits, word % ptr_bits);
            let mask = self.process.word_at(arena, self.bitmap.after(idx * T::PTR_SIZE))? >> off;
            let valid = ptr_bits - off;
            let here = valid.min(n - done);
            bits |= (mask & low_bits(here)) << done;
            done += here;
            // Bits for this object extend into the next bitmap word. See if there may be any pointers recorded there.
            if here == valid && i + done < nptr {
                let byte = self.process.uint(arena, self.no_more_ptrs.sized(1).after(idx / 8))?;
                if byte >> (idx % 8) & 1 != 0 {
                    return Ok((bits, false));
                }
            }
        }
        Ok((bits, true))
    }
}
