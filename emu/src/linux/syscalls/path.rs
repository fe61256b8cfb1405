//! Paths: opening, making, naming, removing.

use std::rc::Rc;

use super::super::errno::Errno;
use super::super::fd::Refusal;
use super::super::fd::{Object, Shared};
use super::super::flags::{self, O_ACCMODE, O_CREAT, O_NONBLOCK, O_PATH, O_TRUNC, O_WRONLY};
use super::super::fs::{Kind, Node};
use super::super::pipe::PipeEnd;
use super::super::process::Process;
use super::super::table::Stop;
use super::super::thread::{Call, Wait};

/// Paths begin at the working directory. Only its lower half counts.
pub const AT_FDCWD: u64 = -100_i64 as u64;
/// A symbolic link itself is meant.
pub const AT_SYMLINK_NOFOLLOW: u64 = 0x100;
/// An empty path means the descriptor.
pub const AT_EMPTY_PATH: u64 = 0x1000;
const AT_REMOVEDIR: u64 = 0x200;
const AT_SYMLINK_FOLLOW: u64 = 0x400;

/// A path, and the folder at which it begins.
pub struct Place {
    /// The folder.
    pub base: Node,
    /// The path.
    pub path: Vec<u8>,
}

impl Process {
    /// The path at an address, which begins at an open folder unless it is absolute.
    pub(in super::super) fn place(&mut self, directory: u64, addr: u64) -> Result<Place, Errno> {
        let path = self.user().string(addr)?;
        if directory as u32 == AT_FDCWD as u32 || path.starts_with(b"/") {
            return Ok(Place { base: Rc::clone(&self.cwd), path });
        }
        let base = match &self.fds.get(directory)?.borrow().object {
            Object::Node(node) if node.is_folder() || path.is_empty() => Rc::clone(node),
            _ => return Err(Errno::NotDir),
        };
        Ok(Place { base, path })
    }

    /// What is open under the descriptor that a path such as `/proc/self/fd/1` or `/dev/stdout` names, if
    /// it is such a path.
    pub(in super::super) fn open_path_of_descriptor(&self, place: &Place) -> Result<Option<Shared>, Errno> {
        let fd = match &place.path[..] {
            b"/dev/stdin" => 0,
            b"/dev/stdout" => 1,
            b"/dev/stderr" => 2,
            path => {
                let number = [&b"/proc/self/fd/"[..], b"/dev/fd/", b"/proc/thread-self/fd/"]
                    .iter()
                    .find_map(|prefix| path.strip_prefix(*prefix));
                let Some(number) = number.and_then(|n| std::str::from_utf8(n).ok()?.parse().ok()) else {
                    return Ok(None);
                };
                number
            }
        };
        self.fds.get(fd).map(Some).map_err(|_| Errno::NoEnt)
    }

    /// The absolute path that a path stands for, as far as text goes.
    fn full(&self, place: &Place) -> Vec<u8> {
        let mut parts: Vec<&[u8]> = Vec::new();
        let base = if place.path.starts_with(b"/") { None } else { self.files.path_of(&place.base) };
        let base = base.unwrap_or_default();
        for part in base.split(|&b| b == b'/').chain(place.path.split(|&b| b == b'/')) {
            match part {
                b"" | b"." => {}
                b".." => {
                    parts.pop();
                }
                part => parts.push(part),
            }
        }
        let path = parts.join(&b'/');
        [b"/", &path[..]].concat()
    }
}

/// `open(path, flags, mode)`.
pub fn open(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [path, flags, mode, ..] = call.args;
    open_at(p, call, (AT_FDCWD, path), flags, mode)
}

/// `openat(directory, path, flags, mode)`.
pub fn openat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [directory, path, flags, mode, ..] = call.args;
    open_at(p, call, (directory, path), flags, mode)
}

/// `creat(path, mode)`.
pub fn creat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [path, mode, ..] = call.args;
    open_at(p, call, (AT_FDCWD, path), (O_CREAT | O_WRONLY | O_TRUNC).into(), mode)
}

fn open_at(
    p: &mut Process,
    call: &Call,
    (directory, addr): (u64, u64),
    flags: u64,
    mode: u64,
) -> Result<u64, Stop> {
    let flags = p.linux.open_flags_from(flags as u32);
    let place = p.place(directory, addr)?;
    if let Some(open) = p.open_path_of_descriptor(&place)? {
        return open_again(p, &open, flags);
    }
    let opened = p.files.open(&place.base, &place.path, flags, mode as u32);
    if matches!(opened, Err(Errno::NoEnt)) && flags & O_CREAT == 0 && !place.path.is_empty() {
        let path = p.full(&place);
        p.host.not_found(&String::from_utf8_lossy(&path));
    }
    let node = opened?;
    let path = p.full(&place);
    let object = match &node.kind {
        Kind::Fifo(pipe) if flags & O_PATH == 0 => {
            let access = flags & O_ACCMODE;
            let sides = (access != O_WRONLY, access != 0);
            let waiter = (p.thread().tid, call.again);
            match PipeEnd::open(pipe, sides, flags & O_NONBLOCK != 0, waiter) {
                Ok(end) => {
                    p.files_changed();
                    Object::Pipe(end, Some(Rc::clone(&node)))
                }
                Err(Refusal::NotNow) => {
                    p.files_changed();
                    return Err(Stop::Block(Wait::File, None));
                }
                Err(Refusal::Error(errno)) => return Err(errno.into()),
            }
        }
        _ => {
            if flags & O_TRUNC != 0 {
                p.truncated_shared(&node);
            }
            Object::Node(node)
        }
    };
    Ok(p.fds.open(object, flags, Some(path))?)
}

/// Opens once more what is open, through `/proc/self/fd` or `/dev/stdin`.
fn open_again(p: &mut Process, open: &Shared, flags: u32) -> Result<u64, Stop> {
    let (object, path) = {
        let open = open.borrow();
        let object = match &open.object {
            Object::Output(stream) => Object::Output(*stream),
            Object::Input(input) => Object::Input(Rc::clone(input)),
            Object::Node(node) => {
                p.files.may_open(node, flags)?;
                Object::Node(Rc::clone(node))
            }
            Object::Pipe(end, node) => Object::Pipe(end.again(flags & O_ACCMODE), node.clone()),
            _ => return Err(Errno::NxIo.into()),
        };
        (object, open.path.clone())
    };
    Ok(p.fds.open(object, flags, path)?)
}

/// Cuts off the file that a path leads to, or lengthens it.
pub fn truncate(p: &mut Process, addr: u64, length: u64) -> Result<u64, Stop> {
    let place = p.place(AT_FDCWD, addr)?;
    let node = p.files.lookup(&place.base, &place.path, true)?;
    if node.is_folder() {
        return Err(Errno::IsDir.into());
    }
    if !node.allows(super::super::fs::W_OK) {
        return Err(if matches!(node.kind, Kind::Host(_)) { Errno::RoFs } else { Errno::Acces }.into());
    }
    p.files.truncate(&node, length)?;
    p.truncated_shared(&node);
    Ok(0)
}

/// `readlink(path, buf, len)`.
pub fn readlink(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [path, buf, len, ..] = call.args;
    read_link(p, (AT_FDCWD, path), buf, len)
}

/// `readlinkat(directory, path, buf, len)`.
pub fn readlinkat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [directory, path, buf, len, ..] = call.args;
    read_link(p, (directory, path), buf, len)
}

fn read_link(p: &mut Process, (directory, addr): (u64, u64), buf: u64, len: u64) -> Result<u64, Stop> {
    if len as i32 <= 0 {
        return Err(Errno::Inval.into());
    }
    let place = p.place(directory, addr)?;
    let node = match p.open_path_of_descriptor(&place)? {
        Some(open) if !place.path.starts_with(b"/dev/std") => {
            let open = open.borrow();
            let nameless = match open.object {
                Object::Pipe(..) | Object::Output(_) | Object::Input(_) => format!("pipe:[{}]", open.id),
                Object::Epoll(_) => "anon_inode:[eventpoll]".to_owned(),
                _ => "anon_inode:[eventfd]".to_owned(),
            };
            let path = open.path.clone().unwrap_or(nameless.into_bytes());
            return put_link(p, &path, buf, len);
        }
        _ if place.path.is_empty() => place.base,
        _ => p.files.lookup(&place.base, &place.path, false)?,
    };
    match &node.kind {
        Kind::Link(target) => put_link(p, target, buf, len),
        _ if place.path.is_empty() => Err(Errno::NoEnt.into()),
        _ => Err(Errno::Inval.into()),
    }
}

fn put_link(p: &mut Process, target: &[u8], buf: u64, len: u64) -> Result<u64, Stop> {
    let n = target.len().min(len as usize);
    p.user().write(buf, &target[..n])?;
    Ok(n as u64)
}

/// `unlink(path)`.
pub fn unlink(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let place = p.place(AT_FDCWD, call.args[0])?;
    p.files.unlink(&place.base, &place.path)?;
    Ok(0)
}

/// `unlinkat(directory, path, flags)`.
pub fn unlinkat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [directory, path, flags, ..] = call.args;
    let place = p.place(directory, path)?;
    match flags {
        0 => p.files.unlink(&place.base, &place.path)?,
        AT_REMOVEDIR => p.files.rmdir(&place.base, &place.path)?,
        _ => return Err(Errno::Inval.into()),
    }
    Ok(0)
}

/// `rmdir(path)`.
pub fn rmdir(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let place = p.place(AT_FDCWD, call.args[0])?;
    p.files.rmdir(&place.base, &place.path)?;
    Ok(0)
}

/// `mkdir(path, mode)`.
pub fn mkdir(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    make_folder(p, (AT_FDCWD, call.args[0]), call.args[1])
}

/// `mkdirat(directory, path, mode)`.
pub fn mkdirat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    make_folder(p, (call.args[0], call.args[1]), call.args[2])
}

fn make_folder(p: &mut Process, (directory, addr): (u64, u64), mode: u64) -> Result<u64, Stop> {
    let place = p.place(directory, addr)?;
    p.files.mkdir(&place.base, &place.path, mode as u32)?;
    Ok(0)
}

/// `mknod(path, mode, device)`.
pub fn mknod(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    make_node(p, (AT_FDCWD, call.args[0]), call.args[1] as u32)
}

/// `mknodat(directory, path, mode, device)`.
pub fn mknodat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    make_node(p, (call.args[0], call.args[1]), call.args[2] as u32)
}

/// Makes a file or a named pipe; devices are the superuser's.
fn make_node(p: &mut Process, (directory, addr): (u64, u64), mode: u32) -> Result<u64, Stop> {
    let place = p.place(directory, addr)?;
    match mode & 0o170000 {
        0 | 0o100000 => {
            let exclusive = O_CREAT | flags::O_EXCL;
            p.files.open(&place.base, &place.path, exclusive, mode & 0o7777).map(drop)?;
        }
        0o010000 => p.files.mkfifo(&place.base, &place.path, mode)?,
        _ => return Err(Errno::Perm.into()),
    }
    Ok(0)
}

/// `symlink(target, path)`.
pub fn symlink(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    make_link(p, call.args[0], (AT_FDCWD, call.args[1]))
}

/// `symlinkat(target, directory, path)`.
pub fn symlinkat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    make_link(p, call.args[0], (call.args[1], call.args[2]))
}

fn make_link(p: &mut Process, target: u64, (directory, addr): (u64, u64)) -> Result<u64, Stop> {
    let target = p.user().string(target)?;
    let place = p.place(directory, addr)?;
    p.files.symlink(&target, &place.base, &place.path)?;
    Ok(0)
}

/// `link(from, to)`.
pub fn link(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    name_again(p, (AT_FDCWD, call.args[0]), (AT_FDCWD, call.args[1]), 0)
}

/// `linkat(directory, from, directory, to, flags)`.
pub fn linkat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [from, old, to, new, flags, _] = call.args;
    name_again(p, (from, old), (to, new), flags)
}

fn name_again(p: &mut Process, from: (u64, u64), to: (u64, u64), flags: u64) -> Result<u64, Stop> {
    let source = p.place(from.0, from.1)?;
    let open = p.open_path_of_descriptor(&source)?.filter(|_| flags & AT_SYMLINK_FOLLOW != 0);
    let node = match open {
        Some(open) => open.borrow().node().cloned().ok_or(Errno::XDev)?,
        None if source.path.is_empty() && flags & AT_EMPTY_PATH != 0 => source.base,
        None => p.files.lookup(&source.base, &source.path, flags & AT_SYMLINK_FOLLOW != 0)?,
    };
    let target = p.place(to.0, to.1)?;
    p.files.link(&node, &target.base, &target.path)?;
    Ok(0)
}

/// `rename(from, to)`.
pub fn rename(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    move_path(p, (AT_FDCWD, call.args[0]), (AT_FDCWD, call.args[1]), 0)
}

/// `renameat(directory, from, directory, to)`.
pub fn renameat(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [from, old, to, new, ..] = call.args;
    move_path(p, (from, old), (to, new), 0)
}

/// `renameat2(directory, from, directory, to, flags)`.
pub fn renameat2(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [from, old, to, new, flags, _] = call.args;
    if flags > 2 {
        return Err(Errno::Inval.into());
    }
    move_path(p, (from, old), (to, new), flags)
}

fn move_path(p: &mut Process, from: (u64, u64), to: (u64, u64), flags: u64) -> Result<u64, Stop> {
    let (from, to) = (p.place(from.0, from.1)?, p.place(to.0, to.1)?);
    p.files.rename((&from.base, &from.path), (&to.base, &to.path), flags)?;
    Ok(0)
}
