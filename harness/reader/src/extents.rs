//! Where a dump's objects are, in little memory: runs of objects that follow each other both in the dump and in memory.
//!
//! A dump has the objects of a span in the order of their addresses, and a span's objects are neighbours but for the
//! slots that are free. So the objects of a sound dump are few runs, none of which reaches into another, and what is
//! asked about single objects is read again from the dump. Whatever is not like that needs an [`Index`](crate::Index).

use crate::{Dump, Record};

/// The size of a page of Go's heap: where a whole page is between two objects, there may be others.
const PAGE: u64 = 8192;

/// The objects of a dump, while it is read.
#[derive(Debug)]
pub(crate) struct Extents {
    runs: Vec<Run>,
    most: usize,
}

/// Objects of which each begins where the one before it ends, or later.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// The addresses from the first to the last.
    start: u64,
    end: u64,
    /// The offset of the first one's record.
    offset: u64,
    /// Whether something is between them.
    gaps: bool,
}

/// Runs that are apart, in the order of their addresses.
pub(crate) struct Apart(Vec<Run>);

/// A record that names an address of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reference {
    /// The address.
    pub address: u64,
    /// The record's offset.
    pub offset: u64,
}

impl Extents {
    /// For a dump of so many bytes. Takes an eighth of them at most.
    pub fn new(length: usize) -> Self {
        Self { runs: Vec::new(), most: length / 256 + 4096 }
    }

    /// Adds the next object of the dump.
    #[inline]
    pub fn push(&mut self, offset: u64, address: u64, size: u64) {
        let end = address.saturating_add(size);
        if let Some(run) = self.runs.last_mut()
            && address >= run.end
            && address - run.end < PAGE
        {
            run.gaps |= address != run.end;
            run.end = end;
        } else if self.runs.len() <= self.most {
            self.runs.push(Run { start: address, end, offset, gaps: false });
        }
    }

    /// The runs, if they are few and none reaches into another.
    pub fn apart(self) -> Option<Apart> {
        let Self { mut runs, most } = self;
        runs.sort_unstable_by_key(|run| run.start);
        let apart = runs.is_sorted_by(|before, run| before.end <= run.start);
        (runs.len() <= most && apart).then_some(Apart(runs))
    }
}

impl Apart {
    /// Leaves those references that are in no object. Reads runs of the dump again.
    pub fn retain_unfounded(&self, dump: &Dump<'_>, references: &mut Vec<Reference>) {
        references.sort_unstable();
        let mut runs = self.0.iter().peekable();
        let mut objects = None;
        references.retain(|reference| {
            while runs.next_if(|run| run.end <= reference.address).is_some() {
                objects = None;
            }
            let Some(run) = runs.peek().filter(|run| run.start <= reference.address) else { return true };
            if !run.gaps {
                return false;
            }
            // The objects of the run from the last reference on.
            let objects = objects.get_or_insert_with(|| ends_of_objects(dump, run).peekable());
            while objects.next_if(|&(_, end)| end <= reference.address).is_some() {}
            objects.peek().is_none_or(|&(start, _)| start > reference.address)
        });
        references.sort_unstable_by_key(|reference| reference.offset);
    }
}

/// Where the objects of a run start and end.
fn ends_of_objects(dump: &Dump<'_>, run: &Run) -> impl Iterator<Item = (u64, u64)> {
    let objects = dump.records_from(run.offset).flatten().filter_map(|(_, record)| match record {
        Record::Object(object) => {
            Some((object.address, object.address.saturating_add(object.contents.len() as u64)))
        }
        _ => None,
    });
    let end = run.end;
    objects.take_while(move |&(start, _)| start < end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::beginning;
    use crate::{Fields, Object, PointerSize};

    /// A dump with objects at these addresses, of these lengths, and its extents.
    fn extents(objects: &[(u64, usize)]) -> (Vec<u8>, Extents) {
        let mut file = beginning(PointerSize::Eight);
        let mut extents = Extents::new(0);
        for &(address, length) in objects {
            extents.push(file.len() as u64, address, length as u64);
            let contents = &vec![0; length][..];
            let object = Object { address, contents, fields: Fields::default() };
            Record::Object(object).write_to(&mut file).unwrap();
        }
        file.push(0);
        (file, extents)
    }

    #[test]
    fn objects_are_few_runs() {
        let neighbours = (0..100).map(|i| (0x1000 + 16 * i, 16));
        let with_free_slots = (0..100).filter(|i| i % 3 > 0).map(|i| (0x1_0000 + 64 * i, 64));
        let far_apart = (0..10).map(|i| (0x10_0000 + 0x1_0000 * i, 64));
        let objects: Vec<_> = far_apart.chain(neighbours).chain(with_free_slots).collect();
        let (file, extents) = extents(&objects);
        let apart = extents.apart().unwrap();
        assert_eq!(apart.0.len(), 12);
        let dump = Dump::new(&file).unwrap();
        for from in [0, 0x1000, 0x1_0000, 0x10_0000] {
            let addresses: Vec<u64> = (from..from + 0x3000).step_by(7).collect();
            let mut references: Vec<_> =
                (0..).zip(&addresses).map(|(offset, &address)| Reference { address, offset }).collect();
            references.reverse();
            apart.retain_unfounded(&dump, &mut references);
            let in_object = |address| {
                objects.iter().any(|&(start, size)| (start..start + size as u64).contains(&address))
            };
            let expected: Vec<u64> = addresses.into_iter().filter(|&address| !in_object(address)).collect();
            assert_eq!(references.iter().map(|r| r.address).collect::<Vec<_>>(), expected);
        }
    }

    /// Whether a run has gaps, so that its objects have to be looked at one by one.
    #[test]
    fn runs_know_whether_they_have_gaps() {
        let gaps = |objects| extents(objects).1.runs.iter().map(|run| run.gaps).collect::<Vec<_>>();
        assert_eq!(gaps(&[(0x1000, 16), (0x1010, 16)]), [false]);
        assert_eq!(gaps(&[(0x1000, 16), (0x1020, 16)]), [true]);
        assert_eq!(gaps(&[(0x1000, 16), (0x1020, 16), (0x1030, 16)]), [true]);
        // A whole page is another span's, or nobody's.
        assert_eq!(gaps(&[(0x1000, 16), (0x100f + PAGE, 16)]), [true]);
        assert_eq!(gaps(&[(0x1000, 16), (0x1010 + PAGE, 16)]), [false, false]);
    }

    #[test]
    fn what_is_not_apart_or_too_much_is_refused() {
        assert!(extents(&[(0x1000, 16), (0x8000, 16), (0x1000, 16)]).1.apart().is_none());
        assert!(extents(&[(0x1000, 0x4000), (0x100, 8), (0x2000, 8)]).1.apart().is_none());
        assert!(extents(&[(0x1000, 16), (0x100, 16), (0x8000, 16)]).1.apart().is_some());
        let many = |count: u64| extents(&(0..count).map(|i| (PAGE * 2 * i, 8)).collect::<Vec<_>>()).1;
        assert!(many(4096).apart().is_some());
        assert!(many(4097).apart().is_none());
        assert!(many(9000).runs.len() <= 4097);
    }
}
