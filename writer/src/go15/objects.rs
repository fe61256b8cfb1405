//! The slots of a span: which of them are objects, and which of their words are pointers.

use super::Go15;
use super::bitmap::{HeapBitmap, Words};
use super::heap::Span;
use super::structs::{Gclink, Mspan, PAGE_SIZE};
use crate::error::Error;
use crate::go15::arch::Target;
use crate::memory::Addr;
use crate::process::field::{Load, Ptr};
use crate::process::{Process, offset, out_of_range, touch};
use crate::runtime::{self, Extent, GROUP, HeapBits, low_bits};

/// `len(freemark)`.
const MAX_OBJECTS: usize = PAGE_SIZE as usize / 8;

/// `freemark`: of a span's objects, those that are free; a bit each.
struct FreeMarks([u64; MAX_OBJECTS / GROUP as usize]);

impl FreeMarks {
    /// Marks what is on a span's freelist, of `n` objects.
    fn mark<T: Target>(&mut self, process: &Process<'_, T>, s: &Span, n: u64) -> Result<(), Error> {
        self.0.fill(0);
        let lent = process.memory.borrow(s.base, n * s.elemsize);
        lent.into_iter().for_each(touch);
        let mut slot = s.freelist;
        while !slot.is_nil() {
            let bad = |problem| Err(Error::BadFreelist { span: s.addr, slot, problem });
            let distance = slot.0.wrapping_sub(s.base.0);
            let index = distance / s.elemsize;
            if index >= n {
                return bad("is outside the span");
            }
            if !distance.is_multiple_of(s.elemsize) {
                return bad("is not the beginning of an object");
            }
            // Every element is marked once, so that the list cannot be longer than the span.
            let (group, bit) = (&mut self.0[(index / GROUP) as usize], 1 << (index % GROUP));
            if *group & bit != 0 {
                return bad("is on the list twice: the list loops");
            }
            *group |= bit;
            let next = lent.and_then(|lent| lent.get(distance as usize..)?.get(..T::PTR_SIZE as usize));
            slot = match next {
                Some(next) => <Ptr as Load<T>>::load(next),
                None => process.get(slot, Gclink::next())?,
            };
        }
        Ok(())
    }
}

/// A span in use, as `dumpobjs` sees it.
pub(crate) struct Slots<'s, 'm, T> {
    go: &'s Go15<'m, T>,
    span: Span,
    /// The number of objects, free or not.
    n: u64,
    free: &'s FreeMarks,
    bitmap: &'s mut HeapBitmap<'m>,
    /// Up to here the bitmap may be read ahead.
    limit: u64,
}

impl<'m, T: Target> runtime::Heap for Go15<'m, T> {
    type Span<'s>
        = Slots<'s, 'm, T>
    where
        Self: 's;

    fn ensure_swept(&self) -> Result<(), Error> {
        self.heap.spans_in_use(&self.process, |s| self.heap.ensure_swept(&s))
    }

    fn spans(&self, mut each: impl FnMut(&mut Slots<'_, 'm, T>) -> Result<(), Error>) -> Result<(), Error> {
        let mut bitmap = HeapBitmap::new(self.process.memory, Addr(self.heap.arena_start));
        let mut free = FreeMarks([0; MAX_OBJECTS / GROUP as usize]);
        self.heap.spans_in_use(&self.process, |span| {
            let n = span.objects::<T>()?;
            self.divmod.borrow_mut().divides(span.elemsize);
            // A span without pages has no address that could be wrong.
            let outside = span.base.0 < self.heap.arena_start || span.end() > self.heap.arena_used;
            if n > 0 && outside {
                let place = Mspan::start::<T>().place;
                return Err(out_of_range(place, span.addr, span.base.0, "that span is not within the arena"));
            }
            free.mark(&self.process, &span, n)?;
            let limit = bitmap.word::<T>(Addr(span.end()));
            each(&mut Slots { go: self, span, n, free: &free, bitmap: &mut bitmap, limit })
        })
    }
}

impl<T: Target> runtime::Span for Slots<'_, '_, T> {
    type Bits<'b>
        = Bits<'b>
    where
        Self: 'b;

    fn extent(&self) -> Extent {
        let Span { base, elemsize, .. } = self.span;
        Extent { base, end: self.span.end(), elemsize, n: self.n }
    }

    fn in_use(&mut self, first: u64) -> u64 {
        let free = self.free.0[(first / GROUP) as usize];
        let used = !free & low_bits((self.n - first).min(GROUP));
        if used != 0 {
            self.go.tmpbuf.borrow_mut().extend(self.span.elemsize / T::PTR_SIZE);
        }
        used
    }

    fn bits(&mut self, first: u64, words: u64) -> Result<Bits<'_>, Error> {
        let object = offset::<T>(self.span.base, first * self.span.elemsize);
        let (words, first) = self.bitmap.words::<T>(self.bitmap.word::<T>(object), words, self.limit)?;
        Ok(Bits { words, first })
    }

    fn makeheapobjbv(&mut self, slot: u64, i: u64, n: u64) -> Result<(u64, bool), Error> {
        let obj = offset::<T>(self.span.base, slot * self.span.elemsize);
        let (words, word) = self.bitmap.words::<T>(self.bitmap.word::<T>(obj) + i, n, self.limit)?;
        let hbits = words.bits(word).described(i == 0);
        Ok((hbits.pointers & low_bits(n), hbits.marks & low_bits(n) == low_bits(n)))
    }
}

/// The heap bitmap of neighbouring objects.
pub(crate) struct Bits<'b> {
    words: &'b Words,
    /// Which of the words is the first object's first.
    first: u64,
}

impl HeapBits for Bits<'_> {
    #[inline(always)]
    fn makeheapobjbv(&self, word: u64) -> u64 {
        self.words.bits(self.first + word).described(true).pointers
    }
}
