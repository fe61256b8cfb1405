//! The structures, variables and constants of today's runtime, as a program's [`Layouts`] have them.

use crate::error::Place;
use crate::layouts::{Layouts, NoLayout, VariableAt};

/// A field of a structure, or a variable: an integer of up to eight bytes, or something of which parts are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    /// The distance from the structure's beginning, in bytes.
    pub offset: u64,
    /// In bytes.
    pub size: u64,
    /// What it is called.
    pub place: Place,
}

impl At {
    /// What begins `bytes` further on.
    pub(crate) const fn after(self, bytes: u64) -> At {
        At { offset: self.offset.wrapping_add(bytes), ..self }
    }

    /// Of its first bytes so many.
    pub(crate) const fn sized(self, size: u64) -> At {
        At { size, ..self }
    }
}

/// The first of several spellings that the program knows.
fn first<V>(
    names: &[&'static str],
    mut find: impl FnMut(&'static str) -> Option<V>,
) -> Option<(&'static str, V)> {
    names.iter().find_map(|&name| Some((name, find(name)?)))
}

/// A name without its package.
fn short(name: &'static str) -> &'static str {
    name.rsplit('.').next().unwrap_or(name)
}

fn field(
    layouts: &dyn Layouts,
    structure: &'static str,
    names: &[&'static str],
    ok: impl Fn(u64) -> bool,
) -> Result<At, NoLayout> {
    let place = |name| Place::new(short(structure), name);
    let (name, at) = first(names, |name| layouts.field(structure, name).filter(|at| ok(at.size)))
        .ok_or(NoLayout(place(names[0])))?;
    Ok(At { offset: at.offset, size: at.size, place: place(name) })
}

const fn is_integer(size: u64) -> bool {
    matches!(size, 1 | 2 | 4 | 8)
}

/// Declares structures. Of a field, `int` says that it is an integer or a pointer, `any` that parts of it are read, and `opt`
/// that it is an integer which not all releases have. The names are those of Go; where they have changed, the newest first.
macro_rules! structures {
    ($($(#[$doc:meta])* $name:ident = $($go:literal)|+ { $($field:ident: $kind:ident $($spelling:literal)|+;)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name {
            /// The whole, in bytes.
            #[allow(dead_code, reason = "not every structure is an element of something")]
            pub size: u64,
            $(pub $field: structures!(@type $kind),)*
        }

        impl $name {
            /// Looks the fields up.
            pub(crate) fn find(layouts: &dyn Layouts) -> Result<Self, NoLayout> {
                let names = &[$($go),+];
                let (go, size) = first(names, |name| layouts.size(name))
                    .ok_or(NoLayout(Place::new("package", names[0])))?;
                Ok($name { size, $($field: structures!(@find $kind layouts, go, &[$($spelling),+]),)* })
            }
        }
    )*};
    (@type opt) => { Option<At> };
    (@type $kind:ident) => { At };
    (@find int $layouts:ident, $go:ident, $names:expr) => { field($layouts, $go, $names, is_integer)? };
    (@find any $layouts:ident, $go:ident, $names:expr) => { field($layouts, $go, $names, |_| true)? };
    (@find opt $layouts:ident, $go:ident, $names:expr) => { field($layouts, $go, $names, is_integer).ok() };
}

mod structures;
mod variables;

pub(crate) use structures::*;
pub(crate) use variables::Variables;

/// The address and size of a variable.
pub(crate) fn variable(layouts: &dyn Layouts, names: &[&'static str]) -> Result<VariableAt, NoLayout> {
    first(names, |name| layouts.variable(name))
        .map(|(_, at)| at)
        .ok_or(NoLayout(Place::new("package", names[0])))
}

/// The value of a constant.
pub(crate) fn constant(layouts: &dyn Layouts, names: &[&'static str]) -> Result<i64, NoLayout> {
    first(names, |name| layouts.constant(name))
        .map(|(_, value)| value)
        .ok_or(NoLayout(Place::new("package", names[0])))
}

/// The sizes of the descriptions of types by their kind, after which those of methods follow (`Uncommon`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Descriptions {
    pub array: u64,
    pub chan: u64,
    pub func: u64,
    pub interface: u64,
    pub map: u64,
    pub pointer: u64,
    pub slice: u64,
    pub structure: u64,
}

impl Descriptions {
    pub(crate) fn find(layouts: &dyn Layouts) -> Result<Self, NoLayout> {
        let size = |names: &[&'static str]| {
            first(names, |name| layouts.size(name))
                .map(|(_, size)| size)
                .ok_or(NoLayout(Place::new("package", names[0])))
        };
        Ok(Descriptions {
            array: size(&["internal/abi.ArrayType", "runtime.arraytype"])?,
            chan: size(&["internal/abi.ChanType", "runtime.chantype"])?,
            func: size(&["internal/abi.FuncType", "runtime.functype"])?,
            interface: size(&["internal/abi.InterfaceType", "runtime.interfacetype"])?,
            map: size(&[
                "internal/abi.MapType",
                "internal/abi.SwissMapType",
                "internal/abi.OldMapType",
                "runtime.maptype",
            ])?,
            pointer: size(&["internal/abi.PtrType", "runtime.ptrtype"])?,
            slice: size(&["internal/abi.SliceType", "runtime.slicetype"])?,
            structure: size(&["internal/abi.StructType", "runtime.structtype"])?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layouts::FieldAt;
    use crate::memory::Addr;

    /// All fields have so many bytes.
    struct Sized(u64);

    impl Layouts for Sized {
        fn size(&self, _: &str) -> Option<u64> {
            Some(64)
        }

        fn field(&self, _: &str, _: &str) -> Option<FieldAt> {
            Some(FieldAt { offset: 8, size: self.0 })
        }

        fn variable(&self, _: &str) -> Option<VariableAt> {
            Some(VariableAt { addr: Addr(64), size: 64 })
        }

        fn constant(&self, _: &str) -> Option<i64> {
            None
        }
    }

    #[test]
    fn integers_have_sizes_of_integers() {
        for size in 0..20 {
            let found = Gobuf::find(&Sized(size));
            assert_eq!(found.is_ok(), [1, 2, 4, 8].contains(&size), "{size}");
            assert_eq!(M::find(&Sized(size)).is_ok(), [1, 2, 4, 8].contains(&size), "{size}");
        }
    }
}
