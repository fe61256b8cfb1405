//! `heapmatrix inspect`: what is in a dump.

use std::io::Read;
use std::time::SystemTime;

use super::input::Input;
use super::number::number;
use super::out::Out;
use super::summary::{Figures, Limits, Summary};
use super::{Outcome, Verdict, to_stdout, write_json};

/// Show what is in a heap dump: its machine, heap, goroutines and statistics
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0 the dump was read to its end, 2 bad usage or a dump that cannot be read.

Examples:
  heapmatrix inspect heap.dump --limit 5
  heapmatrix inspect heap.dump.zst --json")]
pub struct Args {
    #[command(flatten)]
    input: Input,
    /// How many object sizes and groups of goroutines to show, the most important first
    #[arg(long, value_name = "N", default_value = "15", value_parser = number)]
    limit: u64,
    /// Show all object sizes, and all groups of goroutines with all their frames
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Print JSON, as docs/inspect-json.md describes it
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        let source = self.input.open()?;
        to_stdout(|out| self.run(source, out))
    }

    pub(super) fn run(&self, source: Box<dyn Read>, out: &mut Out<'_>) -> Outcome {
        let stream = self.input.stream(source)?;
        let summary = Summary::read(stream).map_err(|error| self.input.explain(error))?;
        if self.json {
            write_json(out, &summary)?;
        } else {
            let limits = if self.all {
                Limits::NONE
            } else {
                Limits::new(usize::try_from(self.limit).unwrap_or(usize::MAX))
            };
            Figures { summary: &summary, limits, written: self.written() }.print(out)?;
        }
        Ok(Verdict::Sound)
    }

    /// When the file was last written, in nanoseconds since 1970.
    fn written(&self) -> Option<u64> {
        let metadata = self.input.metadata().filter(|metadata| metadata.is_file())?;
        let age = metadata.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        u64::try_from(age.as_nanos()).ok()
    }
}
