//! `heapmatrix salvage`: repairs a dump.

use std::io::{self, Write};
use std::path::PathBuf;

use heapmatrix_reader::{Salvage, Skipped, salvage_with};

use super::input::Input;
use super::out::Out;
use super::output::{self, Output};
use super::{Outcome, Verdict, to_stdout};

/// Save what can be read of a damaged heap dump
///
/// Repairs dumps that are cut off, dumps in which bytes are missing or overwritten, and dumps by Go 1.5 that have memory in
/// place of type names. Only whole records are saved. Exits with 1 if records are lost; lost type names do not count.
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
        if let Some(input) = self.input.metadata() {
            output::refuse_input(&self.output, &input)?;
        }
        let whole = self.input.whole()?;
        let salvage = salvage_with(whole.bytes(), &mut |offset| whole.read_to(offset))
            .map_err(|error| self.input.explain(error.into()))?;
        let mut out = whole.copy_to(Output::create(&self.output)?);
        salvage.write_to(&mut out)?;
        out.into_inner().commit()?;
        if output::is_standard_output(&self.output) {
            // The report keeps out of the dump's way.
            tell(&salvage, &mut Out::new(&mut io::stderr(), false))?;
            Ok(verdict(&salvage))
        } else {
            to_stdout(|report| {
                tell(&salvage, report)?;
                Ok(verdict(&salvage))
            })
        }
    }

    #[cfg(test)]
    pub(super) fn run(&self, input: &[u8], mut out: impl Write, report: &mut dyn Write) -> Outcome {
        let salvage = salvage_with(input, &mut |_| ()).map_err(|error| self.input.explain(error.into()))?;
        salvage.write_to(&mut out)?;
        tell(&salvage, report)?;
        Ok(verdict(&salvage))
    }
}

fn verdict(salvage: &Salvage<'_>) -> Verdict {
    if salvage.has_lost_records() { Verdict::Failed } else { Verdict::Sound }
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
    for Skipped { range, before, after, orphans, why } in salvage.skipped() {
        write!(
            out,
            "offsets {} to {}: {} bytes skipped, after the {} record at {}",
            range.start,
            range.end,
            range.end - range.start,
            before.0,
            before.1
        )?;
        if let Some((kind, offset)) = after {
            write!(out, " and up to the {kind} record at {offset}")?;
        }
        match orphans {
            0 => {}
            1 => write!(out, ", with 1 record of a goroutine that is lost")?,
            count => write!(out, ", with {count} records of a goroutine that is lost")?,
        }
        writeln!(out, ": {why}")?;
    }
    if let Some(error) = salvage.cut() {
        writeln!(out, "{error}; {} bytes dropped", salvage.dropped())?;
    }
    writeln!(out, "{} records saved", salvage.records())
}
