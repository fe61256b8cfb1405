//! The files that a guest can see: its own, those that it was given, and a few that every Linux has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;

use super::errno::Errno;
use super::fd::{Content, O_ACCMODE, Object};

/// `O_CREAT` (generic value).
pub const O_CREAT: u32 = 0o100;
/// `O_EXCL`.
pub const O_EXCL: u32 = 0o200;
/// `O_TRUNC`.
pub const O_TRUNC: u32 = 0o1000;

/// A host directory or file that the guest may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where the guest finds it: an absolute path.
    pub guest: String,
    /// What it is on the host.
    pub host: PathBuf,
}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file of so many bytes.
    File(u64),
    /// A directory.
    Directory,
    /// A character device.
    Device,
}

/// The namespace of one process.
///
/// Writing creates files that live in memory alone, at any path: directories need not exist first.
#[derive(Debug, Default)]
pub struct Files {
    made: BTreeMap<String, Content>,
    directories: BTreeSet<String>,
    fixed: BTreeMap<String, Rc<[u8]>>,
    mounts: Vec<Mount>,
}

impl Files {
    /// A namespace with these mounts. Of mounts within each other the longer path wins.
    pub fn new(mut mounts: Vec<Mount>) -> Self {
        for mount in &mut mounts {
            mount.guest = absolute(&mount.guest);
        }
        mounts.sort_by_key(|m| std::cmp::Reverse(m.guest.len()));
        Files { mounts, ..Files::default() }
    }

    /// Adds a file that is always there and only read, as of `/proc` and `/sys`.
    pub fn fix(&mut self, path: &str, bytes: impl Into<Rc<[u8]>>) {
        self.fixed.insert(path.to_owned(), bytes.into());
    }

    /// Opens a path.
    pub fn open(&mut self, path: &str, flags: u32) -> Result<Object, Errno> {
        let path = absolute(path);
        let writes = flags & O_ACCMODE != 0;
        if let Some(content) = self.made.get(&path) {
            if flags & O_CREAT != 0 && flags & O_EXCL != 0 {
                return Err(Errno::Exist);
            }
            if writes && flags & O_TRUNC != 0 {
                content.borrow_mut().clear();
            }
            return Ok(Object::File(Rc::clone(content)));
        }
        match self.existing(&path) {
            Ok(Object::View(_)) if writes && flags & O_EXCL == 0 => Err(Errno::RoFs),
            Ok(Object::Directory(_)) if writes => Err(Errno::IsDir),
            Ok(_) if flags & O_CREAT != 0 && flags & O_EXCL != 0 => Err(Errno::Exist),
            Err(Errno::NoEnt) if flags & O_CREAT != 0 => {
                let content = Content::default();
                self.made.insert(path, Rc::clone(&content));
                Ok(Object::File(content))
            }
            other => other,
        }
    }

    /// What a path names.
    pub fn kind(&self, path: &str) -> Result<Kind, Errno> {
        let path = absolute(path);
        if let Some(content) = self.made.get(&path) {
            return Ok(Kind::File(content.borrow().len() as u64));
        }
        match self.existing(&path)? {
            Object::View(bytes) => Ok(Kind::File(bytes.len() as u64)),
            Object::Directory(_) => Ok(Kind::Directory),
            _ => Ok(Kind::Device),
        }
    }

    /// Removes a file that the guest has made.
    pub fn unlink(&mut self, path: &str) -> Result<(), Errno> {
        let path = absolute(path);
        if self.made.remove(&path).is_some() {
            return Ok(());
        }
        match self.existing(&path)? {
            Object::Directory(_) => Err(Errno::IsDir),
            _ => Err(Errno::RoFs),
        }
    }

    /// Removes an empty directory that the guest has made.
    pub fn rmdir(&mut self, path: &str) -> Result<(), Errno> {
        let path = absolute(path);
        match self.kind(&path)? {
            Kind::Directory if !self.list(&path).is_empty() => Err(Errno::NotEmpty),
            Kind::Directory if self.directories.remove(&path) => Ok(()),
            Kind::Directory => Err(Errno::RoFs),
            _ => Err(Errno::NotDir),
        }
    }

    /// The names in a directory, in order: what the guest has made there, and what was there before.
    pub fn list(&self, path: &str) -> BTreeSet<String> {
        let path = absolute(path);
        let prefix = below(&path);
        let own = self.made.keys().chain(&self.directories).chain(self.fixed.keys());
        let mounts = self.mounts.iter().map(|mount| &mount.guest);
        let name = |path: &String| path.strip_prefix(&prefix)?.split('/').next().map(str::to_owned);
        let mut names: BTreeSet<String> =
            own.chain(mounts).filter_map(name).filter(|name| !name.is_empty()).collect();
        if let Some(Ok(host)) = self.on_host(&path) {
            let entries = std::fs::read_dir(host).into_iter().flatten().flatten();
            names.extend(entries.filter_map(|entry| entry.file_name().into_string().ok()));
        }
        names
    }

    /// Gives a file that the guest has made another path.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), Errno> {
        let content = self.made.remove(&absolute(from)).ok_or(Errno::NoEnt)?;
        self.made.insert(absolute(to), content);
        Ok(())
    }

    /// Makes a directory.
    pub fn mkdir(&mut self, path: &str) -> Result<(), Errno> {
        if self.kind(path).is_ok() {
            return Err(Errno::Exist);
        }
        self.directories.insert(absolute(path));
        Ok(())
    }

    /// The files that the guest has made, by path.
    pub fn made(&self) -> impl Iterator<Item = (&str, &Content)> {
        self.made.iter().map(|(path, content)| (path.as_str(), content))
    }

    /// What is there without the guest's doing, and the directories.
    fn existing(&self, path: &str) -> Result<Object, Errno> {
        match path {
            "/dev/null" => return Ok(Object::Null),
            "/dev/zero" => return Ok(Object::Zero),
            "/dev/urandom" | "/dev/random" => return Ok(Object::Random),
            _ => {}
        }
        if let Some(bytes) = self.fixed.get(path) {
            return Ok(Object::View(Rc::clone(bytes)));
        }
        if let Some(found) = self.mounted(path) {
            return found;
        }
        let prefix = below(path);
        let is_parent = |name: &String| name.starts_with(&prefix);
        let directory = path == "/"
            || path == "/tmp"
            || self.directories.contains(path)
            || self.made.keys().any(is_parent)
            || self.mounts.iter().any(|mount| is_parent(&mount.guest));
        if directory { Ok(Object::Directory(path.to_owned())) } else { Err(Errno::NoEnt) }
    }

    /// What the host has at a path within a mount.
    fn mounted(&self, path: &str) -> Option<Result<Object, Errno>> {
        let host = match self.on_host(path)? {
            Ok(host) => host,
            Err(errno) => return Some(Err(errno)),
        };
        if host.is_dir() {
            return Some(Ok(Object::Directory(path.to_owned())));
        }
        if !host.is_file() {
            return Some(Err(Errno::Acces));
        }
        Some(std::fs::read(host).map(|bytes| Object::View(bytes.into())).map_err(|_| Errno::Acces))
    }

    /// Where the host has a path within a mount, if it does. Links that lead out of the mount are not
    /// followed.
    fn on_host(&self, path: &str) -> Option<Result<PathBuf, Errno>> {
        let (mount, rest) = self.mounts.iter().find_map(|mount| {
            let rest = path.strip_prefix(mount.guest.trim_end_matches('/'))?;
            (rest.is_empty() || rest.starts_with('/')).then_some((mount, rest.trim_start_matches('/')))
        })?;
        let root = mount.host.canonicalize().ok()?;
        // Joining nothing would put a slash behind a mounted file.
        let host = if rest.is_empty() { root.clone() } else { root.join(rest).canonicalize().ok()? };
        Some(if host.starts_with(&root) { Ok(host) } else { Err(Errno::Acces) })
    }
}

/// How the paths of all that lies in a directory begin.
fn below(directory: &str) -> String {
    format!("{}/", directory.trim_end_matches('/'))
}

/// A path from the root, without `.`, `..` and empty parts. The working directory is the root.
pub fn absolute(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::super::fd::O_WRONLY;
    use super::*;

    #[test]
    fn what_the_guest_writes_stays_in_memory() {
        let mut files = Files::default();
        assert_eq!(files.open("out/a", 0).err(), Some(Errno::NoEnt));
        let Ok(Object::File(content)) = files.open("out/../out/./a", O_WRONLY | O_CREAT) else { panic!() };
        content.borrow_mut().extend(b"abc");
        assert_eq!(files.kind("/out/a"), Ok(Kind::File(3)));
        assert_eq!(files.kind("/out"), Ok(Kind::Directory));
        assert_eq!(files.open("/out/a", O_WRONLY | O_CREAT | O_EXCL).err(), Some(Errno::Exist));
        files.rename("/out/a", "/b").unwrap();
        assert_eq!(files.made().map(|(path, _)| path).collect::<Vec<_>>(), ["/b"]);
        files.open("/b", O_WRONLY | O_TRUNC).unwrap();
        assert_eq!(files.kind("b"), Ok(Kind::File(0)));
        files.unlink("b").unwrap();
        assert_eq!(files.unlink("b"), Err(Errno::NoEnt));
    }

    #[test]
    fn directories_are_listed_and_removed_when_empty() {
        let mut files = Files::default();
        files.mkdir("/home").unwrap();
        files.mkdir("/home/d").unwrap();
        files.mkdir("/home/d/e").unwrap();
        files.open("/home/d/f", O_WRONLY | O_CREAT).unwrap();
        files.open("/home/g/h/i", O_WRONLY | O_CREAT).unwrap();
        assert_eq!(Vec::from_iter(files.list("/home/d/")), ["e", "f"]);
        assert_eq!(Vec::from_iter(files.list("/home")), ["d", "g"]);
        assert_eq!(Vec::from_iter(files.list("/")), ["home"]);
        assert_eq!(files.rmdir("/home/d"), Err(Errno::NotEmpty));
        assert_eq!(
            (files.unlink("/home/d"), files.rmdir("/home/d/f")),
            (Err(Errno::IsDir), Err(Errno::NotDir))
        );
        files.unlink("/home/d/f").unwrap();
        files.rmdir("/home/d/e").unwrap();
        files.rmdir("/home/d").unwrap();
        assert_eq!(files.kind("/home/d"), Err(Errno::NoEnt));
    }

    #[test]
    fn the_host_is_seen_through_mounts_alone() {
        let dir = std::env::temp_dir().join(format!("heapmatrix-vfs-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("in")).unwrap();
        std::fs::write(dir.join("in/file"), b"hello").unwrap();
        std::fs::write(dir.join("secret"), b"no").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(dir.join("secret"), dir.join("in/link")).unwrap();

        let mut files = Files::new(vec![Mount { guest: "/data".into(), host: dir.join("in") }]);
        assert_eq!(files.kind("/data/file"), Ok(Kind::File(5)));
        assert_eq!(files.kind("/data"), Ok(Kind::Directory));
        assert_eq!(Vec::from_iter(files.list("/data")), ["file", "link"]);
        assert_eq!(files.kind("/data/../secret"), Err(Errno::NoEnt));
        #[cfg(unix)]
        assert_eq!(files.kind("/data/link"), Err(Errno::Acces), "leads out of the mount");
        assert_eq!(files.open("/data/file", O_WRONLY).err(), Some(Errno::RoFs));
        assert_eq!(files.unlink("/data/file"), Err(Errno::RoFs));
        assert_eq!(files.kind(dir.join("in/file").to_str().unwrap()), Err(Errno::NoEnt));

        let one = Files::new(vec![Mount { guest: "/a/b".into(), host: dir.join("secret") }]);
        assert_eq!((one.kind("/a/b"), one.kind("/a")), (Ok(Kind::File(2)), Ok(Kind::Directory)));
        assert_eq!(one.kind("/a/b/c"), Err(Errno::NoEnt));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
