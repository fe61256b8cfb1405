//! Watching a program that may never end, for whoever waits for it.

use std::fmt;
use std::time::{Duration, Instant};

/// The system calls by which a program shows that it gets on: input and output, and looking for them.
const SIGNS: [&str; 17] = [
    "read",
    "readv",
    "pread64",
    "preadv",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "open",
    "openat",
    "close",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "getdents64",
    "exit",
];

/// How long a program has been quiet.
pub struct Watch {
    patience: Duration,
    since: Instant,
    instructions: u64,
    told: bool,
}

/// A program has shown no sign of getting on for longer than whoever waits has patience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// Host time without a sign.
    time: Duration,
    /// Instructions executed meanwhile.
    instructions: u64,
}

impl Watch {
    /// A watch that begins now.
    pub fn new(patience: Duration) -> Self {
        Watch { patience, since: Instant::now(), instructions: 0, told: false }
    }

    /// The program makes a system call, after so many instructions.
    pub fn called(&mut self, name: &str, instructions: u64) {
        if !self.told && SIGNS.contains(&name) {
            *self = Watch { instructions, ..Watch::new(self.patience) };
        }
    }

    /// What there is to tell after so many instructions: once in a run.
    pub fn look(&mut self, instructions: u64) -> Option<Quiet> {
        if self.told {
            return None;
        }
        let time = self.since.elapsed();
        self.told = time > self.patience;
        self.told.then(|| Quiet { time, instructions: instructions - self.instructions })
    }
}

impl fmt::Display for Quiet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millions) = (self.time.as_secs(), self.instructions / 1_000_000);
        write!(
            f,
            "the program goes on, but has read and written nothing for {seconds} s ({millions} million instructions)"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_quiet_from_its_last_input_or_output_on_and_that_is_told_once() {
        let mut patient = Watch::new(Duration::from_secs(3600));
        assert_eq!(patient.look(5), None);
        let mut watch = Watch::new(Duration::ZERO);
        watch.called("write", 2_000_000);
        watch.called("futex", 4_000_000);
        let quiet = watch.look(9_000_000).unwrap();
        assert_eq!(quiet.instructions, 7_000_000);
        assert!(quiet.to_string().ends_with("nothing for 0 s (7 million instructions)"), "{quiet}");
        watch.called("write", 10_000_000);
        assert_eq!(watch.look(20_000_000), None);
    }
}
