//! Types and itabs (type.go, iface.go).

use super::Go15;
use super::structs::{Itab as GoItab, Type as GoType, UncommonType};
use crate::error::{Error, Place};
use crate::go15::arch::Target;
use crate::memory::Addr;
use crate::process::field::{Field, Header, Ptr};
use crate::record::{Itab, Text, Type, TypeName};
use crate::runtime::Types;

/// `kindDirectIface`: an interface's data word holds the value, not a pointer to it (typekind.go).
const KIND_DIRECT_IFACE: u8 = 1 << 5;
/// `kindNoPointers` (typekind.go).
const KIND_NO_POINTERS: u8 = 1 << 7;

/// `hashSize` (iface.go).
const HASH_SIZE: u64 = 1009;

impl<T: Target> Types for Go15<'_, T> {
    fn iterate_itabs(&self, mut callback: impl FnMut(Itab) -> Result<(), Error>) -> Result<(), Error> {
        let first = Field::<T, Ptr>::variable("hash");
        let mut each = |h| callback(Itab { tab: h, t: self.type_of_data(h)? });
        for bucket in 0..HASH_SIZE {
            let h = self.process.get(self.symbols.itab_hash, first.element(bucket))?;
            self.process.list(h, GoItab::link(), &mut each)?;
        }
        Ok(())
    }

    fn type_hash(&self, t: Addr) -> Result<u32, Error> {
        self.process.get(t, GoType::hash())
    }

    fn type_at(&self, t: Addr) -> Result<Type, Error> {
        let size = self.process.get(t, GoType::size())?;
        let name = self.type_name(t)?;
        let kind = self.process.get(t, GoType::kind())?;
        let pointer = kind & KIND_DIRECT_IFACE == 0 || kind & KIND_NO_POINTERS == 0;
        Ok(Type { size, name, pointer })
    }
}

impl<T: Target> Go15<'_, T> {
    /// The type of the data word of interfaces that have this itab.
    fn type_of_data(&self, tab: Addr) -> Result<Addr, Error> {
        let t = self.process.get(tab, GoItab::_type())?;
        if self.process.get(t, GoType::kind())? & KIND_DIRECT_IFACE == 0 {
            // indirect - data slot is a pointer to t.
            return self.process.get(t, GoType::ptrto());
        }
        Ok(t)
    }

    /// How the type at `t` is called.
    fn type_name(&self, t: Addr) -> Result<TypeName, Error> {
        let x = self.process.get(t, GoType::x())?;
        if !x.is_nil() {
            let pkgpath = self.process.get(x, UncommonType::pkgpath())?;
            let name = self.process.get(x, UncommonType::name())?;
            if !pkgpath.is_nil() && !name.is_nil() {
                let (pkgpath, name) = if self.defects.type_names_by_address {
                    self.headers_by_address(x, pkgpath, name)?
                } else {
                    let (pkgpath_of, name_of) = (UncommonType::pkgpath::<T>(), UncommonType::name::<T>());
                    (self.string_header(pkgpath, pkgpath_of.place)?, self.string_header(name, name_of.place)?)
                };
                return Ok(TypeName::Qualified(pkgpath, name));
            }
        }
        let string = self.process.get(t, GoType::_string())?;
        Ok(TypeName::Plain(self.process.string(string, Field::new(GoType::_string::<T>().place, 0))?))
    }

    /// The header of the string at `string`, to which a field of an `uncommontype` points.
    fn string_header(&self, string: Addr, place: Place) -> Result<Header, Error> {
        match self.process.string(string, Field::new(place, 0))? {
            Text::Target(header) => Ok(header),
            Text::Literal(_) => Ok(Header::default()),
        }
    }

    /// `(*stringStruct)(unsafe.Pointer(&t.x.pkgpath))`, and the same of `t.x.name`: each field is taken
    /// for the address of the bytes, and the word after it for their number.
    fn headers_by_address(&self, x: Addr, pkgpath: Addr, name: Addr) -> Result<(Header, Header), Error> {
        let after_pkgpath = UncommonType::mhdr::<T>();
        let at = Field::<T, Ptr>::new(after_pkgpath.place, after_pkgpath.offset);
        let len = self.process.get(x, at)?.0;
        Ok((Header { array: pkgpath, len }, Header { array: name, len: pkgpath.0 }))
    }
}
