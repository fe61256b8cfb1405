//! Descriptors and positions: closing, duplicating, seeking, lengths, locks.

use super::super::arch::{Flock, Long};
use super::super::errno::Errno;
use super::super::fd::{MAX_FILES, Object, Shared};
use super::super::flags::{O_APPEND, O_CLOEXEC, O_NOATIME, O_NONBLOCK};
use super::super::fs::{Kind, Lock};
use super::super::process::Process;
use super::super::table::Stop;
use super::super::thread::{Call, Wait};
use super::super::user::Record;
use super::path;

const SEEK_SET: u64 = 0;
const SEEK_CUR: u64 = 1;
const SEEK_END: u64 = 2;
const SEEK_DATA: u64 = 3;
const SEEK_HOLE: u64 = 4;

/// `lseek(fd, offset, whence)`.
pub fn lseek(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [fd, offset, whence, ..] = call.args;
    let offset = if p.order.word == 4 { offset as i32 as i64 } else { offset as i64 };
    seek(p, fd, offset, whence).map_err(Stop::from)
}

/// `_llseek(fd, high, low, result, whence)` of 32-bit machines.
pub fn llseek(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [fd, high, low, result, whence, _] = call.args;
    let position = seek(p, fd, (high << 32 | low & 0xffff_ffff) as i64, whence)?;
    p.user().put_u64(result, position)?;
    Ok(0)
}

fn seek(p: &mut Process, fd: u64, offset: i64, whence: u64) -> Result<u64, Errno> {
    let open = p.fds.usable(fd)?;
    let mut open = open.borrow_mut();
    let Object::Node(node) = &open.object else { return Err(Errno::SPipe) };
    let base = match whence {
        SEEK_SET => 0,
        SEEK_CUR => open.offset,
        SEEK_END if node.is_folder() => i64::MAX as u64,
        SEEK_END => node.size(),
        SEEK_DATA | SEEK_HOLE => {
            let hole = whence == SEEK_HOLE;
            let at = u64::try_from(offset).map_err(|_| Errno::NxIo)?;
            let found = match &node.kind {
                Kind::File(data) => data.borrow().seek(at, hole),
                _ if at >= node.size() => None,
                _ => Some(if hole { node.size() } else { at }),
            };
            open.offset = found.ok_or(Errno::NxIo)?;
            return Ok(open.offset);
        }
        _ => return Err(Errno::Inval),
    };
    if let Kind::Device(_) = node.kind {
        return Ok(0);
    }
    let position = base.checked_add_signed(offset).filter(|&at| at <= i64::MAX as u64).ok_or(Errno::Inval)?;
    open.offset = position;
    Ok(position)
}

/// `ftruncate(fd, length)`.
pub fn ftruncate(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let length = length(p, call.args[1])?;
    set_length(p, call.args[0], length)
}

/// `ftruncate64(fd, length)` of 32-bit machines.
pub fn ftruncate64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let length = p.long_argument(call, 1);
    set_length(p, call.args[0], length)
}

/// `truncate(path, length)`.
pub fn truncate(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let length = length(p, call.args[1])?;
    path::truncate(p, call.args[0], length)
}

/// `truncate64(path, length)` of 32-bit machines.
pub fn truncate64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let length = p.long_argument(call, 1);
    path::truncate(p, call.args[0], length)
}

fn length(p: &Process, length: u64) -> Result<u64, Errno> {
    let negative = if p.order.word == 4 { (length as i32) < 0 } else { (length as i64) < 0 };
    if negative { Err(Errno::Inval) } else { Ok(length) }
}

fn set_length(p: &mut Process, fd: u64, length: u64) -> Result<u64, Stop> {
    let open = p.fds.usable(fd)?;
    let writable = open.borrow().access().1;
    let node = open.borrow().node().cloned().ok_or(Errno::Inval)?;
    if !writable {
        return Err(Errno::Inval.into());
    }
    p.pull_shared(&open);
    p.files.truncate(&node, length)?;
    p.push_shared(&open);
    Ok(0)
}

/// `fallocate(fd, mode, offset, len)`: lengthens a file, or makes a hole in it.
pub fn fallocate(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    const KEEP_SIZE: u64 = 1;
    const PUNCH_HOLE: u64 = 2;
    const ZERO_RANGE: u64 = 0x10;
    let [fd, mode, ..] = call.args;
    let len_at = if p.linux.long == Long::One { 3 } else { 4 };
    let (offset, len) = (p.long_argument(call, 2), p.long_argument(call, len_at));
    let open = p.fds.usable(fd)?;
    if !open.borrow().access().1 {
        return Err(Errno::BadF.into());
    }
    let node = open.borrow().node().cloned().ok_or(Errno::SPipe)?;
    let Kind::File(data) = &node.kind else { return Err(Errno::NoDev.into()) };
    let end = offset.checked_add(len).filter(|&end| end <= i64::MAX as u64 && len > 0).ok_or(Errno::Inval)?;
    if mode & !(KEEP_SIZE | PUNCH_HOLE | ZERO_RANGE) != 0 {
        return Err(Errno::OpNotSupp.into());
    }
    p.pull_shared(&open);
    if mode & (PUNCH_HOLE | ZERO_RANGE) != 0 {
        data.borrow_mut().zero(offset, end);
        node.modified(p.files.now);
    }
    if mode & KEEP_SIZE == 0 && end > node.size() {
        p.files.truncate(&node, end)?;
    }
    p.push_shared(&open);
    Ok(0)
}

/// `fsync(fd)` and what is like it: what is in memory can't be safer.
pub fn fsync(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    match p.fds.usable(call.args[0])?.borrow().object {
        Object::Node(_) => Ok(0),
        _ => Err(Errno::Inval.into()),
    }
}

/// `posix_fadvise(fd, …)` and `readahead(fd, …)`: advice that changes nothing.
pub fn advise(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    match p.fds.usable(call.args[0])?.borrow().object {
        Object::Pipe(..) => Err(Errno::SPipe.into()),
        _ => Ok(0),
    }
}

/// `close(fd)`.
pub fn close(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    p.fds.close(call.args[0])?;
    p.files.closed();
    p.files_changed();
    Ok(0)
}

/// `close_range(first, last, flags)`.
pub fn close_range(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    const CLOEXEC: u64 = 4;
    let [first, last, flags, ..] = call.args;
    if first > last {
        return Err(Errno::Inval.into());
    }
    let bound = |fd: u64| fd.min(MAX_FILES as u64) as i32;
    for fd in p.fds.between(bound(first), bound(last)) {
        if flags & CLOEXEC != 0 {
            p.fds.set_cloexec(fd, true);
        } else {
            p.fds.close(fd as u64)?;
        }
    }
    p.files.closed();
    p.files_changed();
    Ok(0)
}

/// `dup(fd)`.
pub fn dup(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let open = p.fds.get(call.args[0])?;
    Ok(p.fds.add(open, 0, false)?)
}

/// `dup2(from, to)`.
pub fn dup2(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [from, to, ..] = call.args;
    let open = p.fds.get(from)?;
    if from == to { Ok(to) } else { put_at(p, open, to, false) }
}

/// `dup3(from, to, flags)`.
pub fn dup3(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [from, to, flags, ..] = call.args;
    if from == to || flags & !u64::from(O_CLOEXEC) != 0 {
        return Err(Errno::Inval.into());
    }
    let open = p.fds.get(from)?;
    put_at(p, open, to, flags != 0)
}

fn put_at(p: &mut Process, open: Shared, to: u64, cloexec: bool) -> Result<u64, Stop> {
    if to >= p.fds.limit() {
        return Err(Errno::BadF.into());
    }
    p.fds.set(to as i32, open, cloexec);
    p.files.closed();
    p.files_changed();
    Ok(to)
}

/// Commands that have the same number everywhere.
mod f {
    pub const DUPFD: u64 = 0;
    pub const GETFD: u64 = 1;
    pub const SETFD: u64 = 2;
    pub const GETFL: u64 = 3;
    pub const SETFL: u64 = 4;
    /// `F_OFD_GETLK`, `F_OFD_SETLK` and `F_OFD_SETLKW`.
    pub const OFD_LOCK: [u64; 3] = [36, 37, 38];
    pub const DUPFD_CLOEXEC: u64 = 1030;
    pub const SETPIPE_SZ: u64 = 1031;
    pub const GETPIPE_SZ: u64 = 1032;
}

/// `fcntl(fd, command, argument)`.
pub fn fcntl(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [fd, command, argument, ..] = call.args;
    let open = p.fds.get(fd)?;
    match command {
        f::DUPFD | f::DUPFD_CLOEXEC if argument >= p.fds.limit() => Err(Errno::Inval.into()),
        f::DUPFD | f::DUPFD_CLOEXEC => Ok(p.fds.add(open, argument as i32, command == f::DUPFD_CLOEXEC)?),
        f::GETFD => Ok(p.fds.cloexec(fd).into()),
        f::SETFD => {
            p.fds.set_cloexec(fd as i32, argument & 1 != 0);
            Ok(0)
        }
        f::GETFL => Ok(p.linux.open_flags_to(open.borrow().flags).into()),
        f::SETFL => {
            const SETTABLE: u32 = O_NONBLOCK | O_APPEND | O_NOATIME;
            let wanted = p.linux.open_flags_from(argument as u32);
            let mut open = open.borrow_mut();
            open.flags = open.flags & !SETTABLE | wanted & SETTABLE;
            Ok(0)
        }
        f::GETPIPE_SZ | f::SETPIPE_SZ => match open.borrow().object {
            Object::Pipe(..) => Ok(super::super::pipe::CAPACITY as u64),
            _ => Err(Errno::BadF.into()),
        },
        _ if p.linux.fcntl.owner.contains(&command) => Ok(0),
        _ => match LockCommand::of(p, command) {
            Some(lock) => record_lock(p, call, &open, lock),
            None => Err(Errno::Inval.into()),
        },
    }
}

/// What is to be done about a lock on a range.
struct LockCommand {
    /// Whether it is only asked for.
    asks: bool,
    /// Whether to wait for it.
    waits: bool,
    /// Whether it is the open file's, and not the process's.
    ofd: bool,
    layout: Flock,
}

impl LockCommand {
    fn of(p: &Process, command: u64) -> Option<Self> {
        let (numbers, layouts) = (p.linux.fcntl, p.linux.layouts);
        let kinds = [
            (Some(numbers.lock), false, layouts.flock),
            (numbers.lock64, false, layouts.flock64),
            (Some(f::OFD_LOCK), true, layouts.flock64),
        ];
        kinds.into_iter().find_map(|(commands, ofd, layout)| {
            let [get, set, wait] = commands?;
            let known = [get, set, wait].contains(&command);
            known.then_some(LockCommand { asks: command == get, waits: command == wait, ofd, layout })
        })
    }
}

const F_RDLCK: u16 = 0;
const F_WRLCK: u16 = 1;
const F_UNLCK: u16 = 2;

/// Locks on ranges: the process's own, which never conflict, and those of open files.
fn record_lock(p: &mut Process, call: &Call, open: &Shared, command: LockCommand) -> Result<u64, Stop> {
    let addr = call.args[2];
    let LockCommand { asks, waits, ofd, layout } = command;
    let field = |p: &mut Process, at: u64| -> Result<i64, Errno> {
        let user = p.user();
        if layout.width == 8 {
            user.u64(addr + at).map(|v| v as i64)
        } else {
            user.u32(addr + at).map(|v| (v as i32).into())
        }
    };
    let (start, len) = (field(p, layout.start)?, field(p, layout.len)?);
    let head = p.user().bytes(addr, 4)?;
    let (kind, whence) = (p.order.decode(&head[..2]) as u16, p.order.decode(&head[2..]));
    let node = open.borrow().node().cloned().ok_or(Errno::Inval)?;
    let base = match whence {
        SEEK_SET => 0,
        SEEK_CUR => open.borrow().offset as i64,
        SEEK_END => node.size() as i64,
        _ => return Err(Errno::Inval.into()),
    };
    let from = base.checked_add(start).ok_or(Errno::Overflow)?;
    let (from, to) = if len < 0 {
        (from.checked_add(len).ok_or(Errno::Inval)?, from)
    } else {
        (from, from.saturating_add(len))
    };
    let start = u64::try_from(from).map_err(|_| Errno::Inval)?;
    let end = if len == 0 { u64::MAX } else { to as u64 };
    let (id, (reads, writes)) = (open.borrow().id, open.borrow().access());
    match kind {
        F_RDLCK if !reads && !asks => return Err(Errno::BadF.into()),
        F_WRLCK if !writes && !asks => return Err(Errno::BadF.into()),
        F_RDLCK | F_WRLCK => {}
        F_UNLCK if !asks => {
            if ofd {
                node.locks.borrow_mut().unlock(id, start, end);
                p.files_changed();
            }
            return Ok(0);
        }
        _ => return Err(Errno::Inval.into()),
    }
    // Locks of the process and of an open file conflict as well: the process's are nobody's.
    let owner = if ofd { id } else { 0 };
    let wanted = Lock { owner, exclusive: kind == F_WRLCK, start, end };
    let conflict = node.locks.borrow().conflict(wanted);
    if asks {
        let Some(other) = conflict else {
            let record = Record::new(p.order).u16(F_UNLCK).finish();
            p.user().write(addr, &record)?;
            return Ok(0);
        };
        let len = if other.end == u64::MAX { 0 } else { other.end - other.start };
        let head = Record::new(p.order).u16(if other.exclusive { F_WRLCK } else { F_RDLCK }).u16(0);
        let head = head.pad_to(layout.start as usize);
        let body = if layout.width == 8 {
            head.u64(other.start).u64(len)
        } else {
            head.u32(other.start as u32).u32(len as u32)
        };
        // An open file's lock has no process.
        let record = body.pad_to(layout.pid as usize).u32(u32::MAX).finish();
        p.user().write(addr, &record)?;
        return Ok(0);
    }
    if conflict.is_some() {
        return Err(if waits { Stop::Block(Wait::File, None) } else { Errno::Again.into() });
    }
    if ofd {
        node.locks.borrow_mut().lock(wanted)?;
        p.files_changed();
    }
    Ok(0)
}

/// `flock(fd, operation)`.
pub fn flock(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    const SHARED: u64 = 1;
    const EXCLUSIVE: u64 = 2;
    const NON_BLOCKING: u64 = 4;
    const UNLOCK: u64 = 8;
    let [fd, operation, ..] = call.args;
    let open = p.fds.usable(fd)?;
    let wanted = match operation & !NON_BLOCKING {
        SHARED => Some(false),
        EXCLUSIVE => Some(true),
        UNLOCK => None,
        _ => return Err(Errno::Inval.into()),
    };
    let node = open.borrow().node().cloned().ok_or(Errno::Inval)?;
    let id = open.borrow().id;
    let outcome = node.locks.borrow_mut().flock(id, wanted);
    match outcome {
        Ok(()) => {
            p.files_changed();
            Ok(0)
        }
        Err(Errno::Again) if operation & NON_BLOCKING == 0 => Err(Stop::Block(Wait::File, None)),
        Err(errno) => Err(errno.into()),
    }
}
