//! Tables of system calls: their numbers on an architecture, their names, and what they do.

use super::errno::Errno;
use super::process::Process;
use super::thread::{Call, Wait};

/// Why a system call does not answer with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It failed.
    Errno(Errno),
    /// The thread waits, at the longest until a moment of the monotonic clock.
    Block(Wait, Option<u64>),
    /// The registers are as they should be already.
    Resume,
    /// It is not emulated, or not with these arguments.
    Absent,
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Stop::Errno(errno)
    }
}

/// What a system call does with a process.
pub type Handler = fn(&mut Process, &Call) -> Result<u64, Stop>;

/// A system call of one architecture.
#[derive(Clone, Copy)]
pub struct Syscall {
    /// Its name in the kernel.
    pub name: &'static str,
    /// What it does, if it is known here.
    pub handler: Option<Handler>,
}

/// The system calls of one architecture.
pub struct Table(Vec<(u64, Syscall)>);

impl Table {
    /// A table from its text, with what each call does by its name.
    pub fn new(text: &'static str, handler: fn(&str) -> Option<Handler>) -> Self {
        let entry = |line: &'static str| {
            let (number, name) = line.split_once(' ')?;
            Some((number.parse().ok()?, Syscall { name, handler: handler(name) }))
        };
        Table(text.lines().filter_map(entry).collect())
    }

    /// The system call of a number.
    pub fn get(&self, number: u64) -> Option<&Syscall> {
        let at = self.0.binary_search_by_key(&number, |entry| entry.0).ok()?;
        Some(&self.0[at].1)
    }

    /// The entries, by number.
    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = &(u64, Syscall)> {
        self.0.iter()
    }
}
