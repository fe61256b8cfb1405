//! The machines that Go runs on, a compile-time type each: hardware and ABI, and nothing that one release
//! of Go adds.
//!
//! Source of every figure: `runtime/arch1_*.go`, `runtime/arch_*.go` and `runtime/stubs.go` of
//! Go 1.5.4, and `internal/goarch` and `internal/runtime/sys/consts.go` of Go 1.27.

use std::fmt;
use std::str::FromStr;

mod sealed {
    pub trait Sealed {}
}

/// What the heap dump writer must know of a machine.
///
/// Sealed. Where the architecture is known only at run time, use [`AnyTarget`]. Which of them a release of
/// Go ran on is the generation's matter: see [`go15::Target`](crate::go15::Target).
pub trait Target: sealed::Sealed + Copy + fmt::Debug + Default + Send + Sync + 'static {
    /// The run-time name of this target.
    const ANY: AnyTarget;
    /// `GOARCH`, as Go spells it.
    const GOARCH: &'static str;
    /// `ptrSize`: bytes in a pointer.
    const PTR_SIZE: u64;
    /// `regSize`: bytes in a return PC that a call instruction pushes.
    const REG_SIZE: u64;
    /// Whether integers are stored with their most significant byte first.
    const BIG_ENDIAN: bool;
    /// `_PCQuantum`: bytes by which the PC grows at the least.
    const PC_QUANTUM: u64;
    /// `usesLR`: whether a call leaves the return PC in a link register.
    const USES_LR: bool;
    /// `_Int64Align`: the alignment of a 64-bit integer, in bytes.
    const INT64_ALIGN: u64;
    /// `MinFrameSize`: bytes at the bottom of every frame that the ABI keeps for itself, the saved link
    /// register among them.
    const MIN_FRAME_SIZE: u64;
    /// `StackAlign`: the alignment of the stack pointer, in bytes.
    const STACK_ALIGN: u64;
    /// `e_machine`: its number in ELF files, which word sizes and byte orders share.
    const ELF_MACHINE: u16;
}

macro_rules! targets {
    ($($(#[$doc:meta])* $name:ident: $goarch:literal, ptr $ptr:literal, reg $reg:literal,
        big $big:literal, quantum $quantum:literal, lr $lr:literal, int64 $int64:literal,
        frame $frame:literal, align $align:literal, elf $elf:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
            pub struct $name;
            impl sealed::Sealed for $name {}
            impl Target for $name {
                const ANY: AnyTarget = AnyTarget::$name;
                const GOARCH: &'static str = $goarch;
                const PTR_SIZE: u64 = $ptr;
                const REG_SIZE: u64 = $reg;
                const BIG_ENDIAN: bool = $big;
                const PC_QUANTUM: u64 = $quantum;
                const USES_LR: bool = $lr;
                const INT64_ALIGN: u64 = $int64;
                const MIN_FRAME_SIZE: u64 = $frame;
                const STACK_ALIGN: u64 = $align;
                const ELF_MACHINE: u16 = $elf;
            }
        )*

        /// A [`Target`] chosen at run time.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum AnyTarget {
            $($(#[$doc])* $name,)*
        }

        impl AnyTarget {
            /// Every target.
            pub const ALL: &'static [AnyTarget] = &[$(AnyTarget::$name),*];

            /// `GOARCH`, as Go spells it.
            pub const fn goarch(self) -> &'static str {
                match self { $(Self::$name => $name::GOARCH),* }
            }
            /// See [`Target::PTR_SIZE`]; in bytes.
            pub const fn ptr_size(self) -> u64 {
                match self { $(Self::$name => $name::PTR_SIZE),* }
            }
            /// See [`Target::REG_SIZE`]; in bytes.
            pub const fn reg_size(self) -> u64 {
                match self { $(Self::$name => $name::REG_SIZE),* }
            }
            /// See [`Target::BIG_ENDIAN`].
            pub const fn big_endian(self) -> bool {
                match self { $(Self::$name => $name::BIG_ENDIAN),* }
            }
            /// See [`Target::PC_QUANTUM`]; in bytes.
            pub const fn pc_quantum(self) -> u64 {
                match self { $(Self::$name => $name::PC_QUANTUM),* }
            }
            /// See [`Target::USES_LR`].
            pub const fn uses_lr(self) -> bool {
                match self { $(Self::$name => $name::USES_LR),* }
            }
            /// See [`Target::INT64_ALIGN`]; in bytes.
            pub const fn int64_align(self) -> u64 {
                match self { $(Self::$name => $name::INT64_ALIGN),* }
            }
            /// See [`Target::MIN_FRAME_SIZE`]; in bytes.
            pub const fn min_frame_size(self) -> u64 {
                match self { $(Self::$name => $name::MIN_FRAME_SIZE),* }
            }
            /// See [`Target::STACK_ALIGN`]; in bytes.
            pub const fn stack_align(self) -> u64 {
                match self { $(Self::$name => $name::STACK_ALIGN),* }
            }
            /// See [`Target::ELF_MACHINE`].
            pub const fn elf_machine(self) -> u16 {
                match self { $(Self::$name => $name::ELF_MACHINE),* }
            }
        }
    };
}

targets! {
    /// amd64.
    Amd64: "amd64", ptr 8, reg 8, big false, quantum 1, lr false, int64 8, frame 0, align 8, elf 62;
    /// 386.
    I386: "386", ptr 4, reg 4, big false, quantum 1, lr false, int64 4, frame 0, align 4, elf 3;
    /// arm, little-endian.
    Arm: "arm", ptr 4, reg 4, big false, quantum 4, lr true, int64 4, frame 4, align 4, elf 40;
    /// ppc64, big-endian.
    Ppc64: "ppc64", ptr 8, reg 8, big true, quantum 4, lr true, int64 8, frame 32, align 16, elf 21;
    /// arm64.
    Arm64: "arm64", ptr 8, reg 8, big false, quantum 4, lr true, int64 8, frame 8, align 16, elf 183;
    /// ppc64le: ppc64 with its bytes the other way round.
    Ppc64le: "ppc64le", ptr 8, reg 8, big false, quantum 4, lr true, int64 8, frame 32, align 16, elf 21;
    /// amd64p32 (Native Client): 32-bit pointers, and return PCs of 64 bits on the stack. Go 1.13 was its last.
    Amd64p32: "amd64p32", ptr 4, reg 8, big false, quantum 1, lr false, int64 8, frame 0, align 8, elf 62;
    /// mips: 32 bits, big-endian.
    Mips: "mips", ptr 4, reg 4, big true, quantum 4, lr true, int64 4, frame 4, align 4, elf 8;
    /// mipsle: 32 bits, little-endian.
    Mipsle: "mipsle", ptr 4, reg 4, big false, quantum 4, lr true, int64 4, frame 4, align 4, elf 8;
    /// mips64: 64 bits, big-endian.
    Mips64: "mips64", ptr 8, reg 8, big true, quantum 4, lr true, int64 8, frame 8, align 8, elf 8;
    /// mips64le: 64 bits, little-endian.
    Mips64le: "mips64le", ptr 8, reg 8, big false, quantum 4, lr true, int64 8, frame 8, align 8, elf 8;
    /// riscv64. Its PC quantum was 4 before Go's assembler compressed instructions: a program says its own.
    Riscv64: "riscv64", ptr 8, reg 8, big false, quantum 2, lr true, int64 8, frame 8, align 8, elf 243;
    /// s390x, big-endian.
    S390x: "s390x", ptr 8, reg 8, big true, quantum 2, lr true, int64 8, frame 8, align 8, elf 22;
    /// loong64.
    Loong64: "loong64", ptr 8, reg 8, big false, quantum 4, lr true, int64 8, frame 8, align 8, elf 258;
}

impl AnyTarget {
    /// The target of an ELF file, by what its header says: the number of the machine, whether the file is one of 64 bits, and
    /// whether it is big-endian.
    pub fn from_elf(machine: u16, is_64: bool, big_endian: bool) -> Option<Self> {
        Self::ALL.iter().copied().find(|target| {
            let header = (target.elf_machine(), target.ptr_size() == 8, target.big_endian());
            header == (machine, is_64, big_endian)
        })
    }
}

/// Runs an expression with a name bound to the compile-time type of a run-time target:
/// `with_target!(target, in [Amd64 I386], T => write::<T>(…), _ => refuse(target))`.
///
/// The code exists once for each of the targets that are listed.
#[macro_export]
macro_rules! with_target {
    ($any:expr, in [$($name:ident)*], $T:ident => $body:expr, _ => $other:expr) => {
        match $any {
            $($crate::AnyTarget::$name => {
                type $T = $crate::target::$name;
                $body
            })*
            _ => $other,
        }
    };
}

impl fmt::Display for AnyTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.goarch())
    }
}

/// The names of targets, as a list for people: `amd64, 386 and arm`.
pub struct Names<'a>(pub &'a [AnyTarget]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, target) in self.0.iter().enumerate() {
            let before = match self.0.len() - n {
                _ if n == 0 => "",
                1 => " and ",
                _ => ", ",
            };
            write!(f, "{before}{target}")?;
        }
        Ok(())
    }
}

/// A name that is no `GOARCH`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown architecture {0:?}: there are {names}", names = Names(AnyTarget::ALL))]
pub struct UnknownTarget(pub String);

impl FromStr for AnyTarget {
    type Err = UnknownTarget;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|t| t.goarch() == s).ok_or_else(|| UnknownTarget(s.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What follows from the rules of `internal/goarch` and `internal/runtime/sys`, rather than being a
    /// figure of its own.
    #[test]
    fn figures_obey_gos_rules() {
        for &target in AnyTarget::ALL {
            let (ptr, nacl) = (target.ptr_size(), target == AnyTarget::Amd64p32);
            assert_eq!(target.reg_size(), if nacl { 8 } else { ptr }, "{target}");
            assert_eq!(target.int64_align(), if nacl { 8 } else { ptr }, "{target}");
            assert_eq!(target.min_frame_size() > 0, target.uses_lr(), "{target}");
            assert_eq!(target.min_frame_size() % target.reg_size(), 0, "{target}");
            assert!(target.stack_align() >= target.reg_size(), "{target}");
        }
        let both_orders: Vec<_> = AnyTarget::ALL.iter().filter(|t| t.goarch().ends_with("le")).collect();
        assert_eq!(
            Names(&both_orders.into_iter().copied().collect::<Vec<_>>()).to_string(),
            "ppc64le, mipsle and mips64le"
        );
    }

    #[test]
    fn targets_go_by_their_goarch() {
        for &target in AnyTarget::ALL {
            assert_eq!(target.to_string().parse(), Ok(target));
            let (is_64, big) = (target.ptr_size() == 8, target.big_endian());
            assert_eq!(AnyTarget::from_elf(target.elf_machine(), is_64, big), Some(target));
        }
        assert_eq!(format!("[{:>5}]", AnyTarget::I386), "[  386]", "columns can be aligned");
        let unknown = "i386".parse::<AnyTarget>().unwrap_err();
        assert_eq!(unknown, UnknownTarget("i386".to_owned()), "Go calls it 386");
        let (start, end) = ("unknown architecture \"i386\": there are amd64, 386, arm, ", " and loong64");
        assert!(unknown.to_string().starts_with(start) && unknown.to_string().ends_with(end), "{unknown}");
    }
}
