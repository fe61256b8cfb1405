//! Structures that architectures lay out differently, and small enough to be described by their offsets.

use super::stat::{FileSystem, Stat};
use crate::linux::user::Record;

/// The structures of an architecture.
#[derive(Clone, Copy, Debug)]
pub struct Layouts {
    /// `struct sigaction`.
    pub sigaction: SigAction,
    /// `stack_t`.
    pub sigstack: SigStack,
    /// `struct epoll_event`.
    pub epoll: Epoll,
    /// `struct flock`.
    pub flock: Flock,
    /// `struct flock64` of 32-bit machines.
    pub flock64: Flock,
    /// `struct stat` of 64-bit machines, `struct stat64` of the others.
    pub stat: fn(&Stat, Record) -> Record,
    /// `struct stat` of 32-bit machines, of before there were large files: `None` if something does not fit.
    pub narrow_stat: Option<fn(&Stat, Record) -> Option<Record>>,
    /// `struct statfs`.
    pub statfs: fn(&FileSystem, Record) -> Record,
    /// `struct statfs64` of 32-bit machines.
    pub statfs64: fn(&FileSystem, Record) -> Record,
}

/// Where the kernel's `struct sigaction` has its fields: words all but the mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigAction {
    /// Handler, flags, restorer, mask.
    Restorer,
    /// Handler, flags, mask.
    NoRestorer,
    /// Flags (32 bits), handler, mask.
    FlagsFirst,
}

/// Where a `stack_t` has its fields after the stack's address, in words.
#[derive(Clone, Copy, Debug)]
pub struct SigStack {
    /// `ss_flags`, of 32 bits.
    pub flags: u64,
    /// `ss_size`.
    pub size: u64,
}

impl SigStack {
    /// That of most architectures.
    pub const GENERIC: SigStack = SigStack { flags: 1, size: 2 };
}

/// Where the data lies in a `struct epoll_event`, and its size.
#[derive(Clone, Copy, Debug)]
pub struct Epoll {
    /// The data's offset.
    pub data: usize,
    /// Bytes in an event.
    pub size: usize,
}

impl Epoll {
    /// With the data aligned to eight bytes.
    pub const ALIGNED: Epoll = Epoll { data: 8, size: 16 };
    /// Without a gap: packed on amd64, and on 386 aligned to four bytes.
    pub const PACKED: Epoll = Epoll { data: 4, size: 12 };
}

/// Where a `struct flock` has its fields, after the type and `whence`.
#[derive(Clone, Copy, Debug)]
pub struct Flock {
    /// `l_start`.
    pub start: u64,
    /// `l_len`.
    pub len: u64,
    /// `l_pid`.
    pub pid: u64,
    /// Bytes in an offset.
    pub width: usize,
}

impl Flock {
    /// With offsets of 64 bits, aligned to eight bytes.
    pub const WIDE: Flock = Flock { start: 8, len: 16, pid: 24, width: 8 };
    /// With offsets of 32 bits.
    pub const NARROW: Flock = Flock { start: 4, len: 8, pid: 12, width: 4 };
}
