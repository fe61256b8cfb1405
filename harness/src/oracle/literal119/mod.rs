//! The transliteration of today's Go: its heapdump.go once more, line by line.
//!
//! This is `runtime/heapdump.go` and what it calls of Go 1.27.3's runtime, in the reference's order and with the
//! reference's names, to be read beside the Go files; where Go 1.19 to 1.26 differ, [`Release`] is asked, as the files of
//! those releases have it. It is slow and not generic, every value a `u64` that is cut to the target's `uintptr` where Go's
//! would be. It was written from the Go files and not from the writer: constants are those of the source, where the writer
//! asks the program's DWARF, and releases are told by their numbers, where the writer asks what a program has. With the
//! writer it shares only the interfaces at its edge: [`AnyTarget`], [`Memory`] and [`Layouts`].
//!
//! What it can find: any difference between the writer and the reference's text, on memory of any kind. What it cannot find:
//! a mistake in reading the reference that was made twice, an offset that the program's DWARF has wrong, and what is wrong with the
//! reference itself.
//!
//! Left out are the statistics, which the reference is handed by its caller, and what the dump does to the process that it dumps:
//! data and bss are as the target's memory has them.
//!
//! The target is taken in the state in which `mdump` finds it: the world stopped, the dumping goroutine waiting, all spans
//! swept.
//!
//! Copyright 2009, 2014 The Go Authors. All rights reserved. Use of the Go source code that this module transliterates is
//! governed by the BSD-style license in the LICENSE file beside it.
#![allow(non_snake_case, non_camel_case_types, non_upper_case_globals)]

mod heap;
mod heapdump;
mod mbitmap;
mod memory;
mod mprof;
mod release;
mod stacks;
mod stkframe;
mod symtab;
mod traceback;
mod types;

use std::cell::Cell;
use std::collections::BTreeMap;

use heapmatrix_writer::{AnyTarget, Layouts, Memory, Unreadable};

pub use release::Release;

/// What the reference writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Literal {
    /// The dump up to the statistics.
    pub before: Vec<u8>,
    /// The dump after the statistics.
    pub after: Vec<u8>,
}

/// Why the reference comes to no end of its dump.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// `throw`, or a run-time panic, which is fatal inside the runtime: Go's message.
    #[error("fatal error: {0}")]
    Throw(String),
    /// A load from memory that is not there: the process gets SIGSEGV.
    #[error("reading {what}: {source}")]
    Fault {
        /// The variable or the field that was to be read.
        what: String,
        /// Where the memory is missing.
        source: Unreadable,
    },
    /// The reference would not end in any time, or not below any size: a list in target memory leads back into itself, or a
    /// length there is absurd.
    #[error(
        "gave up after {TURNS} turns of loops or {MAX_BYTES} bytes: a list or a length in target memory is bad"
    )]
    Runaway,
    /// The layouts lack something.
    #[error("the layouts have no {0}")]
    NoLayout(String),
    /// A version that is no release's.
    #[error("version {0:?} is none of Go 1.19 to 1.27")]
    NoRelease(String),
}

/// Turns of all loops whose end target memory decides.
const TURNS: u64 = 1 << 26;
/// The longest stream.
const MAX_BYTES: usize = 1 << 30;

type R<T> = Result<T, Stop>;

fn throw<T>(message: &str) -> R<T> {
    Err(Stop::Throw(message.to_owned()))
}

/// Package runtime: its variables, and the machine that it runs on.
struct Runtime<'a> {
    target: AnyTarget,
    ptrSize: u64,
    memory: &'a dyn Memory,
    layouts: &'a dyn Layouts,
    release: Release,
    turns: Cell<u64>,
    stream: Vec<u8>,

    // The variables of heapdump.go, and those that it has made by what it calls.
    tmpbuf: Vec<u8>,
    typecache: [[u64; heapdump::typeCacheAssoc]; heapdump::typeCacheBuckets],
    freemark: [bool; heap::MaxObjsPerSpan],
    /// Masks that were built on demand, by their types.
    gcmasks: BTreeMap<u64, Vec<u8>>,
}

/// Writes the heap dump of the process in `memory`, as the reference would.
///
/// # Errors
/// [`Stop`] when the reference would crash or not end.
pub fn writeheapdump(target: AnyTarget, memory: &dyn Memory, layouts: &dyn Layouts) -> Result<Literal, Stop> {
    let mut runtime = Runtime {
        target,
        ptrSize: target.ptr_size(),
        memory,
        layouts,
        release: Release::default(),
        turns: Cell::new(TURNS),
        stream: Vec::new(),
        tmpbuf: Vec::new(),
        typecache: [[0; heapdump::typeCacheAssoc]; heapdump::typeCacheBuckets],
        freemark: [false; heap::MaxObjsPerSpan],
        gcmasks: BTreeMap::new(),
    };
    let version = runtime.load_string(runtime.variable("runtime.buildVersion")?, "buildVersion")?;
    let version = String::from_utf8_lossy(&runtime.bytes(version.0, version.1, "buildVersion")?).into_owned();
    runtime.release = Release::of(&version).ok_or(Stop::NoRelease(version))?;
    runtime.mdump()
}
