//! A writer that holds what is written to what is expected, and keeps nothing.

use std::io::{self, Write};

/// What is still to be written.
pub struct Expect<'a>(pub &'a [u8]);

impl Write for Expect<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (expected, rest) = self.0.split_at_checked(bytes.len()).expect("more is written than was read");
        assert_eq!(bytes, expected, "{} bytes before the end", self.0.len());
        self.0 = rest;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Expect<'_> {
    /// Writes numbers as Go's `dumpint` does.
    pub fn numbers(&mut self, numbers: &[u64]) {
        for &(mut number) in numbers {
            while number >= 0x80 {
                self.bytes(&[number as u8 | 0x80]);
                number >>= 7;
            }
            self.bytes(&[number as u8]);
        }
    }

    /// Writes bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.write_all(bytes).expect("this writer panics rather than fails");
    }
}
