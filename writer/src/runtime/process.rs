//! The target's process: typed reads of its memory, with the context that an error needs.

use std::marker::PhantomData;

use super::layout::{Field, GoType, Header, Load, MAX_LOAD, Slice, offset};
use super::list::LoopCheck;
use super::structs::Moduledata;
use super::symtab::Module;
use crate::error::{Error, Place};
use crate::memory::{Addr, Memory};
use crate::symbols::Symbols;
use crate::target::Target;

/// More modules than any process has: each is an executable or a shared library.
const MAX_MODULES: usize = 4096;

/// A process of the target, standing still.
pub(crate) struct Process<'m, T, M: ?Sized> {
    /// Its memory.
    pub memory: &'m M,
    /// Where its runtime's variables are.
    pub symbols: &'m Symbols,
    /// `firstmoduledata` and the modules that it links to.
    pub modules: Vec<Module<T>>,
    target: PhantomData<T>,
}

impl<'m, T: Target, M: Memory + ?Sized> Process<'m, T, M> {
    /// Takes up a process and reads its list of modules.
    pub(crate) fn new(memory: &'m M, symbols: &'m Symbols) -> Result<Self, Error> {
        let mut process = Process { memory, symbols, modules: Vec::new(), target: PhantomData };
        let mut datap = symbols.firstmoduledata;
        let next = Moduledata::next();
        let mut check = LoopCheck::new(next.place);
        while !datap.is_nil() {
            check.visit(datap)?;
            if process.modules.len() == MAX_MODULES {
                let problem = "there are more modules than a process can have";
                return Err(out_of_range(next.place, datap, MAX_MODULES as u64, problem));
            }
            let module = Module::read(&process, datap)?;
            process.modules.push(module);
            datap = process.get(datap, next)?;
        }
        Ok(process)
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
