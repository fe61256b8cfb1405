//! The address space: what is mapped, what is only reserved, and where the next mapping goes.

use std::collections::BTreeMap;

use super::arch::Addresses;
use super::budget::{Budget, Charge, Full};
use super::errno::Errno;
use crate::memory::{GuestMemory, PAGE, Prot};

/// The addresses of a process that are not in guest memory, and those that are.
///
/// Go reserves its whole heap in advance, hundreds of gigabytes that nobody may touch. A reservation
/// (`PROT_NONE`, never accessible before) is therefore only an entry here; it becomes memory when it
/// is made accessible.
#[derive(Debug)]
pub struct Space {
    /// Reserved ranges by their first address: the address after their last. Disjoint from guest memory.
    reserved: BTreeMap<u64, u64>,
    /// Where the search for free addresses begins.
    base: u64,
    /// The first address that a process of this machine does not have.
    limit: u64,
    /// The first and the current end of the data segment: `brk`.
    brk: (u64, u64),
    budget: Budget,
    /// How many bytes are mapped.
    mapped: u64,
    /// What these and the entries for them take.
    held: Charge,
}

/// How many ranges may be mapped or reserved. Linux allows 65,530, but each may be a mapping of the host's as well,
/// which has others of its own.
const MAX_ENTRIES: u64 = 32_000;

/// What a range takes on the host, here and in the engine, in bytes.
const ENTRY_COST: u64 = 1024;

impl Space {
    /// The space of a program that is loaded, and whose image ends at `image_end`.
    ///
    /// # Errors
    /// [`Full`] when it is larger than the budget.
    pub fn new(
        addresses: &Addresses,
        image_end: u64,
        memory: &GuestMemory,
        budget: Budget,
    ) -> Result<Self, Full> {
        let brk = image_end.next_multiple_of(PAGE) + (16 << 20);
        let mapped = memory.regions().map(|r| r.len()).sum();
        let held = budget.take(mapped + ENTRY_COST * memory.regions().len() as u64)?;
        let Addresses { mmap: base, limit, .. } = *addresses;
        Ok(Space { reserved: BTreeMap::new(), base, limit, brk: (brk, brk), budget, mapped, held })
    }

    /// Maps zeroed memory, replacing what is there.
    pub fn map(
        &mut self,
        memory: &mut GuestMemory,
        name: &'static str,
        addr: u64,
        len: u64,
        prot: Prot,
    ) -> Result<(), Errno> {
        self.unmap(memory, addr, len)?;
        let mapped = if prot == Prot::NONE { 0 } else { len };
        self.hold(memory, self.mapped.saturating_add(mapped), 1)?;
        let done = if prot == Prot::NONE {
            self.reserve(addr, addr + len);
            Ok(())
        } else {
            memory.map(name, addr, len, prot).map_err(|_| Errno::NoMem)
        };
        if done.is_ok() {
            self.mapped += mapped;
        }
        self.settle(memory);
        done
    }

    /// Makes sure of the budget for what is about to be: so many bytes, and some entries more.
    fn hold(&mut self, memory: &GuestMemory, mapped: u64, more: u64) -> Result<(), Errno> {
        let entries = self.entries(memory) + more;
        if entries > MAX_ENTRIES {
            return Err(Errno::NoMem);
        }
        let bytes = mapped.saturating_add(entries * ENTRY_COST);
        self.held.set(bytes).map_err(|Full| self.budget.end_run())
    }

    /// Charges what there is, no more than was held.
    fn settle(&mut self, memory: &GuestMemory) {
        if self.held.set(self.mapped + self.entries(memory) * ENTRY_COST).is_err() {
            self.budget.end_run();
        }
    }

    fn entries(&self, memory: &GuestMemory) -> u64 {
        (memory.regions().len() + self.reserved.len()) as u64
    }

    /// Unmaps a range, of which any part may be free.
    pub fn unmap(&mut self, memory: &mut GuestMemory, addr: u64, len: u64) -> Result<(), Errno> {
        let end = range(addr, len)?;
        if self.is_free(memory, addr, end) {
            return Ok(());
        }
        let gone: u64 = overlap(memory, addr, end).map(|(from, to, _)| to - from).sum();
        // Ranges that are cut in two are two.
        self.hold(memory, self.mapped - gone, 2)?;
        self.unreserve(addr, end);
        if gone > 0 {
            memory.unmap(addr, len).map_err(|_| Errno::Inval)?;
            self.mapped -= gone;
        }
        self.settle(memory);
        Ok(())
    }

    /// Changes the protection of a range that is mapped or reserved from end to end.
    pub fn protect(
        &mut self,
        memory: &mut GuestMemory,
        addr: u64,
        len: u64,
        prot: Prot,
    ) -> Result<(), Errno> {
        let end = range(addr, len)?;
        let mut parts: Vec<(u64, u64, bool)> =
            overlap(memory, addr, end).map(|(a, b, _)| (a, b, true)).collect();
        parts.extend(self.reserved_in(addr, end).map(|(a, b)| (a, b, false)));
        parts.sort_unstable();
        let covered = parts.iter().try_fold(addr, |at, &(from, to, _)| (from == at).then_some(to));
        if covered != Some(end) {
            return Err(Errno::NoMem);
        }
        self.hold(memory, self.mapped, 2)?;
        for (from, to, is_mapped) in parts {
            if is_mapped {
                memory.protect(from, to - from, prot).map_err(|_| Errno::NoMem)?;
            } else if prot != Prot::NONE {
                self.map(memory, "mmap", from, to - from, prot)?;
            }
        }
        self.settle(memory);
        Ok(())
    }

    /// Sets every mapped byte of a range to zero: what `MADV_DONTNEED` does to anonymous memory.
    pub fn discard(&self, memory: &mut GuestMemory, addr: u64, len: u64) -> Result<(), Errno> {
        let end = range(addr, len)?;
        let parts: Vec<_> = overlap(memory, addr, end).collect();
        for (from, to, _) in parts {
            memory.fill(from, to - from, 0).map_err(|_| Errno::NoMem)?;
        }
        Ok(())
    }

    /// A free place for `len` bytes, at `hint` if that is free.
    pub fn find(&self, memory: &GuestMemory, hint: u64, len: u64) -> Result<u64, Errno> {
        let hint = hint & !(PAGE - 1);
        if hint >= PAGE
            && hint.checked_add(len).is_some_and(|end| end <= self.limit && self.is_free(memory, hint, end))
        {
            return Ok(hint);
        }
        let mut at = self.base;
        loop {
            at = memory.find_gap(at, self.limit, len).ok_or(Errno::NoMem)?;
            match self.reserved.range(..at + len).next_back() {
                Some((_, &to)) if to > at => at = to,
                _ => return Ok(at),
            }
        }
    }

    /// Moves the end of the data segment and returns it; a request that can't be met changes nothing.
    pub fn set_brk(&mut self, memory: &mut GuestMemory, end: u64) -> u64 {
        let (first, current) = self.brk;
        let (old, new) = (current.next_multiple_of(PAGE), end.checked_next_multiple_of(PAGE).unwrap_or(0));
        if end < first || new > self.base {
            return current;
        }
        let done = match new.cmp(&old) {
            std::cmp::Ordering::Less => self.unmap(memory, new, old - new).is_ok(),
            std::cmp::Ordering::Equal => true,
            std::cmp::Ordering::Greater => {
                self.is_free(memory, old, new)
                    && self.map(memory, "heap", old, new - old, Prot::READ_WRITE).is_ok()
            }
        };
        if done {
            self.brk.1 = end;
        }
        self.brk.1
    }

    /// Whether every page of a range is mapped or reserved.
    pub fn covers(&self, memory: &GuestMemory, addr: u64, len: u64) -> bool {
        let Ok(end) = range(addr, len) else { return false };
        let known: u64 = overlap(memory, addr, end).map(|(a, b, _)| b - a).sum::<u64>()
            + self.reserved_in(addr, end).map(|(a, b)| b - a).sum::<u64>();
        known == end - addr
    }

    fn is_free(&self, memory: &GuestMemory, addr: u64, end: u64) -> bool {
        overlap(memory, addr, end).next().is_none() && self.reserved_in(addr, end).next().is_none()
    }

    /// The parts of reservations that lie in a range.
    fn reserved_in(&self, addr: u64, end: u64) -> impl Iterator<Item = (u64, u64)> {
        let before = self.reserved.range(..addr).next_back().filter(|r| *r.1 > addr);
        before
            .into_iter()
            .chain(self.reserved.range(addr..end))
            .map(move |(&from, &to)| (from.max(addr), to.min(end)))
    }

    /// Adds a free range to the reservations: neighbours are one.
    fn reserve(&mut self, mut from: u64, mut to: u64) {
        if let Some((&before, &end)) = self.reserved.range(..from).next_back()
            && end == from
        {
            from = before;
        }
        if let Some(end) = self.reserved.remove(&to) {
            to = end;
        }
        self.reserved.insert(from, to);
    }

    /// Takes a range out of the reservations.
    fn unreserve(&mut self, addr: u64, end: u64) {
        let touched: Vec<(u64, u64)> = self
            .reserved
            .range(..addr)
            .next_back()
            .into_iter()
            .chain(self.reserved.range(addr..end))
            .map(|(&a, &b)| (a, b))
            .filter(|&(_, to)| to > addr)
            .collect();
        for (from, to) in touched {
            self.reserved.remove(&from);
            if from < addr {
                self.reserved.insert(from, addr);
            }
            if end < to {
                self.reserved.insert(end, to);
            }
        }
    }
}

/// The end of a range of whole pages; `len` is rounded up as the kernel does.
fn range(addr: u64, len: u64) -> Result<u64, Errno> {
    if len == 0 || !addr.is_multiple_of(PAGE) || !len.is_multiple_of(PAGE) {
        return Err(Errno::Inval);
    }
    addr.checked_add(len).ok_or(Errno::Inval)
}

/// The parts of mapped regions that lie in a range, with their protections.
fn overlap(memory: &GuestMemory, addr: u64, end: u64) -> impl Iterator<Item = (u64, u64, Prot)> {
    memory.regions_in(addr, end).map(move |r| (r.addr().max(addr), r.end().min(end), r.prot()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> (Space, GuestMemory) {
        let memory = GuestMemory::new();
        (Space::new(&Addresses::WIDE, 0x50_0000, &memory, Budget::new(1 << 20)).unwrap(), memory)
    }

    #[test]
    fn a_reservation_costs_nothing_until_it_is_made_accessible() {
        let (mut space, mut memory) = space();
        let (heap, size) = (0xc0_0000_0000, 512 << 30);
        space.map(&mut memory, "mmap", heap, size, Prot::NONE).unwrap();
        assert_eq!((memory.regions().len(), space.mapped, space.held.bytes()), (0, 0, ENTRY_COST));
        assert!(space.covers(&memory, heap, size));
        space.map(&mut memory, "mmap", heap + PAGE, PAGE, Prot::READ_WRITE).unwrap();
        space.protect(&mut memory, heap, 3 * PAGE, Prot::READ).unwrap();
        assert_eq!(memory.regions().map(|r| r.len()).sum::<u64>(), 3 * PAGE);
        assert!(space.covers(&memory, heap, size));
        assert_ne!(space.find(&memory, heap + 8 * PAGE, PAGE), Ok(heap + 8 * PAGE));
        space.unmap(&mut memory, heap, size).unwrap();
        assert_eq!((memory.regions().len(), space.reserved.len(), space.mapped), (0, 0, 0));
        assert_eq!(space.find(&memory, heap, PAGE), Ok(heap));
    }

    #[test]
    fn free_addresses_avoid_mappings_and_reservations() {
        let (mut space, mut memory) = space();
        let first = space.find(&memory, 0, 2 * PAGE).unwrap();
        space.map(&mut memory, "mmap", first, 2 * PAGE, Prot::NONE).unwrap();
        let second = space.find(&memory, 0, PAGE).unwrap();
        assert_eq!(second, first + 2 * PAGE);
        space.map(&mut memory, "mmap", second, PAGE, Prot::READ).unwrap();
        assert_eq!(space.find(&memory, first, PAGE), Ok(second + PAGE));
        assert_eq!(space.find(&memory, 0, u64::MAX), Err(Errno::NoMem));
        assert_eq!(
            space.protect(&mut memory, second, 2 * PAGE, Prot::READ),
            Err(Errno::NoMem),
            "not there to its end"
        );
    }

    #[test]
    fn the_memory_limit_holds() {
        let (mut space, mut memory) = space();
        assert_eq!(space.map(&mut memory, "mmap", 0x10000, 2 << 20, Prot::READ), Err(Errno::NoMem));
        assert!(space.budget.exhausted());
        let start = space.set_brk(&mut memory, 0);
        assert_eq!(space.set_brk(&mut memory, start + 5000), start + 5000);
        assert_eq!(space.held.bytes(), 2 * PAGE + ENTRY_COST);
        assert_eq!(space.set_brk(&mut memory, start + (2 << 20)), start + 5000, "refused");
        assert_eq!(space.set_brk(&mut memory, start + 1), start + 1);
        assert_eq!(space.mapped, PAGE);
    }

    #[test]
    fn discarded_memory_is_zero_again() {
        let (mut space, mut memory) = space();
        space.map(&mut memory, "mmap", 0x10000, 2 * PAGE, Prot::READ_WRITE).unwrap();
        memory.fill(0x10000, 2 * PAGE, 7).unwrap();
        space.discard(&mut memory, 0x11000, 4 * PAGE).unwrap();
        assert_eq!(memory.borrow_mut(0x10fff, 2).unwrap(), [7, 0]);
    }
}
