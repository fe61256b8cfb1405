//! `heapmatrix run`: the whole matrix.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use heapmatrix_writer::AnyTarget;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Outcome, Verdict, emulated_target, print_json};
use crate::matrix::{self, Matrix};

/// Build, emulate, dump, parse back and check worlds on every architecture
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Architectures, separated by commas
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = emulated_target,
          default_value = "amd64,386,arm,ppc64")]
    arch: Vec<AnyTarget>,
    /// How many worlds, each on every architecture
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    worlds: u64,
    /// The first world's seed; the next one's is greater by one
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Worlds in the making at a time [default: one for each core]
    #[arg(long, value_name = "J", value_parser = RangedU64ValueParser::<u16>::new().range(1..))]
    jobs: Option<u16>,
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
        let mut targets = self.arch.clone();
        let mut seen = Vec::new();
        targets.retain(|t| {
            !seen.contains(t) && {
                seen.push(*t);
                true
            }
        });

        let progress = progress_bar(self.worlds);
        let matrix = Matrix {
            targets,
            worlds: self.worlds,
            seed: self.seed,
            jobs: self.jobs.map_or(0, usize::from),
            out: self.out.clone(),
        };
        let report = matrix::run(&matrix, &|| progress.inc(1));
        progress.finish_and_clear();
        let report = report?;
        if self.json {
            print_json(&report)?;
        } else {
            super::print(format_args!("{report}"))?;
        }
        Ok(if report.ok { Verdict::Sound } else { Verdict::Failed })
    }
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
