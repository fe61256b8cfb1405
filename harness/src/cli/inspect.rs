//! `heapmatrix inspect`: what is in a dump.

use std::io::{Read, Write};

use super::input::Input;
use super::summary::Summary;
use super::{Outcome, Verdict, to_stdout, write_json};

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
        let source = self.input.open()?;
        to_stdout(|out| self.run(source, out))
    }

    pub(super) fn run(&self, source: Box<dyn Read>, out: &mut dyn Write) -> Outcome {
        let stream = self.input.stream(source)?;
        let summary = Summary::read(stream).map_err(|error| self.input.explain(error))?;
        if self.json {
            write_json(out, &summary)?;
        } else {
            write!(out, "{summary}")?;
        }
        Ok(Verdict::Sound)
    }
}
