//! Random guest programs that end, on every architecture, with the same outcome as they are run.

use heapmatrix_emu::guest::ir::{Label, Op, Reg, Width};
use heapmatrix_writer::AnyTarget;
use proptest::collection::vec;
use proptest::prelude::*;

use super::{VREGS, layout};

/// One thing that a function does. Each can stand anywhere.
#[derive(Clone, Debug)]
pub enum Step {
    Imm(Reg, u64),
    Alu(u8, Reg, Reg),
    AddImm(Reg, i32),
    Shift {
        left: bool,
        reg: Reg,
        bits: u8,
    },
    /// An access to a place in the data, through a base register and an offset.
    Access {
        store: bool,
        value: Reg,
        base: Reg,
        place: u16,
        offset: i32,
        width: Width,
    },
    /// An access to a place in the data that depends on a register's value.
    Computed {
        store: bool,
        value: Reg,
        base: Reg,
        scratch: Reg,
        width: Width,
    },
    /// An access to the function's own frame.
    Frame {
        store: bool,
        value: Reg,
        place: u16,
        width: Width,
    },
    /// Skips some steps, perhaps.
    Skip {
        jump: u8,
        a: Reg,
        b: Reg,
        steps: u8,
    },
    /// The address of a function.
    Address(Reg, u8),
    /// Calls a function, by number modulo those that come after this one.
    Call(u8),
    GetLr(Reg),
    SetLr(Reg),
}

/// A function: its frame in words of eight bytes, with 0 and 1 for a leaf, and what it does.
#[derive(Clone, Debug)]
pub struct Function {
    frame: u16,
    steps: Vec<Step>,
}

fn reg() -> impl Strategy<Value = Reg> {
    proptest::sample::select(&VREGS[..])
}

fn width() -> impl Strategy<Value = Width> {
    proptest::sample::select(&[Width::B1, Width::B2, Width::B4, Width::Word][..])
}

/// Numbers of all sizes, with those at edges more often.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        (0..64u32).prop_map(|bits| 1 << bits),
        (0..64u32).prop_map(|bits| u64::MAX >> bits),
        0..16u64,
    ]
}

fn offset() -> impl Strategy<Value = i32> {
    let edges = [0, 1, -1, 4, 255, 256, -255, -256, 4095, 4096, -4095, -4096, 32767, 32768, -32768, -32769];
    prop_oneof![proptest::sample::select(edges.to_vec()), -0x1_0000..0x1_0000i32]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (reg(), number()).prop_map(|(d, value)| Step::Imm(d, value)),
        6 => (0..6u8, reg(), reg()).prop_map(|(op, d, s)| Step::Alu(op, d, s)),
        2 => (reg(), prop_oneof![any::<i32>(), -16..16i32]).prop_map(|(d, value)| Step::AddImm(d, value)),
        2 => (any::<bool>(), reg(), any::<u8>()).prop_map(|(left, reg, bits)| Step::Shift { left, reg, bits }),
        4 => (any::<bool>(), reg(), reg(), any::<u16>(), offset(), width()).prop_map(
            |(store, value, base, place, offset, width)| Step::Access { store, value, base, place, offset, width }
        ),
        2 => (any::<bool>(), reg(), reg(), reg(), width()).prop_map(
            |(store, value, base, scratch, width)| Step::Computed { store, value, base, scratch, width }
        ),
        3 => (any::<bool>(), reg(), any::<u16>(), width())
            .prop_map(|(store, value, place, width)| Step::Frame { store, value, place, width }),
        3 => (0..5u8, reg(), reg(), 0..6u8).prop_map(|(jump, a, b, steps)| Step::Skip { jump, a, b, steps }),
        1 => (reg(), any::<u8>()).prop_map(|(d, function)| Step::Address(d, function)),
        2 => any::<u8>().prop_map(Step::Call),
        1 => reg().prop_map(Step::GetLr),
        1 => reg().prop_map(Step::SetLr),
    ]
}

/// Functions, the first of which is where the program begins.
pub fn functions() -> impl Strategy<Value = Vec<Function>> {
    let frame = prop_oneof![3 => 0..40u16, 1 => 500..520u16, 1 => 4090..4100u16];
    let function = (frame, vec(step(), 0..24)).prop_map(|(frame, steps)| Function { frame, steps });
    vec(function, 1..5)
}

/// Values to start with in V0 to V5.
pub fn start() -> impl Strategy<Value = Vec<(Reg, u64)>> {
    vec(number(), 6).prop_map(|values| VREGS.into_iter().zip(values).collect())
}

/// The program of some functions: it calls the first one and ends in a trap.
pub fn lower(target: AnyTarget, functions: &[Function]) -> Vec<Op> {
    let mut lowering =
        Lowering { target, ops: vec![Op::Call(Label(0)), Op::Trap(0xbeef)], labels: functions.len() as u32 };
    for number in 0..functions.len() {
        lowering.function(number, functions);
    }
    lowering.ops
}

struct Lowering {
    target: AnyTarget,
    ops: Vec<Op>,
    /// Labels used so far; the first ones are the functions'.
    labels: u32,
}

impl Lowering {
    fn function(&mut self, number: usize, functions: &[Function]) {
        let Function { frame, steps } = &functions[number];
        let frame = if *frame < 4 { 0 } else { u32::from(*frame) * 8 };
        self.ops.extend([Op::Align(16), Op::Label(Label(number as u32)), Op::Enter(frame)]);
        // The steps before which a label is to be placed.
        let mut ends: Vec<(usize, Label)> = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            self.place(&mut ends, at);
            if let Step::Skip { jump, a, b, steps } = *step {
                let label = Label(self.labels);
                self.labels += 1;
                ends.push((at + 1 + usize::from(steps), label));
                self.jump(jump, a, b, label);
            } else {
                self.step(step, number, functions.len(), frame);
            }
        }
        self.place(&mut ends, usize::MAX);
        self.ops.push(Op::Leave(frame));
    }

    fn place(&mut self, ends: &mut Vec<(usize, Label)>, at: usize) {
        ends.retain(|&(end, label)| {
            if end <= at {
                self.ops.push(Op::Label(label));
            }
            end > at
        });
    }

    fn jump(&mut self, jump: u8, a: Reg, b: Reg, label: Label) {
        match jump {
            0 => self.ops.push(Op::Jump(label)),
            1 => self.ops.push(Op::JumpIfZero(a, label)),
            2 => self.ops.push(Op::JumpIfEq(a, b, label)),
            3 => self.ops.push(Op::JumpIfBelow(a, b, label)),
            _ => self.ops.extend([Op::LabelAddr(a, label), Op::JumpReg(a)]),
        }
    }

    fn step(&mut self, step: &Step, function: usize, functions: usize, frame: u32) {
        let data = layout(self.target).data;
        // Some machines want bases that are multiples of the width.
        let bases = match self.target {
            AnyTarget::Mips | AnyTarget::Mipsle => !3,
            AnyTarget::Mips64 | AnyTarget::Mips64le => !7,
            _ => !0,
        };
        let transfer = |store, value, base, offset, width| {
            if store { Op::Store(value, base, offset, width) } else { Op::Load(value, base, offset, width) }
        };
        match *step {
            Step::Imm(d, value) => self.ops.push(Op::Imm(d, value)),
            Step::Alu(op, d, s) => {
                self.ops.push([Op::Mov, Op::Add, Op::Sub, Op::And, Op::Or, Op::Xor][usize::from(op)](d, s));
            }
            Step::AddImm(d, value) => self.ops.push(Op::AddImm(d, value)),
            Step::Shift { left, reg, bits } => {
                let bits = bits % (self.target.ptr_size() as u8 * 8);
                self.ops.push(if left { Op::ShlImm(reg, bits) } else { Op::ShrImm(reg, bits) });
            }
            Step::Access { store, value, base, place, offset, width } => {
                // A base that is rounded down leads to a few bytes before it.
                let place = data + 8 + u64::from(place);
                self.ops.push(Op::Imm(base, place.wrapping_add_signed(-i64::from(offset)) & bases));
                self.ops.push(transfer(store, value, base, offset, width));
            }
            Step::Computed { store, value, base, scratch, width } if base != scratch => {
                self.ops.extend([
                    Op::Imm(scratch, 0xffff & bases),
                    Op::And(base, scratch),
                    Op::Imm(scratch, data),
                    Op::Add(base, scratch),
                    transfer(store, value, base, 0, width),
                ]);
            }
            // The lowest word is the link register's, and what follows the frame may be the return PC.
            Step::Frame { store, value, place, width } if frame != 0 => {
                let place = 8 + u32::from(place) % (frame - 15);
                self.ops.push(transfer(store, value, Reg::Sp, place as i32, width));
            }
            Step::Address(d, function) => {
                self.ops.push(Op::LabelAddr(d, Label(u32::from(function) % functions as u32)));
            }
            // A leaf has no place for its link register while another function runs.
            Step::Call(other) if frame != 0 && function + 1 < functions => {
                let later = functions - function - 1;
                self.ops.push(Op::Call(Label((function + 1 + usize::from(other) % later) as u32)));
            }
            Step::GetLr(d) if self.target.uses_lr() => self.ops.push(Op::GetLr(d)),
            Step::SetLr(s) if self.target.uses_lr() && frame != 0 => self.ops.push(Op::SetLr(s)),
            Step::Computed { .. } | Step::Frame { .. } | Step::Call(_) | Step::GetLr(_) | Step::SetLr(_) => {}
            Step::Skip { .. } => unreachable!("lowered with its label"),
        }
    }
}
