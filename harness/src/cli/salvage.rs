//! `heapmatrix salvage`: repairs a dump.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use heapmatrix_reader::Salvage;

use super::input::Input;
use super::{Outcome, Verdict};

/// Save what can be read of a damaged heap dump
///
/// Repairs dumps that are cut off, and dumps by Go 1.5 that have memory in place of type names. Exits with 1 if
/// records are lost: names alone are no such loss.
#[derive(Debug, clap::Args)]
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
        let input = self.input.read()?;
        let salvage = heapmatrix_reader::salvage(&input).map_err(|error| self.input.explain(error.into()))?;
        let to_stdout = self.output == Path::new("-");
        if to_stdout {
            salvage.write_to(&mut BufWriter::new(io::stdout().lock()))?;
        } else {
            let cannot = |error| format!("cannot write {}: {error}", self.output.display());
            let mut out = BufWriter::new(File::create(&self.output).map_err(cannot)?);
            salvage.write_to(&mut out).and_then(|()| out.flush()).map_err(cannot)?;
        }
        // The report keeps out of the dump's way.
        if to_stdout {
            report(&salvage, &mut BufWriter::new(io::stderr().lock()))?;
        } else {
            report(&salvage, &mut BufWriter::new(io::stdout().lock()))?;
        }
        Ok(if salvage.cut().is_none() { Verdict::Sound } else { Verdict::Failed })
    }
}

/// Writes as it goes: there may be as many names as a small dump has types.
fn report(salvage: &Salvage<'_>, out: &mut impl Write) -> io::Result<()> {
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
    writeln!(out, "{} records saved", salvage.records())?;
    out.flush()
}
