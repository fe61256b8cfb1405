//! What is true of amd64 and 386.

use super::*;
use unicorn_engine::{RegisterX86, X86Insn};

/// If not: `Exit::Trap` and system calls. The hook is before the instruction, and the engine steps over it
/// afterwards, whatever the PC then is; real hardware's changes to RCX and R11 are not made.
#[test]
fn amd64_syscall_is_a_hook_before_a_step_of_two_bytes() {
    let mut e = engine(AnyTarget::Amd64, &[0x0f, 0x05]);
    e.reg_write(RegisterX86::RCX, 11).unwrap();
    e.reg_write(RegisterX86::R11, 12).unwrap();
    e.add_insn_sys_hook(X86Insn::SYSCALL, 1, 0, |e| {
        let pc = e.reg_read(RegisterX86::RIP).unwrap();
        e.get_data_mut().pc = Some(pc);
        e.emu_stop().unwrap();
    })
    .unwrap();
    e.emu_start(CODE, 0, 0, 0).unwrap();
    assert_eq!(e.get_data().pc, Some(CODE));
    assert_eq!(e.reg_read(RegisterX86::RIP), Ok(CODE + 2));
    assert_eq!((e.reg_read(RegisterX86::RCX), e.reg_read(RegisterX86::R11)), (Ok(11), Ok(12)));

    let mut e = engine(AnyTarget::Amd64, &[0x0f, 0x05]);
    e.add_insn_sys_hook(X86Insn::SYSCALL, 1, 0, |e| {
        e.reg_write(RegisterX86::RIP, DATA).unwrap();
        e.emu_stop().unwrap();
    })
    .unwrap();
    e.emu_start(CODE, 0, 0, 0).unwrap();
    assert_eq!(e.reg_read(RegisterX86::RIP), Ok(DATA + 2), "a PC written in the hook is stepped over too");
}

/// If not: `Arch::rests` is true of x86 too. Its hint is no end of a run.
#[test]
fn pause_of_x86_is_nothing() {
    for code in [of(AnyTarget::Amd64), of(AnyTarget::I386)] {
        let mut e = trapping(code.target, &[&[0xf3, 0x90], code.trap].concat());
        e.emu_start(CODE, 0, 0, 0).unwrap();
        let after = CODE + 2 + code.trap.len() as u64;
        assert_eq!(e.reg_read(pc(code.target)), Ok(after), "{}", code.target);
    }
}

/// If not: `FaultKind::Halted` on x86. `hlt` ends a run without an error, after itself, though a user may not
/// execute it.
#[test]
fn hlt_of_x86_ends_a_run_without_an_error() {
    for code in [of(AnyTarget::Amd64), of(AnyTarget::I386)] {
        let mut e = trapping(code.target, &[&[0xf4], code.trap].concat());
        assert_eq!(e.emu_start(CODE, 0, 0, 0), Ok(()), "{}", code.target);
        assert_eq!((e.get_data().interrupt, e.reg_read(pc(code.target))), (None, Ok(CODE + 1)));
    }
}

/// If not: `rdtsc` need not be replaced. It reads the host's clock, so that no two runs are alike.
#[test]
fn time_stamps_come_from_the_host_unless_replaced() {
    let code = [0x0f, 0x31, 0x0f, 0x05]; // rdtsc; syscall
    let mut e = trapping(AnyTarget::Amd64, &code);
    let mut read = || {
        e.emu_start(CODE, 0, 0, 0).unwrap();
        e.reg_read(RegisterX86::RDX).unwrap() << 32 | e.reg_read(RegisterX86::RAX).unwrap()
    };
    let first = read();
    std::thread::sleep(std::time::Duration::from_millis(2));
    assert!(read() > first);
    // The machine's counts instructions.
    let mut m = machine(AnyTarget::Amd64, &code);
    m.run(CODE, Limits::NONE).unwrap();
    assert_eq!(m.get(Register::General(0)), Ok(2));
}

/// If not: 386 could have a GS base by register. Writing it answers Ok and does nothing.
#[test]
fn gs_base_of_386_cannot_be_written() {
    // mov eax, gs:[0]; int 0x80
    let mut e = trapping(AnyTarget::I386, &[0x65, 0xa1, 0, 0, 0, 0, 0xcd, 0x80]);
    assert_eq!(e.reg_write(RegisterX86::GS_BASE, DATA), Ok(()));
    assert_eq!(e.emu_start(CODE, 0, 0, 0), Err(uc_error::READ_UNMAPPED), "it reads at address 0");
}

/// If not: `Arch::noted`, and all of `machine/noted.rs`. The CPU notes an exception until it has delivered it, so that of
/// two divisions by zero the second is a double fault.
#[test]
fn a_second_division_by_zero_is_a_double_fault_to_the_engine() {
    for target in [AnyTarget::Amd64, AnyTarget::I386] {
        let mut e = trapping(target, &[0xf7, 0xf1]); // div ecx
        for number in [0, 8] {
            let _ = e.emu_start(CODE, 0, 0, 0);
            assert_eq!(e.get_data_mut().interrupt.take(), Some(number), "{target}");
        }
    }
}

/// Adds -1 to EAX, and exchanges the eight bytes at EBX, which changes one flag.
const EXCHANGE: &[u8] = &[
    0x01, 0xf8, // add eax, edi
    0x0f, 0xc7, 0x0b, // cmpxchg8b [ebx]
];

/// If not: `machine/flags.rs`. The engine takes what the addition leaves for flags, and shows all of them as set.
#[test]
fn flags_after_cmpxchg8b_are_anything() {
    let mut e = trapping(AnyTarget::I386, &[EXCHANGE, &[0xcd, 0x80]].concat());
    e.reg_write(RegisterX86::EBX, DATA).unwrap();
    e.reg_write(RegisterX86::EDI, 0xffff_ffff).unwrap();
    e.emu_start(CODE, 0, 0, 0).unwrap();
    assert_ne!(e.reg_read(RegisterX86::EFLAGS).unwrap() & 0x100, 0, "the trap flag");

    let mut m = machine(AnyTarget::I386, &[EXCHANGE, &[0xcd, 0x80, 0x90, 0xcd, 0x80]].concat());
    m.set(Register::General(3), DATA).unwrap();
    m.set(Register::General(7), 0xffff_ffff).unwrap();
    let pc = m.run(CODE, Limits::NONE).unwrap().pc();
    assert_eq!(m.get(Register::Flags).unwrap() & !0x24_0cd5, 2);
    assert_eq!(m.run(pc, Limits::NONE), Ok(Exit::Trap { pc: pc + 3 }), "the program goes on");
}
