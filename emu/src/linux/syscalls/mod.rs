//! System calls: their numbers on each architecture, as data, and what they do, once for all.

mod absent;
mod file;
mod folder;
mod handlers;
mod info;
mod io;
mod mem;
mod meta;
mod path;
mod poll;
mod select;
mod signal;
mod stat;
mod thread;
mod time;
mod timer;

use heapmatrix_writer::AnyTarget;

pub use absent::{Absent, absent};

use super::errno::Errno;
use super::fd::Refusal;
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
    /// The table of a target.
    pub fn of(target: AnyTarget) -> Self {
        let text = match target {
            AnyTarget::Amd64 => include_str!("amd64.tbl"),
            AnyTarget::I386 => include_str!("386.tbl"),
            AnyTarget::Arm => include_str!("arm.tbl"),
            _ => include_str!("ppc64.tbl"),
        };
        Table(text.lines().filter_map(entry).collect())
    }

    /// The system call of a number.
    pub fn get(&self, number: u64) -> Option<&Syscall> {
        let at = self.0.binary_search_by_key(&number, |entry| entry.0).ok()?;
        Some(&self.0[at].1)
    }
}

fn entry(line: &'static str) -> Option<(u64, Syscall)> {
    let (number, name) = line.split_once(' ')?;
    Some((number.parse().ok()?, Syscall { name, handler: handlers::handler(name) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_name_what_go_calls() {
        let numbers = [
            (AnyTarget::Amd64, [(0, "read"), (56, "clone"), (202, "futex"), (231, "exit_group")]),
            (AnyTarget::I386, [(3, "read"), (120, "clone"), (240, "futex"), (252, "exit_group")]),
            (AnyTarget::Arm, [(3, "read"), (120, "clone"), (240, "futex"), (248, "exit_group")]),
            (AnyTarget::Ppc64, [(3, "read"), (120, "clone"), (221, "futex"), (234, "exit_group")]),
        ];
        for (target, known) in numbers {
            let table = Table::of(target);
            assert!(table.0.windows(2).all(|w| w[0].0 < w[1].0), "{target}");
            for (number, name) in known {
                let call = table.get(number).unwrap();
                assert_eq!(call.name, name, "{target}");
                assert!(call.handler.is_some(), "{target} {name}");
            }
            assert!(table.get(100_000).is_none());
        }
    }

    #[test]
    fn every_architecture_has_the_calls_of_go_programs() {
        let calls = [
            "read",
            "write",
            "close",
            "openat",
            "getdents64",
            "pipe2",
            "epoll_create1",
            "epoll_ctl",
            "munmap",
            "madvise",
            "brk",
            "rt_sigaction",
            "rt_sigprocmask",
            "rt_sigreturn",
            "sigaltstack",
            "tgkill",
            "gettid",
            "sched_yield",
            "clock_gettime",
            "nanosleep",
            "sched_getaffinity",
            "getrandom",
            "uname",
            "fcntl",
            "mincore",
        ];
        for &target in &[AnyTarget::Amd64, AnyTarget::I386, AnyTarget::Arm, AnyTarget::Ppc64] {
            let table = Table::of(target);
            for name in calls {
                let found = table.0.iter().find(|e| e.1.name == name);
                assert!(found.is_some_and(|e| e.1.handler.is_some()), "{target} {name}");
            }
        }
    }
}
