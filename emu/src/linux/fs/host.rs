//! Files and folders of the host's, which a guest may read.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::super::budget::Charge;
use super::super::errno::Errno;
use super::node::{Meta, Name, Node};

/// A host directory or file that the guest may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where the guest finds it: an absolute path.
    pub guest: String,
    /// What it is on the host.
    pub host: PathBuf,
}

/// A file of the host's. It is opened when it is first read, and stays open from then on.
#[derive(Debug)]
pub struct HostFile {
    path: PathBuf,
    file: RefCell<Option<File>>,
}

impl HostFile {
    /// A file that is not open yet.
    pub fn new(path: PathBuf) -> Self {
        HostFile { path, file: RefCell::new(None) }
    }

    /// A file that is open, such as standard input.
    pub fn open(file: File) -> Self {
        HostFile { path: PathBuf::new(), file: RefCell::new(Some(file)) }
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        let open = self.file.borrow();
        let metadata = open.as_ref().map_or_else(|| std::fs::metadata(&self.path), File::metadata);
        metadata.map_or(0, |m| m.len())
    }

    /// Opens it, if it is not open.
    ///
    /// # Errors
    /// `EACCES`, `ENOENT` when it has gone, or `EIO`.
    pub fn check(&self) -> Result<(), Errno> {
        let mut file = self.file.borrow_mut();
        if file.is_none() {
            *file = Some(File::open(&self.path).map_err(|e| errno(&e))?);
        }
        Ok(())
    }

    /// Reads from `at` on; fewer bytes than asked for at the end.
    ///
    /// # Errors
    /// Those of [`HostFile::check`].
    pub fn read(&self, at: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        self.check()?;
        let mut file = self.file.borrow_mut();
        let file = file.as_mut().ok_or(Errno::Io)?;
        file.seek(SeekFrom::Start(at)).map_err(|e| errno(&e))?;
        let mut done = 0;
        while done < buf.len() {
            match file.read(&mut buf[done..]) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(errno(&e)),
            }
        }
        Ok(done)
    }
}

/// A folder of the host's.
#[derive(Debug)]
pub struct HostFolder {
    /// Where it is on the host.
    pub path: PathBuf,
    /// What was looked up in it, and what else is to be found there.
    pub known: RefCell<BTreeMap<Name, (Node, Charge)>>,
}

impl HostFolder {
    /// A folder of which nothing is known yet.
    pub fn new(path: PathBuf) -> Self {
        HostFolder { path, known: RefCell::default() }
    }

    /// Its entries' names, in order.
    pub fn names(&self) -> Vec<Name> {
        let known = self.known.borrow();
        let mut names: Vec<Name> = known.keys().cloned().collect();
        let entries = std::fs::read_dir(&self.path).into_iter().flatten().flatten();
        names.extend(entries.filter_map(|entry| Some(Name::from(bytes(entry.file_name())?))));
        names.sort();
        names.dedup();
        names
    }
}

/// What the host knows about a file, as the guest sees it: nobody may write it, and it is the guest's
/// own.
pub fn meta(metadata: &Metadata) -> Meta {
    let time = |t: io::Result<std::time::SystemTime>| {
        let since = t.ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    };
    let modified = time(metadata.modified());
    let mode = if metadata.is_dir() { 0o555 } else { 0o444 | executable(metadata) };
    Meta { mode, links: 1, uid: super::UID, gid: super::UID, accessed: modified, modified, changed: modified }
}

#[cfg(unix)]
fn executable(metadata: &Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o111
}

#[cfg(not(unix))]
fn executable(_: &Metadata) -> u32 {
    0
}

/// The path of a name in a folder of the host's, where the host can have such a name.
pub fn join(folder: &Path, name: &[u8]) -> Option<PathBuf> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        Some(folder.join(std::ffi::OsStr::from_bytes(name)))
    }
    #[cfg(not(unix))]
    {
        let name = std::str::from_utf8(name).ok().filter(|n| !n.contains(['\\', ':']))?;
        Some(folder.join(name))
    }
}

/// A path or a name as bytes, where the host has text alone.
pub fn bytes(text: impl Into<std::ffi::OsString>) -> Option<Vec<u8>> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt;
        Some(text.into().into_vec())
    }
    #[cfg(not(unix))]
    {
        text.into().into_string().ok().map(String::into_bytes)
    }
}

fn errno(error: &io::Error) -> Errno {
    match error.kind() {
        io::ErrorKind::NotFound => Errno::NoEnt,
        io::ErrorKind::PermissionDenied => Errno::Acces,
        _ => Errno::Io,
    }
}
