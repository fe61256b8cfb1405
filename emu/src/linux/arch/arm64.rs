//! arm64.

use heapmatrix_writer::AnyTarget;

use super::super::errno::Errno;
use super::super::signal::SIGINFO_SIZE;
use super::super::user::{Order, Record};
use super::frame::{general, get, load, load_mask, set, set_general, store};
use super::signals::GENERIC;
use super::{
    Addresses, Capabilities, CloneArguments, Code, Convention, Delivery, Epoll, Errors, Fcntl, Flock, Ioctl,
    Layouts, Linux, Long, ResourceLimits, Returned, SigAction, SigStack, SignalFrame, breakpoint,
    no_alignment, no_hint, start, stat, thread_register,
};
use crate::machine::{Machine, Register};

pub(super) static LINUX: Linux = Linux {
    target: AnyTarget::Arm64,
    order: ORDER,
    machine: "aarch64",
    // Floating point and vectors.
    capabilities: Capabilities { platform: "aarch64", hwcap: 3, hwcap2: 0 },
    addresses: Addresses::WIDE,
    syscalls: include_str!("../syscalls/arm64.tbl"),
    convention: Convention {
        number: 8,
        immediate: false,
        args: &[0, 1, 2, 3, 4, 5],
        on_stack: 0,
        result: 0,
        errors: Errors::Negative,
    },
    long: Long::One,
    clone: CloneArguments::BACKWARDS,
    errnos: &[],
    signals: &GENERIC,
    // O_DIRECTORY, O_NOFOLLOW, O_DIRECT, O_LARGEFILE.
    open_flags: &[(0o200000, 0o40000), (0o400000, 0o100000), (0o40000, 0o200000), (0o100000, 0o400000)],
    map_anonymous: 0x20,
    fcntl: Fcntl::WIDE,
    ioctl: Ioctl::GENERIC,
    limits: ResourceLimits::GENERIC,
    layouts: Layouts {
        sigaction: SigAction::Restorer,
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
    // mov x8, #139; svc #0
    sigreturn: &[0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4],
    call: CALL,
    #[cfg(test)]
    numbers: [63, 220, 98, 94],
    pages: Vec::new,
    frame: &Arm64,
    exception: breakpoint,
    yields: no_hint,
    align: no_alignment,
    cacheflush_to_end: false,
};

/// `struct rt_sigframe` of arch/arm64/kernel/signal.c.
struct Arm64;

const ORDER: Order = Order { word: 8, big: false };

const FP: usize = 29;
const LR: usize = 30;

/// Where `ucontext` lies in the frame, after `siginfo`.
const UCONTEXT: u64 = SIGINFO_SIZE as u64;
/// Where the mask lies: after `uc_flags`, `uc_link` and `uc_stack`. There is room for one of 1024 bits.
const MASK: u64 = UCONTEXT + 40;
/// `struct sigcontext`, aligned to sixteen bytes: the address at fault, X0 to X30, SP, PC, PSTATE.
const SIGCONTEXT: u64 = UCONTEXT + 176;
const REGISTERS: u64 = SIGCONTEXT + 8;
/// X0 to X30; SP, PC and PSTATE follow.
const SAVED: usize = 31;
/// Room for records of floating-point state, of which there are none: the first is the end.
const RECORDS: u64 = SIGCONTEXT + 288;
/// The frame pointer and the link register, as a function that was called would have saved them.
const FRAME_RECORD: u64 = RECORDS + 4096;
const FRAME_SIZE: u64 = FRAME_RECORD + 16;

/// N, Z, C and V.
const FLAGS: u64 = 0xf000_0000;

impl SignalFrame for Arm64 {
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
            .word(delivery.fault_addr())
            .words((0..SAVED).map(|r| general(machine, r)))
            .words([machine.sp(), machine.pc(), get(machine, Register::Flags)])
            .pad_to(FRAME_RECORD as usize)
            .words([general(machine, FP), general(machine, LR)])
            .finish();
        store(machine, ORDER, frame, &bytes)?;
        set_general(machine, 0, delivery.signal.number.into());
        set_general(machine, 1, frame);
        set_general(machine, 2, frame + UCONTEXT);
        set_general(machine, FP, frame + FRAME_RECORD);
        set_general(machine, LR, delivery.restorer);
        machine.set_sp(frame);
        machine.set_pc(delivery.action.handler);
        Ok(frame)
    }

    fn addr(&self, machine: &Machine) -> u64 {
        machine.sp()
    }

    fn pop(&self, machine: &mut Machine, frame: u64) -> Result<Returned, Errno> {
        let saved = load(machine, ORDER, frame.wrapping_add(REGISTERS), 8, SAVED + 3)?;
        let mask = load_mask(machine, ORDER, frame.wrapping_add(MASK), 8)?;
        for (register, &value) in saved[..SAVED].iter().enumerate() {
            set_general(machine, register, value);
        }
        machine.set_sp(saved[SAVED]);
        machine.set_pc(saved[SAVED + 1]);
        set(machine, Register::Flags, saved[SAVED + 2] & FLAGS);
        Ok(Returned { mask })
    }
}

/// A function that makes a system call: see [`Linux::call`].
const CALL: Code = Code::Words(&[
    0xf940_03e8, // ldr x8, [sp]
    0xf940_07e0, // ldr x0, [sp, #8]
    0xf940_0be1, // ldr x1, [sp, #16]
    0xf940_0fe2, // ldr x2, [sp, #24]
    0xf940_13e3, // ldr x3, [sp, #32]
    0xf940_17e4, // ldr x4, [sp, #40]
    0xf940_1be5, // ldr x5, [sp, #48]
    0xd400_0001, // svc 0
    0xf900_03e0, // str x0, [sp]
    0xd65f_03c0, // ret
]);
