//! Code for s390x.
//!
//! R1 is the generator's scratch register. Encodings: z/Architecture Principles of Operation, with the long-displacement
//! and the extended-immediate facilities.

use super::{AsmErrorKind, Find, Out};
use crate::guest::ir::{Label, Op, Reg, Width};

/// An instruction that does not exist, as debuggers use it.
pub(super) const BREAK: [u8; 2] = [0, 1];

const SCRATCH: u8 = 1;
const LR: u8 = 14;
const SP: u8 = 15;

fn number(reg: Reg) -> u8 {
    match reg {
        Reg::V0 => 2,
        Reg::V1 => 3,
        Reg::V2 => 4,
        Reg::V3 => 5,
        Reg::V4 => 6,
        Reg::V5 => 7,
        Reg::Sp => SP,
    }
}

pub(super) fn encode(out: &mut Out, op: Op, find: &Find) -> Result<(), AsmErrorKind> {
    match op {
        Op::Label(_) | Op::Align(_) => {}
        Op::Imm(d, value) => mov_imm(out, number(d), value),
        // larl
        Op::LabelAddr(d, label) => relative(out, number(d) << 4, label, find)?,
        Op::Mov(d, s) => register(out, LGR, number(d), number(s)),
        Op::Add(d, s) => register(out, AGR, number(d), number(s)),
        Op::Sub(d, s) => register(out, SGR, number(d), number(s)),
        Op::And(d, s) => register(out, NGR, number(d), number(s)),
        Op::Or(d, s) => register(out, OGR, number(d), number(s)),
        Op::Xor(d, s) => register(out, XGR, number(d), number(s)),
        Op::AddImm(d, value) => add_imm(out, number(d), value),
        Op::ShlImm(d, bits) => shift(out, 0x0d, number(d), bits),
        Op::ShrImm(d, bits) => shift(out, 0x0c, number(d), bits),
        Op::Load(d, base, offset, width) => load(out, number(d), number(base), offset, width),
        Op::Store(s, base, offset, width) => store(out, number(s), number(base), offset, width),
        Op::Jump(label) => branch(out, ALWAYS, label, find)?,
        Op::JumpIfZero(a, label) => {
            register(out, LTGR, number(a), number(a));
            branch(out, EQUAL, label, find)?;
        }
        Op::JumpIfEq(a, b, label) => {
            register(out, CLGR, number(a), number(b));
            branch(out, EQUAL, label, find)?;
        }
        Op::JumpIfBelow(a, b, label) => {
            register(out, CLGR, number(a), number(b));
            branch(out, LOW, label, find)?;
        }
        Op::JumpReg(a) => jump_register(out, number(a)),
        // brasl
        Op::Call(label) => relative(out, LR << 4 | 5, label, find)?,
        Op::GetLr(d) => register(out, LGR, number(d), LR),
        Op::SetLr(s) => register(out, LGR, LR, number(s)),
        Op::Enter(0) => {}
        Op::Enter(frame) => {
            add_imm(out, SP, -(frame as i32));
            store(out, LR, SP, 0, Width::Word);
        }
        Op::Leave(frame) => {
            if frame != 0 {
                load(out, LR, SP, 0, Width::Word);
                add_imm(out, SP, frame as i32);
            }
            jump_register(out, LR);
        }
        // brcl never, code; svc 0
        Op::Trap(code) => {
            out.instruction(&[&[0xc0, 0x04], &u32::from(code).to_be_bytes()]);
            out.instruction(&[&[0x0a, 0]]);
        }
    }
    Ok(())
}

// Operations on two registers: op16 00 R1 R2
const LTGR: u8 = 0x02;
const LGR: u8 = 0x04;
const AGR: u8 = 0x08;
const SGR: u8 = 0x09;
const CLGR: u8 = 0x21;
const NGR: u8 = 0x80;
const OGR: u8 = 0x81;
const XGR: u8 = 0x82;

/// Masks of branches: for which conditions they are taken.
const ALWAYS: u8 = 15;
const EQUAL: u8 = 8;
const LOW: u8 = 4;

/// 10111001 op 00000000 R1 R2
fn register(out: &mut Out, op: u8, r1: u8, r2: u8) {
    out.instruction(&[&[0xb9, op, 0, r1 << 4 | r2]]);
}

/// op R1 op imm32
fn immediate(out: &mut Out, op: u8, r1: u8, low: u8, value: u32) {
    out.instruction(&[&[op, r1 << 4 | low], &value.to_be_bytes()]);
}

/// lgfi, or llihf and iilf
fn mov_imm(out: &mut Out, d: u8, value: u64) {
    match i32::try_from(value as i64) {
        Ok(value) => immediate(out, 0xc0, d, 0x1, value as u32),
        Err(_) => {
            immediate(out, 0xc0, d, 0xe, (value >> 32) as u32);
            immediate(out, 0xc0, d, 0x9, value as u32);
        }
    }
}

/// agfi
fn add_imm(out: &mut Out, d: u8, value: i32) {
    immediate(out, 0xc2, d, 0x8, value as u32);
}

/// sllg or srlg r, r, bits: 11101011 R1 R3 B2 DL2 DH2 op
fn shift(out: &mut Out, op: u8, r: u8, bits: u8) {
    out.instruction(&[&[0xeb, r << 4 | r, 0, bits, 0, op]]);
}

/// 11100011 R1 X2 B2 DL2 DH2 op, with the offset in the instruction or in the scratch register.
fn transfer(out: &mut Out, op: u8, r1: u8, base: u8, offset: i32) {
    let (index, offset) = if (-0x8_0000..0x8_0000).contains(&offset) {
        (0, offset)
    } else {
        mov_imm(out, SCRATCH, i64::from(offset) as u64);
        (SCRATCH, 0)
    };
    let [_, high, middle, low] = (offset as u32).to_be_bytes();
    // DL2 is the lower twelve bits, DH2 the eight above.
    let upper = high << 4 | middle >> 4;
    out.instruction(&[&[0xe3, r1 << 4 | index, base << 4 | middle & 15, low, upper, op]]);
}

/// llgc, llgh, llgf, lg
fn load(out: &mut Out, d: u8, base: u8, offset: i32, width: Width) {
    let op = match width {
        Width::B1 => 0x90,
        Width::B2 => 0x91,
        Width::B4 => 0x16,
        Width::Word => 0x04,
    };
    transfer(out, op, d, base, offset);
}

/// stcy, sthy, sty, stg
fn store(out: &mut Out, s: u8, base: u8, offset: i32, width: Width) {
    let op = match width {
        Width::B1 => 0x72,
        Width::B2 => 0x70,
        Width::B4 => 0x50,
        Width::Word => 0x24,
    };
    transfer(out, op, s, base, offset);
}

/// 11000000 second imm32: the distance to a label in halfwords. It reaches 4 GiB.
fn relative(out: &mut Out, second: u8, label: Label, find: &Find) -> Result<(), AsmErrorKind> {
    let distance = find(label)?.wrapping_sub(out.pc()) as i64;
    let halves = i32::try_from(distance >> 1).map_err(|_| AsmErrorKind::Unencodable(distance))?;
    out.instruction(&[&[0xc0, second], &halves.to_be_bytes()]);
    Ok(())
}

/// brcl
fn branch(out: &mut Out, mask: u8, label: Label, find: &Find) -> Result<(), AsmErrorKind> {
    relative(out, mask << 4 | 4, label, find)
}

/// bcr always, r
fn jump_register(out: &mut Out, r: u8) {
    out.instruction(&[&[0x07, 0xf0 | r]]);
}
