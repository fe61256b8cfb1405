//! Programs of today's Go, whose dumps from outside are held against their own.

use std::fs;
use std::path::{Path, PathBuf};

use heapmatrix_reader::{Dump, Record, laws};
use serde_json::Value;

use crate::go::Program;
use crate::toolchains::toolchains;
use crate::{heapmatrix, stderr};

pub fn each_toolchain(test: impl Fn(&Path)) {
    let toolchains: Vec<PathBuf> = toolchains();
    if toolchains.is_empty() {
        eprintln!("NOT RUN: no Go toolchain is installed (Debian: golang-go), and HEAPMATRIX_GO names none");
    }
    toolchains.iter().for_each(|go| test(go));
}

/// Runs a program, and compares all dumps that it writes with those from outside.
fn compare(program: &Program, what: &str, cpus: &str) {
    let output = heapmatrix(&["--json", "--compare", "--cpus", cpus, program.path(), "own.dump"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let comparisons = report["comparisons"].as_array().map_or(&[][..], Vec::as_slice);
    assert!(!comparisons.is_empty(), "{what} on {cpus} CPUs: {}", stderr(&output));
    for (number, comparison) in (1..).zip(comparisons) {
        assert_eq!(comparison["identical"], true, "{what} on {cpus} CPUs, dump {number}: {comparison}");
    }
    let bytes: u64 = comparisons.iter().filter_map(|c| c["bytes"].as_u64()).sum();
    eprintln!("{what} on {cpus} CPUs: {} dumps identical, {bytes} bytes", comparisons.len());
    assert_eq!(output.status.code(), Some(0), "{what}: {}", stderr(&output));
}

fn dumps_are_identical(arch: &str) {
    each_toolchain(|go| {
        let what = |source: &str| format!("{source} of {} for {arch}", go.display());
        let shapes = Program::build_with(go, "tests/exec/shapes", arch, &[]);
        for cpus in ["1", "4"] {
            compare(&shapes, &what("shapes"), cpus);
        }
        let guest = Program::build_with(go, "../corpora/real/guest", arch, &[]);
        compare(&guest, &what("guest"), "1");
    });
}

/// What a dump says of its objects.
#[derive(Default)]
struct Counts {
    objects: u64,
    heap_objects: u64,
}

fn count(dump: &[u8]) -> Counts {
    let mut counts = Counts::default();
    for record in Dump::new(dump).unwrap().records() {
        match record.unwrap().1 {
            Record::Object(_) => counts.objects += 1,
            Record::MemStats(stats) => counts.heap_objects = stats.heap_objects,
            _ => {}
        }
    }
    counts
}

fn dump_means_what_the_format_says(arch: &str) {
    each_toolchain(|go| {
        let guest = Program::build_with(go, "../corpora/real/guest", arch, &[]);
        let dump = |dialect: &str| {
            let file = guest.file(dialect);
            let output = heapmatrix(&["--dialect", dialect, "--dump", &file, guest.path(), "own.dump"]);
            assert_eq!(output.status.code(), Some(0), "{arch}: {}", stderr(&output));
            fs::read(file).unwrap()
        };
        let meant = dump("go1.7");
        laws::check(&meant, |violation| panic!("{} for {arch}: {violation}", go.display()));
        let (meant, exact) = (count(&meant), count(&dump("go1.7-exact")));
        assert!(meant.objects <= exact.objects && meant.objects > 100, "{arch}");
        // The tiny allocator puts several objects into one slot.
        assert!(meant.objects <= meant.heap_objects, "{arch}: {} of {}", meant.objects, meant.heap_objects);
    });
}

macro_rules! on_each_machine {
    ($($name:ident $arch:literal)*) => {
        $(mod $name {
            #[test]
            fn dumps_are_identical() {
                super::dumps_are_identical($arch);
            }

            #[test]
            fn a_dump_means_what_the_format_says() {
                super::dump_means_what_the_format_says($arch);
            }
        })*

        #[test]
        fn every_machine_has_its_tests() {
            let tested = [$($arch),*];
            assert!(crate::architectures().all(|arch| tested.contains(&arch)));
        }
    };
}

on_each_machine!(
    amd64 "amd64" i386 "386" arm "arm" arm64 "arm64" ppc64 "ppc64" ppc64le "ppc64le" mips "mips" mipsle "mipsle"
    mips64 "mips64" mips64le "mips64le" riscv64 "riscv64" s390x "s390x"
);

#[test]
fn programs_without_dwarf_are_laid_out_as_tables_say() {
    each_toolchain(|go| {
        for arch in ["amd64", "386", "mips", "s390x"] {
            let shapes = Program::build_with(go, "tests/exec/shapes", arch, &["-ldflags=-w"]);
            compare(&shapes, &format!("shapes of {} for {arch}, without DWARF,", go.display()), "4");
        }
    });
}

#[test]
fn a_program_without_symbols_is_told_to_leave_a_core_file() {
    each_toolchain(|go| {
        let guest = Program::build_with(go, "../corpora/real/guest", "amd64", &["-ldflags=-s -w"]);
        for args in [&["--dump", &guest.file("out")][..], &["--compare"]] {
            let output = heapmatrix(&[args, &[guest.path(), "own.dump"]].concat());
            let message = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{message}");
            assert!(
                message.contains("the program has no symbols") && message.contains("--core"),
                "{message}"
            );
            assert_eq!(message.trim_end().lines().count(), 1, "{message}");
        }
    });
}

#[test]
fn dialects_are_those_of_the_programs_generation() {
    each_toolchain(|go| {
        let guest = Program::build_with(go, "../corpora/real/guest", "386", &[]);
        let output =
            heapmatrix(&["--dialect", "go1.5", "--dump", &guest.file("out"), guest.path(), "own.dump"]);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains("its dialects are go1.7 and go1.7-exact, not go1.5"), "{message}");
    });
}
