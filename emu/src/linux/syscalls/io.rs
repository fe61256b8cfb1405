//! Reading and writing.

use std::rc::Rc;

use super::super::arch::signals::PIPE;
use super::super::errno::Errno;
use super::super::fd::{Io, Object, Refusal, Shared};
use super::super::fs::Kind;
use super::super::process::Process;
use super::super::signal::{Cause, SI_USER, Signal};
use super::super::table::Stop;
use super::super::thread::{Call, PID, Wait};

/// Bytes that one call reads or writes at most: Linux's `MAX_RW_COUNT`.
const MAX_COUNT: u64 = 0x7fff_f000;
/// Pieces that one call reads or writes at most.
const IOV_MAX: u64 = 1024;
/// Bytes that are copied from file to file at a time.
const CHUNK: usize = 1 << 16;

/// `read(fd, buf, len)`.
pub fn read(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [fd, addr, len, ..] = call.args;
    let open = p.fds.usable(fd)?;
    read_at(p, &open, addr, len, None)
}

/// `pread64(fd, buf, len, offset)`.
pub fn pread64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [fd, addr, len, ..] = call.args;
    let (open, offset) = (positioned(p, fd)?, p.long_argument(call, 3));
    read_at(p, &open, addr, len, Some(position(offset)?))
}

/// `readv(fd, pieces, count)`.
pub fn readv(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let open = p.fds.usable(call.args[0])?;
    each_piece(p, call, |p, addr, len, _| read_at(p, &open, addr, len, None))
}

/// `preadv(fd, pieces, count, low, high)`, and `preadv2`, whose offset of -1 is the file's position.
pub fn preadv(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let (open, at) = positioned_pieces(p, call)?;
    each_piece(p, call, |p, addr, len, done| read_at(p, &open, addr, len, at.map(|at| at + done)))
}

/// `write(fd, buf, len)`.
pub fn write(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [fd, addr, len, ..] = call.args;
    let open = p.fds.usable(fd)?;
    write_at(p, &open, addr, len, None)
}

/// `pwrite64(fd, buf, len, offset)`.
pub fn pwrite64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [fd, addr, len, ..] = call.args;
    let (open, offset) = (positioned(p, fd)?, p.long_argument(call, 3));
    write_at(p, &open, addr, len, Some(position(offset)?))
}

/// `writev(fd, pieces, count)`.
pub fn writev(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let open = p.fds.usable(call.args[0])?;
    each_piece(p, call, |p, addr, len, _| write_at(p, &open, addr, len, None))
}

/// `pwritev(fd, pieces, count, low, high)`, and `pwritev2`.
pub fn pwritev(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let (open, at) = positioned_pieces(p, call)?;
    each_piece(p, call, |p, addr, len, done| write_at(p, &open, addr, len, at.map(|at| at + done)))
}

/// What has positions to read and write at.
fn positioned(p: &Process, fd: u64) -> Result<Shared, Errno> {
    let open = p.fds.usable(fd)?;
    if matches!(open.borrow().object, Object::Node(_)) { Ok(open) } else { Err(Errno::SPipe) }
}

fn position(offset: u64) -> Result<u64, Errno> {
    if offset > i64::MAX as u64 { Err(Errno::Inval) } else { Ok(offset) }
}

/// The position of `preadv` and its kind comes in two words on all machines.
fn positioned_pieces(p: &Process, call: &Call) -> Result<(Shared, Option<u64>), Errno> {
    let offset = if p.order.word == 8 { call.args[3] } else { call.args[3] | call.args[4] << 32 };
    let takes_flags = p.table.get(call.number).is_some_and(|entry| entry.name.ends_with('2'));
    if takes_flags && offset == u64::MAX {
        return Ok((p.fds.usable(call.args[0])?, None));
    }
    Ok((positioned(p, call.args[0])?, Some(position(offset)?)))
}

/// How many bytes a call is about: no negative number of them, and not more than Linux does at a time. On a machine of
/// 64 bits so many are in no process's memory, which is what Linux looks at first.
fn count(p: &Process, len: u64) -> Result<u64, Errno> {
    match p.order.word {
        4 if (len as i32) < 0 => Err(Errno::Inval),
        8 if (len as i64) < 0 => Err(Errno::Fault),
        _ => Ok(len.min(MAX_COUNT)),
    }
}

fn read_at(p: &mut Process, open: &Shared, addr: u64, len: u64, at: Option<u64>) -> Result<u64, Stop> {
    let len = count(p, len)?;
    // No more than there is room for, so that a wild length allocates nothing.
    let room = p.user().writable(addr, len)?;
    let mut buf = vec![0; room as usize];
    let n = take(p, open, &mut buf, at)?;
    p.user().write(addr, &buf[..n])?;
    Ok(n as u64)
}

/// Reads what is open into a buffer of the kernel's.
fn take(p: &mut Process, open: &Shared, buf: &mut [u8], at: Option<u64>) -> Result<usize, Stop> {
    if matches!(open.borrow().object, Object::Input(_)) {
        return input(p, open, buf);
    }
    p.pull_shared(open);
    let now = p.files.now;
    let mut io = Io { random: &mut p.random, room: &p.budget, now };
    let outcome = open.borrow_mut().read(buf, at, &mut io);
    let n = outcome.map_err(|refusal| refused(open, refusal))?;
    if waited_for(open) {
        p.files_changed();
    }
    Ok(n)
}

/// Reads from the host's standard input.
fn input(p: &mut Process, open: &Shared, buf: &mut [u8]) -> Result<usize, Stop> {
    let Object::Input(input) = &open.borrow().object else { return Err(Errno::BadF.into()) };
    if buf.is_empty() {
        return Ok(0);
    }
    if !p.look_for_input(buf.len()) {
        return Err(refused(open, Refusal::NotNow));
    }
    let n = p.host.read_input(buf).map_err(|_| Errno::Io)?;
    input.ready.set(false);
    input.changes.set(input.changes.get() + 1);
    Ok(n)
}

/// Whether others may wait for something to be read or written here.
fn waited_for(open: &Shared) -> bool {
    !matches!(open.borrow().object, Object::Node(_))
}

fn write_at(p: &mut Process, open: &Shared, addr: u64, len: u64, at: Option<u64>) -> Result<u64, Stop> {
    let len = count(p, len)?;
    // What is there is written; a range that ends in a hole is written up to it.
    let len = p.user().readable(addr, len)?;
    let bytes = p.user().bytes(addr, len as usize)?;
    put(p, open, &bytes, at)
}

/// Writes bytes of the kernel's to what is open.
fn put(p: &mut Process, open: &Shared, bytes: &[u8], at: Option<u64>) -> Result<u64, Stop> {
    let stream = match open.borrow().object {
        Object::Output(stream) => Some(stream),
        _ => None,
    };
    if let Some(stream) = stream {
        p.emit(stream, bytes);
        return Ok(bytes.len() as u64);
    }
    p.pull_shared(open);
    let now = p.files.now;
    let mut io = Io { random: &mut p.random, room: &p.budget, now };
    let outcome = open.borrow_mut().write(bytes, at, &mut io);
    if outcome == Err(Refusal::Error(Errno::Pipe)) {
        let tid = p.thread().tid;
        p.send_to_thread(tid, Signal { number: PIPE, cause: Cause::Sent { code: SI_USER, pid: PID } });
    }
    let n = outcome.map_err(|refusal| refused(open, refusal))?;
    p.push_shared(open);
    if waited_for(open) {
        p.files_changed();
    }
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
    mut one: impl FnMut(&mut Process, u64, u64, u64) -> Result<u64, Stop>,
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
        if len == 0 {
            continue;
        }
        match one(p, addr, len, total) {
            Ok(n) => {
                total += n;
                if n < len {
                    break;
                }
            }
            Err(_) if total > 0 => break,
            Err(stop) => return Err(stop),
        }
        if total >= MAX_COUNT {
            break;
        }
    }
    Ok(total)
}

/// `copy_file_range(in, in_offset, out, out_offset, len, flags)`.
pub fn copy_file_range(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [from, from_at, to, to_at, len, flags] = call.args;
    let (source, target) = (p.fds.usable(from)?, p.fds.usable(to)?);
    let access = (source.borrow().access().0, target.borrow().access().1);
    for open in [&source, &target] {
        match open.borrow().node().map(|node| &node.kind) {
            Some(Kind::Folder(_) | Kind::HostFolder(_)) => return Err(Errno::IsDir.into()),
            Some(Kind::File(_) | Kind::Host(_) | Kind::Fixed(_)) if flags == 0 => {}
            _ => return Err(Errno::Inval.into()),
        }
    }
    if access != (true, true) || target.borrow().flags & super::super::flags::O_APPEND != 0 {
        return Err(Errno::BadF.into());
    }
    let place = |p: &mut Process, at: u64| if at == 0 { Ok(None) } else { p.user().u64(at).map(Some) };
    let (mut from_position, mut to_position) = (place(p, from_at)?, place(p, to_at)?);
    let starts = [(&source, from_position), (&target, to_position)]
        .map(|(open, at)| at.unwrap_or_else(|| open.borrow().offset));
    let same = source.borrow().node().zip(target.borrow().node()).is_some_and(|(a, b)| Rc::ptr_eq(a, b));
    if same && starts[0].abs_diff(starts[1]) < len {
        return Err(Errno::Inval.into());
    }
    let copied = copy(p, &source, &target, &mut from_position, &mut to_position, len)?;
    for (at, position) in [(from_at, from_position), (to_at, to_position)] {
        if let Some(position) = position {
            p.user().put_u64(at, position)?;
        }
    }
    Ok(copied)
}

/// `sendfile(out, in, offset, len)`, with an offset of one word.
pub fn sendfile(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let at = call.args[2];
    let position = if at == 0 { None } else { Some(p.user().word(at)?) };
    let (sent, position) = send_file(p, call, position)?;
    if let Some(position) = position {
        let record = super::super::user::Record::new(p.order).word(position).finish();
        p.user().write(at, &record)?;
    }
    Ok(sent)
}

/// `sendfile64(out, in, offset, len)` of 32-bit machines.
pub fn sendfile64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let at = call.args[2];
    let position = if at == 0 { None } else { Some(p.user().u64(at)?) };
    let (sent, position) = send_file(p, call, position)?;
    if let Some(position) = position {
        p.user().put_u64(at, position)?;
    }
    Ok(sent)
}

fn send_file(p: &mut Process, call: &Call, mut at: Option<u64>) -> Result<(u64, Option<u64>), Stop> {
    let [to, from, _, len, ..] = call.args;
    let (source, target) = (p.fds.usable(from)?, p.fds.usable(to)?);
    if !matches!(source.borrow().object, Object::Node(_)) {
        return Err(Errno::Inval.into());
    }
    let sent = copy(p, &source, &target, &mut at, &mut None, len)?;
    Ok((sent, at))
}

/// Copies bytes from one open file to another.
fn copy(
    p: &mut Process,
    source: &Shared,
    target: &Shared,
    from: &mut Option<u64>,
    to: &mut Option<u64>,
    len: u64,
) -> Result<u64, Stop> {
    let mut copied = 0;
    let len = len.min(MAX_COUNT);
    let mut buf = vec![0; CHUNK];
    while copied < len {
        let want = (len - copied).min(CHUNK as u64) as usize;
        let at = from.unwrap_or(source.borrow().offset);
        let n = take(p, source, &mut buf[..want], Some(at))?;
        if n == 0 {
            break;
        }
        let written = match put(p, target, &buf[..n], *to) {
            Ok(written) => written,
            Err(_) if copied > 0 => break,
            Err(stop) => return Err(stop),
        };
        match from {
            Some(position) => *position += written,
            None => source.borrow_mut().offset += written,
        }
        if let Some(position) = to {
            *position += written;
        }
        copied += written;
        if written < n as u64 {
            break;
        }
    }
    Ok(copied)
}
