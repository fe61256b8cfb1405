//! Open files: reading, writing, moving about in them.

use std::cell::RefCell;
use std::rc::Rc;

use super::super::errno::Errno;
use super::super::fd::{MAX_FILES, O_NONBLOCK, Object, Open, Refusal, Shared, Stream};
use super::super::process::Process;
use super::super::signal::{Cause, SI_USER, Signal, sig};
use super::super::thread::{Call, PID, Wait};
use super::super::user::Record;
use super::Stop;

/// Bytes that one call reads or writes at most: Linux's `MAX_RW_COUNT`.
const MAX_COUNT: u64 = 0x7fff_f000;
/// Pieces that one call reads or writes at most.
const IOV_MAX: u64 = 1024;

const SEEK_SET: u64 = 0;
const SEEK_CUR: u64 = 1;
const SEEK_END: u64 = 2;

const F_DUPFD: u64 = 0;
const F_GETFD: u64 = 1;
const F_SETFD: u64 = 2;
const F_GETFL: u64 = 3;
const F_SETFL: u64 = 4;
const F_DUPFD_CLOEXEC: u64 = 1030;

/// `read(fd, buf, len)`.
pub fn read(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [fd, addr, len, ..] = call.args;
    let open = p.fds.get(fd)?;
    read_at(p, &open, addr, len, None)
}

/// `pread64(fd, buf, len, offset)`.
pub fn pread64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [fd, addr, len, ..] = call.args;
    let open = seekable(p, fd)?;
    let offset = p.long_argument(call, 3);
    read_at(p, &open, addr, len, Some(offset))
}

/// `readv(fd, pieces, count)`.
pub fn readv(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let open = p.fds.get(call.args[0])?;
    each_piece(p, call, |p, addr, len| read_at(p, &open, addr, len, None))
}

/// How many bytes a call is about: no negative number of them, and not more than Linux does at a time.
fn count(p: &Process, len: u64) -> Result<u64, Errno> {
    let negative = if p.order.word == 4 { (len as i32) < 0 } else { (len as i64) < 0 };
    if negative { Err(Errno::Inval) } else { Ok(len.min(MAX_COUNT)) }
}

fn read_at(p: &mut Process, open: &Shared, addr: u64, len: u64, at: Option<u64>) -> Result<u64, Stop> {
    let len = count(p, len)?;
    // No more than there is room for, so that a wild length allocates nothing.
    let room = p.user().accessible(addr, len)?;
    let mut buf = vec![0; room as usize];
    let outcome = open.borrow_mut().read(&mut buf, at, &mut p.random);
    let n = outcome.map_err(|refusal| refused(open, refusal))?;
    p.user().write(addr, &buf[..n])?;
    p.files_changed();
    Ok(n as u64)
}

/// `write(fd, buf, len)`.
pub fn write(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [fd, addr, len, ..] = call.args;
    let open = p.fds.get(fd)?;
    write_at(p, &open, addr, len, None)
}

/// `pwrite64(fd, buf, len, offset)`.
pub fn pwrite64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [fd, addr, len, ..] = call.args;
    let open = seekable(p, fd)?;
    let offset = p.long_argument(call, 3);
    write_at(p, &open, addr, len, Some(offset))
}

/// `writev(fd, pieces, count)`.
pub fn writev(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let open = p.fds.get(call.args[0])?;
    each_piece(p, call, |p, addr, len| write_at(p, &open, addr, len, None))
}

fn write_at(p: &mut Process, open: &Shared, addr: u64, len: u64, at: Option<u64>) -> Result<u64, Stop> {
    let len = count(p, len)?;
    // What is there is written; a range that ends in a hole is written up to it.
    let len = p.user().accessible(addr, len)?;
    let bytes = p.user().bytes(addr, len as usize)?;
    let stream = match open.borrow().object {
        Object::Output(stream) => Some(stream),
        _ => None,
    };
    if let Some(stream) = stream {
        p.emit(stream, &bytes);
        return Ok(len);
    }
    let outcome = open.borrow_mut().write(&bytes, at, &mut p.room);
    if outcome == Err(Refusal::Error(Errno::Pipe)) {
        let tid = p.thread().tid;
        p.send_to_thread(tid, Signal { number: sig::PIPE, cause: Cause::Sent { code: SI_USER, pid: PID } });
    }
    let n = outcome.map_err(|refusal| refused(open, refusal))?;
    p.files_changed();
    Ok(n as u64)
}

/// What a call answers that has nothing to read or no room to write.
fn refused(open: &Shared, refusal: Refusal) -> Stop {
    match refusal {
        Refusal::NotNow if open.borrow().non_blocking() => Errno::Again.into(),
        Refusal::NotNow => Stop::Block(Wait::File, None),
        Refusal::Error(errno) => errno.into(),
    }
}

/// Reads or writes piece after piece, as long as each is done completely.
fn each_piece(
    p: &mut Process,
    call: &Call,
    mut one: impl FnMut(&mut Process, u64, u64) -> Result<u64, Stop>,
) -> Result<u64, Stop> {
    let [_, pieces, count, ..] = call.args;
    if count > IOV_MAX {
        return Err(Errno::Inval.into());
    }
    let word = p.order.word;
    let mut total = 0;
    for i in 0..count {
        let at = pieces.wrapping_add(2 * word * i);
        let user = p.user();
        let (addr, len) = (user.word(at)?, user.word(at.wrapping_add(word))?);
        match one(p, addr, len) {
            Ok(n) => total += n,
            Err(_) if total > 0 => break,
            Err(stop) => return Err(stop),
        }
        if total == MAX_COUNT {
            break;
        }
    }
    Ok(total)
}

fn seekable(p: &Process, fd: u64) -> Result<Shared, Errno> {
    let open = p.fds.get(fd)?;
    let seekable =
        matches!(open.borrow().object, Object::File(_) | Object::View(_) | Object::Null | Object::Zero);
    if seekable { Ok(open) } else { Err(Errno::SPipe) }
}

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

fn seek(p: &Process, fd: u64, offset: i64, whence: u64) -> Result<u64, Errno> {
    let open = seekable(p, fd)?;
    let mut open = open.borrow_mut();
    let base = match whence {
        SEEK_SET => 0,
        SEEK_CUR => open.offset,
        SEEK_END => size(&open),
        _ => return Err(Errno::Inval),
    };
    let position = base.checked_add_signed(offset).filter(|&at| at <= i64::MAX as u64).ok_or(Errno::Inval)?;
    open.offset = position;
    Ok(position)
}

/// The size of what is open, in bytes.
pub fn size(open: &Open) -> u64 {
    match &open.object {
        Object::File(content) => content.borrow().len() as u64,
        Object::View(bytes) => bytes.len() as u64,
        _ => 0,
    }
}

/// `ftruncate(fd, length)`.
pub fn ftruncate(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    truncate(p, call.args[0], call.args[1])
}

/// `ftruncate64(fd, length)` of 32-bit machines.
pub fn ftruncate64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let length = p.long_argument(call, 1);
    truncate(p, call.args[0], length)
}

fn truncate(p: &mut Process, fd: u64, length: u64) -> Result<u64, Stop> {
    let open = p.fds.get(fd)?;
    let open = open.borrow();
    let Object::File(content) = &open.object else { return Err(Errno::Inval.into()) };
    let mut content = content.borrow_mut();
    let growth = length.saturating_sub(content.len() as u64);
    p.room = p.room.checked_sub(growth).ok_or(Errno::NoSpc)?;
    content.resize(length as usize, 0);
    Ok(0)
}

/// `fsync(fd)`: what is in memory can't be safer.
pub fn fsync(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    p.fds.get(call.args[0])?;
    Ok(0)
}

/// `close(fd)`.
pub fn close(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    p.fds.close(call.args[0])?;
    p.files_changed();
    Ok(0)
}

/// `dup(fd)`.
pub fn dup(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let open = p.fds.get(call.args[0])?;
    Ok(p.fds.add(open, 0)?)
}

/// `dup2(from, to)` and `dup3(from, to, flags)`.
pub fn dup2(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [from, to, ..] = call.args;
    let open = p.fds.get(from)?;
    if to >= MAX_FILES as u64 {
        return Err(Errno::BadF.into());
    }
    p.fds.set(to as i32, open);
    p.files_changed();
    Ok(to)
}

/// `fcntl(fd, command, argument)`.
pub fn fcntl(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [fd, command, argument, ..] = call.args;
    let open = p.fds.get(fd)?;
    match command {
        F_DUPFD | F_DUPFD_CLOEXEC => Ok(p.fds.add(open, argument.min(MAX_FILES as u64) as i32)?),
        // Nothing is ever executed in the process's place, so that no descriptor needs closing then.
        F_GETFD | F_SETFD => Ok(0),
        F_GETFL => Ok(open.borrow().flags.into()),
        F_SETFL => {
            let mut open = open.borrow_mut();
            open.flags = open.flags & !O_NONBLOCK | argument as u32 & O_NONBLOCK;
            Ok(0)
        }
        _ => Err(Errno::Inval.into()),
    }
}

/// `ioctl(fd, …)`: nothing is a terminal.
pub fn ioctl(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    p.fds.get(call.args[0])?;
    Err(Errno::NotTy.into())
}

/// Standard input, which is empty, standard output and standard error.
pub fn standard() -> [Shared; 3] {
    let share = |object, flags| Rc::new(RefCell::new(Open::new(object, flags)));
    [share(Object::Null, 0), share(Object::Output(Stream::Out), 1), share(Object::Output(Stream::Err), 1)]
}

/// The bytes of a directory entry and its like are for nobody here: `struct stat` of a file.
pub struct Stat {
    /// `st_mode`.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// Tells files apart.
    pub inode: u64,
}

impl Stat {
    /// `struct stat` of 64-bit machines, `struct stat64` of the others.
    pub fn record(&self, p: &Process) -> Vec<u8> {
        use heapmatrix_writer::AnyTarget;
        const UID: u32 = 1000;
        const BLOCK: u64 = 4096;
        let record = Record::new(p.order);
        let seconds = p.clock.wall() / 1_000_000_000;
        let blocks = self.size.div_ceil(512);
        match p.target {
            AnyTarget::Amd64 => record
                .words([1, self.inode, 1])
                .u32(self.mode)
                .u32(UID)
                .u32(UID)
                .u32(0)
                .words([0, self.size, BLOCK, blocks])
                .words([seconds, 0, seconds, 0, seconds, 0])
                .pad_to(144),
            AnyTarget::Ppc64 => record
                .words([1, self.inode, 1])
                .u32(self.mode)
                .u32(UID)
                .u32(UID)
                .u32(0)
                .words([0, self.size, BLOCK, blocks])
                .words([seconds, 0, seconds, 0, seconds, 0])
                .pad_to(144),
            target => {
                // arm aligns 64-bit integers to eight bytes; 386 does not.
                let size_at = if target == AnyTarget::Arm { 48 } else { 44 };
                record
                    .u64(1)
                    .pad_to(12)
                    .u32(self.inode as u32)
                    .u32(self.mode)
                    .u32(1)
                    .u32(UID)
                    .u32(UID)
                    .pad_to(size_at)
                    .u64(self.size)
                    .u32(BLOCK as u32)
                    .pad_to(size_at + if target == AnyTarget::Arm { 16 } else { 12 })
                    .u64(blocks)
                    .words([seconds, 0, seconds, 0, seconds, 0])
                    .u64(self.inode)
            }
        }
        .finish()
    }
}
