//! What a dump consists of: a plain structure for each record, of values.
//!
//! A generation of Go's runtime makes them ([`Runtime`](crate::runtime::Runtime)), and `dump/` writes them. Objects of
//! the heap have none: there are too many of them, and a span describes its own ([`Span`](crate::runtime::Span)).

use crate::error::Place;
use crate::format::tags::Tag;
use crate::format::version::Arch;
use crate::memory::Addr;
use crate::process::field::Header;

/// A string.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Text {
    /// In the target's memory.
    Target(Header),
    /// One of the reference's own.
    Literal(&'static str),
}

impl Text {
    /// Whether it has no bytes.
    pub(crate) fn is_empty(self) -> bool {
        matches!(self, Text::Literal("") | Text::Target(Header { len: 0, .. }))
    }
}

/// `bitvector`: of pointer-sized words in the target's memory, those that are pointers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BitVector {
    /// The number of bits; no words are described by less than none.
    pub n: i32,
    /// Where the bits are, eight a byte, the low ones first.
    pub bytedata: Addr,
}

/// `dumpparams`.
pub(crate) struct Params {
    /// The first address of the heap.
    pub arena_start: u64,
    /// The first address after the heap.
    pub arena_used: u64,
    /// The architecture, as this version of the format spells it.
    pub arch: Arch,
    /// `goexperiment`.
    pub goexperiment: Text,
    /// The number of CPUs.
    pub ncpu: u64,
}

/// `itab_callback`.
pub(crate) struct Itab {
    /// Where it is.
    pub tab: Addr,
    /// The type of the data word of interfaces that have it.
    pub t: Addr,
}

/// How a type is called.
pub(crate) enum TypeName {
    /// By this.
    Plain(Text),
    /// By a package path, a dot and a name.
    Qualified(Header, Header),
}

/// `dumptype`.
pub(crate) struct Type {
    /// In bytes.
    pub size: u64,
    /// How it is called.
    pub name: TypeName,
    /// Whether the data word of an interface that holds such a value is a pointer.
    pub pointer: bool,
}

/// `dumpgoroutine`, without what follows the goroutine itself.
pub(crate) struct Goroutine {
    /// Where it is.
    pub g: Addr,
    /// The stack pointer.
    pub sp: u64,
    /// Its number.
    pub goid: u64,
    /// The PC of the `go` statement that created it.
    pub gopc: u64,
    /// `readgstatus`.
    pub status: u32,
    /// `isSystemGoroutine`.
    pub is_system: bool,
    /// Since when it waits, in nanoseconds.
    pub waitsince: u64,
    /// What it waits for.
    pub waitreason: Text,
    /// `sched.ctxt`.
    pub ctxt: Addr,
    /// Its thread.
    pub m: Addr,
    /// The most recent deferred call.
    pub defer: Addr,
    /// The most recent panic.
    pub panic: Addr,
}

/// `stkframe`, as far as it is dumped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stkframe {
    /// The function's entry PC.
    pub entry: u64,
    /// Program counter within the function.
    pub pc: u64,
    /// Program counter where execution can continue, or 0 if not.
    pub continpc: u64,
    /// Stack pointer at pc.
    pub sp: u64,
    /// Stack pointer at caller, aka frame pointer.
    pub fp: u64,
    /// Top of local variables.
    pub varp: u64,
    /// Pointer to function arguments.
    pub argp: u64,
    /// Number of bytes at argp.
    pub arglen: u64,
}

/// A frame, and what its function's tables say of it (`dumpframe`).
pub(crate) struct Frame {
    /// Where it is.
    pub s: Stkframe,
    /// The function's name.
    pub name: Text,
    /// The words at argp that are pointers, if there is a map of them.
    pub args: Option<BitVector>,
    /// What is known of the local variables.
    pub locals: Locals,
    /// Further words that are pointers, by their offsets from sp in bytes: those of variables whose addresses are taken, which
    /// today's stack maps leave out.
    pub objects: Vec<u64>,
}

/// What is known of a frame's local variables.
#[derive(Clone, Copy)]
pub(crate) enum Locals {
    /// Nothing: there is no stack map.
    Unknown,
    /// Their size in bytes.
    Size(u64),
    /// That there are none.
    None,
    /// Which of their words are pointers.
    Map(BitVector),
}

/// A deferred call.
pub(crate) struct Defer {
    /// Where it is.
    pub d: Addr,
    /// The stack pointer of the frame that deferred it.
    pub sp: u64,
    /// The PC after the call of `deferproc`.
    pub pc: u64,
    /// The closure.
    pub func: Addr,
    /// The closure's code.
    pub entry: u64,
    /// The one deferred before.
    pub link: Addr,
}

/// A panic under way.
pub(crate) struct Panic {
    /// Where it is.
    pub p: Addr,
    /// The type of its argument.
    pub type_: Addr,
    /// The data word of its argument.
    pub data: Addr,
    /// The one before.
    pub link: Addr,
}

/// A thread of the operating system (`dumpms`).
pub(crate) struct OsThread {
    /// The `m`.
    pub mp: Addr,
    /// The runtime's number.
    pub id: u64,
    /// The operating system's number.
    pub procid: u64,
}

/// The data or the bss segment.
pub(crate) struct Segment {
    /// Which.
    pub tag: Tag,
    /// The first address.
    pub start: Addr,
    /// In bytes.
    pub len: u64,
    /// What says where it ends.
    pub place: Place,
    /// Its words that are pointers.
    pub mask: BitVector,
    /// What says so.
    pub mask_place: Place,
}

/// `dumpfinalizer`, `finq_callback`.
pub(crate) struct Finalizer {
    /// What is to be finalized.
    pub object: Addr,
    /// The closure.
    pub func: Addr,
    /// The closure's code.
    pub entry: u64,
    /// The type of its argument.
    pub fint: Addr,
    /// The type of the pointer to the object.
    pub ot: Addr,
}

/// `dumpmemstats`: what `MemStats` says of each.
#[allow(missing_docs, reason = "the fields of Go's MemStats, in the order of the record")]
pub(crate) struct MemStats {
    pub alloc: u64,
    pub total_alloc: u64,
    pub sys: u64,
    pub lookups: u64,
    pub mallocs: u64,
    pub frees: u64,
    pub heap_alloc: u64,
    pub heap_sys: u64,
    pub heap_idle: u64,
    pub heap_inuse: u64,
    pub heap_released: u64,
    pub heap_objects: u64,
    pub stack_inuse: u64,
    pub stack_sys: u64,
    pub mspan_inuse: u64,
    pub mspan_sys: u64,
    pub mcache_inuse: u64,
    pub mcache_sys: u64,
    pub buckhash_sys: u64,
    pub gc_sys: u64,
    pub other_sys: u64,
    pub next_gc: u64,
    pub last_gc: u64,
    pub pause_total_ns: u64,
    pub pause_ns: [u64; 256],
    pub num_gc: u64,
}

/// A bucket of the memory profile (`dumpmemprof_callback`).
pub(crate) struct MemProf {
    /// Where it is.
    pub bucket: Addr,
    /// The size of its objects, in bytes.
    pub size: u64,
    /// The PCs at which they are allocated, the innermost first.
    pub stk: Vec<u64>,
    /// How many have been allocated.
    pub allocs: u64,
    /// How many have been freed.
    pub frees: u64,
}

/// Where in a program a PC is.
pub(crate) struct Location {
    /// The function's name.
    pub func: Text,
    /// The source file.
    pub file: Text,
    /// The line.
    pub line: u64,
}

/// A sampled object.
pub(crate) struct AllocSample {
    /// The object.
    pub object: Addr,
    /// Its bucket.
    pub bucket: Addr,
}
