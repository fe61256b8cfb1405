//! Go 1.5: the first generation, whose dumps are byte for byte those of the reference.
//!
//! Its runtime as it lies in the target's memory, one file for each part of it:
//!
//! | | |
//! |---|---|
//! | [`Program`] | what the writer is told of a process, and what can be chosen |
//! | [`symbols`], `structs`, `arch` | where variables are, how structures are laid out, what Go 1.5 says of a machine |
//! | `heap`, `objects`, `bitmap` | spans, the slots of a span, which words are pointers |
//! | `types` | types and itabs |
//! | `symtab`, `pclntab` | from a PC to its function, and what the linker recorded about it |
//! | `goroutine`, `traceback`, `frames` | goroutines, unwinding, what is known of a frame |
//! | `roots` | segments, finalizers |
//! | `profile` | statistics, the memory profile |
//! | [`defects`], `own`, `tmpbuf` | what Go 1.5 does wrong, and what its dumper does to the process it dumps |

pub(crate) mod arch;
mod bitmap;
pub mod defects;
mod frames;
mod goroutine;
mod heap;
mod objects;
mod own;
mod pclntab;
mod profile;
mod program;
mod roots;
pub(crate) mod structs;
pub mod symbols;
mod symtab;
mod tmpbuf;
mod traceback;
mod types;

use std::cell::RefCell;

pub use arch::{TARGETS, Target, thechar};
pub use program::{Program, SysAlloc};

use crate::error::Error;
use crate::format::version::{Arch, Version};
use crate::memory::{Addr, Memory};
use crate::process::Process;
use crate::process::field::{Field, Int32};
use crate::process::patch::Patch;
use crate::record::{Params, Text};
use crate::runtime::{FrameFaults, Moment, Runtime};
use defects::Defects;
use heap::Heap;
use own::Divmod;
use symbols::Symbols;
use symtab::Symtab;
use tmpbuf::Tmpbuf;

/// The version of the format that Go 1.5 writes.
pub const VERSION: Version = Version { header: b"go1.5 heap dump\n" };

/// A process of Go 1.5.
pub(crate) struct Go15<'m, T> {
    process: Process<'m, T>,
    symbols: &'m Symbols,
    symtab: Symtab<'m, T>,
    heap: Heap,
    defects: Defects,
    /// `tmpbuf` and `m.divmod`, which change while objects are dumped.
    tmpbuf: RefCell<Tmpbuf<'m>>,
    divmod: RefCell<Divmod>,
}

impl<'m, T: Target> Go15<'m, T> {
    /// Takes up a process.
    fn new(memory: &'m dyn Memory, program: &Program<'m>) -> Result<Self, Error> {
        let Program { symbols, defects, sys_alloc } = *program;
        let process = Process::new(memory);
        Ok(Go15 {
            process,
            symbols,
            symtab: Symtab::read(process, symbols.firstmoduledata)?,
            heap: Heap::read(&process, symbols)?,
            defects,
            tmpbuf: RefCell::new(Tmpbuf::new(&process, symbols, sys_alloc)?),
            divmod: RefCell::new(Divmod::new(&process, symbols, defects)),
        })
    }
}

impl<T: Target> Runtime for Go15<'_, T> {
    type Target = T;

    const VERSION: Version = VERSION;

    fn memory(&self) -> &dyn Memory {
        self.process.memory
    }

    fn frame_faults(&self) -> FrameFaults {
        let Defects { locals_from_arglen, args_beyond_frame, .. } = self.defects;
        FrameFaults { locals_from_arglen, args_beyond_frame }
    }

    fn params(&self) -> Result<Params, Error> {
        let goexperiment = match self.symbols.goexperiment {
            Addr::NIL => Text::Literal(""),
            at => self.process.string(at, Field::variable("goexperiment"))?,
        };
        Ok(Params {
            arena_start: self.heap.arena_start,
            arena_used: self.heap.arena_used,
            arch: Arch::Letter(T::THECHAR),
            goexperiment,
            ncpu: self.process.variable::<Int32>(self.symbols.ncpu, "ncpu")? as u64,
        })
    }

    fn own_variables(&self, moment: &Moment<'_>, start: Addr, len: u64) -> Vec<Patch> {
        self.own_variables(moment, start, len)
    }
}

#[cfg(test)]
mod tests;
