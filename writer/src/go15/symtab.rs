//! From a PC to its function, and what the linker recorded about it (symtab.go).

use super::pclntab::{Bytes, Step, step};
use super::structs::{
    Bitvector as GoBitvector, FindFuncBucket, Func as GoFunc, Functab, Moduledata, Stackmap,
};
use super::traceback::At;
use crate::error::{Error, Place, TracebackError};
use crate::go15::arch::Target;
use crate::memory::Addr;
use crate::process::field::{Field, GoType, Header, Int32, Load, Ptr, Uint8, Uint32};
use crate::process::list::LoopCheck;
use crate::process::{Process, offset, out_of_range, uintptr};
use crate::record::{BitVector, Location, Text};

/// More modules than any process has: each is an executable or a shared library.
const MAX_MODULES: usize = 4096;

/// `_PCDATA_StackMapIndex`.
pub(crate) const PCDATA_STACK_MAP_INDEX: i32 = 0;
/// `_FUNCDATA_ArgsPointerMaps`.
pub(crate) const FUNCDATA_ARGS_POINTER_MAPS: i32 = 0;
/// `_FUNCDATA_LocalsPointerMaps`.
pub(crate) const FUNCDATA_LOCALS_POINTER_MAPS: i32 = 1;
/// `_ArgsSizeUnknown`.
pub(crate) const ARGS_SIZE_UNKNOWN: i32 = i32::MIN;

/// `pcbucketsize`: bytes of text in a bucket of the findfunctab.
const PC_BUCKET_SIZE: u64 = 256 * 16;
/// `nsub`: subbuckets in a bucket.
const NSUB: u64 = 16;

/// The symbol table: `firstmoduledata` and the modules that it links to.
pub(crate) struct Symtab<'m, T> {
    process: Process<'m, T>,
    modules: Vec<Module>,
}

/// `moduledata`, as far as the symbol table needs it.
struct Module {
    pclntable: Header,
    ftab: Header,
    filetab: Header,
    findfunctab: Addr,
    minpc: u64,
    maxpc: u64,
}

impl Module {
    /// Reads the module at `datap`.
    fn read<T: Target>(process: &Process<'_, T>, datap: Addr) -> Result<Self, Error> {
        Ok(Module {
            pclntable: process.slice::<Uint8>(datap, Moduledata::pclntable())?,
            ftab: process.slice::<Functab>(datap, Moduledata::ftab())?,
            filetab: process.slice::<Uint32>(datap, Moduledata::filetab())?,
            findfunctab: Addr(process.get(datap, Moduledata::findfunctab())?),
            minpc: process.get(datap, Moduledata::minpc())?,
            maxpc: process.get(datap, Moduledata::maxpc())?,
        })
    }
}

/// `_func`: a function of the symbol table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Func {
    /// The address of the `_func`.
    addr: Addr,
    /// The index of its module.
    module: usize,
    /// `entry`: its first PC.
    pub entry: u64,
    /// `args`: the size of its arguments and results in bytes, or [`ARGS_SIZE_UNKNOWN`].
    pub args: i32,
    nameoff: i32,
    pcsp: i32,
    pcfile: i32,
    pcln: i32,
    npcdata: i32,
    nfuncdata: i32,
}

impl<T: Target> Load<T> for GoBitvector {
    type Value = BitVector;
    fn load(bytes: &[u8]) -> BitVector {
        let bytedata = GoBitvector::bytedata::<T>().offset as usize;
        BitVector {
            n: <Int32 as Load<T>>::load(&bytes[..4]),
            bytedata: <Ptr as Load<T>>::load(&bytes[bytedata..bytedata + T::PTR_SIZE as usize]),
        }
    }
}

impl<'m, T: Target> Symtab<'m, T> {
    /// Reads the list of modules that begins at `datap`.
    pub(crate) fn read(process: Process<'m, T>, mut datap: Addr) -> Result<Self, Error> {
        let mut modules = Vec::new();
        let next = Moduledata::next();
        let mut check = LoopCheck::new(next.place);
        while !datap.is_nil() {
            check.visit(datap)?;
            if modules.len() == MAX_MODULES {
                let problem = "there are more modules than a process can have";
                return Err(out_of_range(next.place, datap, MAX_MODULES as u64, problem));
            }
            modules.push(Module::read(&process, datap)?);
            datap = process.get(datap, next)?;
        }
        Ok(Symtab { process, modules })
    }

    /// Port of `findfunc`: the function that `pc` is in, if any.
    pub(crate) fn findfunc(&self, pc: u64) -> Result<Option<Func>, Error> {
        // findmoduledatap
        let Some(index) = self.modules.iter().position(|m| m.minpc <= pc && pc <= m.maxpc) else {
            return Ok(None);
        };
        let module = &self.modules[index];
        let bad = |problem| Error::BadSymtab { pc: Addr(pc), entry: Addr::NIL, problem };
        let x = pc - module.minpc;
        let bucket = x / PC_BUCKET_SIZE * <FindFuncBucket as GoType<T>>::SIZE;
        let ffb = offset::<T>(module.findfunctab, bucket);
        let subbucket =
            FindFuncBucket::subbuckets().first().element(x % PC_BUCKET_SIZE / (PC_BUCKET_SIZE / NSUB));
        let first: u32 = self.process.get(ffb, FindFuncBucket::idx())?;
        let mut idx = u64::from(first.wrapping_add(u32::from(self.process.get(ffb, subbucket)?)));
        let entry_of = |idx: u64| {
            if idx >= module.ftab.len {
                return Err(bad("findfunctab leads beyond the end of ftab"));
            }
            let functab = offset::<T>(module.ftab.array, idx * <Functab as GoType<T>>::SIZE);
            Ok((self.process.get(functab, Functab::entry())?, functab))
        };
        let (entry, mut functab) = entry_of(idx)?;
        if pc < entry {
            return Err(bad("findfunctab leads to a function after it"));
        }
        loop {
            idx += 1;
            let (entry, next) = entry_of(idx)?;
            if entry > pc {
                break;
            }
            functab = next;
        }
        let funcoff = self.process.get(functab, Functab::funcoff())?;
        if funcoff >= module.pclntable.len {
            return Err(out_of_range(Functab::funcoff::<T>().place, functab, funcoff, BEYOND_PCLNTABLE));
        }
        self.func(index, offset::<T>(module.pclntable.array, funcoff)).map(Some)
    }

    fn func(&self, module: usize, addr: Addr) -> Result<Func, Error> {
        Ok(Func {
            addr,
            module,
            entry: self.process.get(addr, GoFunc::entry())?,
            args: self.process.get(addr, GoFunc::args())?,
            nameoff: self.process.get(addr, GoFunc::nameoff())?,
            pcsp: self.process.get(addr, GoFunc::pcsp())?,
            pcfile: self.process.get(addr, GoFunc::pcfile())?,
            pcln: self.process.get(addr, GoFunc::pcln())?,
            npcdata: self.process.get(addr, GoFunc::npcdata())?,
            nfuncdata: self.process.get(addr, GoFunc::nfuncdata())?,
        })
    }

    /// Port of `pcvalue` (strict): what the table at offset `off` of the pclntab says of `targetpc`, or
    /// -1 when there is no table.
    fn pcvalue(&self, f: &Func, off: i32, targetpc: u64) -> Result<i32, Error> {
        if off == 0 {
            return Ok(-1);
        }
        let bad = |problem| Error::BadSymtab { pc: Addr(targetpc), entry: Addr(f.entry), problem };
        let off = u64::try_from(off).map_err(|_| bad("a table is at a negative offset"))?;
        let mut p = Bytes::new(&self.process, self.modules[f.module].pclntable, off);
        let mut to = Step { val: -1, pc: f.entry };
        loop {
            let first = to.pc == f.entry;
            match step::<T>(&mut p, &mut to, first)? {
                Some(true) if targetpc < to.pc => return Ok(to.val),
                Some(true) => {}
                Some(false) => return Err(bad("a table does not cover the pc")),
                None => return Err(bad("a table does not end")),
            }
        }
    }

    /// Port of `funcname`: empty for a function without a name.
    pub(crate) fn funcname(&self, f: &Func) -> Result<Text, Error> {
        if f.nameoff == 0 {
            return Ok(Text::Literal(""));
        }
        self.cstring(f, i64::from(f.nameoff), GoFunc::nameoff::<T>().place, f.addr)
    }

    /// `gostringnocopy(&pclntable[off])`; `place`, of what is at `at`, is where `off` comes from.
    fn cstring(&self, f: &Func, off: i64, place: Place, at: Addr) -> Result<Text, Error> {
        let table = self.modules[f.module].pclntable;
        let off = off as u64;
        if off >= table.len {
            return Err(out_of_range(place, at, off, BEYOND_PCLNTABLE));
        }
        let Some(len) = Bytes::new(&self.process, table, off).findnull()? else {
            return Err(out_of_range(place, at, off, "the string there has no end"));
        };
        Ok(Text::Target(Header { array: offset::<T>(table.array, off), len }))
    }

    /// Port of `funcline`: the file and the line of a PC, or `"?"` and 0.
    pub(crate) fn funcline(&self, f: &Func, targetpc: u64) -> Result<(Text, i32), Error> {
        let fileno = self.pcvalue(f, f.pcfile, targetpc)?;
        let line = self.pcvalue(f, f.pcln, targetpc)?;
        let filetab = self.modules[f.module].filetab;
        if fileno == -1 || line == -1 || i64::from(fileno) >= filetab.len as i64 {
            return Ok((Text::Literal("?"), 0));
        }
        let place = Moduledata::filetab::<T>().place;
        let fileno = u64::try_from(fileno)
            .map_err(|_| out_of_range(place, f.addr, fileno as u64, "the index of a file is negative"))?;
        let at = offset::<T>(filetab.array, fileno * <Uint32 as GoType<T>>::SIZE);
        let off: u32 = self.process.get(at, Field::<T, Uint32>::new(place, 0))?;
        Ok((self.cstring(f, i64::from(off), place, at)?, line))
    }

    /// Port of `funcspdelta`: how far SP is below its value at the function's entry, in bytes.
    pub(crate) fn funcspdelta(&self, f: &Func, targetpc: u64) -> Result<i32, Error> {
        self.pcvalue(f, f.pcsp, targetpc)
    }

    /// Port of `pcdatavalue`.
    pub(crate) fn pcdatavalue(&self, f: &Func, table: i32, targetpc: u64) -> Result<i32, Error> {
        if table < 0 || table >= f.npcdata {
            return Ok(-1);
        }
        let off =
            self.process.get(after_func::<T>(f, table as u64 * 4), Field::<T, Int32>::new(PCDATA, 0))?;
        self.pcvalue(f, off, targetpc)
    }

    /// Port of `funcdata`: nil when there is none.
    pub(crate) fn funcdata(&self, f: &Func, i: i32) -> Result<Addr, Error> {
        if i < 0 || i >= f.nfuncdata {
            return Ok(Addr::NIL);
        }
        let mut p = after_func::<T>(f, (f.npcdata as i64 as u64).wrapping_mul(4));
        if T::PTR_SIZE == 8 && p.0 & 4 != 0 {
            p = offset::<T>(p, 4);
        }
        self.process.get(offset::<T>(p, i as u64 * T::PTR_SIZE), Field::<T, Ptr>::new(FUNCDATA, 0))
    }

    /// `stackmap.n` of the stack maps at `stkmap`.
    pub(crate) fn stackmap_n(&self, stkmap: Addr) -> Result<i32, Error> {
        self.process.get(stkmap, Stackmap::n())
    }

    /// Port of `stackmapdata`: map `index` of the stack maps at `stkmap`.
    ///
    /// # Errors
    /// [`Error::Traceback`] at `at` where the reference throws; `entry` is the function that it names.
    pub(crate) fn stackmapdata(
        &self,
        stkmap: Addr,
        index: i32,
        entry: u64,
        at: At,
    ) -> Result<BitVector, Error> {
        let n = self.stackmap_n(stkmap)?;
        if index < 0 || index >= n {
            return Err(at.fail(TracebackError::StackMapIndex { entry: Addr(entry), index, n }));
        }
        let nbit: i32 = self.process.get(stkmap, Stackmap::nbit())?;
        if nbit < 0 {
            return Err(at.fail(TracebackError::NegativeBits(stkmap)));
        }
        let bytes_per_map = (nbit as u64).div_ceil(32) * 4;
        let bytedata = Stackmap::bytedata::<T>().offset + index as u64 * bytes_per_map;
        Ok(BitVector { n: nbit, bytedata: offset::<T>(stkmap, bytedata) })
    }

    /// Whether the string in the target's memory is `expected`.
    pub(crate) fn text_is(&self, text: Text, expected: &str) -> Result<bool, Error> {
        let header = match text {
            Text::Literal(s) => return Ok(s == expected),
            Text::Target(header) => header,
        };
        if header.len != expected.len() as u64 {
            return Ok(false);
        }
        let mut bytes = Bytes::new(&self.process, header, 0);
        for want in expected.bytes() {
            if bytes.next()? != Some(want) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Where a PC is, or the call before it.
    pub(crate) fn location(&self, pc: u64, call: bool) -> Result<Option<Location>, Error> {
        let Some(f) = self.findfunc(pc)? else { return Ok(None) };
        let func = self.funcname(&f)?;
        let pc = if call && pc > f.entry { pc - 1 } else { pc };
        let (file, line) = self.funcline(&f, pc)?;
        Ok(Some(Location { func, file, line: line as u64 }))
    }
}

const PCDATA: Place = Place::new("_func", "pcdata");
const FUNCDATA: Place = Place::new("_func", "funcdata");
const BEYOND_PCLNTABLE: &str = "that is beyond the end of moduledata.pclntable";

/// The address `bytes` after a `_func`'s last field, where its tables are.
fn after_func<T: Target>(f: &Func, bytes: u64) -> Addr {
    let nfuncdata = GoFunc::nfuncdata::<T>().offset;
    Addr(uintptr::<T>(f.addr.0.wrapping_add(nfuncdata + 4).wrapping_add(bytes)))
}

#[cfg(test)]
mod tests;
