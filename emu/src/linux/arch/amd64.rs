//! amd64: `struct rt_sigframe` of arch/x86/include/asm/sigframe.h.

use super::super::errno::Errno;
use super::super::signal::SIGINFO_SIZE;
use super::super::user::{Order, Record};
use super::{
    Arch, Delivery, Returned, X86_FLAGS, general, get, load, set_flags, set_general, store, x86_fault,
    x86_trap,
};
use crate::machine::{Machine, Register};

pub(super) struct Amd64;

const ORDER: Order = Order { word: 8, big: false };

// The CPU's own numbers of its registers.
const RAX: usize = 0;
const RDX: usize = 2;
const RSI: usize = 6;
const RDI: usize = 7;

/// The general registers as `struct sigcontext` has them; behind them come RIP and RFLAGS.
const SAVED: [usize; 16] = [8, 9, 10, 11, 12, 13, 14, 15, RDI, RSI, 5, 3, RDX, RAX, 1, 4];

/// Bytes below the stack pointer that belong to the interrupted function.
const RED_ZONE: u64 = 128;
/// Where `ucontext` lies in the frame, behind the return address.
const UCONTEXT: u64 = 8;
/// Where the registers lie in the frame: behind `uc_flags`, `uc_link` and `uc_stack`.
const REGISTERS: u64 = UCONTEXT + 40;
/// Where the signal mask lies in the frame: behind `struct sigcontext`, which is 256 bytes long.
const MASK: u64 = REGISTERS + 256;
/// Where `siginfo` lies in the frame.
const INFO: u64 = MASK + 8;
const FRAME_SIZE: u64 = INFO + SIGINFO_SIZE as u64;

/// The selectors of 64-bit user code and data: CS, GS, FS, SS.
const SELECTORS: u64 = 0x002b_0000_0000_0033;

impl Arch for Amd64 {
    fn push_frame(&self, machine: &mut Machine, delivery: &Delivery) -> Result<u64, Errno> {
        let sp = machine.sp();
        let end = delivery.alt_stack.frame_end(sp, &delivery.action);
        let end = if end == sp { sp.wrapping_sub(RED_ZONE) } else { end };
        // The stack of a function that was just called: aligned to 16 but for the return address.
        let frame = (end.wrapping_sub(FRAME_SIZE) & !15).wrapping_sub(8);
        let (error, addr) = x86_fault(&delivery.signal);
        let bytes = Record::new(ORDER)
            .word(delivery.restorer)
            .word(0)
            .word(0)
            .word(delivery.alt_stack.sp)
            .u32(delivery.alt_stack.flags)
            .u32(0)
            .word(delivery.alt_stack.size)
            .words(SAVED.map(|r| general(machine, r)))
            .word(machine.pc())
            .word(get(machine, Register::Flags))
            .word(SELECTORS)
            .word(error)
            .word(x86_trap(delivery.signal.number))
            .word(delivery.mask)
            .word(addr)
            .pad_to(MASK as usize)
            .u64(delivery.mask)
            .raw(&delivery.signal.info(ORDER))
            .finish();
        store(machine, ORDER, frame, &bytes)?;
        set_general(machine, RDI, delivery.signal.number.into());
        set_general(machine, RSI, frame + INFO);
        set_general(machine, RDX, frame + UCONTEXT);
        set_general(machine, RAX, 0);
        machine.set_sp(frame);
        machine.set_pc(delivery.action.handler);
        Ok(frame)
    }

    fn frame(&self, machine: &Machine) -> u64 {
        // The handler's return has popped the return address.
        machine.sp().wrapping_sub(8)
    }

    fn pop_frame(&self, machine: &mut Machine, frame: u64) -> Result<Returned, Errno> {
        let saved = load(machine, ORDER, frame.wrapping_add(REGISTERS), 8, SAVED.len() + 2)?;
        let mask = load(machine, ORDER, frame.wrapping_add(MASK), 8, 1)?[0];
        for (&register, &value) in SAVED.iter().zip(&saved) {
            set_general(machine, register, value);
        }
        set_flags(machine, saved[17], X86_FLAGS);
        machine.set_pc(saved[16]);
        Ok(Returned { mask })
    }

    fn clone_tls(&self) -> usize {
        4
    }
}
