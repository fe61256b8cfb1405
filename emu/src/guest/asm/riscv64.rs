//! Code for riscv64.
//!
//! T0 and T1 are the generator's scratch registers. Encodings: the RISC-V Instruction Set Manual, volume I, RV64I.

use super::{AsmErrorKind, Find, Out};
use crate::guest::ir::{Label, Op, Reg, Width};

/// `ebreak`
pub(super) const EBREAK: [u8; 4] = 0x0010_0073_u32.to_le_bytes();

const ZERO: u32 = 0;
const RA: u32 = 1;
const SP: u32 = 2;
const T0: u32 = 5;
const T1: u32 = 6;

fn number(reg: Reg) -> u32 {
    match reg {
        Reg::V0 => 10,
        Reg::V1 => 11,
        Reg::V2 => 12,
        Reg::V3 => 13,
        Reg::V4 => 14,
        Reg::V5 => 15,
        Reg::Sp => SP,
    }
}

pub(super) fn encode(out: &mut Out, op: Op, find: &Find) -> Result<(), AsmErrorKind> {
    match op {
        Op::Label(_) | Op::Align(_) => {}
        Op::Imm(d, value) => mov_imm(out, number(d), value as i64),
        Op::LabelAddr(d, label) => {
            let low = high_part(out, number(d), label, find)?;
            immediate(out, ADDI, number(d), number(d), low);
        }
        Op::Mov(d, s) => immediate(out, ADDI, number(d), number(s), 0),
        Op::Add(d, s) => register(out, ADD, number(d), number(d), number(s)),
        Op::Sub(d, s) => register(out, SUB, number(d), number(d), number(s)),
        Op::And(d, s) => register(out, AND, number(d), number(d), number(s)),
        Op::Or(d, s) => register(out, OR, number(d), number(d), number(s)),
        Op::Xor(d, s) => register(out, XOR, number(d), number(d), number(s)),
        Op::AddImm(d, value) => add_imm(out, number(d), value),
        Op::ShlImm(d, bits) => immediate(out, SLLI, number(d), number(d), bits.into()),
        Op::ShrImm(d, bits) => immediate(out, SRLI, number(d), number(d), bits.into()),
        Op::Load(d, base, offset, width) => {
            let (base, offset) = place(out, number(base), offset);
            load(out, number(d), base, offset, width);
        }
        Op::Store(s, base, offset, width) => {
            let (base, offset) = place(out, number(base), offset);
            store(out, number(s), base, offset, width);
        }
        Op::Jump(label) => jump(out, ZERO, T0, label, find)?,
        // A branch reaches 4 KiB only. So the opposite condition skips a jump.
        Op::JumpIfZero(a, label) => {
            skip(out, BNE, number(a), ZERO);
            jump(out, ZERO, T0, label, find)?;
        }
        Op::JumpIfEq(a, b, label) => {
            skip(out, BNE, number(a), number(b));
            jump(out, ZERO, T0, label, find)?;
        }
        Op::JumpIfBelow(a, b, label) => {
            skip(out, BGEU, number(a), number(b));
            jump(out, ZERO, T0, label, find)?;
        }
        Op::JumpReg(a) => immediate(out, JALR, ZERO, number(a), 0),
        Op::Call(label) => jump(out, RA, RA, label, find)?,
        Op::GetLr(d) => immediate(out, ADDI, number(d), RA, 0),
        Op::SetLr(s) => immediate(out, ADDI, RA, number(s), 0),
        Op::Enter(0) => {}
        Op::Enter(frame) => {
            add_imm(out, SP, -(frame as i32));
            store(out, RA, SP, 0, Width::Word);
        }
        Op::Leave(frame) => {
            if frame != 0 {
                load(out, RA, SP, 0, Width::Word);
                add_imm(out, SP, frame as i32);
            }
            immediate(out, JALR, ZERO, RA, 0);
        }
        // lui zero, code; ecall
        Op::Trap(code) => {
            out.word(u32::from(code) << 12 | ZERO << 7 | LUI);
            out.word(ECALL);
        }
    }
    Ok(())
}

// Opcodes with their function codes in place. Register operations: funct7 rs2 rs1 funct3 rd 0110011
const ADD: u32 = 0x33;
const SUB: u32 = 0x4000_0033;
const AND: u32 = 0x7033;
const OR: u32 = 0x6033;
const XOR: u32 = 0x4033;

// With an immediate: imm12 rs1 funct3 rd opcode
const ADDI: u32 = 0x13;
const ADDIW: u32 = 0x1b;
const SLLI: u32 = 0x1013;
const SRLI: u32 = 0x5013;
const JALR: u32 = 0x67;

// imm20 rd opcode
const LUI: u32 = 0x37;
const AUIPC: u32 = 0x17;

// Branches: rs2 rs1 funct3 1100011
const BNE: u32 = 0x1063;
const BGEU: u32 = 0x7063;

const ECALL: u32 = 0x73;

fn register(out: &mut Out, op: u32, d: u32, s1: u32, s2: u32) {
    out.word(op | s2 << 20 | s1 << 15 | d << 7);
}

/// The immediate is one of twelve bits, and sign-extended.
fn immediate(out: &mut Out, op: u32, d: u32, s: u32, value: i32) {
    out.word(op | (value as u32) << 20 | s << 15 | d << 7);
}

/// A number as the lower twelve bits, sign-extended, and what is to be added to them.
fn split(value: i64) -> (i64, i32) {
    let low = (value << 52 >> 52) as i32;
    (value.wrapping_sub(low.into()), low)
}

/// lui and addiw for 32 bits, and as often as it takes a shift and an addition.
fn mov_imm(out: &mut Out, d: u32, value: i64) {
    let (high, low) = split(value);
    if high == 0 {
        return immediate(out, ADDI, d, ZERO, low);
    }
    if i32::try_from(value).is_ok() {
        // The sum wraps at 32 bits, where the upper part is one too many.
        out.word(high as u32 & !0xfff | d << 7 | LUI);
        return immediate(out, ADDIW, d, d, low);
    }
    mov_imm(out, d, high >> 12);
    immediate(out, SLLI, d, d, 12);
    immediate(out, ADDI, d, d, low);
}

/// d = d + value
fn add_imm(out: &mut Out, d: u32, value: i32) {
    if (-2048..2048).contains(&value) {
        return immediate(out, ADDI, d, d, value);
    }
    mov_imm(out, T1, value.into());
    register(out, ADD, d, d, T1);
}

/// A base and an offset that instructions can hold.
fn place(out: &mut Out, base: u32, offset: i32) -> (u32, i32) {
    if (-2048..2048).contains(&offset) {
        return (base, offset);
    }
    mov_imm(out, T0, offset.into());
    register(out, ADD, T0, T0, base);
    (T0, 0)
}

/// imm12 rs1 funct3 rd 0000011: lbu, lhu, lwu, ld
fn load(out: &mut Out, d: u32, base: u32, offset: i32, width: Width) {
    let function = match width {
        Width::B1 => 4,
        Width::B2 => 5,
        Width::B4 => 6,
        Width::Word => 3,
    };
    immediate(out, function << 12 | 0x03, d, base, offset);
}

/// imm7 rs2 rs1 funct3 imm5 0100011: sb, sh, sw, sd
fn store(out: &mut Out, s: u32, base: u32, offset: i32, width: Width) {
    let function = match width {
        Width::B1 => 0,
        Width::B2 => 1,
        Width::B4 => 2,
        Width::Word => 3,
    };
    let offset = offset as u32;
    out.word((offset >> 5) << 25 | s << 20 | base << 15 | function << 12 | (offset & 0x1f) << 7 | 0x23);
}

/// A branch over the two instructions of a jump: twelve bytes.
fn skip(out: &mut Out, branch: u32, a: u32, b: u32) {
    out.word(branch | b << 20 | a << 15 | 12 << 7);
}

/// auipc d, the distance to a label without its lower twelve bits, which are returned. It reaches 2 GiB.
fn high_part(out: &mut Out, d: u32, label: Label, find: &Find) -> Result<i32, AsmErrorKind> {
    let distance = find(label)?.wrapping_sub(out.pc()) as i64;
    let (high, low) = split(distance);
    let high = i32::try_from(high).map_err(|_| AsmErrorKind::Unencodable(distance))?;
    out.word(high as u32 | d << 7 | AUIPC);
    Ok(low)
}

/// auipc through, high; jalr link, through, low
fn jump(out: &mut Out, link: u32, through: u32, label: Label, find: &Find) -> Result<(), AsmErrorKind> {
    let low = high_part(out, through, label, find)?;
    immediate(out, JALR, link, through, low);
    Ok(())
}
