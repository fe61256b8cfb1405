//! Where registers are in a core file of each machine, as Linux says it.
//!
//! Source: `struct elf_prstatus` and `elf_gregset_t` of each architecture's `asm/elf.h` and `asm/ptrace.h`.

use heapmatrix_writer::AnyTarget;

/// Where a thread's registers are in the descriptor of an `NT_PRSTATUS` note, which is a `struct elf_prstatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    /// The size of a register in bytes.
    pub size: usize,
    /// How many there are (`ELF_NGREG`).
    pub count: usize,
    /// Which of them is the program counter.
    pub pc: usize,
    /// Which is the stack pointer.
    pub sp: usize,
    /// Which is the link register, if there is one.
    pub lr: Option<usize>,
    /// Where the general registers are, in the order of the architecture's own numbers.
    pub general: &'static [usize],
    /// The number of the first of these: x0 of riscv64, which is always 0, is not among them.
    pub first_general: u8,
    /// Which holds condition codes or the program status, if one does.
    pub flags: Option<usize>,
}

const fn run<const N: usize>(first: usize) -> [usize; N] {
    let mut all = [0; N];
    let mut i = 0;
    while i < N {
        all[i] = first + i;
        i += 1;
    }
    all
}

static FROM_0_15: [usize; 16] = run(0);
static FROM_0_31: [usize; 31] = run(0);
static FROM_0_32: [usize; 32] = run(0);
static FROM_1_31: [usize; 31] = run(1);
static FROM_2_16: [usize; 16] = run(2);
static FROM_6_32: [usize; 32] = run(6);

impl Registers {
    /// Those of a machine. Source: `asm/ptrace.h` and `asm/elf.h` of each.
    pub const fn of(target: AnyTarget) -> Registers {
        match target {
            AnyTarget::Amd64 | AnyTarget::Amd64p32 => Registers {
                size: 8,
                count: 27,
                pc: 16,
                sp: 19,
                lr: None,
                // RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8…
                general: &[10, 11, 12, 5, 19, 4, 13, 14, 9, 8, 7, 6, 3, 2, 1, 0],
                first_general: 0,
                flags: Some(18),
            },
            AnyTarget::I386 => Registers {
                size: 4,
                count: 17,
                pc: 12,
                sp: 15,
                lr: None,
                // EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI
                general: &[6, 1, 2, 0, 15, 5, 3, 4],
                first_general: 0,
                flags: Some(14),
            },
            AnyTarget::Arm => Registers {
                size: 4,
                count: 18,
                pc: 15,
                sp: 13,
                lr: Some(14),
                general: &FROM_0_15,
                first_general: 0,
                flags: Some(16),
            },
            AnyTarget::Arm64 => Registers {
                size: 8,
                count: 34,
                pc: 32,
                sp: 31,
                lr: Some(30),
                general: &FROM_0_31,
                first_general: 0,
                flags: Some(33),
            },
            AnyTarget::Ppc64 | AnyTarget::Ppc64le => Registers {
                size: 8,
                count: 48,
                pc: 32,
                sp: 1,
                lr: Some(36),
                general: &FROM_0_32,
                first_general: 0,
                flags: Some(38),
            },
            AnyTarget::Mips | AnyTarget::Mipsle => Registers {
                size: 4,
                count: 45,
                pc: 40,
                sp: 35,
                lr: Some(37),
                general: &FROM_6_32,
                first_general: 0,
                flags: None,
            },
            AnyTarget::Mips64 | AnyTarget::Mips64le => Registers {
                size: 8,
                count: 45,
                pc: 34,
                sp: 29,
                lr: Some(31),
                general: &FROM_0_32,
                first_general: 0,
                flags: None,
            },
            // x0 is always 0, and the pc has its place.
            AnyTarget::Riscv64 => Registers {
                size: 8,
                count: 32,
                pc: 0,
                sp: 2,
                lr: Some(1),
                general: &FROM_1_31,
                first_general: 1,
                flags: None,
            },
            // The program status word takes two. The access registers, of four bytes, are eight of these.
            AnyTarget::S390x => Registers {
                size: 8,
                count: 27,
                pc: 1,
                sp: 17,
                lr: Some(16),
                general: &FROM_2_16,
                first_general: 0,
                flags: Some(0),
            },
            AnyTarget::Loong64 => Registers {
                size: 8,
                count: 45,
                pc: 33,
                sp: 3,
                lr: Some(1),
                general: &FROM_0_32,
                first_general: 0,
                flags: None,
            },
        }
    }

    /// Where `pr_cursig` is: the signal that the thread has received.
    pub const fn cursig() -> usize {
        12
    }

    /// Where `pr_pid` is, after two words of signal sets.
    pub const fn pid(&self) -> usize {
        16 + 2 * self.size
    }

    /// Where `pr_reg` is, after four numbers and four times, each of two words.
    pub const fn first(&self) -> usize {
        self.pid() + 16 + 8 * self.size
    }

    /// The size of the registers in bytes.
    pub const fn bytes(&self) -> usize {
        self.count * self.size
    }

    /// The size of the whole, which `pr_fpvalid` ends.
    pub const fn total(&self) -> usize {
        (self.first() + self.bytes() + 4).next_multiple_of(self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `sizeof(struct elf_prstatus)`, as each kernel has it.
    #[test]
    fn sizes_are_those_of_the_kernel() {
        for (target, size) in [
            (AnyTarget::Amd64, 336),
            (AnyTarget::I386, 144),
            (AnyTarget::Arm, 148),
            (AnyTarget::Arm64, 392),
            (AnyTarget::Ppc64, 504),
            (AnyTarget::Mips, 256),
            (AnyTarget::Mips64, 480),
            (AnyTarget::Riscv64, 376),
            (AnyTarget::S390x, 336),
            (AnyTarget::Loong64, 480),
        ] {
            assert_eq!(Registers::of(target).total(), size, "{target}");
        }
    }

    #[test]
    fn registers_are_among_those_of_the_note() {
        for &target in AnyTarget::ALL.iter().filter(|&&target| target != AnyTarget::Amd64p32) {
            let registers = Registers::of(target);
            let places = registers.general.iter().copied().chain([registers.pc, registers.sp]);
            assert!(places.chain(registers.lr).all(|at| at < registers.count), "{target}");
            assert_eq!(registers.lr.is_some(), target.uses_lr(), "{target}");
        }
    }
}
