//! What a dump has besides objects: other records, segments and stacks.

use heapmatrix_reader::{Dump, Index, Params, Record, StackFrame};

/// The records that are no objects.
pub(super) struct Others<'d> {
    dump: Dump<'d>,
    offsets: Vec<u64>,
}

impl<'d> Others<'d> {
    /// Takes eight bytes a record that is no object.
    pub fn of(index: &Index<'d>) -> Self {
        Self { dump: *index.dump(), offsets: index.others().flatten().map(|(offset, _)| offset).collect() }
    }

    /// The records.
    pub fn iter(&self) -> impl Iterator<Item = Record<'d>> {
        self.offsets.iter().filter_map(|&offset| Some(self.dump.records_from(offset).next()?.ok()?.1))
    }

    /// The dump that they are of.
    pub fn dump(&self) -> &Dump<'d> {
        &self.dump
    }
}

/// A piece of memory that is no object.
#[derive(Clone, Copy, Debug)]
struct Region<'d> {
    address: u64,
    bytes: &'d [u8],
}

/// The pieces by address.
pub(super) struct Memory<'d> {
    params: Params<'d>,
    regions: Vec<Region<'d>>,
}

impl<'d> Memory<'d> {
    /// The segments and frames of a dump. Takes 24 bytes a frame.
    pub fn of(others: &Others<'d>) -> Self {
        let region = |record| match record {
            Record::Data(segment) | Record::Bss(segment) => {
                Some(Region { address: segment.address, bytes: segment.contents })
            }
            Record::StackFrame(StackFrame { sp, contents, .. }) => {
                Some(Region { address: sp, bytes: contents })
            }
            _ => None,
        };
        let mut regions: Vec<_> = others.iter().filter_map(region).collect();
        regions.retain(|region| !region.bytes.is_empty());
        regions.sort_by_key(|region| region.address);
        Self { params: *others.dump().params(), regions }
    }

    /// The bytes from an address to the end of the piece that it is in.
    pub fn at(&self, address: u64) -> Option<&'d [u8]> {
        let next = self.regions.partition_point(|region| region.address <= address);
        let region = self.regions[next.checked_sub(1)?];
        let offset = usize::try_from(address - region.address).ok()?;
        region.bytes.get(offset..).filter(|rest| !rest.is_empty())
    }

    /// The word at an offset of some bytes; 0 past their end.
    #[inline]
    pub fn word(&self, bytes: &[u8], offset: u64) -> u64 {
        self.params.word(bytes, offset).unwrap_or(0)
    }
}
