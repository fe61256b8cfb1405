//! Tables and strings in the target's memory, byte by byte.

use crate::error::{Error, Place};
use crate::memory::{Addr, Memory};

/// How many bytes are read at once.
const CHUNK: usize = 64;

/// The bytes from an address on, up to an end.
pub(crate) struct Bytes<'m> {
    memory: &'m dyn Memory,
    place: Place,
    at: Addr,
    left: u64,
    chunk: [u8; CHUNK],
    used: usize,
    filled: usize,
}

impl<'m> Bytes<'m> {
    /// Up to `len` bytes from `at` on, which belong to `place`.
    pub(crate) fn new(memory: &'m dyn Memory, at: Addr, len: u64, place: Place) -> Self {
        Bytes { memory, place, at, left: len, chunk: [0; CHUNK], used: 0, filled: 0 }
    }

    /// The next byte, or `None` at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<u8>, Error> {
        if self.used == self.filled && !self.fill()? {
            return Ok(None);
        }
        self.used += 1;
        Ok(Some(self.chunk[self.used - 1]))
    }

    /// Reads the next chunk: as much as there is, where memory ends before the table does.
    fn fill(&mut self) -> Result<bool, Error> {
        let mut n = self.left.min(CHUNK as u64) as usize;
        if n == 0 {
            return Ok(false);
        }
        while let Err(source) = self.memory.read(self.at, &mut self.chunk[..n]) {
            if n == 1 {
                return Err(Error::Unreadable { place: self.place, source });
            }
            n /= 2;
        }
        self.at = self.at.add(n as u64);
        self.left -= n as u64;
        (self.used, self.filled) = (0, n);
        Ok(true)
    }

    /// Port of `readvarint`: 32 bits, into which what there is more of is folded as the reference's shift does it.
    #[inline]
    pub(crate) fn readvarint(&mut self) -> Result<Option<u32>, Error> {
        let (mut v, mut shift) = (0, 0u32);
        while let Some(b) = self.next()? {
            v |= u32::from(b & 0x7f) << (shift & 31);
            if b & 0x80 == 0 {
                return Ok(Some(v));
            }
            shift = shift.wrapping_add(7);
        }
        Ok(None)
    }

    /// Port of `findnull`: the number of bytes before the next zero, or `None` when there is none.
    pub(crate) fn findnull(&mut self) -> Result<Option<u64>, Error> {
        let mut len = 0;
        while let Some(b) = self.next()? {
            if b == 0 {
                return Ok(Some(len));
            }
            len += 1;
        }
        Ok(None)
    }
}
