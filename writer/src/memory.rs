//! The target's address space, as the writer needs it.

use std::fmt;

/// An address in the target machine.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Addr(pub u64);

impl Addr {
    /// Go's nil.
    pub const NIL: Addr = Addr(0);

    /// Whether this is Go's nil.
    pub const fn is_nil(self) -> bool {
        self.0 == 0
    }

    /// The address `bytes` further on, wrapping at 64 bits as the target's registers would.
    pub const fn add(self, bytes: u64) -> Addr {
        Addr(self.0.wrapping_add(bytes))
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Memory that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {len} bytes of target memory at {addr}")]
pub struct Unreadable {
    /// The first address of the read that failed.
    pub addr: Addr,
    /// The length of the read that failed, in bytes.
    pub len: u64,
}

/// Read access to a target's memory.
///
/// The writer only ever reads, and it reads while the target stands still.
pub trait Memory {
    /// Fills `buf` with the bytes at `addr`, or with nothing at all.
    ///
    /// # Errors
    /// [`Unreadable`] when any byte of the range is not there.
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Unreadable>;

    /// Lends the `len` bytes at `addr`, when they are one contiguous piece of the host's memory.
    ///
    /// `None` means "use [`read`](Memory::read)", which may still succeed. A memory that can lend
    /// spares the writer a copy of every object.
    fn borrow(&self, addr: Addr, len: u64) -> Option<&[u8]> {
        let _ = (addr, len);
        None
    }
}

impl<M: Memory + ?Sized> Memory for &M {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Unreadable> {
        (**self).read(addr, buf)
    }

    fn borrow(&self, addr: Addr, len: u64) -> Option<&[u8]> {
        (**self).borrow(addr, len)
    }
}
