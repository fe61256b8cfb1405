//! The dumps that a reader is tried on, and what is expected of it.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use heapmatrix_reader::Dump;
use serde::{Deserialize, Serialize};

use super::source::Source;
use super::truth::Known;

/// What a dump is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Written by a runtime, real or emulated.
    Corpus,
    /// With everything that the format allows.
    Generated,
    /// Broken, or strange.
    Hostile,
}

/// What a reader should do with a dump.
#[derive(Clone, Debug)]
pub enum Expected {
    /// Read it, and say what is in it.
    Contents(Box<Known>),
    /// Read it.
    Read,
    /// Refuse it.
    Refusal,
    /// End: what it does with it is its own affair.
    End,
}

/// A dump to try a reader on.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name, the same in all runs.
    pub name: String,
    /// What it is.
    pub class: Class,
    /// The machine, if the dump is sound.
    pub machine: String,
    /// The format.
    pub format: String,
    /// What is expected.
    pub expected: Expected,
    /// Where its bytes are.
    pub bytes: Bytes,
}

/// The bytes of a dump.
#[derive(Clone)]
pub enum Bytes {
    /// In memory.
    Here(Vec<u8>),
    /// In a file of a corpus.
    File(Arc<Source>, String),
    /// Made when they are needed.
    Made(Arc<dyn Fn() -> Vec<u8> + Send + Sync>),
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Here(_) => "Here",
            Self::File(..) => "File",
            Self::Made(_) => "Made",
        })
    }
}

impl Case {
    /// The dump itself.
    ///
    /// # Errors
    /// If its file cannot be read.
    pub fn dump(&self) -> io::Result<Vec<u8>> {
        match &self.bytes {
            Bytes::Here(bytes) => Ok(bytes.clone()),
            Bytes::File(source, name) => source.dump(name, u64::MAX),
            Bytes::Made(make) => Ok(make()),
        }
    }
}

/// The cases of a corpus: each `NAME.dump` or `NAME.dump.zst`, with what the `NAME.json` or `NAME.facts.json` beside it
/// says, and the files of a folder with an `index.txt`. Of these, those whose names are wanted.
///
/// # Errors
/// If a file cannot be read.
pub fn corpus(source: &Arc<Source>, wanted: &dyn Fn(&str) -> bool) -> io::Result<Vec<Case>> {
    let names = source.names()?;
    let there: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let mut cases = Vec::new();
    for name in &names {
        if let Some(stem) = stem(name) {
            if wanted(stem) {
                cases.push(dump_of_corpus(source, name, stem, &there)?);
            }
        } else if name.ends_with("index.txt") {
            cases.extend(regressions(source, name, &there)?.into_iter().filter(|case| wanted(&case.name)));
        }
    }
    Ok(cases)
}

/// A dump's name without what says that it is one.
fn stem(name: &str) -> Option<&str> {
    name.strip_suffix(".zst").unwrap_or(name).strip_suffix(".dump")
}

/// Whether a file of a corpus is a dump, by its name.
pub fn is_dump(name: &str) -> bool {
    stem(name).is_some()
}

fn dump_of_corpus(source: &Arc<Source>, name: &str, stem: &str, there: &BTreeSet<&str>) -> io::Result<Case> {
    let beside = |extension: &str| Some(format!("{stem}{extension}")).filter(|name| there.contains(&**name));
    let expected = match (beside(".json"), beside(".facts.json")) {
        // Go 1.5's defect leaves a dump that cannot be read to its end.
        _ if stem.ends_with(".struck") => Expected::End,
        (Some(records), _) => Expected::Contents(Box::new(Known::Records(source.read(&records)?))),
        (None, Some(facts)) => Expected::Contents(Box::new(Known::Facts(source.read(&facts)?))),
        (None, None) => Expected::Read,
    };
    let (machine, format) = machine_and_format(&source.dump(name, BEGINNING)?);
    let class = if matches!(expected, Expected::End) { Class::Hostile } else { Class::Corpus };
    let bytes = Bytes::File(Arc::clone(source), name.to_owned());
    Ok(Case { name: stem.to_owned(), class, machine, format, expected, bytes })
}

/// How much of a dump has its first record in it.
const BEGINNING: u64 = 4096;

/// What a dump says of itself at its beginning; nothing if it is broken there.
fn machine_and_format(dump: &[u8]) -> (String, String) {
    match Dump::new(dump) {
        Ok(dump) => {
            let machine = dump.params().goarch().map_or_else(|| "-".to_owned(), |name| name.to_string());
            (machine, dump.version().name().to_owned())
        }
        Err(_) => ("-".to_owned(), "-".to_owned()),
    }
}

/// The files that an index names, each with the verdict of a strict reader.
fn regressions(source: &Arc<Source>, index: &str, there: &BTreeSet<&str>) -> io::Result<Vec<Case>> {
    let folder = index.strip_suffix("index.txt").unwrap_or_default();
    let text = String::from_utf8_lossy(&source.read(index)?).into_owned();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let cases = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let (name, verdict) = (words.next()?, words.next()?);
        let file = format!("{folder}files/{name}");
        if !there.contains(&*file) {
            return None;
        }
        // A reader may be content with less than a strict one: with a number that is longer than it need be, say.
        let expected = if verdict == "sound" { Expected::Read } else { Expected::End };
        let bytes = Bytes::File(Arc::clone(source), file);
        let (machine, format) = ("-".to_owned(), "-".to_owned());
        let name = format!("{folder}{name}");
        Some(Case { name, class: Class::Hostile, machine, format, expected, bytes })
    });
    Ok(cases.collect())
}
