//! Loading a program: a process that is about to execute its first instruction.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use heapmatrix_writer::AnyTarget;

use super::arch::{self, Entry};
use super::budget::Budget;
use super::clock::{Clock, Random};
use super::elf::{ElfError, Program};
use super::errno::Errno;
use super::fd::Descriptors;
use super::fs::{Files, Kind};
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
    /// It has a dynamic linker, and nobody says where that is.
    #[error(
        "the program needs the dynamic linker {0} and its libraries: name a folder that has them with --sysroot, or \
         link it statically (Go: CGO_ENABLED=0 and no -buildmode=pie)"
    )]
    Interpreter(String),
    /// Its dynamic linker can't be used.
    #[error("the program's dynamic linker {path} {why}")]
    BadInterpreter {
        /// Its path in the sysroot.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// It begins with Thumb code.
    #[error(
        "the program begins with Thumb instructions at {0:#x}, and only those of ARM are emulated: Go's compilers make \
         these, and so do C compilers with -marm (Debian's armel, not its armhf)"
    )]
    Thumb(u64),
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
    /// Loads an ELF program.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load(elf: &[u8], options: Options, mut host: Box<dyn Host>) -> Result<Self, LoadError> {
        let mut program = Program::parse(elf)?;
        let target = program.target;
        let mut machine = Machine::new(target)?;
        let linux = arch::of(target).ok_or(NewError::Unsupported(target))?;

        let bias = if program.movable { linux.addresses.image } else { 0 };
        if program.movable {
            program = program.moved_by(bias);
        }
        let interpreter = match program.interpreter.take() {
            Some(path) if options.sysroot.is_none() => return Err(LoadError::Interpreter(path)),
            other => other,
        };
        let needed = program.image_len() + STACK_SIZE + program.symbols.cost();
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

        let base = if interpreter.is_some() { linux.addresses.mmap } else { 0 };
        let mut random = Random::new(SEED);
        let stack = InitialStack::new(linux, &program, base, &options.args, &options.env, &mut random);
        if stack.bytes.len() as u64 > STACK_SIZE / 2 {
            return Err(LoadError::Arguments(stack.bytes.len()));
        }
        let bottom = linux.addresses.stack_top - STACK_SIZE;
        machine.memory_mut().map("[stack]", bottom, STACK_SIZE, Prot::READ_WRITE)?;
        machine.memory_mut().write(stack.sp, &stack.bytes)?;

        let segments = Segments::set_up(&mut machine).map_err(|e| LoadError::Engine(e.to_string()))?;

        let clock = Clock::default();
        let (files, cwd) = files(&options, budget.clone(), elf, stack.auxv, clock.wall() as i64)?;
        let (mut entry, mut descriptors) = (program.entry, program.descriptors);
        if let Some(path) = &interpreter {
            let bytes = contents(&files, path, limit)?;
            let linker = linker(path, &bytes, target)?.moved_by(base);
            drop(budget.take(needed + linker.image_len()).map_err(too_large)?);
            load_segments(machine.memory_mut(), &linker)?;
            (entry, descriptors) = (linker.entry, linker.descriptors);
        }
        if target == AnyTarget::Arm && entry & 1 != 0 {
            return Err(LoadError::Thumb(entry));
        }
        (linux.start)(&mut machine, Entry { addr: entry, descriptors, sp: stack.sp })?;
        let space =
            Space::new(&linux.addresses, image_end, machine.memory(), budget.clone()).map_err(too_large)?;

        let mut fds = Descriptors::default();
        let input = standard(&files, &mut fds, &mut *host).map_err(|_| no_room(options.max_memory))?;

        Ok(Process {
            machine,
            target,
            order: linux.order,
            linux,
            descriptors: program.descriptors,
            bias,
            table: Table::new(linux.syscalls, handler),
            _symbols_charge: budget.take(program.symbols.cost()).map_err(too_large)?,
            symbols: std::mem::take(&mut program.symbols),
            space,
            segments,
            clock,
            random,
            files,
            fds,
            limits: BTreeMap::new(),
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

/// What is in a file of the program's.
fn contents(files: &Files, path: &str, limit: u64) -> Result<Vec<u8>, LoadError> {
    let bad = |why: &str| LoadError::BadInterpreter { path: path.to_owned(), why: why.to_owned() };
    let node = files.lookup(&files.root(), path.as_bytes(), true).map_err(|errno| {
        bad(match errno {
            Errno::NoEnt | Errno::NotDir => "is not in the folder that --sysroot names",
            _ => "can't be opened",
        })
    })?;
    let size = node.size();
    if size > limit {
        return Err(LoadError::TooLarge { needed: size, limit });
    }
    let Kind::Host(file) = &node.kind else { return Err(bad("is not a file")) };
    let mut bytes = vec![0; size as usize];
    let mut done = 0;
    while done < bytes.len() {
        match file.read(done as u64, &mut bytes[done..]) {
            Ok(0) | Err(_) => return Err(bad("can't be read")),
            Ok(read) => done += read,
        }
    }
    Ok(bytes)
}

/// A dynamic linker, parsed: a program of the same machine that may be anywhere, and needs no other.
fn linker<'a>(path: &str, bytes: &'a [u8], target: AnyTarget) -> Result<Program<'a>, LoadError> {
    let bad = |why: String| LoadError::BadInterpreter { path: path.to_owned(), why };
    let linker = Program::parse(bytes).map_err(|error| bad(format!("is {error}")))?;
    if linker.target != target {
        return Err(bad(format!("is for {}, and the program for {target}", linker.target)));
    }
    if !linker.movable || linker.interpreter.is_some() {
        return Err(bad("is no dynamic linker".to_owned()));
    }
    Ok(linker)
}
