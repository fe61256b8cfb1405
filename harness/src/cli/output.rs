//! A file that appears whole or not at all.
//!
//! What a command writes grows beside its place, without a name where the file system can do that. When it is
//! complete it is synced and takes the name in one step. Whatever happens before — an error, a full disk, an
//! interrupt — leaves what was there. Devices and pipes cannot be replaced and are written to directly.

use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use super::stdout::Stdout;

/// How much is collected before it is written.
const BUFFER: usize = 1 << 18;
/// So many zero bytes are worth a hole in a file.
const PAGE: usize = 4096;

/// What `-` means for every command that writes: standard output.
pub fn is_standard_output(path: &Path) -> bool {
    path == Path::new("-")
}

/// A file in the making; `-` is standard output. Gone if it is dropped before [`commit`](Self::commit).
///
/// Its errors name the path.
#[derive(Debug)]
pub struct Output {
    /// The path as the user wrote it.
    path: PathBuf,
    sink: BufWriter<Sink>,
}

#[derive(Debug)]
enum Sink {
    Stdout(Stdout),
    /// A device or a pipe.
    Special(File),
    /// A file beside its place, and the place: where the links of the path lead to. Whether what is zero becomes holes in it.
    Beside(Beside, PathBuf, bool),
}

/// A file that has not got its name yet.
#[derive(Debug)]
enum Beside {
    /// A file without a name: even a killed process leaves nothing.
    #[cfg(target_os = "linux")]
    Unnamed(File),
    /// A file with a name of its own, where there are no others.
    Named(tempfile::NamedTempFile),
}

impl Output {
    /// Opens the output. Nothing changes at `path` before [`commit`](Self::commit).
    ///
    /// # Errors
    /// If `path` is a folder, or nothing can be written in its folder.
    pub fn create(path: &Path) -> Result<Self, String> {
        Self::open(path, false)
    }

    /// The same of a file that takes no room on the disk for what is zero in it.
    ///
    /// # Errors
    /// As above.
    pub fn create_sparse(path: &Path) -> Result<Self, String> {
        Self::open(path, true)
    }

    fn open(path: &Path, sparse: bool) -> Result<Self, String> {
        let sink = Sink::open(path, sparse).map_err(|error| explain(path, &error))?;
        Ok(Self { path: path.to_owned(), sink: BufWriter::with_capacity(BUFFER, sink) })
    }

    /// Gives the file its name, after everything that was written is on the disk.
    ///
    /// # Errors
    /// Those of writing, with the path. Then what was there before is still there.
    pub fn commit(self) -> Result<(), String> {
        self.finish(true)
    }

    /// Gives a file that can be made again its name, without waiting for the disk.
    ///
    /// # Errors
    /// Those of writing, with the path.
    pub fn commit_unsynced(self) -> Result<(), String> {
        self.finish(false)
    }

    fn finish(self, sync: bool) -> Result<(), String> {
        let Self { path, sink } = self;
        let commit = || match sink.into_inner().map_err(io::IntoInnerError::into_error)? {
            Sink::Stdout(mut stdout) => stdout.flush(),
            Sink::Special(_) => Ok(()),
            Sink::Beside(beside, place, sparse) => {
                if sparse {
                    // It may end in a hole.
                    let len = beside.file().stream_position()?;
                    beside.file().set_len(len)?;
                }
                beside.commit(&place, sync)
            }
        };
        commit().map_err(|error| explain(&path, &error))
    }
}

/// Writes a whole file.
///
/// # Errors
/// Those of [`Output`], with the path.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let mut output = Output::create(path)?;
    output.write_all(bytes).map_err(|error| error.to_string())?;
    output.commit()
}

/// Writes a whole file of many that can be made again: without waiting for the disk.
///
/// # Errors
/// Those of [`Output`], with the path.
pub fn place(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let mut output = Output::create(path)?;
    output.write_all(bytes).map_err(|error| error.to_string())?;
    output.finish(false)
}

/// Refuses to write to what is being read, by whatever name.
///
/// # Errors
/// If `path`, or standard output for `-`, is the file that `input` describes.
pub fn refuse_input(path: &Path, input: &Metadata) -> Result<(), String> {
    let output = if is_standard_output(path) { super::stdout::metadata() } else { fs::metadata(path) };
    // What is not there yet is not the input; a terminal or a pipe may well be both.
    match output {
        Ok(output) if output.is_file() && is_same(&output, input) => {
            let name =
                if is_standard_output(path) { "standard output".into() } else { path.display().to_string() };
            Err(format!("{name} is the input: write to another file"))
        }
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Without file numbers nothing is known to be the same. Nothing is lost: outputs replace, and never overwrite.
#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    false
}

fn explain(path: &Path, error: &io::Error) -> String {
    // Standard output's errors say so themselves.
    if is_standard_output(path) {
        error.to_string()
    } else {
        format!("cannot write {}: {error}", path.display())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sink.write(bytes).map_err(|error| io::Error::new(error.kind(), explain(&self.path, &error)))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush().map_err(|error| io::Error::new(error.kind(), explain(&self.path, &error)))
    }
}

impl Sink {
    fn open(path: &Path, sparse: bool) -> io::Result<Self> {
        if is_standard_output(path) {
            return Ok(Self::Stdout(Stdout::whoever_reads()));
        }
        let old = match fs::metadata(path) {
            Ok(old) if old.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(old) if !old.is_file() => {
                return fs::OpenOptions::new().write(true).open(path).map(Self::Special);
            }
            Ok(old) => Some(old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        // A link stays a link, and what it leads to is replaced.
        let place = if old.is_some() { fs::canonicalize(path)? } else { path.to_owned() };
        let beside = Beside::new(folder(&place))?;
        if let Some(old) = old {
            beside.file().set_permissions(old.permissions())?;
        }
        Ok(Self::Beside(beside, place, sparse))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::Special(file) => file.write(bytes),
            Self::Beside(beside, _, true) => write_with_holes(beside.file(), bytes),
            Self::Beside(beside, _, false) => beside.file().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::Special(_) | Self::Beside(..) => Ok(()),
        }
    }
}

/// Writes the first of some bytes: as many pages as are zero, which become a hole, or as many as are not.
fn write_with_holes(mut file: &File, bytes: &[u8]) -> io::Result<usize> {
    let is_zero = |page: &[u8]| page.iter().all(|&byte| byte == 0);
    let pages = || bytes.chunks(PAGE);
    let zeros: usize = pages().take_while(|page| is_zero(page)).map(<[u8]>::len).sum();
    if zeros > 0 {
        file.seek_relative(zeros as i64)?;
        return Ok(zeros);
    }
    let others = pages().take_while(|page| !is_zero(page)).map(<[u8]>::len).sum();
    file.write(&bytes[..others])
}

/// The folder that a file is in.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

impl Beside {
    fn new(folder: &Path) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{Mode, OFlags};
            let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
            // The link to the descriptor is how such a file gets a name.
            if let Ok(file) = rustix::fs::open(folder, flags, Mode::from_raw_mode(0o666))
                && Path::new("/proc/self/fd").exists()
            {
                return Ok(Self::Unnamed(file.into()));
            }
        }
        Self::named(folder)
    }

    fn named(folder: &Path) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".heapmatrix-");
        // What every new file gets, less the umask.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        builder.tempfile_in(folder).map(Self::Named)
    }

    fn file(&self) -> &File {
        match self {
            #[cfg(target_os = "linux")]
            Self::Unnamed(file) => file,
            Self::Named(file) => file.as_file(),
        }
    }

    fn commit(self, place: &Path, sync: bool) -> io::Result<()> {
        if sync {
            self.file().sync_all()?;
        }
        let named = match self {
            Self::Named(file) => file.into_temp_path(),
            // Nothing replaces a file but a rename, and that needs a name.
            #[cfg(target_os = "linux")]
            Self::Unnamed(file) => {
                let builder = &mut tempfile::Builder::new();
                builder
                    .prefix(".heapmatrix-")
                    .make_in(folder(place), |path| link(&file, path))?
                    .into_temp_path()
            }
        };
        named.persist(place).map_err(|error| error.error)
    }
}

/// Gives a file without a name one.
#[cfg(target_os = "linux")]
fn link(file: &File, path: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD};
    use std::os::fd::AsRawFd;
    let descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, descriptor, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_there_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        for (old, new) in [(None, "first"), (Some("first"), "second")] {
            let mut output = Output::create(&path).unwrap();
            output.write_all(&new.as_bytes()[..3]).unwrap();
            output.flush().unwrap();
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), old);
            output.write_all(&new.as_bytes()[3..]).unwrap();
            output.commit().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), new);
            assert_eq!(names(dir.path()), ["out"]);
        }
    }

    /// A sparse file has what was written, up to zeros at its end.
    #[test]
    fn zeros_become_holes_and_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let mut bytes = vec![0; 5 << 20];
        for at in [0, 4095, 4096, 1 << 20, (3 << 20) + 7, (4 << 20) - 1] {
            bytes[at] = 1;
        }
        for len in [0, 100, PAGE, 3 << 20, bytes.len() - 1, bytes.len()] {
            for piece in [1000, PAGE, BUFFER + 5] {
                let mut output = Output::create_sparse(&path).unwrap();
                bytes[..len].chunks(piece).for_each(|piece| output.write_all(piece).unwrap());
                output.commit().unwrap();
                assert!(fs::read(&path).unwrap() == bytes[..len], "{len} bytes by {piece}");
            }
        }
        #[cfg(target_os = "linux")]
        {
            use std::os::unix::fs::MetadataExt;
            assert!(fs::metadata(&path).unwrap().blocks() * 512 < 2 << 20, "there are holes");
        }
    }

    #[test]
    fn what_is_not_committed_leaves_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        fs::write(&path, "old").unwrap();
        let mut output = Output::create(&path).unwrap();
        output.write_all(&[1; 2 * BUFFER]).unwrap();
        drop(output);
        assert_eq!(
            (fs::read_to_string(&path).unwrap(), names(dir.path())),
            ("old".into(), vec!["out".into()])
        );
    }

    /// Both ways, as not every file system has files without names.
    #[test]
    fn a_file_with_a_name_of_its_own_does_as_well() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("out");
        for text in ["first", "second"] {
            let beside = Beside::named(dir.path()).unwrap();
            beside.file().write_all(text.as_bytes()).unwrap();
            drop(Beside::named(dir.path()).unwrap());
            beside.commit(&place, true).unwrap();
            assert_eq!(fs::read_to_string(&place).unwrap(), text);
            assert_eq!(names(dir.path()), ["out"]);
        }
    }

    #[test]
    fn errors_name_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let nowhere = dir.path().join("none/out");
        for path in [&nowhere, dir.path()] {
            let error = write(path, b"text").unwrap_err();
            assert!(error.starts_with(&format!("cannot write {}: ", path.display())), "{error}");
        }
        assert_eq!(names(dir.path()), [""; 0]);
    }

    #[test]
    #[cfg(unix)]
    fn links_and_permissions_stay() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let (path, alias) = (dir.path().join("out"), dir.path().join("alias"));
        write(&path, b"old").unwrap();
        let new_file = dir.path().join("new");
        fs::write(&new_file, "").unwrap();
        let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), mode(&new_file), "that of any new file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("out", &alias).unwrap();
        write(&alias, b"new").unwrap();
        assert_eq!(fs::read_link(&alias).unwrap(), Path::new("out"));
        assert_eq!((fs::read_to_string(&path).unwrap(), mode(&path)), ("new".into(), 0o640));
    }

    #[test]
    #[cfg(unix)]
    fn the_input_is_refused_by_any_name() {
        let dir = tempfile::tempdir().unwrap();
        let [input, other, link, soft] = ["in", "other", "link", "soft"].map(|name| dir.path().join(name));
        fs::write(&input, "a dump").unwrap();
        fs::write(&other, "a dump").unwrap();
        fs::hard_link(&input, &link).unwrap();
        std::os::unix::fs::symlink(&input, &soft).unwrap();
        let metadata = fs::metadata(&input).unwrap();
        for path in [&input, &link, &soft, &dir.path().join("./in")] {
            let error = refuse_input(path, &metadata).unwrap_err();
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
        assert_eq!(refuse_input(&other, &metadata), Ok(()));
        assert_eq!(refuse_input(&dir.path().join("none"), &metadata), Ok(()));
        assert_eq!(refuse_input(Path::new("/dev/null"), &fs::metadata("/dev/null").unwrap()), Ok(()));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn devices_are_written_to() {
        write(Path::new("/dev/null"), b"text").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        let error = write(Path::new("/dev/full"), b"text").unwrap_err();
        assert!(error.starts_with("cannot write /dev/full: "), "{error}");
    }
}
