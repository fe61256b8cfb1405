//! A target's process, standing still: typed reads of its memory, with the context that an error needs.

pub(crate) mod field;
pub(crate) mod list;
pub(crate) mod patch;

use std::marker::PhantomData;

use crate::error::{Error, Place};
use crate::memory::{Addr, Memory};
use crate::record::Text;
use crate::target::Target;
use field::{Field, GoString, GoType, Header, Load, MAX_LOAD, Ptr, Slice, Uintptr};
use list::LoopCheck;

/// `x` as a `uintptr` of the target.
#[inline]
pub(crate) const fn uintptr<T: Target>(x: u64) -> u64 {
    if T::PTR_SIZE == 4 { x & 0xffff_ffff } else { x }
}

/// The address `bytes` after `addr`, wrapping as the target's `uintptr` does.
#[inline]
pub(crate) const fn offset<T: Target>(addr: Addr, bytes: u64) -> Addr {
    Addr(uintptr::<T>(addr.0.wrapping_add(bytes)))
}

/// Loads a byte of each cache line, if there are not too many for a cache. The loads do not depend on each other, so that the
/// memory works on many at once; what follows a list or encodes objects waits for one after the other.
pub(crate) fn touch(bytes: &[u8]) {
    const LINE: usize = 64;
    const MANY: usize = 32 << 10;
    if bytes.len() <= MANY {
        let all = bytes.iter().step_by(LINE).fold(0, |all, byte| all ^ byte);
        std::hint::black_box(all);
    }
}

/// A process of the target.
pub(crate) struct Process<'m, T> {
    /// Its memory.
    pub memory: &'m dyn Memory,
    target: PhantomData<T>,
}

impl<T> Clone for Process<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Process<'_, T> {}

impl<'m, T: Target> Process<'m, T> {
    /// The process that has this memory.
    pub(crate) fn new(memory: &'m dyn Memory) -> Self {
        Process { memory, target: PhantomData }
    }

    /// Reads a field of what begins at `base`.
    #[inline]
    pub(crate) fn get<F: Load<T>>(&self, base: Addr, field: Field<T, F>) -> Result<F::Value, Error> {
        let at = offset::<T>(base, field.offset);
        if let Some(bytes) = self.memory.borrow(at, F::SIZE) {
            return Ok(F::load(bytes));
        }
        let mut buf = [0; MAX_LOAD];
        let bytes = &mut buf[..F::SIZE as usize];
        self.memory.read(at, bytes).map_err(|source| Error::Unreadable { place: field.place, source })?;
        Ok(F::load(bytes))
    }

    /// A structure of type `S`, of which several fields are to be read: memory is asked for it once.
    pub(crate) fn structure<S: GoType<T>>(self, base: Addr) -> Structure<'m, T> {
        self.first_bytes(base, S::SIZE)
    }

    /// A structure of which some of the first `len` bytes are to be read: memory is asked for them once.
    pub(crate) fn first_bytes(self, base: Addr, len: u64) -> Structure<'m, T> {
        Structure { process: self, base, lent: self.memory.borrow(base, len) }
    }

    /// Reads a variable of package runtime.
    pub(crate) fn variable<F: Load<T>>(&self, at: Addr, name: &'static str) -> Result<F::Value, Error> {
        self.get(at, Field::<T, F>::variable(name))
    }

    /// Reads the header of a slice whose elements are of type `E`, and checks that a slice can have it.
    pub(crate) fn slice<E: GoType<T>>(&self, base: Addr, field: Field<T, Slice>) -> Result<Header, Error> {
        let slice = self.get(base, field)?;
        match slice.len.checked_mul(E::SIZE) {
            Some(size) => check_range::<T>(slice.array, size, field.place, base)?,
            None => return Err(out_of_range(field.place, base, slice.len, TOO_LONG)),
        }
        Ok(slice)
    }

    /// Reads the header of a `string`, and checks that a string can have it.
    pub(crate) fn string(&self, base: Addr, field: Field<T, GoString>) -> Result<Text, Error> {
        let header = self.get(base, field)?;
        check_range::<T>(header.array, header.len, field.place, base)?;
        Ok(Text::Target(header))
    }

    /// Each element of the list that begins at `first` and goes on through the field `link`.
    ///
    /// # Errors
    /// [`Error::ListLoops`], and those of `each`.
    pub(crate) fn list(
        &self,
        first: Addr,
        link: Field<T, Ptr>,
        mut each: impl FnMut(Addr) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut check = LoopCheck::new(link.place);
        let mut at = first;
        while !at.is_nil() {
            check.visit(at)?;
            each(at)?;
            at = self.get(at, link)?;
        }
        Ok(())
    }

    /// A `uintptr` at `at`, which is called `place`.
    pub(crate) fn word(&self, at: Addr, place: Place) -> Result<u64, Error> {
        self.get(at, Field::<T, Uintptr>::new(place, 0))
    }
}

/// A structure in the target's memory.
pub(crate) struct Structure<'m, T> {
    pub process: Process<'m, T>,
    pub base: Addr,
    /// Its first bytes, if memory lends them.
    lent: Option<&'m [u8]>,
}

impl<'m, T: Target> Structure<'m, T> {
    /// Reads a field of it.
    #[inline]
    pub(crate) fn get<F: Load<T>>(&self, field: Field<T, F>) -> Result<F::Value, Error> {
        match self.bytes(field.offset, F::SIZE) {
            Some(bytes) => Ok(F::load(bytes)),
            None => self.process.get(self.base, field),
        }
    }

    /// `size` of its bytes, if they are lent.
    #[inline]
    pub(crate) fn bytes(&self, offset: u64, size: u64) -> Option<&'m [u8]> {
        self.lent?.get(offset as usize..)?.get(..size as usize)
    }
}

const TOO_LONG: &str = "that is beyond the end of the address space";

/// Checks that `len` bytes from `start` on are within the target's address space.
///
/// # Errors
/// [`Error::OutOfRange`] for the length, which is the field `place` of what is at `at`.
pub(crate) fn check_range<T: Target>(start: Addr, len: u64, place: Place, at: Addr) -> Result<(), Error> {
    let last = u64::MAX >> (64 - 8 * T::PTR_SIZE);
    match start.0.checked_add(len) {
        Some(end) if end - 1.min(end) <= last => Ok(()),
        _ => Err(out_of_range(place, at, len, TOO_LONG)),
    }
}

/// [`Error::OutOfRange`].
pub(crate) fn out_of_range(place: Place, at: Addr, value: u64, problem: &'static str) -> Error {
    Error::OutOfRange { place, at, value, problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Amd64, Arm};

    #[test]
    fn ranges_end_with_the_address_space() {
        let fits = |start, len| check_range::<Arm>(Addr(start), len, Place::new("", ""), Addr::NIL).is_ok();
        assert!(fits(0, 0) && fits(0, 1 << 32) && fits(0xffff_f000, 0x1000) && fits(0xffff_ffff, 1));
        assert!(
            !fits(0, (1 << 32) + 1) && !fits(0xffff_f000, 0x1001) && !fits(1 << 32, 1) && !fits(1, u64::MAX)
        );
        let fits = |start, len| check_range::<Amd64>(Addr(start), len, Place::new("", ""), Addr::NIL).is_ok();
        assert!(fits(0, u64::MAX) && fits(u64::MAX - 7, 7));
        assert!(!fits(u64::MAX - 7, 8));
    }
}
