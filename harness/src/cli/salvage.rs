//! `heapmatrix salvage`: repairs a dump.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use heapmatrix_reader::Salvage;

use super::input::Input;
use super::output::{self, Output};
use super::{Outcome, Verdict, to_stdout};

/// Save what can be read of a damaged heap dump
///
/// Repairs dumps that are cut off, and dumps by Go 1.5 that have memory in place of type names. Exits with 1 if
/// records are lost: names alone are no such loss.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0 all records are saved, 1 some are lost, 2 bad usage, no heap dump, or a file that cannot be written.

Examples:
  heapmatrix salvage cut.dump -o saved.dump
  heapmatrix salvage cut.dump.zst -o - | heapmatrix inspect -")]
pub struct Args {
    #[command(flatten)]
    input: Input,
    /// Where to write the repaired dump; - is standard output
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        let source = self.input.open()?;
        if let Some(input) = self.input.metadata() {
            output::refuse_input(&self.output, &input)?;
        }
        if output::is_standard_output(&self.output) {
            // The report keeps out of the dump's way.
            return self.run(source, || Output::create(&self.output), Output::commit, &mut io::stderr());
        }
        to_stdout(|report| self.run(source, || Output::create(&self.output), Output::commit, report))
    }

    pub(super) fn run<W: Write>(
        &self,
        source: Box<dyn Read>,
        create: impl FnOnce() -> Result<W, String>,
        commit: impl FnOnce(W) -> Result<(), String>,
        report: &mut dyn Write,
    ) -> Outcome {
        let input = self.input.read(source)?;
        let salvage = heapmatrix_reader::salvage(&input).map_err(|error| self.input.explain(error.into()))?;
        let mut out = create()?;
        salvage.write_to(&mut out)?;
        commit(out)?;
        tell(&salvage, report)?;
        Ok(if salvage.cut().is_none() { Verdict::Sound } else { Verdict::Failed })
    }
}

/// Writes as it goes: there may be as many names as a small dump has types.
fn tell(salvage: &Salvage<'_>, out: &mut dyn Write) -> io::Result<()> {
    for lost in salvage.lost_names() {
        writeln!(
            out,
            "offset {}: the name of the type at {:#x} is lost: said to have {} bytes; {} bytes of memory removed",
            lost.offset,
            lost.address,
            lost.claimed,
            lost.removed.end - lost.removed.start
        )?;
    }
    if let Some(error) = salvage.cut() {
        writeln!(out, "{error}; {} bytes dropped", salvage.dropped())?;
    }
    writeln!(out, "{} records saved", salvage.records())
}
