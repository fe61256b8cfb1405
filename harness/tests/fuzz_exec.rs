//! Replays the corpus of the fuzz target `exec`, without a fuzzer, and runs some hundred damaged programs more.
//! `corpora/fuzz/examples/storm.rs` runs as many as one likes, with little address space.

use std::fs;
use std::path::Path;

use heapmatrix_fuzz::{memory, running};
use heapmatrix_writer::AnyTarget;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

#[test]
fn corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpora/fuzz/corpus/exec");
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() > 10, "{} inputs in {}", files.len(), folder.display());
    files.sort();
    for file in files {
        println!("{}", file.display());
        running::exec(&fs::read(&file).unwrap());
    }
}

/// Its instruction at fault did not fail when it was repeated to see why, and the program ran on without a limit.
#[test]
fn what_does_not_fail_again_ends() {
    let (_, kind) = running::Kind::ALL[0];
    running::exec(&running::generate(kind, AnyTarget::Mips, 13_555));
}

/// Each kind of damage on one machine.
fn damaged_programs(target: AnyTarget) {
    for (name, kind) in running::Kind::ALL {
        for case in 0..100 {
            println!("{name} {case}");
            running::exec(&running::generate(kind, target, case));
        }
    }
}

heapmatrix_emu::each_engine!(damaged_programs);
