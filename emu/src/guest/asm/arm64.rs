//! Code for arm64, little-endian.
//!
//! X16 is the generator's scratch register. Encodings: the Arm Architecture Reference Manual, C6.

use super::{AsmErrorKind, Find, Out};
use crate::guest::ir::{Label, Op, Reg, Width};

/// `udf #0`
pub(super) const UDF: [u8; 4] = [0; 4];

const SCRATCH: u32 = 16;
const LR: u32 = 30;
/// The stack pointer as a base and in additions, and elsewhere the register that is zero.
const SP: u32 = 31;
const ZERO: u32 = 31;

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
        Op::Imm(d, value) => mov_imm(out, number(d), value, false),
        // As long as any label's, wherever this one lies.
        Op::LabelAddr(d, label) => mov_imm(out, number(d), find(label)?, true),
        Op::Mov(d, s) => add_imm12(out, number(d), number(s), 0),
        Op::Add(d, s) => data(out, ADD, number(d), number(d), number(s)),
        Op::Sub(d, s) => data(out, SUB, number(d), number(d), number(s)),
        Op::And(d, s) => data(out, AND, number(d), number(d), number(s)),
        Op::Or(d, s) => data(out, ORR, number(d), number(d), number(s)),
        Op::Xor(d, s) => data(out, EOR, number(d), number(d), number(s)),
        Op::AddImm(d, value) => add_imm(out, number(d), value.into()),
        // lsl: ubfm rd, rn, #(64 - bits) % 64, #(63 - bits)
        Op::ShlImm(d, bits) => {
            let bits = u32::from(bits);
            ubfm(out, number(d), (64 - bits) & 63, 63 - bits);
        }
        // lsr: ubfm rd, rn, #bits, #63
        Op::ShrImm(d, bits) => ubfm(out, number(d), bits.into(), 63),
        Op::Load(d, base, offset, width) => transfer(out, true, number(d), number(base), offset, width),
        Op::Store(s, base, offset, width) => transfer(out, false, number(s), number(base), offset, width),
        Op::Jump(label) => branch(out, B, label, find)?,
        // A conditional branch reaches 1 MiB only. So the opposite condition skips one that reaches 128 MiB.
        Op::JumpIfZero(a, label) => {
            // cbnz rt, +8: 10110101 imm19 Rt
            emit(out, 0xb500_0000 | SKIP | number(a));
            branch(out, B, label, find)?;
        }
        Op::JumpIfEq(a, b, label) => {
            data(out, SUBS, ZERO, number(a), number(b));
            branch_unless(out, NE, label, find)?;
        }
        Op::JumpIfBelow(a, b, label) => {
            data(out, SUBS, ZERO, number(a), number(b));
            branch_unless(out, HS, label, find)?;
        }
        // br rn: 1101011 0000 11111 000000 Rn 00000
        Op::JumpReg(a) => emit(out, 0xd61f_0000 | number(a) << 5),
        Op::Call(label) => branch(out, BL, label, find)?,
        Op::GetLr(d) => data(out, ORR, number(d), ZERO, LR),
        Op::SetLr(s) => data(out, ORR, LR, ZERO, number(s)),
        Op::Enter(0) => {}
        // str x30, [sp, #-frame]!: 11111000000 imm9 11 Rn Rt
        Op::Enter(frame @ ..=256) => emit(out, 0xf800_0c00 | imm9(-(frame as i32)) | SP << 5 | LR),
        Op::Enter(frame) => {
            add_imm(out, SP, -i64::from(frame));
            transfer(out, false, LR, SP, 0, Width::Word);
        }
        Op::Leave(frame) => {
            if frame != 0 {
                transfer(out, true, LR, SP, 0, Width::Word);
                add_imm(out, SP, frame.into());
            }
            // ret: 1101011 0010 11111 000000 11110 00000
            emit(out, 0xd65f_0000 | LR << 5);
        }
        // svc #code: 11010100000 imm16 00001
        Op::Trap(code) => emit(out, 0xd400_0001 | u32::from(code) << 5),
    }
    Ok(())
}

// Operations on three registers, rd = rn op rm: sf op 01011|01010 shift 0 Rm imm6 Rn Rd
const AND: u32 = 0x8a00_0000;
const ORR: u32 = 0xaa00_0000;
const EOR: u32 = 0xca00_0000;
const ADD: u32 = 0x8b00_0000;
const SUB: u32 = 0xcb00_0000;
const SUBS: u32 = 0xeb00_0000;

// Branches: op 00101 imm26
const B: u32 = 0x1400_0000;
const BL: u32 = 0x9400_0000;

/// Conditions: not equal, and unsigned higher or the same.
const NE: u32 = 1;
const HS: u32 = 2;

/// The distance of a conditional branch over one instruction, as imm19 in its place.
const SKIP: u32 = 2 << 5;

fn emit(out: &mut Out, instruction: u32) {
    out.instruction(&[&instruction.to_le_bytes()]);
}

fn data(out: &mut Out, op: u32, d: u32, n: u32, m: u32) {
    emit(out, op | m << 16 | n << 5 | d);
}

/// ubfm rd, rd, #immr, #imms: 110100110 1 immr imms Rn Rd
fn ubfm(out: &mut Out, d: u32, immr: u32, imms: u32) {
    emit(out, 0xd340_0000 | immr << 16 | imms << 10 | d << 5 | d);
}

/// movz and movk, sixteen bits at a time: 110100101 hw imm16 Rd, 111100101 hw imm16 Rd. Parts that are zero are
/// left out, unless all are wanted.
fn mov_imm(out: &mut Out, d: u32, value: u64, all: bool) {
    for (hw, op) in [(0, 0xd280_0000), (1, 0xf280_0000), (2, 0xf280_0000), (3, 0xf280_0000)] {
        let part = (value >> (16 * hw)) as u16;
        if hw == 0 || all || part != 0 {
            emit(out, op | hw << 21 | u32::from(part) << 5 | d);
        }
    }
}

/// add rd, rn, #imm12: 100100010 0 imm12 Rn Rd. Either may be SP.
fn add_imm12(out: &mut Out, d: u32, n: u32, value: u32) {
    emit(out, 0x9100_0000 | value << 10 | n << 5 | d);
}

/// rd = rd + value; rd may be SP.
fn add_imm(out: &mut Out, d: u32, value: i64) {
    match value {
        0..4096 => add_imm12(out, d, d, value as u32),
        // sub rd, rn, #imm12: 110100010 0 imm12 Rn Rd
        -4095..0 => emit(out, 0xd100_0000 | (-value as u32) << 10 | d << 5 | d),
        _ => {
            mov_imm(out, SCRATCH, value as u64, false);
            // add rd, rn, rm, uxtx: 10001011001 Rm 011 000 Rn Rd, in which register 31 is SP
            emit(out, 0x8b20_6000 | SCRATCH << 16 | d << 5 | d);
        }
    }
}

fn imm9(offset: i32) -> u32 {
    (offset as u32 & 0x1ff) << 12
}

/// Loads and stores, with the offset in the instruction or in the scratch register.
fn transfer(out: &mut Out, load: bool, t: u32, n: u32, offset: i32, width: Width) {
    let log: u32 = match width {
        Width::B1 => 0,
        Width::B2 => 1,
        Width::B4 => 2,
        Width::Word => 3,
    };
    // size 111 0 00 0L ...
    let op = log << 30 | 0x3800_0000 | u32::from(load) << 22 | n << 5 | t;
    let scaled = u32::try_from(offset).ok().filter(|o| o.trailing_zeros() >= log).map(|o| o >> log);
    match (scaled, offset) {
        // ldr/str rt, [rn, #imm12 * size]: size 111 0 01 0L imm12 Rn Rt
        (Some(imm12 @ ..4096), _) => emit(out, op | 1 << 24 | imm12 << 10),
        // ldur/stur rt, [rn, #imm9]: size 111 0 00 0L 0 imm9 00 Rn Rt
        (_, -256..256) => emit(out, op | imm9(offset)),
        // ldr/str rt, [rn, rm]: size 111 0 00 0L 1 Rm 011 0 10 Rn Rt
        _ => {
            mov_imm(out, SCRATCH, i64::from(offset) as u64, false);
            emit(out, op | 1 << 21 | SCRATCH << 16 | 0x6800);
        }
    }
}

/// b/bl label
fn branch(out: &mut Out, op: u32, label: Label, find: &Find) -> Result<(), AsmErrorKind> {
    let distance = find(label)?.wrapping_sub(out.pc()) as i64;
    if !(-(1 << 27)..1 << 27).contains(&distance) {
        return Err(AsmErrorKind::Unencodable(distance));
    }
    emit(out, op | (distance >> 2) as u32 & 0x03ff_ffff);
    Ok(())
}

/// b.cond +8: 01010100 imm19 0 cond; b label
fn branch_unless(out: &mut Out, condition: u32, label: Label, find: &Find) -> Result<(), AsmErrorKind> {
    emit(out, 0x5400_0000 | SKIP | condition);
    branch(out, B, label, find)
}
