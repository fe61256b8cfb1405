//! mips, mipsle, mips64 and mips64le.

use heapmatrix_writer::AnyTarget;

use super::super::errno::Errno;
use super::super::signal::SIGINFO_SIZE;
use super::super::user::{Order, Record};
use super::frame::{general, load, load_mask, set_general, store};
use super::mips_align::align;
use super::signals;
use super::{
    Addresses, Capabilities, CloneArguments, Code, Convention, Delivery, Epoll, Errors, Fcntl, Flock, Ioctl,
    Layouts, Linux, Long, Raised, ResourceLimits, Returned, SigAction, SigStack, SignalFrame, no_hint, start,
    stat, thread_register,
};
use crate::machine::Machine;

pub(super) static MIPS: Linux =
    narrow(AnyTarget::Mips, &Frame { order: order(4, true), at: &NARROW }, &BIG_RETURN);
pub(super) static MIPSLE: Linux =
    narrow(AnyTarget::Mipsle, &Frame { order: order(4, false), at: &NARROW }, &LITTLE_RETURN);
pub(super) static MIPS64: Linux =
    wide(AnyTarget::Mips64, &Frame { order: order(8, true), at: &WIDE }, &BIG_RETURN64);
pub(super) static MIPS64LE: Linux =
    wide(AnyTarget::Mips64le, &Frame { order: order(8, false), at: &WIDE }, &LITTLE_RETURN64);

const fn order(word: u64, big: bool) -> Order {
    Order { word, big }
}

/// li v0, 4193; syscall
static BIG_RETURN: [u8; 8] = [0x24, 0x02, 0x10, 0x61, 0, 0, 0, 0x0c];
static LITTLE_RETURN: [u8; 8] = [0x61, 0x10, 0x02, 0x24, 0x0c, 0, 0, 0];
/// li v0, 5211; syscall
static BIG_RETURN64: [u8; 8] = [0x24, 0x02, 0x14, 0x5b, 0, 0, 0, 0x0c];
static LITTLE_RETURN64: [u8; 8] = [0x5b, 0x14, 0x02, 0x24, 0x0c, 0, 0, 0];

/// The kernel has the upper half of 32-bit addresses. The engine leaves no more of the 64-bit ones: `ll` and `sc` reach
/// the lower 2 GiB alone.
const ADDRESSES: Addresses = Addresses {
    image: 0x1000_0000,
    mmap: 0x2000_0000,
    limit: 0x7f00_0000,
    stack_top: 0x7fff_7000,
    end: 0x7fff_8000,
};

/// What has numbers of its own: arch/mips/include/uapi/asm/errno.h.
static ERRNOS: [(Errno, u32); 10] = [
    (Errno::NoLck, 46),
    (Errno::NameTooLong, 78),
    (Errno::Overflow, 79),
    (Errno::NoSys, 89),
    (Errno::Loop, 90),
    (Errno::NotEmpty, 93),
    (Errno::NotSock, 95),
    (Errno::OpNotSupp, 122),
    (Errno::AfNoSupport, 124),
    (Errno::TimedOut, 145),
];

/// arch/mips/include/uapi/asm/fcntl.h.
static OPEN_FLAGS: [(u32, u32); 10] = [
    (0o100, 0x100),      // O_CREAT
    (0o200, 0x400),      // O_EXCL
    (0o400, 0x800),      // O_NOCTTY
    (0o2000, 0x8),       // O_APPEND
    (0o4000, 0x80),      // O_NONBLOCK
    (0o10000, 0x10),     // O_DSYNC
    (0o20000, 0x1000),   // FASYNC
    (0o40000, 0x8000),   // O_DIRECT
    (0o100000, 0x2000),  // O_LARGEFILE
    (0x10_0000, 0x4000), // __O_SYNC
];

/// The 64-bit ABI, n64.
const fn wide(target: AnyTarget, frame: &'static Frame, sigreturn: &'static [u8]) -> Linux {
    Linux {
        target,
        order: frame.order,
        machine: "mips64",
        capabilities: Capabilities { platform: "mips", hwcap: 0, hwcap2: 0 },
        addresses: ADDRESSES,
        syscalls: include_str!("../syscalls/mips64.tbl"),
        convention: Convention {
            number: 2,
            immediate: false,
            args: &[4, 5, 6, 7, 8, 9],
            on_stack: 0,
            result: 2,
            errors: Errors::Register(7),
        },
        long: Long::One,
        clone: CloneArguments::BACKWARDS,
        errnos: &ERRNOS,
        signals: &signals::MIPS,
        open_flags: &OPEN_FLAGS,
        map_anonymous: 0x800,
        fcntl: Fcntl { lock: [14, 6, 7], lock64: None, owner: [24, 23] },
        ioctl: Ioctl {
            readable: 0x467f,
            non_blocking: 0x667e,
            close_on_exec: 0x6601,
            keep_on_exec: 0x6602,
            terminal: 0x540d,
        },
        limits: ResourceLimits { files: 5, infinity: u64::MAX },
        layouts: Layouts {
            sigaction: SigAction::FlagsFirst,
            sigstack: SigStack { size: 1, flags: 2 },
            epoll: Epoll::ALIGNED,
            flock: Flock::WIDE,
            flock64: Flock::WIDE,
            stat: stat::mips,
            narrow_stat: None,
            statfs: stat::statfs_mips,
            statfs64: stat::statfs_mips,
        },
        start,
        set_thread_pointer: thread_register,
        sigreturn,
        call: CALL64,
        #[cfg(test)]
        numbers: [5000, 5055, 5194, 5205],
        pages: Vec::new,
        frame,
        exception,
        yields: no_hint,
        align,
        cacheflush_to_end: false,
    }
}

/// The 32-bit ABI, o32.
const fn narrow(target: AnyTarget, frame: &'static Frame, sigreturn: &'static [u8]) -> Linux {
    let wide = wide(target, frame, sigreturn);
    Linux {
        machine: "mips",
        call: CALL,
        #[cfg(test)]
        numbers: [4003, 4120, 4238, 4246],
        syscalls: include_str!("../syscalls/mips.tbl"),
        // A caller's frame has room for the first four arguments too.
        convention: Convention { args: &[4, 5, 6, 7], on_stack: 16, ..wide.convention },
        long: Long::EvenTwo,
        fcntl: Fcntl { lock64: Some([33, 34, 35]), ..wide.fcntl },
        limits: ResourceLimits { infinity: 0x7fff_ffff, ..wide.limits },
        layouts: Layouts {
            flock: Flock { pid: 16, ..Flock::NARROW },
            narrow_stat: Some(stat::narrow_mips),
            statfs64: stat::statfs64_mips,
            ..wide.layouts
        },
        ..wide
    }
}

fn exception(number: Option<u32>, instruction: [u8; 4]) -> Option<Raised> {
    const ADDRESS_LOAD: u32 = 12;
    const ADDRESS_STORE: u32 = 13;
    const OVERFLOW: u32 = 21;
    const FPE_INTOVF: i32 = 2;
    /// The code of `break` and of the traps that compilers put before divisions.
    const DIVISION: u32 = 7;
    // Of both orders of bytes only one has the code where it is looked for.
    let codes =
        [u32::from_be_bytes(instruction), u32::from_le_bytes(instruction)].map(|word| match word & 0x3f {
            0x0d => word >> 16 & 0x3ff,
            _ => word >> 6 & 0x3ff,
        });
    match number {
        None => Some(Raised::ILLEGAL),
        Some(ADDRESS_LOAD | ADDRESS_STORE) => {
            Some(Raised { signal: signals::MIPS.bus, code: 1, at_pc: false })
        }
        Some(OVERFLOW) => Some(Raised { code: FPE_INTOVF, ..Raised::DIVISION }),
        Some(_) if codes.contains(&DIVISION) => Some(Raised::DIVISION),
        Some(_) => Some(Raised::BREAKPOINT),
    }
}

/// `struct rt_sigframe` of arch/mips/kernel/signal.c.
struct Frame {
    order: Order,
    at: &'static Offsets,
}

/// Where things lie in a frame.
struct Offsets {
    /// The program counter.
    pc: u64,
    /// The general registers, of 64 bits each in both ABIs.
    registers: u64,
    hi: u64,
    lo: u64,
    mask: u64,
    size: u64,
}

/// After room for arguments, and what was the return code.
const INFO: u64 = 24;
const UCONTEXT: u64 = INFO + SIGINFO_SIZE as u64;

/// `struct sigcontext` lies after `uc_flags`, `uc_link` and `uc_stack`.
const NARROW: Offsets = {
    let context = UCONTEXT + 24;
    let (registers, mask) = (context + 16, context + 592);
    let hi = registers + 512 + 24;
    Offsets { pc: context + 8, registers, hi, lo: hi + 8, mask, size: mask + 128 }
};
const WIDE: Offsets = {
    let context = UCONTEXT + 40;
    let hi = context + 512;
    Offsets { pc: hi + 64, registers: context, hi, lo: hi + 32, mask: hi + 88, size: hi + 88 + 128 }
};

/// Below the stack pointer there may be the trampoline of the kernel's floating-point emulator.
const RED_ZONE: u64 = 32;

const A0: usize = 4;
/// A function finds its own address in it.
const T9: usize = 25;
const RA: usize = 31;
const HI: usize = 32;
const LO: usize = 33;

impl SignalFrame for Frame {
    fn push(&self, machine: &mut Machine, delivery: &Delivery) -> Result<u64, Errno> {
        let Frame { order, at } = self;
        let sp = machine.sp();
        let end = delivery.alt_stack.frame_end(sp, &delivery.action);
        let end = if end == sp { end.wrapping_sub(RED_ZONE) } else { end };
        let frame = end.wrapping_sub(at.size) & !15;
        let stack = delivery.alt_stack;
        let mut bytes = Record::new(*order)
            .pad_to(INFO as usize)
            .raw(&delivery.info())
            .words([0, 0, stack.sp, stack.size])
            .u32(stack.flags)
            .pad_to(at.mask as usize)
            .raw(&delivery.mask_bytes())
            .pad_to(at.size as usize)
            .finish();
        let mut put = |at: u64, value: u64| {
            let (value, len) = order.encode(value, 8);
            bytes[at as usize..][..len].copy_from_slice(&value);
        };
        put(at.pc, machine.pc());
        for register in 0..32 {
            put(at.registers + 8 * register as u64, general(machine, register));
        }
        put(at.hi, general(machine, HI));
        put(at.lo, general(machine, LO));
        store(machine, *order, frame, &bytes)?;
        set_general(machine, A0, delivery.signal.number.into());
        set_general(machine, A0 + 1, frame + INFO);
        set_general(machine, A0 + 2, frame + UCONTEXT);
        set_general(machine, T9, delivery.action.handler);
        set_general(machine, RA, delivery.restorer);
        machine.set_sp(frame);
        machine.set_pc(delivery.action.handler);
        Ok(frame)
    }

    fn addr(&self, machine: &Machine) -> u64 {
        machine.sp()
    }

    fn pop(&self, machine: &mut Machine, frame: u64) -> Result<Returned, Errno> {
        let Frame { order, at } = self;
        let one = |machine: &mut Machine, at: u64| -> Result<u64, Errno> {
            Ok(load(machine, *order, frame.wrapping_add(at), 8, 1)?[0])
        };
        let (pc, hi, lo) = (one(machine, at.pc)?, one(machine, at.hi)?, one(machine, at.lo)?);
        let saved = load(machine, *order, frame.wrapping_add(at.registers), 8, 32)?;
        let mask = load_mask(machine, *order, frame.wrapping_add(at.mask), 16)?;
        for (register, &value) in saved.iter().enumerate().skip(1) {
            set_general(machine, register, value);
        }
        set_general(machine, HI, hi);
        set_general(machine, LO, lo);
        machine.set_pc(pc);
        Ok(Returned { mask })
    }
}

/// A function that makes a system call: see [`Linux::call`]. Two of the arguments are on the stack, after room for the first four. An error is a register.
const CALL: Code = Code::Words(&[
    0x8fb8_0014, // lw t8, 20(sp)
    0x8fb9_0018, // lw t9, 24(sp)
    0x27bd_ffe0, // addiu sp, sp, -32
    0xafb8_0010, // sw t8, 16(sp)
    0xafb9_0014, // sw t9, 20(sp)
    0x8fa2_0020, // lw v0, 32(sp)
    0x8fa4_0024, // lw a0, 36(sp)
    0x8fa5_0028, // lw a1, 40(sp)
    0x8fa6_002c, // lw a2, 44(sp)
    0x8fa7_0030, // lw a3, 48(sp)
    0x0000_000c, // syscall
    0x10e0_0002, // beq a3, zero, +12
    0x0000_0000, // nop
    0x0002_1023, // subu v0, zero, v0
    0xafa2_0020, // sw v0, 32(sp)
    0x27bd_0020, // addiu sp, sp, 32
    0x03e0_0008, // jr ra
    0x0000_0000, // nop
]);

/// A function that makes a system call: see [`Linux::call`].
const CALL64: Code = Code::Words(&[
    0xdfa2_0000, // ld v0, 0(sp)
    0xdfa4_0008, // ld a0, 8(sp)
    0xdfa5_0010, // ld a1, 16(sp)
    0xdfa6_0018, // ld a2, 24(sp)
    0xdfa7_0020, // ld a3, 32(sp)
    0xdfa8_0028, // ld a4, 40(sp)
    0xdfa9_0030, // ld a5, 48(sp)
    0x0000_000c, // syscall
    0x10e0_0002, // beq a3, zero, +12
    0x0000_0000, // nop
    0x0002_102f, // dsubu v0, zero, v0
    0xffa2_0000, // sd v0, 0(sp)
    0x03e0_0008, // jr ra
    0x0000_0000, // nop
]);
