//! Time, all of it virtual.

use super::super::errno::Errno;
use super::super::process::Process;
use super::super::table::Stop;
use super::super::thread::{Call, Wait};
use super::super::timer::TimerClock;
use super::super::user::{Order, Record};

const SECOND: u64 = 1_000_000_000;

/// Clocks that show the time of day, and those that show how much was executed; all others show the time
/// since the machine was booted.
const CLOCK_REALTIME: u64 = 0;
const CLOCK_PROCESS_CPUTIME_ID: u64 = 2;
const CLOCK_THREAD_CPUTIME_ID: u64 = 3;
const CLOCK_REALTIME_COARSE: u64 = 5;
const HIGHEST_CLOCK: u64 = 11;

const TIMER_ABSTIME: u64 = 1;

/// The `timespec` at an address, in nanoseconds; its seconds have `width` bytes.
pub fn timespec(p: &mut Process, addr: u64, width: u64) -> Result<u64, Errno> {
    let user = p.user();
    let (sec, nsec) = match width {
        8 => (user.u64(addr)?, nanoseconds(user.order(), user.u64(addr.wrapping_add(8))?)),
        _ => (user.u32(addr)?.into(), user.u32(addr.wrapping_add(4))?.into()),
    };
    if nsec >= SECOND || sec > i64::MAX as u64 {
        return Err(Errno::Inval);
    }
    Ok(sec.saturating_mul(SECOND).saturating_add(nsec))
}

/// The nanoseconds in a `timespec` of 64 bits. On a 32-bit machine the kernel drops the upper half: it may be padding.
pub fn nanoseconds(order: Order, field: u64) -> u64 {
    if order.word == 4 { field & 0xffff_ffff } else { field }
}

fn now(p: &mut Process, clock: u64) -> Result<u64, Errno> {
    let tid = p.thread().tid;
    match clock {
        CLOCK_REALTIME | CLOCK_REALTIME_COARSE => Ok(p.clock.wall()),
        CLOCK_PROCESS_CPUTIME_ID => Ok(p.timer_time(TimerClock::Process)),
        CLOCK_THREAD_CPUTIME_ID => Ok(p.timer_time(TimerClock::Thread(tid))),
        0..=HIGHEST_CLOCK => Ok(p.clock.monotonic()),
        _ => Err(Errno::Inval),
    }
}

/// `clock_gettime(clock, timespec)` in words.
pub fn clock_gettime(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let time = now(p, call.args[0])?;
    let record = Record::new(p.order).word(time / SECOND).word(time % SECOND).finish();
    p.user().write(call.args[1], &record)?;
    Ok(0)
}

/// `clock_gettime64(clock, timespec)` in 64 bits everywhere.
pub fn clock_gettime64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let time = now(p, call.args[0])?;
    let record = Record::new(p.order).u64(time / SECOND).u64(time % SECOND).finish();
    p.user().write(call.args[1], &record)?;
    Ok(0)
}

/// `gettimeofday(timeval, zone)`.
pub fn gettimeofday(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let time = p.clock.wall();
    if call.args[0] != 0 {
        let record = Record::new(p.order).word(time / SECOND).word(time % SECOND / 1000).finish();
        p.user().write(call.args[0], &record)?;
    }
    Ok(0)
}

/// `time(where)`.
pub fn time(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let seconds = p.clock.wall() / SECOND;
    if call.args[0] != 0 {
        let record = Record::new(p.order).word(seconds).finish();
        p.user().write(call.args[0], &record)?;
    }
    Ok(seconds)
}

/// Sleeps for so many nanoseconds.
fn sleep(p: &Process, nanoseconds: u64) -> Stop {
    Stop::Block(Wait::Time, Some(p.clock.after(nanoseconds)))
}

/// `nanosleep(timespec, rest)`.
pub fn nanosleep(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let length = timespec(p, call.args[0], p.order.word)?;
    Err(sleep(p, length))
}

/// `clock_nanosleep(clock, flags, timespec, rest)`.
pub fn clock_nanosleep(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [clock, flags, addr, ..] = call.args;
    let moment = timespec(p, addr, p.order.word)?;
    if flags & TIMER_ABSTIME == 0 {
        return Err(sleep(p, moment));
    }
    let length = moment.saturating_sub(now(p, clock)?);
    Err(sleep(p, length))
}
