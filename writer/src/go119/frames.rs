//! What a function's tables say of a frame.

use super::Go119;
use super::cache::LookUp;
use super::symtab::Func;
use crate::error::Error;
use crate::memory::Addr;
use crate::process::uintptr;
use crate::record::{BitVector, Frame, Locals, Stkframe};
use crate::target::Target;

/// `abi.PCDATA_StackMapIndex`.
const PCDATA_STACK_MAP_INDEX: u64 = 1;
/// `abi.FUNCDATA_ArgsPointerMaps`.
const FUNCDATA_ARGS_POINTER_MAPS: u64 = 0;
/// `abi.FUNCDATA_LocalsPointerMaps`.
const FUNCDATA_LOCALS_POINTER_MAPS: u64 = 1;

impl<T: Target> Go119<'_, T> {
    /// The frame, and what `dumpframe` looks up of it.
    pub(super) fn frame(&self, gp: Addr, f: &Func, s: &Stkframe) -> Result<Frame, Error> {
        let symtab = &self.symtab;
        let name = symtab.funcname(f)?;
        let pc = if self.defects.maps_of_traps { s.pc } else { s.continpc };
        if pc == 0 {
            // Frame is dead.
            let none = BitVector { n: 0, bytedata: Addr::NIL };
            return Ok(Frame { s: *s, name, args: Some(none), locals: Locals::None, objects: Vec::new() });
        }
        let pcdata = self.stack_map_index(f, pc)?;
        let map = |stkmap| -> Result<BitVector, Error> {
            let fail = |source| Error::Traceback { g: gp, sp: Addr(s.sp), source };
            symtab.stackmapdata(stkmap, pcdata, f.entry)?.map_err(fail)
        };
        let locals = match symtab.funcdata(f, FUNCDATA_LOCALS_POINTER_MAPS)? {
            Addr::NIL => Locals::Unknown,
            stkmap => match symtab.stackmap_n(stkmap)? {
                0 => Locals::None,
                n @ ..0 => Locals::Size(uintptr::<T>(u64::from(n.unsigned_abs()))),
                _ => Locals::Map(map(stkmap)?),
            },
        };
        let args = match symtab.funcdata(f, FUNCDATA_ARGS_POINTER_MAPS)? {
            Addr::NIL => None,
            stkmap => Some(map(stkmap)?),
        };
        Ok(Frame { s: *s, name, args, locals, objects: Vec::new() })
    }

    /// Figure out what we can about our stack map.
    fn stack_map_index(&self, f: &Func, pc: u64) -> Result<i32, Error> {
        let mut pcdata = -1; // Use the entry map at function entry
        if pc != f.entry {
            let off = self.symtab.pcdatastart(f, PCDATA_STACK_MAP_INDEX)?;
            pcdata = self.pcvalue(f, off, uintptr::<T>(pc.wrapping_sub(1)), Some(LookUp::StackMap))?;
        }
        // We do not have a valid pcdata value but there might be a stackmap for this function. It is likely that we are
        // looking at the function prologue, assume so and hope for the best.
        Ok(if pcdata == -1 { 0 } else { pcdata })
    }

    /// Port of `pcvalue`, with the trace that it leaves in the process if it is the dump that looks something up.
    pub(super) fn pcvalue(
        &self,
        f: &Func,
        off: u64,
        targetpc: u64,
        counts: Option<LookUp>,
    ) -> Result<i32, Error> {
        let Some(value) = self.symtab.pcvalue(f, off, targetpc)? else { return Ok(-1) };
        if let Some(what) = counts {
            self.own.borrow_mut().cache.look_up(what, off, targetpc, value);
        }
        Ok(value.val)
    }
}
