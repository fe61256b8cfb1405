//! Folders: listing them, and working in one.

use std::rc::Rc;

use super::super::errno::Errno;
use super::super::fd::Object;
use super::super::fs::{Node, X_OK};
use super::super::process::Process;
use super::super::table::Stop;
use super::super::thread::Call;
use super::super::user::Record;
use super::path::AT_FDCWD;

/// `getdents64(fd, buf, len)`.
pub fn getdents64(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    entries(p, call, 19, |p, number, next, size, kind, name| {
        let entry = Record::new(p.order).u64(number).u64(next).u16(size as u16).raw(&[kind]);
        entry.raw(name).pad_to(size).finish()
    })
}

/// `getdents(fd, buf, len)`, as it was before: the type is an entry's last byte.
pub fn getdents(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let head = 2 * p.order.word as usize + 2;
    entries(p, call, head + 1, |p, number, next, size, kind, name| {
        let entry = Record::new(p.order).words([number, next]).u16(size as u16).raw(name);
        entry.pad_to(size - 1).raw(&[kind]).finish()
    })
}

/// The entries of a folder from where its reader is, as many as there is room for. `head` is an entry's
/// size without its name and the end of that.
fn entries(
    p: &mut Process,
    call: &Call,
    head: usize,
    record: impl Fn(&Process, u64, u64, usize, u8, &[u8]) -> Vec<u8>,
) -> Result<u64, Stop> {
    /// More than any program gives: a wild length allocates no more.
    const MOST: u64 = 1 << 20;
    let [fd, buf, len, ..] = call.args;
    let open = p.fds.usable(fd)?;
    let mut open = open.borrow_mut();
    let folder = match &open.object {
        Object::Node(node) if node.is_folder() => Rc::clone(node),
        _ => return Err(Errno::NotDir.into()),
    };
    let len = (len as u32 as u64).min(MOST) as usize;
    let (mut bytes, mut next, mut full) = (Vec::new(), open.offset, false);
    p.files.list(&folder, open.offset, |position, name, number, kind| {
        let size = (head + name.len() + 1).next_multiple_of(8);
        full = bytes.len() + size > len;
        if !full {
            next = position + 1;
            bytes.extend(record(p, number, next, size, kind, name));
        }
        !full
    });
    if bytes.is_empty() && full {
        return Err(Errno::Inval.into());
    }
    p.user().write(buf, &bytes)?;
    open.offset = next;
    Ok(bytes.len() as u64)
}

/// `getcwd(buf, len)`: answers the length with the terminating zero.
pub fn getcwd(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let [buf, len, ..] = call.args;
    let mut path = p.files.path_of(&p.cwd).ok_or(Errno::NoEnt)?;
    path.push(0);
    if path.len() > 4096 {
        return Err(Errno::NameTooLong.into());
    }
    if path.len() as u64 > len {
        return Err(Errno::Range.into());
    }
    p.user().write(buf, &path)?;
    Ok(path.len() as u64)
}

/// `chdir(path)`.
pub fn chdir(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let place = p.place(AT_FDCWD, call.args[0])?;
    let folder = p.files.lookup(&place.base, &place.path, true)?;
    enter(p, folder)
}

/// `fchdir(fd)`.
pub fn fchdir(p: &mut Process, call: &Call) -> Result<u64, Stop> {
    let open = p.fds.get(call.args[0])?;
    let folder = open.borrow().node().cloned().ok_or(Errno::NotDir)?;
    enter(p, folder)
}

fn enter(p: &mut Process, folder: Node) -> Result<u64, Stop> {
    if !folder.is_folder() {
        return Err(Errno::NotDir.into());
    }
    if !folder.allows(X_OK) {
        return Err(Errno::Acces.into());
    }
    p.cwd = folder;
    Ok(0)
}
