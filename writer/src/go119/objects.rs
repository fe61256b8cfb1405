//! The slots of a span: which of them are objects.

use super::Go119;
use super::heap::{MAX_OBJECTS, Span};
use super::pointers::{Bits, HeapPointers, SpanIn};
use crate::error::{Error, Place};
use crate::process::{out_of_range, touch};
use crate::runtime::{self, Extent, GROUP, low_bits};
use crate::target::Target;

const ALLOC_BITS: Place = Place::new("mspan", "allocBits");

/// The bits of the largest span, and eight bytes to be loaded along with the last ones.
pub(super) type AllocBits = [u8; MAX_OBJECTS as usize / 8 + 8];

/// A span in use, as `dumpobjs` sees it.
pub(crate) struct Slots<'s, 'm, T> {
    go: &'s Go119<'m, T>,
    at: SpanIn<'s>,
    /// The number of slots that are looked at.
    n: u64,
    alloc_bits: &'s AllocBits,
    pointers: &'s mut HeapPointers<'m, T>,
    /// Of the slots asked for last, those in use.
    used: u64,
}

impl<'m, T: Target> Go119<'m, T> {
    /// How many slots of a span are dumped.
    fn slots(&self, span: &Span) -> Result<u64, Error> {
        let n = span.slots(&self.shape)?;
        Ok(if self.defects.slots_beyond_nelems { n } else { span.nelems })
    }

    /// `allocBits`, of as many objects as there are.
    pub(super) fn alloc_bits(&self, span: &Span, bits: &mut AllocBits) -> Result<(), Error> {
        bits.fill(0);
        let bytes = &mut bits[..span.nelems.div_ceil(8) as usize];
        let read = self.process.memory.read(span.alloc_bits, bytes);
        read.map_err(|source| Error::Unreadable { place: ALLOC_BITS, source })
    }
}

impl<'m, T: Target> runtime::Heap for Go119<'m, T> {
    type Span<'s>
        = Slots<'s, 'm, T>
    where
        Self: 's;

    fn ensure_swept(&self) -> Result<(), Error> {
        if self.stopped.is_some() {
            return self.note_unswept();
        }
        self.heap.spans_in_use(&self.process, &self.shape, |s| self.heap.ensure_swept(&s))
    }

    fn spans(&self, mut each: impl FnMut(&mut Slots<'_, 'm, T>) -> Result<(), Error>) -> Result<(), Error> {
        let mut pointers = HeapPointers::new(self.process, &self.shape, self.stopped);
        self.swept_spans(|span, alloc_bits| {
            let n = self.slots(&span)?;
            if n > 0 && span.base.is_nil() {
                let place = self.shape.mspan.start_addr.place;
                return Err(out_of_range(place, span.addr, 0, "a span in use cannot begin at nil"));
            }
            self.process.memory.borrow(span.base, n * span.elemsize).into_iter().for_each(touch);
            let at = SpanIn { span, heap: &self.heap, shape: &self.shape };
            let mut slots = Slots { go: self, at, n, alloc_bits, pointers: &mut pointers, used: 0 };
            if self.own.borrow().palloc.is_some() {
                slots.build_masks()?;
            }
            each(&mut slots)
        })
    }
}

impl<T: Target> Slots<'_, '_, T> {
    /// Has the masks allocated that the reference will build for the span's objects. It does so one object at a time, before
    /// it writes each; here it is all at once, before any is written: of objects up to the P that dumps, which shows it.
    fn build_masks(&mut self) -> Result<(), Error> {
        let Span { base, elemsize, .. } = self.at.span;
        let shown_at =
            self.go.own.borrow().palloc.as_ref().and_then(|palloc| palloc.at().0.checked_sub(base.0));
        let last = shown_at.map_or(u64::MAX, |within| within / elemsize);
        for first in (0..self.n).step_by(GROUP as usize) {
            let mut used = runtime::Span::in_use(self, first);
            while used != 0 {
                let slot = first + u64::from(used.trailing_zeros());
                if slot > last {
                    return Ok(());
                }
                if let Some(size) = self.pointers.mask_to_build(&self.at, slot)?
                    && let Some(palloc) = &mut self.go.own.borrow_mut().palloc
                {
                    palloc.alloc::<T>(size);
                }
                used &= used - 1;
            }
        }
        Ok(())
    }
}

impl<T: Target> runtime::Span for Slots<'_, '_, T> {
    type Bits<'b>
        = Bits<'b>
    where
        Self: 'b;

    fn extent(&self) -> Extent {
        let Span { base, size, elemsize, .. } = self.at.span;
        Extent { base, end: base.0.wrapping_add(size), elemsize, n: self.n }
    }

    fn in_use(&mut self, first: u64) -> u64 {
        let span = &self.at.span;
        let bytes =
            self.alloc_bits[(first / 8) as usize..].first_chunk().expect("there are eight after the last");
        // isFree
        let before = low_bits(span.free_from.saturating_sub(first).min(GROUP));
        // What is no element has no bit, and counts as not free.
        let beyond = !low_bits(span.nelems.saturating_sub(first).min(GROUP));
        self.used = (u64::from_le_bytes(*bytes) | before | beyond) & low_bits((self.n - first).min(GROUP));
        if self.used != 0 {
            self.go.own.borrow_mut().tmpbuf.extend(span.elemsize / T::PTR_SIZE);
        }
        self.used
    }

    fn bits(&mut self, first: u64, words: u64) -> Result<Bits<'_>, Error> {
        self.pointers.bits(&self.at, first, words, self.used)
    }

    fn makeheapobjbv(&mut self, slot: u64, i: u64, n: u64) -> Result<(u64, bool), Error> {
        self.pointers.makeheapobjbv(&self.at, slot, i, n)
    }
}
