//! amd64.

use heapmatrix_writer::AnyTarget;

use super::super::errno::Errno;
use super::super::signal::{SI_KERNEL, SIGINFO_SIZE};
use super::super::user::{Order, Record};
use super::frame::{
    X86_FLAGS, general, get, load, load_mask, set_flags, set_general, store, x86_fault, x86_trap,
};
use super::signals::{GENERIC, SEGV};
use super::{
    Addresses, Capabilities, CloneArguments, Code, Convention, Delivery, Epoll, Errors, Fcntl, Flock, Ioctl,
    KernelPage, Layouts, Linux, Long, Raised, ResourceLimits, Returned, SigAction, SigStack, SignalFrame,
    no_alignment, no_hint, start, stat, thread_register,
};
use crate::machine::{Machine, Register};

pub(super) static LINUX: Linux = Linux {
    target: AnyTarget::Amd64,
    order: ORDER,
    machine: "x86_64",
    capabilities: Capabilities { platform: "x86_64", hwcap: 0x0781_abfd, hwcap2: 0 },
    addresses: Addresses::WIDE,
    syscalls: include_str!("../syscalls/amd64.tbl"),
    convention: Convention {
        number: RAX as u8,
        immediate: false,
        // RDI, RSI, RDX, R10, R8, R9.
        args: &[7, 6, 2, 10, 8, 9],
        on_stack: 0,
        result: RAX as u8,
        errors: Errors::Negative,
    },
    long: Long::One,
    clone: CloneArguments::FORWARDS,
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
        epoll: Epoll::PACKED,
        flock: Flock::WIDE,
        flock64: Flock::WIDE,
        stat: stat::links_first,
        narrow_stat: None,
        statfs: stat::statfs,
        statfs64: stat::statfs64,
    },
    start,
    set_thread_pointer: thread_register,
    // mov eax, 15; syscall
    sigreturn: &[0xb8, 15, 0, 0, 0, 0x0f, 0x05],
    call: CALL,
    #[cfg(test)]
    numbers: [0, 56, 202, 231],
    pages: || vec![vsyscall()],
    frame: &Amd64,
    exception: x86_exception,
    yields: no_hint,
    align: no_alignment,
    cacheflush_to_end: false,
};

/// What x86's exceptions become that reach a process.
pub(super) fn x86_exception(number: Option<u32>, _: [u8; 4]) -> Option<Raised> {
    match number {
        Some(0) => Some(Raised::DIVISION),
        Some(3) => Some(Raised::BREAKPOINT),
        None | Some(6) => Some(Raised::ILLEGAL),
        // The kernel knows no address: an access that is not canonical.
        Some(13) => Some(Raised { signal: SEGV, code: SI_KERNEL, at_pc: false }),
        Some(_) => None,
    }
}

/// The first fast system calls, at fixed addresses. Go 1.5 calls `gettimeofday` there when it finds no vDSO.
fn vsyscall() -> KernelPage {
    // mov eax, number; syscall; ret
    let call = |number: u32| [&[0xb8][..], &number.to_le_bytes(), &[0x0f, 0x05, 0xc3]].concat();
    KernelPage {
        name: "[vsyscall]",
        addr: 0xffff_ffff_ff60_0000,
        code: vec![(0, call(96)), (0x400, call(201)), (0x800, call(309))],
    }
}

/// `struct rt_sigframe` of arch/x86/include/asm/sigframe.h.
struct Amd64;

const ORDER: Order = Order { word: 8, big: false };

// The CPU's own numbers of its registers.
const RAX: usize = 0;
const RDX: usize = 2;
const RSI: usize = 6;
const RDI: usize = 7;

/// The general registers as `struct sigcontext` has them; after them come RIP and RFLAGS.
const SAVED: [usize; 16] = [8, 9, 10, 11, 12, 13, 14, 15, RDI, RSI, 5, 3, RDX, RAX, 1, 4];

/// Bytes below the stack pointer that belong to the interrupted function.
const RED_ZONE: u64 = 128;
/// Where `ucontext` lies in the frame, after the return address.
const UCONTEXT: u64 = 8;
/// Where the registers lie in the frame: after `uc_flags`, `uc_link` and `uc_stack`.
const REGISTERS: u64 = UCONTEXT + 40;
/// Where the signal mask lies in the frame: after `struct sigcontext`, which is 256 bytes long.
const MASK: u64 = REGISTERS + 256;
/// Where `siginfo` lies in the frame.
const INFO: u64 = MASK + 8;
const FRAME_SIZE: u64 = INFO + SIGINFO_SIZE as u64;

/// The selectors of 64-bit user code and data: CS, GS, FS, SS.
const SELECTORS: u64 = 0x002b_0000_0000_0033;

impl SignalFrame for Amd64 {
    fn push(&self, machine: &mut Machine, delivery: &Delivery) -> Result<u64, Errno> {
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
            .word(delivery.mask as u64)
            .word(addr)
            .pad_to(MASK as usize)
            .raw(&delivery.mask_bytes())
            .raw(&delivery.info())
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

    fn addr(&self, machine: &Machine) -> u64 {
        // The handler's return has popped the return address.
        machine.sp().wrapping_sub(8)
    }

    fn pop(&self, machine: &mut Machine, frame: u64) -> Result<Returned, Errno> {
        let saved = load(machine, ORDER, frame.wrapping_add(REGISTERS), 8, SAVED.len() + 2)?;
        let mask = load_mask(machine, ORDER, frame.wrapping_add(MASK), 8)?;
        for (&register, &value) in SAVED.iter().zip(&saved) {
            set_general(machine, register, value);
        }
        set_flags(machine, saved[17], X86_FLAGS);
        machine.set_pc(saved[16]);
        Ok(Returned { mask })
    }
}

/// A function that makes a system call: see [`Linux::call`]. The return PC is at the stack pointer.
const CALL: Code = Code::Bytes(&[
    &[0x48, 0x8b, 0x44, 0x24, 0x08], // mov rax, [rsp+8]
    &[0x48, 0x8b, 0x7c, 0x24, 0x10], // mov rdi, [rsp+16]
    &[0x48, 0x8b, 0x74, 0x24, 0x18], // mov rsi, [rsp+24]
    &[0x48, 0x8b, 0x54, 0x24, 0x20], // mov rdx, [rsp+32]
    &[0x4c, 0x8b, 0x54, 0x24, 0x28], // mov r10, [rsp+40]
    &[0x4c, 0x8b, 0x44, 0x24, 0x30], // mov r8, [rsp+48]
    &[0x4c, 0x8b, 0x4c, 0x24, 0x38], // mov r9, [rsp+56]
    &[0x0f, 0x05],                   // syscall
    &[0x48, 0x89, 0x44, 0x24, 0x08], // mov [rsp+8], rax
    &[0xc3],                         // ret
]);
