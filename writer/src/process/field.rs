//! Go's types as they lie in memory: sizes, alignments, and the decoding of values.
//!
//! Source: `cmd/compile/internal/gc/align.go` (`dowidth`, `widstruct`). A structure is declared once,
//! in its generation's `structs.rs`, and its offsets are constants of the target.

use std::marker::PhantomData;

use crate::error::Place;
use crate::memory::Addr;
use crate::target::Target;

/// A type of Go, as the target's compiler lays it out.
pub(crate) trait GoType<T: Target> {
    /// `unsafe.Sizeof`, in bytes.
    const SIZE: u64;
    /// `unsafe.Alignof`, in bytes.
    const ALIGN: u64;
}

/// A type of Go whose values the writer reads.
pub(crate) trait Load<T: Target>: GoType<T> {
    /// The host's form of a value.
    type Value;
    /// Decodes the `SIZE` bytes of a value.
    fn load(bytes: &[u8]) -> Self::Value;
}

/// The longest value that is read at once, in bytes: a slice's header.
pub(crate) const MAX_LOAD: usize = 24;

/// Decodes an unsigned integer of the target, of at most eight bytes.
#[inline]
fn integer<T: Target>(bytes: &[u8]) -> u64 {
    if T::BIG_ENDIAN {
        bytes.iter().fold(0, |v, &b| v << 8 | u64::from(b))
    } else {
        bytes.iter().rfold(0, |v, &b| v << 8 | u64::from(b))
    }
}

/// Declares types of a fixed or target-dependent size, and how their values are read.
macro_rules! scalars {
    ($($(#[$doc:meta])* $name:ident: $size:expr, align $align:expr, $value:ty, |$bits:ident| $decode:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) enum $name {}
        impl<T: Target> GoType<T> for $name {
            const SIZE: u64 = $size;
            const ALIGN: u64 = $align;
        }
        impl<T: Target> Load<T> for $name {
            type Value = $value;
            #[inline]
            fn load(bytes: &[u8]) -> $value {
                let $bits = integer::<T>(bytes);
                $decode
            }
        }
    )*};
}

scalars! {
    /// `bool`.
    Bool: 1, align 1, bool, |bits| bits != 0;
    /// `uint8`, `byte`.
    Uint8: 1, align 1, u8, |bits| bits as u8;
    /// `uint16`.
    Uint16: 2, align 2, u16, |bits| bits as u16;
    /// `uint32`.
    Uint32: 4, align 4, u32, |bits| bits as u32;
    /// `int32`.
    Int32: 4, align 4, i32, |bits| bits as i32;
    /// `uint64`, and `float64`, which is never read.
    Uint64: 8, align T::INT64_ALIGN, u64, |bits| bits;
    /// `int64`.
    Int64: 8, align T::INT64_ALIGN, i64, |bits| bits as i64;
    /// `uintptr`; `int`, which has the same size on every target.
    Uintptr: T::PTR_SIZE, align T::PTR_SIZE, u64, |bits| bits;
    /// `uintreg`.
    Uintreg: T::REG_SIZE, align T::REG_SIZE, u64, |bits| bits;
    /// Any pointer, and the runtime's `guintptr`, `gclinkptr` and so on.
    Ptr: T::PTR_SIZE, align T::PTR_SIZE, Addr, |bits| Addr(bits);
}

/// The header of a `string` or of a slice, without its capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// The first byte or element.
    pub array: Addr,
    /// The length, in bytes or elements.
    pub len: u64,
}

impl Header {
    fn load<T: Target>(bytes: &[u8]) -> Header {
        let word = T::PTR_SIZE as usize;
        Header { array: Addr(integer::<T>(&bytes[..word])), len: integer::<T>(&bytes[word..2 * word]) }
    }
}

/// `string`.
pub(crate) enum GoString {}
impl<T: Target> GoType<T> for GoString {
    const SIZE: u64 = 2 * T::PTR_SIZE;
    const ALIGN: u64 = T::PTR_SIZE;
}
impl<T: Target> Load<T> for GoString {
    type Value = Header;
    fn load(bytes: &[u8]) -> Header {
        Header::load::<T>(bytes)
    }
}

/// Any slice.
pub(crate) enum Slice {}
impl<T: Target> GoType<T> for Slice {
    const SIZE: u64 = 3 * T::PTR_SIZE;
    const ALIGN: u64 = T::PTR_SIZE;
}
impl<T: Target> Load<T> for Slice {
    type Value = Header;
    fn load(bytes: &[u8]) -> Header {
        Header::load::<T>(bytes)
    }
}

/// `[N]E`.
pub(crate) struct Array<E, const N: u64>(PhantomData<E>);
impl<T: Target, E: GoType<T>, const N: u64> GoType<T> for Array<E, N> {
    const SIZE: u64 = N * E::SIZE;
    const ALIGN: u64 = E::ALIGN;
}

/// A value of type `F` within something that begins at a known address.
pub(crate) struct Field<T, F> {
    /// The distance from the beginning, in bytes.
    pub offset: u64,
    /// What the field is called.
    pub place: Place,
    kind: PhantomData<(T, F)>,
}

impl<T, F> Clone for Field<T, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, F> Copy for Field<T, F> {}

impl<T: Target, F: GoType<T>> Field<T, F> {
    /// The field called `place`, `offset` bytes from the beginning.
    pub(crate) const fn new(place: Place, offset: u64) -> Self {
        Field { offset, place, kind: PhantomData }
    }

    /// A variable of package runtime, at its own address.
    pub(crate) const fn variable(name: &'static str) -> Self {
        Field::new(Place::variable(name), 0)
    }

    /// A field of this field.
    pub(crate) const fn then<G: GoType<T>>(self, inner: Field<T, G>) -> Field<T, G> {
        let place = Place { part: Some(inner.place.field), ..self.place };
        Field::new(place, self.offset + inner.offset)
    }

    /// Element `index` of the array that this field is the first element of.
    pub(crate) const fn element(self, index: u64) -> Self {
        Field::new(self.place, self.offset.wrapping_add(index.wrapping_mul(F::SIZE)))
    }
}

impl<T: Target, E: GoType<T>, const N: u64> Field<T, Array<E, N>> {
    /// The first element.
    pub(crate) const fn first(self) -> Field<T, E> {
        Field::new(self.place, self.offset)
    }
}

/// Lays out a structure's fields, given as (size, alignment): their offsets, and the whole's size and
/// alignment.
pub(crate) const fn lay_out<const N: usize>(fields: [(u64, u64); N]) -> ([u64; N], u64, u64) {
    let mut offsets = [0; N];
    let (mut end, mut max_align) = (0u64, 1);
    let mut i = 0;
    while i < N {
        let (size, align) = fields[i];
        end = end.next_multiple_of(align);
        offsets[i] = end;
        end += size;
        if align > max_align {
            max_align = align;
        }
        i += 1;
    }
    (offsets, end.next_multiple_of(max_align), max_align)
}

/// A field's name in Go, where it may be what is a keyword in Rust.
pub(crate) const fn spelling(ident: &'static str) -> &'static str {
    match ident.as_bytes() {
        [b'r', b'#', ..] => ident.split_at(2).1,
        _ => ident,
    }
}

/// Which of `names` is `name`.
pub(crate) const fn position(names: &[&str], name: &str) -> usize {
    let mut i = 0;
    while !same(names[i].as_bytes(), name.as_bytes()) {
        i += 1;
    }
    i
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    match (a, b) {
        ([x, a @ ..], [y, b @ ..]) => *x == *y && same(a, b),
        _ => a.is_empty() && b.is_empty(),
    }
}

/// Declares Go structures: a type for each, which is a [`GoType`], and a function for each field, which
/// gives its [`Field`].
macro_rules! go_structs {
    ($($(#[$doc:meta])* $name:ident = $go:ident { $($field:ident: $ty:ty),* $(,)? })*) => {
        $(
            $(#[$doc])*
            pub(crate) enum $name {}

            impl<T: Target> GoType<T> for $name {
                const SIZE: u64 = $name::layout::<T>().1;
                const ALIGN: u64 = $name::layout::<T>().2;
            }

            // A structure is declared whole, or later fields would lie wrong; not all of it is read.
            #[allow(dead_code, non_snake_case)]
            impl $name {
                const NAMES: &[&'static str] = &[$(spelling(stringify!($field))),*];

                const fn layout<T: Target>() -> ([u64; Self::NAMES.len()], u64, u64) {
                    lay_out([$((<$ty as GoType<T>>::SIZE, <$ty as GoType<T>>::ALIGN)),*])
                }

                $(pub(crate) const fn $field<T: Target>() -> Field<T, $ty> {
                    const NAME: &str = spelling(stringify!($field));
                    let offset = const { $name::layout::<T>().0[position($name::NAMES, NAME)] };
                    Field::new($crate::error::Place::new(stringify!($go), NAME), offset)
                })*
            }
        )*

        /// Every structure's name, size and fields (name, offset, size), for comparison with what
        /// Go's own compiler made of them.
        #[cfg(test)]
        #[allow(clippy::type_complexity)]
        pub(crate) fn layouts<T: Target>() -> Vec<(&'static str, u64, Vec<(&'static str, u64, u64)>)> {
            vec![$((
                stringify!($go),
                <$name as GoType<T>>::SIZE,
                vec![$((spelling(stringify!($field)), $name::$field::<T>().offset, <$ty as GoType<T>>::SIZE)),*],
            )),*]
        }
    };
}
pub(crate) use go_structs;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_aligned() {
        assert_eq!(lay_out([(1, 1), (8, 8), (2, 2), (4, 4)]), ([0, 8, 16, 20], 24, 8));
        assert_eq!(lay_out([(8, 4), (1, 1)]), ([0, 8], 12, 4));
        assert_eq!(lay_out([(3, 1)]), ([0], 3, 1));
    }

    #[test]
    fn names_have_positions() {
        let names = ["ab", "a", "bb", "abc", ""];
        for (i, name) in names.iter().enumerate() {
            assert_eq!(position(&names, name), i, "{name}");
        }
    }
}
