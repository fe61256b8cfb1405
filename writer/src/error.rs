//! What can be wrong with a target's memory, or with the output.

use std::fmt;
use std::io;

use crate::memory::{Addr, Unreadable};
use crate::target::{AnyTarget, Names};

/// A field of a runtime structure, or a variable of the runtime: where something was read.
///
/// Displayed as Go would spell it: `mspan.freelist`, `g.sched.sp`, `runtime.allgs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The structure's name in Go's runtime, or `runtime` for a variable.
    pub structure: &'static str,
    /// The field's or the variable's name.
    pub field: &'static str,
    /// The field of the field, where that is a structure itself.
    pub part: Option<&'static str>,
}

impl Place {
    /// A field of a structure.
    pub const fn new(structure: &'static str, field: &'static str) -> Place {
        Place { structure, field, part: None }
    }

    /// A variable of package runtime.
    pub const fn variable(name: &'static str) -> Place {
        Place::new("runtime", name)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.structure, self.field)?;
        self.part.map_or(Ok(()), |part| write!(f, ".{part}"))
    }
}

/// Why a heap dump could not be written to its end.
///
/// Where the reference would `throw`, its message is quoted in the variant's documentation. What was
/// dumped before the error has been written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A machine on which that release of Go does not run.
    #[error("no runtime of Go {release} on {target}: it runs on {names}", names = Names(targets))]
    NoSuchMachine {
        /// The machine.
        target: AnyTarget,
        /// The release of Go.
        release: &'static str,
        /// The machines on which it runs.
        targets: &'static [AnyTarget],
    },

    /// The target's memory is not there where a structure says that it is.
    #[error("reading {place}: {source}")]
    Unreadable {
        /// What was being read.
        place: Place,
        /// Which memory could not be read.
        source: Unreadable,
    },

    /// The output does not take the dump.
    #[error("writing the dump at offset {offset}: {source}")]
    Write {
        /// How many bytes of the dump the output has taken.
        offset: u64,
        /// What the output answered; [`io::ErrorKind::WriteZero`] when it takes no more.
        source: io::Error,
    },

    /// A length, a count or an index that cannot be right.
    #[error("{place} at {at} is {value:#x}: {problem}")]
    OutOfRange {
        /// The length's field.
        place: Place,
        /// The address of the structure that the field is in.
        at: Addr,
        /// The value.
        value: u64,
        /// What it violates.
        problem: &'static str,
    },

    /// A linked list that leads back into itself.
    #[error("the list linked through {place} loops: it comes back to {at}")]
    ListLoops {
        /// The field that links the list.
        place: Place,
        /// An element of the loop.
        at: Addr,
    },

    /// A span that waits to be swept: what of it is free is not known yet.
    ///
    /// The reference sweeps it (`mSpan_EnsureSwept`); from outside that cannot be done.
    #[error(
        "the span at {span} is not swept (mspan.sweepgen {sweepgen}, mheap.sweepgen {heap_sweepgen}): \
         dump the process when it is about to dump itself, or right after a complete collection"
    )]
    UnsweptSpan {
        /// The span.
        span: Addr,
        /// Its sweep generation.
        sweepgen: u32,
        /// The heap's sweep generation.
        heap_sweepgen: u32,
    },

    /// The program does not say where something is that no heap dump can be written without.
    #[error(transparent)]
    NoLayout(#[from] crate::layouts::NoLayout),

    /// The memory statistics are nowhere: the process is not in `debug.WriteHeapDump`.
    #[error(
        "the process has no memory statistics: since Go 1.19 they are collected only in debug.WriteHeapDump; \
         dump it at runtime.dumpparams"
    )]
    NoStatistics,

    /// An element of a span's freelist that is no free slot of the span: outside it, off its grid, or on
    /// the list for the second time.
    #[error("mspan.freelist of the span at {span}: {slot} {problem}")]
    BadFreelist {
        /// The span.
        span: Addr,
        /// The element.
        slot: Addr,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// A goroutine in a status that it cannot have while the world is stopped ("dumpgs in STW - bad
    /// status").
    #[error(
        "g.atomicstatus of the goroutine at {g} is {status:#x}: \
         with the world stopped it can only be runnable, in a system call, waiting or dead"
    )]
    BadStatus {
        /// The goroutine.
        g: Addr,
        /// `g.atomicstatus`.
        status: u32,
    },

    /// The pclntab contradicts itself ("invalid runtime symbol table", "findfunc: bad findfunctab entry").
    #[error("pclntab: {problem} for pc {pc} (function at {entry})")]
    BadSymtab {
        /// The PC that was looked up.
        pc: Addr,
        /// The entry PC of the function, nil where none was found yet.
        entry: Addr,
        /// What is wrong.
        problem: &'static str,
    },

    /// A goroutine's stack could not be unwound.
    #[error("the stack of the goroutine at {g}, at sp {sp}: {source}")]
    Traceback {
        /// The goroutine.
        g: Addr,
        /// The stack pointer of the frame at which it failed.
        sp: Addr,
        /// What is wrong.
        source: TracebackError,
    },
}

/// What `gentraceback` can find wrong with a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TracebackError {
    /// "unknown pc".
    #[error("pc {0} is in no known function")]
    UnknownPc(Addr),
    /// "unknown caller pc".
    #[error("return pc {lr} of the function at {entry} is in no known function")]
    UnknownCaller {
        /// The callee's entry PC.
        entry: Addr,
        /// The return PC.
        lr: Addr,
    },
    /// A frame that ends below its start, or frame upon frame that is empty.
    #[error("the frame of the function at {entry} ends at {fp}: the traceback does not advance")]
    NotAdvancing {
        /// The function's entry PC.
        entry: Addr,
        /// The frame's end.
        fp: Addr,
    },
    /// "traceback_arm: found jmpdefer when tracing with callback".
    #[error("caught inside jmpdefer, where registers are inconsistent")]
    InJmpdefer,
    /// "inconsistent state in stackBarrier".
    #[error("caught inside stackBarrier, and no stack barrier is below")]
    InStackBarrier,
    /// "traceback: unexpected SPWRITE function".
    #[error("the function at {0} writes to SP, so that its caller's frame cannot be found")]
    SpWrite(Addr),
    /// "missed stack barrier".
    #[error("found a stack barrier at {found}; g.stkbar expects the next one at {expected}")]
    MissedStackBarrier {
        /// Where the barrier is.
        found: Addr,
        /// Where it should be; nil when there should be none.
        expected: Addr,
    },
    /// "traceback has leftover defers".
    #[error("no frame belongs to the defer at {0}")]
    LeftoverDefer(Addr),
    /// "traceback has leftover stack barriers".
    #[error("{0} stack barriers of g.stkbar were not found")]
    LeftoverStackBarriers(u64),
    /// "reflect mismatch".
    #[error("the reflect stub at {entry} was called for the function at {found}")]
    ReflectMismatch {
        /// The stub's entry PC.
        entry: Addr,
        /// What the call's context says.
        found: Addr,
    },
    /// "stackmapdata: index out of range".
    #[error("stack map index {index} is out of range for the function at {entry}, which has {n}")]
    StackMapIndex {
        /// The function's entry PC.
        entry: Addr,
        /// The index that the PC's table gives.
        index: i32,
        /// How many stack maps there are.
        n: i32,
    },
    /// A negative number of bits.
    #[error("the stack map at {0} has a negative number of bits")]
    NegativeBits(Addr),
    /// Arguments that end beyond the memory that their stack is in.
    #[error(
        "the function at {entry} is said to have {arglen:#x} bytes of arguments: memory ends before them"
    )]
    ArgsTooLarge {
        /// The function's entry PC.
        entry: Addr,
        /// The size of its arguments, in bytes.
        arglen: u64,
    },
    /// Local variables that do not fit into their frame.
    #[error(
        "the stack map of the function at {entry} is for {size:#x} bytes of locals: its frame is smaller"
    )]
    LocalsTooLarge {
        /// The function's entry PC.
        entry: Addr,
        /// The size of what the map describes, in bytes.
        size: u64,
    },
}
