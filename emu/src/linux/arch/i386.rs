//! 386: `struct rt_sigframe` of arch/x86/include/asm/sigframe.h.

use super::super::errno::Errno;
use super::super::signal::SIGINFO_SIZE;
use super::super::user::{Order, Record};
use super::{
    Arch, Delivery, Returned, X86_FLAGS, general, get, load, set_flags, set_general, store, x86_fault,
    x86_trap,
};
use crate::machine::{Machine, Register};

pub(super) struct I386;

const ORDER: Order = Order { word: 4, big: false };

// The CPU's own numbers of its registers.
const EAX: usize = 0;
const ECX: usize = 1;
const EDX: usize = 2;
const ESP: usize = 4;

/// The general registers as `struct sigcontext` has them, behind four segment registers.
const SAVED: [usize; 8] = [7, 6, 5, ESP, 3, EDX, ECX, EAX];

/// Where `siginfo` lies in the frame: behind the return address and the handler's three arguments.
const INFO: u64 = 16;
const UCONTEXT: u64 = INFO + SIGINFO_SIZE as u64;
/// Where `struct sigcontext` lies in the frame: behind `uc_flags`, `uc_link` and `uc_stack`.
const SIGCONTEXT: u64 = UCONTEXT + 20;
const REGISTERS: u64 = SIGCONTEXT + 16;
/// EIP, behind the general registers, the trap's number and its error code; CS and EFLAGS follow.
const EIP: u64 = REGISTERS + 40;
const MASK: u64 = SIGCONTEXT + 88;
const FRAME_SIZE: u64 = MASK + 8;

/// The selectors of 32-bit user code and data.
const USER_CS: u64 = 0x73;
const USER_DS: u64 = 0x7b;

impl Arch for I386 {
    fn push_frame(&self, machine: &mut Machine, delivery: &Delivery) -> Result<u64, Errno> {
        let end = delivery.alt_stack.frame_end(machine.sp(), &delivery.action);
        // The stack of a function that was just called: aligned to 16 but for the return address.
        let frame = (end.wrapping_sub(FRAME_SIZE).wrapping_add(4) & !15 & 0xffff_ffff).wrapping_sub(4);
        let (error, addr) = x86_fault(&delivery.signal);
        let sp = machine.sp();
        let bytes = Record::new(ORDER)
            .word(delivery.restorer)
            .word(delivery.signal.number.into())
            .word(frame + INFO)
            .word(frame + UCONTEXT)
            .raw(&delivery.signal.info(ORDER))
            .words([0, 0, delivery.alt_stack.sp, delivery.alt_stack.flags.into(), delivery.alt_stack.size])
            .words([0, 0, USER_DS, USER_DS])
            .words(SAVED.map(|r| general(machine, r)))
            .words([x86_trap(delivery.signal.number), error])
            .words([machine.pc(), USER_CS, get(machine, Register::Flags), sp, USER_DS])
            .words([0, delivery.mask, addr])
            .u64(delivery.mask)
            .finish();
        store(machine, ORDER, frame, &bytes)?;
        set_general(machine, EAX, delivery.signal.number.into());
        set_general(machine, EDX, frame + INFO);
        set_general(machine, ECX, frame + UCONTEXT);
        machine.set_sp(frame);
        machine.set_pc(delivery.action.handler);
        Ok(frame)
    }

    fn frame(&self, machine: &Machine) -> u64 {
        // The handler's return has popped the return address.
        machine.sp().wrapping_sub(4)
    }

    fn pop_frame(&self, machine: &mut Machine, frame: u64) -> Result<Returned, Errno> {
        let saved = load(machine, ORDER, frame.wrapping_add(REGISTERS), 4, SAVED.len())?;
        let rest = load(machine, ORDER, frame.wrapping_add(EIP), 4, 3)?;
        let mask = load(machine, ORDER, frame.wrapping_add(MASK), 8, 1)?[0];
        for (&register, &value) in SAVED.iter().zip(&saved) {
            set_general(machine, register, value);
        }
        set_flags(machine, rest[2], X86_FLAGS);
        machine.set_pc(rest[0]);
        Ok(Returned { mask })
    }
}
