//! The files that a guest can see: its own, which live in memory, those that it was given, and a few that
//! every Linux has.
//!
//! As on Linux, folders map names to inodes, and open files refer to inodes: a file lives as long as it
//! has a name or somebody has it open.

mod change;
mod data;
mod host;
mod lock;
mod node;
mod tree;
mod walk;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

pub use host::{HostFile, Mount};
pub use lock::Lock;
pub use node::{Device, FIRST_POSITION, Inode, Kind, Meta, Node};
pub use tree::Kept;

use super::budget::Budget;
use super::errno::Errno;
use super::flags::{
    O_ACCMODE, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_TMPFILE, O_TRUNC, O_WRONLY,
};
use data::Data;
use node::Folder;

/// The user and group that the process runs as, and that everything belongs to.
pub const UID: u32 = 1000;

/// May be read.
pub const R_OK: u32 = 4;
/// May be written.
pub const W_OK: u32 = 2;
/// May be executed, or gone through.
pub const X_OK: u32 = 1;

/// The namespace of one process.
#[derive(Debug)]
pub struct Files {
    root: Node,
    room: Budget,
    numbers: Cell<u64>,
    /// What time it is: nanoseconds since 1970.
    pub now: i64,
    /// Permissions that new files don't get.
    pub umask: u32,
    /// Says by its first bytes whether a file is kept that the guest deletes.
    keep: Option<fn(&[u8]) -> bool>,
    /// Files without a name that are open still.
    orphans: Vec<(Vec<u8>, Node)>,
    /// The last file that was deleted and kept.
    kept: Option<(Vec<u8>, Node)>,
}

impl Files {
    /// A namespace of standard folders, whose files may take so many bytes.
    ///
    /// # Errors
    /// `ENOSPC` when not even these fit.
    pub fn new(room: Budget, now: i64, keep: Option<fn(&[u8]) -> bool>) -> Result<Self, Errno> {
        let meta =
            Meta { mode: 0o755, links: 2, uid: UID, gid: UID, accessed: now, modified: now, changed: now };
        let root = Inode::new(1, Kind::Folder(RefCell::new(Folder::new(&room))), meta, &room)?;
        let (numbers, umask) = (Cell::new(1), 0o022);
        let files = Files { root, room, numbers, now, umask, keep, orphans: Vec::new(), kept: None };
        files.standard()?;
        Ok(files)
    }

    /// The root.
    pub fn root(&self) -> Node {
        Rc::clone(&self.root)
    }

    /// The next inode's number.
    fn number(&self) -> u64 {
        self.numbers.set(self.numbers.get() + 1);
        self.numbers.get()
    }

    /// A new inode without a name.
    ///
    /// # Errors
    /// `ENOSPC`.
    pub fn inode(&self, kind: Kind, mode: u32) -> Result<Node, Errno> {
        let links = if matches!(kind, Kind::Folder(_)) { 2 } else { 1 };
        let now = self.now;
        let meta = Meta { mode, links, uid: UID, gid: UID, accessed: now, modified: now, changed: now };
        Inode::new(self.number(), kind, meta, &self.room)
    }

    /// Opens a path; flags have their generic values.
    ///
    /// # Errors
    /// As of `open(2)`.
    pub fn open(&mut self, from: &Node, path: &[u8], flags: u32, mode: u32) -> Result<Node, Errno> {
        let mode = mode & 0o7777 & !self.umask;
        if flags & O_TMPFILE == O_TMPFILE {
            return self.open_nameless(from, path, flags, mode);
        }
        let creates = flags & O_CREAT != 0 && flags & O_PATH == 0;
        let follow = flags & O_NOFOLLOW == 0 && !(creates && flags & O_EXCL != 0);
        let found = self.walk(from, path, follow)?;
        let Some(node) = &found.node else {
            if !creates {
                return Err(Errno::NoEnt);
            }
            if found.slash {
                return Err(Errno::IsDir);
            }
            let file = self.inode(Kind::File(RefCell::new(Data::new(&self.room))), mode)?;
            self.enter(&found, &file)?;
            return Ok(file);
        };
        if creates && flags & O_EXCL != 0 {
            return Err(Errno::Exist);
        }
        if flags & O_DIRECTORY != 0 && !node.is_folder() {
            return Err(Errno::NotDir);
        }
        if flags & O_PATH == 0 {
            self.may_open(node, flags)?;
        }
        Ok(Rc::clone(node))
    }

    /// Whether a file may be opened so; `O_TRUNC` cuts it off.
    ///
    /// # Errors
    /// As of `open(2)`.
    pub fn may_open(&self, node: &Node, flags: u32) -> Result<(), Errno> {
        let writes = flags & O_ACCMODE != 0 || flags & O_TRUNC != 0;
        let reads = if flags & O_ACCMODE == O_WRONLY { 0 } else { R_OK };
        match &node.kind {
            Kind::Link(_) => return Err(Errno::Loop),
            _ if node.is_folder() && (writes || flags & O_CREAT != 0) => return Err(Errno::IsDir),
            Kind::Host(_) if writes => return Err(Errno::RoFs),
            Kind::Host(file) => file.check()?,
            _ => {}
        }
        if !node.allows(reads | if writes { W_OK } else { 0 }) {
            return Err(Errno::Acces);
        }
        match &node.kind {
            Kind::File(data) if flags & O_TRUNC != 0 => {
                data.borrow_mut().set_len(0);
                node.modified(self.now);
            }
            _ => {}
        }
        Ok(())
    }

    /// `O_TMPFILE`: a file in a folder, without a name.
    fn open_nameless(&self, from: &Node, path: &[u8], flags: u32, mode: u32) -> Result<Node, Errno> {
        let folder = self.lookup(from, path, true)?;
        folder.folder()?;
        if flags & O_ACCMODE == 0 {
            return Err(Errno::Inval);
        }
        if !folder.allows(W_OK | X_OK) {
            return Err(Errno::Acces);
        }
        let file = self.inode(Kind::File(RefCell::new(Data::new(&self.room))), mode)?;
        file.update(|meta| meta.links = 0);
        Ok(file)
    }

    /// Cuts a file off, or lengthens it.
    ///
    /// # Errors
    /// `EISDIR` of folders, `EROFS` of the host's files, `EINVAL` of what has no length.
    pub fn truncate(&self, node: &Node, len: u64) -> Result<(), Errno> {
        if len > i64::MAX as u64 {
            return Err(Errno::Inval);
        }
        match &node.kind {
            Kind::File(data) => data.borrow_mut().set_len(len),
            Kind::Folder(_) | Kind::HostFolder(_) => return Err(Errno::IsDir),
            Kind::Host(_) => return Err(Errno::RoFs),
            _ => return Err(Errno::Inval),
        }
        node.modified(self.now);
        Ok(())
    }

    /// The entries of a folder from a position on, `.` and `..` first: each with the position that it
    /// has, its name, number and type.
    pub fn list(&self, folder: &Node, position: u64, mut each: impl FnMut(u64, &[u8], u64, u8) -> bool) {
        let own: [(u64, &[u8], Node); 2] = [(0, b".", Rc::clone(folder)), (1, b"..", folder.parent())];
        for (at, name, node) in own {
            if at >= position && !each(at, name, node.number, 4) {
                return;
            }
        }
        match &folder.kind {
            Kind::Folder(entries) => {
                for (at, name, node) in entries.borrow().from(position) {
                    if !each(at, name, node.number, node.type_bits() as u8) {
                        return;
                    }
                }
            }
            Kind::HostFolder(host) => {
                // The host's folders stand still, so that an entry's place in the order is its position.
                let skip = usize::try_from(position.saturating_sub(FIRST_POSITION)).unwrap_or(usize::MAX);
                for (at, name) in (FIRST_POSITION..).zip(host.names()).skip(skip) {
                    let node = self.walk(folder, &name, false).ok().and_then(|found| found.node);
                    let (number, kind) = node.map_or((1, 0), |n| (n.number, n.type_bits() as u8));
                    if !each(at, &name, number, kind) {
                        return;
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
