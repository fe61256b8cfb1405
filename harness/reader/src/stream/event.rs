//! What a stream gives: records, and the pieces of large ones.

use std::io;

use crate::cursor::Cursor;
use crate::wire::{Wire, wire_structs};
use crate::{Error, Fields, Function, Kind, Record, Result};

/// A record, or a piece of one that is larger than the stream's limit.
///
/// The pieces are: [`Begin`](Self::Begin), [`Contents`](Self::Contents) any number of times,
/// [`Function`](Self::Function) in stack frames, [`Fields`](Self::Fields) any number of times,
/// [`End`](Self::End).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole record.
    Record(Record<'a>),
    /// A large record begins.
    Begin(Head),
    /// The next bytes of its contents, never none.
    Contents(&'a [u8]),
    /// The function, if it is a stack frame.
    Function(Function<'a>),
    /// The next of its fields, never none.
    Fields(Fields<'a>),
    /// The large record ends.
    End,
}

/// The beginning of a large record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// Of an [`Object`](crate::Object).
    Object(Extent),
    /// Of a [`StackFrame`](crate::StackFrame).
    StackFrame(FrameExtent),
    /// Of a data [`Segment`](crate::Segment).
    Data(Extent),
    /// Of a bss [`Segment`](crate::Segment).
    Bss(Extent),
}

wire_structs! {
    /// Where an object or a segment is.
    pub struct Extent {
        /// Its first byte.
        pub address: u64,
        /// The length of its contents, in bytes.
        pub length: u64,
    }

    /// Where a stack frame is.
    pub struct FrameExtent {
        /// The lowest address in the frame.
        pub sp: u64,
        /// The number of frames that are further in.
        pub depth: u64,
        /// The `sp` of the next frame further in, or 0 in the innermost.
        pub child_sp: u64,
        /// The length of its contents, in bytes.
        pub length: u64,
    }
}

/// Why a stream can't go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The dump is wrong.
    #[error(transparent)]
    Dump(#[from] Error),
    /// The source failed.
    #[error("cannot read the dump after offset {offset}")]
    Read {
        /// The number of bytes that had been read.
        offset: u64,
        /// Its error.
        source: io::Error,
    },
}

impl Head {
    /// Its record's kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Object(_) => Kind::Object,
            Self::StackFrame(_) => Kind::StackFrame,
            Self::Data(_) => Kind::Data,
            Self::Bss(_) => Kind::Bss,
        }
    }

    /// The length of the record's contents, in bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Object(extent) | Self::Data(extent) | Self::Bss(extent) => extent.length,
            Self::StackFrame(extent) => extent.length,
        }
    }

    /// Reads the head at the cursor; `None` if the record has no contents.
    pub(super) fn decode(cursor: &mut Cursor<'_>, kind: Kind) -> Result<Option<Self>> {
        Ok(Some(match kind {
            Kind::Object => Self::Object(Wire::decode(cursor, "")?),
            Kind::StackFrame => Self::StackFrame(Wire::decode(cursor, "")?),
            Kind::Data => Self::Data(Wire::decode(cursor, "")?),
            Kind::Bss => Self::Bss(Wire::decode(cursor, "")?),
            _ => return Ok(None),
        }))
    }
}
