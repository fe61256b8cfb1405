//! Timers: `setitimer`, `timer_create` and `timerfd_create`.

use std::rc::Rc;

use super::super::arch::signals::ALRM;
use super::super::errno::Errno;
use super::super::event::Counter;
use super::super::fd::Object;
use super::super::flags::{O_CLOEXEC, O_NONBLOCK};
use super::super::process::Process;
use super::super::signal::SI_KERNEL;
use super::super::table::Stop;
use super::super::thread::{Call, PID};
use super::super::timer::{Notify, Timer, TimerClock, TimerId};
use super::super::user::Record;
use super::time::nanoseconds;

const SECOND: u64 = 1_000_000_000;

const CLOCK_REALTIME: u64 = 0;
const CLOCK_MONOTONIC: u64 = 1;
const CLOCK_PROCESS_CPUTIME_ID: u64 = 2;
const CLOCK_THREAD_CPUTIME_ID: u64 = 3;
const CLOCK_BOOTTIME: u64 = 7;
const CLOCK_REALTIME_ALARM: u64 = 8;
const CLOCK_BOOTTIME_ALARM: u64 = 9;
const ABSTIME: u64 = 1;

/// `si_code` of `timer_create`'s signals.
const SI_TIMER: i32 = -2;

/// The clock of a timer, and whether it shows the time of day.
fn clock(p: &mut Process, id: u64) -> Result<(TimerClock, bool), Errno> {
    match id & 0xffff_ffff {
        CLOCK_REALTIME | CLOCK_REALTIME_ALARM => Ok((TimerClock::Real, true)),
        CLOCK_MONOTONIC | CLOCK_BOOTTIME | CLOCK_BOOTTIME_ALARM => Ok((TimerClock::Real, false)),
        CLOCK_PROCESS_CPUTIME_ID => Ok((TimerClock::Process, false)),
        CLOCK_THREAD_CPUTIME_ID => Ok((TimerClock::Thread(p.thread().tid), false)),
        // Of another thread or process: its number's complement, and which clock.
        other if other & 0x8000_0000 != 0 => {
            let tid = !((other as i32) >> 3) as u32;
            match other & 7 {
                6 if tid == 0 => Ok((TimerClock::Thread(p.thread().tid), false)),
                6 if p.threads.get(tid).is_some() => Ok((TimerClock::Thread(tid), false)),
                2 if tid == 0 || tid == PID => Ok((TimerClock::Process, false)),
                _ => Err(Errno::Inval),
            }
        }
        _ => Err(Errno::Inval),
    }
}

/// Two times at an address, the interval and the value, in nanoseconds: of seconds and of units that
/// are `unit` nanoseconds.
fn pair(p: &mut Process, addr: u64, width: u64, unit: u64) -> Result<(u64, u64), Errno> {
    let user = p.user();
    let int = |at: u64| -> Result<i64, Errno> {
        if width == 8 { user.u64(at).map(|v| v as i64) } else { user.u32(at).map(|v| (v as i32).into()) }
    };
    let time = |at: u64| -> Result<u64, Errno> {
        let (sec, part) = (int(at)?, int(at.wrapping_add(width))?);
        let part = if width == 8 { nanoseconds(user.order(), part as u64) as i64 } else { part };
        let sec = u64::try_from(sec).map_err(|_| Errno::Inval)?;
        let part = u64::try_from(part).ok().filter(|part| *part < SECOND / unit).ok_or(Errno::Inval)?;
        Ok(sec.saturating_mul(SECOND).saturating_add(part * unit))
    };
    Ok((time(addr)?, time(addr.wrapping_add(2 * width))?))
}

/// Writes a timer's interval and what is left of it.
fn tell(p: &mut Process, addr: u64, timer: Option<&Timer>, width: u64, unit: u64) -> Result<(), Errno> {
    let (interval, left) = match timer {
        None => (0, 0),
        Some(timer) => {
            let left = timer.next.map_or(0, |next| next.saturating_sub(p.timer_time(timer.clock)).max(1));
            (timer.interval, left)
        }
    };
    let times = [interval / SECOND, interval % SECOND / unit, left / SECOND, left % SECOND / unit];
    let record = Record::new(p.order);
    let record = if width == 8 {
        times.into_iter().fold(record, Record::u64)
    } else {
        times.into_iter().fold(record, Record::word)
    };
    p.user().write(addr, &record.finish())
}

/// The three of `setitimer`: their clocks and signals.
fn interval_timer(p: &Process, which: u64) -> Result<(TimerClock, u32), Errno> {
    match which {
        0 => Ok((TimerClock::Real, ALRM)),
        1 => Ok((TimerClock::Process, p.linux.signals.vtalrm)),
        2 => Ok((TimerClock::Process, p.linux.signals.prof)),
        _ => Err(Errno::Inval),
    }
}

/// `setitimer(which, new, old)`.
pub fn setitimer(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [which, new, old, ..] = call.args;
    let (clock, signal) = interval_timer(p, which)?;
    let (width, id) = (p.order.word, TimerId::Interval(which));
    let (interval, value) = if new == 0 { (0, 0) } else { pair(p, new, width, 1000)? };
    let was = p.timers.remove(id);
    if value > 0 {
        let next = Some(p.timer_time(clock).saturating_add(value));
        let notify = Notify::Signal(signal, SI_KERNEL, None);
        p.timers.set(id, Timer { clock, wall: false, next, interval, notify, overrun: 0 });
    }
    if old != 0 {
        tell(p, old, was.as_ref(), width, 1000)?;
    }
    Ok(0)
}

/// `getitimer(which, value)`.
pub fn getitimer(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [which, addr, ..] = call.args;
    interval_timer(p, which)?;
    let timer = p.timers.get(TimerId::Interval(which)).cloned();
    let width = p.order.word;
    tell(p, addr, timer.as_ref(), width, 1000)?;
    Ok(0)
}

/// `alarm(seconds)`.
pub fn alarm(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let seconds = call.args[0] & 0xffff_ffff;
    let (id, now) = (TimerId::Interval(0), p.timer_time(TimerClock::Real));
    let left = p.timers.remove(id).and_then(|was| was.next).map_or(0, |next| next.saturating_sub(now));
    if seconds > 0 {
        let next = Some(now + seconds * SECOND);
        let notify = Notify::Signal(ALRM, SI_KERNEL, None);
        p.timers
            .set(id, Timer { clock: TimerClock::Real, wall: false, next, interval: 0, notify, overrun: 0 });
    }
    Ok(left.div_ceil(SECOND))
}

/// `timer_create(clock, sigevent, id)`.
pub fn timer_create(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    const SIGEV_SIGNAL: u32 = 0;
    const SIGEV_NONE: u32 = 1;
    const SIGEV_THREAD_ID: u32 = 4;
    let [id, event, out, ..] = call.args;
    let (clock, wall) = clock(p, id)?;
    let notify = if event == 0 {
        Notify::Signal(ALRM, SI_TIMER, None)
    } else {
        let word = p.order.word;
        let user = p.user();
        let field = |n: u64| user.u32(event.wrapping_add(word + 4 * n));
        let (signal, how, tid) = (field(0)?, field(1)?, field(2)?);
        if how != SIGEV_NONE && !(1..=p.linux.signals.last).contains(&signal) {
            return Err(Errno::Inval.into());
        }
        match how {
            SIGEV_NONE => Notify::Nothing,
            SIGEV_SIGNAL => Notify::Signal(signal, SI_TIMER, None),
            SIGEV_THREAD_ID if p.threads.get(tid).is_some() => Notify::Signal(signal, SI_TIMER, Some(tid)),
            _ => return Err(Errno::Inval.into()),
        }
    };
    // It is told before it is made: what can't be told is not made.
    p.user().put_u32(out, 0)?;
    let timer = Timer { clock, wall, next: None, interval: 0, notify, overrun: 0 };
    let id = p.timers.create(timer).ok_or(Errno::Again)?;
    p.user().put_u32(out, id as u32)?;
    Ok(0)
}

/// `timer_delete(id)`.
pub fn timer_delete(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    p.timers.remove(TimerId::Posix(call.args[0] & 0xffff_ffff)).ok_or(Errno::Inval)?;
    Ok(0)
}

/// `timer_getoverrun(id)`.
pub fn timer_getoverrun(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let timer = p.timers.get(TimerId::Posix(call.args[0] & 0xffff_ffff)).ok_or(Errno::Inval)?;
    Ok(timer.overrun.min(i32::MAX as u64))
}

/// `timer_settime(id, flags, new, old)` in words.
pub fn timer_settime(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let id = TimerId::Posix(call.args[0] & 0xffff_ffff);
    set(p, id, call, p.order.word)
}

/// `timer_settime64(id, flags, new, old)`.
pub fn timer_settime64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    set(p, TimerId::Posix(call.args[0] & 0xffff_ffff), call, 8)
}

/// `timer_gettime(id, value)` in words.
pub fn timer_gettime(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let id = TimerId::Posix(call.args[0] & 0xffff_ffff);
    get(p, id, call, p.order.word)
}

/// `timer_gettime64(id, value)`.
pub fn timer_gettime64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    get(p, TimerId::Posix(call.args[0] & 0xffff_ffff), call, 8)
}

/// Sets a timer that exists: `(…, flags, new, old)`.
fn set(p: &mut Process, id: TimerId, call: &Call, width: u64) -> Result<u64, Stop> {
    let [_, flags, new, old, ..] = call.args;
    let (interval, value) = pair(p, new, width, 1)?;
    let was = p.timers.get(id).cloned().ok_or(Errno::Inval)?;
    let now = p.timer_time(was.clock);
    let next = match value {
        0 => None,
        // The time of day is the monotonic clock's plus what it was at the start.
        at if flags & ABSTIME != 0 && was.wall => {
            Some(at.saturating_sub(p.clock.wall() - p.clock.monotonic()))
        }
        at if flags & ABSTIME != 0 => Some(at),
        after => Some(now.saturating_add(after)),
    };
    if old != 0 {
        tell(p, old, Some(&was), width, 1)?;
    }
    if let Some(timer) = p.timers.get(id) {
        (timer.next, timer.interval, timer.overrun) = (next, interval, 0);
    }
    Ok(0)
}

fn get(p: &mut Process, id: TimerId, call: &Call, width: u64) -> Result<u64, Stop> {
    let timer = p.timers.get(id).cloned().ok_or(Errno::Inval)?;
    tell(p, call.args[1], Some(&timer), width, 1)?;
    Ok(0)
}

/// `timerfd_create(clock, flags)`.
pub fn timerfd_create(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [id, flags, ..] = call.args;
    let flags = p.linux.open_flags_from(flags as u32);
    let (clock, wall) = clock(p, id)?;
    if clock != TimerClock::Real || flags & !(O_NONBLOCK | O_CLOEXEC) != 0 {
        return Err(Errno::Inval.into());
    }
    let fd = p.fds.open(Object::Counter(Counter::timer(p.order.big)), flags, None)?;
    let open = p.fds.get(fd)?;
    let notify = Notify::File(Rc::downgrade(&open));
    let timer = Timer { clock, wall, next: None, interval: 0, notify, overrun: 0 };
    p.timers.set(TimerId::File(open.borrow().id), timer);
    Ok(fd)
}

/// The timer of a `timerfd`.
fn of_descriptor(p: &Process, fd: u64) -> Result<TimerId, Errno> {
    let open = p.fds.usable(fd)?;
    let open = open.borrow();
    if matches!(open.object, Object::Counter(_)) { Ok(TimerId::File(open.id)) } else { Err(Errno::Inval) }
}

fn set_file(p: &mut Process, call: &Call, width: u64) -> Result<u64, Stop> {
    let id = of_descriptor(p, call.args[0])?;
    set(p, id, call, width)?;
    if let Object::Counter(counter) = &mut p.fds.get(call.args[0])?.borrow_mut().object {
        counter.reset();
    }
    Ok(0)
}

/// `timerfd_settime(fd, flags, new, old)` in words.
pub fn timerfd_settime(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    set_file(p, call, p.order.word)
}

/// `timerfd_settime64(fd, flags, new, old)`.
pub fn timerfd_settime64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    set_file(p, call, 8)
}

/// `timerfd_gettime(fd, value)` in words.
pub fn timerfd_gettime(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let id = of_descriptor(p, call.args[0])?;
    get(p, id, call, p.order.word)
}

/// `timerfd_gettime64(fd, value)`.
pub fn timerfd_gettime64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let id = of_descriptor(p, call.args[0])?;
    get(p, id, call, 8)
}
