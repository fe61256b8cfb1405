//! Where the fields of Go 1.5.4's runtime structures are, as measured in real binaries.
//!
//! The figures come from the DWARF of statically linked Linux binaries, not from anybody's
//! arithmetic: a wrong offset in the writer cannot be repeated here.

use std::collections::HashMap;
use std::sync::OnceLock;

use heapmatrix_emu::image::facts::JSON as FACTS;
use heapmatrix_writer::AnyTarget;
use serde::Deserialize;

/// One field: where it is in its structure, and how many bytes a load of it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) offset: u64,
    /// 0 for what is no single value: arrays, structures, slices and strings.
    pub(super) width: u64,
}

/// Every structure of one target.
pub(super) struct Layout {
    /// By path, `g.sched.sp`: structures inside a structure, slices (`array`, `len`, `cap`),
    /// strings (`str`, `len`) and interfaces (`_type`, `data`) are followed.
    fields: HashMap<String, Field>,
    sizes: HashMap<String, u64>,
}

#[derive(Deserialize)]
struct Facts {
    layouts: HashMap<String, HashMap<String, Struct>>,
}

#[derive(Deserialize)]
struct Struct {
    size: u64,
    fields: HashMap<String, Member>,
}

#[derive(Deserialize)]
struct Member {
    offset: u64,
    r#type: String,
}

impl Layout {
    /// The layout of `target`, or `None` where none was measured (amd64p32).
    ///
    /// arm64 and ppc64le have no measured binaries; the structures that a heap dump reads are laid
    /// out on all three 64-bit targets alike, as amd64 and ppc64 show. (What differs, the padding
    /// of `mheap.central` to a cache line, lies behind every field that is read here.)
    pub(super) fn of(target: AnyTarget) -> Option<&'static Layout> {
        static LAYOUTS: OnceLock<HashMap<String, Layout>> = OnceLock::new();
        let layouts = LAYOUTS.get_or_init(|| {
            let facts: Facts = serde_json::from_str(FACTS).expect("the committed facts are JSON");
            let ptr = |goarch: &str| if matches!(goarch, "amd64" | "ppc64") { 8 } else { 4 };
            facts.layouts.iter().map(|(goarch, it)| (goarch.clone(), Layout::new(it, ptr(goarch)))).collect()
        });
        layouts.get(match target {
            AnyTarget::Arm64 | AnyTarget::Ppc64le => "ppc64",
            measured => measured.goarch(),
        })
    }

    /// # Panics
    /// When the facts have no such field: the paths are literals of this oracle.
    pub(super) fn field(&self, path: &str) -> Field {
        *self.fields.get(path).unwrap_or_else(|| panic!("no measured field {path}"))
    }

    /// `unsafe.Sizeof`, in bytes.
    ///
    /// # Panics
    /// When the facts have no such structure: the names are literals of this oracle.
    pub(super) fn sizeof(&self, name: &str) -> u64 {
        *self.sizes.get(name).unwrap_or_else(|| panic!("no measured structure {name}"))
    }

    fn new(structs: &HashMap<String, Struct>, ptr: u64) -> Layout {
        let mut layout = Layout { fields: HashMap::new(), sizes: HashMap::new() };
        for (name, it) in structs {
            let name = name.trim_start_matches("runtime.");
            layout.sizes.insert(name.to_owned(), it.size);
            layout.add(structs, name, 0, it, ptr);
        }
        layout
    }

    fn add(&mut self, structs: &HashMap<String, Struct>, path: &str, base: u64, it: &Struct, ptr: u64) {
        for (name, member) in &it.fields {
            let path = format!("{path}.{name}");
            let offset = base + member.offset;
            self.fields.insert(path.clone(), Field { offset, width: width(&member.r#type, ptr) });
            let inner = match &*member.r#type {
                "string" => "runtime.stringStruct",
                "interface {}" => "runtime.eface",
                slice if slice.starts_with("[]") => "runtime.slice",
                other => other,
            };
            if let Some(inner) = structs.get(inner) {
                self.add(structs, &path, offset, inner, ptr);
            }
        }
    }
}

/// The bytes of a value of a Go type, or 0 when it is no single value.
fn width(ty: &str, ptr: u64) -> u64 {
    match ty {
        "bool" | "int8" | "uint8" => 1,
        "int16" | "uint16" => 2,
        "int32" | "uint32" => 4,
        "int64" | "uint64" | "float64" => 8,
        "int" | "uint" | "uintptr" | "unsafe.Pointer" => ptr,
        "runtime.pageID" | "runtime.bucketType" => ptr,
        "runtime.gclinkptr" | "runtime.guintptr" | "runtime.muintptr" | "runtime.puintptr" => ptr,
        pointer if pointer.starts_with('*') => ptr,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_follow_inner_structures() {
        let amd64 = Layout::of(AnyTarget::Amd64).unwrap();
        assert_eq!(amd64.field("g.sched.lr"), Field { offset: 64 + 40, width: 8 });
        assert_eq!(amd64.field("moduledata.pclntable.len"), Field { offset: 8, width: 8 });
        assert_eq!(amd64.field("moduledata.gcbssmask.n"), Field { offset: 280, width: 4 });
        assert_eq!(amd64.field("_panic.arg.data"), Field { offset: 16, width: 8 });
        assert_eq!(amd64.sizeof("finalizer"), 40);
        let arm = Layout::of(AnyTarget::Arm).unwrap();
        assert_eq!(arm.field("mheap.arena_start"), Field { offset: 18160, width: 4 });
        assert_eq!(arm.field("g.waitreason.len").width, 4);
    }

    #[test]
    fn the_64_bit_targets_agree_in_front_of_the_cache_line_padding() {
        let [amd64, ppc64] = [AnyTarget::Amd64, AnyTarget::Ppc64].map(|t| Layout::of(t).unwrap());
        assert_eq!(amd64.sizes, ppc64.sizes);
        assert_eq!(amd64.fields, ppc64.fields);
        for path in ["mheap.nspan", "mheap.arena_start", "mheap.arena_used"] {
            assert!(amd64.field(path).offset < amd64.field("mheap.central").offset);
        }
        assert!(Layout::of(AnyTarget::Arm64).is_some() && Layout::of(AnyTarget::Ppc64le).is_some());
        assert!(Layout::of(AnyTarget::Amd64p32).is_none());
    }
}
