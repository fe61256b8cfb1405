//! `heapmatrix check-writer`: somebody's writer, fed with processes on every machine.

use std::ffi::OsString;
use std::fs;
use std::io::BufWriter;
use std::path::PathBuf;

use heapmatrix_writer::AnyTarget;

use super::arch::{self, Choice};
use super::number::{number, positive};
use super::report::{Report, quoted};
use super::{Outcome, Verdict, output};
use crate::check::child::Limits;
use crate::feed::{self, Writer};
use crate::matrix::{self, Dumper, Matrix};
use crate::shard::Shard;

/// Check somebody's writer of heap dumps: feed it with processes on every machine, and judge its dumps
///
/// The writer is run once for each world and machine. It reads a process of Go 1.5 from its standard input (or from the
/// file that {} in its arguments stands for), as docs/check-writer.md describes it, and writes the dump to its standard output.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0 every dump holds its world, 1 one does not, 2 bad usage, or a writer that cannot be run.

Examples:
  heapmatrix check-writer --worlds 20 -- your-writer
  heapmatrix check-writer --arch 32,big --shard 1/4 --json -- your-writer {}")]
pub struct Args {
    /// Architectures, separated by commas: names, and the groups 64, 32, big and little
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = arch::choice, default_value = "all")]
    arch: Vec<Choice>,
    /// How many worlds, each on every architecture
    #[arg(long, value_name = "N", default_value = "20", value_parser = positive)]
    worlds: u64,
    /// The first world's seed; each further world's is one greater
    #[arg(long, value_name = "S", default_value = "1", value_parser = number)]
    seed: u64,
    /// How many worlds to run at the same time [default: one for each core]
    #[arg(long, value_name = "J", value_parser = positive)]
    jobs: Option<u64>,
    /// Kill the writer after so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = positive)]
    timeout: u64,
    /// How much memory the writer may use, in MiB
    #[arg(long, value_name = "MIB", default_value = "1024", value_parser = positive)]
    memory: u64,
    /// Run only this part of the run: merge-reports puts the parts' reports together
    #[arg(long, value_name = "K/N", default_value = "1/1", hide_default_value = true)]
    shard: Shard,
    /// Keep the dumps that are right, and their worlds as JSON, in this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Write what the writer would get for the first world on the first architecture to this file, and run nothing
    #[arg(long, value_name = "FILE")]
    target: Option<PathBuf>,
    /// The writer and its arguments
    #[arg(last = true, value_name = "CMD", required_unless_present = "target")]
    command: Vec<OsString>,
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        let targets = arch::chosen(&self.arch);
        if let Some(file) = &self.target {
            return self.write_target(file, targets[0]);
        }
        let limits = Limits { seconds: self.timeout, memory: self.memory.saturating_mul(1 << 20) };
        let writer = Writer { command: self.command.clone(), limits };
        feed::probe(&writer)?;
        if let Some(dir) = &self.out {
            fs::create_dir_all(dir).map_err(|error| format!("cannot write to {}: {error}", dir.display()))?;
        }
        let matrix = Matrix {
            targets,
            worlds: self.worlds,
            seed: self.seed,
            jobs: super::run::jobs(self.jobs),
            shard: self.shard,
        };
        let words: Vec<String> =
            self.command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let command: String = words.iter().map(|word| format!(" {}", quoted(word))).collect();
        let progress = super::progress::count(self.worlds, "worlds");
        let keep = self
            .out
            .as_deref()
            .map(|dir| move |name: &str, bytes: &[u8]| output::place(&dir.join(name), bytes));
        let keep = keep.as_ref().map(|keep| keep as &matrix::Keep<'_>);
        let dumper = Dumper {
            repeat: &|target, seed| {
                format!("heapmatrix check-writer --arch {target} --worlds 1 --seed {seed} --{command}")
            },
            dump: &|world, finished| writer.write(world, finished),
        };
        let report = matrix::run_with(&matrix, &dumper, &|| progress.inc(1), keep);
        progress.finish_and_clear();
        let mut report = report?;
        report.writer = words;
        Report::CheckWriter(report).tell(self.json, 0)
    }

    fn write_target(&self, file: &std::path::Path, target: AnyTarget) -> Outcome {
        let finished = matrix::build(&matrix::world(self.seed), target)?;
        let mut out = output::Output::create(file)?;
        feed::target(&finished, BufWriter::new(&mut out))?;
        out.commit()?;
        Ok(Verdict::Sound)
    }
}
