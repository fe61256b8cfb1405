//! What is true of arm.

use super::*;
use unicorn_engine::RegisterARM;

/// If not: arm's counters must be replaced as `rdtsc` is. User code can't read them: neither the cycle counter
/// nor the generic timer.
#[test]
fn arm_programs_have_no_counters() {
    for code in [
        &[0x1d, 0x0f, 0x19, 0xee, 0, 0, 0, 0xef], // mrc p15, 0, r0, c9, c13, 0: PMCCNTR
        &[0x1e, 0x0f, 0x51, 0xec, 0, 0, 0, 0xef], // mrrc p15, 1, r0, r1, c14: CNTVCT
    ] {
        let fault = machine(AnyTarget::Arm, code).run(CODE, Limits::NONE).unwrap_err();
        assert_eq!((fault.pc, fault.kind), (CODE, FaultKind::Illegal));
    }
}

/// If not: CPACR and FPEXC in the set-up of arm. Without them floating point is illegal.
#[test]
fn arm_floating_point_needs_two_registers() {
    let code = [1, 0x0b, 0x30, 0xee, 0, 0, 0, 0xef]; // vadd.f64 d0, d0, d1; svc #0
    let mut e = trapping(AnyTarget::Arm, &code);
    assert_eq!(e.emu_start(CODE, 0, 0, 0), Err(uc_error::INSN_INVALID));
    let mut m = machine(AnyTarget::Arm, &code);
    assert_eq!(m.run(CODE, Limits::NONE), Ok(Exit::Trap { pc: CODE + 8 }));
}

/// If not: CPSR need not be written first. Every mode has an SP and an LR of its own.
#[test]
fn arm_banks_its_stack_pointer() {
    let mut e = engine(AnyTarget::Arm, &[]);
    e.reg_write(RegisterARM::SP, 0x1234).unwrap();
    e.reg_write(RegisterARM::CPSR, 0x10).unwrap();
    assert_ne!(e.reg_read(RegisterARM::SP), Ok(0x1234));
}

/// If not: `Machine::run` no longer need resume after a hint, or must find out otherwise.
#[test]
fn hints_to_rest_are_errors_on_arm() {
    let mut e = trapping(AnyTarget::Arm, &[1, 0xf0, 0x20, 0xe3]); // yield
    assert_eq!(e.emu_start(CODE, 0, 0, 0), Err(uc_error::INSN_INVALID));
    assert_eq!(e.reg_read(RegisterARM::PC), Ok(CODE + 4));
}
