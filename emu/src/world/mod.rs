//! Worlds: descriptions of Go processes that hold for every architecture.
//!
//! A [`World`] says what a process has done and what state it is in, without an address, a byte order
//! or a word size: the same world becomes an image of each machine, and each machine's dump must show
//! it again. Things refer to each other by their index in the world's lists; lengths that depend on
//! the machine are counted in words.
//!
//! A world is plain data: it is compared, shrunk, saved as JSON and edited by hand.
//! [`World::check`] says whether it describes a process that Go 1.5 could be in.

pub mod catalog;
pub(crate) mod check;
mod code;
mod generate;
mod goroutine;
mod heap;
mod runtime;
mod types;

use serde::{Deserialize, Serialize};

pub use check::Invalid;
pub(crate) use check::{ITAB_BUCKETS, MEANINGFUL};
pub use code::{ArgsSize, Bitmaps, Function, LocalsMap, Pc};
pub use generate::{Size, worlds};
pub use goroutine::{Activation, Bottom, Defer, Goroutine, Panic, Status, Stop};
pub use heap::{Arena, Contents, Extent, Funcval, Object, Slot, Span, Value};
pub use runtime::{Bucket, Finalizer, MemStats, OtherRoot, Queued, Thread};
pub use types::{Itab, Type, Uncommon};

/// A Go process, on no machine in particular.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct World {
    /// `ncpu`.
    pub ncpu: i32,
    /// `goexperiment`, the string that the linker sets.
    pub goexperiment: String,
    /// `framepointer_enabled`: on amd64, frames end with a saved BP. No effect elsewhere.
    pub framepointer: bool,
    /// `fingRunning`: while a finalizer runs, the finalizer goroutine is not a system goroutine.
    pub fing_running: bool,
    /// Whether the image has what a dump of itself changes, as a Go program has: after the world's words
    /// in bss the dump writer's variables `typecache` and `tmpbuf` and, of the first thread, which then
    /// is the one that dumps, the `m`; `buf` and `nbuf` after bss. The strings of type names lie in front
    /// of all that, so that a name which is as long as an address says contains it.
    pub dumper_state: bool,

    /// A seed of the rubbish that memory holds wherever Go does not clear it: padding, unused fields, the ends of
    /// bitmaps, spare room, old frames. A dump shows nothing of it. 0: there is none, and the arena ends where its
    /// used part does.
    #[serde(skip_serializing_if = "is_default")]
    pub dirt: u64,
    /// Where the heap is, and in what pieces.
    #[serde(skip_serializing_if = "is_default")]
    pub arena: Arena,

    /// Types.
    pub types: Vec<Type>,
    /// Itabs, in the order in which they are added to `runtime.hash`: each becomes the first of
    /// its bucket.
    pub itabs: Vec<Itab>,
    /// Functions. Those that the runtime needs and this list does not name are added to the image.
    pub functions: Vec<Function>,
    /// Indexes of functions with which a further module begins, in ascending order: a shared library's
    /// `moduledata`, with tables of its own. The image's own functions are the first module's.
    #[serde(skip_serializing_if = "is_default")]
    pub modules: Vec<usize>,
    /// Bit vectors that lie somewhere in read-only data (`reflect` describes frames by them).
    pub bitvectors: Vec<Vec<bool>>,
    /// The words of the data segment.
    pub data: Vec<Slot>,
    /// The words of the bss segment.
    pub bss: Vec<Slot>,

    /// Objects, in the order in which they are allocated.
    pub objects: Vec<Object>,
    /// Spans without an object of this world.
    pub spans: Vec<Span>,
    /// The place in address order, modulo the number of spans, of the span that `h_allspans` begins
    /// with. The heap reuses spans, so the list is not sorted by address.
    pub allspans_rotation: usize,
    /// How many queued finalizers ran before those of [`queued`](World::queued) came: they leave
    /// blocks with stale entries after.
    pub ran_finalizers: usize,
    /// Objects whose finalizers wait to be run, in the order in which they are queued.
    pub queued: Vec<Queued>,

    /// Goroutines, in the order of `allgs`.
    pub goroutines: Vec<Goroutine>,
    /// Threads, in the order of `allm`.
    pub threads: Vec<Thread>,
    /// `memstats`.
    pub memstats: MemStats,
    /// Memory profile buckets, in the order of `mbuckets`.
    pub buckets: Vec<Bucket>,
    /// Roots that whoever dumps the process holds, in the order in which they are dumped.
    #[serde(skip_serializing_if = "is_default")]
    pub other_roots: Vec<OtherRoot>,
}

/// What worlds written before a field was there do without.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
