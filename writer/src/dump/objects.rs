//! The objects of the heap.

use std::io::Write;

use super::Dumper;
use super::own::Patched;
use crate::error::{Error, Place};
use crate::format::room::{Encoded, MAX_FIELD, Room};
use crate::format::tags::{FIELD_KIND_EOL, Tag};
use crate::format::uvarint::{MAX_LEN, Width};
use crate::memory::{Addr, Memory};
use crate::runtime::bitmap::{HeapBitmap, HeapBits, MOST_WORDS, WINDOW_WORDS, Words};
use crate::runtime::heap::Span;
use crate::runtime::layout::{Load, Ptr, offset};
use crate::runtime::process::{Process, out_of_range};
use crate::runtime::structs::{Gclink, Mspan, PAGE_SIZE};
use crate::target::Target;

const CONTENTS: Place = Place::new("object", "contents");

/// How many objects' marks are looked at together.
const GROUP: u64 = 64;

// The bits of a group of objects are all in the window at once, if each has those of its words in one load.
const _: () = assert!(GROUP * MOST_WORDS <= WINDOW_WORDS);

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
        self.0.fill(0);
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
        (0..n)
            .step_by(GROUP as usize)
            .zip(&self.0)
            .map(move |(first, &free)| (first, !free & low_bits((n - first).min(GROUP))))
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
            let in_place = lent.filter(|_| own.is_none()).and_then(|lent| InPlace::new::<T>(&s, lent));
            let patched = Patched::new(memory, own.into_iter().collect());
            for (first, mut used) in freemark.in_use(n) {
                if used != 0 {
                    tmpbuf.extend(nptr);
                }
                let object = offset::<T>(s.base, first * s.elemsize);
                while used != 0 {
                    if let Some(span) = &in_place
                        && let Some(mut room) = out.sink.room(span.most_bytes)
                    {
                        let word = bitmap.word::<T>(object);
                        let (words, word) = bitmap.words::<T>(word, span.words(used), limit)?;
                        let left = span.put::<T>(&mut room, first, used, words, word);
                        let bytes = room.used();
                        out.sink.put(bytes);
                        out.count(Tag::Object, (used ^ left).count_ones());
                        used = left;
                        continue;
                    }
                    let obj = offset::<T>(object, u64::from(used.trailing_zeros()) * s.elemsize);
                    used &= used - 1;
                    out.tag(Tag::Object)?;
                    out.dumpptr(obj)?;
                    out.dumpmemrange(&patched, obj, s.elemsize, CONTENTS)?;
                    for i in (0..nptr).step_by(MOST_WORDS as usize) {
                        let n = (nptr - i).min(MOST_WORDS);
                        let word = bitmap.word::<T>(obj) + i;
                        let (words, word) = bitmap.words::<T>(word, n, limit)?;
                        let hbits = described(words.bits(word), i == 0);
                        out.sink.dump_pointers(hbits.pointers & low_bits(n), i * T::PTR_SIZE, T::PTR_SIZE)?;
                        if hbits.marks & low_bits(n) != low_bits(n) {
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
struct InPlace<'m> {
    /// The memory of all of them.
    objects: &'m [u8],
    /// Where that is.
    base: Addr,
    /// In bytes.
    elemsize: usize,
    /// In words.
    nptr: u64,
    /// `elemsize`, as each record has it.
    length: Encoded,
    /// That of the objects' addresses.
    address: Width,
    /// The most bytes of a record.
    most_bytes: usize,
}

impl<'m> InPlace<'m> {
    /// Nothing for objects that are too large for it, or do not all begin with a word.
    fn new<T: Target>(s: &Span, objects: &'m [u8]) -> Option<Self> {
        let nptr = s.elemsize / T::PTR_SIZE;
        if nptr > MOST_WORDS || !s.elemsize.is_multiple_of(T::PTR_SIZE) {
            return None;
        }
        let elemsize = usize::try_from(s.elemsize).ok()?;
        let length = Encoded::new(s.elemsize)?;
        let end = s.base.0.wrapping_add(s.size);
        let address = Width::of(s.base.0, end).filter(|width| width.len < 8)?;
        // The tag and the end take one byte each; the two integers and what is between them, all that they can.
        let most_bytes = 2 + 2 * MAX_LEN + elemsize + 64 * MAX_FIELD;
        Some(InPlace { objects, base: s.base, elemsize, nptr, length, address, most_bytes })
    }

    /// How many words some of 64 objects take together with those that are before them.
    fn words(&self, used: u64) -> u64 {
        u64::from(GROUP as u32 - used.leading_zeros()) * self.nptr
    }

    /// Port of `dumpobj`, for as many of the `used` objects as there is room for; gives those that are left. The lowest
    /// bit of `used` stands for the object of number `first`, whose bits begin with `word` of `words`.
    #[inline(never)]
    fn put<T: Target>(
        &self,
        room: &mut Room<'_>,
        first: u64,
        mut used: u64,
        words: &Words,
        word: u64,
    ) -> u64 {
        let from = first as usize * self.elemsize;
        let (objects, base) = (&self.objects[from..], offset::<T>(self.base, from as u64).0);
        while used != 0 && room.left() >= self.most_bytes {
            let at = used.trailing_zeros() as usize * self.elemsize;
            let hbits = described(words.bits(word + at as u64 / T::PTR_SIZE), true);
            room.prefixed(Tag::Object as u8, base + at as u64, self.address);
            room.encoded(self.length);
            room.bytes(&objects[at..], self.elemsize);
            room.pointers(hbits.pointers & low_bits(self.nptr), 0, T::PTR_SIZE);
            room.int(FIELD_KIND_EOL);
            used &= used - 1;
        }
        used
    }
}

/// Of some words of an object, its first ones or later ones, those that are described: the marks of all others are
/// taken away, and their pointers.
#[inline(always)]
fn described(hbits: HeapBits, first: bool) -> HeapBits {
    // From the third word on the mark says whether the object goes on.
    let marks = if first { hbits.marks | 0b11 } else { hbits.marks };
    // The ones below the lowest zero: adding one makes zeros of them.
    let marks = marks & !marks.wrapping_add(1);
    HeapBits { pointers: hbits.pointers & marks, marks }
}

/// A number whose lowest `n` bits are set, of 64 at most.
#[inline(always)]
fn low_bits(n: u64) -> u64 {
    if n == 0 { 0 } else { u64::MAX >> (64 - n) }
}
