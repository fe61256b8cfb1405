//! The objects of the heap.

use std::marker::PhantomData;

use super::{Dumper, Records};
use crate::error::{Error, Place};
use crate::format::cpu::{self, Cpu, Work};
use crate::format::room::{Head, MAX_FIELD, Room};
use crate::format::tags::{FIELD_KIND_EOL, Tag};
use crate::format::uvarint::{MAX_LEN, Width};
use crate::memory::Memory;
use crate::process::offset;
use crate::process::patch::Patched;
use crate::runtime::{Extent, GROUP, HeapBits, MOST_WORDS, Runtime, Span, low_bits};
use crate::target::Target;

const CONTENTS: Place = Place::new("object", "contents");

impl<R: Runtime> Dumper<'_, '_, R> {
    /// Port of `dumpobjs`.
    pub(super) fn dumpobjs(&mut self) -> Result<(), Error> {
        let Dumper { runtime, out, typecache, .. } = self;
        runtime.spans(|s| {
            let Extent { base, elemsize, n, .. } = s.extent();
            let own = runtime.own_variables(&out.moment(typecache), base, n * elemsize);
            let memory = Patched::new(runtime.memory(), own);
            dumpspan::<R::Target, _>(out, &memory, s)
        })
    }
}

/// The objects of one span.
fn dumpspan<T: Target, S: Span>(out: &mut Records<'_>, memory: &Patched<'_>, s: &mut S) -> Result<(), Error> {
    let extent = s.extent();
    let lent = memory.borrow(extent.base, extent.n * extent.elemsize);
    let in_place = lent.and_then(|lent| InPlace::new::<T>(&extent, lent));
    for first in (0..extent.n).step_by(GROUP as usize) {
        let mut used = s.in_use(first);
        while used != 0 {
            if let Some(span) = &in_place
                && let Some(room) = out.sink.room(span.most_bytes)
            {
                let bits = s.bits(first, span.words(used))?;
                let (left, bytes) =
                    cpu::run(Group::<T, _> { span, room, first, used, bits: &bits, target: PhantomData });
                out.sink.put(bytes);
                out.count(Tag::Object, (used ^ left).count_ones());
                used = left;
                continue;
            }
            dumpobj::<T, _>(out, memory, s, first + u64::from(used.trailing_zeros()))?;
            used &= used - 1;
        }
    }
    Ok(())
}

/// Port of `dumpobj`, with `makeheapobjbv` in pieces in place of one large bit vector.
fn dumpobj<T: Target, S: Span>(
    out: &mut Records<'_>,
    memory: &Patched<'_>,
    s: &mut S,
    slot: u64,
) -> Result<(), Error> {
    let Extent { base, elemsize, .. } = s.extent();
    let obj = offset::<T>(base, slot * elemsize);
    out.tag(Tag::Object)?;
    out.dumpptr(obj)?;
    out.dumpmemrange(memory, obj, elemsize, CONTENTS)?;
    let nptr = elemsize / T::PTR_SIZE;
    for i in (0..nptr).step_by(MOST_WORDS as usize) {
        let (pointers, goes_on) = s.makeheapobjbv(slot, i, (nptr - i).min(MOST_WORDS))?;
        out.sink.dump_pointers(pointers, i * T::PTR_SIZE, T::PTR_SIZE)?;
        if !goes_on {
            break; // end of object
        }
    }
    out.end_of_fields()
}

/// How the objects of a span are encoded, each whole and in place.
struct InPlace<'m> {
    /// The memory of all of them.
    objects: &'m [u8],
    /// Where they are.
    extent: Extent,
    /// In bytes.
    elemsize: usize,
    /// In words.
    nptr: u64,
    /// A bit for each of them.
    words: u64,
    /// The tag, the address and `elemsize`.
    head: Head,
    /// The most bytes of a record.
    most_bytes: usize,
}

impl<'m> InPlace<'m> {
    /// Nothing for objects that are too large for it, or do not all begin with a word.
    fn new<T: Target>(extent: &Extent, objects: &'m [u8]) -> Option<Self> {
        let Extent { base, end, elemsize, .. } = *extent;
        let nptr = elemsize / T::PTR_SIZE;
        if nptr > MOST_WORDS || !elemsize.is_multiple_of(T::PTR_SIZE) {
            return None;
        }
        let head = Head::new(Tag::Object as u8, Width::of(base.0, end)?, elemsize)?;
        let elemsize = usize::try_from(elemsize).ok()?;
        // The tag and the end take one byte each; the two integers and what is between them, all that they can.
        let most_bytes = 2 + 2 * MAX_LEN + elemsize + 64 * MAX_FIELD;
        Some(InPlace { objects, extent: *extent, elemsize, nptr, words: low_bits(nptr), head, most_bytes })
    }

    /// How many words some of 64 objects take together with those that are before them.
    fn words(&self, used: u64) -> u64 {
        u64::from(GROUP as u32 - used.leading_zeros()) * self.nptr
    }
}

/// Some of the 64 objects of a span that begin with number `first`.
struct Group<'g, 'm, T, B> {
    span: &'g InPlace<'m>,
    room: Room<'g>,
    first: u64,
    /// A bit for each object, the lowest for `first`.
    used: u64,
    /// Begin with `first`.
    bits: &'g B,
    target: PhantomData<T>,
}

impl<T: Target, B: HeapBits> Work for Group<'_, '_, T, B> {
    /// Those that are left, and how many bytes the others took.
    type Output = (u64, usize);

    /// Port of `dumpobj`, for as many objects as there is room for.
    #[inline(always)]
    fn on(self, cpu: impl Cpu) -> (u64, usize) {
        let Group { span, mut room, first, mut used, bits, .. } = self;
        let from = first as usize * span.elemsize;
        let (objects, base) = (&span.objects[from..], offset::<T>(span.extent.base, from as u64).0);
        while used != 0 && room.left() >= span.most_bytes {
            let at = used.trailing_zeros() as usize * span.elemsize;
            let pointers = bits.makeheapobjbv(at as u64 / T::PTR_SIZE) & span.words;
            room.head(&span.head, cpu, base + at as u64);
            room.bytes(&objects[at..], span.elemsize);
            room.pointers(pointers, 0, T::PTR_SIZE);
            room.int(FIELD_KIND_EOL);
            used &= used - 1;
        }
        (used, room.used())
    }
}
