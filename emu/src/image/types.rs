//! Type descriptors, as the compiler and the linker lay them out in read-only data (type.go), and
//! itabs before they are added to `runtime.hash` (iface.go).

use super::facts::FactError;
use super::section::{In, Sections};
use crate::world::{Type, World};

/// `kindDirectIface` and `kindNoPointers` (typekind.go).
const KIND_DIRECT_IFACE: u8 = 1 << 5;
const KIND_NO_POINTERS: u8 = 1 << 7;

/// Lays out the types and returns the addresses of their descriptors. The string headers of their names
/// lie at `names`, or with the rest if that is 0.
pub(crate) fn place_types(
    world: &World,
    mut names: u64,
    sections: &mut Sections,
) -> Result<Vec<u64>, FactError> {
    // A descriptor may be taken for a `ptrtype`, which goes on after `_type`.
    let size = sections.layouts.size("runtime.ptrtype")?;
    let types: Vec<u64> = world.types.iter().map(|_| sections.reserve(In::Rodata, size, 8)).collect();
    for (t, &addr) in world.types.iter().zip(&types) {
        sections.begin("runtime.ptrtype", addr)?;
        let string = string_header(&t.string, sections)?;
        let uncommon = place_uncommon(t, &mut names, sections)?;
        let kind = t.kind
            | if t.direct_iface { KIND_DIRECT_IFACE } else { 0 }
            | if t.no_pointers { KIND_NO_POINTERS } else { 0 };
        let size = t.size.on(sections.target.ptr_size());
        sections.fill(
            "runtime._type",
            addr,
            &[
                ("size", size),
                ("ptrdata", if t.no_pointers { 0 } else { size }),
                ("hash", t.hash.into()),
                ("kind", kind.into()),
                ("_string", string),
                ("x", uncommon),
                ("ptrto", t.ptrto.map_or(0, |ptrto| types[ptrto])),
            ],
        )?;
    }
    Ok(types)
}

fn place_uncommon(t: &Type, names: &mut u64, sections: &mut Sections) -> Result<u64, FactError> {
    let Some(uncommon) = &t.uncommon else { return Ok(0) };
    let addr = sections.reserve_structure(In::Rodata, "runtime.uncommontype")?;
    // The methods, of which there are none, would follow.
    let methods = sections.end(In::Rodata);
    sections.fill("runtime.uncommontype", addr, &[("mhdr.array", methods)])?;
    for (field, text) in [("name", &uncommon.name), ("pkgpath", &uncommon.pkg_path)] {
        if let Some(text) = text {
            let header = match *names {
                0 => string_header(text, sections)?,
                at => {
                    let (bytes, len) = sections.string(text);
                    let ptr_size = sections.target.ptr_size();
                    sections.put_word(at, bytes);
                    sections.put_word(at + ptr_size, len);
                    *names += 2 * ptr_size;
                    at
                }
            };
            sections.fill("runtime.uncommontype", addr, &[(field, header)])?;
        }
    }
    Ok(addr)
}

/// A string's header, which descriptors point to.
fn string_header(text: &str, sections: &mut Sections) -> Result<u64, FactError> {
    let (bytes, len) = sections.string(text);
    Ok(sections.words(In::Rodata, &[bytes, len]))
}

/// Lays out the itabs, without links, and returns their addresses.
pub(crate) fn place_itabs(
    world: &World,
    types: &[u64],
    sections: &mut Sections,
) -> Result<Vec<u64>, FactError> {
    let place = |itab: &crate::world::Itab| {
        let addr = sections.reserve_structure(In::Persistent, "runtime.itab")?;
        sections.fill("runtime.itab", addr, &[("_type", types[itab.typ])])?;
        Ok(addr)
    };
    world.itabs.iter().map(place).collect()
}
