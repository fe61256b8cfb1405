//! Dumps of today's Go programs from outside, beside `debug.WriteHeapDump` of the same process, in one run.
//!
//! Usage: `beside-today [MB]`. A program makes a heap, times some dumps of its own, and then dumps into a pipe that nobody
//! empties: there it stands still, with its world stopped, and its memory is copied and dumped from outside. So both dump
//! the same heap, and here nothing is emulated. The toolchains are `go` (or what `GO` says) and those of the folders that
//! `HEAPMATRIX_GO` names. Times are the writing thread's on the CPU, system calls included; of several runs the fastest counts.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use heapmatrix_benches::living;
use heapmatrix_benches::shape::{self, Shape};
use heapmatrix_benches::toolchains::{NATIVE, Toolchain, toolchains};
use heapmatrix_benches::{on_cpu, sinks};
use heapmatrix_layouts::Dwarf;
use heapmatrix_process::live::Snapshot;
use heapmatrix_process::{Executable, Pieces};
use heapmatrix_writer::go119::Program;
use heapmatrix_writer::{AnyTarget, Options, Summary, Tag, write_heap_dump};
use peak_alloc::PeakAlloc;
use serde_json::json;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const RUNS: usize = 12;

fn main() -> Result<(), Box<dyn Error>> {
    let mb = std::env::args().nth(1).map_or(Ok(50), |mb| mb.parse())?;
    println!("## Today's Go: {mb} MB heaps dumped from outside, MB/s, beside the process's own dump\n");
    println!(
        "| Go | machine | objects | bytes an object | /dev/null | Go | ratio | tmpfs | Go | ratio | the writer's memory, KiB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for go in toolchains() {
        for target in NATIVE {
            for shape in [&shape::SMALL, &shape::ALL] {
                println!("| {} | {target} {}", go.version, row(&go, target, shape, mb)?);
            }
        }
    }
    println!();
    Ok(())
}

/// Measures one heap.
fn row(go: &Toolchain, target: AnyTarget, shape: &Shape, mb: u64) -> Result<String, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let binary = dir.path().join("heap");
    go.build(("go", "heap.go"), Some(target), &binary)?;
    let file = tempfile::NamedTempFile::new_in("/dev/shm")?;
    let request = json!({
        "bytes": mb << 20,
        "runs": RUNS,
        "file": file.path(),
        "classes": shape.classes(target.ptr_size()).iter().map(|c| [c.size, c.pointers, c.count]).collect::<Vec<_>>(),
        "last": true,
    });
    let mut child = Command::new(&binary).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().ok_or("no stdin")?.write_all(request.to_string().as_bytes())?;
    let mut output = BufReader::new(child.stdout.take().ok_or("no stdout")?);
    let mut theirs = [f64::INFINITY; 2];
    let mut bytes = 0.0;
    for run in 0..2 * RUNS {
        let mut line = String::new();
        output.read_line(&mut line)?;
        let (size, ns) = line.trim().split_once(' ').ok_or("the Go program ended early")?;
        // /dev/null has no size: the dump is as large as the file's.
        bytes = size.parse()?;
        theirs[run / RUNS] = theirs[run / RUNS].min(ns.parse()?);
    }
    let elf = std::fs::read(&binary)?;
    let program = Executable::parse(&elf)?;
    living::settle(child.id())?;
    let snapshot = Snapshot::take(child.id(), &program);
    child.kill()?;
    child.wait()?;
    let snapshot = snapshot?;
    let memory = snapshot.process(&program)?.memory;

    let layouts = Dwarf::read(&elf)?;
    let mut file = sinks::tmpfs().ok_or("no /dev/shm")?;
    let (null, summary, kib) = fastest(target, &memory, &layouts, &mut sinks::dev_null())?;
    let (tmpfs, ..) = fastest(target, &memory, &layouts, &mut file)?;
    let (ours, objects) = (summary.bytes as f64, summary.count(Tag::Object));
    let mut line = format!("| {objects} {} | {:.0}", shape.name, (mb << 20) as f64 / objects as f64);
    for (ours, theirs) in [(ours / null, bytes / theirs[0]), (ours / tmpfs, bytes / theirs[1])] {
        line += &format!(" | {:.0} | {:.0} | {:.1}x", ours * 1e3, theirs * 1e3, ours / theirs);
    }
    Ok(line + &format!(" | {kib} |"))
}

/// The time of a dump in nanoseconds, what it has, and the most memory that the writer takes for it.
fn fastest(
    target: AnyTarget,
    memory: &Pieces<'_>,
    layouts: &Dwarf,
    out: &mut File,
) -> Result<(f64, Summary, usize), Box<dyn Error>> {
    let (mut best, mut last) = (f64::INFINITY, None);
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    for _ in 0..RUNS {
        if out.metadata()?.is_file() {
            sinks::rewind(out);
        }
        let start = on_cpu()?;
        last = Some(write_heap_dump(target, memory, &Program::new(layouts), &Options::default(), &mut *out)?);
        best = best.min(on_cpu()? - start);
    }
    let kib = MEMORY.peak_usage().saturating_sub(before).div_ceil(1024);
    Ok((best, last.ok_or("nothing was measured")?, kib))
}
