//! What system calls do, once for all architectures.

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
mod rlimit;
mod select;
mod signal;
mod stat;
mod thread;
mod time;
mod timer;

pub use absent::{Absent, absent};
pub use handlers::handler;

#[cfg(test)]
mod tests {
    use heapmatrix_writer::AnyTarget;

    use super::*;
    use crate::linux::arch;
    use crate::linux::table::Table;

    fn tables() -> impl Iterator<Item = (AnyTarget, Table)> {
        let linux = AnyTarget::ALL.iter().copied().filter_map(arch::of);
        linux.map(|linux| (linux.target, Table::new(linux.syscalls, handler)))
    }

    #[test]
    fn the_tables_are_sorted() {
        for (target, table) in tables() {
            let numbered: Vec<u64> = table.iter().map(|(number, _)| *number).collect();
            assert!(numbered.is_sorted_by(|a, b| a < b), "{target}");
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
        for (target, table) in tables() {
            for name in calls {
                let found = table.iter().find(|e| e.1.name == name);
                assert!(found.is_some_and(|e| e.1.handler.is_some()), "{target} {name}");
            }
        }
    }
}
