//! Memory that tells what is read of it, and memory that is damaged.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use heapmatrix_emu::memory::GuestMemory;
use heapmatrix_writer::{Addr, Memory, Unreadable};

/// Memory is there, or not, by pages of so many bytes.
pub const PAGE: u64 = 4096;

/// Remembers what is read.
pub struct Trace<'m> {
    memory: &'m GuestMemory,
    reads: RefCell<BTreeSet<(u64, u64)>>,
}

impl<'m> Trace<'m> {
    /// Nothing has been read.
    pub fn new(memory: &'m GuestMemory) -> Self {
        Trace { memory, reads: RefCell::default() }
    }

    /// The pages that were read from, by their first addresses.
    pub fn pages(&self) -> BTreeSet<u64> {
        let reads = self.reads.borrow();
        let pages = reads.iter().flat_map(|&(addr, len)| addr / PAGE..=(addr + len - 1) / PAGE);
        pages.map(|page| page * PAGE).collect()
    }

    /// The addresses of the bytes that were read few at a time: the runtime's structures, its tables and
    /// bitmaps, and not the contents of objects.
    pub fn structures(&self) -> Vec<u64> {
        let reads = self.reads.borrow();
        let small = reads.iter().filter(|&&(_, len)| len <= 64);
        let bytes: BTreeSet<u64> = small.flat_map(|&(addr, len)| addr..addr + len).collect();
        bytes.into_iter().collect()
    }
}

impl Memory for Trace<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Unreadable> {
        if !buf.is_empty() {
            self.reads.borrow_mut().insert((addr.0, buf.len() as u64));
        }
        self.memory.read(addr, buf)
    }
}

/// Memory with something wrong in it.
pub struct Damaged<'m> {
    memory: &'m GuestMemory,
    /// Pages that are not there.
    pub holes: Vec<u64>,
    /// Another memory, and a page that is taken from it.
    pub torn: Option<(&'m GuestMemory, u64)>,
    /// Addresses, and the bits that are flipped there.
    pub flips: Vec<(u64, u8)>,
    reads: Cell<u64>,
}

impl<'m> Damaged<'m> {
    /// No dump of a small process needs as many reads: one that does would never end.
    const MOST_READS: u64 = 50_000_000;

    /// Nothing is wrong yet.
    pub fn new(memory: &'m GuestMemory) -> Self {
        Damaged { memory, holes: Vec::new(), torn: None, flips: Vec::new(), reads: Cell::new(0) }
    }

    fn is_damaged(&self, addr: u64, len: u64) -> bool {
        // A range that wraps is nowhere.
        let Some(end) = addr.checked_add(len) else { return true };
        let touches = |page: u64| addr < page + PAGE && page < end;
        self.holes.iter().any(|&page| touches(page))
            || self.torn.is_some_and(|(_, page)| touches(page))
            || self.flips.iter().any(|&(at, _)| (addr..end).contains(&at))
    }
}

impl Memory for Damaged<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Unreadable> {
        let reads = self.reads.get() + 1;
        self.reads.set(reads);
        assert!(reads < Self::MOST_READS, "the dump does not end");
        self.memory.read(addr, buf)?;
        let (start, end) = (addr.0, addr.0 + buf.len() as u64);
        if self.holes.iter().any(|&page| start < page + PAGE && page < end) {
            return Err(Unreadable { addr, len: buf.len() as u64 });
        }
        if let Some((before, page)) = self.torn {
            let (from, to) = (start.max(page), end.min(page + PAGE));
            if from < to {
                before.read(Addr(from), &mut buf[(from - start) as usize..(to - start) as usize])?;
            }
        }
        for &(at, bits) in &self.flips {
            if (start..end).contains(&at) {
                buf[(at - start) as usize] ^= bits;
            }
        }
        Ok(())
    }

    fn borrow(&self, addr: Addr, len: u64) -> Option<&[u8]> {
        self.reads.set(self.reads.get() + 1);
        if self.is_damaged(addr.0, len) { None } else { self.memory.borrow(addr, len) }
    }
}
