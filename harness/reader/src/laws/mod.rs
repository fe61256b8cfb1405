//! What every sound dump obeys beyond its syntax.
//!
//! Each [`Law`] is claimed for some Go [releases](Law::releases), most of them for all. A dump of such a release that
//! breaks one was written by something that is not (yet) a Go runtime, or was damaged in a way that can still be read.
//!
//! Where a release is known to break a law by itself, that is a [`Fault`] of it: it is told, and breaks nothing. What
//! a dump says of its release is [`Releases::of`](crate::Releases::of); its stacks and statistics may say more. Where
//! this leaves several, a law counts as broken if it is claimed for all of them, and a fault as known if one has it.

mod faults;
mod global;
mod heap;
mod stacks;

use std::fmt;

pub use faults::Fault;

use crate::{Dump, Error, Record, Releases, SlotRule};

/// Declares the laws, so that each has its name and its statement in one place.
macro_rules! laws {
    ($($(#[doc = $doc:literal])+ $law:ident = $name:literal $(in $releases:expr)?,)*) => {
        /// A law. What it says, and where real dumps break it and why, is in its documentation and in
        /// [`statement`](Self::statement).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
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

            /// The releases that the law is claimed for, but for their [faults](Fault).
            pub const fn releases(self) -> Releases {
                match self { $(Self::$law => laws!(@releases $($releases)?),)* }
            }

            /// What the law says: its documentation.
            pub fn statement(self) -> String {
                let lines: &[&str] = match self { $(Self::$law => &[$($doc,)+],)* };
                lines.concat().trim().to_owned()
            }
        }
    };
    (@releases) => { Releases::ALL };
    (@releases $releases:expr) => { $releases };
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

    /// The heap ends after its start, and both are multiples of the pointer size.
    HeapRange = "heap-range",
    /// Objects lie in the heap range.
    ObjectInHeap = "object-in-heap",
    /// No two objects overlap, and none is empty.
    ObjectsDisjoint = "objects-disjoint",
    /// Small objects, up to 512 bytes or 128 on machines of 32 bits, are slots of a span: at a multiple of their size
    /// from the start of a page of 8,192 bytes, and not where the span keeps its heap bitmap.
    ObjectSlots = "object-slots" in SlotRule::RELEASES,
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
    /// A frame starts where the frame before it ends. But a function that a signal handler calls (`runtime.sigpanic`,
    /// `runtime.asyncPreempt`, and a debugger `runtime.debugCallV2`) has the link register below the frame that the
    /// signal came to, on machines that have one, and with it as much as the ABI reserves.
    FramesContiguous = "frames-contiguous",
    /// A frame's program counter, and the one it continues at unless that is 0, are not before its function. But
    /// a frame that faulted may continue in its caller: a leaf has that one's stack pointer on machines with a
    /// link register, and so is taken for the one that deferred.
    FramePc = "frame-pc",
    /// The fields of frames lie inside their contents.
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
    /// In `memstats`, `heap_objects` is `mallocs` less `frees`. (It is more than the objects in the
    /// dump: several tiny allocations share one, and what the dump sweeps is counted and not dumped.)
    StatsObjects = "stats-objects",
    /// The dump's objects are no more than `heap_objects` in `memstats`, and have no more bytes than `heap_alloc`, apart
    /// from slots that are no objects. (They are fewer after the dump has swept some.) Statistics that nobody has
    /// made, without a malloc, say nothing.
    StatsAlloc = "stats-alloc" in Releases::between(5, 27),
    /// In `memstats`, `heap_sys` is `heap_idle` and `heap_inuse` together.
    StatsHeap = "stats-heap",
    /// In `memstats`, `sys` is not more than what was obtained for the parts. Since Go 1.19 at least it is their sum;
    /// releases that don't name themselves count the memory for dumping in `other_sys`, but not in `sys`.
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

/// A place where a dump shows a known fault of the release that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The fault.
    pub fault: Fault,
    /// Offset of the record that shows it.
    pub offset: u64,
    /// What it shows, with the values.
    pub detail: String,
}

/// What [`examine`] finds in a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A law is broken.
    Violation(Violation),
    /// A law would be broken, if that were not known of the dump's release.
    Known(Known),
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

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {}: {}: {}", self.offset, self.fault, self.detail)
    }
}

impl Violation {
    fn unreadable(error: &Error) -> Self {
        let detail = error.without_offset().to_string();
        Self { law: Law::Readable, offset: error.offset(), detail }
    }
}

/// What is known of a dump's release so far, and who takes the findings, one after the other.
struct Report<'r> {
    releases: Releases,
    take: &'r mut dyn FnMut(Finding),
}

impl Report<'_> {
    fn violation(&mut self, law: Law, offset: u64, detail: String) {
        (self.take)(Finding::Violation(Violation { law, offset, detail }));
    }

    /// What is a fault of some releases: it breaks the law unless the dump may be of one of them.
    fn fault(&mut self, fault: Fault, offset: u64, detail: String) {
        if self.releases.overlaps(fault.releases()) {
            (self.take)(Finding::Known(Known { fault, offset, detail }));
        } else {
            self.violation(fault.law(), offset, detail);
        }
    }
}

/// Holds a dump to every law, and hands each violation to `report`; they may be as many as the records.
///
/// Known faults of the dump's release are left out: see [`examine`].
pub fn check(input: &[u8], mut report: impl FnMut(Violation)) {
    examine(input, |finding| {
        if let Finding::Violation(violation) = finding {
            report(violation);
        }
    });
}

/// Holds a dump to every law, and hands what it finds to `take`; the findings may be as many as the records.
///
/// Returns the releases that may have written the dump, as far as it could be read; `None` without a first record.
///
/// Takes memory for the dump's itabs, types, goroutines, threads and buckets, and for runs of objects: a small part of a
/// real dump's size. Where objects overlap, or are in no order, it takes that of an [`Index`](crate::Index). Of hostile
/// input it is less than ten times the size.
pub fn examine(input: &[u8], take: impl FnMut(Finding)) -> Option<Releases> {
    examine_with(input, take, |_| ())
}

/// The same, telling `progress` up to which offset the dump has been read. Of a mapped file that much may be unmapped,
/// though some of it is read again.
pub fn examine_with(
    input: &[u8],
    mut take: impl FnMut(Finding),
    mut progress: impl FnMut(u64),
) -> Option<Releases> {
    let dump = match Dump::new(input) {
        Ok(dump) => dump,
        Err(error) => {
            take(Finding::Violation(Violation::unreadable(&error)));
            return None;
        }
    };
    let params = dump.params();
    let report = &mut Report { releases: Releases::of(dump.version(), params), take: &mut take };
    let mut global = global::Laws::new(params);
    let mut heap = heap::Laws::new(dump.version(), params, input.len());
    let mut stacks = stacks::Laws::new(dump.version(), params);
    for record in dump.records() {
        match record {
            Ok((offset, record)) => {
                progress(offset);
                if let Record::StackFrame(frame) = &record {
                    report.releases.with_function(&frame.function.name);
                }
                global.record(offset, &record, report);
                heap.record(offset, &record, report);
                stacks.record(offset, &record, report);
            }
            // What is missing after an error is not missing.
            Err(error) => {
                (report.take)(Finding::Violation(Violation::unreadable(&error)));
                return Some(report.releases);
            }
        }
    }
    stacks.end(global.threads(), report);
    global.end(input.len() as u64, report);
    heap.end(dump, report, &mut progress);
    Some(report.releases)
}
