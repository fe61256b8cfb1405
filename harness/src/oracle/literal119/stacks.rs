//! `runtime/heapdump.go`: goroutines and their frames.

use super::heapdump::{Bytes, bitvector, fieldKindPtr, tagDefer, tagGoroutine, tagPanic, tagStackFrame};
use super::stkframe::stkframe;
use super::{R, Runtime, Stop, throw};

const _Grunnable: u64 = 1;
const _Grunning: u64 = 2;
const _Gsyscall: u64 = 3;
const _Gwaiting: u64 = 4;
const _Gdead: u64 = 6;
const _Gdeadextra: u64 = 11; // since Go 1.26

const PCDATA_StackMapIndex: u64 = 1;
const FUNCDATA_ArgsPointerMaps: u64 = 0;
const FUNCDATA_LocalsPointerMaps: u64 = 1;

/// Information passed up from the callee frame about
/// the layout of the outargs region.
struct childInfo {
    argoff: u64,     // where the arguments start in the frame
    arglen: u64,     // size of args region
    args: bitvector, // if args.n >= 0, pointer map of args region
    sp: u64,         // callee sp
    depth: u64,      // depth in call stack (0 == most recent)
}

const NONE: bitvector = bitvector { n: -1, bytedata: Bytes::Target(0) };

impl Runtime<'_> {
    /// The words from `off` on, up to `end`.
    fn dumpwords(&mut self, mut off: u64, end: u64) -> R<()> {
        while off < end {
            self.tick()?;
            self.dumpint(fieldKindPtr)?;
            self.dumpint(off)?;
            off = self.add(off, self.ptrSize);
        }
        Ok(())
    }

    fn dumpframe(&mut self, s: &stkframe, child: &mut childInfo) -> R<()> {
        let f = s.func;
        let entry = self.entry(f)?;

        // Figure out what we can about our stack map
        let mut pc = s.pc;
        let mut pcdata = -1; // Use the entry map at function entry
        if pc != entry {
            pc = self.sub(pc, 1);
            pcdata = self.pcdatavalue(f, PCDATA_StackMapIndex, pc)?;
        }
        if pcdata == -1 {
            // We do not have a valid pcdata value but there might be a
            // stackmap for this function. It is likely that we are looking
            // at the function prologue, assume so and hope for the best.
            pcdata = 0;
        }
        let mut stkmap = self.funcdata(f, FUNCDATA_LocalsPointerMaps)?;
        let stkmap_n = if stkmap == 0 { 0 } else { self.load_int32(stkmap, "runtime.stackmap.n")? };

        let bv = if stkmap != 0 && stkmap_n > 0 { self.stackmapdata(stkmap, pcdata)? } else { NONE };

        // Dump main body of stack frame.
        self.dumpint(tagStackFrame)?;
        self.dumpint(s.sp)?; // lowest address in frame
        self.dumpint(child.depth)?; // # of frames deep on the stack
        self.dumpint(child.sp)?; // sp of child, or 0 if bottom of stack
        self.dumpmemrange(s.sp, self.sub(s.fp, s.sp))?; // frame contents
        self.dumpint(entry)?;
        self.dumpint(s.pc)?;
        self.dumpint(s.continpc)?;
        match self.funcname(f)? {
            (_, 0) => self.dumpstr("unknown function")?,
            name => self.dumpmemrange(name.0, name.1)?,
        }

        // Dump fields in the outargs section
        if child.args.n >= 0 {
            self.dumpbv(&child.args, child.argoff)?;
        } else {
            // conservative - everything might be a pointer
            self.dumpwords(child.argoff, self.add(child.argoff, child.arglen))?;
        }

        // Dump fields in the local vars section
        let top = self.sub(s.varp, s.sp);
        if stkmap == 0 {
            // No locals information, dump everything.
            self.dumpwords(child.arglen, top)?;
        } else if stkmap_n < 0 {
            // Locals size information, dump just the locals.
            let size = self.int32_uintptr(stkmap_n.wrapping_neg());
            self.dumpwords(self.sub(top, size), top)?;
        } else if stkmap_n > 0 {
            // Locals bitmap information, scan just the pointers in
            // locals.
            self.dumpbv(&bv, self.sub(top, self.mul(self.int32_uintptr(bv.n), self.ptrSize)))?;
        }
        self.dumpeol()?;

        // Record arg info for parent.
        child.argoff = self.sub(s.argp, s.fp);
        child.arglen = self.argBytes(s)?;
        child.sp = s.sp;
        child.depth += 1;
        stkmap = self.funcdata(f, FUNCDATA_ArgsPointerMaps)?;
        child.args = if stkmap != 0 { self.stackmapdata(stkmap, pcdata)? } else { NONE };
        Ok(())
    }

    fn gobuf(&self, gp: u64, field: &str) -> R<u64> {
        self.load(self.field(gp, "runtime.g.sched")?, &format!("runtime.gobuf.{field}"))
    }

    fn dumpgoroutine(&mut self, gp: u64) -> R<()> {
        let (sp, pc, lr);
        if self.load(gp, "runtime.g.syscallsp")? != 0 {
            sp = self.load(gp, "runtime.g.syscallsp")?;
            pc = self.load(gp, "runtime.g.syscallpc")?;
            lr = 0;
        } else {
            sp = self.gobuf(gp, "sp")?;
            pc = self.gobuf(gp, "pc")?;
            lr = self.gobuf(gp, "lr")?;
        }

        self.dumpint(tagGoroutine)?;
        self.dumpint(gp)?;
        self.dumpint(sp)?;
        self.dumpint(self.load(gp, "runtime.g.goid")?)?;
        self.dumpint(self.load(gp, "runtime.g.gopc")?)?;
        self.dumpint(self.readgstatus(gp)?)?;
        let system = self.isSystemGoroutine(gp)?;
        self.dumpbool(system)?;
        self.dumpbool(false)?; // isbackground
        self.dumpint(self.load(gp, "runtime.g.waitsince")?)?;
        // waitReason.String
        let strings = "runtime.waitReasonStrings";
        let at = self.layouts.variable(strings).ok_or_else(|| Stop::NoLayout(strings.to_owned()))?;
        let w = self.load(gp, "runtime.g.waitreason")?;
        if w >= at.size / (2 * self.ptrSize) {
            self.dumpstr("unknown wait reason")?;
        } else {
            let s = self.load_string(self.add(at.addr.0, w * 2 * self.ptrSize), strings)?;
            self.dumpmemrange(s.0, s.1)?;
        }
        self.dumpint(self.gobuf(gp, "ctxt")?)?;
        self.dumpint(self.load(gp, "runtime.g.m")?)?;
        let (defers, panics) = (self.load(gp, "runtime.g._defer")?, self.load(gp, "runtime.g._panic")?);
        self.dumpint(defers)?;
        self.dumpint(panics)?;

        // dump stack
        let mut child = childInfo { argoff: 0, arglen: 0, args: NONE, sp: 0, depth: 0 };
        let mut u = self.initAt(pc, sp, lr, gp)?;
        while self.valid(&u) {
            self.dumpframe(&u.frame, &mut child)?;
            self.next_frame(&mut u)?;
        }

        // dump defer & panic records
        let mut d = defers;
        while d != 0 {
            self.tick()?;
            self.dumpint(tagDefer)?;
            self.dumpint(d)?;
            self.dumpint(gp)?;
            self.dumpint(self.load(d, "runtime._defer.sp")?)?;
            self.dumpint(self.load(d, "runtime._defer.pc")?)?;
            let func = self.load(d, "runtime._defer.fn")?;
            self.dumpint(func)?;
            // d.fn can be nil for open-coded defers
            let code = if func == 0 { 0 } else { self.load_uintptr(func, "funcval.fn")? };
            self.dumpint(code)?;
            d = self.load(d, "runtime._defer.link")?;
            self.dumpint(d)?;
        }
        let mut p = panics;
        while p != 0 {
            self.tick()?;
            self.dumpint(tagPanic)?;
            self.dumpint(p)?;
            self.dumpint(gp)?;
            let eface = self.load_string(self.field(p, "runtime._panic.arg")?, "_panic.arg")?;
            self.dumpint(eface.0)?;
            self.dumpint(eface.1)?;
            self.dumpint(0)?; // was p->defer, no longer recorded
            p = self.load(p, "runtime._panic.link")?;
            self.dumpint(p)?;
        }
        Ok(())
    }

    fn readgstatus(&self, gp: u64) -> R<u64> {
        self.load(gp, "runtime.g.atomicstatus")
    }

    pub(super) fn dumpgs(&mut self) -> R<()> {
        // goroutines & stacks
        let (allgs, len) = self.load_string(self.variable("runtime.allgs")?, "allgs")?;
        for i in 0..len {
            self.tick()?;
            let gp = self.load_uintptr(self.add(allgs, self.mul(i, self.ptrSize)), "allgs")?;
            match self.readgstatus(gp)? {
                // Since Go 1.26 a goroutine that is leaving a system call is dumped before that.
                _Grunning => return throw("dumpgs in STW - bad status"),
                _Gdead => {}
                _Gdeadextra if self.release.minor >= 26 => {}
                _Grunnable | _Gsyscall | _Gwaiting => self.dumpgoroutine(gp)?,
                _ => return throw("dumpgs in STW - bad status"),
            }
        }
        Ok(())
    }
}
