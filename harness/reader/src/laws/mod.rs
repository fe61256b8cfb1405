//! What every sound dump obeys beyond its syntax.
//!
//! Each [`Law`] holds in all dumps of all Go releases that its description doesn't except. A dump that breaks
//! one was written by something that is not (yet) a Go runtime, or was damaged in a way that can still be read.

mod global;
mod heap;
mod stacks;

use std::fmt;

use crate::{Dump, Error};

/// Declares the laws, so that each has its name and its statement in one place.
macro_rules! laws {
    ($($(#[doc = $doc:literal])+ $law:ident = $name:literal,)*) => {
        /// A law. What it says, and where real dumps break it and why, is in its documentation and in
        /// [`statement`](Self::statement).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Law {
            $($(#[doc = $doc])+ $law,)*
        }

        impl Law {
            /// Every law.
            pub const ALL: &[Self] = &[$(Self::$law,)*];

            /// The law's name, such as `frames-contiguous`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$law => $name,)* }
            }

            /// What the law says: its documentation.
            pub fn statement(self) -> String {
                let lines: &[&str] = match self { $(Self::$law => &[$($doc,)+],)* };
                lines.concat().trim().to_owned()
            }
        }
    };
}

laws! {
    /// The dump can be read: from the header and `params`, the first record, to one `eof` at its end.
    Readable = "readable",
    /// `params`, `data`, `bss` and `memstats` are there once each.
    Once = "once",
    /// Records are in the order of `mdump`: params, itabs with their types, objects, goroutines, threads, data,
    /// bss, finalizers, queued finalizers, memstats, the profile, samples, eof.
    Order = "order",
    /// Every address fits into a pointer.
    AddressWidth = "address-width",
    /// Fields that have lost their meaning are zero: a goroutine's `is_background`, a panic's `defer`.
    Unused = "unused",

    /// The heap ends behind its start, and both are multiples of the pointer size.
    HeapRange = "heap-range",
    /// Objects lie in the heap range.
    ObjectInHeap = "object-in-heap",
    /// No two objects overlap, and none is empty.
    ObjectsDisjoint = "objects-disjoint",
    /// Objects start at a multiple of the pointer size and are a multiple of it long.
    ObjectAligned = "object-aligned",
    /// The fields of objects and segments lie inside their contents.
    FieldInside = "field-inside",
    /// Fields are at multiples of the pointer size.
    FieldAligned = "field-aligned",
    /// The fields of objects and segments are in the order of their offsets, each once.
    FieldOrder = "field-order",
    /// Fields are pointers: Go has written no interface fields since 1.4.
    FieldKind = "field-kind",

    /// Frames follow their goroutine, then its defers, then its panics, with nothing in between.
    GoroutineOrder = "goroutine-order",
    /// No two goroutines have the same address or number.
    GoroutinesDistinct = "goroutines-distinct",
    /// A goroutine is runnable (1), in a system call (3) or waiting (4).
    GoroutineStatus = "goroutine-status",
    /// A goroutine's thread is among the threads, or 0.
    GoroutineThread = "goroutine-thread",
    /// A goroutine with frames has the stack pointer of the innermost; or, on amd64 and 386, one return PC
    /// below it: a call of a nil function has pushed that, and the frames start with the caller.
    GoroutineSp = "goroutine-sp",
    /// The depths of a goroutine's frames count from 0.
    FrameDepth = "frame-depth",
    /// A frame names the `sp` of the frame before it, the innermost 0.
    ChildSp = "child-sp",
    /// A frame starts where the frame before it ends; but on machines with a link register, the signal handler
    /// has pushed that and at most some words more between `runtime.sigpanic` and the frame that faulted.
    FramesContiguous = "frames-contiguous",
    /// A frame's program counter, and the one it continues at unless that is 0, are not before its function. But
    /// a frame that faulted may continue in its caller: a leaf has that one's stack pointer on machines with a
    /// link register, and so is taken for the one that deferred.
    FramePc = "frame-pc",
    /// The fields of frames lie inside their contents, but for a goroutine's outermost frame: Go 1.5 dumps the
    /// arguments that `runtime.goexit` is said to pass, which are not part of its frame.
    FrameFieldInside = "frame-field-inside",
    /// A goroutine's defers are those that it names, linked to each other, and name it.
    DefersLinked = "defers-linked",
    /// A goroutine's panics are those that it names, linked to each other, and name it.
    PanicsLinked = "panics-linked",

    /// The type of an itab has been dumped before it, unless it is 0: Go 1.5 and 1.6 name the pointer type of a
    /// type that is held by reference, and there need not be one.
    ItabType = "itab-type",
    /// No itab is dumped twice.
    ItabsDistinct = "itabs-distinct",
    /// A type that is dumped again is the same.
    TypeAgain = "type-again",
    /// No two threads have the same address or number.
    ThreadsDistinct = "threads-distinct",
    /// The object of a finalizer lies in a dumped object. Real dumps keep that: no finalizer is set for what is not on
    /// the heap, and sweeping, which is over before, keeps an object whose finalizer it queues.
    FinalizerObject = "finalizer-object",
    /// A sample lies in a dumped object.
    SampleObject = "sample-object",
    /// A sample's bucket is in the profile.
    SampleBucket = "sample-bucket",
    /// No bucket of the profile has freed more than it has allocated. (The difference is not the number of its
    /// samples: what the profile counts lags behind by two collections.)
    BucketFrees = "bucket-frees",
    /// In `memstats`, `heap_objects` is `mallocs` less `frees`. (It is not the number of objects in the dump:
    /// several tiny allocations share an object, and the last ones are in no statistics.)
    StatsObjects = "stats-objects",
    /// In `memstats`, `heap_sys` is `heap_idle` and `heap_inuse` together.
    StatsHeap = "stats-heap",
    /// In `memstats`, `sys` is not more than what was obtained for the parts. In recent releases it is their
    /// sum; others count the memory for dumping in `other_sys`, but not in `sys`.
    StatsSys = "stats-sys",
}

/// A place where a dump breaks a law.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The law.
    pub law: Law,
    /// Offset of the record that breaks it; of the end of the input if that is what it lacks.
    pub offset: u64,
    /// What is wrong, with the values.
    pub detail: String,
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {}: {}: {}", self.offset, self.law, self.detail)
    }
}

impl Violation {
    fn unreadable(error: &Error) -> Self {
        let detail = error.without_offset().to_string();
        Self { law: Law::Readable, offset: error.offset(), detail }
    }
}

/// Takes violations, one after the other.
type Report<'r> = dyn FnMut(Violation) + 'r;

/// Holds a dump to every law, and hands each violation to `report`; they may be as many as the records.
///
/// Takes memory for an [`Index`](crate::Index) and for the dump's itabs, types, goroutines, threads and buckets: of
/// hostile input less than ten times its size, of real dumps a small part.
pub fn check(input: &[u8], mut report: impl FnMut(Violation)) {
    let report: &mut Report<'_> = &mut report;
    let dump = match Dump::new(input) {
        Ok(dump) => dump,
        Err(error) => {
            return report(Violation::unreadable(&error));
        }
    };
    let params = dump.params();
    let mut global = global::Laws::new(params);
    let mut heap = heap::Laws::new(params);
    let mut stacks = stacks::Laws::new(params);
    for record in dump.records() {
        match record {
            Ok((offset, record)) => {
                global.record(offset, &record, report);
                heap.record(offset, &record, report);
                stacks.record(offset, &record, report);
            }
            // What is missing behind an error is not missing.
            Err(error) => return report(Violation::unreadable(&error)),
        }
    }
    stacks.end(global.threads(), report);
    global.end(input.len() as u64, report);
    heap.end(dump, report);
}
