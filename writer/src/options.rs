//! How to dump, and what was dumped.

use crate::format::tags::Tag;
use crate::memory::Addr;

/// How to dump, whatever the generation of Go. What can be chosen for one alone is said where the program is: see
/// [`Generation`](crate::Generation).
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The capacity of the output buffer, in bytes. At [`REFERENCE_CAPACITY`](Self::REFERENCE_CAPACITY)
    /// the sequence of writes is the reference's, too.
    /// It is the reference's anyway where the buffer can itself be seen in the dump, which is so with Go 1.5's
    /// [`type_names_by_address`](crate::Defects::type_names_by_address) and
    /// [`own_variables_in_bss`](crate::Defects::own_variables_in_bss) together.
    pub capacity: usize,
    /// Roots that the runtime does not know of, each with a description: handles that a debugger
    /// holds, say. They are dumped after the bss segment. Go 1.5 has the record, and writes none.
    pub other_roots: &'a [(&'a str, Addr)],
}

impl Options<'_> {
    /// The capacity by default: 256 KiB.
    pub const DEFAULT_CAPACITY: usize = 256 << 10;
    /// The reference's capacity: 4096 bytes.
    pub const REFERENCE_CAPACITY: usize = crate::format::sink::BUF_SIZE;
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options { capacity: Self::DEFAULT_CAPACITY, other_roots: &[] }
    }
}

/// What was dumped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// The number of records of each kind, by tag.
    pub records: [u64; Tag::ALL.len()],
    /// The number of bytes that the output has taken.
    pub bytes: u64,
    /// The number of bytes that the reference would have lost, and that are missing from the output:
    /// 0 unless [`Defects::write_errors_ignored`](crate::Defects::write_errors_ignored) or
    /// [`Defects::int32_lengths`](crate::Defects::int32_lengths) is on.
    pub lost: u64,
}

impl Summary {
    /// The number of records of a kind.
    pub const fn count(&self, tag: Tag) -> u64 {
        self.records[tag as usize]
    }
}
