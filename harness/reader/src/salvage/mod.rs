//! Repairs dumps that are damaged.
//!
//! Three kinds of damage are known: a dump that is cut off; one of which bytes are missing or overwritten in the middle;
//! and the type-name defect of Go 1.5 ([`struck`]). What is saved are whole records, as they stand in the input and in
//! its order. A dump in which nothing is wrong stays as it is.

mod budget;
mod context;
mod seam;
mod struck;
mod trial;
mod walk;

use std::io::{self, Write};
use std::ops::Range;

use crate::{Dump, Error, Kind, Record, Result, Text, Type};
use budget::cursor;
use context::{Context, Trust};
use struck::StruckType;
use walk::{Walk, Walked};

/// What could be saved of a dump. See [`salvage`].
#[derive(Clone, Debug)]
pub struct Salvage<'a> {
    dump: Dump<'a>,
    /// What is left out, in order.
    gaps: Vec<Gap>,
    /// Where the last record that is saved ends.
    end: usize,
    records: u64,
    ended: bool,
    cut: Option<Error>,
}

/// A part of the input that is left out.
#[derive(Clone, Debug)]
enum Gap {
    /// The name of a struck type: where its record starts, and the itab after it. All else about it is in the dump:
    /// there may be many.
    Name {
        ty: usize,
        itab: usize,
    },
    Hole(Hole),
}

#[derive(Clone, Debug)]
struct Hole {
    from: usize,
    to: usize,
    before: (Kind, u64),
    orphans: u64,
    why: Error,
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

/// A part of the input that is left out, because bytes are missing or wrong in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Where it is, as offsets. It begins with the record that lies across the damage, as far as that is known.
    pub range: Range<u64>,
    /// The last record before it: its kind and its offset.
    pub before: (Kind, u64),
    /// The first record after it; `None` if none follows.
    pub after: Option<(Kind, u64)>,
    /// How many of the records in it are sound, but belong to a goroutine that is lost.
    pub orphans: u64,
    /// What showed the damage.
    pub why: Error,
}

/// Saves what can be saved of a dump: all records but those that lie where bytes are missing or wrong, and the names of
/// struck types. What follows damage is found again where it proves itself: by records that could hardly stand
/// there by accident, in the order of a dump.
///
/// Takes time in proportion to the input. What is wrong inside contents, and nowhere else, cannot be seen.
///
/// # Errors
/// If nothing can be saved, because the header or the first record is wrong.
pub fn salvage(input: &[u8]) -> Result<Salvage<'_>> {
    salvage_with(input, &mut |_| ())
}

/// The same, telling `progress` up to which offset the input has been read. It is read twice if it is damaged.
///
/// # Errors
/// Those of [`salvage`].
pub fn salvage_with<'a>(input: &'a [u8], progress: &mut dyn FnMut(u64)) -> Result<Salvage<'a>> {
    let dump = Dump::new(input)?;
    let mut records = dump.records();
    records.next();
    let start = records.offset() as usize;
    let survey = Survey::new(&dump, start, progress);
    if survey.is_sound() {
        let (gaps, end) = (Vec::new(), input.len());
        return Ok(Salvage { dump, gaps, end, records: survey.records, ended: true, cut: None });
    }
    let Walked { gaps, end, records, ended, cut } = Walk::new(dump, start, survey.is_odd(), progress).run();
    Ok(Salvage { dump, gaps, end, records, ended, cut })
}

/// What a first reading shows.
struct Survey {
    records: u64,
    impossible: u64,
    error: bool,
}

impl Survey {
    fn new(dump: &Dump<'_>, start: usize, progress: &mut dyn FnMut(u64)) -> Self {
        let mut survey = Self { records: 1, impossible: 0, error: false };
        let mut context = Context::new(dump.params());
        let mut object = None;
        let mut records = dump.records_from(start as u64);
        while let Some(record) = records.next() {
            let Ok((offset, record)) = record else {
                survey.error = true;
                break;
            };
            progress(offset);
            let ends = records.offset() == dump.bytes().len() as u64;
            let is_torn = object.is_some_and(|object| seam::is_torn(dump, &object, &record));
            survey.impossible += u64::from(is_torn || context.judge(&record, ends) == Trust::Impossible);
            object = if let Record::Object(object) = record { Some(object) } else { None };
            context.accept(&record);
            survey.records += 1;
        }
        survey
    }

    /// Whether nothing needs to be repaired. Where so much is unusual, it is the writer's way and no damage.
    fn is_sound(&self) -> bool {
        !self.error && (self.impossible == 0 || self.is_odd())
    }

    fn is_odd(&self) -> bool {
        self.impossible > 8 + self.records / 64
    }
}

impl Salvage<'_> {
    /// The types whose names are lost, in the order of the dump.
    pub fn lost_names(&self) -> impl Iterator<Item = LostName> {
        self.gaps.iter().filter_map(|gap| match gap {
            &Gap::Name { ty, itab } => Some(self.lost_name(ty, itab)),
            Gap::Hole(_) => None,
        })
    }

    fn lost_name(&self, ty: usize, itab: usize) -> LostName {
        let StruckType { address, size, claimed, name } =
            StruckType::at(&self.dump, ty).expect("it was read before");
        let truth = itab - 1;
        LostName {
            offset: ty as u64,
            address,
            size,
            claimed,
            removed: name as u64..truth as u64,
            data_is_pointer: self.dump.bytes()[truth] == 1,
        }
    }

    /// The damaged parts that are left out, in the order of the dump.
    pub fn skipped(&self) -> impl Iterator<Item = Skipped> {
        self.gaps.iter().filter_map(|gap| match gap {
            Gap::Name { .. } => None,
            Gap::Hole(hole) => Some(Skipped {
                range: hole.from as u64..hole.to as u64,
                before: hole.before,
                after: self.kind_at(hole.to).map(|kind| (kind, hole.to as u64)),
                orphans: hole.orphans,
                why: hole.why.clone(),
            }),
        })
    }

    /// The kind of the saved record at a position.
    fn kind_at(&self, at: usize) -> Option<Kind> {
        let kind = Kind::decode(&mut cursor(&self.dump, at)).ok()?;
        (at < self.end).then_some(kind)
    }

    /// Why reading ended before the end of the dump, if it did.
    pub fn cut(&self) -> Option<&Error> {
        self.cut.as_ref()
    }

    /// The number of bytes after the last record that was saved.
    pub fn dropped(&self) -> u64 {
        (self.dump.bytes().len() - self.end) as u64
    }

    /// The number of records that were saved, with the nameless types, but without an added `eof`.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Whether [`write_to`](Self::write_to) adds the `eof` that is lost.
    pub fn adds_eof(&self) -> bool {
        !self.ended
    }

    /// Whether nothing was wrong, so that [`write_to`](Self::write_to) gives the input.
    pub fn is_intact(&self) -> bool {
        self.gaps.is_empty() && self.cut.is_none()
    }

    /// Whether records are lost, and not only names.
    pub fn has_lost_records(&self) -> bool {
        self.cut.is_some() || self.skipped().next().is_some()
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
            match gap {
                &Gap::Name { ty, itab } => {
                    out.write_all(&input[from..ty])?;
                    let LostName { address, size, data_is_pointer, .. } = self.lost_name(ty, itab);
                    let name = Text::default();
                    Record::Type(Type { address, size, name, data_is_pointer }).write_to(out)?;
                    from = itab;
                }
                Gap::Hole(hole) => {
                    out.write_all(&input[from..hole.from])?;
                    from = hole.to;
                }
            }
        }
        out.write_all(&input[from..self.end])?;
        if self.adds_eof() { Record::Eof.write_to(out) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Damage is little: where more than one record in 64 and eight besides is unusual, all are as they were written.
    #[test]
    fn dumps_of_unusual_writers_are_sound() {
        let sound = |impossible, error| Survey { records: 640, impossible, error }.is_sound();
        assert!(sound(0, false) && !sound(1, false) && !sound(18, false));
        assert!(sound(19, false) && sound(640, false));
        assert!(!sound(0, true) && !sound(19, true));
    }
}
