//! The memory of a process that stands still, put together from pieces of files.

use std::cell::Cell;

use heapmatrix_writer::{Addr, Memory, Unreadable};

/// Addresses that have contents.
#[derive(Clone, Copy, Debug)]
struct Piece<'d> {
    addr: u64,
    len: u64,
    /// The bytes; zeros if there are none.
    bytes: Option<&'d [u8]>,
}

impl Piece<'_> {
    fn end(&self) -> u64 {
        self.addr + self.len
    }
}

/// Memory that consists of pieces of files, and of zeros that no file has.
#[derive(Clone, Debug)]
pub struct Pieces<'d> {
    /// Sorted by address, disjoint, none empty.
    pieces: Vec<Piece<'d>>,
    /// Which of them was asked for last, by address: most likely the next one there, too.
    last: [Cell<u32>; NEIGHBOURHOODS],
}

/// How many [`last`](Pieces::last) ones there are: a reader goes to and fro between a few places.
const NEIGHBOURHOODS: usize = 64;

impl Default for Pieces<'_> {
    fn default() -> Self {
        Pieces { pieces: Vec::new(), last: [const { Cell::new(0) }; NEIGHBOURHOODS] }
    }
}

impl<'d> Pieces<'d> {
    /// Adds bytes where nothing is yet: what came before counts.
    pub fn add(&mut self, addr: u64, bytes: &'d [u8]) {
        let skip = |from: u64, len: u64| {
            let from = (from - addr) as usize;
            Some(&bytes[from..from + len as usize])
        };
        self.fill(addr, bytes.len() as u64, skip);
    }

    /// Adds zeros where nothing is yet.
    pub fn add_zeros(&mut self, addr: u64, len: u64) {
        self.fill(addr, len, |_, _| None);
    }

    fn fill(&mut self, addr: u64, len: u64, bytes: impl Fn(u64, u64) -> Option<&'d [u8]>) {
        // What would wrap around is not there.
        let end = addr.saturating_add(len);
        let mut at = addr;
        let mut index = self.pieces.partition_point(|piece| piece.end() <= addr);
        while at < end {
            let next = self.pieces.get(index).map_or(end, |piece| piece.addr.min(end));
            if at < next {
                self.pieces.insert(index, Piece { addr: at, len: next - at, bytes: bytes(at, next - at) });
                index += 1;
            }
            at = self.pieces.get(index).map_or(end, |piece| piece.end().max(next));
            index += 1;
        }
    }

    /// The piece that has an address.
    #[inline]
    fn at(&self, addr: u64) -> Option<&Piece<'d>> {
        let has = |piece: &&Piece<'_>| piece.addr <= addr && addr < piece.end();
        let last = &self.last[(addr >> 16) as usize % NEIGHBOURHOODS];
        if let Some(piece) = self.pieces.get(last.get() as usize).filter(has) {
            return Some(piece);
        }
        let index = self.pieces.partition_point(|piece| piece.end() <= addr);
        let piece = self.pieces.get(index).filter(has)?;
        last.set(u32::try_from(index).unwrap_or(0));
        Some(piece)
    }

    /// The bytes from an address on that lie together in one file; nothing where there are none.
    #[inline]
    pub fn slice(&self, addr: u64, len: u64) -> Option<&'d [u8]> {
        let piece = self.at(addr)?;
        let from = usize::try_from(addr - piece.addr).ok()?;
        piece.bytes?.get(from..from.checked_add(usize::try_from(len).ok()?)?)
    }

    /// The ranges of addresses that have contents, with neighbours joined: first addresses and ends.
    pub fn ranges(&self) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for piece in &self.pieces {
            match ranges.last_mut() {
                Some((_, end)) if *end == piece.addr => *end = piece.end(),
                _ => ranges.push((piece.addr, piece.end())),
            }
        }
        ranges
    }
}

impl Memory for Pieces<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Unreadable> {
        let len = buf.len() as u64;
        let (mut at, mut rest) = (addr.0, buf);
        while !rest.is_empty() {
            let piece = self.at(at).ok_or(Unreadable { addr, len })?;
            let from = at - piece.addr;
            let n = (piece.len - from).min(rest.len() as u64) as usize;
            let (now, later) = rest.split_at_mut(n);
            match piece.bytes {
                Some(bytes) => now.copy_from_slice(&bytes[from as usize..from as usize + n]),
                None => now.fill(0),
            }
            at = at.wrapping_add(n as u64);
            rest = later;
        }
        Ok(())
    }

    #[inline]
    fn borrow(&self, addr: Addr, len: u64) -> Option<&[u8]> {
        self.slice(addr.0, len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_first_counts_and_gaps_are_filled() {
        let mut memory = Pieces::default();
        memory.add(100, b"core");
        memory.add(98, b"[program]");
        memory.add_zeros(96, 20);
        let mut buf = [1; 20];
        memory.read(Addr(96), &mut buf).unwrap();
        assert_eq!(&buf, b"\0\0[pcoream]\0\0\0\0\0\0\0\0\0");
        assert_eq!(memory.ranges(), [(96, 116)]);
        assert_eq!(memory.borrow(Addr(100), 4), Some(&b"core"[..]));
        assert_eq!(memory.borrow(Addr(100), 5), None, "it lies in two files");
        // Whichever was asked for before.
        for (addr, byte) in [(115, 0), (100, b'c'), (98, b'['), (103, b'e'), (104, b'a')] {
            memory.read(Addr(addr), &mut buf[..1]).unwrap();
            assert_eq!(buf[0], byte, "{addr}");
        }
        assert!(memory.read(Addr(110), &mut [0; 7]).is_err() && memory.read(Addr(95), &mut [0]).is_err());
    }

    #[test]
    fn no_range_wraps_around() {
        let mut memory = Pieces::default();
        memory.add_zeros(u64::MAX - 1, 10);
        memory.add(u64::MAX, b"xy");
        memory.add_zeros(0, 0);
        assert!(memory.read(Addr(u64::MAX - 1), &mut [0; 1]).is_ok());
        assert!(memory.read(Addr(u64::MAX - 1), &mut [0; 3]).is_err());
    }
}
