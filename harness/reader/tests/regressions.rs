//! Small inputs on which a reader must not fail: `corpora/regressions/index.txt` says what each one shows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use heapmatrix_reader::Dump;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpora/regressions")
}

/// The index's verdict: `sound`, or where the input is wrong.
fn verdict(input: &[u8]) -> String {
    let records = |dump: Dump<'_>| dump.records().try_for_each(|record| record.map(|_| ()));
    match Dump::new(input).and_then(records) {
        Ok(()) => "sound".into(),
        Err(error) => format!("error@{}", error.offset()),
    }
}

#[test]
fn every_input_gets_the_verdict_of_the_index() {
    let index = fs::read_to_string(folder().join("index.txt")).unwrap();
    let mut files: BTreeSet<String> = fs::read_dir(folder().join("files"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut wrong = Vec::new();
    for line in index.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let (Some(name), Some(expected), Some(_)) = (words.next(), words.next(), words.next()) else {
            panic!("expected a file, a verdict and what it shows: {line:?}");
        };
        assert!(files.remove(name), "{name} is in the index and not in the folder, or twice");
        let input = fs::read(folder().join("files").join(name)).unwrap();
        let found = verdict(&input);
        if found != expected {
            wrong.push(format!("{found} and not {line}"));
        }
    }
    assert!(files.is_empty(), "not in the index: {files:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
