//! The dump of a world, for any other reader to be tried on.

use heapmatrix_process::Dialect;
use heapmatrix_writer::{AnyTarget, Defects};

use super::super::{Outcome, Verdict, output};
use super::Args;
use crate::matrix;

impl Args {
    /// Dumps a world, which is a process of Go 1.5.
    pub(super) fn dump_world(&self, arch: AnyTarget) -> Outcome {
        let defects = match self.dialect {
            None | Some(Dialect::Go15) => Defects::NONE,
            Some(Dialect::Go15Exact) => Defects::ALL,
            Some(other) => {
                return Err(format!(
                    "worlds are processes of Go 1.5: their dialects are go1.5 and go1.5-exact, not {other}"
                )
                .into());
            }
        };
        if !self.exe.is_empty() || self.json {
            return Err(
                "--exe and --json are for core files and processes: a world has neither program nor doubts"
                    .into(),
            );
        }
        let finished = matrix::build(&matrix::world(self.seed), arch)?;
        output::write(&self.output, &matrix::dump(&finished, defects)?)?;
        Ok(Verdict::Sound)
    }
}
