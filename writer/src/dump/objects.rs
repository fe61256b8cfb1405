//! The objects of the heap.

use std::io::Write;

use super::Dumper;
use super::own::Patched;
use crate::error::{Error, Place};
use crate::format::room::{Encoded, MAX_FIELD, Room};
use crate::format::tags::{FIELD_KIND_EOL, Tag};
use crate::format::uvarint::MAX_LEN;
use crate::memory::{Addr, Memory};
use crate::runtime::bitmap::{HeapBitmap, HeapBits};
use crate::runtime::heap::Span;
use crate::runtime::layout::{Load, Ptr, offset};
use crate::runtime::process::{Process, out_of_range};
use crate::runtime::structs::{Gclink, Mspan, PAGE_SIZE};
use crate::target::Target;
use crate::wrong::{truncated, wrong};

const CONTENTS: Place = Place::new("object", "contents");

/// How many words' bits are looked at together.
const GROUP: u64 = 64;

/// `freemark`: of a span's objects, those that are free; a bit each.
struct FreeMarks([u64; MAX_OBJECTS / GROUP as usize]);

/// `len(freemark)`.
const MAX_OBJECTS: usize = PAGE_SIZE as usize / 8;

impl FreeMarks {
    /// Marks what is on a span's freelist. `lent` are the span's objects, if memory lends them.
    fn mark<T: Target, M: Memory + ?Sized>(
        &mut self,
        process: &Process<'_, T, M>,
        s: &Span,
        n: u64,
        lent: Option<&[u8]>,
    ) -> Result<(), Error> {
        if !wrong!(FreeMarksKept) {
            self.0.fill(0);
        }
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

    /// Of the `n` objects those that are not free, as sets of up to 64: the number of the first, and
    /// a bit for each.
    fn in_use(&self, n: u64) -> impl Iterator<Item = (u64, u64)> {
        let n = n.saturating_sub(u64::from(wrong!(LastSlotForgotten)));
        (0..n).step_by(GROUP as usize).zip(&self.0).map(move |(first, &free)| {
            let free = if wrong!(FreeSlotsDumped) { 0 } else { free };
            (first, !free & low_bits((n - first).min(GROUP)))
        })
    }
}

impl<T: Target, M: Memory + ?Sized, W: Write> Dumper<'_, T, M, W> {
    /// Port of `dumpobjs`.
    pub(super) fn dumpobjs(&mut self) -> Result<(), Error> {
        let Dumper { process, heap, out, tmpbuf, divmod, .. } = self;
        let memory = process.memory;
        let mut bitmap = HeapBitmap::new(memory, Addr(heap.arena_start));
        let mut freemark = FreeMarks([0; MAX_OBJECTS / GROUP as usize]);
        heap.spans_in_use(process, |s| {
            let n = s.objects::<T>()?;
            divmod.divides(s.elemsize);
            // A span without pages has no address that could be wrong.
            let end = s.base.0.wrapping_add(s.size);
            if n > 0 && (s.base.0 < heap.arena_start || end > heap.arena_used) {
                let place = Mspan::start::<T>().place;
                return Err(out_of_range(place, s.addr, s.base.0, "that span is not within the arena"));
            }
            let lent = memory.borrow(s.base, n * s.elemsize);
            freemark.mark(process, &s, n, lent)?;
            // What `makeheapobjbv` and `dumpobj` do, in one pass and without a buffer: the words of the
            // object are looked up in the heap bitmap while its fields are written.
            let nptr = s.elemsize / T::PTR_SIZE;
            let limit = bitmap.word::<T>(Addr(end));
            let own = divmod.patch_in::<T>(s.base, n * s.elemsize);
            let in_place = lent.filter(|_| own.is_none()).and_then(|_| InPlace::new(s.elemsize, nptr));
            let patched = Patched::new(memory, own.into_iter().collect());
            for (first, mut used) in freemark.in_use(n) {
                while used != 0 {
                    let j = first + u64::from(used.trailing_zeros());
                    used &= used - 1;
                    tmpbuf.extend(nptr);
                    let obj = offset::<T>(s.base, j * s.elemsize);
                    let word = bitmap.word::<T>(obj);
                    if let (Some(span), Some(lent)) = (&in_place, lent)
                        && let Some(mut room) = out.sink.room(span.most_bytes)
                    {
                        let hbits = bitmap.bits::<T>(word, nptr, limit)?;
                        span.put::<T>(&mut room, obj, &lent[(j * s.elemsize) as usize..], hbits);
                        let bytes = room.used();
                        out.sink.put(bytes);
                        out.count(Tag::Object);
                        continue;
                    }
                    out.tag(Tag::Object)?;
                    out.dumpptr(obj)?;
                    out.dumpmemrange(&patched, obj, s.elemsize, CONTENTS)?;
                    for i in (0..nptr).step_by(GROUP as usize) {
                        let hbits = bitmap.bits::<T>(word + i, (nptr - i).min(GROUP), limit)?;
                        let words = described(hbits, i, nptr);
                        let pointers = hbits.pointers & low_bits(words);
                        out.sink.dump_pointers(pointers, i * step::<T>(), step::<T>())?;
                        if words < GROUP {
                            break; // end of object
                        }
                    }
                    out.end_of_fields()?;
                }
            }
            Ok(())
        })
    }
}

/// How the objects of a span are encoded, each whole and in place.
struct InPlace {
    /// In bytes.
    elemsize: usize,
    /// In pointers.
    nptr: u64,
    /// `elemsize`, as each record has it.
    length: Encoded,
    /// The most bytes of a record.
    most_bytes: usize,
}

impl InPlace {
    /// Nothing for objects that are too large for it.
    fn new(elemsize: u64, nptr: u64) -> Option<InPlace> {
        let length = Encoded::new(if wrong!(LengthTruncated) { elemsize & 0xffff } else { elemsize });
        let elemsize = usize::try_from(elemsize).ok().filter(|_| nptr <= GROUP)?;
        // The tag and the end take one byte each; the two integers and what is between them, all that they can.
        let most_bytes = 2 + 2 * MAX_LEN + elemsize + GROUP as usize * MAX_FIELD;
        Some(InPlace { elemsize, nptr, length, most_bytes })
    }

    /// Port of `dumpobj`.
    #[inline(always)]
    fn put<T: Target>(&self, room: &mut Room<'_>, obj: Addr, contents: &[u8], hbits: HeapBits) {
        room.int(Tag::Object as u64);
        room.int(truncated(wrong!(PointerTruncated), obj.0));
        room.encoded(self.length);
        room.bytes(contents, self.elemsize);
        room.pointers(hbits.pointers & low_bits(described(hbits, 0, self.nptr)), 0, step::<T>());
        room.int(FIELD_KIND_EOL);
    }
}

/// By how much the offsets of neighbouring words differ.
#[inline(always)]
fn step<T: Target>() -> u64 {
    if wrong!(FieldsInWords) { 1 } else { T::PTR_SIZE }
}

/// How many words from word `i` of an object on are described, of the up to 64 words of `hbits`.
#[inline(always)]
fn described(hbits: HeapBits, i: u64, nptr: u64) -> u64 {
    // From the third word on the mark says whether the object goes on.
    let unmarked = if wrong!(EndOfObjectEarly) { 0b1 } else { 0b11 };
    let marks = if i == 0 { hbits.marks | unmarked } else { hbits.marks };
    let marks = if wrong!(EndOfObjectIgnored) { u64::MAX } else { marks };
    u64::from(marks.trailing_ones()).min(nptr - i)
}

/// A number whose lowest `n` bits are set, of 64 at most.
#[inline(always)]
fn low_bits(n: u64) -> u64 {
    if n == 0 { 0 } else { u64::MAX >> (GROUP - n) }
}
