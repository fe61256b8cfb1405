//! `runtime/symtab.go`: functions by PC, and the tables that go with a function.

use super::memory::{Pointer, slice, string};
use super::{R, Runtime, throw, throw_at};

pub(super) const _PCDATA_StackMapIndex: i32 = 0;
pub(super) const _FUNCDATA_ArgsPointerMaps: i32 = 0;
pub(super) const _FUNCDATA_LocalsPointerMaps: i32 = 1;
pub(super) const _ArgsSizeUnknown: i32 = -0x8000_0000;

const minfunc: u64 = 16; // minimum function size
const pcbucketsize: u64 = 256 * minfunc; // size of bucket in the pc->func lookup table

/// `type bitvector struct`, stack1.go and friends. The heap's are in `tmpbuf`.
#[derive(Clone, Copy, Debug)]
pub(super) struct bitvector {
    pub(super) n: i32,
    pub(super) bytedata: bytedata,
}

/// What `bitvector.bytedata` points into.
#[derive(Clone, Copy, Debug)]
pub(super) enum bytedata {
    target(u64),
    tmpbuf,
}

impl Runtime<'_> {
    fn findmoduledatap(&self, pc: u64) -> R<u64> {
        let mut datap = self.symbols.firstmoduledata.0;
        while datap != 0 {
            self.tick()?;
            if self.load(datap, "moduledata.minpc")? <= pc && pc <= self.load(datap, "moduledata.maxpc")? {
                return Ok(datap);
            }
            datap = self.load(datap, "moduledata.next")?;
        }
        Ok(0)
    }

    pub(super) fn findfunc(&self, pc: u64) -> R<u64> {
        let datap = self.findmoduledatap(pc)?;
        if datap == 0 {
            return Ok(0);
        }
        const nsub: u64 = 16;

        let x = pc - self.load(datap, "moduledata.minpc")?;
        let b = x / pcbucketsize;
        let i = x % pcbucketsize / (pcbucketsize / nsub);

        // type findfuncbucket struct { idx uint32; subbuckets [16]byte }
        let ffb = self.add(self.load(datap, "moduledata.findfunctab")?, self.mul(b, 20));
        let mut idx = self
            .load_uint32(ffb, "findfuncbucket.idx")?
            .wrapping_add(u32::from(self.load_byte(self.add(ffb, 4 + i), "findfuncbucket.subbuckets")?));
        if pc < self.ftab(datap, idx, "functab.entry")? {
            return throw("findfunc: bad findfunctab entry");
        }

        // linear search to find func with pc >= entry.
        while self.ftab(datap, idx.wrapping_add(1), "functab.entry")? <= pc {
            self.tick()?;
            idx = idx.wrapping_add(1);
        }
        self.pclntable(datap, self.ftab(datap, idx, "functab.funcoff")?)
    }

    /// `datap.ftab[idx]`
    fn ftab(&self, datap: u64, idx: u32, path: &'static str) -> R<u64> {
        let ftab = self.load_slice(self.field(datap, "moduledata.ftab"), "moduledata.ftab")?;
        let idx = u64::from(idx);
        if idx >= ftab.len {
            return throw_at("index out of range", "ftab", idx);
        }
        self.load(self.add(ftab.array, self.mul(idx, self.layout.sizeof("functab"))), path)
    }

    /// `&datap.pclntable[off]`
    fn pclntable(&self, datap: u64, off: u64) -> R<u64> {
        let pclntable = self.load_slice(self.field(datap, "moduledata.pclntable"), "moduledata.pclntable")?;
        if off >= pclntable.len {
            return throw_at("index out of range", "pclntable", off);
        }
        Ok(self.add(pclntable.array, off))
    }

    pub(super) fn pcvalue(&self, f: u64, off: i32, targetpc: u64, strict: bool) -> R<i32> {
        if off == 0 {
            return Ok(-1);
        }
        let entry = self.load(f, "_func.entry")?;
        let datap = self.findmoduledatap(entry)?; // inefficient
        if datap == 0 {
            if strict {
                return throw_at("no module data", "runtime: no module data for", entry);
            }
            return Ok(-1);
        }
        // p := datap.pclntable[off:]
        let mut p = self.load_slice(self.field(datap, "moduledata.pclntable"), "moduledata.pclntable")?;
        let off = self.signed(off);
        if off > p.len {
            return throw_at("slice bounds out of range", "pclntable", off);
        }
        p = slice { array: self.add(p.array, off), len: p.len - off };
        let mut pc = entry;
        let mut val: i32 = -1;
        loop {
            let first = pc == entry;
            match self.step(p, &mut pc, &mut val, first)? {
                Some(newp) => p = newp,
                None => break,
            }
            if targetpc < pc {
                return Ok(val);
            }
        }

        // If there was a table, it should have covered all program counters.
        // If not, something is wrong.
        if !strict {
            return Ok(-1);
        }
        throw_at("invalid runtime symbol table", "runtime: invalid pc-encoded table, targetpc", targetpc)
    }

    fn cfuncname(&self, f: u64) -> R<u64> {
        if f == 0 || self.load_int32(f, "_func.nameoff")? == 0 {
            return Ok(0);
        }
        let datap = self.findmoduledatap(self.load(f, "_func.entry")?)?; // inefficient
        if datap == 0 {
            return Ok(0);
        }
        self.pclntable(datap, self.signed(self.load_int32(f, "_func.nameoff")?))
    }

    pub(super) fn funcname(&self, f: u64) -> R<string<'static>> {
        self.gostringnocopy(self.cfuncname(f)?)
    }

    /// string1.go. The reference may raise `maxstring` here, a hint for print that no dump shows.
    fn gostringnocopy(&self, str: u64) -> R<string<'static>> {
        Ok(string { str: Pointer::Target(str), len: self.findnull(str)? })
    }

    /// string1.go
    fn findnull(&self, s: u64) -> R<u64> {
        if s == 0 {
            return Ok(0);
        }
        let mut l = 0;
        while self.load_byte(self.add(s, l), "a name in pclntable")? != 0 {
            self.tick()?;
            l += 1;
        }
        Ok(l)
    }

    fn funcline1(&self, f: u64, targetpc: u64, strict: bool) -> R<(string<'static>, i32)> {
        let datap = self.findmoduledatap(self.load(f, "_func.entry")?)?; // inefficient
        if datap == 0 {
            return Ok(("?".into(), 0));
        }
        let fileno = self.pcvalue(f, self.load_int32(f, "_func.pcfile")?, targetpc, strict)?;
        let line = self.pcvalue(f, self.load_int32(f, "_func.pcln")?, targetpc, strict)?;
        let filetab = self.load_slice(self.field(datap, "moduledata.filetab"), "moduledata.filetab")?;
        if fileno == -1 || line == -1 || i64::from(fileno) >= filetab.len as i64 {
            return Ok(("?".into(), 0));
        }
        if fileno < 0 {
            return throw_at("index out of range", "filetab", self.signed(fileno));
        }
        let off = self.load_uint32(self.add(filetab.array, fileno as u64 * 4), "moduledata.filetab")?;
        let file = self.gostringnocopy(self.pclntable(datap, u64::from(off))?)?;
        Ok((file, line))
    }

    pub(super) fn funcline(&self, f: u64, targetpc: u64) -> R<(string<'static>, i32)> {
        self.funcline1(f, targetpc, true)
    }

    pub(super) fn funcspdelta(&self, f: u64, targetpc: u64) -> R<i32> {
        self.pcvalue(f, self.load_int32(f, "_func.pcsp")?, targetpc, true)
    }

    pub(super) fn pcdatavalue(&self, f: u64, table: i32, targetpc: u64) -> R<i32> {
        if table < 0 || table >= self.load_int32(f, "_func.npcdata")? {
            return Ok(-1);
        }
        let p = self.add(self.field(f, "_func.nfuncdata"), 4 + self.mul(table as u64, 4));
        let off = self.load_uint32(p, "pcdata")? as i32;
        self.pcvalue(f, off, targetpc, true)
    }

    pub(super) fn funcdata(&self, f: u64, i: i32) -> R<u64> {
        if i < 0 || i >= self.load_int32(f, "_func.nfuncdata")? {
            return Ok(0);
        }
        let npcdata = self.signed(self.load_int32(f, "_func.npcdata")?);
        let mut p = self.add(self.field(f, "_func.nfuncdata"), self.add(4, self.mul(npcdata, 4)));
        if self.ptrSize == 8 && p & 4 != 0 {
            p = self.add(p, 4);
        }
        self.load_uintptr(self.add(p, self.mul(i as u64, self.ptrSize)), "funcdata")
    }

    /// step advances to the next pc, value pair in the encoded table.
    ///
    /// `None` is the reference's `nil, false`.
    pub(super) fn step(&self, p: slice, pc: &mut u64, val: &mut i32, first: bool) -> R<Option<slice>> {
        let (p, mut uvdelta) = self.readvarint(p)?;
        if uvdelta == 0 && !first {
            return Ok(None);
        }
        if uvdelta & 1 != 0 {
            uvdelta = !(uvdelta >> 1);
        } else {
            uvdelta >>= 1;
        }
        let vdelta = uvdelta as i32;
        let (p, pcdelta) = self.readvarint(p)?;
        // uintptr(pcdelta * _PCQuantum), a product of uint32
        *pc = self.add(*pc, u64::from(pcdelta.wrapping_mul(self.target.pc_quantum() as u32)));
        *val = val.wrapping_add(vdelta);
        Ok(Some(p))
    }

    /// readvarint reads a varint from p.
    pub(super) fn readvarint(&self, mut p: slice) -> R<(slice, u32)> {
        let (mut v, mut shift): (u32, u32) = (0, 0);
        loop {
            self.tick()?;
            if p.len == 0 {
                return throw_at("index out of range", "the end of pclntable", p.array);
            }
            let b = self.load_byte(p.array, "pclntable")?;
            p = slice { array: self.add(p.array, 1), len: p.len - 1 };
            // Go shifts by 32 and more to 0.
            v |= (u32::from(b) & 0x7F).checked_shl(shift).unwrap_or(0);
            if b & 0x80 == 0 {
                break;
            }
            shift = shift.wrapping_add(7);
        }
        Ok((p, v))
    }

    pub(super) fn stackmapdata(&self, stkmap: u64, n: i32) -> R<bitvector> {
        if n < 0 || n >= self.load_int32(stkmap, "stackmap.n")? {
            return throw("stackmapdata: index out of range");
        }
        let nbit = self.load_int32(stkmap, "stackmap.nbit")?;
        let off = n.wrapping_mul((nbit.wrapping_add(31) / 32).wrapping_mul(4));
        let p = self.add(self.field(stkmap, "stackmap.bytedata"), self.signed(off));
        Ok(bitvector { n: nbit, bytedata: bytedata::target(p) })
    }
}
