//! Where the fields of Go 1.5.4's runtime structures are, as measured in real binaries.
//!
//! The figures come from the DWARF of statically linked Linux binaries, not from anybody's
//! arithmetic: a wrong offset in the writer cannot be repeated here.

use heapmatrix_facts::{FactError, Layouts};
use heapmatrix_writer::AnyTarget;

/// One field: where it is in its structure, and how many bytes a load of it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) offset: u64,
    /// 0 for what is no single value: arrays, structures, slices and strings.
    pub(super) width: u64,
}

/// Every structure of one target, by names without their package: `g`, `mheap`.
#[derive(Clone, Copy)]
pub(super) struct Layout(Layouts);

impl Layout {
    /// The layout of `target`, or `None` where none was measured (amd64p32).
    pub(super) fn of(target: AnyTarget) -> Option<Layout> {
        Layouts::of(target.goarch()).ok().map(Layout)
    }

    /// The field at a path such as `g.sched.sp`: structures inside a structure, slices (`array`, `len`, `cap`),
    /// strings (`str`, `len`) and interfaces (`_type`, `data`) are followed.
    ///
    /// # Panics
    /// When the facts have no such field: the paths are literals of this oracle.
    pub(super) fn field(&self, path: &str) -> Field {
        let (name, field) = path.split_once('.').expect("a path has a structure and a field");
        let structure = format!("runtime.{name}");
        match self.0.number(&structure, field) {
            Ok(number) => Field { offset: number.offset, width: number.width },
            Err(FactError::Composite { .. }) => {
                let offset = self.0.offset(&structure, field).expect("it was found a moment ago");
                Field { offset, width: 0 }
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// `unsafe.Sizeof`, in bytes.
    ///
    /// # Panics
    /// When the facts have no such structure: the names are literals of this oracle.
    pub(super) fn sizeof(&self, name: &str) -> u64 {
        self.0.size(&format!("runtime.{name}")).unwrap_or_else(|error| panic!("{error}"))
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
        assert_eq!(amd64.field("mheap.central").width, 0);
        assert_eq!(amd64.sizeof("finalizer"), 40);
        let arm = Layout::of(AnyTarget::Arm).unwrap();
        assert_eq!(arm.field("mheap.arena_start"), Field { offset: 18160, width: 4 });
        assert_eq!(arm.field("g.waitreason.len").width, 4);
    }

    #[test]
    fn what_was_never_measured_has_no_layout() {
        assert!(Layout::of(AnyTarget::Arm64).is_some() && Layout::of(AnyTarget::Ppc64le).is_some());
        assert!(Layout::of(AnyTarget::Amd64p32).is_none());
    }
}
