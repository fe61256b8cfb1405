//! Pipes, `eventfd` and `epoll`.

use std::cell::RefCell;
use std::rc::Rc;

use super::super::epoll::Epoll;
use super::super::errno::Errno;
use super::super::fd::{Counter, Object, Open, PipeEnd};
use super::super::process::Process;
use super::super::thread::{Call, Wait};
use super::super::user::Record;
use super::Stop;
use heapmatrix_writer::AnyTarget;

const EPOLL_CTL_ADD: u64 = 1;
const EPOLL_CTL_DEL: u64 = 2;
const EPOLL_CTL_MOD: u64 = 3;

/// Events that one call takes at most.
const MAX_EVENTS: u64 = 1 << 16;

fn add(p: &mut Process, object: Object, flags: u32) -> Result<u64, Errno> {
    p.fds.add(Rc::new(RefCell::new(Open::new(object, flags))), 0)
}

/// `pipe(fds)`.
pub fn pipe(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    make_pipe(p, call.args[0], 0)
}

/// `pipe2(fds, flags)`.
pub fn pipe2(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    make_pipe(p, call.args[0], call.args[1] as u32)
}

fn make_pipe(p: &mut Process, addr: u64, flags: u32) -> Result<u64, Stop> {
    let (reader, writer) = PipeEnd::pair();
    let from = add(p, Object::Pipe(reader), flags & !3)?;
    let to = add(p, Object::Pipe(writer), flags & !3 | 1)?;
    let record = Record::new(p.order).u32(from as u32).u32(to as u32).finish();
    p.user().write(addr, &record)?;
    Ok(0)
}

/// `eventfd(value)`.
pub fn eventfd(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let counter = Counter::new(call.args[0] & 0xffff_ffff, p.order.big);
    Ok(add(p, Object::Event(counter), 2)?)
}

/// `eventfd2(value, flags)`.
pub fn eventfd2(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let counter = Counter::new(call.args[0] & 0xffff_ffff, p.order.big);
    Ok(add(p, Object::Event(counter), call.args[1] as u32 & !3 | 2)?)
}

/// `epoll_create(size)`.
pub fn epoll_create(p: &mut Process, _: &Call) -> Result<u64, Stop> {
    Ok(add(p, Object::Epoll(Epoll::default()), 2)?)
}

/// `epoll_create1(flags)`.
pub fn epoll_create1(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    epoll_create(p, call)
}

/// Where the data lies in a `struct epoll_event`, and its size: packed on x86 alone.
fn event_layout(target: AnyTarget) -> (u64, u64) {
    match target {
        AnyTarget::Amd64 | AnyTarget::I386 => (4, 12),
        _ => (8, 16),
    }
}

/// `epoll_ctl(epoll, operation, fd, event)`.
pub fn epoll_ctl(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [epoll, operation, fd, event, ..] = call.args;
    let poll = p.fds.get(epoll)?;
    let open = p.fds.get(fd)?;
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
    let (data_at, _) = event_layout(p.target);
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

/// `epoll_wait(epoll, events, count, milliseconds)`.
pub fn epoll_wait(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [epoll, addr, max, timeout, ..] = call.args;
    let max = u64::from(max as u32);
    if max == 0 || max > MAX_EVENTS {
        return Err(Errno::Inval.into());
    }
    let ready = {
        let poll = p.fds.get(epoll)?;
        let mut poll = poll.borrow_mut();
        let Object::Epoll(poll) = &mut poll.object else { return Err(Errno::Inval.into()) };
        poll.take_ready(max as usize)
    };
    if ready.is_empty() {
        let now = p.clock.monotonic();
        let deadline = match timeout as i32 {
            _ if call.again => call.deadline,
            ms @ 0.. => Some(now + ms as u64 * 1_000_000),
            _ => None,
        };
        return match deadline {
            Some(moment) if moment <= now => Ok(0),
            deadline => Err(Stop::Block(Wait::File, deadline)),
        };
    }
    let (data_at, size) = event_layout(p.target);
    let record = ready.iter().enumerate().fold(Record::new(p.order), |record, (i, event)| {
        let start = i * size as usize;
        record.pad_to(start).u32(event.events).pad_to(start + data_at as usize).raw(&event.data)
    });
    p.user().write(addr, &record.finish())?;
    Ok(ready.len() as u64)
}
