//! The floating-point units of amd64 and 386.

use unicorn_engine::RegisterX86 as X86;
use unicorn_engine::{Unicorn, uc_error};

use super::hooks::State;

/// The floating-point units as a program finds them: extended precision, no exceptions, and nothing on the stack. The
/// engine's have all their bits clear.
pub(super) fn start_units(engine: &mut Unicorn<'static, State>) -> Result<(), uc_error> {
    engine.reg_write(X86::FPCW, 0x37f)?;
    engine.reg_write(X86::FPTAG, 0xffff)?;
    engine.reg_write(X86::MXCSR, 0x1f80)
}

#[cfg(test)]
mod tests {
    use heapmatrix_writer::{Addr, AnyTarget, Memory};

    use crate::machine::{Exit, Limits, Machine, Register};
    use crate::memory::Prot;

    /// RDI's number among the general registers.
    const DI: u8 = 7;

    #[test]
    fn a_program_finds_them_as_linux_leaves_them() {
        for (target, call) in [(AnyTarget::Amd64, [0x0f, 0x05]), (AnyTarget::I386, [0xcd, 0x80])] {
            let mut machine = Machine::new(target).unwrap();
            machine.memory_mut().map("code", 0x1_0000, 0x1000, Prot::READ_EXEC).unwrap();
            machine.memory_mut().map("data", 0x2_0000, 0x1000, Prot::READ_WRITE).unwrap();
            // fnstenv [di]; stmxcsr [di+28]; fld1; fldpi; fldcw [di]; fdivp; fstp tbyte [di+32]
            let code = [
                0xd9, 0x37, 0x0f, 0xae, 0x5f, 28, 0xd9, 0xe8, 0xd9, 0xeb, 0xd9, 0x2f, 0xde, 0xf9, 0xdb, 0x7f,
                32,
            ];
            machine.memory_mut().write(0x1_0000, &[&code[..], &call].concat()).unwrap();
            machine.set(Register::General(DI), 0x2_0000).unwrap();
            assert!(matches!(machine.run(0x1_0000, Limits::instructions(100)).unwrap(), Exit::Trap { .. }));
            let mut stored = [0; 42];
            machine.memory().read(Addr(0x2_0000), &mut stored).unwrap();
            let word = |at: usize| u16::from_le_bytes([stored[at], stored[at + 1]]);
            assert_eq!([word(0), word(4), word(8), word(28)], [0x37f, 0, 0xffff, 0x1f80], "{target}");
            // One by pi, to 64 bits.
            assert_eq!(
                stored[32..],
                [0x2a, 0x15, 0x44, 0x4e, 0x6e, 0x83, 0xf9, 0xa2, 0xfd, 0x3f],
                "{target}"
            );
        }
    }
}
