//! When and why a machine stops, and why one cannot be made or used.

use heapmatrix_writer::AnyTarget;
use heapmatrix_writer::target::Names;

use super::{EngineError, Machine, Register};

/// A machine that cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NewError {
    /// No emulation for the architecture.
    #[error("no emulated machine for {0}: there are {names}", names = Names(Machine::ALL))]
    Unsupported(AnyTarget),
    /// The engine refused.
    #[error("cannot set up an emulated {0} machine: {1}")]
    Engine(AnyTarget, EngineError),
}

/// A saved CPU state of another machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this CPU state was saved by another machine: it can be restored only there")]
pub struct ForeignContext;

/// A register that the machine does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{target} has no register {register:?}")]
pub struct NoRegister {
    /// The machine's architecture.
    pub target: AnyTarget,
    /// What was asked for.
    pub register: Register,
}

/// When to stop a guest that does not stop by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Stops at the first block of instructions that begins when so many have been executed in this
    /// run: some tens of instructions later at the most, and always at the same one.
    pub instructions: u64,
}

impl Limits {
    /// Never.
    pub const NONE: Limits = Limits { instructions: u64::MAX };

    /// After so many instructions.
    pub const fn instructions(instructions: u64) -> Limits {
        Limits { instructions }
    }
}

/// Why a guest has stopped of which nothing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It has executed the instruction for system calls: `syscall`, `int 0x80`, `svc` or `sc`.
    Trap {
        /// The address of the instruction after it.
        pc: u64,
    },
    /// It is about to execute the instruction at a breakpoint.
    Breakpoint {
        /// The breakpoint.
        pc: u64,
    },
    /// It has used up its instructions.
    Limit {
        /// The address of the next one.
        pc: u64,
    },
}

impl Exit {
    /// Where the guest goes on.
    pub const fn pc(self) -> u64 {
        match self {
            Exit::Trap { pc } | Exit::Breakpoint { pc } | Exit::Limit { pc } => pc,
        }
    }
}
