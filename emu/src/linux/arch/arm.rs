//! arm: `struct rt_sigframe` of arch/arm/kernel/signal.c.

use super::super::errno::Errno;
use super::super::signal::{Cause, SIGINFO_SIZE};
use super::super::user::{Order, Record};
use super::{Arch, Delivery, Returned, general, get, load, set, set_flags, set_general, store};
use crate::machine::{Machine, Register};

pub(super) struct Arm;

const ORDER: Order = Order { word: 4, big: false };

const LR: usize = 14;
/// R0 to R14; PC and CPSR follow them in `struct sigcontext`.
const SAVED: usize = 15;

/// Where `ucontext` lies in the frame, behind `siginfo`.
const UCONTEXT: u64 = SIGINFO_SIZE as u64;
/// R0 in `struct sigcontext`: behind `uc_flags`, `uc_link`, `uc_stack`, the trap's number, its error
/// code and the old mask.
const REGISTERS: u64 = UCONTEXT + 20 + 12;
const MASK: u64 = UCONTEXT + 20 + 84;
/// `uc_regspace`, where the frame's coprocessor blocks lie: 512 bytes, of which the first word, zero,
/// says that there are none.
const REGSPACE: u64 = UCONTEXT + 232;
/// The bits of CPSR that are the program's: conditions, saturation, GE, IT and Thumb. The rest is the CPU's mode.
const FLAGS: u64 = 0xfe0f_fc20;

/// The frame ends with room for the return code.
const FRAME_SIZE: u64 = REGSPACE + 512 + 16;

/// CPSR.T: Thumb instructions.
const THUMB: u64 = 1 << 5;

impl Arch for Arm {
    fn push_frame(&self, machine: &mut Machine, delivery: &Delivery) -> Result<u64, Errno> {
        let end = delivery.alt_stack.frame_end(machine.sp(), &delivery.action);
        let frame = end.wrapping_sub(FRAME_SIZE) & !7 & 0xffff_ffff;
        let addr = match delivery.signal.cause {
            Cause::Fault { addr, .. } => addr,
            Cause::Sent { .. } => 0,
        };
        let bytes = Record::new(ORDER)
            .raw(&delivery.signal.info(ORDER))
            .words([0, 0, delivery.alt_stack.sp, delivery.alt_stack.flags.into(), delivery.alt_stack.size])
            .words([0, 0, delivery.mask])
            .words((0..SAVED).map(|r| general(machine, r)))
            .words([machine.pc(), get(machine, Register::Flags), addr])
            .u64(delivery.mask)
            .pad_to(FRAME_SIZE as usize)
            .finish();
        store(machine, ORDER, frame, &bytes)?;
        let handler = delivery.action.handler;
        let flags = get(machine, Register::Flags);
        set_general(machine, 0, delivery.signal.number.into());
        set_general(machine, 1, frame);
        set_general(machine, 2, frame + UCONTEXT);
        set_general(machine, LR, delivery.restorer);
        machine.set_sp(frame);
        set(machine, Register::Flags, if handler & 1 == 0 { flags & !THUMB } else { flags | THUMB });
        machine.set_pc(handler & !1);
        Ok(frame)
    }

    fn frame(&self, machine: &Machine) -> u64 {
        machine.sp()
    }

    fn pop_frame(&self, machine: &mut Machine, frame: u64) -> Result<Returned, Errno> {
        let saved = load(machine, ORDER, frame.wrapping_add(REGISTERS), 4, SAVED + 2)?;
        let mask = load(machine, ORDER, frame.wrapping_add(MASK), 8, 1)?[0];
        for (register, &value) in saved[..SAVED].iter().enumerate() {
            set_general(machine, register, value);
        }
        set_flags(machine, saved[SAVED + 1], FLAGS);
        machine.set_pc(saved[SAVED]);
        Ok(Returned { mask })
    }
}
