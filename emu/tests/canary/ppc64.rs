//! What is true of ppc64.

use super::*;
use unicorn_engine::{Arch, Mode, RegisterPPC};

/// If not: `withheld` of ppc64 may go. There is no hook for the time base, which in this engine stands still: Go's
/// execution tracer takes that for a broken clock.
#[test]
fn the_time_base_of_ppc64_stands_still() {
    for code in [
        &[0x7c, 0x6c, 0x42, 0xa6, 0x44, 0, 0, 2], // mfspr r3, 268
        &[0x7c, 0x6c, 0x42, 0xe6, 0x44, 0, 0, 2], // mftb r3
    ] {
        let mut e = trapping(AnyTarget::Ppc64, code);
        let mut read = || {
            e.reg_write(RegisterPPC::R3, 7).unwrap();
            e.emu_start(CODE, 0, 0, 0).unwrap();
            assert_eq!(e.get_data().interrupt, Some(8), "it is executed");
            e.reg_read(RegisterPPC::R3).unwrap()
        };
        let first = read();
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert_eq!((first, read()), (0, 0));
    }
}

/// If not: ppc64 may be set up in a simpler way, or no longer in this one. Without the virtual TLB the CPU
/// translates addresses by tables that are not there; `pc_read` does not know the machine.
#[test]
fn ppc64_executes_only_with_a_virtual_tlb() {
    // sldi r3, r3, 40: a 64-bit instruction; sc
    let code = [0x78, 0x63, 0x45, 0xc6, 0x44, 0, 0, 2];
    let mut e = trapping(AnyTarget::Ppc64, &code);
    e.reg_write(RegisterPPC::R3, 3).unwrap();
    e.emu_start(CODE, 0, 0, 0).unwrap();
    assert_eq!((e.get_data().interrupt, e.reg_read(RegisterPPC::R3)), (Some(8), Ok(3 << 40)));
    assert!(e.pc_read().is_err());

    let mut e = Unicorn::new(Arch::PPC, Mode::PPC64 | Mode::BIG_ENDIAN).unwrap();
    e.mem_map(CODE, 0x1000, Prot::ALL).unwrap();
    e.mem_write(CODE, &code).unwrap();
    e.reg_write(RegisterPPC::R3, 3).unwrap();
    e.add_intr_hook(|e, _| e.emu_stop().unwrap()).unwrap();
    let _ = e.emu_start(CODE, 0, 0, 0);
    assert_ne!(e.reg_read(RegisterPPC::R3), Ok(3 << 40), "it does not execute");
}

/// If not: `MSR_UNITS` in the set-up of ppc64. Without them floating point is an exception.
#[test]
fn ppc64_floating_point_needs_msr_bits() {
    let code = [0xfc, 0x22, 0x18, 0x2a, 0x44, 0, 0, 2]; // fadd f1, f2, f3; sc
    let mut e = trapping(AnyTarget::Ppc64, &code);
    e.emu_start(CODE, 0, 0, 0).unwrap();
    assert_ne!(e.get_data().interrupt, Some(8), "it traps");

    let mut e = trapping(AnyTarget::Ppc64, &code);
    e.reg_write(RegisterPPC::FPR2, 1.5f64.to_bits()).unwrap();
    e.reg_write(RegisterPPC::FPR3, 2.0f64.to_bits()).unwrap();
    let msr = e.reg_read(RegisterPPC::MSR).unwrap();
    e.reg_write(RegisterPPC::MSR, msr | 1 << 13 | 1 << 23 | 1 << 25).unwrap();
    e.emu_start(CODE, 0, 0, 0).unwrap();
    assert_eq!(e.get_data().interrupt, Some(8));
    assert_eq!(e.reg_read(RegisterPPC::FPR1), Ok(3.5f64.to_bits()));

    let mut m = machine(AnyTarget::Ppc64, &code);
    assert!(matches!(m.run(CODE, Limits::NONE), Ok(Exit::Trap { .. })), "and the machine has them set");
}

/// If not: `exception_skid` of ppc64 is for illegal instructions alone. The engine stands after whatever raised an
/// exception.
#[test]
fn ppc64_stands_after_what_raised_an_exception() {
    let mut e = trapping(AnyTarget::Ppc64, &[0x7f, 0xe0, 0, 8]); // trap
    e.emu_start(CODE, 0, 0, 0).unwrap();
    assert_eq!(e.reg_read(RegisterPPC::PC), Ok(CODE + 4));
}

/// If not: `Machine::run` no longer need resume after a hint, or must find out otherwise.
#[test]
fn hints_to_rest_end_a_run_on_ppc64() {
    let mut e = trapping(AnyTarget::Ppc64, &[0x7c, 0x21, 0x0b, 0x78]); // or r1, r1, r1
    assert_eq!(e.emu_start(CODE, 0, 0, 0), Ok(()));
    assert_eq!((e.get_data().interrupt, e.reg_read(RegisterPPC::PC)), (None, Ok(CODE + 4)));
}

/// If not: `start_little`. ppc64le is the same engine with a bit of MSR set, and memory is little-endian then.
#[test]
fn ppc64le_is_a_bit_of_msr() {
    let code = of(AnyTarget::Ppc64le);
    let mut m = machine(AnyTarget::Ppc64le, &[code.load, code.trap].concat());
    m.memory_mut().write(DATA, &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
    m.set(Register::General(4), DATA).unwrap();
    assert_eq!(m.run(CODE, Limits::NONE), Ok(Exit::Trap { pc: CODE + 8 }));
    assert_eq!(m.get(Register::General(5)), Ok(0x0807_0605_0403_0201));
    assert_eq!(m.instructions(), 2);
}
