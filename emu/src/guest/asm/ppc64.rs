//! Code for ppc64 and ppc64le.
//!
//! R11 and R12 are the generator's scratch registers. Encodings: Power ISA, Book I.

use super::{AsmErrorKind, Find, Out};
use crate::guest::ir::{Label, Op, Reg, Width};

/// `trap`, which is tw 31, r0, r0: 011111 TO RA RB 4 0
const TRAP: u32 = 0x7fe0_0008;
pub(super) const TRAP_BIG: [u8; 4] = TRAP.to_be_bytes();
pub(super) const TRAP_LITTLE: [u8; 4] = TRAP.to_le_bytes();

const SP: u32 = 1;
const LINK: u32 = 11;
const SCRATCH: u32 = 12;

fn number(reg: Reg) -> u32 {
    match reg {
        Reg::V0 => 3,
        Reg::V1 => 4,
        Reg::V2 => 5,
        Reg::V3 => 6,
        Reg::V4 => 7,
        Reg::V5 => 8,
        Reg::Sp => SP,
    }
}

pub(super) fn encode(out: &mut Out, op: Op, find: &Find) -> Result<(), AsmErrorKind> {
    match op {
        Op::Label(_) | Op::Align(_) => {}
        Op::Imm(d, value) => mov_imm64(out, number(d), value),
        Op::LabelAddr(d, label) => mov_imm64(out, number(d), find(label)?),
        Op::Mov(d, s) => mov(out, number(d), number(s)),
        Op::Add(d, s) => add(out, number(d), number(d), number(s)),
        Op::Sub(d, s) => sub(out, number(d), number(d), number(s)),
        Op::And(d, s) => logic(out, AND, number(d), number(d), number(s)),
        Op::Or(d, s) if d == s => mov(out, number(d), number(d)),
        Op::Or(d, s) => logic(out, OR, number(d), number(d), number(s)),
        Op::Xor(d, s) => logic(out, XOR, number(d), number(d), number(s)),
        Op::AddImm(d, value) => {
            mov_imm32(out, SCRATCH, value);
            add(out, number(d), number(d), SCRATCH);
        }
        // sldi: rldicr rd, rd, bits, 63 - bits
        Op::ShlImm(d, bits) => rotate(out, 1, number(d), bits.into(), 63 - u32::from(bits)),
        // srdi: rldicl rd, rd, 64 - bits, bits
        Op::ShrImm(d, bits) => rotate(out, 0, number(d), (64 - u32::from(bits)) & 63, bits.into()),
        Op::Load(d, base, offset, width) => {
            let (opcode, indexed) = match width {
                Width::B1 => (34, 87),  // lbz, lbzx
                Width::B2 => (40, 279), // lhz, lhzx
                Width::B4 => (32, 23),  // lwz, lwzx
                Width::Word => (LD, 21),
            };
            transfer(out, opcode, indexed, number(d), number(base), offset);
        }
        Op::Store(s, base, offset, width) => {
            let (opcode, indexed) = match width {
                Width::B1 => (38, 215), // stb, stbx
                Width::B2 => (44, 407), // sth, sthx
                Width::B4 => (36, 151), // stw, stwx
                Width::Word => (STD, 149),
            };
            transfer(out, opcode, indexed, number(s), number(base), offset);
        }
        Op::Jump(label) => branch(out, 0, label, find)?,
        Op::JumpIfZero(a, label) => {
            cmpldi(out, number(a), 0);
            branch_unless(out, NOT_EQUAL, label, find)?;
        }
        Op::JumpIfEq(a, b, label) => {
            cmpld(out, number(a), number(b));
            branch_unless(out, NOT_EQUAL, label, find)?;
        }
        Op::JumpIfBelow(a, b, label) => {
            cmpld(out, number(a), number(b));
            branch_unless(out, NOT_LESS, label, find)?;
        }
        Op::JumpReg(a) => {
            mtspr(out, CTR, number(a));
            // bctr: 010011 10100 00000 00000 528 0
            emit(out, 19 << 26 | 20 << 21 | 528 << 1);
        }
        Op::Call(label) => branch(out, 1, label, find)?,
        Op::GetLr(d) => mflr(out, number(d)),
        Op::SetLr(s) => mtspr(out, LR, number(s)),
        Op::Enter(0) => {}
        Op::Enter(frame) => {
            mflr(out, LINK);
            match i16::try_from(-i64::from(frame)) {
                // stdu r11, -frame(r1): 111110 RS RA DS 01
                Ok(down) if down % 4 == 0 => emit(out, word(STD, LINK, SP) | u32::from(down as u16) | 1),
                _ => {
                    mov_imm32(out, SCRATCH, frame as i32);
                    sub(out, SP, SP, SCRATCH);
                    transfer(out, STD, 0, LINK, SP, 0);
                }
            }
        }
        Op::Leave(frame) => {
            if frame != 0 {
                transfer(out, LD, 0, LINK, SP, 0);
                mtspr(out, LR, LINK);
                mov_imm32(out, SCRATCH, frame as i32);
                add(out, SP, SP, SCRATCH);
            }
            // blr: 010011 10100 00000 00000 16 0
            emit(out, 19 << 26 | 20 << 21 | 16 << 1);
        }
        Op::Trap(code) => {
            // It changes nothing but CR0, and holds the code for the host.
            cmpldi(out, 0, code);
            // sc: 010001 00000 00000 0000 LEV 000 1 0
            emit(out, 17 << 26 | 2);
        }
    }
    Ok(())
}

// Primary opcodes.
const LD: u32 = 58;
const STD: u32 = 62;

// Extended opcodes of `op RA, RS, RB`.
const AND: u32 = 28;
const XOR: u32 = 316;
const OR: u32 = 444;

// Special registers.
const LR: u32 = 8;
const CTR: u32 = 9;

/// BO and BI of bne and bge, shifted into their place: branch if a bit of CR0 is 0.
const NOT_EQUAL: u32 = 4 << 21 | 2 << 16;
const NOT_LESS: u32 = 4 << 21;

fn emit(out: &mut Out, instruction: u32) {
    out.word(instruction);
}

/// Opcode and two registers: opcode RT RA ...
fn word(opcode: u32, t: u32, a: u32) -> u32 {
    opcode << 26 | t << 21 | a << 16
}

/// X-form: 011111 RT RA RB XO 0
fn x_form(out: &mut Out, xo: u32, t: u32, a: u32, b: u32) {
    emit(out, word(31, t, a) | b << 11 | xo << 1);
}

/// and/or/xor ra, rs, rb: the result is the second register in the instruction
fn logic(out: &mut Out, xo: u32, a: u32, s: u32, b: u32) {
    x_form(out, xo, s, a, b);
}

/// addi rt, ra, 0: 001110 RT RA SI. Not the usual `or rt, ra, ra`, which for one and the same register
/// tells the CPU to take a rest.
fn mov(out: &mut Out, t: u32, a: u32) {
    emit(out, word(14, t, a));
}

/// add rt, ra, rb: 011111 RT RA RB 0 266 0
fn add(out: &mut Out, t: u32, a: u32, b: u32) {
    x_form(out, 266, t, a, b);
}

/// subf rt, rb, ra, which is rt = ra - rb: 011111 RT RB RA 0 40 0
fn sub(out: &mut Out, t: u32, a: u32, b: u32) {
    x_form(out, 40, t, b, a);
}

/// lis rt, high: 001111 RT 00000 SI; ori rt, rt, low: 011000 RS RA UI. The value is sign-extended.
fn mov_imm32(out: &mut Out, t: u32, value: i32) {
    let value = value as u32;
    emit(out, word(15, t, 0) | value >> 16);
    emit(out, word(24, t, t) | value & 0xffff);
}

/// The upper half as above; sldi rt, rt, 32; oris rt, rt, high: 011001 RS RA UI; ori rt, rt, low
fn mov_imm64(out: &mut Out, t: u32, value: u64) {
    mov_imm32(out, t, (value >> 32) as i32);
    rotate(out, 1, t, 32, 31);
    let low = value as u32;
    emit(out, word(25, t, t) | low >> 16);
    emit(out, word(24, t, t) | low & 0xffff);
}

/// MD-form: 011110 RS RA sh4..0 mb4..0,mb5 XO sh5 0
fn rotate(out: &mut Out, xo: u32, r: u32, sh: u32, mb: u32) {
    let mask = (mb & 31) << 1 | mb >> 5;
    emit(out, word(30, r, r) | (sh & 31) << 11 | mask << 5 | xo << 2 | (sh >> 5) << 1);
}

/// cmpldi ra, imm: 001010 BF 0 1 RA UI
fn cmpldi(out: &mut Out, a: u32, value: u16) {
    emit(out, word(10, 1, a) | u32::from(value));
}

/// cmpld ra, rb: 011111 BF 0 1 RA RB 32 0
fn cmpld(out: &mut Out, a: u32, b: u32) {
    x_form(out, 32, 1, a, b);
}

/// mtlr/mtctr rs: 011111 RS spr4..0,spr9..5 467 0
fn mtspr(out: &mut Out, spr: u32, s: u32) {
    x_form(out, 467, s, spr, 0);
}

/// mflr rt: 011111 RT spr4..0,spr9..5 339 0
fn mflr(out: &mut Out, t: u32) {
    x_form(out, 339, t, LR, 0);
}

/// Loads and stores, with the offset in the instruction or in the scratch register.
fn transfer(out: &mut Out, opcode: u32, indexed: u32, t: u32, a: u32, offset: i32) {
    match i16::try_from(offset) {
        // DS-form, whose lowest bits say more of the operation: opcode RT RA DS 00
        Ok(offset) if offset % 4 == 0 || !matches!(opcode, LD | STD) => {
            emit(out, word(opcode, t, a) | u32::from(offset as u16));
        }
        _ => {
            mov_imm32(out, SCRATCH, offset);
            x_form(out, indexed, t, a, SCRATCH);
        }
    }
}

/// b/bl label: 010010 LI 0 LK
fn branch(out: &mut Out, link: u32, label: Label, find: &Find) -> Result<(), AsmErrorKind> {
    let distance = find(label)?.wrapping_sub(out.pc()) as i64;
    if !(-(1 << 25)..1 << 25).contains(&distance) {
        return Err(AsmErrorKind::Unencodable(distance));
    }
    emit(out, 18 << 26 | distance as u32 & 0x03ff_fffc | link);
    Ok(())
}

/// A conditional branch reaches 32 KiB only. So the opposite condition skips one that reaches 32 MiB:
/// bc +8: 010000 BO BI BD 0 0; b label
fn branch_unless(out: &mut Out, condition: u32, label: Label, find: &Find) -> Result<(), AsmErrorKind> {
    emit(out, 16 << 26 | condition | 8);
    branch(out, 0, label, find)
}
