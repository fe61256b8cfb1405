//! The transliteration: heapdump.go once more, line by line.
//!
//! This is the reference's `runtime/heapdump.go` and what it calls of Go 1.5.4's runtime, in the
//! reference's order and with the reference's names, to be read beside the Go files: slow, not
//! generic, every value a `u64` that is cut to the target's `uintptr` where Go's would be. It was
//! written from the Go files and not from the writer, takes offsets from measured facts and not
//! from the writer's declarations, and shares with the writer only the interfaces at its edge:
//! [`AnyTarget`], [`Memory`] and [`Symbols`].
//!
//! What it can find: any difference between the writer and the reference's text, in the stream and
//! in the sequence of `write` calls, on memory of any kind, well-formed or not. What it cannot find:
//! a mistake in reading the reference that was made twice, and what is wrong with the reference
//! itself where no switch of [`Fixes`] knows about it.
//!
//! The target is taken in the state in which `mdump` finds it: the world stopped, statistics
//! updated, `dumpfd` set, the dumping goroutine waiting, all spans swept.
//!
//! Copyright 2009, 2014 The Go Authors. All rights reserved. Use of the Go source code that this
//! module transliterates is governed by the BSD-style license in the LICENSE file beside it.
#![allow(non_snake_case, non_camel_case_types, non_upper_case_globals)]
#![allow(clippy::too_many_arguments)] // as in the reference

mod heap;
mod heapdump;
mod iface;
mod layout;
mod mbitmap;
mod memory;
mod mfinal;
mod mprof;
mod stacks;
mod symtab;
#[cfg(test)]
mod tests;
mod traceback;
mod write;

use std::cell::Cell;
use std::collections::BTreeMap;

use heapmatrix_writer::{Addr, AnyTarget, Memory, Symbols, Unreadable};

use layout::Layout;

/// The defects of the reference that are not to be repeated: `true` is what the format means,
/// `false` is what Go 1.5 does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fixes {
    /// `dumptype` takes a `**string` for a `*stringStruct`, so that a named type's name becomes
    /// memory as long as an address says. Fixed: the name, as since Go 1.6 (commit d4a7ea1b71).
    pub type_names: bool,
    /// `write`'s length is an `int32`, and the kernel writes at most 0x7ffff000 bytes at once.
    /// Fixed: a long datum is written whole.
    pub long_writes: bool,
    /// What `write` returns is ignored, and with it what a hole in memory keeps from being written.
    /// Fixed: a hole is [`Cause::Fault`].
    pub write_errors: bool,
    /// An empty buffer is flushed. Fixed: it is not.
    pub empty_writes: bool,
    /// The fields of a frame without a stack map start at `arglen`. Fixed: at the word after the
    /// callee's arguments.
    pub locals_offset: bool,
    /// The callee's argument fields are listed even where the frame has no contents any more.
    /// Fixed: those whose word is not whole in the contents are left out.
    pub args_in_frame: bool,
    /// `memstats.other_sys` contains `tmpbuf`. Fixed: it is as the target's memory has it.
    pub other_sys: bool,
    /// Data and bss contain what the dump itself has stored to its variables. Fixed: they are as
    /// the target's memory has them.
    pub own_variables: bool,
}

impl Fixes {
    /// The reference as it is.
    pub const NONE: Fixes = Fixes::all(false);
    /// What the format means.
    pub const ALL: Fixes = Fixes::all(true);

    const fn all(fixed: bool) -> Fixes {
        Fixes {
            type_names: fixed,
            long_writes: fixed,
            write_errors: fixed,
            empty_writes: fixed,
            locals_offset: fixed,
            args_in_frame: fixed,
            other_sys: fixed,
            own_variables: fixed,
        }
    }
}

/// One call of `write(dumpfd, p, n)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// The length that was asked for, in bytes; negative where `int32` made it so.
    pub n: i64,
    /// How many bytes the kernel took.
    pub written: u64,
}

/// What the reference writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Literal {
    /// The stream.
    pub bytes: Vec<u8>,
    /// The calls that the stream came out in. Their `written` add up to its length.
    pub writes: Vec<Write>,
}

/// Why the reference comes to no end of its dump.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// `throw`, or a run-time panic, which is fatal inside the runtime: Go's message, and after it
    /// in brackets what Go would print before.
    #[error("fatal error: {0}")]
    Throw(String),
    /// A load from memory that is not there: the process gets SIGSEGV.
    #[error("reading {what}: {source}")]
    Fault {
        /// The variable or the field that was to be read.
        what: &'static str,
        /// Where the memory is missing.
        source: Unreadable,
    },
    /// The reference would not end in any time, or not below any size: a list in target memory
    /// leads back into itself, or a length there is absurd.
    #[error(
        "gave up after {TURNS} turns of loops or {MAX_BYTES} bytes: a list or a length in target memory is bad"
    )]
    Runaway,
    /// Nobody has measured the runtime's structures on this target.
    #[error("no measured layout of Go 1.5.4's runtime for {0}")]
    NoLayout(AnyTarget),
}

/// A dump that the reference does not finish.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}, after {} bytes of the dump", .written.bytes.len())]
pub struct Stop {
    /// Why.
    #[source]
    pub cause: Cause,
    /// What had been written by then; what was still in the buffer is lost.
    pub written: Literal,
}

/// Turns of all loops whose end target memory decides. A dump of 100,000 objects takes a few
/// millions.
const TURNS: u64 = 1 << 25;
/// The longest stream.
const MAX_BYTES: u64 = 1 << 30;

type R<T> = Result<T, Cause>;

fn throw<T>(message: &str) -> R<T> {
    Err(Cause::Throw(message.to_owned()))
}

fn throw_at<T>(message: &str, print: &str, value: u64) -> R<T> {
    Err(Cause::Throw(format!("{message} ({print} {value:#x})")))
}

/// What `sysAlloc` answers: where the system puts a piece of so many bytes, each piece after the one
/// before has been freed.
pub type SysAlloc<'a> = &'a dyn Fn(u64) -> Addr;

/// Package runtime: its variables, and the machine that it runs on.
struct Runtime<'a> {
    target: AnyTarget,
    ptrSize: u64,
    memory: &'a dyn Memory,
    symbols: &'a Symbols,
    layout: Layout,
    fixes: Fixes,
    sys_alloc: Option<SysAlloc<'a>>,
    /// The reference's own stores to target memory.
    stores: BTreeMap<u64, u8>,
    turns: Cell<u64>,
    file: Literal,

    // The variables of heapdump.go.
    tmpbuf: Vec<u8>,
    buf: [u8; write::bufSize as usize],
    nbuf: u64,
    typecache: [[u64; heapdump::typeCacheAssoc]; heapdump::typeCacheBuckets],
    freemark: [bool; heapdump::_PageSize as usize / 8],
}

/// Writes the heap dump of the process in `memory`, as the reference would.
///
/// `sys_alloc` says where `tmpbuf` is allocated, which a dump of bss shows. Without it, `tmpbuf` is
/// dumped as the target's memory has it.
///
/// # Errors
/// [`Stop`] when the reference would crash or not end, with what it has written until then.
pub fn writeheapdump(
    target: AnyTarget,
    memory: &dyn Memory,
    symbols: &Symbols,
    fixes: Fixes,
    sys_alloc: Option<SysAlloc<'_>>,
) -> Result<Literal, Stop> {
    let Some(mut runtime) = Runtime::new(target, memory, symbols, fixes, sys_alloc) else {
        return Err(Stop { cause: Cause::NoLayout(target), written: Literal::default() });
    };
    match runtime.mdump() {
        Ok(()) => Ok(runtime.file),
        Err(cause) => Err(Stop { cause, written: runtime.file }),
    }
}

impl<'a> Runtime<'a> {
    fn new(
        target: AnyTarget,
        memory: &'a dyn Memory,
        symbols: &'a Symbols,
        fixes: Fixes,
        sys_alloc: Option<SysAlloc<'a>>,
    ) -> Option<Self> {
        Some(Runtime {
            target,
            ptrSize: target.ptr_size(),
            memory,
            symbols,
            layout: Layout::of(target)?,
            fixes,
            sys_alloc,
            stores: BTreeMap::new(),
            turns: Cell::new(TURNS),
            file: Literal::default(),
            tmpbuf: Vec::new(),
            buf: [0; write::bufSize as usize],
            nbuf: 0,
            typecache: [[0; heapdump::typeCacheAssoc]; heapdump::typeCacheBuckets],
            freemark: [false; heapdump::_PageSize as usize / 8],
        })
    }
}
