//! The memory profile (mprof.go).

use super::layout::{GoType, Ptr, Uintptr, offset};
use super::list::LoopCheck;
use super::process::{Process, out_of_range};
use super::structs::{Bucket as GoBucket, MemRecord};
use crate::error::Error;
use crate::memory::{Addr, Memory};
use crate::target::Target;

/// `memProfile`.
const MEM_PROFILE: u64 = 1;
/// `maxStack`: the most PCs in a bucket.
const MAX_STACK: u64 = 32;

/// `bucket`, as far as it is dumped.
pub(crate) struct Bucket {
    /// The address of the `bucket`.
    pub addr: Addr,
    /// `size`: of the objects that it counts, in bytes.
    pub size: u64,
    /// `nstk`: the number of PCs.
    pub nstk: u64,
    /// `stk()`: the address of the PCs.
    pub stk: Addr,
    /// `mp().allocs`.
    pub allocs: u64,
    /// `mp().frees`.
    pub frees: u64,
}

impl<T: Target, M: Memory + ?Sized> Process<'_, T, M> {
    /// Port of `iterate_memprof`.
    pub(crate) fn iterate_memprof(
        &self,
        mut callback: impl FnMut(Bucket) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let allnext = GoBucket::allnext();
        let mut check = LoopCheck::new(allnext.place);
        let mut b = self.variable::<Ptr>(self.symbols.mbuckets, "mbuckets")?;
        while !b.is_nil() {
            check.visit(b)?;
            callback(self.bucket(b)?)?;
            b = self.get(b, allnext)?;
        }
        Ok(())
    }

    fn bucket(&self, addr: Addr) -> Result<Bucket, Error> {
        let (typ, nstk) = (GoBucket::typ(), GoBucket::nstk());
        let kind = self.get(addr, typ)?;
        if kind != MEM_PROFILE {
            let problem = "the memory profile has only buckets of type memProfile (1)";
            return Err(out_of_range(typ.place, addr, kind, problem));
        }
        let n = self.get(addr, nstk)?;
        if n > MAX_STACK {
            return Err(out_of_range(nstk.place, addr, n, "no bucket has more than 32 PCs"));
        }
        let stk = offset::<T>(addr, <GoBucket as GoType<T>>::SIZE);
        let mp = offset::<T>(stk, n * <Uintptr as GoType<T>>::SIZE);
        Ok(Bucket {
            addr,
            size: self.get(addr, GoBucket::size())?,
            nstk: n,
            stk,
            allocs: self.get(mp, MemRecord::allocs())?,
            frees: self.get(mp, MemRecord::frees())?,
        })
    }
}
