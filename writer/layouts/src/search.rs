//! The runtime's variables in a process that has no symbol table: by what they contain.
//!
//! The linker leaves the table of functions in every program, and the first `moduledata` is the only thing that begins with
//! its address. That says where the variables are; among them each is the one that can be what it is: `mheap_` points to
//! itself, `allm` to Ms whose g0 points back to them, `allgs` to Gs of which the first is number 1, and so on. What does not
//! show by its contents (a flag, a number) is not found.
//!
//! Source: the variables and structures of `runtime` that are named here.

mod image;
mod offsets;
mod variables;

use std::cell::Cell;

use heapmatrix_writer::{AnyTarget, Memory};

use crate::Measured;
use image::Image;
pub(crate) use offsets::Offsets;
use variables::Search;

/// Why the variables of a program were not found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The file's sections could not be found.
    #[error("the program's sections cannot be read: {0}")]
    Elf(#[from] object::Error),
    /// A table of layouts lacks what the search needs.
    #[error("no table has {0} of this release")]
    NotMeasured(String),
    /// Nothing points to a table of functions.
    #[error(
        "its table of functions (pclntab), or what points to it (moduledata), is not in the process's memory"
    )]
    NoModule,
    /// More lists, and longer ones, than a runtime has.
    #[error("its memory has so many lists that could be its runtime's that the search was given up")]
    GivenUp,
    /// A variable without which there is no dump.
    #[error("its runtime's variable {0} was not found by what it contains")]
    NotFound(&'static str),
}

/// Variables without which there is no dump.
const NEEDED: [&str; 6] = [
    "runtime.firstmoduledata",
    "runtime.mheap_",
    "runtime.allgs",
    "runtime.allm",
    "runtime.itabTable",
    "runtime.buildVersion",
];

/// A process whose memory is searched.
#[derive(Clone, Copy)]
pub struct Process<'a> {
    /// Its machine.
    pub target: AnyTarget,
    /// Its memory.
    pub memory: &'a dyn Memory,
    /// The program's file.
    pub elf: &'a [u8],
    /// How far the program lies from where it was linked for, in bytes.
    pub bias: u64,
    /// The version of its runtime, as `runtime.Version` returns it.
    pub version: &'a str,
}

impl Measured {
    /// Takes the variables' addresses from the memory of a process.
    ///
    /// # Errors
    /// [`SearchError`]; what is not found, and a dump can be written without, is [`missing`](Measured::missing).
    pub fn search(mut self, process: &Process<'_>) -> Result<Self, SearchError> {
        let offsets = Offsets::find(&self)?;
        let image = Image::new(process)?;
        let module = image.module(&offsets).ok_or(SearchError::NoModule)?;
        let search = Search { image: &image, at: &offsets, module, steps: Cell::new(0) };
        for (name, addr) in search.variables(process.version) {
            self.set(name, addr);
        }
        if search.is_given_up() {
            return Err(SearchError::GivenUp);
        }
        match NEEDED.iter().find(|name| self.missing().contains(name)) {
            Some(name) => Err(SearchError::NotFound(name)),
            None => Ok(self),
        }
    }
}
