//! ppc64: `struct rt_sigframe` of arch/powerpc/kernel/signal_64.c.

use super::super::errno::Errno;
use super::super::signal::{Cause, SIGINFO_SIZE};
use super::super::user::{Order, Record, User};
use super::{Arch, Delivery, Returned, general, get, load, set, set_general, store};
use crate::machine::{Machine, Register};

pub(super) struct Ppc64;

const ORDER: Order = Order { word: 8, big: true };

/// The frame that the handler's caller seems to have: `__SIGNAL_FRAMESIZE`.
const CALLER_FRAME: u64 = 128;
/// Bytes below the stack pointer that belong to the interrupted function.
const RED_ZONE: u64 = 288;
/// Where the mask lies in `ucontext`, with which the frame begins.
const MASK: u64 = 40;
/// Where `struct sigcontext` lies, behind the mask and fifteen words that are reserved.
const SIGCONTEXT: u64 = 168;
/// Where the registers lie in it: `gp_regs`, which `regs` points to.
const REGISTERS: u64 = SIGCONTEXT + 64;
/// R0 to R31; NIP, MSR, ORIG_R3, CTR, LR, XER, CR, SOFTE, TRAP and DAR follow.
const SAVED: usize = 32;
/// What follows `ucontext`: two words that are reserved, and six instructions of return code.
const POINTERS: u64 = SIGCONTEXT + 1528 + 16 + 24;
/// `siginfo`, behind the pointers to itself and to `ucontext`.
const INFO: u64 = POINTERS + 16;
const FRAME_SIZE: u64 = INFO + SIGINFO_SIZE as u64 + RED_ZONE;

/// MSR as user code sees it: 64-bit, floating point, interrupts, problem state.
const USER_MSR: u64 = 0x8000_0000_0000_f032;
/// The exception vectors of a data access and of a program exception.
const TRAP_DATA: u64 = 0x300;
const TRAP_PROGRAM: u64 = 0x700;

impl Arch for Ppc64 {
    fn push_frame(&self, machine: &mut Machine, delivery: &Delivery) -> Result<u64, Errno> {
        let end = delivery.alt_stack.frame_end(machine.sp(), &delivery.action);
        let frame = end.wrapping_sub(FRAME_SIZE) & !15;
        let sp = frame.wrapping_sub(CALLER_FRAME);
        let handler = delivery.action.handler;
        let (entry, toc) = if delivery.descriptors {
            let user = User::new(machine.memory_mut(), ORDER);
            (user.u64(handler)?, user.u64(handler.wrapping_add(8))?)
        } else {
            (handler, general(machine, 2))
        };
        let (trap, dar) = match delivery.signal.cause {
            Cause::Fault { addr, .. } if delivery.signal.number == super::super::signal::sig::SEGV => {
                (TRAP_DATA, addr)
            }
            Cause::Fault { .. } => (TRAP_PROGRAM, 0),
            Cause::Sent { .. } => (0, 0),
        };
        let bytes = Record::new(ORDER)
            .words([0, 0, delivery.alt_stack.sp])
            .u32(delivery.alt_stack.flags)
            .u32(0)
            .words([delivery.alt_stack.size, delivery.mask])
            .pad_to(SIGCONTEXT as usize + 32)
            .u32(delivery.signal.number)
            .u32(0)
            .words([handler, delivery.mask, frame + REGISTERS])
            .words((0..SAVED).map(|r| general(machine, r)))
            .words([
                machine.pc(),
                USER_MSR,
                general(machine, 3),
                get(machine, Register::Ctr),
                get(machine, Register::Lr),
            ])
            .words([get(machine, Register::Xer), get(machine, Register::Flags), 1, trap, dar])
            .pad_to(POINTERS as usize)
            .words([frame + INFO, frame])
            .raw(&delivery.signal.info(ORDER))
            .finish();
        store(machine, ORDER, frame, &bytes)?;
        // The back chain.
        let old_sp = Record::new(ORDER).word(machine.sp()).finish();
        store(machine, ORDER, sp, &old_sp)?;
        machine.set_sp(sp);
        set_general(machine, 2, toc);
        set_general(machine, 3, delivery.signal.number.into());
        set_general(machine, 4, frame + INFO);
        set_general(machine, 5, frame);
        set_general(machine, 6, frame);
        set_general(machine, 12, entry);
        set(machine, Register::Lr, delivery.restorer);
        machine.set_pc(entry);
        Ok(frame)
    }

    fn frame(&self, machine: &Machine) -> u64 {
        // The return code has popped the caller's frame.
        machine.sp()
    }

    fn pop_frame(&self, machine: &mut Machine, frame: u64) -> Result<Returned, Errno> {
        let saved = load(machine, ORDER, frame.wrapping_add(REGISTERS), 8, SAVED + 7)?;
        let mask = load(machine, ORDER, frame.wrapping_add(MASK), 8, 1)?[0];
        for (register, &value) in saved[..SAVED].iter().enumerate() {
            set_general(machine, register, value);
        }
        set(machine, Register::Ctr, saved[35]);
        set(machine, Register::Lr, saved[36]);
        set(machine, Register::Xer, saved[37]);
        set(machine, Register::Flags, saved[38]);
        machine.set_pc(saved[32]);
        Ok(Returned { mask })
    }
}
