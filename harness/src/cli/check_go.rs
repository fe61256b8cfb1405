//! `heapmatrix check-go`: is the WriteHeapDump of somebody's Go right?

use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use heapmatrix_writer::AnyTarget;

use super::arch::{self, Choice};
use super::number::{number, positive};
use super::output::Output;
use super::progress::{count, spinner};
use super::report::{Report, quoted};
use super::{Outcome, note, output};
use crate::go_report::{Failure, GoReport, Oracle};
use crate::real::check::{self, Case};
use crate::real::guest::{BuildError, Toolchain};
use crate::real::run::Guest;
use crate::real::world::World;
use crate::shard::Shard;
use crate::units::Things;

/// How many failures are told in full: one is usually what the next ones are about.
const MOST_FAILURES: u64 = 10;
/// How long smaller worlds that fail are looked for: most are found within the first minute.
const SHRINKING: Duration = Duration::from_secs(180);

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
    /// Look for the smallest world that fails like the first one, for at most three minutes, and write it to this file
    #[arg(long, value_name = "FILE")]
    shrink: Option<PathBuf>,
    /// Run only this part of the run: merge-reports puts the parts' reports together
    #[arg(
        long,
        value_name = "K/N",
        default_value = "1/1",
        hide_default_value = true,
        conflicts_with = "world"
    )]
    shard: Shard,
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
        // Whether it can be written is not to be found out after minutes.
        let shrunk = self.shrink.as_deref().map(Output::create).transpose()?;
        let toolchain = Toolchain::find(&self.go)?;
        let targets = arch::chosen(&self.arch);
        let guests = build(&toolchain, &targets)?;

        let progress = count(cases.len() as u64, "worlds");
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
        report.shard = self.shard;
        report.worlds = if self.world.is_some() { 1 } else { self.worlds };
        report.failures.iter_mut().for_each(|failure| failure.repeat = self.repeat(failure));
        self.shrunk(&report, &guests, shrunk)?;
        Report::CheckGo(report).tell(self.json, MOST_FAILURES)
    }

    fn cases(&self) -> Result<Vec<Case>, String> {
        let Some(file) = &self.world else {
            let seeds = (0..self.worlds).map(|i| self.seed.wrapping_add(i));
            // Machines are compared with each other: a part has a world on all of them.
            let taken = seeds.filter(|seed| self.shard.takes(seed, "all"));
            return Ok(taken.map(Case::Seed).collect());
        };
        let text = std::fs::read(file).map_err(|e| format!("cannot read {}: {e}", file.display()))?;
        let world: World =
            serde_json::from_slice(&text).map_err(|e| format!("{} is no world: {e}", file.display()))?;
        world.check().map_err(|what| format!("{} is no world: {what}", file.display()))?;
        Ok(vec![Case::World(Box::new(world))])
    }

    /// Writes the smallest world that fails like the first one that does.
    fn shrunk(
        &self,
        report: &GoReport,
        guests: &[Guest],
        out: Option<Output>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let (Some(file), Some(mut out), Some(Failure { seed: Some(seed), arch, findings, .. })) =
            (&self.shrink, out, report.failures.first())
        else {
            return Ok(());
        };
        let oracle = findings[0].oracle;
        let place = guests.iter().position(|guest| guest.target.goarch() == arch.as_ref()).unwrap_or(0);
        let (progress, mut smaller) = (spinner(), 0);
        let tell = |tried: u32, smaller: u32| {
            progress.set_message(format!(
                "shrinking world {seed}, which fails on {arch}: {tried} tried, {smaller} times smaller"
            ));
        };
        tell(0, 0);
        let start = Instant::now();
        let mut shrink = |guests: &[Guest]| {
            check::shrink(*seed, guests, oracle, |tried, fails| {
                smaller += u32::from(fails);
                tell(tried, smaller);
                start.elapsed() < SHRINKING
            })
        };
        // Isomorphism needs what the machine is compared with.
        let world = match oracle {
            Oracle::Isomorphism => shrink(guests),
            _ => shrink(&guests[place..=place]),
        };
        progress.finish_and_clear();
        out.write_all(&serde_json::to_vec_pretty(&world)?)?;
        out.commit()?;
        let (file, go) = (quoted(&file.to_string_lossy()), quoted(&self.go.to_string_lossy()));
        let arch = self.arches(arch, oracle);
        note(format_args!(
            "world {seed} is shrunk to {}, {} and {}: heapmatrix check-go --go {go} --arch {arch} --world {file}",
            Things(world.objects.len() as u64, "object"),
            Things(world.goroutines.len() as u64, "goroutine"),
            Things(world.finalizers.len() as u64, "finalizer"),
        ));
        Ok(())
    }

    /// The machines on which an oracle finds something on one: isomorphism needs what that is compared with.
    fn arches(&self, arch: &str, oracle: Oracle) -> String {
        match oracle {
            Oracle::Isomorphism => format!("{},{arch}", arch::chosen(&self.arch)[0].goarch()),
            _ => arch.to_owned(),
        }
    }

    /// The command that shows a failure again.
    fn repeat(&self, failure: &Failure) -> String {
        let go = quoted(&self.go.to_string_lossy());
        let oracle = failure.findings.first().map_or(Oracle::Guest, |finding| finding.oracle);
        let arch = self.arches(&failure.arch, oracle);
        match (failure.seed, &self.world) {
            (Some(seed), _) => {
                format!("heapmatrix check-go --go {go} --arch {arch} --worlds 1 --seed {seed}")
            }
            (None, Some(world)) => {
                format!(
                    "heapmatrix check-go --go {go} --arch {arch} --world {}",
                    quoted(&world.to_string_lossy())
                )
            }
            (None, None) => format!("heapmatrix check-go --go {go} --arch {arch}"),
        }
    }
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

#[cfg(test)]
mod tests {
    use heapmatrix_emu::machine::Machine;

    use super::*;

    #[test]
    fn all_machines_can_be_chosen() {
        assert_eq!(arch::chosen(&[arch::any_choice("all").unwrap()]).len(), Machine::ALL.len());
    }
}
