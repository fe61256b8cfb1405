//! What a guest finds at its start, and what it leaves.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use super::super::errno::Errno;
use super::Files;
use super::data::Data;
use super::host::{self, HostFile, HostFolder, Mount};
use super::node::{Device, Folder, Kind, Node};

/// The longest path of a file that is found again in the end.
const LONGEST: usize = 4096;
/// How many bytes say what a file is.
const HEAD: usize = 64;

/// A file that a guest has made.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its path, from the root. It is any bytes but zero.
    pub path: Vec<u8>,
    node: Node,
}

impl Kept {
    fn data(&self) -> &RefCell<Data> {
        match &self.node.kind {
            Kind::File(data) => data,
            _ => unreachable!("only files are kept"),
        }
    }

    /// Its path as text; what is no text in it shows as U+FFFD.
    pub fn name(&self) -> String {
        String::from_utf8_lossy(&self.path).into_owned()
    }

    /// Its size in bytes.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u64 {
        self.data().borrow().len()
    }

    /// When its contents last changed, in nanoseconds since 1970.
    pub fn modified(&self) -> i64 {
        self.node.meta.get().modified
    }

    /// Its first bytes, 64 at most.
    pub fn head(&self) -> Vec<u8> {
        head(&self.data().borrow())
    }

    /// Its contents, unless nearly all of it is one large hole.
    pub fn to_vec(&self) -> Option<Vec<u8>> {
        self.data().borrow().to_vec()
    }

    /// Writes its contents to a file that is empty. Holes stay holes.
    ///
    /// # Errors
    /// The host's.
    pub fn copy_to(&self, file: &mut std::fs::File) -> io::Result<()> {
        self.data().borrow().copy_to(file)
    }
}

fn head(data: &Data) -> Vec<u8> {
    let mut bytes = vec![0; HEAD];
    let n = data.read(0, &mut bytes);
    bytes.truncate(n);
    bytes
}

impl Files {
    /// Makes the folders and devices that every Linux has.
    pub(super) fn standard(&self) -> Result<(), Errno> {
        for folder in ["/tmp", "/var/tmp", "/dev/shm"] {
            self.folders(folder)?.update(|meta| meta.mode = 0o1777);
        }
        for (path, device) in [
            ("/dev/null", Device::Null),
            ("/dev/zero", Device::Zero),
            ("/dev/full", Device::Full),
            ("/dev/random", Device::Random),
            ("/dev/urandom", Device::Random),
        ] {
            self.put(path, Kind::Device(device), 0o666)?;
        }
        for (path, target) in [
            ("/dev/fd", "/proc/self/fd"),
            ("/dev/stdin", "/proc/self/fd/0"),
            ("/dev/stdout", "/proc/self/fd/1"),
            ("/dev/stderr", "/proc/self/fd/2"),
        ] {
            self.put(path, Kind::Link(target.as_bytes().into()), 0o777)?;
        }
        self.folders("/proc/self/fd")?;
        Ok(())
    }

    /// Makes a folder and those that it lies in, as far as they are missing.
    ///
    /// # Errors
    /// `ENOTDIR`, `ENOSPC`.
    pub fn folders(&self, path: &str) -> Result<Node, Errno> {
        let mut at = self.root();
        for name in path.split('/').filter(|name| !name.is_empty() && *name != ".") {
            let found = self.walk(&at, name.as_bytes(), true)?;
            at = match found.node {
                Some(node) => node,
                None => {
                    let folder = self.inode(Kind::Folder(RefCell::new(Folder::new(&self.room))), 0o755)?;
                    self.attach(&at, name.as_bytes(), &folder)?;
                    folder
                }
            };
        }
        if at.is_folder() { Ok(at) } else { Err(Errno::NotDir) }
    }

    /// Puts an inode at a path, over what is there.
    fn put(&self, path: &str, kind: Kind, mode: u32) -> Result<Node, Errno> {
        let (folder, name) = path.trim_end_matches('/').rsplit_once('/').ok_or(Errno::Inval)?;
        let node = self.inode(kind, mode)?;
        self.attach(&self.folders(folder)?, name.as_bytes(), &node)?;
        Ok(node)
    }

    /// Gives an inode a name in any folder, the host's as well.
    fn attach(&self, folder: &Node, name: &[u8], node: &Node) -> Result<(), Errno> {
        match &folder.kind {
            Kind::HostFolder(host) => self.know(folder, host, name, node),
            _ => {
                folder.folder()?.borrow_mut().set(name, Rc::clone(node))?;
                *node.place.borrow_mut() = Some((Rc::downgrade(folder), name.into()));
                Ok(())
            }
        }
    }

    /// Adds a file that is always there and only read, as of `/proc` and `/sys`.
    ///
    /// # Errors
    /// `ENOTDIR`, `ENOSPC`.
    pub fn fix(&self, path: &str, bytes: impl Into<Rc<[u8]>>, mode: u32) -> Result<(), Errno> {
        self.put(path, Kind::Fixed(bytes.into()), mode).map(drop)
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// `ENOTDIR`, `ENOSPC`.
    pub fn fix_link(&self, path: &str, target: &str) -> Result<(), Errno> {
        self.put(path, Kind::Link(target.as_bytes().into()), 0o777).map(drop)
    }

    /// Shows a file or a folder of the host's. Symbolic links in it lead where the guest has such a
    /// path, and so never to what was not mounted.
    ///
    /// # Errors
    /// `ENOENT` when the host has no such file, `EACCES` when it is neither file nor folder.
    pub fn mount(&self, mount: &Mount) -> Result<(), Errno> {
        let path = mount.host.canonicalize().map_err(|_| Errno::NoEnt)?;
        let metadata = std::fs::metadata(&path).map_err(|_| Errno::NoEnt)?;
        let kind = match () {
            () if metadata.is_dir() => Kind::HostFolder(HostFolder::new(path)),
            () if metadata.is_file() => Kind::Host(HostFile::new(path)),
            () => return Err(Errno::Acces),
        };
        let meta = host::meta(&metadata);
        if mount.guest.trim_matches('/').is_empty() {
            return Err(Errno::Busy);
        }
        let node = self.put(&mount.guest, kind, meta.mode)?;
        node.meta.set(meta);
        Ok(())
    }

    /// The files that the guest has made and not deleted, by path. Those that lie too deep to be named
    /// by a path are left out.
    pub fn made(&self) -> Vec<Kept> {
        let mut made = Vec::new();
        let mut folders = vec![(Vec::new(), self.root())];
        while let Some((path, folder)) = folders.pop() {
            let each =
                |name: &[u8], node: &Node, folders: &mut Vec<(Vec<u8>, Node)>, made: &mut Vec<Kept>| {
                    let mut path: Vec<u8> = path.clone();
                    path.push(b'/');
                    path.extend_from_slice(name);
                    match node.kind {
                        _ if path.len() > LONGEST => {}
                        Kind::File(_) => made.push(Kept { path, node: Rc::clone(node) }),
                        Kind::Folder(_) | Kind::HostFolder(_) => folders.push((path, Rc::clone(node))),
                        _ => {}
                    }
                };
            match &folder.kind {
                Kind::Folder(entries) => {
                    entries
                        .borrow()
                        .from(0)
                        .for_each(|(_, name, node)| each(name, node, &mut folders, &mut made));
                }
                Kind::HostFolder(host) => {
                    let known = host.known.borrow();
                    known.iter().for_each(|(name, (node, _))| each(name, node, &mut folders, &mut made));
                }
                _ => {}
            }
        }
        made.sort_by(|a, b| a.path.cmp(&b.path));
        made
    }

    /// A file has lost its last name.
    pub(super) fn orphaned(&mut self, path: Vec<u8>, node: Node) {
        if self.keep.is_some() {
            self.orphans.push((path, node));
            self.closed();
        }
    }

    /// A file was closed: those that nobody has open and that have no name are gone, but for the last
    /// that is to be kept.
    pub fn closed(&mut self) {
        let Some(keep) = self.keep else { return };
        let gone = |orphan: &mut (Vec<u8>, Node)| Rc::strong_count(&orphan.1) == 1;
        for (path, node) in self.orphans.extract_if(.., gone) {
            if matches!(&node.kind, Kind::File(data) if keep(&head(&data.borrow()))) {
                self.kept = Some((path, node));
            }
        }
    }

    /// The files that the guest has deleted and that were to be kept: those that are open still, and the
    /// last of those that are not.
    pub fn deleted(&self) -> Vec<Kept> {
        let all = self.kept.iter().chain(&self.orphans);
        all.map(|(path, node)| Kept { path: path.clone(), node: Rc::clone(node) }).collect()
    }
}
