//! From a path to an inode.

use std::rc::Rc;

use super::super::errno::Errno;
use super::host::{self, HostFile, HostFolder};
use super::node::{Inode, Kind, Name, Node};
use super::{Files, X_OK};

/// Bytes in a path at most, with its end.
const PATH_MAX: usize = 4096;
/// Bytes in a name at most.
const NAME_MAX: usize = 255;
/// Symbolic links on the way at most.
const LINKS_MAX: u32 = 40;
/// What a name of the host's costs that was looked up.
const KNOWN_COST: u64 = 256;

/// Where a path leads.
#[derive(Debug)]
pub struct Found {
    /// The folder that it leads through last.
    pub parent: Node,
    /// The name in that folder; `None` of paths that end with `.` or `..`, and of the root.
    pub name: Option<Vec<u8>>,
    /// What is there.
    pub node: Option<Node>,
    /// Whether the path ends with a slash, and can only be a folder's.
    pub slash: bool,
}

impl Files {
    /// Follows a path from a folder, unless it begins at the root. A symbolic link at its very end is
    /// followed if `follow` says so.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES`, `ELOOP`, `ENAMETOOLONG`.
    pub fn walk(&self, from: &Node, path: &[u8], follow: bool) -> Result<Found, Errno> {
        // A path that ends with a slash means the folder that a link leads to.
        let found = self.go(from, path, follow || path.ends_with(b"/"))?;
        if found.slash && found.node.as_ref().is_some_and(|node| !node.is_folder()) {
            return Err(Errno::NotDir);
        }
        Ok(found)
    }

    /// As [`Files::walk`], to an entry that is to be made, renamed or removed: it is what the path names, even
    /// if it is a link and the path ends with a slash.
    ///
    /// # Errors
    /// Those of [`Files::walk`].
    pub fn entry(&self, from: &Node, path: &[u8]) -> Result<Found, Errno> {
        self.go(from, path, false)
    }

    fn go(&self, from: &Node, path: &[u8], follow: bool) -> Result<Found, Errno> {
        if path.len() >= PATH_MAX {
            return Err(Errno::NameTooLong);
        }
        let mut at = Rc::clone(if path.first().ok_or(Errno::NoEnt)? == &b'/' { &self.root } else { from });
        let mut slash = path.ends_with(b"/");
        let mut rest: Vec<Vec<u8>> = Vec::new();
        push_parts(&mut rest, path);
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if !at.is_folder() {
                return Err(Errno::NotDir);
            }
            if !at.allows(X_OK) {
                return Err(Errno::Acces);
            }
            match &part[..] {
                b"." => continue,
                b".." => {
                    at = at.parent();
                    continue;
                }
                _ if part.len() > NAME_MAX => return Err(Errno::NameTooLong),
                _ => {}
            }
            let last = rest.is_empty();
            let Some(node) = self.child(&at, &part)? else {
                if last {
                    return Ok(Found { parent: at, name: Some(part), node: None, slash });
                }
                return Err(Errno::NoEnt);
            };
            match &node.kind {
                Kind::Link(target) if !last || follow => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(Errno::Loop);
                    }
                    if target.starts_with(b"/") {
                        at = Rc::clone(&self.root);
                    }
                    slash |= last && target.ends_with(b"/");
                    push_parts(&mut rest, target);
                }
                _ if last => return Ok(Found { parent: at, name: Some(part), node: Some(node), slash }),
                _ => at = node,
            }
        }
        Ok(Found { parent: at.parent(), name: None, node: Some(at), slash })
    }

    /// What a path leads to.
    ///
    /// # Errors
    /// Those of [`Files::walk`], and `ENOENT`.
    pub fn lookup(&self, from: &Node, path: &[u8], follow: bool) -> Result<Node, Errno> {
        self.walk(from, path, follow)?.node.ok_or(Errno::NoEnt)
    }

    /// What a name stands for in a folder.
    fn child(&self, folder: &Node, name: &[u8]) -> Result<Option<Node>, Errno> {
        match &folder.kind {
            Kind::Folder(entries) => Ok(entries.borrow().get(name)),
            Kind::HostFolder(host) => self.host_child(folder, host, name),
            _ => Err(Errno::NotDir),
        }
    }

    /// What a name stands for in a folder of the host's. It is remembered, so that it stays the same
    /// inode.
    fn host_child(&self, folder: &Node, host: &HostFolder, name: &[u8]) -> Result<Option<Node>, Errno> {
        if let Some((node, _)) = host.known.borrow().get(name) {
            return Ok(Some(Rc::clone(node)));
        }
        let Some(path) = host::join(&host.path, name) else { return Ok(None) };
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { return Ok(None) };
        let kind = if metadata.is_dir() {
            Kind::HostFolder(HostFolder::new(path))
        } else if metadata.is_file() {
            Kind::Host(HostFile::new(path))
        } else if metadata.is_symlink() {
            let target = std::fs::read_link(&path).ok().and_then(host::bytes).ok_or(Errno::Acces)?;
            Kind::Link(target.into())
        } else {
            return Err(Errno::Acces);
        };
        let node = Inode::new(self.number(), kind, host::meta(&metadata), &self.room)?;
        self.know(folder, host, name, &node)?;
        Ok(Some(node))
    }

    /// Remembers what a name stands for in a folder of the host's.
    pub(super) fn know(
        &self,
        folder: &Node,
        host: &HostFolder,
        name: &[u8],
        node: &Node,
    ) -> Result<(), Errno> {
        let charge = self.room.take(KNOWN_COST + name.len() as u64)?;
        let name: Name = name.into();
        *node.place.borrow_mut() = Some((Rc::downgrade(folder), Rc::clone(&name)));
        host.known.borrow_mut().insert(name, (Rc::clone(node), charge));
        Ok(())
    }

    /// The path of a folder from the root, or `None` when it was removed.
    pub fn path_of(&self, folder: &Node) -> Option<Vec<u8>> {
        let mut parts: Vec<Name> = Vec::new();
        let mut at = Rc::clone(folder);
        while !Rc::ptr_eq(&at, &self.root) {
            if matches!(&at.kind, Kind::Folder(entries) if entries.borrow().removed) {
                return None;
            }
            let (parent, name) = at.place.borrow().clone()?;
            parts.push(name);
            at = parent.upgrade()?;
        }
        if parts.is_empty() {
            return Some(b"/".to_vec());
        }
        Some(parts.iter().rev().fold(Vec::new(), |mut path, name| {
            path.push(b'/');
            path.extend_from_slice(name);
            path
        }))
    }
}

/// Puts the parts of a path on a stack, the first on top.
fn push_parts(stack: &mut Vec<Vec<u8>>, path: &[u8]) {
    let parts = path.split(|&b| b == b'/').filter(|part| !part.is_empty());
    stack.extend(parts.rev().map(<[u8]>::to_vec));
}
