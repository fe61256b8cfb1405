//! What the reference's `tmpbuf` does to the process that it dumps.
//!
//! The reference builds an object's bit vector in `tmpbuf`, which it allocates from the system; this
//! writer needs no such buffer. But the allocation shows in `memstats.other_sys`, and the
//! slice's header in the bss segment.

use super::SysAlloc;
use super::symbols::Symbols;
use crate::error::Error;
use crate::go15::arch::Target;
use crate::memory::Addr;
use crate::process::Process;
use crate::process::field::{Field, Slice};

/// `cap(tmpbuf)`: the reference slices a `*[1 << 30]byte`, whatever it has allocated.
const CAPACITY: u64 = 1 << 30;

/// `tmpbuf`, without contents.
pub(super) struct Tmpbuf<'a> {
    sys_alloc: Option<SysAlloc<'a>>,
    /// `len(tmpbuf)` before the dump; not 0 only where an earlier dump was cut short.
    initial_len: u64,
    /// `len(tmpbuf)`.
    len: u64,
    /// Where the system has put it, if that is known.
    array: Option<Addr>,
}

impl<'a> Tmpbuf<'a> {
    /// `tmpbuf` as it is before the dump.
    pub(super) fn new<T: Target>(
        process: &Process<'_, T>,
        symbols: &Symbols,
        sys_alloc: Option<SysAlloc<'a>>,
    ) -> Result<Self, Error> {
        let len = match symbols.tmpbuf {
            Addr::NIL => 0,
            at => process.get(at, Field::<T, Slice>::variable("tmpbuf"))?.len,
        };
        Ok(Tmpbuf { sys_alloc, initial_len: len, len, array: None })
    }

    /// The beginning of `makeheapobjbv`: extend the temp buffer if necessary.
    #[inline]
    pub(super) fn extend(&mut self, nptr: u64) {
        let n = nptr / 8 + 1;
        if self.len < n {
            self.len = n;
            self.array = self.sys_alloc.map(|sys_alloc| sys_alloc(n));
        }
    }

    /// What the dump has added to `memstats.other_sys` so far, in bytes.
    pub(super) fn growth(&self) -> u64 {
        self.len.wrapping_sub(self.initial_len)
    }

    /// The three words of the slice's header, where they have changed and are known.
    pub(super) fn words(&self) -> Option<[u64; 3]> {
        self.array.map(|array| [array.0, self.len, CAPACITY])
    }
}
