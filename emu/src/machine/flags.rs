//! Flags that the engine leaves wrong.
//!
//! `cmpxchg8b` of x86 keeps all flags but one, and the engine computes those that it keeps from what an earlier instruction
//! has left, taking it for flags. So when it stops soon after, any bit may be set, and the trap flag would end the program.

use super::Machine;

/// CF, PF, AF, ZF, SF, DF, OF, AC and ID: the flags that programs of x86 have.
const X86: u64 = 0x24_0cd5;
/// Always set.
const X86_FIXED: u64 = 2;

impl Machine {
    /// Takes flags away that no program can have set.
    pub(super) fn clean_flags(&mut self) {
        let (Some(register), true) = (self.arch.flags, self.arch.is_x86()) else { return };
        let flags = self.read(register);
        let clean = flags & X86 | X86_FIXED;
        if flags != clean {
            self.write(register, clean);
        }
    }
}
