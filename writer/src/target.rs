//! The machines that Go 1.5 runs on, a compile-time type each.
//!
//! Source of every figure: `runtime/arch1_*.go`, `runtime/arch_*.go` and `runtime/stubs.go` of
//! Go 1.5.4.

use std::fmt;
use std::str::FromStr;

mod sealed {
    pub trait Sealed {}
}

/// What the heap dump writer must know of a machine.
///
/// Sealed: the seven architectures of Go 1.5 are all there are. Where the architecture is known
/// only at run time, use [`AnyTarget`].
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
    /// Bytes that a signal handler pushes as it makes a fault look like a call of `sigpanic`.
    const SIGNAL_PUSHES: u64;
}

macro_rules! targets {
    ($($(#[$doc:meta])* $name:ident: $goarch:literal, ptr $ptr:literal, reg $reg:literal,
        big $big:literal, quantum $quantum:literal, lr $lr:literal, int64 $int64:literal, signal $signal:literal;)*) => {
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
                const SIGNAL_PUSHES: u64 = $signal;
            }
        )*

        /// A [`Target`] chosen at run time.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum AnyTarget {
            $($(#[$doc])* $name,)*
        }

        impl AnyTarget {
            /// Every target of Go 1.5.
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
        }
    };
}

targets! {
    /// amd64.
    Amd64: "amd64", ptr 8, reg 8, big false, quantum 1, lr false, int64 8, signal 8;
    /// 386.
    I386: "386", ptr 4, reg 4, big false, quantum 1, lr false, int64 4, signal 4;
    /// arm, little-endian.
    Arm: "arm", ptr 4, reg 4, big false, quantum 4, lr true, int64 4, signal 4;
    /// ppc64, big-endian.
    Ppc64: "ppc64", ptr 8, reg 8, big true, quantum 4, lr true, int64 8, signal 8;
    /// arm64.
    Arm64: "arm64", ptr 8, reg 8, big false, quantum 4, lr true, int64 8, signal 16;
    /// ppc64le: ppc64 with its bytes the other way round.
    Ppc64le: "ppc64le", ptr 8, reg 8, big false, quantum 4, lr true, int64 8, signal 8;
    /// amd64p32 (Native Client): 32-bit pointers, and return PCs of 64 bits on the stack.
    Amd64p32: "amd64p32", ptr 4, reg 8, big false, quantum 1, lr false, int64 8, signal 8;
}

/// Runs an expression with a name bound to the compile-time type of a run-time target:
/// `with_target!(target, T => write::<T>(…))`.
#[macro_export]
macro_rules! with_target {
    ($any:expr, $T:ident => $body:expr) => {
        match $any {
            $crate::AnyTarget::Amd64 => {
                type $T = $crate::target::Amd64;
                $body
            }
            $crate::AnyTarget::I386 => {
                type $T = $crate::target::I386;
                $body
            }
            $crate::AnyTarget::Arm => {
                type $T = $crate::target::Arm;
                $body
            }
            $crate::AnyTarget::Ppc64 => {
                type $T = $crate::target::Ppc64;
                $body
            }
            $crate::AnyTarget::Arm64 => {
                type $T = $crate::target::Arm64;
                $body
            }
            $crate::AnyTarget::Ppc64le => {
                type $T = $crate::target::Ppc64le;
                $body
            }
            $crate::AnyTarget::Amd64p32 => {
                type $T = $crate::target::Amd64p32;
                $body
            }
        }
    };
}

impl fmt::Display for AnyTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.goarch())
    }
}

/// A name that is no `GOARCH` of Go 1.5.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown architecture {0:?}: expected one of amd64, 386, arm, ppc64, arm64, ppc64le, amd64p32")]
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

    #[test]
    fn targets_go_by_their_goarch() {
        for &target in AnyTarget::ALL {
            assert_eq!(target.to_string().parse(), Ok(target));
        }
        assert_eq!(format!("[{:>5}]", AnyTarget::I386), "[  386]", "columns can be aligned");
        assert_eq!("i386".parse::<AnyTarget>(), Err(UnknownTarget("i386".to_owned())), "Go calls it 386");
    }
}
