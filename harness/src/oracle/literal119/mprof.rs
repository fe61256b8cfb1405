//! `dumpmemprof` of `runtime/heapdump.go`, and `iterate_memprof` of `runtime/mprof.go`.

use super::heap::mSpanInUse;
use super::heapdump::{tagAllocSample, tagMemProf};
use super::{R, Runtime, throw};

const memProfile: u64 = 1;

impl Runtime<'_> {
    fn dumpmemprof_callback(
        &mut self,
        b: u64,
        nstk: u64,
        pstk: u64,
        size: u64,
        allocs: u64,
        frees: u64,
    ) -> R<()> {
        self.dumpint(tagMemProf)?;
        self.dumpint(b)?;
        self.dumpint(size)?;
        self.dumpint(nstk)?;
        for i in 0..nstk {
            self.tick()?;
            let mut pc = self.load_uintptr(self.add(pstk, self.mul(i, self.ptrSize)), "bucket.stk")?;
            match self.findfunc(pc)? {
                None => {
                    self.dumpstr(&format!("(0x{pc:x})"))?;
                    self.dumpstr("?")?;
                    self.dumpint(0)?;
                }
                Some(f) => {
                    let name = self.funcname(f)?;
                    self.dumpmemrange(name.0, name.1)?;
                    if i > 0 && pc > self.entry(f)? {
                        pc -= 1;
                    }
                    let (file, line) = self.funcline(f, pc)?;
                    match file {
                        Some(file) => self.dumpmemrange(file.0, file.1)?,
                        None => self.dumpstr("?")?,
                    }
                    self.dumpint(i64::from(line) as u64)?;
                }
            }
        }
        self.dumpint(allocs)?;
        self.dumpint(frees)
    }

    pub(super) fn dumpmemprof(&mut self) -> R<()> {
        // iterate_memprof
        let mut b = self.load_variable("runtime.mbuckets")?;
        while b != 0 {
            self.tick()?;
            if self.load(b, "runtime.bucket.typ")? != memProfile {
                return throw("bad use of bucket.mp");
            }
            let nstk = self.load(b, "runtime.bucket.nstk")?;
            let stk = self.add(b, self.sizeof("runtime.bucket")?);
            // memRecord begins with what is active.
            let mp = self.add(stk, self.mul(nstk, self.ptrSize));
            let size = self.load(b, "runtime.bucket.size")?;
            let allocs = self.load(mp, "runtime.memRecordCycle.allocs")?;
            let frees = self.load(mp, "runtime.memRecordCycle.frees")?;
            self.dumpmemprof_callback(b, nstk, stk, size, allocs, frees)?;
            b = self.load(b, "runtime.bucket.allnext")?;
        }
        for s in self.allspans()? {
            if self.state(s)? != mSpanInUse {
                continue;
            }
            let mut sp = self.load(s, "runtime.mspan.specials")?;
            while sp != 0 {
                self.tick()?;
                if self.load(sp, "runtime.special.kind")? == self.release._KindSpecialProfile() {
                    let p = self.add(self.base(s)?, self.load(sp, "runtime.special.offset")?);
                    self.dumpint(tagAllocSample)?;
                    self.dumpint(p)?;
                    self.dumpint(self.load(sp, "runtime.specialprofile.b")?)?;
                }
                sp = self.load(sp, "runtime.special.next")?;
            }
        }
        Ok(())
    }
}
