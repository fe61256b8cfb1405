//! What Go 1.5 adds to an architecture: figures of this release, and not of the machine.
//!
//! Source: `runtime/arch1_*.go` of Go 1.5.4.

use crate::process::field::GoType;
use crate::target::{AnyTarget, Target};

/// `thechar`: the letter of the architecture's Plan 9 compilers.
pub const fn thechar(target: AnyTarget) -> u8 {
    match target {
        AnyTarget::Arm => b'5',
        AnyTarget::Amd64 | AnyTarget::Amd64p32 => b'6',
        AnyTarget::Arm64 => b'7',
        AnyTarget::I386 => b'8',
        AnyTarget::Ppc64 | AnyTarget::Ppc64le => b'9',
    }
}

/// `_CacheLineSize`: bytes in a cache line, to which some of the runtime's structures are padded.
const fn cache_line_size(target: AnyTarget) -> u64 {
    match target {
        AnyTarget::Arm | AnyTarget::Arm64 => 32,
        _ => 64,
    }
}

/// `[_CacheLineSize]byte`.
pub(crate) enum CacheLine {}
impl<T: Target> GoType<T> for CacheLine {
    const SIZE: u64 = cache_line_size(T::ANY);
    const ALIGN: u64 = 1;
}
