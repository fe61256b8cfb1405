//! From addresses to objects, and so from objects to objects.

mod blocks;
mod entries;

use std::borrow::Cow;

use blocks::{Blocks, Builder, Place};
use entries::Entries;

use crate::cursor::Cursor;
use crate::wire::{Wire, uvarint_length};
use crate::{Dump, Field, Fields, Object, Params, Record, Result};

/// The objects of a [`Dump`] by address. Takes some 6 bytes an object beside the dump, and 24 where objects are unlike
/// their neighbours, as no runtime writes them.
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
    objects: Objects,
    /// Where the other records are: the offset of the first of each run, and how many there are.
    others: Vec<(u64, u64)>,
}

#[derive(Clone, Debug)]
enum Objects {
    Blocks(Blocks),
    Entries(Entries),
}

impl Objects {
    fn new(mut builder: Builder, sparse: Option<Entries>, dump: &Dump<'_>) -> Self {
        let entries = match sparse {
            Some(entries) => entries,
            None => match std::mem::take(&mut builder).finish() {
                Ok(blocks) => return Self::Blocks(blocks),
                Err(entries) => entries,
            },
        };
        Self::Entries(entries.sorted(dump))
    }

    #[inline]
    fn find(&self, address: u64, dump: &Dump<'_>) -> Option<(usize, u64)> {
        match self {
            Self::Blocks(blocks) => blocks.find(address),
            Self::Entries(entries) => entries.find(address, dump),
        }
    }
}

/// What an [`Index`] has found out about its dump, to be kept and used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts<'p> {
    /// Up to 64 objects each: the address of the first, their size in bytes, a bit for each slot of that size that has an
    /// object, a bit for each whose object has fields, and the offset of the first one's record.
    pub blocks: Vec<[u64; 5]>,
    /// How far after the first of its block each object's record starts.
    pub offsets: Cow<'p, [u32]>,
    /// The offset of the first of each run of records that are no objects, and how many there are.
    pub others: Cow<'p, [(u64, u64)]>,
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
        let (mut blocks, mut sparse) = (Builder::default(), None::<Entries>);
        let mut others = Vec::<(u64, u64)>::new();
        let mut in_run = false;
        for record in dump.records() {
            match record? {
                (offset, Record::Object(Object { address, contents, fields })) => {
                    let (size, fields) = (contents.len() as u64, !fields.is_empty());
                    let place = Place { address, offset, size, fields };
                    match &mut sparse {
                        None => blocks.push(place),
                        Some(entries) => entries.push(place),
                    }
                    if blocks.is_sparse() {
                        sparse = Some(std::mem::take(&mut blocks).into_entries());
                    }
                    in_run = false;
                }
                (offset, _) => match others.last_mut().filter(|_| in_run) {
                    Some((_, count)) => *count += 1,
                    None => {
                        others.push((offset, 1));
                        in_run = true;
                    }
                },
            }
        }
        Ok(Self { dump, objects: Objects::new(blocks, sparse, &dump), others })
    }

    /// What the index has found out, for somebody who keeps it for the next time; `None` for a dump that no runtime has
    /// written.
    pub fn parts(&self) -> Option<Parts<'_>> {
        let Objects::Blocks(blocks) = &self.objects else { return None };
        let (blocks, offsets) = blocks.parts();
        Some(Parts { blocks, offsets: offsets.into(), others: self.others[..].into() })
    }

    /// The index of a dump that has been read before, in a fraction of the time; `None` if the parts can't be of this dump.
    ///
    /// Parts that lie about the dump give an index that is wrong, but none that panics.
    pub fn from_parts(dump: Dump<'a>, parts: Parts<'_>) -> Option<Self> {
        let Parts { blocks, offsets, others } = parts;
        let length = dump.bytes().len() as u64;
        let objects = Objects::Blocks(Blocks::from_parts(&blocks, offsets.into_owned(), length)?);
        // Each record is read once when the others are walked.
        let most = others.iter().try_fold(0u64, |sum, &(_, count)| sum.checked_add(count))?;
        let inside = others.is_sorted() && others.iter().all(|&(offset, _)| offset < length);
        (most <= length && inside).then(|| Self { dump, objects, others: others.into_owned() })
    }

    /// The dump.
    pub fn dump(&self) -> &Dump<'a> {
        &self.dump
    }

    /// The records that are no objects, in runs without an object between them.
    pub fn others(&self) -> impl Iterator<Item = impl Iterator<Item = (u64, Record<'a>)>> {
        // They could be read before.
        let run = |&(offset, count): &(u64, u64)| {
            self.dump
                .records_from(offset)
                .map_while(|record| record.ok())
                .take(usize::try_from(count).unwrap_or(usize::MAX))
        };
        self.others.iter().map(run)
    }

    /// The number of objects.
    pub fn len(&self) -> usize {
        match &self.objects {
            Objects::Blocks(blocks) => blocks.len(),
            Objects::Entries(entries) => entries.len(),
        }
    }

    /// Whether there are no objects.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An object by its place in the order of the addresses.
    ///
    /// # Panics
    /// If `id` is not below [`len`](Self::len).
    pub fn object(&self, id: usize) -> Object<'a> {
        let place = self.place(id);
        let (contents, list) = self.split(&place);
        let mut cursor = Cursor::new(list, 0, self.dump.version());
        // The list could be read before.
        let fields = Fields::decode(&mut cursor, "fields").unwrap_or_default();
        Object { address: place.address, contents, fields }
    }

    /// An object's address, without looking at its record.
    ///
    /// # Panics
    /// If `id` is not below [`len`](Self::len).
    #[inline]
    pub fn address(&self, id: usize) -> u64 {
        match &self.objects {
            Objects::Blocks(blocks) => blocks.address(id),
            Objects::Entries(entries) => entries.address(id),
        }
    }

    /// An object's size, in bytes, without looking at its record.
    ///
    /// # Panics
    /// If `id` is not below [`len`](Self::len).
    #[inline]
    pub fn size(&self, id: usize) -> u64 {
        match &self.objects {
            Objects::Blocks(blocks) => blocks.size(id),
            Objects::Entries(entries) => entries.size(id, &self.dump),
        }
    }

    /// An object's bytes. Much faster than [`object`](Self::object), which reads the list of its fields too.
    ///
    /// # Panics
    /// If `id` is not below [`len`](Self::len).
    #[inline]
    pub fn contents(&self, id: usize) -> &'a [u8] {
        self.split(&self.place(id)).0
    }

    /// Whether an object has fields that may hold pointers, without looking at its record.
    ///
    /// # Panics
    /// If `id` is not below [`len`](Self::len).
    #[inline]
    pub fn has_fields(&self, id: usize) -> bool {
        match &self.objects {
            Objects::Blocks(blocks) => blocks.has_fields(id),
            Objects::Entries(entries) => entries.place(id, &self.dump).fields,
        }
    }

    #[inline]
    fn place(&self, id: usize) -> Place {
        match &self.objects {
            Objects::Blocks(blocks) => blocks.place(id),
            Objects::Entries(entries) => entries.place(id, &self.dump),
        }
    }

    /// An object's bytes, and what comes after them in the input: after the tag, the address and the size, which have one
    /// form each.
    #[inline]
    fn split(&self, place: &Place) -> (&'a [u8], &'a [u8]) {
        let start = place.offset + 1 + uvarint_length(place.address) + uvarint_length(place.size);
        self.dump.bytes()[start as usize..].split_at(place.size as usize)
    }

    /// The offset of an object's record.
    ///
    /// # Panics
    /// If `id` is not below [`len`](Self::len).
    pub fn offset(&self, id: usize) -> u64 {
        self.place(id).offset
    }

    /// The object in which `address` is. Pointers after an object's last byte are in the next object, if any.
    #[inline]
    pub fn find(&self, address: u64) -> Option<usize> {
        Some(self.locate(address)?.0)
    }

    /// The object in which `address` is, and how far in it, in bytes.
    #[inline]
    pub fn locate(&self, address: u64) -> Option<(usize, u64)> {
        self.objects.find(address, &self.dump)
    }

    /// The pointers of an object to objects.
    ///
    /// # Panics
    /// If `id` is not below [`len`](Self::len).
    #[inline]
    pub fn edges(&self, id: usize) -> impl Iterator<Item = Edge> {
        let place = self.place(id);
        let (contents, list) = if place.fields { self.split(&place) } else { (&[][..], &[][..]) };
        // The list's end is no field: there the iterator stops.
        Edges::new(self, contents, Fields::decoded(list))
    }

    /// The pointers to objects in other contents, such as a frame's or a segment's. An interface counts as its
    /// two words.
    #[inline]
    pub fn edges_of<'c>(&self, contents: &'c [u8], fields: Fields<'c>) -> impl Iterator<Item = Edge> {
        Edges::new(self, contents, fields)
    }
}

/// The pointers of contents to objects.
struct Edges<'i, 'c> {
    index: &'i Index<'i>,
    params: Params<'i>,
    contents: &'c [u8],
    fields: Fields<'c>,
    /// The second word of an interface.
    second: Option<u64>,
}

impl<'i, 'c> Edges<'i, 'c> {
    #[inline]
    fn new(index: &'i Index<'i>, contents: &'c [u8], fields: Fields<'c>) -> Self {
        Self { index, params: *index.dump.params(), contents, fields, second: None }
    }

    /// The next word that may be a pointer.
    #[inline]
    fn word(&mut self) -> Option<u64> {
        if let Some(offset) = self.second.take() {
            return Some(offset);
        }
        let Field { kind, offset } = self.fields.next()?;
        if kind != crate::FieldKind::Pointer {
            self.second = offset.checked_add(self.params.pointer_size.bytes());
        }
        Some(offset)
    }
}

impl Iterator for Edges<'_, '_> {
    type Item = Edge;

    #[inline]
    fn next(&mut self) -> Option<Edge> {
        loop {
            let offset = self.word()?;
            if let Some(address) = self.params.word(self.contents, offset)
                && let Some((target, interior)) = self.index.locate(address)
            {
                return Some(Edge { offset, target, interior });
            }
        }
    }
}

#[cfg(test)]
mod tests;
