//! How values stand in a dump: one trait with both directions, and a macro that derives it for structures.

use std::io::{self, Write};

use crate::cursor::Cursor;
use crate::{Result, Text};

/// A value of the format.
pub(crate) trait Wire<'a>: Sized {
    /// Reads the value; errors name `field`.
    fn decode(cursor: &mut Cursor<'a>, field: &'static str) -> Result<Self>;
    /// Writes the bytes that [`decode`](Self::decode) reads.
    fn encode(&self, out: &mut impl Write) -> io::Result<()>;
}

/// Writes a number as `dumpint` does.
pub(crate) fn put_uvarint(mut value: u64, out: &mut impl Write) -> io::Result<()> {
    let mut bytes = [0; 10];
    let mut length = 0;
    while value >= 0x80 {
        bytes[length] = value as u8 | 0x80;
        value >>= 7;
        length += 1;
    }
    bytes[length] = value as u8;
    out.write_all(&bytes[..=length])
}

/// The number of bytes that a number takes.
#[inline]
pub(crate) fn uvarint_length(value: u64) -> u64 {
    u64::from(64 - (value | 1).leading_zeros()).div_ceil(7)
}

impl Wire<'_> for u64 {
    #[inline(always)]
    fn decode(cursor: &mut Cursor<'_>, field: &'static str) -> Result<Self> {
        cursor.uvarint(field)
    }

    fn encode(&self, out: &mut impl Write) -> io::Result<()> {
        put_uvarint(*self, out)
    }
}

impl Wire<'_> for bool {
    fn decode(cursor: &mut Cursor<'_>, field: &'static str) -> Result<Self> {
        cursor.bool(field)
    }

    fn encode(&self, out: &mut impl Write) -> io::Result<()> {
        put_uvarint(u64::from(*self), out)
    }
}

impl<'a> Wire<'a> for &'a [u8] {
    #[inline(always)]
    fn decode(cursor: &mut Cursor<'a>, field: &'static str) -> Result<Self> {
        cursor.bytes(field)
    }

    fn encode(&self, out: &mut impl Write) -> io::Result<()> {
        put_uvarint(self.len() as u64, out)?;
        out.write_all(self)
    }
}

impl<'a> Wire<'a> for Text<'a> {
    fn decode(cursor: &mut Cursor<'a>, field: &'static str) -> Result<Self> {
        cursor.bytes(field).map(Text)
    }

    fn encode(&self, out: &mut impl Write) -> io::Result<()> {
        self.0.encode(out)
    }
}

impl<const N: usize> Wire<'_> for [u64; N] {
    fn decode(cursor: &mut Cursor<'_>, field: &'static str) -> Result<Self> {
        let mut values = [0; N];
        for value in &mut values {
            *value = cursor.uvarint(field)?;
        }
        Ok(values)
    }

    fn encode(&self, out: &mut impl Write) -> io::Result<()> {
        self.iter().try_for_each(|value| value.encode(out))
    }
}

/// Declares structures whose fields stand in a dump in the order of their declaration, so that the order is
/// written down once: the declaration is the format.
macro_rules! wire_structs {
    ($(
        $(#[$attribute:meta])*
        pub struct $name:ident $(<$life:lifetime>)? {
            $($(#[$field_attribute:meta])* pub $field:ident: $type:ty,)*
        }
    )*) => {$(
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name $(<$life>)? {
            $($(#[$field_attribute])* pub $field: $type,)*
        }

        wire_structs!(@impl $name $(<$life>)? { $($field: $type,)* });
    )*};
    (@impl $name:ident { $($field:ident: $type:ty,)* }) => {
        impl $crate::wire::Wire<'_> for $name { wire_structs!(@methods '_ $($field: $type,)*); }
    };
    (@impl $name:ident<$life:lifetime> { $($field:ident: $type:ty,)* }) => {
        impl<$life> $crate::wire::Wire<$life> for $name<$life> {
            wire_structs!(@methods $life $($field: $type,)*);
        }
    };
    (@methods $life:lifetime $($field:ident: $type:ty,)*) => {
        #[inline(always)]
        fn decode(cursor: &mut $crate::cursor::Cursor<$life>, _: &'static str) -> $crate::Result<Self> {
            // A structure's fields are evaluated in the order in which they are written.
            Ok(Self { $($field: $crate::wire::Wire::decode(cursor, stringify!($field))?,)* })
        }

        fn encode(&self, out: &mut impl std::io::Write) -> std::io::Result<()> {
            $($crate::wire::Wire::encode(&self.$field, out)?;)*
            Ok(())
        }
    };
}
pub(crate) use wire_structs;
