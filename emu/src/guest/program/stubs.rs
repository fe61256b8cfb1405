//! The runtime's assembly functions through which goroutines begin, defer, and come to stand still
//! (asm_*.s, panic.go, proc1.go).

use super::code::{Code, Whose};
use crate::guest::ir::Label;
use crate::guest::ir::Op::*;
use crate::guest::ir::Reg::*;
use crate::guest::ir::Width::Word;
use crate::image::facts::FactError;
use crate::world::Bottom;

/// The trap of code that is never reached.
pub(crate) const UNREACHABLE: u16 = 1;

/// The words of the frame that [`Stubs::returning`] has on machines without a link register, and with one
/// besides the word for the link register.
const RETURNING_FRAME_WORDS: u32 = 3;

/// The labels of the stubs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stubs {
    /// `goexit`.
    pub goexit: Label,
    /// `mstart`.
    pub mstart: Label,
    /// `mcall`. V0 is the g.
    pub mcall: Label,
    /// `morestack`. V0 is the g; with a link register, V3 is that of the caller's caller.
    pub morestack: Label,
    /// `rt0_go`, where the program begins.
    pub rt0_go: Label,
    /// `entersyscall`. V0 is the g.
    pub entersyscall: Label,
    /// `deferproc`. V0 is the g, V1 the `_defer` and V2 the function. V0 and V5 survive.
    pub deferproc: Label,
    /// `stackBarrier`.
    pub stack_barrier: Label,
    /// `jmpdefer`.
    pub jmpdefer: Label,
    /// `systemstack`.
    pub systemstack: Label,
    /// Stands still as a call of a nil function does: SP where a call has left it, and a PC of zero. V0 is
    /// the g.
    pub nil: Label,
    /// A function that installs a stack barrier for itself and returns into it. V0 is the g, V1 whether
    /// the barrier is to be counted, V2 the stkbar entry.
    pub returning: Label,
}

impl Stubs {
    /// Unbound labels.
    pub fn new(code: &mut Code) -> Stubs {
        Stubs {
            goexit: code.label(),
            mstart: code.label(),
            mcall: code.label(),
            morestack: code.label(),
            rt0_go: code.label(),
            entersyscall: code.label(),
            deferproc: code.label(),
            stack_barrier: code.label(),
            jmpdefer: code.label(),
            systemstack: code.label(),
            nil: code.label(),
            returning: code.label(),
        }
    }

    /// The function at the bottom of a stack.
    pub fn bottom(&self, bottom: Bottom) -> Label {
        match bottom {
            Bottom::Goexit => self.goexit,
            Bottom::Mstart => self.mstart,
            Bottom::Mcall => self.mcall,
            Bottom::Morestack => self.morestack,
            Bottom::Rt0Go => self.rt0_go,
        }
    }
}

/// Writes the stubs except `rt0_go`. The address of what runs next is in the cell at `resume`.
pub(crate) fn stubs(code: &mut Code, stubs: &Stubs, resume: u64) -> Result<(), FactError> {
    // Never called: what returns to them finds the instruction before its return PC in the function.
    for (name, label) in [
        ("runtime.goexit", stubs.goexit),
        ("runtime.mstart", stubs.mstart),
        ("runtime.jmpdefer", stubs.jmpdefer),
        ("runtime.systemstack", stubs.systemstack),
    ] {
        code.function(Whose::Image(name), label, 1);
        code.emit(&[Mov(V0, V0), Mov(V0, V0), Trap(UNREACHABLE)]);
    }

    code.function(Whose::Image("runtime.mcall"), stubs.mcall, 1);
    caller_state(code);
    code.store(V1, V0, "runtime.g", "sched.pc")?;
    code.store(V2, V0, "runtime.g", "sched.sp")?;
    finish(code, resume)?;

    code.function(Whose::Image("runtime.morestack"), stubs.morestack, 1);
    caller_state(code);
    code.store(V1, V0, "runtime.g", "sched.pc")?;
    code.store(V2, V0, "runtime.g", "sched.sp")?;
    if code.target.uses_lr() {
        code.store(V3, V0, "runtime.g", "sched.lr")?;
    }
    code.store(V0, V0, "runtime.g", "sched.g")?;
    resume_next(code, resume);

    code.function(Whose::Image("runtime.entersyscall"), stubs.entersyscall, 1);
    caller_state(code);
    code.store(V1, V0, "runtime.g", "syscallpc")?;
    code.store(V2, V0, "runtime.g", "syscallsp")?;
    // The last switch of stacks was further down, in systemstack.
    code.emit(&[LabelAddr(V1, stubs.systemstack), AddImm(V2, -8 * code.word())]);
    code.store(V1, V0, "runtime.g", "sched.pc")?;
    code.store(V2, V0, "runtime.g", "sched.sp")?;
    finish(code, resume)?;

    code.function(Whose::Image("runtime.deferproc"), stubs.deferproc, 1);
    code.store(V2, V1, "runtime._defer", "fn")?;
    code.load(V2, V0, "runtime.g", "_defer")?;
    code.store(V2, V1, "runtime._defer", "link")?;
    code.store(V1, V0, "runtime.g", "_defer")?;
    code.emit(&[Mov(V3, V1)]);
    caller_state(code);
    code.store(V1, V3, "runtime._defer", "pc")?;
    code.store(V2, V3, "runtime._defer", "sp")?;
    code.emit(&[Leave(0)]);

    // The name is of no Go function: a call of nil is a fault, and here the fault is a jump.
    code.function(Whose::Image("heapmatrix.nil"), stubs.nil, 1);
    code.emit(&[Imm(V1, 0), Mov(V2, Sp)]);
    code.store(V1, V0, "runtime.g", "sched.pc")?;
    code.store(V2, V0, "runtime.g", "sched.sp")?;
    finish(code, resume)?;

    returning(code, stubs)?;
    stack_barrier(code, stubs, resume)
}

/// `gcInstallStackBarrier` for its own frame, and a return.
fn returning(code: &mut Code, stubs: &Stubs) -> Result<(), FactError> {
    let frame = (RETURNING_FRAME_WORDS + u32::from(code.target.uses_lr())) * code.word() as u32;
    let slot = if code.target.uses_lr() { 0 } else { frame as i32 };
    code.function(Whose::Image("heapmatrix.returning"), stubs.returning, 1);
    code.emit(&[Enter(frame), Load(V3, Sp, slot, Word)]);
    let behind_prologue = code.here() - 1;
    code.current().sp.push((behind_prologue, frame as i32));
    code.store(V3, V2, "runtime.stkbar", "savedLRVal")?;
    code.emit(&[Mov(V3, Sp), AddImm(V3, slot)]);
    code.store(V3, V2, "runtime.stkbar", "savedLRPtr")?;
    code.emit(&[LabelAddr(V3, stubs.stack_barrier), Store(V3, Sp, slot, Word), Leave(frame)]);
    Ok(())
}

/// `stackBarrier`, interrupted before or after it has counted the barrier.
fn stack_barrier(code: &mut Code, stubs: &Stubs, resume: u64) -> Result<(), FactError> {
    let (interrupted, here) = (code.label(), code.label());
    code.function(Whose::Image("runtime.stackBarrier"), stubs.stack_barrier, 1);
    code.emit(&[JumpIfZero(V1, interrupted)]);
    code.load(V2, V0, "runtime.g", "stkbarPos")?;
    code.emit(&[AddImm(V2, 1)]);
    code.store(V2, V0, "runtime.g", "stkbarPos")?;
    code.bind(interrupted);
    code.emit(&[LabelAddr(V1, here), Mov(V2, Sp)]);
    code.bind(here);
    code.store(V1, V0, "runtime.g", "sched.pc")?;
    code.store(V2, V0, "runtime.g", "sched.sp")?;
    finish(code, resume)
}

/// V1 = the return PC, V2 = the caller's SP: what `getcallerpc` and `getcallersp` say.
fn caller_state(code: &mut Code) {
    if code.target.uses_lr() {
        code.emit(&[GetLr(V1), Mov(V2, Sp)]);
    } else {
        code.emit(&[Load(V1, Sp, 0, Word), Mov(V2, Sp), AddImm(V2, code.target.reg_size() as i32)]);
    }
}

/// Leaves no link register behind, and goes on with the next goroutine.
fn finish(code: &mut Code, resume: u64) -> Result<(), FactError> {
    code.emit(&[Imm(V1, 0)]);
    code.store(V1, V0, "runtime.g", "sched.lr")?;
    code.store(V0, V0, "runtime.g", "sched.g")?;
    resume_next(code, resume);
    Ok(())
}

fn resume_next(code: &mut Code, resume: u64) {
    code.emit(&[Imm(V1, resume), Load(V1, V1, 0, Word), JumpReg(V1)]);
}
