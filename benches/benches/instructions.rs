//! Instructions executed by the hot paths, which no other program on the machine can change.
//!
//! Counted by valgrind's callgrind, set beside `instructions.json`; more than 5 % above it is a failure. Another
//! compiler or another CPU may count differently: `UPDATE_BASELINE=1` takes the counts of this machine.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::process::{Command, ExitCode};

use heapmatrix_benches::image::Flat;
use heapmatrix_benches::{measured, mix, reading, shape, sinks::Null};
use heapmatrix_writer::bench::Encoder;
use heapmatrix_writer::{AnyTarget, Options, write_heap_dump};

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json");
const TOLERANCE: f64 = 1.05;
const N: usize = 1 << 16;

/// What is counted.
#[derive(Clone, Copy)]
enum Case {
    /// Integers of the real mix, all at once.
    Integers,
    /// The same, one by one.
    OneByOne,
    /// Heap pointers.
    Pointers(AnyTarget),
    /// Objects of a whole dump.
    Objects(AnyTarget),
    /// Data of so many bytes.
    Data(usize),
    /// Objects of a dump in memory.
    Walk,
    /// The same within a buffer of fixed size.
    Stream,
}

impl Case {
    fn all() -> Vec<Case> {
        let integers = [Case::Integers, Case::OneByOne, Case::Pointers(AnyTarget::Amd64)];
        let data = [1, 8, 64, 512, 4096, 65536].map(Case::Data);
        let objects = measured().into_iter().map(Case::Objects);
        integers.into_iter().chain(data).chain(objects).chain([Case::Walk, Case::Stream]).collect()
    }

    fn name(self) -> String {
        match self {
            Case::Integers => "an integer of the real mix".to_owned(),
            Case::OneByOne => "an integer of the real mix, one by one".to_owned(),
            Case::Pointers(target) => format!("a heap pointer of {target}"),
            Case::Objects(target) => format!("an object of {target}"),
            Case::Data(size) => format!("data of {size} bytes"),
            Case::Walk => "an object read in memory".to_owned(),
            Case::Stream => "an object read in a fixed buffer".to_owned(),
        }
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, case, times] = &args[..]
        && flag == "--run"
    {
        let case: usize = case.parse().expect("a number");
        println!("{}", run(Case::all()[case], times.parse().expect("a number")));
        return ExitCode::SUCCESS;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("instructions: skipped, there is no valgrind on this machine");
        return ExitCode::SUCCESS;
    }
    let counts: BTreeMap<String, f64> =
        Case::all().iter().enumerate().map(|(number, case)| (case.name(), each(number))).collect();
    if std::env::var_os("UPDATE_BASELINE").is_some() {
        let text = serde_json::to_string_pretty(&counts).expect("names and numbers") + "\n";
        std::fs::write(BASELINE, text).expect("the baseline can be written");
    }
    let text = std::fs::read_to_string(BASELINE).expect("the baseline is there");
    let baseline: BTreeMap<String, f64> = serde_json::from_str(&text).expect("names and numbers");
    let mut failed = false;
    for (name, count) in counts {
        let Some(&before) = baseline.get(&name) else {
            println!("{name}: {count:.1} instructions, and no baseline");
            failed = true;
            continue;
        };
        let worse = count > before * TOLERANCE;
        println!(
            "{name}: {count:.1} instructions, baseline {before:.1}{}",
            if worse { ": TOO MANY" } else { "" }
        );
        failed |= worse;
    }
    if failed {
        println!(
            "more instructions than {BASELINE} allows: if that is as it should be, run with UPDATE_BASELINE=1"
        );
    }
    ExitCode::from(u8::from(failed))
}

/// Does a case some times over; gives how often what it names was done each time.
fn run(case: Case, times: usize) -> u64 {
    let integers = match case {
        Case::Pointers(target) => mix::heap_pointers(target, N),
        _ => mix::real(N),
    };
    let mut out = Null;
    let mut encoder = Encoder::new(&mut out, Options::DEFAULT_CAPACITY);
    match case {
        Case::Integers | Case::Pointers(_) => {
            (0..times).for_each(|_| encoder.dumpints(&integers).expect("takes everything"));
            N as u64
        }
        Case::OneByOne => {
            for _ in 0..times {
                integers.iter().for_each(|&v| encoder.dumpint(v).expect("takes everything"));
            }
            N as u64
        }
        Case::Objects(target) => {
            let flat = Flat::new(target, &shape::SMALL, 1 << 20);
            for _ in 0..times {
                write_heap_dump(target, &flat, &flat.symbols, &Options::default(), Null)
                    .expect("a sound image");
            }
            flat.objects
        }
        Case::Data(size) => {
            let data = vec![0x5a; size];
            let mut null = Null;
            let mut encoder = Encoder::new(&mut null, Options::REFERENCE_CAPACITY);
            for _ in 0..times * N {
                encoder.dwrite(black_box(&data)).expect("takes everything");
            }
            N as u64
        }
        Case::Walk | Case::Stream => {
            let flat = Flat::new(AnyTarget::Amd64, &shape::SMALL, 1 << 20);
            let mut dump = Vec::new();
            write_heap_dump(flat.target, &flat, &flat.symbols, &Options::default(), &mut dump)
                .expect("a sound image");
            let read = if matches!(case, Case::Walk) { reading::walk } else { reading::stream };
            for _ in 0..times {
                assert_eq!(read(black_box(&dump)), flat.objects);
            }
            flat.objects
        }
    }
}

/// Instructions for one: what doing it all once more adds, divided. Not the second time, which still prepares what the first
/// has left of a new buffer.
fn each(case: usize) -> f64 {
    let [(before, _), (after, done)] = [3, 4].map(|times| count(case, times));
    (after - before) / done
}

fn count(case: usize, times: usize) -> (f64, f64) {
    let this = std::env::current_exe().expect("this program has a path");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args(["--run", &case.to_string(), &times.to_string()])
        .output()
        .expect("valgrind runs");
    let log = String::from_utf8_lossy(&output.stderr);
    let collected = log.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    let done = String::from_utf8_lossy(&output.stdout).trim().parse().ok();
    collected.zip(done).unwrap_or_else(|| panic!("callgrind has counted nothing:\n{log}"))
}
