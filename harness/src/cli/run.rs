//! `heapmatrix run`: the whole matrix.

use std::fs;
use std::path::PathBuf;

use super::arch::{self, Choice};
use super::number::{number, positive};
use super::report::Report;
use super::{Outcome, output};
use crate::matrix::{self, Matrix};
use crate::shard::Shard;

/// More jobs than this are no faster on any machine, and each is a thread.
const MOST_JOBS: usize = 1024;

/// Build, emulate, dump, parse back and check worlds on every architecture
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0 every dump holds its world, 1 one does not, 2 bad usage or a file that cannot be written.

Examples:
  heapmatrix run --worlds 1000 --seed 7
  heapmatrix run --arch big,arm --worlds 20 --out dumps")]
pub struct Args {
    /// Architectures, separated by commas: names, and the groups 64, 32, big and little
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = arch::choice, default_value = "all")]
    arch: Vec<Choice>,
    /// How many worlds, each on every architecture
    #[arg(long, value_name = "N", default_value = "100", value_parser = positive)]
    worlds: u64,
    /// The first world's seed; each further world's is one greater
    #[arg(long, value_name = "S", default_value = "1", value_parser = number)]
    seed: u64,
    /// How many worlds to run at the same time [default: one for each core]
    #[arg(long, value_name = "J", value_parser = positive)]
    jobs: Option<u64>,
    /// Run only this part of the run: merge-reports puts the parts' reports together
    #[arg(long, value_name = "K/N", default_value = "1/1", hide_default_value = true)]
    shard: Shard,
    /// Keep each dump, and its world as JSON, in this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        if let Some(dir) = &self.out {
            fs::create_dir_all(dir)
                .and_then(|()| tempfile_in(dir))
                .map_err(|e| format!("cannot write to {}: {e}", dir.display()))?;
        }

        let progress = super::progress::count(self.worlds, "worlds");
        let matrix = Matrix {
            targets: arch::chosen(&self.arch),
            worlds: self.worlds,
            seed: self.seed,
            jobs: jobs(self.jobs),
            shard: self.shard,
        };
        let keep = self
            .out
            .as_deref()
            .map(|dir| move |name: &str, bytes: &[u8]| output::place(&dir.join(name), bytes));
        let keep = keep.as_ref().map(|keep| keep as &matrix::Keep<'_>);
        let report = matrix::run(&matrix, &|| progress.inc(1), keep);
        progress.finish_and_clear();
        Report::Run(report?).tell(self.json, 0)
    }
}

/// The number of jobs as the matrix takes it.
pub(super) fn jobs(jobs: Option<u64>) -> usize {
    jobs.map_or(0, |jobs| usize::try_from(jobs).unwrap_or(MOST_JOBS).min(MOST_JOBS))
}

/// Whether files can be made in a folder: better said before an hour's work than after it.
fn tempfile_in(dir: &std::path::Path) -> std::io::Result<()> {
    let probe = dir.join(".heapmatrix-probe");
    fs::write(&probe, b"")?;
    fs::remove_file(&probe)
}
