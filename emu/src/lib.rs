//! Emulated machines for tests of Go heap dumps: synthetic processes of Go 1.5, and real programs of any Go.
//!
//! What is where, in the order in which a synthetic process comes about:
//!
//! 1. [`world`]: a description of a Go process that names no address, byte order or word size. Worlds are written by
//!    hand (the catalogue), generated from a seed, or read from JSON.
//! 2. [`image`]: the memory that linker, loader and the runtime's start-up leave behind for a world on one
//!    architecture. Offsets come from measured layouts, and none from the writer.
//! 3. [`guest`]: the program that does the rest, in a small language of its own; code generators make machine code of
//!    it, and an interpreter runs the same list with plain stores.
//! 4. [`machine`]: an emulated CPU (the Unicorn engine) on a [`memory`] that lies in the host's, so that a dump of it
//!    copies nothing.
//! 5. [`run`]: the three together. What comes out is a process that has stopped, the addresses of its runtime's
//!    variables, and where everything of the world lies.
//!
//! [`linux`] runs real programs on the same machines: a loader, system calls, threads, signals, files and a clock that
//! counts instructions, so that a program does the same in every run.
//!
//! A world on a big-endian machine, up to the memory that a writer can read:
//!
//! ```
//! use heapmatrix_emu::image::Image;
//! use heapmatrix_emu::run::run_on_cpu;
//! use heapmatrix_emu::world::catalog::catalog;
//! use heapmatrix_writer::{AnyTarget, Options, write_heap_dump};
//!
//! let world = &catalog()[0].world;
//! let finished = run_on_cpu(Image::build(world, AnyTarget::Ppc64)?)?;
//! let mut dump = Vec::new();
//! write_heap_dump(finished.target, &finished.memory, &finished.symbols, &Options::default(), &mut dump)?;
//! assert!(dump.starts_with(b"go1.5 heap dump\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
pub mod guest;
pub mod image;
pub mod linux;
pub mod machine;
pub mod memory;
pub mod run;
pub mod world;
