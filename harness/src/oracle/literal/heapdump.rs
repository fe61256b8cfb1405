//! `runtime/heapdump.go`, all but its buffer (write.rs), its goroutines (stacks.rs), and its objects
//! and roots (heap.rs).
//!
//! `dumpotherroot` is left out: nobody calls it.

use super::memory::{Pointer, string};
use super::{R, Runtime};

pub(super) const fieldKindEol: u64 = 0;
pub(super) const fieldKindPtr: u64 = 1;
const tagEOF: u64 = 0;
pub(super) const tagObject: u64 = 1;
const tagType: u64 = 3;
pub(super) const tagGoroutine: u64 = 4;
pub(super) const tagStackFrame: u64 = 5;
const tagParams: u64 = 6;
pub(super) const tagFinalizer: u64 = 7;
const tagItab: u64 = 8;
const tagOSThread: u64 = 9;
const tagMemStats: u64 = 10;
pub(super) const tagQueuedFinalizer: u64 = 11;
pub(super) const tagData: u64 = 12;
pub(super) const tagBSS: u64 = 13;
pub(super) const tagDefer: u64 = 14;
pub(super) const tagPanic: u64 = 15;
const tagMemProf: u64 = 16;
const tagAllocSample: u64 = 17;

pub(super) const _PageShift: u32 = 13;
pub(super) const _PageSize: u64 = 1 << _PageShift;
pub(super) const _MSpanInUse: u64 = 0;
pub(super) const _KindSpecialFinalizer: u64 = 1;
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
        self.dumpint(crate::oracle::thechar(self.target))?;
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
}
