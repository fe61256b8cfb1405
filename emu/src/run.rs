//! Running the program of an image, on an emulated CPU or without one.

use heapmatrix_writer::Unreadable;

use crate::guest::interpreter::{self, Interpreter};
use crate::guest::program::DONE;
use crate::image::{Image, Locations};
use crate::machine::{Exit, Fault, Limits, Machine, NewError};
use crate::memory::GuestMemory;

use heapmatrix_writer::{AnyTarget, Symbols};

/// No program of a world comes near to so many instructions: one that reaches them loops.
const LIMIT: u64 = 1 << 32;

/// A process whose program has run: all of it is in memory, and the world stands still.
#[derive(Debug)]
pub struct Finished {
    /// The machine.
    pub target: AnyTarget,
    /// Its memory.
    pub memory: GuestMemory,
    /// Where the runtime's variables and functions are.
    pub symbols: Symbols,
    /// Where the world's things are, objects included.
    pub locations: Locations,
    /// The machine instructions that the CPU has executed; zero for the interpreter.
    pub instructions: u64,
}

/// A program that did not run to its end: a defect of this crate, and not of a world.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// There is no such machine.
    #[error(transparent)]
    Machine(#[from] NewError),
    /// The CPU met something that it cannot execute.
    #[error("the guest program failed: {0}")]
    Fault(#[from] Fault),
    /// The interpreter did.
    #[error("the guest program failed: {0}")]
    Interpreter(#[from] interpreter::Error),
    /// It stopped somewhere else than at its end.
    #[error("the guest program stopped at {pc:#x} with trap {code:?} and not at its end")]
    Stopped {
        /// The address after the instruction at which it stopped.
        pc: u64,
        /// The code of the trap, if it was one.
        code: Option<u16>,
    },
    /// The objects' addresses are not where they should be.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

/// Runs the program of an image on a machine of its own.
///
/// # Errors
/// [`RunError`].
pub fn run_on_cpu(image: Image) -> Result<Finished, RunError> {
    let mut machine = Machine::new(image.target)?;
    *machine.memory_mut() = image.memory;
    let exit = machine.run(image.entry, Limits::instructions(LIMIT));
    let code = machine.trap_code();
    match exit? {
        Exit::Trap { .. } if code == Some(DONE) => {}
        exit => return Err(RunError::Stopped { pc: exit.pc(), code }),
    }
    let instructions = machine.instructions();
    finish(image.target, machine.into_memory(), image.symbols, image.locations, instructions)
}

/// Runs the program of an image without a CPU. The memory that it leaves is the same.
///
/// # Errors
/// [`RunError`].
pub fn run_interpreted(mut image: Image) -> Result<Finished, RunError> {
    let mut interpreter = Interpreter::new(image.target, &image.ops, &image.assembled);
    match interpreter.run(&mut image.memory, image.entry, LIMIT)? {
        interpreter::Exit::Trap { code: DONE, .. } => {}
        interpreter::Exit::Trap { code, pc } => return Err(RunError::Stopped { pc, code: Some(code) }),
        interpreter::Exit::Limit { pc } => return Err(RunError::Stopped { pc, code: None }),
    }
    finish(image.target, image.memory, image.symbols, image.locations, 0)
}

fn finish(
    target: AnyTarget,
    memory: GuestMemory,
    symbols: Symbols,
    mut locations: Locations,
    instructions: u64,
) -> Result<Finished, RunError> {
    locations.read_objects(&memory)?;
    Ok(Finished { target, memory, symbols, locations, instructions })
}
