//! Goroutines and their stacks.

use serde::{Deserialize, Serialize};

use super::{Funcval, Pc, Value};

/// A goroutine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Goroutine {
    /// `goid`.
    pub goid: i64,
    /// `atomicstatus`. A dead goroutine is not dumped; it has a `g` and nothing else.
    pub status: Status,
    /// `waitsince`, in nanoseconds of some clock.
    #[serde(default)]
    pub wait_since: i64,
    /// `waitreason`; it stays behind when the wait is over.
    #[serde(default)]
    pub wait_reason: String,
    /// `gopc`: the PC of the go statement.
    #[serde(default)]
    pub gopc: Pc,
    /// `sched.ctxt`.
    #[serde(default)]
    pub ctxt: Value,
    /// Index of the thread, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<usize>,
    /// What the outermost activation would return to.
    #[serde(default)]
    pub bottom: Bottom,
    /// The arguments of the outermost activation; missing ones are zero. They lie above all frames,
    /// except that without a link register the first one is the frame of the [bottom](Bottom).
    #[serde(default)]
    pub args: Vec<Value>,
    /// The call chain, outermost first; its function is the goroutine's `startpc`. At least one
    /// activation, unless the goroutine is dead.
    pub activations: Vec<Activation>,
    /// How the innermost activation came to stand still.
    #[serde(default)]
    pub stop: Stop,
    /// Panics, in the order in which they are raised: the last becomes the first of the list.
    #[serde(default)]
    pub panics: Vec<Panic>,
    /// How many stack barriers have been hit already: stale entries at the beginning of `stkbar`.
    #[serde(default)]
    pub hit_barriers: usize,
}

/// The statuses that a goroutine can have while the world is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// `_Grunnable`, 1.
    Runnable,
    /// `_Gsyscall`, 3.
    Syscall,
    /// `_Gwaiting`, 4.
    Waiting,
    /// `_Gdead`, 6.
    Dead,
}

impl Status {
    /// The value of `atomicstatus` (runtime2.go).
    pub const fn code(self) -> u32 {
        match self {
            Status::Runnable => 1,
            Status::Syscall => 3,
            Status::Waiting => 4,
            Status::Dead => 6,
        }
    }
}

/// The function at the bottom of a stack, at which `topofstack` stops the walk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bottom {
    /// `runtime.goexit`: under every ordinary goroutine.
    #[default]
    Goexit,
    /// `runtime.mstart`.
    Mstart,
    /// `runtime.mcall`.
    Mcall,
    /// `runtime.morestack`.
    Morestack,
    /// `runtime.rt0_go`.
    Rt0Go,
}

impl Bottom {
    /// The function's name.
    pub const fn name(self) -> &'static str {
        match self {
            Bottom::Goexit => "runtime.goexit",
            Bottom::Mstart => "runtime.mstart",
            Bottom::Mcall => "runtime.mcall",
            Bottom::Morestack => "runtime.morestack",
            Bottom::Rt0Go => "runtime.rt0_go",
        }
    }
}

/// How a goroutine's innermost activation came to stand still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// It called `mcall`, as `gopark` and `gosched` do: SP and PC are in `sched`.
    #[default]
    Park,
    /// It called `entersyscall`: SP and PC are in `syscallsp` and `syscallpc`, and `sched` is where
    /// `entersyscall` itself last switched stacks.
    Syscall,
    /// Its prologue called `morestack`, which preempted it: it has no frame yet, and machines with
    /// a link register still hold the return PC there (`sched.lr`).
    Preempted,
    /// It has not begun: the only activation, `sched` holds its entry PC (`newproc1`).
    NotStarted,
    /// It called a nil function: `sched.pc` is zero. With a link register, the walk takes the word
    /// at SP for the PC; it goes on in the caller only if that is the same function, which
    /// therefore must be so.
    NilCall,
    /// Something that it had called returned into `stackBarrier`, which was interrupted.
    Barrier {
        /// Whether `stackBarrier` had counted the barrier in `stkbarPos` yet.
        counted: bool,
    },
}

impl Stop {
    /// Whether the innermost activation has gone through its prologue.
    pub const fn has_frame(self) -> bool {
        !matches!(self, Stop::Preempted | Stop::NotStarted)
    }
}

/// A call of a function that has not returned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    /// Index of the function.
    pub function: usize,
    /// What it stored into its frame, from the lowest word (the outgoing arguments) upwards: at
    /// most [`Function::frame`](super::Function::frame) words; missing ones are zero.
    #[serde(default)]
    pub words: Vec<Value>,
    /// `PCDATA_StackMapIndex` at its call: -1 ("none", which the dump takes for 0) or the index of
    /// a bitmap that both stack maps of the function have, if they have any.
    #[serde(default)]
    pub stack_map: i32,
    /// The line of its call; the next instruction belongs to the next line.
    #[serde(default)]
    pub line: u32,
    /// Whether a stack barrier has taken the place of its return PC.
    #[serde(default)]
    pub barrier: bool,
    /// The functions that it has deferred, in order: the last is the first to run.
    #[serde(default)]
    pub defers: Vec<Defer>,
}

impl Activation {
    /// An activation with an empty frame and nothing special about it.
    pub const fn new(function: usize) -> Activation {
        Activation { function, words: Vec::new(), stack_map: 0, line: 0, barrier: false, defers: Vec::new() }
    }
}

/// A deferred function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defer {
    /// The function.
    pub fun: Funcval,
    /// Its `sp` is `_NoArgs`: it belongs to no frame, and the walk passes over it.
    #[serde(default)]
    pub no_args: bool,
}

/// A panic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Panic {
    /// Index of the dynamic type of the argument; none for a nil argument.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typ: Option<usize>,
    /// The argument's data word.
    pub data: Value,
}
