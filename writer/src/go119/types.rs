//! Types and itabs (type.go, iface.go).

use super::Go119;
use super::bytes::Bytes;
use super::layout::At;
use super::shape::Direct;
use crate::error::{Error, Place};
use crate::memory::Addr;
use crate::process::field::Header;
use crate::process::{check_range, offset, out_of_range};
use crate::record::{Itab, Text, Type, TypeName};
use crate::runtime::Types;
use crate::target::Target;

/// `tflagUncommon`.
const TFLAG_UNCOMMON: u64 = 1;
/// `tflagExtraStar`.
const TFLAG_EXTRA_STAR: u64 = 2;
/// `tflagNamed`.
const TFLAG_NAMED: u64 = 4;
/// `kindMask`.
const KIND_MASK: u64 = 31;
/// The most bytes that the length of a name takes.
const LONGEST_VARINT: u64 = 10;

const NAME: Place = Place::new("name", "Bytes");
const ENTRIES: Place = Place::new("itabTableType", "entries");
const PKG_PATH: Place = Place::new("UncommonType", "PkgPath");

impl<T: Target> Types for Go119<'_, T> {
    fn iterate_itabs(&self, mut callback: impl FnMut(Itab) -> Result<(), Error>) -> Result<(), Error> {
        let (process, layout) = (&self.process, &self.shape.itab_table);
        let table = process
            .ptr(self.shape.variables.itab_table, At { offset: 0, size: T::PTR_SIZE, place: ENTRIES })?;
        let size = process.uint(table, layout.table_size)?;
        let entries = offset::<T>(table, layout.entries.offset);
        check_range::<T>(entries, size.saturating_mul(T::PTR_SIZE), layout.table_size.place, table)?;
        for i in 0..size {
            let tab = process.pointer(entries, i, ENTRIES)?;
            if !tab.is_nil() {
                callback(Itab { tab, t: process.ptr(tab, self.shape.itab.typ)? })?;
            }
        }
        Ok(())
    }

    fn type_hash(&self, t: Addr) -> Result<u32, Error> {
        Ok(self.process.uint(t, self.shape.typ.hash)? as u32)
    }

    fn type_at(&self, t: Addr) -> Result<Type, Error> {
        let (process, layout) = (&self.process, &self.shape.typ);
        let tflag = process.uint(t, layout.tflag)?;
        let direct = match self.shape.direct {
            Direct::Kind(flag) => process.uint(t, layout.kind)? & flag != 0,
            Direct::TFlag(flag) => tflag & flag != 0,
        };
        let pkgpath = match self.uncommon(t, tflag)? {
            Some(x) => self.name_off(t, process.int32(x, At { offset: 0, size: 4, place: PKG_PATH })?)?,
            None => Header::default(),
        };
        let string = self.string(t, tflag)?;
        let name = if pkgpath.len == 0 {
            TypeName::Plain(Text::Target(string))
        } else if tflag & TFLAG_NAMED == 0 {
            TypeName::Qualified(pkgpath, Header { array: string.array, len: 0 })
        } else {
            TypeName::Qualified(pkgpath, self.name(string)?)
        };
        let pointers = process.uint(t, layout.ptr_bytes)? != 0;
        Ok(Type { size: process.uint(t, layout.type_size)?, name, pointer: !direct || pointers })
    }
}

impl<T: Target> Go119<'_, T> {
    /// Port of `Uncommon`: what follows the description of a type that has methods.
    fn uncommon(&self, t: Addr, tflag: u64) -> Result<Option<Addr>, Error> {
        if tflag & TFLAG_UNCOMMON == 0 {
            return Ok(None);
        }
        let sizes = &self.shape.descriptions;
        let size = match self.process.uint(t, self.shape.typ.kind)? & KIND_MASK {
            17 => sizes.array,
            18 => sizes.chan,
            19 => sizes.func,
            20 => sizes.interface,
            21 => sizes.map,
            22 => sizes.pointer,
            23 => sizes.slice,
            25 => sizes.structure,
            _ => self.shape.typ.size,
        };
        Ok(Some(offset::<T>(t, size)))
    }

    /// Port of `resolveNameOff` and `Name`: a name of a type that the linker has made.
    fn name_off(&self, t: Addr, off: i32) -> Result<Header, Error> {
        if off == 0 {
            return Ok(Header::default());
        }
        let Some(module) = self.symtab.modules.iter().find(|md| md.types <= t.0 && t.0 < md.etypes) else {
            // The program has made the type itself, and the name is in a map.
            return Ok(Header::default());
        };
        let at = offset::<T>(Addr(module.types), i64::from(off) as u64);
        let left = module.etypes.saturating_sub(at.0);
        if left == 0 {
            let place = self.shape.typ.str.place;
            return Err(out_of_range(
                place,
                t,
                i64::from(off) as u64,
                "a name is beyond the end of moduledata.types",
            ));
        }
        // A byte of flags, and the length.
        let mut bytes = Bytes::new(self.process.memory, offset::<T>(at, 1), LONGEST_VARINT, NAME);
        let (mut len, mut n) = (0u64, 0);
        while let Some(b) = bytes.next()? {
            len |= u64::from(b & 0x7f).checked_shl(7 * n).unwrap_or(0);
            n += 1;
            if b & 0x80 == 0 {
                break;
            }
        }
        let header = Header { array: offset::<T>(at, 1 + u64::from(n)), len };
        if len > left {
            return Err(out_of_range(
                NAME,
                at,
                len,
                "a name is longer than what is left of moduledata.types",
            ));
        }
        Ok(header)
    }

    /// Port of `rtype.string`.
    fn string(&self, t: Addr, tflag: u64) -> Result<Header, Error> {
        let s = self.name_off(t, self.process.int32(t, self.shape.typ.str)?)?;
        if tflag & TFLAG_EXTRA_STAR != 0 && s.len > 0 {
            return Ok(Header { array: offset::<T>(s.array, 1), len: s.len - 1 });
        }
        Ok(s)
    }

    /// Port of `rtype.name`: what comes after the last dot outside of brackets.
    fn name(&self, s: Header) -> Result<Header, Error> {
        const CHUNK: u64 = 64;
        let mut sq_brackets = 0i64;
        let mut end = s.len;
        while end > 0 {
            let n = end.min(CHUNK);
            let mut buf = [0; CHUNK as usize];
            let bytes = &mut buf[..n as usize];
            let at = offset::<T>(s.array, end - n);
            let read = self.process.memory.read(at, bytes);
            read.map_err(|source| Error::Unreadable { place: NAME, source })?;
            for (i, &b) in bytes.iter().enumerate().rev() {
                match b {
                    b'.' if sq_brackets == 0 => {
                        let after = end - n + i as u64 + 1;
                        return Ok(Header { array: offset::<T>(s.array, after), len: s.len - after });
                    }
                    b']' => sq_brackets += 1,
                    b'[' => sq_brackets -= 1,
                    _ => {}
                }
            }
            end -= n;
        }
        Ok(s)
    }
}
