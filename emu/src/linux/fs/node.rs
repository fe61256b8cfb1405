//! Inodes: files, folders and what else a path can lead to. Folders hold them by name, open files hold
//! them too, and they are gone when nobody does.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use super::super::budget::{Budget, Charge};
use super::super::errno::Errno;
use super::super::pipe::PipeState;
use super::data::Data;
use super::host::{HostFile, HostFolder};
use super::lock::Locks;

/// An inode, as it is held.
pub type Node = Rc<Inode>;
/// A name in a folder: any bytes but `/` and zero.
pub type Name = Rc<[u8]>;

/// What an inode costs the host, besides contents and names.
const NODE_COST: u64 = 512;
/// What an entry of a folder costs, besides its name.
const ENTRY_COST: u64 = 192;

/// A device that every Linux has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// `/dev/null`.
    Null,
    /// `/dev/zero`.
    Zero,
    /// `/dev/full`.
    Full,
    /// `/dev/urandom` and `/dev/random`.
    Random,
}

/// What an inode is.
#[derive(Debug)]
pub enum Kind {
    /// A file in memory.
    File(RefCell<Data>),
    /// A file that is only read, as of `/proc` and `/sys`.
    Fixed(Rc<[u8]>),
    /// A file of the host's.
    Host(HostFile),
    /// A folder in memory.
    Folder(RefCell<Folder>),
    /// A folder of the host's.
    HostFolder(HostFolder),
    /// A symbolic link, and where it leads.
    Link(Box<[u8]>),
    /// A character device.
    Device(Device),
    /// A named pipe.
    Fifo(Rc<RefCell<PipeState>>),
}

/// What can be said about an inode besides its contents. Times are nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Permissions, with set-user-ID, set-group-ID and the sticky bit.
    pub mode: u32,
    /// How many names it has.
    pub links: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// When it was last read.
    pub accessed: i64,
    /// When its contents last changed.
    pub modified: i64,
    /// When anything about it last changed.
    pub changed: i64,
}

/// An inode.
#[derive(Debug)]
pub struct Inode {
    /// Tells it apart from all others.
    pub number: u64,
    /// What it is.
    pub kind: Kind,
    /// What can be said about it.
    pub meta: Cell<Meta>,
    /// Locks on its contents.
    pub locks: RefCell<Locks>,
    /// Of a folder: the folder that it is in, and its name there.
    pub place: RefCell<Option<(Weak<Inode>, Name)>>,
    _charge: Charge,
}

impl Inode {
    /// A new inode that has no name yet.
    ///
    /// # Errors
    /// `ENOSPC`.
    pub fn new(number: u64, kind: Kind, meta: Meta, room: &Budget) -> Result<Node, Errno> {
        let own = match &kind {
            Kind::Link(target) => target.len() as u64,
            _ => 0,
        };
        Ok(Rc::new(Inode {
            number,
            kind,
            meta: Cell::new(meta),
            locks: RefCell::default(),
            place: RefCell::new(None),
            _charge: room.take(NODE_COST + own)?,
        }))
    }

    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        matches!(self.kind, Kind::Folder(_) | Kind::HostFolder(_))
    }

    /// Its entries, if it is a folder in memory.
    ///
    /// # Errors
    /// `EROFS` of one of the host's, `ENOTDIR` of anything else.
    pub fn folder(&self) -> Result<&RefCell<Folder>, Errno> {
        match &self.kind {
            Kind::Folder(folder) => Ok(folder),
            Kind::HostFolder(_) => Err(Errno::RoFs),
            _ => Err(Errno::NotDir),
        }
    }

    /// Changes what is said about it.
    pub fn update(&self, change: impl FnOnce(&mut Meta)) {
        let mut meta = self.meta.get();
        change(&mut meta);
        self.meta.set(meta);
    }

    /// Its contents have changed.
    pub fn modified(&self, now: i64) {
        self.update(|meta| (meta.modified, meta.changed) = (now, now));
    }

    /// What is said about it has changed.
    pub fn changed(&self, now: i64) {
        self.update(|meta| meta.changed = now);
    }

    /// The folder that a folder is in: the root is in itself.
    pub fn parent(self: &Rc<Self>) -> Node {
        self.place.borrow().as_ref().and_then(|place| place.0.upgrade()).unwrap_or_else(|| Rc::clone(self))
    }

    /// Whether the process, which owns it, may do this with it: `R_OK`, `W_OK` and `X_OK` together.
    pub fn allows(&self, access: u32) -> bool {
        (self.meta.get().mode >> 6) & access == access
    }

    /// `DT_…`: what it is, in a folder's listing; and shifted by twelve, `S_IF…`.
    pub fn type_bits(&self) -> u32 {
        match self.kind {
            Kind::Fifo(_) => 1,
            Kind::Device(_) => 2,
            Kind::Folder(_) | Kind::HostFolder(_) => 4,
            Kind::File(_) | Kind::Fixed(_) | Kind::Host(_) => 8,
            Kind::Link(_) => 10,
        }
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        match &self.kind {
            Kind::File(data) => data.borrow().len(),
            Kind::Fixed(bytes) => bytes.len() as u64,
            Kind::Host(file) => file.size(),
            Kind::Folder(_) | Kind::HostFolder(_) => 4096,
            Kind::Link(target) => target.len() as u64,
            Kind::Device(_) | Kind::Fifo(_) => 0,
        }
    }
}

/// Folders within folders are dropped one after the other: a guest may nest them as deep as it likes.
impl Drop for Inode {
    fn drop(&mut self) {
        let entries = |kind: &mut Kind| match kind {
            Kind::Folder(folder) => std::mem::take(&mut folder.get_mut().entries),
            _ => BTreeMap::new(),
        };
        let mut rest: Vec<Node> = entries(&mut self.kind).into_values().map(|e| e.1).collect();
        while let Some(node) = rest.pop() {
            if let Some(mut inode) = Rc::into_inner(node) {
                rest.extend(entries(&mut inode.kind).into_values().map(|e| e.1));
            }
        }
    }
}

/// The entries of a folder. Each keeps its position as long as it is there, so that who lists a folder
/// while entries come and go sees every other one exactly once.
#[derive(Debug)]
pub struct Folder {
    entries: BTreeMap<u64, (Name, Node)>,
    positions: BTreeMap<Name, u64>,
    next: u64,
    /// Bytes charged for the entries.
    cost: u64,
    charge: Charge,
    /// Whether it was removed: nothing can be made in it any more.
    pub removed: bool,
}

/// The positions of a folder's own entries begin after those of `.` and `..`.
pub const FIRST_POSITION: u64 = 2;

impl Folder {
    /// An empty folder, whose entries are taken from `room`.
    pub fn new(room: &Budget) -> Self {
        Folder {
            entries: BTreeMap::new(),
            positions: BTreeMap::new(),
            next: FIRST_POSITION,
            cost: 0,
            charge: room.take(0).expect("nothing fits everywhere"),
            removed: false,
        }
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What a name stands for.
    pub fn get(&self, name: &[u8]) -> Option<Node> {
        let position = self.positions.get(name)?;
        Some(Rc::clone(&self.entries[position].1))
    }

    /// Gives an inode a name; what had it before is returned.
    ///
    /// # Errors
    /// `ENOSPC`, or `ENOENT` when the folder itself was removed.
    pub fn set(&mut self, name: &[u8], node: Node) -> Result<Option<Node>, Errno> {
        if self.removed {
            return Err(Errno::NoEnt);
        }
        if let Some(entry) = self.positions.get(name).and_then(|at| self.entries.get_mut(at)) {
            return Ok(Some(std::mem::replace(&mut entry.1, node)));
        }
        let cost = self.cost + ENTRY_COST + name.len() as u64;
        self.charge.set(cost)?;
        self.cost = cost;
        let name: Name = name.into();
        self.entries.insert(self.next, (Rc::clone(&name), node));
        self.positions.insert(name, self.next);
        self.next += 1;
        Ok(None)
    }

    /// Takes a name away.
    pub fn remove(&mut self, name: &[u8]) -> Option<Node> {
        let position = self.positions.remove(name)?;
        self.cost -= ENTRY_COST + name.len() as u64;
        self.charge.set(self.cost).expect("less than before");
        self.entries.remove(&position).map(|entry| entry.1)
    }

    /// The entries from a position on.
    pub fn from(&self, position: u64) -> impl Iterator<Item = (u64, &Name, &Node)> {
        self.entries.range(position..).map(|(&at, (name, node))| (at, name, node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: Meta = Meta { mode: 0o755, links: 1, uid: 0, gid: 0, accessed: 0, modified: 0, changed: 0 };

    #[test]
    fn positions_stay_while_entries_go() {
        let room = Budget::new(1 << 20);
        let file = || Inode::new(1, Kind::Fixed([].into()), META, &room).unwrap();
        let mut folder = Folder::new(&room);
        for name in [b"a", b"b", b"c", b"d"] {
            folder.set(name, file()).unwrap();
        }
        let (second, ..) = folder.from(0).nth(1).unwrap();
        folder.remove(b"a");
        folder.remove(b"b");
        folder.set(b"a", file()).unwrap();
        let rest: Vec<&[u8]> = folder.from(second).map(|(_, name, _)| &name[..]).collect();
        assert_eq!(rest, [b"c", b"d", b"a"]);
        assert!(folder.set(b"a", file()).unwrap().is_some());
        drop(folder);
        assert_eq!(room.left(), 1 << 20);
    }

    #[test]
    fn the_deepest_folders_go_without_a_deep_stack() {
        let room = Budget::new(1 << 30);
        let folder = || Inode::new(1, Kind::Folder(RefCell::new(Folder::new(&room))), META, &room).unwrap();
        let top = folder();
        let mut at = Rc::clone(&top);
        for _ in 0..200_000 {
            let below = folder();
            at.folder().unwrap().borrow_mut().set(b"d", Rc::clone(&below)).unwrap();
            at = below;
        }
        drop(at);
        drop(top);
        assert_eq!(room.left(), 1 << 30);
    }
}
