//! `heapmatrix salvage`: repairs a dump.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use heapmatrix_reader::Salvage;

use super::input::Input;
use super::{Outcome, Verdict, to_stdout};

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
        let source = self.input.open()?;
        if self.output == Path::new("-") {
            // The report keeps out of the dump's way.
            return to_stdout(|out| self.run(source, || Ok(out), &mut io::stderr()));
        }
        let create = || File::create(&self.output).map(BufWriter::new);
        to_stdout(|report| self.run(source, create, report))
    }

    pub(super) fn run<W: Write>(
        &self,
        source: Box<dyn Read>,
        create: impl FnOnce() -> io::Result<W>,
        report: &mut dyn Write,
    ) -> Outcome {
        let input = self.input.read(source)?;
        let salvage = heapmatrix_reader::salvage(&input).map_err(|error| self.input.explain(error.into()))?;
        let write = |mut out: W| salvage.write_to(&mut out).and_then(|()| out.flush());
        create().and_then(write).map_err(|error| match error.kind() {
            // Whoever reads standard output has read enough.
            io::ErrorKind::BrokenPipe => Box::<dyn std::error::Error>::from(error),
            _ => format!("cannot write {}: {error}", self.output.display()).into(),
        })?;
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
