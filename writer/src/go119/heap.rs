//! The page heap, its arenas and its spans (mheap.go).

use super::shape::{Arenas, Shape};
use crate::error::{Error, Place};
use crate::memory::Addr;
use crate::process::field::Header;
use crate::process::{Process, Structure, check_range, offset, out_of_range, uintptr};
use crate::target::Target;

/// `_PageShift`: log2 of the heap's page size in bytes.
const PAGE_SHIFT: u32 = 13;
/// `gc.MaxObjsPerSpan`.
pub(super) const MAX_OBJECTS: u64 = 1024;
/// `mSpanInUse`.
const M_SPAN_IN_USE: u64 = 1;

const ALLSPANS: Place = Place::new("mheap", "allspans");
const ARENAS: Place = Place::new("mheap", "arenas");

/// `mheap_`, as far as it is dumped.
pub(super) struct Heap {
    mheap: Addr,
    sweepgen: u64,
    allspans: Header,
    arenas: Arenas,
    /// How many bytes of an `mspan` have all that is read of it.
    mspan: u64,
}

/// `mspan`, as far as it is dumped.
#[derive(Clone, Copy)]
pub(super) struct Span {
    /// The address of the `mspan`.
    pub addr: Addr,
    /// `startAddr`.
    pub base: Addr,
    /// The size of its pages, in bytes.
    pub size: u64,
    pub elemsize: u64,
    pub nelems: u64,
    /// `freeindex` or `freeIndexForScan`, whichever `isFree` looks at.
    pub free_from: u64,
    pub alloc_bits: Addr,
    spanclass: u64,
    specials: Addr,
    sweepgen: u64,
}

/// How far the sweep of a span has come (`mspan.sweepgen`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sweep {
    /// It is swept, or is in use as it is.
    Swept,
    /// It has not begun.
    Unswept,
    /// It is under way.
    Sweeping,
}

impl Heap {
    pub(super) fn read<T: Target>(process: &Process<'_, T>, shape: &Shape) -> Result<Heap, Error> {
        let (mheap, mspan) = (shape.variables.mheap, &shape.mspan);
        let read =
            [mspan.state, mspan.npages, mspan.start_addr, mspan.elemsize, mspan.nelems, shape.free_from];
        let read =
            read.into_iter().chain([mspan.alloc_bits, mspan.spanclass, mspan.specials, mspan.sweepgen]);
        Ok(Heap {
            mheap,
            sweepgen: process.uint(mheap, shape.mheap.sweepgen)?,
            allspans: process.elements(mheap, shape.mheap.allspans, T::PTR_SIZE)?,
            arenas: shape.arenas,
            mspan: read.map(|at| at.offset.saturating_add(at.size)).max().unwrap_or(0),
        })
    }

    /// Each span in use, in the order of `mheap_.allspans`.
    pub(super) fn spans_in_use<T: Target>(
        &self,
        process: &Process<'_, T>,
        shape: &Shape,
        mut each: impl FnMut(Span) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for i in 0..self.allspans.len {
            let addr = process.pointer(self.allspans.array, i, ALLSPANS)?;
            let span = process.first_bytes(addr, self.mspan);
            if span.uint(shape.mspan.state)? == M_SPAN_IN_USE {
                each(Span::read(&span, shape, addr)?)?;
            }
        }
        Ok(())
    }

    /// How far the sweep of a span has come.
    pub(super) fn sweep_state(&self, span: &Span) -> Sweep {
        // The distance is that of two numbers of 32 bits.
        match (span.sweepgen as u32).wrapping_sub(self.sweepgen as u32) as i32 {
            -2 | 1 => Sweep::Unswept,
            -1 => Sweep::Sweeping,
            _ => Sweep::Swept,
        }
    }

    /// Whether an mcache holds a span: what was allocated of it since then is not counted yet.
    pub(super) fn is_cached(&self, span: &Span) -> bool {
        matches!((span.sweepgen as u32).wrapping_sub(self.sweepgen as u32), 1 | 3)
    }

    /// Port of `ensureSwept`, as far as it can be done from outside: to sweep is to write.
    pub(super) fn ensure_swept(&self, span: &Span) -> Result<(), Error> {
        let swept = [self.sweepgen, self.sweepgen.wrapping_add(3) & u64::from(u32::MAX)];
        if swept.contains(&span.sweepgen) {
            return Ok(());
        }
        let (sweepgen, heap_sweepgen) = (span.sweepgen as u32, self.sweepgen as u32);
        Err(Error::UnsweptSpan { span: span.addr, sweepgen, heap_sweepgen })
    }

    /// `mheap_.arenas[l1]` for each, with how many arenas are in it.
    fn l2<T: Target>(&self, process: &Process<'_, T>, shape: &Shape, l1: u64) -> Result<Addr, Error> {
        let first = offset::<T>(self.mheap, shape.mheap.arenas.offset);
        process.pointer(first, l1, ARENAS)
    }

    /// The first address of the heap, and the first after it, as `dumpparams` works them out.
    pub(super) fn bounds<T: Target>(
        &self,
        process: &Process<'_, T>,
        shape: &Shape,
    ) -> Result<(u64, u64), Error> {
        let Arenas { l1_bits, l2_bits, bytes, base_offset } = self.arenas;
        if l1_bits > 16 || l2_bits > 28 {
            let value = l1_bits.max(l2_bits);
            return Err(out_of_range(ARENAS, self.mheap, value, "no address space has so many arenas"));
        }
        let (mut start, mut end) = (0, 0);
        for l1 in 0..1 << l1_bits {
            let l2 = self.l2(process, shape, l1)?;
            if l2.is_nil() {
                continue;
            }
            each_nonzero(process, l2, 1 << l2_bits, |i| {
                let base = uintptr::<T>((l1 << l2_bits | i).wrapping_mul(bytes).wrapping_add(base_offset));
                if start == 0 || base < start {
                    start = base;
                }
                end = end.max(uintptr::<T>(base.wrapping_add(bytes)));
            })?;
        }
        Ok((start, end))
    }

    /// The `heapArena` that an address is in.
    pub(super) fn arena<T: Target>(
        &self,
        process: &Process<'_, T>,
        shape: &Shape,
        p: Addr,
    ) -> Result<Addr, Error> {
        let Arenas { l1_bits, l2_bits, bytes, base_offset } = self.arenas;
        // arenaIndex
        let index = uintptr::<T>(p.0.wrapping_sub(base_offset)) / bytes;
        let (l1, l2) = (index.checked_shr(l2_bits as u32).unwrap_or(0), index & super::low(l2_bits));
        let outside = || out_of_range(ARENAS, self.mheap, p.0, "an address is in no arena of the heap");
        if l1 >= 1u64.checked_shl(l1_bits as u32).unwrap_or(0) {
            return Err(outside());
        }
        let table = self.l2(process, shape, l1)?;
        if table.is_nil() {
            return Err(outside());
        }
        match process.pointer(table, l2, ARENAS)? {
            Addr::NIL => Err(outside()),
            arena => Ok(arena),
        }
    }

    /// `heapArenaBytes`.
    pub(super) fn arena_bytes(&self) -> u64 {
        self.arenas.bytes
    }
}

/// Calls `each` with the numbers of those words of an array that are not 0: of millions, nearly all are.
fn each_nonzero<T: Target>(
    process: &Process<'_, T>,
    array: Addr,
    n: u64,
    mut each: impl FnMut(u64),
) -> Result<(), Error> {
    const CHUNK: usize = 1 << 16;
    let word = T::PTR_SIZE as usize;
    let mut buf = Vec::new();
    let mut at = 0;
    while at < n {
        let words = (n - at).min((CHUNK / word) as u64);
        let addr = offset::<T>(array, at * T::PTR_SIZE);
        let len = words * T::PTR_SIZE;
        let bytes = match process.memory.borrow(addr, len) {
            Some(bytes) => bytes,
            None => {
                buf.resize(len as usize, 0);
                process
                    .memory
                    .read(addr, &mut buf)
                    .map_err(|source| Error::Unreadable { place: ARENAS, source })?;
                &buf
            }
        };
        for (block, words) in (at..).step_by(64).zip(bytes.chunks(64 * word)) {
            // Without a branch for each byte, 64 words are looked at in a few instructions.
            if words.iter().fold(0, |any, &b| any | b) != 0 {
                let set = words.chunks(word).enumerate().filter(|(_, word)| word.iter().any(|&b| b != 0));
                set.for_each(|(i, _)| each(block + i as u64));
            }
        }
        at += words;
    }
    Ok(())
}

impl Span {
    /// Reads the span at `addr`, which is in use.
    fn read<T: Target>(mspan: &Structure<'_, T>, shape: &Shape, addr: Addr) -> Result<Span, Error> {
        let layout = &shape.mspan;
        let get = |at| mspan.uint(at);
        let npages = get(layout.npages)?;
        let span = Span {
            addr,
            base: Addr(get(layout.start_addr)?),
            size: npages
                .checked_shl(PAGE_SHIFT)
                .filter(|size| size >> PAGE_SHIFT == npages)
                .unwrap_or(u64::MAX),
            elemsize: get(layout.elemsize)?,
            nelems: get(layout.nelems)?,
            free_from: get(shape.free_from)?,
            alloc_bits: Addr(get(layout.alloc_bits)?),
            spanclass: get(layout.spanclass)?,
            specials: Addr(get(layout.specials)?),
            sweepgen: get(layout.sweepgen)?,
        };
        check_range::<T>(span.base, span.size, layout.npages.place, addr)?;
        Ok(span)
    }

    /// Whether its objects have no pointers.
    pub(super) fn noscan(&self) -> bool {
        self.spanclass & 1 != 0
    }

    /// Its size class; 0 for a large object.
    pub(super) fn sizeclass(&self) -> u64 {
        self.spanclass >> 1
    }

    /// How many slots the reference looks at: as many as fit into its pages.
    pub(super) fn slots(&self, shape: &Shape) -> Result<u64, Error> {
        let bad = |place, value, problem| Err(out_of_range(place, self.addr, value, problem));
        let (elemsize, nelems) = (shape.mspan.elemsize.place, shape.mspan.nelems.place);
        match self.size.checked_div(self.elemsize) {
            None => bad(elemsize, self.elemsize, "a span in use cannot have objects of no size"),
            // "freemark array doesn't have enough entries"
            Some(n) if n > MAX_OBJECTS => {
                bad(elemsize, self.elemsize, "the span has more objects than freemark has entries")
            }
            Some(n) if self.nelems > n => {
                bad(nelems, self.nelems, "the span has no room for so many objects")
            }
            Some(n) => Ok(n),
        }
    }

    /// Each special record of a kind, with the object that it belongs to.
    pub(super) fn specials<T: Target>(
        &self,
        process: &Process<'_, T>,
        shape: &Shape,
        kind: u64,
        mut each: impl FnMut(Addr, Addr) -> Result<(), Error>,
    ) -> Result<(), Error> {
        process.linked(self.specials, shape.special.next, |special| {
            if process.uint(special, shape.special.kind)? == kind {
                let distance = process.uint(special, shape.special.offset)?;
                each(special, offset::<T>(self.base, distance))?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Amd64, Mips};
    use crate::testing::Segments;

    fn words_that_are_not_zero<T: Target>(lends: bool) {
        const START: u64 = 0x10_0000;
        // More than are looked at at once, and of those in a block two that are the same.
        let set = [0, 63, 64, 65, 8191, 8192, 8200, 16383, 16384, 19_999];
        let mut memory = Segments::new(lends);
        memory.map(START, 20_000 * T::PTR_SIZE);
        for i in set {
            memory.write(Addr(START + i * T::PTR_SIZE), &[1]);
        }
        let mut found = Vec::new();
        each_nonzero(&Process::<T>::new(&memory), Addr(START), 20_000, |i| found.push(i)).unwrap();
        assert_eq!(found, set, "{}", T::GOARCH);
    }

    #[test]
    fn arenas_are_found_among_millions() {
        for lends in [false, true] {
            words_that_are_not_zero::<Amd64>(lends);
            words_that_are_not_zero::<Mips>(lends);
        }
    }

    #[test]
    fn classes_of_spans() {
        let span = |spanclass| Span {
            addr: Addr(1),
            base: Addr(2),
            size: 8192,
            elemsize: 8,
            nelems: 1024,
            free_from: 0,
            alloc_bits: Addr(3),
            spanclass,
            specials: Addr::NIL,
            sweepgen: 0,
        };
        for (spanclass, class, noscan) in [(0, 0, false), (1, 0, true), (2, 1, false), (135, 67, true)] {
            assert_eq!((span(spanclass).sizeclass(), span(spanclass).noscan()), (class, noscan));
        }
    }
}
