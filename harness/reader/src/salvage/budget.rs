//! Work that is measured, so that hostile input cannot make more of it than there is input.

use crate::cursor::Cursor;
use crate::{Dump, Record, Result, Text};

/// How much may still be read more than once, in bytes.
#[derive(Debug)]
pub(super) struct Budget(u64);

/// What deciding about one place costs in any case.
const STEP: u64 = 16;

impl Budget {
    /// For an input of so many bytes.
    pub fn new(length: usize) -> Self {
        Self((length as u64).saturating_mul(32).saturating_add(1 << 16))
    }

    /// Whether nothing is left.
    pub fn is_spent(&self) -> bool {
        self.0 == 0
    }

    /// Takes what looking at so many bytes costs.
    pub fn spend(&mut self, bytes: u64) {
        self.0 = self.0.saturating_sub(bytes);
    }

    /// Reads a record, and pays for the bytes that had to be looked at: contents and strings are skipped.
    pub fn decode<'a>(&mut self, dump: &Dump<'a>, at: usize) -> Result<(Record<'a>, usize)> {
        let mut cursor = cursor(dump, at);
        let result = Record::decode(&mut cursor);
        let text = result.as_ref().map_or(0, |record| texts(record).map(valid_length).sum());
        self.spend(STEP + (cursor.looked_at() + text) as u64);
        result.map(|record| (record, at + cursor.consumed()))
    }
}

/// A cursor at a place of a dump.
pub(super) fn cursor<'a>(dump: &Dump<'a>, at: usize) -> Cursor<'a> {
    Cursor::new(&dump.bytes()[at..], at as u64, dump.version())
}

/// The texts of a record, which are looked at to judge it.
fn texts<'a>(record: &Record<'a>) -> impl Iterator<Item = &'a [u8]> {
    let (text, stack) = match record {
        Record::Type(ty) => (ty.name, None),
        Record::Goroutine(goroutine) => (goroutine.wait_reason, None),
        Record::StackFrame(frame) => (frame.function.name, None),
        Record::MemProf(bucket) => (Text::default(), Some(bucket.stack)),
        _ => (Text::default(), None),
    };
    let calls = stack.into_iter().flatten().flat_map(|call| [call.function.0, call.file.0]);
    std::iter::once(text.0).chain(calls)
}

/// How far bytes have to be looked at to see that they are no text.
fn valid_length(bytes: &[u8]) -> usize {
    bytes.utf8_chunks().next().map_or(0, |chunk| chunk.valid().len())
}
