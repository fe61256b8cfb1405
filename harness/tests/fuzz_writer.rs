//! Replays the corpus of the fuzz target `writer`, without a fuzzer, and then goes on with random inputs.

use std::fs;
use std::path::Path;

use heapmatrix_fuzz::{machines, memory, writing};
use heapmatrix_writer::AnyTarget;

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

/// Random corruptions of every world's memory on a machine, from a seed: so many, or `HEAPMATRIX_CORRUPTIONS` says how
/// many.
fn random_corruptions(target: AnyTarget) {
    let count = std::env::var("HEAPMATRIX_CORRUPTIONS").map_or(4000, |count| count.parse().unwrap());
    let mut state = 0x9e37_79b9_7f4a_7c15 + target as u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for number in 0..count {
        let [world, how, pokes] =
            [random() as u8, machines::byte(target, random() & 1 == 1), 1 + random() as u8 % 3];
        let mut input = vec![world, how];
        for _ in 0..pokes {
            input.extend_from_slice(&random().to_le_bytes()[..4]);
            let value = match random() % 6 {
                0 => random(),
                1 => u64::MAX << (random() % 64),
                2 => 1 << (random() % 64),
                3 => random() % 256,
                4 => (random() % 4096).wrapping_neg(),
                _ => u64::MAX >> (random() % 64),
            };
            input.extend_from_slice(&value.to_le_bytes());
        }
        let _told = Told { number, input: &input };
        writing::writer(&input);
    }
}

/// Says which input fails.
struct Told<'a> {
    number: u64,
    input: &'a [u8],
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("input {}: {:02x?}", self.number, self.input);
        }
    }
}

heapmatrix_emu::each_machine!(random_corruptions);
