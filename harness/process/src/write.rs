//! Writing core files, as the kernel writes them: one segment of notes, then memory.

use std::io::{self, Write};

use heapmatrix_writer::AnyTarget;
use object::elf;

use crate::core_file::Mapping;
use crate::machine::Registers;

/// Bytes in a page, which segments are aligned to in the file.
const PAGE: usize = 4096;
/// A file has so many segments at most without a section that counts them (`PN_XNUM`).
const MOST_SEGMENTS: usize = 0xfffe;

/// A piece of memory.
#[derive(Clone, Copy, Debug)]
pub struct Region<'a> {
    /// Its first address.
    pub addr: u64,
    /// Its contents.
    pub bytes: &'a [u8],
    /// Whether it may be read, written and executed.
    pub rights: [bool; 3],
}

/// A thread.
#[derive(Clone, Debug, Default)]
pub struct CoreThread {
    /// Its number.
    pub tid: u32,
    /// The signal that has stopped it, or 0.
    pub signal: u32,
    /// Its registers, in the order of the machine's `elf_gregset_t`.
    pub registers: Vec<u64>,
}

/// A process to be written.
#[derive(Clone, Debug)]
pub struct Core<'a> {
    /// Its machine.
    pub target: AnyTarget,
    /// Its number.
    pub pid: u32,
    /// The name of its program, without folders.
    pub name: &'a str,
    /// Its threads, the one that debuggers show first before the others.
    pub threads: Vec<CoreThread>,
    /// Its auxiliary vector: entries of a kind and a value each.
    pub auxiliary: Vec<(u64, u64)>,
    /// The files that are mapped.
    pub files: Vec<Mapping<'a>>,
    /// Its memory, by address.
    pub memory: Vec<Region<'a>>,
}

impl Core<'_> {
    /// Writes the core file. Memory is written as it is, zeros too: what a segment leaves out is to be taken from the program.
    ///
    /// # Errors
    /// Those of `out`; and if there are more pieces of memory than a file can have segments.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        let notes = self.notes();
        let segments = 1 + self.memory.len();
        if segments > MOST_SEGMENTS {
            return Err(io::Error::other("a core file cannot have so many pieces of memory"));
        }
        let head = self.head_size() + segments * self.segment_size();
        let first = (head + notes.len()).next_multiple_of(PAGE);
        let mut bytes = Bytes::new(self.target);
        self.header(&mut bytes, segments);
        self.segment(&mut bytes, elf::PT_NOTE.0, 0, 0, (head, notes.len()), 4);
        let mut at = first;
        for &Region { addr, bytes: contents, rights: [read, write, execute] } in &self.memory {
            let flags = u32::from(execute) | u32::from(write) << 1 | u32::from(read) << 2;
            self.segment(&mut bytes, elf::PT_LOAD.0, flags, addr, (at, contents.len()), PAGE as u64);
            at += contents.len();
        }
        bytes.all.extend(notes);
        bytes.all.resize(first, 0);
        out.write_all(&bytes.all)?;
        self.memory.iter().try_for_each(|region| out.write_all(region.bytes))
    }

    fn head_size(&self) -> usize {
        if self.target.ptr_size() == 8 { 64 } else { 52 }
    }

    fn segment_size(&self) -> usize {
        if self.target.ptr_size() == 8 { 56 } else { 32 }
    }

    fn header(&self, to: &mut Bytes, segments: usize) {
        let class = if to.word == 8 { elf::ELFCLASS64 } else { elf::ELFCLASS32 };
        let data = if to.big { elf::ELFDATA2MSB } else { elf::ELFDATA2LSB };
        to.all.extend(b"\x7fELF");
        to.all.extend([class.0, data.0, elf::EV_CURRENT.0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        to.int(elf::ET_CORE.0.into(), 2);
        to.int(self.target.elf_machine().into(), 2);
        to.int(1, 4);
        to.int(0, to.word); // e_entry
        to.int(self.head_size() as u64, to.word); // e_phoff
        to.int(0, to.word); // e_shoff
        to.int(elf_flags(self.target).into(), 4);
        to.int(self.head_size() as u64, 2);
        to.int(self.segment_size() as u64, 2);
        to.int(segments as u64, 2);
        (0..3).for_each(|_| to.int(0, 2)); // no sections
    }

    fn segment(
        &self,
        to: &mut Bytes,
        kind: u32,
        flags: u32,
        addr: u64,
        (offset, len): (usize, usize),
        align: u64,
    ) {
        to.int(kind.into(), 4);
        if to.word == 8 {
            to.int(flags.into(), 4);
        }
        let size = if kind == elf::PT_LOAD.0 { len } else { 0 };
        for value in [offset as u64, addr, 0, len as u64, size as u64] {
            to.int(value, to.word);
        }
        if to.word == 4 {
            to.int(flags.into(), 4);
        }
        to.int(align, to.word);
    }

    /// `NT_PRPSINFO`, `NT_AUXV`, `NT_FILE`, and `NT_PRSTATUS` for each thread.
    fn notes(&self) -> Vec<u8> {
        let mut notes = Bytes::new(self.target);
        let mut threads = self.threads.iter();
        // The first thread's status comes first of all: that is the thread that debuggers show.
        threads.next().into_iter().for_each(|thread| notes.note(elf::NT_PRSTATUS.0, &self.status(thread)));
        notes.note(elf::NT_PRPSINFO.0, &self.information());
        let mut auxiliary = Bytes::new(self.target);
        for &(kind, value) in &self.auxiliary {
            auxiliary.int(kind, auxiliary.word);
            auxiliary.int(value, auxiliary.word);
        }
        notes.note(elf::NT_AUXV.0, &auxiliary.all);
        notes.note(elf::NT_FILE.0, &self.mapped());
        threads.for_each(|thread| notes.note(elf::NT_PRSTATUS.0, &self.status(thread)));
        notes.all
    }

    /// `struct elf_prstatus`.
    fn status(&self, thread: &CoreThread) -> Vec<u8> {
        let layout = Registers::of(self.target);
        let mut status = Bytes::new(self.target);
        status.int(thread.signal.into(), 4); // si_signo
        status.all.resize(Registers::cursig(), 0);
        status.int(thread.signal.into(), 2);
        status.all.resize(layout.pid(), 0);
        for number in [thread.tid, 0, self.pid, self.pid] {
            status.int(number.into(), 4);
        }
        status.all.resize(layout.first(), 0);
        for i in 0..layout.count {
            status.int(thread.registers.get(i).copied().unwrap_or(0), layout.size);
        }
        status.all.resize(layout.total(), 0);
        status.all
    }

    /// What is mapped: counts, ranges with offsets in pages, and the paths after them.
    fn mapped(&self) -> Vec<u8> {
        let mut mapped = Bytes::new(self.target);
        for value in [self.files.len() as u64, PAGE as u64] {
            mapped.int(value, mapped.word);
        }
        for &Mapping { range: (start, end), offset, .. } in &self.files {
            for value in [start, end, offset / PAGE as u64] {
                mapped.int(value, mapped.word);
            }
        }
        for file in &self.files {
            mapped.all.extend(file.path);
            mapped.all.push(0);
        }
        mapped.all
    }

    /// `struct elf_prpsinfo`: the state, numbers, and the name.
    fn information(&self) -> Vec<u8> {
        let mut info = Bytes::new(self.target);
        info.all.extend([0, b'R', 0, 0]);
        info.all.resize(info.word, 0);
        info.int(0, info.word); // pr_flag
        // Of these machines, 386 and arm have user and group ids of 16 bits.
        let id = if matches!(self.target, AnyTarget::I386 | AnyTarget::Arm) { 2 } else { 4 };
        info.int(0, id);
        info.int(0, id);
        for number in [self.pid, 0, self.pid, self.pid] {
            info.int(number.into(), 4);
        }
        for room in [16, 80] {
            let from = info.all.len();
            info.all.extend(self.name.bytes().take(room - 1));
            info.all.resize(from + room, 0);
        }
        info.all
    }
}

/// What a program's ABI is, on machines where that is in the file's flags.
const fn elf_flags(target: AnyTarget) -> u32 {
    match target {
        // EF_ARM_EABI_VER5
        AnyTarget::Arm => 0x0500_0000,
        AnyTarget::Ppc64 => 1,
        AnyTarget::Ppc64le => 2,
        // EF_MIPS_ABI_O32 and MIPS32; MIPS III.
        AnyTarget::Mips | AnyTarget::Mipsle => 0x5000_1000,
        AnyTarget::Mips64 | AnyTarget::Mips64le => 0x2000_0000,
        _ => 0,
    }
}

/// Integers in a machine's order.
struct Bytes {
    all: Vec<u8>,
    word: usize,
    big: bool,
}

impl Bytes {
    fn new(target: AnyTarget) -> Self {
        Bytes { all: Vec::new(), word: target.ptr_size() as usize, big: target.big_endian() }
    }

    fn int(&mut self, value: u64, size: usize) {
        if self.big {
            self.all.extend(&value.to_be_bytes()[8 - size..]);
        } else {
            self.all.extend(&value.to_le_bytes()[..size]);
        }
    }

    fn note(&mut self, kind: u32, desc: &[u8]) {
        const OWNER: &[u8] = b"CORE\0";
        for value in [OWNER.len() as u32, desc.len() as u32, kind] {
            self.int(value.into(), 4);
        }
        for bytes in [OWNER, desc] {
            self.all.extend(bytes);
            self.all.resize(self.all.len().next_multiple_of(4), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use heapmatrix_writer::{Addr, Memory};

    use super::*;
    use crate::core_file::CoreFile;

    /// What is written is read back, on every machine.
    #[test]
    fn a_core_comes_back() {
        let mut large = vec![0; 5 * PAGE];
        large[PAGE + 5] = 7;
        large[4 * PAGE + 99] = 9;
        for &target in AnyTarget::ALL.iter().filter(|&&target| target != AnyTarget::Amd64p32) {
            let layout = Registers::of(target);
            let registers = |first: u64| (first..first + layout.count as u64).collect::<Vec<_>>();
            let threads = [7, 8].map(|tid| CoreThread { tid, signal: 6, registers: registers(tid.into()) });
            let rights = [true, true, false];
            let memory = vec![
                Region { addr: 0x1000, bytes: b"some bytes", rights },
                Region { addr: 0x10_0000, bytes: &large, rights },
            ];
            let (auxiliary, files) = (
                vec![(9, 0x1004)],
                vec![Mapping { range: (0x1000, 0x2000), offset: 0x3000, path: b"/a program" }],
            );
            let core =
                Core { target, pid: 7, name: "a program", threads: threads.into(), auxiliary, files, memory };
            let mut file = Vec::new();
            core.write(&mut file).unwrap();
            let read = CoreFile::parse(&file).unwrap();
            assert_eq!((read.target(), read.threads().len()), (target, 2));
            assert_eq!(read.program_path(), Some(&b"/a program"[..]), "{target}");
            let mapping = &read.mappings()[0];
            assert_eq!((mapping.range, mapping.offset), ((0x1000, 0x2000), 0x3000), "{target}");
            let thread = &read.threads()[1];
            let lr = layout.lr.map_or(0, |lr| 8 + lr as u64);
            assert_eq!(
                (thread.tid, thread.pc, thread.sp, thread.lr),
                (8, 8 + layout.pc as u64, 8 + layout.sp as u64, lr)
            );
            let process = read.process(&[]).unwrap();
            let mut bytes = vec![1; large.len()];
            process.memory.read(Addr(0x10_0000), &mut bytes).unwrap();
            assert!(bytes == large, "{target}");
            assert_eq!(process.memory.borrow(Addr(0x1005), 5), Some(&b"bytes"[..]));
            for len in 0..file.len().min(2 * PAGE) {
                assert!(CoreFile::parse(&file[..len]).is_err(), "{target}: cut after {len} bytes");
            }
        }
    }
}
