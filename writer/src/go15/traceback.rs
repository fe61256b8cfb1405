//! Unwinding a stack: `gentraceback` of traceback.go, in the form that it has with a callback.
//!
//! On machines with a link register the prologue stores LR at the bottom of the new frame; on the
//! others the call instruction pushes the return PC, which ends up above the frame. The return PC is
//! called `lr` here, no matter how it was found.

use super::Go15;
use super::structs::{Bitvector, Defer, G, Stkbar, no_args};
use super::symtab::{ARGS_SIZE_UNKNOWN, Func};
use crate::error::{Error, Place, TracebackError};
use crate::go15::arch::Target;
use crate::memory::Addr;
use crate::process::field::{Bool, Field, GoType, Header, Uintreg};
use crate::process::list::LoopCheck;
use crate::process::{Process, offset, out_of_range, uintptr};
use crate::record::Stkframe;
use crate::target::AnyTarget;

/// How many frames in a row may be empty. A leaf function of a link-register machine has an empty
/// frame, and there is at most one at the top of a stack and one below a trap.
const MAX_EMPTY_FRAMES: u32 = 4;

/// Where in a goroutine's stack something is found wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    /// The goroutine.
    pub gp: Addr,
    /// The stack pointer of the frame.
    pub sp: u64,
}

impl At {
    /// The error for it.
    pub(crate) fn fail(self, source: TracebackError) -> Error {
        Error::Traceback { g: self.gp, sp: Addr(self.sp), source }
    }
}

impl<T: Target> Go15<'_, T> {
    /// Port of `gentraceback(pc0, sp0, lr0, gp, 0, nil, 0x7fffffff, callback, v, 0)`.
    ///
    /// # Errors
    /// [`Error::Traceback`] wherever the reference throws; whatever reading the stack or the callback
    /// gives.
    pub(crate) fn gentraceback(
        &self,
        pc0: u64,
        sp0: u64,
        lr0: u64,
        gp: Addr,
        mut callback: impl FnMut(&Func, &Stkframe) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let fail = |sp, source| Err(At { gp, sp }.fail(source));
        let mut stkbar = StackBarriers::new(&self.process, gp)?;
        let mut deferred = Defers::new(&self.process, gp)?;
        deferred.skip_while(|d| d.sp == no_args::<T>())?;

        let (mut pc, mut sp, mut lr) = (pc0, sp0, if T::USES_LR { lr0 } else { 0 });
        // If the PC is zero, it's likely a nil function call. Start in the caller's frame.
        if pc == 0 {
            if T::USES_LR {
                pc = self.stack_word(sp)?;
                lr = 0;
            } else {
                pc = self.return_pc(sp)?;
                sp = uintptr::<T>(sp.wrapping_add(T::REG_SIZE));
            }
        }

        let mut f = self.symtab.findfunc(pc)?;
        if f.is_some_and(|f| f.entry == self.symbols.stack_barrier.0) {
            match stkbar.complete(sp0)? {
                Some(saved) => pc = saved,
                None => return fail(sp, TracebackError::InStackBarrier),
            }
            f = self.symtab.findfunc(pc)?;
        }

        let mut waspanic = false;
        let mut empty_frames = 0;
        let mut n = 0u64;
        loop {
            let Some(func) = f else {
                return fail(sp, TracebackError::UnknownPc(Addr(pc)));
            };

            // Derive frame pointer and link register.
            let mut fp = sp.wrapping_add(self.symtab.funcspdelta(&func, pc)? as i64 as u64);
            if !T::USES_LR {
                // On x86, call instruction pushes return PC before entering new function.
                fp = fp.wrapping_add(T::REG_SIZE);
            }
            fp = uintptr::<T>(fp);
            empty_frames = if fp == sp { empty_frames + 1 } else { 0 };
            let smallest = if T::USES_LR { sp } else { sp.saturating_add(T::REG_SIZE) };
            if fp < smallest || empty_frames > MAX_EMPTY_FRAMES {
                return fail(sp, TracebackError::NotAdvancing { entry: Addr(func.entry), fp: Addr(fp) });
            }

            let mut flr = None;
            if self.topofstack(&func) {
                lr = 0;
            } else if T::USES_LR && func.entry == self.symbols.jmpdefer.0 {
                // jmpdefer modifies SP/LR/PC non-atomically.
                return fail(sp, TracebackError::InJmpdefer);
            } else {
                let mut lr_ptr = 0;
                if T::USES_LR {
                    if n == 0 && sp < fp || lr == 0 {
                        lr_ptr = sp;
                        lr = self.stack_word(lr_ptr)?;
                    }
                } else if lr == 0 {
                    lr_ptr = uintptr::<T>(fp.wrapping_sub(T::REG_SIZE));
                    lr = self.return_pc(lr_ptr)?;
                }
                if lr == self.symbols.stack_barrier.0 {
                    // Recover original PC.
                    match stkbar.next()? {
                        Some(next) if next.saved_lr_ptr == lr_ptr => lr = next.saved_lr_val,
                        next => {
                            let expected = Addr(next.map_or(0, |next| next.saved_lr_ptr));
                            let found = Addr(lr_ptr);
                            return fail(sp, TracebackError::MissedStackBarrier { found, expected });
                        }
                    }
                }
                flr = self.symtab.findfunc(lr)?;
                if flr.is_none() {
                    let entry = Addr(func.entry);
                    return fail(sp, TracebackError::UnknownCaller { entry, lr: Addr(lr) });
                }
            }

            let mut varp = fp;
            if !T::USES_LR {
                // On x86, call instruction pushes return PC before entering new function.
                varp = uintptr::<T>(varp.wrapping_sub(T::REG_SIZE));
            }
            // If framepointer_enabled and there's a frame, then there's a saved bp here.
            let saves_bp = T::ANY == AnyTarget::Amd64;
            if saves_bp && varp > sp && self.framepointer_enabled()? {
                varp = varp.wrapping_sub(T::REG_SIZE);
            }

            let argp = if T::USES_LR { uintptr::<T>(fp.wrapping_add(T::PTR_SIZE)) } else { fp };
            let arglen = self.set_arg_info(&func, At { gp, sp })?;

            // Where the frame can continue: normally its pc; below a sigpanic, where the most recent
            // deferproc of this frame returns to, if it has one.
            let mut continpc = pc;
            if waspanic {
                continpc = deferred.current.filter(|d| d.sp == sp).map_or(0, |d| d.pc);
            }

            // Unwind our local defer stack past this frame.
            deferred.skip_while(|d| d.sp == sp || d.sp == no_args::<T>())?;

            let entry = func.entry;
            callback(&func, &Stkframe { entry, pc, continpc, sp, fp, varp, argp, arglen })?;
            n += 1;

            waspanic = func.entry == self.symbols.sigpanic.0;

            // Do not unwind past the bottom of the stack.
            if flr.is_none() {
                break;
            }

            // Unwind to next frame.
            f = flr;
            pc = lr;
            lr = 0;
            sp = fp;

            // On link register architectures, sighandler saves the LR on stack before faking a call to
            // sigpanic.
            if T::USES_LR && waspanic {
                let x = self.stack_word(sp)?;
                sp = uintptr::<T>(sp.wrapping_add(T::SIGNAL_PUSHES));
                f = self.symtab.findfunc(pc)?;
                match f {
                    None => pc = x,
                    Some(f) if self.symtab.funcspdelta(&f, pc)? == 0 => lr = x,
                    Some(_) => {}
                }
            }
        }

        // Everything must have been used up, or the stack was not what it seemed.
        if let Some(d) = deferred.current {
            return fail(sp, TracebackError::LeftoverDefer(d.addr));
        }
        match stkbar.left() {
            0 => Ok(()),
            left => fail(sp, TracebackError::LeftoverStackBarriers(left)),
        }
    }

    /// Port of `setArgInfo`: the size of the arguments in bytes.
    ///
    /// The argument map that it also finds, for the stubs of package reflect, is of no use to a dump;
    /// its `throw` is.
    fn set_arg_info(&self, f: &Func, at: At) -> Result<u64, Error> {
        let arglen = uintptr::<T>(f.args as i64 as u64);
        if f.args != ARGS_SIZE_UNKNOWN {
            return Ok(arglen);
        }
        let name = self.symtab.funcname(f)?;
        if !self.symtab.text_is(name, "reflect.makeFuncStub")?
            && !self.symtab.text_is(name, "reflect.methodValueCall")?
        {
            return Ok(arglen);
        }
        // Extract argument bitmaps for reflect stubs from the calls they made to reflect.
        let arg0 = if T::USES_LR { uintptr::<T>(at.sp.wrapping_add(T::PTR_SIZE)) } else { at.sp };
        let func = Addr(self.stack_word(arg0)?);
        let entry = self.process.word(func, MAKE_FUNC_IMPL)?;
        if entry != f.entry {
            let mismatch = TracebackError::ReflectMismatch { entry: Addr(f.entry), found: Addr(entry) };
            return Err(at.fail(mismatch));
        }
        let bv = Addr(self.process.word(offset::<T>(func, T::PTR_SIZE), MAKE_FUNC_IMPL)?);
        // The reference multiplies in int32.
        let n: i32 = self.process.get(bv, Bitvector::n())?;
        Ok(uintptr::<T>(n.wrapping_mul(T::PTR_SIZE as i32) as i64 as u64))
    }

    /// Port of `topofstack`: whether the function is always the outermost one. (Its
    /// `externalthreadhandlerp` is of Windows.)
    fn topofstack(&self, f: &Func) -> bool {
        let symbols = self.symbols;
        [symbols.goexit, symbols.mstart, symbols.mcall, symbols.morestack, symbols.rt0_go]
            .contains(&Addr(f.entry))
    }

    fn framepointer_enabled(&self) -> Result<bool, Error> {
        match self.symbols.framepointer_enabled {
            Addr::NIL => Ok(false),
            at => self.process.variable::<Bool>(at, "framepointer_enabled"),
        }
    }

    /// `*(*uintptr)(unsafe.Pointer(at))`.
    fn stack_word(&self, at: u64) -> Result<u64, Error> {
        self.process.word(Addr(at), Place::new("stack", "word"))
    }

    /// `uintptr(*(*uintreg)(unsafe.Pointer(at)))`.
    fn return_pc(&self, at: u64) -> Result<u64, Error> {
        let field = Field::<T, Uintreg>::new(Place::new("stack", "return pc"), 0);
        Ok(uintptr::<T>(self.process.get(Addr(at), field)?))
    }
}

const MAKE_FUNC_IMPL: Place = Place::new("reflect", "makeFuncImpl");

/// `stkbar`.
#[derive(Clone, Copy)]
struct StackBarrier {
    saved_lr_ptr: u64,
    saved_lr_val: u64,
}

/// `gp.stkbar`, and how much of it has been unwound.
struct StackBarriers<'p, 'm, T> {
    process: &'p Process<'m, T>,
    all: Header,
    next: u64,
}

impl<'p, 'm, T: Target> StackBarriers<'p, 'm, T> {
    /// `gp.stkbar[gp.stkbarPos:]`.
    fn new(process: &'p Process<'m, T>, gp: Addr) -> Result<Self, Error> {
        let all = process.slice::<Stkbar>(gp, G::stkbar())?;
        let pos = G::stkbarPos();
        let next = process.get(gp, pos)?;
        if next > all.len {
            return Err(out_of_range(pos.place, gp, next, "that is more than len(g.stkbar)"));
        }
        Ok(StackBarriers { process, all, next })
    }

    fn get(&self, index: u64) -> Result<Option<StackBarrier>, Error> {
        if index >= self.all.len {
            return Ok(None);
        }
        let at = offset::<T>(self.all.array, index * <Stkbar as GoType<T>>::SIZE);
        let saved_lr_ptr = self.process.get(at, Stkbar::savedLRPtr())?;
        Ok(Some(StackBarrier { saved_lr_ptr, saved_lr_val: self.process.get(at, Stkbar::savedLRVal())? }))
    }

    /// The next barrier, which is thereby unwound.
    fn next(&mut self) -> Result<Option<StackBarrier>, Error> {
        let barrier = self.get(self.next)?;
        self.next += u64::from(barrier.is_some());
        Ok(barrier)
    }

    /// Simulates the completion of the barrier in whose code the goroutine was caught, so that
    /// `stkbar` may be inconsistent with the barriers on the stack. Gives the PC that it returns to.
    fn complete(&mut self, sp0: u64) -> Result<Option<u64>, Error> {
        // Whether stackBarrier has not, or has, incremented stkbarPos.
        for pos in [Some(self.next), self.next.checked_sub(1)].into_iter().flatten() {
            if let Some(barrier) = self.get(pos)?.filter(|b| b.saved_lr_ptr < sp0) {
                self.next = pos + 1;
                return Ok(Some(barrier.saved_lr_val));
            }
        }
        Ok(None)
    }

    fn left(&self) -> u64 {
        self.all.len - self.next
    }
}

/// `_defer`, as far as unwinding needs it.
#[derive(Clone, Copy)]
struct Deferred {
    addr: Addr,
    sp: u64,
    pc: u64,
}

/// The rest of a goroutine's list of defers.
struct Defers<'p, 'm, T> {
    process: &'p Process<'m, T>,
    check: LoopCheck,
    current: Option<Deferred>,
}

impl<'p, 'm, T: Target> Defers<'p, 'm, T> {
    fn new(process: &'p Process<'m, T>, gp: Addr) -> Result<Self, Error> {
        let check = LoopCheck::new(Defer::link::<T>().place);
        let mut defers = Defers { process, check, current: None };
        defers.current = defers.load(process.get(gp, G::_defer())?)?;
        Ok(defers)
    }

    fn load(&mut self, addr: Addr) -> Result<Option<Deferred>, Error> {
        if addr.is_nil() {
            return Ok(None);
        }
        self.check.visit(addr)?;
        let sp = self.process.get(addr, Defer::sp())?;
        Ok(Some(Deferred { addr, sp, pc: self.process.get(addr, Defer::pc())? }))
    }

    fn skip_while(&mut self, skip: impl Fn(&Deferred) -> bool) -> Result<(), Error> {
        while let Some(d) = self.current.filter(&skip) {
            self.current = self.load(self.process.get(d.addr, Defer::link())?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
