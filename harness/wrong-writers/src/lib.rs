//! Wrong writers: mistakes that a port of heapdump.go could make, each a switch.
//!
//! A test harness is worth what it catches. This crate is the writer, made from its own sources, and each row of
//! `mistakes.rs` is a place at which it can be told to do something else. The build script puts the switches in; the
//! writer itself has none. A row whose text no longer occurs in the writer exactly once fails the build.
//!
//! The types at the writer's edge ([`Memory`], [`Symbols`], [`Options`], …) are those of `heapmatrix_writer` itself,
//! so that whatever calls the one can call the other.

// What is copied is checked where it comes from; with a mistake in it, some of it is of no use.
#![allow(unused, missing_docs, clippy::all)]

use std::cell::Cell;

use heapmatrix_writer::with_target;

include!(concat!(env!("OUT_DIR"), "/mistakes.rs"));
include!(concat!(env!("OUT_DIR"), "/writer/lib.rs"));

thread_local! {
    static MADE: Cell<Option<Mistake>> = const { Cell::new(None) };
}

/// Whether the writer is to make this mistake, here where it can be made.
fn made(mistake: Mistake) -> bool {
    MADE.get() == Some(mistake)
}

/// Runs `f` while the writer makes a mistake, in this thread.
pub fn making<R>(mistake: Mistake, f: impl FnOnce() -> R) -> R {
    /// Ends the mistake even when `f` panics.
    struct End(Option<Mistake>);
    impl Drop for End {
        fn drop(&mut self) {
            MADE.set(self.0);
        }
    }
    let _end = End(MADE.replace(Some(mistake)));
    f()
}
