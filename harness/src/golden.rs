//! The golden corpus: dumps of committed worlds, each with what it must hold.
//!
//! `worlds/NAME.json` are the sources. For each of them and for each architecture, `ARCH/NAME.dump` is the dump of
//! an emulated machine, `ARCH/NAME.json` what the [model] says of it, and `ARCH/NAME.struck.dump` the same process
//! as Go 1.5 dumps it with its defect in types' names, if there are such types. Dumps that are not tiny are
//! compressed. `corpora/README.md` describes the files for those who use them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use heapmatrix_emu::world::World;
use heapmatrix_writer::{AnyTarget, Defects};

use crate::matrix::{self, CellError};
use crate::oracle::model::{self, Truth};

/// The largest dump that is not compressed, in bytes.
const LARGEST_RAW: usize = 4 << 10;

/// Go 1.5's defect in types' names, and what it needs: writes of gigabytes, which end where memory does.
const STRUCK: Defects =
    Defects { type_names_by_address: true, int32_lengths: true, write_errors_ignored: true, ..Defects::NONE };

/// Why the corpus can't be made or read.
#[derive(Debug, thiserror::Error)]
pub enum GoldenError {
    /// A file or folder can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file can't be written. Says which.
    #[error("{0}")]
    Write(String),
    /// A file is not a world.
    #[error("{}: not a world: {source}", path.display())]
    World {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A world can't be dumped, or its dump does not hold it.
    #[error("{world} on {target}: {source}")]
    Cell {
        /// The world's name.
        world: String,
        /// The machine.
        target: AnyTarget,
        /// Which step failed.
        source: CellError,
    },
}

/// A corpus in a folder.
#[derive(Clone, Debug)]
pub struct Golden {
    dir: PathBuf,
    worlds: Vec<(String, World)>,
}

/// A file that is not what its world gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The file's name in the folder of its architecture.
    pub name: String,
    /// What is wrong with it: it `is missing`, say.
    pub what: &'static str,
}

/// The files of an architecture: names in its folder, and contents before compression.
type Files = BTreeMap<String, Vec<u8>>;

impl Golden {
    /// Reads the worlds of the corpus in a folder.
    ///
    /// # Errors
    /// [`GoldenError`] names the file.
    pub fn open(dir: &Path) -> Result<Self, GoldenError> {
        let folder = dir.join("worlds");
        let mut worlds = Vec::new();
        for file in names(&folder)? {
            let path = folder.join(&file);
            if let Some(name) = file.strip_suffix(".json") {
                let world = serde_json::from_slice(&read(&path)?);
                worlds.push((name.to_owned(), world.map_err(|source| GoldenError::World { path, source })?));
            }
        }
        Ok(Self { dir: dir.to_owned(), worlds })
    }

    /// The names of the worlds, in alphabetical order.
    pub fn worlds(&self) -> impl Iterator<Item = &str> {
        self.worlds.iter().map(|(name, _)| name.as_str())
    }

    /// Where the corpus differs from what the worlds give on an architecture.
    ///
    /// # Errors
    /// [`GoldenError`].
    pub fn check(&self, target: AnyTarget) -> Result<Vec<Difference>, GoldenError> {
        self.compare(target, &self.make(target)?)
    }

    /// Makes the corpus what the worlds give on an architecture, and says where it was not. Files that are right
    /// stay as they are: another release of Zstandard may compress them to other bytes. `write` writes a file.
    ///
    /// # Errors
    /// [`GoldenError`].
    pub fn regenerate(
        &self,
        target: AnyTarget,
        write: impl Fn(&Path, &[u8]) -> Result<(), String>,
    ) -> Result<Vec<Difference>, GoldenError> {
        let dir = self.dir.join(target.goarch());
        fs::create_dir_all(&dir).map_err(at(&dir))?;
        let made = self.make(target)?;
        let differences = self.compare(target, &made)?;
        for Difference { name, .. } in &differences {
            let path = dir.join(name);
            match made.get(name) {
                None => fs::remove_file(&path).map_err(at(&path))?,
                Some(bytes) if name.ends_with(".zst") => {
                    let compressed = zstd::encode_all(bytes.as_slice(), 19).map_err(at(&path))?;
                    write(&path, &compressed).map_err(GoldenError::Write)?;
                }
                Some(bytes) => write(&path, bytes).map_err(GoldenError::Write)?,
            }
        }
        Ok(differences)
    }

    fn compare(&self, target: AnyTarget, made: &Files) -> Result<Vec<Difference>, GoldenError> {
        let dir = self.dir.join(target.goarch());
        let there = if dir.exists() { names(&dir)? } else { Vec::new() };
        let mut differences = Vec::new();
        let mut differs = |what, name: &str| differences.push(Difference { what, name: name.to_owned() });
        for name in there.iter().filter(|&name| !made.contains_key(name)) {
            differs("comes from no world", name);
        }
        for (name, bytes) in made {
            if !there.contains(name) {
                differs("is missing", name);
            } else if read(&dir.join(name))? != *bytes {
                differs("is not what its world gives", name);
            }
        }
        Ok(differences)
    }

    /// Builds, dumps and checks every world.
    fn make(&self, target: AnyTarget) -> Result<Files, GoldenError> {
        let mut files = Files::new();
        for (name, world) in &self.worlds {
            add(&mut files, name, world, target).map_err(|source| {
                let world = name.clone();
                GoldenError::Cell { world, target, source }
            })?;
        }
        Ok(files)
    }
}

fn add(files: &mut Files, name: &str, world: &World, target: AnyTarget) -> Result<(), CellError> {
    let finished = matrix::build(world, target)?;
    let dump = matrix::dump(&finished, Defects::NONE)?;
    let struck = matrix::dump(&finished, STRUCK)?;
    let truth = model::truth(world, &finished.locations, &dump)?;
    files.insert(format!("{name}.json"), document(name, target, &truth).into_bytes());
    if struck != dump {
        files.insert(dump_name(&format!("{name}.struck"), &struck), struck);
    }
    files.insert(dump_name(name, &dump), dump);
    Ok(())
}

fn dump_name(name: &str, dump: &[u8]) -> String {
    let compressed = if dump.len() > LARGEST_RAW { ".zst" } else { "" };
    format!("{name}.dump{compressed}")
}

/// The JSON of a dump's contents: a line for each record.
fn document(world: &str, target: AnyTarget, records: &[Truth]) -> String {
    let line = |record| serde_json::to_string(record).expect("a record is plain data");
    let records: Vec<String> = records.iter().map(line).collect();
    let (arch, records) = (target.goarch(), records.join(",\n"));
    format!(
        "{{\"format\":\"go1.5\",\"arch\":\"{arch}\",\"world\":\"{world}\",\"records\":[\n{records}\n]}}\n"
    )
}

/// Names the file in an error of the system.
fn at(path: &Path) -> impl FnOnce(io::Error) -> GoldenError {
    let path = path.to_owned();
    |source| GoldenError::File { path, source }
}

/// The names of the files in a folder, sorted.
fn names(dir: &Path) -> Result<Vec<String>, GoldenError> {
    let entries = fs::read_dir(dir).map_err(at(dir))?;
    let mut names = entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<Vec<String>>>()
        .map_err(at(dir))?;
    names.sort();
    Ok(names)
}

/// A file's contents, decompressed.
fn read(path: &Path) -> Result<Vec<u8>, GoldenError> {
    let bytes = fs::read(path).map_err(at(path))?;
    match path.extension() {
        Some(extension) if extension == "zst" => zstd::decode_all(bytes.as_slice()).map_err(at(path)),
        _ => Ok(bytes),
    }
}
