//! Code for mips, of 32 and 64 bits, in both byte orders.
//!
//! AT, R24 and R25 are the generator's scratch registers, and the instruction after each branch, which is executed
//! before it goes anywhere, is a nop, as in Go's own code. Encodings: the MIPS Architecture for Programmers, volumes II of
//! MIPS32 and MIPS64.

use super::{AsmErrorKind, Find, Out};
use crate::guest::ir::{Label, Op, Reg, Width};

/// `break`
pub(super) const BREAK_BIG: [u8; 4] = 0x0000_000d_u32.to_be_bytes();
pub(super) const BREAK_LITTLE: [u8; 4] = 0x0000_000d_u32.to_le_bytes();

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
        Op::Imm(d, value) => mov_word(out, number(d), value, false),
        // As long as any label's, wherever this one lies.
        Op::LabelAddr(d, label) => mov_word(out, number(d), find(label)?, true),
        Op::Mov(d, s) => mov(out, number(d), number(s)),
        Op::Add(d, s) => add(out, number(d), number(d), number(s)),
        Op::Sub(d, s) => {
            let function = if wide(out) { DSUBU } else { SUBU };
            special(out, function, number(d), number(d), number(s));
        }
        Op::And(d, s) => special(out, AND, number(d), number(d), number(s)),
        Op::Or(d, s) => special(out, OR, number(d), number(d), number(s)),
        Op::Xor(d, s) => special(out, XOR, number(d), number(d), number(s)),
        Op::AddImm(d, value) => add_imm(out, number(d), number(d), value),
        Op::ShlImm(d, bits) => shift_word(out, [SLL, DSLL, DSLL32], number(d), bits),
        Op::ShrImm(d, bits) => shift_word(out, [SRL, DSRL, DSRL32], number(d), bits),
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
            store(out, RA, SP, 0, Width::Word);
        }
        Op::Leave(frame) => {
            if frame != 0 {
                load(out, RA, SP, 0, Width::Word);
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
const DADDU: u32 = 0x2d;
const DSUBU: u32 = 0x2f;
const DSLL: u32 = 0x38;
const DSRL: u32 = 0x3a;
const DSLL32: u32 = 0x3c;
const DSRL32: u32 = 0x3e;

// Primary opcodes.
const J: u32 = 0x02;
const JAL: u32 = 0x03;
const BEQ: u32 = 0x04;
const BNE: u32 = 0x05;
const ADDIU: u32 = 0x09;
const ORI: u32 = 0x0d;
const LUI: u32 = 0x0f;
const DADDIU: u32 = 0x19;
const LDL: u32 = 0x1a;
const LDR: u32 = 0x1b;
const LWL: u32 = 0x22;
const LW: u32 = 0x23;
const LBU: u32 = 0x24;
const LHU: u32 = 0x25;
const LWR: u32 = 0x26;
const LWU: u32 = 0x27;
const SB: u32 = 0x28;
const SH: u32 = 0x29;
const SWL: u32 = 0x2a;
const SW: u32 = 0x2b;
const SDL: u32 = 0x2c;
const SDR: u32 = 0x2d;
const SWR: u32 = 0x2e;
const LD: u32 = 0x37;
const SD: u32 = 0x3f;

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

/// Whether registers have 64 bits.
fn wide(out: &Out) -> bool {
    out.target.ptr_size() == 8
}

/// Shifts a register by one of three functions: of 32 bits, and of 64 by less than 32 and by 32 more.
fn shift_word(out: &mut Out, [narrow, less, more]: [u32; 3], d: u32, bits: u8) {
    match (wide(out), bits) {
        (false, _) => shift(out, narrow, d, d, bits),
        (true, ..32) => shift(out, less, d, d, bits),
        (true, _) => shift(out, more, d, d, bits - 32),
    }
}

/// d = s + t
fn add(out: &mut Out, d: u32, s: u32, t: u32) {
    special(out, if wide(out) { DADDU } else { ADDU }, d, s, t);
}

fn mov(out: &mut Out, d: u32, s: u32) {
    add(out, d, s, ZERO);
}

/// lui rt, high; ori rt, rt, low: sign-extended
fn mov_imm(out: &mut Out, t: u32, value: u32) {
    immediate(out, LUI, t, 0, (value >> 16) as u16);
    immediate(out, ORI, t, t, value as u16);
}

/// A word, which may be longer than what is sign-extended. If so is wanted, as if it were.
fn mov_word(out: &mut Out, t: u32, value: u64, long: bool) {
    if !wide(out) || (!long && i32::try_from(value as i64).is_ok()) {
        return mov_imm(out, t, value as u32);
    }
    mov_imm(out, t, (value >> 32) as u32);
    for part in [value >> 16, value] {
        shift(out, DSLL, t, t, 16);
        immediate(out, ORI, t, t, part as u16);
    }
}

/// d = s + value
fn add_imm(out: &mut Out, d: u32, s: u32, value: i32) {
    match i16::try_from(value) {
        Ok(value) => immediate(out, if wide(out) { DADDIU } else { ADDIU }, d, s, value as u16),
        Err(_) => {
            mov_imm(out, AT, value as u32);
            add(out, d, s, AT);
        }
    }
}

/// How many bytes a load or a store has, and its instructions: for addresses that are multiples of it, and for pieces
/// at the end with the higher bits and at that with the lower ones.
fn transfer(out: &Out, load: bool, width: Width) -> (u16, u32, [u32; 2]) {
    let choose = |to_load, to_store| if load { to_load } else { to_store };
    let four = [choose(LWL, SWL), choose(LWR, SWR)];
    match width {
        Width::B1 => (1, choose(LBU, SB), [0; 2]),
        Width::B2 => (2, choose(LHU, SH), [choose(LBU, SB); 2]),
        Width::B4 if wide(out) => (4, choose(LWU, SW), four),
        Width::Word if wide(out) => (8, choose(LD, SD), [choose(LDL, SDL), choose(LDR, SDR)]),
        Width::B4 | Width::Word => (4, choose(LW, SW), four),
    }
}

/// A base and an offset that instructions can hold, also that of the last of so many bytes.
fn place(out: &mut Out, base: u32, offset: i32, bytes: u16) -> (u32, u16) {
    match (i16::try_from(offset), i16::try_from(offset.wrapping_add(i32::from(bytes) - 1))) {
        (Ok(offset), Ok(_)) => (base, offset as u16),
        _ => {
            add_imm(out, ADDRESS, base, offset);
            (ADDRESS, 0)
        }
    }
}

/// Where the pieces with the higher bits and with the lower ones are: the first and the last byte, in some order.
fn ends(out: &Out, at: u16, bytes: u16) -> [u16; 2] {
    let (first, last) = (at, at.wrapping_add(bytes - 1));
    if out.target.big_endian() { [first, last] } else { [last, first] }
}

/// Loads, in two pieces where the offset is no multiple of the width: the hardware wants addresses that are.
fn load(out: &mut Out, t: u32, base: u32, offset: i32, width: Width) {
    let (bytes, opcode, [high, low]) = transfer(out, true, width);
    let (s, at) = place(out, base, offset, bytes);
    let [high_at, low_at] = ends(out, at, bytes);
    if offset % i32::from(bytes) == 0 {
        return immediate(out, opcode, t, s, at);
    }
    if width == Width::B2 {
        immediate(out, high, OTHER, s, high_at);
        immediate(out, low, AT, s, low_at);
        shift(out, SLL, OTHER, OTHER, 8);
        return special(out, OR, t, OTHER, AT);
    }
    immediate(out, high, AT, s, high_at);
    immediate(out, low, AT, s, low_at);
    if width == Width::B4 && wide(out) {
        // What the pieces make is sign-extended.
        shift(out, DSLL32, AT, AT, 0);
        shift(out, DSRL32, AT, AT, 0);
    }
    mov(out, t, AT);
}

/// Stores, as [`load`].
fn store(out: &mut Out, t: u32, base: u32, offset: i32, width: Width) {
    let (bytes, opcode, [high, low]) = transfer(out, false, width);
    let (s, at) = place(out, base, offset, bytes);
    let [high_at, low_at] = ends(out, at, bytes);
    if offset % i32::from(bytes) == 0 {
        return immediate(out, opcode, t, s, at);
    }
    let mut higher = t;
    if width == Width::B2 {
        shift(out, SRL, AT, t, 8);
        higher = AT;
    }
    immediate(out, high, higher, s, high_at);
    immediate(out, low, t, s, low_at);
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
