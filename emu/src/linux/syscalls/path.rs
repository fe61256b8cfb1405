//! Paths: opening, looking at, listing, removing.

use std::cell::RefCell;
use std::rc::Rc;

use super::super::errno::Errno;
use super::super::fd::{Object, Open};
use super::super::process::{PROGRAM_PATH, Process};
use super::super::thread::Call;
use super::super::user::Record;
use super::super::vfs::{Kind, absolute};
use super::Stop;
use super::file::{Stat, size};

const S_IFCHR: u32 = 0o020000;
const S_IFDIR: u32 = 0o040000;
const S_IFREG: u32 = 0o100000;
const S_IFIFO: u32 = 0o010000;

const AT_FDCWD: u32 = -100_i32 as u32;
const AT_REMOVEDIR: u64 = 0x200;
const AT_EMPTY_PATH: u64 = 0x1000;

/// `open(path, flags, mode)`.
pub fn open(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let path = p.user().path(call.args[0])?;
    open_path(p, &path, call.args[1])
}

/// `openat(directory, path, flags, mode)`.
pub fn openat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let path = path_at(p, call.args[0], call.args[1])?;
    open_path(p, &path, call.args[2])
}

/// A path that begins at an open directory, unless it is absolute.
pub fn path_at(p: &mut Process, directory: u64, path: u64) -> Result<String, Errno> {
    let path = p.user().path(path)?;
    if directory as u32 == AT_FDCWD || path.starts_with('/') {
        return Ok(path);
    }
    match &p.fds.get(directory)?.borrow().object {
        Object::Directory(base) => Ok(format!("{base}/{path}")),
        _ => Err(Errno::NotDir),
    }
}

fn open_path(p: &mut Process, path: &str, flags: u64) -> Result<u64, Stop> {
    // The flags used here have the same values on all four machines.
    let flags = flags as u32;
    let object = p.files.open(path, flags)?;
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
    let path = path_at(p, call.args[0], call.args[1])?;
    p.files.kind(&path)?;
    Ok(0)
}

/// `stat(path, stat)`.
pub fn stat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let path = p.user().path(call.args[0])?;
    stat_path(p, &path, call.args[1])
}

/// `fstatat(directory, path, stat, flags)`.
pub fn fstatat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [directory, path, stat, flags, ..] = call.args;
    if flags & AT_EMPTY_PATH != 0 && directory as u32 != AT_FDCWD && p.user().string(path)?.is_empty() {
        return stat_open(p, directory, stat);
    }
    let path = path_at(p, directory, path)?;
    stat_path(p, &path, stat)
}

/// `fstat(fd, stat)`.
pub fn fstat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    stat_open(p, call.args[0], call.args[1])
}

fn stat_path(p: &mut Process, path: &str, addr: u64) -> Result<u64, Stop> {
    let (mode, size) = match p.files.kind(path)? {
        Kind::File(size) => (S_IFREG | 0o644, size),
        Kind::Directory => (S_IFDIR | 0o755, 0),
        Kind::Device => (S_IFCHR | 0o666, 0),
    };
    put(p, addr, Stat { mode, size, inode: inode(path) })
}

/// `DT_CHR`, `DT_DIR` or `DT_REG`.
fn directory_type(kind: Kind) -> u8 {
    match kind {
        Kind::Device => 2,
        Kind::Directory => 4,
        Kind::File(_) => 8,
    }
}

/// A number that tells paths apart.
fn inode(path: &str) -> u64 {
    absolute(path)
        .bytes()
        .fold(1, |hash: u64, byte| hash.wrapping_mul(31).wrapping_add(byte.into()) & 0x7fff_ffff)
}

fn stat_open(p: &mut Process, fd: u64, addr: u64) -> Result<u64, Stop> {
    let open = p.fds.get(fd)?;
    let open = open.borrow();
    let mode = match open.object {
        Object::File(_) | Object::View(_) => S_IFREG | 0o644,
        Object::Directory(_) => S_IFDIR | 0o755,
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
    let path = p.user().path(path)?;
    read_link(p, &path, buf, len)
}

/// `readlinkat(directory, path, buf, len)`.
pub fn readlinkat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [directory, path, buf, len, ..] = call.args;
    let path = path_at(p, directory, path)?;
    read_link(p, &path, buf, len)
}

fn read_link(p: &mut Process, path: &str, buf: u64, len: u64) -> Result<u64, Stop> {
    if path != "/proc/self/exe" {
        p.files.kind(path)?;
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
    let path = path_at(p, call.args[0], call.args[1])?;
    if call.args[2] & AT_REMOVEDIR == 0 {
        p.files.unlink(&path)?
    } else {
        p.files.rmdir(&path)?
    }
    Ok(0)
}

/// `rmdir(path)`.
pub fn rmdir(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let path = p.user().path(call.args[0])?;
    p.files.rmdir(&path)?;
    Ok(0)
}

/// `getdents64(fd, buf, len)`: the position counts the entries that were told.
pub fn getdents64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [fd, buf, len, ..] = call.args;
    let open = p.fds.get(fd)?;
    let mut open = open.borrow_mut();
    let Object::Directory(path) = &open.object else { return Err(Errno::NotDir.into()) };
    let mut bytes = Vec::new();
    let mut next = open.offset;
    let names = p.files.list(path).into_iter().skip(usize::try_from(next).unwrap_or(usize::MAX));
    for name in names {
        let whole = format!("{path}/{name}");
        // What can't be looked at (a link out of its mount) is listed all the same.
        let kind = p.files.kind(&whole).unwrap_or(Kind::File(0));
        let size = (19 + name.len() + 1).next_multiple_of(8);
        if (bytes.len() + size) as u64 > len {
            if bytes.is_empty() {
                return Err(Errno::Inval.into());
            }
            break;
        }
        next += 1;
        let entry =
            Record::new(p.order).u64(inode(&whole)).u64(next).u16(size as u16).raw(&[directory_type(kind)]);
        bytes.extend(entry.raw(name.as_bytes()).pad_to(size).finish());
    }
    p.user().write(buf, &bytes)?;
    open.offset = next;
    Ok(bytes.len() as u64)
}

/// `mkdir(path, mode)`.
pub fn mkdir(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let path = p.user().path(call.args[0])?;
    p.files.mkdir(&path)?;
    Ok(0)
}

/// `mkdirat(directory, path, mode)`.
pub fn mkdirat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let path = path_at(p, call.args[0], call.args[1])?;
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
    let [from_directory, from, to_directory, to, ..] = call.args;
    let (from, to) = (path_at(p, from_directory, from)?, path_at(p, to_directory, to)?);
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
