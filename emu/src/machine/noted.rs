//! What x86's CPU keeps of an exception, and no register shows.
//!
//! The engine's CPU notes an exception until it has delivered it to the guest's kernel, and takes another one meanwhile
//! for a double fault. Here the host is the kernel, and the CPU never hears that the exception was delivered. So after
//! an exception the CPU becomes again what it was when the run began, and then gets its registers back.

use unicorn_engine::RegisterX86 as X86;

use super::Machine;

/// The registers that amd64's programs can change, besides the general ones. What comes later may depend on what comes
/// before, as ST(0) on the status word, which has the top of the stack.
pub(super) const AMD64_REGISTERS: &[i32] = &[
    X86::DS as i32,
    X86::ES as i32,
    X86::FS as i32,
    X86::GS as i32,
    X86::FPCW as i32,
    X86::FPSW as i32,
    X86::FPTAG as i32,
    X86::ST0 as i32,
    X86::ST1 as i32,
    X86::ST2 as i32,
    X86::ST3 as i32,
    X86::ST4 as i32,
    X86::ST5 as i32,
    X86::ST6 as i32,
    X86::ST7 as i32,
    X86::MXCSR as i32,
    X86::XMM0 as i32,
    X86::XMM1 as i32,
    X86::XMM2 as i32,
    X86::XMM3 as i32,
    X86::XMM4 as i32,
    X86::XMM5 as i32,
    X86::XMM6 as i32,
    X86::XMM7 as i32,
    X86::XMM8 as i32,
    X86::XMM9 as i32,
    X86::XMM10 as i32,
    X86::XMM11 as i32,
    X86::XMM12 as i32,
    X86::XMM13 as i32,
    X86::XMM14 as i32,
    X86::XMM15 as i32,
];

/// Those of 386, which lacks the last eight.
pub(super) const I386_REGISTERS: &[i32] = AMD64_REGISTERS.split_at(AMD64_REGISTERS.len() - 8).0;

impl Machine {
    /// Remembers the CPU as it is before a run, where that is needed to forget an exception.
    pub(super) fn before_run(&mut self) {
        if self.arch.noted.is_empty() {
            return;
        }
        // Neither fails for a context of this engine; without one the exception stays noted.
        match &mut self.before {
            Some(before) => drop(self.engine.context_save(before)),
            none => *none = self.engine.context_init().ok(),
        }
    }

    /// Makes the CPU forget an exception that the host has seen to.
    pub(super) fn forget_exception(&mut self) {
        let Some(before) = &self.before else { return };
        let registers = self.arch.noted.iter().chain(self.arch.general).chain(&self.arch.flags);
        let values: Vec<(i32, Box<[u8]>)> =
            registers.map(|&register| (register, self.bytes_of(register))).collect();
        let pc = self.pc();
        let _ = self.engine.context_restore(before);
        for (register, value) in values {
            // Most are as they were, and to load a segment has effects.
            if self.bytes_of(register) != value {
                let _ = self.engine.reg_write_long(register, &value);
            }
        }
        self.set_pc(pc);
    }

    /// A register of any size.
    fn bytes_of(&self, register: i32) -> Box<[u8]> {
        // The engine refuses to read those of up to eight bytes as long ones.
        self.engine.reg_read_long(register).unwrap_or_else(|_| self.read(register).to_le_bytes().into())
    }
}
