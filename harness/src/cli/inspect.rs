//! `heapmatrix inspect`: what is in a dump.

use super::input::Input;
use super::summary::Summary;
use super::{Outcome, Verdict, print, print_json};

/// Show what is in a heap dump: its machine, heap, goroutines and statistics
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    input: Input,
    /// Print JSON, as docs/inspect-json.md describes it
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        let summary = Summary::read(self.input.stream()?).map_err(|error| self.input.explain(error))?;
        if self.json {
            print_json(&summary)?;
        } else {
            print(format_args!("{summary}"))?;
        }
        Ok(Verdict::Sound)
    }
}
