//! From addresses to objects, and so from objects to objects.

use crate::cursor::Cursor;
use crate::{Dump, Fields, Object, Record, Result};

/// The objects of a [`Dump`] by address. Takes 24 bytes an object beside the dump.
///
/// What the objects of a dump keep each other alive by:
///
/// ```
/// # fn main() -> heapmatrix_reader::Result<()> {
/// # let mut file = heapmatrix_reader::Version::Go15.header().to_vec();
/// # file.extend([6, 0, 8, 0, 0x7f, 0x36, 0, 1]);
/// # file.extend([1, 0x20, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
/// # file.extend([1, 0x10, 8, 0x24, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
/// # file.push(0);
/// use heapmatrix_reader::{Dump, Index};
///
/// let index = Index::new(Dump::new(&file)?)?;
/// for id in 0..index.len() {
///     for edge in index.edges(id) {
///         let [from, to] = [id, edge.target].map(|id| index.object(id).address);
///         println!("{from:#x} points to {to:#x}");
///         # assert_eq!((from, to, edge.offset, edge.interior), (0x10, 0x20, 0, 4));
///     }
/// }
/// # assert_eq!(index.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Index<'a> {
    dump: Dump<'a>,
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

/// Objects met while reading a dump.
#[derive(Default)]
struct Objects {
    entries: Vec<Entry>,
    lengths: Vec<u32>,
}

impl Objects {
    #[inline]
    fn push(&mut self, offset: u64, object: &Object<'_>) {
        // By an eighth and not twofold: while it moves it is there twice, and an object may be four bytes of input.
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(self.entries.len() / 8 + 64);
            self.lengths.reserve_exact(self.lengths.len() / 8 + 64);
        }
        self.entries.push(Entry { address: object.address, offset });
        self.lengths.push(length_of(object));
    }
}

/// The length of an object of 4 GiB or more: the dump has the true one.
const LONG: u32 = u32::MAX;

fn length_of(object: &Object<'_>) -> u32 {
    u32::try_from(object.contents.len()).unwrap_or(LONG)
}

/// How many bytes a number takes as a uvarint.
#[inline]
fn uvarint_length(number: u64) -> u64 {
    u64::from(64 - (number | 1).leading_zeros()).div_ceil(7)
}

/// A pointer to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Where the pointer is, in bytes from the start of the contents.
    pub offset: u64,
    /// The object that it points into.
    pub target: usize,
    /// The offset in the object at which it points, in bytes.
    pub interior: u64,
}

impl<'a> Index<'a> {
    /// Reads the whole dump.
    ///
    /// # Errors
    /// Those of reading its records.
    pub fn new(dump: Dump<'a>) -> Result<Self> {
        let mut objects = Objects::default();
        for record in dump.records() {
            if let (offset, Record::Object(object)) = record? {
                objects.push(offset, &object);
            }
        }
        Ok(Self::of(dump, objects))
    }

    /// The index of the objects that have been met in a dump.
    fn of(dump: Dump<'a>, objects: Objects) -> Self {
        let Objects { mut entries, mut lengths } = objects;
        entries.shrink_to_fit();
        lengths.shrink_to_fit();
        let mut index = Self { dump, entries, lengths, parts: Vec::new(), shift: 0 };
        // Objects are in the order of their spans, which is mostly that of their addresses.
        if !index.entries.is_sorted() {
            index.entries.sort_unstable();
            for id in 0..index.len() {
                index.lengths[id] = length_of(&index.object(id));
            }
        }
        index.divide();
        index
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

    /// The dump.
    pub fn dump(&self) -> &Dump<'a> {
        &self.dump
    }

    /// The number of objects.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no objects.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// An object by its place in the order of the addresses.
    ///
    /// # Panics
    /// If `id` is not below [`len`](Self::len).
    pub fn object(&self, id: usize) -> Object<'a> {
        let offset = self.entries[id].offset;
        let input = &self.dump.bytes()[offset as usize..];
        match Record::decode(&mut Cursor::new(input, offset, self.dump.version())) {
            Ok(Record::Object(object)) => object,
            other => unreachable!("offset {offset} was read as an object before, and now is {other:?}"),
        }
    }

    /// An object's address, without looking at its record.
    ///
    /// # Panics
    /// If `id` is not below [`len`](Self::len).
    #[inline]
    pub fn address(&self, id: usize) -> u64 {
        self.entries[id].address
    }

    /// An object's size, in bytes, without looking at its record.
    ///
    /// # Panics
    /// If `id` is not below [`len`](Self::len).
    #[inline]
    pub fn size(&self, id: usize) -> u64 {
        self.length(id)
    }

    /// An object's bytes. Much faster than [`object`](Self::object), which reads the list of its fields too.
    ///
    /// # Panics
    /// If `id` is not below [`len`](Self::len).
    #[inline]
    pub fn contents(&self, id: usize) -> &'a [u8] {
        let (start, length) = self.extent(id);
        &self.dump.bytes()[start..start + length]
    }

    /// Whether an object has fields that may hold pointers.
    ///
    /// # Panics
    /// If `id` is not below [`len`](Self::len).
    #[inline]
    pub fn has_fields(&self, id: usize) -> bool {
        let (start, length) = self.extent(id);
        // The list's end is a byte that no field starts with.
        self.dump.bytes()[start + length] != 0
    }

    /// Where an object's bytes start in the input, and how many there are: after the tag, the address and the size,
    /// which have one form each.
    #[inline]
    fn extent(&self, id: usize) -> (usize, usize) {
        let entry = self.entries[id];
        let length = self.length(id);
        let start = entry.offset + 1 + uvarint_length(entry.address) + uvarint_length(length);
        (start as usize, length as usize)
    }

    /// The offset of an object's record.
    ///
    /// # Panics
    /// If `id` is not below [`len`](Self::len).
    pub fn offset(&self, id: usize) -> u64 {
        self.entries[id].offset
    }

    /// The object in which `address` is. Pointers after an object's last byte are in the next object, if any.
    #[inline]
    pub fn find(&self, address: u64) -> Option<usize> {
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
        (address - self.entries[id].address < self.length(id)).then_some(id)
    }

    /// An object's length, in bytes.
    fn length(&self, id: usize) -> u64 {
        match self.lengths[id] {
            LONG => self.object(id).contents.len() as u64,
            length => length.into(),
        }
    }

    /// The pointers of an object to objects.
    ///
    /// # Panics
    /// If `id` is not below [`len`](Self::len).
    pub fn edges(&self, id: usize) -> impl Iterator<Item = Edge> {
        let object = self.object(id);
        self.edges_of(object.contents, object.fields)
    }

    /// The pointers to objects in other contents, such as a frame's or a segment's. An interface counts as its
    /// two words.
    pub fn edges_of(&self, contents: &[u8], fields: Fields<'_>) -> impl Iterator<Item = Edge> {
        let word_size = self.dump.params().pointer_size.bytes();
        let words = fields.flat_map(move |field| {
            let second =
                (field.kind != crate::FieldKind::Pointer).then(|| field.offset.checked_add(word_size));
            [Some(field.offset), second.flatten()].into_iter().flatten()
        });
        words.filter_map(|offset| {
            let address = self.dump.params().word(contents, offset)?;
            let target = self.find(address)?;
            Some(Edge { offset, target, interior: address - self.entries[target].address })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arch, Field, Params, PointerSize, Version};

    /// A dump with objects at these addresses, of these lengths.
    fn dump(objects: &[(u64, usize)]) -> Vec<u8> {
        let mut file = Version::Go15.header().to_vec();
        let params = Params {
            big_endian: true,
            pointer_size: PointerSize::Four,
            heap_start: 0,
            heap_end: u64::MAX,
            arch: Arch::Char(0),
            experiment: "".into(),
            cpus: 1,
        };
        Record::Params(params).write_to(&mut file).unwrap();
        for &(address, length) in objects {
            let contents = &vec![0; length][..];
            let fields = Fields::default();
            Record::Object(Object { address, contents, fields }).write_to(&mut file).unwrap();
        }
        file.push(0);
        file
    }

    #[test]
    fn every_address_is_found_as_a_linear_search_finds_it() {
        let dense: Vec<(u64, usize)> = (0..100).map(|i| (0x1000 + 16 * i, 16)).collect();
        let gaps: Vec<(u64, usize)> = (0..50).map(|i| (0x1000 + i * i * 8, 8)).collect();
        let apart = [(0x10, 8), (0x18, 16), (1 << 20, 64), (u64::MAX - 16, 16), ((1 << 63) + 8, 1)];
        let unsorted: Vec<(u64, usize)> = dense.iter().copied().rev().chain([(0x10, 100)]).collect();
        let worlds: [&[(u64, usize)]; 8] =
            [&[], &[(0, 1)], &[(u64::MAX, 1)], &[(0, 1), (2, 1)], &dense, &gaps, &apart, &unsorted];
        for objects in worlds {
            let file = dump(objects);
            let index = Index::new(Dump::new(&file).unwrap()).unwrap();
            assert_eq!((index.len(), index.is_empty()), (objects.len(), objects.is_empty()));
            for id in 0..index.len() {
                let Object { address, contents, fields } = index.object(id);
                let quickly = (index.address(id), index.contents(id), index.has_fields(id));
                assert_eq!(quickly, (address, contents, !fields.is_empty()));
                assert_eq!(index.size(id), contents.len() as u64);
                let record = index.dump().records_from(index.offset(id)).next();
                assert_eq!(record, Some(Ok((index.offset(id), Record::Object(index.object(id))))));
            }
            let around = |&(start, length): &(u64, usize)| {
                [start.wrapping_sub(1), start, start + (length as u64 - 1) / 2]
                    .into_iter()
                    .chain((0..2).map(move |i| start.wrapping_add(length as u64 - 1 + i)))
            };
            for address in objects.iter().flat_map(around).chain([0, 1 << 40, u64::MAX]) {
                let expected = objects
                    .iter()
                    .find(|&&(start, length)| address >= start && address - start < length as u64)
                    .map(|&(start, _)| start);
                let found = index.find(address).map(|id| index.object(id).address);
                assert_eq!(found, expected, "{address:#x}");
            }
            assert!(index.parts.len() <= objects.len() + 1, "more parts than objects");
            assert_eq!(index.parts.len(), index.parts.capacity(), "the memory that is needed");
        }
        let file = dump(&dense);
        let index = Index::new(Dump::new(&file).unwrap()).unwrap();
        assert_eq!(index.parts.len(), 101, "a part for each of dense objects");
    }

    #[test]
    fn an_object_points_to_objects() {
        let mut file = dump(&[(0x100, 8), (0x200, 8)]);
        assert_eq!(file.pop(), Some(0), "the eof record");
        let fields = Fields::encode_list([Field::pointer(4), Field::pointer(0)]);
        let fields = Fields::from_encoded(&fields).unwrap();
        Record::Object(Object { address: 0x300, contents: &[0, 0, 9, 9, 0, 0, 1, 7], fields })
            .write_to(&mut file)
            .unwrap();
        file.push(0);
        let index = Index::new(Dump::new(&file).unwrap()).unwrap();
        assert!(index.edges(0).next().is_none() && !index.has_fields(0) && index.has_fields(2));
        assert_eq!(index.edges(2).collect::<Vec<_>>(), [Edge { offset: 4, target: 0, interior: 7 }]);
    }

    #[test]
    fn an_interface_is_two_pointers() {
        let file = dump(&[(0x100, 8), (0x200, 8)]);
        let index = Index::new(Dump::new(&file).unwrap()).unwrap();
        // Big endian words of four bytes; the last field has one word only.
        let contents = [0, 0, 1, 0, 0, 0, 2, 4, 0, 0, 1, 7];
        let fields = [1u8, 0, 2, 0, 3, 8];
        let edges: Vec<Edge> = index.edges_of(&contents, Fields::from_encoded(&fields).unwrap()).collect();
        let edge = |offset, target, interior| Edge { offset, target, interior };
        assert_eq!(edges, [edge(0, 0, 0), edge(0, 0, 0), edge(4, 1, 4), edge(8, 0, 7)]);
    }
}
