//! Memory that counts as having other bytes than it has: what a dumper changes while it dumps itself.

use crate::memory::{Addr, Memory, Unreadable};
use crate::target::Target;

/// Bytes that memory holds in place of the target's.
pub(crate) struct Patch {
    pub at: Addr,
    pub bytes: Vec<u8>,
}

impl Patch {
    /// A variable that consists of pointer-sized integers.
    pub(crate) fn words<T: Target>(at: Addr, words: impl IntoIterator<Item = u64>) -> Self {
        let mut bytes = Vec::new();
        for word in words {
            push::<T>(&mut bytes, word, T::PTR_SIZE as usize);
        }
        Patch { at, bytes }
    }

    /// Whether any of it lies in a range.
    pub(crate) fn lies_in(&self, addr: Addr, len: u64) -> bool {
        self.overlap(addr, len).is_some()
    }

    /// Where the patch and a range overlap: the offsets in the range and in the patch, and the length.
    fn overlap(&self, addr: Addr, len: u64) -> Option<(usize, usize, usize)> {
        let (from, n) = overlap((self.at, self.bytes.len() as u64), (addr, len))?;
        Some(((from - addr.0) as usize, (from - self.at.0) as usize, n as usize))
    }
}

/// Where two ranges overlap, each an address and a length: the address and the length of what they share.
pub(crate) fn overlap((a, a_len): (Addr, u64), (b, b_len): (Addr, u64)) -> Option<(u64, u64)> {
    let from = a.0.max(b.0);
    let to = a.0.saturating_add(a_len).min(b.0.saturating_add(b_len));
    to.checked_sub(from).filter(|&n| n > 0).map(|n| (from, n))
}

/// The last `size` bytes of an integer, in the target's order.
pub(crate) fn push<T: Target>(bytes: &mut Vec<u8>, value: u64, size: usize) {
    if T::BIG_ENDIAN {
        bytes.extend_from_slice(&value.to_be_bytes()[8 - size..]);
    } else {
        bytes.extend_from_slice(&value.to_le_bytes()[..size]);
    }
}

/// Target memory with patches over it.
pub(crate) struct Patched<'a> {
    memory: &'a dyn Memory,
    patches: Vec<Patch>,
}

impl<'a> Patched<'a> {
    pub(crate) fn new(memory: &'a dyn Memory, patches: Vec<Patch>) -> Self {
        Patched { memory, patches }
    }

    /// Whether it is anything but the memory itself.
    pub(crate) fn is_patched(&self) -> bool {
        !self.patches.is_empty()
    }
}

impl Memory for Patched<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Unreadable> {
        self.memory.read(addr, buf)?;
        for patch in &self.patches {
            if let Some((at, from, n)) = patch.overlap(addr, buf.len() as u64) {
                buf[at..at + n].copy_from_slice(&patch.bytes[from..from + n]);
            }
        }
        Ok(())
    }

    fn borrow(&self, addr: Addr, len: u64) -> Option<&[u8]> {
        let untouched = !self.patches.iter().any(|patch| patch.lies_in(addr, len));
        if untouched { self.memory.borrow(addr, len) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Arm, Ppc64};

    struct Flat(Vec<u8>);

    impl Memory for Flat {
        fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Unreadable> {
            let len = buf.len() as u64;
            buf.copy_from_slice(self.borrow(addr, len).ok_or(Unreadable { addr, len })?);
            Ok(())
        }

        fn borrow(&self, addr: Addr, len: u64) -> Option<&[u8]> {
            self.0.get(addr.0 as usize..addr.0.checked_add(len)? as usize)
        }
    }

    #[test]
    fn patches_lie_over_memory() {
        let flat = Flat(vec![0; 64]);
        let patched = Patched::new(
            &flat,
            vec![Patch::words::<Ppc64>(Addr(16), [0x0102]), Patch::words::<Arm>(Addr(30), [3])],
        );
        let mut buf = [9; 12];
        patched.read(Addr(20), &mut buf).unwrap();
        assert_eq!(buf, [0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 3, 0]);
        assert!(patched.borrow(Addr(0), 17).is_none());
        assert_eq!(patched.borrow(Addr(0), 16), Some(&[0; 16][..]));
        assert!(patched.borrow(Addr(24), 6).is_some() && patched.borrow(Addr(33), 1).is_none());
        assert!(patched.read(Addr(60), &mut buf).is_err(), "patches don't make memory");
    }
}
