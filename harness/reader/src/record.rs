//! Records: the 18 kinds, and the one place that knows which structure each is.

use std::fmt;
use std::io::{self, Write};

use crate::body::*;
use crate::cursor::Cursor;
use crate::wire::{Wire, put_uvarint};
use crate::{Error, Params, Problem, Result};

/// The kind of a record; its tag is its number. Source: the `tag` constants of `runtime/heapdump.go`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The end of the dump.
    Eof = 0,
    /// A heap object.
    Object = 1,
    /// A root outside segments and stacks.
    OtherRoot = 2,
    /// A type.
    Type = 3,
    /// A goroutine.
    Goroutine = 4,
    /// A stack frame of the goroutine before it.
    StackFrame = 5,
    /// The machine and the heap: the first record.
    Params = 6,
    /// A finalizer that is set.
    Finalizer = 7,
    /// An itab.
    Itab = 8,
    /// A thread.
    OsThread = 9,
    /// What the runtime counts about memory.
    MemStats = 10,
    /// A finalizer that is about to run.
    QueuedFinalizer = 11,
    /// The initialised global variables.
    Data = 12,
    /// The other global variables.
    Bss = 13,
    /// A deferred call of the goroutine before it.
    Defer = 14,
    /// A panic of the goroutine before it.
    Panic = 15,
    /// A bucket of the memory profile.
    MemProf = 16,
    /// A sampled object.
    AllocSample = 17,
}

impl Kind {
    /// Every kind, in the order of the tags.
    pub const ALL: [Self; 18] = [
        Self::Eof,
        Self::Object,
        Self::OtherRoot,
        Self::Type,
        Self::Goroutine,
        Self::StackFrame,
        Self::Params,
        Self::Finalizer,
        Self::Itab,
        Self::OsThread,
        Self::MemStats,
        Self::QueuedFinalizer,
        Self::Data,
        Self::Bss,
        Self::Defer,
        Self::Panic,
        Self::MemProf,
        Self::AllocSample,
    ];

    /// The kind's name: one word in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eof => "eof",
            Self::Object => "object",
            Self::OtherRoot => "otherroot",
            Self::Type => "type",
            Self::Goroutine => "goroutine",
            Self::StackFrame => "stackframe",
            Self::Params => "params",
            Self::Finalizer => "finalizer",
            Self::Itab => "itab",
            Self::OsThread => "osthread",
            Self::MemStats => "memstats",
            Self::QueuedFinalizer => "queuedfinalizer",
            Self::Data => "data",
            Self::Bss => "bss",
            Self::Defer => "defer",
            Self::Panic => "panic",
            Self::MemProf => "memprof",
            Self::AllocSample => "allocsample",
        }
    }

    /// The kind that [`name`](Self::name) calls so.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Reads a record's tag.
    #[inline]
    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Result<Self> {
        if cursor.is_at_end() {
            return Err(Error::new(cursor.offset(), "tag", Problem::MissingEof));
        }
        let start = cursor.offset();
        let tag = cursor.uvarint("tag")?;
        let kind = usize::try_from(tag).ok().and_then(|tag| Self::ALL.get(tag));
        kind.copied().ok_or_else(|| Error::new(start, "tag", Problem::UnknownTag(tag)))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A record. What is of variable size is borrowed from the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// The end of the dump.
    Eof,
    /// A heap object.
    Object(Object<'a>),
    /// A root outside segments and stacks.
    OtherRoot(OtherRoot<'a>),
    /// A type.
    Type(Type<'a>),
    /// A goroutine.
    Goroutine(Goroutine<'a>),
    /// A stack frame of the goroutine before it.
    StackFrame(StackFrame<'a>),
    /// The machine and the heap: the first record.
    Params(Params<'a>),
    /// A finalizer that is set.
    Finalizer(Finalizer),
    /// An itab.
    Itab(Itab),
    /// A thread.
    OsThread(OsThread),
    /// What the runtime counts about memory.
    MemStats(Box<MemStats>),
    /// A finalizer that is about to run.
    QueuedFinalizer(Finalizer),
    /// The initialised global variables.
    Data(Segment<'a>),
    /// The other global variables.
    Bss(Segment<'a>),
    /// A deferred call of the goroutine before it.
    Defer(Defer),
    /// A panic of the goroutine before it.
    Panic(Panic),
    /// A bucket of the memory profile.
    MemProf(MemProf<'a>),
    /// A sampled object.
    AllocSample(AllocSample),
}

impl<'a> Record<'a> {
    /// The record's kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Eof => Kind::Eof,
            Self::Object(_) => Kind::Object,
            Self::OtherRoot(_) => Kind::OtherRoot,
            Self::Type(_) => Kind::Type,
            Self::Goroutine(_) => Kind::Goroutine,
            Self::StackFrame(_) => Kind::StackFrame,
            Self::Params(_) => Kind::Params,
            Self::Finalizer(_) => Kind::Finalizer,
            Self::Itab(_) => Kind::Itab,
            Self::OsThread(_) => Kind::OsThread,
            Self::MemStats(_) => Kind::MemStats,
            Self::QueuedFinalizer(_) => Kind::QueuedFinalizer,
            Self::Data(_) => Kind::Data,
            Self::Bss(_) => Kind::Bss,
            Self::Defer(_) => Kind::Defer,
            Self::Panic(_) => Kind::Panic,
            Self::MemProf(_) => Kind::MemProf,
            Self::AllocSample(_) => Kind::AllocSample,
        }
    }

    /// Reads the record at the cursor. Errors name it.
    #[inline]
    pub(crate) fn decode(cursor: &mut Cursor<'a>) -> Result<Self> {
        // Nearly all records are objects. They are read right here, and the others elsewhere.
        if cursor.rest().first() != Some(&(Kind::Object as u8)) {
            return Self::decode_any(cursor);
        }
        let start = cursor.offset();
        cursor.skip(1);
        match Object::decode(cursor, "") {
            Ok(object) => Ok(Self::Object(object)),
            Err(error) => Err(error.within(Kind::Object, start)),
        }
    }

    #[inline(never)]
    fn decode_any(cursor: &mut Cursor<'a>) -> Result<Self> {
        let start = cursor.offset();
        let kind = Kind::decode(cursor)?;
        Self::decode_body(cursor, kind).map_err(|error| error.within(kind, start))
    }

    #[inline(always)]
    fn decode_body(cursor: &mut Cursor<'a>, kind: Kind) -> Result<Self> {
        #[inline(always)]
        fn body<'a, T: Wire<'a>>(cursor: &mut Cursor<'a>) -> Result<T> {
            T::decode(cursor, "")
        }
        Ok(match kind {
            Kind::Eof => Self::Eof,
            Kind::Object => Self::Object(body(cursor)?),
            Kind::OtherRoot => Self::OtherRoot(body(cursor)?),
            Kind::Type => Self::Type(body(cursor)?),
            Kind::Goroutine => Self::Goroutine(body(cursor)?),
            Kind::StackFrame => Self::StackFrame(body(cursor)?),
            Kind::Params => Self::Params(body(cursor)?),
            Kind::Finalizer => Self::Finalizer(body(cursor)?),
            Kind::Itab => Self::Itab(body(cursor)?),
            Kind::OsThread => Self::OsThread(body(cursor)?),
            Kind::MemStats => Self::MemStats(Box::new(body(cursor)?)),
            Kind::QueuedFinalizer => Self::QueuedFinalizer(body(cursor)?),
            Kind::Data => Self::Data(body(cursor)?),
            Kind::Bss => Self::Bss(body(cursor)?),
            Kind::Defer => Self::Defer(body(cursor)?),
            Kind::Panic => Self::Panic(body(cursor)?),
            Kind::MemProf => Self::MemProf(body(cursor)?),
            Kind::AllocSample => Self::AllocSample(body(cursor)?),
        })
    }

    /// Writes the record as it stands in a dump: the bytes from which it was read.
    ///
    /// That holds for every record that this crate reads, because it refuses the few inputs for which it
    /// could not hold: numbers with superfluous zero bytes, and truth values other than 0 and 1.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        put_uvarint(self.kind() as u64, out)?;
        match self {
            Self::Eof => Ok(()),
            Self::Object(body) => body.encode(out),
            Self::OtherRoot(body) => body.encode(out),
            Self::Type(body) => body.encode(out),
            Self::Goroutine(body) => body.encode(out),
            Self::StackFrame(body) => body.encode(out),
            Self::Params(body) => body.encode(out),
            Self::Finalizer(body) | Self::QueuedFinalizer(body) => body.encode(out),
            Self::Itab(body) => body.encode(out),
            Self::OsThread(body) => body.encode(out),
            Self::MemStats(body) => body.encode(out),
            Self::Data(body) | Self::Bss(body) => body.encode(out),
            Self::Defer(body) => body.encode(out),
            Self::Panic(body) => body.encode(out),
            Self::MemProf(body) => body.encode(out),
            Self::AllocSample(body) => body.encode(out),
        }
    }
}
