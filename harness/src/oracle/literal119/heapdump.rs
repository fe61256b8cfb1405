//! `runtime/heapdump.go`, all but its goroutines (stacks.rs), its objects and roots (heap.rs) and the profile (mprof.rs).
//!
//! The buffer is left out: how the stream is cut into writes is the same as in Go 1.5.

use super::{Literal, R, Runtime, Stop};

const fieldKindEol: u64 = 0;
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
pub(super) const tagQueuedFinalizer: u64 = 11;
pub(super) const tagData: u64 = 12;
pub(super) const tagBSS: u64 = 13;
pub(super) const tagDefer: u64 = 14;
pub(super) const tagPanic: u64 = 15;
pub(super) const tagMemProf: u64 = 16;
pub(super) const tagAllocSample: u64 = 17;

pub(super) const typeCacheBuckets: usize = 256;
pub(super) const typeCacheAssoc: usize = 4;

/// `bitvector`, and whose memory its bits are in.
#[derive(Clone, Debug)]
pub(super) struct bitvector {
    pub(super) n: i32,
    pub(super) bytedata: Bytes,
}

#[derive(Clone, Debug)]
pub(super) enum Bytes {
    /// The target's.
    Target(u64),
    /// The reference's own: a copy of `tmpbuf`.
    Own(Vec<u8>),
}

impl Runtime<'_> {
    pub(super) fn dwrite(&mut self, data: u64, len: u64) -> R<()> {
        let bytes = self.bytes(data, len, "dumped memory")?;
        self.dwrite_own(&bytes)
    }

    pub(super) fn dwrite_own(&mut self, bytes: &[u8]) -> R<()> {
        self.stream.extend_from_slice(bytes);
        if self.stream.len() > super::MAX_BYTES { Err(Stop::Runaway) } else { Ok(()) }
    }

    /// dump a uint64 in a varint format parseable by encoding/binary.
    pub(super) fn dumpint(&mut self, mut v: u64) -> R<()> {
        while v >= 0x80 {
            self.dwrite_own(&[(v | 0x80) as u8])?;
            v >>= 7;
        }
        self.dwrite_own(&[v as u8])
    }

    pub(super) fn dumpbool(&mut self, b: bool) -> R<()> {
        if b { self.dumpint(1) } else { self.dumpint(0) }
    }

    /// dump varint uint64 length followed by memory contents.
    pub(super) fn dumpmemrange(&mut self, data: u64, len: u64) -> R<()> {
        self.dumpint(len)?;
        self.dwrite(data, len)
    }

    /// `dumpstr` of a string of the reference's own.
    pub(super) fn dumpstr(&mut self, s: &str) -> R<()> {
        self.dumpint(s.len() as u64)?;
        self.dwrite_own(s.as_bytes())
    }

    /// dump information for a type.
    fn dumptype(&mut self, t: u64) -> R<()> {
        if t == 0 {
            return Ok(());
        }

        // If we've definitely serialized the type before,
        // no need to do it again.
        let hash = self.load(t, "internal/abi.Type.Hash|runtime._type.hash")?;
        let b = &mut self.typecache[hash as usize & (typeCacheBuckets - 1)];
        if t == b[0] {
            return Ok(());
        }
        for i in 1..typeCacheAssoc {
            if t == b[i] {
                // Move-to-front
                for j in (1..=i).rev() {
                    b[j] = b[j - 1];
                }
                b[0] = t;
                return Ok(());
            }
        }

        // Might not have been dumped yet. Dump it and
        // remember we did so.
        for j in (1..typeCacheAssoc).rev() {
            b[j] = b[j - 1];
        }
        b[0] = t;

        // dump the type
        self.dumpint(tagType)?;
        self.dumpint(t)?;
        self.dumpint(self.load(t, "internal/abi.Type.Size_|runtime._type.size")?)?;
        let x = self.Uncommon(t)?;
        let pkgpath = match x {
            // x.PkgPath, its first field
            Some(x) => {
                let off = self.load_uint32(x, "UncommonType.PkgPath")? as i32;
                let name = self.nameOff(t, off)?;
                self.Name(name)?
            }
            None => (0, 0),
        };
        if pkgpath.1 == 0 {
            let s = self.string(t)?;
            self.dumpmemrange(s.0, s.1)?;
        } else {
            let name = self.name(t)?;
            self.dumpint(self.add(self.add(pkgpath.1, 1), name.1))?;
            self.dwrite(pkgpath.0, pkgpath.1)?;
            self.dwrite_own(b".")?;
            self.dwrite(name.0, name.1)?;
        }
        let direct = self.IsDirectIface(t)?;
        let pointers = self.Pointers(t)?;
        self.dumpbool(!direct || pointers)
    }

    /// dump kinds & offsets of interesting fields in bv.
    pub(super) fn dumpbv(&mut self, cbv: &bitvector, offset: u64) -> R<()> {
        for i in 0..cbv.n.max(0) as u64 {
            self.tick()?;
            let byte = match &cbv.bytedata {
                Bytes::Target(p) => self.load_byte(self.add(*p, i / 8), "bitvector.bytedata")?,
                Bytes::Own(bytes) => bytes[i as usize / 8],
            };
            if byte >> (i % 8) & 1 == 1 {
                self.dumpint(fieldKindPtr)?;
                self.dumpint(self.add(offset, i * self.ptrSize))?;
            }
        }
        Ok(())
    }

    /// dumpint() the kind & offset of each field in an object.
    pub(super) fn dumpfields(&mut self, bv: &bitvector) -> R<()> {
        self.dumpbv(bv, 0)?;
        self.dumpint(fieldKindEol)
    }

    pub(super) fn dumpeol(&mut self) -> R<()> {
        self.dumpint(fieldKindEol)
    }

    fn dumpparams(&mut self) -> R<()> {
        self.dumpint(tagParams)?;
        self.dumpbool(self.target.big_endian())?;
        self.dumpint(self.ptrSize)?;
        let (mut arenaStart, mut arenaEnd) = (0, 0);
        // There is no first level: arenaL1Bits is 6 on Windows alone.
        let l2 = self.load_uintptr(self.arenas()?, "mheap_.arenas[0]")?;
        let chunk = 1 << 13;
        for first in (0..1u64 << self.arenaL2Bits()).step_by(chunk) {
            let n = (chunk as u64).min((1 << self.arenaL2Bits()) - first);
            let bytes = self.bytes(self.add(l2, first * self.ptrSize), n * self.ptrSize, "mheap_.arenas")?;
            for (i, ha) in bytes.chunks(self.ptrSize as usize).enumerate() {
                if ha.iter().all(|&b| b == 0) {
                    continue;
                }
                let base = self.arenaBase(first + i as u64);
                if arenaStart == 0 || base < arenaStart {
                    arenaStart = base;
                }
                let end = self.add(base, self.heapArenaBytes());
                if end > arenaEnd {
                    arenaEnd = end;
                }
            }
        }
        self.dumpint(arenaStart)?;
        self.dumpint(arenaEnd)?;
        self.dumpstr(self.target.goarch())?;
        let version = self.load_string(self.variable("runtime.buildVersion")?, "buildVersion")?;
        self.dumpmemrange(version.0, version.1)?;
        let ncpu = if self.release.minor >= 25 { "runtime.numCPUStartup" } else { "runtime.ncpu" };
        let ncpu = self.load_uint32(self.variable(ncpu)?, ncpu)? as i32;
        self.dumpint(i64::from(ncpu) as u64)
    }

    fn itab_callback(&mut self, tab: u64) -> R<()> {
        let t = self.load(tab, "internal/abi.ITab.Type|runtime.itab._type")?;
        self.dumptype(t)?;
        self.dumpint(tagItab)?;
        self.dumpint(tab)?;
        self.dumpint(t)
    }

    fn dumpitabs(&mut self) -> R<()> {
        // iterate_itabs, iface.go
        let t = self.load_variable("runtime.itabTable")?;
        for i in 0..self.load(t, "runtime.itabTableType.size")? {
            self.tick()?;
            let entries = self.field(t, "runtime.itabTableType.entries")?;
            let m = self.load_uintptr(self.add(entries, i * self.ptrSize), "itabTable.entries")?;
            if m != 0 {
                self.itab_callback(m)?;
            }
        }
        Ok(())
    }

    fn dumpms(&mut self) -> R<()> {
        let mut mp = self.load_variable("runtime.allm")?;
        while mp != 0 {
            self.tick()?;
            self.dumpint(tagOSThread)?;
            self.dumpint(mp)?;
            let id = self.load(mp, "runtime.m.id")?; // int64
            self.dumpint(id)?;
            self.dumpint(self.load(mp, "runtime.m.procid")?)?;
            mp = self.load(mp, "runtime.m.alllink")?;
        }
        Ok(())
    }

    pub(super) fn mdump(mut self) -> R<Literal> {
        // make sure we're done sweeping
        for s in self.allspans()? {
            if self.state(s)? == super::heap::mSpanInUse {
                self.ensureSwept(s)?;
            }
        }
        self.dwrite_own(b"go1.7 heap dump\n")?;
        self.dumpparams()?;
        self.dumpitabs()?;
        self.dumpobjs()?;
        self.dumpgs()?;
        self.dumpms()?;
        self.dumproots()?;
        let before = std::mem::take(&mut self.stream);
        // dumpmemstats(m)
        self.dumpmemprof()?;
        self.dumpint(tagEOF)?;
        Ok(Literal { before, after: self.stream })
    }
}
