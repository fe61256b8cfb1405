//! From guest programs to machine code.
//!
//! Every op has a fixed length that does not depend on where labels lie, so that two passes do: the
//! first finds out where everything is, the second encodes it.

mod arm;
mod arm64;
mod mips;
mod ppc64;
mod riscv64;
mod s390x;
mod x86;

use heapmatrix_writer::AnyTarget;

use super::ir::{Assembled, Label, Op, Reg};

/// The largest alignment that [`Op::Align`] may ask for, in bytes.
pub const MAX_ALIGN: u32 = 1 << 16;
/// Label numbers are less than this.
pub const MAX_LABELS: u32 = 1 << 20;

/// An op that has no machine code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("guest program for {target}, op {index} ({op:?}): {kind}")]
pub struct AsmError {
    /// The target it was assembled for.
    pub target: AnyTarget,
    /// The op's place in the program.
    pub index: usize,
    /// The op.
    pub op: Op,
    /// What is wrong with it.
    pub kind: AsmErrorKind,
}

/// What can be wrong with an op.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AsmErrorKind {
    /// No code generator for the target. Told of the program's first op, or of a label for an empty one.
    #[error("there is no code generator for this target")]
    Target,
    /// An origin at which no instruction can lie.
    #[error("the program's origin {0:#x} is not aligned for instructions")]
    Origin(u64),
    /// A label that is never defined.
    #[error("label {} is not defined", .0.0)]
    Undefined(Label),
    /// A label that was defined before.
    #[error("label {} is defined twice", .0.0)]
    Duplicate(Label),
    /// A label with too large a number.
    #[error("label numbers are less than {MAX_LABELS}")]
    LabelNumber,
    /// An alignment that is no power of two, or too large.
    #[error("an alignment is a power of two up to {MAX_ALIGN}")]
    Align,
    /// A shift by the word's width or more.
    #[error("a shift is by less than the word's {0} bits")]
    Shift(u64),
    /// The stack pointer in another place than where it may be.
    #[error("the stack pointer is only a base, and an operand of Mov and AddImm")]
    StackPointer,
    /// The link register on a machine without one.
    #[error("this machine has no link register")]
    LinkRegister,
    /// A frame without room for the link register.
    #[error("a frame of this machine holds the link register: zero, or at least {0} bytes")]
    FrameTooSmall(u64),
    /// A frame or an offset that the instruction has no room for.
    #[error("{0} does not fit the instruction")]
    Unencodable(i64),
}

/// Assembles a program to run at `origin`.
///
/// # Errors
/// [`AsmError`] for the first op that has no code.
pub fn assemble(target: AnyTarget, origin: u64, ops: &[Op]) -> Result<Assembled, AsmError> {
    let first = ops.first().copied().unwrap_or(Op::Label(Label(0)));
    let error = |index, op, kind| AsmError { target, index, op, kind };
    let isa = Isa::of(target).ok_or(error(0, first, AsmErrorKind::Target))?;
    if !origin.is_multiple_of(isa.pad.len() as u64) {
        return Err(error(0, first, AsmErrorKind::Origin(origin)));
    }

    let mut labels = Labels::default();
    for (index, &op) in ops.iter().enumerate() {
        let checked = check(target, op)
            .and_then(|()| if let Op::Label(label) = op { labels.declare(label) } else { Ok(()) });
        checked.map_err(|kind| error(index, op, kind))?;
    }
    let mut assembled = Assembled::default();
    for final_pass in [false, true] {
        let mut out = Out { target, code: Vec::with_capacity(assembled.code.len()), origin, instructions: 0 };
        assembled.addrs.clear();
        assembled.instructions.clear();
        for (index, &op) in ops.iter().enumerate() {
            assembled.addrs.push(out.pc());
            out.instructions = 0;
            let encoded = match op {
                Op::Label(label) => {
                    labels.place(label, out.pc());
                    Ok(())
                }
                Op::Align(align) => {
                    out.pad(u64::from(align), isa.pad);
                    Ok(())
                }
                op => {
                    let here = out.pc();
                    (isa.encode)(&mut out, op, &|label| {
                        if final_pass { labels.find(label) } else { Ok(here) }
                    })
                }
            };
            encoded.map_err(|kind| error(index, op, kind))?;
            assembled.instructions.push(out.instructions);
        }
        assembled.addrs.push(out.pc());
        assembled.code = out.code;
    }
    assembled.labels = labels.addrs.iter().map(|addr| addr.unwrap_or(u64::MAX)).collect();
    Ok(assembled)
}

/// Where a label is. In the first pass, some address near by.
type Find<'a> = dyn Fn(Label) -> Result<u64, AsmErrorKind> + 'a;

/// An instruction set.
struct Isa {
    /// An instruction that traps, to pad with. Instructions lie at multiples of its length.
    pad: &'static [u8],
    encode: fn(&mut Out, Op, &Find) -> Result<(), AsmErrorKind>,
}

impl Isa {
    fn of(target: AnyTarget) -> Option<Isa> {
        match target {
            AnyTarget::Amd64 => Some(Isa { pad: x86::INT3, encode: x86::encode::<true> }),
            AnyTarget::I386 => Some(Isa { pad: x86::INT3, encode: x86::encode::<false> }),
            AnyTarget::Arm => Some(Isa { pad: &arm::UDF, encode: arm::encode }),
            AnyTarget::Ppc64 => Some(Isa { pad: &ppc64::TRAP_BIG, encode: ppc64::encode }),
            AnyTarget::Ppc64le => Some(Isa { pad: &ppc64::TRAP_LITTLE, encode: ppc64::encode }),
            AnyTarget::Mips | AnyTarget::Mips64 => Some(Isa { pad: &mips::BREAK_BIG, encode: mips::encode }),
            AnyTarget::Mipsle | AnyTarget::Mips64le => {
                Some(Isa { pad: &mips::BREAK_LITTLE, encode: mips::encode })
            }
            AnyTarget::Arm64 => Some(Isa { pad: &arm64::UDF, encode: arm64::encode }),
            AnyTarget::Riscv64 => Some(Isa { pad: &riscv64::EBREAK, encode: riscv64::encode }),
            AnyTarget::S390x => Some(Isa { pad: &s390x::BREAK, encode: s390x::encode }),
            AnyTarget::Amd64p32 | AnyTarget::Loong64 => None,
        }
    }
}

/// What is the same on all machines.
fn check(target: AnyTarget, op: Op) -> Result<(), AsmErrorKind> {
    let general = |regs: &[Reg]| {
        if regs.contains(&Reg::Sp) { Err(AsmErrorKind::StackPointer) } else { Ok(()) }
    };
    let word = target.ptr_size();
    match op {
        Op::Align(align) if !align.is_power_of_two() || align > MAX_ALIGN => Err(AsmErrorKind::Align),
        Op::Label(label) if label.0 >= MAX_LABELS => Err(AsmErrorKind::LabelNumber),
        Op::ShlImm(d, bits) | Op::ShrImm(d, bits) => {
            if u64::from(bits) >= word * 8 {
                return Err(AsmErrorKind::Shift(word * 8));
            }
            general(&[d])
        }
        Op::GetLr(_) | Op::SetLr(_) if !target.uses_lr() => Err(AsmErrorKind::LinkRegister),
        Op::Enter(frame) | Op::Leave(frame) => {
            if i32::try_from(frame).is_err() {
                Err(AsmErrorKind::Unencodable(frame.into()))
            } else if target.uses_lr() && frame != 0 && u64::from(frame) < word {
                Err(AsmErrorKind::FrameTooSmall(word))
            } else {
                Ok(())
            }
        }
        Op::Imm(d, _)
        | Op::LabelAddr(d, _)
        | Op::JumpIfZero(d, _)
        | Op::JumpReg(d)
        | Op::GetLr(d)
        | Op::SetLr(d) => general(&[d]),
        Op::Add(a, b)
        | Op::Sub(a, b)
        | Op::And(a, b)
        | Op::Or(a, b)
        | Op::Xor(a, b)
        | Op::JumpIfEq(a, b, _)
        | Op::JumpIfBelow(a, b, _) => general(&[a, b]),
        Op::Load(value, ..) | Op::Store(value, ..) => general(&[value]),
        Op::Mov(..)
        | Op::AddImm(..)
        | Op::Align(_)
        | Op::Label(_)
        | Op::Jump(_)
        | Op::Call(_)
        | Op::Trap(_) => Ok(()),
    }
}

/// Where the labels are.
#[derive(Default)]
struct Labels {
    addrs: Vec<Option<u64>>,
}

impl Labels {
    fn declare(&mut self, label: Label) -> Result<(), AsmErrorKind> {
        let n = label.0 as usize;
        if self.addrs.len() <= n {
            self.addrs.resize(n + 1, None);
        }
        if self.addrs[n].replace(0).is_some() { Err(AsmErrorKind::Duplicate(label)) } else { Ok(()) }
    }

    fn place(&mut self, label: Label, addr: u64) {
        self.addrs[label.0 as usize] = Some(addr);
    }

    fn find(&self, label: Label) -> Result<u64, AsmErrorKind> {
        self.addrs.get(label.0 as usize).copied().flatten().ok_or(AsmErrorKind::Undefined(label))
    }
}

/// The code so far.
struct Out {
    target: AnyTarget,
    code: Vec<u8>,
    origin: u64,
    /// Instructions of the present op.
    instructions: u8,
}

impl Out {
    /// The address of the next instruction.
    fn pc(&self) -> u64 {
        self.origin.wrapping_add(self.code.len() as u64)
    }

    /// Emits one instruction, given in parts.
    fn instruction(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.code.extend_from_slice(part);
        }
        self.instructions += 1;
    }

    /// Emits one instruction of four bytes in the target's order.
    fn word(&mut self, instruction: u32) {
        let big = self.target.big_endian();
        self.instruction(&[&if big { instruction.to_be_bytes() } else { instruction.to_le_bytes() }]);
    }

    fn pad(&mut self, align: u64, with: &[u8]) {
        while !self.pc().is_multiple_of(align) {
            self.code.extend_from_slice(with);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::ir::Width;
    use crate::machine::Machine;

    fn refused(target: AnyTarget, ops: &[Op]) -> (usize, AsmErrorKind) {
        let error = assemble(target, 0x1000, ops).unwrap_err();
        assert_eq!(error.op, ops[error.index]);
        (error.index, error.kind)
    }

    #[test]
    fn errors_name_the_op() {
        let l = Label(0);
        for &target in Machine::ALL {
            let bits = target.ptr_size() * 8;
            assert_eq!(refused(target, &[Op::Trap(0), Op::Jump(l)]), (1, AsmErrorKind::Undefined(l)));
            assert_eq!(refused(target, &[Op::Label(l), Op::Label(l)]), (1, AsmErrorKind::Duplicate(l)));
            assert_eq!(refused(target, &[Op::Label(Label(u32::MAX))]), (0, AsmErrorKind::LabelNumber));
            assert_eq!(refused(target, &[Op::Align(3)]), (0, AsmErrorKind::Align));
            assert_eq!(refused(target, &[Op::Align(0)]), (0, AsmErrorKind::Align));
            assert_eq!(refused(target, &[Op::Align(1 << 31)]), (0, AsmErrorKind::Align));
            assert_eq!(refused(target, &[Op::ShlImm(Reg::V0, bits as u8)]), (0, AsmErrorKind::Shift(bits)));
            assert_eq!(refused(target, &[Op::Add(Reg::V0, Reg::Sp)]), (0, AsmErrorKind::StackPointer));
            assert_eq!(
                refused(target, &[Op::Store(Reg::Sp, Reg::V0, 0, Width::Word)]),
                (0, AsmErrorKind::StackPointer)
            );
            assert_eq!(
                refused(target, &[Op::Enter(u32::MAX)]),
                (0, AsmErrorKind::Unencodable(u32::MAX.into()))
            );
            if target.uses_lr() {
                let word = target.ptr_size();
                assert_eq!(
                    refused(target, &[Op::Enter(word as u32 - 1)]),
                    (0, AsmErrorKind::FrameTooSmall(word))
                );
                assert!(assemble(target, 1, &[]).is_err());
            } else {
                assert_eq!(refused(target, &[Op::GetLr(Reg::V0)]), (0, AsmErrorKind::LinkRegister));
            }
        }
        for &target in AnyTarget::ALL {
            let refused = assemble(target, 0, &[Op::Trap(0)]).is_err_and(|e| e.kind == AsmErrorKind::Target);
            assert_eq!(refused, !Machine::ALL.contains(&target), "{target}");
        }
        let error = assemble(AnyTarget::I386, 0, &[Op::SetLr(Reg::V1)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "guest program for 386, op 0 (SetLr(V1)): this machine has no link register"
        );
    }

    #[test]
    fn addresses_are_those_of_the_code() {
        let l = Label(2);
        let ops =
            [Op::Imm(Reg::V0, 1), Op::Label(l), Op::Align(16), Op::Label(Label(0)), Op::Jump(l), Op::Trap(3)];
        for &target in Machine::ALL {
            let program = assemble(target, 0x1000, &ops).unwrap();
            assert_eq!(program.addrs.len(), ops.len() + 1);
            assert!(program.addrs.is_sorted());
            assert_eq!(program.addrs[6], 0x1000 + program.code.len() as u64);
            assert_eq!(program.labels, [program.addrs[3], u64::MAX, program.addrs[1]]);
            assert!(program.addrs[3].is_multiple_of(16) && program.addrs[3] - program.addrs[2] < 16);
            assert_eq!(program.instructions.len(), ops.len());
            assert_eq!(program.instructions[1..4], [0, 0, 0]);
            assert!(program.instructions[0] > 0 && matches!(program.instructions[4], 1 | 2));
            let pad =
                &program.code[(program.addrs[2] - 0x1000) as usize..(program.addrs[3] - 0x1000) as usize];
            let trap: &[u8] = Isa::of(target).unwrap().pad;
            assert!(pad.chunks(trap.len()).all(|p| p == trap));
        }
    }
}
