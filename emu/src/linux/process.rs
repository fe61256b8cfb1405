//! A process: a program, loaded into a machine, and the kernel's knowledge of it.

use std::collections::BTreeSet;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use heapmatrix_writer::AnyTarget;

use super::arch::{self, Arch};
use super::budget::{Budget, Charge};
use super::clock::{Clock, Random};
use super::elf::{ElfError, Program, SymbolTable};
use super::fd::{Descriptors, Input, Stream};
use super::fs::{Files, Kept, Kind, Mount, Node};
use super::futex::Futexes;
use super::host::Host;
use super::input::standard;
use super::pages::kernel_pages;
use super::segments::Segments;
use super::setup::{files, load_segments, no_room, start};
use super::shared::Mapping;
use super::signal::{self, Actions};
use super::space::Space;
use super::stack::{InitialStack, STACK_SIZE, stack_top};
use super::syscalls::Table;
use super::thread::{Call, Thread, Threads};
use super::timer::{TimerClock, Timers};
use super::user::{Order, User};
use super::watch::Watch;
use crate::machine::{Fault, Machine, NewError, Register};
use crate::memory::{GuestMemory, MemoryError, PAGE, Prot};

/// Where randomness begins: the program's, and the lengths of its turns.
const SEED: u64 = 0x6865_6170_6d61_7472;
const TURNS_SEED: u64 = 0x7475_726e_7475_726e;

/// How a program is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program's arguments; the first is its name.
    pub args: Vec<String>,
    /// Its environment, `NAME=value` each.
    pub env: Vec<String>,
    /// How many CPUs it sees, from 1 to 64. Its threads take turns in any case.
    pub cpus: u32,
    /// The path at which it finds itself: absolute.
    pub path: String,
    /// The folder that it works in: absolute. It is made if it is not there.
    pub cwd: String,
    /// What it may read of the host's files.
    pub mounts: Vec<Mount>,
    /// Says by its first bytes, 64 at most, whether a file is kept that the program deletes
    /// ([`Process::deleted`]).
    pub keep: Option<fn(&[u8]) -> bool>,
    /// How many bytes of the host's memory it may take: what it maps, its files, threads and symbols.
    pub max_memory: u64,
    /// How many instructions it may execute. What the kernel does for it counts as the instructions that take
    /// about as long: so this bounds the time of the host.
    pub max_instructions: u64,
    /// How many instructions a thread executes at most before it is another's turn. Each turn is shorter
    /// by up to a quarter: were they all alike, they would end at the same place of a loop for ever, and
    /// a program that can be preempted only at others would never end.
    pub time_slice: u64,
    /// After how much of the host's time without input or output to note once that the program goes on.
    /// Never, if `None`.
    pub patience: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            args: vec!["program".to_owned()],
            env: Vec::new(),
            cpus: 1,
            path: "/program".to_owned(),
            cwd: "/".to_owned(),
            mounts: Vec::new(),
            keep: None,
            max_memory: 4 << 30,
            max_instructions: u64::MAX,
            time_slice: 100_000,
            patience: None,
        }
    }
}

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

/// Why a program can't go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// It has used up all the instructions that it may.
    #[error(
        "the program has executed {0} instructions, its limit, in which system calls and signals count by what \
         they cost: raise it with --max-instructions"
    )]
    Instructions(u64),
    /// It has taken all the memory that it may.
    #[error("the program wants more than {0} bytes of memory, its limit: raise it with --max-memory")]
    Memory(u64),
    /// All its threads wait, and nothing will wake them.
    #[error("deadlock: all {0} threads wait, and nothing will wake them")]
    Deadlock(usize),
    /// The machine failed in a way that a real one does not.
    #[error("{0}, at {1}")]
    Machine(Fault, String),
    /// The engine refused something.
    #[error("the emulation engine failed: {0}")]
    Engine(String),
    /// The host can't take the program's output.
    #[error("cannot write the program's output: {0}")]
    Output(#[from] io::Error),
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// By itself, with this status.
    Exited(u8),
    /// By a signal.
    Killed {
        /// The signal's number.
        signal: u32,
        /// What led to it: where, and why.
        cause: String,
    },
}

impl ExitStatus {
    /// The status that a shell would show.
    pub fn code(&self) -> u8 {
        match self {
            ExitStatus::Exited(code) => *code,
            ExitStatus::Killed { signal, .. } => (128 + signal) as u8,
        }
    }
}

impl std::fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ExitStatus::Exited(code) => write!(f, "exit status {code}"),
            ExitStatus::Killed { signal: number, cause } => {
                write!(f, "killed by {}: {cause}", signal::name(*number))
            }
        }
    }
}

/// What a run cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stats {
    /// Instructions executed by all threads.
    pub instructions: u64,
    /// Host time spent in [`Process::run`].
    pub time: Duration,
    /// The most bytes that were taken of [`Options::max_memory`] at one time.
    pub memory: u64,
    /// Threads that were started, the first included.
    pub threads: u32,
}

/// A process.
///
/// The same program with the same options does the same in every run, down to the last byte.
pub struct Process {
    pub(super) machine: Machine,
    pub(super) target: AnyTarget,
    pub(super) order: Order,
    pub(super) arch: &'static dyn Arch,
    pub(super) descriptors: bool,
    pub(super) table: Table,
    pub(super) symbols: SymbolTable,
    /// What the symbols take.
    pub(super) _symbols_charge: Charge,
    pub(super) space: Space,
    pub(super) segments: Option<Segments>,
    pub(super) clock: Clock,
    pub(super) random: Random,
    pub(super) files: Files,
    pub(super) fds: Descriptors,
    /// The folder that it works in.
    pub(super) cwd: Node,
    /// What the program may make the host hold.
    pub(super) budget: Budget,
    /// What is mapped and shared.
    pub(super) shared: Vec<Mapping>,
    /// Whether it was said that two mappings differ.
    pub(super) shared_twice: bool,
    /// Standard input, if it is a stream.
    pub(super) input: Rc<Input>,
    /// How many bytes of it somebody waits for.
    pub(super) input_wanted: Option<usize>,
    pub(super) timers: Timers,
    pub(super) cpus: u32,
    pub(super) threads: Threads,
    /// The thread whose registers are in the CPU.
    pub(super) current: u32,
    /// When the current thread's turn ends, in instructions.
    pub(super) slice_end: u64,
    /// The number of instructions at the last hint to let others run.
    pub(super) yielded: Option<u64>,
    pub(super) futexes: Futexes,
    pub(super) actions: Actions,
    pub(super) exit: Option<ExitStatus>,
    pub(super) host: Box<dyn Host>,
    pub(super) output_error: Option<io::Error>,
    /// What was said to be missing.
    pub(super) missed: BTreeSet<String>,
    pub(super) max_instructions: u64,
    pub(super) time_slice: u64,
    /// What the kernel has had to do, in instructions that take about as long.
    pub(super) effort: u64,
    /// By how much turns are shorter than that.
    pub(super) turns: Random,
    pub(super) watch: Option<Watch>,
    pub(super) started: u32,
    pub(super) time: Duration,
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
        let arch = arch::of(target).ok_or(NewError::Unsupported(target))?;
        let order = Order::of(target);

        let image: u64 = program.segments.iter().map(|s| s.pages().1 - s.pages().0).sum();
        let needed = image + STACK_SIZE + program.symbols.cost();
        let limit = options.max_memory;
        let too_large = |_| LoadError::TooLarge { needed, limit };
        let budget = Budget::new(limit);
        // Before anything is mapped: an image may be larger than the host's memory.
        drop(budget.take(needed).map_err(too_large)?);
        let image_end = load_segments(machine.memory_mut(), &program)?;
        for page in kernel_pages(target) {
            machine.memory_mut().map(page.name, page.addr, PAGE, Prot::READ_EXEC)?;
            for (offset, code) in &page.code {
                machine.memory_mut().write(page.addr + *offset as u64, code)?;
            }
        }

        let mut random = Random::new(SEED);
        let stack = InitialStack::new(&program, &options.args, &options.env, &mut random);
        if stack.bytes.len() as u64 > STACK_SIZE / 2 {
            return Err(LoadError::Arguments(stack.bytes.len()));
        }
        let bottom = stack_top(target) - STACK_SIZE;
        machine.memory_mut().map("[stack]", bottom, STACK_SIZE, Prot::READ_WRITE)?;
        machine.memory_mut().write(stack.sp, &stack.bytes)?;

        let segments = Segments::set_up(&mut machine).map_err(|e| LoadError::Engine(e.to_string()))?;
        start(&mut machine, &program, stack.sp)?;
        let space = Space::new(target, image_end, machine.memory(), budget.clone()).map_err(too_large)?;

        let clock = Clock::default();
        let mut fds = Descriptors::default();
        let (files, cwd) = files(&options, budget.clone(), elf, stack.auxv, clock.wall() as i64)?;
        let input = standard(&files, &mut fds, &mut *host).map_err(|_| no_room(options.max_memory))?;

        Ok(Process {
            machine,
            target,
            order,
            arch,
            descriptors: program.descriptors,
            table: Table::of(target),
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
            current: super::thread::PID,
            slice_end: 0,
            yielded: None,
            futexes: Futexes::default(),
            actions: Actions::default(),
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

    /// The program's machine.
    pub fn target(&self) -> AnyTarget {
        self.target
    }

    /// The program's memory, which stands still between runs.
    pub fn memory(&self) -> &GuestMemory {
        self.machine.memory()
    }

    /// The program's symbols.
    pub fn symbols(&self) -> &SymbolTable {
        &self.symbols
    }

    /// Where the thread that was stopped goes on.
    pub fn pc(&self) -> u64 {
        self.machine.pc()
    }

    /// A word-sized register of the thread that was stopped.
    pub fn register(&self, register: Register) -> Option<u64> {
        self.machine.get(register).ok()
    }

    /// The files that the program has made, by path.
    pub fn captured(&mut self) -> Vec<Kept> {
        self.pull_node(None);
        self.files.made()
    }

    /// The files that the program has made and deleted, and that [`Options::keep`] wants: the last one that
    /// nobody had open any more, and those that are open still.
    pub fn deleted(&self) -> Vec<Kept> {
        self.files.deleted()
    }

    /// A file that the program has made and has open: its contents, and the position of the next
    /// write. `None` also when nearly all of it is one large hole.
    pub fn open_file(&self, fd: u64) -> Option<(Vec<u8>, u64)> {
        let open = self.fds.get(fd).ok()?;
        let open = open.borrow();
        match &open.node()?.kind {
            Kind::File(data) => Some((data.borrow().to_vec()?, open.offset)),
            _ => None,
        }
    }

    /// Where the next `mmap` of so many bytes would go that asks for no address.
    pub fn free_address(&self, len: u64) -> Option<u64> {
        self.space.find(self.machine.memory(), 0, len.checked_next_multiple_of(PAGE)?).ok()
    }

    /// What running has cost so far.
    pub fn stats(&self) -> Stats {
        Stats {
            instructions: self.machine.instructions(),
            time: self.time,
            memory: self.budget.peak(),
            threads: self.started,
        }
    }

    /// Lets only the thread run that was stopped, or all of them again.
    pub fn freeze_others(&mut self, frozen: bool) {
        self.threads.run_alone(frozen.then_some(self.current));
    }

    /// The thread that makes the present system call.
    pub(super) fn thread(&mut self) -> &mut Thread {
        self.threads.get(self.current).expect("the thread that runs exists")
    }

    /// The process's memory, as the kernel sees it.
    pub(super) fn user(&mut self) -> User<'_> {
        User::new(self.machine.memory_mut(), self.order)
    }

    /// A 64-bit argument, which 32-bit machines pass in two registers: on arm an even one first.
    pub(super) fn long_argument(&self, call: &Call, index: usize) -> u64 {
        let at = if self.target == AnyTarget::Arm { index.next_multiple_of(2) } else { index };
        match self.order.word {
            8 => call.args[index],
            _ => call.args[at] | call.args[at + 1] << 32,
        }
    }

    /// What time it is on the clock of a timer.
    pub(super) fn timer_time(&mut self, clock: TimerClock) -> u64 {
        match clock {
            TimerClock::Real => self.clock.monotonic(),
            TimerClock::Process => self.clock.instructions(),
            TimerClock::Thread(tid) => self.threads.get(tid).map_or(0, |thread| thread.cpu),
        }
    }

    /// What the program has cost, in instructions: its own, and what the kernel has done for it.
    pub(super) fn cost(&self) -> u64 {
        self.machine.instructions().saturating_add(self.effort).saturating_add(self.machine.memory().effort())
    }

    /// Hands the program's output to the host.
    pub(super) fn emit(&mut self, stream: Stream, bytes: &[u8]) {
        if let Err(error) = self.host.output(stream, bytes) {
            self.output_error.get_or_insert(error);
        }
    }

    /// Times what runs the machine.
    pub(super) fn timed<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        let start = Instant::now();
        let result = run(self);
        self.time += start.elapsed();
        result
    }
}
