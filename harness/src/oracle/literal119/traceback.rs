//! `runtime/traceback.go`: the walk up a stack, in the form that the dump asks for: all flags are 0.
//!
//! `gentraceback` of Go 1.19 and 1.20 does the same for a callback.

use super::stkframe::stkframe;
use super::{R, Runtime, throw};

const FuncFlagTopFrame: u64 = 1 << 0;
const FuncFlagSPWrite: u64 = 1 << 1;

/// An unwinder iterates the physical stack frames of a Go stack.
pub(super) struct unwinder {
    pub(super) frame: stkframe,
    g: u64,
    /// The funcID of the callee.
    calleeFuncID: u64,
    /// `frame.pc == 0`
    finished: bool,
}

impl Runtime<'_> {
    pub(super) fn initAt(&self, pc0: u64, sp0: u64, lr0: u64, gp: u64) -> R<unwinder> {
        let (mut pc, mut sp, mut lr) = (pc0, sp0, if self.usesLR() { lr0 } else { 0 });

        // If the PC is zero, it's likely a nil function call.
        // Start in the caller's frame.
        if pc == 0 {
            pc = self.load_uintptr(sp, "return PC")?;
            if self.usesLR() {
                lr = 0;
            } else {
                sp = self.add(sp, self.ptrSize);
            }
        }

        // internal/runtime/atomic functions call into kernel helpers on
        // arm < 7. (goarm is not asked: the addresses are the kernel's on newer machines too.)
        if self.target.goarch() == "arm" && pc & 0xffff_0000 == 0xffff_0000 {
            pc = lr;
            lr = 0;
        }

        let Some(f) = self.findfunc(pc)? else { return throw("unknown pc") };
        let frame = stkframe { func: f, pc, continpc: 0, lr, sp, fp: 0, varp: 0, argp: 0 };
        let mut u = unwinder { frame, g: gp, calleeFuncID: 0, finished: false };
        let isSyscall = pc == pc0
            && sp == sp0
            && pc0 == self.load(gp, "runtime.g.syscallpc")?
            && sp0 == self.load(gp, "runtime.g.syscallsp")?;
        self.resolveInternal(&mut u, true, isSyscall)?;
        Ok(u)
    }

    pub(super) fn valid(&self, u: &unwinder) -> bool {
        !u.finished
    }

    /// resolveInternal fills in u.frame based on u.frame.fn, pc, and sp.
    fn resolveInternal(&self, u: &mut unwinder, innermost: bool, isSyscall: bool) -> R<()> {
        let f = u.frame.func;
        if self.load(f._func, "runtime._func.pcsp")? == 0 {
            // No frame information, must be external function, like race support.
            return self.finishInternal(u);
        }
        let funcIDs = self.release.funcIDs();

        // Compute function info flags.
        let mut flag = self.load(f._func, "runtime._func.flag")?;
        if self.load(f._func, "runtime._func.funcID")? == funcIDs.cgocallback {
            flag &= !FuncFlagSPWrite;
        }
        if isSyscall {
            flag &= !FuncFlagSPWrite;
        }

        // Found an actual function.
        // Derive frame pointer.
        let frame = &mut u.frame;
        if frame.fp == 0 {
            frame.fp = self.add(frame.sp, self.int32_uintptr(self.funcspdelta(f, frame.pc)?));
            if !self.usesLR() {
                // On x86, call instruction pushes return PC before entering new function.
                frame.fp = self.add(frame.fp, self.ptrSize);
            }
        }

        // Derive link register.
        if flag & FuncFlagTopFrame != 0 {
            // This function marks the top of the stack. Stop the traceback.
            frame.lr = 0;
        } else if flag & FuncFlagSPWrite != 0 && !innermost {
            return throw("traceback");
        } else if self.usesLR() {
            if innermost && frame.sp < frame.fp || frame.lr == 0 {
                frame.lr = self.load_uintptr(frame.sp, "saved LR")?;
            }
        } else if frame.lr == 0 {
            frame.lr = self.load_uintptr(self.sub(frame.fp, self.ptrSize), "return PC")?;
        }

        frame.varp = frame.fp;
        if !self.usesLR() {
            // On x86, call instruction pushes return PC before entering new function.
            frame.varp = self.sub(frame.varp, self.ptrSize);
        }

        // For architectures with frame pointers, if there's
        // a frame, then there's a saved frame pointer here.
        let framepointer_enabled = ["amd64", "arm64"].contains(&self.target.goarch());
        if frame.varp > frame.sp && framepointer_enabled {
            frame.varp = self.sub(frame.varp, self.ptrSize);
        }

        frame.argp = self.add(frame.fp, self.MinFrameSize());

        // Determine frame's 'continuation PC', where it can continue.
        frame.continpc = frame.pc;
        if u.calleeFuncID == funcIDs.sigpanic {
            let deferreturn = self.load(f._func, "runtime._func.deferreturn")?;
            if deferreturn != 0 {
                frame.continpc = self.add(self.add(self.entry(f)?, deferreturn), 1);
            } else {
                frame.continpc = 0;
            }
        }
        Ok(())
    }

    pub(super) fn next_frame(&self, u: &mut unwinder) -> R<()> {
        self.tick()?;
        let funcIDs = self.release.funcIDs();
        let frame = &mut u.frame;

        // Do not unwind past the bottom of the stack.
        if frame.lr == 0 {
            return self.finishInternal(u);
        }
        let Some(flr) = self.findfunc(frame.lr)? else { return throw("unknown caller pc") };

        if frame.pc == frame.lr && frame.sp == frame.fp {
            // If the next frame is identical to the current frame, we cannot make progress.
            return throw("traceback stuck");
        }

        let funcID = self.load(frame.func._func, "runtime._func.funcID")?;
        let injectedCall = [funcIDs.sigpanic, funcIDs.asyncPreempt, funcIDs.debugCallV2].contains(&funcID);

        // Unwind to next frame.
        u.calleeFuncID = funcID;
        frame.func = flr;
        frame.pc = frame.lr;
        frame.lr = 0;
        frame.sp = frame.fp;
        frame.fp = 0;

        // On link register architectures, sighandler saves the LR on stack
        // before faking a call.
        if self.usesLR() && injectedCall {
            let x = self.load_uintptr(frame.sp, "the LR that a signal saved")?;
            frame.sp = self.add(frame.sp, self.MinFrameSize().next_multiple_of(self.StackAlign()));
            if self.funcspdelta(flr, frame.pc)? == 0 {
                frame.lr = x;
            }
        }
        self.resolveInternal(u, false, false)
    }

    fn finishInternal(&self, u: &mut unwinder) -> R<()> {
        u.finished = true;
        if u.frame.sp != self.load(u.g, "runtime.g.stktopsp")? {
            return throw("traceback did not unwind completely");
        }
        Ok(())
    }

    /// isSystemGoroutine reports whether the goroutine g must be omitted
    /// in stack dumps and deadlock detector.
    pub(super) fn isSystemGoroutine(&self, gp: u64) -> R<bool> {
        let Some(f) = self.findfunc(self.load(gp, "runtime.g.startpc")?)? else { return Ok(false) };
        let funcIDs = self.release.funcIDs();
        let funcID = self.load(f._func, "runtime._func.funcID")?;
        if [funcIDs.runtime_main, funcIDs.corostart, funcIDs.handleAsyncEvent].contains(&funcID) {
            return Ok(false);
        }
        if funcID == funcIDs.runFinalizers {
            // We include the finalizer goroutine if it's calling
            // back into user code.
            if self.release.minor < 20 {
                return Ok(self.load_byte(self.variable("runtime.fingRunning")?, "fingRunning")? == 0);
            }
            let fingRunningFinalizer = 1 << 1;
            let fingStatus = self.load_uint32(self.variable("runtime.fingStatus")?, "fingStatus")?;
            return Ok(fingStatus & fingRunningFinalizer == 0);
        }
        if funcID == funcIDs.runCleanups {
            // We include the cleanup goroutines if they're calling
            // back into user code.
            return Ok(self.load(gp, "runtime.g.runningCleanups")? == 0);
        }
        Ok(self.funcname_text(f)?.starts_with(b"runtime."))
    }
}
