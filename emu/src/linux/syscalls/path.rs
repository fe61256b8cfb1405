//! Paths: opening, looking at, removing.

use std::cell::RefCell;
use std::rc::Rc;

use super::super::errno::Errno;
use super::super::fd::{Object, Open};
use super::super::process::{PROGRAM_PATH, Process};
use super::super::thread::Call;
use super::super::vfs::Kind;
use super::Stop;
use super::file::{Stat, size};

const S_IFCHR: u32 = 0o020000;
const S_IFDIR: u32 = 0o040000;
const S_IFREG: u32 = 0o100000;
const S_IFIFO: u32 = 0o010000;

const AT_FDCWD: u32 = -100_i32 as u32;
const AT_EMPTY_PATH: u64 = 0x1000;

/// `open(path, flags, mode)`.
pub fn open(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    open_path(p, call.args[0], call.args[1])
}

/// `openat(directory, path, flags, mode)`: relative paths begin at the root, whatever the directory.
pub fn openat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    open_path(p, call.args[1], call.args[2])
}

fn open_path(p: &mut Process, path: u64, flags: u64) -> Result<u64, Stop> {
    let path = p.user().path(path)?;
    // The flags used here have the same values on all four machines.
    let flags = flags as u32;
    let object = p.files.open(&path, flags)?;
    Ok(p.fds.add(Rc::new(RefCell::new(Open::new(object, flags))), 0)?)
}

/// `access(path, mode)`.
pub fn access(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let path = p.user().path(call.args[0])?;
    p.files.kind(&path)?;
    Ok(0)
}

/// `faccessat(directory, path, mode)`.
pub fn faccessat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let path = p.user().path(call.args[1])?;
    p.files.kind(&path)?;
    Ok(0)
}

/// `stat(path, stat)`.
pub fn stat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    stat_path(p, call.args[0], call.args[1])
}

/// `fstatat(directory, path, stat, flags)`.
pub fn fstatat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [directory, path, stat, flags, ..] = call.args;
    if flags & AT_EMPTY_PATH != 0 && directory as u32 != AT_FDCWD && p.user().string(path)?.is_empty() {
        return stat_open(p, directory, stat);
    }
    stat_path(p, path, stat)
}

/// `fstat(fd, stat)`.
pub fn fstat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    stat_open(p, call.args[0], call.args[1])
}

fn stat_path(p: &mut Process, path: u64, addr: u64) -> Result<u64, Stop> {
    let path = p.user().path(path)?;
    let (mode, size) = match p.files.kind(&path)? {
        Kind::File(size) => (S_IFREG | 0o644, size),
        Kind::Directory => (S_IFDIR | 0o755, 0),
        Kind::Device => (S_IFCHR | 0o666, 0),
    };
    let inode =
        path.bytes().fold(1, |hash: u64, byte| hash.wrapping_mul(31).wrapping_add(byte.into()) & 0x7fff_ffff);
    put(p, addr, Stat { mode, size, inode })
}

fn stat_open(p: &mut Process, fd: u64, addr: u64) -> Result<u64, Stop> {
    let open = p.fds.get(fd)?;
    let open = open.borrow();
    let mode = match open.object {
        Object::File(_) | Object::View(_) => S_IFREG | 0o644,
        Object::Directory => S_IFDIR | 0o755,
        // Standard output is a pipe to the host.
        Object::Pipe(_) | Object::Output(_) => S_IFIFO | 0o600,
        _ => S_IFCHR | 0o666,
    };
    put(p, addr, Stat { mode, size: size(&open), inode: fd + 1 })
}

fn put(p: &mut Process, addr: u64, stat: Stat) -> Result<u64, Stop> {
    let record = stat.record(p);
    p.user().write(addr, &record)?;
    Ok(0)
}

/// `readlink(path, buf, len)`.
pub fn readlink(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [path, buf, len, ..] = call.args;
    read_link(p, path, buf, len)
}

/// `readlinkat(directory, path, buf, len)`.
pub fn readlinkat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [_, path, buf, len, ..] = call.args;
    read_link(p, path, buf, len)
}

fn read_link(p: &mut Process, path: u64, buf: u64, len: u64) -> Result<u64, Stop> {
    let path = p.user().path(path)?;
    if path != "/proc/self/exe" {
        p.files.kind(&path)?;
        return Err(Errno::Inval.into());
    }
    let n = PROGRAM_PATH.len().min(len as usize);
    p.user().write(buf, &PROGRAM_PATH.as_bytes()[..n])?;
    Ok(n as u64)
}

/// `unlink(path)`.
pub fn unlink(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let path = p.user().path(call.args[0])?;
    p.files.unlink(&path)?;
    Ok(0)
}

/// `unlinkat(directory, path, flags)`.
pub fn unlinkat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let path = p.user().path(call.args[1])?;
    p.files.unlink(&path)?;
    Ok(0)
}

/// `mkdir(path, mode)`.
pub fn mkdir(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let path = p.user().path(call.args[0])?;
    p.files.mkdir(&path)?;
    Ok(0)
}

/// `mkdirat(directory, path, mode)`.
pub fn mkdirat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let path = p.user().path(call.args[1])?;
    p.files.mkdir(&path)?;
    Ok(0)
}

/// `rename(from, to)`.
pub fn rename(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let (from, to) = (p.user().path(call.args[0])?, p.user().path(call.args[1])?);
    p.files.rename(&from, &to)?;
    Ok(0)
}

/// `renameat(directory, from, directory, to)`.
pub fn renameat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let (from, to) = (p.user().path(call.args[1])?, p.user().path(call.args[3])?);
    p.files.rename(&from, &to)?;
    Ok(0)
}

/// `getcwd(buf, len)`: the root. Answers the length with the terminating zero.
pub fn getcwd(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    if call.args[1] < 2 {
        return Err(Errno::Range.into());
    }
    p.user().write(call.args[0], b"/\0")?;
    Ok(2)
}
