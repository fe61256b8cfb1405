//! Pipes, `eventfd` and `epoll`.

use std::rc::Rc;

use super::super::epoll::Epoll;
use super::super::errno::Errno;
use super::super::event::Counter;
use super::super::fd::Object;
use super::super::flags::{O_CLOEXEC, O_NONBLOCK, O_RDWR, O_WRONLY};
use super::super::pipe::PipeEnd;
use super::super::process::Process;
use super::super::table::Stop;
use super::super::thread::{Call, Wait};
use super::super::user::Record;
use crate::machine::Register;

const EPOLL_CTL_ADD: u64 = 1;
const EPOLL_CTL_DEL: u64 = 2;
const EPOLL_CTL_MOD: u64 = 3;

/// Events that one call takes at most.
const MAX_EVENTS: u64 = 1 << 16;

/// `pipe(fds)`.
pub fn pipe(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    make_pipe(p, call.args[0], 0)
}

/// `pipe2(fds, flags)`.
pub fn pipe2(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    make_pipe(p, call.args[0], call.args[1])
}

/// `pipe()` of MIPS, which answers in two registers.
pub fn sysm_pipe(p: &mut Process, _: &Call) -> Result<u64, Stop> {
    const SECOND_RESULT: Register = Register::General(3);
    let [from, to] = open_pipe(p, 0)?;
    p.machine.set(SECOND_RESULT, to).map_err(|_| Errno::NoSys)?;
    Ok(from)
}

fn make_pipe(p: &mut Process, addr: u64, flags: u64) -> Result<u64, Stop> {
    let [from, to] = open_pipe(p, flags)?;
    let record = Record::new(p.order).u32(from as u32).u32(to as u32).finish();
    if let Err(errno) = p.user().write(addr, &record) {
        p.fds.close(to)?;
        p.fds.close(from)?;
        return Err(errno.into());
    }
    Ok(0)
}

/// Opens both ends of a pipe, or neither.
fn open_pipe(p: &mut Process, flags: u64) -> Result<[u64; 2], Errno> {
    let flags = p.linux.open_flags_from(flags as u32) & (O_NONBLOCK | O_CLOEXEC);
    let (reader, writer) = PipeEnd::pair();
    let from = p.fds.open(Object::Pipe(reader, None), flags, None)?;
    match p.fds.open(Object::Pipe(writer, None), flags | O_WRONLY, None) {
        Ok(to) => Ok([from, to]),
        Err(errno) => p.fds.close(from).and(Err(errno)),
    }
}

/// `eventfd(value)`.
pub fn eventfd(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let counter = Counter::event(call.args[0] & 0xffff_ffff, false, p.order.big);
    Ok(p.fds.open(Object::Counter(counter), O_RDWR, None)?)
}

/// `eventfd2(value, flags)`.
pub fn eventfd2(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    const SEMAPHORE: u32 = 1;
    let flags = p.linux.open_flags_from(call.args[1] as u32);
    if flags & !(SEMAPHORE | O_NONBLOCK | O_CLOEXEC) != 0 {
        return Err(Errno::Inval.into());
    }
    let counter = Counter::event(call.args[0] & 0xffff_ffff, flags & SEMAPHORE != 0, p.order.big);
    Ok(p.fds.open(Object::Counter(counter), flags & !SEMAPHORE | O_RDWR, None)?)
}

/// `epoll_create(size)`.
pub fn epoll_create(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    if call.args[0] as i32 <= 0 {
        return Err(Errno::Inval.into());
    }
    Ok(p.fds.open(Object::Epoll(Epoll::default()), O_RDWR, None)?)
}

/// `epoll_create1(flags)`.
pub fn epoll_create1(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let flags = call.args[0] as u32 & O_CLOEXEC;
    Ok(p.fds.open(Object::Epoll(Epoll::default()), flags | O_RDWR, None)?)
}

/// `epoll_ctl(epoll, operation, fd, event)`.
pub fn epoll_ctl(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [epoll, operation, fd, event, ..] = call.args;
    let poll = p.fds.usable(epoll)?;
    let open = p.fds.usable(fd)?;
    if Rc::ptr_eq(&poll, &open) {
        return Err(Errno::Inval.into());
    }
    let mut poll = poll.borrow_mut();
    let Object::Epoll(poll) = &mut poll.object else { return Err(Errno::Inval.into()) };
    let fd = fd as i32;
    if operation == EPOLL_CTL_DEL {
        poll.delete(fd)?;
        return Ok(0);
    }
    let data_at = p.linux.layouts.epoll.data as u64;
    let events = p.user().u32(event)?;
    let mut data = [0; 8];
    p.user().read(event.wrapping_add(data_at), &mut data)?;
    match operation {
        EPOLL_CTL_ADD => poll.add(fd, &open, events, data)?,
        EPOLL_CTL_MOD => poll.modify(fd, events, data)?,
        _ => return Err(Errno::Inval.into()),
    }
    p.files_changed();
    Ok(0)
}

/// `epoll_wait(epoll, events, count, milliseconds)`, and `epoll_pwait` with a mask.
pub fn epoll_wait(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let timeout = match call.args[3] as i32 {
        ms @ 0.. => Some(ms as u64 * 1_000_000),
        _ => None,
    };
    wait(p, call, timeout)
}

/// `epoll_pwait2(epoll, events, count, timespec, mask)`.
pub fn epoll_pwait2(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let timeout = match call.args[3] {
        0 => None,
        at => Some(super::time::timespec(p, at, 8)?),
    };
    wait(p, call, timeout)
}

fn wait(p: &mut Process, call: &Call, timeout: Option<u64>) -> Result<u64, Stop> {
    let [epoll, addr, max, ..] = call.args;
    let max = u64::from(max as u32);
    if max == 0 || max > MAX_EVENTS {
        return Err(Errno::Inval.into());
    }
    let poll = p.fds.usable(epoll)?;
    let watches = match &poll.borrow().object {
        Object::Epoll(epoll) => epoll.watches_input(),
        _ => return Err(Errno::Inval.into()),
    };
    if watches {
        p.look_for_input(super::select::READ_AHEAD);
    }
    let ready = match &mut poll.borrow_mut().object {
        Object::Epoll(epoll) => epoll.take_ready(max as usize),
        _ => Vec::new(),
    };
    if ready.is_empty() {
        let now = p.clock.monotonic();
        let deadline = if call.again { call.deadline } else { timeout.map(|t| p.clock.after(t)) };
        return match deadline {
            Some(moment) if moment <= now => Ok(0),
            deadline => Err(Stop::Block(Wait::File, deadline)),
        };
    }
    let layout = p.linux.layouts.epoll;
    let record = ready.iter().enumerate().fold(Record::new(p.order), |record, (i, event)| {
        let start = i * layout.size;
        record.pad_to(start).u32(event.events).pad_to(start + layout.data).raw(&event.data)
    });
    p.user().write(addr, &record.finish())?;
    Ok(ready.len() as u64)
}
