//! A dump that can be read in any order, in little memory: a mapped file, whose pages are given back once they are read.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Seek, Write};

use indicatif::ProgressBar;
use memmap2::Mmap;

use super::progress;

/// Less than this is held in memory.
const SMALL: u64 = 1 << 20;
/// How much is read, or written, until pages are given back.
const STEP: u64 = 4 << 20;

/// A whole dump.
pub struct Whole {
    bytes: Bytes,
    bar: ProgressBar,
    /// When to give back the next pages.
    next: Cell<u64>,
}

enum Bytes {
    Small(Vec<u8>),
    /// A file, and where in it the dump starts.
    Mapped(Mmap, usize),
}

impl Whole {
    /// Maps a file that has the dump from `start` on.
    pub fn map(file: &File, start: usize) -> io::Result<Self> {
        // SAFETY: the bytes are plain, and nothing is assumed of them that would not be checked when they are read. A file
        // that another process shortens meanwhile ends this one, as it does with every mapped file.
        let map = unsafe { Mmap::map(file)? };
        Ok(Self::new(Bytes::Mapped(map, start)))
    }

    /// Keeps what a source has in a file without a name, if it is not small.
    pub fn spool(mut source: impl Read) -> io::Result<Self> {
        let mut small = Vec::new();
        if (&mut source).take(SMALL).read_to_end(&mut small)? < SMALL as usize {
            return Ok(Self::new(Bytes::Small(small)));
        }
        let named = |error: io::Error| {
            let folder = std::env::temp_dir();
            io::Error::new(error.kind(), format!("cannot save it in {}: {error}", folder.display()))
        };
        let mut file = tempfile::tempfile().map_err(named)?;
        file.write_all(&small).map_err(named)?;
        let mut chunk = vec![0; SMALL as usize];
        let mut length = small.len() as u64;
        loop {
            match source.read(&mut chunk) {
                Ok(0) => break,
                // What is zero stays a hole, as it is in core files.
                Ok(count) if chunk[..count].iter().all(|&b| b == 0) => {
                    length += count as u64;
                    file.seek_relative(count as i64).map_err(named)?;
                }
                Ok(count) => {
                    length += count as u64;
                    file.write_all(&chunk[..count]).map_err(named)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        file.set_len(length).map_err(named)?;
        file.rewind()?;
        Self::map(&file, 0)
    }

    fn new(bytes: Bytes) -> Self {
        let whole = Self { bytes, bar: ProgressBar::hidden(), next: Cell::new(STEP) };
        let length = whole.bytes().len() as u64;
        // What takes less than a moment needs no bar.
        if length < STEP { whole } else { Self { bar: progress::bar(Some(length)), ..whole } }
    }

    /// The dump.
    pub fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Small(bytes) => bytes,
            Bytes::Mapped(map, start) => &map[*start..],
        }
    }

    /// Takes note that the dump has been read up to an offset. What was read before is not kept in memory, and can be read
    /// again.
    #[inline]
    pub fn read_to(&self, offset: u64) {
        // Also when reading has begun again.
        if offset >= self.next.get() || offset + STEP < self.next.get() {
            self.bar.set_position(offset);
            self.next.set(offset + STEP);
            self.give_back();
        }
    }

    fn give_back(&self) {
        #[cfg(unix)]
        if let Bytes::Mapped(map, _) = &self.bytes {
            // SAFETY: the pages are those of a file and have not been written to, so that they will be the same again.
            // An error leaves them where they are.
            let _ = unsafe { map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
        }
    }

    /// A writer for large parts of the dump, which gives them back as it writes.
    pub fn copy_to<W: Write>(&self, out: W) -> Copy<'_, W> {
        Copy { whole: self, out, written: 0 }
    }
}

/// Writes parts of a mapped dump.
pub struct Copy<'a, W> {
    whole: &'a Whole,
    out: W,
    written: u64,
}

impl<W> Copy<'_, W> {
    /// What is written to.
    pub fn into_inner(self) -> W {
        self.out
    }
}

impl<W: Write> Write for Copy<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = usize::try_from(STEP).unwrap_or(usize::MAX).min(bytes.len());
        let count = self.out.write(&bytes[..most])?;
        self.written += count as u64;
        self.whole.read_to(self.written);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
