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
    end: u64,
}

impl Found<'_> {
    /// The address whose byte stands at an offset of the dump, if it belongs to the contents.
    fn address(&self, offset: u64) -> Option<u64> {
        let (address, contents, behind) = match &self.record {
            Record::Object(r) => (r.address, r.contents, true),
            Record::Data(r) | Record::Bss(r) => (r.address, r.contents, true),
            Record::StackFrame(r) => (r.sp, r.contents, false),
            _ => return None,
        };
        // Contents come right behind their address and length; what follows them has no address. In
        // a frame's record they are found by looking for their bytes.
        let head =
            if behind { uvarint_len(address) + uvarint_len(contents.len() as u64) + 1 } else { return None };
        let within = offset.checked_sub(self.offset + head)?;
        (offset < self.end && within < contents.len() as u64).then(|| address + within)
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
        let end = records.offset();
        if offset < end {
            return Some(Found { record, index, offset: start, end });
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
