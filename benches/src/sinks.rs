//! Where dumps go.

use std::fs::File;
use std::io::{self, Seek, Write};

/// Takes everything and keeps nothing, without a system call.
#[derive(Debug, Default)]
pub struct Null;

impl Write for Null {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        Ok(std::hint::black_box(data).len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Counts the bytes that an output takes.
pub struct Counted<'w> {
    out: &'w mut dyn Write,
    written: u64,
}

impl<'w> Counted<'w> {
    /// Nothing has been taken yet.
    pub fn new(out: &'w mut dyn Write) -> Self {
        Counted { out, written: 0 }
    }

    /// How many bytes have been taken.
    pub fn written(&self) -> u64 {
        self.written
    }
}

impl Write for Counted<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let n = self.out.write(data)?;
        self.written += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The device of that name, with a system call for each write: what Go programs are measured with.
///
/// # Panics
/// Where there is no such device.
pub fn dev_null() -> File {
    File::options().write(true).open("/dev/null").expect("/dev/null")
}

/// A file in memory that has no name, where the system has a directory for such.
pub fn tmpfs() -> Option<File> {
    tempfile::tempfile_in("/dev/shm").ok()
}

/// Begins a file again.
///
/// # Panics
/// If it is not one that can be cut.
pub fn rewind(file: &mut File) {
    file.rewind().and_then(|()| file.set_len(0)).expect("a regular file");
}

/// Goes back to a file's start, over what it has.
///
/// # Panics
/// If it has no start.
pub fn to_start(file: &mut File) {
    file.rewind().expect("a regular file");
}
