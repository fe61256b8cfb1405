//! Lists of the fields that may hold pointers.

use std::fmt;
use std::io::{self, Write};

use crate::cursor::Cursor;
use crate::wire::{Wire, put_uvarint};
use crate::{Error, Problem, Result, Version};

/// What a field is. Source: the `fieldKind` constants of `runtime/heapdump.go`.
///
/// Go has written nothing but pointers since 1.4: the words of an interface are pointers on their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FieldKind {
    /// A pointer, or a word that might be one where nothing is known.
    Pointer = 1,
    /// A non-empty interface: itab and data word.
    Interface = 2,
    /// An empty interface: type and data word.
    EmptyInterface = 3,
}

impl FieldKind {
    fn from_number(number: u64) -> Option<Self> {
        [Self::Pointer, Self::Interface, Self::EmptyInterface].into_iter().find(|&kind| kind as u64 == number)
    }
}

/// A field of an object, a frame or a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    /// What it is.
    pub kind: FieldKind,
    /// Where it is, in bytes from the start of the contents. May lie past their end: see
    /// [`Law::FrameFieldInside`](crate::laws::Law::FrameFieldInside).
    pub offset: u64,
}

impl Field {
    /// A pointer field.
    pub fn pointer(offset: u64) -> Self {
        Self { kind: FieldKind::Pointer, offset }
    }
}

/// The fields of an object, a frame or a segment, in the order of the dump: an iterator over the dump's own
/// bytes, which have been validated. Clone it to iterate again. Source: `dumpbv` and `dumpfields`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Fields<'a> {
    /// Canonical pairs of kind and offset, without the end of the list.
    pairs: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The list in its encoded form, without the end mark.
    pub fn encode_list(fields: impl IntoIterator<Item = Field>) -> Vec<u8> {
        let mut out = Vec::new();
        for field in fields {
            out.push(field.kind as u8);
            put_uvarint(field.offset, &mut out).expect("memory does not fail");
        }
        out
    }

    /// The list that [`encode_list`](Self::encode_list) gave.
    ///
    /// # Errors
    /// That of the first pair which is not one; offsets count from the start of `pairs`.
    pub fn from_encoded(pairs: &'a [u8]) -> Result<Self> {
        let mut cursor = Cursor::new(pairs, 0, Version::Go17);
        while !cursor.is_at_end() {
            let start = cursor.offset();
            if scan_pair(&mut cursor)?.is_none() {
                return Err(Error::new(start, FIELD, Problem::UnknownFieldKind(0)));
            }
        }
        Ok(Self { pairs })
    }

    /// The list that was decoded from these bytes before. If they go on after its end, it is only good for iterating.
    #[inline(always)]
    pub(crate) fn decoded(pairs: &'a [u8]) -> Self {
        Self { pairs }
    }

    /// The list in its encoded form, without the end mark.
    #[inline(always)]
    pub(crate) fn encoded(self) -> &'a [u8] {
        self.pairs
    }

    /// Whether no field is left.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The longest run of whole pairs at the cursor, and whether the end of the list follows it (and has been
    /// read as well).
    ///
    /// # Errors
    /// That of the first pair, if the run is empty.
    #[inline]
    pub(crate) fn decode_run(cursor: &mut Cursor<'a>) -> Result<(Self, bool)> {
        let start = cursor.consumed();
        loop {
            skip_pairs(cursor);
            let run = Self { pairs: cursor.since(start) };
            if cursor.rest().first() == Some(&0) {
                cursor.skip(1);
                return Ok((run, true));
            }
            match scan_pair(cursor) {
                Ok(Some(_)) => {}
                Ok(None) => return Ok((run, true)),
                Err(error) if run.pairs.is_empty() => return Err(error),
                Err(_) => return Ok((run, false)),
            }
        }
    }
}

/// How errors name a part of a list.
const FIELD: &str = "fields";

/// Reads a pair, or the end of the list.
fn scan_pair(cursor: &mut Cursor<'_>) -> Result<Option<Field>> {
    let mut ahead = cursor.clone();
    let start = ahead.offset();
    let number = ahead.uvarint(FIELD)?;
    let field = if number == 0 {
        None
    } else {
        let kind = FieldKind::from_number(number)
            .ok_or_else(|| Error::new(start, FIELD, Problem::UnknownFieldKind(number)))?;
        Some(Field { kind, offset: ahead.uvarint(FIELD)? })
    };
    // Only now: an error leaves the cursor before the pair, which a stream can read again.
    *cursor = ahead;
    Ok(field)
}

/// Skips pointer fields eight bytes at a time: half of a pointer-rich dump is lists like these.
///
/// Stops before anything else and close to the end of the window; [`scan_pair`] reads that.
#[inline]
fn skip_pairs(cursor: &mut Cursor<'_>) {
    let rest = cursor.rest();
    let mut at = 0;
    while let Some(&bytes) = rest[at..].first_chunk() {
        let word = u64::from_le_bytes(bytes);
        // Up to four offsets below 128, which is what most lists are: whatever is not one of them stands out.
        let other = (word & 0x80ff_80ff_80ff_80ff) ^ 0x0001_0001_0001_0001;
        if other == 0 {
            at += 8;
        } else if other.trailing_zeros() >= 16 {
            at += other.trailing_zeros() as usize / 16 * 2;
        } else if word & 0x8080_ff80_80ff == 0x0080_0100_8001
            && word & 0x7f_0000 != 0
            && word & 0x7f00_0000_0000 != 0
        {
            // Two offsets from 128 to 16383.
            at += 6;
        } else if word as u8 == FieldKind::Pointer as u8 {
            // One offset of two to seven bytes, the last of which cannot be zero.
            let offset = word >> 8;
            let stops = !offset & 0x0080_8080_8080_8080;
            let last = stops.trailing_zeros().wrapping_sub(7);
            if stops == 0 || (offset >> last) as u8 == 0 {
                break;
            }
            at += 2 + last as usize / 8;
        } else {
            break;
        }
    }
    cursor.skip(at);
}

impl Iterator for Fields<'_> {
    type Item = Field;

    #[inline]
    fn next(&mut self) -> Option<Field> {
        match *self.pairs {
            [] => return None,
            [1, offset @ 0..0x80, ref rest @ ..] => {
                self.pairs = rest;
                return Some(Field::pointer(offset.into()));
            }
            _ => {}
        }
        let mut cursor = Cursor::new(self.pairs, 0, Version::Go17);
        let kind = FieldKind::from_number(cursor.uvarint(FIELD).ok()?)?;
        let offset = cursor.uvarint(FIELD).ok()?;
        self.pairs = cursor.rest();
        Some(Field { kind, offset })
    }

    /// The number of continuation-free bytes: two a field.
    fn count(self) -> usize {
        self.pairs.iter().filter(|&&byte| byte < 0x80).count() / 2
    }
}

impl std::iter::FusedIterator for Fields<'_> {}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}

impl<'a> Wire<'a> for Fields<'a> {
    #[inline(always)]
    fn decode(cursor: &mut Cursor<'a>, field: &'static str) -> Result<Self> {
        // Objects without pointers are the most frequent ones.
        if cursor.rest().first() == Some(&0) {
            cursor.skip(1);
            return Ok(Self::default());
        }
        let (fields, ended) = Self::decode_run(cursor)?;
        // The run stops without an end only before a pair that is wrong or cut: reading it says which.
        if ended {
            Ok(fields)
        } else {
            Err(scan_pair(cursor).err().unwrap_or_else(|| cursor.truncated(field)))
        }
    }

    fn encode(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(self.pairs)?;
        out.write_all(&[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Offsets around every boundary that the scan knows, in runs that shift them against its words.
    #[test]
    fn lists_are_scanned_as_they_are_iterated() {
        let offsets = [0, 1, 127, 128, 129, 16383, 16384, (1 << 21) - 1, 1 << 21, 1 << 48, 1 << 49, u64::MAX];
        for a in offsets {
            for b in offsets {
                for run in 0..12 {
                    let fields: Vec<Field> =
                        std::iter::repeat_n(a, run).chain([b, a, b]).map(Field::pointer).collect();
                    let mut bytes = Fields::encode_list(fields.iter().copied());
                    assert_eq!(Fields::from_encoded(&bytes).unwrap().count(), run + 3);
                    bytes.push(0);
                    let length = bytes.len();
                    bytes.extend([1; 9]);
                    if a.max(b) < 1 << 49 {
                        let mut cursor = Cursor::new(&bytes, 0, Version::Go15);
                        skip_pairs(&mut cursor);
                        assert_eq!(cursor.consumed(), length - 1, "all are skipped, and the end is not");
                    }
                    let mut cursor = Cursor::new(&bytes, 0, Version::Go15);
                    let read = Fields::decode(&mut cursor, FIELD).unwrap();
                    assert_eq!(read.collect::<Vec<_>>(), fields);
                    assert_eq!(cursor.consumed(), length);
                    for cut in 0..length {
                        let error = Fields::decode(&mut Cursor::new(&bytes[..cut], 0, Version::Go15), FIELD);
                        let error = error.unwrap_err();
                        assert_eq!((error.offset(), error.problem()), (cut as u64, &Problem::Truncated));
                    }
                }
            }
        }
    }

    #[test]
    fn a_list_is_empty_when_its_last_field_is_taken() {
        let bytes = Fields::encode_list([Field::pointer(8)]);
        let mut fields = Fields::from_encoded(&bytes).unwrap();
        assert!(!fields.is_empty());
        assert_eq!(fields.next(), Some(Field::pointer(8)));
        assert!(fields.is_empty());
        assert_eq!(fields.next(), None);
    }

    #[test]
    fn wrong_pairs_are_found_at_every_place() {
        let good = Fields::encode_list([0, 8, 300, 1 << 20].map(Field::pointer));
        for (bad, at, problem) in [
            (&[4, 0][..], 0, Problem::UnknownFieldKind(4)),
            (&[0x81, 0x00], 0, Problem::UvarintNotCanonical),
            (&[1, 0x80, 0x00], 1, Problem::UvarintNotCanonical),
            (&[1, 0x80, 0x80, 0x00], 1, Problem::UvarintNotCanonical),
            (&[1, 0x80, 0x00, 1, 0x80, 0x01], 1, Problem::UvarintNotCanonical),
            (&[1, 0x80, 0x01, 1, 0x80, 0x00], 4, Problem::UvarintNotCanonical),
            (&[1, 0x80, 0x01, 1, 0x80, 0x80, 0x00], 4, Problem::UvarintNotCanonical),
            (&[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], 1, Problem::UvarintOverflow),
        ] {
            for copies in 0..4 {
                let mut bytes = good.repeat(copies);
                let start = bytes.len() + at;
                bytes.extend(bad);
                bytes.extend([0; 12]);
                let error = Fields::decode(&mut Cursor::new(&bytes, 0, Version::Go15), FIELD).unwrap_err();
                assert_eq!((error.offset(), error.problem()), (start as u64, &problem));
            }
        }
    }
}
