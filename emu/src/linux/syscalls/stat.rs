//! What can be known about a file: `stat` and its kind.

use heapmatrix_writer::AnyTarget;

use super::super::errno::Errno;
use super::super::fd::{Object, Open};
use super::super::fs::{Device, Inode, Kind, UID};
use super::super::process::Process;
use super::super::thread::Call;
use super::super::user::Record;
use super::Stop;
use super::path::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, Place};

const SECOND: i64 = 1_000_000_000;
/// Bytes that are best read or written at a time.
const BLOCK: u64 = 4096;
const S_IFIFO: u32 = 0o010000;
const S_IFCHR: u32 = 0o020000;

/// What `stat` tells. Times are nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Stat {
    device: u64,
    inode: u64,
    mode: u32,
    links: u32,
    uid: u32,
    gid: u32,
    /// Of a device: which it is.
    special: u64,
    size: u64,
    /// Bytes that are stored.
    stored: u64,
    times: [i64; 3],
}

impl Stat {
    fn of(node: &Inode) -> Self {
        let meta = node.meta.get();
        let size = node.size();
        let (device, stored) = match &node.kind {
            Kind::File(data) => (1, data.borrow().stored()),
            Kind::Host(_) | Kind::HostFolder(_) => (2, size),
            Kind::Fixed(_) => (3, 0),
            Kind::Folder(_) => (1, BLOCK),
            _ => (1, 0),
        };
        let special = match node.kind {
            Kind::Device(Device::Null) => 0x103,
            Kind::Device(Device::Zero) => 0x105,
            Kind::Device(Device::Full) => 0x107,
            Kind::Device(Device::Random) => 0x109,
            _ => 0,
        };
        Stat {
            device,
            inode: node.number,
            mode: node.type_bits() << 12 | meta.mode,
            links: meta.links,
            uid: meta.uid,
            gid: meta.gid,
            special,
            size,
            stored,
            times: [meta.accessed, meta.modified, meta.changed],
        }
    }

    fn open(open: &Open, now: i64) -> Self {
        if let Some(node) = open.node() {
            return Stat::of(node);
        }
        let mode = match &open.object {
            Object::Input(input) if input.terminal => S_IFCHR | 0o620,
            // Standard output is a pipe to the host.
            Object::Pipe(..) | Object::Output(_) | Object::Input(_) => S_IFIFO | 0o600,
            // Nothing but a number: epoll, eventfd.
            _ => 0o600,
        };
        Stat {
            device: 4,
            inode: 1_000_000 + open.id,
            mode,
            links: 1,
            uid: UID,
            gid: UID,
            special: if mode & S_IFCHR != 0 { 0x8800 } else { 0 },
            size: 0,
            stored: 0,
            times: [now; 3],
        }
    }

    fn blocks(&self) -> u64 {
        self.stored.div_ceil(512)
    }

    /// `struct stat` of 64-bit machines, `struct stat64` of the others.
    fn record(&self, p: &Process) -> Vec<u8> {
        let record = Record::new(p.order);
        let times =
            self.times.iter().flat_map(|t| [t.div_euclid(SECOND) as u64, t.rem_euclid(SECOND) as u64]);
        match p.target {
            AnyTarget::Amd64 | AnyTarget::Ppc64 => record
                .words([self.device, self.inode, self.links.into()])
                .u32(self.mode)
                .u32(self.uid)
                .u32(self.gid)
                .u32(0)
                .words([self.special, self.size, BLOCK, self.blocks()])
                .words(times)
                .pad_to(144),
            target => {
                // arm aligns 64-bit integers to eight bytes; 386 does not.
                let size_at = if target == AnyTarget::Arm { 48 } else { 44 };
                record
                    .u64(self.device)
                    .pad_to(12)
                    .u32(self.inode as u32)
                    .u32(self.mode)
                    .u32(self.links)
                    .u32(self.uid)
                    .u32(self.gid)
                    .u64(self.special)
                    .pad_to(size_at)
                    .u64(self.size)
                    .u32(BLOCK as u32)
                    .pad_to(size_at + if target == AnyTarget::Arm { 16 } else { 12 })
                    .u64(self.blocks())
                    .words(times)
                    .u64(self.inode)
            }
        }
        .finish()
    }

    /// `struct stat` of 32-bit machines, of before there were large files.
    fn narrow_record(&self, p: &Process) -> Result<Vec<u8>, Errno> {
        let size = u32::try_from(self.size).ok().filter(|&s| s <= i32::MAX as u32).ok_or(Errno::Overflow)?;
        let times =
            self.times.iter().flat_map(|t| [t.div_euclid(SECOND) as u64, t.rem_euclid(SECOND) as u64]);
        let record = Record::new(p.order)
            .words([self.device, self.inode])
            .u16(self.mode as u16)
            .u16(self.links as u16)
            .u16(self.uid as u16)
            .u16(self.gid as u16)
            .words([self.special, size.into(), BLOCK, self.blocks()])
            .words(times)
            .pad_to(64);
        Ok(record.finish())
    }

    /// `struct statx`, the same on all machines but for the order of bytes.
    fn statx(&self, p: &Process) -> Vec<u8> {
        /// All that `stat` tells; no time of birth.
        const BASIC: u32 = 0x7ff;
        let time = |record: Record, t: i64| {
            record.u64(t.div_euclid(SECOND) as u64).u32(t.rem_euclid(SECOND) as u32).u32(0)
        };
        let [accessed, modified, changed] = self.times;
        let record = Record::new(p.order)
            .u32(BASIC)
            .u32(BLOCK as u32)
            .u64(0)
            .u32(self.links)
            .u32(self.uid)
            .u32(self.gid)
            .u16(self.mode as u16)
            .u16(0)
            .u64(self.inode)
            .u64(self.size)
            .u64(self.blocks())
            .u64(0);
        let record = [accessed, 0, changed, modified].into_iter().fold(record, time);
        let [special, device] = [self.special, self.device].map(|d| ((d >> 8) as u32, (d & 0xff) as u32));
        record.u32(special.0).u32(special.1).u32(device.0).u32(device.1).pad_to(256).finish()
    }
}

/// Which of the structures a call fills.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Wide,
    Narrow,
}

fn put(p: &mut Process, addr: u64, stat: &Stat, layout: Layout) -> Result<u64, Stop> {
    let record = match layout {
        Layout::Narrow if p.order.word == 4 => stat.narrow_record(p)?,
        _ => stat.record(p),
    };
    p.user().write(addr, &record)?;
    Ok(0)
}

fn path(p: &mut Process, place: Place, follow: bool) -> Result<Stat, Errno> {
    if let Some(open) = p.open_path_of_descriptor(&place)?.filter(|_| follow) {
        return Ok(Stat::open(&open.borrow(), p.files.now));
    }
    let node = p.files.lookup(&place.base, &place.path, follow)?;
    Ok(Stat::of(&node))
}

fn at_path(p: &mut Process, call: &Call, follow: bool, layout: Layout) -> Result<u64, Stop> {
    let place = p.place(AT_FDCWD, call.args[0])?;
    let stat = path(p, place, follow)?;
    put(p, call.args[1], &stat, layout)
}

/// `stat(path, stat)`.
pub fn stat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    at_path(p, call, true, Layout::Narrow)
}

/// `stat64(path, stat)` of 32-bit machines.
pub fn stat64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    at_path(p, call, true, Layout::Wide)
}

/// `lstat(path, stat)`.
pub fn lstat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    at_path(p, call, false, Layout::Narrow)
}

/// `lstat64(path, stat)` of 32-bit machines.
pub fn lstat64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    at_path(p, call, false, Layout::Wide)
}

fn of_descriptor(p: &Process, fd: u64) -> Result<Stat, Errno> {
    let open = p.fds.get(fd)?;
    let stat = Stat::open(&open.borrow(), p.files.now);
    Ok(stat)
}

/// `fstat(fd, stat)`.
pub fn fstat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let stat = of_descriptor(p, call.args[0])?;
    put(p, call.args[1], &stat, Layout::Narrow)
}

/// `fstat64(fd, stat)` of 32-bit machines.
pub fn fstat64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let stat = of_descriptor(p, call.args[0])?;
    put(p, call.args[1], &stat, Layout::Wide)
}

/// What a folder's descriptor, a path in it and flags are about.
fn at(p: &mut Process, directory: u64, addr: u64, flags: u64) -> Result<Stat, Errno> {
    if flags & AT_EMPTY_PATH != 0 && directory != AT_FDCWD && (addr == 0 || p.user().string(addr)?.is_empty())
    {
        return of_descriptor(p, directory);
    }
    let place = p.place(directory, addr)?;
    if place.path.is_empty() && flags & AT_EMPTY_PATH != 0 {
        return Ok(Stat::of(&place.base));
    }
    path(p, place, flags & AT_SYMLINK_NOFOLLOW == 0)
}

/// `fstatat(directory, path, stat, flags)`.
pub fn fstatat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [directory, path, addr, flags, ..] = call.args;
    let stat = at(p, directory, path, flags)?;
    put(p, addr, &stat, Layout::Wide)
}

/// `statx(directory, path, flags, mask, statx)`.
pub fn statx(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [directory, path, flags, _, addr, _] = call.args;
    let record = at(p, directory, path, flags)?.statx(p);
    p.user().write(addr, &record)?;
    Ok(0)
}

/// `statfs(path, statfs)`.
pub fn statfs(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let place = p.place(AT_FDCWD, call.args[0])?;
    p.files.lookup(&place.base, &place.path, true)?;
    file_system(p, call.args[1], false)
}

/// `fstatfs(fd, statfs)`.
pub fn fstatfs(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    p.fds.get(call.args[0])?;
    file_system(p, call.args[1], false)
}

/// `statfs64(path, size, statfs)` of 32-bit machines.
pub fn statfs64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let place = p.place(AT_FDCWD, call.args[0])?;
    p.files.lookup(&place.base, &place.path, true)?;
    file_system(p, call.args[2], true)
}

/// `fstatfs64(fd, size, statfs)` of 32-bit machines.
pub fn fstatfs64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    p.fds.get(call.args[0])?;
    file_system(p, call.args[2], true)
}

/// A file system in memory, with as much room as is left.
fn file_system(p: &mut Process, addr: u64, wide: bool) -> Result<u64, Stop> {
    const TMPFS: u64 = 0x0102_1994;
    let (all, left) = (p.budget.limit() / BLOCK, p.budget.left() / BLOCK);
    let blocks = [all, left, left, 1 << 20, 1 << 20];
    let head = Record::new(p.order).words([TMPFS, BLOCK]);
    let counts = |record: Record, count: u64| {
        if wide { record.u64(count) } else { record.word(count) }
    };
    let record = blocks.into_iter().fold(head, counts).words([1, 0, 255, BLOCK, 0]).words([0; 4]).finish();
    p.user().write(addr, &record)?;
    Ok(0)
}
