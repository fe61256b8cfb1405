//! Code for mips, 32 bits.
//!
//! AT, R24 and R25 are the generator's scratch registers, and the instruction after each branch, which is executed
//! before it goes anywhere, is a nop, as in Go's own code. Encodings: the MIPS32 Architecture for Programmers, volume II.

use super::{AsmErrorKind, Find, Out};
use crate::guest::ir::{Label, Op, Reg, Width};

/// `break`
pub(super) const BREAK: [u8; 4] = 0x0000_000d_u32.to_be_bytes();

const ZERO: u32 = 0;
const AT: u32 = 1;
const OTHER: u32 = 24;
const ADDRESS: u32 = 25;
const SP: u32 = 29;
const RA: u32 = 31;

fn number(reg: Reg) -> u32 {
    match reg {
        Reg::V0 => 8,
        Reg::V1 => 9,
        Reg::V2 => 10,
        Reg::V3 => 11,
        Reg::V4 => 12,
        Reg::V5 => 13,
        Reg::Sp => SP,
    }
}

pub(super) fn encode(out: &mut Out, op: Op, find: &Find) -> Result<(), AsmErrorKind> {
    match op {
        Op::Label(_) | Op::Align(_) => {}
        Op::Imm(d, value) => mov_imm(out, number(d), value as u32),
        Op::LabelAddr(d, label) => mov_imm(out, number(d), find(label)? as u32),
        Op::Mov(d, s) => mov(out, number(d), number(s)),
        Op::Add(d, s) => special(out, ADDU, number(d), number(d), number(s)),
        Op::Sub(d, s) => special(out, SUBU, number(d), number(d), number(s)),
        Op::And(d, s) => special(out, AND, number(d), number(d), number(s)),
        Op::Or(d, s) => special(out, OR, number(d), number(d), number(s)),
        Op::Xor(d, s) => special(out, XOR, number(d), number(d), number(s)),
        Op::AddImm(d, value) => add_imm(out, number(d), number(d), value),
        Op::ShlImm(d, bits) => shift(out, SLL, number(d), number(d), bits),
        Op::ShrImm(d, bits) => shift(out, SRL, number(d), number(d), bits),
        Op::Load(d, base, offset, width) => load(out, number(d), number(base), offset, width),
        Op::Store(s, base, offset, width) => store(out, number(s), number(base), offset, width),
        Op::Jump(label) => jump(out, J, label, find)?,
        // A branch reaches 128 KiB only. So the opposite condition skips a jump.
        Op::JumpIfZero(a, label) => {
            immediate(out, BNE, ZERO, number(a), SKIP);
            nop(out);
            jump(out, J, label, find)?;
        }
        Op::JumpIfEq(a, b, label) => {
            immediate(out, BNE, number(b), number(a), SKIP);
            nop(out);
            jump(out, J, label, find)?;
        }
        Op::JumpIfBelow(a, b, label) => {
            special(out, SLTU, AT, number(a), number(b));
            immediate(out, BEQ, ZERO, AT, SKIP);
            nop(out);
            jump(out, J, label, find)?;
        }
        Op::JumpReg(a) => jump_register(out, number(a)),
        Op::Call(label) => jump(out, JAL, label, find)?,
        Op::GetLr(d) => mov(out, number(d), RA),
        Op::SetLr(s) => mov(out, RA, number(s)),
        Op::Enter(0) => {}
        Op::Enter(frame) => {
            add_imm(out, SP, SP, -(frame as i32));
            immediate(out, SW, RA, SP, 0);
        }
        Op::Leave(frame) => {
            if frame != 0 {
                immediate(out, LW, RA, SP, 0);
                add_imm(out, SP, SP, frame as i32);
            }
            jump_register(out, RA);
        }
        // syscall code: 000000 code20 001100
        Op::Trap(code) => out.word(u32::from(code) << 6 | 0x0c),
    }
    Ok(())
}

// Function codes of `op rd, rs, rt`.
const SLL: u32 = 0x00;
const SRL: u32 = 0x02;
const ADDU: u32 = 0x21;
const SUBU: u32 = 0x23;
const AND: u32 = 0x24;
const OR: u32 = 0x25;
const XOR: u32 = 0x26;
const SLTU: u32 = 0x2b;

// Primary opcodes.
const J: u32 = 0x02;
const JAL: u32 = 0x03;
const BEQ: u32 = 0x04;
const BNE: u32 = 0x05;
const ADDIU: u32 = 0x09;
const ORI: u32 = 0x0d;
const LUI: u32 = 0x0f;
const LWL: u32 = 0x22;
const LW: u32 = 0x23;
const LBU: u32 = 0x24;
const LHU: u32 = 0x25;
const LWR: u32 = 0x26;
const SB: u32 = 0x28;
const SH: u32 = 0x29;
const SWL: u32 = 0x2a;
const SW: u32 = 0x2b;
const SWR: u32 = 0x2e;

/// The distance of a branch over a jump and its nop, in instructions from the branch's own nop.
const SKIP: u16 = 3;

fn nop(out: &mut Out) {
    out.word(0);
}

/// 000000 rs rt rd 00000 function
fn special(out: &mut Out, function: u32, d: u32, s: u32, t: u32) {
    out.word(s << 21 | t << 16 | d << 11 | function);
}

/// opcode rs rt imm16: also loads and stores of rt at rs, and branches
fn immediate(out: &mut Out, opcode: u32, t: u32, s: u32, value: u16) {
    out.word(opcode << 26 | s << 21 | t << 16 | u32::from(value));
}

/// 000000 00000 rt rd sa function
fn shift(out: &mut Out, function: u32, d: u32, t: u32, bits: u8) {
    out.word(t << 16 | d << 11 | u32::from(bits) << 6 | function);
}

fn mov(out: &mut Out, d: u32, s: u32) {
    special(out, ADDU, d, s, ZERO);
}

/// lui rt, high; ori rt, rt, low
fn mov_imm(out: &mut Out, t: u32, value: u32) {
    immediate(out, LUI, t, 0, (value >> 16) as u16);
    immediate(out, ORI, t, t, value as u16);
}

/// d = s + value
fn add_imm(out: &mut Out, d: u32, s: u32, value: i32) {
    match i16::try_from(value) {
        Ok(value) => immediate(out, ADDIU, d, s, value as u16),
        Err(_) => {
            mov_imm(out, AT, value as u32);
            special(out, ADDU, d, s, AT);
        }
    }
}

/// A base and an offset that instructions can hold, the last byte's too.
fn place(out: &mut Out, base: u32, offset: i32) -> (u32, u16) {
    match (i16::try_from(offset), i16::try_from(offset.wrapping_add(3))) {
        (Ok(offset), Ok(_)) => (base, offset as u16),
        _ => {
            add_imm(out, ADDRESS, base, offset);
            (ADDRESS, 0)
        }
    }
}

/// Loads, in two pieces where the offset is no multiple of the width: the hardware wants addresses that are.
fn load(out: &mut Out, t: u32, base: u32, offset: i32, width: Width) {
    let (s, at) = place(out, base, offset);
    match width {
        Width::B1 => immediate(out, LBU, t, s, at),
        Width::B2 if offset % 2 == 0 => immediate(out, LHU, t, s, at),
        Width::B4 | Width::Word if offset % 4 == 0 => immediate(out, LW, t, s, at),
        Width::B2 => {
            immediate(out, LBU, OTHER, s, at);
            immediate(out, LBU, AT, s, at.wrapping_add(1));
            shift(out, SLL, OTHER, OTHER, 8);
            special(out, OR, t, OTHER, AT);
        }
        Width::B4 | Width::Word => {
            immediate(out, LWL, AT, s, at);
            immediate(out, LWR, AT, s, at.wrapping_add(3));
            mov(out, t, AT);
        }
    }
}

/// Stores, as [`load`].
fn store(out: &mut Out, t: u32, base: u32, offset: i32, width: Width) {
    let (s, at) = place(out, base, offset);
    match width {
        Width::B1 => immediate(out, SB, t, s, at),
        Width::B2 if offset % 2 == 0 => immediate(out, SH, t, s, at),
        Width::B4 | Width::Word if offset % 4 == 0 => immediate(out, SW, t, s, at),
        Width::B2 => {
            shift(out, SRL, AT, t, 8);
            immediate(out, SB, AT, s, at);
            immediate(out, SB, t, s, at.wrapping_add(1));
        }
        Width::B4 | Width::Word => {
            immediate(out, SWL, t, s, at);
            immediate(out, SWR, t, s, at.wrapping_add(3));
        }
    }
}

/// j/jal label: opcode instr_index, within 256 MiB; nop
fn jump(out: &mut Out, opcode: u32, label: Label, find: &Find) -> Result<(), AsmErrorKind> {
    let to = find(label)?;
    if (to ^ out.pc().wrapping_add(4)) >> 28 != 0 {
        return Err(AsmErrorKind::Unencodable(to.wrapping_sub(out.pc()) as i64));
    }
    out.word(opcode << 26 | (to >> 2) as u32 & 0x03ff_ffff);
    nop(out);
    Ok(())
}

/// jr rs: 000000 rs 0 00000 00000 001000; nop
fn jump_register(out: &mut Out, s: u32) {
    special(out, 0x08, 0, s, 0);
    nop(out);
}
