//! The first difference between two dumps, in the words of the format and of the program.

use std::fmt;

use heapmatrix_emu::linux::SymbolTable;
use heapmatrix_reader::{Dump, Kind, Record};
use serde::Serialize;

/// Where two dumps differ first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The offset of the first byte that differs, from the dumps' beginning.
    pub offset: u64,
    /// The record that it belongs to, if the dump can be read up to there.
    pub record: Option<At>,
    /// What the dump from outside has: the field that differs and its value, or the byte.
    pub outside: String,
    /// What the program's own dump has.
    pub own: String,
}

/// A record of a dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct At {
    /// Its kind.
    pub kind: String,
    /// Its place among the records, from 0 (`params`).
    pub index: u64,
    /// The offset of its tag.
    pub offset: u64,
    /// The address in the program's memory that the byte was read from, and what lies there, if it
    /// belongs to contents.
    pub address: Option<String>,
}

impl Difference {
    /// Compares two dumps. `symbols` are the program's.
    pub fn first(outside: &[u8], own: &[u8], symbols: &SymbolTable) -> Option<Self> {
        let same = outside.iter().zip(own).take_while(|(a, b)| a == b).count();
        if same == outside.len() && same == own.len() {
            return None;
        }
        let offset = same as u64;
        let (ours, theirs) = (record_at(outside, offset), record_at(own, offset));
        let byte = |dump: &[u8]| dump.get(same).map_or("the end".to_owned(), |b| format!("byte {b:#04x}"));
        let (mut left, mut right) = (byte(outside), byte(own));
        if let (Some(a), Some(b)) = (&ours, &theirs)
            && let Some((a, b)) = first_lines(&a.record, &b.record)
        {
            (left, right) = (a, b);
        }
        let record = ours.or(theirs).map(|found| At {
            kind: found.record.kind().to_string(),
            index: found.index,
            offset: found.offset,
            address: found.address(offset).map(|addr| symbols.describe(addr)),
        });
        Some(Difference { offset, record, outside: left, own: right })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "first difference at offset {:#x}", self.offset)?;
        if let Some(at) = &self.record {
            write!(f, ", in record {} ({}, at {:#x})", at.index, at.kind, at.offset)?;
            if let Some(address) = &at.address {
                write!(f, ", read from {address}")?;
            }
        }
        write!(f, ": from outside {}, the program's own {}", self.outside, self.own)
    }
}

/// A record that was found.
struct Found<'a> {
    record: Record<'a>,
    index: u64,
    offset: u64,
}

impl Found<'_> {
    /// The address whose byte stands at an offset of the dump, if it belongs to the contents.
    fn address(&self, offset: u64) -> Option<u64> {
        let (address, contents) = match &self.record {
            Record::Object(r) => (r.address, r.contents),
            Record::Data(r) | Record::Bss(r) => (r.address, r.contents),
            _ => return None,
        };
        // The tag, the address and the length come first.
        let head = 1 + uvarint_len(address) + uvarint_len(contents.len() as u64);
        let within = offset.checked_sub(self.offset + head)?;
        (within < contents.len() as u64).then(|| address.wrapping_add(within))
    }
}

fn uvarint_len(value: u64) -> u64 {
    u64::from((64 - (value | 1).leading_zeros()).div_ceil(7))
}

/// The record that the byte at an offset belongs to.
fn record_at(bytes: &[u8], offset: u64) -> Option<Found<'_>> {
    let dump = Dump::new(bytes).ok()?;
    let mut records = dump.records();
    let mut index = 0;
    while let Some(Ok((start, record))) = records.next() {
        if offset < records.offset() {
            return Some(Found { record, index, offset: start });
        }
        index += 1;
    }
    None
}

/// The first field in which two records of one kind differ, as text; `None` if they don't.
fn first_lines(a: &Record<'_>, b: &Record<'_>) -> Option<(String, String)> {
    if a.kind() != b.kind() {
        return Some((format!("a record {}", a.kind()), format!("a record {}", b.kind())));
    }
    if matches!(a.kind(), Kind::Object | Kind::Data | Kind::Bss) {
        return None;
    }
    let (a, b) = (format!("{a:#?}"), format!("{b:#?}"));
    let (a, b) = a.lines().zip(b.lines()).find(|(a, b)| a != b)?;
    let clean = |line: &str| line.trim().trim_end_matches(',').to_owned();
    Some((clean(a), clean(b)))
}

#[cfg(test)]
mod tests {
    use heapmatrix_reader::{Fields, Object, Version};

    use super::*;

    /// A dump of one object at 0x1000.
    fn dump(contents: &[u8]) -> Vec<u8> {
        let mut file = Version::Go15.header().to_vec();
        file.extend([6, 0, 8, 0, 0x7f, 0x36, 0, 1]);
        let object = Object { address: 0x1000, contents, fields: Fields::default() };
        Record::Object(object).write_to(&mut file).unwrap();
        file.push(0);
        file
    }

    #[test]
    fn the_first_difference_is_named() {
        let symbols = SymbolTable::default();
        assert_eq!(Difference::first(&dump(&[0; 16]), &dump(&[0; 16]), &symbols), None);
        let found = Difference::first(
            &dump(&[0; 16]),
            &dump(&[0, 0, 0, 7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]),
            &symbols,
        );
        let text = found.unwrap().to_string();
        assert!(text.contains("record 1 (object, at 0x18), read from 0x1003: "), "{text}");
        assert!(text.ends_with("from outside byte 0x00, the program's own byte 0x07"), "{text}");
        let cut = Difference::first(&dump(&[0; 8]), &dump(&[0; 8])[..20], &symbols).unwrap();
        assert_eq!((cut.offset, cut.own.as_str()), (20, "the end"));
    }
}
