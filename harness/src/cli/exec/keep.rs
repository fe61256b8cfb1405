//! `--out`: the files that a program leaves, written to a folder and nowhere else.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use heapmatrix_emu::linux::Kept;

/// How many files that could not be written are named.
const NAMED: usize = 5;

/// Writes files below a folder: those in or below the folder that the program worked in by their path from
/// there, the others by their whole path. One that can't be written does not keep the others from being.
///
/// # Errors
/// Says which files could not be written, and why.
pub fn write(files: &[Kept], folder: &Path, cwd: &str) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    let mut failed = Vec::new();
    for file in files {
        if let Err(error) = write_one(file, folder, cwd) {
            failed.push(format!("cannot keep {}: {error}", file.name()));
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    let others = failed.len().saturating_sub(NAMED);
    failed.truncate(NAMED);
    if others > 0 {
        failed.push(format!("and {others} other files"));
    }
    Err(failed.join("; "))
}

fn write_one(file: &Kept, folder: &Path, cwd: &str) -> io::Result<()> {
    let path = relative(&file.path, cwd)?;
    let mut place = folder.to_owned();
    for part in path.parent().into_iter().flat_map(Path::components) {
        place.push(part);
        real_folder(&place)?;
    }
    place.push(path.file_name().ok_or(io::ErrorKind::InvalidFilename)?);
    if place.symlink_metadata().is_ok_and(|old| old.is_dir()) {
        return Err(io::Error::other(format!("{} is a folder", place.display())));
    }
    // A new file that takes the name in one step: whatever had the name, a link say, is replaced and never
    // written through.
    let mut builder = tempfile::Builder::new();
    builder.prefix(".heapmatrix-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut new = builder.tempfile_in(place.parent().unwrap_or(folder))?;
    file.copy_to(new.as_file_mut())?;
    new.persist(&place).map(drop).map_err(|e| e.error)
}

/// Makes a folder unless it is there. A link to one is none.
fn real_folder(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(old) if old.is_dir() => Ok(()),
        Ok(old) if old.is_symlink() => Err(io::Error::other(format!(
            "{} is a symbolic link, and nothing is written through links",
            path.display()
        ))),
        Ok(_) => Err(io::Error::other(format!("{} is a file", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(path),
        Err(error) => Err(error),
    }
}

/// A path of the program's as one below a folder of the host's.
fn relative(path: &[u8], cwd: &str) -> io::Result<PathBuf> {
    let cwd = cwd.trim_end_matches('/').as_bytes();
    let path = path.strip_prefix(cwd).filter(|rest| rest.starts_with(b"/")).unwrap_or(path);
    #[cfg(unix)]
    let path: &Path = {
        use std::os::unix::ffi::OsStrExt;
        Path::new(std::ffi::OsStr::from_bytes(path))
    };
    #[cfg(not(unix))]
    let path = Path::new(std::str::from_utf8(path).map_err(|_| io::ErrorKind::InvalidFilename)?);
    let parts: Vec<Component> = path.components().filter(|part| *part != Component::RootDir).collect();
    if parts.iter().all(|part| matches!(part, Component::Normal(_))) {
        Ok(parts.iter().collect())
    } else {
        Err(io::ErrorKind::InvalidFilename.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_working_folder_come_first() {
        let of = |path: &str, cwd: &str| relative(path.as_bytes(), cwd).unwrap().display().to_string();
        assert_eq!(of("/home/u/a/b", "/home/u"), "a/b");
        assert_eq!(of("/home/user/b", "/home/u"), "home/user/b");
        assert_eq!(of("/tmp/x", "/"), "tmp/x");
    }
}
