//! The roots: segments (symtab.go), finalizers and the queue of those that are ready to run (mfinal.go).

use super::Go15;
use super::heap::KIND_SPECIAL_FINALIZER;
use super::structs::{
    Bitvector, Finalizer as GoFinalizer, Finblock, Moduledata, SpecialFinalizer, finalizers_per_block,
};
use crate::error::Error;
use crate::format::tags::Tag;
use crate::go15::arch::Target;
use crate::memory::Addr;
use crate::process::field::{Field, GoType, Ptr, Uintptr};
use crate::process::{check_range, offset, out_of_range};
use crate::record::{Finalizer, Segment};
use crate::runtime::Roots;

impl<T: Target> Roots for Go15<'_, T> {
    fn segments(&self, mut each: impl FnMut(Segment) -> Result<(), Error>) -> Result<(), Error> {
        let (data, edata) = (Moduledata::data(), Moduledata::edata());
        each(self.segment(Tag::Data, data, edata, Moduledata::gcdatamask())?)?;
        let (bss, ebss) = (Moduledata::bss(), Moduledata::ebss());
        each(self.segment(Tag::Bss, bss, ebss, Moduledata::gcbssmask())?)
    }

    fn finalizers(&self, mut each: impl FnMut(Finalizer) -> Result<(), Error>) -> Result<(), Error> {
        let process = &self.process;
        self.heap.spans_in_use(process, |s| {
            s.specials(process, KIND_SPECIAL_FINALIZER, |special, object| {
                let func = process.get(special, SpecialFinalizer::r#fn())?;
                each(Finalizer {
                    object,
                    func,
                    entry: self.funcval(func)?,
                    fint: process.get(special, SpecialFinalizer::fint())?,
                    ot: process.get(special, SpecialFinalizer::ot())?,
                })
            })
        })
    }

    fn iterate_finq(&self, mut callback: impl FnMut(Finalizer) -> Result<(), Error>) -> Result<(), Error> {
        let cnt = Finblock::cnt();
        let allfin = self.process.variable::<Ptr>(self.symbols.allfin, "allfin")?;
        self.process.list(allfin, Finblock::alllink(), |fb| {
            let n: i32 = self.process.get(fb, cnt)?;
            if i64::from(n) > finalizers_per_block::<T>() as i64 {
                let problem = "that is more than fit into a block";
                return Err(out_of_range(cnt.place, fb, n as u64, problem));
            }
            let mut f = offset::<T>(fb, Finblock::fin::<T>().offset);
            for _ in 0..n {
                callback(self.queued(f)?)?;
                f = offset::<T>(f, <GoFinalizer as GoType<T>>::SIZE);
            }
            Ok(())
        })
    }
}

impl<T: Target> Go15<'_, T> {
    /// A segment of `firstmoduledata`: `start`, `end` and `mask` are the fields that describe it.
    fn segment(
        &self,
        tag: Tag,
        start: Field<T, Uintptr>,
        end: Field<T, Uintptr>,
        mask: Field<T, Bitvector>,
    ) -> Result<Segment, Error> {
        let datap = self.symbols.firstmoduledata;
        let (place, mask_place) = (end.place, mask.place);
        let start = self.process.get(datap, start)?;
        let end = self.process.get(datap, end)?;
        let mask = self.process.get(datap, mask)?;
        if end < start {
            return Err(out_of_range(place, datap, end, "the segment ends before it begins"));
        }
        if mask.n < 0 {
            return Err(out_of_range(mask_place, datap, mask.n as u64, "the number of bits is negative"));
        }
        let (len, start) = (end - start, Addr(start));
        check_range::<T>(start, len, place, datap)?;
        Ok(Segment { tag, start, len, place, mask, mask_place })
    }

    /// A finalizer in the queue.
    fn queued(&self, f: Addr) -> Result<Finalizer, Error> {
        let func = self.process.get(f, GoFinalizer::r#fn())?;
        Ok(Finalizer {
            object: self.process.get(f, GoFinalizer::arg())?,
            func,
            entry: self.funcval(func)?,
            fint: self.process.get(f, GoFinalizer::fint())?,
            ot: self.process.get(f, GoFinalizer::ot())?,
        })
    }
}
