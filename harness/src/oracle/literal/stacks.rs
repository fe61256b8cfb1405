//! `runtime/heapdump.go`, lines 220 to 416: goroutines, their frames, defers and panics, and the
//! queued finalizers.

use super::heapdump::{tagDefer, tagGoroutine, tagPanic, tagQueuedFinalizer, tagStackFrame};
use super::memory::{Pointer, string};
use super::symtab::{
    _FUNCDATA_ArgsPointerMaps, _FUNCDATA_LocalsPointerMaps, _PCDATA_StackMapIndex, bitvector, bytedata,
};
use super::traceback::stkframe;
use super::{R, Runtime, throw_at};

const _Grunnable: u64 = 1;
const _Gsyscall: u64 = 3;
pub(super) const _Gwaiting: u64 = 4;
const _Gdead: u64 = 6;

// Information passed up from the callee frame about
// the layout of the outargs region.
pub(super) struct childInfo {
    pub(super) argoff: u64,     // where the arguments start in the frame
    pub(super) arglen: u64,     // size of args region
    pub(super) args: bitvector, // if args.n >= 0, pointer map of args region
    pub(super) sp: u64,         // callee sp
    pub(super) depth: u64,      // depth in call stack (0 == most recent)
}

const nil_bitvector: bitvector = bitvector { n: -1, bytedata: bytedata::target(0) };

impl childInfo {
    pub(super) fn new() -> Self {
        childInfo { argoff: 0, arglen: 0, args: nil_bitvector, sp: 0, depth: 0 }
    }
}

impl Runtime<'_> {
    pub(super) fn dumpframe(&mut self, s: &stkframe, child: &mut childInfo) -> R<bool> {
        let f = s.func;

        // Figure out what we can about our stack map
        let mut pc = s.pc;
        if pc != self.load(f, "_func.entry")? {
            pc = self.sub(pc, 1);
        }
        let mut pcdata = self.pcdatavalue(f, _PCDATA_StackMapIndex, pc)?;
        if pcdata == -1 {
            // We do not have a valid pcdata value but there might be a
            // stackmap for this function.  It is likely that we are looking
            // at the function prologue, assume so and hope for the best.
            pcdata = 0;
        }
        let mut stkmap = self.funcdata(f, _FUNCDATA_LocalsPointerMaps)?;

        // Dump any types we will need to resolve Efaces.
        if child.args.n >= 0 {
            self.dumpbvtypes(&child.args, self.add(s.sp, child.argoff));
        }
        let bv;
        let stkmap_n = if stkmap != 0 { self.load_int32(stkmap, "stackmap.n")? } else { 0 };
        if stkmap != 0 && stkmap_n > 0 {
            bv = self.stackmapdata(stkmap, pcdata)?;
            let base = self.sub(s.varp, self.signed(bv.n.wrapping_mul(self.ptrSize as i32)));
            self.dumpbvtypes(&bv, base);
        } else {
            bv = nil_bitvector;
        }

        // Dump main body of stack frame.
        self.dumpint(tagStackFrame)?;
        self.dumpint(s.sp)?; // lowest address in frame
        self.dumpint(child.depth)?; // # of frames deep on the stack
        self.dumpint(child.sp)?; // sp of child, or 0 if bottom of stack
        self.dumpmemrange(Pointer::Target(s.sp), self.sub(s.fp, s.sp))?; // frame contents
        self.dumpint(self.load(f, "_func.entry")?)?;
        self.dumpint(s.pc)?;
        self.dumpint(s.continpc)?;
        let mut name: string = self.funcname(f)?;
        if name.len == 0 {
            name = "unknown function".into();
        }
        self.dumpstr(name)?;

        // Dump fields in the outargs section
        let limit = self.fixes.args_in_frame.then_some(self.sub(s.fp, s.sp));
        let argend = self.add(child.argoff, child.arglen);
        if child.args.n >= 0 {
            self.dumpbv_in(&child.args, child.argoff, limit)?;
        } else {
            // conservative - everything might be a pointer
            self.dumpwords(child.argoff, argend, limit)?;
        }

        // Dump fields in the local vars section
        if stkmap == 0 {
            // No locals information, dump everything.
            let mut off = child.arglen;
            if self.fixes.locals_offset {
                off = argend.checked_next_multiple_of(self.ptrSize).unwrap_or(u64::MAX);
            }
            self.dumpwords(off, self.sub(s.varp, s.sp), None)?;
        } else if stkmap_n < 0 {
            // Locals size information, dump just the locals.
            let size = self.signed(stkmap_n.wrapping_neg());
            self.dumpwords(self.sub(self.sub(s.varp, size), s.sp), self.sub(s.varp, s.sp), None)?;
        } else if stkmap_n > 0 {
            // Locals bitmap information, scan just the pointers in
            // locals.
            let locals = self.mul(self.signed(bv.n), self.ptrSize);
            self.dumpbv(&bv, self.sub(self.sub(s.varp, locals), s.sp))?;
        }
        self.dumpeol()?;

        // Record arg info for parent.
        child.argoff = self.sub(s.argp, s.fp);
        child.arglen = s.arglen;
        child.sp = s.sp;
        child.depth += 1;
        stkmap = self.funcdata(f, _FUNCDATA_ArgsPointerMaps)?;
        if stkmap != 0 {
            child.args = self.stackmapdata(stkmap, pcdata)?;
        } else {
            child.args.n = -1;
        }
        Ok(true)
    }

    fn dumpgoroutine(&mut self, gp: u64) -> R<()> {
        let (sp, pc, lr);
        if self.load(gp, "g.syscallsp")? != 0 {
            sp = self.load(gp, "g.syscallsp")?;
            pc = self.load(gp, "g.syscallpc")?;
            lr = 0;
        } else {
            sp = self.load(gp, "g.sched.sp")?;
            pc = self.load(gp, "g.sched.pc")?;
            lr = self.load(gp, "g.sched.lr")?;
        }

        self.dumpint(tagGoroutine)?;
        self.dumpint(gp)?;
        self.dumpint(sp)?;
        self.dumpint(self.load(gp, "g.goid")?)?;
        self.dumpint(self.load(gp, "g.gopc")?)?;
        self.dumpint(self.readgstatus(gp)?)?;
        self.dumpbool(self.isSystemGoroutine(gp)?)?;
        self.dumpbool(false)?; // isbackground
        self.dumpint(self.load(gp, "g.waitsince")?)?;
        self.dumpstr(self.load_string(self.field(gp, "g.waitreason"), "g.waitreason")?)?;
        self.dumpint(self.load(gp, "g.sched.ctxt")?)?;
        self.dumpint(self.load(gp, "g.m")?)?;
        self.dumpint(self.load(gp, "g._defer")?)?;
        self.dumpint(self.load(gp, "g._panic")?)?;

        // dump stack
        let mut child = childInfo::new();
        self.gentraceback(pc, sp, lr, gp, 0x7fffffff, Self::dumpframe, &mut child)?;

        // dump defer & panic records
        let mut d = self.load(gp, "g._defer")?;
        while d != 0 {
            self.tick()?;
            self.dumpint(tagDefer)?;
            self.dumpint(d)?;
            self.dumpint(gp)?;
            self.dumpint(self.load(d, "_defer.sp")?)?;
            self.dumpint(self.load(d, "_defer.pc")?)?;
            let r#fn = self.load(d, "_defer.fn")?;
            self.dumpint(r#fn)?;
            self.dumpint(self.load(r#fn, "funcval.fn")?)?;
            self.dumpint(self.load(d, "_defer.link")?)?;
            d = self.load(d, "_defer.link")?;
        }
        let mut p = self.load(gp, "g._panic")?;
        while p != 0 {
            self.tick()?;
            self.dumpint(tagPanic)?;
            self.dumpint(p)?;
            self.dumpint(gp)?;
            self.dumpint(self.load(p, "_panic.arg._type")?)?;
            self.dumpint(self.load(p, "_panic.arg.data")?)?;
            self.dumpint(0)?; // was p->defer, no longer recorded
            self.dumpint(self.load(p, "_panic.link")?)?;
            p = self.load(p, "_panic.link")?;
        }
        Ok(())
    }

    fn readgstatus(&self, gp: u64) -> R<u64> {
        self.load(gp, "g.atomicstatus")
    }

    pub(super) fn dumpgs(&mut self) -> R<()> {
        // goroutines & stacks
        let mut i = 0;
        while i < self.load_uintptr(self.symbols.allglen.0, "runtime.allglen")? {
            self.tick()?;
            // gp := allgs[i]
            let allgs = self.load_slice(self.symbols.allgs.0, "runtime.allgs")?;
            if i >= allgs.len {
                return throw_at("index out of range", "allgs", i);
            }
            let gp = self.load_uintptr(self.add(allgs.array, self.mul(i, self.ptrSize)), "runtime.allgs")?;
            let status = self.readgstatus(gp)?; // The world is stopped so gp will not be in a scan state.
            match status {
                _Gdead => {} // ok
                _Grunnable | _Gsyscall | _Gwaiting => self.dumpgoroutine(gp)?,
                _ => {
                    let print = "runtime: unexpected G.status";
                    return throw_at("dumpgs in STW - bad status", print, status);
                }
            }
            i += 1;
        }
        Ok(())
    }

    pub(super) fn finq_callback(&mut self, r#fn: u64, obj: u64, _nret: u64, fint: u64, ot: u64) -> R<()> {
        self.dumpint(tagQueuedFinalizer)?;
        self.dumpint(obj)?;
        self.dumpint(r#fn)?;
        self.dumpint(self.load(r#fn, "funcval.fn")?)?;
        self.dumpint(fint)?;
        self.dumpint(ot)
    }
}
