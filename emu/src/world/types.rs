//! Types and itabs.

use serde::{Deserialize, Serialize};

/// A type's descriptor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Type {
    /// Size of a value of the type.
    pub size: super::Extent,
    /// `_string`: the type as Go spells it. The dump's name of types without an own one.
    pub string: String,
    /// `x`: what named types, and types with methods, have besides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncommon: Option<Uncommon>,
    /// `hash`. Its low 8 bits choose the bucket of the dump writer's type cache.
    pub hash: u32,
    /// The low 5 bits of `kind`.
    pub kind: u8,
    /// `kindDirectIface`: an interface's data word holds the value itself.
    pub direct_iface: bool,
    /// `kindNoPointers`: values hold no pointers.
    pub no_pointers: bool,
    /// `ptrto`: index of the type of pointers to this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ptrto: Option<usize>,
}

/// `uncommontype`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Uncommon {
    /// `pkgpath`: the import path; nil for predeclared types.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pkg_path: Option<String>,
    /// `name`: the name within the package; nil for unnamed types with methods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Type {
    /// Package path and name, when the type has both: only then the dump names it by them.
    pub fn qualified_name(&self) -> Option<(&str, &str)> {
        let uncommon = self.uncommon.as_ref()?;
        Some((uncommon.pkg_path.as_deref()?, uncommon.name.as_deref()?))
    }
}

/// An itab: the pair of an interface type and a type that implements it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Itab {
    /// Index of the implementing type.
    pub typ: usize,
    /// The bucket of `runtime.hash` that the itab goes to: less than 1009.
    pub bucket: usize,
}
