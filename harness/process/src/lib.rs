//! Go processes from outside, as `heapmatrix-writer` reads them: from core files, and on Linux while they run.
//!
//! | | |
//! |---|---|
//! | [`core_file`], [`executable`], `elf` | ELF core files, and the executables that have what these leave out |
//! | [`machine`] | what ELF and Linux say of each machine |
//! | [`memory`], [`process`] | a process that stands still: pieces of files, and threads |
//! | [`mod@write`] | core files of one's own |
//! | [`dumper`], [`dialect`] | the writer for a program, and how exactly it repeats what the runtime does |
//! | `live` (Linux) | stopping a process, copying its memory, and letting it go on |
//!
//! Everything that is read may be wrong, and is an error then.
#![deny(unsafe_code)]

mod build_info;
pub mod core_file;
pub mod dialect;
pub mod dumper;
mod elf;
pub mod error;
pub mod executable;
#[cfg(target_os = "linux")]
pub mod live;
pub mod machine;
pub mod memory;
pub mod process;
pub mod write;

pub use core_file::CoreFile;
pub use dialect::{Dialect, UnknownDialect};
pub use dumper::{Dumper, Program};
pub use error::{ElfError, ProcessError};
pub use executable::Executable;
pub use memory::Pieces;
pub use process::Process;
