//! The memory profile (mprof.go).

use super::Go119;
use super::layout::At;
use super::sweep::is_object;
use crate::error::{Error, Place};
use crate::memory::Addr;
use crate::process::{offset, out_of_range};
use crate::record::{AllocSample, Location, MemProf, MemStats};
use crate::runtime::Statistics;
use crate::target::Target;

/// `memProfile`.
const MEM_PROFILE: u64 = 1;
/// More PCs than a bucket has: `MaxProfStackDepth` is 1024, and 128 by default.
const MAX_STACK: u64 = 1 << 16;

impl<T: Target> Statistics for Go119<'_, T> {
    fn memstats(&self) -> Result<MemStats, Error> {
        self.memstats()
    }

    fn iterate_memprof(&self, mut callback: impl FnMut(MemProf) -> Result<(), Error>) -> Result<(), Error> {
        let at = At { offset: 0, size: T::PTR_SIZE, place: Place::variable("mbuckets") };
        let mbuckets = self.shape.variables.mbuckets;
        let first = mbuckets.map_or(Ok(Addr::NIL), |mbuckets| self.process.ptr(mbuckets.addr, at))?;
        self.process.linked(first, self.shape.bucket.allnext, |b| callback(self.bucket(b)?))
    }

    fn location(&self, pc: u64, call: bool) -> Result<Option<Location>, Error> {
        self.symtab.location(pc, call)
    }

    fn alloc_samples(&self, mut each: impl FnMut(AllocSample) -> Result<(), Error>) -> Result<(), Error> {
        let (process, shape) = (&self.process, &self.shape);
        self.swept_spans(|s, bits| {
            s.specials(process, shape, shape.kind_special_profile, |special, object| {
                // Sweeping takes the samples of what it frees.
                let slot = object.0.wrapping_sub(s.base.0) / s.elemsize.max(1);
                if self.stopped.is_some() && !is_object(&s, bits, slot) {
                    return Ok(());
                }
                each(AllocSample { object, bucket: process.ptr(special, shape.special_profile.b)? })
            })
        })
    }
}

impl<T: Target> Go119<'_, T> {
    /// Reads a bucket of the memory profile.
    fn bucket(&self, bucket: Addr) -> Result<MemProf, Error> {
        let (process, layout) = (&self.process, &self.shape.bucket);
        let kind = process.uint(bucket, layout.typ)?;
        if kind != MEM_PROFILE {
            let problem = "the memory profile has only buckets of type memProfile (1)";
            return Err(out_of_range(layout.typ.place, bucket, kind, problem));
        }
        let n = process.uint(bucket, layout.nstk)?;
        if n > MAX_STACK {
            return Err(out_of_range(layout.nstk.place, bucket, n, "no bucket has so many PCs"));
        }
        // stk() and mp()
        let stk = offset::<T>(bucket, layout.size);
        let mp = offset::<T>(stk, n * T::PTR_SIZE);
        let pc = |i| process.word(offset::<T>(stk, i * T::PTR_SIZE), Place::new("bucket", "stk"));
        Ok(MemProf {
            bucket,
            size: process.uint(bucket, layout.bucket_size)?,
            stk: (0..n).map(pc).collect::<Result<_, Error>>()?,
            allocs: process.uint(mp, self.shape.mem_record_cycle.allocs)?,
            frees: process.uint(mp, self.shape.mem_record_cycle.frees)?,
        })
    }
}
