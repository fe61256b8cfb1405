//! ELF files, as far as core files and executables are the same: segments and notes. Everything in them may be wrong.

use heapmatrix_writer::AnyTarget;
use object::elf::{self, FileHeader32, FileHeader64, FileType, NoteType};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, FileKind};

use crate::error::ElfError;

/// More segments than the kernel lets a process have mappings (`vm.max_map_count` is at most so large by default, 65,530,
/// and can be raised).
const MOST_SEGMENTS: usize = 1 << 20;

/// A segment that is loaded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment<'d> {
    /// Its first address.
    pub addr: u64,
    /// Its size in memory, in bytes.
    pub size: u64,
    /// Where its bytes are in the file, and how many.
    pub range: (u64, u64),
    /// Those of them that the file has.
    pub bytes: &'d [u8],
    /// Whether it can be written to.
    pub writable: bool,
}

/// A note.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Note<'d> {
    /// Whose kinds of notes it is, without the zero at the end.
    pub owner: &'d [u8],
    /// Its kind.
    pub kind: NoteType,
    /// What it says.
    pub desc: &'d [u8],
}

/// An ELF file.
#[derive(Clone, Debug)]
pub(crate) struct Elf<'d> {
    /// Its machine.
    pub target: AnyTarget,
    /// What it is.
    pub kind: FileType,
    /// Its entry.
    pub entry: u64,
    /// What is loaded, in the order of the file.
    pub segments: Vec<Segment<'d>>,
    /// All notes.
    pub notes: Vec<Note<'d>>,
}

impl<'d> Elf<'d> {
    /// Reads a file's headers.
    pub fn parse(data: &'d [u8]) -> Result<Self, ElfError> {
        match FileKind::parse(data) {
            Ok(FileKind::Elf32) => read::<FileHeader32<Endianness>>(data),
            Ok(FileKind::Elf64) => read::<FileHeader64<Endianness>>(data),
            _ => Err(ElfError::NotElf),
        }
    }
}

fn read<'d, F: FileHeader<Endian = Endianness>>(data: &'d [u8]) -> Result<Elf<'d>, ElfError> {
    let header = F::parse(data)?;
    let endian = header.endian()?;
    let machine = header.e_machine(endian);
    let target = AnyTarget::from_elf(machine.0, header.is_class_64(), endian == Endianness::Big)
        .ok_or(ElfError::Machine(machine.0))?;
    let mut file = Elf {
        target,
        kind: header.e_type(endian),
        entry: header.e_entry(endian).into(),
        segments: Vec::new(),
        notes: Vec::new(),
    };
    for segment in header.program_headers(endian, data)?.iter().take(MOST_SEGMENTS) {
        match segment.p_type(endian) {
            elf::PT_LOAD => {
                let range: (u64, u64) = (segment.p_offset(endian).into(), segment.p_filesz(endian).into());
                file.segments.push(Segment {
                    addr: segment.p_vaddr(endian).into(),
                    size: segment.p_memsz(endian).into(),
                    range,
                    bytes: there(data, range),
                    writable: segment.p_flags(endian).contains(elf::PF_W),
                });
            }
            elf::PT_NOTE => {
                let bytes = there(data, (segment.p_offset(endian).into(), segment.p_filesz(endian).into()));
                file.read_notes::<F>(endian, bytes);
            }
            _ => {}
        }
    }
    Ok(file)
}

/// Of a range of a file, what the file has.
pub(crate) fn there(data: &[u8], (offset, size): (u64, u64)) -> &[u8] {
    let from = usize::try_from(offset).unwrap_or(usize::MAX).min(data.len());
    let size = usize::try_from(size).unwrap_or(usize::MAX).min(data.len() - from);
    &data[from..from + size]
}

impl<'d> Elf<'d> {
    /// Collects notes up to the first that cannot be read.
    fn read_notes<F: FileHeader<Endian = Endianness>>(&mut self, endian: Endianness, bytes: &'d [u8]) {
        let Ok(notes) = object::read::elf::NoteIterator::<F>::new(endian, F::Word::default(), bytes) else {
            return;
        };
        for note in notes.map_while(Result::ok) {
            let owner = note.name();
            self.notes.push(Note { owner, kind: note.n_type(endian), desc: note.desc() });
        }
    }

    /// An unsigned integer of the file's byte order, at an offset.
    pub fn uint(&self, bytes: &[u8], at: usize, size: usize) -> Option<u64> {
        let bytes = bytes.get(at..at.checked_add(size)?)?;
        let mut all = [0; 8];
        Some(if self.target.big_endian() {
            all[8 - size..].copy_from_slice(bytes);
            u64::from_be_bytes(all)
        } else {
            all[..size].copy_from_slice(bytes);
            u64::from_le_bytes(all)
        })
    }

    /// What the note of a kind says that comes first.
    pub fn note(&self, owner: &[u8], kind: NoteType) -> Option<&'d [u8]> {
        self.notes.iter().find(|note| note.owner == owner && note.kind == kind).map(|note| note.desc)
    }

    /// An entry of an auxiliary vector: pairs of a kind and a value.
    pub fn auxiliary(&self, auxv: &[u8], kind: u64) -> Option<u64> {
        let word = self.target.ptr_size() as usize;
        let at = |i: usize| self.uint(auxv, i * word, word);
        (0..auxv.len() / word).step_by(2).find(|&i| at(i) == Some(kind)).and_then(|i| at(i + 1))
    }
}
