//! Code for arm: ARMv7, little-endian, A32 instructions.
//!
//! R12 is the generator's scratch register. Encodings: the ARM Architecture Reference Manual, A8.

use super::{AsmErrorKind, Find, Out};
use crate::guest::ir::{Label, Op, Reg, Width};

/// `udf #0`: 1110 01111111 0000_0000_0000 1111 0000
pub(super) const UDF: [u8; 4] = 0xe7f0_00f0u32.to_le_bytes();

const SCRATCH: u32 = 12;
const SP: u32 = 13;
const LR: u32 = 14;

fn number(reg: Reg) -> u32 {
    match reg {
        Reg::V0 => 0,
        Reg::V1 => 1,
        Reg::V2 => 2,
        Reg::V3 => 3,
        Reg::V4 => 4,
        Reg::V5 => 5,
        Reg::Sp => SP,
    }
}

pub(super) fn encode(out: &mut Out, op: Op, find: &Find) -> Result<(), AsmErrorKind> {
    match op {
        Op::Label(_) | Op::Align(_) => {}
        Op::Imm(d, value) => mov_imm(out, number(d), value as u32),
        Op::LabelAddr(d, label) => mov_imm(out, number(d), find(label)? as u32),
        Op::Mov(d, s) => mov(out, number(d), number(s)),
        Op::Add(d, s) => data(out, ADD, number(d), number(d), number(s)),
        Op::Sub(d, s) => data(out, SUB, number(d), number(d), number(s)),
        Op::And(d, s) => data(out, AND, number(d), number(d), number(s)),
        Op::Or(d, s) => data(out, ORR, number(d), number(d), number(s)),
        Op::Xor(d, s) => data(out, EOR, number(d), number(d), number(s)),
        Op::AddImm(d, value) => {
            mov_imm(out, SCRATCH, value as u32);
            data(out, ADD, number(d), number(d), SCRATCH);
        }
        Op::ShlImm(d, bits) => shift(out, LSL, number(d), bits),
        // A right shift by zero would be one by 32.
        Op::ShrImm(d, 0) => mov(out, number(d), number(d)),
        Op::ShrImm(d, bits) => shift(out, LSR, number(d), bits),
        Op::Load(d, base, offset, width) => transfer(out, true, number(d), number(base), offset, width),
        Op::Store(s, base, offset, width) => transfer(out, false, number(s), number(base), offset, width),
        Op::Jump(label) => branch(out, ALWAYS, 0, label, find)?,
        Op::JumpIfZero(a, label) => {
            // cmp rn, #0: cond 001 1010 1 Rn 0000 imm12
            emit(out, ALWAYS | 0x0350_0000 | number(a) << 16);
            branch(out, EQ, 0, label, find)?;
        }
        Op::JumpIfEq(a, b, label) => {
            cmp(out, number(a), number(b));
            branch(out, EQ, 0, label, find)?;
        }
        Op::JumpIfBelow(a, b, label) => {
            cmp(out, number(a), number(b));
            branch(out, LO, 0, label, find)?;
        }
        Op::JumpReg(a) => bx(out, number(a)),
        // bl: cond 1011 imm24
        Op::Call(label) => branch(out, ALWAYS, 1 << 24, label, find)?,
        Op::GetLr(d) => mov(out, number(d), LR),
        Op::SetLr(s) => mov(out, LR, number(s)),
        Op::Enter(0) => {}
        // str lr, [sp, #-frame]!: cond 010 1 0 0 1 0 Rn Rt imm12
        Op::Enter(frame) if frame <= 4095 => emit(out, ALWAYS | 0x0520_0000 | SP << 16 | LR << 12 | frame),
        Op::Enter(frame) => {
            mov_imm(out, SCRATCH, frame);
            data(out, SUB, SP, SP, SCRATCH);
            transfer(out, false, LR, SP, 0, Width::Word);
        }
        Op::Leave(frame) => {
            match frame {
                0 => {}
                // ldr lr, [sp], #frame: cond 010 0 1 0 0 1 Rn Rt imm12
                1..=4095 => emit(out, ALWAYS | 0x0490_0000 | SP << 16 | LR << 12 | frame),
                frame => {
                    transfer(out, true, LR, SP, 0, Width::Word);
                    mov_imm(out, SCRATCH, frame);
                    data(out, ADD, SP, SP, SCRATCH);
                }
            }
            bx(out, LR);
        }
        // svc #code: cond 1111 imm24
        Op::Trap(code) => emit(out, ALWAYS | 0x0f00_0000 | u32::from(code)),
    }
    Ok(())
}

// Conditions.
const EQ: u32 = 0 << 28;
const LO: u32 = 3 << 28;
const ALWAYS: u32 = 14 << 28;

// Opcodes of data-processing instructions.
const AND: u32 = 0;
const EOR: u32 = 1;
const SUB: u32 = 2;
const ADD: u32 = 4;
const CMP: u32 = 10;
const ORR: u32 = 12;
const MOV: u32 = 13;

// Kinds of shifts.
const LSL: u32 = 0;
const LSR: u32 = 1;

fn emit(out: &mut Out, instruction: u32) {
    out.instruction(&[&instruction.to_le_bytes()]);
}

/// op rd, rn, rm: cond 000 opcode S Rn Rd 00000 00 0 Rm
fn data(out: &mut Out, opcode: u32, d: u32, n: u32, m: u32) {
    emit(out, ALWAYS | opcode << 21 | n << 16 | d << 12 | m);
}

/// mov rd, rm: a data-processing instruction without Rn
fn mov(out: &mut Out, d: u32, m: u32) {
    data(out, MOV, d, 0, m);
}

/// cmp rn, rm: one that sets the flags (S) and nothing else
fn cmp(out: &mut Out, n: u32, m: u32) {
    emit(out, ALWAYS | CMP << 21 | 1 << 20 | n << 16 | m);
}

/// mov rd, rd, shift #bits: cond 000 1101 0 0000 Rd imm5 kind 0 Rm
fn shift(out: &mut Out, kind: u32, d: u32, bits: u8) {
    emit(out, ALWAYS | MOV << 21 | d << 12 | u32::from(bits) << 7 | kind << 5 | d);
}

/// movw rd, #low: cond 0011 0000 imm4 Rd imm12; movt rd, #high: cond 0011 0100 imm4 Rd imm12
fn mov_imm(out: &mut Out, d: u32, value: u32) {
    for (opcode, half) in [(0x0300_0000, value & 0xffff), (0x0340_0000, value >> 16)] {
        emit(out, ALWAYS | opcode | (half >> 12) << 16 | d << 12 | half & 0xfff);
    }
}

/// bx rm: cond 0001 0010 1111 1111 1111 0001 Rm
fn bx(out: &mut Out, m: u32) {
    emit(out, ALWAYS | 0x012f_ff10 | m);
}

/// b label: cond 1010 imm24, in words from the instruction after the next
fn branch(out: &mut Out, cond: u32, link: u32, label: Label, find: &Find) -> Result<(), AsmErrorKind> {
    let distance = find(label)?.wrapping_sub(out.pc().wrapping_add(8)) as i64;
    if !(-(1 << 25)..1 << 25).contains(&distance) {
        return Err(AsmErrorKind::Unencodable(distance));
    }
    emit(out, cond | 0x0a00_0000 | link | (distance >> 2) as u32 & 0x00ff_ffff);
    Ok(())
}

/// Loads and stores, with the offset in the instruction or in the scratch register.
fn transfer(out: &mut Out, load: bool, t: u32, n: u32, offset: i32, width: Width) {
    let size = offset.unsigned_abs();
    // P (offset, not after the access), U (add), L (load)
    let up = |up: bool| 1 << 24 | u32::from(up) << 23 | u32::from(load) << 20 | n << 16 | t << 12;
    let here = up(offset >= 0);
    let byte = u32::from(width == Width::B1) << 22;
    match width {
        // ldrh/strh rt, [rn, #±imm8]: cond 000 P U 1 W L Rn Rt imm4H 1011 imm4L
        Width::B2 if size < 1 << 8 => {
            emit(out, ALWAYS | here | 1 << 22 | (size >> 4) << 8 | 0xb0 | size & 0xf);
        }
        // ldrh/strh rt, [rn, rm]: cond 000 P U 0 W L Rn Rt 0000 1011 Rm
        Width::B2 => {
            mov_imm(out, SCRATCH, offset as u32);
            emit(out, ALWAYS | up(true) | 0xb0 | SCRATCH);
        }
        // ldr/str{b} rt, [rn, #±imm12]: cond 010 P U B W L Rn Rt imm12
        _ if size < 1 << 12 => emit(out, ALWAYS | 2 << 25 | here | byte | size),
        // ldr/str{b} rt, [rn, rm]: cond 011 P U B W L Rn Rt 00000 00 0 Rm
        _ => {
            mov_imm(out, SCRATCH, offset as u32);
            emit(out, ALWAYS | 3 << 25 | up(true) | byte | SCRATCH);
        }
    }
}
