//! The memory of a process, and where its program has variables.

use heapmatrix_writer::{Addr, Memory};
use object::elf::PF_W;
use object::{Endianness, Object, ObjectSection, ObjectSegment, SegmentFlags};

use super::{Offsets, Process, SearchError};

/// What a table of functions may begin with (`pcHeader.magic`): since Go 1.18 and since Go 1.20.
const MAGICS: [u64; 2] = [0xffff_fff0, 0xffff_fff1];
/// What is read at once.
const PAGE: u64 = 4096;

/// The memory of a process.
pub(super) struct Image<'a> {
    memory: &'a dyn Memory,
    pub ptr_size: u64,
    endian: Endianness,
    /// Where tables of functions are.
    tables: Vec<u64>,
    /// Where initialised data is.
    data: Vec<(u64, u64)>,
}

/// What a program consists of: ranges of addresses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Module {
    pub addr: u64,
    pub text: (u64, u64),
    /// Data and bss, with and without pointers.
    pub segments: [(u64, u64); 4],
}

impl<'a> Image<'a> {
    /// That of a process.
    pub(super) fn new(process: &Process<'a>) -> Result<Self, SearchError> {
        let file = object::File::parse(process.elf)?;
        let endian = if process.target.big_endian() { Endianness::Big } else { Endianness::Little };
        let moved = |addr: u64| addr.wrapping_add(process.bias);
        let named =
            file.sections().filter(|section| section.name().is_ok_and(|name| name.ends_with(".gopclntab")));
        let mut tables: Vec<u64> = named.map(|section| moved(section.address())).collect();
        let mut data = Vec::new();
        for segment in file.segments() {
            let SegmentFlags::Elf { p_flags, .. } = segment.flags() else { continue };
            let Ok(bytes) = segment.data() else { continue };
            let start = moved(segment.address());
            if p_flags.0 & PF_W.0 != 0 {
                data.push((start, start.saturating_add(bytes.len() as u64)));
            }
            // Without sections it is known by how it begins.
            let begins = |at: &[u8]| {
                MAGICS.contains(&integer(endian, &at[..4]))
                    && at[4..6] == [0, 0]
                    && u64::from(at[7]) == process.target.ptr_size()
            };
            let steps = (start..).step_by(8).zip(bytes.chunks_exact(8));
            tables.extend(steps.filter(|(_, at)| begins(at)).map(|(addr, _)| addr));
        }
        Ok(Image { memory: process.memory, ptr_size: process.target.ptr_size(), endian, tables, data })
    }

    /// Memory of which nothing else is known.
    #[cfg(test)]
    pub(super) fn of(memory: &'a dyn Memory, target: heapmatrix_writer::AnyTarget) -> Self {
        let endian = if target.big_endian() { Endianness::Big } else { Endianness::Little };
        Image { memory, ptr_size: target.ptr_size(), endian, tables: Vec::new(), data: Vec::new() }
    }

    /// The first module: what begins with the address of a table of functions.
    pub(super) fn module(&self, at: &Offsets) -> Option<Module> {
        let mut words = self.data.iter().flat_map(|&range| self.words(range));
        let (addr, _) = words.find(|(_, word)| self.tables.contains(word))?;
        let range =
            |start, end| Some((self.word(addr.checked_add(start)?)?, self.word(addr.checked_add(end)?)?));
        Some(Module {
            addr,
            text: range(at.text, at.etext)?,
            segments: [
                range(at.data, at.edata)?,
                range(at.bss, at.ebss)?,
                range(at.noptrdata, at.enoptrdata)?,
                range(at.noptrbss, at.enoptrbss)?,
            ],
        })
    }

    /// An integer of up to eight bytes; `None` where there is no memory.
    pub(super) fn uint(&self, at: u64, size: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.memory.read(Addr(at), bytes.get_mut(..size as usize)?).ok()?;
        Some(integer(self.endian, &bytes[..size as usize]))
    }

    pub(super) fn word(&self, at: u64) -> Option<u64> {
        self.uint(at, self.ptr_size)
    }

    /// Whether some memory has these bytes.
    pub(super) fn has(&self, at: u64, bytes: &[u8]) -> bool {
        let mut there = vec![0; bytes.len()];
        self.memory.read(Addr(at), &mut there).is_ok() && there == bytes
    }

    /// Each word of a range that can be read, and its address.
    pub(super) fn words(&self, range: (u64, u64)) -> impl Iterator<Item = (u64, u64)> {
        self.integers(range, self.ptr_size)
    }

    /// Each integer of so many bytes.
    pub(super) fn integers(&self, (start, end): (u64, u64), size: u64) -> impl Iterator<Item = (u64, u64)> {
        let start = start.next_multiple_of(size);
        (start..end).step_by(PAGE as usize).flat_map(move |page| {
            let mut bytes = vec![0; PAGE.min(end - page) as usize];
            let there = self.memory.read(Addr(page), &mut bytes).is_ok();
            let n = if there { bytes.len() / size as usize } else { 0 };
            (0..n).map(move |i| {
                let at = i * size as usize;
                (page + at as u64, integer(self.endian, &bytes[at..at + size as usize]))
            })
        })
    }
}

fn integer(endian: Endianness, bytes: &[u8]) -> u64 {
    let byte = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
    match endian {
        Endianness::Big => bytes.iter().fold(0, byte),
        Endianness::Little => bytes.iter().rev().fold(0, byte),
    }
}
