//! The order in which a dump has its records.

use crate::Kind;

/// The part of a dump that records of a kind are in; parts follow each other in the order of their numbers.
/// Source: `mdump`, which has the same order in every release since Go 1.5.
pub(crate) fn part(kind: Kind) -> u8 {
    match kind {
        Kind::Params => 0,
        Kind::Type | Kind::Itab => 1,
        Kind::Object => 2,
        Kind::Goroutine | Kind::StackFrame | Kind::Defer | Kind::Panic => 3,
        Kind::OsThread => 4,
        Kind::Data => 5,
        // `dumpotherroot` has no caller; the roots would be its place.
        Kind::Bss | Kind::OtherRoot => 6,
        Kind::Finalizer => 7,
        Kind::QueuedFinalizer => 8,
        Kind::MemStats => 9,
        Kind::MemProf => 10,
        Kind::AllocSample => 11,
        Kind::Eof => 12,
    }
}
