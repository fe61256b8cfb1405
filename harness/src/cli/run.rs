//! `heapmatrix run`: the whole matrix.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::arch::{self, Choice};
use super::number::{number, positive};
use super::out::{BAD, GOOD, HEAD, Out};
use super::{Outcome, Verdict, output, print_json, to_stdout};
use crate::matrix::{self, Matrix};
use crate::report::RunReport;

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

        let progress = progress_bar(self.worlds);
        let matrix = Matrix {
            targets: arch::chosen(&self.arch),
            worlds: self.worlds,
            seed: self.seed,
            jobs: self.jobs.map_or(0, |jobs| usize::try_from(jobs).unwrap_or(MOST_JOBS).min(MOST_JOBS)),
        };
        let keep = self
            .out
            .as_deref()
            .map(|dir| move |name: &str, bytes: &[u8]| output::place(&dir.join(name), bytes));
        let keep = keep.as_ref().map(|keep| keep as &matrix::Keep<'_>);
        let report = matrix::run(&matrix, &|| progress.inc(1), keep);
        progress.finish_and_clear();
        let report = report?;
        if self.json {
            print_json(&report)?;
        } else {
            to_stdout(|out| {
                print(&report, out)?;
                Ok(Verdict::Sound)
            })?;
        }
        Ok(if report.ok { Verdict::Sound } else { Verdict::Failed })
    }
}

/// The table with its head, and the verdict, the last line, in its colour.
fn print(report: &RunReport, out: &mut Out<'_>) -> std::io::Result<()> {
    let text = report.to_string();
    let lines = text.lines().count();
    text.lines().enumerate().try_for_each(|(number, line)| match number {
        0 => out.painted_line(HEAD, line),
        _ if number + 1 == lines => out.painted_line(if report.ok { GOOD } else { BAD }, line),
        _ => out.line(line),
    })
}

/// Whether files can be made in a folder: better said before an hour's work than after it.
fn tempfile_in(dir: &std::path::Path) -> std::io::Result<()> {
    let probe = dir.join(".heapmatrix-probe");
    fs::write(&probe, b"")?;
    fs::remove_file(&probe)
}

/// A bar on standard error if that is a terminal; nothing otherwise.
fn progress_bar(worlds: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(worlds), ProgressDrawTarget::stderr_with_hz(10));
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} worlds  {per_sec}  {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
