//! How to dump, and what was dumped.

use std::fmt;

use crate::format::tags::Tag;
use crate::go15::defects::{Defects, Dialect};
use crate::memory::Addr;

/// Where the system puts a piece of memory of this many bytes.
pub type SysAlloc<'a> = &'a dyn Fn(u64) -> Addr;

/// How to dump.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Which of the reference's defects to repeat.
    pub defects: Defects,
    /// The capacity of the output buffer, in bytes. At [`REFERENCE_CAPACITY`](Self::REFERENCE_CAPACITY)
    /// the sequence of writes is the reference's, too.
    /// It is the reference's anyway where the buffer can itself be seen in the dump, which is so with
    /// [`Defects::type_names_by_address`] and [`Defects::own_variables_in_bss`] together.
    pub capacity: usize,
    /// With [`Defects::own_variables_in_bss`]: what `sysAlloc` answers each time that the reference
    /// extends `tmpbuf`, in order, the piece from the time before having been freed. Without
    /// it, `tmpbuf` is dumped as it is in the target's memory.
    pub sys_alloc: Option<SysAlloc<'a>>,
    /// Roots that the runtime does not know of, each with a description: handles that a debugger
    /// holds, say. They are dumped after the bss segment. Go 1.5 has the record, and writes none.
    pub other_roots: &'a [(&'a str, Addr)],
}

impl Options<'_> {
    /// The capacity by default: 256 KiB.
    pub const DEFAULT_CAPACITY: usize = 256 << 10;
    /// The reference's capacity: 4096 bytes.
    pub const REFERENCE_CAPACITY: usize = crate::format::sink::BUF_SIZE;

    /// A dialect, at the default capacity.
    pub const fn new(dialect: Dialect) -> Self {
        let capacity = Self::DEFAULT_CAPACITY;
        Options { defects: dialect.defects(), capacity, sys_alloc: None, other_roots: &[] }
    }
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options::new(Dialect::default())
    }
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("defects", &self.defects)
            .field("capacity", &self.capacity)
            .field("sys_alloc", &self.sys_alloc.map(|_| "Fn(u64) -> Addr"))
            .field("other_roots", &self.other_roots)
            .finish()
    }
}

/// What was dumped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The number of records of each kind, by tag.
    pub records: [u64; Tag::ALL.len()],
    /// The number of bytes that the output has taken.
    pub bytes: u64,
    /// The number of bytes that the reference would have lost, and that are missing from the output:
    /// 0 unless [`Defects::write_errors_ignored`] or [`Defects::int32_lengths`] is on.
    pub lost: u64,
}

impl Summary {
    /// The number of records of a kind.
    pub const fn count(&self, tag: Tag) -> u64 {
        self.records[tag as usize]
    }
}
