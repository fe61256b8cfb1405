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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::patch::push;
    use crate::target::{Amd64, Arm, Arm64, I386, Mips, Mips64, Ppc64, S390x};
    use crate::testing::Segments;

    /// The handler's stack.
    const LO: u64 = 0x1_0000;
    const HI: u64 = 0x1_4000;

    fn put<T: Target>(memory: &mut Segments, at: u64, value: u64, size: u64) {
        let mut bytes = Vec::new();
        push::<T>(&mut bytes, value, size as usize);
        memory.write(Addr(at), &bytes);
    }

    /// A stack with `ucontext_t`s, in which the stack's size is so many words after its address.
    fn stack<T: Target>(contexts: &[u64], size_after: u64) -> Segments {
        let mut memory = Segments::new(true);
        memory.map(LO, HI - LO);
        let p = T::PTR_SIZE;
        for &at in contexts {
            put::<T>(&mut memory, at + 2 * p, LO, p);
            put::<T>(&mut memory, at + (2 + size_after) * p, HI - LO, p);
        }
        // An address without a size, and sizes without an address.
        for (at, value) in [(0x1100, LO), (0x3800, LO), (0x1200, HI - LO), (0x3900, HI - LO)] {
            put::<T>(&mut memory, LO + at, value, p);
        }
        memory
    }

    /// The distances of PC, SP and LR from the beginning of a `ucontext_t`, as the system's headers have them.
    fn registers_are_found<T: Target>(pc: u64, sp: u64, lr: Option<u64>) {
        let Layout { first, size, general: (from, count), .. } = layout(T::ANY);
        for size_after in [1, 2] {
            let (earlier, context) = (LO + 0x1800, LO + 0x2000);
            let mut memory = stack::<T>(&[earlier, context], size_after);
            for number in from..from + count {
                put::<T>(&mut memory, context + first + number * size, 0x5000 + number, size);
            }
            for (at, value) in [(Some(pc), 0x71), (Some(sp), 0x72), (lr, 0x73)] {
                at.into_iter().for_each(|at| put::<T>(&mut memory, context + at, value, size));
            }
            let process = Process::<T>::new(&memory);
            let found = interrupted(&process, (LO, HI), LO + 0x1001).unwrap();
            let expected = (0x71, 0x72, if lr.is_some() { 0x73 } else { 0 });
            assert_eq!((found.pc, found.sp, found.lr), expected, "{}", T::GOARCH);
            let general: Vec<u64> = (from..from + count)
                .map(|number| match first + number * size {
                    at if at == pc => 0x71,
                    at if at == sp => 0x72,
                    at if Some(at) == lr => 0x73,
                    _ => 0x5000 + number,
                })
                .collect();
            assert_eq!(found.general, general, "{}", T::GOARCH);
            // What is below the stack pointer is no longer in use.
            assert!(interrupted(&process, (LO, HI), context + 3 * T::PTR_SIZE).is_none(), "{}", T::GOARCH);
        }
        // And where there is none, the decoys are not taken for one.
        let memory = stack::<T>(&[], 0);
        assert!(interrupted(&Process::<T>::new(&memory), (LO, HI), LO + 0x1001).is_none(), "{}", T::GOARCH);
    }

    #[test]
    fn registers_are_where_the_kernel_leaves_them() {
        registers_are_found::<Amd64>(168, 160, None);
        registers_are_found::<I386>(76, 48, None);
        registers_are_found::<Arm>(92, 84, Some(88));
        registers_are_found::<Arm64>(440, 432, Some(424));
        registers_are_found::<Ppc64>(488, 240, Some(520));
        registers_are_found::<Mips>(32, 272, Some(288));
        registers_are_found::<Mips64>(616, 272, Some(288));
        registers_are_found::<S390x>(48, 176, Some(168));
    }
}
