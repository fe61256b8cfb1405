//! Where a program's compiler has put what the runtime consists of, as the writer asks for it.
//!
//! Go 1.5's structures are declared in this crate ([`go15`](crate::go15)). Those of today's Go change with every release
//! and with experiments, so that a program itself has to say how they are laid out: its DWARF does. Nothing here knows DWARF;
//! `heapmatrix-layouts` reads it.

use crate::error::Place;
use crate::memory::Addr;

/// Where a field of a structure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FieldAt {
    /// The distance from the structure's first byte, in bytes.
    pub offset: u64,
    /// The size of the field, in bytes.
    pub size: u64,
}

/// Where a variable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VariableAt {
    /// Its address.
    pub addr: Addr,
    /// Its size, in bytes.
    pub size: u64,
}

/// What a program says of the structures, variables and constants of its runtime.
///
/// Names are Go's, with the whole path of the package: `runtime.mspan`, `internal/abi.Type`.
pub trait Layouts {
    /// The size of a structure in bytes.
    fn size(&self, structure: &str) -> Option<u64>;

    /// A field of a structure.
    fn field(&self, structure: &str, field: &str) -> Option<FieldAt>;

    /// A variable of a package.
    fn variable(&self, name: &str) -> Option<VariableAt>;

    /// The value of a constant; of an unsigned one beyond 2^63 the same bits.
    fn constant(&self, name: &str) -> Option<i64>;
}

impl<L: Layouts + ?Sized> Layouts for &L {
    fn size(&self, structure: &str) -> Option<u64> {
        (**self).size(structure)
    }

    fn field(&self, structure: &str, field: &str) -> Option<FieldAt> {
        (**self).field(structure, field)
    }

    fn variable(&self, name: &str) -> Option<VariableAt> {
        (**self).variable(name)
    }

    fn constant(&self, name: &str) -> Option<i64> {
        (**self).constant(name)
    }
}

/// A name that the program's layouts lack, and that no heap dump can be written without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the program's debugging information does not say where {0} is: it is stripped (-ldflags=-w), or its runtime is not \
     one of Go 1.19 to 1.27"
)]
pub struct NoLayout(pub Place);

#[cfg(test)]
mod tests {
    use super::*;

    struct Numbers;

    impl Layouts for Numbers {
        fn size(&self, structure: &str) -> Option<u64> {
            Some(structure.len() as u64 + 2)
        }

        fn field(&self, structure: &str, field: &str) -> Option<FieldAt> {
            Some(FieldAt { offset: structure.len() as u64, size: field.len() as u64 })
        }

        fn variable(&self, name: &str) -> Option<VariableAt> {
            Some(VariableAt { addr: Addr(name.len() as u64), size: 3 })
        }

        fn constant(&self, name: &str) -> Option<i64> {
            Some(name.len() as i64 + 5)
        }
    }

    fn ask(layouts: impl Layouts) -> [u64; 6] {
        let (field, variable) = (layouts.field("four", "f").unwrap(), layouts.variable("v").unwrap());
        let constant = layouts.constant("constant").unwrap() as u64;
        [layouts.size("four").unwrap(), field.offset, field.size, variable.addr.0, variable.size, constant]
    }

    #[test]
    fn who_refers_to_layouts_has_them() {
        assert_eq!(ask(&Numbers), [6, 4, 1, 1, 3, 13]);
        assert_eq!(ask(&Numbers as &dyn Layouts), ask(Numbers));
    }
}
