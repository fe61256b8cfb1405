//! `heapmatrix merge-reports`: the report of a run that was divided.

use std::fs;
use std::path::PathBuf;

use super::Outcome;
use super::report::{Printed, Report};

/// Put the report of a run together from the JSON reports of its parts
///
/// The parts are those of one run with --shard 1/N to N/N and --json. The report is the one of a run that was not
/// divided, but for times.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: that of the whole run: 0 all is well, 1 a check failed; 2 bad usage, or reports that are not all parts of one \
run.

Examples:
  heapmatrix merge-reports part-*.json
  heapmatrix merge-reports part-*.json --junit results.xml")]
pub struct Args {
    /// The reports of all parts, in any order
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    printed: Printed,
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        let read = |file: &PathBuf| -> Result<(String, Report), String> {
            let name = file.display().to_string();
            let bytes = fs::read(file).map_err(|error| format!("cannot read {name}: {error}"))?;
            let report = serde_json::from_slice(&bytes).map_err(|error| {
                if error.is_eof() {
                    return format!("{name} ends too early, at {} bytes: run that part again", bytes.len());
                }
                format!("{name} is no report that run, check-reader, check-writer or check-go --json prints: {error}")
            })?;
            Ok((name, report))
        };
        let parts = self.files.iter().map(read).collect::<Result<Vec<_>, String>>()?;
        self.printed.tell(&Report::merge(parts)?)
    }
}
