//! `runtime/heapdump.go`, all but its buffer (write.rs) and its goroutines (stacks.rs).
//!
//! `dumpotherroot` is left out: nobody calls it.

use super::memory::{Pointer, string};
use super::symtab::{bitvector, bytedata};
use super::{R, Runtime, throw, throw_at};

const fieldKindEol: u64 = 0;
const fieldKindPtr: u64 = 1;
const tagEOF: u64 = 0;
const tagObject: u64 = 1;
const tagType: u64 = 3;
pub(super) const tagGoroutine: u64 = 4;
pub(super) const tagStackFrame: u64 = 5;
const tagParams: u64 = 6;
const tagFinalizer: u64 = 7;
const tagItab: u64 = 8;
const tagOSThread: u64 = 9;
const tagMemStats: u64 = 10;
pub(super) const tagQueuedFinalizer: u64 = 11;
const tagData: u64 = 12;
const tagBSS: u64 = 13;
pub(super) const tagDefer: u64 = 14;
pub(super) const tagPanic: u64 = 15;
const tagMemProf: u64 = 16;
const tagAllocSample: u64 = 17;

const _PageShift: u32 = 13;
pub(super) const _PageSize: u64 = 1 << _PageShift;
const _MSpanInUse: u64 = 0;
const _KindSpecialFinalizer: u64 = 1;
const _KindSpecialProfile: u64 = 2;
const kindDirectIface: u64 = 1 << 5;
const kindNoPointers: u64 = 1 << 7;

pub(super) const typeCacheBuckets: usize = 256;
pub(super) const typeCacheAssoc: usize = 4;

impl Runtime<'_> {
    /// dump information for a type
    pub(super) fn dumptype(&mut self, t: u64) -> R<()> {
        if t == 0 {
            return Ok(());
        }

        // If we've definitely serialized the type before,
        // no need to do it again.
        let b = (self.load(t, "_type.hash")? & (typeCacheBuckets as u64 - 1)) as usize;
        if t == self.typecache[b][0] {
            return Ok(());
        }
        for i in 1..typeCacheAssoc {
            if t == self.typecache[b][i] {
                // Move-to-front
                for j in (1..=i).rev() {
                    self.set_typecache(b, j, self.typecache[b][j - 1]);
                }
                self.set_typecache(b, 0, t);
                return Ok(());
            }
        }

        // Might not have been dumped yet.  Dump it and
        // remember we did so.
        for j in (1..typeCacheAssoc).rev() {
            self.set_typecache(b, j, self.typecache[b][j - 1]);
        }
        self.set_typecache(b, 0, t);

        // dump the type
        self.dumpint(tagType)?;
        self.dumpint(t)?;
        self.dumpint(self.load(t, "_type.size")?)?;
        let x = self.load(t, "_type.x")?;
        if x == 0 || self.load(x, "uncommontype.pkgpath")? == 0 || self.load(x, "uncommontype.name")? == 0 {
            self.dumpstr(self.load_string(self.load(t, "_type._string")?, "_type._string")?)?;
        } else {
            let (pkgpath, name) = if self.fixes.type_names {
                // pkgpath := stringStructOf(t.x.pkgpath)
                // name := stringStructOf(t.x.name)
                (self.load(x, "uncommontype.pkgpath")?, self.load(x, "uncommontype.name")?)
            } else {
                // pkgpath := (*stringStruct)(unsafe.Pointer(&t.x.pkgpath))
                // name := (*stringStruct)(unsafe.Pointer(&t.x.name))
                (self.field(x, "uncommontype.pkgpath"), self.field(x, "uncommontype.name"))
            };
            let pkgpath: string = self.load_string(pkgpath, "uncommontype.pkgpath")?;
            let name: string = self.load_string(name, "uncommontype.name")?;
            self.dumpint(self.add(self.add(pkgpath.len, 1), name.len))?;
            self.dwrite(pkgpath.str, pkgpath.len)?;
            self.dwritebyte(b'.')?;
            self.dwrite(name.str, name.len)?;
        }
        let kind = self.load(t, "_type.kind")?;
        self.dumpbool(kind & kindDirectIface == 0 || kind & kindNoPointers == 0)
    }

    /// `typecache[b].t[i] = t`
    fn set_typecache(&mut self, b: usize, i: usize, t: u64) {
        self.typecache[b][i] = t;
        if !self.fixes.own_variables {
            let offset = (b * typeCacheAssoc + i) as u64 * self.ptrSize;
            self.store_uintptr(self.symbols.typecache, offset, t);
        }
    }

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
    fn h_allspans(&self, i: u64) -> R<u64> {
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

    /// `freemark[j] = b`
    fn set_freemark(&mut self, j: u64, b: bool) -> R<()> {
        if j >= self.freemark.len() as u64 {
            return throw_at("index out of range", "freemark", j);
        }
        self.freemark[j as usize] = b;
        self.store_own(self.symbols.freemark, j, &[u8::from(b)]);
        Ok(())
    }

    fn dumpparams(&mut self) -> R<()> {
        self.dumpint(tagParams)?;
        if !self.target.big_endian() {
            self.dumpbool(false)?; // little-endian ptrs
        } else {
            self.dumpbool(true)?; // big-endian ptrs
        }
        self.dumpint(self.ptrSize)?;
        self.dumpint(self.load(self.symbols.mheap.0, "mheap.arena_start")?)?;
        self.dumpint(self.load(self.symbols.mheap.0, "mheap.arena_used")?)?;
        self.dumpint(u64::from(self.target.thechar()))?;
        let goexperiment = self.symbols.goexperiment;
        if goexperiment.is_nil() {
            // A linker that was told of no experiment leaves the variable out.
            self.dumpstr("".into())?;
        } else {
            self.dumpstr(self.load_string(goexperiment.0, "runtime.goexperiment")?)?;
        }
        let ncpu = self.load_uint32(self.symbols.ncpu.0, "runtime.ncpu")? as i32;
        self.dumpint(i64::from(ncpu) as u64)
    }

    fn itab_callback(&mut self, tab: u64) -> R<()> {
        let t = self.load(tab, "itab._type")?;
        // Dump a map from itab* to the type of its data field.
        // We want this map so we can deduce types of interface referents.
        let kind = self.load(t, "_type.kind")?;
        if kind & kindDirectIface == 0 {
            // indirect - data slot is a pointer to t.
            let ptrto = self.load(t, "_type.ptrto")?;
            self.dumptype(ptrto)?;
            self.dumpint(tagItab)?;
            self.dumpint(tab)?;
            self.dumpint(ptrto)
        } else if kind & kindNoPointers == 0 {
            // t is pointer-like - data slot is a t.
            self.dumptype(t)?;
            self.dumpint(tagItab)?;
            self.dumpint(tab)?;
            self.dumpint(t)
        } else {
            // Data slot is a scalar.  Dump type just for fun.
            // With pointer-only interfaces, this shouldn't happen.
            self.dumptype(t)?;
            self.dumpint(tagItab)?;
            self.dumpint(tab)?;
            self.dumpint(t)
        }
    }

    pub(super) fn dumpitabs(&mut self) -> R<()> {
        self.iterate_itabs(Self::itab_callback)
    }

    fn dumpms(&mut self) -> R<()> {
        let mut mp = self.load_uintptr(self.symbols.allm.0, "runtime.allm")?;
        while mp != 0 {
            self.tick()?;
            self.dumpint(tagOSThread)?;
            self.dumpint(mp)?;
            self.dumpint(i64::from(self.load_int32(mp, "m.id")?) as u64)?;
            self.dumpint(self.load(mp, "m.procid")?)?;
            mp = self.load(mp, "m.alllink")?;
        }
        Ok(())
    }

    fn dumpmemstats(&mut self) -> R<()> {
        let memstats = self.symbols.memstats.0;
        self.dumpint(tagMemStats)?;
        self.dumpint(self.load(memstats, "mstats.alloc")?)?;
        self.dumpint(self.load(memstats, "mstats.total_alloc")?)?;
        self.dumpint(self.load(memstats, "mstats.sys")?)?;
        self.dumpint(self.load(memstats, "mstats.nlookup")?)?;
        self.dumpint(self.load(memstats, "mstats.nmalloc")?)?;
        self.dumpint(self.load(memstats, "mstats.nfree")?)?;
        self.dumpint(self.load(memstats, "mstats.heap_alloc")?)?;
        self.dumpint(self.load(memstats, "mstats.heap_sys")?)?;
        self.dumpint(self.load(memstats, "mstats.heap_idle")?)?;
        self.dumpint(self.load(memstats, "mstats.heap_inuse")?)?;
        self.dumpint(self.load(memstats, "mstats.heap_released")?)?;
        self.dumpint(self.load(memstats, "mstats.heap_objects")?)?;
        self.dumpint(self.load(memstats, "mstats.stacks_inuse")?)?;
        self.dumpint(self.load(memstats, "mstats.stacks_sys")?)?;
        self.dumpint(self.load(memstats, "mstats.mspan_inuse")?)?;
        self.dumpint(self.load(memstats, "mstats.mspan_sys")?)?;
        self.dumpint(self.load(memstats, "mstats.mcache_inuse")?)?;
        self.dumpint(self.load(memstats, "mstats.mcache_sys")?)?;
        self.dumpint(self.load(memstats, "mstats.buckhash_sys")?)?;
        self.dumpint(self.load(memstats, "mstats.gc_sys")?)?;
        self.dumpint(self.load(memstats, "mstats.other_sys")?)?;
        self.dumpint(self.load(memstats, "mstats.next_gc")?)?;
        self.dumpint(self.load(memstats, "mstats.last_gc")?)?;
        self.dumpint(self.load(memstats, "mstats.pause_total_ns")?)?;
        for i in 0..256 {
            let pause_ns = self.add(self.field(memstats, "mstats.pause_ns"), i * 8);
            self.dumpint(self.load_uint64(pause_ns, "mstats.pause_ns")?)?;
        }
        self.dumpint(self.load(memstats, "mstats.numgc")?)
    }

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
            let mut pc = self.load_uintptr(self.add(pstk, self.mul(i, self.ptrSize)), "bucket.stk")?;
            let f = self.findfunc(pc)?;
            if f == 0 {
                let mut buf = [0; 64];
                let mut n = buf.len();
                n -= 1;
                buf[n] = b')';
                if pc == 0 {
                    n -= 1;
                    buf[n] = b'0';
                } else {
                    while pc > 0 {
                        n -= 1;
                        buf[n] = b"0123456789abcdef"[(pc & 15) as usize];
                        pc >>= 4;
                    }
                }
                n -= 1;
                buf[n] = b'x';
                n -= 1;
                buf[n] = b'0';
                n -= 1;
                buf[n] = b'(';
                self.dumpslice(&buf[n..])?;
                self.dumpstr("?".into())?;
                self.dumpint(0)?;
            } else {
                self.dumpstr(self.funcname(f)?)?;
                if i > 0 && pc > self.load(f, "_func.entry")? {
                    pc -= 1;
                }
                let (file, line) = self.funcline(f, pc)?;
                self.dumpstr(file)?;
                self.dumpint(i64::from(line) as u64)?;
            }
        }
        self.dumpint(allocs)?;
        self.dumpint(frees)
    }

    pub(super) fn dumpmemprof(&mut self) -> R<()> {
        self.iterate_memprof(Self::dumpmemprof_callback)?;
        let mut spanidx = 0;
        while spanidx < self.load(self.symbols.mheap.0, "mheap.nspan")? {
            let s = self.h_allspans(spanidx)?;
            spanidx += 1;
            if self.load(s, "mspan.state")? != _MSpanInUse {
                continue;
            }
            let mut sp = self.load(s, "mspan.specials")?;
            while sp != 0 {
                self.tick()?;
                if self.load(sp, "special.kind")? == _KindSpecialProfile {
                    let spp = sp;
                    let p = self.add(
                        self.uintptr(self.load(s, "mspan.start")? << _PageShift),
                        self.load(spp, "specialprofile.special.offset")?,
                    );
                    self.dumpint(tagAllocSample)?;
                    self.dumpint(p)?;
                    self.dumpint(self.load(spp, "specialprofile.b")?)?;
                }
                sp = self.load(sp, "special.next")?;
            }
        }
        Ok(())
    }

    pub(super) fn mdump(&mut self) -> R<()> {
        let dumphdr = b"go1.5 heap dump\n";
        // mSpan_EnsureSwept(s), for every span: the target is in that state.
        for b in 0..typeCacheBuckets {
            for i in 0..typeCacheAssoc {
                self.set_typecache(b, i, 0);
            }
        }
        self.dwrite(Pointer::Host(dumphdr), dumphdr.len() as u64)?;
        self.dumpparams()?;
        self.dumpitabs()?;
        self.dumpobjs()?;
        self.dumpgs()?;
        self.dumpms()?;
        self.dumproots()?;
        self.dumpmemstats()?;
        self.dumpmemprof()?;
        self.dumpint(tagEOF)?;
        self.flush()
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
                for (i, word) in [sys_alloc.0, n, 1 << 30].into_iter().enumerate() {
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
