//! What can be wrong with a dump, and where.

use std::fmt;

use crate::{Kind, Text};

/// Why a dump can't be read: where in the input, in which field of which record, and what is wrong there.
///
/// One pointer wide, so that results which carry it stay in registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    offset: u64,
    record: Option<(Kind, u64)>,
    field: &'static str,
    problem: Problem,
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    #[cold]
    pub(crate) fn new(offset: u64, field: &'static str, problem: Problem) -> Self {
        Self(Box::new(Inner { offset, record: None, field, problem }))
    }

    /// The same error, as part of the record of `kind` whose tag is at `start`.
    #[cold]
    pub(crate) fn within(mut self, kind: Kind, start: u64) -> Self {
        self.0.record = Some((kind, start));
        self
    }

    /// Where the input is wrong, in bytes from its start. If it ends too early this is its length.
    pub fn offset(&self) -> u64 {
        self.0.offset
    }

    /// The message, for where the offset is told anyway.
    pub(crate) fn without_offset(&self) -> impl fmt::Display {
        WithoutOffset(&self.0)
    }

    /// The record that is wrong, and the offset of its tag. `None` outside records.
    pub fn record(&self) -> Option<(Kind, u64)> {
        self.0.record
    }

    /// The field that is wrong, by its name in this crate's structures, or `header` or `tag`.
    pub fn field(&self) -> &'static str {
        self.0.field
    }

    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        &self.0.problem
    }

    /// Whether the input is sound as far as it goes, and ends too early.
    pub fn is_truncation(&self) -> bool {
        matches!(self.problem(), Problem::Truncated | Problem::LengthBeyondInput { .. } | Problem::MissingEof)
    }
}

/// What is wrong at one place of a dump.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The input does not start like a heap dump. Holds its first 16 bytes, or fewer.
    #[error("not a Go heap dump: starts with {:?}", Text(.0))]
    NotADump(Vec<u8>),
    /// A heap dump of a version that is not read here: 1.4 and older have other records. Holds the header.
    #[error("unsupported heap dump header {:?}; supported: go1.5, go1.6, go1.7 (Go 1.7 and later)", Text(.0))]
    UnknownVersion(Vec<u8>),
    /// The input ends inside the header or inside a number.
    #[error("the input ends here")]
    Truncated,
    /// A string or contents are longer than what is left of the input. In a type's name of a go1.5 dump
    /// this is most often the known defect of that version: see [`salvage`](crate::salvage()).
    #[error("the length at offset {at} is {length} bytes but only {left} are left")]
    LengthBeyondInput {
        /// Offset of the length.
        at: u64,
        /// The length, in bytes.
        length: u64,
        /// Bytes that the input has after the length.
        left: u64,
    },
    /// A number of more than 64 bits.
    #[error("expected a uvarint of at most 64 bits, found more")]
    UvarintOverflow,
    /// A number that ends in a superfluous zero byte. No Go runtime writes one, and accepting it would
    /// mean that encoding what was read gives other bytes.
    #[error("expected the shortest form of a uvarint, found one with a superfluous zero byte")]
    UvarintNotCanonical,
    /// A record starts with a tag that is not one of the format's 18.
    #[error("expected a record tag from 0 to 17, found {0}")]
    UnknownTag(u64),
    /// A truth value is neither 0 nor 1.
    #[error("expected 0 or 1, found {0}")]
    NotABool(u64),
    /// The pointer size is neither 4 nor 8.
    #[error("expected a pointer size of 4 or 8, found {0}")]
    PointerSize(u64),
    /// A field's kind is not pointer (1), interface (2), empty interface (3) or end of list (0).
    #[error("expected a field kind from 0 to 3, found {0}")]
    UnknownFieldKind(u64),
    /// The first record is not `params`, without which no other can be understood.
    #[error("expected the params record first, found a record of kind {0}")]
    ParamsNotFirst(Kind),
    /// The input ends at the end of a record, but without the `eof` record.
    #[error("the input ends without an eof record")]
    MissingEof,
    /// Bytes follow the `eof` record.
    #[error("expected the end of the input after the eof record")]
    TrailingBytes,
    /// The record can be read, and can't be here: it contradicts those before it. Only [`salvage`](crate::salvage())
    /// looks for that, where a dump is damaged.
    #[error("such a record is not allowed here")]
    OutOfPlace,
    /// An object's contents are in part other records. Only [`salvage`](crate::salvage()) looks for that.
    #[error("bytes are missing inside: other records are among the contents")]
    Torn,
    /// A part of a record that a [`Stream`](crate::Stream) must hold as a whole, such as a string, is larger
    /// than the stream's limit.
    #[error("larger than the stream's limit of {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {}: {}", self.offset(), self.without_offset())
    }
}

/// An error as its message goes on after the offset.
struct WithoutOffset<'a>(&'a Inner);

impl fmt::Display for WithoutOffset<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { record, field, problem, .. } = self.0;
        match record {
            Some((kind, start)) => write!(f, "{kind} record at {start}, {field}: {problem}"),
            None => write!(f, "{field}: {problem}"),
        }
    }
}

impl std::error::Error for Error {}
