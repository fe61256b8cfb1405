//! The memory statistics (mstats.go) and the memory profile (mprof.go).

use super::Go15;
use super::heap::KIND_SPECIAL_PROFILE;
use super::structs::{Bucket as GoBucket, MemRecord, Mstats, SpecialProfile};
use crate::error::{Error, Place};
use crate::go15::arch::Target;
use crate::memory::Addr;
use crate::process::field::{GoType, Ptr, Uintptr};
use crate::process::{offset, out_of_range};
use crate::record::{AllocSample, Location, MemProf, MemStats};
use crate::runtime::Statistics;

/// `memProfile`.
const MEM_PROFILE: u64 = 1;
/// `maxStack`: the most PCs in a bucket.
const MAX_STACK: u64 = 32;

impl<T: Target> Statistics for Go15<'_, T> {
    fn memstats(&self) -> Result<MemStats, Error> {
        let stat = |field| self.process.get(self.symbols.memstats, field);
        let growth = if self.defects.tmpbuf_in_other_sys { self.tmpbuf.borrow().growth() } else { 0 };
        let mut pause_ns = [0; 256];
        for (i, pause) in (0..).zip(&mut pause_ns) {
            *pause = stat(Mstats::pause_ns().first().element(i))?;
        }
        Ok(MemStats {
            alloc: stat(Mstats::alloc())?,
            total_alloc: stat(Mstats::total_alloc())?,
            sys: stat(Mstats::sys())?,
            lookups: stat(Mstats::nlookup())?,
            mallocs: stat(Mstats::nmalloc())?,
            frees: stat(Mstats::nfree())?,
            heap_alloc: stat(Mstats::heap_alloc())?,
            heap_sys: stat(Mstats::heap_sys())?,
            heap_idle: stat(Mstats::heap_idle())?,
            heap_inuse: stat(Mstats::heap_inuse())?,
            heap_released: stat(Mstats::heap_released())?,
            heap_objects: stat(Mstats::heap_objects())?,
            stack_inuse: stat(Mstats::stacks_inuse())?,
            stack_sys: stat(Mstats::stacks_sys())?,
            mspan_inuse: stat(Mstats::mspan_inuse())?,
            mspan_sys: stat(Mstats::mspan_sys())?,
            mcache_inuse: stat(Mstats::mcache_inuse())?,
            mcache_sys: stat(Mstats::mcache_sys())?,
            buckhash_sys: stat(Mstats::buckhash_sys())?,
            gc_sys: stat(Mstats::gc_sys())?,
            other_sys: stat(Mstats::other_sys())?.wrapping_add(growth),
            next_gc: stat(Mstats::next_gc())?,
            last_gc: stat(Mstats::last_gc())?,
            pause_total_ns: stat(Mstats::pause_total_ns())?,
            pause_ns,
            num_gc: self.process.get(self.symbols.memstats, Mstats::numgc())?.into(),
        })
    }

    fn iterate_memprof(&self, mut callback: impl FnMut(MemProf) -> Result<(), Error>) -> Result<(), Error> {
        let first = self.process.variable::<Ptr>(self.symbols.mbuckets, "mbuckets")?;
        self.process.list(first, GoBucket::allnext(), |b| callback(self.bucket(b)?))
    }

    fn location(&self, pc: u64, call: bool) -> Result<Option<Location>, Error> {
        self.symtab.location(pc, call)
    }

    fn alloc_samples(&self, mut each: impl FnMut(AllocSample) -> Result<(), Error>) -> Result<(), Error> {
        let process = &self.process;
        self.heap.spans_in_use(process, |s| {
            s.specials(process, KIND_SPECIAL_PROFILE, |special, object| {
                each(AllocSample { object, bucket: process.get(special, SpecialProfile::b())? })
            })
        })
    }
}

impl<T: Target> Go15<'_, T> {
    /// Reads a bucket of the memory profile.
    fn bucket(&self, bucket: Addr) -> Result<MemProf, Error> {
        let process = &self.process;
        let (typ, nstk) = (GoBucket::typ(), GoBucket::nstk());
        let kind = process.get(bucket, typ)?;
        if kind != MEM_PROFILE {
            let problem = "the memory profile has only buckets of type memProfile (1)";
            return Err(out_of_range(typ.place, bucket, kind, problem));
        }
        let n = process.get(bucket, nstk)?;
        if n > MAX_STACK {
            return Err(out_of_range(nstk.place, bucket, n, "no bucket has more than 32 PCs"));
        }
        // stk() and mp()
        let stk = offset::<T>(bucket, <GoBucket as GoType<T>>::SIZE);
        let mp = offset::<T>(stk, n * <Uintptr as GoType<T>>::SIZE);
        let pc = |i| process.word(offset::<T>(stk, i * T::PTR_SIZE), Place::new("bucket", "stk"));
        Ok(MemProf {
            bucket,
            size: process.get(bucket, GoBucket::size())?,
            stk: (0..n).map(pc).collect::<Result<_, Error>>()?,
            allocs: process.get(mp, MemRecord::allocs())?,
            frees: process.get(mp, MemRecord::frees())?,
        })
    }
}
