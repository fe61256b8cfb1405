//! The analysis of hostile dumps: the corpora of the fuzz targets, and dumps of very many of the smallest records, each of
//! which makes a table of some part of this crate grow.

use std::fs;
use std::path::Path;

use heapmatrix_fuzz::{analysing, memory};
use heapmatrix_reader::Version;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

#[test]
fn whatever_can_be_read_can_be_analysed() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpora");
    let mut analysed = 0;
    let folders = ["analysis", "reader", "laws", "salvage"].map(|target| format!("fuzz/corpus/{target}"));
    for folder in folders.iter().map(|folder| &folder[..]).chain(["regressions/files"]) {
        for entry in fs::read_dir(corpora.join(folder)).unwrap() {
            analysing::analysis(&fs::read(entry.unwrap().path()).unwrap());
            analysed += 1;
        }
    }
    assert!(analysed > 100, "{analysed} inputs");
}

#[test]
fn whatever_is_a_program_says_what_it_says() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpora/fuzz/corpus/program");
    let inputs: Vec<_> =
        fs::read_dir(corpus).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(inputs.len() > 100, "{} inputs", inputs.len());
    inputs.iter().for_each(|input| analysing::program(input));
}

/// Damage anywhere in a dump that is not too large: it is refused, or analysed.
#[test]
fn damaged_dumps_are_analysed() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpora/golden");
    for machine in ["386", "amd64", "arm", "ppc64"] {
        for name in ["pointers_everywhere", "panic_with_defers", "interior_pointers"] {
            let dump = fs::read(golden.join(machine).join(format!("{name}.dump"))).unwrap();
            for at in (20..dump.len()).step_by(3) {
                let mut damaged = dump.clone();
                damaged[at] ^= 1 << (at % 8);
                analysing::analysis(&damaged);
            }
        }
    }
}

/// Numbers as a dump has them.
fn bytes(numbers: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for &(mut number) in numbers {
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
    }
    bytes
}

/// Holds a dump of Go 1.5 on a 32-bit machine with so many records to the bound, the numbers of each made of its place.
fn hold<const N: usize>(record: fn(u64) -> [u64; N]) {
    // Around where tables grow, and have old and new at once.
    for count in [14_337, 28_673, 57_345] {
        let mut dump = Version::Go15.header().to_vec();
        dump.extend(bytes(&[6, 0, 4, 0, 0x7f, 0x36, 0, 1]));
        (1..=count).for_each(|i| dump.extend(bytes(&record(i))));
        dump.push(0);
        analysing::analysis(&dump);
    }
}

#[test]
fn many_objects_take_memory_in_proportion() {
    hold(|_| [1, 1, 0, 0]);
    hold(|i| [1, i, 1, 0, 0]);
    // A list from the last to the first, whose contents are their addresses in the program's order.
    hold(|i| [1, i * 4, 4, (i * 4 - 4) & 0x7f, 0, 0, 0, 1, 0, 0]);
}

#[test]
fn many_roots_take_memory_in_proportion() {
    hold(|i| [7, i, 1, 1, 1, 1]);
    hold(|i| [2, 0, i]);
    hold(|i| [4, i, 0, i, 0, i, 0, 0, 0, 0, 0, i, 0, 0]);
    hold(|i| [5, i, 0, 0, 4, 1, 0, 0, 0, i, i, 0, 0, 1, 0, 0]);
    hold(|_| [14, 1, 1, 0, 0, 1, 0, 0]);
    hold(|i| [13, i, 4, 4, 0, 0, 0, 1, 0, 0]);
}
