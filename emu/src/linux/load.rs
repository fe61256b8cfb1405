//! Loading a program: a process that is about to execute its first instruction.

use std::collections::BTreeSet;
use std::time::Duration;

use super::arch;
use super::budget::Budget;
use super::clock::{Clock, Random};
use super::elf::{ElfError, Program};
use super::fd::Descriptors;
use super::futex::Futexes;
use super::host::Host;
use super::input::standard;
use super::process::{Options, Process};
use super::segments::Segments;
use super::setup::{files, load_segments, no_room};
use super::signal::Actions;
use super::space::Space;
use super::stack::{InitialStack, STACK_SIZE};
use super::syscalls::handler;
use super::table::Table;
use super::thread::{PID, Threads};
use super::timer::Timers;
use super::watch::Watch;
use crate::machine::{Machine, NewError};
use crate::memory::{MemoryError, PAGE, Prot};

/// Where randomness begins: the program's, and the lengths of its turns.
const SEED: u64 = 0x6865_6170_6d61_7472;
const TURNS_SEED: u64 = 0x7475_726e_7475_726e;

/// Why a program can't be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It is no program for these machines.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// There is no such machine.
    #[error(transparent)]
    Machine(#[from] NewError),
    /// Its image does not fit.
    #[error("cannot load the program's image: {0}")]
    Memory(#[from] MemoryError),
    /// Its image is larger than the limit.
    #[error(
        "the program's image needs {needed} bytes of memory, and the limit is {limit}: raise it with --max-memory"
    )]
    TooLarge {
        /// Bytes in the image, the stack and the symbols.
        needed: u64,
        /// [`Options::max_memory`].
        limit: u64,
    },
    /// What it would see of the host's files can't be shown.
    #[error("cannot show {path} to the program: {why}")]
    Mount {
        /// The path that the program would have seen.
        path: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Its arguments and environment do not fit on the stack.
    #[error("arguments and environment take {0} bytes: the stack has room for {STACK_SIZE}")]
    Arguments(usize),
    /// The engine refused.
    #[error("cannot set up the machine: {0}")]
    Engine(String),
}

impl Process {
    /// Loads a statically linked ELF program.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load(elf: &[u8], options: Options, mut host: Box<dyn Host>) -> Result<Self, LoadError> {
        let mut program = Program::parse(elf)?;
        let target = program.target;
        let mut machine = Machine::new(target)?;
        let linux = arch::of(target).ok_or(NewError::Unsupported(target))?;

        let image: u64 = program.segments.iter().map(|s| s.pages().1 - s.pages().0).sum();
        let needed = image + STACK_SIZE + program.symbols.cost();
        let limit = options.max_memory;
        let too_large = |_| LoadError::TooLarge { needed, limit };
        let budget = Budget::new(limit);
        // Before anything is mapped: an image may be larger than the host's memory.
        drop(budget.take(needed).map_err(too_large)?);
        let image_end = load_segments(machine.memory_mut(), &program)?;
        for page in linux.kernel_pages() {
            machine.memory_mut().map(page.name, page.addr, PAGE, Prot::READ_EXEC)?;
            for (offset, code) in &page.code {
                machine.memory_mut().write(page.addr + *offset as u64, code)?;
            }
        }

        let mut random = Random::new(SEED);
        let stack = InitialStack::new(linux, &program, &options.args, &options.env, &mut random);
        if stack.bytes.len() as u64 > STACK_SIZE / 2 {
            return Err(LoadError::Arguments(stack.bytes.len()));
        }
        let bottom = linux.addresses.stack_top - STACK_SIZE;
        machine.memory_mut().map("[stack]", bottom, STACK_SIZE, Prot::READ_WRITE)?;
        machine.memory_mut().write(stack.sp, &stack.bytes)?;

        let segments = Segments::set_up(&mut machine).map_err(|e| LoadError::Engine(e.to_string()))?;
        (linux.start)(&mut machine, &program, stack.sp)?;
        let space = Space::new(&linux.addresses, image_end, machine.memory(), budget.clone()).map_err(too_large)?;

        let clock = Clock::default();
        let mut fds = Descriptors::default();
        let (files, cwd) = files(&options, budget.clone(), elf, stack.auxv, clock.wall() as i64)?;
        let input = standard(&files, &mut fds, &mut *host).map_err(|_| no_room(options.max_memory))?;

        Ok(Process {
            machine,
            target,
            order: linux.order,
            linux,
            descriptors: program.descriptors,
            table: Table::new(linux.syscalls, handler),
            _symbols_charge: budget.take(program.symbols.cost()).map_err(too_large)?,
            symbols: std::mem::take(&mut program.symbols),
            space,
            segments,
            clock,
            random,
            files,
            fds,
            cwd,
            budget,
            shared: Vec::new(),
            shared_twice: false,
            input,
            input_wanted: None,
            timers: Timers::default(),
            cpus: options.cpus.clamp(1, 64),
            threads: Threads::new(),
            current: PID,
            slice_end: 0,
            yielded: None,
            futexes: Futexes::default(),
            actions: Actions::new(linux.signals),
            exit: None,
            host,
            output_error: None,
            missed: BTreeSet::new(),
            max_instructions: options.max_instructions,
            time_slice: options.time_slice.max(1),
            effort: 0,
            turns: Random::new(TURNS_SEED),
            watch: options.patience.map(Watch::new),
            started: 1,
            time: Duration::ZERO,
        })
    }
}
