//! Replays the corpus of the fuzz target `writer`, without a fuzzer.

use std::fs;
use std::path::Path;

use heapmatrix_fuzz::{memory, writing};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

#[test]
fn writer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpora/fuzz/corpus/writer");
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() > 10, "{} inputs in {}", files.len(), folder.display());
    files.sort();
    for file in files {
        println!("{}", file.display());
        writing::writer(&fs::read(&file).unwrap());
    }
}
