//! Why a process cannot be dumped from outside.

use heapmatrix_layouts::DwarfError;
use heapmatrix_layouts::search::SearchError;
use heapmatrix_writer::{AnyTarget, Error as WriteError, MissingSymbol};

use crate::dialect::Dialect;

/// Why an ELF file is none that a process could be read from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ElfError {
    /// It does not begin like one.
    #[error("not an ELF file")]
    NotElf,
    /// Its headers contradict each other.
    #[error("a damaged ELF file: {0}")]
    Damaged(#[from] object::Error),
    /// Go does not run there.
    #[error(
        "an ELF file for the machine {0} (e_machine), on which no Go program of Go 1.5 or Go 1.19 to 1.27 runs"
    )]
    Machine(u16),
}

/// Why a process cannot be dumped from outside.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// A file cannot be read as ELF.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// An ELF file, but no core file.
    #[error("{0}, not a core file: a core file is what the kernel, gdb's gcore or QEMU writes of a process")]
    NotCore(&'static str),
    /// An ELF file, but no executable.
    #[error("a core file or an object file, not an executable")]
    NotExecutable,
    /// A core file ends before its last segment does.
    #[error(
        "the core file is cut: the memory at {addr:#x} should be {size} bytes at offset {offset}, and the file ends at \
         {end}; raise the limit of core files (ulimit -c unlimited), or make room on the disk, and take it again"
    )]
    Cut {
        /// The first address of the segment.
        addr: u64,
        /// Its size in the file, in bytes.
        size: u64,
        /// Its place in the file.
        offset: u64,
        /// Where the file ends.
        end: u64,
    },
    /// The program is for another machine.
    #[error("the program is for {program}, and the core file is of {core}")]
    OtherMachine {
        /// The program's.
        program: AnyTarget,
        /// The core file's.
        core: AnyTarget,
    },
    /// The program is not the one that ran.
    #[error(
        "the core file is not of this program: its build id is {core}, the program's {program}; name the program that \
         crashed with --exe"
    )]
    OtherProgram {
        /// The build id in the core file.
        core: String,
        /// The build id of the program.
        program: String,
    },
    /// The program's read-only memory is other than the file's.
    #[error(
        "the core file is not of this program: its memory at {addr:#x} differs from the program's; name the program that \
         crashed with --exe"
    )]
    OtherContents {
        /// Where.
        addr: u64,
    },
    /// There is no Go runtime in the program.
    #[error("the program is not a Go program")]
    NotGo,
    /// A Go program that does not say of which release it is.
    #[error(
        "the program is a Go program without symbols, which does not say by which release it was built (before Go 1.18 none \
         did): it was built with -ldflags=-s or stripped; build it without"
    )]
    Stripped,
    /// A program without DWARF, whose layouts nobody has measured.
    #[error(
        "the program has no DWARF (it was built with -ldflags=-w or -s, or stripped), and there is no table of how {0} lays \
         out its runtime on this machine: build it without"
    )]
    NotMeasured(String),
    /// What a program without symbols cannot have.
    #[error(
        "the program has no symbols (it was built with -ldflags=-s, or stripped): it can be dumped as what the format means, \
         not as {0}"
    )]
    NoSymbols(Dialect),
    /// The variables of a program without symbols were not found.
    #[error("the program has no symbols (it was built with -ldflags=-s, or stripped), and {0}")]
    Search(#[from] SearchError),
    /// A runtime that no generation of the writer is for.
    #[error(
        "the program was built with {0}, and only programs of Go 1.5 and Go 1.19 to 1.27 can be dumped from outside"
    )]
    Release(String),
    /// A dialect of another generation.
    #[error("the program was built with {version}: its dialects are {meant} and {exact}, not {dialect}")]
    Dialect {
        /// The dialect that was wanted.
        dialect: Dialect,
        /// The runtime's version.
        version: String,
        /// The dialect of its generation that is what the format means.
        meant: Dialect,
        /// The one that is what the runtime writes.
        exact: Dialect,
    },
    /// The program does not say how its runtime is laid out.
    #[error("{0}")]
    Layouts(#[from] DwarfError),
    /// The runtime's variables are not where Go 1.5 has them.
    #[error(transparent)]
    Symbols(#[from] MissingSymbol),
    /// The dump can't be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}
