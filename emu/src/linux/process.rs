//! A process: a program, loaded into a machine, and the kernel's knowledge of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use heapmatrix_writer::AnyTarget;

use super::arch::{Linux, Long};
use super::budget::{Budget, Charge};
use super::clock::{Clock, Random};
use super::elf::SymbolTable;
use super::errno::Errno;
use super::fd::{Descriptors, Input, Stream};
use super::fs::{Files, Kept, Kind, Mount, Node};
use super::futex::Futexes;
use super::host::Host;
use super::segments::Segments;
use super::shared::Mapping;
use super::signal::Actions;
use super::space::Space;
use super::table::Table;
use super::thread::{Call, Thread, Threads};
use super::timer::{TimerClock, Timers};
use super::user::{Order, User};
use super::watch::Watch;
use crate::machine::{Fault, Machine, Register};
use crate::memory::{GuestMemory, PAGE};

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
    /// A folder of the host's that has the program's dynamic linker and libraries. All that is in it lies at the root
    /// of the program's files, but what the system itself has there.
    pub sysroot: Option<PathBuf>,
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
            sysroot: None,
            keep: None,
            max_memory: 4 << 30,
            max_instructions: u64::MAX,
            time_slice: 100_000,
            patience: None,
        }
    }
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
    #[error("the program needs more than {0} bytes of memory, its limit: raise it with --max-memory")]
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
        /// Its name, such as `SIGSEGV`.
        name: String,
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
            ExitStatus::Killed { name, cause, .. } => write!(f, "killed by {name}: {cause}"),
        }
    }
}

/// What a run cost.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
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
    pub(super) linux: &'static Linux,
    pub(super) descriptors: bool,
    /// How far the program lies from where it was linked for.
    pub(super) bias: u64,
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
    /// Limits of resources that the program has set: the present ones and the highest.
    pub(super) limits: BTreeMap<u64, (u64, u64)>,
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

    /// How far the program lies from where it was linked for, in bytes.
    pub fn bias(&self) -> u64 {
        self.bias
    }

    /// The numbers of its threads: first that of the one that was stopped.
    pub fn tids(&self) -> Vec<u32> {
        let others = self.threads.iter().map(|thread| thread.tid).filter(|&tid| tid != self.current);
        std::iter::once(self.current).chain(others).collect()
    }

    /// A word-sized register of a thread, as it will go on.
    pub fn register_of(&self, tid: u32, register: Register) -> Option<u64> {
        if tid == self.current {
            return self.register(register);
        }
        let thread = self.threads.iter().find(|thread| thread.tid == tid)?;
        self.machine.get_saved(thread.context.as_ref()?, register).ok()
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

    /// A 64-bit argument, which 32-bit machines pass in two registers.
    pub(super) fn long_argument(&self, call: &Call, index: usize) -> u64 {
        let at = match self.linux.long {
            Long::One => return call.args[index],
            Long::Two => index,
            Long::EvenTwo => index.next_multiple_of(2),
        };
        let (first, second) = (call.args[at] & 0xffff_ffff, call.args[at + 1] & 0xffff_ffff);
        if self.order.big { first << 32 | second } else { first | second << 32 }
    }

    /// The arguments of a call that are an array of words.
    pub(super) fn arguments_at(&mut self, addr: u64) -> Result<[u64; 6], Errno> {
        let (word, user) = (self.order.word, self.user());
        let mut args = [0; 6];
        for (at, arg) in (0..).zip(&mut args) {
            *arg = user.word(addr.wrapping_add(at * word))?;
        }
        Ok(args)
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
