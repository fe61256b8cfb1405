//! Dumping a real Go program from outside, and comparing with what it dumps itself.

pub mod core;
pub mod difference;
mod dumper;
mod statistics;

use heapmatrix_emu::linux::{ExitStatus, Kept, Outcome, Process, RunError};
use heapmatrix_process::ProcessError;
use heapmatrix_writer::{Addr, Error as WriteError, Memory, Summary};

use difference::Difference;
pub use dumper::Dumper;
pub use heapmatrix_process::{Dialect, UnknownDialect};
pub use statistics::Statistics;

/// Where a process's heap is ready to be dumped and nothing has been written: statistics are
/// up to date, spans are swept.
pub const DUMP_POINT: &str = "runtime.dumpparams";
/// What `writeheapdump_m` calls next when the dump is complete.
const DUMP_END: &str = "runtime.casgstatus";
/// How the header of every Go heap dump begins and ends.
const HEADER: (&[u8], &[u8]) = (b"go1.", b" heap dump\n");

/// Why a program could not be dumped or compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// The program could not go on.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A symbol that the program does not have.
    #[error(
        "the program has no symbol {0}: it is stripped, not a Go program, or never calls debug.WriteHeapDump; name another symbol with --at"
    )]
    NoSymbol(String),
    /// The program ended before it came to be dumped.
    #[error("the program never reached {symbol} ({status}): does it call debug.WriteHeapDump?")]
    NotReached {
        /// Where it should have been dumped.
        symbol: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// A runtime that no generation of the writer is for.
    #[error("{0}: --capture collects its own dump")]
    Release(ProcessError),
    /// The program has no symbols, by which it would be known where it dumps itself.
    #[error(
        "{0}; where the program dumps itself cannot be told, either: write its core file with --core, and dump that with heapmatrix dump"
    )]
    NoSymbols(ProcessError),
    /// The program cannot be dumped from outside.
    #[error("cannot dump the program from outside: {0}")]
    Program(ProcessError),
    /// The dump can't be written.
    #[error("cannot dump the program: {0}")]
    Write(#[from] WriteError),
    /// The dump can't be written, and the program stands elsewhere than at [`DUMP_POINT`].
    #[error(
        "cannot dump the program at {symbol}: {error}; a heap can be dumped only while the world is stopped and all spans are swept, as in {DUMP_POINT} (the default of --at) or runtime.gcSweep"
    )]
    Place {
        /// Where it stands.
        symbol: String,
        /// What the writer found.
        error: WriteError,
    },
    /// The program does not dump into a file that it has made.
    #[error("cannot compare: the program's own dump goes to descriptor {0}, which is not a file")]
    NoFile(u64),
    /// No dump among the program's files.
    #[error("the program ended ({0}) and has written no heap dump into a file")]
    NoDump(ExitStatus),
}

impl ExecError {
    /// The error of a dump, for a program that stands at a symbol: whether that may be the reason.
    pub fn at(self, symbol: &str) -> Self {
        match self {
            ExecError::Write(error) if symbol != DUMP_POINT => {
                ExecError::Place { symbol: symbol.to_owned(), error }
            }
            other => other,
        }
    }
}

/// A dump of a program, taken from outside.
#[derive(Debug)]
pub struct Outside {
    /// The dialect that it is in.
    pub dialect: Dialect,
    /// The dump.
    pub bytes: Vec<u8>,
    /// What it contains.
    pub summary: Summary,
    /// Of when its memory statistics are.
    pub statistics: Statistics,
}

/// A program's own dump beside the one from outside.
#[derive(Debug)]
pub struct Comparison {
    /// The size of the program's own dump in bytes.
    pub own: u64,
    /// The first difference, if there is any.
    pub difference: Option<Difference>,
}

/// Runs a program up to a symbol.
///
/// # Errors
/// [`ExecError::NoSymbol`], [`ExecError::NotReached`] and [`ExecError::Run`].
pub fn run_to(process: &mut Process, symbol: &str) -> Result<(), ExecError> {
    let addr = process.symbols().addr(symbol).ok_or_else(|| ExecError::NoSymbol(symbol.to_owned()))?;
    match process.run(Some(addr.0))? {
        Outcome::Reached { .. } | Outcome::Paused => Ok(()),
        Outcome::Ended(status) => Err(ExecError::NotReached { symbol: symbol.to_owned(), status }),
    }
}

/// Lets a program that stands at [`DUMP_POINT`] write its own dump, and compares it with one from
/// outside.
///
/// The program's other threads stand still meanwhile, as they did for the dump from outside. It goes
/// on afterwards where it would have.
///
/// # Errors
/// [`ExecError::NoFile`], and those of [`run_to`].
pub fn compare(process: &mut Process, outside: &Outside) -> Result<Comparison, ExecError> {
    let fd = word(process, "runtime.dumpfd")?;
    let (_, start) = process.open_file(fd).ok_or(ExecError::NoFile(fd))?;
    process.freeze_others(true);
    run_to(process, DUMP_END)?;
    process.freeze_others(false);
    let (file, _) = process.open_file(fd).ok_or(ExecError::NoFile(fd))?;
    let own = usize::try_from(start).ok().and_then(|start| file.get(start..)).unwrap_or(&[]);
    let difference = Difference::first(&outside.bytes, own, process.symbols());
    Ok(Comparison { own: own.len() as u64, difference })
}

/// Runs a program to its end, and compares each of the dumps that it writes with one from outside.
///
/// # Errors
/// Those of [`Dumper::dump`] and [`compare`].
pub fn compare_rest(process: &mut Process, dumper: &Dumper) -> Result<Vec<Comparison>, ExecError> {
    let mut comparisons = Vec::new();
    loop {
        match run_to(process, DUMP_POINT) {
            Ok(()) => {
                let outside = dumper.dump(process)?;
                comparisons.push(compare(process, &outside)?);
            }
            Err(ExecError::NotReached { .. }) => return Ok(comparisons),
            Err(error) => return Err(error),
        }
    }
}

/// Runs a program to its end.
///
/// # Errors
/// [`ExecError::Run`].
pub fn finish(process: &mut Process) -> Result<ExitStatus, ExecError> {
    match process.run(None)? {
        Outcome::Ended(status) => Ok(status),
        Outcome::Reached { .. } | Outcome::Paused => unreachable!("nothing else was asked for"),
    }
}

/// The heap dump that a program has written last into a file, even if it has deleted that:
/// [`begins_dump`] must have been its [`keep`](heapmatrix_emu::linux::Options::keep) then.
pub fn own_dump(process: &mut Process) -> Option<Kept> {
    let files = process.captured().into_iter().chain(process.deleted());
    files.filter(|file| begins_dump(&file.head())).max_by_key(Kept::modified)
}

/// Whether a file that begins so is a heap dump.
pub fn begins_dump(head: &[u8]) -> bool {
    let line = head.split_inclusive(|&b| b == b'\n').next().unwrap_or(&[]);
    line.starts_with(HEADER.0) && line.ends_with(HEADER.1)
}

/// A variable of the runtime, of pointer size.
fn word(process: &Process, name: &str) -> Result<u64, ExecError> {
    let missing = || ExecError::NoSymbol(name.to_owned());
    let at = process.symbols().addr(name).ok_or_else(missing)?;
    read_word(process, at).ok_or_else(missing)
}

fn read_word(process: &Process, at: Addr) -> Option<u64> {
    let mut bytes = [0; 8];
    let size = process.target().ptr_size() as usize;
    if process.target().big_endian() {
        process.memory().read(at, &mut bytes[8 - size..]).ok()?;
        Some(u64::from_be_bytes(bytes))
    } else {
        process.memory().read(at, &mut bytes[..size]).ok()?;
        Some(u64::from_le_bytes(bytes))
    }
}
