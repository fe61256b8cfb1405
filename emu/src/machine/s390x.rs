//! s390x, big-endian.

use heapmatrix_writer::AnyTarget;
use unicorn_engine::RegisterS390X as Z;
use unicorn_engine::{Arch as UcArch, Mode, Unicorn, uc_error};

use super::Machine;
use super::arch::{Arch, Encoding, ExceptionPc, Interrupt};
use super::hooks::State;
use super::poison::Poison;
use super::quad::{Flag, Rounding, square_root};
use super::withheld::{self, Withheld};

pub(super) static ARCH: Arch = Arch {
    target: AnyTarget::S390x,
    engine: (UcArch::S390X, Mode::BIG_ENDIAN),
    model: None,
    pc: Z::PC as i32,
    sp: Z::R15 as i32,
    lr: Some(Z::R14 as i32),
    flags: Some(Z::PSWM as i32),
    ctr: None,
    xer: None,
    // The access registers follow.
    general: &[
        Z::R0 as i32,
        Z::R1 as i32,
        Z::R2 as i32,
        Z::R3 as i32,
        Z::R4 as i32,
        Z::R5 as i32,
        Z::R6 as i32,
        Z::R7 as i32,
        Z::R8 as i32,
        Z::R9 as i32,
        Z::R10 as i32,
        Z::R11 as i32,
        Z::R12 as i32,
        Z::R13 as i32,
        Z::R14 as i32,
        Z::R15 as i32,
        Z::A0 as i32,
        Z::A1 as i32,
        Z::A2 as i32,
        Z::A3 as i32,
        Z::A4 as i32,
        Z::A5 as i32,
        Z::A6 as i32,
        Z::A7 as i32,
        Z::A8 as i32,
        Z::A9 as i32,
        Z::A10 as i32,
        Z::A11 as i32,
        Z::A12 as i32,
        Z::A13 as i32,
        Z::A14 as i32,
        Z::A15 as i32,
    ],
    guest: [Z::R2 as i32, Z::R3 as i32, Z::R4 as i32, Z::R5 as i32, Z::R6 as i32, Z::R7 as i32],
    // In two access registers of 32 bits.
    thread: None,
    encoding: Encoding::S390x,
    rests: false,
    start,
    interrupt: |number| if number == EXCP_SVC { Interrupt::Trap } else { Interrupt::Exception },
    // The engine stays at `svc`.
    trap_skid: 2,
    exception_pc: ExceptionPc::Exact,
    noted: &[],
    branches: None,
    hook_code: Some(withheld::hook),
    withheld: &[
        Withheld { matches: stores_clock, execute: store_clock, bytes: 4, align: 2 },
        Withheld { matches: inserts_half, execute: insert_half, bytes: 6, align: 2 },
        Withheld { matches: only_tests, execute: test_selected, bytes: 6, align: 2 },
        Withheld { matches: takes_root, execute: take_root, bytes: 4, align: 2 },
    ],
    poison: Some(Poison { find: find_poison, overlap: 4 }),
    // brcl never, code; svc 0. Or svc number
    trap_code: |bytes| match *bytes {
        [0xc0, 0x04, 0, 0, high, low, 0x0a, 0] => Some(u16::from_be_bytes([high, low])),
        [.., 0x0a, number] => Some(number.into()),
        _ => None,
    },
};

/// The engine's number for a supervisor call.
const EXCP_SVC: u32 = 2;
/// CR0: all floating-point registers, and the vector facility.
const CR0_UNITS: u64 = 1 << 18 | 1 << 17;
/// The program status word's condition code.
const CONDITION: u64 = 3 << 44;
/// The program status word's mask: problem state, and addresses of 64 bits.
const PSW_USER: u64 = 0x0001_0001_8000_0000;

fn start(engine: &mut Unicorn<'static, State>) -> Result<(), uc_error> {
    let cr0 = engine.reg_read(Z::CR0)?;
    engine.reg_write(Z::CR0, cr0 | CR0_UNITS)?;
    engine.reg_write(Z::PSWM, PSW_USER)
}

/// Whether an instruction stores the clock, which stands still in the engine: `stck`, `stckf` or `stcke`.
fn stores_clock(instruction: u64) -> bool {
    matches!(instruction >> 16, 0xb205 | 0xb27c | 0xb278)
}

/// The clock counts instructions, as nanoseconds: bit 51 of it is a microsecond.
fn store_clock(machine: &mut Machine, instruction: u64, clock: u64) -> bool {
    const EXTENDED: u64 = 0xb278;
    let (base, displacement) = ((instruction >> 12 & 15) as usize, instruction & 0xfff);
    let base = if base == 0 { 0 } else { machine.read(machine.arch.general[base]) };
    let addr = base.wrapping_add(displacement);
    let time = (u128::from(clock) * 4096 / 1000) as u64;
    let mut value = [0; 16];
    let stored = if instruction >> 16 == EXTENDED {
        value[1..9].copy_from_slice(&time.to_be_bytes());
        &value[..]
    } else {
        value[..8].copy_from_slice(&time.to_be_bytes());
        &value[..8]
    };
    let end = addr.wrapping_add(stored.len() as u64);
    let writable = |at| machine.memory().region_at(at).is_some_and(|region| region.prot().write);
    if !writable(addr) || !writable(end.wrapping_sub(1)) || machine.memory_mut().write(addr, stored).is_err()
    {
        return false;
    }
    // Condition code 0: the clock is set.
    let flags = machine.arch.flags.expect("the program status word");
    let mask = machine.read(flags);
    machine.write(flags, mask & !CONDITION);
    true
}

const RISBHG: u8 = 0x5d;
const RISBLG: u8 = 0x51;

/// Whether an instruction is `risbhg` or `risblg`, which the engine translates wrongly.
fn inserts_half(instruction: u64) -> bool {
    instruction >> 40 == 0xec && [RISBHG, RISBLG].contains(&(instruction as u8))
}

/// Rotate then insert selected bits high, or low: in one half of the first register, the bits from I3 to I4 become those
/// of the second register, rotated by I5. The other bits of that half stay, or become zero if I4 says so.
fn insert_half(machine: &mut Machine, instruction: u64, _clock: u64) -> bool {
    const ZERO: u8 = 0x80;
    let [.., registers, i3, i4, i5, operation] = instruction.to_be_bytes();
    let [to, from] = [registers >> 4, registers & 15].map(|r| machine.arch.general[usize::from(r)]);
    let (from_first, to_last) = (u32::MAX >> (i3 & 31), !(u32::MAX >> (i4 & 31) >> 1));
    let wraps = i3 & 31 > i4 & 31;
    let selected = if wraps { from_first | to_last } else { from_first & to_last };
    let shift = if operation == RISBHG { 32 } else { 0 };
    let changed = if i4 & ZERO != 0 { u32::MAX } else { selected };
    let [selected, changed] = [selected, changed].map(|bits| u64::from(bits) << shift);
    let rotated = machine.read(from).rotate_left(u32::from(i5 & 63));
    let value = machine.read(to) & !changed | rotated & selected;
    machine.write(to, value);
    true
}

const RNSBG: u8 = 0x54;
const ROSBG: u8 = 0x56;
const RXSBG: u8 = 0x57;

/// Whether an instruction is `rnsbg`, `rosbg` or `rxsbg` in the form that stores no result. The engine has no place for it, and
/// does not survive that.
fn only_tests(instruction: u64) -> bool {
    const TEST: u64 = 0x80 << 24;
    instruction >> 40 == 0xec
        && instruction & TEST != 0
        && [RNSBG, ROSBG, RXSBG].contains(&(instruction as u8))
}

/// Rotate then and, or, or exclusive or selected bits: the condition code says whether any of the bits from I3 to I4 is set after
/// the operation on the first register and the second, rotated by I5.
fn test_selected(machine: &mut Machine, instruction: u64, _clock: u64) -> bool {
    let [.., registers, i3, i4, i5, operation] = instruction.to_be_bytes();
    let [first, second] =
        [registers >> 4, registers & 15].map(|r| machine.read(machine.arch.general[usize::from(r)]));
    let (from_first, to_last) = (u64::MAX >> (i3 & 63), !(u64::MAX >> (i4 & 63) >> 1));
    let selected = if i3 & 63 > i4 & 63 { from_first | to_last } else { from_first & to_last };
    let rotated = second.rotate_left(u32::from(i5 & 63));
    let result = match operation {
        RNSBG => first & rotated,
        ROSBG => first | rotated,
        _ => first ^ rotated,
    };
    let flags = machine.arch.flags.expect("the program status word");
    let condition = if result & selected == 0 { 0 } else { 1 << 44 };
    let mask = machine.read(flags);
    machine.write(flags, mask & !CONDITION | condition);
    true
}

/// Whether an instruction is `sqxbr`, of whose result the engine has only a half. A number of 128 bits is in registers of which the
/// second is two after the first.
fn takes_root(instruction: u64) -> bool {
    instruction >> 16 == 0xb316 && instruction & 0x22 == 0
}

/// Square root of a number of 128 bits, as the floating-point control register says that it is rounded.
fn take_root(machine: &mut Machine, instruction: u64, _clock: u64) -> bool {
    const INVALID: u64 = 0x0080_0000;
    const INEXACT: u64 = 0x0008_0000;
    let [to, from] = [instruction >> 4 & 15, instruction & 15].map(|first| Z::F0 as i32 + first as i32);
    let bits = u128::from(machine.read(from)) << 64 | u128::from(machine.read(from + 2));
    let control = machine.read(Z::FPC as i32);
    let rounding = match control & 7 {
        1 => Rounding::ToZero,
        2 => Rounding::Up,
        3 => Rounding::Down,
        _ => Rounding::Nearest,
    };
    let (root, flag) = square_root(bits, rounding);
    machine.write(to, (root >> 64) as u64);
    machine.write(to + 2, root as u64);
    let flag = match flag {
        Flag::None => 0,
        Flag::Inexact => INEXACT,
        Flag::Invalid => INVALID,
    };
    machine.write(Z::FPC as i32, control | flag);
    true
}

/// Those that only test, and square roots of 128 bits.
fn find_poison(code: &[u8], found: &mut Vec<usize>) {
    for at in (0..code.len() - 3).step_by(2) {
        let is = match code[at..] {
            [0xb3, 0x16, a, b, ..] => takes_root(u64::from_be_bytes([0, 0, 0, 0, 0xb3, 0x16, a, b])),
            [0xec, a, b, c, d, e, ..] => only_tests(u64::from_be_bytes([0, 0, 0xec, a, b, c, d, e])),
            _ => false,
        };
        if is {
            found.push(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Exit, Limits, Register};
    use crate::memory::Prot;

    const FIRST: u64 = 0x0123_4567_89ab_cdef;
    const SECOND: u64 = 0xfedc_ba98_7654_3210;

    /// What is in %r2 after `OPERATION %r2, %r4, i3, i4, i5`.
    fn inserted(operation: u8, [i3, i4, i5]: [u8; 3]) -> u64 {
        let mut machine = Machine::new(AnyTarget::S390x).unwrap();
        machine.memory_mut().map("code", 0x1_0000, 0x1000, Prot::READ_EXEC).unwrap();
        // After it, svc 0.
        let code = [0xec, 0x24, i3, i4, i5, operation, 0x0a, 0];
        machine.memory_mut().write(0x1_0000, &code).unwrap();
        machine.set(Register::General(2), FIRST).unwrap();
        machine.set(Register::General(4), SECOND).unwrap();
        assert_eq!(machine.run(0x1_0000, Limits::NONE).unwrap(), Exit::Trap { pc: 0x1_0008 });
        assert_eq!(machine.instructions(), 2);
        machine.get(Register::General(2)).unwrap()
    }

    #[test]
    fn bits_are_inserted_in_one_half() {
        // The other half, moved, all of it; a byte of it; a byte, and zeros; from the last byte around to the first.
        assert_eq!(inserted(RISBLG, [0, 31, 32]), 0x0123_4567_fedc_ba98);
        assert_eq!(inserted(RISBHG, [0, 31, 32]), 0x7654_3210_89ab_cdef);
        assert_eq!(inserted(RISBLG, [8, 15, 32]), 0x0123_4567_89dc_cdef);
        assert_eq!(inserted(RISBHG, [8, 15, 32]), 0x0154_4567_89ab_cdef);
        assert_eq!(inserted(RISBLG, [8, 15 | 0x80, 0]), 0x0123_4567_0054_0000);
        assert_eq!(inserted(RISBHG, [8, 15 | 0x80, 0]), 0x00dc_0000_89ab_cdef);
        assert_eq!(inserted(RISBLG, [24, 7, 4]), 0x0123_4567_65ab_cd0f);
        assert_eq!(inserted(RISBHG, [24, 7, 4]), 0xed23_4587_89ab_cdef);
        // What is above the lowest five bits of I3 and six of I5 does not count.
        assert_eq!(inserted(RISBLG, [0xe8, 15, 0xe0]), inserted(RISBLG, [8, 15, 32]));
    }

    /// Whether `OPERATION %r2, %r4, i3, i4, i5` in the form that only tests finds a bit, in code that begins at an address.
    fn found(operation: u8, [i3, i4, i5]: [u8; 3], at: u64) -> bool {
        let mut machine = Machine::new(AnyTarget::S390x).unwrap();
        machine.memory_mut().map("code", 0x1_0000, 0x3000, Prot::READ_EXEC).unwrap();
        // After it: jump, if condition code 1, to svc 1; svc 0.
        let code = [0xec, 0x24, i3 | 0x80, i4, i5, operation, 0xa7, 0x44, 0, 3, 0x0a, 0, 0x0a, 1];
        machine.memory_mut().write(at, &code).unwrap();
        machine.set(Register::General(2), FIRST).unwrap();
        machine.set(Register::General(4), SECOND).unwrap();
        let Ok(Exit::Trap { pc }) = machine.run(at, Limits::NONE) else { panic!("no trap") };
        assert_eq!(machine.get(Register::General(2)).unwrap(), FIRST);
        assert_eq!(machine.instructions(), 3);
        pc == at + 14
    }

    #[test]
    fn bits_are_tested() {
        // In the page, and across its end.
        for at in [0x1_0000, 0x1_0ffc, 0x1_0ffe] {
            // First and second have no bit in common, all bits together, and the more so when one is the other's complement.
            assert!(!found(RNSBG, [0, 63, 0], at));
            assert!(found(ROSBG, [0, 63, 0], at));
            assert!(found(RXSBG, [0, 63, 0], at));
            // Rotated by 4, the second byte is 0xcb beside 0x23.
            assert!(found(RNSBG, [8, 15, 4], at));
            assert!(!found(RNSBG, [8, 13, 4], at));
            // From the last bits around to the first.
            assert!(found(ROSBG, [60, 3, 0], at));
            assert!(!found(RNSBG, [60, 3, 0], at));
        }
    }

    #[test]
    fn roots_of_128_bits_are_taken() {
        const TWO: u64 = 0x4000 << 48;
        const ROOT: [u64; 2] = [0x3fff_6a09_e667_f3bc, 0xc908_b2fb_1366_ea95];
        const INEXACT: u64 = 0x0008_0000;
        // sqxbr %f4, %f1; svc 0
        for (rounding, [high, low]) in [(0, ROOT), (1, ROOT), (2, [ROOT[0], ROOT[1] + 1]), (3, ROOT)] {
            let mut machine = Machine::new(AnyTarget::S390x).unwrap();
            machine.memory_mut().map("code", 0x1_0000, 0x1000, Prot::READ_EXEC).unwrap();
            machine.memory_mut().write(0x1_0000, &[0xb3, 0x16, 0, 0x41, 0x0a, 0]).unwrap();
            machine.write(Z::F1 as i32, TWO);
            machine.write(Z::FPC as i32, rounding);
            assert_eq!(machine.run(0x1_0000, Limits::NONE), Ok(Exit::Trap { pc: 0x1_0006 }));
            assert_eq!([Z::F4, Z::F6].map(|register| machine.read(register as i32)), [high, low]);
            assert_eq!(machine.read(Z::FPC as i32), rounding | INEXACT);
            assert_eq!(machine.instructions(), 2);
        }
        // No number is in %f2 and %f4: the engine says so.
        let mut machine = Machine::new(AnyTarget::S390x).unwrap();
        machine.memory_mut().map("code", 0x1_0000, 0x1000, Prot::READ_EXEC).unwrap();
        machine.memory_mut().write(0x1_0000, &[0xb3, 0x16, 0, 0x42]).unwrap();
        let fault = machine.run(0x1_0000, Limits::NONE).unwrap_err();
        assert_eq!(fault.pc, 0x1_0000, "{fault}");
    }

    /// Programs cannot do what only the kernel may: load a program status word, or set the clock.
    #[test]
    fn privileged_instructions_are_none() {
        for code in [[0xb2, 0xb2, 0x20, 0], [0xb2, 0x04, 0x20, 0]] {
            let mut machine = Machine::new(AnyTarget::S390x).unwrap();
            machine.memory_mut().map("code", 0x1_0000, 0x1000, Prot::READ_EXEC).unwrap();
            machine.memory_mut().map("data", 0x2_0000, 0x1000, Prot::READ_WRITE).unwrap();
            machine.memory_mut().write(0x1_0000, &code).unwrap();
            machine.set(Register::General(2), 0x2_0000).unwrap();
            let fault = machine.run(0x1_0000, Limits::NONE).unwrap_err();
            assert_eq!(fault.pc, 0x1_0000, "{code:x?}: {fault}");
        }
    }
}
