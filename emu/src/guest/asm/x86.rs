//! Code for amd64 (`WIDE`) and 386.
//!
//! The two differ in the REX prefix, in the width of an immediate pointer, in the trap, and in which
//! registers have a low byte. Encodings: Intel's manual, volume 2.

use super::{AsmErrorKind, Find, Out};
use crate::guest::ir::{Label, Op, Reg, Width};

/// `int3`: CC
pub(super) const INT3: &[u8] = &[0xcc];

/// The registers by their numbers in an instruction.
const AX: u8 = 0;
const SP: u8 = 4;

fn number(reg: Reg) -> u8 {
    match reg {
        Reg::V0 => AX,
        Reg::V1 => 1, // cx
        Reg::V2 => 2, // dx
        Reg::V3 => 3, // bx
        Reg::Sp => SP,
        Reg::V4 => 6, // si
        Reg::V5 => 7, // di
    }
}

pub(super) fn encode<const WIDE: bool>(out: &mut Out, op: Op, find: &Find) -> Result<(), AsmErrorKind> {
    let rex = rex_w::<WIDE>();
    match op {
        Op::Label(_) | Op::Align(_) | Op::GetLr(_) | Op::SetLr(_) => {}
        Op::Imm(d, value) => mov_imm::<WIDE>(out, number(d), value),
        Op::LabelAddr(d, label) => mov_imm::<WIDE>(out, number(d), find(label)?),
        Op::Mov(d, s) => alu::<WIDE>(out, MOV, number(d), number(s)),
        Op::Add(d, s) => alu::<WIDE>(out, ADD, number(d), number(s)),
        Op::Sub(d, s) => alu::<WIDE>(out, SUB, number(d), number(s)),
        Op::And(d, s) => alu::<WIDE>(out, AND, number(d), number(s)),
        Op::Or(d, s) => alu::<WIDE>(out, OR, number(d), number(s)),
        Op::Xor(d, s) => alu::<WIDE>(out, XOR, number(d), number(s)),
        Op::AddImm(d, value) => add_imm::<WIDE>(out, number(d), value),
        // REX.W + C1 /4 ib: shl r/m, imm8
        Op::ShlImm(d, bits) => out.instruction(&[rex, &[0xc1, direct(4, number(d)), bits]]),
        // REX.W + C1 /5 ib: shr r/m, imm8
        Op::ShrImm(d, bits) => out.instruction(&[rex, &[0xc1, direct(5, number(d)), bits]]),
        Op::Load(d, base, offset, width) => {
            let opcode: &[u8] = match width {
                Width::B1 => &[0x0f, 0xb6], // 0F B6 /r: movzx r32, r/m8
                Width::B2 => &[0x0f, 0xb7], // 0F B7 /r: movzx r32, r/m16
                Width::B4 => &[0x8b],       // 8B /r: mov r32, r/m32
                Width::Word if WIDE => &[0x48, 0x8b],
                Width::Word => &[0x8b],
            };
            memory(out, opcode, number(d), number(base), offset);
        }
        Op::Store(s, base, offset, width) => {
            let (s, base) = (number(s), number(base));
            match width {
                Width::B1 => store_byte::<WIDE>(out, s, base, offset),
                Width::B2 => memory(out, &[0x66, 0x89], s, base, offset), // 66 89 /r: mov r/m16, r16
                Width::B4 => memory(out, &[0x89], s, base, offset),       // 89 /r: mov r/m32, r32
                Width::Word if WIDE => memory(out, &[0x48, 0x89], s, base, offset),
                Width::Word => memory(out, &[0x89], s, base, offset),
            }
        }
        // E9 cd: jmp rel32
        Op::Jump(label) => relative::<WIDE>(out, &[0xe9], label, find)?,
        Op::JumpIfZero(a, label) => {
            // REX.W + 85 /r: test r/m, r
            alu::<WIDE>(out, 0x85, number(a), number(a));
            relative::<WIDE>(out, JE, label, find)?;
        }
        Op::JumpIfEq(a, b, label) => {
            alu::<WIDE>(out, CMP, number(a), number(b));
            relative::<WIDE>(out, JE, label, find)?;
        }
        Op::JumpIfBelow(a, b, label) => {
            alu::<WIDE>(out, CMP, number(a), number(b));
            relative::<WIDE>(out, JB, label, find)?;
        }
        // FF /4: jmp r/m, of a pointer's width without a prefix
        Op::JumpReg(a) => out.instruction(&[&[0xff, direct(4, number(a))]]),
        // E8 cd: call rel32
        Op::Call(label) => relative::<WIDE>(out, &[0xe8], label, find)?,
        Op::Enter(0) => {}
        Op::Enter(frame) => add_imm::<WIDE>(out, SP, -signed(frame)?),
        Op::Leave(frame) => {
            if frame != 0 {
                add_imm::<WIDE>(out, SP, signed(frame)?);
            }
            // C3: ret
            out.instruction(&[&[0xc3]]);
        }
        Op::Trap(code) => {
            // A9 id: test eax, imm32; it changes nothing but flags, and holds the code for the host
            out.instruction(&[&[0xa9], &u32::from(code).to_le_bytes()]);
            // 0F 05: syscall; CD ib: int imm8
            out.instruction(&[if WIDE { &[0x0f, 0x05] } else { &[0xcd, 0x80] }]);
        }
    }
    Ok(())
}

// Opcodes of `op r/m, r`.
const MOV: u8 = 0x89;
const ADD: u8 = 0x01;
const OR: u8 = 0x09;
const AND: u8 = 0x21;
const SUB: u8 = 0x29;
const XOR: u8 = 0x31;
const CMP: u8 = 0x39;

/// 0F 84 cd: je rel32
const JE: &[u8] = &[0x0f, 0x84];
/// 0F 82 cd: jb rel32
const JB: &[u8] = &[0x0f, 0x82];

/// The prefix of 64-bit operations. None of the registers used needs its other bits.
fn rex_w<const WIDE: bool>() -> &'static [u8] {
    if WIDE { &[0x48] } else { &[] }
}

/// ModRM of two registers: 11 reg rm
fn direct(reg: u8, rm: u8) -> u8 {
    0xc0 | reg << 3 | rm
}

/// REX.W + opcode /r: op r/m, r
fn alu<const WIDE: bool>(out: &mut Out, opcode: u8, d: u8, s: u8) {
    out.instruction(&[rex_w::<WIDE>(), &[opcode, direct(s, d)]]);
}

/// REX.W + 81 /0 id: add r/m, imm32, sign-extended
fn add_imm<const WIDE: bool>(out: &mut Out, d: u8, value: i32) {
    out.instruction(&[rex_w::<WIDE>(), &[0x81, direct(0, d)], &value.to_le_bytes()]);
}

/// REX.W + B8+r io: mov r64, imm64; B8+r id: mov r32, imm32
fn mov_imm<const WIDE: bool>(out: &mut Out, d: u8, value: u64) {
    let bytes = value.to_le_bytes();
    out.instruction(&[rex_w::<WIDE>(), &[0xb8 + d], if WIDE { &bytes } else { &bytes[..4] }]);
}

/// opcode /r with a memory operand [base + disp32]: ModRM 10 reg base, and the SIB byte that SP needs
fn memory(out: &mut Out, opcode: &[u8], reg: u8, base: u8, offset: i32) {
    let modrm = 0x80 | reg << 3 | base;
    let sib: &[u8] = if base == SP { &[0x24] } else { &[] };
    out.instruction(&[opcode, &[modrm], sib, &offset.to_le_bytes()]);
}

/// 88 /r: mov r/m8, r8
fn store_byte<const WIDE: bool>(out: &mut Out, s: u8, base: u8, offset: i32) {
    if WIDE {
        // An empty REX selects SIL and DIL, which would else be DH and BH.
        memory(out, &[0x40, 0x88], s, base, offset);
    } else if s < SP {
        memory(out, &[0x88], s, base, offset);
    } else {
        // On 386 SI and DI have no low byte of their own: they take AX's place for the moment.
        // 90+r: xchg eax, r32
        let swapped = match base {
            AX => s,
            base if base == s => AX,
            base => base,
        };
        out.instruction(&[&[0x90 + s]]);
        memory(out, &[0x88], AX, swapped, offset);
        out.instruction(&[&[0x90 + s]]);
    }
}

/// opcode cd: a jump or call relative to the next instruction
fn relative<const WIDE: bool>(
    out: &mut Out,
    opcode: &[u8],
    label: Label,
    find: &Find,
) -> Result<(), AsmErrorKind> {
    let next = out.pc().wrapping_add(opcode.len() as u64 + 4);
    let distance = find(label)?.wrapping_sub(next) as i64;
    // In 32-bit mode every distance wraps to one that fits.
    let fits = i32::try_from(distance).or(if WIDE { Err(()) } else { Ok(distance as i32) });
    let distance = fits.map_err(|()| AsmErrorKind::Unencodable(distance))?;
    out.instruction(&[opcode, &distance.to_le_bytes()]);
    Ok(())
}

fn signed(frame: u32) -> Result<i32, AsmErrorKind> {
    i32::try_from(frame).map_err(|_| AsmErrorKind::Unencodable(frame.into()))
}
