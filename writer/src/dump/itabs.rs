//! Itabs, and the types that they lead to.

use super::{Dumper, Records, TypeCache};
use crate::error::{Error, Place};
use crate::format::tags::Tag;
use crate::memory::Addr;
use crate::process::patch::Patched;
use crate::process::uintptr;
use crate::record::{Itab, Type, TypeName};
use crate::runtime::Runtime;

const TYPE_NAME: Place = Place::new("uncommontype", "name");

impl<R: Runtime> Dumper<'_, '_, R> {
    /// Port of `dumpitabs`.
    pub(super) fn dumpitabs(&mut self) -> Result<(), Error> {
        let Dumper { runtime, out, typecache, .. } = self;
        runtime.iterate_itabs(|tab| itab_callback(*runtime, out, typecache, tab))
    }
}

/// Port of `itab_callback`: a map from an itab to the type of the data word of its interfaces.
fn itab_callback<R: Runtime>(
    runtime: &R,
    out: &mut Records<'_>,
    typecache: &mut TypeCache,
    Itab { tab, t }: Itab,
) -> Result<(), Error> {
    dumptype(runtime, out, typecache, t)?;
    out.tag(Tag::Itab)?;
    out.dumpptr(tab)?;
    out.dumpptr(t)
}

/// Port of `dumptype`.
fn dumptype<R: Runtime>(
    runtime: &R,
    out: &mut Records<'_>,
    typecache: &mut TypeCache,
    t: Addr,
) -> Result<(), Error> {
    if t.is_nil() || typecache.touch(t, runtime.type_hash(t)?) {
        return Ok(());
    }
    let Type { size, name, pointer } = runtime.type_at(t)?;
    out.tag(Tag::Type)?;
    out.dumpptr(t)?;
    out.sink.dumpint(size)?;
    match name {
        TypeName::Plain(name) => out.dumpstr(runtime.memory(), name)?,
        TypeName::Qualified(pkgpath, name) => {
            let len = pkgpath.len.wrapping_add(1).wrapping_add(name.len);
            out.sink.dumpint(uintptr::<R::Target>(len))?;
            for (at, part) in [pkgpath, name].into_iter().enumerate() {
                if at > 0 {
                    out.sink.dwritebyte(b'.')?;
                }
                let own = runtime.own_variables(&out.moment(typecache), part.array, part.len);
                let memory = Patched::new(runtime.memory(), own);
                out.sink.dwrite_from(&memory, part.array, part.len, TYPE_NAME)?;
            }
        }
    }
    out.sink.dumpbool(pointer)
}
