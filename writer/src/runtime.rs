//! What a generation of Go's runtime supplies, so that `dump/` can write a heap dump.
//!
//! Since Go 1.5 `mdump` has had the same order and the same records; what has changed is where the values come from.
//! So the walk is written once, over [`Runtime`], and a generation knows structures, tables and encodings.

use crate::dump::typecache::TypeCache;
use crate::error::Error;
use crate::format::version::Version;
use crate::memory::{Addr, Memory};
use crate::process::patch::Patch;
use crate::record::*;
use crate::target::Target;

/// How many slots of a span are looked at together.
pub(crate) const GROUP: u64 = 64;

/// The most words of an object whose pointers are had at once.
pub(crate) const MOST_WORDS: u64 = 56;

/// A number whose lowest `n` bits are set, of 64 at most.
#[inline(always)]
pub(crate) const fn low_bits(n: u64) -> u64 {
    if n == 0 { 0 } else { u64::MAX >> (64 - n) }
}

/// A process that stands still, as a generation of the runtime reads it.
///
/// Lists are handed over one by one, in the order of the reference; an error that the callback gives ends the walk.
pub(crate) trait Runtime: Types + Heap + Goroutines + Roots + Statistics {
    /// Its machine.
    type Target: Target;

    /// The version of the format that it writes.
    const VERSION: Version;

    /// The process's memory.
    fn memory(&self) -> &dyn Memory;

    /// Which faults of `dumpframe` are repeated.
    fn frame_faults(&self) -> FrameFaults {
        FrameFaults::default()
    }

    /// What `dumpparams` dumps.
    fn params(&self) -> Result<Params, Error>;

    /// Of `len` bytes from `start` on, what the dumping code itself has changed by this moment.
    fn own_variables(&self, moment: &Moment<'_>, start: Addr, len: u64) -> Vec<Patch> {
        let _ = (moment, start, len);
        Vec::new()
    }
}

/// Types and itabs.
pub(crate) trait Types {
    /// Port of `iterate_itabs`.
    fn iterate_itabs(&self, callback: impl FnMut(Itab) -> Result<(), Error>) -> Result<(), Error>;

    /// The hash of the type at `t`, which decides on its bucket in the cache.
    fn type_hash(&self, t: Addr) -> Result<u32, Error>;

    /// What `dumptype` dumps of the type at `t`.
    fn type_at(&self, t: Addr) -> Result<Type, Error>;
}

/// The heap.
pub(crate) trait Heap {
    /// A span.
    type Span<'s>: Span
    where
        Self: 's;

    /// Port of what `mdump` begins with: makes sure that every span has been swept.
    fn ensure_swept(&self) -> Result<(), Error>;

    /// Each span in use. A span whose objects cannot be told apart is an error.
    fn spans(&self, each: impl FnMut(&mut Self::Span<'_>) -> Result<(), Error>) -> Result<(), Error>;
}

/// Goroutines, their stacks, and threads.
pub(crate) trait Goroutines {
    /// Each goroutine that is dumped.
    fn goroutines(&self, each: impl FnMut(Goroutine) -> Result<(), Error>) -> Result<(), Error>;

    /// Port of `gentraceback`: the frames of a goroutine, from the innermost outwards.
    fn frames(&self, gp: Addr, callback: impl FnMut(&Frame) -> Result<(), Error>) -> Result<(), Error>;

    /// The deferred calls of a goroutine.
    fn defers(&self, gp: Addr, each: impl FnMut(Defer) -> Result<(), Error>) -> Result<(), Error>;

    /// The panics of a goroutine.
    fn panics(&self, gp: Addr, each: impl FnMut(Panic) -> Result<(), Error>) -> Result<(), Error>;

    /// `allm` and all that it links to.
    fn threads(&self, each: impl FnMut(OsThread) -> Result<(), Error>) -> Result<(), Error>;
}

/// The roots.
pub(crate) trait Roots {
    /// The data segment and the bss segment.
    fn segments(&self, each: impl FnMut(Segment) -> Result<(), Error>) -> Result<(), Error>;

    /// Each finalizer that is registered with an object.
    fn finalizers(&self, each: impl FnMut(Finalizer) -> Result<(), Error>) -> Result<(), Error>;

    /// Port of `iterate_finq`: each finalizer that is ready to run.
    fn iterate_finq(&self, callback: impl FnMut(Finalizer) -> Result<(), Error>) -> Result<(), Error>;
}

/// The memory statistics and the memory profile.
pub(crate) trait Statistics {
    /// What `dumpmemstats` dumps.
    fn memstats(&self) -> Result<MemStats, Error>;

    /// Port of `iterate_memprof`.
    fn iterate_memprof(&self, callback: impl FnMut(MemProf) -> Result<(), Error>) -> Result<(), Error>;

    /// Where a PC of the profile is, if it is in any function; `call` says that it is a return PC, and that the call before
    /// it is meant.
    fn location(&self, pc: u64, call: bool) -> Result<Option<Location>, Error>;

    /// Each object that the profile has sampled.
    fn alloc_samples(&self, each: impl FnMut(AllocSample) -> Result<(), Error>) -> Result<(), Error>;
}

/// The faults of `dumpframe`; see [`Defects`](crate::Defects), where they are explained.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FrameFaults {
    /// Words of a frame without a stack map are listed from the wrong one on.
    pub locals_from_arglen: bool,
    /// A callee's arguments are listed even where they lie outside the frame.
    pub args_beyond_frame: bool,
}

/// What the dumping code's variables hold.
pub(crate) struct Moment<'d> {
    /// `typecache`.
    pub typecache: &'d TypeCache,
    /// `buf`.
    pub buf: &'d [u8],
    /// `nbuf`.
    pub nbuf: usize,
}

/// Where the slots of a span are.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    /// The address of the first.
    pub base: Addr,
    /// The address after the span's last page.
    pub end: u64,
    /// The size of each, in bytes.
    pub elemsize: u64,
    /// How many there are. None of them is outside the heap.
    pub n: u64,
}

/// A span in use.
pub(crate) trait Span {
    /// The heap bitmap of neighbouring slots.
    type Bits<'b>: HeapBits
    where
        Self: 'b;

    /// Where its slots are.
    fn extent(&self) -> Extent;

    /// Of the [`GROUP`] slots from number `first` on those that are objects, a bit each.
    fn in_use(&mut self, first: u64) -> u64;

    /// The heap bitmap of `words` words, from the first one of slot `first` on: of as many as [`GROUP`] slots of
    /// [`MOST_WORDS`] have.
    fn bits(&mut self, first: u64, words: u64) -> Result<Self::Bits<'_>, Error>;

    /// Port of `makeheapobjbv`, for words `i` to `i + n` of the object in slot `slot`, at most [`MOST_WORDS`]: those that
    /// are pointers, a bit each, and whether the object's description goes on after them.
    fn makeheapobjbv(&mut self, slot: u64, i: u64, n: u64) -> Result<(u64, bool), Error>;
}

/// See [`Span::bits`].
pub(crate) trait HeapBits {
    /// Port of `makeheapobjbv`, for an object of [`MOST_WORDS`] at most that begins with this word: those of its words
    /// that are pointers, a bit each. The bits of words that are not the object's may be anything.
    fn makeheapobjbv(&self, word: u64) -> u64;
}
