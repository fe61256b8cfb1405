//! What Go 1.5's compiler, linker and runtime do differently on each machine, beyond what follows from its
//! pointers and its byte order.
//!
//! Taken from Go's sources and real processes, and not from the writer, so that a mistake on either side shows.

use heapmatrix_writer::AnyTarget;

/// The habits of Go 1.5 on a machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    /// The machine.
    pub target: AnyTarget,
    /// Where the linker puts code (`INITTEXT`).
    pub text: u64,
    /// Where anonymous memory comes from: below the stack, high in the address space.
    pub mapped: u64,
    /// Where the arena begins, after its bitmap and the table of spans (`mallocinit`).
    pub arena: u64,
    /// Whether functions save BP below the return PC (`framepointer_enabled`).
    pub saves_bp: bool,
    /// Bytes that `sighandler` pushes as it makes a fault look like a call of `sigpanic`.
    pub signal_pushes: u64,
    /// What `newproc1` aligns SP to.
    pub sp_align: u64,
}

/// Most machines with a link register and 64 bits.
const WIDE: Machine = Machine {
    target: AnyTarget::Ppc64,
    text: 0x0001_1000,
    mapped: 0x3fff_0000_0000,
    arena: 0xc8_2000_0000,
    saves_bp: false,
    signal_pushes: 8,
    sp_align: 1,
};

const AMD64: Machine =
    Machine { target: AnyTarget::Amd64, text: 0x0040_1000, mapped: 0x7f00_0000_0000, saves_bp: true, ..WIDE };

const I386: Machine = Machine {
    target: AnyTarget::I386,
    text: 0x0804_9000,
    mapped: 0x5000_0000,
    arena: 0x1840_0000,
    signal_pushes: 4,
    ..WIDE
};

const ARM: Machine =
    Machine { target: AnyTarget::Arm, mapped: 0x4000_0000, arena: 0x1030_0000, signal_pushes: 4, ..WIDE };

/// User addresses may have 39 bits only (`mallocinit`), and the hardware wants SP at multiples of 16: in the frame
/// at the bottom and in a fault it is. (The compiler also pads frames; worlds don't, since nothing in a dump
/// depends on it.)
const ARM64: Machine = Machine {
    target: AnyTarget::Arm64,
    mapped: 0x7f_0000_0000,
    arena: 0x48_2000_0000,
    signal_pushes: 16,
    sp_align: 16,
    ..WIDE
};

const PPC64LE: Machine = Machine { target: AnyTarget::Ppc64le, ..WIDE };

/// Go 1.5 never ran on such a machine: this is what it would have done, by its rules for 32 bits, with all addresses
/// in the half that is the user's.
const MIPS: Machine =
    Machine { target: AnyTarget::Mips, mapped: 0x3f80_0000, arena: 0x1030_0000, signal_pushes: 4, ..WIDE };

impl Machine {
    /// The habits on a machine, where images can be built for it.
    pub const fn of(target: AnyTarget) -> Option<Machine> {
        match target {
            AnyTarget::Amd64 => Some(AMD64),
            AnyTarget::I386 => Some(I386),
            AnyTarget::Arm => Some(ARM),
            AnyTarget::Ppc64 => Some(WIDE),
            AnyTarget::Arm64 => Some(ARM64),
            AnyTarget::Ppc64le => Some(PPC64LE),
            AnyTarget::Mips => Some(MIPS),
            AnyTarget::Amd64p32
            | AnyTarget::Mipsle
            | AnyTarget::Mips64
            | AnyTarget::Mips64le
            | AnyTarget::Riscv64
            | AnyTarget::S390x
            | AnyTarget::Loong64 => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    #[test]
    fn worlds_are_built_on_the_machines_that_are_known() {
        for &target in AnyTarget::ALL {
            let known = World::MACHINES.contains(&target);
            assert_eq!(Machine::of(target).map(|machine| machine.target), known.then_some(target));
        }
    }
}
