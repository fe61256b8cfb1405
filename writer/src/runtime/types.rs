//! Types and itabs (type.go, iface.go).

use super::layout::{Field, Header, Ptr};
use super::list::LoopCheck;
use super::process::Process;
use super::structs::{Itab, Type, UncommonType};
use super::symtab::Text;
use crate::error::{Error, Place};
use crate::memory::{Addr, Memory};
use crate::target::Target;

/// `kindDirectIface`: an interface's data word holds the value, not a pointer to it (typekind.go).
pub(crate) const KIND_DIRECT_IFACE: u8 = 1 << 5;
/// `kindNoPointers` (typekind.go).
pub(crate) const KIND_NO_POINTERS: u8 = 1 << 7;

/// `hashSize` (iface.go).
const HASH_SIZE: u64 = 1009;

/// How a type is called.
pub(crate) enum TypeName {
    /// `*t._string`.
    Plain(Text),
    /// `*t.x.pkgpath`, a dot, `*t.x.name`: addresses of the two fields of `t.x` that hold the
    /// strings' addresses.
    Qualified {
        /// The address of `t.x`.
        x: Addr,
        /// `t.x.pkgpath`: the address of a string.
        pkgpath: Addr,
        /// `t.x.name`: the address of a string.
        name: Addr,
    },
}

impl<T: Target, M: Memory + ?Sized> Process<'_, T, M> {
    /// How the type at `t` is called.
    pub(crate) fn type_name(&self, t: Addr) -> Result<TypeName, Error> {
        let x = self.get(t, Type::x())?;
        if !x.is_nil() {
            let pkgpath = self.get(x, UncommonType::pkgpath())?;
            let name = self.get(x, UncommonType::name())?;
            if !pkgpath.is_nil() && !name.is_nil() {
                return Ok(TypeName::Qualified { x, pkgpath, name });
            }
        }
        let string = self.get(t, Type::_string())?;
        Ok(TypeName::Plain(self.string(string, Field::new(Type::_string::<T>().place, 0))?))
    }

    /// The header of the string at `string`, to which a field of an `uncommontype` points.
    pub(crate) fn string_header(&self, string: Addr, place: Place) -> Result<Header, Error> {
        match self.string(string, Field::new(place, 0))? {
            Text::Target(header) => Ok(header),
            Text::Literal(_) => Ok(Header::default()),
        }
    }

    /// Port of `iterate_itabs`.
    pub(crate) fn iterate_itabs(
        &self,
        mut callback: impl FnMut(Addr) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let first = Field::<T, Ptr>::variable("hash");
        let link = Itab::link();
        for bucket in 0..HASH_SIZE {
            let mut check = LoopCheck::new(link.place);
            let mut h = self.get(self.symbols.itab_hash, first.element(bucket))?;
            while !h.is_nil() {
                check.visit(h)?;
                callback(h)?;
                h = self.get(h, link)?;
            }
        }
        Ok(())
    }
}
