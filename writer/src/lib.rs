//! Go 1.5's heap dump writer (`runtime/heapdump.go`), generic over the target machine.
//!
//! The reference writes the heap of the process that it runs in. This port writes the heap of any
//! Go 1.5 process whose memory can be read through [`Memory`]: a core file, an emulated machine, a
//! process on the other end of a debugger. Nothing in it depends on the host's pointer size or
//! endianness; those of the target come from a [`Target`] type.
#![forbid(unsafe_code)]

pub mod memory;
pub mod symbols;
pub mod target;

pub use memory::{Addr, Memory, Unreadable};
pub use symbols::{MissingSymbol, Symbols};
pub use target::{AnyTarget, Target};
