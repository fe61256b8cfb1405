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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Segments;

    /// What need not lend.
    struct Copied(Segments);

    impl Memory for Copied {
        fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Unreadable> {
            self.0.read(addr, buf)
        }
    }

    /// The sum of the two bytes that it lends and that it copies.
    fn two_bytes<M: Memory>(memory: M, addr: Addr) -> (Option<u8>, Result<u8, Unreadable>) {
        let mut bytes = [0; 2];
        let copied = memory.read(addr, &mut bytes).map(|()| bytes.iter().sum());
        (memory.borrow(addr, 2).map(|loan| loan.iter().sum()), copied)
    }

    #[test]
    fn a_reference_to_a_memory_is_that_memory() {
        let mut segments = Segments::new(true);
        segments.map(10, 4);
        segments.write(Addr(10), &[1, 2, 3, 4]);
        let unreadable = Err(Unreadable { addr: Addr(13), len: 2 });
        assert_eq!(two_bytes(&segments, Addr(11)), (Some(5), Ok(5)));
        assert_eq!(two_bytes(&segments, Addr(13)), (None, unreadable));
        let copied = Copied(segments);
        assert_eq!(two_bytes(&copied, Addr(11)), (None, Ok(5)));
        assert_eq!(two_bytes(&copied, Addr(13)), (None, unreadable));
    }
}
