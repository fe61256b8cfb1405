//! Repairs dumps that are cut off, or struck by the type-name defect of Go 1.5.
//!
//! The defect: Go 1.5's `dumptype` takes the two string *pointers* of a named type for strings. The length
//! that it writes is a sum of addresses, and instead of the name there are up to twice 2 GiB of the program's
//! memory, with a dot in between: as much as `write` accepted, which the dump doesn't say. (Types that an
//! interface holds by reference are spared: their pointer types are dumped, which have no names.)
//!
//! The way back: only `itab_callback` calls `dumptype`, so what follows the name is known: a truth value and
//! an itab record that names the same type. Those bytes can stand in the memory as well, by chance or because
//! the dump's own buffer is in there. What tells the true ones is what follows:
//! - the itab is a new one: those in the buffer have been dumped before, and no itab is dumped twice;
//! - the records from there on are in the order of a dump and reach the end of the input, or the next struck
//!   type, for which there must be a way back too.
//!
//! If nothing reaches the end, as in a dump that is cut off as well, the longest run of records wins.

use std::collections::HashSet;
use std::io::{self, Write};
use std::ops::Range;

use crate::cursor::Cursor;
use crate::order::part;
use crate::wire::put_uvarint;
use crate::{Dump, Error, Kind, Problem, Record, Result, Text, Type, Version};

/// What could be saved of a dump. See [`salvage`].
#[derive(Clone, Debug)]
pub struct Salvage<'a> {
    dump: Dump<'a>,
    /// The struck types. All else about them is in the dump: there may be many.
    gaps: Vec<Gap>,
    /// Where the last record that is saved ends.
    end: usize,
    records: u64,
    cut: Option<Error>,
}

/// Where a struck type is: its record's start, and that of the itab behind it.
#[derive(Clone, Debug)]
struct Gap {
    ty: usize,
    itab: usize,
}

/// A type whose name is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostName {
    /// Offset of the type's record.
    pub offset: u64,
    /// The type's address.
    pub address: u64,
    /// The size of its values, in bytes.
    pub size: u64,
    /// The length that its name was said to have, in bytes: a sum of addresses.
    pub claimed: u64,
    /// Where the foreign memory in its place is, as offsets. This is what was removed.
    pub removed: Range<u64>,
    data_is_pointer: bool,
}

/// Saves what can be saved of a dump: everything up to the point from which nothing can be read, except for
/// the names of struck types.
///
/// # Errors
/// If nothing can be saved, because the header or the first record is wrong.
pub fn salvage(input: &[u8]) -> Result<Salvage<'_>> {
    let dump = Dump::new(input)?;
    let start = dump.version().header().len();
    let mut walk = Walk { dump, at: start, records: 0, itabs: HashSet::new(), before: None };
    let mut gaps = Vec::new();
    // Looking for ways back takes time in proportion to the input, whatever is in it.
    let mut budget = input.len().saturating_mul(16);
    let cut = loop {
        match walk.run() {
            Stop::End => break None,
            Stop::Fault(error) => break error,
            Stop::Struck(struck) => match struck.way_back(&walk, &mut budget) {
                Some(back) => {
                    gaps.push(Gap { ty: walk.at, itab: back.itab });
                    walk.step_over(back.itab);
                }
                None => match struck.as_it_stands {
                    // It may be from another writer than Go's, whose types stand alone.
                    Ok(end) => walk.step_over(end),
                    Err(error) => break Some(error),
                },
            },
        }
    };
    Ok(Salvage { dump, gaps, end: walk.at, records: walk.records, cut })
}

impl Salvage<'_> {
    /// The types whose names are lost, in the order of the dump.
    pub fn lost_names(&self) -> impl ExactSizeIterator<Item = LostName> {
        self.gaps.iter().map(|gap| self.lost_name(gap))
    }

    fn lost_name(&self, gap: &Gap) -> LostName {
        let StruckType { address, size, claimed, name } =
            StruckType::at(&self.dump, gap.ty).expect("it was read before");
        let truth = gap.itab - 1;
        LostName {
            offset: gap.ty as u64,
            address,
            size,
            claimed,
            removed: name as u64..truth as u64,
            data_is_pointer: self.dump.bytes()[truth] == 1,
        }
    }

    /// Why reading ended before the end of the dump, if it did.
    pub fn cut(&self) -> Option<&Error> {
        self.cut.as_ref()
    }

    /// The number of bytes behind the last record that was read.
    pub fn dropped(&self) -> u64 {
        (self.dump.bytes().len() - self.end) as u64
    }

    /// The number of records that were saved, with the nameless types, but without an added `eof`.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Whether nothing was wrong, so that [`write_to`](Self::write_to) gives the input.
    pub fn is_intact(&self) -> bool {
        self.gaps.is_empty() && self.cut.is_none()
    }

    /// Writes what was saved, as a dump: types whose names are lost have empty ones, and an `eof` record ends
    /// it.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        let input = self.dump.bytes();
        let mut from = 0;
        for gap in &self.gaps {
            out.write_all(&input[from..gap.ty])?;
            let LostName { address, size, data_is_pointer, .. } = self.lost_name(gap);
            let name = Text::default();
            Record::Type(Type { address, size, name, data_is_pointer }).write_to(out)?;
            from = gap.itab;
        }
        out.write_all(&input[from..self.end])?;
        match &self.cut {
            Some(error) if *error.problem() != Problem::TrailingBytes => Record::Eof.write_to(out),
            _ => Ok(()),
        }
    }
}

/// A position between records, and what is known there.
struct Walk<'w, 'a> {
    dump: Dump<'a>,
    at: usize,
    records: u64,
    /// The itabs so far.
    itabs: HashSet<u64>,
    /// In a trial, the walk before it.
    before: Option<&'w Walk<'w, 'a>>,
}

/// Why a walk stopped. It then is before the record that stopped it.
enum Stop {
    /// The end of the dump.
    End,
    /// A record can't be read; or, without an error and in trials only, is none that Go writes here.
    Fault(Option<Error>),
    /// A type which no itab follows.
    Struck(Struck),
}

/// A type record whose name is not what its length says.
struct Struck {
    ty: StruckType,
    /// What comes of believing the length: the end of the record.
    as_it_stands: Result<usize>,
}

/// What can be read of a struck type.
struct StruckType {
    address: u64,
    size: u64,
    claimed: u64,
    /// Position of what stands where the name should.
    name: usize,
}

/// Where a dump goes on behind a struck type.
#[derive(Clone, Copy)]
struct WayBack {
    /// Position of an itab record, which a truth value precedes.
    itab: usize,
    /// Where to look for the next way back.
    next: usize,
}

impl<'a> Walk<'_, 'a> {
    /// Walks as far as it goes. A trial accepts only what Go writes: parts in order, itabs once.
    fn run(&mut self) -> Stop {
        let mut records = self.dump.records_from(self.at as u64);
        let mut last_part = part(Kind::Type);
        loop {
            let record = match records.next() {
                None => return Stop::End,
                Some(Ok((_, record))) => record,
                Some(Err(error)) if *error.problem() == Problem::TrailingBytes => {
                    return Stop::Fault(Some(error));
                }
                Some(Err(error)) => {
                    return match self.struck(Err(error.clone())) {
                        Some(struck) => Stop::Struck(struck),
                        None => Stop::Fault(Some(error)),
                    };
                }
            };
            let end = records.offset() as usize;
            let mut expected = part(record.kind()) >= last_part;
            match record {
                Record::Type(ty) if !self.has_itab(end, ty.address) => {
                    if let Some(struck) = self.struck(Ok(end)) {
                        return Stop::Struck(struck);
                    }
                }
                Record::Itab(itab) => {
                    expected &= !self.knows(itab.address);
                    self.itabs.insert(itab.address);
                }
                _ => {}
            }
            if self.before.is_some() && !expected {
                return Stop::Fault(None);
            }
            last_part = part(record.kind());
            self.step_over(end);
        }
    }

    fn step_over(&mut self, end: usize) {
        self.at = end;
        self.records += 1;
    }

    /// Whether an itab has been dumped.
    fn knows(&self, itab: u64) -> bool {
        self.itabs.contains(&itab) || self.before.is_some_and(|walk| walk.knows(itab))
    }

    fn cursor(&self, at: usize) -> Cursor<'a> {
        Cursor::new(&self.dump.bytes()[at..], at as u64, self.dump.version())
    }

    /// Whether an itab of the type `address` is at `at`.
    fn has_itab(&self, at: usize, address: u64) -> bool {
        matches!(Record::decode(&mut self.cursor(at)), Ok(Record::Itab(itab)) if itab.type_address == address)
    }

    /// The record here as a struck type, if it starts like one.
    fn struck(&self, as_it_stands: Result<usize>) -> Option<Struck> {
        if self.dump.version() != Version::Go15 {
            return None;
        }
        Some(Struck { ty: StruckType::at(&self.dump, self.at)?, as_it_stands })
    }
}

impl StruckType {
    fn at(dump: &Dump<'_>, at: usize) -> Option<Self> {
        let mut cursor = Cursor::new(&dump.bytes()[at..], at as u64, dump.version());
        if Kind::decode(&mut cursor) != Ok(Kind::Type) {
            return None;
        }
        let address = cursor.uvarint("address").ok()?;
        let size = cursor.uvarint("size").ok()?;
        let claimed = cursor.uvarint("name").ok()?;
        Some(Self { address, size, claimed, name: at + cursor.consumed() })
    }
}

impl Struck {
    /// The best place to go on, if there is any. `walk` is before the struck type.
    fn way_back(&self, walk: &Walk<'_, '_>, budget: &mut usize) -> Option<WayBack> {
        let mut best = None;
        let mut from = self.ty.name;
        while let Some(back) = self.next_way_back(walk, from, budget) {
            from = back.next;
            let (dump, itabs) = (walk.dump, HashSet::new());
            let mut trial = Walk { dump, at: back.itab, records: 0, itabs, before: Some(walk) };
            let stop = trial.run();
            let length = trial.at - back.itab;
            *budget = budget.saturating_sub(length);
            let reaches_the_end = match stop {
                Stop::End => true,
                Stop::Struck(next) => next.next_way_back(&trial, next.ty.name, budget).is_some(),
                Stop::Fault(_) => false,
            };
            if reaches_the_end {
                return Some(back);
            }
            // Of equals the first.
            if length > best.map_or(0, |(_, longest)| longest) {
                best = Some((back, length));
            }
        }
        best.map(|(back, _)| back)
    }

    /// The next place after `from` that looks like a way back.
    fn next_way_back(&self, walk: &Walk<'_, '_>, mut from: usize, budget: &mut usize) -> Option<WayBack> {
        let input = walk.dump.bytes();
        let mut address = Vec::new();
        put_uvarint(self.ty.address, &mut address).expect("memory does not fail");
        loop {
            let window = input.get(from..input.len().min(from.saturating_add(*budget)))?;
            let found =
                window.windows(address.len()).position(|bytes| bytes[0] == address[0] && bytes == address);
            *budget -= found.map_or(window.len(), |found| found + 1);
            let end = from + found?;
            from = end + 1;
            if let Some((length, itab)) = itab_at_end(&input[self.ty.name..end])
                && !walk.knows(itab)
            {
                return Some(WayBack { itab: end - length, next: from });
            }
        }
    }
}

/// The tag and the address of an itab if `bytes` end in them, preceded by a truth value: their length, and the
/// address.
fn itab_at_end(bytes: &[u8]) -> Option<(usize, u64)> {
    // A number's bytes are marked but for the last, so its start is known.
    let marked = bytes.iter().rev().skip(1).take(10).take_while(|&&byte| byte >= 0x80).count();
    let length = marked + 2;
    let start = bytes.len().checked_sub(length)?;
    let [.., 0 | 1] = bytes[..start] else { return None };
    let mut cursor = Cursor::new(&bytes[start..], 0, Version::Go15);
    let kind = Kind::decode(&mut cursor).ok()?;
    let itab = cursor.uvarint("address").ok()?;
    (kind == Kind::Itab && cursor.is_at_end()).then_some((length, itab))
}
