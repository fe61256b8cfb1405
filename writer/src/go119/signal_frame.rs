//! The registers of what a signal has interrupted, as the kernel leaves them on the stack of the handler.
//!
//! A `ucontext_t` begins with its flags, a link and the handler's stack (`uc_stack`), which says where it is: that is how it is
//! found, on every machine alike. The registers come after that.
//!
//! Source: `asm/sigcontext.h` and `asm/ucontext.h` of each architecture; in Go `defs_linux_*.go`.

use super::layout::At;
use crate::error::Place;
use crate::memory::Addr;
use crate::process::{Process, uintptr};
use crate::target::{AnyTarget, Target};

/// Where the registers are in a `ucontext_t`.
#[derive(Clone, Copy, Debug)]
struct Layout {
    /// The distance of the first register from the beginning, in bytes.
    first: u64,
    /// The size of each, in bytes.
    size: u64,
    /// Which are general registers: the first, and how many.
    general: (u64, u64),
    pc: u64,
    sp: u64,
    lr: Option<u64>,
}

/// The layout of a machine; registers are counted from the one that is called the first here.
const fn layout(target: AnyTarget) -> Layout {
    match target {
        // R8 to R15, RDI, RSI, RBP, RBX, RDX, RAX, RCX, RSP, RIP
        AnyTarget::Amd64 | AnyTarget::Amd64p32 => {
            Layout { first: 40, size: 8, general: (0, 16), pc: 16, sp: 15, lr: None }
        }
        // GS, FS, ES, DS, EDI, ESI, EBP, ESP, EBX, EDX, ECX, EAX, and after trap and error EIP
        AnyTarget::I386 => Layout { first: 20, size: 4, general: (4, 8), pc: 14, sp: 7, lr: None },
        // trap_no, error_code, oldmask, R0…
        AnyTarget::Arm => Layout { first: 20, size: 4, general: (3, 15), pc: 18, sp: 16, lr: Some(17) },
        // After a mask of 1024 bits, aligned to 16: fault_address, X0…
        AnyTarget::Arm64 => Layout { first: 176, size: 8, general: (1, 31), pc: 33, sp: 32, lr: Some(31) },
        // After a mask of 1024 bits and eight words: gp_regs
        AnyTarget::Ppc64 | AnyTarget::Ppc64le => {
            Layout { first: 232, size: 8, general: (0, 32), pc: 32, sp: 1, lr: Some(36) }
        }
        // sc_regmask and sc_status, sc_pc, sc_regs: of 64 bits on all
        AnyTarget::Mips | AnyTarget::Mipsle => {
            Layout { first: 32, size: 8, general: (1, 32), pc: 0, sp: 30, lr: Some(32) }
        }
        // sc_regs, sc_fpregs, sc_mdhi and sc_mdlo with three each, sc_pc
        AnyTarget::Mips64 | AnyTarget::Mips64le => {
            Layout { first: 40, size: 8, general: (0, 32), pc: 72, sp: 29, lr: Some(31) }
        }
        // After a mask of 1024 bits, aligned to 16: pc, x1…
        AnyTarget::Riscv64 => Layout { first: 176, size: 8, general: (1, 31), pc: 0, sp: 2, lr: Some(1) },
        // The program status word, R0…
        AnyTarget::S390x => Layout { first: 40, size: 8, general: (2, 16), pc: 1, sp: 17, lr: Some(16) },
        // After a mask of 1024 bits, aligned to 16: sc_pc, sc_regs
        AnyTarget::Loong64 => Layout { first: 176, size: 8, general: (1, 32), pc: 0, sp: 4, lr: Some(2) },
    }
}

/// Registers that a signal has interrupted.
pub(super) struct Interrupted {
    pub pc: u64,
    pub sp: u64,
    pub lr: u64,
    pub general: Vec<u64>,
}

const UCONTEXT: Place = Place::new("ucontext", "uc_mcontext");

/// Looks on a handler's stack, which is from `lo` to `hi` and used down to `sp`, for what was interrupted.
pub(super) fn interrupted<T: Target>(
    process: &Process<'_, T>,
    (lo, hi): (u64, u64),
    sp: u64,
) -> Option<Interrupted> {
    let word = |at: u64| process.word(Addr(uintptr::<T>(at)), UCONTEXT).ok();
    let first = sp.checked_next_multiple_of(T::PTR_SIZE)?;
    // The last one found is what was interrupted by the signal that came first; there is only one, as handlers block all.
    let mut found = None;
    for at in (first..hi).step_by(T::PTR_SIZE as usize) {
        // uc_stack: ss_sp, and ss_size after or before ss_flags, which takes a word with its padding.
        if word(at) == Some(lo) && (1..=2).any(|i| word(at + i * T::PTR_SIZE) == Some(hi - lo)) {
            found = at.checked_sub(2 * T::PTR_SIZE);
        }
    }
    let (context, Layout { first, size, general, pc, sp, lr }) = (found?, layout(T::ANY));
    let register = |index: u64| {
        let place = At { offset: first + index * size, size, place: UCONTEXT };
        process.uint(Addr(context), place).ok().map(uintptr::<T>)
    };
    Some(Interrupted {
        pc: register(pc)?,
        sp: register(sp)?,
        lr: lr.map_or(Some(0), register)?,
        general: (general.0..general.0 + general.1).map(register).collect::<Option<_>>()?,
    })
}
