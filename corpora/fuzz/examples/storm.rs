//! Runs thousands of damaged programs under `exec`'s limits, in processes with little address space:
//!
//! ```text
//! cargo run --release -p heapmatrix-fuzz --features exec --example storm -- [CASES [SEED]]
//! ```
//!
//! CASES (20,000 unless said) mutated ELF files, as many mutated pieces of code, and as many lists of random system
//! calls for each machine. Each process does a batch of them, with 3 GiB of address space, of which the engine alone
//! reserves more than one. When a process dies, the inputs of its batch are run one by one, and those are named that
//! bring it down. Ends with status 1 if there are any.
//!
//! `--write DIR COUNT` writes COUNT inputs of each kind and machine to a folder: seeds for the fuzz target `exec`.

use std::process::{Command, ExitCode, Stdio};

use heapmatrix_fuzz::{memory, running};
use running::{Kind, TARGETS, exec, generate};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// Address space of a process, in KiB.
const ADDRESS_SPACE: u64 = 3 << 20;

/// Inputs of a process.
const BATCH: u64 = 250;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, kind, machine, from, to] = &args[..]
        && mode == "--batch"
    {
        let number = |text: &str| text.parse::<u64>().expect("a number");
        for case in number(from)..number(to) {
            exec(&generate(Kind::ALL[number(kind) as usize].1, TARGETS[number(machine) as usize], case));
        }
        return ExitCode::SUCCESS;
    }
    if let [mode, folder, count] = &args[..]
        && mode == "--write"
    {
        let count = count.parse().expect("a number");
        for &target in TARGETS {
            for (name, kind) in Kind::ALL {
                for case in 0..count {
                    let file = format!("{folder}/{}-{name}-{case}", target.goarch());
                    std::fs::write(&file, generate(kind, target, case)).expect(&file);
                }
            }
        }
        return ExitCode::SUCCESS;
    }
    let number =
        |at: usize, default| args.get(at).map_or(default, |arg: &String| arg.parse().expect("a number"));
    let (cases, seed) = (number(0, 20_000), number(1, 0));
    let mut bad = 0;
    for (machine, target) in TARGETS.iter().enumerate() {
        for (kind, (name, _)) in Kind::ALL.iter().enumerate() {
            let start = std::time::Instant::now();
            let mut died = Vec::new();
            for from in (seed..seed + cases).step_by(BATCH as usize) {
                let to = (from + BATCH).min(seed + cases);
                if !batch(kind, machine, from, to) {
                    died.extend((from..to).filter(|&case| !batch(kind, machine, case, case + 1)));
                }
            }
            let seconds = start.elapsed().as_secs_f64();
            println!(
                "{:6} {name:6} {cases:7} cases {:4} died  {seconds:7.1} s  {died:?}",
                target.goarch(),
                died.len()
            );
            bad += died.len();
        }
    }
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether a process lives through some inputs.
fn batch(kind: usize, machine: usize, from: u64, to: u64) -> bool {
    let own = std::env::current_exe().expect("this program's path");
    let limited = format!("ulimit -v {ADDRESS_SPACE}; exec \"$0\" \"$@\"");
    let status = Command::new("sh")
        .arg("-c")
        .arg(limited)
        .arg(own)
        .arg("--batch")
        .args([kind as u64, machine as u64, from, to].map(|n| n.to_string()))
        // What the programs print is nobody's.
        .stdout(Stdio::null())
        .status();
    status.expect("a shell").success()
}
