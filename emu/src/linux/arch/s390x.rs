//! s390x.

use heapmatrix_writer::AnyTarget;

use super::super::errno::Errno;
use super::super::signal::{Cause, SIGINFO_SIZE, Signal};
use super::super::user::{Order, Record};
use super::frame::{general, get, load, load_mask, set, set_general, store};
use super::signals::{GENERIC, SEGV};
use super::{
    Addresses, Capabilities, CloneArguments, Code, Convention, Delivery, Epoll, Errors, Fcntl, Flock, Ioctl,
    Layouts, Linux, Long, Raised, ResourceLimits, Returned, SigAction, SigStack, SignalFrame, no_alignment,
    no_hint, start, stat,
};
use crate::machine::{Machine, Register};

pub(super) static LINUX: Linux = Linux {
    target: AnyTarget::S390x,
    order: ORDER,
    machine: "s390x",
    // zarch, stfle, msa, ldisp, eimm, etf3eh, high_gprs, vx: Go from 1.27 on wants vectors.
    capabilities: Capabilities { platform: "z13", hwcap: 0xb3e, hwcap2: 0 },
    addresses: Addresses::WIDE,
    syscalls: include_str!("../syscalls/s390x.tbl"),
    convention: Convention {
        number: 1,
        immediate: true,
        args: &[2, 3, 4, 5, 6, 7],
        on_stack: 0,
        result: 2,
        errors: Errors::Negative,
    },
    long: Long::One,
    // CLONE_BACKWARDS2
    clone: CloneArguments { flags: 1, stack: 0, ..CloneArguments::FORWARDS },
    errnos: &[],
    signals: &GENERIC,
    open_flags: &[],
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
        stat: stat::s390x,
        narrow_stat: None,
        statfs: stat::statfs_s390x,
        statfs64: stat::statfs_s390x,
    },
    start,
    set_thread_pointer,
    // lghi %r1, 173; svc 0
    sigreturn: &[0xa7, 0x19, 0x00, 0xad, 0x0a, 0x00],
    call: CALL,
    #[cfg(test)]
    numbers: [3, 120, 238, 248],
    pages: Vec::new,
    frame: &S390x,
    exception,
    yields: no_hint,
    align: no_alignment,
    cacheflush_to_end: false,
};

/// The first two access registers are the two halves of the address.
fn set_thread_pointer(machine: &mut Machine, addr: u64) -> Result<(), Errno> {
    set_general(machine, ACCESS, addr >> 32);
    set_general(machine, ACCESS + 1, addr & 0xffff_ffff);
    Ok(())
}

/// The engine has one exception for all that a program can do wrong.
fn exception(_: Option<u32>, instruction: [u8; 4]) -> Option<Raised> {
    match instruction {
        [0x00, 0x01, ..] => Some(Raised::BREAKPOINT),
        // DR, D, DLR, DL, DSGR, DSGFR, DLGR; DSG, DSGF and DLG begin with 0xe3, as much else does.
        [0x1d | 0x5d, ..] | [0xb9, 0x97 | 0x0d | 0x1d | 0x87, ..] => Some(Raised::DIVISION),
        _ => Some(Raised::ILLEGAL),
    }
}

/// `struct rt_sigframe` of arch/s390/kernel/signal.c.
struct S390x;

const ORDER: Order = Order { word: 8, big: true };

/// Where the access registers are among the general ones.
const ACCESS: usize = 16;
const RETURN: usize = 14;

/// Where `siginfo` lies in the frame: after what a caller's frame has, and the return code.
const INFO: u64 = 160 + 8;
const UCONTEXT: u64 = INFO + SIGINFO_SIZE as u64;
/// The program status word, after `uc_flags`, `uc_link` and `uc_stack`. R0 to R15, the access registers, the
/// floating-point control register and the floating-point registers follow.
const REGISTERS: u64 = UCONTEXT + 40;
const MASK: u64 = REGISTERS + 16 + 128 + 64 + 136;
/// After a mask of 1024 bits: the upper halves of registers on 32-bit kernels, and of the vectors.
const FRAME_SIZE: u64 = MASK + 128 + 8 + 16 * 8 + 16 * 16 + 128;

impl SignalFrame for S390x {
    fn push(&self, machine: &mut Machine, delivery: &Delivery) -> Result<u64, Errno> {
        let end = delivery.alt_stack.frame_end(machine.sp(), &delivery.action);
        let frame = end.wrapping_sub(FRAME_SIZE) & !7;
        // The CPU knows only the page of an address at fault.
        let cause = match delivery.signal.cause {
            Cause::Fault { code, addr } if delivery.signal.number == SEGV => {
                Cause::Fault { code, addr: addr & !0xfff }
            }
            cause => cause,
        };
        let signal = Signal { cause, ..delivery.signal };
        let bytes = Record::new(ORDER)
            .word(machine.sp())
            .pad_to(INFO as usize)
            .raw(&signal.info(delivery.linux))
            .words([0, 0, delivery.alt_stack.sp])
            .u32(delivery.alt_stack.flags)
            .u32(0)
            .word(delivery.alt_stack.size)
            .words([get(machine, Register::Flags), machine.pc()])
            .words((0..ACCESS).map(|r| general(machine, r)));
        let bytes = (ACCESS..ACCESS + 16)
            .fold(bytes, |bytes, r| bytes.u32(general(machine, r) as u32))
            .pad_to(MASK as usize)
            .raw(&delivery.mask_bytes())
            .pad_to(FRAME_SIZE as usize)
            .finish();
        store(machine, ORDER, frame, &bytes)?;
        set_general(machine, 2, delivery.signal.number.into());
        set_general(machine, 3, frame + INFO);
        set_general(machine, 4, frame + UCONTEXT);
        set_general(machine, RETURN, delivery.restorer);
        machine.set_sp(frame);
        machine.set_pc(delivery.action.handler);
        Ok(frame)
    }

    fn addr(&self, machine: &Machine) -> u64 {
        machine.sp()
    }

    fn pop(&self, machine: &mut Machine, frame: u64) -> Result<Returned, Errno> {
        /// The condition code: all of the program status word that is the program's.
        const CONDITION: u64 = 3 << 44;
        let saved = load(machine, ORDER, frame.wrapping_add(REGISTERS), 8, 2 + ACCESS)?;
        let mask = load_mask(machine, ORDER, frame.wrapping_add(MASK), 8)?;
        for (register, &value) in saved[2..].iter().enumerate() {
            set_general(machine, register, value);
        }
        let kept = get(machine, Register::Flags) & !CONDITION;
        set(machine, Register::Flags, kept | saved[0] & CONDITION);
        machine.set_pc(saved[1]);
        Ok(Returned { mask })
    }
}

/// A function that makes a system call: see [`Linux::call`].
const CALL: Code = Code::Bytes(&[
    &[0xe3, 0x10, 0xf0, 0x00, 0x00, 0x04], // lg %r1, 0(%r15)
    &[0xe3, 0x20, 0xf0, 0x08, 0x00, 0x04], // lg %r2, 8(%r15)
    &[0xe3, 0x30, 0xf0, 0x10, 0x00, 0x04], // lg %r3, 16(%r15)
    &[0xe3, 0x40, 0xf0, 0x18, 0x00, 0x04], // lg %r4, 24(%r15)
    &[0xe3, 0x50, 0xf0, 0x20, 0x00, 0x04], // lg %r5, 32(%r15)
    &[0xe3, 0x60, 0xf0, 0x28, 0x00, 0x04], // lg %r6, 40(%r15)
    &[0xe3, 0x70, 0xf0, 0x30, 0x00, 0x04], // lg %r7, 48(%r15)
    &[0x0a, 0x00],                         // svc 0
    &[0xe3, 0x20, 0xf0, 0x00, 0x00, 0x24], // stg %r2, 0(%r15)
    &[0x07, 0xfe],                         // br %r14
]);
