//! `runtime/heapdump.go`: objects and roots; `runtime/mheap.go` and `runtime/mfinal.go`, as far as those call them.

use super::heapdump::{Bytes, bitvector, tagBSS, tagData, tagFinalizer, tagObject, tagQueuedFinalizer};
use super::{R, Runtime, throw};

pub(super) const mSpanInUse: u64 = 1;
const PageShift: u32 = 13;
pub(super) const pageSize: u64 = 1 << PageShift;
/// `gc.MaxObjsPerSpan`; `_PageSize / 8` up to Go 1.26.
pub(super) const MaxObjsPerSpan: usize = 1024;

impl Runtime<'_> {
    /// `heapArenaBytes`, malloc.go: on Linux.
    pub(super) fn heapArenaBytes(&self) -> u64 {
        1 << if self.ptrSize == 8 { 6 + 20 } else { 2 + 20 }
    }

    /// `arenaL2Bits`, malloc.go: `heapAddrBits - logHeapArenaBytes`.
    pub(super) fn arenaL2Bits(&self) -> u32 {
        match self.target.goarch() {
            "mips" | "mipsle" => 31 - 22,
            _ if self.ptrSize == 4 => 32 - 22,
            _ => 48 - 26,
        }
    }

    /// `arenaBaseOffset`, malloc.go
    fn arenaBaseOffset(&self) -> u64 {
        if self.target.goarch() == "amd64" { 0xffff_8000_0000_0000 } else { 0 }
    }

    pub(super) fn arenas(&self) -> R<u64> {
        self.field(self.variable("runtime.mheap_")?, "runtime.mheap.arenas")
    }

    fn arenaIndex(&self, p: u64) -> u64 {
        self.sub(p, self.arenaBaseOffset()) / self.heapArenaBytes()
    }

    pub(super) fn arenaBase(&self, i: u64) -> u64 {
        self.add(self.mul(i, self.heapArenaBytes()), self.arenaBaseOffset())
    }

    /// `mheap_.arenas[ai.l1()][ai.l2()]`
    pub(super) fn arena(&self, ai: u64) -> R<u64> {
        if ai >= 1 << self.arenaL2Bits() {
            return throw("index out of range");
        }
        let l2 = self.load_uintptr(self.arenas()?, "mheap_.arenas[0]")?;
        self.load_uintptr(self.add(l2, ai * self.ptrSize), "mheap_.arenas")
    }

    /// `arena(arenaIndex(p))`
    pub(super) fn arena_of(&self, p: u64) -> R<u64> {
        self.arena(self.arenaIndex(p))
    }

    /// spanOf returns the span of p.
    pub(super) fn spanOf(&self, p: u64) -> R<u64> {
        let ha = self.arena_of(p)?;
        if ha == 0 {
            return Ok(0);
        }
        let i = (p / pageSize) % (self.heapArenaBytes() / pageSize);
        self.load_uintptr(
            self.add(self.field(ha, "runtime.heapArena.spans")?, i * self.ptrSize),
            "heapArena.spans",
        )
    }

    /// `mheap_.allspans`
    pub(super) fn allspans(&self) -> R<Vec<u64>> {
        let (array, len) = self.load_slice(self.variable("runtime.mheap_")?, "runtime.mheap.allspans")?;
        let span = |i| {
            self.tick()?;
            self.load_uintptr(self.add(array, self.mul(i, self.ptrSize)), "mheap_.allspans")
        };
        (0..len).map(span).collect()
    }

    /// `s.state.get()`
    pub(super) fn state(&self, s: u64) -> R<u64> {
        self.load(s, "runtime.mspan.state")
    }

    pub(super) fn base(&self, s: u64) -> R<u64> {
        self.load(s, "runtime.mspan.startAddr")
    }

    /// Nothing is swept from outside.
    pub(super) fn ensureSwept(&self, s: u64) -> R<()> {
        let sg = self.load(self.variable("runtime.mheap_")?, "runtime.mheap.sweepgen")? as u32;
        let spangen = self.load(s, "runtime.mspan.sweepgen")? as u32;
        if spangen == sg || spangen == sg.wrapping_add(3) { Ok(()) } else { throw("a span is not swept") }
    }

    /// isFree reports whether the index'th object in s is unallocated.
    fn isFree(&self, s: u64, index: u64) -> R<bool> {
        let freeindex = if self.release.minor >= 25 {
            "runtime.mspan.freeindex"
        } else {
            "runtime.mspan.freeIndexForScan"
        };
        if index < self.load(s, freeindex)? {
            return Ok(false);
        }
        // s.allocBits.bitp(index)
        let bytep = self.add(self.load(s, "runtime.mspan.allocBits")?, index / 8);
        Ok(self.load_byte(bytep, "mspan.allocBits")? & 1 << (index % 8) == 0)
    }

    pub(super) fn dumpobjs(&mut self) -> R<()> {
        for s in self.allspans()? {
            if self.state(s)? != mSpanInUse {
                continue;
            }
            let mut p = self.base(s)?;
            let size = self.load(s, "runtime.mspan.elemsize")?;
            let Some(n) = self.uintptr(self.load(s, "runtime.mspan.npages")? << PageShift).checked_div(size)
            else {
                return throw("integer divide by zero");
            };
            if n > self.freemark.len() as u64 {
                return throw("freemark array doesn't have enough entries");
            }

            for freeIndex in 0..self.load(s, "runtime.mspan.nelems")? {
                if self.isFree(s, freeIndex)? {
                    match self.freemark.get_mut(freeIndex as usize) {
                        Some(freemark) => *freemark = true,
                        None => return throw("index out of range"),
                    }
                }
            }

            for j in 0..n {
                if self.freemark[j as usize] {
                    self.freemark[j as usize] = false;
                } else {
                    let bv = self.makeheapobjbv(p, size)?;
                    self.dumpobj(p, size, &bv)?;
                }
                p = self.add(p, size);
            }
        }
        Ok(())
    }

    /// dump an object.
    fn dumpobj(&mut self, obj: u64, size: u64, bv: &bitvector) -> R<()> {
        self.dumpint(tagObject)?;
        self.dumpint(obj)?;
        self.dumpmemrange(obj, size)?;
        self.dumpfields(bv)
    }

    fn dumpfinalizer(&mut self, tag: u64, obj: u64, func: u64, fint: u64, ot: u64) -> R<()> {
        self.dumpint(tag)?;
        self.dumpint(obj)?;
        self.dumpint(func)?;
        let code = self.load_uintptr(func, "funcval.fn")?;
        self.dumpint(code)?;
        self.dumpint(fint)?;
        self.dumpint(ot)
    }

    /// A segment, and its mask.
    fn dumpsegment(&mut self, tag: u64, start: &str, end: &str, mask: &str) -> R<()> {
        let md = self.variable("runtime.firstmoduledata")?;
        let (start, end) = (self.load(md, start)?, self.load(md, end)?);
        self.dumpint(tag)?;
        self.dumpint(start)?;
        self.dumpmemrange(start, self.sub(end, start))?;
        let mask = self.field(md, mask)?;
        let n = self.load_int32(mask, "runtime.bitvector.n")?;
        let bytedata = Bytes::Target(self.load(mask, "runtime.bitvector.bytedata")?);
        self.dumpfields(&bitvector { n, bytedata })
    }

    pub(super) fn dumproots(&mut self) -> R<()> {
        self.dumpsegment(
            tagData,
            "runtime.moduledata.data",
            "runtime.moduledata.edata",
            "runtime.moduledata.gcdatamask",
        )?;
        self.dumpsegment(
            tagBSS,
            "runtime.moduledata.bss",
            "runtime.moduledata.ebss",
            "runtime.moduledata.gcbssmask",
        )?;

        // mspan.types
        for s in self.allspans()? {
            if self.state(s)? == mSpanInUse {
                // Finalizers
                let mut sp = self.load(s, "runtime.mspan.specials")?;
                while sp != 0 {
                    self.tick()?;
                    if self.load(sp, "runtime.special.kind")? == self.release._KindSpecialFinalizer() {
                        let p = self.add(self.base(s)?, self.load(sp, "runtime.special.offset")?);
                        let func = self.load(sp, "runtime.specialfinalizer.fn")?;
                        let fint = self.load(sp, "runtime.specialfinalizer.fint")?;
                        let ot = self.load(sp, "runtime.specialfinalizer.ot")?;
                        self.dumpfinalizer(tagFinalizer, p, func, fint, ot)?;
                    }
                    sp = self.load(sp, "runtime.special.next")?;
                }
            }
        }

        // Finalizer queue: iterate_finq, mfinal.go
        let mut fb = self.load_variable("runtime.allfin")?;
        while fb != 0 {
            let block = |field| format!("runtime.finBlock.{field}|runtime.finblock.{field}");
            for i in 0..self.load(fb, &block("cnt"))? {
                self.tick()?;
                let f = self.add(self.field(fb, &block("fin"))?, i * self.sizeof("runtime.finalizer")?);
                let (func, arg) =
                    (self.load(f, "runtime.finalizer.fn")?, self.load(f, "runtime.finalizer.arg")?);
                let (fint, ot) =
                    (self.load(f, "runtime.finalizer.fint")?, self.load(f, "runtime.finalizer.ot")?);
                self.dumpfinalizer(tagQueuedFinalizer, arg, func, fint, ot)?;
            }
            self.tick()?;
            fb = self.load(fb, &block("alllink"))?;
        }
        Ok(())
    }
}
