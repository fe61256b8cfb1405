//! Why a machine could not go on.

use heapmatrix_writer::AnyTarget;
use unicorn_engine::uc_error;

use crate::memory::Prot;

/// What the guest wanted of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Fetch,
}

impl std::fmt::Display for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Access::Read => "read",
            Access::Write => "write",
            Access::Fetch => "fetch",
        })
    }
}

/// A guest that cannot go on: where, and why.
///
/// The machine stands at the instruction at fault, which has changed nothing; the host may repair
/// the cause and run on from `pc`, or move the PC elsewhere, as a kernel does for a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{target} guest at pc {pc:#x}: {kind}")]
pub struct Fault {
    /// The machine's architecture.
    pub target: AnyTarget,
    /// The address of the instruction at fault; of the branch, if that is an access in its delay slot.
    pub pc: u64,
    /// What is wrong with it.
    pub kind: FaultKind,
}

/// The cause of a [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultKind {
    /// No memory at the address.
    #[error("{access} of {len} bytes at {addr:#x}, where nothing is mapped")]
    Unmapped {
        /// What was wanted.
        access: Access,
        /// The first address of the access.
        addr: u64,
        /// Its length in bytes.
        len: u64,
    },
    /// Memory that does not allow the access.
    #[error("{access} of {len} bytes at {addr:#x}, in {region}, which is {prot}")]
    Protected {
        /// What was wanted.
        access: Access,
        /// The first address of the access.
        addr: u64,
        /// Its length in bytes.
        len: u64,
        /// The name of the region.
        region: &'static str,
        /// What the region allows.
        prot: Prot,
    },
    /// An address that is not aligned as the instruction needs it.
    #[error("misaligned {access} at {addr:#x}")]
    Misaligned {
        /// What was wanted.
        access: Access,
        /// The first address of the access, as far as it is known: else the PC.
        addr: u64,
    },
    /// An instruction that the CPU does not have.
    #[error("illegal instruction")]
    Illegal,
    /// An exception that is neither a trap nor one of the above.
    #[error("exception {number}")]
    Exception {
        /// The engine's number for it, which depends on the architecture.
        number: u32,
    },
    /// The CPU waits for an interrupt, and none will come.
    #[error("the CPU has halted")]
    Halted,
    /// The engine failed.
    #[error("the emulation engine failed: {0}")]
    Engine(EngineError),
}

/// What the emulation engine says of its failure, in its own words.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct EngineError(pub(crate) uc_error);

impl std::fmt::Debug for EngineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
