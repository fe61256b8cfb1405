//! Signals: what to do about them, which to block, and sending them.

use super::super::errno::Errno;
use super::super::process::Process;
use super::super::signal::{
    Action, AltStack, Cause, SI_TKILL, SI_USER, SS_DISABLE, SS_ONSTACK, Signal, UNBLOCKABLE, sig,
};
use super::super::thread::{Call, PID};
use super::super::user::Record;
use super::Stop;

const SIG_BLOCK: u64 = 0;
const SIG_UNBLOCK: u64 = 1;
const SIG_SETMASK: u64 = 2;

/// The smallest stack for handlers, in bytes.
const MIN_STACK: u64 = 2048;

/// `rt_sigaction(signal, new, old, mask_size)`.
pub fn rt_sigaction(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [number, new, old, size, ..] = call.args;
    if size != 8 || number == 0 || number > sig::MAX.into() {
        return Err(Errno::Inval.into());
    }
    let number = number as u32;
    let was = p.actions.get(number);
    if new != 0 {
        if number == sig::KILL || number == sig::STOP {
            return Err(Errno::Inval.into());
        }
        let word = p.order.word;
        let user = p.user();
        let action = Action {
            handler: user.word(new)?,
            flags: user.word(new.wrapping_add(word))?,
            restorer: user.word(new.wrapping_add(2 * word))?,
            // An array of words: one integer on every machine that has 64-bit words or little-endian ones.
            mask: user.u64(new.wrapping_add(3 * word))? & !UNBLOCKABLE,
        };
        p.actions.set(number, action);
    }
    if old != 0 {
        let record = Record::new(p.order).words([was.handler, was.flags, was.restorer]).u64(was.mask);
        p.user().write(old, &record.finish())?;
    }
    Ok(0)
}

/// `rt_sigprocmask(how, new, old, mask_size)`.
pub fn rt_sigprocmask(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [how, new, old, size, ..] = call.args;
    if size != 8 {
        return Err(Errno::Inval.into());
    }
    let was = p.thread().mask;
    if new != 0 {
        let bits = p.user().u64(new)?;
        let mask = match how {
            SIG_BLOCK => was | bits,
            SIG_UNBLOCK => was & !bits,
            SIG_SETMASK => bits,
            _ => return Err(Errno::Inval.into()),
        };
        p.thread().mask = mask & !UNBLOCKABLE;
    }
    if old != 0 {
        p.user().put_u64(old, was)?;
    }
    Ok(0)
}

/// `rt_sigreturn()`: a handler has returned.
pub fn rt_sigreturn(p: &mut Process, _: &Call) -> Result<u64, Stop> {
    p.return_from_handler();
    Err(Stop::Resume)
}

/// `sigaltstack(new, old)`.
pub fn sigaltstack(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [new, old, ..] = call.args;
    let word = p.order.word;
    let sp = p.machine.sp();
    let was = p.thread().alt_stack;
    let in_use = was.holds(sp);
    if new != 0 {
        let user = p.user();
        let stack = AltStack {
            sp: user.word(new)?,
            flags: user.u32(new.wrapping_add(word))?,
            size: user.word(new.wrapping_add(2 * word))?,
        };
        if in_use {
            return Err(Errno::Perm.into());
        }
        p.thread().alt_stack = match stack.flags & !SS_ONSTACK {
            SS_DISABLE => AltStack::default(),
            0 if stack.size < MIN_STACK => return Err(Errno::NoMem.into()),
            0 => AltStack { flags: 0, ..stack },
            _ => return Err(Errno::Inval.into()),
        };
    }
    if old != 0 {
        let flags = if in_use { SS_ONSTACK } else { was.flags };
        let record = Record::new(p.order).word(was.sp).u32(flags).pad_to(2 * word as usize).word(was.size);
        p.user().write(old, &record.finish())?;
    }
    Ok(0)
}

fn number(arg: u64) -> Result<u32, Errno> {
    if arg > sig::MAX.into() { Err(Errno::Inval) } else { Ok(arg as u32) }
}

/// `kill(pid, signal)`: only to oneself.
pub fn kill(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    const ME: i32 = PID as i32;
    const MY_GROUP: i32 = -ME;
    let number = number(call.args[1])?;
    // Itself, its group, or all that it may.
    if !matches!(call.args[0] as i32, ME | 0 | -1 | MY_GROUP) {
        return Err(Errno::Srch.into());
    }
    if number != 0 {
        p.send_to_process(Signal { number, cause: Cause::Sent { code: SI_USER, pid: PID } });
    }
    Ok(0)
}

/// `tkill(tid, signal)`.
pub fn tkill(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    send(p, call.args[0], call.args[1])
}

/// `tgkill(pid, tid, signal)`.
pub fn tgkill(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    if call.args[0] as u32 != PID {
        return Err(Errno::Srch.into());
    }
    send(p, call.args[1], call.args[2])
}

fn send(p: &mut Process, tid: u64, number_arg: u64) -> Result<u64, Stop> {
    let number = number(number_arg)?;
    let tid = tid as u32;
    p.threads.get(tid).ok_or(Errno::Srch)?;
    if number != 0 {
        p.send_to_thread(tid, Signal { number, cause: Cause::Sent { code: SI_TKILL, pid: PID } });
    }
    Ok(0)
}
