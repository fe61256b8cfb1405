//! `poll` and `select`: waiting for some of a list of open files.

use super::super::errno::Errno;
use super::super::fd::{MAX_FILES, Object, POLLERR, POLLHUP, POLLIN, POLLOUT};
use super::super::process::Process;
use super::super::table::Stop;
use super::super::thread::{Call, Wait};
use super::time;

/// The file is not open.
const POLLNVAL: u32 = 32;
/// Normal and priority input, and output, by their newer names.
const RDNORM: u32 = 0x40;
const WRNORM: u32 = 0x100;

/// How much of standard input is read ahead for who only asks whether there is some, in bytes.
pub const READ_AHEAD: usize = 4096;

const SECOND: u64 = 1_000_000_000;

/// What a descriptor is ready for, as `poll` bits.
fn ready(p: &mut Process, fd: u64) -> u32 {
    let Ok(open) = p.fds.usable(fd) else { return POLLNVAL };
    if matches!(open.borrow().object, Object::Input(_)) {
        p.look_for_input(READ_AHEAD);
    }
    let bits = open.borrow().ready();
    let newer = |from: u32, to: u32| if bits & from != 0 { to } else { 0 };
    bits | newer(POLLIN, RDNORM) | newer(POLLOUT, WRNORM)
}

/// Waits, or gives up: a call that has waited keeps its deadline.
fn wait(p: &Process, call: &Call, timeout: Option<u64>) -> Result<u64, Stop> {
    let now = p.clock.monotonic();
    let deadline = if call.again { call.deadline } else { timeout.map(|t| p.clock.after(t)) };
    match deadline {
        Some(moment) if moment <= now => Ok(0),
        deadline => Err(Stop::Block(Wait::File, deadline)),
    }
}

/// `poll(fds, count, milliseconds)`.
pub fn poll(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let timeout = match call.args[2] as i32 {
        ms @ 0.. => Some(ms as u64 * 1_000_000),
        _ => None,
    };
    do_poll(p, call, timeout)
}

/// `ppoll(fds, count, timespec, mask)` in words.
pub fn ppoll(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let timeout = optional(p, call.args[2], p.order.word)?;
    do_poll(p, call, timeout)
}

/// `ppoll_time64(fds, count, timespec, mask)`.
pub fn ppoll_time64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let timeout = optional(p, call.args[2], 8)?;
    do_poll(p, call, timeout)
}

fn optional(p: &mut Process, addr: u64, width: u64) -> Result<Option<u64>, Errno> {
    if addr == 0 { Ok(None) } else { time::timespec(p, addr, width).map(Some) }
}

fn do_poll(p: &mut Process, call: &Call, timeout: Option<u64>) -> Result<u64, Stop> {
    let [addr, count, ..] = call.args;
    let count = count as u32;
    if u64::from(count) > p.fds.limit() {
        return Err(Errno::Inval.into());
    }
    let mut answers = Vec::new();
    let mut found = 0;
    for at in (0..count.into()).map(|i: u64| addr.wrapping_add(8 * i)) {
        let fd = p.user().u32(at)?;
        let events = p.user().bytes(at.wrapping_add(4), 2)?;
        let events = p.order.decode(&events) as u32;
        let bits =
            if (fd as i32) < 0 { 0 } else { ready(p, fd.into()) & (events | POLLERR | POLLHUP | POLLNVAL) };
        found += u64::from(bits != 0);
        answers.push((at, bits));
    }
    if found == 0 {
        wait(p, call, timeout)?;
    }
    for (at, bits) in answers {
        let (bytes, len) = p.order.encode(bits.into(), 2);
        p.user().write(at.wrapping_add(6), &bytes[..len])?;
    }
    Ok(found)
}

/// `select(n, read, write, except, timeval)`.
pub fn select(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let word = p.order.word;
    let timeout = match call.args[4] {
        0 => None,
        at => {
            let user = p.user();
            let (sec, usec) = (user.word(at)?, user.word(at.wrapping_add(word))?);
            Some(sec.saturating_mul(SECOND).saturating_add(usec.saturating_mul(1000)))
        }
    };
    do_select(p, call, timeout)
}

/// `select(args)`, whose arguments lie in memory.
pub fn old_select(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let args = p.arguments_at(call.args[0])?;
    select(p, &Call { args, ..*call })
}

/// `pselect6(n, read, write, except, timespec, mask)` in words.
pub fn pselect6(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let timeout = optional(p, call.args[4], p.order.word)?;
    do_select(p, call, timeout)
}

/// `pselect6_time64(n, read, write, except, timespec, mask)`.
pub fn pselect6_time64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let timeout = optional(p, call.args[4], 8)?;
    do_select(p, call, timeout)
}

/// Sets of descriptors are arrays of words, whose lowest bit is the first.
fn do_select(p: &mut Process, call: &Call, timeout: Option<u64>) -> Result<u64, Stop> {
    let [count, sets @ .., _, _] = call.args;
    if (count as i32) < 0 {
        return Err(Errno::Inval.into());
    }
    let count = (count as u32).min(MAX_FILES as u32) as u64;
    let word = p.order.word;
    let bits = word * 8;
    // A set is ready for what is asked, for an error, or for neither.
    let wanted = [POLLIN | POLLHUP | POLLERR, POLLOUT | POLLERR, 0];
    let mut answers = Vec::new();
    let mut found = 0;
    for (&set, wanted) in sets.iter().zip(wanted).filter(|(set, _)| **set != 0) {
        for at in 0..count.div_ceil(bits) {
            let addr = set.wrapping_add(at * word);
            let asked = p.user().word(addr)?;
            let mut answer = 0;
            for fd in (0..bits).filter(|bit| asked >> bit & 1 != 0 && at * bits + bit < count) {
                let ready = ready(p, at * bits + fd);
                if ready & POLLNVAL != 0 {
                    return Err(Errno::BadF.into());
                }
                answer |= u64::from(ready & wanted != 0) << fd;
            }
            found += u64::from(answer.count_ones());
            answers.push((addr, answer));
        }
    }
    if found == 0 {
        wait(p, call, timeout)?;
    }
    for (addr, answer) in answers {
        let (bytes, len) = p.order.encode(answer, word as usize);
        p.user().write(addr, &bytes[..len])?;
    }
    Ok(found)
}
