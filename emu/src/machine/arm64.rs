//! arm64, little-endian.

use heapmatrix_writer::AnyTarget;
use unicorn_engine::{Arch as UcArch, Arm64Insn, Mode, RegisterARM64 as A64, Unicorn, uc_error};

use super::arch::{Arch, Encoding, ExceptionPc, Interrupt};
use super::hooks::State;
use super::poison::Poison;

pub(super) static ARCH: Arch = Arch {
    target: AnyTarget::Arm64,
    engine: (UcArch::ARM64, Mode::ARM),
    // The default, a Cortex-A57, lacks the atomic instructions of ARMv8.1 (LSE).
    model: Some(MODEL_MAX),
    pc: A64::PC as i32,
    sp: A64::SP as i32,
    lr: Some(A64::X30 as i32),
    flags: Some(A64::NZCV as i32),
    ctr: None,
    xer: None,
    general: &[
        A64::X0 as i32,
        A64::X1 as i32,
        A64::X2 as i32,
        A64::X3 as i32,
        A64::X4 as i32,
        A64::X5 as i32,
        A64::X6 as i32,
        A64::X7 as i32,
        A64::X8 as i32,
        A64::X9 as i32,
        A64::X10 as i32,
        A64::X11 as i32,
        A64::X12 as i32,
        A64::X13 as i32,
        A64::X14 as i32,
        A64::X15 as i32,
        A64::X16 as i32,
        A64::X17 as i32,
        A64::X18 as i32,
        A64::X19 as i32,
        A64::X20 as i32,
        A64::X21 as i32,
        A64::X22 as i32,
        A64::X23 as i32,
        A64::X24 as i32,
        A64::X25 as i32,
        A64::X26 as i32,
        A64::X27 as i32,
        A64::X28 as i32,
        A64::X29 as i32,
        A64::X30 as i32,
        A64::SP as i32,
    ],
    guest: [A64::X0 as i32, A64::X1 as i32, A64::X2 as i32, A64::X3 as i32, A64::X4 as i32, A64::X5 as i32],
    thread: Some(A64::TPIDR_EL0 as i32),
    encoding: Encoding::Fixed { bytes: 4 },
    rests: true,
    start,
    interrupt: |number| match number {
        EXCP_SWI => Interrupt::Trap,
        EXCP_UDEF => Interrupt::Illegal,
        _ => Interrupt::Exception,
    },
    trap_skid: 0,
    exception_pc: ExceptionPc::Exact,
    noted: &[],
    branches: None,
    hook_code: None,
    withheld: &[],
    poison: Some(Poison { find: find_poison, overlap: 0 }),
    // svc #code: 11010100000 imm16 00001
    trap_code: |&[.., a, b, c, d]| {
        let insn = u32::from_le_bytes([a, b, c, d]);
        (insn & 0xffe0_001f == 0xd400_0001).then_some((insn >> 5) as u16)
    },
};

/// The engine's number of the CPU that has everything.
const MODEL_MAX: i32 = 3;
/// The engine's number for an instruction that does not exist.
const EXCP_UDEF: u32 = 1;
/// The engine's number for a supervisor call.
const EXCP_SWI: u32 = 2;

fn find_poison(code: &[u8], found: &mut Vec<usize>) {
    let words = code.as_chunks().0.iter().map(|&word| u32::from_le_bytes(word));
    found.extend((0..).step_by(4).zip(words).filter(|&(_, word)| is_poison(word)).map(|(at, _)| at));
}

/// Encodings of operations on vectors of half-precision numbers that do not exist. The engine has an assertion in their place
/// (`disas_simd_three_reg_same_fp16` and `disas_simd_two_reg_misc_fp16` of its translate-a64.c).
fn is_poison(word: u32) -> bool {
    let bits = |at: u32, count: u32| word >> at & ((1 << count) - 1);
    let (u, scalar, a) = (bits(29, 1), bits(28, 1) == 1, bits(23, 1));
    if word & 0x9f60_c400 == 0x0e40_0400 {
        // Three registers.
        return matches!(u << 4 | a << 3 | bits(11, 3), 0x05 | 0x0b..=0x0d | 0x11 | 0x19 | 0x1b | 0x1f);
    }
    if word & 0x8f7e_0c00 != 0x0e78_0800 || scalar && bits(30, 1) == 0 {
        return false;
    }
    // Two registers.
    match u << 6 | a << 5 | bits(12, 5) {
        // frintn to scvtf, fcmgt to fcmlt, frintp to fcvtzs, frecpe
        0x18..=0x1d | 0x2c..=0x2e | 0x38..=0x3b | 0x3d => false,
        // frinta to ucvtf, fcmge, fcmle, fneg, frinti to fcvtzu, frsqrte
        0x58..=0x5d | 0x6c | 0x6d | 0x6f | 0x79..=0x7b | 0x7d => false,
        // frecpx; fabs and fsqrt
        0x3f => !scalar,
        0x2f | 0x7f => scalar,
        _ => true,
    }
}

/// Replaces what the engine would take from the host: the counters and random numbers.
fn start(engine: &mut Unicorn<'static, State>) -> Result<(), uc_error> {
    engine.add_insn_sys_hook_arm64(Arm64Insn::UC_ARM64_INS_MRS, 1, 0, |engine, register, system| {
        let clock = engine.get_data().count.clock().get();
        let value = match (system.op0, system.op1, system.crn, system.crm, system.op2) {
            // CNTPCT_EL0 and CNTVCT_EL0 count instructions.
            (3, 3, 14, 0, 1 | 2) => clock,
            // RNDR and RNDRRS: the finalizer of SplitMix64, and flags that say that there is a number.
            (3, 3, 2, 4, 0 | 1) => {
                let _ = engine.reg_write(A64::NZCV, 0);
                let mixed = (clock ^ (clock >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                mixed ^ (mixed >> 31)
            }
            _ => return false,
        };
        // Fails only for what is no register.
        let _ = engine.reg_write(register, value);
        true
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Exit, Fault, FaultKind, Limits, Machine, Register};
    use crate::memory::Prot;

    const CODE: u64 = 0x1_0000;
    const DATA: u64 = 0x2_0000;
    const TRAP: u32 = 0xd400_0001; // svc #0
    const ADD: u32 = 0x9100_0442; // add x2, x2, #1
    const BRANCH: u32 = 0x1400_0000;
    const RET: u32 = 0xd65f_03c0;

    fn machine(prot: Prot, code: &[u32]) -> Machine {
        let mut machine = Machine::new(AnyTarget::Arm64).unwrap();
        machine.memory_mut().map("code", CODE, 0x1000, prot).unwrap();
        machine.memory_mut().map("data", DATA, 0x1000, Prot::READ_WRITE).unwrap();
        write(&mut machine, CODE, code);
        machine
    }

    fn write(machine: &mut Machine, addr: u64, code: &[u32]) {
        let bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
        machine.memory_mut().write(addr, &bytes).unwrap();
    }

    /// One of each kind: three registers, two, one value of a vector.
    const POISON: [u32; 4] = [0x0e40_2c00, 0x2ec0_3c00, 0x0e78_0800, 0x5ef8_f800];

    #[test]
    fn instructions_that_do_not_exist_are_illegal() {
        for word in POISON {
            let mut machine = machine(Prot::READ_EXEC, &[ADD, ADD, word, TRAP]);
            let fault = Fault { target: AnyTarget::Arm64, pc: CODE + 8, kind: FaultKind::Illegal };
            assert_eq!(machine.run(CODE, Limits::NONE), Err(fault), "{word:#x}");
            assert_eq!((machine.instructions(), machine.get(Register::General(2))), (2, Ok(2)), "{word:#x}");
            // As the first one, too.
            assert_eq!(machine.run(CODE + 8, Limits::NONE), Err(fault), "{word:#x}");
            assert_eq!(machine.instructions(), 2, "{word:#x}");
            assert_eq!(machine.run(CODE + 12, Limits::NONE), Ok(Exit::Trap { pc: CODE + 16 }), "{word:#x}");
        }
    }

    #[test]
    fn instructions_like_them_are_executed() {
        // fmaxnm v0.4h; fcmeq v0.4h, zero; fneg v0.4h; frecpx h0
        for word in [0x0e40_0400, 0x0ef8_d800, 0x2ef8_f800, 0x5ef9_f800] {
            let mut machine = machine(Prot::READ_EXEC, &[ADD, word, TRAP]);
            assert_eq!(machine.run(CODE, Limits::NONE), Ok(Exit::Trap { pc: CODE + 12 }), "{word:#x}");
            assert_eq!(machine.instructions(), 3);
        }
    }

    /// What the host writes, and what is mapped anew.
    #[test]
    fn they_come_and_go() {
        let mut machine = machine(Prot::READ_EXEC, &[ADD, ADD, TRAP]);
        for _ in 0..3 {
            assert_eq!(machine.run(CODE, Limits::NONE), Ok(Exit::Trap { pc: CODE + 12 }));
            write(&mut machine, CODE + 4, &[POISON[0]]);
            let illegal = Err(Fault { target: AnyTarget::Arm64, pc: CODE + 4, kind: FaultKind::Illegal });
            assert_eq!(machine.run(CODE, Limits::NONE), illegal);
            write(&mut machine, CODE + 4, &[ADD]);
        }
        machine.memory_mut().unmap(CODE, 0x1000).unwrap();
        machine.memory_mut().map("code", CODE, 0x1000, Prot::READ_EXEC).unwrap();
        write(&mut machine, CODE, &[ADD, POISON[1], TRAP]);
        let illegal = Err(Fault { target: AnyTarget::Arm64, pc: CODE + 4, kind: FaultKind::Illegal });
        assert_eq!(machine.run(CODE, Limits::NONE), illegal);
        machine.reset();
        machine.memory_mut().map("code", CODE, 0x1000, Prot::READ_EXEC).unwrap();
        write(&mut machine, CODE, &[ADD, ADD, TRAP]);
        assert_eq!(machine.run(CODE, Limits::NONE), Ok(Exit::Trap { pc: CODE + 12 }));
    }

    /// A guest that writes its own code: poison where it has been before, then what was there, over and over.
    #[test]
    fn the_guest_writes_them_itself() {
        const STORE: u32 = 0xb900_0001; // str w1, [x0]
        // main: bl f; str w1, [x0]; bl f; svc. f: add; nop, to be written; ret
        let call = |from: u64, to: u64| 0x9400_0000 | ((to - from) / 4) as u32;
        let f = CODE + 0x40;
        let patched = f + 4;
        let main = [call(CODE, f), STORE, call(CODE + 8, f), TRAP];
        let mut machine = machine(Prot { read: true, write: true, exec: true }, &main);
        write(&mut machine, f, &[ADD, ADD, 0xaa1e_03e3, RET]); // mov x3, x30
        for word in [POISON[0], ADD, POISON[2], ADD] {
            machine.set(Register::General(0), patched).unwrap();
            machine.set(Register::General(1), word.into()).unwrap();
            let outcome = machine.run(CODE + 4, Limits::NONE);
            if word == ADD {
                assert_eq!(outcome, Ok(Exit::Trap { pc: CODE + 16 }), "{word:#x}");
            } else {
                let illegal = Err(Fault { target: AnyTarget::Arm64, pc: patched, kind: FaultKind::Illegal });
                assert_eq!(outcome, illegal, "{word:#x}");
                assert_eq!(machine.run(patched, Limits::NONE), illegal, "{word:#x}");
            }
        }
    }

    /// More of them than there may be end the program, not the host.
    #[test]
    fn a_guest_full_of_them_ends() {
        const PAGES: u64 = 8;
        let mut machine = Machine::new(AnyTarget::Arm64).unwrap();
        machine.memory_mut().map("code", CODE, PAGES * 0x1000, Prot::READ_EXEC).unwrap();
        let page: Vec<u32> = std::iter::once(BRANCH | 0x400).chain([POISON[0]; 1023]).collect();
        for at in 0..PAGES {
            write(&mut machine, CODE + at * 0x1000, &page);
        }
        let fault = machine.run(CODE, Limits::instructions(100)).unwrap_err();
        assert!(matches!(fault.kind, FaultKind::Engine(_)), "{fault}");
    }
}
