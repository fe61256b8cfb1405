//! The system calls by which a process is stopped and read. All unsafe code of the crate is here.
#![allow(unsafe_code)]

use std::io;

use libc::{c_int, c_void, iovec, pid_t};

/// `NT_PRSTATUS`, the set of general registers.
const NT_PRSTATUS: usize = 1;

/// Bytes of a page.
pub(super) fn page_size() -> u64 {
    // SAFETY: a number is asked for.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// Becomes the tracer of a thread, which runs on.
pub(super) fn seize(tid: pid_t) -> io::Result<()> {
    // SAFETY: neither argument is an address.
    done(unsafe { libc::ptrace(libc::PTRACE_SEIZE, tid, 0usize, 0usize) })
}

/// Stops a thread.
pub(super) fn interrupt(tid: pid_t) -> io::Result<()> {
    // SAFETY: as above.
    done(unsafe { libc::ptrace(libc::PTRACE_INTERRUPT, tid, 0usize, 0usize) })
}

/// Lets a thread go on, with a signal that it was about to get, or 0.
pub(super) fn detach(tid: pid_t, signal: c_int) -> io::Result<()> {
    // SAFETY: as above.
    done(unsafe { libc::ptrace(libc::PTRACE_DETACH, tid, 0usize, signal as usize) })
}

/// A thread's registers, as `elf_gregset_t` of its machine: as many bytes as there are.
pub(super) fn registers(tid: pid_t, bytes: &mut [u8]) -> io::Result<usize> {
    let mut place = iovec { iov_base: bytes.as_mut_ptr().cast::<c_void>(), iov_len: bytes.len() };
    // SAFETY: the kernel writes as many bytes as the place has at most, and says how many they are.
    done(unsafe { libc::ptrace(libc::PTRACE_GETREGSET, tid, NT_PRSTATUS, &raw mut place) })?;
    Ok(place.iov_len)
}

/// How a thread has stopped, or that it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It stands still, and is to get this signal when it goes on, or none.
    Stopped(c_int),
    /// It is no more.
    Ended,
}

/// Waits until a thread that was interrupted has stopped.
pub(super) fn wait(tid: pid_t) -> io::Result<Stop> {
    loop {
        let mut status = 0;
        // SAFETY: the status is a place of the size that the kernel writes.
        if unsafe { libc::waitpid(tid, &raw mut status, libc::__WALL) } == -1 {
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EINTR) => continue,
                Some(libc::ECHILD) => return Ok(Stop::Ended),
                _ => return Err(error),
            }
        }
        if !libc::WIFSTOPPED(status) {
            return Ok(Stop::Ended);
        }
        // Events, such as the stop that was asked for, are in the bits above the signal.
        let event = status >> 16;
        return Ok(Stop::Stopped(if event == 0 { libc::WSTOPSIG(status) } else { 0 }));
    }
}

/// Copies memory of a process: ranges of it, one after the other, into a buffer that has their size. Gives the bytes copied.
pub(super) fn read(pid: pid_t, ranges: &[(u64, usize)], to: &mut [u8]) -> io::Result<usize> {
    let local = iovec { iov_base: to.as_mut_ptr().cast::<c_void>(), iov_len: to.len() };
    let remote = |&(addr, len): &(u64, usize)| iovec { iov_base: addr as usize as *mut c_void, iov_len: len };
    let remote: Vec<iovec> = ranges.iter().map(remote).collect();
    // SAFETY: the kernel writes into the local buffer alone, and no more than it has; the other addresses are the process's.
    let read = unsafe {
        libc::process_vm_readv(pid, &raw const local, 1, remote.as_ptr(), remote.len() as libc::c_ulong, 0)
    };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}

fn done(result: libc::c_long) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
