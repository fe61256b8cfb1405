//! Limits of resources: `RLIMIT_NOFILE` limits, and the others are remembered.

use super::super::errno::Errno;
use super::super::fd::{MAX_FILES, START_FILES};
use super::super::process::Process;
use super::super::stack::STACK_SIZE;
use super::super::table::Stop;
use super::super::thread::{Call, PID};
use super::super::user::Record;

const RLIMIT_STACK: u64 = 3;
/// How many resources there are.
const RLIM_NLIMITS: u64 = 16;

/// The limits of a resource, the present one and the highest that the process may choose.
type Limits = (u64, u64);

/// No limit: `RLIM64_INFINITY`.
const NONE: u64 = u64::MAX;

fn get(p: &Process, resource: u64) -> Result<Limits, Errno> {
    match resource {
        RLIM_NLIMITS.. => Err(Errno::Inval),
        _ if p.limits.contains_key(&resource) => Ok(p.limits[&resource]),
        RLIMIT_STACK => Ok((STACK_SIZE, NONE)),
        _ if resource == p.linux.limits.files => Ok((START_FILES as u64, MAX_FILES as u64)),
        _ => Ok((NONE, NONE)),
    }
}

fn set(p: &mut Process, resource: u64, (present, highest): Limits) -> Result<(), Errno> {
    let (_, old) = get(p, resource)?;
    if present > highest {
        return Err(Errno::Inval);
    }
    if highest > old {
        return Err(Errno::Perm);
    }
    p.limits.insert(resource, (present, highest));
    if resource == p.linux.limits.files {
        p.fds.set_limit(present);
    }
    Ok(())
}

/// What no limit is in a `long`, on this machine.
fn infinity(p: &Process) -> u64 {
    p.linux.limits.infinity & (u64::MAX >> (64 - 8 * p.order.word))
}

/// `getrlimit(resource, rlimit)`.
pub fn getrlimit(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let (present, highest) = get(p, call.args[0])?;
    let infinity = infinity(p);
    let record = Record::new(p.order).words([present.min(infinity), highest.min(infinity)]).finish();
    p.user().write(call.args[1], &record)?;
    Ok(0)
}

/// `setrlimit(resource, rlimit)`.
pub fn setrlimit(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [resource, addr, ..] = call.args;
    let (infinity, word) = (infinity(p), p.order.word);
    let user = p.user();
    let limit = |addr| user.word(addr).map(|value| if value >= infinity { NONE } else { value });
    let limits = (limit(addr)?, limit(addr.wrapping_add(word))?);
    Ok(set(p, resource, limits).map(|()| 0)?)
}

/// `prlimit64(pid, resource, new, old)`.
pub fn prlimit64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [pid, resource, new, old, ..] = call.args;
    if !matches!(pid as u32, 0 | PID) {
        return Err(Errno::Srch.into());
    }
    let (present, highest) = get(p, resource)?;
    if new != 0 {
        let limits = (p.user().u64(new)?, p.user().u64(new.wrapping_add(8))?);
        set(p, resource, limits)?;
    }
    if old != 0 {
        let record = Record::new(p.order).u64(present).u64(highest).finish();
        p.user().write(old, &record)?;
    }
    Ok(0)
}
