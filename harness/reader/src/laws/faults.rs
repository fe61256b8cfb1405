//! What is known of releases of Go: where their own dumps break a law.

use std::fmt;

use super::Law;
use crate::{Releases, SlotRule};

/// Declares the faults, so that each has its name, its law, its releases and its statement in one place.
macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $fault:ident = $name:literal of $law:ident in $releases:expr,)*) => {
        /// A fault of a Go release: a place where its sound dumps break a [`Law`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $($(#[doc = $doc])+ $fault,)*
        }

        impl Fault {
            /// Every fault.
            pub const ALL: &[Self] = &[$(Self::$fault,)*];

            /// The fault's name, such as `queued-cleanup`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$fault => $name,)* }
            }

            /// The law that it would break.
            pub const fn law(self) -> Law {
                match self { $(Self::$fault => Law::$law,)* }
            }

            /// The releases that have it.
            pub const fn releases(self) -> Releases {
                match self { $(Self::$fault => $releases,)* }
            }

            /// What is wrong, and why: its documentation.
            pub fn statement(self) -> String {
                let lines: &[&str] = match self { $(Self::$fault => &[$($doc,)+],)* };
                lines.concat().trim().to_owned()
            }
        }
    };
}

faults! {
    /// Slots under their span's heap bitmap come out as objects: the dumping loop takes the size of a span for
    /// the room that its slots have. They are no objects, and nothing points to them. (`dumpobjs`)
    SlotsUnderBitmap = "slots-under-bitmap" of ObjectSlots in SlotRule::RELEASES,
    /// The frame of `runtime.goexit` has the arguments of a `go` statement's function, beyond its contents. (`dumpframe`;
    /// seen up to Go 1.12, and not since 1.19, whose `go` statements make closures of them.)
    GoexitArguments = "goexit-arguments" of FrameFieldInside in Releases::between(5, 18),
    /// A cleanup that is due (`runtime.AddCleanup`) is in the queue as a finalizer of the object 0, without types.
    /// (`mspan.sweep` calls `queuefinalizer` without an object)
    QueuedCleanup = "queued-cleanup" of FinalizerObject in Releases::between(24, 24),
    /// The profile was taken after a collection's end and before the profile learnt of it: it has frees of that
    /// collection, but not yet the allocations. (`gcMarkTermination` starts the world before `mProf_GC`)
    FreesBeforeAllocs = "frees-before-allocs" of BucketFrees in Releases::between(8, 8),
    /// `heap_objects` is lower by the large objects that the dump itself has swept after the statistics were made.
    /// (`mdump` sweeps after `updatememstats`)
    SweptLargeObjects = "swept-large-objects" of StatsObjects in Releases::between(5, 16),
    /// `stacks_inuse` is in `sys`, but in none of the parts: only what `runtime.ReadMemStats` returns has it in
    /// `stacks_sys`. (`updatememstats`)
    StacksInSys = "stacks-in-sys" of StatsSys in Releases::between(9, 16),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_shown_by_name() {
        assert_eq!(format!("{:>20}", Fault::StacksInSys), "       stacks-in-sys");
    }
}
