//! Executables: what a core file leaves out, because it could be read there.

use heapmatrix_writer::AnyTarget;
use object::elf::{ET_DYN, ET_EXEC, NT_GNU_BUILD_ID, NoteType};
use object::{Object, ObjectSymbol};

use crate::core_file::Mapping;
use crate::elf::{Elf, there};
use crate::error::ProcessError;
use crate::memory::Pieces;

/// The kind of the note that holds Go's own build id.
const NT_GO_BUILD_ID: NoteType = NoteType(4);
/// How much of each read-only page is compared.
const PAGE: u64 = 4096;

/// An executable.
#[derive(Clone, Debug)]
pub struct Executable<'d> {
    elf: Elf<'d>,
    data: &'d [u8],
}

impl<'d> Executable<'d> {
    /// Reads an executable's headers.
    ///
    /// # Errors
    /// [`ProcessError::Elf`] and [`ProcessError::NotExecutable`].
    pub fn parse(data: &'d [u8]) -> Result<Self, ProcessError> {
        let elf = Elf::parse(data)?;
        match elf.kind {
            ET_EXEC | ET_DYN => Ok(Executable { elf, data }),
            _ => Err(ProcessError::NotExecutable),
        }
    }

    /// The machine that it is for.
    pub fn target(&self) -> AnyTarget {
        self.elf.target
    }

    /// The whole file.
    pub fn data(&self) -> &'d [u8] {
        self.data
    }

    /// Where it begins, as it was linked.
    pub(crate) fn entry(&self) -> u64 {
        self.elf.entry
    }

    /// An entry of the auxiliary vector of its process.
    #[cfg(target_os = "linux")]
    pub(crate) fn auxiliary(&self, auxv: &[u8], kind: u64) -> Option<u64> {
        self.elf.auxiliary(auxv, kind)
    }

    /// Whether it may lie anywhere.
    pub(crate) fn is_relocatable(&self) -> bool {
        self.elf.kind == ET_DYN
    }

    /// The addresses of symbols, as it was linked, by their names: of those in `names`, the ones that it has.
    pub fn symbols<'n>(&self, mut wanted: impl FnMut(&str) -> bool + 'n) -> Vec<(String, u64)> {
        let Ok(file) = object::File::parse(self.data) else { return Vec::new() };
        let named =
            file.symbols().filter_map(|symbol| Some((symbol.name().ok()?.to_owned(), symbol.address())));
        named.filter(|(name, _)| wanted(name)).collect()
    }

    /// Whether Go has linked it, which leaves a note that `strip` keeps.
    pub(crate) fn has_go_build_id(&self) -> bool {
        self.elf.note(b"Go", NT_GO_BUILD_ID).is_some()
    }

    /// Its entry when it lies so far from where it was linked for.
    pub fn entry_at(&self, bias: u64) -> u64 {
        self.elf.entry.wrapping_add(bias)
    }

    /// What of it is mapped then, as the file at a path.
    pub fn mappings<'p>(&self, bias: u64, path: &'p [u8]) -> Vec<Mapping<'p>> {
        let page = |addr: u64| addr / PAGE * PAGE;
        let mapped = self.elf.segments.iter().filter(|segment| segment.range.1 > 0);
        mapped
            .map(|segment| {
                let start = segment.addr.wrapping_add(bias);
                let end = start.saturating_add(segment.range.1).saturating_add(PAGE - 1);
                Mapping { range: (page(start), page(end)), offset: page(segment.range.0), path }
            })
            .collect()
    }

    /// How far it lies from where it was linked for, by a file of that name among those that were mapped.
    pub(crate) fn bias_of(&self, mappings: &[Mapping<'_>]) -> Option<u64> {
        let first = self.elf.segments.first()?;
        let mapping = mappings.iter().find(|mapping| mapping.offset == first.range.0)?;
        Some(mapping.range.0.wrapping_sub(first.addr))
    }

    /// Makes sure that it is what lies in a memory: the build ids are the same, where memory has them, and read-only memory is.
    pub(crate) fn check(&self, memory: &Pieces<'_>, bias: u64) -> Result<(), ProcessError> {
        let ids: Vec<_> = [(&b"GNU"[..], NT_GNU_BUILD_ID), (b"Go", NT_GO_BUILD_ID)]
            .into_iter()
            .filter_map(|(owner, kind)| self.elf.note(owner, kind))
            .collect();
        for id in ids {
            let Some(place) = self.place_of(id) else { continue };
            if let Some(there) = memory.slice(place.wrapping_add(bias), id.len() as u64)
                && there != id
            {
                return Err(ProcessError::OtherProgram { core: spelled(there), program: spelled(id) });
            }
        }
        // A debugger may have left a breakpoint in some page: another program differs in most.
        let (mut same, mut different) = (0u64, None);
        for segment in self.elf.segments.iter().filter(|segment| !segment.writable) {
            for at in (0..segment.bytes.len() as u64).step_by(PAGE as usize) {
                let addr = segment.addr.wrapping_add(at).wrapping_add(bias);
                let bytes = &segment.bytes[at as usize..segment.bytes.len().min((at + PAGE) as usize)];
                match memory.slice(addr, bytes.len() as u64) {
                    Some(there) if there == bytes => same += 1,
                    Some(_) => different.get_or_insert((addr, 0)).1 += 1,
                    None => {}
                }
            }
        }
        match different {
            Some((addr, pages)) if pages > same => Err(ProcessError::OtherContents { addr }),
            _ => Ok(()),
        }
    }

    /// The address of bytes of the file, as it was linked.
    fn place_of(&self, bytes: &[u8]) -> Option<u64> {
        let offset = bytes.as_ptr().addr().checked_sub(self.data.as_ptr().addr())? as u64;
        let segment = self.elf.segments.iter().find(|segment| {
            let (first, size) = segment.range;
            offset >= first && offset - first < size
        })?;
        Some(segment.addr.wrapping_add(offset - segment.range.0))
    }

    /// Adds what a memory lacks. Files are mapped in whole pages, of this many bytes: around read-only segments lies what the
    /// file has there.
    pub(crate) fn add_to(&self, memory: &mut Pieces<'d>, bias: u64, page: u64) {
        for segment in &self.elf.segments {
            let (offset, size) = segment.range;
            let before = if segment.writable { 0 } else { (segment.addr % page).min(offset) };
            let after =
                if segment.writable { 0 } else { (segment.addr.wrapping_add(size)).wrapping_neg() % page };
            let bytes =
                there(self.data, (offset - before, before.saturating_add(size).saturating_add(after)));
            memory.add((segment.addr - before).wrapping_add(bias), bytes);
        }
    }
}

/// A build id for people: Go's is text, GNU's is not.
fn spelled(id: &[u8]) -> String {
    match std::str::from_utf8(id) {
        Ok(text) if text.bytes().all(|b| b.is_ascii_graphic()) => text.to_owned(),
        _ => id.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use heapmatrix_writer::{Addr, Memory};

    use super::*;
    use crate::write::{Core, Region};

    /// What lies in the file around a read-only segment is mapped with it, up to the ends of its pages; around a segment that
    /// can be written to it is not.
    #[test]
    fn segments_are_mapped_in_whole_pages() {
        let (first, second) = ([1; 0x1080], [2; 0x100]);
        for (writable, page) in [(false, PAGE), (true, PAGE), (false, 4 * PAGE)] {
            let region = |addr, bytes| Region { addr, bytes, rights: [true, writable, false] };
            let core = Core {
                target: AnyTarget::Arm64,
                pid: 1,
                name: "program",
                threads: Vec::new(),
                auxiliary: Vec::new(),
                files: Vec::new(),
                memory: vec![region(0x40_0000, &first[..]), region(0x50_1080, &second)],
            };
            let mut file = Vec::new();
            core.write(&mut file).unwrap();
            // e_type: ET_EXEC
            file[16] = 2;
            let program = Executable::parse(&file).unwrap();
            let mut memory = Pieces::default();
            program.add_to(&mut memory, 0, page);
            let byte = |addr| {
                let mut byte = [0];
                memory.read(Addr(addr), &mut byte).ok().map(|()| byte[0])
            };
            assert_eq!((byte(0x40_107f), byte(0x50_1080)), (Some(1), Some(2)));
            let around = [byte(0x40_1080), byte(0x50_107f)];
            assert_eq!(around, if writable { [None; 2] } else { [Some(2), Some(1)] }, "{page}");
            // No further than the file goes.
            assert_eq!((byte(0x40_1180), byte(0x50_1180)), (None, None));
        }
    }
}
