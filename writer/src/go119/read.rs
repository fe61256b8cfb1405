//! Reading what a [`Layouts`](crate::Layouts) has said the place of.

use super::layout::At;
use crate::error::{Error, Place};
use crate::memory::Addr;
use crate::process::field::{GoString, Header, Load, Slice};
use crate::process::{Process, Structure, check_range, offset, out_of_range};
use crate::target::Target;

/// Decodes an unsigned integer of the target, of at most eight bytes.
#[inline]
pub(crate) fn integer<T: Target>(bytes: &[u8]) -> u64 {
    match *bytes {
        [a] => a.into(),
        [a, b] if T::BIG_ENDIAN => u16::from_be_bytes([a, b]).into(),
        [a, b] => u16::from_le_bytes([a, b]).into(),
        [a, b, c, d] if T::BIG_ENDIAN => u32::from_be_bytes([a, b, c, d]).into(),
        [a, b, c, d] => u32::from_le_bytes([a, b, c, d]).into(),
        [a, b, c, d, e, f, g, h] if T::BIG_ENDIAN => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        [a, b, c, d, e, f, g, h] => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => 0,
    }
}

/// A size in bytes as an integer that slices take.
pub(crate) fn small(size: u64) -> usize {
    size.min(8) as usize
}

impl<T: Target> Structure<'_, T> {
    /// Reads an integer, unsigned.
    #[inline]
    pub(crate) fn uint(&self, at: At) -> Result<u64, Error> {
        match self.bytes(at.offset, at.size) {
            Some(bytes) => Ok(integer::<T>(bytes)),
            None => self.process.uint(self.base, at),
        }
    }
}

impl<'m, T: Target> Process<'m, T> {
    /// Reads an integer, unsigned.
    #[inline]
    pub(crate) fn uint(&self, base: Addr, at: At) -> Result<u64, Error> {
        let addr = offset::<T>(base, at.offset);
        if let Some(bytes) = self.memory.borrow(addr, at.size) {
            return Ok(integer::<T>(bytes));
        }
        let mut buf = [0; 8];
        let bytes = &mut buf[..small(at.size)];
        self.memory.read(addr, bytes).map_err(|source| Error::Unreadable { place: at.place, source })?;
        Ok(integer::<T>(bytes))
    }

    /// Reads an integer of 32 bits, signed.
    pub(crate) fn int32(&self, base: Addr, at: At) -> Result<i32, Error> {
        Ok(self.uint(base, at)? as u32 as i32)
    }

    /// Reads a pointer.
    pub(crate) fn ptr(&self, base: Addr, at: At) -> Result<Addr, Error> {
        Ok(Addr(self.uint(base, at)?))
    }

    /// Reads a word of the target's.
    pub(crate) fn word_at(&self, base: Addr, at: At) -> Result<u64, Error> {
        self.uint(base, at.sized(T::PTR_SIZE))
    }

    /// Reads a string's header, and checks that a string can have it.
    pub(crate) fn header(&self, base: Addr, at: At) -> Result<Header, Error> {
        let addr = offset::<T>(base, at.offset);
        let mut buf = [0; 16];
        let bytes = &mut buf[..2 * T::PTR_SIZE as usize];
        self.memory.read(addr, bytes).map_err(|source| Error::Unreadable { place: at.place, source })?;
        let header = <GoString as Load<T>>::load(bytes);
        check_range::<T>(header.array, header.len, at.place, base)?;
        Ok(header)
    }

    /// Reads the header of a slice of elements of so many bytes, and checks that a slice can have it.
    pub(crate) fn elements(&self, base: Addr, at: At, size: u64) -> Result<Header, Error> {
        let addr = offset::<T>(base, at.offset);
        let mut buf = [0; 24];
        let bytes = &mut buf[..3 * T::PTR_SIZE as usize];
        self.memory.read(addr, bytes).map_err(|source| Error::Unreadable { place: at.place, source })?;
        let header = <Slice as Load<T>>::load(bytes);
        let too_long =
            || out_of_range(at.place, base, header.len, "that is beyond the end of the address space");
        check_range::<T>(header.array, header.len.checked_mul(size).ok_or_else(too_long)?, at.place, base)?;
        Ok(header)
    }

    /// Pointer `index` of an array of them.
    pub(crate) fn pointer(&self, array: Addr, index: u64, place: Place) -> Result<Addr, Error> {
        self.word(offset::<T>(array, index.wrapping_mul(T::PTR_SIZE)), place).map(Addr)
    }

    /// Each element of the list that begins at `first` and goes on through `link`.
    ///
    /// # Errors
    /// [`Error::ListLoops`], and those of `each`.
    pub(crate) fn linked(
        &self,
        first: Addr,
        link: At,
        mut each: impl FnMut(Addr) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut check = crate::process::list::LoopCheck::new(link.place);
        let mut at = first;
        while !at.is_nil() {
            check.visit(at)?;
            each(at)?;
            at = self.ptr(at, link)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::integer;
    use crate::target::{Amd64, S390x};

    #[test]
    fn integers_of_every_size() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        for (size, little, big) in [
            (1, 1, 1),
            (2, 0x201, 0x102),
            (4, 0x403_0201, 0x102_0304),
            (8, 0x807_0605_0403_0201, 0x102_0304_0506_0708),
        ] {
            let found = (integer::<Amd64>(&bytes[..size]), integer::<S390x>(&bytes[..size]));
            assert_eq!(found, (little, big), "{size}");
        }
    }
}
