//! Threads, their storage, and futexes.

use super::super::budget::Full;
use super::super::errno::Errno;
use super::super::process::{ExitStatus, Process};
use super::super::segments::{FIRST_TLS_ENTRY, ThreadSegments};
use super::super::table::Stop;
use super::super::thread::{Call, MAX_THREADS, THREAD_COST, Thread, Wait};
use super::time;

const CLONE_VM: u64 = 0x100;
const CLONE_THREAD: u64 = 0x1_0000;
const CLONE_SETTLS: u64 = 0x8_0000;
const CLONE_PARENT_SETTID: u64 = 0x10_0000;
const CLONE_CHILD_CLEARTID: u64 = 0x20_0000;
const CLONE_CHILD_SETTID: u64 = 0x100_0000;

const FUTEX_WAIT: u64 = 0;
const FUTEX_WAKE: u64 = 1;
const FUTEX_WAIT_BITSET: u64 = 9;
const FUTEX_WAKE_BITSET: u64 = 10;
const FUTEX_CLOCK_REALTIME: u64 = 256;
const FUTEX_OPERATION: u64 = 127;

const ARCH_SET_FS: u64 = 0x1002;

/// `clone(flags, stack, …)`: threads only.
pub fn clone(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let at = p.linux.clone;
    let (flags, stack, parent_tid) = (call.args[at.flags], call.args[at.stack], call.args[2]);
    if flags & (CLONE_VM | CLONE_THREAD) != CLONE_VM | CLONE_THREAD {
        return Err(Stop::Absent);
    }
    if p.threads.iter().len() >= MAX_THREADS {
        return Err(Errno::Again.into());
    }
    let charge = p.budget.take(THREAD_COST).map_err(|Full| p.budget.end_run())?;
    let (tls, child_tid) = (call.args[at.tls], call.args[at.child_tid]);

    // The new thread is this one with another stack, and the call answers zero in it.
    let Thread { mask, mut segments, .. } = *p.thread();
    let mine = p.machine.save().map_err(|_| Errno::NoMem)?;
    p.linux.convention.answer(&mut p.machine, Ok(0));
    if stack != 0 {
        p.machine.set_sp(stack);
    }
    let started = if flags & CLONE_SETTLS != 0 { set_storage(p, tls, &mut segments) } else { Ok(()) };
    let context = p.machine.save();
    p.machine.restore(&mine).expect("a context of this machine");
    load_segments(p)?;
    started?;
    let context = context.map_err(|_| Errno::NoMem)?;

    let clear_tid = if flags & CLONE_CHILD_CLEARTID != 0 { child_tid } else { 0 };
    let _charge = Some(charge);
    let new = |tid| Thread { mask, clear_tid, segments, _charge, ..Thread::new(tid, Some(context)) };
    let tid = p.threads.add(new);
    p.started += 1;
    if flags & CLONE_PARENT_SETTID != 0 {
        p.user().put_u32(parent_tid, tid)?;
    }
    if flags & CLONE_CHILD_SETTID != 0 {
        p.user().put_u32(child_tid, tid)?;
    }
    Ok(tid.into())
}

/// Sets where the running thread's own storage is; on 386, by a `struct user_desc`.
fn set_storage(p: &mut Process, tls: u64, segments: &mut ThreadSegments) -> Result<(), Errno> {
    if p.segments.is_none() {
        return set_thread_pointer(p, tls);
    }
    segment(p, tls, segments)?;
    let tables = p.segments.as_ref().ok_or(Errno::NoSys)?;
    tables.select(&mut p.machine, segments).map_err(|_| Errno::Inval)
}

/// Puts the running thread's segments back where others have been put.
fn load_segments(p: &mut Process) -> Result<(), Errno> {
    let segments = p.thread().segments;
    let Some(tables) = &p.segments else { return Ok(()) };
    tables.load(&mut p.machine, &segments).map_err(|_| Errno::Inval)
}

fn set_thread_pointer(p: &mut Process, tls: u64) -> Result<(), Errno> {
    (p.linux.set_thread_pointer)(&mut p.machine, tls)
}

/// `exit(status)`: the thread ends, and with the last one the process.
pub fn exit(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let Thread { tid, clear_tid, .. } = *p.thread();
    if clear_tid != 0 && p.user().put_u32(clear_tid, 0).is_ok() {
        wake(p, clear_tid, 1);
    }
    p.threads.remove(tid);
    if p.threads.iter().len() == 0 {
        p.exit = Some(ExitStatus::Exited(call.args[0] as u8));
    }
    Err(Stop::Resume)
}

/// `exit_group(status)`: the process ends.
pub fn exit_group(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    p.exit = Some(ExitStatus::Exited(call.args[0] as u8));
    Err(Stop::Resume)
}

/// `gettid()`.
pub fn gettid(p: &mut Process, _: &Call) -> Result<u64, Stop> {
    Ok(p.thread().tid.into())
}

/// `sched_yield()`.
pub fn sched_yield(p: &mut Process, _: &Call) -> Result<u64, Stop> {
    let tid = p.thread().tid;
    p.threads.yield_turn(tid);
    Ok(0)
}

/// `set_tid_address(addr)`.
pub fn set_tid_address(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let thread = p.thread();
    thread.clear_tid = call.args[0];
    Ok(thread.tid.into())
}

/// `set_robust_list(head, len)`: nobody dies holding a lock, so nobody looks at the list.
pub fn set_robust_list(_: &mut Process, _: &Call) -> Result<u64, Stop> {
    Ok(0)
}

/// `futex(addr, operation, value, timespec, …)` with a timespec of words.
pub fn futex(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    do_futex(p, call, p.order.word)
}

/// `futex_time64`: with a timespec of 64-bit integers everywhere.
pub fn futex_time64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    do_futex(p, call, 8)
}

fn do_futex(p: &mut Process, call: &Call, timespec: u64) -> Result<u64, Stop> {
    let [addr, operation, value, timeout, ..] = call.args;
    if !addr.is_multiple_of(4) {
        return Err(Errno::Inval.into());
    }
    match operation & FUTEX_OPERATION {
        FUTEX_WAIT | FUTEX_WAIT_BITSET => {
            if p.user().u32(addr)? != value as u32 {
                return Err(Errno::Again.into());
            }
            let deadline = match timeout {
                0 => None,
                at => {
                    let time = time::timespec(p, at, timespec)?;
                    let left = match operation & FUTEX_OPERATION {
                        FUTEX_WAIT => time,
                        _ if operation & FUTEX_CLOCK_REALTIME != 0 => time.saturating_sub(p.clock.wall()),
                        _ => time.saturating_sub(p.clock.monotonic()),
                    };
                    Some(p.clock.after(left))
                }
            };
            let tid = p.thread().tid;
            p.futexes.wait(addr, tid);
            Err(Stop::Block(Wait::Futex(addr), deadline))
        }
        FUTEX_WAKE | FUTEX_WAKE_BITSET => Ok(wake(p, addr, value as u32 as usize)),
        _ => Err(Errno::NoSys.into()),
    }
}

/// Wakes up to `max` threads that wait for a futex, and says how many.
fn wake(p: &mut Process, addr: u64, max: usize) -> u64 {
    let woken = p.futexes.wake(addr, max);
    for &tid in &woken {
        p.threads.unblock(tid, Some(Ok(0)));
    }
    woken.len() as u64
}

/// `arch_prctl(code, addr)` of amd64.
pub fn arch_prctl(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    match call.args[0] {
        ARCH_SET_FS => Ok(set_thread_pointer(p, call.args[1]).map(|()| 0)?),
        _ => Err(Errno::Inval.into()),
    }
}

/// `set_tls(addr)` of arm.
pub fn set_tls(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    set_thread_pointer(p, call.args[0])?;
    Ok(0)
}

/// How many bytes of code the host forgets while the guest executes an instruction.
const BYTES_FLUSHED: u64 = 1024;

/// `cacheflush(from, to)` of arm, `riscv_flush_icache(from, to)`, and `cacheflush(addr, len)` of MIPS.
pub fn cacheflush(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [from, to, ..] = call.args;
    let len = if p.linux.cacheflush_to_end { to.saturating_sub(from) } else { to };
    p.effort += p.machine.flush_code(from, len) / BYTES_FLUSHED;
    Ok(0)
}

/// `modify_ldt(function, ptr, len)` of 386, only to write an entry.
pub fn modify_ldt(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    const WRITE_OLD: u64 = 1;
    const WRITE: u64 = 0x11;
    let [function, addr, len, ..] = call.args;
    if !matches!(function, WRITE | WRITE_OLD) {
        return Err(Errno::NoSys.into());
    }
    if len != 16 {
        return Err(Errno::Inval.into());
    }
    let (entry, base) = (p.user().u32(addr)?, p.user().u32(addr.wrapping_add(4))?);
    let segments = p.segments.as_ref().ok_or(Errno::NoSys)?;
    segments.set_local(&mut p.machine, entry, base).map_err(|_| Errno::Inval)?;
    Ok(0)
}

/// `set_thread_area(user_desc)` of 386, and `set_thread_area(addr)` of MIPS.
pub fn set_thread_area(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    if p.segments.is_none() {
        return Ok(set_thread_pointer(p, call.args[0]).map(|()| 0)?);
    }
    let mut segments = p.thread().segments;
    segment(p, call.args[0], &mut segments)?;
    p.thread().segments = segments;
    let tables = p.segments.as_ref().ok_or(Errno::NoSys)?;
    tables.select(&mut p.machine, &segments).map_err(|_| Errno::Inval)?;
    Ok(0)
}

/// Sets the thread's entry that a `struct user_desc` describes, choosing one if it says -1.
fn segment(p: &mut Process, addr: u64, segments: &mut ThreadSegments) -> Result<(), Errno> {
    const ANY: u32 = u32::MAX;
    let (entry, base) = (p.user().u32(addr)?, p.user().u32(addr.wrapping_add(4))?);
    let index = match entry {
        ANY => segments.iter().position(Option::is_none).ok_or(Errno::Srch)?,
        entry => entry.checked_sub(FIRST_TLS_ENTRY).ok_or(Errno::Inval)? as usize,
    };
    *segments.get_mut(index).ok_or(Errno::Inval)? = Some(base);
    p.user().put_u32(addr, FIRST_TLS_ENTRY + index as u32)
}
