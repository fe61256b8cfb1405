//! A program's file.

use super::descriptors::Descriptors;
use super::dwarf::Dwarf;
use super::elf::Elf;
use super::table::Types;

/// Why a binary can't say anything of a dump.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BinaryError {
    /// It is no ELF file, or a broken one.
    #[error("the program can't be read as an ELF file: {0}")]
    Elf(String),
    /// A section can't be read.
    #[error("the program's section {0} can't be read: {1}")]
    Section(String, String),
    /// It is for another machine.
    #[error("the dump is not of this program: the program is for {program}, the dump of {dump}")]
    Machine {
        /// The program's machine.
        program: String,
        /// The dump's.
        dump: String,
    },
    /// It was built with another release of Go.
    #[error("the dump is not of this program: the program was built with {program}, the dump is of {dump}")]
    Release {
        /// The program's release.
        program: String,
        /// The dump's.
        dump: String,
    },
    /// Its segments are of another size.
    #[error(
        "the dump is not of this program: the program's {segment} segment has {program} bytes with pointers, the dump's {dump}"
    )]
    Segment {
        /// `data` or `bss`.
        segment: &'static str,
        /// The size in the program, in bytes.
        program: u64,
        /// The size in the dump, in bytes.
        dump: u64,
    },
    /// Its segments are at other addresses, and it is not of the kind that is moved.
    #[error(
        "the dump is not of this program: the program's {segment} segment is at {program:#x}, the dump's at {dump:#x}"
    )]
    Place {
        /// `data` or `bss`.
        segment: &'static str,
        /// The address in the program.
        program: u64,
        /// The address in the dump.
        dump: u64,
    },
    /// A function of the dump's stacks is not there.
    #[error(
        "the dump is not of this program: the dump has {dump} at {entry:#x}, the program has {program} there"
    )]
    Function {
        /// Where the function starts in the process.
        entry: u64,
        /// Its name in the dump.
        dump: String,
        /// What the program has there.
        program: String,
    },
    /// An itab of the dump is of another type.
    #[error(
        "the dump is not of this program: the itab at {itab:#x} is of the type at {dump:#x}, in the program of that at {program:#x}"
    )]
    Itab {
        /// The itab's address in the process.
        itab: u64,
        /// The type's address in the dump.
        dump: u64,
        /// The type's address in the program.
        program: u64,
    },
}

/// A program's file: its types, global variables, functions and type descriptors.
///
/// Debugging information may be missing: then descriptors are what is left, which name the types of interfaces and of
/// larger objects.
pub struct Binary<'a> {
    pub(super) elf: Elf<'a>,
    pub(super) dwarf: Dwarf<'a>,
    pub(super) types: Types,
    pub(super) descriptors: Option<Descriptors>,
}

impl<'a> Binary<'a> {
    /// Reads a program's file.
    ///
    /// # Errors
    /// If it is no ELF file, or its debugging information can't be unpacked.
    pub fn open(bytes: &'a [u8]) -> Result<Self, BinaryError> {
        let (elf, file) = Elf::parse(bytes)?;
        let mut types = Types::new(elf.word.bytes());
        let dwarf = Dwarf::load(&file, &elf, &mut types)?;
        let descriptors = Descriptors::of(&elf);
        types.descriptor_budget = bytes.len() as u64 / 4;
        Ok(Self { elf, dwarf, types, descriptors })
    }

    /// Reads a program's file for what a [`Typing`](super::Typing) that was kept does not have: names of functions, and what
    /// is in read-only data.
    ///
    /// # Errors
    /// If it is no ELF file.
    pub fn open_for_values(bytes: &'a [u8]) -> Result<Self, BinaryError> {
        let (elf, _) = Elf::parse(bytes)?;
        Ok(Self::of_elf(elf))
    }

    /// Gives back the memory of what a [`Typing`](super::Typing) has taken over: what is left is that of
    /// [`open_for_values`](Self::open_for_values).
    #[must_use]
    pub fn into_values(self) -> Self {
        Self::of_elf(self.elf)
    }

    fn of_elf(elf: Elf<'a>) -> Self {
        let types = Types::new(elf.word.bytes());
        Self { dwarf: Dwarf::none(&elf), elf, types, descriptors: None }
    }

    /// Whether it has debugging information. Without, most objects have no type.
    pub fn has_debugging_information(&self) -> bool {
        !self.dwarf.is_empty()
    }

    /// What of the debugging information could not be read, if anything.
    pub fn broken(&self) -> Option<&str> {
        self.dwarf.broken.as_deref()
    }

    /// The Go build ID that the linker has put in, if any.
    pub fn build_id(&self) -> Option<&'a [u8]> {
        self.elf.build_id
    }

    /// The name of the function that starts at an address.
    pub(super) fn function(&self, entry: u64) -> Option<String> {
        self.elf.function(entry).map(|name| String::from_utf8_lossy(name).into_owned())
    }
}
