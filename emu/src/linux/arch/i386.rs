//! 386.

use heapmatrix_writer::AnyTarget;

use super::super::errno::Errno;
use super::super::signal::SIGINFO_SIZE;
use super::super::user::{Order, Record};
use super::amd64::x86_exception;
use super::frame::{
    X86_FLAGS, general, get, load, load_mask, set_flags, set_general, store, x86_fault, x86_trap,
};
use super::signals::GENERIC;
use super::{
    Addresses, Capabilities, CloneArguments, Code, Convention, Delivery, Epoll, Errors, Fcntl, Flock, Ioctl,
    Layouts, Linux, Long, ResourceLimits, Returned, SigAction, SigStack, SignalFrame, no_alignment, no_hint,
    start, stat,
};
use crate::machine::{Machine, Register};

pub(super) static LINUX: Linux = Linux {
    target: AnyTarget::I386,
    order: ORDER,
    machine: "i686",
    capabilities: Capabilities { platform: "i686", hwcap: 0x0781_abfd, hwcap2: 0 },
    addresses: Addresses::NARROW,
    syscalls: include_str!("../syscalls/386.tbl"),
    convention: Convention {
        number: EAX as u8,
        immediate: false,
        // EBX, ECX, EDX, ESI, EDI, EBP.
        args: &[3, 1, 2, 6, 7, 5],
        on_stack: 0,
        result: EAX as u8,
        errors: Errors::Negative,
    },
    long: Long::Two,
    clone: CloneArguments::BACKWARDS,
    errnos: &[],
    signals: &GENERIC,
    open_flags: &[],
    map_anonymous: 0x20,
    fcntl: Fcntl::NARROW,
    ioctl: Ioctl::GENERIC,
    limits: ResourceLimits::GENERIC,
    layouts: Layouts {
        sigaction: SigAction::Restorer,
        sigstack: SigStack::GENERIC,
        epoll: Epoll::PACKED,
        flock: Flock::NARROW,
        // 386 alone aligns 64-bit integers to four bytes.
        flock64: Flock { start: 4, len: 12, pid: 20, width: 8 },
        stat: stat::stat64::<4>,
        narrow_stat: Some(stat::narrow),
        statfs: stat::statfs,
        statfs64: stat::statfs64,
    },
    start,
    // It lies in a segment, which other calls set.
    set_thread_pointer: |_, _| Err(Errno::NoSys),
    // mov eax, 173; int 0x80
    sigreturn: &[0xb8, 173, 0, 0, 0, 0xcd, 0x80],
    call: CALL,
    #[cfg(test)]
    numbers: [3, 120, 240, 252],
    pages: Vec::new,
    frame: &I386,
    exception: x86_exception,
    yields: no_hint,
    align: no_alignment,
    cacheflush_to_end: false,
};

/// `struct rt_sigframe` of arch/x86/include/asm/sigframe.h.
struct I386;

const ORDER: Order = Order { word: 4, big: false };

// The CPU's own numbers of its registers.
const EAX: usize = 0;
const ECX: usize = 1;
const EDX: usize = 2;
const ESP: usize = 4;

/// The general registers as `struct sigcontext` has them, after four segment registers.
const SAVED: [usize; 8] = [7, 6, 5, ESP, 3, EDX, ECX, EAX];

/// Where `siginfo` lies in the frame: after the return address and the handler's three arguments.
const INFO: u64 = 16;
const UCONTEXT: u64 = INFO + SIGINFO_SIZE as u64;
/// Where `struct sigcontext` lies in the frame: after `uc_flags`, `uc_link` and `uc_stack`.
const SIGCONTEXT: u64 = UCONTEXT + 20;
const REGISTERS: u64 = SIGCONTEXT + 16;
/// EIP, after the general registers, the trap's number and its error code; CS and EFLAGS follow.
const EIP: u64 = REGISTERS + 40;
const MASK: u64 = SIGCONTEXT + 88;
const FRAME_SIZE: u64 = MASK + 8;

/// The selectors of 32-bit user code and data.
const USER_CS: u64 = 0x73;
const USER_DS: u64 = 0x7b;

impl SignalFrame for I386 {
    fn push(&self, machine: &mut Machine, delivery: &Delivery) -> Result<u64, Errno> {
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
            .raw(&delivery.info())
            .words([0, 0, delivery.alt_stack.sp, delivery.alt_stack.flags.into(), delivery.alt_stack.size])
            .words([0, 0, USER_DS, USER_DS])
            .words(SAVED.map(|r| general(machine, r)))
            .words([x86_trap(delivery.signal.number), error])
            .words([machine.pc(), USER_CS, get(machine, Register::Flags), sp, USER_DS])
            .words([0, delivery.mask as u64, addr])
            .raw(&delivery.mask_bytes())
            .finish();
        store(machine, ORDER, frame, &bytes)?;
        set_general(machine, EAX, delivery.signal.number.into());
        set_general(machine, EDX, frame + INFO);
        set_general(machine, ECX, frame + UCONTEXT);
        machine.set_sp(frame);
        machine.set_pc(delivery.action.handler);
        Ok(frame)
    }

    fn addr(&self, machine: &Machine) -> u64 {
        // The handler's return has popped the return address.
        machine.sp().wrapping_sub(4)
    }

    fn pop(&self, machine: &mut Machine, frame: u64) -> Result<Returned, Errno> {
        let saved = load(machine, ORDER, frame.wrapping_add(REGISTERS), 4, SAVED.len())?;
        let rest = load(machine, ORDER, frame.wrapping_add(EIP), 4, 3)?;
        let mask = load_mask(machine, ORDER, frame.wrapping_add(MASK), 8)?;
        for (&register, &value) in SAVED.iter().zip(&saved) {
            set_general(machine, register, value);
        }
        set_flags(machine, rest[2], X86_FLAGS);
        machine.set_pc(rest[0]);
        Ok(Returned { mask })
    }
}

/// A function that makes a system call: see [`Linux::call`].
const CALL: Code = Code::Bytes(&[
    &[0x8b, 0x44, 0x24, 0x04], // mov eax, [esp+4]
    &[0x8b, 0x5c, 0x24, 0x08], // mov ebx, [esp+8]
    &[0x8b, 0x4c, 0x24, 0x0c], // mov ecx, [esp+12]
    &[0x8b, 0x54, 0x24, 0x10], // mov edx, [esp+16]
    &[0x8b, 0x74, 0x24, 0x14], // mov esi, [esp+20]
    &[0x8b, 0x7c, 0x24, 0x18], // mov edi, [esp+24]
    &[0x8b, 0x6c, 0x24, 0x1c], // mov ebp, [esp+28]
    &[0xcd, 0x80],             // int 0x80
    &[0x89, 0x44, 0x24, 0x04], // mov [esp+4], eax
    &[0xc3],                   // ret
]);
