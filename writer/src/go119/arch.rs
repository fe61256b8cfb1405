//! The machines of today's Go, and what it adds to them.
//!
//! Source: `go tool dist list` of Go 1.19 to 1.27, and `framepointer_enabled` in runtime2.go.

use std::io;

use super::program::Program;
use crate::error::Error;
use crate::memory::Memory;
use crate::options::{Options, Summary};
use crate::target::{AnyTarget, Target};
use crate::with_target;

/// `framepointer_enabled`: whether frames hold the frame pointer of their caller, next to the return PC.
pub(super) const fn framepointer_enabled<T: Target>() -> bool {
    matches!(T::ANY, AnyTarget::Amd64 | AnyTarget::Arm64)
}

macro_rules! targets {
    ($($name:ident)*) => {
        /// Every machine of Go 1.19 to 1.27 whose memory is read as such.
        pub const TARGETS: &[AnyTarget] = &[$(AnyTarget::$name),*];

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
                _ => Err(Error::NoSuchMachine { target, release: "1.19 and later", targets: TARGETS })
            )
        }
    };
}

targets! {
    Amd64 I386 Arm Arm64 Ppc64 Ppc64le Mips Mipsle Mips64 Mips64le Riscv64 S390x Loong64
}
