//! The machines of Go 1.5, and what this release adds to them: figures of the release, and not of the machine.
//!
//! Source: `runtime/arch1_*.go` and `sigpanic` in `runtime/signal_*.go` of Go 1.5.4.

use std::io;

use super::program::Program;
use crate::error::Error;
use crate::memory::Memory;
use crate::options::{Options, Summary};
use crate::process::field::GoType;
use crate::target::{self, AnyTarget};
use crate::with_target;

/// A machine that Go 1.5 runs on, or would: see [`TARGETS`].
pub trait Target: target::Target {
    /// `thechar`: the letter of the architecture's Plan 9 compilers.
    const THECHAR: u8;
    /// `_CacheLineSize`: bytes in a cache line, to which some of the runtime's structures are padded.
    const CACHE_LINE_SIZE: u64;
    /// Bytes that a signal handler pushes as it makes a fault look like a call of `sigpanic`.
    const SIGNAL_PUSHES: u64;
}

macro_rules! targets {
    ({$($go15:ident)*}
     $($name:ident: char $char:literal, line $line:literal, signal $signal:literal;)*) => {
        $(impl Target for target::$name {
            const THECHAR: u8 = $char;
            const CACHE_LINE_SIZE: u64 = $line;
            const SIGNAL_PUSHES: u64 = $signal;
        })*

        /// Every machine of Go 1.5. Dumps can also be written on mips, which it did not have.
        pub const TARGETS: &[AnyTarget] = &[$(AnyTarget::$go15),*];

        /// `thechar` of a target that is known at run time: of Go 1.5's machines and mips.
        pub const fn thechar(target: AnyTarget) -> Option<u8> {
            with_target!(target, in [$($name)*], T => Some(T::THECHAR), _ => None)
        }

        /// Writes the heap dump of a program, on the machine that it runs on.
        pub(super) fn write(
            program: &Program<'_>,
            target: AnyTarget,
            memory: &dyn Memory,
            options: &Options<'_>,
            out: &mut dyn io::Write,
        ) -> Result<Summary, Error> {
            with_target!(
                target, in [$($name)*],
                T => program.write_of::<T>(memory, options, out),
                _ => Err(Error::NoSuchMachine { target, release: "1.5", targets: TARGETS })
            )
        }
    };
}

targets! {
    { Amd64 I386 Arm Ppc64 Arm64 Ppc64le Amd64p32 }

    Amd64: char b'6', line 64, signal 8;
    I386: char b'8', line 64, signal 4;
    Arm: char b'5', line 32, signal 4;
    Ppc64: char b'9', line 64, signal 8;
    Arm64: char b'7', line 32, signal 16;
    Ppc64le: char b'9', line 64, signal 8;
    Amd64p32: char b'6', line 64, signal 8;
    // No machine of Go 1.5's has 32 bits and is big-endian. So for tests there is one that it never had: its dumps
    // are what Go 1.5's code would write there, with the letter and the cache line of Go's later port.
    Mips: char b'0', line 32, signal 4;
}

/// `[_CacheLineSize]byte`.
pub(crate) enum CacheLine {}
impl<T: Target> GoType<T> for CacheLine {
    const SIZE: u64 = T::CACHE_LINE_SIZE;
    const ALIGN: u64 = 1;
}
