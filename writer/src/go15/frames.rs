//! What a function's tables say of a frame.

use super::Go15;
use super::symtab::{FUNCDATA_ARGS_POINTER_MAPS, FUNCDATA_LOCALS_POINTER_MAPS, Func, PCDATA_STACK_MAP_INDEX};
use super::traceback::At;
use crate::error::Error;
use crate::go15::arch::Target;
use crate::memory::Addr;
use crate::process::uintptr;
use crate::record::{Frame, Locals, Stkframe};

impl<T: Target> Go15<'_, T> {
    /// The frame, and what `dumpframe` looks up of it.
    pub(super) fn frame(&self, gp: Addr, f: &Func, s: &Stkframe) -> Result<Frame, Error> {
        let symtab = &self.symtab;
        // Figure out what we can about our stack map
        let call = if s.pc != f.entry { uintptr::<T>(s.pc.wrapping_sub(1)) } else { s.pc };
        // When there is no valid pcdata value there might still be a stackmap for this function. It is
        // likely that we are looking at the function prologue, assume so and hope for the best.
        let pcdata = match symtab.pcdatavalue(f, PCDATA_STACK_MAP_INDEX, call)? {
            -1 => 0,
            pcdata => pcdata,
        };
        let map = |stkmap| symtab.stackmapdata(stkmap, pcdata, f.entry, At { gp, sp: s.sp });
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
        let name = symtab.funcname(f)?;
        Ok(Frame { s: *s, name, args, locals, objects: Vec::new() })
    }
}
