//! `heapmatrix exec`: run a Linux program on an emulated machine, and dump its heap.

mod host;
mod keep;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use heapmatrix_emu::linux::{ExitStatus, Mount, Options, Process, Stats};
use heapmatrix_writer::AnyTarget;
use serde::Serialize;

use self::host::{Feed, Passed, Stdin};
use super::stdout::Stdout;
use super::{Outcome, Verdict, beside, note, output, print, print_json};
use crate::exec::{self, Comparison, DUMP_POINT, Dialect, Dumper, ExecError, Outside};

/// How long a program may say nothing before whoever waits for it is told that it goes on.
const PATIENCE: Duration = Duration::from_secs(30);

/// What `--trace` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Trace {
    /// Every system call, on standard error
    Syscalls,
}

/// Run a Linux program on an emulated machine, and dump its heap from outside
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("outside").args(["dump", "core", "compare"]).multiple(true)))]
#[command(after_long_help = "\
Exit status: that of the program; 1 if --compare found a difference, 2 bad usage or a program that cannot be run.

Examples:
  heapmatrix exec ./hello --flag-of-the-program
  heapmatrix exec --dump outside.dump --compare ./program-of-go1.5")]
pub struct Args {
    /// The architecture that the program must be for
    #[arg(long, value_name = "ARCH", default_value = "auto")]
    arch: String,
    /// Set a variable in the program's environment, which is empty otherwise
    #[arg(long = "env", value_name = "K=V", value_parser = variable)]
    env: Vec<String>,
    /// How many CPUs the program sees
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    cpus: u32,
    /// The folder that the program works in; it sees files of this machine there only with --mount [default: this one]
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// What the program reads as its standard input
    #[arg(long, value_name = "WHAT", default_value = "live")]
    stdin: Stdin,
    /// Save the files that the program writes in this folder; those in its working folder go directly into it
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Let the program read a file or folder of this machine [at the same path, or at GUEST]
    #[arg(long, value_name = "HOST[:GUEST]", value_parser = mount)]
    mount: Vec<Mount>,
    /// Take the program's dynamic linker and libraries from this folder, which it sees as its root
    #[arg(long, value_name = "DIR")]
    sysroot: Option<PathBuf>,
    /// Show what the program does
    #[arg(long, value_name = "WHAT")]
    trace: Option<Trace>,
    /// Stop after this many instructions
    #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    max_instructions: u64,
    /// Stop when the program needs more memory than this, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 4096)]
    max_memory: u64,
    /// Dump the program's heap from outside into this file (Go 1.5, Go 1.19 to 1.27)
    #[arg(long, value_name = "FILE")]
    dump: Option<PathBuf>,
    /// Write a core file of the program, for gdb, Delve and heapmatrix dump: when a thread reaches the symbol of --at, or else when
    /// the program is killed by a signal, stopped by a limit, or all its threads wait for ever
    #[arg(long, value_name = "FILE")]
    core: Option<PathBuf>,
    /// Where to dump: when a thread first reaches this symbol [default: runtime.dumpparams]
    ///
    /// A heap can be dumped only while the runtime has stopped the world and all spans are swept: in
    /// runtime.dumpparams, which debug.WriteHeapDump calls, and in runtime.gcSweep, which every collection
    /// calls, runtime.GC's too. In ordinary functions goroutines run, and where the pointers in their
    /// frames lie is known only at calls. In runtime.gcSweep the memory statistics are out of date:
    /// only debug.WriteHeapDump and runtime.ReadMemStats bring them up to date.
    #[arg(long, value_name = "SYMBOL", requires = "outside")]
    at: Option<String>,
    /// The dialect to dump in: go1.5, of newer programs go1.7; or go1.5-exact, go1.7-exact: what the program itself
    /// writes [default: the first, with --compare the exact one]
    #[arg(long, value_name = "D", value_parser = clap::value_parser!(Dialect), requires = "outside")]
    dialect: Option<Dialect>,
    /// Compare every heap dump that the program writes itself with one from outside
    #[arg(long)]
    compare: bool,
    /// Save the last heap dump that the program writes itself to this file, even if the program deletes it
    #[arg(long, value_name = "FILE")]
    capture: Option<PathBuf>,
    /// Print a report as JSON; the program's own output then goes to standard error
    #[arg(long)]
    json: bool,
    /// The program, and its arguments
    #[arg(required = true, value_name = "PROGRAM", num_args = 1.., trailing_var_arg = true, allow_hyphen_values = true)]
    program: Vec<String>,
}

fn variable(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((name, _)) if !name.is_empty() => Ok(text.to_owned()),
        _ => Err("expected NAME=value".to_owned()),
    }
}

fn mount(text: &str) -> Result<Mount, String> {
    let (host, guest) = text.split_once(':').unwrap_or((text, text));
    let host = PathBuf::from(host);
    let absolute = std::path::absolute(&host).map_err(|e| e.to_string())?;
    if !host.exists() {
        return Err(format!("{} is not there", host.display()));
    }
    let guest = if guest == text { absolute.display().to_string() } else { guest.to_owned() };
    if !guest.starts_with('/') {
        return Err("the path in the program must begin with /".to_owned());
    }
    Ok(Mount { guest, host })
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    arch: &'static str,
    status: u8,
    killed: Option<String>,
    instructions: u64,
    seconds: f64,
    memory: u64,
    threads: u32,
    files: Vec<File>,
    dump: Option<Dumped>,
    comparisons: Vec<Compared>,
}

#[derive(Debug, Serialize)]
struct File {
    path: String,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Dumped {
    dialect: String,
    statistics: exec::Statistics,
    bytes: u64,
    lost: u64,
}

#[derive(Debug, Serialize)]
struct Compared {
    identical: bool,
    bytes: u64,
    difference: Option<exec::difference::Difference>,
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        let path = &self.program[0];
        // All that follows the program is the program's, so the parser takes anything for it.
        if path.starts_with('-') {
            return Err(format!(
                "unexpected argument '{path}' found: options come before PROGRAM (see --help)"
            )
            .into());
        }
        let elf = std::fs::read(path).map_err(|e| format!("cannot read {path}: {e}"))?;
        let options = self.options()?;
        let host = Passed {
            json: self.json,
            trace: self.trace.is_some(),
            stdout: Stdout::whoever_reads(),
            stdin: self.stdin,
            places: self.places(&options),
            feed: Feed::default(),
        };
        let cwd = options.cwd.clone();
        let mut process =
            Process::load(&elf, options, Box::new(host)).map_err(|e| format!("cannot run {path}: {e}"))?;
        self.check_arch(path, process.target())?;

        let (outside, comparisons) = match self.dump(&mut process, &elf) {
            Ok(dumped) => dumped,
            Err(error) => {
                self.core_at_the_end(&process, &elf, None)?;
                return Err(error);
            }
        };
        let ended = exec::finish(&mut process);
        match &ended {
            Ok(ExitStatus::Exited(_)) if self.core.is_some() && self.at.is_none() => {
                note(
                    "heapmatrix: no core file: the program has ended by itself (--at takes one at a symbol)",
                );
            }
            Ok(ExitStatus::Exited(_)) => {}
            Ok(status) => self.core_at_the_end(&process, &elf, Some(status))?,
            Err(_) => self.core_at_the_end(&process, &elf, None)?,
        }
        // What the program has written until then is kept also when a limit has stopped it.
        let kept = self.out.as_ref().map_or(Ok(()), |dir| keep::write(&process.captured(), dir, &cwd));
        let status = ended?;
        self.report(&mut process, &status, outside.as_ref(), &comparisons)?;
        kept?;
        self.capture(&mut process, &status)?;
        let differs = comparisons.iter().any(|c| c.difference.is_some());
        Ok(if differs { Verdict::Failed } else { Verdict::Status(status.code()) })
    }

    fn options(&self) -> Result<Options, String> {
        let here = |path: &Path| std::path::absolute(path).map(|path| path.display().to_string());
        let cwd = here(self.cwd.as_deref().unwrap_or(Path::new(".")));
        let defaults = Options::default();
        Ok(Options {
            args: self.program.clone(),
            env: self.env.clone(),
            cpus: self.cpus,
            path: here(Path::new(&self.program[0])).unwrap_or(defaults.path),
            cwd: cwd.map_err(|e| format!("cannot find out the working folder: {e}; name one with --cwd"))?,
            mounts: self.mount.clone(),
            sysroot: self.sysroot.clone(),
            keep: self.capture.as_ref().map(|_| exec::begins_dump as fn(&[u8]) -> bool),
            max_memory: self.max_memory.saturating_mul(1 << 20),
            max_instructions: self.max_instructions,
            // Whoever looks at a terminal waits; a log only grows.
            patience: io::stderr().is_terminal().then_some(PATIENCE),
            ..Options::default()
        })
    }

    /// Where this machine may have files that the program looks for.
    fn places(&self, options: &Options) -> Vec<PathBuf> {
        let cwd = Path::new(&options.cwd);
        let own = Path::new(&options.path).parent().map(Path::to_owned);
        let named = self.program[1..].iter().filter(|arg| !arg.is_empty()).map(|arg| cwd.join(arg));
        std::iter::once(cwd.to_owned()).chain(own).chain(named).filter(|p| p.parent().is_some()).collect()
    }

    fn check_arch(&self, path: &str, target: AnyTarget) -> Result<(), String> {
        if self.arch == "auto" || self.arch == target.goarch() {
            return Ok(());
        }
        self.arch.parse::<AnyTarget>().map_err(|e| e.to_string())?;
        Err(format!("{path} is a program for {target}, not for {}", self.arch))
    }

    /// Dumps the program from outside when it first comes to where it is to be dumped, and compares that
    /// and all further dumps of its own, if that is wanted.
    fn dump(
        &self,
        process: &mut Process,
        elf: &[u8],
    ) -> Result<(Option<Outside>, Vec<Comparison>), Box<dyn std::error::Error>> {
        let core_at = self.core.as_ref().filter(|_| self.at.is_some());
        if self.dump.is_none() && !self.compare && core_at.is_none() {
            return Ok((None, Vec::new()));
        }
        if self.compare && self.at() != DUMP_POINT {
            return Err(format!(
                "--compare cannot be combined with --at: programs dump themselves at {DUMP_POINT}"
            )
            .into());
        }
        // A place that is not there is told before what the program lacks for a dump.
        if self.at() != DUMP_POINT && process.symbols().addr(self.at()).is_none() {
            return Err(ExecError::NoSymbol(self.at().to_owned()).into());
        }
        if self.dump.is_none() && !self.compare {
            exec::run_to(process, self.at())?;
            self.write_core(process, elf, None)?;
            return Ok((None, Vec::new()));
        }
        let dumper = Dumper::open(process, elf, self.dialect, self.compare)?;
        exec::run_to(process, self.at())?;
        if core_at.is_some() {
            self.write_core(process, elf, None)?;
        }
        let outside = dumper.dump(process).map_err(|e| e.at(self.at()))?;
        if let Some(stats) = outside.statistics.doubt() {
            super::note(format_args!("heapmatrix: the dump's {stats}"));
        }
        if let Some(file) = &self.dump {
            output::write(file, &outside.bytes)?;
            self.leave_link(file);
        }
        let mut comparisons = Vec::new();
        if self.compare {
            comparisons.push(exec::compare(process, &outside)?);
            comparisons.extend(exec::compare_rest(process, &dumper)?);
        }
        Ok((Some(outside), comparisons))
    }

    /// Where the program is dumped.
    fn at(&self) -> &str {
        self.at.as_deref().unwrap_or(DUMP_POINT)
    }

    /// Writes the core file of a program that does not go on, unless it was to be written elsewhere.
    fn core_at_the_end(
        &self,
        process: &Process,
        elf: &[u8],
        status: Option<&ExitStatus>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        if self.at.is_none() { self.write_core(process, elf, status) } else { Ok(()) }
    }

    /// Writes the program's core file where it is wanted.
    fn write_core(
        &self,
        process: &Process,
        elf: &[u8],
        status: Option<&ExitStatus>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let Some(file) = &self.core else { return Ok(()) };
        let path = std::path::absolute(&self.program[0]).unwrap_or_else(|_| PathBuf::from(&self.program[0]));
        let mut output = output::Output::create_sparse(file)?;
        exec::core::write_core(process, elf, &path, status, &mut output)?;
        Ok(output.commit()?)
    }

    /// Writes the program's own dump where it is wanted.
    fn capture(&self, process: &mut Process, status: &ExitStatus) -> Result<(), Box<dyn std::error::Error>> {
        let Some(file) = &self.capture else { return Ok(()) };
        let dump = exec::own_dump(process).ok_or_else(|| exec::ExecError::NoDump(status.clone()))?;
        let bytes = dump.to_vec().ok_or_else(|| format!("{} is nearly nothing but a hole", dump.name()))?;
        output::write(file, &bytes)?;
        self.leave_link(file);
        Ok(())
    }

    /// Says beside a dump of which program it is.
    fn leave_link(&self, dump: &Path) {
        beside::leave_link(dump, Path::new(&self.program[0]));
    }

    fn report(
        &self,
        process: &mut Process,
        status: &ExitStatus,
        outside: Option<&Outside>,
        comparisons: &[Comparison],
    ) -> io::Result<()> {
        if !self.json {
            if let ExitStatus::Killed { .. } = status {
                note(format_args!("heapmatrix: {}: {status}", self.program[0]));
            }
            for (number, Comparison { own, difference }) in (1..).zip(comparisons) {
                match difference {
                    None => print(format_args!("dump {number}: identical, {own} bytes\n"))?,
                    Some(difference) => print(format_args!("dump {number}: {difference}\n"))?,
                }
            }
            return Ok(());
        }
        let Stats { instructions, time, memory, threads, .. } = process.stats();
        let report = Report {
            arch: process.target().goarch(),
            status: status.code(),
            killed: matches!(status, ExitStatus::Killed { .. }).then(|| status.to_string()),
            instructions,
            seconds: time.as_secs_f64(),
            memory,
            threads,
            files: process
                .captured()
                .into_iter()
                .map(|file| File { path: file.name(), bytes: file.len() })
                .collect(),
            dump: outside.map(|outside| Dumped {
                dialect: outside.dialect.to_string(),
                statistics: outside.statistics,
                bytes: outside.summary.bytes,
                lost: outside.summary.lost,
            }),
            comparisons: comparisons
                .iter()
                .map(|c| Compared {
                    identical: c.difference.is_none(),
                    bytes: c.own,
                    difference: c.difference.clone(),
                })
                .collect(),
        };
        print_json(&report)
    }
}
