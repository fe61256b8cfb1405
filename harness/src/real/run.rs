//! Running the guest: a world on an emulated machine, and what comes back.

use heapmatrix_emu::linux::{ExitStatus, Host, Input, Options, Outcome, Process, Recorder, Stream};
use heapmatrix_writer::AnyTarget;

use super::report::Report;
use super::world::World;
use crate::exec::difference::Difference;
use crate::exec::{self, DUMP_POINT, Dumper, ExecError};

/// More instructions than any world takes.
const MAX_INSTRUCTIONS: u64 = 20_000_000_000;
/// More memory than any world takes, in bytes.
const MAX_MEMORY: u64 = 2 << 30;

/// A guest program, ready to run any world.
#[derive(Debug)]
pub struct Guest {
    elf: Vec<u8>,
    /// The machine.
    pub target: AnyTarget,
    /// What dumps it from outside; or why that cannot be done.
    dumper: Result<Dumper, String>,
}

/// What came back from a world.
#[derive(Debug)]
pub struct Run {
    /// What the guest says.
    pub report: Report,
    /// The same as the guest has written it: JSON.
    pub told: Vec<u8>,
    /// The guest's own dump.
    pub own: Vec<u8>,
    /// Where it differs from one from outside that repeats all that the runtime does; or why there is none.
    pub outside: Result<Option<Difference>, String>,
    /// How many instructions the machine has executed.
    pub instructions: u64,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The guest cannot be loaded or run, or its dump is not there.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// It cannot be loaded.
    #[error("cannot load the guest: {0}")]
    Load(#[from] heapmatrix_emu::linux::LoadError),
    /// It failed.
    #[error("the guest failed ({status}): {}", message.lines().next().unwrap_or("it says nothing"))]
    Failed {
        /// How it ended.
        status: ExitStatus,
        /// Its standard error.
        message: String,
    },
    /// Its report cannot be read.
    #[error("the guest's report cannot be read: {0}")]
    Report(#[from] serde_json::Error),
}

/// The guest's side of this machine: the world on its standard input.
struct Passed {
    recorder: Recorder,
    world: Vec<u8>,
}

impl Host for Passed {
    fn output(&mut self, stream: Stream, bytes: &[u8]) -> std::io::Result<()> {
        Host::output(&mut self.recorder, stream, bytes)
    }

    fn input(&mut self) -> Input {
        Input::Bytes(std::mem::take(&mut self.world))
    }

    fn note(&mut self, message: &str) {
        Host::note(&mut self.recorder, message);
    }
}

impl Guest {
    /// The guest that was built for a machine.
    ///
    /// # Errors
    /// [`RunError::Load`].
    pub fn new(elf: Vec<u8>) -> Result<Guest, RunError> {
        let process = Process::load(&elf, options(), Box::new(Recorder::default()))?;
        let dumper = Dumper::open(&process, &elf, None, true).map_err(|error| error.to_string());
        Ok(Guest { target: process.target(), elf, dumper })
    }

    /// Runs a world.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn run(&self, world: &World) -> Result<Run, RunError> {
        let recorder = Recorder::default();
        let host = Passed { recorder: recorder.clone(), world: serde_json::to_vec(world)? };
        let mut process = Process::load(&self.elf, options(), Box::new(host))?;
        let failed = |status| {
            let message = String::from_utf8_lossy(&recorder.output().stderr).into_owned();
            RunError::Failed { status, message }
        };
        // What the program cannot be dumped for from outside is no reason not to look at its own dump.
        let outside = match &self.dumper {
            Err(reason) => Err(reason.clone()),
            Ok(dumper) => match compare(&mut process, dumper, world.earlier) {
                Ok(compared) => compared,
                Err(ExecError::NotReached { status, .. }) => return Err(failed(status)),
                Err(error @ ExecError::NoSymbol(_)) => Err(error.to_string()),
                Err(error) => return Err(error.into()),
            },
        };
        let status = match process.run(None).map_err(ExecError::from)? {
            Outcome::Ended(status) => status,
            Outcome::Reached { .. } | Outcome::Paused => unreachable!("nothing else was asked for"),
        };
        if status != ExitStatus::Exited(0) {
            return Err(failed(status));
        }
        let own = process.captured().into_iter().find(|file| file.name().ends_with("dump"));
        let own = own.and_then(|file| file.to_vec()).ok_or(ExecError::NoDump(status))?;
        let told = recorder.output().stdout;
        Ok(Run {
            report: serde_json::from_slice(&told)?,
            told,
            own,
            outside,
            instructions: process.stats().instructions,
        })
    }
}

/// Dumps the program from outside whenever it dumps itself, and compares. What it cannot be dumped for is the inner error.
fn compare(
    process: &mut Process,
    dumper: &Dumper,
    earlier: u64,
) -> Result<Result<Option<Difference>, String>, ExecError> {
    let compared = |process: &mut Process| {
        let outside = dumper.dump(process)?;
        Ok(exec::compare(process, &outside)?.difference)
    };
    for _ in 0..=earlier {
        exec::run_to(process, DUMP_POINT)?;
        match compared(process).map_err(|error: ExecError| error.to_string()) {
            Ok(None) => {}
            other => return Ok(other),
        }
    }
    Ok(Ok(None))
}

fn options() -> Options {
    Options {
        args: vec!["guest".to_owned()],
        // Stacks that stay where they are, and statistics that nothing changes between the report and the dump.
        env: vec!["GODEBUG=gcshrinkstackoff=1".to_owned()],
        max_instructions: MAX_INSTRUCTIONS,
        max_memory: MAX_MEMORY,
        ..Options::default()
    }
}
