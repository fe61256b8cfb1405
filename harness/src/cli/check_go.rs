//! `heapmatrix check-go`: is the WriteHeapDump of somebody's Go right?

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use heapmatrix_writer::AnyTarget;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::arch::{self, Choice};
use super::number::{number, positive};
use super::out::{BAD, GOOD, HEAD, Out};
use super::progress::spinner;
use super::{Outcome, Verdict, note, output, print_json, to_stdout};
use crate::real::check::{self, Case, Failure, Report};
use crate::real::guest::{BuildError, Toolchain};
use crate::real::judge::Oracle;
use crate::real::run::Guest;
use crate::real::world::World;
use crate::units::{Count, Things};

/// How many failures are told in full: one is usually what the next ones are about.
const MOST_FAILURES: usize = 10;
/// How many worlds are tried to find a small one that fails.
const ATTEMPTS: u32 = 300;

/// Check the WriteHeapDump of a Go toolchain: random worlds on its runtime, on every machine
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0 every dump is right but for known faults, 1 one is not, 2 bad usage or a guest that cannot be built.

Examples:
  heapmatrix check-go --go ~/src/go --worlds 50
  heapmatrix check-go --go /usr/local/go/bin/go --arch big,386 --seed 7 --json")]
pub struct Args {
    /// The go command under test, or the folder of its toolchain, such as a checkout of Go in which make.bash has run
    #[arg(long, value_name = "GO")]
    go: PathBuf,
    /// Machines, separated by commas: names, and the groups 64, 32, big and little
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = arch::any_choice, default_value = "all")]
    arch: Vec<Choice>,
    /// How many worlds, each on every machine
    #[arg(long, value_name = "N", default_value = "20", value_parser = positive)]
    worlds: u64,
    /// The first world's seed; each further world's is one greater
    #[arg(long, value_name = "S", default_value = "1", value_parser = number)]
    seed: u64,
    /// Check this world, as --out has written it, and no random ones
    #[arg(long, value_name = "FILE", conflicts_with_all = ["worlds", "seed", "shrink"])]
    world: Option<PathBuf>,
    /// Look for the smallest world that fails like the first one, and write it to this file
    #[arg(long, value_name = "FILE")]
    shrink: Option<PathBuf>,
    /// Keep each world as JSON, its dumps, and what the guest reports of each, in this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        let cases = self.cases()?;
        if let Some(dir) = &self.out {
            std::fs::create_dir_all(dir).map_err(|e| format!("cannot write to {}: {e}", dir.display()))?;
        }
        let toolchain = Toolchain::find(&self.go)?;
        let targets = arch::chosen(&self.arch);
        let guests = build(&toolchain, &targets)?;

        let progress = progress_bar(cases.len() as u64);
        let lost = Mutex::new(None);
        let keep = |name: &str, bytes: &[u8]| {
            let Some(dir) = &self.out else { return };
            if let Err(error) = output::place(&dir.join(name), bytes) {
                lost.lock().expect("no thread panics with it").get_or_insert(error.to_string());
            }
        };
        let mut report = check::check(&cases, &guests, &|| progress.inc(1), &keep);
        progress.finish_and_clear();
        if let Some(error) = lost.into_inner().expect("no thread panics with it") {
            return Err(error.into());
        }
        report.go.clone_from(&toolchain.version);
        report.seed = self.seed;
        self.shrunk(&report, &guests)?;
        if self.json {
            print_json(&report)?;
        } else {
            to_stdout(|out| {
                self.print(&report, out)?;
                Ok(Verdict::Sound)
            })?;
        }
        Ok(if report.ok { Verdict::Sound } else { Verdict::Failed })
    }

    fn cases(&self) -> Result<Vec<Case>, String> {
        let Some(file) = &self.world else {
            let seeds = (0..self.worlds).map(|i| self.seed.wrapping_add(i));
            return Ok(seeds.map(|seed| Case { seed: Some(seed), world: World::random(seed) }).collect());
        };
        let text = std::fs::read(file).map_err(|e| format!("cannot read {}: {e}", file.display()))?;
        let world: World =
            serde_json::from_slice(&text).map_err(|e| format!("{} is no world: {e}", file.display()))?;
        world.check().map_err(|what| format!("{} is no world: {what}", file.display()))?;
        Ok(vec![Case { seed: None, world }])
    }

    /// Writes the smallest world that fails like the first one that does.
    fn shrunk(&self, report: &Report, guests: &[Guest]) -> Result<(), Box<dyn std::error::Error>> {
        let (Some(file), Some(Failure { seed: Some(seed), arch, findings })) =
            (&self.shrink, report.failures.first())
        else {
            return Ok(());
        };
        let progress = spinner();
        progress.set_message(format!("looking for the smallest world that fails like seed {seed} on {arch}"));
        // Isomorphism needs what the machine is compared with.
        let oracle = findings[0].oracle;
        let alone = guests.iter().position(|guest| guest.target.goarch() == *arch);
        let guests = match alone {
            Some(i) if oracle != Oracle::Isomorphism => &guests[i..=i],
            _ => guests,
        };
        let world = check::shrink(*seed, guests, oracle, ATTEMPTS);
        progress.finish_and_clear();
        Ok(output::write(file, &serde_json::to_vec_pretty(&world)?)?)
    }

    fn print(&self, report: &Report, out: &mut Out<'_>) -> std::io::Result<()> {
        out.painted_line(HEAD, format_args!("arch      right  wrong  records     dumps  executed    time"))?;
        for arch in &report.arches {
            let records: u64 = arch.records.values().sum();
            out.line(format_args!(
                "{:<8}{:>7}{:>7}{:>9}{:>7.1} MB{:>8.0} M{:>6.1} s",
                arch.arch,
                arch.passed,
                arch.failed,
                Count(records).to_string(),
                arch.dump_bytes as f64 / 1e6,
                arch.instructions as f64 / 1e6,
                arch.time.as_secs_f64()
            ))?;
        }
        out.line("")?;
        for known in &report.known {
            let (times, dumps) = (Things(known.times, "time"), Things(known.dumps, "dump"));
            out.line(format_args!(
                "known since go1.{}: {}, {times} in {dumps}. {}",
                known.since, known.name, known.statement
            ))?;
        }
        if let Some(reason) = &report.outside_writer_not_asked {
            out.line(format_args!("NOT RUN: comparison with the outside writer: {reason}"))?;
        }
        if !report.known.is_empty() || report.outside_writer_not_asked.is_some() {
            out.line("")?;
        }
        for failure in report.failures.iter().take(MOST_FAILURES) {
            let place = failure.seed.map_or("the world".to_owned(), |seed| format!("world {seed}"));
            out.painted_line(BAD, format_args!("{place} on {}:", failure.arch))?;
            for finding in &failure.findings {
                out.line(format_args!("  {:<15} {}", finding.oracle, finding.what))?;
            }
            out.line(format_args!("  repeat with: {}", self.repeat(failure)))?;
        }
        if let Some(more) = report.failures.len().checked_sub(MOST_FAILURES).filter(|&more| more > 0) {
            out.line(format_args!("… and {more} more (--json has all)"))?;
        }
        let (go, worlds) = (&report.go, Things(report.worlds, "world"));
        let machines = Things(report.arches.len() as u64, "machine");
        match report.failures.len() {
            0 => {
                let not: u64 = report.arches.iter().map(|arch| arch.not_dumped).sum();
                let but =
                    if not > 0 { format!(", but for {not} that could not be dumped") } else { String::new() };
                out.painted_line(GOOD, format_args!("{go}: {worlds} on {machines}, every dump is right{but}"))
            }
            1 => out.painted_line(BAD, format_args!("{go}: {worlds} on {machines}, a dump is wrong")),
            wrong => {
                out.painted_line(BAD, format_args!("{go}: {worlds} on {machines}, {wrong} dumps are wrong"))
            }
        }
    }

    /// The command that shows a failure again.
    fn repeat(&self, failure: &Failure) -> String {
        let go = quoted(&self.go);
        // Isomorphism needs what the machine is compared with.
        let arch = match failure.findings.first() {
            Some(finding) if finding.oracle == Oracle::Isomorphism => {
                let first = arch::chosen(&self.arch)[0].goarch();
                format!("{first},{}", failure.arch)
            }
            _ => failure.arch.to_owned(),
        };
        match (failure.seed, &self.world) {
            (Some(seed), _) => {
                format!("heapmatrix check-go --go {go} --arch {arch} --worlds 1 --seed {seed}")
            }
            (None, Some(world)) => {
                format!("heapmatrix check-go --go {go} --arch {arch} --world {}", quoted(world))
            }
            (None, None) => format!("heapmatrix check-go --go {go} --arch {arch}"),
        }
    }
}

/// A path for a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+~".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// Builds the guest for each machine.
fn build(toolchain: &Toolchain, targets: &[AnyTarget]) -> Result<Vec<Guest>, Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let progress = spinner();
    let guests = targets.iter().enumerate().map(|(i, target)| {
        let (arch, all) = (target.goarch(), targets.len());
        progress.set_message(format!(
            "building the guest with {} for {arch} ({} of {all})",
            toolchain.version,
            i + 1
        ));
        let elf = match toolchain.build(arch, dir.path()) {
            Err(BuildError::Build { go, arch, message }) => {
                // What the compiler says is what whoever changes the runtime wants to see.
                progress.suspend(|| message.trim_end().lines().for_each(note));
                return Err(BuildError::Build { go, arch, message }.into());
            }
            other => other?,
        };
        Ok(Guest::new(elf)?)
    });
    let guests = guests.collect();
    progress.finish_and_clear();
    guests
}

/// A bar on standard error if that is a terminal; nothing otherwise.
fn progress_bar(worlds: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(worlds), ProgressDrawTarget::stderr_with_hz(10));
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} worlds  {per_sec}  {eta} left") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests {
    use heapmatrix_emu::machine::Machine;

    use super::*;

    #[test]
    fn paths_with_spaces_are_quoted() {
        assert_eq!(quoted(Path::new("/usr/local/go")), "/usr/local/go");
        assert_eq!(quoted(Path::new("my go/it's")), "'my go/it'\\''s'");
    }

    #[test]
    fn all_machines_can_be_chosen() {
        assert_eq!(arch::chosen(&[arch::any_choice("all").unwrap()]).len(), Machine::ALL.len());
    }
}
