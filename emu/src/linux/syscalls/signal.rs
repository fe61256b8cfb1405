//! Signals: what to do about them, which to block, and sending them.

use super::super::arch::SigAction;
use super::super::errno::Errno;
use super::super::process::Process;
use super::super::signal::{
    Action, AltStack, Cause, SA_RESTORER, SI_TKILL, SI_USER, SS_DISABLE, SS_ONSTACK, Signal, bit,
};
use super::super::table::Stop;
use super::super::thread::{Call, PID};
use super::super::user::Record;

/// What `rt_sigprocmask` does, from `SIG_BLOCK` on.
const BLOCK: u64 = 0;
const UNBLOCK: u64 = 1;
const SETMASK: u64 = 2;

/// The smallest stack for handlers, in bytes.
const MIN_STACK: u64 = 2048;

/// `rt_sigaction(signal, new, old, mask_size)`.
pub fn rt_sigaction(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [number, new, old, size, ..] = call.args;
    let signals = p.linux.signals;
    if size != signals.set_size() as u64 || number == 0 || number > signals.last.into() {
        return Err(Errno::Inval.into());
    }
    let number = number as u32;
    let was = p.actions.get(number);
    if new != 0 {
        if bit(number) & signals.unblockable() != 0 {
            return Err(Errno::Inval.into());
        }
        let action = read_action(p, new)?;
        p.actions.set(number, action);
    }
    if old != 0 {
        let record = Record::new(p.order);
        let record = match p.linux.layouts.sigaction {
            SigAction::Restorer => record.words([was.handler, was.flags, was.restorer]),
            SigAction::NoRestorer => record.words([was.handler, was.flags]),
            SigAction::FlagsFirst => {
                record.u32(was.flags as u32).pad_to(p.order.word as usize).word(was.handler)
            }
        };
        let record = record.raw(&p.order.encode_set(was.mask, signals.set_size()));
        p.user().write(old, &record.finish())?;
    }
    Ok(0)
}

/// The `struct sigaction` at an address.
fn read_action(p: &mut Process, addr: u64) -> Result<Action, Errno> {
    let (word, layout) = (p.order.word, p.linux.layouts.sigaction);
    let user = p.user();
    let at = |n: u64| addr.wrapping_add(n * word);
    let (handler, flags, restorer, mask_at) = match layout {
        SigAction::Restorer => (user.word(at(0))?, user.word(at(1))?, user.word(at(2))?, at(3)),
        SigAction::NoRestorer => (user.word(at(0))?, user.word(at(1))? & !SA_RESTORER, 0, at(2)),
        SigAction::FlagsFirst => (user.word(at(1))?, u64::from(user.u32(addr)?) & !SA_RESTORER, 0, at(2)),
    };
    let mask = read_set(p, mask_at)? & !p.linux.signals.unblockable();
    Ok(Action { handler, flags, restorer, mask })
}

/// The set of signals at an address.
fn read_set(p: &mut Process, addr: u64) -> Result<u128, Errno> {
    let (order, size) = (p.order, p.linux.signals.set_size());
    p.user().bytes(addr, size).map(|bytes| order.decode_set(&bytes))
}

/// `rt_sigprocmask(how, new, old, mask_size)`.
pub fn rt_sigprocmask(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [how, new, old, size, ..] = call.args;
    let signals = p.linux.signals;
    if size != signals.set_size() as u64 {
        return Err(Errno::Inval.into());
    }
    let was = p.thread().mask;
    if new != 0 {
        let bits = read_set(p, new)?;
        let mask = match how.wrapping_sub(signals.block) {
            BLOCK => was | bits,
            UNBLOCK => was & !bits,
            SETMASK => bits,
            _ => return Err(Errno::Inval.into()),
        };
        p.thread().mask = mask & !signals.unblockable();
    }
    if old != 0 {
        let set = p.order.encode_set(was, signals.set_size());
        p.user().write(old, &set)?;
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
    let (word, layout) = (p.order.word, p.linux.layouts.sigstack);
    let sp = p.machine.sp();
    let was = p.thread().alt_stack;
    let in_use = was.holds(sp);
    if new != 0 {
        let user = p.user();
        let stack = AltStack {
            sp: user.word(new)?,
            flags: user.u32(new.wrapping_add(layout.flags * word))?,
            size: user.word(new.wrapping_add(layout.size * word))?,
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
        let mut fields = [was.sp, 0, 0];
        fields[layout.size as usize] = was.size;
        let record = Record::new(p.order).words(fields).finish();
        p.user().write(old, &record)?;
        p.user().put_u32(old.wrapping_add(layout.flags * word), flags)?;
    }
    Ok(0)
}

fn number(p: &Process, arg: u64) -> Result<u32, Errno> {
    if arg > p.linux.signals.last.into() { Err(Errno::Inval) } else { Ok(arg as u32) }
}

/// `kill(pid, signal)`: only to oneself.
pub fn kill(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    const ME: i32 = PID as i32;
    const MY_GROUP: i32 = -ME;
    let number = number(p, call.args[1])?;
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
    let number = number(p, number_arg)?;
    let tid = tid as u32;
    p.threads.get(tid).ok_or(Errno::Srch)?;
    if number != 0 {
        p.send_to_thread(tid, Signal { number, cause: Cause::Sent { code: SI_TKILL, pid: PID } });
    }
    Ok(0)
}
