//! Signals: what a program asked for, and what waits for it.

use super::user::{Order, Record};

/// Interrupt signal numbers that the kernel itself sends or treats in a way of their own.
pub mod sig {
    /// Illegal instruction.
    pub const ILL: u32 = 4;
    /// Breakpoint.
    pub const TRAP: u32 = 5;
    /// Bad alignment or no memory behind the address.
    pub const BUS: u32 = 7;
    /// Arithmetic: a division by zero.
    pub const FPE: u32 = 8;
    /// Kills, always.
    pub const KILL: u32 = 9;
    /// An address that may not be accessed.
    pub const SEGV: u32 = 11;
    /// A write to a pipe that nobody reads.
    pub const PIPE: u32 = 13;
    /// A child's end. Ignored by default, like the two that follow.
    pub const CHLD: u32 = 17;
    /// Continue.
    pub const CONT: u32 = 18;
    /// Stops, always.
    pub const STOP: u32 = 19;
    /// Urgent data: what Go preempts its threads with.
    pub const URG: u32 = 23;
    /// A window's size.
    pub const WINCH: u32 = 28;
    /// The highest number.
    pub const MAX: u32 = 64;
}

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
    pub mask: u64,
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
    pub fn info(&self, order: Order) -> Vec<u8> {
        let code = match self.cause {
            Cause::Fault { code, .. } | Cause::Sent { code, .. } => code,
        };
        let head = Record::new(order).u32(self.number).u32(0).u32(code as u32);
        let head = head.pad_to(if order.word == 8 { 16 } else { 12 });
        match self.cause {
            Cause::Fault { addr, .. } => head.word(addr),
            Cause::Sent { pid, .. } => head.u32(pid).u32(1000),
        }
        .pad_to(SIGINFO_SIZE)
        .finish()
    }
}

/// The bit of a signal in a mask.
pub const fn bit(number: u32) -> u64 {
    1 << (number - 1)
}

/// What can't be blocked.
pub const UNBLOCKABLE: u64 = bit(sig::KILL) | bit(sig::STOP);

/// What a process wants done about each signal.
#[derive(Clone, Debug)]
pub struct Actions([Action; sig::MAX as usize]);

impl Default for Actions {
    fn default() -> Self {
        Actions([Action::default(); sig::MAX as usize])
    }
}

impl Actions {
    /// The action of a signal, from 1 to [`sig::MAX`].
    pub fn get(&self, number: u32) -> Action {
        self.0[number as usize - 1]
    }

    /// Changes the action of a signal, from 1 to [`sig::MAX`].
    pub fn set(&mut self, number: u32, action: Action) {
        self.0[number as usize - 1] = action;
    }

    /// Whether a signal that somebody sent would do nothing.
    pub fn ignores(&self, number: u32) -> bool {
        let by_default = matches!(number, sig::CHLD | sig::CONT | sig::URG | sig::WINCH);
        match self.get(number).handler {
            SIG_IGN => number != sig::KILL && number != sig::STOP,
            SIG_DFL => by_default,
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
    pub fn is_deliverable(&self, mask: u64) -> bool {
        self.0.iter().any(|s| bit(s.number) & mask == 0)
    }

    /// Takes the signal with the lowest number that a mask doesn't block.
    pub fn take(&mut self, mask: u64) -> Option<Signal> {
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

/// The name of a signal, as in `kill -l`.
pub fn name(number: u32) -> String {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
        "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
        "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    match NAMES.get((number as usize).wrapping_sub(1)) {
        Some(name) => format!("SIG{name}"),
        None => format!("signal {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_unblocked_signal_comes_first() {
        let signal = |number| Signal { number, cause: Cause::Sent { code: SI_USER, pid: 1 } };
        let mut pending = Pending::default();
        for number in [sig::URG, sig::SEGV, sig::URG, sig::ILL] {
            pending.add(signal(number));
        }
        assert!(pending.is_deliverable(0) && !pending.is_deliverable(u64::MAX));
        assert_eq!(pending.take(bit(sig::ILL)), Some(signal(sig::SEGV)));
        assert_eq!(pending.take(0), Some(signal(sig::ILL)));
        assert_eq!(pending.take(0), Some(signal(sig::URG)));
        assert_eq!(pending.take(0), None, "the second of a number was dropped");
    }

    #[test]
    fn siginfo_has_its_union_behind_the_alignment_of_the_machine() {
        let fault = Signal { number: sig::SEGV, cause: Cause::Fault { code: SEGV_MAPERR, addr: 0x10 } };
        let wide = fault.info(Order { word: 8, big: true });
        assert_eq!((wide[3], wide[11], wide[23], wide.len()), (11, 1, 0x10, SIGINFO_SIZE));
        let narrow = fault.info(Order { word: 4, big: false });
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
