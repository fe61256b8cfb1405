//! The writer for a program that is run.

use heapmatrix_emu::linux::Process;
use heapmatrix_process::{Dumper as Generation, ProcessError, Program};
use heapmatrix_writer::Addr;

use super::{Dialect, ExecError, Outside, Statistics};

/// Dumps a program from outside.
#[derive(Debug)]
pub struct Dumper(Generation);

impl Dumper {
    /// The dumper of a program, whose executable is `elf`. The program need not run for that: the version of its runtime lies
    /// in its data. Without a dialect it is the one that is exact, if `exact` says so, or the one that is not.
    ///
    /// # Errors
    /// [`ExecError::Release`] and [`ExecError::Program`] for programs that cannot be dumped, or not in that dialect.
    pub fn open(
        process: &Process,
        elf: &[u8],
        dialect: Option<Dialect>,
        exact: bool,
    ) -> Result<Dumper, ExecError> {
        let bias = process.bias();
        let symbol = |name: &str| process.symbols().addr(name).map(|addr| addr.0.wrapping_sub(bias));
        let program = Program { target: process.target(), elf, bias, symbol: &symbol };
        match Generation::open(&program, process.memory(), dialect, exact) {
            Ok(generation) => Ok(Dumper(generation)),
            Err(error @ ProcessError::Release(_)) => Err(ExecError::Release(error)),
            Err(error @ (ProcessError::NoSymbols(_) | ProcessError::Search(_))) => {
                Err(ExecError::NoSymbols(error))
            }
            Err(error) => Err(ExecError::Program(error)),
        }
    }

    /// Dumps the program, which stands still.
    ///
    /// # Errors
    /// [`ExecError::Write`].
    pub fn dump(&self, process: &Process) -> Result<Outside, ExecError> {
        // Each time the program's own dump needs a larger `tmpbuf`, it gives the old one back first.
        let sys_alloc = |len| Addr(process.free_address(len).unwrap_or(0));
        let mut bytes = Vec::new();
        let summary = self.0.dump(process.target(), process.memory(), Some(&sys_alloc), None, &mut bytes)?;
        Ok(Outside { dialect: self.0.dialect(), bytes, summary, statistics: Statistics::of(process) })
    }
}
