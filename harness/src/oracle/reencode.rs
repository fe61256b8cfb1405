//! Re-encoding: the records that a dump was parsed into, encoded, are the dump.
//!
//! What it can find: a field that the reader drops, cuts short or reads with the wrong width, and
//! bytes of the dump that belong to no record. It needs no knowledge of the dumped process, so that it
//! holds for real dumps of any release as well as for synthetic ones. What it cannot find: a field
//! read as another of the same encoding (the two exchanged give the same bytes), and any bytes that are
//! wrong in the dump itself.

use heapmatrix_reader::{Dump, Error, Kind};

/// How a dump and its records differ.
#[derive(Debug, thiserror::Error)]
pub enum Difference {
    /// The dump cannot be parsed to its end, so that there is nothing to compare.
    #[error("the dump cannot be read: {0}")]
    Unreadable(#[from] Error),
    /// A record does not encode to the bytes that it was read from.
    #[error(
        "offset {offset}: the {kind} record that starts at offset {start} has {} there and encodes to {}",
        byte(*.read), byte(*.encoded)
    )]
    Record {
        /// The record's kind.
        kind: Kind,
        /// Offset of the record's tag.
        start: u64,
        /// Offset of the first byte that differs.
        offset: u64,
        /// The byte that was read; `None` after the record's last.
        read: Option<u8>,
        /// The byte that it encodes to; `None` after the encoding's last.
        encoded: Option<u8>,
    },
}

fn byte(byte: Option<u8>) -> String {
    byte.map_or_else(|| "no byte".to_owned(), |byte| format!("byte {byte:#04x}"))
}

/// Parses `dump` and encodes its records again, one after the other. Returns how many there are.
///
/// # Errors
/// [`Difference`] tells the first byte that does not come back.
pub fn reencode(dump: &[u8]) -> Result<u64, Difference> {
    let mut records = Dump::new(dump)?.records();
    let mut encoded = Vec::new();
    let mut count = 0;
    while let Some(record) = records.next() {
        let (start, record) = record?;
        encoded.clear();
        record.write_to(&mut encoded).expect("writing to memory does not fail");
        let read = &dump[start as usize..records.offset() as usize];
        if let Some((at, read, encoded)) = difference(read, &encoded) {
            let (kind, offset) = (record.kind(), start + at as u64);
            return Err(Difference::Record { kind, start, offset, read, encoded });
        }
        count += 1;
    }
    Ok(count)
}

/// The first place where two pieces differ, with the byte of each, if it has one there.
fn difference(a: &[u8], b: &[u8]) -> Option<(usize, Option<u8>, Option<u8>)> {
    let at = a.iter().zip(b).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len()));
    let [a, b] = [a.get(at).copied(), b.get(at).copied()];
    (a != b).then_some((at, a, b))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn real_dumps_come_back() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpora/real");
        let mut dumps = 0;
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.display();
            if !name.to_string().ends_with(".dump.zst") {
                continue;
            }
            let dump = zstd::decode_all(fs::File::open(&path).unwrap()).unwrap();
            let records = reencode(&dump).unwrap_or_else(|difference| panic!("{name}: {difference}"));
            assert!(records > 1000, "{name}: {records} records");
            dumps += 1;
        }
        assert!(dumps >= 8, "{dumps} dumps");
    }

    #[test]
    fn the_first_difference_is_told() {
        assert_eq!(difference(b"abc", b"abc"), None);
        assert_eq!(difference(b"abc", b"axc"), Some((1, Some(b'b'), Some(b'x'))));
        assert_eq!(difference(b"abc", b"ab"), Some((2, Some(b'c'), None)));
        assert_eq!(difference(b"", b"a"), Some((0, None, Some(b'a'))));
        let (kind, read, encoded) = (Kind::Itab, Some(7), None);
        let told = Difference::Record { kind, start: 30, offset: 32, read, encoded }.to_string();
        assert!(told.starts_with("offset 32: the itab record that starts at offset 30"), "{told}");
        assert!(told.ends_with("has byte 0x07 there and encodes to no byte"), "{told}");
    }

    #[test]
    fn a_dump_that_is_cut_off_cannot_be_compared() {
        let dump = b"go1.5 heap dump\n\x06\x00\x08\x00\x7f\x36\x00\x01\x00";
        assert_eq!(reencode(dump).unwrap(), 2);
        for len in 0..dump.len() {
            let cut = reencode(&dump[..len]);
            assert!(
                matches!(&cut, Err(Difference::Unreadable(error)) if error.offset() == len as u64),
                "{cut:?}"
            );
        }
        // A number with a superfluous byte would come back shorter.
        let padded = b"go1.5 heap dump\n\x06\x00\x08\x80\x00\x7f\x36\x00\x01\x00";
        assert!(matches!(reencode(padded), Err(Difference::Unreadable(_))));
    }
}
