//! `runtime/symtab.go`: from a PC to its function, and the tables of that.

use super::heapdump::{Bytes, bitvector};
use super::{R, Runtime, throw};

const FuncTabBucketSize: u64 = 256 * 16; // size of bucket in the pc->func lookup table
const nsub: u64 = 16; // len(findfuncbucket{}.subbuckets)
pub(super) const ArgsSizeUnknown: i32 = i32::MIN;

/// `funcInfo`: where its `_func` and its module are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct funcInfo {
    pub(super) _func: u64,
    pub(super) datap: u64,
}

impl Runtime<'_> {
    fn md(&self, datap: u64, field: &str) -> R<u64> {
        self.load(datap, &format!("runtime.moduledata.{field}"))
    }

    /// `&datap.x[index]` of a slice whose elements have `size` bytes.
    fn element(&self, datap: u64, field: &str, index: u64, size: u64) -> R<u64> {
        let (array, len) = self.load_slice(datap, &format!("runtime.moduledata.{field}"))?;
        if index >= len { throw("index out of range") } else { Ok(self.add(array, self.mul(index, size))) }
    }

    /// The sections of text: where each begins before and ends before linking, and where it begins after that.
    fn textsectmap(&self, datap: u64) -> R<Vec<[u64; 3]>> {
        let (array, len) = self.load_slice(datap, "runtime.moduledata.textsectmap")?;
        let size = self.sizeof("runtime.textsect")?;
        let section = |i| {
            self.tick()?;
            let at = self.add(array, self.mul(i, size));
            Ok([
                self.load(at, "runtime.textsect.vaddr")?,
                self.load(at, "runtime.textsect.end")?,
                self.load(at, "runtime.textsect.baseaddr")?,
            ])
        };
        if len > 1 { (0..len).map(section).collect() } else { Ok(Vec::new()) }
    }

    fn textAddr(&self, datap: u64, off: u64) -> R<u64> {
        let mut res = self.add(self.md(datap, "text")?, off);
        let textsectmap = self.textsectmap(datap)?;
        for (i, &[vaddr, end, baseaddr]) in textsectmap.iter().enumerate() {
            // For the last section, include the end address (etext), as it is included in the functab.
            if off >= vaddr && off < end || (i == textsectmap.len() - 1 && off == end) {
                res = self.sub(self.add(baseaddr, off), vaddr);
                break;
            }
        }
        Ok(res)
    }

    fn textOff(&self, datap: u64, pc: u64) -> R<Option<u32>> {
        let mut res = self.sub(pc, self.md(datap, "text")?) as u32;
        let textsectmap = self.textsectmap(datap)?;
        for (i, &[vaddr, end, baseaddr]) in textsectmap.iter().enumerate() {
            if baseaddr > pc {
                // pc is not in any section.
                return Ok(None);
            }
            let mut end = self.add(baseaddr, self.sub(end, vaddr));
            // For the last section, include the end address (etext), as it is included in the functab.
            if i == textsectmap.len() - 1 {
                end += 1;
            }
            if pc < end {
                res = self.add(self.sub(pc, baseaddr), vaddr) as u32;
                break;
            }
        }
        Ok(Some(res))
    }

    fn findmoduledatap(&self, pc: u64) -> R<u64> {
        let mut datap = self.variable("runtime.firstmoduledata")?;
        while datap != 0 {
            self.tick()?;
            if self.md(datap, "minpc")? <= pc && pc < self.md(datap, "maxpc")? {
                return Ok(datap);
            }
            datap = self.md(datap, "next")?;
        }
        Ok(0)
    }

    pub(super) fn entry(&self, f: funcInfo) -> R<u64> {
        self.textAddr(f.datap, self.load(f._func, "runtime._func.entryOff|runtime._func.entryoff")?)
    }

    /// findfunc looks up function metadata for a PC.
    pub(super) fn findfunc(&self, pc: u64) -> R<Option<funcInfo>> {
        let datap = self.findmoduledatap(pc)?;
        if datap == 0 {
            return Ok(None);
        }
        let Some(pcOff) = self.textOff(datap, pc)? else { return Ok(None) };

        let x = self.sub(self.add(u64::from(pcOff), self.md(datap, "text")?), self.md(datap, "minpc")?);
        let b = x / FuncTabBucketSize;
        let i = x % FuncTabBucketSize / (FuncTabBucketSize / nsub);

        // idx uint32, subbuckets [16]byte
        let ffb = self.add(self.md(datap, "findfunctab")?, self.mul(b, 4 + nsub));
        let sub = u32::from(self.load_byte(self.add(ffb, 4 + i), "findfunctab")?);
        let mut idx = self.load_uint32(ffb, "findfunctab")?.wrapping_add(sub);

        // Find the ftab entry: entryoff uint32, funcoff uint32.
        loop {
            self.tick()?;
            let next = self.element(datap, "ftab", u64::from(idx) + 1, 8)?;
            if self.load_uint32(next, "ftab")? > pcOff {
                break;
            }
            idx += 1;
        }
        let funcoff = self.load_uint32(self.add(self.element(datap, "ftab", idx.into(), 8)?, 4), "ftab")?;
        Ok(Some(funcInfo { _func: self.element(datap, "pclntable", funcoff.into(), 1)?, datap }))
    }

    /// Returns the PCData value.
    pub(super) fn pcvalue(&self, f: funcInfo, off: u32, targetpc: u64) -> R<i32> {
        if off == 0 {
            return Ok(-1);
        }
        let mut p = self.element(f.datap, "pctab", off.into(), 1)?;
        let entry = self.entry(f)?;
        let (mut pc, mut val) = (entry, -1);
        loop {
            self.tick()?;
            let first = pc == entry;
            if !self.step(&mut p, &mut pc, &mut val, first)? {
                break;
            }
            if targetpc < pc {
                return Ok(val);
            }
        }
        throw("invalid runtime symbol table")
    }

    /// step advances to the next pc, value pair in the encoded table.
    fn step(&self, p: &mut u64, pc: &mut u64, val: &mut i32, first: bool) -> R<bool> {
        let uvdelta = self.readvarint(p)?;
        if uvdelta == 0 && !first {
            return Ok(false);
        }
        *val = val.wrapping_add(((uvdelta & 1).wrapping_neg() ^ (uvdelta >> 1)) as i32);
        let pcdelta = self.readvarint(p)?;
        *pc = self.add(*pc, u64::from(pcdelta.wrapping_mul(self.PCQuantum())));
        Ok(true)
    }

    /// readvarint reads a varint from p.
    fn readvarint(&self, p: &mut u64) -> R<u32> {
        let (mut v, mut shift) = (0, 0);
        loop {
            self.tick()?;
            let b = self.load_byte(*p, "pctab")?;
            *p = self.add(*p, 1);
            v |= u32::from(b & 0x7f) << (shift & 31);
            if b & 0x80 == 0 {
                return Ok(v);
            }
            shift += 7;
        }
    }

    /// `goarch.PCQuantum`
    fn PCQuantum(&self) -> u32 {
        match self.target.goarch() {
            "386" | "amd64" => 1,
            "s390x" => 2,
            // Compressed instructions came with Go 1.26.
            "riscv64" if self.release.minor >= 26 => 2,
            _ => 4,
        }
    }

    /// `gostringnocopy`: the bytes up to a zero byte.
    fn gostringnocopy(&self, str: u64) -> R<(u64, u64)> {
        let mut len = 0;
        while self.load_byte(self.add(str, len), "a string of the symbol table")? != 0 {
            self.tick()?;
            len += 1;
        }
        Ok((str, len))
    }

    pub(super) fn funcname(&self, f: funcInfo) -> R<(u64, u64)> {
        let nameOff = self.load_int32(f._func, "runtime._func.nameOff|runtime._func.nameoff")?;
        if nameOff == 0 {
            return Ok((0, 0));
        }
        self.gostringnocopy(self.element(f.datap, "funcnametab", i64::from(nameOff) as u64, 1)?)
    }

    /// `funcname`, as text.
    pub(super) fn funcname_text(&self, f: funcInfo) -> R<Vec<u8>> {
        let (str, len) = self.funcname(f)?;
        self.bytes(str, len, "a function's name")
    }

    /// The file, if there is one, and the line.
    pub(super) fn funcline(&self, f: funcInfo, targetpc: u64) -> R<(Option<(u64, u64)>, i32)> {
        let pcfile = self.load(f._func, "runtime._func.pcfile")? as u32;
        let pcln = self.load(f._func, "runtime._func.pcln")? as u32;
        let (fileno, line) = (self.pcvalue(f, pcfile, targetpc)?, self.pcvalue(f, pcln, targetpc)?);
        let (_, filetab) = self.load_slice(f.datap, "runtime.moduledata.filetab")?;
        if fileno == -1 || line == -1 || i64::from(fileno) >= filetab as i64 {
            return Ok((None, 0));
        }
        // funcfile
        let cu = (self.load(f._func, "runtime._func.cuOffset")? as u32).wrapping_add(fileno as u32);
        let fileoff = self.load_uint32(self.element(f.datap, "cutab", cu.into(), 4)?, "cutab")?;
        if fileoff == u32::MAX {
            // pcln section is corrupt.
            return Ok((None, line));
        }
        let file = self.element(f.datap, "filetab", fileoff.into(), 1)?;
        Ok((Some(self.gostringnocopy(file)?), line))
    }

    pub(super) fn funcspdelta(&self, f: funcInfo, targetpc: u64) -> R<i32> {
        self.pcvalue(f, self.load(f._func, "runtime._func.pcsp")? as u32, targetpc)
    }

    /// Where the arrays begin that follow a `_func`.
    fn after_func(&self, f: funcInfo) -> R<u64> {
        let nfuncdata = self.layout("runtime._func.nfuncdata")?;
        Ok(self.add(f._func, nfuncdata.offset + nfuncdata.size))
    }

    pub(super) fn pcdatavalue(&self, f: funcInfo, table: u64, targetpc: u64) -> R<i32> {
        if table >= self.load(f._func, "runtime._func.npcdata")? {
            return Ok(-1);
        }
        // pcdatastart
        let off = self.load_uint32(self.add(self.after_func(f)?, table * 4), "_func's pcdata")?;
        self.pcvalue(f, off, targetpc)
    }

    /// funcdata returns a pointer to the ith funcdata for f.
    pub(super) fn funcdata(&self, f: funcInfo, i: u64) -> R<u64> {
        if i >= self.load(f._func, "runtime._func.nfuncdata")? {
            return Ok(0);
        }
        let base = self.md(f.datap, "gofunc")?;
        let npcdata = self.load(f._func, "runtime._func.npcdata")?;
        let p = self.add(self.after_func(f)?, npcdata * 4 + i * 4);
        let off = self.load_uint32(p, "_func's funcdata")?;
        Ok(if off == u32::MAX { 0 } else { self.add(base, off.into()) })
    }

    pub(super) fn stackmapdata(&self, stkmap: u64, n: i32) -> R<bitvector> {
        let nbit = self.load_int32(stkmap, "runtime.stackmap.nbit")?;
        let skip = n.wrapping_mul(nbit.wrapping_add(7) >> 3);
        let bytedata = self.add(self.field(stkmap, "runtime.stackmap.bytedata")?, self.int32_uintptr(skip));
        Ok(bitvector { n: nbit, bytedata: Bytes::Target(bytedata) })
    }
}
