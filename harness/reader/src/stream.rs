//! A dump that is read piece by piece.

mod event;

use std::io::{self, Read};
use std::ops::Range;

use crate::cursor::{Cursor, beyond_input};
use crate::dump::first_record;
use crate::wire::{Wire, uvarint_length};
use crate::{Error, Fields, Function, Kind, Object, Problem, Record, Result, Version};

pub use event::{Event, Extent, FrameExtent, Head, StreamError};

/// How many bytes are read from the source at once, unless a record needs more: as many as stay in a CPU's cache
/// until they are handed out.
const CHUNK: usize = 256 << 10;

/// Reads a dump within a buffer of fixed size, however large the dump and its objects are.
///
/// Records come whole as long as they fit, and in [pieces](Event) otherwise. Counting the bytes of a dump's
/// objects, of any size, in two buffers of 64 KiB:
///
/// ```
/// # fn main() -> Result<(), heapmatrix_reader::StreamError> {
/// # let mut file = heapmatrix_reader::Version::Go15.header().to_vec();
/// # file.extend([6, 0, 8, 0, 0x7f, 0x36, 0, 1]);
/// # for _ in 0..100_000 { file.extend([1, 0x10, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]); }
/// # file.push(0);
/// use heapmatrix_reader::{Event, Head, Record, Stream};
///
/// let mut stream = Stream::with_limit(&file[..], 64 << 10)?;
/// let mut bytes = 0;
/// while let Some((_offset, event)) = stream.next()? {
///     match event {
///         Event::Record(Record::Object(object)) => bytes += object.contents.len() as u64,
///         Event::Begin(Head::Object(head)) => bytes += head.length,
///         _ => {}
///     }
/// }
/// assert_eq!(bytes, 800_000);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Stream<R> {
    source: R,
    window: Window,
}

/// What of the input is in memory, and what comes next in it. All that does not depend on the source, so that it is
/// compiled in this crate, where what it calls can be inlined.
#[derive(Debug)]
struct Window {
    /// Twice the limit: what is left of a record within the limit, and as much again.
    buffer: Box<[u8]>,
    /// The part of the buffer that has been read from the source and not yet handed out.
    filled: Range<usize>,
    source_ended: bool,
    /// Offset of `buffer[0]` in the input.
    base: u64,
    version: Version,
    state: State,
}

/// What comes next in the input.
#[derive(Clone, Copy, Debug)]
enum State {
    Params,
    Record,
    /// So many bytes of a large record's contents, at least one.
    Contents(Large, u64),
    /// The [`Function`] of a large frame.
    Function(Large),
    /// What is left of a large record's fields, `true` if that's no more than the end.
    Fields(Large, bool),
    EndOfInput,
    /// Nothing is read after an error.
    Failed,
}

/// A record that comes in pieces.
#[derive(Clone, Copy, Debug)]
struct Large {
    kind: Kind,
    start: u64,
    /// The length of its contents, in bytes, and where they start.
    length: u64,
    contents: u64,
}

impl<R: Read> Stream<R> {
    /// A stream with a limit of 1 MiB.
    ///
    /// # Errors
    /// Those of [`Version::recognise`] and of `source`.
    pub fn new(source: R) -> Result<Self, StreamError> {
        Self::with_limit(source, 1 << 20)
    }

    /// A stream that hands out larger records than `limit` bytes in pieces, and takes twice that memory. The
    /// limit is raised to 4096, of which `memstats` can take up to 2811.
    ///
    /// # Errors
    /// Those of [`Version::recognise`] and of `source`.
    pub fn with_limit(source: R, limit: usize) -> Result<Self, StreamError> {
        let window = Window {
            buffer: vec![0; 2 * limit.max(4096)].into_boxed_slice(),
            filled: 0..0,
            source_ended: false,
            base: 0,
            version: Version::Go17,
            state: State::Params,
        };
        let mut stream = Self { source, window };
        stream.refill()?;
        let window = &mut stream.window;
        window.version = Version::recognise(&window.buffer[window.filled.clone()])?;
        window.filled.start += window.version.header().len();
        Ok(stream)
    }

    /// The version of the format.
    pub fn version(&self) -> Version {
        self.window.version
    }

    /// Where the next event starts.
    pub fn offset(&self) -> u64 {
        self.window.offset()
    }

    /// The next record, or piece of one, with its offset: that of the tag, or of the piece. `None` after the
    /// `eof` record; after an error too.
    ///
    /// # Errors
    /// Those that reading the records of a [`Dump`](crate::Dump) gives, and [`Problem::TooLarge`]; those of
    /// the source.
    #[expect(clippy::should_implement_trait, reason = "the events borrow from the stream")]
    #[inline(always)]
    pub fn next(&mut self) -> Result<Option<(u64, Event<'_>)>, StreamError> {
        // Nearly all records are objects. They are read right here, and the others elsewhere.
        if let Some(place) = self.window.object() {
            return Ok(Some(self.window.take(place)));
        }
        self.next_of_any_kind()
    }

    #[inline(never)]
    fn next_of_any_kind(&mut self) -> Result<Option<(u64, Event<'_>)>, StreamError> {
        while self.window.is_short() {
            self.refill()?;
        }
        self.window.next()
    }

    /// Moves what is left to the front of the buffer and reads more: a chunk, or as much as is there already, so
    /// that a record of any size is tried few times.
    fn refill(&mut self) -> Result<(), StreamError> {
        let window = &mut self.window;
        window.buffer.copy_within(window.filled.clone(), 0);
        window.base += window.filled.start as u64;
        window.filled = 0..window.filled.len();
        let end = window.buffer.len().min(window.filled.end + CHUNK.max(window.filled.end));
        while window.filled.end < end && !window.source_ended {
            match self.source.read(&mut window.buffer[window.filled.end..end]) {
                Ok(0) => window.source_ended = true,
                Ok(count) => window.filled.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(StreamError::Read { offset: window.base + window.filled.end as u64, source });
                }
            }
        }
        Ok(())
    }
}

/// Where a whole object is in the buffer. It borrows nothing, so that more can be read if there is none.
struct Place {
    address: u64,
    contents: Range<usize>,
    fields: Range<usize>,
    end: usize,
}

impl Window {
    #[inline(always)]
    fn offset(&self) -> u64 {
        self.base + self.filled.start as u64
    }

    #[inline(always)]
    fn cursor(&self) -> Cursor<'_> {
        Cursor::new(&self.buffer[self.filled.clone()], self.offset(), self.version)
    }

    /// The next record, if it is an object, and whole.
    #[inline(always)]
    fn object(&self) -> Option<Place> {
        let mut cursor = self.cursor();
        if !matches!(self.state, State::Record) || cursor.rest().first() != Some(&(Kind::Object as u8)) {
            return None;
        }
        cursor.skip(1);
        let Object { address, contents, fields } = Wire::decode(&mut cursor, "").ok()?;
        // The contents and the fields come last, and after them one byte, the end of the list.
        let end = self.filled.start + cursor.consumed();
        let fields = end - 1 - fields.encoded().len()..end - 1;
        let contents = fields.start - contents.len()..fields.start;
        Some(Place { address, contents, fields, end })
    }

    /// Hands it out.
    #[inline(always)]
    fn take(&mut self, place: Place) -> (u64, Event<'_>) {
        let start = self.offset();
        self.filled.start = place.end;
        let contents = &self.buffer[place.contents];
        let fields = Fields::decoded(&self.buffer[place.fields]);
        (start, Event::Record(Record::Object(Object { address: place.address, contents, fields })))
    }

    /// Whether what is filled does not hold the next event, and more could.
    fn is_short(&self) -> bool {
        if self.source_ended || self.filled.len() >= self.limit() {
            return false;
        }
        let mut cursor = self.cursor();
        let decoded = match self.state {
            State::Params => first_record(&mut cursor).map(drop),
            State::Record => Record::decode(&mut cursor).map(drop),
            State::Function(_) => Function::decode(&mut cursor, "").map(drop),
            State::Fields(_, false) => Fields::decode_run(&mut cursor).map(drop),
            State::Contents(..) | State::EndOfInput => return self.filled.is_empty(),
            State::Fields(_, true) | State::Failed => return false,
        };
        decoded.is_err_and(|error| error.is_truncation())
    }

    /// The next event; what is filled suffices for it.
    fn next(&mut self) -> Result<Option<(u64, Event<'_>)>, StreamError> {
        let state = std::mem::replace(&mut self.state, State::Failed);
        let start = self.offset();
        let event = match state {
            State::Params => self.record(true)?,
            State::Record => self.record(false)?,
            State::Contents(record, left) => self.contents(record, left)?,
            State::Function(record) => self.function(record)?,
            State::Fields(record, false) => self.fields(record)?,
            State::Fields(_, true) => {
                self.state = State::Record;
                Event::End
            }
            State::EndOfInput if !self.filled.is_empty() => {
                return Err(Error::new(start, "end", Problem::TrailingBytes).into());
            }
            State::EndOfInput | State::Failed => return Ok(None),
        };
        Ok(Some((start, event)))
    }

    // Each of the following borrows the buffer for what it returns, and changes the other fields meanwhile:
    // hence no methods for that.

    /// Reads a whole record, or the head of a large one.
    #[inline(always)]
    fn record(&mut self, first: bool) -> Result<Event<'_>> {
        let start = self.offset();
        let window = &self.buffer[self.filled.clone()];
        let mut cursor = Cursor::new(window, start, self.version);
        let record =
            if first { first_record(&mut cursor).map(Record::Params) } else { Record::decode(&mut cursor) };
        match record {
            Ok(record) => {
                self.filled.start += cursor.consumed();
                self.state = if record.kind() == Kind::Eof { State::EndOfInput } else { State::Record };
                Ok(Event::Record(record))
            }
            Err(error) if error.is_truncation() && !self.source_ended => {
                let mut cursor = Cursor::new(window, start, self.version);
                let kind = Kind::decode(&mut cursor)?;
                let Some(head) = Head::decode(&mut cursor, kind)? else {
                    return Err(self.too_large(error.field(), kind, start));
                };
                self.filled.start += cursor.consumed();
                let record = Large { kind, start, length: head.length(), contents: cursor.offset() };
                self.state = match head.length() {
                    0 => record.after_contents(),
                    length => State::Contents(record, length),
                };
                Ok(Event::Begin(head))
            }
            Err(error) => Err(error),
        }
    }

    fn contents(&mut self, record: Large, left: u64) -> Result<Event<'_>> {
        if self.filled.is_empty() {
            return Err(record.cut(record.length - left));
        }
        let start = self.filled.start;
        let length = self.filled.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.filled.start += length;
        self.state = match left - length as u64 {
            0 => record.after_contents(),
            left => State::Contents(record, left),
        };
        Ok(Event::Contents(&self.buffer[start..start + length]))
    }

    fn function(&mut self, record: Large) -> Result<Event<'_>> {
        let start = self.offset();
        let mut cursor = Cursor::new(&self.buffer[self.filled.clone()], start, self.version);
        match Function::decode(&mut cursor, "function") {
            Ok(function) => {
                self.filled.start += cursor.consumed();
                self.state = State::Fields(record, false);
                Ok(Event::Function(function))
            }
            Err(error) if error.is_truncation() && !self.source_ended => {
                Err(self.too_large(error.field(), record.kind, record.start))
            }
            Err(error) => Err(error.within(record.kind, record.start)),
        }
    }

    fn fields(&mut self, record: Large) -> Result<Event<'_>> {
        let start = self.offset();
        let mut cursor = Cursor::new(&self.buffer[self.filled.clone()], start, self.version);
        let (fields, ended) =
            Fields::decode_run(&mut cursor).map_err(|error| error.within(record.kind, record.start))?;
        self.filled.start += cursor.consumed();
        // A run without a field has the end of the list, or it would have been an error.
        if fields.is_empty() {
            self.state = State::Record;
            return Ok(Event::End);
        }
        self.state = State::Fields(record, ended);
        Ok(Event::Fields(fields))
    }

    fn limit(&self) -> usize {
        self.buffer.len() / 2
    }

    fn too_large(&self, field: &'static str, kind: Kind, start: u64) -> Error {
        Error::new(self.offset(), field, Problem::TooLarge { limit: self.limit() }).within(kind, start)
    }
}

impl Large {
    fn after_contents(self) -> State {
        if self.kind == Kind::StackFrame { State::Function(self) } else { State::Fields(self, false) }
    }

    /// The error that the input ends after `left` bytes of the contents.
    fn cut(self, left: u64) -> Error {
        let length_at = self.contents - uvarint_length(self.length);
        beyond_input("contents", length_at, self.length, self.contents, left).within(self.kind, self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise each record would move all that follow it.
    #[test]
    fn nothing_is_moved_when_the_source_has_ended() {
        let mut file = Version::Go15.header().to_vec();
        file.extend([6, 0, 8, 0, 0x7f, 0x36, 0, 1]);
        file.extend([17, 1, 1].repeat(1000));
        file.push(0);
        let mut stream = Stream::new(&file[..]).unwrap();
        while stream.next().unwrap().is_some() {
            assert_eq!((stream.window.base, stream.window.filled.end), (0, file.len()));
        }
        assert_eq!(stream.window.filled.start, file.len());
    }
}
