//! Open files: what file descriptors stand for.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use super::clock::Random;
use super::epoll::Epoll;
use super::errno::Errno;

/// `O_ACCMODE` and its values.
pub const O_ACCMODE: u32 = 3;
/// Open for writing alone.
pub const O_WRONLY: u32 = 1;
/// Every write goes to the end.
pub const O_APPEND: u32 = 0o2000;
/// Nothing blocks.
pub const O_NONBLOCK: u32 = 0o4000;

/// Input is ready.
pub const POLLIN: u32 = 1;
/// Output is possible.
pub const POLLOUT: u32 = 4;
/// The other end is gone, for a writer.
pub const POLLERR: u32 = 8;
/// The other end is gone, for a reader.
pub const POLLHUP: u32 = 16;

/// How many descriptors a process may have: `RLIMIT_NOFILE`.
pub const MAX_FILES: i32 = 1024;
/// Bytes that a pipe holds before its writer waits.
const PIPE_CAPACITY: usize = 1 << 16;

/// A file's contents, shared by all who have it open.
pub type Content = Rc<RefCell<Vec<u8>>>;

/// Where a program's messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// What can be open.
#[derive(Debug)]
pub enum Object {
    /// `/dev/null`.
    Null,
    /// `/dev/zero`.
    Zero,
    /// `/dev/urandom`.
    Random,
    /// The host's standard output or error.
    Output(Stream),
    /// A file that the guest has made.
    File(Content),
    /// A file that is only read.
    View(Rc<[u8]>),
    /// A directory, by its path. The position of the open file counts entries.
    Directory(String),
    /// One end of a pipe.
    Pipe(PipeEnd),
    /// `eventfd`: a counter.
    Event(Counter),
    /// `epoll`.
    Epoll(Epoll),
}

/// What reading or writing gives when it gives no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not now: wait, or `EAGAIN`.
    NotNow,
    /// Never.
    Error(Errno),
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Refusal::Error(errno)
    }
}

/// An open file: an object, a position in it, and how it was opened.
#[derive(Debug)]
pub struct Open {
    /// What is open.
    pub object: Object,
    /// Where the next read or write takes place, in bytes.
    pub offset: u64,
    /// Flags of `open(2)`, in their generic values.
    pub flags: u32,
}

impl Open {
    /// Opens an object.
    pub fn new(object: Object, flags: u32) -> Self {
        Open { object, offset: 0, flags }
    }

    /// Whether calls return `EAGAIN` instead of waiting.
    pub fn non_blocking(&self) -> bool {
        self.flags & O_NONBLOCK != 0
    }

    /// Reads at the position, or at `at`, and moves on unless `at` was given. No bytes mean the end.
    pub fn read(&mut self, buf: &mut [u8], at: Option<u64>, random: &mut Random) -> Result<usize, Refusal> {
        if self.flags & O_ACCMODE == O_WRONLY {
            return Err(Errno::BadF.into());
        }
        match &mut self.object {
            Object::Null => Ok(0),
            Object::Zero => {
                buf.fill(0);
                Ok(buf.len())
            }
            Object::Random => {
                random.fill(buf);
                Ok(buf.len())
            }
            Object::Output(_) => Ok(0),
            Object::File(content) => Ok(read_bytes(&content.borrow(), &mut self.offset, buf, at)),
            Object::View(bytes) => Ok(read_bytes(bytes, &mut self.offset, buf, at)),
            Object::Directory(_) => Err(Errno::IsDir.into()),
            Object::Pipe(end) => end.read(buf),
            Object::Event(counter) => counter.read(buf),
            Object::Epoll(_) => Err(Errno::Inval.into()),
        }
    }

    /// Writes to a file at the position, or at `at`; `room` is how many bytes files may still grow.
    pub fn write(&mut self, bytes: &[u8], at: Option<u64>, room: &mut u64) -> Result<usize, Refusal> {
        if self.flags & O_ACCMODE == 0 {
            return Err(Errno::BadF.into());
        }
        match &mut self.object {
            Object::Null | Object::Zero | Object::Random => Ok(bytes.len()),
            Object::File(content) => {
                let mut content = content.borrow_mut();
                let start = match at {
                    Some(at) => at,
                    None if self.flags & O_APPEND != 0 => content.len() as u64,
                    None => self.offset,
                };
                let end = start.checked_add(bytes.len() as u64).ok_or(Errno::FBig)?;
                let growth = end.saturating_sub(content.len() as u64);
                *room = room.checked_sub(growth).ok_or(Errno::NoSpc)?;
                if growth > 0 {
                    content.resize(end as usize, 0);
                }
                content[start as usize..end as usize].copy_from_slice(bytes);
                if at.is_none() {
                    self.offset = end;
                }
                Ok(bytes.len())
            }
            Object::Pipe(end) => end.write(bytes),
            Object::Event(counter) => counter.write(bytes),
            // The host's streams are written by whoever owns them.
            Object::Output(_) | Object::View(_) | Object::Directory(_) | Object::Epoll(_) => {
                Err(Errno::BadF.into())
            }
        }
    }

    /// What could be done now without waiting, as `poll` bits.
    pub fn ready(&self) -> u32 {
        match &self.object {
            Object::Pipe(end) => end.ready(),
            Object::Event(counter) => counter.ready(),
            Object::Epoll(_) => 0,
            _ => POLLIN | POLLOUT,
        }
    }

    /// How often the object has changed: what an edge-triggered poll compares.
    pub fn changes(&self) -> u64 {
        match &self.object {
            Object::Pipe(end) => end.pipe.borrow().changes,
            Object::Event(counter) => counter.changes,
            _ => 0,
        }
    }
}

fn read_bytes(content: &[u8], offset: &mut u64, buf: &mut [u8], at: Option<u64>) -> usize {
    let from = at.unwrap_or(*offset);
    let rest = usize::try_from(from).ok().and_then(|from| content.get(from..)).unwrap_or(&[]);
    let n = rest.len().min(buf.len());
    buf[..n].copy_from_slice(&rest[..n]);
    if at.is_none() {
        *offset += n as u64;
    }
    n
}

/// What both ends of a pipe share.
#[derive(Debug, Default)]
struct PipeState {
    bytes: VecDeque<u8>,
    readers: u32,
    writers: u32,
    changes: u64,
}

/// One end of a pipe. Dropping it tells the other end.
#[derive(Debug)]
pub struct PipeEnd {
    pipe: Rc<RefCell<PipeState>>,
    writes: bool,
}

impl PipeEnd {
    /// A new pipe: the end to read from, and the end to write to.
    pub fn pair() -> (PipeEnd, PipeEnd) {
        let pipe = Rc::new(RefCell::new(PipeState { readers: 1, writers: 1, ..PipeState::default() }));
        (PipeEnd { pipe: Rc::clone(&pipe), writes: false }, PipeEnd { pipe, writes: true })
    }

    fn read(&self, buf: &mut [u8]) -> Result<usize, Refusal> {
        let mut pipe = self.pipe.borrow_mut();
        if self.writes {
            return Err(Errno::BadF.into());
        }
        if pipe.bytes.is_empty() {
            return if pipe.writers == 0 { Ok(0) } else { Err(Refusal::NotNow) };
        }
        let n = pipe.bytes.len().min(buf.len());
        for (slot, byte) in buf.iter_mut().zip(pipe.bytes.drain(..n)) {
            *slot = byte;
        }
        pipe.changes += 1;
        Ok(n)
    }

    fn write(&self, bytes: &[u8]) -> Result<usize, Refusal> {
        let mut pipe = self.pipe.borrow_mut();
        if !self.writes {
            return Err(Errno::BadF.into());
        }
        if pipe.readers == 0 {
            return Err(Errno::Pipe.into());
        }
        let n = bytes.len().min(PIPE_CAPACITY - pipe.bytes.len());
        if n == 0 && !bytes.is_empty() {
            return Err(Refusal::NotNow);
        }
        pipe.bytes.extend(&bytes[..n]);
        pipe.changes += 1;
        Ok(n)
    }

    fn ready(&self) -> u32 {
        let pipe = self.pipe.borrow();
        let when = |condition, bits| if condition { bits } else { 0 };
        if self.writes {
            when(pipe.bytes.len() < PIPE_CAPACITY, POLLOUT) | when(pipe.readers == 0, POLLERR)
        } else {
            when(!pipe.bytes.is_empty(), POLLIN) | when(pipe.writers == 0, POLLHUP)
        }
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        let mut pipe = self.pipe.borrow_mut();
        let side = if self.writes { &mut pipe.writers } else { &mut pipe.readers };
        *side -= 1;
        pipe.changes += 1;
    }
}

/// An `eventfd`. Its value is eight bytes in the guest's order.
#[derive(Debug)]
pub struct Counter {
    value: u64,
    big_endian: bool,
    changes: u64,
}

impl Counter {
    /// A counter that starts at a value.
    pub fn new(value: u64, big_endian: bool) -> Self {
        Counter { value, big_endian, changes: 0 }
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Refusal> {
        let bytes = if self.big_endian { self.value.to_be_bytes() } else { self.value.to_le_bytes() };
        let slot = buf.get_mut(..8).ok_or(Errno::Inval)?;
        if self.value == 0 {
            return Err(Refusal::NotNow);
        }
        slot.copy_from_slice(&bytes);
        self.value = 0;
        self.changes += 1;
        Ok(8)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        let bytes: [u8; 8] = bytes.get(..8).and_then(|b| b.try_into().ok()).ok_or(Errno::Inval)?;
        let more = if self.big_endian { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) };
        let sum = self.value.checked_add(more).filter(|&sum| sum < u64::MAX).ok_or(Refusal::NotNow)?;
        self.value = sum;
        self.changes += 1;
        Ok(8)
    }

    fn ready(&self) -> u32 {
        POLLOUT | if self.value > 0 { POLLIN } else { 0 }
    }
}

/// A descriptor's open file, shared by its duplicates.
pub type Shared = Rc<RefCell<Open>>;

/// A process's file descriptors.
#[derive(Debug, Default)]
pub struct Descriptors(BTreeMap<i32, Shared>);

impl Descriptors {
    /// The open file behind a descriptor.
    pub fn get(&self, fd: u64) -> Result<Shared, Errno> {
        self.0.get(&(fd as i32)).cloned().ok_or(Errno::BadF)
    }

    /// Gives an open file the lowest free descriptor from `from` on.
    pub fn add(&mut self, open: Shared, from: i32) -> Result<u64, Errno> {
        let fd = (from.max(0)..MAX_FILES).find(|fd| !self.0.contains_key(fd)).ok_or(Errno::MFile)?;
        self.0.insert(fd, open);
        Ok(fd as u64)
    }

    /// Gives an open file a certain descriptor.
    pub fn set(&mut self, fd: i32, open: Shared) {
        self.0.insert(fd, open);
    }

    /// Closes a descriptor.
    pub fn close(&mut self, fd: u64) -> Result<(), Errno> {
        self.0.remove(&(fd as i32)).map(drop).ok_or(Errno::BadF)
    }
}
