//! The reference's algorithm: `dumpint` through `dwrite` and its buffer of 4096 bytes (heapdump.go).

use std::io::{self, Write};

const BUF_SIZE: usize = 4096;

/// `buf`, `nbuf` and `dumpfd`.
pub struct Reference<W> {
    buf: [u8; BUF_SIZE],
    nbuf: usize,
    dumpfd: W,
}

impl<W: Write> Reference<W> {
    /// With an empty buffer.
    pub fn new(dumpfd: W) -> Self {
        Reference { buf: [0; BUF_SIZE], nbuf: 0, dumpfd }
    }

    /// `dwrite`.
    ///
    /// # Errors
    /// The output's.
    pub fn dwrite(&mut self, data: &[u8]) -> io::Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        if self.nbuf + data.len() <= BUF_SIZE {
            self.buf[self.nbuf..self.nbuf + data.len()].copy_from_slice(data);
            self.nbuf += data.len();
            return Ok(());
        }
        self.dumpfd.write_all(&self.buf[..self.nbuf])?;
        if data.len() >= BUF_SIZE {
            self.dumpfd.write_all(data)?;
            self.nbuf = 0;
        } else {
            self.buf[..data.len()].copy_from_slice(data);
            self.nbuf = data.len();
        }
        Ok(())
    }

    /// `dumpint`.
    ///
    /// # Errors
    /// The output's.
    pub fn dump_int(&mut self, mut v: u64) -> io::Result<()> {
        let mut buf = [0; 10];
        let mut n = 0;
        while v >= 0x80 {
            buf[n] = v as u8 | 0x80;
            n += 1;
            v >>= 7;
        }
        buf[n] = v as u8;
        n += 1;
        self.dwrite(&buf[..n])
    }
}
