//! What is true of s390x.

use super::*;
use unicorn_engine::RegisterS390X;

/// If not: `start` of s390x. Without bits of the first control register only four of the floating-point registers are
/// there, and no vectors.
#[test]
fn registers_of_s390x_need_bits() {
    // adbr %f1, %f3; vzero %v1
    for instruction in [&[0xb3, 0x1a, 0, 0x13][..], &[0xe7, 0x10, 0, 0, 0, 0x44]] {
        let code = [instruction, &[0x0a, 0]].concat();
        let mut e = trapping(AnyTarget::S390x, &code);
        e.emu_start(CODE, 0, 0, 0).unwrap();
        assert_eq!((e.get_data().interrupt, e.reg_read(RegisterS390X::PC)), (Some(3), Ok(CODE)));
        let mut m = machine(AnyTarget::S390x, &code);
        assert_eq!(m.run(CODE, Limits::NONE), Ok(Exit::Trap { pc: CODE + code.len() as u64 }));
    }
}

/// If not: `Encoding::S390x`. Instructions have two bytes, four or six.
#[test]
fn instructions_of_s390x_are_counted() {
    // lr %r2, %r2; lghi %r2, 1; lg %r4, 0(%r3); svc 9
    let code = [&[0x18, 0x22][..], &[0xa7, 0x29, 0, 1], &[0xe3, 0x40, 0x30, 0, 0, 4], &[0x0a, 9]].concat();
    let mut m = machine(AnyTarget::S390x, &code);
    m.set(Register::General(3), DATA).unwrap();
    assert_eq!(m.run(CODE, Limits::NONE), Ok(Exit::Trap { pc: CODE + 14 }));
    assert_eq!((m.instructions(), m.get(Register::General(2)), m.trap_code()), (4, Ok(1), Some(9)));
    // The load at fault, after two.
    m.set(Register::General(3), 0x7000).unwrap();
    assert_eq!(m.run(CODE, Limits::NONE).unwrap_err().pc, CODE + 6);
    assert_eq!(m.instructions(), 6);
}

/// If not: `withheld` of s390x may go. The clock stands still in this engine: Go's execution tracer takes that for a
/// broken one.
#[test]
fn the_clock_of_s390x_stands_still() {
    // stck 0(%r3)
    let mut e = trapping(AnyTarget::S390x, &[0xb2, 0x05, 0x30, 0, 0x0a, 0]);
    e.reg_write(RegisterS390X::R3, DATA).unwrap();
    let mut read = || {
        e.emu_start(CODE, 0, 0, 0).unwrap();
        e.mem_read_as_vec(DATA, 8).unwrap()
    };
    let first = read();
    std::thread::sleep(std::time::Duration::from_millis(2));
    assert_eq!(read(), first);
}

/// If not: a known limit less in `docs/decisions/unicorn.md`. What is inserted into the lower half of a register as one
/// field goes into the upper half. Go's compilers do without the instruction; those of C for z196 and later do not.
#[test]
fn bits_for_the_lower_half_go_astray() {
    // risblg %r2, %r4, 0, 31, 32: the upper half of one becomes the lower half of the other. svc 0
    let mut e = trapping(AnyTarget::S390x, &[0xec, 0x24, 0, 31, 32, 0x51, 0x0a, 0]);
    e.reg_write(RegisterS390X::R2, 0x1111_1111_2222_2222).unwrap();
    e.reg_write(RegisterS390X::R4, 0x3333_3333_4444_4444).unwrap();
    e.emu_start(CODE, 0, 0, 0).unwrap();
    let right = 0x1111_1111_3333_3333;
    assert_ne!(e.reg_read(RegisterS390X::R2), Ok(right));
}
