//! Lists of pointer fields.

use super::Records;
use crate::error::{Error, Place};
use crate::format::tags::{FIELD_KIND_EOL, FIELD_KIND_PTR};
use crate::memory::Memory;
use crate::process::uintptr;
use crate::record::BitVector;
use crate::target::Target;

/// How many bytes of a bit vector are read at once.
const CHUNK: usize = 256;

impl Records<'_> {
    /// A pointer at this offset, in bytes.
    #[inline]
    pub(super) fn pointer(&mut self, offset: u64) -> Result<(), Error> {
        self.sink.dumpint(FIELD_KIND_PTR)?;
        self.sink.dumpint(offset)
    }

    /// The end of the list.
    #[inline]
    pub(super) fn end_of_fields(&mut self) -> Result<(), Error> {
        self.sink.dumpint(FIELD_KIND_EOL)
    }

    /// Port of `dumpbv`: the words of the bit vector that are pointers, as long as `keep` wants them.
    pub(super) fn dumpbv<T: Target>(
        &mut self,
        memory: &dyn Memory,
        bv: BitVector,
        offset: u64,
        place: Place,
        keep: impl Fn(u64) -> bool,
    ) -> Result<(), Error> {
        let mut chunk = [0; CHUNK];
        let n = bv.n.max(0) as u64;
        for first in (0..n).step_by(CHUNK * 8) {
            let words = (n - first).min(CHUNK as u64 * 8);
            let bytes = &mut chunk[..words.div_ceil(8) as usize];
            let at = crate::process::offset::<T>(bv.bytedata, first / 8);
            memory.read(at, bytes).map_err(|source| Error::Unreadable { place, source })?;
            let mut fields = [FIELD_KIND_PTR; 16];
            for (i, &byte) in (0..).zip(&*bytes) {
                // After the vector's end the last byte may have anything.
                let mut bits = byte & (u8::MAX >> (8 - (words - 8 * i).min(8)));
                let mut n = 0;
                while bits != 0 {
                    let word = first + 8 * i + u64::from(bits.trailing_zeros());
                    let at = uintptr::<T>(offset.wrapping_add(word * T::PTR_SIZE));
                    if keep(at) {
                        fields[n + 1] = at;
                        n += 2;
                    }
                    bits &= bits - 1;
                }
                self.sink.dumpints(&fields[..n])?;
            }
        }
        Ok(())
    }

    /// Port of `dumpfields`.
    pub(super) fn dumpfields<T: Target>(
        &mut self,
        memory: &dyn Memory,
        bv: BitVector,
        place: Place,
    ) -> Result<(), Error> {
        self.dumpbv::<T>(memory, bv, 0, place, |_| true)?;
        self.end_of_fields()
    }
}
