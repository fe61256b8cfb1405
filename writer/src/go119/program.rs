//! What the writer must know about a program of today's Go, and what can be chosen for it.

use std::{fmt, io};

use super::defects::Defects;
use super::stopped::Stopped;
use super::{Go119, arch};
use crate::dump;
use crate::error::Error;
use crate::format::sink::{Losses, Sink};
use crate::generation::{Generation, sealed};
use crate::go15::SysAlloc;
use crate::layouts::Layouts;
use crate::memory::Memory;
use crate::options::{Options, Summary};
use crate::target::{AnyTarget, Target};

/// A program of Go 1.19 or later, and how exactly its dump repeats what its runtime does.
#[derive(Clone, Copy)]
pub struct Program<'a> {
    /// How its runtime is laid out.
    pub layouts: &'a dyn Layouts,
    /// Which of the runtime's defects to repeat.
    pub defects: Defects,
    /// With [`Defects::own_variables_in_bss`]: what `sysAlloc` answers each time that the reference extends `tmpbuf`, in
    /// order, the piece from the time before having been freed. Without it, `tmpbuf` is dumped as it is in the target's
    /// memory.
    pub sys_alloc: Option<SysAlloc<'a>>,
    /// A process that was stopped from outside, anywhere. Without it, the process is one whose runtime has stopped the world
    /// and swept all spans, and anything else is an error.
    pub stopped: Option<&'a Stopped<'a>>,
}

impl<'a> Program<'a> {
    /// A program whose dump is what the format means.
    pub const fn new(layouts: &'a dyn Layouts) -> Self {
        Program { layouts, defects: Defects::NONE, sys_alloc: None, stopped: None }
    }

    /// A program whose dump is what its runtime writes.
    pub const fn exact(layouts: &'a dyn Layouts) -> Self {
        Program { layouts, defects: Defects::ALL, sys_alloc: None, stopped: None }
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
}

impl Program<'_> {
    /// Writes the heap dump of a process.
    pub(super) fn write_of<T: Target>(
        &self,
        memory: &dyn Memory,
        options: &Options<'_>,
        out: &mut dyn io::Write,
    ) -> Result<Summary, Error> {
        let sink = Sink::new(out, options.capacity, Losses::default());
        let go = Go119::<T>::new(memory, self)?;
        let found = go.roots_found().iter().map(|(description, to)| (description.as_str(), *to));
        let other_roots: Vec<_> = options.other_roots.iter().copied().chain(found).collect();
        dump::write(&go, &other_roots, sink)
    }
}

impl fmt::Debug for Program<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("defects", &self.defects)
            .field("stopped", &self.stopped)
            .field("sys_alloc", &self.sys_alloc.map(|_| "Fn(u64) -> Addr"))
            .finish_non_exhaustive()
    }
}
