//! arm.

use heapmatrix_writer::AnyTarget;

use super::super::errno::Errno;
use super::super::signal::SIGINFO_SIZE;
use super::super::user::{Order, Record};
use super::frame::{general, get, load, load_mask, set, set_flags, set_general, store};
use super::signals::GENERIC;
use super::{
    Addresses, Capabilities, CloneArguments, Code, Convention, Delivery, Epoll, Errors, Fcntl, Flock, Ioctl,
    KernelPage, Layouts, Linux, Long, ResourceLimits, Returned, SigAction, SigStack, SignalFrame, breakpoint,
    no_alignment, start, stat, thread_register,
};
use crate::machine::{Machine, Register};

pub(super) static LINUX: Linux = Linux {
    target: AnyTarget::Arm,
    order: ORDER,
    machine: "armv7l",
    // swp, half, thumb, fast mult, vfp, edsp, neon, vfpv3, tls, vfpv4, idiv.
    capabilities: Capabilities { platform: "v7l", hwcap: 0x0007_b0d6, hwcap2: 0 },
    addresses: Addresses::NARROW,
    syscalls: include_str!("../syscalls/arm.tbl"),
    convention: Convention {
        number: 7,
        immediate: false,
        args: &[0, 1, 2, 3, 4, 5],
        on_stack: 0,
        result: 0,
        errors: Errors::Negative,
    },
    long: Long::EvenTwo,
    clone: CloneArguments::BACKWARDS,
    errnos: &[],
    signals: &GENERIC,
    // O_DIRECTORY, O_NOFOLLOW, O_DIRECT, O_LARGEFILE.
    open_flags: &[(0o200000, 0o40000), (0o400000, 0o100000), (0o40000, 0o200000), (0o100000, 0o400000)],
    map_anonymous: 0x20,
    fcntl: Fcntl::NARROW,
    ioctl: Ioctl::GENERIC,
    limits: ResourceLimits::GENERIC,
    layouts: Layouts {
        sigaction: SigAction::Restorer,
        sigstack: SigStack::GENERIC,
        epoll: Epoll::ALIGNED,
        flock: Flock::NARROW,
        flock64: Flock::WIDE,
        stat: stat::stat64::<8>,
        narrow_stat: Some(stat::narrow),
        statfs: stat::statfs,
        statfs64: stat::statfs64,
    },
    start,
    set_thread_pointer: thread_register,
    // mov r7, #173; svc 0
    sigreturn: &[0xad, 0x70, 0xa0, 0xe3, 0, 0, 0, 0xef],
    call: CALL,
    #[cfg(test)]
    numbers: [3, 120, 240, 248],
    pages: || vec![vectors()],
    frame: &Arm,
    exception: breakpoint,
    // yield, under any condition.
    yields: |instruction| instruction & 0x0fff_ffff == 0x0320_f001,
    align: no_alignment,
    cacheflush_to_end: true,
};

/// Helpers in the vector page (Documentation/arm/kernel_user_helpers): Go for ARMv5 has no atomic instructions of
/// its own.
fn vectors() -> KernelPage {
    let cmpxchg64 = arm(&[
        0xe92d_40f0, // push {r4-r7, lr}
        0xe1c0_40d0, // ldrd r4, r5, [r0]
        0xe1c1_60d0, // ldrd r6, r7, [r1]
        0xe1b2_0f9f, // again: ldrexd r0, r1, [r2]
        0xe030_3004, // eors r3, r0, r4
        0x0031_3005, // eorseq r3, r1, r5
        0x01a2_3f96, // strexdeq r3, r6, r7, [r2]
        0x0333_0001, // teqeq r3, #1
        0x0aff_fff9, // beq again
        0xe273_0000, // rsbs r0, r3, #0
        0xe8bd_80f0, // pop {r4-r7, pc}
    ]);
    let memory_barrier = arm(&[
        0xf57f_f05b, // dmb ish
        0xe12f_ff1e, // bx lr
    ]);
    let cmpxchg = arm(&[
        0xe192_3f9f, // again: ldrex r3, [r2]
        0xe053_3000, // subs r3, r3, r0
        0x0182_3f91, // strexeq r3, r1, [r2]
        0x0333_0001, // teqeq r3, #1
        0x0aff_fffa, // beq again
        0xe273_0000, // rsbs r0, r3, #0
        0xe12f_ff1e, // bx lr
    ]);
    let get_tls = arm(&[
        0xee1d_0f70, // mrc p15, 0, r0, c13, c0, 3
        0xe12f_ff1e, // bx lr
    ]);
    let version = 5_u32.to_le_bytes().to_vec();
    KernelPage {
        name: "[vectors]",
        addr: 0xffff_0000,
        code: vec![
            (0xf60, cmpxchg64),
            (0xfa0, memory_barrier),
            (0xfc0, cmpxchg),
            (0xfe0, get_tls),
            (0xffc, version),
        ],
    }
}

fn arm(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// `struct rt_sigframe` of arch/arm/kernel/signal.c.
struct Arm;

const ORDER: Order = Order { word: 4, big: false };

const LR: usize = 14;
/// R0 to R14; PC and CPSR follow them in `struct sigcontext`.
const SAVED: usize = 15;

/// Where `ucontext` lies in the frame, after `siginfo`.
const UCONTEXT: u64 = SIGINFO_SIZE as u64;
/// R0 in `struct sigcontext`: after `uc_flags`, `uc_link`, `uc_stack`, the trap's number, its error
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

impl SignalFrame for Arm {
    fn push(&self, machine: &mut Machine, delivery: &Delivery) -> Result<u64, Errno> {
        let end = delivery.alt_stack.frame_end(machine.sp(), &delivery.action);
        let frame = end.wrapping_sub(FRAME_SIZE) & !7 & 0xffff_ffff;
        let bytes = Record::new(ORDER)
            .raw(&delivery.info())
            .words([0, 0, delivery.alt_stack.sp, delivery.alt_stack.flags.into(), delivery.alt_stack.size])
            .words([0, 0, delivery.mask as u64])
            .words((0..SAVED).map(|r| general(machine, r)))
            .words([machine.pc(), get(machine, Register::Flags), delivery.fault_addr()])
            .raw(&delivery.mask_bytes())
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

    fn addr(&self, machine: &Machine) -> u64 {
        machine.sp()
    }

    fn pop(&self, machine: &mut Machine, frame: u64) -> Result<Returned, Errno> {
        let saved = load(machine, ORDER, frame.wrapping_add(REGISTERS), 4, SAVED + 2)?;
        let mask = load_mask(machine, ORDER, frame.wrapping_add(MASK), 8)?;
        for (register, &value) in saved[..SAVED].iter().enumerate() {
            set_general(machine, register, value);
        }
        set_flags(machine, saved[SAVED + 1], FLAGS);
        machine.set_pc(saved[SAVED]);
        Ok(Returned { mask })
    }
}

/// A function that makes a system call: see [`Linux::call`].
const CALL: Code = Code::Words(&[
    0xe59d_7000, // ldr r7, [sp]
    0xe59d_0004, // ldr r0, [sp, #4]
    0xe59d_1008, // ldr r1, [sp, #8]
    0xe59d_200c, // ldr r2, [sp, #12]
    0xe59d_3010, // ldr r3, [sp, #16]
    0xe59d_4014, // ldr r4, [sp, #20]
    0xe59d_5018, // ldr r5, [sp, #24]
    0xef00_0000, // svc 0
    0xe58d_0000, // str r0, [sp]
    0xe12f_ff1e, // bx lr
]);
