//! riscv64.

use heapmatrix_writer::AnyTarget;

use super::super::errno::Errno;
use super::super::signal::SIGINFO_SIZE;
use super::super::user::{Order, Record};
use super::frame::{general, load, load_mask, set_general, store};
use super::signals::GENERIC;
use super::{
    Addresses, Capabilities, CloneArguments, Code, Convention, Delivery, Epoll, Errors, Fcntl, Flock, Ioctl,
    Layouts, Linux, Long, Raised, ResourceLimits, Returned, SigAction, SigStack, SignalFrame, no_alignment,
    no_hint, start, stat, thread_register,
};
use crate::machine::Machine;

pub(super) static LINUX: Linux = Linux {
    target: AnyTarget::Riscv64,
    order: ORDER,
    machine: "riscv64",
    // I, M, A, F, D and C.
    capabilities: Capabilities { platform: "", hwcap: 0x112d, hwcap2: 0 },
    addresses: Addresses::WIDE,
    syscalls: include_str!("../syscalls/riscv64.tbl"),
    convention: Convention {
        number: 17,
        immediate: false,
        args: &[10, 11, 12, 13, 14, 15],
        on_stack: 0,
        result: 10,
        errors: Errors::Negative,
    },
    long: Long::One,
    clone: CloneArguments::BACKWARDS,
    errnos: &[],
    signals: &GENERIC,
    open_flags: &[],
    map_anonymous: 0x20,
    fcntl: Fcntl::WIDE,
    ioctl: Ioctl::GENERIC,
    limits: ResourceLimits::GENERIC,
    layouts: Layouts {
        sigaction: SigAction::NoRestorer,
        sigstack: SigStack::GENERIC,
        epoll: Epoll::ALIGNED,
        flock: Flock::WIDE,
        flock64: Flock::WIDE,
        stat: stat::generic,
        narrow_stat: None,
        statfs: stat::statfs,
        statfs64: stat::statfs64,
    },
    start,
    set_thread_pointer: thread_register,
    // li a7, 139; ecall
    sigreturn: &[0x93, 0x08, 0xb0, 0x08, 0x73, 0, 0, 0],
    call: CALL,
    #[cfg(test)]
    numbers: [63, 220, 98, 94],
    pages: Vec::new,
    frame: &Riscv64,
    exception,
    yields: no_hint,
    align: no_alignment,
    cacheflush_to_end: true,
};

/// The engine has no exception of its own for breakpoints.
fn exception(_: Option<u32>, instruction: [u8; 4]) -> Option<Raised> {
    match instruction {
        // ebreak; c.ebreak
        [0x73, 0x00, 0x10, 0x00] | [0x02, 0x90, ..] => Some(Raised::BREAKPOINT),
        _ => Some(Raised::ILLEGAL),
    }
}

/// `struct rt_sigframe` of arch/riscv/kernel/signal.c.
struct Riscv64;

const ORDER: Order = Order { word: 8, big: false };

const RA: usize = 1;
const A0: usize = 10;

/// Where `ucontext` lies in the frame, after `siginfo`.
const UCONTEXT: u64 = SIGINFO_SIZE as u64;
/// Where the mask lies: after `uc_flags`, `uc_link` and `uc_stack`. There is room for one of 1024 bits.
const MASK: u64 = UCONTEXT + 40;
/// `struct sigcontext`, aligned to sixteen bytes: PC and X1 to X31, and the floating-point state.
const SIGCONTEXT: u64 = UCONTEXT + 176;
const FRAME_SIZE: u64 = SIGCONTEXT + 256 + 528;

impl SignalFrame for Riscv64 {
    fn push(&self, machine: &mut Machine, delivery: &Delivery) -> Result<u64, Errno> {
        let end = delivery.alt_stack.frame_end(machine.sp(), &delivery.action);
        let frame = end.wrapping_sub(FRAME_SIZE) & !15;
        let bytes = Record::new(ORDER)
            .raw(&delivery.info())
            .words([0, 0, delivery.alt_stack.sp])
            .u32(delivery.alt_stack.flags)
            .u32(0)
            .word(delivery.alt_stack.size)
            .raw(&delivery.mask_bytes())
            .pad_to(SIGCONTEXT as usize)
            .word(machine.pc())
            .words((1..32).map(|r| general(machine, r)))
            .pad_to(FRAME_SIZE as usize)
            .finish();
        store(machine, ORDER, frame, &bytes)?;
        set_general(machine, RA, delivery.restorer);
        set_general(machine, A0, delivery.signal.number.into());
        set_general(machine, A0 + 1, frame);
        set_general(machine, A0 + 2, frame + UCONTEXT);
        machine.set_sp(frame);
        machine.set_pc(delivery.action.handler);
        Ok(frame)
    }

    fn addr(&self, machine: &Machine) -> u64 {
        machine.sp()
    }

    fn pop(&self, machine: &mut Machine, frame: u64) -> Result<Returned, Errno> {
        let saved = load(machine, ORDER, frame.wrapping_add(SIGCONTEXT), 8, 32)?;
        let mask = load_mask(machine, ORDER, frame.wrapping_add(MASK), 8)?;
        for (register, &value) in saved.iter().enumerate().skip(1) {
            set_general(machine, register, value);
        }
        machine.set_pc(saved[0]);
        Ok(Returned { mask })
    }
}

/// A function that makes a system call: see [`Linux::call`].
const CALL: Code = Code::Words(&[
    0x0001_3883, // ld a7, 0(sp)
    0x0081_3503, // ld a0, 8(sp)
    0x0101_3583, // ld a1, 16(sp)
    0x0181_3603, // ld a2, 24(sp)
    0x0201_3683, // ld a3, 32(sp)
    0x0281_3703, // ld a4, 40(sp)
    0x0301_3783, // ld a5, 48(sp)
    0x0000_0073, // ecall
    0x00a1_3023, // sd a0, 0(sp)
    0x0000_8067, // ret
]);
