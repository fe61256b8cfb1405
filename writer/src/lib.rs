//! Go 1.5's heap dump writer (`runtime/heapdump.go`), generic over the target machine.
//!
//! The reference writes the heap of the process that it runs in. This port writes the heap of any
//! Go 1.5 process whose memory can be read through [`Memory`]: a core file, an emulated machine, a
//! process on the other end of a debugger. Nothing in it depends on the host's pointer size or
//! endianness; those of the target come from a [`Target`] type.
#![forbid(unsafe_code)]

mod dump;
pub mod error;
pub mod format;
pub mod memory;
pub mod options;
mod runtime;
pub mod symbols;
pub mod target;
#[cfg(test)]
mod testing;

use std::io;

pub use error::{Error, Place, TracebackError};
pub use format::dialect::{Defects, Dialect, UnknownDialect};
pub use format::tags::Tag;
pub use memory::{Addr, Memory, Unreadable};
pub use options::{Options, Summary, SysAlloc};
pub use symbols::{MissingSymbol, Symbols};
pub use target::{AnyTarget, Target};

/// Writes the heap dump of a process that runs on a machine known at run time.
///
/// The process stands still, its statistics are up to date (`updatememstats`) and its heap is swept:
/// for example at the entry of `runtime.dumpparams`.
///
/// # Errors
/// See [`Error`]. What was dumped before an error of the target's memory has been written.
pub fn write_heap_dump<M: Memory + ?Sized>(
    target: AnyTarget,
    memory: &M,
    symbols: &Symbols,
    options: &Options<'_>,
    out: impl io::Write,
) -> Result<Summary, Error> {
    with_target!(target, T => write_heap_dump_of::<T, M>(memory, symbols, options, out))
}

/// Writes the heap dump of a process of target `T`. See [`write_heap_dump`].
///
/// # Errors
/// As [`write_heap_dump`].
pub fn write_heap_dump_of<T: Target, M: Memory + ?Sized>(
    memory: &M,
    symbols: &Symbols,
    options: &Options<'_>,
    out: impl io::Write,
) -> Result<Summary, Error> {
    dump::write::<T, M, _>(memory, symbols, options, out)
}
