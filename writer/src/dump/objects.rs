//! The objects of the heap.

use super::{Dumper, Records};
use crate::error::{Error, Place};
use crate::format::room::{Encoded, MAX_FIELD, Room};
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
                && let Some(mut room) = out.sink.room(span.most_bytes)
            {
                let bits = s.bits(first, span.words(used))?;
                let left = span.dumpobj::<T>(&mut room, first, used, &bits);
                let bytes = room.used();
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
    /// `elemsize`, as each record has it.
    length: Encoded,
    /// That of the objects' addresses.
    address: Width,
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
        let length = Encoded::new(elemsize)?;
        let elemsize = usize::try_from(elemsize).ok()?;
        let address = Width::of(base.0, end).filter(|width| width.len < 8)?;
        // The tag and the end take one byte each; the two integers and what is between them, all that they can.
        let most_bytes = 2 + 2 * MAX_LEN + elemsize + 64 * MAX_FIELD;
        Some(InPlace { objects, extent: *extent, elemsize, nptr, length, address, most_bytes })
    }

    /// How many words some of 64 objects take together with those that are before them.
    fn words(&self, used: u64) -> u64 {
        u64::from(GROUP as u32 - used.leading_zeros()) * self.nptr
    }

    /// Port of `dumpobj`, for as many of the `used` objects as there is room for; gives those that are left. The lowest
    /// bit of `used` stands for the object of number `first`, with which `bits` begin.
    #[inline(never)]
    fn dumpobj<T: Target>(
        &self,
        room: &mut Room<'_>,
        first: u64,
        mut used: u64,
        bits: &impl HeapBits,
    ) -> u64 {
        let from = first as usize * self.elemsize;
        let (objects, base) = (&self.objects[from..], offset::<T>(self.extent.base, from as u64).0);
        while used != 0 && room.left() >= self.most_bytes {
            let at = used.trailing_zeros() as usize * self.elemsize;
            let pointers = bits.makeheapobjbv(at as u64 / T::PTR_SIZE) & low_bits(self.nptr);
            room.prefixed(Tag::Object as u8, base + at as u64, self.address);
            room.encoded(self.length);
            room.bytes(&objects[at..], self.elemsize);
            room.pointers(pointers, 0, T::PTR_SIZE);
            room.int(FIELD_KIND_EOL);
            used &= used - 1;
        }
        used
    }
}
