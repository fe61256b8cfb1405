//! What it costs to say why memory is held: the graph, retained sizes and types of a service's heap, against a plain pass
//! over its dump, and beside other tools on the same process.
//!
//! Usage: `analysis [SESSIONS…]`, as many as the heaps are to have (140,000 make four million objects). The service is
//! that of the analysis' own tests; `GO` says which Go builds it, and `HEAPMATRIX` where the command is (beside this program
//! if it doesn't). Peers are not built here: `GOREF` and `VIEWCORE` name their executables, which read a core file that gdb
//! takes of the service, `HEAPSPURS` and `HEAPUTIL` programs that read a dump whole and print what they find. What is not
//! named is not run.
//!
//! Times are on the CPU, of whole processes with the system's part, the least of several runs that take turns.

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use heapmatrix_analysis::heap::Heap;
use heapmatrix_analysis::naming::Typed;
use heapmatrix_analysis::types::{Binary, Typing};
use heapmatrix_benches::toolchains::Toolchain;
use heapmatrix_reader::{Dump, Index};

const RUNS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [stage, dump, program @ ..] = &arguments[..]
        && stage == "--stage"
    {
        return run_stage(Path::new(dump), program.first().map(Path::new));
    }
    let sessions: Vec<u32> = arguments.iter().map(|number| number.parse()).collect::<Result<_, _>>()?;
    let sessions = if sessions.is_empty() { vec![8_750, 35_000, 140_000] } else { sessions };
    println!("## Why is this memory held: CPU seconds, and how many times those of `inspect`\n");
    let folder = tempfile::tempdir()?;
    let Some(go) = Toolchain::first() else { return Ok(()) };
    let program = folder.path().join("service");
    go.build(("../harness/analysis/tests/service", "."), None, &program)?;
    let ours =
        std::env::var_os("HEAPMATRIX").map_or_else(|| beside_me("heapmatrix"), |path| Ok(path.into()))?;
    println!(
        "| objects | edges | inspect | graph, retained sizes | | with types | | second command | bytes an object, beyond 8 an edge |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for &sessions in &sessions {
        let dump = folder.path().join("after");
        run(&program, &[&sessions.to_string(), "/dev/null", &dump.display().to_string()])?;
        row(&ours, &program, &dump)?;
    }
    println!(
        "\nThe second command is `explain` of an object, with what the first has kept; it reads the dump's start and end.\n"
    );
    peers(folder.path(), &ours, &program, *sessions.last().unwrap_or(&1))
}

/// The program of this name in this one's folder.
fn beside_me(name: &str) -> Result<PathBuf, Box<dyn Error>> {
    let path = std::env::current_exe()?.with_file_name(name);
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("{} is not built: name one in HEAPMATRIX", path.display()).into())
    }
}

/// Runs a program, and returns what it prints.
fn run(program: &Path, arguments: &[&str]) -> Result<String, Box<dyn Error>> {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(format!("{} {arguments:?} ended with {}", program.display(), output.status).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Seconds on the CPU that children have taken which have ended.
fn children() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // After the name, which may have spaces: cutime and cstime, in ticks of ten milliseconds.
    let fields = stat.rsplit_once(')').ok_or("no /proc/self/stat")?.1.split_whitespace();
    let ticks: Vec<f64> = fields.skip(13).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / 100.0)
}

/// The least time of each command, and what the last run of each printed.
fn take_turns(commands: &[(&Path, Vec<&str>)], runs: usize) -> Result<Vec<(f64, String)>, Box<dyn Error>> {
    let mut least = vec![(f64::INFINITY, String::new()); commands.len()];
    for _ in 0..runs {
        for ((program, arguments), (least, text)) in commands.iter().zip(&mut least) {
            let before = children()?;
            *text = run(program, arguments)?;
            *least = least.min(children()? - before);
        }
    }
    Ok(least)
}

fn row(ours: &Path, program: &Path, dump: &Path) -> Result<(), Box<dyn Error>> {
    let me = std::env::current_exe()?;
    let [dump, program] = [dump, program].map(|path| path.display().to_string());
    let [dump, program] = [&dump[..], &program[..]];
    let sample = run(ours, &["top", dump, "--exe", program, "--limit", "1", "--json", "--index", "always"])?;
    let sample: serde_json::Value = serde_json::from_str(&sample)?;
    let address = sample["types"][0]["sample"].as_str().ok_or("no sample")?;
    let times = take_turns(
        &[
            (ours, vec!["inspect", dump]),
            (&me, vec!["--stage", dump]),
            (&me, vec!["--stage", dump, program]),
            (ours, vec!["explain", dump, address, "--exe", program, "--index", "always"]),
        ],
        RUNS,
    )?;
    let [(inspect, _), (graph, _), (types, said), (second, _)] = &times[..] else {
        return Err("four times".into());
    };
    let numbers: Vec<u64> = said.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [objects, edges, peak] = numbers[..] else { return Err(format!("a stage says {said:?}").into()) };
    println!(
        "| {objects} | {edges} | {inspect:.2} | {graph:.2} | {:.1}x | {types:.2} | {:.1}x | {second:.2} | {:.0} |",
        graph / inspect,
        types / inspect,
        peak.saturating_sub(8 * edges) as f64 / objects as f64,
    );
    Ok(())
}

#[global_allocator]
static MEMORY: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

/// What a command does until its report begins, with types if there is a program. Prints the numbers of objects and edges,
/// and the most memory that it has taken.
fn run_stage(dump: &Path, program: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let file = File::open(dump)?;
    // SAFETY: nobody changes the file, which this program has made.
    let map = unsafe { memmap2::Mmap::map(&file)? };
    let program = program.map(std::fs::read).transpose()?;
    MEMORY.reset_peak_usage();
    let index = Index::new(Dump::new(&map)?)?;
    let binary = program.as_deref().map(Binary::open).transpose()?;
    let (heap, typing);
    let naming;
    heap = match &binary {
        None => Heap::new(&index)?,
        Some(_) => {
            typing = Typing::new(&index, binary.as_ref())?;
            naming = Typed { index: &index, typing: &typing, binary: binary.as_ref() };
            Heap::with_naming(&index, &naming)?
        }
    };
    println!("{} {} {}", index.len(), heap.graph().rows().edges(), MEMORY.peak_usage());
    Ok(())
}

/// Other tools on the same process.
fn peers(folder: &Path, ours: &Path, program: &Path, sessions: u32) -> Result<(), Box<dyn Error>> {
    let (dump, core) = (folder.join("after"), folder.join("core"));
    let named = |variable: &str| std::env::var_os(variable).map(PathBuf::from);
    let cores: Vec<(&str, Option<PathBuf>)> = ["GOREF", "VIEWCORE"].map(|name| (name, named(name))).into();
    if cores.iter().any(|(_, peer)| peer.is_some()) {
        take_core(program, sessions, &core)?;
    }
    let [dump, core, program] = [&dump, &core, &program.to_owned()].map(|path| path.display().to_string());
    // Some write files where they run.
    std::env::set_current_dir(folder)?;
    println!("| tool | reads | CPU seconds | times `inspect` |\n|---|---|---|---|");
    let inspect = take_turns(&[(ours, vec!["inspect", &dump])], RUNS)?[0].0;
    let say =
        |name: &str, reads: &str, peer: Option<&Path>, arguments: Vec<&str>| -> Result<(), Box<dyn Error>> {
            let Some(peer) = peer else {
                println!("| {name} | {reads} | not run: no executable is named | |");
                return Ok(());
            };
            match take_turns(&[(peer, arguments)], 2) {
                Ok(times) => {
                    println!("| {name} | {reads} | {:.2} | {:.0}x |", times[0].0, times[0].0 / inspect)
                }
                Err(error) => println!("| {name} | {reads} | not run: {error} | |"),
            }
            Ok(())
        };
    say("heapmatrix top", "dump", Some(ours), vec!["top", &dump, "--exe", &program, "--index", "never"])?;
    say("goref", "core", named("GOREF").as_deref(), vec!["core", &program, &core])?;
    say(
        "viewcore histogram",
        "core",
        named("VIEWCORE").as_deref(),
        vec![&core, "--exe", &program, "histogram"],
    )?;
    let sample = run(ours, &["top", &dump, "--exe", &program, "--limit", "1", "--json", "--index", "never"])?;
    let sample: serde_json::Value = serde_json::from_str(&sample)?;
    let address = sample["types"][0]["sample"].as_str().unwrap_or("0").to_owned();
    say("heapspurs", "dump", named("HEAPSPURS").as_deref(), vec![&dump, &address])?;
    say("heaputil", "dump", named("HEAPUTIL").as_deref(), vec![&dump])
}

/// Takes a core file of the service just before it ends.
fn take_core(program: &Path, sessions: u32, core: &Path) -> Result<(), Box<dyn Error>> {
    let gdb = std::env::var("GDB").unwrap_or_else(|_| "gdb".into());
    let mut command = Command::new(gdb);
    command.args(["-q", "-batch", "-ex", "break main.(*Server).stop"]);
    command.args(["-ex", &format!("run {sessions} /dev/null /dev/null")]);
    command.args(["-ex", &format!("generate-core-file {}", core.display()), "-ex", "kill"]).arg(program);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if status.is_ok() && core.is_file() {
        Ok(())
    } else {
        Err("gdb takes no core file of the service".into())
    }
}
