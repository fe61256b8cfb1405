//! Outputs that do not take what they are given.

use std::io::{self, Write};

/// An output that interrupts every second call and takes a write at one offset in two pieces.
pub struct Hostile {
    /// What it has taken.
    pub bytes: Vec<u8>,
    /// Where a write is split.
    pub split: usize,
    /// What becomes of writes from there on; without it they go on.
    pub then: Option<fn() -> io::Result<usize>>,
    /// How many calls of `write` there were.
    pub calls: u64,
}

impl Hostile {
    /// Splits at `split` bytes from the start of the stream, and goes on.
    pub fn new(split: usize) -> Self {
        Hostile { bytes: Vec::new(), split, then: None, calls: 0 }
    }
}

impl Write for Hostile {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.calls += 1;
        if self.calls % 2 == 1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let before = self.split.saturating_sub(self.bytes.len());
        let taken = match (before, self.then) {
            (0, None) => data.len(),
            (0, Some(then)) => then()?,
            (before, _) => before.min(data.len()),
        };
        self.bytes.extend_from_slice(&data[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
