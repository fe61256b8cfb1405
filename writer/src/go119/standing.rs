//! Where the goroutines of a stopped process stand.
//!
//! Those that run have their registers in a thread's, or on the stack of a signal handler that has interrupted it. While the
//! runtime works for one on the thread's own stack (`systemstack`, `mcall`, `morestack`), it stands where it called.
//! A call of the vDSO runs on that stack too, and has left the caller in the `m`.

use std::collections::HashMap;

use super::Go119;
use super::goroutine::Registers;
use super::signal_frame::{Interrupted, interrupted};
use super::stopped::{Stopped, Thread};
use crate::error::{Error, Place};
use crate::memory::Addr;
use crate::target::Target;

fn within(at: u64, (lo, hi): (u64, u64)) -> bool {
    (lo..hi).contains(&at)
}

/// How many words of a stack are looked through for the caller of a function.
const MOST_WORDS: usize = 64;
/// The most bytes of a thread's own stack that are looked at for pointers.
const MOST_STACK: u64 = 64 << 10;
const STACK: Place = Place::new("stack", "word");

/// A goroutine that a thread runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub registers: Registers,
    /// The stack pointer: lower than that of the registers if these are of a caller, and what it has called cannot be unwound.
    pub sp: u64,
    /// Whether it was interrupted anywhere, and not at a call: the words of its innermost frame may all be pointers.
    pub anywhere: bool,
}

/// Those that stand elsewhere than where the runtime has last switched stacks.
#[derive(Default)]
pub(super) struct Standings {
    goroutines: HashMap<Addr, Standing>,
    /// Whether the runtime has stopped the world.
    pub world_is_stopped: bool,
    /// What registers and threads' own stacks hold: descriptions and pointers into the heap.
    pub roots: Vec<(String, Addr)>,
}

impl Standings {
    /// How a goroutine stands that a thread runs, if it runs one's code.
    pub(super) fn of(&self, gp: Addr) -> Option<Standing> {
        self.goroutines.get(&gp).copied()
    }
}

/// The registers of a thread, or of what a signal has interrupted there.
struct Context {
    tid: u64,
    registers: Registers,
    general: Vec<u64>,
}

impl<T: Target> Go119<'_, T> {
    /// Finds out where the goroutines stand that threads run.
    pub(super) fn standings(&self, stopped: &Stopped<'_>) -> Result<Standings, Error> {
        // A process that dumps itself has stopped its world: all stand where stacks were switched.
        let world_is_stopped = self.dumping()?.is_some();
        let mut standings = Standings { world_is_stopped, ..Standings::default() };
        if standings.world_is_stopped {
            return Ok(standings);
        }
        let m = self.shape.m;
        self.each_m(|mp| {
            let gp = self.process.ptr(mp, m.curg)?;
            if gp.is_nil() {
                return Ok(());
            }
            let Some(context) = self.context(stopped.threads(), mp, gp)? else { return Ok(()) };
            let (lo, hi) = self.stack(gp)?;
            let in_syscall = self.process.uint(gp, self.shape.g.syscallsp)? != 0;
            let on_its_stack = (lo..hi).contains(&context.registers.sp);
            if !in_syscall && let Some(standing) = self.standing(gp, mp, context.registers, on_its_stack)? {
                standings.goroutines.insert(gp, standing);
                stopped.note(|doubts| doubts.running += 1);
            }
            // While the runtime works for a goroutine, it may hold what nobody else does yet.
            let words = if in_syscall || on_its_stack {
                Vec::new()
            } else {
                self.own_stack(mp, context.registers.sp)?
            };
            self.add_roots(&mut standings.roots, &context, &words);
            Ok(())
        })?;
        stopped.note(|doubts| doubts.other_roots = standings.roots.len() as u64);
        Ok(standings)
    }

    /// The bounds of a goroutine's stack.
    pub(super) fn stack(&self, gp: Addr) -> Result<(u64, u64), Error> {
        let at = self.shape.g.stack;
        Ok((self.process.word_at(gp, at)?, self.process.word_at(gp, at.after(T::PTR_SIZE))?))
    }

    /// What the thread of an `m` does: its registers, or those of what a signal has interrupted. By the stack that it is on;
    /// its number counts where several namespaces have numbers of their own only if no stack is known.
    fn context(&self, threads: &[Thread], mp: Addr, curg: Addr) -> Result<Option<Context>, Error> {
        let m = &self.shape.m;
        let gsignal = m.gsignal.map_or(Ok(Addr::NIL), |at| self.process.ptr(mp, at))?;
        let mut on = None;
        for gp in [curg, self.process.ptr(mp, m.g0)?, gsignal] {
            if gp.is_nil() || on.is_some() {
                continue;
            }
            let (lo, hi) = self.stack(gp)?;
            on = threads.iter().find(|thread| (lo..hi).contains(&thread.sp)).map(|thread| (gp, thread));
        }
        let procid = self.process.uint(mp, m.procid)?;
        let by_number =
            || threads.iter().find(|thread| thread.tid == procid).map(|thread| (Addr::NIL, thread));
        let Some((gp, thread)) = on.or_else(by_number) else { return Ok(None) };
        if gp == gsignal && !gp.is_nil() {
            let bounds = self.stack(gp)?;
            return Ok(interrupted(&self.process, bounds, thread.sp).map(|found| {
                let Interrupted { pc, sp, lr, general } = found;
                Context { tid: thread.tid, registers: Registers { sp, pc, lr }, general }
            }));
        }
        let &Thread { tid, pc, sp, lr, ref general } = thread;
        Ok(Some(Context { tid, registers: Registers { sp, pc, lr }, general: general.clone() }))
    }

    /// `gogo` has switched to the goroutine's stack, and not yet jumped to where it goes on.
    fn after_gogo(&self, gp: Addr, registers: Registers) -> Result<Registers, Error> {
        let Some(f) = self.symtab.findfunc(registers.pc)? else { return Ok(registers) };
        if !self.symtab.name_is(&f, "runtime.gogo", true)? && !self.symtab.name_is(&f, "gogo", true)? {
            return Ok(registers);
        }
        Ok(Registers { sp: registers.sp, ..self.saved(gp)? })
    }

    /// Where a goroutine stands that a thread runs, if that is not where the runtime has switched stacks: the first of the
    /// places where it may be from which its stack can be unwound to its end.
    ///
    /// There are moments at which registers do not do: SP is not what the linker's tables say of the PC in `nanotime1` without
    /// a vDSO and after `gcWriteBarrier` has saved all registers, and in `mcall` LR no longer is the caller's.
    fn standing(
        &self,
        gp: Addr,
        mp: Addr,
        registers: Registers,
        on_its_stack: bool,
    ) -> Result<Option<Standing>, Error> {
        let bounds = self.stack(gp)?;
        let switched = Some(self.saved(gp)?).filter(|at| within(at.sp, bounds));
        let at = |registers: Registers, anywhere| Standing { registers, sp: registers.sp, anywhere };
        let registers = if on_its_stack { self.after_gogo(gp, registers)? } else { registers };
        if on_its_stack && self.reaches_top(gp, registers, true) {
            return Ok(Some(at(registers, true)));
        }
        if switched.is_some_and(|at| self.reaches_top(gp, at, false)) {
            return Ok(None);
        }
        if !on_its_stack && let Some(caller) = self.in_vdso(mp)?.filter(|at| within(at.sp, bounds)) {
            return Ok(Some(at(caller, false)));
        }
        let Some(innermost) = Some(registers).filter(|_| on_its_stack).or(switched) else { return Ok(None) };
        let caller = self.caller_of(gp, innermost, bounds).unwrap_or(innermost);
        Ok(Some(Standing { sp: innermost.sp, ..at(caller, true) }))
    }

    /// Whether a stack can be unwound to its outermost frame.
    fn reaches_top(&self, gp: Addr, registers: Registers, anywhere: bool) -> bool {
        let mut top = false;
        let unwound = self.unwind_from(gp, registers, anywhere, false, |f, _| {
            top = f.flag & self.shape.top_frame != 0;
            Ok(())
        });
        unwound.is_ok() && top
    }

    /// The caller of an innermost function whose frame is not as large as it should be: where a call returns to from which
    /// the stack can be unwound. The return PC is in LR, or on the stack below the caller's frame.
    fn caller_of(&self, gp: Addr, registers: Registers, (_, hi): (u64, u64)) -> Option<Registers> {
        let mut pcs = vec![registers.lr];
        for sp in (registers.sp..hi).step_by(T::PTR_SIZE as usize).take(MOST_WORDS) {
            for &pc in pcs.iter().rev() {
                let at = Registers { sp, pc, lr: 0 };
                if self.reaches_top(gp, at, true) {
                    return Some(at);
                }
            }
            let word = self.process.word(Addr(sp), STACK).ok()?;
            if matches!(self.symtab.findfunc(word), Ok(Some(_))) {
                pcs.push(word);
            }
        }
        None
    }

    /// Who has called the vDSO.
    fn in_vdso(&self, mp: Addr) -> Result<Option<Registers>, Error> {
        let (Some(sp), Some(pc)) = (self.shape.m.vdso_sp, self.shape.m.vdso_pc) else { return Ok(None) };
        let (sp, pc) = (self.process.uint(mp, sp)?, self.process.uint(mp, pc)?);
        Ok((sp != 0).then_some(Registers { sp, pc, lr: 0 }))
    }

    /// The words on a thread's own stack that are in use.
    fn own_stack(&self, mp: Addr, sp: u64) -> Result<Vec<u64>, Error> {
        let (_, hi) = self.stack(self.process.ptr(mp, self.shape.m.g0)?)?;
        // That of the first thread is the system's, of which only the end is known.
        if sp >= hi || hi - sp > MOST_STACK || !sp.is_multiple_of(T::PTR_SIZE) {
            return Ok(Vec::new());
        }
        let words = (sp..hi).step_by(T::PTR_SIZE as usize);
        Ok(words.map_while(|at| self.process.word(Addr(at), STACK).ok()).collect())
    }

    /// Adds those of a thread's registers, and of words of its own stack, that are addresses of the heap.
    fn add_roots(&self, roots: &mut Vec<(String, Addr)>, context: &Context, words: &[u64]) {
        let mut add = |values: &[u64], what: &str| {
            let mut values: Vec<u64> = values.to_vec();
            values.sort_unstable();
            values.dedup();
            for value in values {
                if value != 0 && self.heap.arena(&self.process, &self.shape, Addr(value)).is_ok() {
                    roots.push((format!("{what} of thread {}", context.tid), Addr(value)));
                }
            }
        };
        add(&context.general, "register");
        add(words, "runtime's stack");
    }
}
