//! The byte stream inside the pclntab: varints, tables of (value, PC) steps, and C strings.
//!
//! Source: `readvarint`, `step` and `pcvalue` of symtab.go, `findnull` of string1.go.

use crate::error::{Error, Place};
use crate::go15::arch::Target;
use crate::memory::{Addr, Memory};
use crate::process::field::Header;
use crate::process::{Process, offset, uintptr};

/// What the stream's bytes belong to.
pub(crate) const PCLNTABLE: Place = Place::new("moduledata", "pclntable");

/// Bytes of the pclntab one after the other, never beyond its end.
pub(crate) struct Bytes<'p> {
    memory: &'p dyn Memory,
    at: Addr,
    left: u64,
    chunk: [u8; 64],
    used: usize,
    filled: usize,
}

impl<'p> Bytes<'p> {
    /// The bytes of `table` from offset `off` on; none when that is outside.
    pub(crate) fn new<T: Target>(process: &Process<'p, T>, table: Header, off: u64) -> Self {
        let at = offset::<T>(table.array, off);
        let left = table.len.saturating_sub(off);
        Bytes { memory: process.memory, at, left, chunk: [0; 64], used: 0, filled: 0 }
    }

    /// The next byte, or `None` at the table's end.
    pub(crate) fn next(&mut self) -> Result<Option<u8>, Error> {
        if self.used == self.filled && !self.fill()? {
            return Ok(None);
        }
        self.used += 1;
        Ok(Some(self.chunk[self.used - 1]))
    }

    /// Reads the next chunk: as much as is there, when the memory ends before the table does.
    fn fill(&mut self) -> Result<bool, Error> {
        let mut n = self.left.min(self.chunk.len() as u64) as usize;
        if n == 0 {
            return Ok(false);
        }
        while let Err(source) = self.memory.read(self.at, &mut self.chunk[..n]) {
            if n == 1 {
                return Err(Error::Unreadable { place: PCLNTABLE, source });
            }
            n /= 2;
        }
        self.at = self.at.add(n as u64);
        self.left -= n as u64;
        (self.used, self.filled) = (0, n);
        Ok(true)
    }

    /// Port of `readvarint`: 32 bits, whatever more there is being shifted out.
    pub(crate) fn readvarint(&mut self) -> Result<Option<u32>, Error> {
        let (mut v, mut shift) = (0u32, 0u32);
        while let Some(b) = self.next()? {
            v |= u32::from(b & 0x7f).checked_shl(shift).unwrap_or(0);
            if b & 0x80 == 0 {
                return Ok(Some(v));
            }
            shift = shift.saturating_add(7);
        }
        Ok(None)
    }

    /// Port of `findnull`: the number of bytes before the next zero, or `None` when there is no zero.
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

/// Where a table of steps has come to.
pub(crate) struct Step {
    /// The value …
    pub val: i32,
    /// … of every PC from the one of the step before up to this one, which is not included.
    pub pc: u64,
}

/// Port of `step`: advances to the next pair, or gives `false` at the end of the table.
///
/// `None` when the pclntab ends before the table does.
pub(crate) fn step<T: Target>(p: &mut Bytes<'_>, to: &mut Step, first: bool) -> Result<Option<bool>, Error> {
    let Some(uvdelta) = p.readvarint()? else { return Ok(None) };
    if uvdelta == 0 && !first {
        return Ok(Some(false));
    }
    let vdelta = if uvdelta & 1 != 0 { !(uvdelta >> 1) } else { uvdelta >> 1 };
    let Some(pcdelta) = p.readvarint()? else { return Ok(None) };
    let pcdelta = pcdelta.wrapping_mul(T::PC_QUANTUM as u32);
    to.pc = uintptr::<T>(to.pc.wrapping_add(u64::from(pcdelta)));
    to.val = to.val.wrapping_add(vdelta as i32);
    Ok(Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Segments;

    /// The bytes of a table of `len` bytes, of which so many are there, each its own offset.
    fn bytes(memory: &mut Segments, there: u8, len: u64) -> Bytes<'_> {
        memory.map(0x1000, there.into());
        memory.write(Addr(0x1000), &(0..there).collect::<Vec<_>>());
        Bytes { memory, at: Addr(0x1000), left: len, chunk: [0; 64], used: 0, filled: 0 }
    }

    #[test]
    fn a_table_is_read_to_its_end_or_to_that_of_memory() {
        for there in [0, 1, 63, 64, 65, 100, 200] {
            let mut memory = Segments::default();
            let mut p = bytes(&mut memory, there, 150);
            for offset in 0..there.min(150) {
                assert_eq!(p.next().unwrap(), Some(offset));
            }
            if there >= 150 {
                assert_eq!(p.next().unwrap(), None);
                continue;
            }
            let end = Addr(0x1000 + u64::from(there));
            match p.next().unwrap_err() {
                Error::Unreadable { place, source } => {
                    assert_eq!((place, source.addr, source.len), (PCLNTABLE, end, 1))
                }
                error => panic!("{error}"),
            }
        }
    }
}
