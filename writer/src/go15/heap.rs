//! The page heap and its spans (mheap.go).

use super::structs::{Mheap, Mspan, PAGE_SHIFT, PAGE_SIZE, Special};
use super::symbols::Symbols;
use crate::error::{Error, Place};
use crate::go15::arch::Target;
use crate::memory::Addr;
use crate::process::field::{Field, Header, Ptr};
use crate::process::{Process, Structure, check_range, offset, out_of_range};

/// `_MSpanInUse`.
const MSPAN_IN_USE: u8 = 0;
/// `_KindSpecialFinalizer`.
pub(crate) const KIND_SPECIAL_FINALIZER: u8 = 1;
/// `_KindSpecialProfile`.
pub(crate) const KIND_SPECIAL_PROFILE: u8 = 2;

/// `mheap_`, as far as it is dumped, and `h_allspans`.
pub(crate) struct Heap {
    /// `mheap_.arena_start`.
    pub arena_start: u64,
    /// `mheap_.arena_used`.
    pub arena_used: u64,
    /// `mheap_.sweepgen`.
    sweepgen: u32,
    /// `mheap_.nspan`.
    nspan: u64,
    allspans: Header,
}

/// `mspan`, as far as it is dumped.
pub(crate) struct Span {
    /// The address of the `mspan`.
    pub addr: Addr,
    /// `base()`: the address of its first page.
    pub base: Addr,
    /// The size of its pages, in bytes.
    pub size: u64,
    /// `elemsize`, in bytes.
    pub elemsize: u64,
    /// `freelist`.
    pub freelist: Addr,
    /// `specials`.
    specials: Addr,
    /// `sweepgen`.
    sweepgen: u32,
}

impl Heap {
    /// Reads `mheap_` and the header of `h_allspans`.
    pub(crate) fn read<T: Target>(process: &Process<'_, T>, symbols: &Symbols) -> Result<Heap, Error> {
        let mheap = symbols.mheap;
        let nspan = Mheap::nspan();
        let heap = Heap {
            arena_start: process.get(mheap, Mheap::arena_start())?,
            arena_used: process.get(mheap, Mheap::arena_used())?,
            sweepgen: process.get(mheap, Mheap::sweepgen())?,
            nspan: u64::from(process.get(mheap, nspan)?),
            allspans: process.slice::<Ptr>(symbols.h_allspans, Field::variable("h_allspans"))?,
        };
        if heap.nspan > heap.allspans.len {
            let problem = "that is more than len(h_allspans)";
            return Err(out_of_range(nspan.place, mheap, heap.nspan, problem));
        }
        Ok(heap)
    }

    /// `h_allspans[i]` for each `i < mheap_.nspan` in turn, where the span is in use.
    pub(crate) fn spans_in_use<T: Target>(
        &self,
        process: &Process<'_, T>,
        mut each: impl FnMut(Span) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let first = Field::<T, Ptr>::new(Place::variable("h_allspans"), 0);
        for i in 0..self.nspan {
            let addr = process.get(self.allspans.array, first.element(i))?;
            let s = process.structure::<Mspan>(addr);
            if s.get(Mspan::state())? == MSPAN_IN_USE {
                each(Span::read(addr, &s)?)?;
            }
        }
        Ok(())
    }

    /// Port of `mSpan_EnsureSwept`, as far as it can be done from outside: to sweep is to write.
    pub(crate) fn ensure_swept(&self, span: &Span) -> Result<(), Error> {
        let (sweepgen, heap_sweepgen) = (span.sweepgen, self.sweepgen);
        if sweepgen == heap_sweepgen {
            return Ok(());
        }
        Err(Error::UnsweptSpan { span: span.addr, sweepgen, heap_sweepgen })
    }
}

impl Span {
    /// Reads the span at `addr`, which is in use.
    fn read<T: Target>(addr: Addr, s: &Structure<'_, T>) -> Result<Span, Error> {
        let npages = Mspan::npages();
        let count = s.get(npages)?;
        let span = Span {
            addr,
            base: offset::<T>(Addr(0), s.get(Mspan::start())? << PAGE_SHIFT),
            size: count.saturating_mul(PAGE_SIZE),
            elemsize: s.get(Mspan::elemsize())?,
            freelist: s.get(Mspan::freelist())?,
            specials: s.get(Mspan::specials())?,
            sweepgen: s.get(Mspan::sweepgen())?,
        };
        check_range::<T>(span.base, span.size, npages.place, addr)?;
        Ok(span)
    }

    /// The address after its last page.
    pub(crate) fn end(&self) -> u64 {
        self.base.0.wrapping_add(self.size)
    }

    /// Each special record of a kind, with the object that it belongs to.
    pub(crate) fn specials<T: Target>(
        &self,
        process: &Process<'_, T>,
        kind: u8,
        mut each: impl FnMut(Addr, Addr) -> Result<(), Error>,
    ) -> Result<(), Error> {
        process.list(self.specials, Special::next(), |special| {
            if process.get(special, Special::kind())? == kind {
                let distance = process.get(special, Special::offset())?;
                each(special, offset::<T>(self.base, u64::from(distance)))?;
            }
            Ok(())
        })
    }

    /// The number of its objects, free or not.
    pub(crate) fn objects<T: Target>(&self) -> Result<u64, Error> {
        let field = Mspan::elemsize::<T>();
        let bad = |problem| Err(out_of_range(field.place, self.addr, self.elemsize, problem));
        match self.size.checked_div(self.elemsize) {
            None => bad("a span in use cannot have objects of no size"),
            Some(n) if n <= PAGE_SIZE / 8 => Ok(n),
            Some(_) if self.elemsize < 8 => bad("no object is smaller than 8 bytes"),
            // "freemark array doesn't have enough entries"
            Some(_) => bad("the span has more objects than freemark has entries"),
        }
    }
}
