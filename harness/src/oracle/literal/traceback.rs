//! `runtime/traceback.go`: the walk up a stack, in the form that a callback asks for.
//!
//! What only prints, fills a `pcbuf` or skips frames is left out: `skip` and `flags` are 0, `pcbuf`
//! is nil, and `callback` is not.

use heapmatrix_writer::AnyTarget;

use super::memory::{Pointer, slice};
use super::symtab::_ArgsSizeUnknown;
use super::{R, Runtime, throw, throw_at};

/// `type stkframe struct`, runtime2.go
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct stkframe {
    pub(super) func: u64,     // function being run (fn, a keyword of Rust)
    pub(super) pc: u64,       // program counter within fn
    pub(super) continpc: u64, // program counter where execution can continue, or 0 if not
    pub(super) lr: u64,       // program counter at caller aka link register
    pub(super) sp: u64,       // stack pointer at pc
    pub(super) fp: u64,       // stack pointer at caller aka frame pointer
    pub(super) varp: u64,     // top of local variables
    pub(super) argp: u64,     // pointer to function arguments
    pub(super) arglen: u64,   // number of bytes at argp
    pub(super) argmap: u64,   // force use of this argmap
}

impl Runtime<'_> {
    /// Generic traceback.
    pub(super) fn gentraceback<V>(
        &mut self,
        pc0: u64,
        sp0: u64,
        lr0: u64,
        gp: u64,
        max: i32,
        callback: fn(&mut Self, &stkframe, &mut V) -> R<bool>,
        v: &mut V,
    ) -> R<i32> {
        if self.symbols.goexit.is_nil() {
            return throw("gentraceback before goexitPC initialization");
        }
        let usesLR = self.target.uses_lr();
        let regSize = self.target.reg_size();
        let _NoArgs = self.uintptr(!0); // stubs.go
        let stackBarrierPC = self.symbols.stack_barrier.0;

        // Fix up returns to the stack barrier by fetching the
        // original return PC from gp.stkbar.
        let gp_stkbarPos = self.load(gp, "g.stkbarPos")?;
        let mut stkbar = self.stkbar(gp, gp_stkbarPos)?;

        let mut frame = stkframe { pc: pc0, sp: sp0, ..stkframe::default() };
        if usesLR {
            frame.lr = lr0;
        }
        let mut waspanic = false;
        let mut _defer = self.load(gp, "g._defer")?;

        while _defer != 0 && self.load(_defer, "_defer.sp")? == _NoArgs {
            self.tick()?;
            _defer = self.load(_defer, "_defer.link")?;
        }

        // If the PC is zero, it's likely a nil function call.
        // Start in the caller's frame.
        if frame.pc == 0 {
            if usesLR {
                frame.pc = self.load_uintptr(frame.sp, "saved LR")?;
                frame.lr = 0;
            } else {
                frame.pc = self.load_uintreg(frame.sp, "return PC")?;
                frame.sp = self.add(frame.sp, regSize);
            }
        }

        let mut f = self.findfunc(frame.pc)?;
        if f != 0 && self.load(f, "_func.entry")? == stackBarrierPC {
            // We got caught in the middle of a stack barrier
            // (presumably by a signal), so stkbar may be
            // inconsistent with the barriers on the stack.
            // Simulate the completion of the barrier.
            //
            // On x86, SP will be exactly one word above
            // savedLRPtr. On LR machines, SP will be above
            // savedLRPtr by some frame size.
            let stkbarPos = if stkbar.len > 0 && self.load(stkbar.array, "stkbar.savedLRPtr")? < sp0 {
                // stackBarrier has not incremented stkbarPos.
                gp_stkbarPos
            } else if gp_stkbarPos > 0
                && self.load(self.gp_stkbar(gp, gp_stkbarPos - 1)?, "stkbar.savedLRPtr")? < sp0
            {
                // stackBarrier has incremented stkbarPos.
                gp_stkbarPos - 1
            } else {
                let print = "runtime: failed to unwind through stackBarrier at SP";
                return throw_at("inconsistent state in stackBarrier", print, sp0);
            };

            frame.pc = self.load(self.gp_stkbar(gp, stkbarPos)?, "stkbar.savedLRVal")?;
            stkbar = self.stkbar(gp, stkbarPos + 1)?;
            f = self.findfunc(frame.pc)?;
        }
        if f == 0 {
            return throw_at("unknown pc", "runtime: unknown pc", frame.pc);
        }
        frame.func = f;

        let mut n: i32 = 0;
        while n < max {
            self.tick()?;
            // Typically:
            //	pc is the PC of the running function.
            //	sp is the stack pointer at that program counter.
            //	fp is the frame pointer (caller's stack pointer) at that program counter, or nil if unknown.
            //	stk is the stack containing sp.
            //	The caller's program counter is lr, unless lr is zero, in which case it is *(uintptr*)sp.
            f = frame.func;

            // Found an actual function.
            // Derive frame pointer and link register.
            if frame.fp == 0 {
                let sp = frame.sp;
                frame.fp = self.add(sp, self.signed(self.funcspdelta(f, frame.pc)?));
                if !usesLR {
                    // On x86, call instruction pushes return PC before entering new function.
                    frame.fp = self.add(frame.fp, regSize);
                }
            }
            let flr;
            if self.topofstack(f)? {
                frame.lr = 0;
                flr = 0;
            } else if usesLR && self.load(f, "_func.entry")? == self.symbols.jmpdefer.0 {
                // jmpdefer modifies SP/LR/PC non-atomically.
                // If a profiling interrupt arrives during jmpdefer,
                // the stack unwind may see a mismatched register set
                // and get confused. Stop if we see PC within jmpdefer
                // to avoid that confusion.
                // See golang.org/issue/8153.
                return throw("traceback_arm: found jmpdefer when tracing with callback");
            } else {
                let mut lrPtr = 0;
                if usesLR {
                    if n == 0 && frame.sp < frame.fp || frame.lr == 0 {
                        lrPtr = frame.sp;
                        frame.lr = self.load_uintptr(lrPtr, "saved LR")?;
                    }
                } else if frame.lr == 0 {
                    lrPtr = self.sub(frame.fp, regSize);
                    frame.lr = self.load_uintreg(lrPtr, "return PC")?;
                }
                if frame.lr == stackBarrierPC {
                    // Recover original PC.
                    if stkbar.len == 0 || self.load(stkbar.array, "stkbar.savedLRPtr")? != lrPtr {
                        return throw_at("missed stack barrier", "found next stack barrier at", lrPtr);
                    }
                    frame.lr = self.load(stkbar.array, "stkbar.savedLRVal")?;
                    let size = self.layout.sizeof("stkbar");
                    stkbar = slice { array: self.add(stkbar.array, size), len: stkbar.len - 1 };
                }
                flr = self.findfunc(frame.lr)?;
                if flr == 0 {
                    // This happens if you get a profiling interrupt at just the wrong time.
                    // In that context it is okay to stop early.
                    // But if callback is set, we're doing a garbage collection and must
                    // get everything, so crash loudly.
                    let print = "runtime: unexpected return pc, called from";
                    return throw_at("unknown caller pc", print, frame.lr);
                }
            }

            frame.varp = frame.fp;
            if !usesLR {
                // On x86, call instruction pushes return PC before entering new function.
                frame.varp = self.sub(frame.varp, regSize);
            }

            // If framepointer_enabled and there's a frame, then
            // there's a saved bp here.
            if self.framepointer_enabled()? && self.target == AnyTarget::Amd64 && frame.varp > frame.sp {
                frame.varp = self.sub(frame.varp, regSize);
            }

            // Derive size of arguments.
            // Most functions have a fixed-size argument block,
            // so we can use metadata about the function f.
            // Not all, though: there are some variadic functions
            // in package runtime and reflect, and for those we use call-specific
            // metadata recorded by f's caller.
            frame.argp = frame.fp;
            if usesLR {
                frame.argp = self.add(frame.argp, self.ptrSize);
            }
            self.setArgInfo(&mut frame, f, true)?;

            // Determine frame's 'continuation PC', where it can continue.
            // Normally this is the return address on the stack, but if sigpanic
            // is immediately below this function on the stack, then the frame
            // stopped executing due to a trap, and frame.pc is probably not
            // a safe point for looking up liveness information. In this panicking case,
            // the function either doesn't return at all (if it has no defers or if the
            // defers do not recover) or it returns from one of the calls to
            // deferproc a second time (if the corresponding deferred func recovers).
            // It suffices to assume that the most recent deferproc is the one that
            // returns; everything live at earlier deferprocs is still live at that one.
            frame.continpc = frame.pc;
            if waspanic {
                if _defer != 0 && self.load(_defer, "_defer.sp")? == frame.sp {
                    frame.continpc = self.load(_defer, "_defer.pc")?;
                } else {
                    frame.continpc = 0;
                }
            }

            // Unwind our local defer stack past this frame.
            while _defer != 0 {
                let sp = self.load(_defer, "_defer.sp")?;
                if !(sp == frame.sp || sp == _NoArgs) {
                    break;
                }
                self.tick()?;
                _defer = self.load(_defer, "_defer.link")?;
            }

            if !callback(self, &frame, v)? {
                return Ok(n);
            }
            n += 1;

            waspanic = self.load(f, "_func.entry")? == self.symbols.sigpanic.0;

            // Do not unwind past the bottom of the stack.
            if flr == 0 {
                break;
            }

            // Unwind to next frame.
            frame.func = flr;
            frame.pc = frame.lr;
            frame.lr = 0;
            frame.sp = frame.fp;
            frame.fp = 0;
            frame.argmap = 0;

            // On link register architectures, sighandler saves the LR on stack
            // before faking a call to sigpanic.
            if usesLR && waspanic {
                let x = self.load_uintptr(frame.sp, "LR saved by sighandler")?;
                frame.sp = self.add(frame.sp, self.ptrSize);
                if self.target == AnyTarget::Arm64 {
                    // arm64 needs 16-byte aligned SP, always
                    frame.sp = self.add(frame.sp, self.ptrSize);
                }
                f = self.findfunc(frame.pc)?;
                frame.func = f;
                if f == 0 {
                    frame.pc = x;
                } else if self.funcspdelta(f, frame.pc)? == 0 {
                    frame.lr = x;
                }
            }
        }

        // If callback != nil, we're being called to gather stack information during
        // garbage collection or stack growth. In that context, require that we used
        // up the entire defer stack. If not, then there is a bug somewhere and the
        // garbage collection or stack growth may not have seen the correct picture
        // of the stack. Crash now instead of silently executing the garbage collection
        // or stack copy incorrectly and setting up for a mysterious crash later.
        if n < max && _defer != 0 {
            return throw_at("traceback has leftover defers", "leftover defer", _defer);
        }

        if n < max && stkbar.len > 0 {
            return throw_at("traceback has leftover stack barriers", "leftover stack barrier", stkbar.array);
        }

        Ok(n)
    }

    /// `gp.stkbar[low:]`
    fn stkbar(&self, gp: u64, low: u64) -> R<slice> {
        let stkbar = self.load_slice(self.field(gp, "g.stkbar"), "g.stkbar")?;
        if low > stkbar.len {
            return throw_at("slice bounds out of range", "g.stkbar", low);
        }
        let array = self.add(stkbar.array, self.mul(low, self.layout.sizeof("stkbar")));
        Ok(slice { array, len: stkbar.len - low })
    }

    /// `&gp.stkbar[i]`
    fn gp_stkbar(&self, gp: u64, i: u64) -> R<u64> {
        match self.stkbar(gp, i)? {
            slice { len: 0, .. } => throw_at("index out of range", "g.stkbar", i),
            slice { array, .. } => Ok(array),
        }
    }

    fn framepointer_enabled(&self) -> R<bool> {
        let enabled = self.symbols.framepointer_enabled;
        Ok(!enabled.is_nil() && self.load_byte(enabled.0, "runtime.framepointer_enabled")? != 0)
    }

    fn setArgInfo(&self, frame: &mut stkframe, f: u64, needArgMap: bool) -> R<()> {
        let args = self.load_int32(f, "_func.args")?;
        frame.arglen = self.signed(args);
        if needArgMap && args == _ArgsSizeUnknown {
            // Extract argument bitmaps for reflect stubs from the calls they made to reflect.
            match self.gostring(f)?.as_slice() {
                b"reflect.makeFuncStub" | b"reflect.methodValueCall" => {
                    let mut arg0 = frame.sp;
                    if self.target.uses_lr() {
                        arg0 = self.add(arg0, self.ptrSize);
                    }
                    let r#fn = self.load_uintptr(arg0, "the stub's first argument")?;
                    if self.load_uintptr(r#fn, "reflect.makeFuncImpl.code")? != self.load(f, "_func.entry")? {
                        return throw_at("reflect mismatch", "runtime: confused by the stub at", frame.pc);
                    }
                    let fn1 = self.add(r#fn, self.ptrSize);
                    let bv = self.load_uintptr(fn1, "reflect.makeFuncImpl.stack")?;
                    let n = self.load_int32(bv, "bitvector.n")?;
                    frame.arglen = self.signed(n.wrapping_mul(self.ptrSize as i32));
                    frame.argmap = bv;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// `funcname(f)`, to be compared: names longer than any that is asked for don't matter.
    fn gostring(&self, f: u64) -> R<Vec<u8>> {
        let name = self.funcname(f)?;
        match name.str {
            Pointer::Target(_) => self.bytes(name.str, name.len.min(64), "a name in pclntable"),
            Pointer::Host(bytes) => Ok(bytes.to_vec()),
        }
    }

    /// Does f mark the top of a goroutine stack?
    fn topofstack(&self, f: u64) -> R<bool> {
        let pc = self.load(f, "_func.entry")?;
        Ok(pc == self.symbols.goexit.0
            || pc == self.symbols.mstart.0
            || pc == self.symbols.mcall.0
            || pc == self.symbols.morestack.0
            || pc == self.symbols.rt0_go.0)
        // externalthreadhandlerp is Windows's alone.
    }

    /// isSystemGoroutine reports whether the goroutine g must be omitted in
    /// stack dumps and deadlock detector.
    pub(super) fn isSystemGoroutine(&self, gp: u64) -> R<bool> {
        let pc = self.load(gp, "g.startpc")?;
        let fingRunning = || self.load_byte(self.symbols.fing_running.0, "runtime.fingRunning");
        Ok(pc == self.symbols.runfinq.0 && fingRunning()? == 0
            || pc == self.symbols.backgroundgc.0
            || pc == self.symbols.bgsweep.0
            || pc == self.symbols.forcegchelper.0
            || pc == self.symbols.timerproc.0
            || pc == self.symbols.gc_bg_mark_worker.0)
    }
}
