//! Where the dumps of a corpus come from: the one in this program, or a folder.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A corpus.
#[derive(Clone, Debug)]
pub enum Source {
    /// The project's, which is part of this program.
    Embedded,
    /// A folder.
    Folder(PathBuf),
}

impl Source {
    /// The names of all files, with `/` between folders, sorted.
    ///
    /// # Errors
    /// If a folder cannot be read.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let mut names = match self {
            Self::Embedded => heapmatrix_corpus::files().map(|(name, _)| name).collect(),
            Self::Folder(dir) => {
                let mut names = Vec::new();
                walk(dir, String::new(), &mut names)?;
                names
            }
        };
        names.sort();
        Ok(names)
    }

    /// A file's contents, as they are.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        match self {
            Self::Embedded => match heapmatrix_corpus::file(name) {
                Some(bytes) => Ok(bytes.to_vec()),
                None => Err(io::Error::new(io::ErrorKind::NotFound, format!("the corpus has no {name}"))),
            },
            Self::Folder(dir) => fs::read(dir.join(name)).map_err(|error| explain(&dir.join(name), &error)),
        }
    }

    /// The dump in a file, decompressed, or its first bytes.
    ///
    /// # Errors
    /// If it cannot be read or decompressed.
    pub fn dump(&self, name: &str, most: u64) -> io::Result<Vec<u8>> {
        let bytes = self.read(name)?;
        let mut dump = Vec::new();
        if name.ends_with(".zst") {
            let broken = |error: &dyn std::fmt::Display| {
                io::Error::other(format!("cannot decompress {name}: {error}"))
            };
            let decoder =
                ruzstd::decoding::StreamingDecoder::new(&bytes[..]).map_err(|error| broken(&error))?;
            decoder.take(most).read_to_end(&mut dump).map_err(|error| broken(&error))?;
        } else {
            bytes.take(most).read_to_end(&mut dump)?;
        }
        Ok(dump)
    }
}

fn explain(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display()))
}

/// The files in a folder and those below it. Links are not followed: they may lead round.
fn walk(dir: &Path, prefix: String, names: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(dir).map_err(|error| explain(dir, &error))? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), format!("{name}/"), names)?;
        } else if kind.is_file() || entry.path().is_file() {
            names.push(name);
        }
    }
    Ok(())
}
