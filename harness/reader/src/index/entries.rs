//! Objects by address one by one: those that are unlike their neighbours, or overlap, which no runtime writes.

use super::blocks::{Place, grow};
use crate::cursor::Cursor;
use crate::wire::{Wire, uvarint_length};
use crate::{Dump, Object};

/// All objects of a dump, numbered in the order of their addresses. Takes 24 bytes an object.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries {
    /// Address and record offset of each object, by address.
    entries: Vec<Entry>,
    /// Length of each object, or [`LONG`].
    lengths: Vec<u32>,
    /// The first entry of each of the parts into which the addresses are cut, 2^`shift` bytes long; then the
    /// number of entries. A look-up searches one part, which has one entry on average if objects are dense.
    parts: Vec<u32>,
    shift: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    address: u64,
    offset: u64,
}

/// The length of an object of 4 GiB or more: the dump has the true one.
const LONG: u32 = u32::MAX;

impl Entries {
    /// Room for so many objects.
    pub fn with_capacity(count: usize) -> Self {
        Self { entries: Vec::with_capacity(count), lengths: Vec::with_capacity(count), ..Self::default() }
    }

    /// Adds the next object.
    pub fn push(&mut self, Place { address, offset, size, .. }: Place) {
        grow(&mut self.entries);
        grow(&mut self.lengths);
        self.entries.push(Entry { address, offset });
        self.lengths.push(u32::try_from(size).unwrap_or(LONG));
    }

    /// The objects in the order of their addresses.
    pub fn sorted(mut self, dump: &Dump<'_>) -> Self {
        self.entries.shrink_to_fit();
        self.lengths.shrink_to_fit();
        if !self.entries.is_sorted() {
            self.entries.sort_unstable();
            for (entry, length) in self.entries.iter().zip(&mut self.lengths) {
                *length = u32::try_from(object(dump, entry.offset).contents.len()).unwrap_or(LONG);
            }
        }
        self.divide();
        self
    }

    /// Cuts the addresses into parts, not more than there are objects.
    fn divide(&mut self) {
        let ([first, ..], [.., last]) = (&self.entries[..], &self.entries[..]) else { return };
        // A part's number is 32 bits wide. More objects than that are searched as a whole.
        let Ok(count) = u32::try_from(self.entries.len()) else { return };
        let (first, span) = (first.address, last.address - first.address);
        self.shift = (0..64).find(|shift| span >> shift < u64::from(count)).unwrap_or(63);
        self.parts.reserve_exact((span >> self.shift) as usize + 2);
        for (id, entry) in (0..count).zip(&self.entries) {
            let part = ((entry.address - first) >> self.shift) as usize;
            // Empty parts before this one start here as well.
            if part >= self.parts.len() {
                self.parts.resize(part + 1, id);
            }
        }
        self.parts.push(count);
    }

    /// The number of objects.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// An object.
    pub fn place(&self, id: usize, dump: &Dump<'_>) -> Place {
        let Entry { address, offset } = self.entries[id];
        let size = self.size(id, dump);
        let list = offset + 1 + uvarint_length(address) + uvarint_length(size) + size;
        // The list's end is a byte that no field starts with.
        Place { address, offset, size, fields: dump.bytes()[list as usize] != 0 }
    }

    /// An object's address.
    pub fn address(&self, id: usize) -> u64 {
        self.entries[id].address
    }

    /// An object's size.
    pub fn size(&self, id: usize, dump: &Dump<'_>) -> u64 {
        match self.lengths[id] {
            LONG => object(dump, self.entries[id].offset).contents.len() as u64,
            length => length.into(),
        }
    }

    /// The object in which an address is, and how far in it.
    pub fn find(&self, address: u64, dump: &Dump<'_>) -> Option<(usize, u64)> {
        let behind = address.checked_sub(self.entries.first()?.address)?;
        let candidates = if self.parts.is_empty() {
            0..self.entries.len()
        } else {
            let part = usize::try_from(behind >> self.shift).unwrap_or(usize::MAX).min(self.parts.len() - 2);
            self.parts[part] as usize..self.parts[part + 1] as usize
        };
        let first = candidates.start;
        let not_after = self.entries[candidates].partition_point(|entry| entry.address <= address);
        // The last object of an earlier part if all of this one are after the address.
        let id = (first + not_after).checked_sub(1)?;
        let interior = address - self.entries[id].address;
        (interior < self.size(id, dump)).then_some((id, interior))
    }
}

/// The object whose record is at an offset.
fn object<'a>(dump: &Dump<'a>, offset: u64) -> Object<'a> {
    // No error will say where it is.
    let mut cursor = Cursor::new(&dump.bytes()[offset as usize + 1..], 0, dump.version());
    Object::decode(&mut cursor, "").expect("it could be read before")
}

#[cfg(test)]
impl Entries {
    /// The address and the record's offset of each, in their order.
    pub fn places(&self) -> impl Iterator<Item = (u64, u64)> {
        self.entries.iter().map(|entry| (entry.address, entry.offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, Fields, Record, Version};

    /// A dump of objects at these addresses, of these lengths, the odd ones with a field; and where each is.
    fn dump_of(objects: &[(u64, usize)]) -> (Vec<u8>, Vec<Place>) {
        let mut file = Version::Go15.header().to_vec();
        file.extend([6, 0, 8, 0, 0x7f, 0x36, 0, 1]);
        let list = Fields::encode_list([Field::pointer(0)]);
        let mut places = Vec::new();
        for (number, &(address, size)) in objects.iter().enumerate() {
            let (offset, fields) = (file.len() as u64, number % 2 != 0);
            let list = if fields { Fields::from_encoded(&list).unwrap() } else { Fields::default() };
            places.push(Place { address, offset, size: size as u64, fields });
            Record::Object(Object { address, contents: &vec![0; size], fields: list })
                .write_to(&mut file)
                .unwrap();
        }
        file.push(0);
        (file, places)
    }

    fn entries(dump: &Dump<'_>, places: &[Place]) -> Entries {
        let mut entries = Entries::with_capacity(places.len());
        places.iter().for_each(|&place| entries.push(place));
        entries.sorted(dump)
    }

    #[test]
    fn objects_are_found_as_a_search_finds_them() {
        let two = vec![(0x1000, 16), (0x1010, 16)];
        let dense: Vec<(u64, usize)> = (0..100).map(|i| (0x1000 + 16 * i, 16)).collect();
        let disorder = (0..300).map(|i| (i * 7919 % 1009 * 64, i as usize % 70)).collect();
        let overlapping = vec![(0x100, 300), (0x110, 8), (0x110, 20), (0x200, 200), (0x300, 1)];
        let apart = vec![(0x10, 8), (1 << 40, 64), (u64::MAX - 15, 16), (1 << 63, 200)];
        for objects in [Vec::new(), vec![(7, 1)], two, dense, disorder, overlapping, apart] {
            let (file, mut places) = dump_of(&objects);
            let dump = Dump::new(&file).unwrap();
            let entries = entries(&dump, &places);
            places.sort_unstable();
            assert_eq!(entries.len(), places.len());
            for (id, expected) in places.iter().enumerate() {
                let quickly = (entries.address(id), entries.size(id, &dump));
                assert_eq!(
                    (entries.place(id, &dump), quickly),
                    (*expected, (expected.address, expected.size))
                );
            }
            let around = |place: &Place| {
                let (start, end) = (place.address, place.address.wrapping_add(place.size));
                [start.wrapping_sub(1), start, start + 7, end.wrapping_sub(1), end, end.wrapping_add(1)]
            };
            for address in places.iter().flat_map(around).chain([0, 1 << 50, u64::MAX]) {
                let last = places.iter().rposition(|place| place.address <= address);
                let expected = last.filter(|&id| address - places[id].address < places[id].size);
                let expected = expected.map(|id| (id, address - places[id].address));
                assert_eq!(entries.find(address, &dump), expected, "{address:#x}");
            }
        }
    }

    /// Not more parts than objects, and as many where they are side by side.
    #[test]
    fn a_part_has_one_object() {
        for count in [2u64, 3, 64, 100, 128] {
            let objects: Vec<(u64, usize)> = (0..count).map(|i| (0x1000 + 16 * i, 16)).collect();
            let (file, places) = dump_of(&objects);
            let entries = entries(&Dump::new(&file).unwrap(), &places);
            assert_eq!(
                (entries.parts.len(), entries.parts.capacity()),
                (count as usize + 1, count as usize + 1)
            );
        }
    }

    #[test]
    fn memory_is_that_of_the_objects() {
        let (file, mut places) = dump_of(&[(0x1000, 16); 100]);
        assert_eq!(Entries::with_capacity(100).entries.capacity(), 100);
        assert_eq!(Entries::with_capacity(100).lengths.capacity(), 100);
        places.truncate(90);
        let entries = entries(&Dump::new(&file).unwrap(), &places);
        assert_eq!((entries.entries.capacity(), entries.lengths.capacity()), (90, 90));
    }

    /// A length that has no room is read in the dump again.
    #[test]
    fn long_objects_have_the_length_of_the_dump() {
        let (file, mut places) = dump_of(&[(0x1000, 40)]);
        places[0].size = 1 << 32;
        let dump = Dump::new(&file).unwrap();
        let entries = entries(&dump, &places);
        assert_eq!((entries.size(0, &dump), entries.find(0x1027, &dump)), (40, Some((0, 39))));
        assert_eq!(entries.find(0x1028, &dump), None);
    }
}
