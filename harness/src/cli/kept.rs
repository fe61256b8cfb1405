//! What has been found out about a dump, kept beside it: the second command on the same dump starts at once.
//!
//! Large dumps get such a file without being asked for it, as in other tools for heap dumps: whoever looks into a heap
//! looks more than once. It is said when it is made, it is never made where nothing can be written, for standard input or
//! for a compressed dump, and nothing but an older one of its own kind is replaced.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use heapmatrix_analysis::heap::Heap;
use heapmatrix_analysis::sidecar::{self, Kept, Key, Refused};
use heapmatrix_analysis::types::Typing;
use heapmatrix_reader::Dump;
use memmap2::Mmap;

use super::input::Input;
use super::note;
use super::output::Output;
use crate::units::Size;

/// What is smaller is read again in a moment, in bytes.
const LARGE: usize = 32 << 20;

/// Whether to keep what has been found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum When {
    /// Of large dumps.
    Auto,
    /// Of all dumps that are plain files.
    Always,
    /// Nothing is kept, and what was kept is not used.
    Never,
}

/// The file beside a dump.
pub struct Sidecar<'k> {
    path: PathBuf,
    key: Key<'k>,
    when: When,
    /// Whether it may be written.
    replace: bool,
}

impl<'k> Sidecar<'k> {
    /// That of a dump, if it may have one.
    pub fn new(input: &Input, when: When, dump: &'k [u8], program: Option<&'k [u8]>) -> Option<Self> {
        if when == When::Never {
            return None;
        }
        let dump_path = input.plain_file()?;
        let modified = fs::metadata(dump_path).and_then(|metadata| metadata.modified()).ok();
        let mut path = dump_path.as_os_str().to_owned();
        path.push(".hmx");
        Some(Self { path: path.into(), key: Key { dump, modified, program }, when, replace: true })
    }

    /// What is kept, if it can be used.
    pub fn read<'a>(&mut self, dump: Dump<'a>) -> Option<Kept<'a>> {
        // What is no plain file, such as a pipe, is not opened: it might keep us waiting.
        let map = if fs::metadata(&self.path).ok()?.is_file() {
            let file = File::open(&self.path).ok()?;
            // SAFETY: the bytes are plain, and nothing is assumed of them that is not checked. The file is replaced as a whole.
            unsafe { Mmap::map(&file) }.ok()
        } else {
            None
        };
        let kept = map.map_or(Err(Refused::NoIndex), |map| sidecar::read(&map, &self.key, dump));
        if let Err(Refused::NoIndex) = kept {
            self.replace = false;
            note(format_args!(
                "note: {}: it is no index of heapmatrix, and stays as it is",
                self.path.display()
            ));
        }
        kept.ok()
    }

    /// Keeps what has been found out.
    pub fn write(&self, heap: &Heap<'_, '_>, typing: &Typing) {
        let wanted = self.when == When::Always || self.key.dump.len() >= LARGE && !self.is_read_only();
        if !wanted || !self.replace {
            return;
        }
        match self.try_write(heap, typing) {
            Ok(0) => {}
            Ok(bytes) => note(format_args!(
                "note: {} ({}) lets the next command on this dump start at once; delete it at any time (--index never)",
                self.path.display(),
                Size(bytes)
            )),
            // What nobody has asked for is no failure.
            Err(error) if self.when == When::Always => note(format_args!("note: no index is kept: {error}")),
            Err(_) => {}
        }
    }

    fn try_write(&self, heap: &Heap<'_, '_>, typing: &Typing) -> Result<u64, String> {
        let mut output = Output::create(&self.path)?;
        let mut counted = Counted { out: &mut output, bytes: 0 };
        sidecar::write(&self.key, heap, typing, &mut counted).map_err(|error| error.to_string())?;
        let bytes = counted.bytes;
        if bytes > 0 {
            output.commit_unsynced()?;
        }
        Ok(bytes)
    }

    /// Whether the folder is not to be written to, even by those who may write everywhere.
    fn is_read_only(&self) -> bool {
        let folder = self.path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        fs::metadata(folder).is_ok_and(|metadata| metadata.permissions().readonly())
    }
}

/// Counts what is written.
struct Counted<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
