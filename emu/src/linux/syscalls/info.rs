//! What a process can ask about itself and the machine.

use heapmatrix_writer::AnyTarget;

use super::super::errno::Errno;
use super::super::fd::MAX_FILES;
use super::super::process::Process;
use super::super::stack::STACK_SIZE;
use super::super::thread::{Call, PID};
use super::super::user::Record;
use super::Stop;

/// The user and group that the process runs as.
const UID: u64 = 1000;

const RLIMIT_STACK: u64 = 3;
const RLIMIT_NOFILE: u64 = 7;

/// Bytes of random data that one call gives at most.
const MAX_RANDOM: u64 = 1 << 20;

/// `getpid()`.
pub fn getpid(_: &mut Process, _: &Call) -> Result<u64, Stop> {
    Ok(PID.into())
}

/// `getppid()`.
pub fn getppid(_: &mut Process, _: &Call) -> Result<u64, Stop> {
    Ok(1)
}

/// `getuid()` and the like.
pub fn getuid(_: &mut Process, _: &Call) -> Result<u64, Stop> {
    Ok(UID)
}

/// `uname(utsname)`: six strings of 65 bytes.
pub fn uname(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let machine = match p.target {
        AnyTarget::Amd64 => "x86_64",
        AnyTarget::I386 => "i686",
        AnyTarget::Arm => "armv7l",
        _ => "ppc64",
    };
    let fields = ["Linux", "heapmatrix", "5.15.0", "#1", machine, ""];
    let record = fields
        .iter()
        .enumerate()
        .fold(Record::new(p.order), |record, (i, field)| record.pad_to(65 * i).raw(field.as_bytes()));
    p.user().write(call.args[0], &record.pad_to(65 * fields.len()).finish())?;
    Ok(0)
}

/// `getrandom(buf, len, flags)`.
pub fn getrandom(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [addr, len, ..] = call.args;
    let mut bytes = vec![0; len.min(MAX_RANDOM) as usize];
    p.random.fill(&mut bytes);
    p.user().write(addr, &bytes)?;
    Ok(bytes.len() as u64)
}

/// `getcpu(cpu, node, cache)`.
pub fn getcpu(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    for addr in [call.args[0], call.args[1]] {
        if addr != 0 {
            p.user().put_u32(addr, 0)?;
        }
    }
    Ok(0)
}

/// `sched_getaffinity(pid, len, mask)`: answers the mask's length.
pub fn sched_getaffinity(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [_, len, addr, ..] = call.args;
    if len < 8 {
        return Err(Errno::Inval.into());
    }
    let mask = if p.cpus >= 64 { u64::MAX } else { (1 << p.cpus) - 1 };
    // An array of words: the order of their halves matters on a big-endian machine only.
    let record = match p.order.word {
        8 => Record::new(p.order).u64(mask),
        _ => Record::new(p.order).u32(mask as u32).u32((mask >> 32) as u32),
    };
    p.user().write(addr, &record.finish())?;
    Ok(8)
}

/// The present and the highest limit of a resource. All but two are unlimited.
fn limit(resource: u64) -> u64 {
    match resource {
        RLIMIT_STACK => STACK_SIZE,
        RLIMIT_NOFILE => MAX_FILES as u64,
        _ => u64::MAX,
    }
}

/// `getrlimit(resource, rlimit)`.
pub fn getrlimit(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let limit = limit(call.args[0]);
    let record = Record::new(p.order).word(limit).word(limit).finish();
    p.user().write(call.args[1], &record)?;
    Ok(0)
}

/// `setrlimit(resource, rlimit)`: accepted, without effect.
pub fn setrlimit(_: &mut Process, _: &Call) -> Result<u64, Stop> {
    Ok(0)
}

/// `prlimit64(pid, resource, new, old)`.
pub fn prlimit64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [_, resource, _, old, ..] = call.args;
    if old != 0 {
        let limit = limit(resource);
        let record = Record::new(p.order).u64(limit).u64(limit).finish();
        p.user().write(old, &record)?;
    }
    Ok(0)
}

/// `prctl(option, …)`: naming threads and memory, without effect.
pub fn prctl(_: &mut Process, call: &Call) -> Result<u64, Stop> {
    const PR_SET_NAME: u64 = 15;
    match call.args[0] {
        PR_SET_NAME => Ok(0),
        _ => Err(Errno::Inval.into()),
    }
}
