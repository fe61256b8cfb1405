//! What is true of riscv64.

use super::*;
use unicorn_engine::RegisterRISCV;

const ECALL: [u8; 4] = [0x73, 0, 0, 0];

/// If not: `start` of riscv64. Without mstatus.FS floating point is illegal.
#[test]
fn floating_point_of_riscv64_needs_a_bit() {
    let code = [[0x53, 0x75, 0xb5, 0x02], ECALL].concat(); // fadd.d fa0, fa0, fa1
    let mut e = trapping(AnyTarget::Riscv64, &code);
    e.emu_start(CODE, 0, 0, 0).unwrap();
    assert_eq!(e.get_data().interrupt, Some(2), "it is illegal");
    let mut m = machine(AnyTarget::Riscv64, &code);
    assert_eq!(m.run(CODE, Limits::NONE), Ok(Exit::Trap { pc: CODE + 8 }));
}

/// If not: `withheld` of riscv64. Go reads its ticks with `rdtime`, which the engine does not have.
#[test]
fn rdtime_of_riscv64_is_replaced() {
    // addi a3, a3, 1; rdtime a2; rdtime zero
    let code = [[0x93, 0x86, 0x16, 0], [0x73, 0x26, 0x10, 0xc0], [0x73, 0x20, 0x10, 0xc0], ECALL].concat();
    let mut e = trapping(AnyTarget::Riscv64, &code);
    e.emu_start(CODE, 0, 0, 0).unwrap();
    assert_eq!((e.get_data().interrupt, e.reg_read(RegisterRISCV::PC)), (Some(2), Ok(CODE + 8)));

    let mut m = machine(AnyTarget::Riscv64, &code);
    assert_eq!(m.run(CODE, Limits::NONE), Ok(Exit::Trap { pc: CODE + 16 }));
    let [zero, a2, a3] = [0, 12, 13].map(|n| m.get(Register::General(n)).unwrap());
    assert_eq!((zero, a2, a3, m.instructions()), (0, 2, 1, 4), "it counts instructions, and is one");
}

/// If not: `ExceptionPc::Past(4)` of riscv64. The engine adds four to the PC after a short instruction too.
#[test]
fn short_instructions_of_riscv64_are_counted_and_blamed() {
    let mut m = machine(AnyTarget::Riscv64, &[&[1, 0, 1, 0][..], &ECALL].concat()); // c.nop; c.nop
    assert_eq!(m.run(CODE, Limits::NONE), Ok(Exit::Trap { pc: CODE + 8 }));
    assert_eq!(m.instructions(), 3);
    for (bytes, kind) in [([0, 0], FaultKind::Illegal), ([2, 0x90], FaultKind::Illegal)] {
        let mut m = machine(AnyTarget::Riscv64, &[&[1, 0][..], &bytes, &ECALL].concat());
        let fault = Fault { target: AnyTarget::Riscv64, pc: CODE + 2, kind };
        assert_eq!(m.run(CODE, Limits::NONE), Err(fault), "an illegal instruction, and c.ebreak");
        assert_eq!(m.instructions(), 1);
    }
}

/// If not: extensions may be promised in `AT_HWCAP` and `riscv_hwprobe`. There is no Zba.
#[test]
fn riscv64_has_no_bit_manipulation() {
    let fault = machine(AnyTarget::Riscv64, &[0x33, 0x26, 0xb5, 0x20]).run(CODE, Limits::NONE); // sh1add
    assert_eq!(fault.map_err(|fault| fault.kind), Err(FaultKind::Illegal));
}
