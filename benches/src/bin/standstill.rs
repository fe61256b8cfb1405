//! For how long a process stands still while it is dumped from outside, beside the time for which its own
//! `debug.WriteHeapDump` stops it, in one run.
//!
//! Usage: `standstill [MB]`. A program holds so many MB of small objects. In turn, it is stopped and copied, as
//! `heapmatrix dump --pid` does, and dumps itself, to `/dev/null` and to a file in memory. The toolchains are `go` (or what
//! `GO` says) and those of the folders that `HEAPMATRIX_GO` names. All times are of a clock.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use heapmatrix_benches::toolchains::{NATIVE, Toolchain, toolchains};
use heapmatrix_process::Executable;
use heapmatrix_process::live::Snapshot;
use heapmatrix_writer::AnyTarget;

const RUNS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let mb: u64 = std::env::args().nth(1).map_or(Ok(1000), |mb| mb.parse())?;
    println!("## How long a process of {mb} MB stands still, in seconds, beside its own dump\n");
    println!("Of {RUNS} runs the median, and the range. The shares are those of medians.\n");
    println!(
        "| Go | machine | copied, MB | stands still | own dump, /dev/null | share | own dump, tmpfs | share |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for go in toolchains() {
        for target in NATIVE {
            println!("| {} | {target} {}", go.version, row(&go, target, mb)?);
        }
    }
    println!();
    Ok(())
}

/// A program that holds memory, and dumps itself when it is told to.
struct Holding {
    child: Child,
    paths: ChildStdin,
    lines: BufReader<ChildStdout>,
}

impl Holding {
    fn start(binary: &Path, mb: u64) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(binary);
        command.args(["hold", &mb.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let paths = child.stdin.take().ok_or("no stdin")?;
        let lines = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut holding = Holding { child, paths, lines };
        match holding.line()?.as_str() {
            "ready" => Ok(holding),
            other => Err(format!("the program says {other:?}").into()),
        }
    }

    fn line(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = String::new();
        self.lines.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    /// For how many seconds it dumps itself.
    fn dump_itself(&mut self, path: &Path) -> Result<f64, Box<dyn Error>> {
        writeln!(self.paths, "{}", path.display())?;
        Ok(self.line()?.parse()?)
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Measures one program.
fn row(go: &Toolchain, target: AnyTarget, mb: u64) -> Result<String, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let binary = dir.path().join("busy");
    go.build(("../harness/tests/outside/busy", "."), Some(target), &binary)?;
    let tmpfs = tempfile::NamedTempFile::new_in("/dev/shm")?;
    let elf = std::fs::read(&binary)?;
    let program = Executable::parse(&elf)?;
    let mut holding = Holding::start(&binary, mb)?;
    let [mut still, mut null, mut file] = [(); 3].map(|()| Vec::new());
    let mut copied = 0;
    for _ in 0..RUNS {
        let snapshot = Snapshot::take(holding.child.id(), &program)?;
        still.push(snapshot.stopped_for.as_secs_f64());
        copied = snapshot.bytes();
        drop(snapshot);
        null.push(holding.dump_itself(Path::new("/dev/null"))?);
        file.push(holding.dump_itself(tmpfs.path())?);
    }
    let still = Times::of(still);
    let mut line = format!("| {} | {still}", copied >> 20);
    for own in [null, file].map(Times::of) {
        line += &format!(" | {own} | {:.0} %", still.median / own.median * 100.0);
    }
    Ok(line + " |")
}

/// Seconds.
struct Times {
    least: f64,
    median: f64,
    most: f64,
}

impl Times {
    fn of(mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        Times { least: all[0], median: all[all.len() / 2], most: all[all.len() - 1] }
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Times { least, median, most } = self;
        write!(f, "{median:.2} ({least:.2} to {most:.2})")
    }
}
