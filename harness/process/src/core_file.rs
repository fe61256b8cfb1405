//! Core files: of the kernel, of gdb's gcore, of QEMU's user-mode emulation, and of `heapmatrix exec`.

use std::ops::RangeInclusive;

use heapmatrix_writer::AnyTarget;
use heapmatrix_writer::go119::Thread;
use object::elf::{ET_CORE, ET_DYN, ET_EXEC, NT_AUXV, NT_FILE, NT_PRPSINFO, NT_PRSTATUS};

use crate::elf::Elf;
use crate::error::ProcessError;
use crate::executable::Executable;
use crate::machine::Registers;
use crate::memory::Pieces;
use crate::process::Process;

/// More files than a process maps, and more threads than it has.
const MOST_FILES: u64 = 1 << 20;
/// The room for arguments at the end of `struct elf_prpsinfo` (`ELF_PRARGSZ`).
const MOST_ARGUMENTS: usize = 80;
/// The size of a page: what the auxiliary vector calls it, what all machines have unless it says otherwise, and how large
/// pages are at most.
const AT_PAGESZ: u64 = 6;
const PAGE: u64 = 4096;
const PAGES: RangeInclusive<u64> = PAGE..=1 << 16;
/// Where the program begins.
pub(crate) const AT_ENTRY: u64 = 9;

/// A file that was mapped into the process: an entry of the `NT_FILE` note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping<'d> {
    /// The first address, and the first after it.
    pub range: (u64, u64),
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// The file's path, as the process had it.
    pub path: &'d [u8],
}

/// A core file.
#[derive(Clone, Debug)]
pub struct CoreFile<'d> {
    elf: Elf<'d>,
    threads: Vec<Thread>,
    mappings: Vec<Mapping<'d>>,
    entry: Option<u64>,
    /// The size of a page in bytes.
    page: u64,
}

impl<'d> CoreFile<'d> {
    /// Reads a core file's headers and notes.
    ///
    /// # Errors
    /// [`ProcessError::Elf`], [`ProcessError::NotCore`]; [`ProcessError::Cut`] where memory is missing at its end.
    pub fn parse(data: &'d [u8]) -> Result<Self, ProcessError> {
        let elf = Elf::parse(data)?;
        match elf.kind {
            ET_CORE => {}
            ET_EXEC | ET_DYN => return Err(ProcessError::NotCore("an executable")),
            _ => return Err(ProcessError::NotCore("an object file")),
        }
        if let Some(cut) = elf.segments.iter().find(|segment| (segment.bytes.len() as u64) < segment.range.1)
        {
            let (offset, size) = cut.range;
            return Err(ProcessError::Cut { addr: cut.addr, size, offset, end: data.len() as u64 });
        }
        let mut core = CoreFile { threads: Vec::new(), mappings: Vec::new(), entry: None, page: PAGE, elf };
        core.threads = core.read_threads();
        core.mappings = core.read_mappings().unwrap_or_default();
        core.entry = core.auxiliary(AT_ENTRY);
        core.page = core
            .auxiliary(AT_PAGESZ)
            .filter(|page| PAGES.contains(page) && page.is_power_of_two())
            .unwrap_or(PAGE);
        Ok(core)
    }

    /// The machine that the process ran on.
    pub fn target(&self) -> AnyTarget {
        self.elf.target
    }

    /// Its threads.
    pub fn threads(&self) -> &[Thread] {
        &self.threads
    }

    /// The files that were mapped into it; none where the core file does not say (QEMU's).
    pub fn mappings(&self) -> &[Mapping<'d>] {
        &self.mappings
    }

    /// The path of its program, where the core file says so.
    pub fn program_path(&self) -> Option<&'d [u8]> {
        let entry = self.entry?;
        let mapping = self.mappings.iter().find(|m| (m.range.0..m.range.1).contains(&entry))?;
        Some(mapping.path)
    }

    /// How its program was called, with arguments, where the core file says so: at most 80 bytes (`pr_psargs`).
    pub fn command(&self) -> Option<&'d [u8]> {
        let info = self.elf.note(b"CORE", NT_PRPSINFO)?;
        let text = info.get(info.len().checked_sub(MOST_ARGUMENTS)?..)?;
        let text = text.split(|&byte| byte == 0).next()?.trim_ascii();
        Some(text).filter(|text| !text.is_empty())
    }

    /// The process, whose program is the first of the executables, with the pages that the core file lacks taken from them.
    ///
    /// # Errors
    /// [`ProcessError::OtherMachine`], [`ProcessError::OtherProgram`] and [`ProcessError::OtherContents`] for an executable
    /// that it did not run.
    pub fn process(&self, executables: &[Executable<'d>]) -> Result<Process<Pieces<'d>>, ProcessError> {
        let mut memory = Pieces::default();
        for segment in &self.elf.segments {
            memory.add(segment.addr, segment.bytes);
        }
        let mut biases = Vec::new();
        for (i, program) in executables.iter().enumerate() {
            if program.target() != self.target() {
                return Err(ProcessError::OtherMachine { program: program.target(), core: self.target() });
            }
            let bias = self.bias(program, i == 0);
            program.check(&memory, bias)?;
            biases.push(bias);
        }
        for (program, bias) in executables.iter().zip(&biases) {
            program.add_to(&mut memory, *bias, self.page);
        }
        // What nobody has written is not in the file, and zero.
        for segment in self.elf.segments.iter().filter(|segment| segment.writable) {
            memory.add_zeros(segment.addr, segment.size);
        }
        Ok(Process {
            target: self.target(),
            memory,
            threads: self.threads.clone(),
            bias: biases.first().copied().unwrap_or(0),
        })
    }

    /// How far an executable lies from where it was linked for.
    fn bias(&self, program: &Executable<'d>, first: bool) -> u64 {
        if !program.is_relocatable() {
            return 0;
        }
        match self.entry.filter(|_| first) {
            Some(entry) => entry.wrapping_sub(program.entry()),
            None => program.bias_of(&self.mappings).unwrap_or(0),
        }
    }

    fn read_threads(&self) -> Vec<Thread> {
        let notes = self.elf.notes.iter().filter(|note| note.owner == b"CORE" && note.kind == NT_PRSTATUS);
        notes.filter_map(|note| self.thread(note.desc)).collect()
    }

    /// What an `NT_PRSTATUS` note says; nothing if it is shorter than it should be.
    fn thread(&self, desc: &[u8]) -> Option<Thread> {
        let registers = Registers::of(self.target());
        let tid = self.elf.uint(desc, registers.pid(), 4)?;
        let values = desc.get(registers.first()..registers.first() + registers.bytes())?;
        Some(registers.thread(self.target(), tid, values))
    }

    /// What the `NT_FILE` note says: counts, ranges in pages, and the paths after them.
    fn read_mappings(&self) -> Option<Vec<Mapping<'d>>> {
        let desc = self.elf.note(b"CORE", NT_FILE)?;
        let word = self.target().ptr_size() as usize;
        let at = |i: usize| self.elf.uint(desc, i.checked_mul(word)?, word);
        let (count, page) = (at(0)?, at(1)?);
        if count > MOST_FILES {
            return None;
        }
        let count = usize::try_from(count).ok()?;
        let mut paths = desc.get((2 + 3 * count).checked_mul(word)?..)?.split(|&b| b == 0);
        (0..count)
            .map(|i| {
                let range = (at(2 + 3 * i)?, at(3 + 3 * i)?);
                let offset = at(4 + 3 * i)?.checked_mul(page)?;
                Some(Mapping { range, offset, path: paths.next()? })
            })
            .collect()
    }

    /// An entry of the auxiliary vector.
    fn auxiliary(&self, kind: u64) -> Option<u64> {
        self.elf.auxiliary(self.elf.note(b"CORE", NT_AUXV)?, kind)
    }
}
