//! `heapmatrix dump`: one dump, for any other reader to be tried on.

use std::path::PathBuf;

use heapmatrix_writer::{AnyTarget, Dialect};

use super::{Outcome, Verdict, arch, output};
use crate::matrix;

/// Write the heap dump of one world on one architecture
///
/// The file appears when it is whole, and then replaces one that was there.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0 the dump is written, 2 bad usage or a file that cannot be written.

Examples:
  heapmatrix dump --arch ppc64 -o ppc64.dump
  heapmatrix dump --arch arm --seed 7 --dialect go1.5-exact -o - | heapmatrix inspect -")]
pub struct Args {
    /// Architecture
    #[arg(long, value_name = "A", value_parser = arch::machine)]
    arch: AnyTarget,
    /// The world's seed
    #[arg(long, value_name = "S", default_value = "1", value_parser = super::number::number)]
    seed: u64,
    /// go1.5, what the format means; or go1.5-exact, with the defects of a real Go 1.5
    #[arg(long, value_name = "D", default_value_t)]
    dialect: Dialect,
    /// Where to write it; - for standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        let finished = matrix::build(&matrix::world(self.seed), self.arch)?;
        let bytes = matrix::dump(&finished, self.dialect.defects())?;
        output::write(&self.output, &bytes)?;
        Ok(Verdict::Sound)
    }
}
