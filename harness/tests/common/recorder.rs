//! Outputs that remember in which pieces they were given what they took.

use std::io::{self, Write};

/// Takes everything, and remembers in which pieces.
#[derive(Default)]
pub struct Recorder {
    /// The stream.
    pub bytes: Vec<u8>,
    /// The lengths of its pieces.
    pub pieces: Vec<u64>,
}

impl Write for Recorder {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(data);
        self.pieces.push(data.len() as u64);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
