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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Segments;

    const START: u64 = 0x1000;

    fn memory(len: u64) -> Segments {
        let mut memory = Segments::new(true);
        memory.map(START, len);
        memory.write(Addr(START), &(0..len).map(|i| (i % 251 + 1) as u8).collect::<Vec<_>>());
        memory
    }

    fn all(memory: &Segments, len: u64) -> (Vec<u8>, Option<Error>) {
        let mut bytes = Bytes::new(memory, Addr(START), len, Place::new("table", "bytes"));
        let mut read = Vec::new();
        loop {
            match bytes.next() {
                Ok(Some(byte)) => read.push(byte),
                Ok(None) => return (read, None),
                Err(error) => return (read, Some(error)),
            }
        }
    }

    #[test]
    fn tables_end_with_their_length_or_with_memory() {
        let memory = memory(300);
        let expected: Vec<u8> = (0..300).map(|i| (i % 251 + 1) as u8).collect();
        for len in [0, 1, 63, 64, 65, 128, 200, 299, 300] {
            let (read, error) = all(&memory, len);
            assert!(read == expected[..len as usize] && error.is_none(), "{len}");
        }
        for len in [301, 364, 1000] {
            let (read, error) = all(&memory, len);
            assert_eq!(read, expected, "{len}");
            let error = error.expect("there is no more memory").to_string();
            assert!(error.contains("table.bytes") && error.contains("0x112c"), "{error}");
        }
    }
}
