//! Open files: what file descriptors stand for.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::budget::Budget;
use super::clock::Random;
use super::epoll::Epoll;
use super::errno::Errno;
use super::event::Counter;
use super::flags::{O_ACCMODE, O_APPEND, O_CLOEXEC, O_NOATIME, O_NONBLOCK, O_PATH, O_WRONLY};
use super::fs::{Device, Kind, Node};
use super::pipe::PipeEnd;

/// Input is ready.
pub const POLLIN: u32 = 1;
/// Output is possible.
pub const POLLOUT: u32 = 4;
/// The other end is gone, for a writer.
pub const POLLERR: u32 = 8;
/// The other end is gone, for a reader.
pub const POLLHUP: u32 = 16;

/// How many descriptors a process may have in the beginning, and at most, as `RLIMIT_NOFILE` has it: the kernel's.
pub const START_FILES: i32 = 1024;
/// See [`START_FILES`].
pub const MAX_FILES: i32 = 4096;

/// Where a program's messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// What is known about the host's standard input.
#[derive(Debug, Default)]
pub struct Input {
    /// Whether it is a terminal.
    pub terminal: bool,
    /// Whether there is something to read, or nothing will come any more.
    pub ready: Cell<bool>,
    /// How often something was read.
    pub changes: Cell<u64>,
}

/// What can be open.
#[derive(Debug)]
pub enum Object {
    /// The host's standard output or error.
    Output(Stream),
    /// The host's standard input, when it is no file.
    Input(Rc<Input>),
    /// What has a place in the tree: a file, a folder, a device.
    Node(Node),
    /// One end of a pipe, and its inode if it has a name.
    Pipe(PipeEnd, Option<Node>),
    /// `eventfd` and `timerfd`.
    Counter(Counter),
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

/// What reading and writing need of the kernel.
pub struct Io<'a> {
    /// What `/dev/urandom` gives.
    pub random: &'a mut Random,
    /// What files and pipes may still take.
    pub room: &'a Budget,
    /// Nanoseconds since 1970.
    pub now: i64,
}

/// An open file: an object, a position in it, and how it was opened.
#[derive(Debug)]
pub struct Open {
    /// Names it among all that were ever open.
    pub id: u64,
    /// What is open.
    pub object: Object,
    /// The path that it was opened by, if it was.
    pub path: Option<Vec<u8>>,
    /// Where the next read or write takes place, in bytes; in a folder, which entry comes next.
    pub offset: u64,
    /// Flags of `open(2)`, in their generic values.
    pub flags: u32,
}

impl Open {
    /// Its inode, if it has one.
    pub fn node(&self) -> Option<&Node> {
        match &self.object {
            Object::Node(node) | Object::Pipe(_, Some(node)) => Some(node),
            _ => None,
        }
    }

    /// Whether calls return `EAGAIN` instead of waiting.
    pub fn non_blocking(&self) -> bool {
        self.flags & O_NONBLOCK != 0
    }

    /// Whether it can be read and written.
    pub fn access(&self) -> (bool, bool) {
        let access = self.flags & O_ACCMODE;
        let usable = self.flags & O_PATH == 0;
        (usable && access != O_WRONLY, usable && access != 0)
    }

    /// Reads at the position, or at `at`, and moves on unless `at` was given. No bytes mean the end.
    pub fn read(&mut self, buf: &mut [u8], at: Option<u64>, io: &mut Io) -> Result<usize, Refusal> {
        if !self.access().0 {
            return Err(Errno::BadF.into());
        }
        let node = match &mut self.object {
            // The host's streams belong to whoever runs the process.
            Object::Output(_) | Object::Input(_) => return Err(Errno::BadF.into()),
            Object::Pipe(end, _) => return end.read(buf),
            Object::Counter(counter) => return counter.read(buf),
            Object::Epoll(_) => return Err(Errno::Inval.into()),
            Object::Node(node) => node,
        };
        let from = at.unwrap_or(self.offset);
        let n = match &node.kind {
            Kind::File(data) => data.borrow().read(from, buf),
            Kind::Fixed(bytes) => {
                let rest = usize::try_from(from).ok().and_then(|from| bytes.get(from..)).unwrap_or(&[]);
                let n = rest.len().min(buf.len());
                buf[..n].copy_from_slice(&rest[..n]);
                n
            }
            Kind::Host(file) => file.read(from, buf)?,
            Kind::Device(Device::Null) => 0,
            Kind::Device(Device::Zero | Device::Full) => {
                buf.fill(0);
                buf.len()
            }
            Kind::Device(Device::Random) => {
                io.random.fill(buf);
                buf.len()
            }
            Kind::Folder(_) | Kind::HostFolder(_) => return Err(Errno::IsDir.into()),
            Kind::Link(_) | Kind::Fifo(_) => return Err(Errno::BadF.into()),
        };
        if n > 0 && self.flags & O_NOATIME == 0 && matches!(node.kind, Kind::File(_)) {
            node.update(|meta| meta.accessed = io.now);
        }
        if at.is_none() && !matches!(node.kind, Kind::Device(_)) {
            self.offset += n as u64;
        }
        Ok(n)
    }

    /// Writes to a file at the position, or at `at`.
    pub fn write(&mut self, bytes: &[u8], at: Option<u64>, io: &mut Io) -> Result<usize, Refusal> {
        if !self.access().1 {
            return Err(Errno::BadF.into());
        }
        let node = match &mut self.object {
            Object::Output(_) | Object::Input(_) => return Err(Errno::BadF.into()),
            Object::Epoll(_) => return Err(Errno::Inval.into()),
            Object::Pipe(end, _) => return end.write(bytes, io.room),
            Object::Counter(counter) => return counter.write(bytes),
            Object::Node(node) => node,
        };
        match &node.kind {
            Kind::Device(Device::Full) => Err(Errno::NoSpc.into()),
            Kind::Device(_) => Ok(bytes.len()),
            Kind::File(data) => {
                let mut data = data.borrow_mut();
                // Linux appends even where a position is given.
                let start = match at {
                    _ if self.flags & O_APPEND != 0 => data.len(),
                    at => at.unwrap_or(self.offset),
                };
                let n = data.write(start, bytes)?;
                if at.is_none() {
                    self.offset = start + n as u64;
                }
                if n > 0 {
                    node.modified(io.now);
                    node.update(|meta| meta.mode &= !0o6000);
                }
                Ok(n)
            }
            _ => Err(Errno::BadF.into()),
        }
    }

    /// What could be done now without waiting, as `poll` bits.
    pub fn ready(&self) -> u32 {
        match &self.object {
            Object::Pipe(end, _) => end.ready(),
            Object::Counter(counter) => counter.ready(),
            Object::Epoll(epoll) => epoll.ready(),
            Object::Input(input) => {
                if input.ready.get() {
                    POLLIN
                } else {
                    0
                }
            }
            _ => POLLIN | POLLOUT,
        }
    }

    /// How often the object has changed: what an edge-triggered poll compares.
    pub fn changes(&self) -> u64 {
        match &self.object {
            Object::Pipe(end, _) => end.changes(),
            Object::Counter(counter) => counter.changes,
            Object::Input(input) => input.changes.get(),
            _ => 0,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(node) = self.node() {
            node.locks.borrow_mut().forget(self.id);
        }
    }
}

/// A descriptor's open file, shared by its duplicates.
pub type Shared = Rc<RefCell<Open>>;

/// A process's file descriptors.
#[derive(Debug)]
pub struct Descriptors {
    open: BTreeMap<i32, Shared>,
    /// Those that another program would not get.
    cloexec: BTreeSet<i32>,
    ids: u64,
    /// A new one is below this.
    limit: i32,
}

impl Default for Descriptors {
    fn default() -> Self {
        Descriptors { open: BTreeMap::new(), cloexec: BTreeSet::new(), ids: 0, limit: START_FILES }
    }
}

impl Descriptors {
    /// How many descriptors there may be: new ones are below this.
    pub fn limit(&self) -> u64 {
        self.limit as u64
    }

    /// Sets [`Descriptors::limit`]. Those that are open stay.
    pub fn set_limit(&mut self, limit: u64) {
        self.limit = limit.min(MAX_FILES as u64) as i32;
    }

    /// The open file that a descriptor stands for.
    pub fn get(&self, fd: u64) -> Result<Shared, Errno> {
        self.open.get(&(fd as i32)).cloned().ok_or(Errno::BadF)
    }

    /// As [`Descriptors::get`], but not of a mere place in the tree (`O_PATH`).
    pub fn usable(&self, fd: u64) -> Result<Shared, Errno> {
        let open = self.get(fd)?;
        if open.borrow().flags & O_PATH != 0 { Err(Errno::BadF) } else { Ok(open) }
    }

    /// An open file that has no descriptor yet.
    pub fn make(&mut self, object: Object, flags: u32, path: Option<Vec<u8>>) -> Shared {
        self.ids += 1;
        Rc::new(RefCell::new(Open { id: self.ids, object, path, offset: 0, flags }))
    }

    /// Opens an object at the lowest free descriptor.
    pub fn open(&mut self, object: Object, flags: u32, path: Option<Vec<u8>>) -> Result<u64, Errno> {
        let open = self.make(object, flags & super::flags::KEPT, path);
        self.add(open, 0, flags & O_CLOEXEC != 0)
    }

    /// Gives an open file the lowest free descriptor from `from` on.
    pub fn add(&mut self, open: Shared, from: i32, cloexec: bool) -> Result<u64, Errno> {
        let fd = (from.max(0)..self.limit).find(|fd| !self.open.contains_key(fd)).ok_or(Errno::MFile)?;
        self.set(fd, open, cloexec);
        Ok(fd as u64)
    }

    /// Gives an open file a certain descriptor.
    pub fn set(&mut self, fd: i32, open: Shared, cloexec: bool) {
        self.open.insert(fd, open);
        self.set_cloexec(fd, cloexec);
    }

    /// Whether another program would not get a descriptor.
    pub fn cloexec(&self, fd: u64) -> bool {
        self.cloexec.contains(&(fd as i32))
    }

    /// Says whether another program would get a descriptor.
    pub fn set_cloexec(&mut self, fd: i32, cloexec: bool) {
        if cloexec {
            self.cloexec.insert(fd);
        } else {
            self.cloexec.remove(&fd);
        }
    }

    /// Closes a descriptor.
    pub fn close(&mut self, fd: u64) -> Result<(), Errno> {
        self.cloexec.remove(&(fd as i32));
        self.open.remove(&(fd as i32)).map(drop).ok_or(Errno::BadF)
    }

    /// The descriptors from one to another that are open.
    pub fn between(&self, first: i32, last: i32) -> Vec<i32> {
        if first > last { Vec::new() } else { self.open.range(first..=last).map(|(&fd, _)| fd).collect() }
    }
}
