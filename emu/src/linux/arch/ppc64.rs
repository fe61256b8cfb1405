//! ppc64 and ppc64le.

use heapmatrix_writer::AnyTarget;

use super::super::errno::Errno;
use super::super::signal::{Cause, SIGINFO_SIZE};
use super::super::user::{Order, Record, User};
use super::frame::{general, get, load, load_mask, set, set_general, store};
use super::signals::{GENERIC, SEGV};
use super::{
    Addresses, Capabilities, CloneArguments, Code, Convention, Delivery, Entry, Epoll, Errors, Fcntl, Flock,
    Ioctl, Layouts, Linux, Long, ResourceLimits, Returned, SigAction, SigStack, SignalFrame, breakpoint,
    no_alignment, no_hint, stat, thread_register,
};
use crate::machine::{Machine, Register};
use crate::memory::MemoryError;

const BIG: Order = Order { word: 8, big: true };
const LITTLE: Order = Order { word: 8, big: false };

pub(super) static PPC64: Linux = linux(
    AnyTarget::Ppc64,
    &Ppc64(BIG),
    // 64-bit, FPU, MMU, and no vectors.
    Capabilities { platform: "power8", hwcap: 0xcc00_0000, hwcap2: 0 },
    // The handler's caller frame goes: addi r1, r1, 128; li r0, 172; sc
    &[0x38, 0x21, 0x00, 0x80, 0x38, 0x00, 0x00, 0xac, 0x44, 0, 0, 2],
);

pub(super) static PPC64LE: Linux = linux(
    AnyTarget::Ppc64le,
    &Ppc64(LITTLE),
    // Besides vectors, VSX, and all up to a POWER8.
    Capabilities { platform: "power8", hwcap: 0xdc06_0080, hwcap2: 0x8000_0000 },
    &[0x80, 0x00, 0x21, 0x38, 0xac, 0x00, 0x00, 0x38, 2, 0, 0, 0x44],
);

const fn linux(
    target: AnyTarget,
    frame: &'static Ppc64,
    capabilities: Capabilities,
    sigreturn: &'static [u8],
) -> Linux {
    Linux {
        target,
        order: frame.0,
        machine: if frame.0.big { "ppc64" } else { "ppc64le" },
        capabilities,
        addresses: Addresses::WIDE,
        syscalls: include_str!("../syscalls/ppc64.tbl"),
        convention: Convention {
            number: 0,
            immediate: false,
            args: &[3, 4, 5, 6, 7, 8],
            on_stack: 0,
            result: 3,
            // The summary overflow bit of condition register field 0.
            errors: Errors::Condition(1 << 28),
        },
        long: Long::One,
        clone: CloneArguments::BACKWARDS,
        errnos: &[],
        signals: &GENERIC,
        // O_DIRECTORY, O_NOFOLLOW, O_LARGEFILE, O_DIRECT.
        open_flags: &[(0o200000, 0o40000), (0o400000, 0o100000), (0o100000, 0o200000), (0o40000, 0o400000)],
        map_anonymous: 0x20,
        fcntl: Fcntl::WIDE,
        ioctl: Ioctl {
            readable: 0x4004_667f,
            non_blocking: 0x8004_667e,
            close_on_exec: 0x2000_6601,
            keep_on_exec: 0x2000_6602,
            terminal: 0x402c_7413,
        },
        limits: ResourceLimits::GENERIC,
        layouts: Layouts {
            sigaction: SigAction::Restorer,
            sigstack: SigStack::GENERIC,
            epoll: Epoll::ALIGNED,
            flock: Flock::WIDE,
            flock64: Flock::WIDE,
            stat: stat::links_first,
            narrow_stat: None,
            statfs: stat::statfs,
            statfs64: stat::statfs64,
        },
        start,
        set_thread_pointer: thread_register,
        sigreturn,
        call: CALL,
        #[cfg(test)]
        numbers: [3, 120, 221, 234],
        pages: Vec::new,
        frame,
        exception: breakpoint,
        yields: no_hint,
        align: no_alignment,
        cacheflush_to_end: false,
    }
}

/// R2 is the table of contents where functions have descriptors, and R12 the address of a function's code.
fn start(machine: &mut Machine, entry: Entry) -> Result<(), MemoryError> {
    let mut addr = entry.addr;
    if entry.descriptors {
        let user = User::new(machine.memory_mut(), BIG);
        let missing = |_| MemoryError::NotMapped { addr, len: 16, missing: addr };
        let toc = user.u64(addr.wrapping_add(8)).map_err(missing)?;
        addr = user.u64(addr).map_err(missing)?;
        set_general(machine, 2, toc);
    }
    set_general(machine, 12, addr);
    machine.set_sp(entry.sp);
    machine.set_pc(addr);
    Ok(())
}

/// `struct rt_sigframe` of arch/powerpc/kernel/signal_64.c.
struct Ppc64(Order);

/// The frame that the handler's caller seems to have: `__SIGNAL_FRAMESIZE`.
const CALLER_FRAME: u64 = 128;
/// Bytes below the stack pointer that belong to the interrupted function.
const RED_ZONE: u64 = 288;
/// Where the mask lies in `ucontext`, with which the frame begins.
const MASK: u64 = 40;
/// Where `struct sigcontext` lies, after the mask and fifteen words that are reserved.
const SIGCONTEXT: u64 = 168;
/// Where the registers lie in it: `gp_regs`, which `regs` points to.
const REGISTERS: u64 = SIGCONTEXT + 64;
/// R0 to R31; NIP, MSR, ORIG_R3, CTR, LR, XER, CR, SOFTE, TRAP and DAR follow.
const SAVED: usize = 32;
/// What follows `ucontext`: two words that are reserved, and six instructions of return code.
const POINTERS: u64 = SIGCONTEXT + 1528 + 16 + 24;
/// `siginfo`, after the pointers to itself and to `ucontext`.
const INFO: u64 = POINTERS + 16;
const FRAME_SIZE: u64 = INFO + SIGINFO_SIZE as u64 + RED_ZONE;

/// MSR as user code sees it: 64-bit, floating point, interrupts, problem state. The last bit says little-endian.
const USER_MSR: u64 = 0x8000_0000_0000_f032;
/// The exception vectors of a data access and of a program exception.
const TRAP_DATA: u64 = 0x300;
const TRAP_PROGRAM: u64 = 0x700;

impl SignalFrame for Ppc64 {
    fn push(&self, machine: &mut Machine, delivery: &Delivery) -> Result<u64, Errno> {
        let end = delivery.alt_stack.frame_end(machine.sp(), &delivery.action);
        let frame = end.wrapping_sub(FRAME_SIZE) & !15;
        let sp = frame.wrapping_sub(CALLER_FRAME);
        let handler = delivery.action.handler;
        let (entry, toc) = if delivery.descriptors {
            let user = User::new(machine.memory_mut(), self.0);
            (user.u64(handler)?, user.u64(handler.wrapping_add(8))?)
        } else {
            (handler, general(machine, 2))
        };
        let (trap, dar) = match delivery.signal.cause {
            Cause::Fault { addr, .. } if delivery.signal.number == SEGV => (TRAP_DATA, addr),
            Cause::Fault { .. } => (TRAP_PROGRAM, 0),
            Cause::Sent { .. } => (0, 0),
        };
        let bytes = Record::new(self.0)
            .words([0, 0, delivery.alt_stack.sp])
            .u32(delivery.alt_stack.flags)
            .u32(0)
            .word(delivery.alt_stack.size)
            .raw(&delivery.mask_bytes())
            .pad_to(SIGCONTEXT as usize + 32)
            .u32(delivery.signal.number)
            .u32(0)
            .words([handler, delivery.mask as u64, frame + REGISTERS])
            .words((0..SAVED).map(|r| general(machine, r)))
            .words([
                machine.pc(),
                USER_MSR | u64::from(!self.0.big),
                general(machine, 3),
                get(machine, Register::Ctr),
                get(machine, Register::Lr),
            ])
            .words([get(machine, Register::Xer), get(machine, Register::Flags), 1, trap, dar])
            .pad_to(POINTERS as usize)
            .words([frame + INFO, frame])
            .raw(&delivery.info())
            .finish();
        store(machine, self.0, frame, &bytes)?;
        // The back chain.
        let old_sp = Record::new(self.0).word(machine.sp()).finish();
        store(machine, self.0, sp, &old_sp)?;
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

    fn addr(&self, machine: &Machine) -> u64 {
        // The return code has popped the caller's frame.
        machine.sp()
    }

    fn pop(&self, machine: &mut Machine, frame: u64) -> Result<Returned, Errno> {
        let saved = load(machine, self.0, frame.wrapping_add(REGISTERS), 8, SAVED + 7)?;
        let mask = load_mask(machine, self.0, frame.wrapping_add(MASK), 8)?;
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

/// A function that makes a system call: see [`Linux::call`]. An error is a bit of the condition register.
const CALL: Code = Code::Words(&[
    0xe801_0000, // ld r0, 0(r1)
    0xe861_0008, // ld r3, 8(r1)
    0xe881_0010, // ld r4, 16(r1)
    0xe8a1_0018, // ld r5, 24(r1)
    0xe8c1_0020, // ld r6, 32(r1)
    0xe8e1_0028, // ld r7, 40(r1)
    0xe901_0030, // ld r8, 48(r1)
    0x4400_0002, // sc
    0x4083_0008, // bns +8
    0x7c63_00d0, // neg r3, r3
    0xf861_0000, // std r3, 0(r1)
    0x4e80_0020, // blr
]);
