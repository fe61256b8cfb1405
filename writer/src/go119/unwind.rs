//! Unwinding a stack: `unwinder` of traceback.go, with no flags; up to Go 1.20 `gentraceback` with a callback, which does
//! the same.
//!
//! On machines with a link register the prologue stores LR at the bottom of the new frame; on the others the call
//! instruction pushes the return PC, which ends up above the frame. The return PC is called `lr` here, no matter how it
//! was found.

use super::Go119;
use super::arch::framepointer_enabled;
use super::cache::LookUp;
use super::goroutine::Registers;
use super::symtab::Func;
use crate::error::{Error, Place, TracebackError};
use crate::memory::Addr;
use crate::process::uintptr;
use crate::record::Stkframe;
use crate::target::Target;

/// `abi.ArgsSizeUnknown`.
const ARGS_SIZE_UNKNOWN: i32 = i32::MIN;
/// How many frames in a row may be empty: a leaf function of a link-register machine has an empty frame, and there is at
/// most one at the top of a stack and one below a trap.
const MAX_EMPTY_FRAMES: u32 = 4;
const STACK: Place = Place::new("stack", "word");

/// A frame while it is unwound.
#[derive(Clone, Copy)]
struct Unwinding {
    f: Func,
    pc: u64,
    sp: u64,
    lr: u64,
    /// Whether nothing has been unwound yet.
    innermost: bool,
    /// Whether the frame is where a stopped thread is, or that of its caller: what that does to SP later has not been done,
    /// as the thread is on the goroutine's stack.
    may_write_sp: bool,
    /// `calleeFuncID == FuncID_sigpanic`.
    called_sigpanic: bool,
}

impl<T: Target> Go119<'_, T> {
    /// The frames of a goroutine, from the innermost outwards. `counts` says that it is the dump which unwinds, whose look-ups
    /// leave their traces in the process.
    pub(super) fn unwind(
        &self,
        gp: Addr,
        counts: bool,
        each: impl FnMut(&Func, &Stkframe) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let anywhere = self.standings.of(gp).is_some_and(|standing| standing.anywhere);
        self.unwind_from(gp, self.registers(gp)?, anywhere, counts, each)
    }

    /// The same from given registers; `anywhere` says that they are of a place between two calls.
    pub(super) fn unwind_from(
        &self,
        gp: Addr,
        registers: Registers,
        anywhere: bool,
        counts: bool,
        mut each: impl FnMut(&Func, &Stkframe) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some(mut u) = self.init_at(gp, registers)? else { return Ok(()) };
        u.may_write_sp = anywhere;
        if counts {
            self.own.borrow_mut().cache.begin_traceback();
        }
        let mut empty = 0;
        loop {
            let sp = Addr(u.sp);
            let fail = |source| Err(Error::Traceback { g: gp, sp, source });
            // No frame information, must be external function, like race support.
            if u.f.pcsp == 0 {
                return Ok(());
            }
            let s = self.resolve(gp, &mut u, counts)?;
            // A frame has room for the return PC and the frame pointer, where the machine has them there.
            if s.fp < s.sp || s.varp < s.sp {
                return fail(TracebackError::NotAdvancing { entry: Addr(u.f.entry), fp: Addr(s.fp) });
            }
            empty = if s.fp == s.sp { empty + 1 } else { 0 };
            if empty > MAX_EMPTY_FRAMES {
                return fail(TracebackError::NotAdvancing { entry: Addr(u.f.entry), fp: Addr(s.fp) });
            }
            each(&u.f, &s)?;
            // Do not unwind past the bottom of the stack.
            if u.lr == 0 {
                return Ok(());
            }
            let Some(flr) = self.symtab.findfunc(u.lr)? else {
                return fail(TracebackError::UnknownCaller { entry: Addr(u.f.entry), lr: Addr(u.lr) });
            };
            u = self.next(&u, flr, s.fp, counts)?;
        }
    }

    /// Port of `initAt`.
    fn init_at(&self, gp: Addr, registers: Registers) -> Result<Option<Unwinding>, Error> {
        let Registers { mut sp, mut pc, lr } = registers;
        let mut lr = if T::USES_LR { lr } else { 0 };
        // If the PC is zero, it's likely a nil function call. Start in the caller's frame.
        if pc == 0 {
            pc = self.stack_word(sp)?;
            lr = 0;
            if !T::USES_LR {
                sp = uintptr::<T>(sp.wrapping_add(T::PTR_SIZE));
            }
        }
        // The kernel's helpers, which old ARM machines need for atomic operations, are frameless leaf functions.
        if T::GOARCH == "arm" && pc >> 16 == 0xffff {
            (pc, lr) = (lr, 0);
        }
        let Some(f) = self.symtab.findfunc(pc)? else {
            let source = TracebackError::UnknownPc(Addr(pc));
            return Err(Error::Traceback { g: gp, sp: Addr(sp), source });
        };
        Ok(Some(Unwinding { f, pc, sp, lr, innermost: true, may_write_sp: false, called_sigpanic: false }))
    }

    /// Port of `resolveInternal`.
    fn resolve(&self, gp: Addr, u: &mut Unwinding, counts: bool) -> Result<Stkframe, Error> {
        let (shape, symtab) = (&self.shape, &self.symtab);
        let f = u.f;
        let mut flag = f.flag;
        // cgocallback arranges that both stacks can be unwound. (So does entersyscall, which only the innermost frame is in: of that it
        // does not count.)
        if symtab.is(&f, shape.func_ids.cgocallback) {
            flag &= !shape.sp_write;
        }

        // Derive frame pointer.
        let mut fp = u.sp.wrapping_add(self.funcspdelta(&f, u.pc, counts)?);
        if !T::USES_LR {
            // On x86, call instruction pushes return PC before entering new function.
            fp = fp.wrapping_add(T::PTR_SIZE);
        }
        let fp = uintptr::<T>(fp);

        // Derive link register.
        if flag & shape.top_frame != 0 {
            // This function marks the top of the stack. Stop the traceback.
            u.lr = 0;
        } else if flag & shape.sp_write != 0 && !u.innermost && !u.may_write_sp {
            let source = TracebackError::SpWrite(Addr(f.entry));
            return Err(Error::Traceback { g: gp, sp: Addr(u.sp), source });
        } else if T::USES_LR {
            if u.innermost && u.sp < fp || u.lr == 0 {
                u.lr = self.stack_word(u.sp)?;
            }
        } else if u.lr == 0 {
            u.lr = self.stack_word(fp.wrapping_sub(T::PTR_SIZE))?;
        }

        let mut varp = fp;
        if !T::USES_LR {
            varp = varp.wrapping_sub(T::PTR_SIZE);
        }
        // For architectures with frame pointers, if there's a frame, then there's a saved frame pointer here.
        if varp > u.sp && framepointer_enabled::<T>() {
            varp = varp.wrapping_sub(T::PTR_SIZE);
        }
        let argp = uintptr::<T>(fp.wrapping_add(T::MIN_FRAME_SIZE));

        // Where the frame can go on: after a trap, if at all, where a deferred call returns.
        let continpc = match (u.called_sigpanic, f.deferreturn) {
            (false, _) => u.pc,
            (true, 0) => 0,
            (true, deferreturn) => uintptr::<T>(f.entry.wrapping_add(deferreturn).wrapping_add(1)),
        };
        let mut s = Stkframe {
            entry: f.entry,
            pc: u.pc,
            continpc,
            sp: u.sp,
            fp,
            varp: uintptr::<T>(varp),
            argp,
            arglen: 0,
        };
        s.arglen = self.arg_bytes(gp, &f, &s)?;
        Ok(s)
    }

    /// Port of `next`: the frame of the caller `flr`, which begins at `fp`.
    fn next(&self, u: &Unwinding, flr: Func, fp: u64, counts: bool) -> Result<Unwinding, Error> {
        let (ids, symtab) = (&self.shape.func_ids, &self.symtab);
        let mut caller = Unwinding {
            f: flr,
            pc: u.lr,
            sp: fp,
            lr: 0,
            innermost: false,
            may_write_sp: u.innermost && u.may_write_sp,
            called_sigpanic: symtab.is(&u.f, ids.sigpanic),
        };
        // isInjectedCall
        let injected =
            [ids.sigpanic, ids.async_preempt, ids.debug_call].iter().any(|&id| symtab.is(&u.f, id));
        // On link register architectures, sighandler saves the LR on stack before faking a call.
        if T::USES_LR && injected {
            let x = self.stack_word(caller.sp)?;
            let size = T::MIN_FRAME_SIZE.next_multiple_of(T::STACK_ALIGN);
            caller.sp = uintptr::<T>(caller.sp.wrapping_add(size));
            if self.funcspdelta(&flr, caller.pc, counts)? == 0 {
                caller.lr = x;
            }
        }
        Ok(caller)
    }

    /// Port of `argBytes` and `argMapInternal`.
    fn arg_bytes(&self, gp: Addr, f: &Func, s: &Stkframe) -> Result<u64, Error> {
        if f.args != ARGS_SIZE_UNKNOWN {
            return Ok(uintptr::<T>(i64::from(f.args) as u64));
        }
        if !self.is_reflect_stub(f)? {
            return Ok(0);
        }
        // These take a *reflect.methodValue as their context register and immediately save it to 0(SP).
        let arg0 = s.sp.wrapping_add(T::MIN_FRAME_SIZE);
        let min_sp = if T::USES_LR { s.fp } else { s.fp.wrapping_sub(T::PTR_SIZE) };
        let mismatch = |found| {
            let source = TracebackError::ReflectMismatch { entry: Addr(f.entry), found };
            Err(Error::Traceback { g: gp, sp: Addr(s.sp), source })
        };
        if arg0 >= min_sp {
            // The function hasn't started yet.
            return if s.pc == f.entry { Ok(0) } else { mismatch(Addr::NIL) };
        }
        let word =
            |base: u64, index: u64| self.stack_word(uintptr::<T>(base.wrapping_add(index * T::PTR_SIZE)));
        let mv = word(arg0, 0)?;
        let (func, stack, arg_len) = (word(mv, 0)?, word(mv, 1)?, word(mv, 2)?);
        if func != f.entry {
            return mismatch(Addr(func));
        }
        let layout =
            super::layout::At { offset: 0, size: 4, place: Place::new("reflectMethodValue", "stack") };
        let n = self.process.int32(Addr(stack), layout)?;
        // Figure out whether the return values are valid.
        let ret_valid = super::layout::At { offset: 4 * T::PTR_SIZE, size: 1, place: STACK };
        let ret_valid = self.process.uint(Addr(arg0), ret_valid)? != 0;
        let args = (arg_len / T::PTR_SIZE) as u32 as i32;
        let n = if !ret_valid && args < n { args } else { n };
        Ok(uintptr::<T>((i64::from(n) as u64).wrapping_mul(T::PTR_SIZE)))
    }

    /// Whether a function is one through which reflect calls what it has made.
    pub(super) fn is_reflect_stub(&self, f: &Func) -> Result<bool, Error> {
        Ok(f.args == ARGS_SIZE_UNKNOWN
            && (self.symtab.name_is(f, "reflect.makeFuncStub", true)?
                || self.symtab.name_is(f, "reflect.methodValueCall", true)?))
    }

    /// Port of `funcspdelta`: how far SP is below its value at the function's entry, in bytes.
    fn funcspdelta(&self, f: &Func, targetpc: u64, counts: bool) -> Result<u64, Error> {
        let counts = counts.then_some(LookUp::SpDelta);
        Ok(i64::from(self.pcvalue(f, f.pcsp, targetpc, counts)?) as u64)
    }

    fn stack_word(&self, at: u64) -> Result<u64, Error> {
        self.process.word(Addr(uintptr::<T>(at)), STACK)
    }
}
