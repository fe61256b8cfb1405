//! Itabs, and the types that they lead to.

use std::io::Write;

use super::own::{Patched, buffers};
use super::typecache::TypeCache;
use super::{Dumper, Records};
use crate::error::{Error, Place};
use crate::format::dialect::Defects;
use crate::format::tags::Tag;
use crate::memory::{Addr, Memory};
use crate::runtime::layout::{Field, Header, Ptr, uintptr};
use crate::runtime::process::Process;
use crate::runtime::structs::{Itab, Type, UncommonType};
use crate::runtime::types::{KIND_DIRECT_IFACE, KIND_NO_POINTERS, TypeName};
use crate::target::Target;

impl<T: Target, M: Memory + ?Sized, W: Write> Dumper<'_, T, M, W> {
    /// Port of `dumpitabs`.
    pub(super) fn dumpitabs(&mut self) -> Result<(), Error> {
        let Dumper { process, out, typecache, options, .. } = self;
        process.iterate_itabs(|tab| itab_callback(process, out, typecache, options.defects, tab))
    }
}

/// Port of `itab_callback`: a map from an itab to the type of the data word of its interfaces.
fn itab_callback<T: Target, M: Memory + ?Sized, W: Write>(
    process: &Process<'_, T, M>,
    out: &mut Records<W>,
    typecache: &mut TypeCache,
    defects: Defects,
    tab: Addr,
) -> Result<(), Error> {
    let mut t = process.get(tab, Itab::_type())?;
    if process.get(t, Type::kind())? & KIND_DIRECT_IFACE == 0 {
        // indirect - data slot is a pointer to t.
        t = process.get(t, Type::ptrto())?;
    }
    dumptype(process, out, typecache, defects, t)?;
    out.tag(Tag::Itab)?;
    out.dumpptr(tab)?;
    out.dumpptr(t)
}

/// Port of `dumptype`.
fn dumptype<T: Target, M: Memory + ?Sized, W: Write>(
    process: &Process<'_, T, M>,
    out: &mut Records<W>,
    typecache: &mut TypeCache,
    defects: Defects,
    t: Addr,
) -> Result<(), Error> {
    if t.is_nil() || typecache.touch(t, process.get(t, Type::hash())?) {
        return Ok(());
    }
    out.tag(Tag::Type)?;
    out.dumpptr(t)?;
    out.sink.dump_int(process.get(t, Type::size())?)?;
    match process.type_name(t)? {
        TypeName::Plain(name) => out.dumpstr(process.memory, name)?,
        TypeName::Qualified { x, pkgpath, name } => {
            let (pkgpath, name) = if defects.type_names_by_address {
                headers_by_address(process, x, pkgpath, name)?
            } else {
                let (pkgpath_of, name_of) = (UncommonType::pkgpath::<T>(), UncommonType::name::<T>());
                let pkgpath = process.string_header(pkgpath, pkgpath_of.place)?;
                (pkgpath, process.string_header(name, name_of.place)?)
            };
            let len = pkgpath.len.wrapping_add(1).wrapping_add(name.len);
            out.sink.dump_int(uintptr::<T>(len))?;
            for (at, part) in [pkgpath, name].into_iter().enumerate() {
                if at > 0 {
                    out.sink.dwritebyte(b'.')?;
                }
                let own = if defects.type_names_by_address && defects.own_variables_in_bss {
                    buffers(process, out.sink.buffer(), typecache)
                } else {
                    Vec::new()
                };
                let memory = Patched::new(process.memory, own);
                out.sink.dwrite_from(&memory, part.array, part.len, TYPE_NAME)?;
            }
        }
    }
    let kind = process.get(t, Type::kind())?;
    let direct = kind & KIND_DIRECT_IFACE != 0;
    out.sink.dump_bool(!direct || kind & KIND_NO_POINTERS == 0)
}

const TYPE_NAME: Place = Place::new("uncommontype", "name");

/// `(*stringStruct)(unsafe.Pointer(&t.x.pkgpath))`, and the same of `t.x.name`: each field is taken
/// for the address of the bytes, and the word after it for their number.
fn headers_by_address<T: Target, M: Memory + ?Sized>(
    process: &Process<'_, T, M>,
    x: Addr,
    pkgpath: Addr,
    name: Addr,
) -> Result<(Header, Header), Error> {
    let after_pkgpath = UncommonType::mhdr::<T>();
    let len = process.get(x, Field::<T, Ptr>::new(after_pkgpath.place, after_pkgpath.offset))?.0;
    Ok((Header { array: pkgpath, len }, Header { array: name, len: pkgpath.0 }))
}
