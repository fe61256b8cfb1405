//! `runtime/stkframe.go`: a frame, and its arguments.

use super::symtab::{ArgsSizeUnknown, funcInfo};
use super::{R, Runtime, throw};

/// A stkframe holds information about a single physical stack frame.
#[derive(Clone, Copy)]
pub(super) struct stkframe {
    pub(super) func: funcInfo, // function being run (fn, a keyword of Rust)
    pub(super) pc: u64,        // program counter within fn
    pub(super) continpc: u64,  // program counter where execution can continue, or 0 if not
    pub(super) lr: u64,        // program counter at caller aka link register
    pub(super) sp: u64,        // stack pointer at pc
    pub(super) fp: u64,        // stack pointer at caller aka frame pointer
    pub(super) varp: u64,      // top of local variables
    pub(super) argp: u64,      // pointer to function arguments
}

impl Runtime<'_> {
    /// `sys.MinFrameSize`
    pub(super) fn MinFrameSize(&self) -> u64 {
        match self.target.goarch() {
            "386" | "amd64" => 0,
            "ppc64" | "ppc64le" => 32,
            _ => self.ptrSize,
        }
    }

    /// `sys.StackAlign`
    pub(super) fn StackAlign(&self) -> u64 {
        match self.target.goarch() {
            "arm64" | "ppc64" | "ppc64le" => 16,
            _ => self.ptrSize,
        }
    }

    /// `usesLR`
    pub(super) fn usesLR(&self) -> bool {
        self.MinFrameSize() > 0
    }

    /// argBytes returns the argument frame size for a call to frame.fn.
    pub(super) fn argBytes(&self, frame: &stkframe) -> R<u64> {
        let args = self.load_int32(frame.func._func, "runtime._func.args")?;
        if args != ArgsSizeUnknown {
            return Ok(self.int32_uintptr(args));
        }
        let n = self.argMapInternal(frame)?;
        Ok(self.mul(self.int32_uintptr(n), self.ptrSize))
    }

    /// `argMapInternal`, whose size alone the dump asks for; `getArgInfo` of traceback.go up to Go 1.20.
    fn argMapInternal(&self, frame: &stkframe) -> R<i32> {
        let name = self.funcname_text(frame.func)?;
        if !["reflect.makeFuncStub", "reflect.methodValueCall"].iter().any(|stub| stub.as_bytes() == name) {
            // arglen = uintptr(f.args), up to Go 1.20
            return Ok(if self.release.minor >= 20 {
                0
            } else {
                (i64::from(ArgsSizeUnknown) / self.ptrSize as i64) as i32
            });
        }
        // Get the methodValue from 0(SP).
        let arg0 = self.add(frame.sp, self.MinFrameSize());
        let minSP = if self.usesLR() { frame.fp } else { self.sub(frame.fp, self.ptrSize) };
        let entry = self.entry(frame.func)?;
        if self.release.minor >= 20 && arg0 >= minSP {
            // The function hasn't started yet.
            return if frame.pc != entry { throw("reflect mismatch") } else { Ok(0) };
        }
        let mv = self.load_uintptr(arg0, "reflect.methodValue")?;
        // Figure out whether the return values are valid.
        let retValid = self.load_byte(self.add(arg0, 4 * self.ptrSize), "retValid")? != 0;
        // fn uintptr, stack *bitvector, argLen uintptr
        if self.load_uintptr(mv, "reflectMethodValue.fn")? != entry {
            return throw("reflect mismatch");
        }
        let stack = self.load_uintptr(self.add(mv, self.ptrSize), "reflectMethodValue.stack")?;
        let argLen = self.load_uintptr(self.add(mv, 2 * self.ptrSize), "reflectMethodValue.argLen")?;
        let mut argMap_n = self.load_int32(stack, "runtime.bitvector.n")?;
        if !retValid {
            // argMap.n includes the results, but
            // those aren't valid, so drop them.
            let n = (argLen / self.ptrSize) as i32;
            if n < argMap_n || self.release.minor < 20 {
                argMap_n = n;
            }
        }
        Ok(argMap_n)
    }
}
