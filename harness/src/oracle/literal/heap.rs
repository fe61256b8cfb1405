//! `runtime/heapdump.go`, lines 196 to 239, 418 to 482 and 689 to 735: objects, bit vectors and
//! roots.

use heapmatrix_writer::{Addr, AnyTarget};

use super::heapdump::{
    _KindSpecialFinalizer, _MSpanInUse, _PageShift, fieldKindEol, fieldKindPtr, tagBSS, tagData,
    tagFinalizer, tagObject,
};
use super::memory::Pointer;
use super::stacks::_Gwaiting;
use super::symtab::{bitvector, bytedata};
use super::{Cause, R, Runtime, throw, throw_at};

impl Runtime<'_> {
    /// dump an object
    fn dumpobj(&mut self, obj: u64, size: u64, bv: bitvector) -> R<()> {
        self.dumpbvtypes(&bv, obj);
        self.dumpint(tagObject)?;
        self.dumpint(obj)?;
        self.dumpmemrange(Pointer::Target(obj), size)?;
        self.dumpfields(bv)
    }

    fn dumpfinalizer(&mut self, obj: u64, r#fn: u64, fint: u64, ot: u64) -> R<()> {
        self.dumpint(tagFinalizer)?;
        self.dumpint(obj)?;
        self.dumpint(r#fn)?;
        self.dumpint(self.load(r#fn, "funcval.fn")?)?;
        self.dumpint(fint)?;
        self.dumpint(ot)
    }

    /// dump kinds & offsets of interesting fields in bv
    pub(super) fn dumpbv(&mut self, cbv: &bitvector, offset: u64) -> R<()> {
        self.dumpbv_in(cbv, offset, None)
    }

    /// [`dumpbv`](Self::dumpbv); with a limit, only the fields that lie whole below it.
    pub(super) fn dumpbv_in(&mut self, cbv: &bitvector, offset: u64, limit: Option<u64>) -> R<()> {
        // bv := gobv(*cbv), stack1.go
        let n = self.signed(cbv.n);
        let len = cbv.n.wrapping_add(7) / 8;
        if len < 0 {
            return throw_at("slice bounds out of range", "bitvector.n", n);
        }
        let mut i = 0;
        while i < n {
            self.tick()?;
            if i / 8 >= len as u64 {
                return throw_at("index out of range", "bitvector.bytedata", i / 8);
            }
            let byte = match cbv.bytedata {
                bytedata::target(p) => self.load_byte(self.add(p, i / 8), "bitvector.bytedata")?,
                bytedata::tmpbuf => self.tmpbuf[(i / 8) as usize],
            };
            let off = self.add(offset, self.mul(i, self.ptrSize));
            if byte >> (i % 8) & 1 == 1 && self.word_below(off, limit) {
                self.dumpint(fieldKindPtr)?;
                self.dumpint(off)?;
            }
            i += 1;
        }
        Ok(())
    }

    /// The loop `for off := from; off < to; off += ptrSize` that takes every word for a pointer;
    /// with a limit, only the words that lie whole below it.
    pub(super) fn dumpwords(&mut self, from: u64, to: u64, limit: Option<u64>) -> R<()> {
        let mut off = from;
        while off < to {
            self.tick()?;
            if self.word_below(off, limit) {
                self.dumpint(fieldKindPtr)?;
                self.dumpint(off)?;
            }
            off = self.add(off, self.ptrSize);
        }
        Ok(())
    }

    fn word_below(&self, off: u64, limit: Option<u64>) -> bool {
        limit.is_none_or(|limit| off.checked_add(self.ptrSize).is_some_and(|end| end <= limit))
    }

    pub(super) fn dumproots(&mut self) -> R<()> {
        let firstmoduledata = self.symbols.firstmoduledata.0;
        // TODO(mwhudson): dump datamask etc from all objects
        // data segment
        let gcdatamask = self.load_bitvector(self.field(firstmoduledata, "moduledata.gcdatamask"))?;
        let data = self.load(firstmoduledata, "moduledata.data")?;
        let edata = self.load(firstmoduledata, "moduledata.edata")?;
        self.dumpbvtypes(&gcdatamask, data);
        self.dumpint(tagData)?;
        self.dumpint(data)?;
        self.dumpmemrange(Pointer::Target(data), self.sub(edata, data))?;
        self.dumpfields(gcdatamask)?;

        // bss segment
        let gcbssmask = self.load_bitvector(self.field(firstmoduledata, "moduledata.gcbssmask"))?;
        let bss = self.load(firstmoduledata, "moduledata.bss")?;
        let ebss = self.load(firstmoduledata, "moduledata.ebss")?;
        self.dumpbvtypes(&gcbssmask, bss);
        self.dumpint(tagBSS)?;
        self.dumpint(bss)?;
        self.dumpmemrange(Pointer::Target(bss), self.sub(ebss, bss))?;
        self.dumpfields(gcbssmask)?;

        // MSpan.types
        let mut spanidx = 0;
        while spanidx < self.load(self.symbols.mheap.0, "mheap.nspan")? {
            let s = self.h_allspans(spanidx)?;
            spanidx += 1;
            if self.load(s, "mspan.state")? == _MSpanInUse {
                // Finalizers
                let mut sp = self.load(s, "mspan.specials")?;
                while sp != 0 {
                    self.tick()?;
                    if self.load(sp, "special.kind")? == _KindSpecialFinalizer {
                        let spf = sp;
                        let p = self.add(
                            self.uintptr(self.load(s, "mspan.start")? << _PageShift),
                            self.load(spf, "specialfinalizer.special.offset")?,
                        );
                        self.dumpfinalizer(
                            p,
                            self.load(spf, "specialfinalizer.fn")?,
                            self.load(spf, "specialfinalizer.fint")?,
                            self.load(spf, "specialfinalizer.ot")?,
                        )?;
                    }
                    sp = self.load(sp, "special.next")?;
                }
            }
        }

        // Finalizer queue
        self.iterate_finq(Self::finq_callback)
    }

    /// `h_allspans[i]`
    pub(super) fn h_allspans(&self, i: u64) -> R<u64> {
        self.tick()?;
        let h_allspans = self.load_slice(self.symbols.h_allspans.0, "runtime.h_allspans")?;
        if i >= h_allspans.len {
            return throw_at("index out of range", "h_allspans", i);
        }
        self.load_uintptr(self.add(h_allspans.array, self.mul(i, self.ptrSize)), "runtime.h_allspans")
    }

    fn load_bitvector(&self, p: u64) -> R<bitvector> {
        let bytedata = bytedata::target(self.load(p, "bitvector.bytedata")?);
        Ok(bitvector { n: self.load_int32(p, "bitvector.n")?, bytedata })
    }

    pub(super) fn dumpobjs(&mut self) -> R<()> {
        let mut i = 0;
        while i < self.load(self.symbols.mheap.0, "mheap.nspan")? {
            let s = self.h_allspans(i)?;
            i += 1;
            if self.load(s, "mspan.state")? != _MSpanInUse {
                continue;
            }
            let mut p = self.uintptr(self.load(s, "mspan.start")? << _PageShift);
            let size = self.load(s, "mspan.elemsize")?;
            if size == 0 {
                return throw_at("integer divide by zero", "mspan.elemsize of span", s);
            }
            let n = self.uintptr(self.load(s, "mspan.npages")? << _PageShift) / size;
            self.divided_by(size)?;
            if n > self.freemark.len() as u64 {
                return throw("freemark array doesn't have enough entries");
            }
            let mut l = self.load(s, "mspan.freelist")?;
            while l != 0 {
                self.tick()?;
                self.set_freemark(self.sub(l, p) / size, true)?;
                l = self.load(l, "gclink.next")?;
            }
            let mut j = 0;
            while j < n {
                if self.freemark[j as usize] {
                    self.set_freemark(j, false)?;
                } else {
                    let bv = self.makeheapobjbv(p, size)?;
                    self.dumpobj(p, size, bv)?;
                }
                (j, p) = (j + 1, self.add(p, size));
            }
        }
        Ok(())
    }

    /// What a division by a variable leaves in memory on arm: the assembler makes of `DIVU R1, R2, R3` a
    /// store of R1 to `g.m.divmod`, and a call of `_divu` (cmd/internal/obj/arm/obj5.go, vlop_arm.s).
    fn divided_by(&mut self, denominator: u64) -> R<()> {
        if self.target != AnyTarget::Arm || self.fixes.own_variables {
            return Ok(());
        }
        // getg().m
        let mut mp = self.load_uintptr(self.symbols.allm.0, "runtime.allm")?;
        while mp != 0 {
            self.tick()?;
            if self.dumps(mp) {
                let divmod = self.layout.field("m.divmod").offset;
                self.store(Addr(mp), divmod, &(denominator as u32).to_le_bytes());
                break;
            }
            mp = self.load(mp, "m.alllink")?;
        }
        Ok(())
    }

    /// Whether an `m` is in writeheapdump_m: `casgstatus(_g_.m.curg, _Grunning, _Gwaiting)` and
    /// `_g_.waitreason = "dumping heap"`, where `_g_` is its g0. One that can't be looked at isn't.
    fn dumps(&self, mp: u64) -> bool {
        let looks = || {
            let [g0, curg] = [self.load(mp, "m.g0")?, self.load(mp, "m.curg")?];
            if g0 == 0 || curg == 0 || self.load(curg, "g.atomicstatus")? != _Gwaiting {
                return Ok(false);
            }
            let reason = self.load_string(self.field(g0, "g.waitreason"), "g.waitreason")?;
            let text = b"dumping heap";
            Ok::<_, Cause>(
                reason.len == text.len() as u64
                    && self.bytes(reason.str, reason.len, "g.waitreason")? == text,
            )
        };
        looks().unwrap_or(false)
    }

    /// `freemark[j] = b`
    fn set_freemark(&mut self, j: u64, b: bool) -> R<()> {
        if j >= self.freemark.len() as u64 {
            return throw_at("index out of range", "freemark", j);
        }
        self.freemark[j as usize] = b;
        self.store_own(self.symbols.freemark, j, &[u8::from(b)]);
        Ok(())
    }

    /// dumpint() the kind & offset of each field in an object.
    fn dumpfields(&mut self, bv: bitvector) -> R<()> {
        self.dumpbv(&bv, 0)?;
        self.dumpeol()
    }

    pub(super) fn dumpeol(&mut self) -> R<()> {
        self.dumpint(fieldKindEol)
    }

    // The heap dump reader needs to be able to disambiguate
    // Eface entries.  So it needs to know every type that might
    // appear in such an entry.  The following routine accomplishes that.
    // TODO(rsc, khr): Delete - no longer possible.

    /// Dump all the types that appear in the type field of
    /// any Eface described by this bit vector.
    pub(super) fn dumpbvtypes(&self, _bv: &bitvector, _base: u64) {}

    fn makeheapobjbv(&mut self, p: u64, size: u64) -> R<bitvector> {
        // Extend the temp buffer if necessary.
        let nptr = size / self.ptrSize;
        if (self.tmpbuf.len() as u64) < nptr / 8 + 1 {
            if !self.tmpbuf.is_empty() {
                // sysFree(unsafe.Pointer(&tmpbuf[0]), uintptr(len(tmpbuf)), &memstats.other_sys)
                self.mSysStat_other_sys((self.tmpbuf.len() as u64).wrapping_neg())?;
            }
            let n = nptr / 8 + 1;
            // p := sysAlloc(n, &memstats.other_sys)
            self.mSysStat_other_sys(n)?;
            if n > 1 << 30 {
                return throw_at("slice bounds out of range", "tmpbuf", n);
            }
            self.tmpbuf = vec![0; n as usize];
            if let (Some(sys_alloc), false) = (self.sys_alloc, self.fixes.own_variables) {
                for (i, word) in [sys_alloc(n).0, n, 1 << 30].into_iter().enumerate() {
                    self.store_uintptr(self.symbols.tmpbuf, i as u64 * self.ptrSize, word);
                }
            }
        }
        // Convert heap bitmap to pointer bitmap.
        for i in 0..nptr / 8 + 1 {
            self.tick()?;
            self.tmpbuf[i as usize] = 0;
        }
        let mut i = 0;
        let mut hbits = self.heapBitsForAddr(p)?;
        while i < nptr {
            self.tick()?;
            if i >= 2 && !self.isMarked(hbits)? {
                break; // end of object
            }
            if self.isPointer(hbits)? {
                self.tmpbuf[(i / 8) as usize] |= 1 << (i % 8);
            }
            hbits = self.next(hbits);
            i += 1;
        }
        Ok(bitvector { n: i as i32, bytedata: bytedata::tmpbuf })
    }

    /// `mSysStatInc` and, with a negative `n`, `mSysStatDec` of `memstats.other_sys` (mstats.go).
    fn mSysStat_other_sys(&mut self, n: u64) -> R<()> {
        if self.fixes.other_sys {
            return Ok(());
        }
        let memstats = self.symbols.memstats;
        let offset = self.layout.field("mstats.other_sys").offset;
        let val = self.load(memstats.0, "mstats.other_sys")?.wrapping_add(n);
        if self.target.big_endian() {
            // xadd64(sysStat, int64(n))
            self.store(memstats, offset, &val.to_be_bytes());
        } else {
            // xadduintptr((*uintptr)(unsafe.Pointer(sysStat)), n): its low word
            self.store_uintptr(memstats, offset, val);
        }
        Ok(())
    }
}
