//! Whether a dump is of a program: what both say must agree.

use std::collections::HashSet;

use heapmatrix_reader::{Record, Releases, Segment, Version};

use super::memory::Others;
use super::{Binary, BinaryError};

impl Binary<'_> {
    /// How much higher the process has everything than the file says, if the dump is of this program.
    ///
    /// A dump names no program. Compared are the machine, the release, the sizes of the segments, the functions of the
    /// stacks, and the types of the itabs that the linker made.
    ///
    /// # Errors
    /// What does not fit.
    pub(super) fn check(&self, others: &Others<'_>) -> Result<u64, BinaryError> {
        self.check_machine(others)?;
        self.check_release(others)?;
        let slide = self.check_segments(others)?;
        self.check_functions(others, slide)?;
        self.check_itabs(others, slide)?;
        Ok(slide)
    }

    fn check_machine(&self, others: &Others<'_>) -> Result<(), BinaryError> {
        let params = others.dump().params();
        let name = |arch: Option<String>, word: u64, big: bool| {
            let arch = arch.unwrap_or_else(|| "an unknown architecture".to_owned());
            format!("{arch} ({} bits, {} endian)", 8 * word, if big { "big" } else { "little" })
        };
        let elf = &self.elf;
        let of_dump = params.goarch().map(|arch| arch.to_string());
        let alike = (elf.word, elf.big_endian) == (params.pointer_size, params.big_endian)
            && (elf.goarch.is_none() || of_dump.is_none() || elf.goarch == of_dump.as_deref());
        if alike {
            return Ok(());
        }
        Err(BinaryError::Machine {
            program: name(elf.goarch.map(str::to_owned), elf.word.bytes(), elf.big_endian),
            dump: name(of_dump, params.pointer_size.bytes(), params.big_endian),
        })
    }

    fn check_release(&self, others: &Others<'_>) -> Result<(), BinaryError> {
        let dump = others.dump();
        let says = &dump.params().experiment;
        let (Some(program), true) = (self.elf.release, says.starts_with(b"go1.")) else { return Ok(()) };
        if program == &says[..] || !Releases::of(dump.version(), dump.params()).within(Releases::since(17)) {
            return Ok(());
        }
        Err(BinaryError::Release {
            program: String::from_utf8_lossy(program).into_owned(),
            dump: says.to_string(),
        })
    }

    fn check_segments(&self, others: &Others<'_>) -> Result<u64, BinaryError> {
        // A process with plugins has several of each. The program's own come first.
        let (mut data, mut bss): (Option<Segment<'_>>, Option<Segment<'_>>) = (None, None);
        for record in others.iter() {
            match record {
                Record::Data(segment) => data = data.or(Some(segment)),
                Record::Bss(segment) => bss = bss.or(Some(segment)),
                _ => {}
            }
            if data.is_some() && bss.is_some() {
                break;
            }
        }
        let mut slide = None;
        for (name, segment, place) in
            [("data", data, self.elf.places.data), ("bss", bss, self.elf.places.bss)]
        {
            let (Some(segment), Some((start, end))) = (segment, place) else { continue };
            let length = segment.contents.len() as u64;
            if length != end - start {
                return Err(BinaryError::Segment { segment: name, program: end - start, dump: length });
            }
            let moved = segment.address.wrapping_sub(start);
            // All of a program is moved by as much.
            if !self.elf.movable && moved != 0 || *slide.get_or_insert(moved) != moved {
                let (program, dump) = (start, segment.address);
                return Err(BinaryError::Place { segment: name, program, dump });
            }
        }
        Ok(slide.unwrap_or(0))
    }

    fn check_functions(&self, others: &Others<'_>, slide: u64) -> Result<(), BinaryError> {
        if self.elf.functions.is_empty() {
            return Ok(());
        }
        let mut checked = HashSet::new();
        for record in others.iter() {
            let Record::StackFrame(frame) = record else { continue };
            let (entry, name) = (frame.function.entry, frame.function.name);
            if !checked.insert(entry) || &*name == b"unknown function" {
                continue;
            }
            let mut there = self.elf.functions_at(entry.wrapping_sub(slide)).peekable();
            let first = there.peek().map(|name| String::from_utf8_lossy(name).into_owned());
            if !there.any(|symbol| is_name_of(symbol, &name)) {
                let program = first.unwrap_or_else(|| "no function".to_owned());
                return Err(BinaryError::Function { entry, dump: name.to_string(), program });
            }
        }
        Ok(())
    }

    /// The itabs that the linker has made are in the file. Not if it is moved, since the loader fills in their words.
    fn check_itabs(&self, others: &Others<'_>, slide: u64) -> Result<(), BinaryError> {
        // Before Go 1.7 a record names the type of the data word.
        if slide != 0 || others.dump().version() != Version::Go17 {
            return Ok(());
        }
        let word = self.elf.word.bytes();
        for record in others.iter() {
            let Record::Itab(itab) = record else { continue };
            let in_file = itab.address.checked_add(word).and_then(|at| self.elf.word_at(at));
            if let Some(program) = in_file.filter(|&program| program != itab.type_address) {
                let (itab, dump) = (itab.address, itab.type_address);
                return Err(BinaryError::Itab { itab, dump, program });
            }
        }
        Ok(())
    }
}

/// Whether a symbol is that of a function. The arguments of generic functions are `[...]` in a dump, and symbols may
/// say by which convention a function is called.
fn is_name_of(symbol: &[u8], name: &[u8]) -> bool {
    let start = |text: &[u8]| text.iter().position(|&byte| byte == b'[').unwrap_or(text.len());
    let symbol = symbol.strip_suffix(b".abi0").unwrap_or(symbol);
    symbol == name || name.contains(&b'[') && symbol[..start(symbol)] == name[..start(name)]
}
