//! Changes to folders: making, naming, renaming, removing.

use std::cell::RefCell;
use std::rc::Rc;

use super::super::errno::Errno;
use super::super::pipe::PipeState;
use super::node::{Folder, Kind, Node};
use super::walk::Found;
use super::{Files, W_OK, X_OK};

/// `renameat2`: nothing is replaced.
pub const RENAME_NOREPLACE: u64 = 1;
/// `renameat2`: two names change places.
pub const RENAME_EXCHANGE: u64 = 2;

impl Files {
    /// Gives an inode the name that was found to be free.
    pub(super) fn enter(&self, found: &Found, node: &Node) -> Result<(), Errno> {
        let name = found.name.as_deref().ok_or(Errno::Exist)?;
        if found.node.is_some() {
            return Err(Errno::Exist);
        }
        let folder = writable(&found.parent)?;
        folder.borrow_mut().set(name, Rc::clone(node))?;
        self.entered(&found.parent, name, node);
        Ok(())
    }

    /// A folder has a new entry.
    fn entered(&self, parent: &Node, name: &[u8], node: &Node) {
        parent.modified(self.now);
        if node.is_folder() {
            *node.place.borrow_mut() = Some((Rc::downgrade(parent), name.into()));
            parent.update(|meta| meta.links += 1);
        }
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// As of `mkdir(2)`.
    pub fn mkdir(&self, from: &Node, path: &[u8], mode: u32) -> Result<(), Errno> {
        let found = self.entry(from, path)?;
        let mode = mode & 0o1777 & !self.umask;
        let folder = self.inode(Kind::Folder(RefCell::new(Folder::new(&self.room))), mode)?;
        self.enter(&found, &folder)
    }

    /// Makes a named pipe.
    ///
    /// # Errors
    /// As of `mknod(2)`.
    pub fn mkfifo(&self, from: &Node, path: &[u8], mode: u32) -> Result<(), Errno> {
        let found = self.entry(from, path)?;
        let pipe = Kind::Fifo(Rc::new(RefCell::new(PipeState::default())));
        self.enter(&found, &self.inode(pipe, mode & 0o777 & !self.umask)?)
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// As of `symlink(2)`.
    pub fn symlink(&self, target: &[u8], from: &Node, path: &[u8]) -> Result<(), Errno> {
        if target.is_empty() {
            return Err(Errno::NoEnt);
        }
        let found = self.entry(from, path)?;
        if found.slash {
            return Err(if found.node.is_some() { Errno::Exist } else { Errno::NoEnt });
        }
        self.enter(&found, &self.inode(Kind::Link(target.into()), 0o777)?)
    }

    /// Gives a file another name.
    ///
    /// # Errors
    /// As of `link(2)`.
    pub fn link(&mut self, node: &Node, from: &Node, path: &[u8]) -> Result<(), Errno> {
        let found = self.entry(from, path)?;
        if node.is_folder() {
            return Err(Errno::Perm);
        }
        if found.node.is_none() && found.slash {
            return Err(Errno::NoEnt);
        }
        if matches!(node.kind, Kind::Host(_) | Kind::Fixed(_)) {
            return Err(Errno::XDev);
        }
        self.enter(&found, node)?;
        node.update(|meta| meta.links += 1);
        node.changed(self.now);
        self.orphans.retain(|orphan| !Rc::ptr_eq(&orphan.1, node));
        Ok(())
    }

    /// Takes a file's name away.
    ///
    /// # Errors
    /// As of `unlink(2)`.
    pub fn unlink(&mut self, from: &Node, path: &[u8]) -> Result<(), Errno> {
        let found = self.entry(from, path)?;
        let node = found.node.ok_or(Errno::NoEnt)?;
        if node.is_folder() {
            return Err(Errno::IsDir);
        }
        if found.slash {
            return Err(Errno::NotDir);
        }
        let name = found.name.ok_or(Errno::IsDir)?;
        removable(&found.parent, &node)?.borrow_mut().remove(&name);
        found.parent.modified(self.now);
        self.unnamed(&found.parent, &name, node);
        Ok(())
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    /// As of `rmdir(2)`.
    pub fn rmdir(&mut self, from: &Node, path: &[u8]) -> Result<(), Errno> {
        let found = self.entry(from, path)?;
        let node = found.node.ok_or(Errno::NoEnt)?;
        let Some(name) = found.name else {
            let dots = path.trim_ascii_end().strip_suffix(b"..").is_some();
            return Err(match () {
                () if Rc::ptr_eq(&node, &self.root) => Errno::Busy,
                () if dots => Errno::NotEmpty,
                () => Errno::Inval,
            });
        };
        if !node.is_folder() {
            return Err(Errno::NotDir);
        }
        let parent = removable(&found.parent, &node)?;
        empty(&node)?;
        parent.borrow_mut().remove(&name);
        found.parent.modified(self.now);
        self.unnamed(&found.parent, &name, node);
        Ok(())
    }

    /// Gives what has one path another.
    ///
    /// # Errors
    /// As of `renameat2(2)`.
    pub fn rename(&mut self, from: (&Node, &[u8]), to: (&Node, &[u8]), flags: u64) -> Result<(), Errno> {
        let source = self.entry(from.0, from.1)?;
        let target = self.entry(to.0, to.1)?;
        let (Some(old_name), Some(new_name)) = (&source.name, &target.name) else { return Err(Errno::Busy) };
        let node = source.node.as_ref().ok_or(Errno::NoEnt)?;
        if (source.slash || target.slash) && !node.is_folder() {
            return Err(Errno::NotDir);
        }
        if flags & RENAME_NOREPLACE != 0 && target.node.is_some() {
            return Err(Errno::Exist);
        }
        let old_folder = removable(&source.parent, node)?;
        let new_folder = writable(&target.parent)?;
        if node.is_folder() && self.lies_in(&target.parent, node) {
            return Err(Errno::Inval);
        }
        if flags & RENAME_EXCHANGE != 0 {
            let other = target.node.as_ref().ok_or(Errno::NoEnt)?;
            removable(&target.parent, other)?;
            if other.is_folder() && self.lies_in(&source.parent, other) {
                return Err(Errno::Inval);
            }
            self.left(&source.parent, node);
            self.left(&target.parent, other);
            old_folder.borrow_mut().set(old_name, Rc::clone(other))?;
            new_folder.borrow_mut().set(new_name, Rc::clone(node))?;
            self.entered(&source.parent, old_name, other);
            self.entered(&target.parent, new_name, node);
            return Ok(());
        }
        if let Some(other) = &target.node {
            if Rc::ptr_eq(node, other) {
                return Ok(());
            }
            match (node.is_folder(), other.is_folder()) {
                (true, false) => return Err(Errno::NotDir),
                (false, true) if self.lies_in(&source.parent, other) => return Err(Errno::NotEmpty),
                (false, true) => return Err(Errno::IsDir),
                (true, true) => {
                    removable(&target.parent, other)?;
                    empty(other)?;
                }
                (false, false) => {}
            }
        }
        let replaced = new_folder.borrow_mut().set(new_name, Rc::clone(node))?;
        old_folder.borrow_mut().remove(old_name);
        self.left(&source.parent, node);
        self.entered(&target.parent, new_name, node);
        node.changed(self.now);
        if let Some(replaced) = replaced {
            self.unnamed(&target.parent, new_name, replaced);
        }
        Ok(())
    }

    /// A folder has lost an entry to another one.
    fn left(&self, parent: &Node, node: &Node) {
        parent.modified(self.now);
        if node.is_folder() {
            parent.update(|meta| meta.links -= 1);
        }
    }

    /// Whether a folder is another one, or lies in it.
    fn lies_in(&self, folder: &Node, other: &Node) -> bool {
        let mut at = Rc::clone(folder);
        loop {
            if Rc::ptr_eq(&at, other) {
                return true;
            }
            if Rc::ptr_eq(&at, &self.root) {
                return false;
            }
            let parent = at.parent();
            if Rc::ptr_eq(&at, &parent) {
                return false;
            }
            at = parent;
        }
    }

    /// An inode has lost a name, and is gone if that was its last and nobody has it open.
    fn unnamed(&mut self, parent: &Node, name: &[u8], node: Node) {
        if let Kind::Folder(entries) = &node.kind {
            entries.borrow_mut().removed = true;
            node.update(|meta| meta.links = 0);
            parent.update(|meta| meta.links -= 1);
            return;
        }
        node.update(|meta| meta.links -= 1);
        node.changed(self.now);
        if node.meta.get().links == 0 && matches!(node.kind, Kind::File(_)) {
            let mut path = self.path_of(parent).unwrap_or_default();
            // The root's ends in one.
            if !path.ends_with(b"/") {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            self.orphaned(path, node);
        }
    }
}

/// The entries of a folder in which names may be made and removed.
fn writable(folder: &Node) -> Result<&RefCell<Folder>, Errno> {
    let entries = folder.folder()?;
    if folder.allows(W_OK | X_OK) { Ok(entries) } else { Err(Errno::Acces) }
}

/// As [`writable`], for an entry that is to go: mounts and what the system has stay.
fn removable<'a>(folder: &'a Node, node: &Node) -> Result<&'a RefCell<Folder>, Errno> {
    let entries = writable(folder)?;
    match &node.kind {
        Kind::Host(_) | Kind::HostFolder(_) => Err(Errno::Busy),
        Kind::Fixed(_) => Err(Errno::Perm),
        _ => Ok(entries),
    }
}

fn empty(folder: &Node) -> Result<(), Errno> {
    if folder.folder()?.borrow().is_empty() { Ok(()) } else { Err(Errno::NotEmpty) }
}
