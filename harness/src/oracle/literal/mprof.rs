//! `runtime/mprof.go`: the buckets of the memory profile.

use super::memory::slice;
use super::{R, Runtime, throw, throw_at};

const memProfile: u64 = 1;
const maxStack: u64 = 32;

impl Runtime<'_> {
    /// stk returns the slice in b holding the stack.
    fn stk(&self, b: u64) -> R<slice> {
        // stk := (*[maxStack]uintptr)(add(unsafe.Pointer(b), unsafe.Sizeof(*b)))
        // return stk[:b.nstk:b.nstk]
        let nstk = self.load(b, "bucket.nstk")?;
        if nstk > maxStack {
            return throw_at("slice bounds out of range", "bucket.nstk", nstk);
        }
        Ok(slice { array: self.add(b, self.layout.sizeof("bucket")), len: nstk })
    }

    /// mp returns the memRecord associated with the memProfile bucket b.
    fn mp(&self, b: u64) -> R<u64> {
        if self.load(b, "bucket.typ")? != memProfile {
            return throw("bad use of bucket.mp");
        }
        let stk = self.mul(self.load(b, "bucket.nstk")?, self.ptrSize);
        Ok(self.add(b, self.add(self.layout.sizeof("bucket"), stk)))
    }

    pub(super) fn iterate_memprof(
        &mut self,
        callback: fn(&mut Self, u64, u64, u64, u64, u64, u64) -> R<()>,
    ) -> R<()> {
        let mut b = self.load_uintptr(self.symbols.mbuckets.0, "runtime.mbuckets")?;
        while b != 0 {
            self.tick()?;
            let mp = self.mp(b)?;
            let nstk = self.load(b, "bucket.nstk")?;
            // &b.stk()[0]
            let stk = self.stk(b)?;
            if stk.len == 0 {
                return throw_at("index out of range", "an empty bucket.stk", b);
            }
            let size = self.load(b, "bucket.size")?;
            let [allocs, frees] = [self.load(mp, "memRecord.allocs")?, self.load(mp, "memRecord.frees")?];
            callback(self, b, nstk, stk.array, size, allocs, frees)?;
            b = self.load(b, "bucket.allnext")?;
        }
        Ok(())
    }
}
