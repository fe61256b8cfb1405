//! Sections: pieces of the target's memory while they are being filled.

use heapmatrix_writer::AnyTarget;

use super::dirt::Dirt;
use super::error::BuildError;
use super::facts::{FactError, Layouts};
use super::machine::Machine;
use crate::memory::{GuestMemory, PAGE, Prot};

/// Pieces of the target's memory, and how numbers are written there.
///
/// Space is reserved first and filled later, in any order, so that things can point at each other.
pub(crate) struct Sections {
    /// The machine.
    pub target: AnyTarget,
    /// What Go does differently there.
    pub machine: Machine,
    /// The layouts of its structures.
    pub layouts: Layouts,
    /// What is in their memory where nothing has been written.
    pub dirt: Dirt,
    sections: Vec<Section>,
}

struct Section {
    name: &'static str,
    base: u64,
    room: u64,
    prot: Prot,
    bytes: Vec<u8>,
    /// Reserved so far; `bytes` ends with the last byte that was written.
    used: u64,
}

/// A section of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum In {
    /// Machine code.
    Text,
    /// Constants, as the linker collects them.
    Rodata,
    /// Initialised data without pointers: `firstmoduledata`, among others.
    NoptrData,
    /// Initialised data with pointers, dumped as the data segment.
    Data,
    /// Zeroed data with pointers, dumped as the bss segment.
    Bss,
    /// Zeroed data without pointers, and the runtime's variables.
    NoptrBss,
    /// What `persistentalloc` and `fixalloc` would hand out: spans, gs, defers, buckets.
    Persistent,
    /// What the guest program is driven by: its list of steps.
    Steps,
    /// Where the guest program keeps the addresses of objects, and other cells of its own.
    Cells,
    /// The stack that the guest program begins on.
    SystemStack,
}

impl Sections {
    /// Empty sections at their addresses.
    ///
    /// Text and arena lie where Go 1.5's linker and runtime put them. Between them each section has
    /// room to grow, so that the address of one does not depend on the size of another.
    pub fn new(target: AnyTarget, dirt: Dirt) -> Result<Sections, BuildError> {
        let machine = Machine::of(target).ok_or(BuildError::Machine(target))?;
        let layouts = Layouts::of(target.goarch())?;
        let Machine { text, mapped, .. } = machine;
        let section = |name, base, room, prot| Section { name, base, room, prot, bytes: Vec::new(), used: 0 };
        let sections = vec![
            section("text", text, 0x0100_0000, Prot::READ_EXEC),
            section("rodata", text + 0x0100_0000, 0x0200_0000, Prot::READ),
            section("noptrdata", text + 0x0300_0000, 0x0010_0000, Prot::READ_WRITE),
            section("data", text + 0x0310_0000, 0x0200_0000, Prot::READ_WRITE),
            section("bss", text + 0x0510_0000, 0x0200_0000, Prot::READ_WRITE),
            section("noptrbss", text + 0x0710_0000, 0x0010_0000, Prot::READ_WRITE),
            section("persistent", mapped, 0x1000_0000, Prot::READ_WRITE),
            section("steps", mapped + 0x1000_0000, 0x2000_0000, Prot::READ),
            section("cells", mapped + 0x3000_0000, 0x1000_0000, Prot::READ_WRITE),
            section("system stack", mapped + 0x4000_0000, 0x0010_0000, Prot::READ_WRITE),
        ];
        Ok(Sections { target, machine, layouts, dirt, sections })
    }

    /// The first address of a section.
    pub fn base(&self, section: In) -> u64 {
        self.sections[section as usize].base
    }

    /// The address after what has been reserved of a section.
    pub fn end(&self, section: In) -> u64 {
        let section = &self.sections[section as usize];
        section.base + section.used
    }

    /// Reserves zeroed memory. What does not fit into the section is an error of [`Sections::map`].
    pub fn reserve(&mut self, section: In, len: u64, align: u64) -> u64 {
        let is_runtimes = matches!(section, In::Rodata | In::NoptrData | In::NoptrBss | In::Persistent);
        let section = &mut self.sections[section as usize];
        let before = section.base + section.used;
        section.used = section.used.next_multiple_of(align);
        let addr = section.base + section.used;
        section.used += len;
        if is_runtimes && addr > before {
            self.scribble(before, addr - before);
        }
        addr
    }

    /// Fills reserved memory with rubbish, if there is to be any.
    pub fn scribble(&mut self, addr: u64, len: u64) {
        if self.dirt.is_some() {
            let rubbish = self.dirt.bytes(addr, len);
            self.put_bytes(addr, &rubbish);
        }
    }

    /// Reserves a structure.
    pub fn reserve_structure(&mut self, section: In, structure: &str) -> Result<u64, FactError> {
        let size = self.layouts.size(structure)?;
        let addr = self.reserve(section, size, 8);
        self.begin(structure, addr)?;
        Ok(addr)
    }

    /// Makes a structure of reserved memory: rubbish, where nothing is meant.
    pub fn begin(&mut self, structure: &str, addr: u64) -> Result<(), FactError> {
        if self.dirt.is_some() {
            let bytes = self.dirt.structure(self.layouts, structure, addr)?;
            self.put_bytes(addr, &bytes);
        }
        Ok(())
    }

    /// Reserves so many words.
    pub fn reserve_words(&mut self, section: In, words: u64) -> u64 {
        let ptr_size = self.target.ptr_size();
        self.reserve(section, words * ptr_size, ptr_size)
    }

    /// Writes bytes to reserved memory.
    pub fn put_bytes(&mut self, addr: u64, bytes: &[u8]) {
        let section = self
            .sections
            .iter_mut()
            .find(|s| s.base <= addr && addr + bytes.len() as u64 <= s.base + s.used)
            .expect("only reserved memory is written to");
        let from = (addr - section.base) as usize;
        let to = from + bytes.len();
        if section.bytes.len() < to {
            section.bytes.resize(to, 0);
        }
        section.bytes[from..to].copy_from_slice(bytes);
    }

    /// What a piece of a section holds: nothing, where there is none.
    pub fn get_bytes(&self, from: u64, to: u64) -> Vec<u8> {
        let holds = |s: &&Section| s.base <= from && from <= to && to <= s.base + s.used;
        let Some(section) = self.sections.iter().find(holds) else { return Vec::new() };
        let written = section.bytes.get((from - section.base) as usize..).unwrap_or(&[]);
        let len = (to - from) as usize;
        let mut bytes = written[..written.len().min(len)].to_vec();
        bytes.resize(len, 0);
        bytes
    }

    /// Writes a number of so many bytes.
    pub fn put(&mut self, addr: u64, width: u64, value: u64) {
        let (bytes, len) = encode(self.target, width, value);
        self.put_bytes(addr, &bytes[..len]);
    }

    /// Writes a word.
    pub fn put_word(&mut self, addr: u64, value: u64) {
        self.put(addr, self.target.ptr_size(), value);
    }

    /// Reserves words and fills them.
    pub fn words(&mut self, section: In, words: &[u64]) -> u64 {
        let addr = self.reserve_words(section, words.len() as u64);
        for (i, &word) in words.iter().enumerate() {
            self.put_word(addr + i as u64 * self.target.ptr_size(), word);
        }
        if self.dirt.is_some() {
            // An array has room for more than is in it.
            let spare = self.reserve_words(section, 3);
            self.scribble(spare, 3 * self.target.ptr_size());
        }
        addr
    }

    /// Reserves bytes and fills them.
    pub fn bytes(&mut self, section: In, bytes: &[u8]) -> u64 {
        let addr = self.reserve(section, bytes.len() as u64, 1);
        self.put_bytes(addr, bytes);
        addr
    }

    /// A Go string in read-only data: the address of its bytes, and its length.
    pub fn string(&mut self, text: &str) -> (u64, u64) {
        (self.bytes(In::Rodata, text.as_bytes()), text.len() as u64)
    }

    /// A bitmap in read-only data, its first bit the lowest of its first byte.
    pub fn bitmap(&mut self, bits: impl IntoIterator<Item = bool>) -> u64 {
        let bytes = self.packed(bits, self.end(In::Rodata));
        self.bytes(In::Rodata, &bytes)
    }

    /// Bits in bytes; after the last bit is rubbish.
    pub fn packed(&self, bits: impl IntoIterator<Item = bool>, place: u64) -> Vec<u8> {
        let mut count = 0_u32;
        let mut bytes = pack_bits(bits.into_iter().inspect(|_| count += 1));
        if let (Some(last), true) = (bytes.last_mut(), self.dirt.is_some()) {
            let unused = if count.is_multiple_of(8) { 0 } else { 0xff << (count % 8) };
            *last |= unused;
            bytes.extend(self.dirt.bytes(place.wrapping_add(1), 2));
        }
        bytes
    }

    /// Writes fields of a structure at an address.
    pub fn fill(&mut self, structure: &str, addr: u64, fields: &[(&str, u64)]) -> Result<(), FactError> {
        for (path, value) in fields {
            let number = self.layouts.number(structure, path)?;
            self.put(addr + number.offset, number.width, *value);
        }
        Ok(())
    }

    /// Maps all sections and copies what they hold.
    pub fn map(&self, memory: &mut GuestMemory) -> Result<(), BuildError> {
        for s in self.sections.iter().filter(|s| s.used > 0) {
            let need = s.used.next_multiple_of(PAGE);
            if need > s.room {
                return Err(BuildError::TooLarge { what: s.name, addr: s.base, need, room: s.room });
            }
            memory.map(s.name, s.base, need, s.prot)?;
            memory.write(s.base, &s.bytes)?;
        }
        Ok(())
    }
}

/// A number in the target's byte order: the buffer, and how many bytes of it count.
pub(crate) fn encode(target: AnyTarget, width: u64, value: u64) -> ([u8; 8], usize) {
    if target.big_endian() {
        ((value << (64 - 8 * width)).to_be_bytes(), width as usize)
    } else {
        (value.to_le_bytes(), width as usize)
    }
}

/// Packs bits into bytes, low bits first.
pub(crate) fn pack_bits(bits: impl IntoIterator<Item = bool>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (i, bit) in bits.into_iter().enumerate() {
        if i % 8 == 0 {
            bytes.push(0);
        }
        bytes[i / 8] |= u8::from(bit) << (i % 8);
    }
    bytes
}
