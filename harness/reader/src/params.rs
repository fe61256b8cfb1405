//! The first record: what the others need to be understood.

use std::fmt;
use std::io::{self, Write};

use crate::cursor::Cursor;
use crate::wire::{Wire, put_uvarint, wire_structs};
use crate::{Error, Problem, Result, Text, Version};

wire_structs! {
    /// The machine and the heap that were dumped. Source: `dumpparams`.
    pub struct Params<'a> {
        /// Whether the most significant byte of a word comes first.
        pub big_endian: bool,
        /// The size of a pointer.
        pub pointer_size: PointerSize,
        /// The address at which the heap starts. Since Go 1.11, which has no contiguous heap, the lowest one.
        pub heap_start: u64,
        /// The address after the heap's end.
        pub heap_end: u64,
        /// The architecture.
        pub arch: Arch<'a>,
        /// `GOEXPERIMENT`; in recent releases the Go version, such as `go1.27.3`.
        pub experiment: Text<'a>,
        /// The number of processors that the runtime saw when it started.
        pub cpus: u64,
    }
}

impl Params<'_> {
    /// The architecture's GOARCH, such as `amd64`; `None` for a character that no Go architecture has.
    pub fn goarch(&self) -> Option<Text<'_>> {
        let character = match self.arch {
            Arch::Name(name) => return Some(name),
            Arch::Char(character) => u8::try_from(character).ok()?,
        };
        // The endian flag and the pointer size tell those apart that share a character.
        let name = match (character, self.pointer_size, self.big_endian) {
            (b'5', PointerSize::Four, false) => "arm",
            (b'6', PointerSize::Eight, false) => "amd64",
            (b'6', PointerSize::Four, false) => "amd64p32",
            (b'7', PointerSize::Eight, false) => "arm64",
            (b'8', PointerSize::Four, false) => "386",
            (b'9', PointerSize::Eight, true) => "ppc64",
            (b'9', PointerSize::Eight, false) => "ppc64le",
            (b'0', PointerSize::Eight, true) => "mips64",
            (b'0', PointerSize::Eight, false) => "mips64le",
            // Go ports to these came after the letters. The golden dumps of mips are what Go 1.5 would have written.
            (b'0', PointerSize::Four, true) => "mips",
            (b'0', PointerSize::Four, false) => "mipsle",
            _ => return None,
        };
        Some(name.into())
    }

    /// The pointer-sized word at `offset` of `contents`, in bytes from their start; `None` if it is not all inside.
    #[inline]
    pub fn word(&self, contents: &[u8], offset: u64) -> Option<u64> {
        let rest = contents.get(usize::try_from(offset).ok()?..)?;
        Some(match (self.pointer_size, self.big_endian) {
            (PointerSize::Four, false) => u32::from_le_bytes(*rest.first_chunk()?).into(),
            (PointerSize::Four, true) => u32::from_be_bytes(*rest.first_chunk()?).into(),
            (PointerSize::Eight, false) => u64::from_le_bytes(*rest.first_chunk()?),
            (PointerSize::Eight, true) => u64::from_be_bytes(*rest.first_chunk()?),
        })
    }
}

/// The size of a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PointerSize {
    /// 32 bits.
    Four = 4,
    /// 64 bits.
    Eight = 8,
}

impl PointerSize {
    /// In bytes.
    pub const fn bytes(self) -> u64 {
        self as u64
    }

    /// The highest address.
    pub const fn max_address(self) -> u64 {
        match self {
            Self::Four => u32::MAX as u64,
            Self::Eight => u64::MAX,
        }
    }
}

impl Wire<'_> for PointerSize {
    fn decode(cursor: &mut Cursor<'_>, field: &'static str) -> Result<Self> {
        let start = cursor.offset();
        match cursor.uvarint(field)? {
            4 => Ok(Self::Four),
            8 => Ok(Self::Eight),
            size => Err(Error::new(start, field, Problem::PointerSize(size))),
        }
    }

    fn encode(&self, out: &mut impl Write) -> io::Result<()> {
        put_uvarint(self.bytes(), out)
    }
}

/// How a dump names its architecture. See [`Params::goarch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch<'a> {
    /// The character of Go's tool chain, `'6'` for amd64: go1.5 and go1.6, where it is a number and not, as
    /// the public description has it, a string.
    Char(u64),
    /// The GOARCH: go1.7.
    Name(Text<'a>),
}

impl<'a> Wire<'a> for Arch<'a> {
    fn decode(cursor: &mut Cursor<'a>, field: &'static str) -> Result<Self> {
        match cursor.version {
            Version::Go15 | Version::Go16 => cursor.uvarint(field).map(Self::Char),
            Version::Go17 => Text::decode(cursor, field).map(Self::Name),
        }
    }

    fn encode(&self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Char(character) => put_uvarint(*character, out),
            Self::Name(name) => name.encode(out),
        }
    }
}

impl fmt::Display for Arch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Char(character) => match u32::try_from(*character).ok().and_then(char::from_u32) {
                Some(character) if character.is_ascii_graphic() => write!(f, "{character:?}"),
                _ => write!(f, "{character}"),
            },
            Self::Name(name) => fmt::Display::fmt(name, f),
        }
    }
}
