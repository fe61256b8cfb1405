//! The generations of Go's runtime whose processes can be dumped.

use std::io;

use crate::error::Error;
use crate::go15::{self, defects::Dialect, symbols::Symbols};
use crate::memory::Memory;
use crate::options::{Options, Summary};
use crate::target::AnyTarget;

/// A program built with one generation of Go: what the writer must know about it to dump a process of it.
///
/// Each generation has its own type, which also holds what can be chosen for that generation alone. [`Symbols`] stands
/// for a Go 1.5 program whose dump is what the format means; [`go15::Program`] offers the rest. The trait is sealed.
pub trait Generation: sealed::Generation {}

impl Generation for Symbols {}

impl sealed::Generation for Symbols {
    fn write(
        &self,
        target: AnyTarget,
        memory: &dyn Memory,
        options: &Options<'_>,
        out: &mut dyn io::Write,
    ) -> Result<Summary, Error> {
        go15::Program::new(self, Dialect::Go15).write(target, memory, options, out)
    }
}

pub(crate) mod sealed {
    use super::*;

    /// What [`super::Generation`] does.
    pub trait Generation {
        /// Writes the heap dump of a process, on a machine that this generation ran on.
        ///
        /// Each generation knows which ones these are, and is compiled for no other.
        fn write(
            &self,
            target: AnyTarget,
            memory: &dyn Memory,
            options: &Options<'_>,
            out: &mut dyn io::Write,
        ) -> Result<Summary, Error>;

        /// Whether what a dump contains depends on the answers of its output, so that these must not come late.
        fn depends_on_output(&self) -> bool {
            false
        }
    }
}
