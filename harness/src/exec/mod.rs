//! Dumping a real Go program from outside, and comparing with what it dumps itself.

pub mod difference;
mod statistics;

use heapmatrix_emu::linux::{ExitStatus, Kept, Outcome, Process, RunError};
use heapmatrix_writer::go15::Program;
use heapmatrix_writer::{
    Addr, Dialect, Error as WriteError, Memory, MissingSymbol, Options, Summary, Symbols, write_heap_dump,
};

use difference::Difference;
pub use statistics::Statistics;

/// Where a Go 1.5 process's heap is ready to be dumped and nothing has been written: statistics are
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
    /// Another runtime than Go 1.5's.
    #[error(
        "the program was built with {version}, and only Go 1.5's runtime can be dumped from outside: --capture collects its own dump"
    )]
    NotGo15 {
        /// The runtime's version.
        version: String,
    },
    /// The runtime's variables are not where Go 1.5 has them.
    #[error(transparent)]
    Symbols(#[from] MissingSymbol),
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
        Outcome::Reached { .. } => Ok(()),
        Outcome::Ended(status) => Err(ExecError::NotReached { symbol: symbol.to_owned(), status }),
    }
}

/// Refuses a program whose runtime is known, and not Go 1.5's. It need not run for that: the version
/// lies in its data.
///
/// # Errors
/// [`ExecError::NotGo15`].
pub fn check_runtime(process: &Process) -> Result<(), ExecError> {
    match version(process) {
        Some(version) if !is_go15(&version) => Err(ExecError::NotGo15 { version }),
        _ => Ok(()),
    }
}

/// Dumps a program that stands still.
///
/// # Errors
/// Those of [`check_runtime`]; [`ExecError::Symbols`] and [`ExecError::Write`].
pub fn dump(process: &Process, dialect: Dialect) -> Result<Outside, ExecError> {
    check_runtime(process)?;
    let symbols = Symbols::from_lookup(|name| process.symbols().addr(name))?;
    // Each time the program's own dump needs a larger `tmpbuf`, it gives the old one back first.
    let sys_alloc = |len| Addr(process.free_address(len).unwrap_or(0));
    let program = Program { sys_alloc: Some(&sys_alloc), ..Program::new(&symbols, dialect) };
    let mut bytes = Vec::new();
    let memory = process.memory();
    let summary = write_heap_dump(process.target(), memory, &program, &Options::default(), &mut bytes)?;
    Ok(Outside { bytes, summary, statistics: Statistics::of(process) })
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
/// Those of [`dump`] and [`compare`].
pub fn compare_rest(process: &mut Process, dialect: Dialect) -> Result<Vec<Comparison>, ExecError> {
    let mut comparisons = Vec::new();
    loop {
        match run_to(process, DUMP_POINT) {
            Ok(()) => {
                let outside = dump(process, dialect)?;
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
        Outcome::Reached { .. } => unreachable!("no address was given"),
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

/// The version of the program's runtime, as `runtime.Version` returns it.
fn version(process: &Process) -> Option<String> {
    const LONGEST: u64 = 256;
    let at = process.symbols().addr("runtime.buildVersion")?;
    let word = process.target().ptr_size();
    let (array, len) = (read_word(process, at)?, read_word(process, at.add(word))?);
    let mut bytes = vec![0; usize::try_from(len).ok().filter(|_| len <= LONGEST)?];
    process.memory().read(Addr(array), &mut bytes).ok()?;
    String::from_utf8(bytes).ok()
}

/// Whether a version is one of Go 1.5's.
fn is_go15(version: &str) -> bool {
    version.strip_prefix("go1.5").is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_go_1_5() {
        for version in ["go1.5", "go1.5.4", "go1.5beta1"] {
            assert!(is_go15(version), "{version}");
        }
        for version in ["go1.50", "go1.4.3", "go1.19.8", "devel +abc"] {
            assert!(!is_go15(version), "{version}");
        }
    }
}
