//! What a dump has of memory outside of objects: segments and stacks.

use heapmatrix_reader::{Dump, Params, Record, StackFrame};

/// A piece of memory that is no object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Region<'d> {
    pub address: u64,
    pub bytes: &'d [u8],
}

impl<'d> Region<'d> {
    /// The bytes from an address on.
    pub fn from(&self, address: u64) -> Option<&'d [u8]> {
        let offset = usize::try_from(address.checked_sub(self.address)?).ok()?;
        self.bytes.get(offset..).filter(|rest| !rest.is_empty())
    }
}

/// The pieces by address.
pub(super) struct Memory<'d> {
    params: Params<'d>,
    regions: Vec<Region<'d>>,
}

impl<'d> Memory<'d> {
    /// The segments and frames of a dump. Takes 24 bytes a frame.
    pub fn of(dump: &Dump<'d>) -> Self {
        let mut regions = Vec::new();
        for (_, record) in dump.records().flatten() {
            match record {
                Record::Data(segment) | Record::Bss(segment) => {
                    regions.push(Region { address: segment.address, bytes: segment.contents });
                }
                Record::StackFrame(StackFrame { sp, contents, .. }) => {
                    regions.push(Region { address: sp, bytes: contents });
                }
                _ => {}
            }
        }
        regions.retain(|region| !region.bytes.is_empty());
        regions.sort_by_key(|region| region.address);
        Self { params: *dump.params(), regions }
    }

    /// The bytes from an address to the end of the piece that it is in.
    pub fn at(&self, address: u64) -> Option<&'d [u8]> {
        let next = self.regions.partition_point(|region| region.address <= address);
        self.regions[next.checked_sub(1)?].from(address)
    }

    /// The word at an offset of some bytes; 0 past their end.
    #[inline]
    pub fn word(&self, bytes: &[u8], offset: u64) -> u64 {
        self.params.word(bytes, offset).unwrap_or(0)
    }
}
