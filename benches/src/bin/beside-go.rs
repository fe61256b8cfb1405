//! Whole dumps beside `debug.WriteHeapDump` of a real Go program with a heap of the same shape, in one run.
//!
//! Usage: `beside-go [MB]`. The `go` command is the one on the path, or what `GO` says; where there is none,
//! only this writer is measured. Times are the writing thread's on the CPU, system calls included, so that
//! other programs on the machine do not count; of several runs the fastest counts. Only where the output has a
//! thread of its own ("two threads") is it the wall's clock, beside the same figure of the Go program, which
//! never takes less than that by the wall's clock.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

use heapmatrix_benches::image::Flat;
use heapmatrix_benches::shape::{self, Shape};
use heapmatrix_benches::toolchains::Toolchain;
use heapmatrix_benches::{on_cpu, sinks};
use heapmatrix_writer::{AnyTarget, Options, write_heap_dump, write_heap_dump_pipelined};
use serde_json::json;

const RUNS: usize = 12;

/// MB/s into /dev/null, into a file in memory, and into such a file with a thread for it.
type Speeds = [f64; 3];

fn main() -> Result<(), Box<dyn Error>> {
    let mb = std::env::args().nth(1).map_or(Ok(100), |mb| mb.parse())?;
    let go = Toolchain::first();
    let version = go.as_ref().map_or("no Go at all", |go| &go.version);
    println!("## Whole dumps of {mb} MB heaps, MB/s, beside {version}\n");
    println!(
        "ppc64 and arm stand beside the Go program with pointers of the same size. \"Two threads\" is the output in a"
    );
    println!("thread of its own, by the wall's clock; all else is time on the CPU, system calls included.\n");
    println!(
        "| target | objects | bytes an object | /dev/null | Go | ratio | tmpfs | Go | ratio | two threads | ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for shape in [&shape::SMALL, &shape::ALL] {
        // Go is measured on this machine's own architectures; the others stand beside the same size of pointer.
        for targets in [[AnyTarget::Amd64, AnyTarget::Ppc64], [AnyTarget::I386, AnyTarget::Arm]] {
            let theirs = go.as_ref().map(|go| go_program(go, targets[0], shape, mb)).transpose()?;
            for target in targets {
                let (flat, ours) = writer(target, shape, mb)?;
                let mut line = format!("| {target} | {} {}", flat.objects, shape.name);
                line += &format!(" | {:.0}", (mb << 20) as f64 / flat.objects as f64);
                for (i, speed) in ours.into_iter().enumerate() {
                    line += &format!(" | {speed:.0}");
                    line += &match theirs {
                        Some(t) if i < 2 => format!(" | {:.0} | {:.1}x", t[i], speed / t[i]),
                        Some(t) => format!(" | {:.1}x", speed / t[1]),
                        None if i < 2 => " | – | –".into(),
                        None => " | –".into(),
                    };
                }
                println!("{line} |");
            }
        }
    }
    Ok(())
}

/// What this writer makes of an image.
fn writer(target: AnyTarget, shape: &Shape, mb: u64) -> Result<(Flat, Speeds), Box<dyn Error>> {
    let flat = Flat::new(target, shape, mb << 20);
    let mut null = sinks::dev_null();
    let mut file = sinks::tmpfs().ok_or("no /dev/shm")?;
    let mut best = [0.0f64; 3];
    let better = |best: &mut f64, speed| *best = best.max(speed);
    for _ in 0..RUNS {
        better(&mut best[0], timed(&flat, &mut null)?);
        sinks::rewind(&mut file);
        better(&mut best[1], timed(&flat, &mut file)?);
        sinks::rewind(&mut file);
        let start = Instant::now();
        let (symbols, options) = (&flat.symbols, Options::default());
        let summary = write_heap_dump_pipelined(flat.target, &flat, symbols, &options, &mut file)?;
        better(&mut best[2], summary.bytes as f64 / 1e6 / start.elapsed().as_secs_f64());
    }
    Ok((flat, best))
}

/// One dump, in MB/s.
fn timed(flat: &Flat, out: &mut File) -> Result<f64, Box<dyn Error>> {
    let start = on_cpu()?;
    let summary = write_heap_dump(flat.target, flat, &flat.symbols, &Options::default(), out)?;
    Ok(summary.bytes as f64 * 1e3 / (on_cpu()? - start))
}

/// What a Go program's own runtime makes of a heap of the same shape.
fn go_program(go: &Toolchain, target: AnyTarget, shape: &Shape, mb: u64) -> Result<[f64; 2], Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let binary = dir.path().join("heap");
    go.build(("go", "heap.go"), Some(target), &binary)?;
    let file = tempfile::NamedTempFile::new_in("/dev/shm")?;
    let classes = shape.classes(target.ptr_size());
    let request = json!({
        "bytes": mb << 20,
        "runs": RUNS,
        "file": file.path(),
        "classes": classes.iter().map(|c| [c.size, c.pointers, c.count]).collect::<Vec<_>>(),
    });
    let mut child = Command::new(&binary).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().ok_or("no stdin")?.write_all(request.to_string().as_bytes())?;
    let output = child.wait_with_output()?;
    let text = String::from_utf8(output.stdout)?;
    let runs: Vec<(f64, f64)> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(size, ns)| Ok((size.parse()?, ns.parse()?)))
        .collect::<Result<_, std::num::ParseFloatError>>()?;
    if runs.len() != 2 * RUNS {
        return Err(format!("the Go program made {} dumps and not {}", runs.len(), 2 * RUNS).into());
    }
    // /dev/null has no size: the dump is as large as the file's.
    let bytes = runs[RUNS].0;
    let best = |runs: &[(f64, f64)]| bytes * 1e3 / runs.iter().map(|r| r.1).fold(f64::INFINITY, f64::min);
    Ok([best(&runs[..RUNS]), best(&runs[RUNS..])])
}
