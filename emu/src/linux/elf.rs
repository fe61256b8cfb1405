//! ELF executables: what to load, where to start, what lies where.

mod machine;

use std::collections::HashMap;
use std::sync::Arc;

use heapmatrix_writer::target::Names;
use heapmatrix_writer::{Addr, AnyTarget};
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader, Sym};
use object::{Endianness, FileKind};

use crate::machine::Machine;
use crate::memory::{PAGE, Prot};
use machine::machine;

/// Why a file is not a program that can be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ElfError {
    /// The ELF structures don't hold together.
    #[error("not a valid ELF file: {0}")]
    Malformed(#[from] object::Error),
    /// Not an ELF file at all.
    #[error("not an ELF file: expected a Linux executable")]
    NotElf,
    /// A machine that is not emulated.
    #[error("a program for {0}, which is not emulated: there are {names}", names = Names(Machine::ALL))]
    Machine(String),
    /// An ABI that is not emulated, of a machine that is.
    #[error("a program for {target} of the {abi} ABI, which is not emulated: expected the {expected} ABI")]
    Abi {
        /// The machine.
        target: AnyTarget,
        /// The program's ABI.
        abi: &'static str,
        /// What can be run.
        expected: &'static str,
    },
    /// A relocatable file or a core file.
    #[error("{0}: expected an executable")]
    Kind(String),
    /// A shared library: nothing says where it begins.
    #[error("a shared library without an entry point: expected an executable")]
    Library,
    /// The name of the program's interpreter can't be read.
    #[error("the name of the program's interpreter (PT_INTERP) is damaged")]
    Interpreter,
    /// A segment that cannot be loaded.
    #[error("segment {index} at {addr:#x}, {size:#x} bytes: {what}")]
    Segment {
        /// Its index in the program headers.
        index: usize,
        /// Its first address.
        addr: u64,
        /// Its size in memory, in bytes.
        size: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Nothing to load.
    #[error("the program has no segments to load")]
    Empty,
    /// A symbol table whose names lie over each other.
    #[error(
        "symbol {index}: the names so far take more than {limit} bytes, {NAMES_A_FILE} times the file: its symbol \
         table is damaged; strip the program to run it without"
    )]
    Names {
        /// The symbol's index in the table.
        index: usize,
        /// How many bytes there may be.
        limit: usize,
    },
}

/// How many bytes of symbols' names a file may have, in multiples of its size. Names may share their ends, as those
/// that linkers write do, and many symbols may share one name.
const NAMES_A_FILE: usize = 4;

/// How many segments a program may have.
const MAX_SEGMENTS: usize = 1000;

/// A piece of the program in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The address of its first byte.
    pub addr: u64,
    /// Its size in memory in bytes; what the file doesn't fill is zero.
    pub size: u64,
    /// What the guest may do with it.
    pub prot: Prot,
    /// The bytes from the file.
    pub bytes: &'a [u8],
}

impl Segment<'_> {
    /// Its first page's address and the address after its last page.
    pub fn pages(&self) -> (u64, u64) {
        (self.addr & !(PAGE - 1), (self.addr + self.size).next_multiple_of(PAGE))
    }
}

/// A symbol of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Where it begins.
    pub addr: u64,
    /// Its size in bytes; zero if unknown.
    pub size: u64,
    /// Its name.
    pub name: Arc<str>,
}

/// The program's symbols, by name and by address.
#[derive(Clone, Debug, Default)]
pub struct SymbolTable {
    by_addr: Vec<Symbol>,
    by_name: HashMap<Arc<str>, u64>,
    /// Bytes in all names that differ.
    name_bytes: usize,
}

impl SymbolTable {
    /// Symbols, each with where its name is in the string table.
    fn new(mut symbols: Vec<(u32, Symbol)>, name_bytes: usize) -> Self {
        symbols.sort_by_key(|(_, s)| (s.addr, s.size));
        // Of symbols that share a name the last, so that no name is looked at more than once.
        let last: HashMap<u32, usize> =
            symbols.iter().enumerate().map(|(at, (name, _))| (*name, at)).collect();
        let mut last: Vec<usize> = last.into_values().collect();
        last.sort_unstable();
        let entry = |at: usize| (Arc::clone(&symbols[at].1.name), symbols[at].1.addr);
        let by_name = last.into_iter().map(entry).collect();
        SymbolTable { by_addr: symbols.into_iter().map(|(_, s)| s).collect(), by_name, name_bytes }
    }

    /// How many bytes of memory it takes, estimated upwards.
    pub fn cost(&self) -> u64 {
        (self.by_addr.capacity() * size_of::<Symbol>() + self.by_name.capacity() * 64 + self.name_bytes)
            as u64
    }

    /// Moves all symbols.
    fn move_by(&mut self, distance: u64) {
        let moved = |addr: u64| addr.wrapping_add(distance);
        self.by_addr.iter_mut().for_each(|symbol| symbol.addr = moved(symbol.addr));
        self.by_name.values_mut().for_each(|addr| *addr = moved(*addr));
    }

    /// The address of a symbol.
    pub fn addr(&self, name: &str) -> Option<Addr> {
        self.by_name.get(name).copied().map(Addr)
    }

    /// The symbol that an address lies in. Symbols without a size reach up to the next.
    pub fn at(&self, addr: u64) -> Option<&Symbol> {
        let after = self.by_addr.partition_point(|s| s.addr <= addr);
        let symbol = &self.by_addr[..after].last()?;
        (symbol.size == 0 || addr - symbol.addr < symbol.size).then_some(symbol)
    }

    /// An address as people read it: `symbol+0x12`, or the number alone.
    pub fn describe(&self, addr: u64) -> String {
        match self.at(addr) {
            Some(symbol) if symbol.addr == addr => format!("{addr:#x} ({})", symbol.name),
            Some(symbol) => format!("{addr:#x} ({}+{:#x})", symbol.name, addr - symbol.addr),
            None => format!("{addr:#x}"),
        }
    }

    /// The symbols, by address.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Symbol> {
        self.by_addr.iter()
    }
}

/// A program, parsed.
#[derive(Clone, Debug)]
pub struct Program<'a> {
    /// The machine that it runs on.
    pub target: AnyTarget,
    /// Whether it may be anywhere in memory: then it is at 0 until it is [moved](Program::moved_by).
    pub movable: bool,
    /// The path of its dynamic linker, if it has one.
    pub interpreter: Option<String>,
    /// `e_entry`. On ppc64 with [`Program::descriptors`], the address of a function descriptor.
    pub entry: u64,
    /// Whether function pointers point to descriptors: ppc64's first ABI.
    pub descriptors: bool,
    /// What to load, by address; no two share a byte.
    pub segments: Vec<Segment<'a>>,
    /// Where the program headers are in memory, for the auxiliary vector; zero if they are not loaded.
    pub phdr: u64,
    /// The size of a program header in bytes.
    pub phent: u64,
    /// How many program headers there are.
    pub phnum: u64,
    /// Its symbols; empty if it was stripped.
    pub symbols: SymbolTable,
}

impl<'a> Program<'a> {
    /// Parses an ELF file.
    ///
    /// # Errors
    /// [`ElfError`] says what it is instead of a program for one of the emulated machines.
    pub fn parse(data: &'a [u8]) -> Result<Self, ElfError> {
        match FileKind::parse(data) {
            Ok(FileKind::Elf32) => Self::parse_class::<elf::FileHeader32<Endianness>>(data),
            Ok(FileKind::Elf64) => Self::parse_class::<elf::FileHeader64<Endianness>>(data),
            _ => Err(ElfError::NotElf),
        }
    }

    /// Puts a program that may be anywhere at so many bytes from 0.
    pub fn moved_by(mut self, distance: u64) -> Self {
        let moved = |addr: &mut u64| *addr = addr.wrapping_add(distance);
        self.segments.iter_mut().for_each(|segment| moved(&mut segment.addr));
        moved(&mut self.entry);
        moved(&mut self.phdr);
        self.symbols.move_by(distance);
        self
    }

    /// How many bytes of memory its segments take, in whole pages.
    pub fn image_len(&self) -> u64 {
        self.segments.iter().map(|s| s.pages().1 - s.pages().0).sum()
    }

    fn parse_class<E: FileHeader<Endian = Endianness>>(data: &'a [u8]) -> Result<Self, ElfError> {
        let header = E::parse(data)?;
        let endian = header.endian()?;
        let target = machine(header, endian)?;
        let movable = match header.e_type(endian) {
            elf::ET_EXEC => false,
            elf::ET_DYN => true,
            elf::ET_REL => return Err(ElfError::Kind("an object file".to_owned())),
            elf::ET_CORE => return Err(ElfError::Kind("a core file".to_owned())),
            other => return Err(ElfError::Kind(format!("an ELF file of the unknown type {}", other.0))),
        };
        let entry: u64 = header.e_entry(endian).into();
        if movable && entry == 0 {
            return Err(ElfError::Library);
        }
        let mut interpreter = None;
        let headers = header.program_headers(endian, data)?;
        let mut segments = Vec::new();
        for (index, h) in headers.iter().enumerate() {
            match h.p_type(endian) {
                elf::PT_INTERP => interpreter = Some(path(h.data(endian, data))?),
                elf::PT_LOAD => segments.extend(segment::<E>(index, h, endian, data, movable)?),
                _ => {}
            }
        }
        if let Some(&Segment { addr, size, .. }) = segments.get(MAX_SEGMENTS) {
            return Err(ElfError::Segment { index: MAX_SEGMENTS, addr, size, what: "is one too many" });
        }
        segments.sort_by_key(|s: &Segment<'_>| s.addr);
        if segments.is_empty() {
            return Err(ElfError::Empty);
        }
        if let Some(index) = segments.windows(2).position(|w| w[0].addr + w[0].size > w[1].addr) {
            let Segment { addr, size, .. } = segments[index + 1];
            return Err(ElfError::Segment { index: index + 1, addr, size, what: "overlaps the one before" });
        }
        let phoff: u64 = header.e_phoff(endian).into();
        Ok(Program {
            target,
            movable,
            interpreter,
            entry,
            // The last two bits of a ppc64 program's flags number its ABI; zero means the first.
            descriptors: target == AnyTarget::Ppc64 && header.e_flags(endian).0 & 3 < 2,
            phdr: address_of_offset(headers, endian, phoff),
            phent: header.e_phentsize(endian).into(),
            phnum: headers.len() as u64,
            segments,
            symbols: symbols(header, endian, data)?,
        })
    }
}

/// The path in `PT_INTERP`, which ends with a zero.
fn path(bytes: Result<&[u8], ()>) -> Result<String, ElfError> {
    let bytes = bytes.map_err(|()| ElfError::Interpreter)?;
    let text = bytes.strip_suffix(&[0]).and_then(|path| std::str::from_utf8(path).ok());
    text.filter(|path| path.starts_with('/')).map(str::to_owned).ok_or(ElfError::Interpreter)
}

/// A segment to load, or nothing if it is empty.
fn segment<'a, E: FileHeader<Endian = Endianness>>(
    index: usize,
    header: &E::ProgramHeader,
    endian: Endianness,
    data: &'a [u8],
    movable: bool,
) -> Result<Option<Segment<'a>>, ElfError> {
    let addr: u64 = header.p_vaddr(endian).into();
    let size: u64 = header.p_memsz(endian).into();
    let error = |what| ElfError::Segment { index, addr, size, what };
    let bytes = header.data(endian, data).map_err(|()| error("its bytes lie outside the file"))?;
    if size == 0 {
        return Ok(None);
    }
    if bytes.len() as u64 > size {
        return Err(error("it has more bytes in the file than in memory"));
    }
    if addr < PAGE && !movable || addr.checked_add(size).is_none_or(|end| end > 1 << 47) {
        return Err(error("it lies outside the addresses of a process"));
    }
    let flags = header.p_flags(endian);
    let has = |flag: elf::ProgramFlags| flags.0 & flag.0 != 0;
    let prot = Prot { read: has(elf::PF_R), write: has(elf::PF_W), exec: has(elf::PF_X) };
    Ok(Some(Segment { addr, size, prot, bytes }))
}

/// The address at which a file offset is loaded, or zero.
fn address_of_offset<P: ProgramHeader<Endian = Endianness>>(
    headers: &[P],
    endian: Endianness,
    offset: u64,
) -> u64 {
    headers
        .iter()
        .filter(|h| h.p_type(endian) == elf::PT_LOAD)
        .find_map(|h| {
            let (start, size): (u64, u64) = (h.p_offset(endian).into(), h.p_filesz(endian).into());
            let within = offset.checked_sub(start).filter(|&w| w < size)?;
            Some(h.p_vaddr(endian).into() + within)
        })
        .unwrap_or(0)
}

fn symbols<E: FileHeader<Endian = Endianness>>(
    header: &E,
    endian: Endianness,
    data: &[u8],
) -> Result<SymbolTable, ElfError> {
    let sections = header.sections(endian, data)?;
    let table = sections.symbols(endian, data, elf::SHT_SYMTAB)?;
    let limit = data.len().saturating_mul(NAMES_A_FILE);
    let (mut symbols, mut names, mut bytes) = (Vec::new(), HashMap::new(), 0);
    for (index, symbol) in table.iter().enumerate() {
        let kind = symbol.st_type();
        if symbol.st_shndx(endian) == elf::SHN_UNDEF || kind == elf::STT_FILE || kind == elf::STT_SECTION {
            continue;
        }
        let offset = symbol.st_name(endian);
        let name = match names.get(&offset) {
            Some(name) => Arc::clone(name),
            None => {
                let name: Arc<str> = String::from_utf8_lossy(symbol.name(endian, table.strings())?).into();
                bytes += name.len();
                if bytes > limit {
                    return Err(ElfError::Names { index, limit });
                }
                names.insert(offset, Arc::clone(&name));
                name
            }
        };
        if !name.is_empty() {
            let (addr, size) = (symbol.st_value(endian).into(), symbol.st_size(endian).into());
            symbols.push((offset, Symbol { addr, size, name }));
        }
    }
    Ok(SymbolTable::new(symbols, bytes))
}

#[cfg(test)]
mod tests;
