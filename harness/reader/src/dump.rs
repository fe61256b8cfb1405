//! A dump in memory.

use crate::cursor::Cursor;
use crate::wire::Wire;
use crate::{Error, Kind, Params, Problem, Record, Result, Version};

/// A dump in memory, such as a mapped file. Nothing is copied out of it.
#[derive(Clone, Copy, Debug)]
pub struct Dump<'a> {
    input: &'a [u8],
    version: Version,
    params: Params<'a>,
}

impl<'a> Dump<'a> {
    /// Reads the header and the first record.
    ///
    /// # Errors
    /// Those of [`Version::recognise`]; of the record; and [`Problem::ParamsNotFirst`].
    pub fn new(input: &'a [u8]) -> Result<Self> {
        let version = Version::recognise(input)?;
        let start = version.header().len();
        let mut cursor = Cursor::new(&input[start..], start as u64, version);
        let params = first_record(&mut cursor)?;
        Ok(Self { input, version, params })
    }

    /// The version of the format.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The first record.
    pub fn params(&self) -> &Params<'a> {
        &self.params
    }

    /// The whole input.
    pub fn bytes(&self) -> &'a [u8] {
        self.input
    }

    /// All records with the offsets of their tags, from `params` to `eof`.
    pub fn records(&self) -> Records<'a> {
        self.records_from(self.version.header().len() as u64)
    }

    /// The records from the one at `offset` on. An offset at which no record starts gives an error, or
    /// nonsense; one past the end of the input gives [`Problem::MissingEof`].
    pub fn records_from(&self, offset: u64) -> Records<'a> {
        let start = usize::try_from(offset).map_or(self.input.len(), |start| start.min(self.input.len()));
        let cursor = Cursor::new(&self.input[start..], start as u64, self.version);
        Records { cursor, next: Next::Record }
    }
}

/// Reads the record that must be the first.
pub(crate) fn first_record<'a>(cursor: &mut Cursor<'a>) -> Result<Params<'a>> {
    let start = cursor.offset();
    let kind = Kind::decode(cursor)?;
    if kind != Kind::Params {
        return Err(Error::new(start, "tag", Problem::ParamsNotFirst(kind)).within(kind, start));
    }
    Params::decode(cursor, "params").map_err(|error| error.within(kind, start))
}

/// Iterates over the records of a [`Dump`] with the offsets of their tags. Ends after the `eof` record, or
/// after the first error; bytes after the `eof` record are an error.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    cursor: Cursor<'a>,
    next: Next,
}

#[derive(Clone, Copy, Debug)]
enum Next {
    Record,
    EndOfInput,
    Nothing,
}

impl Records<'_> {
    /// Where the next record starts.
    pub fn offset(&self) -> u64 {
        self.cursor.offset()
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<(u64, Record<'a>)>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let start = self.cursor.offset();
        match self.next {
            Next::Record => {}
            Next::EndOfInput if !self.cursor.is_at_end() => {
                self.next = Next::Nothing;
                return Some(Err(Error::new(start, "end", Problem::TrailingBytes)));
            }
            Next::EndOfInput | Next::Nothing => return None,
        }
        Some(match Record::decode(&mut self.cursor) {
            Ok(record) => {
                if matches!(record, Record::Eof) {
                    self.next = Next::EndOfInput;
                }
                Ok((start, record))
            }
            Err(error) => {
                self.next = Next::Nothing;
                Err(error)
            }
        })
    }
}

impl std::iter::FusedIterator for Records<'_> {}
