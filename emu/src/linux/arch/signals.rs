//! The numbers of signals.

/// Illegal instruction. The numbers that are constants here are the same everywhere.
pub const ILL: u32 = 4;
/// Breakpoint.
pub const TRAP: u32 = 5;
/// Arithmetic: a division by zero.
pub const FPE: u32 = 8;
/// Kills, always.
pub const KILL: u32 = 9;
/// An address that may not be accessed.
pub const SEGV: u32 = 11;
/// A write to a pipe that nobody reads.
pub const PIPE: u32 = 13;
/// A timer of real time.
pub const ALRM: u32 = 14;

/// An architecture's signals.
#[derive(Debug)]
pub struct Signals {
    /// Their names, from number 1 on, as in `kill -l`.
    pub names: [&'static str; 31],
    /// The highest number.
    pub last: u32,
    /// Bad alignment or no memory behind the address.
    pub bus: u32,
    /// Stops, always.
    pub stop: u32,
    /// Those that do nothing by themselves: `SIGCHLD`, `SIGCONT`, `SIGURG` and `SIGWINCH`.
    pub ignored: [u32; 4],
    /// A timer of what the program has executed.
    pub vtalrm: u32,
    /// The same, with what the kernel has done for it.
    pub prof: u32,
    /// `SIG_BLOCK`; `SIG_UNBLOCK` and `SIG_SETMASK` follow.
    pub block: u64,
    /// Whether a `siginfo_t` has `si_code` before `si_errno`.
    pub code_first: bool,
}

impl Signals {
    /// The name of a signal.
    pub fn name(&self, number: u32) -> String {
        match self.names.get((number as usize).wrapping_sub(1)) {
            Some(name) => format!("SIG{name}"),
            None => format!("signal {number}"),
        }
    }

    /// The bytes of a set of signals.
    pub fn set_size(&self) -> usize {
        self.last as usize / 8
    }

    /// The signals that can't be blocked.
    pub fn unblockable(&self) -> u128 {
        super::super::signal::bit(KILL) | super::super::signal::bit(self.stop)
    }
}

/// Those of most architectures (include/uapi/asm-generic/signal.h).
pub static GENERIC: Signals = Signals {
    names: [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
        "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
        "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ],
    last: 64,
    bus: 7,
    stop: 19,
    ignored: [17, 18, 23, 28],
    vtalrm: 26,
    prof: 27,
    block: 0,
    code_first: false,
};

/// Those of MIPS (arch/mips/include/uapi/asm/signal.h).
pub static MIPS: Signals = Signals {
    names: [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "EMT", "FPE", "KILL", "BUS", "SEGV", "SYS", "PIPE",
        "ALRM", "TERM", "USR1", "USR2", "CHLD", "PWR", "WINCH", "URG", "IO", "STOP", "TSTP", "CONT", "TTIN",
        "TTOU", "VTALRM", "PROF", "XCPU", "XFSZ",
    ],
    last: 128,
    bus: 10,
    stop: 23,
    ignored: [18, 25, 21, 20],
    vtalrm: 28,
    prof: 29,
    block: 1,
    code_first: true,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree() {
        for signals in [&GENERIC, &MIPS] {
            let [chld, cont, urg, winch] = signals.ignored;
            for (number, name) in [
                (ILL, "ILL"),
                (TRAP, "TRAP"),
                (signals.bus, "BUS"),
                (FPE, "FPE"),
                (KILL, "KILL"),
                (SEGV, "SEGV"),
                (PIPE, "PIPE"),
                (ALRM, "ALRM"),
                (chld, "CHLD"),
                (cont, "CONT"),
                (signals.stop, "STOP"),
                (urg, "URG"),
                (winch, "WINCH"),
                (signals.vtalrm, "VTALRM"),
                (signals.prof, "PROF"),
            ] {
                assert_eq!(signals.name(number), format!("SIG{name}"));
            }
            assert_eq!(signals.name(40), "signal 40");
        }
    }
}
