//! Why an image could not be built.

use heapmatrix_writer::AnyTarget;
use heapmatrix_writer::target::Names;

use super::facts::FactError;
use crate::guest::asm::AsmError;
use crate::memory::MemoryError;
use crate::world::{Invalid, World};

/// Why an image could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The world describes no process.
    #[error(transparent)]
    World(#[from] Invalid),
    /// A machine on which no worlds can be built.
    #[error("no worlds can be built on {0}: there are {names}", names = Names(World::MACHINES))]
    Machine(AnyTarget),
    /// Something that has not been measured.
    #[error(transparent)]
    Facts(#[from] FactError),
    /// Something does not fit into the target's address space as images divide it.
    #[error(
        "the image's {what} takes {need:#x} bytes at {addr:#x}, where there is room for {room:#x}: use a smaller world"
    )]
    TooLarge {
        /// The section.
        what: &'static str,
        /// Its first address.
        addr: u64,
        /// What it would take, in bytes.
        need: u64,
        /// What there is, in bytes.
        room: u64,
    },
    /// The guest program could not be assembled.
    #[error("the guest program: {0}")]
    Assemble(#[from] AsmError),
    /// Guest memory could not be had.
    #[error(transparent)]
    Memory(#[from] MemoryError),
}
