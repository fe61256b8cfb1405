//! The registers of a machine, by their roles.

use super::{Context, Machine, NoRegister};
use crate::guest::ir::Reg;

/// A register, by its role or by the architecture's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Register {
    /// The program counter.
    Pc,
    /// The stack pointer.
    Sp,
    /// The link register of arm, arm64 and ppc64.
    Lr,
    /// Condition codes: RFLAGS, EFLAGS, CPSR, NZCV or CR.
    Flags,
    /// A general register by the architecture's own number: RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI,
    /// R8…; EAX…EDI in the same order; R0…R15; X0…X30 and SP; R0…R31.
    General(u8),
    /// A register of guest programs.
    Guest(Reg),
    /// The address of the thread's own storage: amd64's FS base, arm's TPIDRURO, arm64's TPIDR_EL0, ppc64's R13. Not on
    /// 386, where it lies in a segment ([`Machine::set_segment`]).
    Thread,
    /// The count register of ppc64.
    Ctr,
    /// The fixed-point exception register of ppc64.
    Xer,
}

impl Machine {
    /// A register's value, with zeros above its width.
    ///
    /// # Errors
    /// [`NoRegister`].
    pub fn get(&self, register: Register) -> Result<u64, NoRegister> {
        Ok(self.read(self.number(register)?))
    }

    /// A register's value in a state that this machine has saved.
    ///
    /// # Errors
    /// [`NoRegister`].
    pub fn get_saved(&self, context: &Context, register: Register) -> Result<u64, NoRegister> {
        let number = self.number(register)?;
        Ok(context.registers.reg_read(number).expect("a register of this architecture"))
    }

    /// Sets a register to a value, or to as much of it as fits.
    ///
    /// # Errors
    /// [`NoRegister`].
    pub fn set(&mut self, register: Register, value: u64) -> Result<(), NoRegister> {
        let number = self.number(register)?;
        self.write(number, value);
        Ok(())
    }

    /// The program counter.
    pub fn pc(&self) -> u64 {
        self.read(self.arch.pc)
    }

    /// Sets the program counter.
    pub fn set_pc(&mut self, pc: u64) {
        self.write(self.arch.pc, pc);
    }

    /// The stack pointer.
    pub fn sp(&self) -> u64 {
        self.read(self.arch.sp)
    }

    /// Sets the stack pointer.
    pub fn set_sp(&mut self, sp: u64) {
        self.write(self.arch.sp, sp);
    }

    /// The engine's number of a register.
    fn number(&self, register: Register) -> Result<i32, NoRegister> {
        let arch = self.arch;
        match register {
            Register::Pc => Some(arch.pc),
            Register::Sp | Register::Guest(Reg::Sp) => Some(arch.sp),
            Register::Lr => arch.lr,
            Register::Flags => arch.flags,
            Register::General(n) => arch.general.get(usize::from(n)).copied(),
            Register::Guest(Reg::V0) => Some(arch.guest[0]),
            Register::Guest(Reg::V1) => Some(arch.guest[1]),
            Register::Guest(Reg::V2) => Some(arch.guest[2]),
            Register::Guest(Reg::V3) => Some(arch.guest[3]),
            Register::Guest(Reg::V4) => Some(arch.guest[4]),
            Register::Guest(Reg::V5) => Some(arch.guest[5]),
            Register::Thread => arch.thread,
            Register::Ctr => arch.ctr,
            Register::Xer => arch.xer,
        }
        .ok_or(NoRegister { target: arch.target, register })
    }

    pub(super) fn read(&self, register: i32) -> u64 {
        self.engine.reg_read(register).expect("a register of this architecture")
    }

    pub(super) fn write(&mut self, register: i32, value: u64) {
        self.engine.reg_write(register, value).expect("a register of this architecture");
    }
}
