//! The measured layouts of Go 1.5.4's runtime structures.
//!
//! The figures come from the DWARF of real binaries, and nobody's arithmetic is in them. Images and the literal
//! oracle take every offset from here and none from the writer's declarations, so that a wrong offset on either side
//! shows; the writer's own tests compare its declarations with them.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

static FACTS: LazyLock<File> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../go1.5.4-runtime-layouts.json"))
        .expect("the embedded facts are well-formed")
});

#[derive(Deserialize)]
struct File {
    layouts: HashMap<String, HashMap<String, Layout>>,
}

#[derive(Deserialize)]
struct Layout {
    size: u64,
    fields: HashMap<String, Field>,
}

#[derive(Deserialize)]
struct Field {
    offset: u64,
    #[serde(rename = "type")]
    typ: String,
}

/// Something that the facts do not tell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FactError {
    /// An architecture that nobody has measured.
    #[error("no structure layouts are known for {goarch}: they are for {}", measured().join(", "))]
    Target {
        /// The architecture's GOARCH.
        goarch: String,
    },
    /// A structure that is not among the measured ones.
    #[error("the facts have no structure {0}")]
    Structure(String),
    /// A field that the structure does not have.
    #[error("the facts have no field {field} in {structure}")]
    Field {
        /// The structure.
        structure: String,
        /// The field, or the path to it.
        field: String,
    },
    /// A field that is no integer, no pointer and no bool.
    #[error("{structure}.{field} is a {typ} and not a number: name a field of it")]
    Composite {
        /// The structure.
        structure: String,
        /// The field, or the path to it.
        field: String,
        /// Its Go type.
        typ: String,
    },
}

/// The architectures that have been measured, by GOARCH, in alphabetical order.
pub fn measured() -> Vec<&'static str> {
    let mut all: Vec<&str> = FACTS.layouts.keys().map(String::as_str).collect();
    all.sort_unstable();
    all
}

/// Architectures that Go 1.5 never had, and measured ones whose layouts they would have.
///
/// A layout follows from the size of a pointer, the alignment of a 64-bit integer and the length of a cache line. On
/// mips these are 4, 4 and 32 bytes, as on arm; the order of bytes has no part in it.
const DERIVED: [(&str, &str); 1] = [("mips", "arm")];

/// Where a number lies in a structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// Bytes from the beginning of the structure.
    pub offset: u64,
    /// Bytes that it takes: 1, 2, 4 or 8.
    pub width: u64,
}

/// The layouts of one architecture.
#[derive(Clone, Copy)]
pub struct Layouts {
    structures: &'static HashMap<String, Layout>,
    pointer_size: u64,
}

impl Layouts {
    /// The layouts of an architecture, named by its GOARCH: a measured one, or mips.
    ///
    /// # Errors
    /// [`FactError::Target`] for all others.
    pub fn of(goarch: &str) -> Result<Layouts, FactError> {
        let measured =
            DERIVED.iter().find(|(derived, _)| *derived == goarch).map_or(goarch, |(_, from)| from);
        let structures =
            FACTS.layouts.get(measured).ok_or_else(|| FactError::Target { goarch: goarch.to_owned() })?;
        // A slice is three words.
        let pointer_size = structures.get("runtime.slice").map_or(0, |slice| slice.size / 3);
        Ok(Layouts { structures, pointer_size })
    }

    /// The size of a structure in bytes.
    ///
    /// # Errors
    /// [`FactError::Structure`].
    pub fn size(&self, structure: &str) -> Result<u64, FactError> {
        Ok(self.layout(structure)?.size)
    }

    /// The names of a structure's fields, in no order.
    ///
    /// # Errors
    /// [`FactError::Structure`].
    pub fn fields(&self, structure: &str) -> Result<impl ExactSizeIterator<Item = &'static str>, FactError> {
        Ok(self.layout(structure)?.fields.keys().map(String::as_str))
    }

    /// The offset in bytes of a field of any type. Dots lead into nested structures, slices
    /// (`array`, `len`, `cap`), strings (`str`, `len`) and empty interfaces (`_type`, `data`).
    ///
    /// # Errors
    /// [`FactError::Structure`] or [`FactError::Field`].
    pub fn offset(&self, structure: &str, path: &str) -> Result<u64, FactError> {
        Ok(self.find(structure, path)?.0)
    }

    /// Where a number lies; paths are as in [`offset`](Layouts::offset).
    ///
    /// # Errors
    /// [`FactError::Structure`], [`FactError::Field`] or [`FactError::Composite`].
    pub fn number(&self, structure: &str, path: &str) -> Result<Number, FactError> {
        let (offset, typ) = self.find(structure, path)?;
        let width = self.width(typ).ok_or_else(|| FactError::Composite {
            structure: structure.to_owned(),
            field: path.to_owned(),
            typ: typ.to_owned(),
        })?;
        Ok(Number { offset, width })
    }

    fn layout(&self, structure: &str) -> Result<&'static Layout, FactError> {
        self.structures.get(structure).ok_or_else(|| FactError::Structure(structure.to_owned()))
    }

    fn find(&self, structure: &str, path: &str) -> Result<(u64, &'static str), FactError> {
        let mut layout = self.layout(structure)?;
        let mut fields = path.split('.');
        let mut offset = 0;
        loop {
            let field = fields.next().and_then(|name| layout.fields.get(name)).ok_or_else(|| {
                FactError::Field { structure: structure.to_owned(), field: path.to_owned() }
            })?;
            offset += field.offset;
            if fields.clone().next().is_none() {
                return Ok((offset, &field.typ));
            }
            layout = self.layout(match field.typ.as_str() {
                "string" => "runtime.stringStruct",
                "interface {}" => "runtime.eface",
                slice if slice.starts_with("[]") => "runtime.slice",
                typ => typ,
            })?;
        }
    }

    /// The width in bytes of Go types that are numbers.
    fn width(&self, typ: &str) -> Option<u64> {
        Some(match typ {
            "bool" | "int8" | "uint8" => 1,
            "int16" | "uint16" => 2,
            "int32" | "uint32" => 4,
            "int64" | "uint64" | "float64" => 8,
            "int" | "uint" | "uintptr" | "unsafe.Pointer" => self.pointer_size,
            "runtime.bucketType" | "runtime.pageID" | "runtime.uintreg" => self.pointer_size,
            "runtime.gclinkptr" | "runtime.guintptr" | "runtime.muintptr" | "runtime.puintptr" => {
                self.pointer_size
            }
            pointer if pointer.starts_with('*') => self.pointer_size,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_of_nested_fields_add_up() {
        let amd64 = Layouts::of("amd64").unwrap();
        assert_eq!(amd64.number("runtime.g", "sched.lr"), Ok(Number { offset: 64 + 40, width: 8 }));
        assert_eq!(amd64.number("runtime.g", "waitreason.len"), Ok(Number { offset: 208, width: 8 }));
        assert_eq!(amd64.number("runtime._panic", "arg.data"), Ok(Number { offset: 16, width: 8 }));
        let arm = Layouts::of("arm").unwrap();
        assert_eq!(arm.number("runtime.g", "goid"), Ok(Number { offset: 96, width: 8 }));
        assert_eq!(arm.number("runtime.moduledata", "ftab.cap"), Ok(Number { offset: 20, width: 4 }));
        // The cache lines that pad mheap's central lists are shorter on arm.
        assert_eq!(arm.offset("runtime.mheap", "spanalloc"), Ok(29968));
        assert_eq!(Layouts::of("386").unwrap().offset("runtime.mheap", "spanalloc"), Ok(32112));
    }

    #[test]
    fn the_64_bit_machines_differ_in_their_cache_lines_only() {
        let of = |goarch| &FACTS.layouts[goarch];
        for goarch in ["arm64", "ppc64", "ppc64le"] {
            for (structure, layout) in of("amd64") {
                let other = &of(goarch)[structure];
                let offsets = |layout: &Layout| {
                    let mut all: Vec<_> =
                        layout.fields.iter().map(|(name, field)| (field.offset, name.clone())).collect();
                    all.sort();
                    all.retain(|&(offset, _)| structure != "runtime.mheap" || offset <= 29576);
                    all
                };
                assert_eq!(offsets(layout), offsets(other), "{structure} on {goarch}");
            }
        }
    }

    #[test]
    fn derived_layouts_are_not_called_measured() {
        let [mips, arm] = ["mips", "arm"].map(|goarch| Layouts::of(goarch).unwrap());
        assert_eq!(mips.size("runtime.mheap"), arm.size("runtime.mheap"));
        assert!(!measured().contains(&"mips"));
    }

    #[test]
    fn what_the_facts_lack_is_named() {
        let unknown = Layouts::of("vax").err().unwrap();
        assert_eq!(
            unknown.to_string(),
            "no structure layouts are known for vax: they are for 386, amd64, arm, arm64, ppc64, ppc64le"
        );
        let ppc64 = Layouts::of("ppc64").unwrap();
        assert_eq!(ppc64.size("runtime.p"), Err(FactError::Structure("runtime.p".into())));
        let missing = ppc64.number("runtime.g", "sched.r1").unwrap_err();
        assert_eq!(missing.to_string(), "the facts have no field sched.r1 in runtime.g");
        let composite = ppc64.number("runtime.g", "sched").unwrap_err();
        assert!(matches!(composite, FactError::Composite { .. }), "{composite}");
    }
}
