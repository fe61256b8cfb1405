//! From a PC to its function, and what the linker has recorded about that (symtab.go).

use super::bytes::Bytes;
use super::layout::{
    At, Bitvector, Findfuncbucket, Func as GoFunc, Functab, Moduledata, PcHeader, Stackmap, Textsect,
};
use super::shape::Known;
use crate::error::{Error, Place, TracebackError};
use crate::layouts::{Layouts, NoLayout};
use crate::memory::Addr;
use crate::process::field::Header;
use crate::process::list::LoopCheck;
use crate::process::{Process, offset, out_of_range, uintptr};
use crate::record::{BitVector, Location, Text};
use crate::target::Target;

/// `abi.FuncTabBucketSize`: bytes of code that a bucket of `findfunctab` is for.
const BUCKET_SIZE: u64 = 4096;
/// `len(findfuncbucket{}.subbuckets)`.
const NSUB: u64 = 16;
/// More modules than a process ever has: one, and one for each plugin.
const MAX_MODULES: usize = 1 << 16;
/// More sections of code than a program has.
const MAX_SECTIONS: u64 = 1 << 16;

/// How the tables are laid out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tables {
    moduledata: Moduledata,
    pc_header: PcHeader,
    textsect: Textsect,
    functab: Functab,
    bucket: Findfuncbucket,
    pub(super) func: GoFunc,
    stackmap: Stackmap,
    bitvector: Bitvector,
}

impl Tables {
    pub(super) fn find(layouts: &dyn Layouts) -> Result<Self, NoLayout> {
        Ok(Tables {
            moduledata: Moduledata::find(layouts)?,
            pc_header: PcHeader::find(layouts)?,
            textsect: Textsect::find(layouts)?,
            functab: Functab::find(layouts)?,
            bucket: Findfuncbucket::find(layouts)?,
            func: GoFunc::find(layouts)?,
            stackmap: Stackmap::find(layouts)?,
            bitvector: Bitvector::find(layouts)?,
        })
    }
}

/// `moduledata`.
pub(super) struct Module {
    pub data: (u64, u64),
    pub bss: (u64, u64),
    pub gcdatamask: BitVector,
    pub gcbssmask: BitVector,
    pub types: u64,
    pub etypes: u64,
    rodata: u64,
    gofunc: u64,
    text: u64,
    minpc: u64,
    maxpc: u64,
    findfunctab: Addr,
    funcnametab: Header,
    cutab: Header,
    filetab: Header,
    pctab: Header,
    pclntable: Header,
    ftab: Header,
    /// `textsectmap`, where there is more than one section: each one's `vaddr`, `end` and `baseaddr`.
    sections: Vec<(u64, u64, u64)>,
}

/// `_func`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Func {
    /// Where it is.
    pub addr: Addr,
    module: usize,
    /// `entry()`.
    pub entry: u64,
    pub args: i32,
    pub deferreturn: u64,
    pub pcsp: u64,
    pub func_id: u64,
    pub flag: u64,
    npcdata: u64,
    nfuncdata: u64,
}

/// What a table of steps says of a PC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PcValue {
    pub val: i32,
    /// The PC from which on it says so.
    pub start: u64,
}

/// The symbol tables of a process.
pub(super) struct Symtab<'m, T> {
    process: Process<'m, T>,
    tables: Tables,
    pub modules: Vec<Module>,
    /// `sys.PCQuantum`.
    quantum: u64,
}

const BEYOND: &str = "that is beyond the end of its table";
const NO_END: &str = "the string there has no end";

impl<'m, T: Target> Symtab<'m, T> {
    /// Reads the modules in the list that begins with `firstmoduledata`.
    pub(super) fn read(process: Process<'m, T>, tables: Tables, first: Addr) -> Result<Self, Error> {
        let next = tables.moduledata.next;
        let (mut modules, mut check, mut datap) = (Vec::new(), LoopCheck::new(next.place), first);
        while !datap.is_nil() {
            check.visit(datap)?;
            if modules.len() == MAX_MODULES {
                let problem = "there are more modules than a process can have";
                return Err(out_of_range(next.place, datap, MAX_MODULES as u64, problem));
            }
            modules.push(Module::read(&process, &tables, datap)?);
            datap = process.ptr(datap, next)?;
        }
        let header = process.ptr(first, tables.moduledata.pc_header)?;
        let quantum = process.uint(header, tables.pc_header.min_lc)?;
        Ok(Symtab { process, tables, modules, quantum })
    }

    /// `firstmoduledata`.
    pub(super) fn first(&self) -> &Module {
        &self.modules[0]
    }

    /// Port of `findfunc`: the function that `pc` is in, if any.
    pub(super) fn findfunc(&self, pc: u64) -> Result<Option<Func>, Error> {
        // findmoduledatap
        let Some(index) = self.modules.iter().position(|m| m.minpc <= pc && pc < m.maxpc) else {
            return Ok(None);
        };
        let module = &self.modules[index];
        let Some(pc_off) = module.text_off(pc) else { return Ok(None) };
        let Tables { functab, bucket, .. } = &self.tables;
        let x = uintptr::<T>(pc_off.wrapping_add(module.text).wrapping_sub(module.minpc));
        let ffb = offset::<T>(module.findfunctab, x / BUCKET_SIZE * bucket.size);
        let sub = bucket.subbuckets.sized(1).after(x % BUCKET_SIZE / (BUCKET_SIZE / NSUB));
        let first = self.process.uint(ffb, bucket.idx)? + self.process.uint(ffb, sub)?;
        let mut idx = first & u64::from(u32::MAX);
        let bad = |problem| Error::BadSymtab { pc: Addr(pc), entry: Addr::NIL, problem };
        let functab_at = |idx: u64| {
            if idx >= module.ftab.len {
                return Err(bad("findfunctab leads beyond the end of ftab"));
            }
            Ok(offset::<T>(module.ftab.array, idx * functab.size))
        };
        // Find the ftab entry.
        loop {
            let next = functab_at(idx + 1)?;
            if self.process.uint(next, functab.entryoff)? > pc_off {
                break;
            }
            idx += 1;
        }
        let at = functab_at(idx)?;
        let funcoff = self.process.uint(at, functab.funcoff)?;
        if funcoff >= module.pclntable.len {
            return Err(out_of_range(functab.funcoff.place, at, funcoff, BEYOND));
        }
        self.func(index, offset::<T>(module.pclntable.array, funcoff)).map(Some)
    }

    fn func(&self, module: usize, addr: Addr) -> Result<Func, Error> {
        let f = &self.tables.func;
        let get = |at| self.process.uint(addr, at);
        Ok(Func {
            addr,
            module,
            entry: self.modules[module].text_addr::<T>(get(f.entry_off)?),
            args: get(f.args)? as u32 as i32,
            deferreturn: get(f.deferreturn)?,
            pcsp: get(f.pcsp)?,
            func_id: get(f.func_id)?,
            flag: get(f.flag)?,
            npcdata: get(f.npcdata)?,
            nfuncdata: get(f.nfuncdata)?,
        })
    }

    /// Port of `pcvalue` (strict): what the table at offset `off` of the pctab says of `targetpc`, or `None` when there is
    /// no table.
    pub(super) fn pcvalue(&self, f: &Func, off: u64, targetpc: u64) -> Result<Option<PcValue>, Error> {
        if off == 0 {
            return Ok(None);
        }
        let table = self.modules[f.module].pctab;
        let bad = |problem| Error::BadSymtab { pc: Addr(targetpc), entry: Addr(f.entry), problem };
        let at = offset::<T>(table.array, off);
        let mut p = Bytes::new(self.process.memory, at, table.len.saturating_sub(off), PCTAB);
        let (mut pc, mut val, mut first) = (f.entry, -1i32, true);
        loop {
            let start = pc;
            // step
            let ends = || bad("a table does not end");
            let uvdelta = p.readvarint()?.ok_or_else(ends)?;
            if uvdelta == 0 && !first {
                return Err(bad("a table does not cover the pc"));
            }
            val = val.wrapping_add(((uvdelta & 1).wrapping_neg() ^ (uvdelta >> 1)) as i32);
            let pcdelta = p.readvarint()?.ok_or_else(ends)?;
            pc = uintptr::<T>(pc.wrapping_add(u64::from(pcdelta.wrapping_mul(self.quantum as u32))));
            if targetpc < pc {
                return Ok(Some(PcValue { val, start }));
            }
            first = pc == f.entry;
        }
    }

    /// Where the table of a kind of PC-dependent data begins in the pctab (`pcdatastart`), or 0.
    pub(super) fn pcdatastart(&self, f: &Func, table: u64) -> Result<u64, Error> {
        if table >= f.npcdata {
            return Ok(0);
        }
        self.process.uint(f.addr, self.after_func(table * 4, PCDATA))
    }

    /// What follows `nfuncdata`, which is the last field.
    fn after_func(&self, bytes: u64, place: Place) -> At {
        let nfuncdata = self.tables.func.nfuncdata;
        At { place, ..nfuncdata.after(nfuncdata.size + bytes).sized(4) }
    }

    /// Port of `funcdata`: nil when there is none.
    pub(super) fn funcdata(&self, f: &Func, i: u64) -> Result<Addr, Error> {
        if i >= f.nfuncdata {
            return Ok(Addr::NIL);
        }
        let at = self.after_func((f.npcdata + i).wrapping_mul(4), FUNCDATA);
        match self.process.uint(f.addr, at)? {
            0xffff_ffff => Ok(Addr::NIL),
            off => Ok(offset::<T>(Addr(self.modules[f.module].gofunc), off)),
        }
    }

    /// `rodata` of the module that a function is in.
    pub(super) fn rodata(&self, f: &Func) -> Addr {
        Addr(self.modules[f.module].rodata)
    }

    /// Port of `funcname`: empty for a function without a name.
    pub(super) fn funcname(&self, f: &Func) -> Result<Text, Error> {
        let at = self.tables.func.name_off;
        match self.process.uint(f.addr, at)? {
            0 => Ok(Text::Literal("")),
            off => self.cstring(self.modules[f.module].funcnametab, off, at.place, f.addr),
        }
    }

    /// `gostringnocopy(&table[off])`; `place`, of what is at `at`, is where `off` comes from.
    fn cstring(&self, table: Header, off: u64, place: Place, at: Addr) -> Result<Text, Error> {
        if off >= table.len {
            return Err(out_of_range(place, at, off, BEYOND));
        }
        let array = offset::<T>(table.array, off);
        match Bytes::new(self.process.memory, array, table.len - off, place).findnull()? {
            Some(len) => Ok(Text::Target(Header { array, len })),
            None => Err(out_of_range(place, at, off, NO_END)),
        }
    }

    /// Whether a function's name begins with, or is, some ASCII text.
    pub(super) fn name_is(&self, f: &Func, text: &str, whole: bool) -> Result<bool, Error> {
        let Text::Target(name) = self.funcname(f)? else { return Ok(false) };
        let len = text.len() as u64;
        if name.len < len || whole && name.len != len {
            return Ok(false);
        }
        let mut bytes = Bytes::new(self.process.memory, name.array, len, FUNCNAMETAB);
        for want in text.bytes() {
            if bytes.next()? != Some(want) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Port of `funcline`: the file and the line of a PC, or `"?"` and 0.
    fn funcline(&self, f: &Func, targetpc: u64) -> Result<(Text, i32), Error> {
        let module = &self.modules[f.module];
        let func = &self.tables.func;
        let value = |at| {
            let off = self.process.uint(f.addr, at)?;
            Ok::<i32, Error>(self.pcvalue(f, off, targetpc)?.map_or(-1, |value| value.val))
        };
        let (fileno, line) = (value(func.pcfile)?, value(func.pcln)?);
        if fileno == -1 || line == -1 || i64::from(fileno) >= module.filetab.len as i64 {
            return Ok((Text::Literal("?"), 0));
        }
        // funcfile
        let cu = self.process.uint(f.addr, func.cu_offset)? as u32;
        let index = u64::from(cu.wrapping_add(fileno as u32));
        if index >= module.cutab.len {
            return Err(out_of_range(func.cu_offset.place, f.addr, index, BEYOND));
        }
        let at = offset::<T>(module.cutab.array, index * 4);
        match self.process.uint(at, At { offset: 0, size: 4, place: CUTAB })? {
            0xffff_ffff => Ok((Text::Literal("?"), line)),
            off => Ok((self.cstring(module.filetab, off, CUTAB, at)?, line)),
        }
    }

    /// Where a PC is, or the call before it.
    pub(super) fn location(&self, pc: u64, call: bool) -> Result<Option<Location>, Error> {
        let Some(f) = self.findfunc(pc)? else { return Ok(None) };
        let func = self.funcname(&f)?;
        let pc = if call && pc > f.entry { pc - 1 } else { pc };
        let (file, line) = self.funcline(&f, pc)?;
        Ok(Some(Location { func, file, line: i64::from(line) as u64 }))
    }

    /// `stackmap.n` of the stack maps at `stkmap`.
    pub(super) fn stackmap_n(&self, stkmap: Addr) -> Result<i32, Error> {
        self.process.int32(stkmap, self.tables.stackmap.n)
    }

    /// Port of `stackmapdata`: map `index` of the stack maps at `stkmap`.
    pub(super) fn stackmapdata(
        &self,
        stkmap: Addr,
        index: i32,
        entry: u64,
    ) -> Result<Result<BitVector, TracebackError>, Error> {
        let map = &self.tables.stackmap;
        let (n, nbit) = (self.stackmap_n(stkmap)?, self.process.int32(stkmap, map.nbit)?);
        if nbit < 0 {
            return Ok(Err(TracebackError::NegativeBits(stkmap)));
        }
        if nbit > 0 && (index < 0 || index >= n) {
            return Ok(Err(TracebackError::StackMapIndex { entry: Addr(entry), index, n }));
        }
        let bytedata = map
            .bytedata
            .offset
            .wrapping_add((i64::from(index) as u64).wrapping_mul((nbit as u64).div_ceil(8)));
        Ok(Ok(BitVector { n: nbit, bytedata: offset::<T>(stkmap, bytedata) }))
    }

    /// Which function a special one is, as far as that matters.
    pub(super) fn is(&self, f: &Func, known: Option<Known>) -> bool {
        known.is_some_and(|known| f.func_id == known.0)
    }
}

impl Module {
    fn read<T: Target>(process: &Process<'_, T>, tables: &Tables, datap: Addr) -> Result<Module, Error> {
        let md = &tables.moduledata;
        let get = |at| process.uint(datap, at);
        let slice = |at, size| process.elements(datap, at, size);
        let mask = |at: At| {
            Ok::<_, Error>(BitVector {
                n: process
                    .int32(datap, At { offset: at.offset + tables.bitvector.n.offset, size: 4, ..at })?,
                bytedata: process.ptr(
                    datap,
                    At { offset: at.offset + tables.bitvector.bytedata.offset, size: T::PTR_SIZE, ..at },
                )?,
            })
        };
        let sections = slice(md.textsectmap, tables.textsect.size)?;
        if sections.len > MAX_SECTIONS {
            let problem = "there are more sections of code than a program can have";
            return Err(out_of_range(md.textsectmap.place, datap, sections.len, problem));
        }
        let section = |i| {
            let (at, s) = (offset::<T>(sections.array, i * tables.textsect.size), &tables.textsect);
            Ok::<_, Error>((
                process.uint(at, s.vaddr)?,
                process.uint(at, s.end)?,
                process.uint(at, s.baseaddr)?,
            ))
        };
        Ok(Module {
            data: (get(md.data)?, get(md.edata)?),
            bss: (get(md.bss)?, get(md.ebss)?),
            gcdatamask: mask(md.gcdatamask)?,
            gcbssmask: mask(md.gcbssmask)?,
            types: get(md.types)?,
            etypes: get(md.etypes)?,
            rodata: get(md.rodata)?,
            gofunc: get(md.gofunc)?,
            text: get(md.text)?,
            minpc: get(md.minpc)?,
            maxpc: get(md.maxpc)?,
            findfunctab: process.ptr(datap, md.findfunctab)?,
            funcnametab: slice(md.funcnametab, 1)?,
            cutab: slice(md.cutab, 4)?,
            filetab: slice(md.filetab, 1)?,
            pctab: slice(md.pctab, 1)?,
            pclntable: slice(md.pclntable, 1)?,
            ftab: slice(md.ftab, tables.functab.size)?,
            sections: if sections.len > 1 {
                (0..sections.len).map(section).collect::<Result<_, _>>()?
            } else {
                Vec::new()
            },
        })
    }

    /// Port of `textAddr`.
    fn text_addr<T: Target>(&self, off: u64) -> u64 {
        let last = self.sections.len().wrapping_sub(1);
        let found = self.sections.iter().enumerate().find(|&(i, &(vaddr, end, _))| {
            // For the last section, include the end address (etext), as it is included in the functab.
            off >= vaddr && off < end || i == last && off == end
        });
        uintptr::<T>(match found {
            Some((_, (vaddr, _, baseaddr))) => baseaddr.wrapping_add(off).wrapping_sub(*vaddr),
            None => self.text.wrapping_add(off),
        })
    }

    /// Port of `textOff`.
    fn text_off(&self, pc: u64) -> Option<u64> {
        let last = self.sections.len().wrapping_sub(1);
        for (i, &(vaddr, end, baseaddr)) in self.sections.iter().enumerate() {
            if baseaddr > pc {
                // pc is not in any section.
                return None;
            }
            let end = baseaddr.wrapping_add(end.wrapping_sub(vaddr)).wrapping_add(u64::from(i == last));
            if pc < end {
                return Some(u64::from(pc.wrapping_sub(baseaddr).wrapping_add(vaddr) as u32));
            }
        }
        Some(u64::from(pc.wrapping_sub(self.text) as u32))
    }
}

const PCTAB: Place = Place::new("moduledata", "pctab");
const CUTAB: Place = Place::new("moduledata", "cutab");
const FUNCNAMETAB: Place = Place::new("moduledata", "funcnametab");
const PCDATA: Place = Place::new("_func", "pcdata");
const FUNCDATA: Place = Place::new("_func", "funcdata");

#[cfg(test)]
mod tests;
