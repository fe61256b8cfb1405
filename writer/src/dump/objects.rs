//! The objects of the heap.

use std::io::Write;

use super::Dumper;
use super::own::Patched;
use crate::error::{Error, Place};
use crate::format::tags::Tag;
use crate::memory::{Addr, Memory};
use crate::runtime::bitmap::HeapBitmap;
use crate::runtime::heap::Span;
use crate::runtime::layout::offset;
use crate::runtime::process::{Process, out_of_range};
use crate::runtime::structs::{Gclink, Mspan, PAGE_SIZE};
use crate::target::Target;
use crate::wrong::wrong;

const CONTENTS: Place = Place::new("object", "contents");

/// `freemark`: of a span's objects, those that are free.
struct FreeMarks([bool; MAX_OBJECTS]);

/// `len(freemark)`.
const MAX_OBJECTS: usize = PAGE_SIZE as usize / 8;

impl FreeMarks {
    /// Marks what is on a span's freelist.
    fn mark<T: Target, M: Memory + ?Sized>(
        &mut self,
        process: &Process<'_, T, M>,
        s: &Span,
        n: u64,
    ) -> Result<(), Error> {
        if !wrong!(FreeMarksKept) {
            self.0[..n as usize].fill(false);
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
            if std::mem::replace(&mut self.0[index as usize], true) {
                return bad("is on the list twice: the list loops");
            }
            slot = process.get(slot, Gclink::next())?;
        }
        Ok(())
    }
}

impl<T: Target, M: Memory + ?Sized, W: Write> Dumper<'_, T, M, W> {
    /// Port of `dumpobjs`.
    pub(super) fn dumpobjs(&mut self) -> Result<(), Error> {
        let Dumper { process, heap, out, tmpbuf, divmod, .. } = self;
        let memory = process.memory;
        let mut bitmap = HeapBitmap::new(memory, Addr(heap.arena_start));
        let mut freemark = FreeMarks([false; MAX_OBJECTS]);
        heap.spans_in_use(process, |s| {
            let n = s.objects::<T>()?;
            divmod.divides(s.elemsize);
            // A span without pages has no address that could be wrong.
            let end = s.base.0.wrapping_add(s.size);
            if n > 0 && (s.base.0 < heap.arena_start || end > heap.arena_used) {
                let place = Mspan::start::<T>().place;
                return Err(out_of_range(place, s.addr, s.base.0, "that span is not within the arena"));
            }
            freemark.mark(process, &s, n)?;
            // What `makeheapobjbv` and `dumpobj` do, in one pass and without a buffer: the words of the
            // object are looked up in the heap bitmap while its fields are written.
            let nptr = s.elemsize / T::PTR_SIZE;
            let limit = bitmap.word::<T>(Addr(end));
            // From the third word on the mark says whether the object goes on.
            let first_mark = if wrong!(EndOfObjectEarly) { 1 } else { 2 };
            for j in 0..n.saturating_sub(u64::from(wrong!(LastSlotForgotten))) {
                if freemark.0[j as usize] && !wrong!(FreeSlotsDumped) {
                    continue;
                }
                let obj = offset::<T>(s.base, j * s.elemsize);
                tmpbuf.extend(nptr);
                out.tag(Tag::Object)?;
                out.dumpptr(obj)?;
                match divmod.patch_in::<T>(obj, s.elemsize) {
                    None => out.dumpmemrange(memory, obj, s.elemsize, CONTENTS)?,
                    Some(own) => {
                        let patched = Patched::new(memory, vec![own]);
                        out.dumpmemrange(&patched, obj, s.elemsize, CONTENTS)?;
                    }
                }
                let first = bitmap.word::<T>(obj);
                for i in 0..nptr {
                    let hbits = bitmap.bits::<T>(first + i, limit)?;
                    if i >= first_mark && !hbits.is_marked() && !wrong!(EndOfObjectIgnored) {
                        break; // end of object
                    }
                    if hbits.is_pointer() {
                        out.pointer(i * if wrong!(FieldsInWords) { 1 } else { T::PTR_SIZE })?;
                    }
                }
                out.end_of_fields()?;
            }
            Ok(())
        })
    }
}
