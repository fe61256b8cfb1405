//! What can be known about a file: `stat` and its kind.

use super::super::arch::{BLOCK, FileSystem, Stat};
use super::super::errno::Errno;
use super::super::fd::{Object, Open};
use super::super::fs::{Device, Inode, Kind, UID};
use super::super::process::Process;
use super::super::table::Stop;
use super::super::thread::Call;
use super::super::user::{Order, Record};
use super::path::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, Place};

const SECOND: i64 = 1_000_000_000;
const S_IFIFO: u32 = 0o010000;
const S_IFCHR: u32 = 0o020000;

/// What there is to tell of a file in the tree.
fn of_node(node: &Inode) -> Stat {
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

/// What there is to tell of what is open.
fn of_open(open: &Open, now: i64) -> Stat {
    if let Some(node) = open.node() {
        return of_node(node);
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

/// `struct statx`, the same on all machines but for the order of bytes.
fn statx_record(stat: &Stat, order: Order) -> Vec<u8> {
    /// All that `stat` tells; no time of birth.
    const BASIC: u32 = 0x7ff;
    let time = |record: Record, t: i64| {
        record.u64(t.div_euclid(SECOND) as u64).u32(t.rem_euclid(SECOND) as u32).u32(0)
    };
    let [accessed, modified, changed] = stat.times;
    let record = Record::new(order)
        .u32(BASIC)
        .u32(BLOCK as u32)
        .u64(0)
        .u32(stat.links)
        .u32(stat.uid)
        .u32(stat.gid)
        .u16(stat.mode as u16)
        .u16(0)
        .u64(stat.inode)
        .u64(stat.size)
        .u64(stat.blocks())
        .u64(0);
    let record = [accessed, 0, changed, modified].into_iter().fold(record, time);
    let [special, device] = [stat.special, stat.device].map(|d| ((d >> 8) as u32, (d & 0xff) as u32));
    record.u32(special.0).u32(special.1).u32(device.0).u32(device.1).pad_to(256).finish()
}

/// Which of the structures a call fills.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Wide,
    Narrow,
}

fn put(p: &mut Process, addr: u64, stat: &Stat, layout: Layout) -> Result<u64, Stop> {
    let (layouts, record) = (p.linux.layouts, Record::new(p.order));
    let record = match (layout, layouts.narrow_stat) {
        (Layout::Narrow, Some(narrow)) => narrow(stat, record).ok_or(Errno::Overflow)?,
        (Layout::Narrow, None) | (Layout::Wide, _) => (layouts.stat)(stat, record),
    };
    p.user().write(addr, &record.finish())?;
    Ok(0)
}

fn path(p: &mut Process, place: Place, follow: bool) -> Result<Stat, Errno> {
    if let Some(open) = p.open_path_of_descriptor(&place)?.filter(|_| follow) {
        return Ok(of_open(&open.borrow(), p.files.now));
    }
    let node = p.files.lookup(&place.base, &place.path, follow)?;
    Ok(of_node(&node))
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
    let stat = of_open(&open.borrow(), p.files.now);
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
        return Ok(of_node(&place.base));
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
    let record = statx_record(&at(p, directory, path, flags)?, p.order);
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
    let (blocks, free) = (p.budget.limit() / BLOCK, p.budget.left() / BLOCK);
    let fs = FileSystem { magic: TMPFS, blocks, free, files: 1 << 20 };
    let layout = if wide { p.linux.layouts.statfs64 } else { p.linux.layouts.statfs };
    let record = layout(&fs, Record::new(p.order)).finish();
    p.user().write(addr, &record)?;
    Ok(0)
}
