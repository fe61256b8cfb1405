//! Permissions, owners and times of files.

use super::super::errno::Errno;
use super::super::fs::{Kind, Node, UID, W_OK};
use super::super::process::Process;
use super::super::table::Stop;
use super::super::thread::Call;
use super::path::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW};
use super::time::nanoseconds;

const SECOND: i64 = 1_000_000_000;
const UTIME_NOW: i64 = 0x3fff_ffff;
const UTIME_OMIT: i64 = 0x3fff_fffe;

/// The inode that a folder's descriptor, a path in it and flags mean.
fn target(p: &mut Process, directory: u64, addr: u64, flags: u64) -> Result<Node, Errno> {
    if addr == 0 {
        return of_descriptor(p, directory);
    }
    let place = p.place(directory, addr)?;
    let follow = flags & AT_SYMLINK_NOFOLLOW == 0;
    if let Some(open) = p.open_path_of_descriptor(&place)?.filter(|_| follow) {
        return open.borrow().node().cloned().ok_or(Errno::Perm);
    }
    if place.path.is_empty() && flags & AT_EMPTY_PATH != 0 {
        return Ok(place.base);
    }
    p.files.lookup(&place.base, &place.path, follow)
}

fn of_descriptor(p: &Process, fd: u64) -> Result<Node, Errno> {
    p.fds.usable(fd)?.borrow().node().cloned().ok_or(Errno::Perm)
}

/// What the guest may change about an inode is its own.
fn own(node: &Node) -> Result<(), Errno> {
    match node.kind {
        Kind::Host(_) | Kind::HostFolder(_) => Err(Errno::RoFs),
        Kind::Fixed(_) | Kind::Device(_) => Err(Errno::Perm),
        _ => Ok(()),
    }
}

/// `access(path, mode)`.
pub fn access(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    check(p, (AT_FDCWD, call.args[0]), call.args[1], 0)
}

/// `faccessat(directory, path, mode)`.
pub fn faccessat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    check(p, (call.args[0], call.args[1]), call.args[2], 0)
}

/// `faccessat2(directory, path, mode, flags)`.
pub fn faccessat2(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    check(p, (call.args[0], call.args[1]), call.args[2], call.args[3])
}

fn check(p: &mut Process, (directory, addr): (u64, u64), mode: u64, flags: u64) -> Result<u64, Stop> {
    let node = target(p, directory, addr, flags)?;
    let mode = mode as u32;
    if mode > 7 {
        return Err(Errno::Inval.into());
    }
    if mode & W_OK != 0 && matches!(node.kind, Kind::Host(_) | Kind::HostFolder(_)) {
        return Err(Errno::RoFs.into());
    }
    if node.allows(mode) { Ok(0) } else { Err(Errno::Acces.into()) }
}

/// `umask(mask)`.
pub fn umask(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    Ok(std::mem::replace(&mut p.files.umask, call.args[0] as u32 & 0o777).into())
}

/// `chmod(path, mode)`.
pub fn chmod(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let node = target(p, AT_FDCWD, call.args[0], 0)?;
    set_mode(p, &node, call.args[1])
}

/// `fchmod(fd, mode)`.
pub fn fchmod(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let node = of_descriptor(p, call.args[0])?;
    set_mode(p, &node, call.args[1])
}

/// `fchmodat(directory, path, mode)`.
pub fn fchmodat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let node = target(p, call.args[0], call.args[1], 0)?;
    set_mode(p, &node, call.args[2])
}

/// `fchmodat2(directory, path, mode, flags)`.
pub fn fchmodat2(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let node = target(p, call.args[0], call.args[1], call.args[3])?;
    set_mode(p, &node, call.args[2])
}

fn set_mode(p: &Process, node: &Node, mode: u64) -> Result<u64, Stop> {
    own(node)?;
    if let Kind::Link(_) = node.kind {
        return Err(Errno::OpNotSupp.into());
    }
    node.update(|meta| meta.mode = mode as u32 & 0o7777);
    node.changed(p.files.now);
    Ok(0)
}

/// `chown(path, user, group)`.
pub fn chown(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let node = target(p, AT_FDCWD, call.args[0], 0)?;
    set_owner(p, &node, call.args[1], call.args[2])
}

/// `lchown(path, user, group)`.
pub fn lchown(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let node = target(p, AT_FDCWD, call.args[0], AT_SYMLINK_NOFOLLOW)?;
    set_owner(p, &node, call.args[1], call.args[2])
}

/// `fchown(fd, user, group)`.
pub fn fchown(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let node = of_descriptor(p, call.args[0])?;
    set_owner(p, &node, call.args[1], call.args[2])
}

/// `fchownat(directory, path, user, group, flags)`.
pub fn fchownat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [directory, path, user, group, flags, _] = call.args;
    let node = target(p, directory, path, flags)?;
    set_owner(p, &node, user, group)
}

/// Only the superuser gives files away.
fn set_owner(p: &Process, node: &Node, user: u64, group: u64) -> Result<u64, Stop> {
    own(node)?;
    if [user, group].iter().any(|&id| id as u32 != UID && id as u32 != u32::MAX) {
        return Err(Errno::Perm.into());
    }
    node.changed(p.files.now);
    Ok(0)
}

/// What a time is to become.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Time {
    Now,
    Stays,
    Is(i64),
}

fn set_times(p: &Process, node: &Node, [accessed, modified]: [Time; 2]) -> Result<u64, Stop> {
    own(node)?;
    let now = p.files.now;
    let new = |time: Time, old: i64| match time {
        Time::Now => now,
        Time::Stays => old,
        Time::Is(time) => time,
    };
    node.update(|meta| {
        (meta.accessed, meta.modified) = (new(accessed, meta.accessed), new(modified, meta.modified));
        meta.changed = now;
    });
    Ok(0)
}

/// Two `timespec` whose integers have `width` bytes.
fn timespecs(p: &mut Process, addr: u64, width: u64) -> Result<[Time; 2], Errno> {
    if addr == 0 {
        return Ok([Time::Now; 2]);
    }
    let mut times = [Time::Now; 2];
    for (time, at) in times.iter_mut().zip([addr, addr.wrapping_add(2 * width)]) {
        let (sec, nsec) = pair(p, at, width)?;
        let nsec = if width == 8 { nanoseconds(p.order, nsec as u64) as i64 } else { nsec };
        *time = match nsec {
            UTIME_NOW => Time::Now,
            UTIME_OMIT => Time::Stays,
            0..SECOND => Time::Is(sec.saturating_mul(SECOND).saturating_add(nsec)),
            _ => return Err(Errno::Inval),
        };
    }
    Ok(times)
}

/// Two `timeval` of words.
fn timevals(p: &mut Process, addr: u64) -> Result<[Time; 2], Errno> {
    if addr == 0 {
        return Ok([Time::Now; 2]);
    }
    let word = p.order.word;
    let mut times = [Time::Now; 2];
    for (time, at) in times.iter_mut().zip([addr, addr.wrapping_add(2 * word)]) {
        let (sec, usec) = pair(p, at, word)?;
        if !(0..1_000_000).contains(&usec) {
            return Err(Errno::Inval);
        }
        *time = Time::Is(sec.saturating_mul(SECOND).saturating_add(usec * 1000));
    }
    Ok(times)
}

fn pair(p: &mut Process, addr: u64, width: u64) -> Result<(i64, i64), Errno> {
    let user = p.user();
    let int = |at: u64| -> Result<i64, Errno> {
        if width == 8 { user.u64(at).map(|v| v as i64) } else { user.u32(at).map(|v| (v as i32).into()) }
    };
    Ok((int(addr)?, int(addr.wrapping_add(width))?))
}

/// `utimensat(directory, path, times, flags)` in words.
pub fn utimensat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    utimens(p, call, p.order.word)
}

/// `utimensat_time64(directory, path, times, flags)`.
pub fn utimensat_time64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    utimens(p, call, 8)
}

fn utimens(p: &mut Process, call: &Call, width: u64) -> Result<u64, Stop> {
    let [directory, path, times, flags, ..] = call.args;
    let times = timespecs(p, times, width)?;
    let node = target(p, directory, path, flags)?;
    if times == [Time::Stays; 2] {
        return Ok(0);
    }
    set_times(p, &node, times)
}

/// `utimes(path, times)`.
pub fn utimes(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let times = timevals(p, call.args[1])?;
    let node = target(p, AT_FDCWD, call.args[0], 0)?;
    set_times(p, &node, times)
}

/// `futimesat(directory, path, times)`.
pub fn futimesat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let times = timevals(p, call.args[2])?;
    let node = target(p, call.args[0], call.args[1], 0)?;
    set_times(p, &node, times)
}

/// `utime(path, times)`: whole seconds.
pub fn utime(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [path, times, ..] = call.args;
    let times = match times {
        0 => [Time::Now; 2],
        at => {
            let (accessed, modified) = pair(p, at, p.order.word)?;
            [accessed, modified].map(|sec| Time::Is(sec.saturating_mul(SECOND)))
        }
    };
    let node = target(p, AT_FDCWD, path, 0)?;
    set_times(p, &node, times)
}
