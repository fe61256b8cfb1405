//! Replays the corpora of the fuzz targets, without a fuzzer.

use std::fs;
use std::path::Path;

use heapmatrix_fuzz::{memory, reading};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// Hands every input of a target's corpus, and those that once failed, to `check`.
fn replay(target: &str, check: fn(&[u8])) {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpora");
    let corpus = corpora.join("fuzz/corpus").join(target);
    for folder in [corpus, corpora.join("regressions/files")] {
        let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(files.len() > 10, "{} inputs in {}", files.len(), folder.display());
        files.sort();
        for file in files {
            // The name of a file that panics, below the panic's message.
            struct Name<'a>(&'a Path);
            impl Drop for Name<'_> {
                fn drop(&mut self) {
                    if std::thread::panicking() {
                        eprintln!("the input is {}", self.0.display());
                    }
                }
            }
            let _name = Name(&file);
            check(&fs::read(&file).unwrap());
        }
    }
}

#[test]
fn reader() {
    replay("reader", reading::reader);
}

#[test]
fn roundtrip() {
    replay("roundtrip", reading::roundtrip);
}

#[test]
fn salvage() {
    replay("salvage", reading::salvage);
}

#[test]
fn laws() {
    replay("laws", reading::laws);
}
