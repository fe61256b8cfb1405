//! Go 1.5's heap dump writer (`runtime/heapdump.go`), generic over the target machine.
//!
//! The reference writes the heap of the process that it runs in. This port writes the heap of any
//! Go 1.5 process whose memory can be read through [`Memory`]: a core file, an emulated machine, a
//! process on the other end of a debugger. Nothing in it depends on the host's pointer size or
//! endianness; those of the target come from a [`Target`] type.
//!
//! The writer needs a memory, the addresses of the runtime's variables, and an output:
//!
//! ```
//! use heapmatrix_writer::{Addr, AnyTarget, Error, Memory, Options, Symbols, Unreadable, write_heap_dump};
//!
//! /// A core file: pieces of memory, each with its first address.
//! struct Core(Vec<(u64, Vec<u8>)>);
//!
//! impl Memory for Core {
//!     fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Unreadable> {
//!         let len = buf.len() as u64;
//!         buf.copy_from_slice(self.borrow(addr, len).ok_or(Unreadable { addr, len })?);
//!         Ok(())
//!     }
//!
//!     fn borrow(&self, addr: Addr, len: u64) -> Option<&[u8]> {
//!         self.0.iter().find_map(|(start, bytes)| {
//!             let from = usize::try_from(addr.0.checked_sub(*start)?).ok()?;
//!             bytes.get(from..from.checked_add(usize::try_from(len).ok()?)?)
//!         })
//!     }
//! }
//!
//! // The names come from the executable's symbol table; here all are where there is no memory.
//! let symbols = Symbols::from_lookup(|_name| Some(Addr(0x1000)))?;
//! let core = Core(vec![(0x40_0000, vec![0; 4096])]);
//! match write_heap_dump(AnyTarget::Arm, &core, &symbols, &Options::default(), Vec::new()) {
//!     Ok(summary) => println!("{} bytes", summary.bytes),
//!     Err(Error::Unreadable { place, source }) => eprintln!("no {place}: {source}"),
//!     Err(error) => eprintln!("{error}"),
//! }
//! # Ok::<(), heapmatrix_writer::MissingSymbol>(())
//! ```
//!
//! Where Go 1.5's output is not what its format means, a [`Dialect`] of [`go15::Program`] decides which of the two is
//! written.
//!
//! # How to read the source
//!
//! Begin with `dump/mod.rs`, which is `mdump`, and follow the names of heapdump.go: a file of `dump/` for each part.
//! It asks a generation of Go's runtime for values (`runtime.rs`, `record.rs`) and gives them to the sink (`format/`).
//! [`go15`] is the generation of Go 1.5: each of its files is a part of that runtime, as it lies in memory. `process/` has
//! the reads that it consists of, [`target`] the machines.
#![deny(unsafe_code)]

#[doc(hidden)]
pub mod bench;
mod dump;
pub mod error;
pub mod format;
mod generation;
pub mod go119;
pub mod go15;
pub mod layouts;
pub mod memory;
pub mod options;
mod pipelined;
mod process;
mod record;
mod runtime;
pub mod target;
#[cfg(test)]
mod testing;

use std::io;

pub use error::{Error, Place, TracebackError};
pub use format::tags::Tag;
pub use generation::Generation;
pub use go15::defects::{Defects, Dialect, UnknownDialect};
pub use go15::symbols::{MissingSymbol, Symbols};
pub use layouts::{FieldAt, Layouts, NoLayout, VariableAt};
pub use memory::{Addr, Memory, Unreadable};
pub use options::{Options, Summary};
pub use pipelined::write_heap_dump_pipelined;
pub use target::{AnyTarget, Target};

/// Writes the heap dump of a process.
///
/// The process stands still, its statistics are up to date (`updatememstats`) and its heap is swept:
/// for example at the entry of `runtime.dumpparams`.
///
/// # Errors
/// See [`Error`]. What was dumped before an error of the target's memory has been written.
pub fn write_heap_dump<M: Memory + ?Sized>(
    target: AnyTarget,
    memory: &M,
    program: &impl Generation,
    options: &Options<'_>,
    mut out: impl io::Write,
) -> Result<Summary, Error> {
    program.write(target, &memory, options, &mut out)
}

#[cfg(test)]
mod tests;
/// The examples call this crate by its name.
#[cfg(test)]
extern crate self as heapmatrix_writer;
