//! Signals: what a program asked for, and what waits for it.

use super::arch::{Linux, Signals};
use super::user::Record;

/// The default action: what the signal does by itself.
pub const SIG_DFL: u64 = 0;
/// The signal does nothing.
pub const SIG_IGN: u64 = 1;

/// The handler runs on the alternate stack.
pub const SA_ONSTACK: u64 = 0x0800_0000;
/// The signal is not blocked while its handler runs.
pub const SA_NODEFER: u64 = 0x4000_0000;
/// The action is reset when it is taken.
pub const SA_RESETHAND: u64 = 0x8000_0000;
/// The program says where to return to.
pub const SA_RESTORER: u64 = 0x0400_0000;

/// The alternate stack is not in use.
pub const SS_DISABLE: u32 = 2;
/// The thread is on the alternate stack.
pub const SS_ONSTACK: u32 = 1;

/// The bytes of a `siginfo_t`.
pub const SIGINFO_SIZE: usize = 128;

/// What a program wants done about a signal: `struct sigaction`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// [`SIG_DFL`], [`SIG_IGN`], or the handler's address.
    pub handler: u64,
    /// `SA_…`.
    pub flags: u64,
    /// Where the handler returns to, with [`SA_RESTORER`].
    pub restorer: u64,
    /// What is blocked while the handler runs.
    pub mask: u128,
}

/// `stack_t`: a stack for handlers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AltStack {
    /// Its lowest address.
    pub sp: u64,
    /// [`SS_DISABLE`] or zero.
    pub flags: u32,
    /// Its size in bytes.
    pub size: u64,
}

impl Default for AltStack {
    fn default() -> Self {
        AltStack { sp: 0, flags: SS_DISABLE, size: 0 }
    }
}

impl AltStack {
    /// Whether a stack pointer lies in it.
    pub fn holds(&self, sp: u64) -> bool {
        self.flags & SS_DISABLE == 0 && sp > self.sp && sp - self.sp <= self.size
    }

    /// Where a handler's frame ends: its top, unless the thread is on it already or it is not wanted.
    pub fn frame_end(&self, sp: u64, action: &Action) -> u64 {
        let wanted = action.flags & SA_ONSTACK != 0 && self.flags & SS_DISABLE == 0 && !self.holds(sp);
        if wanted { self.sp + self.size } else { sp }
    }
}

/// Why a signal came: the part of a `siginfo_t` that programs look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The thread's own instruction.
    Fault {
        /// `si_code`, such as `SEGV_MAPERR`.
        code: i32,
        /// The address that was accessed, or the instruction's.
        addr: u64,
    },
    /// Somebody sent it.
    Sent {
        /// `SI_USER` or `SI_TKILL`.
        code: i32,
        /// The sender's process.
        pid: u32,
    },
}

/// `SI_USER`: sent by `kill`.
pub const SI_USER: i32 = 0;
/// `SI_TKILL`: sent by `tkill` or `tgkill`.
pub const SI_TKILL: i32 = -6;
/// Nothing is mapped at the address.
pub const SEGV_MAPERR: i32 = 1;
/// What is mapped at the address doesn't allow the access.
pub const SEGV_ACCERR: i32 = 2;
/// An integer division by zero.
pub const FPE_INTDIV: i32 = 1;
/// Sent by the kernel itself.
pub const SI_KERNEL: i32 = 0x80;
/// An illegal opcode.
pub const ILL_ILLOPC: i32 = 1;
/// A breakpoint.
pub const TRAP_BRKPT: i32 = 1;

/// A signal on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Its number.
    pub number: u32,
    /// Why it came.
    pub cause: Cause,
}

impl Signal {
    /// Its `siginfo_t`.
    pub fn info(&self, linux: &Linux) -> Vec<u8> {
        let code = match self.cause {
            Cause::Fault { code, .. } | Cause::Sent { code, .. } => code as u32,
        };
        let head = Record::new(linux.order).u32(self.number);
        let head = if linux.signals.code_first { head.u32(code).u32(0) } else { head.u32(0).u32(code) };
        let head = head.pad_to(if linux.order.word == 8 { 16 } else { 12 });
        match self.cause {
            Cause::Fault { addr, .. } => head.word(addr),
            Cause::Sent { pid, .. } => head.u32(pid).u32(1000),
        }
        .pad_to(SIGINFO_SIZE)
        .finish()
    }
}

/// The bit of a signal in a mask.
pub const fn bit(number: u32) -> u128 {
    1 << (number - 1)
}

/// What a process wants done about each signal.
#[derive(Clone, Debug)]
pub struct Actions {
    signals: &'static Signals,
    actions: Vec<Action>,
}

impl Actions {
    /// The default for each of these signals.
    pub fn new(signals: &'static Signals) -> Self {
        Actions { signals, actions: vec![Action::default(); signals.last as usize] }
    }

    /// The action of a signal, from 1 to [`Signals::last`].
    pub fn get(&self, number: u32) -> Action {
        self.actions[number as usize - 1]
    }

    /// Changes the action of a signal, from 1 to [`Signals::last`].
    pub fn set(&mut self, number: u32, action: Action) {
        self.actions[number as usize - 1] = action;
    }

    /// Whether a signal that somebody sent would do nothing.
    pub fn ignores(&self, number: u32) -> bool {
        match self.get(number).handler {
            SIG_IGN => bit(number) & self.signals.unblockable() == 0,
            SIG_DFL => self.signals.ignored.contains(&number),
            _ => false,
        }
    }
}

/// The signals that wait for one thread: at most one of each number, as for non-realtime signals.
#[derive(Clone, Debug, Default)]
pub struct Pending(Vec<Signal>);

impl Pending {
    /// Adds a signal, unless one of its number waits already.
    pub fn add(&mut self, signal: Signal) {
        if !self.0.iter().any(|s| s.number == signal.number) {
            self.0.push(signal);
        }
    }

    /// Whether one of the signals isn't blocked by a mask.
    pub fn is_deliverable(&self, mask: u128) -> bool {
        self.0.iter().any(|s| bit(s.number) & mask == 0)
    }

    /// Takes the signal with the lowest number that a mask doesn't block.
    pub fn take(&mut self, mask: u128) -> Option<Signal> {
        let next = self
            .0
            .iter()
            .enumerate()
            .filter(|(_, s)| bit(s.number) & mask == 0)
            .min_by_key(|(_, s)| s.number)?
            .0;
        Some(self.0.remove(next))
    }
}

#[cfg(test)]
mod tests {
    use heapmatrix_writer::AnyTarget;

    use super::super::arch;
    use super::*;

    const ILL: u32 = 4;
    const SEGV: u32 = 11;
    const URG: u32 = 23;

    #[test]
    fn the_lowest_unblocked_signal_comes_first() {
        let signal = |number| Signal { number, cause: Cause::Sent { code: SI_USER, pid: 1 } };
        let mut pending = Pending::default();
        for number in [URG, SEGV, URG, ILL] {
            pending.add(signal(number));
        }
        assert!(pending.is_deliverable(0) && !pending.is_deliverable(u128::MAX));
        assert_eq!(pending.take(bit(ILL)), Some(signal(SEGV)));
        assert_eq!(pending.take(0), Some(signal(ILL)));
        assert_eq!(pending.take(0), Some(signal(URG)));
        assert_eq!(pending.take(0), None, "the second of a number was dropped");
    }

    #[test]
    fn siginfo_has_its_union_behind_the_alignment_of_the_machine() {
        let fault = Signal { number: SEGV, cause: Cause::Fault { code: SEGV_MAPERR, addr: 0x10 } };
        let info = |target| fault.info(arch::of(target).unwrap());
        let wide = info(AnyTarget::Ppc64);
        assert_eq!((wide[3], wide[11], wide[23], wide.len()), (11, 1, 0x10, SIGINFO_SIZE));
        let narrow = info(AnyTarget::Arm);
        assert_eq!((narrow[0], narrow[8], narrow[12], narrow.len()), (11, 1, 0x10, SIGINFO_SIZE));
    }

    #[test]
    fn a_handler_runs_on_the_alternate_stack_once() {
        let stack = AltStack { sp: 0x1000, flags: 0, size: 0x800 };
        let action = Action { flags: SA_ONSTACK, ..Action::default() };
        assert_eq!(stack.frame_end(0x9000, &action), 0x1800);
        assert_eq!(stack.frame_end(0x1400, &action), 0x1400, "already on it");
        assert_eq!(stack.frame_end(0x9000, &Action::default()), 0x9000);
        assert_eq!(AltStack::default().frame_end(0x9000, &action), 0x9000);
    }
}
