//! A small Linux: it runs statically linked programs on the emulated machines.
//!
//! Enough of the kernel for Go programs of every release: [`Program`](elf::Program)s are loaded from
//! ELF files into a [`Process`], whose threads take turns on one CPU and whose system calls are
//! answered here. There is nothing behind it but memory: time is counted in instructions, randomness
//! is not random, files live in memory, and the host's files are seen only through
//! [`Mount`]s. So a program does the same in every run, wherever it runs.
//!
//! Where Linux and this differ, and a program could see it:
//! - a system call that is not known here answers `ENOSYS`, and is reported once, by name;
//! - there is one process, which can't make others, and no network;
//! - calls that a signal interrupts answer `EINTR`, with `SA_RESTART` too;
//! - a signal handler finds the integer registers in its frame, but not the floating-point ones: these
//!   come back when it returns, whatever it did;
//! - the process owns all files that it can see, and the rights of their owner count alone;
//! - two shared mappings of one file, both writable, see each other's stores only after system calls on it.

mod arch;
mod budget;
mod clock;
mod deliver;
pub mod elf;
mod epoll;
mod errno;
mod event;
mod fd;
mod flags;
mod fs;
mod futex;
mod host;
mod input;
mod load;
mod pipe;
mod process;
mod run;
mod segments;
mod setup;
mod shared;
mod signal;
mod space;
mod stack;
mod syscalls;
mod table;
mod thread;
mod timer;
mod user;
mod watch;

pub use arch::system_call;
pub use elf::SymbolTable;
pub use fd::Stream;
pub use fs::{Kept, Mount};
pub use host::{Host, Input, Output, Recorder};
pub use load::LoadError;
pub use process::{ExitStatus, Options, Process, RunError, Stats};
pub use run::Outcome;
