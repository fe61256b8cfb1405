//! Runs guest programs without a CPU.
//!
//! Plain loads and stores leave the same memory, and the same registers, as the emulated CPU does on the
//! program's machine code. All that is taken from the code are addresses, because these end up on
//! stacks; nothing is shared with its generators. So each of the two checks the other.

use heapmatrix_writer::AnyTarget;
use heapmatrix_writer::memory::{Addr, Memory};

use super::ir::{Assembled, Label, Op, Reg, Width};
use crate::memory::{GuestMemory, Prot};

/// Why the interpreter has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// At an [`Op::Trap`] with this code; `pc` is the address of the op after it.
    Trap {
        /// The trap's code.
        code: u16,
        /// Where execution goes on.
        pc: u64,
    },
    /// The limit of ops has been reached.
    Limit {
        /// Where execution goes on.
        pc: u64,
    },
}

/// A program that cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("guest program, op {index} at {pc:#x}: {kind}")]
pub struct Error {
    /// The op's place in the program; the program's length where there is none.
    pub index: usize,
    /// The op's address.
    pub pc: u64,
    /// What is wrong with it.
    pub kind: ErrorKind,
}

/// The cause of an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No op begins at the PC.
    #[error("no op begins there")]
    NoOp,
    /// Control has reached padding.
    #[error("control falls into padding")]
    Padding,
    /// A label that the program does not define.
    #[error("label {} is not defined", .0.0)]
    Undefined(Label),
    /// Memory that is not there, or that the guest may not use so.
    #[error("no {what} of {len} bytes at {addr:#x}")]
    Access {
        /// Load or store.
        what: &'static str,
        /// The first address.
        addr: u64,
        /// The length in bytes.
        len: u64,
    },
    /// The link register on a machine without one.
    #[error("this machine has no link register")]
    LinkRegister,
}

/// A program and the registers that it runs on.
#[derive(Clone, Debug)]
pub struct Interpreter<'a> {
    target: AnyTarget,
    ops: &'a [Op],
    code: &'a Assembled,
    /// V0 to V5 and the stack pointer.
    registers: [u64; 7],
    link: u64,
}

impl<'a> Interpreter<'a> {
    /// A program as it was assembled for a target, with all registers zero.
    pub fn new(target: AnyTarget, ops: &'a [Op], code: &'a Assembled) -> Self {
        Interpreter { target, ops, code, registers: [0; 7], link: 0 }
    }

    /// A register.
    pub fn get(&self, register: Reg) -> u64 {
        self.registers[place(register)]
    }

    /// Sets a register, to as much of the value as a word holds.
    pub fn set(&mut self, register: Reg, value: u64) {
        self.registers[place(register)] = self.word(value);
    }

    /// The link register; zero on machines without one.
    pub fn link(&self) -> u64 {
        self.link
    }

    /// Sets the link register.
    pub fn set_link(&mut self, value: u64) {
        self.link = self.word(value);
    }

    /// Executes from an address on, at most so many ops.
    ///
    /// # Errors
    /// [`Error`], with everything before the op at fault done.
    pub fn run(&mut self, memory: &mut GuestMemory, pc: u64, limit: u64) -> Result<Exit, Error> {
        let mut index = self.find(pc).ok_or(Error { index: self.ops.len(), pc, kind: ErrorKind::NoOp })?;
        for _ in 0..limit {
            let pc = self.address(index);
            let error = |kind| Error { index, pc, kind };
            let op = *self.ops.get(index).ok_or(error(ErrorKind::NoOp))?;
            let next = self.address(index + 1);
            if let Op::Trap(code) = op {
                return Ok(Exit::Trap { code, pc: next });
            }
            let go_to = self.step(memory, op, pc, next).map_err(error)?;
            index = match go_to {
                None => index + 1,
                Some(to) => {
                    self.find(to).ok_or(Error { index: self.ops.len(), pc: to, kind: ErrorKind::NoOp })?
                }
            };
        }
        Ok(Exit::Limit { pc: self.address(index) })
    }

    /// Executes one op, and tells where control goes unless to the next.
    fn step(
        &mut self,
        memory: &mut GuestMemory,
        op: Op,
        pc: u64,
        next: u64,
    ) -> Result<Option<u64>, ErrorKind> {
        let word = self.target.ptr_size();
        let has_link = self.target.uses_lr();
        match op {
            Op::Label(_) | Op::Trap(_) => {}
            Op::Align(_) if next != pc => return Err(ErrorKind::Padding),
            Op::Align(_) => {}
            Op::Imm(d, value) => self.set(d, value),
            Op::LabelAddr(d, label) => self.set(d, self.label(label)?),
            Op::Mov(d, s) => self.set(d, self.get(s)),
            Op::Add(d, s) => self.set(d, self.get(d).wrapping_add(self.get(s))),
            Op::Sub(d, s) => self.set(d, self.get(d).wrapping_sub(self.get(s))),
            Op::And(d, s) => self.set(d, self.get(d) & self.get(s)),
            Op::Or(d, s) => self.set(d, self.get(d) | self.get(s)),
            Op::Xor(d, s) => self.set(d, self.get(d) ^ self.get(s)),
            Op::AddImm(d, value) => self.set(d, self.get(d).wrapping_add_signed(value.into())),
            Op::ShlImm(d, bits) => self.set(d, self.get(d) << (bits & 63)),
            Op::ShrImm(d, bits) => self.set(d, self.get(d) >> (bits & 63)),
            Op::Load(d, base, offset, width) => {
                let addr = self.word(self.get(base).wrapping_add_signed(offset.into()));
                self.set(d, self.load(memory, addr, self.bytes(width))?);
            }
            Op::Store(s, base, offset, width) => {
                let addr = self.word(self.get(base).wrapping_add_signed(offset.into()));
                self.store(memory, addr, self.bytes(width), self.get(s))?;
            }
            Op::Jump(label) => return self.label(label).map(Some),
            Op::JumpIfZero(a, label) => return self.jump_if(self.get(a) == 0, label),
            Op::JumpIfEq(a, b, label) => return self.jump_if(self.get(a) == self.get(b), label),
            Op::JumpIfBelow(a, b, label) => return self.jump_if(self.get(a) < self.get(b), label),
            Op::JumpReg(a) => return Ok(Some(self.get(a))),
            Op::Call(label) => {
                let to = self.label(label)?;
                if has_link {
                    self.link = next;
                } else {
                    let sp = self.word(self.get(Reg::Sp).wrapping_sub(word));
                    self.store(memory, sp, word, next)?;
                    self.set(Reg::Sp, sp);
                }
                return Ok(Some(to));
            }
            Op::GetLr(_) | Op::SetLr(_) if !has_link => return Err(ErrorKind::LinkRegister),
            Op::GetLr(d) => self.set(d, self.link),
            Op::SetLr(s) => self.link = self.get(s),
            Op::Enter(0) => {}
            Op::Enter(frame) => {
                let sp = self.word(self.get(Reg::Sp).wrapping_sub(frame.into()));
                if has_link {
                    self.store(memory, sp, word, self.link)?;
                }
                self.set(Reg::Sp, sp);
            }
            Op::Leave(frame) => {
                let sp = self.get(Reg::Sp);
                let above = self.word(sp.wrapping_add(frame.into()));
                if has_link {
                    if frame != 0 {
                        self.link = self.load(memory, sp, word)?;
                    }
                    self.set(Reg::Sp, above);
                    return Ok(Some(self.link));
                }
                let back = self.load(memory, above, word)?;
                self.set(Reg::Sp, above.wrapping_add(word));
                return Ok(Some(back));
            }
        }
        Ok(None)
    }

    fn jump_if(&self, condition: bool, label: Label) -> Result<Option<u64>, ErrorKind> {
        if condition { self.label(label).map(Some) } else { Ok(None) }
    }

    fn label(&self, label: Label) -> Result<u64, ErrorKind> {
        let addr = self.code.labels.get(label.0 as usize).copied();
        addr.filter(|&addr| addr != u64::MAX).ok_or(ErrorKind::Undefined(label))
    }

    /// The address of an op, or of the end.
    fn address(&self, index: usize) -> u64 {
        self.code.addrs.get(index).copied().unwrap_or(u64::MAX)
    }

    /// The first op at an address. Before the op that has its code there may be some without.
    fn find(&self, pc: u64) -> Option<usize> {
        let index = self.code.addrs.partition_point(|&addr| addr < pc);
        (self.address(index) == pc && index < self.ops.len()).then_some(index)
    }

    /// As much of a value as a register holds.
    fn word(&self, value: u64) -> u64 {
        if self.target.ptr_size() == 4 { value & 0xffff_ffff } else { value }
    }

    fn bytes(&self, width: Width) -> u64 {
        match width {
            Width::B1 => 1,
            Width::B2 => 2,
            Width::B4 => 4,
            Width::Word => self.target.ptr_size(),
        }
    }

    fn load(&self, memory: &GuestMemory, addr: u64, len: u64) -> Result<u64, ErrorKind> {
        let denied = ErrorKind::Access { what: "load", addr, len };
        if !allows(memory, addr, len, |prot| prot != Prot::NONE) {
            return Err(denied);
        }
        let mut value = [0; 8];
        let len = len as usize;
        if self.target.big_endian() {
            memory.read(Addr(addr), &mut value[8 - len..]).map_err(|_| denied)?;
            Ok(u64::from_be_bytes(value))
        } else {
            memory.read(Addr(addr), &mut value[..len]).map_err(|_| denied)?;
            Ok(u64::from_le_bytes(value))
        }
    }

    fn store(&self, memory: &mut GuestMemory, addr: u64, len: u64, value: u64) -> Result<(), ErrorKind> {
        let denied = ErrorKind::Access { what: "store", addr, len };
        if !allows(memory, addr, len, |prot| prot.write) {
            return Err(denied);
        }
        let (big, little, len) = (value.to_be_bytes(), value.to_le_bytes(), len as usize);
        let bytes = if self.target.big_endian() { &big[8 - len..] } else { &little[..len] };
        memory.write(addr, bytes).map_err(|_| denied)
    }
}

/// Whether the regions at both ends of an access exist and allow it.
fn allows(memory: &GuestMemory, addr: u64, len: u64, allowed: impl Fn(Prot) -> bool) -> bool {
    let ok = |addr| memory.region_at(addr).is_some_and(|region| allowed(region.prot()));
    ok(addr) && addr.checked_add(len - 1).is_some_and(ok)
}

fn place(register: Reg) -> usize {
    match register {
        Reg::V0 => 0,
        Reg::V1 => 1,
        Reg::V2 => 2,
        Reg::V3 => 3,
        Reg::V4 => 4,
        Reg::V5 => 5,
        Reg::Sp => 6,
    }
}
