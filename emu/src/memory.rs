//! The guest's memory: host memory that the emulated CPU executes on and the writer borrows from.

mod error;
mod region;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use heapmatrix_writer::memory::{Addr, Memory, Unreadable};

pub use error::MemoryError;
pub use region::Region;

use error::page_range;
use region::copy;

/// Bytes in a page: the grain of every mapping, on all the machines.
pub const PAGE: u64 = 4096;

/// What the guest may do with a region. The host reads and writes all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prot {
    /// Loads are allowed.
    pub read: bool,
    /// Stores are allowed.
    pub write: bool,
    /// Instructions may be fetched.
    pub exec: bool,
}

impl Prot {
    /// No access: reserved addresses.
    pub const NONE: Prot = Prot { read: false, write: false, exec: false };
    /// Constants.
    pub const READ: Prot = Prot { read: true, write: false, exec: false };
    /// Data.
    pub const READ_WRITE: Prot = Prot { read: true, write: true, exec: false };
    /// Code.
    pub const READ_EXEC: Prot = Prot { read: true, write: false, exec: true };
    /// Everything.
    pub const ALL: Prot = Prot { read: true, write: true, exec: true };
}

impl fmt::Display for Prot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flag = |on, c| if on { c } else { '-' };
        write!(f, "{}{}{}", flag(self.read, 'r'), flag(self.write, 'w'), flag(self.exec, 'x'))
    }
}

/// The memory of one guest: regions of zeroed host memory at guest addresses.
///
/// The host reserves nothing for pages that nobody has written, so that large sparse regions are
/// cheap. Protections bind the guest alone.
///
/// It takes as much of the host as the guest has mapped: what is unmapped goes back, also when a neighbour
/// stays that shared its host memory; and neighbours that were mapped one after the other are one region, so
/// that a guest which maps page after page does not make a region of each.
#[derive(Debug)]
pub struct GuestMemory {
    /// Sorted by address, disjoint. No two neighbours could be one.
    regions: Vec<Region>,
    layout: u64,
    /// What the host has done here: see [`GuestMemory::effort`].
    effort: AtomicU64,
    /// The code that the host has written since the last look: address and length, each in one region.
    rewritten: Vec<(u64, u64)>,
}

/// Regions up to this size are copied to become one with what is mapped after them.
const GATHERED: u64 = 1 << 20;

impl Default for GuestMemory {
    fn default() -> Self {
        Self::new()
    }
}

impl GuestMemory {
    /// An empty address space.
    pub fn new() -> Self {
        GuestMemory {
            regions: Vec::new(),
            layout: fresh_layout(),
            effort: AtomicU64::new(0),
            rewritten: Vec::new(),
        }
    }

    /// Maps zeroed memory, of whole pages.
    ///
    /// # Errors
    /// [`MemoryError::NotPages`], [`MemoryError::OutOfSpace`], [`MemoryError::Overlap`] or
    /// [`MemoryError::Host`].
    pub fn map(&mut self, name: &'static str, addr: u64, len: u64, prot: Prot) -> Result<(), MemoryError> {
        let end = page_range(addr, len)?;
        let at = self.first_ending_behind(addr);
        if let Some(other) = self.regions.get(at).filter(|r| r.addr < end) {
            let (other, other_addr, other_len) = (other.name, other.addr, other.len);
            return Err(MemoryError::Overlap { name, addr, len, other, other_addr, other_len });
        }
        let joined = |r: &&mut Region| r.end() == addr && r.name == name && r.prot == prot;
        match at.checked_sub(1).and_then(|before| self.regions.get_mut(before)).filter(joined) {
            Some(before) if before.spare() >= len => before.len += len,
            Some(before) if before.len + len <= GATHERED => {
                let whole = before.len + len;
                let mut grown = Region::new(name, before.addr, whole, whole.next_power_of_two(), prot)?;
                copy(before, &mut grown);
                let old = std::mem::replace(before, grown);
                self.release(&old);
            }
            _ => self.regions.insert(at, Region::new(name, addr, len, len, prot)?),
        }
        self.changed();
        Ok(())
    }

    /// Unmaps a range of whole pages, of which any part may be unmapped already. Its contents are gone.
    ///
    /// # Errors
    /// [`MemoryError::NotPages`] or [`MemoryError::OutOfSpace`].
    pub fn unmap(&mut self, addr: u64, len: u64) -> Result<(), MemoryError> {
        let end = page_range(addr, len)?;
        let gone = self.replace(addr, end, |_| None);
        for region in &gone {
            self.release(region);
        }
        Ok(())
    }

    /// Changes what the guest may do with a range of whole pages. Its contents stay.
    ///
    /// # Errors
    /// [`MemoryError::NotPages`], [`MemoryError::OutOfSpace`], or [`MemoryError::NotMapped`] when any
    /// part of the range is.
    pub fn protect(&mut self, addr: u64, len: u64, prot: Prot) -> Result<(), MemoryError> {
        let end = page_range(addr, len)?;
        self.require(addr, len)?;
        self.replace(addr, end, |part| Some(Region { prot, ..part }));
        Ok(())
    }

    /// Writes bytes, whatever the regions' protections.
    ///
    /// # Errors
    /// [`MemoryError::NotMapped`].
    pub fn write(&mut self, addr: u64, bytes: &[u8]) -> Result<(), MemoryError> {
        self.require(addr, bytes.len() as u64)?;
        self.work(bytes.len() as u64);
        self.note_code(addr, bytes.len() as u64);
        let mut rest = bytes;
        self.pieces_mut(addr, bytes.len() as u64, |piece| {
            let (now, later) = rest.split_at(piece.len());
            piece.copy_from_slice(now);
            rest = later;
        });
        Ok(())
    }

    /// Sets `len` bytes to one value.
    ///
    /// # Errors
    /// [`MemoryError::NotMapped`].
    pub fn fill(&mut self, addr: u64, len: u64, byte: u8) -> Result<(), MemoryError> {
        self.require(addr, len)?;
        self.work(len);
        self.note_code(addr, len);
        self.pieces_mut(addr, len, |piece| piece.fill(byte));
        Ok(())
    }

    /// The `len` bytes at `addr` to write to, when they are one piece of host memory.
    pub fn borrow_mut(&mut self, addr: u64, len: u64) -> Option<&mut [u8]> {
        let at = self.contiguous(addr, len)?;
        self.note_code(addr, len);
        let region = &mut self.regions[at];
        Some(region.slice_mut((addr - region.addr) as usize, len as usize))
    }

    /// The regions, by address.
    pub fn regions(&self) -> impl ExactSizeIterator<Item = &Region> {
        self.regions.iter()
    }

    /// The regions that lie in a range, wholly or in part, by address.
    pub fn regions_in(&self, addr: u64, end: u64) -> impl Iterator<Item = &Region> {
        self.regions[self.first_ending_behind(addr)..].iter().take_while(move |r| r.addr < end)
    }

    /// What the host has had to do for changes of the layout and for copying bytes, in instructions of the
    /// guest that take about as long. The same changes take the same effort in every run.
    pub fn effort(&self) -> u64 {
        self.effort.load(Ordering::Relaxed)
    }

    /// The region that holds an address.
    pub fn region_at(&self, addr: u64) -> Option<&Region> {
        self.regions.get(self.first_ending_behind(addr)).filter(|r| r.addr <= addr)
    }

    /// The lowest address from `from` on at which `len` bytes are free below `limit`, page-aligned.
    pub fn find_gap(&self, from: u64, limit: u64, len: u64) -> Option<u64> {
        let mut at = from.checked_next_multiple_of(PAGE)?;
        for region in &self.regions[self.first_ending_behind(at)..] {
            if at.checked_add(len)? <= region.addr {
                break;
            }
            at = region.end();
        }
        (at.checked_add(len)? <= limit).then_some(at)
    }

    /// Counts bytes that the host copies.
    fn work(&self, bytes: u64) {
        self.effort.store(self.effort().wrapping_add(bytes / BYTES_AN_INSTRUCTION), Ordering::Relaxed);
    }

    /// The layout is another. An engine will have to look at every region.
    fn changed(&mut self) {
        self.layout = fresh_layout();
        *self.effort.get_mut() += LAYOUT_EFFORT + REGION_EFFORT * self.regions.len() as u64;
    }

    /// Gives the host memory behind a region back that is no longer in the layout.
    fn release(&mut self, gone: &Region) {
        if Arc::strong_count(&gone.host) == 1 {
            return;
        }
        gone.discard();
        // All that share this host memory are as far from it as the region was.
        let start = gone.addr.wrapping_sub(gone.offset as u64);
        let first = self.regions.partition_point(|r| r.addr < start);
        let shares = |r: &Region| Arc::ptr_eq(&r.host, &gone.host);
        let limit = start.saturating_add(gone.host.len() as u64);
        let sharing = first..first + self.regions[first..].partition_point(|r| r.addr < limit);
        let live: u64 = self.regions[sharing.clone()].iter().filter(|r| shares(r)).map(|r| r.len).sum();
        if live == 0 || live > gone.host.len() as u64 / 2 {
            return;
        }
        // More than half of the mapping is for nothing: what is left gets one of its own size.
        let mut at = sharing.start;
        while at < sharing.end {
            let mut run = at + 1;
            if !shares(&self.regions[at]) {
                at = run;
                continue;
            }
            while run < sharing.end && self.regions[run - 1].continues_in(&self.regions[run]) {
                run += 1;
            }
            let (from, to) = (self.regions[at].addr, self.regions[run - 1].end());
            // Without memory for that, everything stays as it is.
            let Ok(home) = Region::new("", from, to - from, to - from, Prot::NONE) else { return };
            for region in &mut self.regions[at..run] {
                let mut moved = home.part(region.addr, region.end());
                (moved.name, moved.prot) = (region.name, region.prot);
                copy(region, &mut moved);
                *region = moved;
            }
            at = run;
        }
    }

    /// Names the present layout: two memories of the same layout number map the same regions.
    pub(crate) fn layout(&self) -> u64 {
        self.layout
    }

    /// What has been written of executable regions since the last time this was asked: each address and
    /// length lies in one region, if that is still mapped.
    pub(crate) fn take_rewritten(&mut self) -> Vec<(u64, u64)> {
        std::mem::take(&mut self.rewritten)
    }

    /// Notes what of a mapped range is code, before it is written.
    fn note_code(&mut self, addr: u64, len: u64) {
        let end = addr + len;
        let first = self.first_ending_behind(addr);
        let written = self.regions[first..].iter().take_while(|r| r.addr < end);
        for region in written.filter(|r| r.prot.exec) {
            let (from, to) = (addr.max(region.addr), end.min(region.end()));
            // One write after the other to the same place, or in a row, is one.
            match self.rewritten.last_mut() {
                Some((start, len)) if (*start..=*start + *len).contains(&from) && *start >= region.addr => {
                    *len = (*len).max(to - *start);
                }
                _ => self.rewritten.push((from, to - from)),
            }
        }
    }

    /// The index of the first region that ends after `addr`: the one that holds it, or the next.
    fn first_ending_behind(&self, addr: u64) -> usize {
        self.regions.partition_point(|r| r.end() <= addr)
    }

    /// The region in which `len` bytes at `addr` begin, when they are contiguous in the host.
    fn contiguous(&self, addr: u64, len: u64) -> Option<usize> {
        let end = addr.checked_add(len)?;
        let first = self.first_ending_behind(addr);
        let mut last = self.regions.get(first).filter(|r| r.addr <= addr)?;
        for next in &self.regions[first + 1..] {
            if end <= last.end() || !last.continues_in(next) {
                break;
            }
            last = next;
        }
        (end <= last.end()).then_some(first)
    }

    /// Fails unless the whole range is mapped.
    fn require(&self, addr: u64, len: u64) -> Result<(), MemoryError> {
        let end = addr.checked_add(len).ok_or(MemoryError::OutOfSpace { addr, len })?;
        let mut missing = addr;
        for region in &self.regions[self.first_ending_behind(addr)..] {
            if missing >= end || region.addr > missing {
                break;
            }
            missing = region.end();
        }
        if missing >= end { Ok(()) } else { Err(MemoryError::NotMapped { addr, len, missing }) }
    }

    /// Hands the pieces of a mapped range to `f`, in order.
    fn pieces_mut(&mut self, addr: u64, len: u64, mut f: impl FnMut(&mut [u8])) {
        let end = addr + len;
        let first = self.first_ending_behind(addr);
        for region in self.regions[first..].iter_mut().take_while(|r| r.addr < end) {
            let from = addr.max(region.addr);
            let to = end.min(region.end());
            f(region.slice_mut((from - region.addr) as usize, (to - from) as usize));
        }
    }

    /// Cuts the regions at both ends of a range and puts what `f` makes of each part in its place. Returns the
    /// parts that have gone.
    fn replace(&mut self, addr: u64, end: u64, f: impl Fn(Region) -> Option<Region>) -> Vec<Region> {
        let first = self.first_ending_behind(addr);
        let last = first + self.regions[first..].partition_point(|r| r.addr < end);
        // The neighbours on both sides may be one with what lies between them now.
        let (first, last) = (first.saturating_sub(1), self.regions.len().min(last + 1));
        let mut parts: Vec<Region> = Vec::with_capacity(last - first + 2);
        let mut gone = Vec::new();
        let mut push = |part: Region| match parts.last_mut() {
            Some(before)
                if before.continues_in(&part) && before.prot == part.prot && before.name == part.name =>
            {
                before.len += part.len;
            }
            _ => parts.push(part),
        };
        for region in &self.regions[first..last] {
            let (from, to) = (addr.max(region.addr), end.min(region.end()));
            if from >= to {
                push(region.part(region.addr, region.end()));
                continue;
            }
            if region.addr < from {
                push(region.part(region.addr, from));
            }
            match f(region.part(from, to)) {
                Some(part) => push(part),
                None => gone.push(region.part(from, to)),
            }
            if to < region.end() {
                push(region.part(to, region.end()));
            }
        }
        self.regions.splice(first..last, parts);
        self.changed();
        gone
    }
}

/// What one byte, one region and one change of the layout cost: measured beside a guest's instructions.
const BYTES_AN_INSTRUCTION: u64 = 16;
const REGION_EFFORT: u64 = 64;
const LAYOUT_EFFORT: u64 = 2000;

impl Memory for GuestMemory {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Unreadable> {
        let len = buf.len() as u64;
        self.require(addr.0, len).map_err(|_| Unreadable { addr, len })?;
        self.work(len);
        let mut at = addr.0;
        let mut rest = buf;
        for region in &self.regions[self.first_ending_behind(addr.0)..] {
            if rest.is_empty() {
                break;
            }
            let from = (at - region.addr) as usize;
            let (now, later) = rest.split_at_mut(rest.len().min(region.len as usize - from));
            now.copy_from_slice(region.slice(from, now.len()));
            at += now.len() as u64;
            rest = later;
        }
        Ok(())
    }

    fn borrow(&self, addr: Addr, len: u64) -> Option<&[u8]> {
        let region = &self.regions[self.contiguous(addr.0, len)?];
        Some(region.slice((addr.0 - region.addr) as usize, len as usize))
    }
}

/// A number that no layout has had before, in any memory: so an engine can tell whether what it has
/// mapped is what the memory holds, even after one memory was swapped for another.
fn fresh_layout() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests;
