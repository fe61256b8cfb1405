//! What a process can ask about itself and the machine.

use super::super::errno::Errno;
use super::super::fd::Object;
use super::super::flags::O_NONBLOCK;
use super::super::process::Process;
use super::super::table::Stop;
use super::super::thread::{Call, PID};
use super::super::timer::TimerClock;
use super::super::user::Record;

/// The user and group that the process runs as.
const UID: u64 = 1000;

/// Bytes of random data that one call gives at most.
const MAX_RANDOM: u64 = 1 << 20;

/// `getpid()`.
pub fn getpid(_: &mut Process, _: &Call) -> Result<u64, Stop> {
    Ok(PID.into())
}

/// `getpgid(pid)` and `getsid(pid)`.
pub fn getpgid(_: &mut Process, call: &Call) -> Result<u64, Stop> {
    match call.args[0] as u32 {
        0 | PID => Ok(PID.into()),
        _ => Err(Errno::Srch.into()),
    }
}

/// `getppid()`.
pub fn getppid(_: &mut Process, _: &Call) -> Result<u64, Stop> {
    Ok(1)
}

/// `getuid()` and the like.
pub fn getuid(_: &mut Process, _: &Call) -> Result<u64, Stop> {
    Ok(UID)
}

/// `getresuid(real, effective, saved)` and `getresgid`.
pub fn getresuid(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    for addr in &call.args[..3] {
        p.user().put_u32(*addr, UID as u32)?;
    }
    Ok(0)
}

/// `getgroups(count, list)`: the one that it has anyway.
pub fn getgroups(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    if call.args[0] > 0 {
        p.user().put_u32(call.args[1], UID as u32)?;
    }
    Ok(1)
}

/// `getpriority(which, who)`: none, which the kernel tells as 20.
pub fn getpriority(_: &mut Process, _: &Call) -> Result<u64, Stop> {
    Ok(20)
}

/// Calls that have nothing to do here, and succeed.
pub fn nothing(_: &mut Process, _: &Call) -> Result<u64, Stop> {
    Ok(0)
}

/// `sysinfo(info)`.
pub fn sysinfo(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let (total, threads) = (p.budget.limit(), p.threads.iter().len() as u16);
    let free = total.saturating_sub(p.stats().memory);
    // 32-bit machines count pages, so that the number fits.
    let unit = if p.order.word == 4 { crate::memory::PAGE } else { 1 };
    let uptime = p.clock.monotonic() / 1_000_000_000;
    let record = Record::new(p.order)
        .words([uptime, 0, 0, 0, total / unit, free / unit, 0, 0, 0, 0])
        .u16(threads)
        .u16(0);
    let at = (p.order.word as usize * 10 + 4).next_multiple_of(p.order.word as usize);
    let record = record.pad_to(at).words([0, 0]).u32(unit as u32);
    let size = if p.order.word == 8 { 112 } else { 64 };
    p.user().write(call.args[0], &record.pad_to(size).finish())?;
    Ok(0)
}

/// `getrusage(who, usage)`: instructions are the time that was used.
pub fn getrusage(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    const THREAD: u64 = 1;
    const CHILDREN: u32 = u32::MAX;
    let tid = p.thread().tid;
    let used = match call.args[0] {
        0 => p.timer_time(TimerClock::Process),
        THREAD => p.timer_time(TimerClock::Thread(tid)),
        who if who as u32 == CHILDREN => 0,
        _ => return Err(Errno::Inval.into()),
    };
    let peak = p.stats().memory / 1024;
    let record = Record::new(p.order)
        .words([used / 1_000_000_000, used % 1_000_000_000 / 1000, 0, 0, peak])
        .words([0; 13])
        .finish();
    p.user().write(call.args[1], &record)?;
    Ok(0)
}

/// `times(tms)`, in hundredths of a second.
pub fn times(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    const TICK: u64 = 10_000_000;
    if call.args[0] != 0 {
        let used = p.timer_time(TimerClock::Process) / TICK;
        let record = Record::new(p.order).words([used, 0, 0, 0]).finish();
        p.user().write(call.args[0], &record)?;
    }
    Ok(p.clock.monotonic() / TICK)
}

/// `clock_getres(clock, timespec)` in words.
pub fn clock_getres(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    resolution(p, call, |record| record.word(0).word(1))
}

/// `clock_getres_time64(clock, timespec)`.
pub fn clock_getres_time64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    resolution(p, call, |record| record.u64(0).u64(1))
}

fn resolution(p: &mut Process, call: &Call, one: impl Fn(Record) -> Record) -> Result<u64, Stop> {
    if call.args[0] > 11 {
        return Err(Errno::Inval.into());
    }
    if call.args[1] != 0 {
        let record = one(Record::new(p.order)).finish();
        p.user().write(call.args[1], &record)?;
    }
    Ok(0)
}

/// `ioctl(fd, request, argument)`.
pub fn ioctl(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [fd, request, addr, ..] = call.args;
    let open = p.fds.usable(fd)?;
    let (request, requests) = (request as u32, p.linux.ioctl);
    let known = match request {
        _ if request == requests.readable => Request::Readable,
        _ if request == requests.non_blocking => Request::NonBlocking,
        _ if request == requests.close_on_exec => Request::CloseOnExec(true),
        _ if request == requests.keep_on_exec => Request::CloseOnExec(false),
        _ if request == requests.terminal => Request::Terminal,
        _ => return Err(Errno::NotTy.into()),
    };
    match known {
        Request::Readable => {
            let waiting = match &open.borrow().object {
                Object::Pipe(end, _) => end.len() as u64,
                Object::Node(node) => node.size().saturating_sub(open.borrow().offset),
                _ => return Err(Errno::NotTy.into()),
            };
            p.user().put_u32(addr, waiting.min(i32::MAX as u64) as u32)?;
        }
        Request::NonBlocking => {
            let on = p.user().u32(addr)? != 0;
            let mut open = open.borrow_mut();
            open.flags = open.flags & !O_NONBLOCK | if on { O_NONBLOCK } else { 0 };
        }
        Request::CloseOnExec(on) => p.fds.set_cloexec(fd as i32, on),
        Request::Terminal => {
            if !matches!(&open.borrow().object, Object::Input(input) if input.terminal) {
                return Err(Errno::NotTy.into());
            }
            // As a terminal is by itself: lines, echo, control characters.
            let modes = [0x4500_u32, 0x5, 0xbf, 0x8a3b];
            let record = modes.into_iter().fold(Record::new(p.order), Record::u32).pad_to(36).finish();
            p.user().write(addr, &record)?;
        }
    }
    Ok(0)
}

/// The requests of `ioctl` that are known here.
enum Request {
    Readable,
    NonBlocking,
    CloseOnExec(bool),
    Terminal,
}

/// `uname(utsname)`: six strings of 65 bytes.
pub fn uname(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let fields = ["Linux", "heapmatrix", "5.15.0", "#1", p.linux.machine, ""];
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
    let set = p.order.encode_set(mask.into(), 8);
    p.user().write(addr, &set)?;
    Ok(8)
}

/// `prctl(option, …)`: what a thread is called, and what changes nothing here.
pub fn prctl(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    const SET_PDEATHSIG: u64 = 1;
    const GET_DUMPABLE: u64 = 3;
    const SET_DUMPABLE: u64 = 4;
    const GET_KEEPCAPS: u64 = 7;
    const SET_KEEPCAPS: u64 = 8;
    const SET_NAME: u64 = 15;
    const GET_NAME: u64 = 16;
    const SET_NO_NEW_PRIVS: u64 = 38;
    let [option, argument, ..] = call.args;
    match option {
        SET_NAME => {
            let mut name = p.user().string(argument)?;
            name.resize(15, 0);
            p.thread().name.copy_from_slice(&name);
            Ok(0)
        }
        GET_NAME => {
            let mut name = p.thread().name.to_vec();
            name.push(0);
            p.user().write(argument, &name)?;
            Ok(0)
        }
        GET_KEEPCAPS => Ok(p.thread().keep_capabilities.into()),
        SET_KEEPCAPS if argument <= 1 => {
            p.thread().keep_capabilities = argument == 1;
            Ok(0)
        }
        GET_DUMPABLE => Ok(1),
        SET_DUMPABLE | SET_PDEATHSIG | SET_NO_NEW_PRIVS => Ok(0),
        _ => Err(Errno::Inval.into()),
    }
}
