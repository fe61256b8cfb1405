//! A buffer for encoders that have none: what a user of theirs has to write to get a dump.

use std::io::{self, Write};

/// Room that the largest of the encoders asks for, in bytes.
const ROOM: usize = 16;

/// A buffer that goes to an output when it is full.
pub struct Buffered<'w> {
    buf: Box<[u8]>,
    len: usize,
    out: &'w mut dyn Write,
}

impl<'w> Buffered<'w> {
    /// An empty one of so many bytes.
    pub fn new(out: &'w mut dyn Write, capacity: usize) -> Self {
        Buffered { buf: vec![0; capacity].into(), len: 0, out }
    }

    /// Lets `encode` write to what is free, 16 bytes at least; it says how many of them count.
    ///
    /// # Errors
    /// The output's.
    #[inline]
    pub fn put(&mut self, encode: impl FnOnce(&mut [u8]) -> usize) -> io::Result<()> {
        if self.buf.len() - self.len < ROOM {
            self.flush()?;
        }
        self.len += encode(&mut self.buf[self.len..]);
        Ok(())
    }

    /// Writes what is waiting.
    ///
    /// # Errors
    /// The output's.
    #[cold]
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buf[..self.len])?;
        self.len = 0;
        Ok(())
    }
}
