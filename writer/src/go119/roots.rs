//! Roots: segments (symtab.go), finalizers (mfinal.go, mheap.go).

use super::Go119;
use super::layout::At;
use crate::error::{Error, Place};
use crate::format::tags::Tag;
use crate::memory::Addr;
use crate::process::{offset, out_of_range};
use crate::record::{BitVector, Finalizer, Segment};
use crate::runtime::Roots;
use crate::target::Target;

impl<T: Target> Roots for Go119<'_, T> {
    fn segments(&self, mut each: impl FnMut(Segment) -> Result<(), Error>) -> Result<(), Error> {
        let module = self.symtab.first();
        let segment = |tag, (start, end): (u64, u64), name, mask: BitVector, mask_name| {
            let place = Place::new("moduledata", name);
            let Some(len) = end.checked_sub(start) else {
                let problem = "a segment ends before it begins";
                return Err(out_of_range(place, self.shape.variables.firstmoduledata, end, problem));
            };
            Ok(Segment {
                tag,
                start: Addr(start),
                len,
                place,
                mask,
                mask_place: Place::new("moduledata", mask_name),
            })
        };
        each(segment(Tag::Data, module.data, "edata", module.gcdatamask, "gcdatamask")?)?;
        each(segment(Tag::Bss, module.bss, "ebss", module.gcbssmask, "gcbssmask")?)
    }

    fn finalizers(&self, mut each: impl FnMut(Finalizer) -> Result<(), Error>) -> Result<(), Error> {
        let (process, layout) = (&self.process, &self.shape.special_finalizer);
        self.swept_spans(|s, _| {
            s.specials(process, &self.shape, self.shape.kind_special_finalizer, |special, object| {
                let func = process.ptr(special, layout.func)?;
                each(Finalizer {
                    object,
                    func,
                    entry: self.funcval(func)?,
                    fint: process.ptr(special, layout.fint)?,
                    ot: process.ptr(special, layout.ot)?,
                })
            })
        })
    }

    fn iterate_finq(&self, mut callback: impl FnMut(Finalizer) -> Result<(), Error>) -> Result<(), Error> {
        let (process, block, layout) = (&self.process, &self.shape.fin_block, &self.shape.finalizer);
        let at = At { offset: 0, size: T::PTR_SIZE, place: Place::variable("allfin") };
        let allfin =
            self.shape.variables.allfin.map_or(Ok(Addr::NIL), |allfin| process.ptr(allfin.addr, at))?;
        process.linked(allfin, block.alllink, |fb| {
            let cnt = process.uint(fb, block.cnt)?;
            if cnt > block.fin.size / layout.size.max(1) {
                return Err(out_of_range(
                    block.cnt.place,
                    fb,
                    cnt,
                    "a block has no room for so many finalizers",
                ));
            }
            for i in 0..cnt {
                let f = offset::<T>(fb, block.fin.offset + i * layout.size);
                let func = process.ptr(f, layout.func)?;
                callback(Finalizer {
                    object: process.ptr(f, layout.arg)?,
                    func,
                    entry: self.funcval(func)?,
                    fint: process.ptr(f, layout.fint)?,
                    ot: process.ptr(f, layout.ot)?,
                })?;
            }
            Ok(())
        })
    }
}
