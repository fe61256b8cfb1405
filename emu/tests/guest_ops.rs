//! Every op of the guest's instruction set, on every architecture: on the CPU, in the interpreter, and
//! as the op's documentation has it.

mod common;

use common::{DATA_LEN, Outcome, VREGS, both, layout, program, value};
use heapmatrix_emu::guest::ir::{Label, Op, Reg, Width};
use heapmatrix_emu::machine::Machine;
use heapmatrix_writer::AnyTarget;

const PAIRS: [(u64, u64); 8] = [
    (0, 0),
    (1, 2),
    (2, 1),
    (0x7fff_ffff, 0x8000_0000),
    (u64::MAX, 1),
    (0x8000_0000_0000_0000, 0x7fff_ffff_ffff_ffff),
    (0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210),
    (0xffff_ffff, 0x1_0000_0000),
];

const IMMEDIATES: [i32; 12] =
    [0, 1, -1, 0x7f, -0x80, 0xfff, 0x7fff, -0x8000, 0x7fff_8000, 0x1234_5678, i32::MAX, i32::MIN];

fn mask(target: AnyTarget) -> u64 {
    if target.ptr_size() == 8 { u64::MAX } else { 0xffff_ffff }
}

/// Runs ops up to a trap after them.
fn run(target: AnyTarget, ops: &[Op], start: common::Start) -> Outcome {
    both(target, &[ops, &[Op::Trap(7)]].concat(), start)
}

#[test]
fn arithmetic() {
    type Binary = (fn(Reg, Reg) -> Op, fn(u64, u64) -> u64);
    let binary: [Binary; 6] = [
        (Op::Mov, |_, b| b),
        (Op::Add, u64::wrapping_add),
        (Op::Sub, u64::wrapping_sub),
        (Op::And, |a, b| a & b),
        (Op::Or, |a, b| a | b),
        (Op::Xor, |a, b| a ^ b),
    ];
    for &target in Machine::ALL {
        for (op, meaning) in binary {
            for d in VREGS {
                for s in VREGS {
                    let (a, b) = PAIRS[6];
                    let left = if d == s { b } else { a };
                    let after = run(target, &[op(d, s)], &[(d, a), (s, b)]);
                    assert_eq!(
                        after.registers[d as usize],
                        meaning(left, b) & mask(target),
                        "{target} {:?}",
                        op(d, s)
                    );
                }
            }
            for (a, b) in PAIRS {
                let after = run(target, &[op(Reg::V4, Reg::V1)], &[(Reg::V4, a), (Reg::V1, b)]);
                assert_eq!(after.registers[4], meaning(a & mask(target), b & mask(target)) & mask(target));
                assert_eq!(after.registers[1], b & mask(target), "the source stays");
            }
        }
    }
}

#[test]
fn immediates() {
    for &target in Machine::ALL {
        for (a, b) in PAIRS {
            for d in VREGS {
                let after = run(target, &[Op::Imm(d, a ^ b)], &[]);
                assert_eq!(after.registers[d as usize], (a ^ b) & mask(target));
            }
        }
        for value in IMMEDIATES {
            for (d, before) in [(Reg::V0, 0x1_0000_0005), (Reg::V5, u64::MAX)] {
                let after = run(target, &[Op::AddImm(d, value)], &[(d, before)]);
                let sum = before.wrapping_add(i64::from(value) as u64);
                assert_eq!(after.registers[d as usize], sum & mask(target), "{target} {value:#x}");
            }
        }
    }
}

#[test]
fn stack_pointer_moves() {
    for &target in Machine::ALL {
        let sp = layout(target).stack;
        let after = run(target, &[Op::Mov(Reg::V2, Reg::Sp), Op::AddImm(Reg::Sp, -0x1230)], &[]);
        assert_eq!((after.registers[2], after.registers[6]), (sp, sp - 0x1230));
        let after = run(target, &[Op::Mov(Reg::Sp, Reg::V3)], &[(Reg::V3, sp + 64)]);
        assert_eq!(after.registers[6], sp + 64);
    }
}

#[test]
fn shifts() {
    for &target in Machine::ALL {
        let bits = target.ptr_size() as u8 * 8;
        for by in [0, 1, 7, 31, 32, 33, bits - 1].into_iter().filter(|&by| by < bits) {
            for (before, _) in PAIRS {
                for d in [Reg::V0, Reg::V3, Reg::V5] {
                    let left = run(target, &[Op::ShlImm(d, by)], &[(d, before)]);
                    assert_eq!(
                        left.registers[d as usize],
                        before << by & mask(target),
                        "{target} {before:x} << {by}"
                    );
                    let right = run(target, &[Op::ShrImm(d, by)], &[(d, before)]);
                    assert_eq!(
                        right.registers[d as usize],
                        (before & mask(target)) >> by,
                        "{target} {before:x} >> {by}"
                    );
                }
            }
        }
    }
}

/// Offsets at the edges of what the instructions hold: arm 8 and 12 bits, arm64 9 with a sign and 12 times the
/// width, ppc64 16.
const OFFSETS: [i32; 18] =
    [0, 1, 3, 255, 256, -255, -256, -257, 4095, 4096, 8190, 8192, 16380, 32760, 32767, 32768, -32768, -32769];
const WIDTHS: [Width; 4] = [Width::B1, Width::B2, Width::B4, Width::Word];

fn bytes(target: AnyTarget, width: Width) -> usize {
    match width {
        Width::B1 => 1,
        Width::B2 => 2,
        Width::B4 => 4,
        Width::Word => target.ptr_size() as usize,
    }
}

#[test]
fn loads_and_stores_of_every_width_at_every_distance() {
    const MIDDLE: usize = DATA_LEN as usize / 2;
    for &target in Machine::ALL {
        let middle = layout(target).data + MIDDLE as u64;
        for width in WIDTHS {
            let len = bytes(target, width);
            for offset in OFFSETS {
                let at = MIDDLE.wrapping_add_signed(offset as isize);
                let ops =
                    [Op::Load(Reg::V0, Reg::V1, offset, width), Op::Store(Reg::V2, Reg::V1, offset, width)];
                let start = [(Reg::V1, middle), (Reg::V2, 0xf1e2_d3c4_b5a6_9788)];
                let before = run(target, &[], &[]);
                let after = run(target, &ops, &start);
                assert_eq!(after.registers[0], before.value(target, at, len), "{target} {width:?} {offset}");
                let stored = 0xf1e2_d3c4_b5a6_9788 & (u64::MAX >> (64 - 8 * len));
                assert_eq!(after.value(target, at, len), stored, "{target} {width:?} {offset}");
                assert_eq!(after.data[..at], before.data[..at], "nothing below is touched");
                assert_eq!(after.data[at + len..], before.data[at + len..], "nothing above is touched");
            }
        }
    }
}

#[test]
fn loads_and_stores_of_every_register() {
    for &target in Machine::ALL {
        let data = layout(target).data + 0x100;
        let stack = layout(target).stack;
        for width in WIDTHS {
            let len = bytes(target, width);
            for value_in in VREGS {
                for base in VREGS {
                    // A base that is also the value stores its own address.
                    let start = [(value_in, 0x8182_8384_8586_8788), (base, data)];
                    let expected = if value_in == base { data } else { 0x8182_8384_8586_8788 };
                    let after = run(target, &[Op::Store(value_in, base, 4, width)], &start);
                    let stored = expected & (u64::MAX >> (64 - 8 * len));
                    assert_eq!(after.value(target, 0x104, len), stored, "{target} {value_in:?} to {base:?}");
                    assert_eq!(after.registers[value_in as usize], expected & mask(target));
                    let after = run(target, &[Op::Load(value_in, base, 4, width)], &[(base, data)]);
                    assert_eq!(after.registers[value_in as usize], after.value(target, 0x104, len));
                }
                let on_stack = [
                    Op::Store(value_in, Reg::Sp, -16, width),
                    Op::Imm(value_in, 0),
                    Op::Load(value_in, Reg::Sp, -16, width),
                ];
                let after = run(target, &on_stack, &[(value_in, 0x8182_8384_8586_8788)]);
                assert_eq!(
                    after.registers[value_in as usize],
                    0x8182_8384_8586_8788 & (u64::MAX >> (64 - 8 * len))
                );
                assert_eq!(after.registers[6], stack);
            }
        }
    }
}

#[test]
fn jumps() {
    let (far, end) = (Label(0), Label(1));
    for &target in Machine::ALL {
        for (a, b) in PAIRS {
            let (x, y) = (a & mask(target), b & mask(target));
            for (jump, taken) in [
                (Op::Jump(far), true),
                (Op::JumpIfZero(Reg::V2, far), x == 0),
                (Op::JumpIfEq(Reg::V2, Reg::V5, far), x == y),
                (Op::JumpIfEq(Reg::V2, Reg::V2, far), true),
                (Op::JumpIfBelow(Reg::V2, Reg::V5, far), x < y),
                (Op::JumpIfBelow(Reg::V5, Reg::V2, far), y < x),
            ] {
                let forward = [
                    jump,
                    Op::Imm(Reg::V0, 1),
                    Op::Jump(end),
                    Op::Label(far),
                    Op::Imm(Reg::V0, 2),
                    Op::Label(end),
                ];
                let after = run(target, &forward, &[(Reg::V2, a), (Reg::V5, b)]);
                assert_eq!(after.registers[0], 1 + u64::from(taken), "{target} {jump:?} {x:x} {y:x}");
                let backward = [
                    Op::Jump(end),
                    Op::Label(far),
                    Op::Imm(Reg::V0, 2),
                    Op::Trap(1),
                    Op::Align(64),
                    Op::Label(end),
                    jump,
                    Op::Imm(Reg::V0, 1),
                ];
                let after = run(target, &backward, &[(Reg::V2, a), (Reg::V5, b)]);
                assert_eq!(after.registers[0], 1 + u64::from(taken), "{target} {jump:?} {x:x} {y:x}");
            }
        }
    }
}

#[test]
fn conditional_jumps_reach_far() {
    let far = Label(0);
    for &target in Machine::ALL {
        // More than the 32 KiB that ppc64's own conditional branches reach.
        let mut ops = vec![Op::JumpIfZero(Reg::V0, far), Op::Trap(1)];
        ops.extend([
            Op::Align(0x1_0000),
            Op::Imm(Reg::V1, 1),
            Op::Align(0x1_0000),
            Op::Label(far),
            Op::Imm(Reg::V1, 2),
        ]);
        assert_eq!(run(target, &ops, &[]).registers[1], 2);
    }
}

#[test]
fn indirect_jumps_and_label_addresses() {
    let there = Label(3);
    for &target in Machine::ALL {
        for through in VREGS {
            let ops = [
                Op::LabelAddr(through, there),
                Op::JumpReg(through),
                Op::Trap(1),
                Op::Align(32),
                Op::Label(there),
            ];
            let after = run(target, &ops, &[]);
            assert_eq!(after.trap.0, 7, "{target}");
            assert_eq!(after.registers[through as usize], program(target, &ops).addrs[4]);
        }
    }
}

#[test]
fn calls_leave_the_return_pc_where_go_has_it() {
    let f = Label(0);
    for &target in Machine::ALL {
        let word = target.ptr_size() as usize;
        for frame in [0, 8, 16, 0xff8, 0xfff & !7, 0x1000, 0x7ff8, 0x8000, 0x8008, 0x1_0000] {
            let ops = [
                Op::Call(f),
                Op::Trap(9),
                Op::Label(f),
                Op::Enter(frame),
                Op::Mov(Reg::V0, Reg::Sp),
                Op::Leave(frame),
            ];
            let after = both(target, &ops, &[]);
            let code = program(target, &ops);
            let (sp, back) = (layout(target).stack, code.addrs[1]);
            assert_eq!(after.trap, (9, code.addrs[2]), "{target}: it comes back");
            assert_eq!(after.registers[6], sp, "{target}: the stack is as before");
            let pushed = if target.uses_lr() { 0 } else { word as u64 };
            let inside = sp - pushed - u64::from(frame);
            assert_eq!(after.registers[0], inside, "{target} frame {frame:#x}");
            // Without a link register above the frame, with one at its lowest word.
            let saved = if target.uses_lr() { inside } else { inside + u64::from(frame) };
            let at = (saved - (sp - DATA_LEN / 2)) as usize;
            if !target.uses_lr() || frame != 0 {
                assert_eq!(value(target, &after.stack[at..at + word]), back, "{target} frame {frame:#x}");
            }
            assert_eq!(after.link, if target.uses_lr() { back } else { 0 });
        }
    }
}

#[test]
fn nested_calls_and_recursion() {
    let f = Label(0);
    let done = Label(1);
    // f(V0) calls itself V0 times, and adds one to V1 on each way back.
    let ops = [
        Op::Imm(Reg::V0, 20),
        Op::Call(f),
        Op::Trap(2),
        Op::Label(f),
        Op::Enter(32),
        Op::JumpIfZero(Reg::V0, done),
        Op::AddImm(Reg::V0, -1),
        Op::Store(Reg::V0, Reg::Sp, 16, Width::Word),
        Op::Call(f),
        Op::Load(Reg::V2, Reg::Sp, 16, Width::Word),
        Op::Add(Reg::V1, Reg::V2),
        Op::Label(done),
        Op::Leave(32),
    ];
    for &target in Machine::ALL {
        let after = both(target, &ops, &[]);
        assert_eq!(
            (after.registers[1], after.registers[6]),
            ((0..20).sum(), layout(target).stack),
            "{target}"
        );
    }
}

#[test]
fn link_register_moves() {
    for &target in Machine::ALL.iter().filter(|target| target.uses_lr()) {
        for register in VREGS {
            let set = [Op::SetLr(register), Op::Imm(register, 0)];
            assert_eq!(run(target, &set, &[(register, 0x1234_5678)]).link, 0x1234_5678);
            let get = [Op::Imm(Reg::V0, 0xabcd_ef00), Op::SetLr(Reg::V0), Op::GetLr(register)];
            assert_eq!(run(target, &get, &[]).registers[register as usize], 0xabcd_ef00);
        }
    }
}

#[test]
fn traps_carry_their_codes_and_change_no_register() {
    for &target in Machine::ALL {
        for code in [0, 1, 0xff, 0x1234, 0xffff] {
            let start: Vec<_> = (0x11u64..).zip(VREGS).map(|(n, r)| (r, n * 0x0101_0101)).collect();
            let after = both(target, &[Op::Trap(code)], &start);
            assert_eq!(after.trap.0, code);
            assert!(start.iter().all(|&(r, value)| after.registers[r as usize] == value), "{target}");
        }
    }
}
