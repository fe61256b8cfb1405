//! What the ELF file of a program says without its debugging information.

use std::borrow::Cow;

use heapmatrix_reader::PointerSize;
use object::{Architecture, File, Object, ObjectSection, ObjectSegment, ObjectSymbol};

use super::{BinaryError, moduledata};

/// A program's file.
pub(super) struct Elf<'a> {
    pub word: PointerSize,
    pub big_endian: bool,
    pub goarch: Option<&'static str>,
    /// Segments by address: what is in memory when the program starts.
    segments: Vec<(u64, &'a [u8])>,
    /// Functions by address, with their names; empty if the program is stripped.
    pub functions: Vec<(u64, &'a [u8])>,
    /// The places of the linker that matter here.
    pub places: Places,
    /// Whether the loader may move it.
    pub movable: bool,
    /// The Go build ID.
    pub build_id: Option<&'a [u8]>,
    /// The version of Go, such as `go1.27.3`.
    pub release: Option<&'a [u8]>,
}

/// Addresses that the linker gives names to. Source: `cmd/link/internal/ld/symtab.go`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    pub data: Option<(u64, u64)>,
    pub bss: Option<(u64, u64)>,
    pub types: Option<(u64, u64)>,
}

/// How much larger than its compressed form a section may be. Real ones are about three times as large.
const MOST_EXPANSION: u64 = 64;

impl<'a> Elf<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<(Self, File<'a>), BinaryError> {
        let not_elf = |error: object::Error| BinaryError::Elf(error.to_string());
        let file = File::parse(bytes).map_err(not_elf)?;
        if !matches!(file, File::Elf32(_) | File::Elf64(_)) {
            return Err(BinaryError::Elf("it is of another format".to_owned()));
        }
        let mut segments: Vec<_> =
            file.segments().filter_map(|segment| Some((segment.address(), segment.data().ok()?))).collect();
        segments.retain(|(_, bytes)| !bytes.is_empty());
        segments.sort_by_key(|&(address, _)| address);
        let mut functions = Vec::new();
        let mut ends = [[None; 2]; 3];
        for symbol in file.symbols() {
            let Ok(name) = symbol.name_bytes() else { continue };
            let place = match name {
                b"runtime.data" => (0, 0),
                b"runtime.edata" => (0, 1),
                b"runtime.bss" => (1, 0),
                b"runtime.ebss" => (1, 1),
                b"runtime.types" => (2, 0),
                b"runtime.etypes" => (2, 1),
                _ => {
                    if symbol.kind() == object::SymbolKind::Text {
                        functions.push((symbol.address(), name));
                    }
                    continue;
                }
            };
            ends[place.0][place.1] = Some(symbol.address());
        }
        functions.sort_unstable();
        let pair = |[start, end]: [Option<u64>; 2]| Some((start?, end?)).filter(|(start, end)| start <= end);
        let [data, bss, types] = ends.map(pair);
        let mut elf = Self {
            word: if file.is_64() { PointerSize::Eight } else { PointerSize::Four },
            big_endian: !file.is_little_endian(),
            goarch: goarch(&file),
            segments,
            functions,
            places: Places { data, bss, types },
            movable: file.kind() == object::ObjectKind::Dynamic,
            build_id: build_id(&file),
            release: None,
        };
        elf.release = elf.find_release(&file);
        if elf.places.types.is_none() {
            elf.places = moduledata::places(&elf, &file).unwrap_or(elf.places);
        }
        Ok((elf, file))
    }

    /// The bytes at an address up to the segment's end.
    pub fn at(&self, address: u64) -> Option<&'a [u8]> {
        let next = self.segments.partition_point(|&(start, _)| start <= address);
        let (start, bytes) = self.segments[next.checked_sub(1)?];
        bytes.get(usize::try_from(address - start).ok()?..).filter(|rest| !rest.is_empty())
    }

    /// The word at an address.
    pub fn word_at(&self, address: u64) -> Option<u64> {
        word(self.at(address)?, self.word, self.big_endian)
    }

    /// The 32-bit number at an address.
    pub fn u32_at(&self, address: u64) -> Option<u32> {
        let bytes = *self.at(address)?.first_chunk()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// The names of the functions whose first instruction is at an address.
    pub fn functions_at(&self, entry: u64) -> impl Iterator<Item = &'a [u8]> {
        let first = self.functions.partition_point(|&(address, _)| address < entry);
        self.functions[first..]
            .iter()
            .take_while(move |&&(address, _)| address == entry)
            .map(|&(_, name)| name)
    }

    /// A function's name, by its first instruction.
    pub fn function(&self, entry: u64) -> Option<&'a [u8]> {
        self.functions_at(entry).next()
    }

    /// All words of the segments with their addresses.
    pub fn words(&self) -> impl Iterator<Item = (u64, u64)> {
        let size = self.word.bytes();
        self.segments.iter().flat_map(move |&(start, bytes)| {
            let skip = start.wrapping_neg() % size;
            let words = bytes.get(skip as usize..).unwrap_or_default().chunks_exact(size as usize);
            (0..).zip(words).filter_map(move |(i, bytes)| {
                Some((start + skip + i * size, word(bytes, self.word, self.big_endian)?))
            })
        })
    }

    /// Source: `debug/buildinfo`. The version is inline since Go 1.18.
    fn find_release(&self, file: &File<'a>) -> Option<&'a [u8]> {
        let info = file.section_by_name(".go.buildinfo")?.data().ok()?;
        let flags = *info.get(15)?;
        if !info.starts_with(b"\xff Go buildinf:") {
            return None;
        }
        if flags & 2 != 0 {
            let (length, size) = uvarint(info.get(32..)?)?;
            return info.get(32 + size..)?.get(..usize::try_from(length).ok()?);
        }
        let header = self.at(self.word_in(info.get(16..)?)?)?;
        let length = self.word_in(header.get(self.word.bytes() as usize..)?)?;
        self.at(self.word_in(header)?)?.get(..usize::try_from(length).ok()?)
    }

    fn word_in(&self, bytes: &[u8]) -> Option<u64> {
        word(bytes, self.word, self.big_endian)
    }
}

/// A uvarint and its length.
pub(super) fn uvarint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (i, &byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Some((value, i + 1));
        }
    }
    None
}

/// The word at the start of some bytes.
#[inline]
pub(super) fn word(bytes: &[u8], size: PointerSize, big_endian: bool) -> Option<u64> {
    Some(match (size, big_endian) {
        (PointerSize::Four, false) => u32::from_le_bytes(*bytes.first_chunk()?).into(),
        (PointerSize::Four, true) => u32::from_be_bytes(*bytes.first_chunk()?).into(),
        (PointerSize::Eight, false) => u64::from_le_bytes(*bytes.first_chunk()?),
        (PointerSize::Eight, true) => u64::from_be_bytes(*bytes.first_chunk()?),
    })
}

/// A section's contents, decompressed; empty if there is none.
pub(super) fn section<'a>(file: &File<'a>, name: &str) -> Result<Cow<'a, [u8]>, BinaryError> {
    let Some(section) = file.section_by_name(name) else { return Ok(Cow::Borrowed(&[])) };
    let broken = |error: object::Error| BinaryError::Section(name.to_owned(), error.to_string());
    let data = section.compressed_data().map_err(broken)?;
    if data.uncompressed_size > (data.data.len() as u64).saturating_mul(MOST_EXPANSION) {
        let says = format!("it says that its {} bytes become {}", data.data.len(), data.uncompressed_size);
        return Err(BinaryError::Section(name.to_owned(), says));
    }
    data.decompress().map_err(broken)
}

fn goarch(file: &File<'_>) -> Option<&'static str> {
    Some(match (file.architecture(), file.is_little_endian()) {
        (Architecture::X86_64 | Architecture::X86_64_X32, _) => "amd64",
        (Architecture::I386, _) => "386",
        (Architecture::Arm, _) => "arm",
        (Architecture::Aarch64, _) => "arm64",
        (Architecture::PowerPc64, false) => "ppc64",
        (Architecture::PowerPc64, true) => "ppc64le",
        (Architecture::Mips, false) => "mips",
        (Architecture::Mips, true) => "mipsle",
        (Architecture::Mips64, false) => "mips64",
        (Architecture::Mips64, true) => "mips64le",
        (Architecture::Riscv64, _) => "riscv64",
        (Architecture::S390x, _) => "s390x",
        (Architecture::LoongArch64, _) => "loong64",
        _ => return None,
    })
}

/// The description of the note that the Go linker writes.
fn build_id<'a>(file: &File<'a>) -> Option<&'a [u8]> {
    let note = file.section_by_name(".note.go.buildid")?.data().ok()?;
    let length = |at: usize| {
        let bytes = *note.get(at..)?.first_chunk()?;
        Some(if file.is_little_endian() { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    let name = (length(0)? as usize).checked_next_multiple_of(4)?;
    note.get(12usize.checked_add(name)?..)?.get(..length(4)? as usize)
}
