//! What the writer must know about a Go 1.5 program, and what can be chosen for it.

use std::{fmt, io};

use super::arch::{self, Target};
use super::defects::{Defects, Dialect};
use super::symbols::Symbols;
use super::{Go15, own};
use crate::dump;
use crate::error::Error;
use crate::format::sink::{Losses, Sink};
use crate::generation::{Generation, sealed};
use crate::memory::{Addr, Memory};
use crate::options::{Options, Summary};
use crate::target::AnyTarget;

/// Where the system puts a piece of memory of this many bytes.
pub type SysAlloc<'a> = &'a dyn Fn(u64) -> Addr;

/// A Go 1.5 program, and how exactly its dump repeats what that release does.
#[derive(Clone, Copy)]
pub struct Program<'a> {
    /// Where its runtime's variables are.
    pub symbols: &'a Symbols,
    /// Which of the reference's defects to repeat.
    pub defects: Defects,
    /// With [`Defects::own_variables_in_bss`]: what `sysAlloc` answers each time that the reference
    /// extends `tmpbuf`, in order, the piece from the time before having been freed. Without
    /// it, `tmpbuf` is dumped as it is in the target's memory.
    pub sys_alloc: Option<SysAlloc<'a>>,
}

impl<'a> Program<'a> {
    /// A program in one of the dialects.
    pub const fn new(symbols: &'a Symbols, dialect: Dialect) -> Self {
        Program { symbols, defects: dialect.defects(), sys_alloc: None }
    }

    /// The buffer's capacity: the reference's own where that can be seen in the dump.
    pub(super) fn capacity(&self, options: &Options<'_>) -> usize {
        if own::sees_buf(self.defects, self.symbols) { Options::REFERENCE_CAPACITY } else { options.capacity }
    }
}

impl Generation for Program<'_> {}

impl sealed::Generation for Program<'_> {
    fn write(
        &self,
        target: AnyTarget,
        memory: &dyn Memory,
        options: &Options<'_>,
        out: &mut dyn io::Write,
    ) -> Result<Summary, Error> {
        arch::write(self, target, memory, options, out)
    }

    fn depends_on_output(&self) -> bool {
        self.defects.write_errors_ignored
    }
}

impl Program<'_> {
    /// Writes the heap dump of a process on a machine of Go 1.5's.
    pub(super) fn write_of<T: Target>(
        &self,
        memory: &dyn Memory,
        options: &Options<'_>,
        out: &mut dyn io::Write,
    ) -> Result<Summary, Error> {
        let Program { symbols, defects, .. } = *self;
        let losses = Losses {
            int32_lengths: defects.int32_lengths,
            unsigned_count: T::ANY == AnyTarget::Amd64,
            write_errors_ignored: defects.write_errors_ignored,
            empty_writes: defects.empty_writes,
        };
        let mut sink = Sink::new(out, self.capacity(options), losses);
        if let Some(buf) = own::initial_buf(memory, symbols.buf).filter(|_| own::sees_buf(defects, symbols)) {
            sink.preload(&buf);
        }
        dump::write(&Go15::<T>::new(memory, self)?, options.other_roots, sink)
    }
}

impl fmt::Debug for Program<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("symbols", &self.symbols)
            .field("defects", &self.defects)
            .field("sys_alloc", &self.sys_alloc.map(|_| "Fn(u64) -> Addr"))
            .finish()
    }
}
