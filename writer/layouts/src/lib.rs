//! How the Go runtime in a program is laid out.
//!
//! The writer asks for structures, variables and constants by name ([`Layouts`]), and knows no DWARF. This crate reads those
//! of the runtime out of an ELF executable's DWARF, once ([`Dwarf`]); what it keeps is some 100 KB, however large the program
//! is. For a program without DWARF it has tables of what each release has on each machine ([`Measured`]), and finds the
//! runtime's variables by the symbol table, or in a program without one by what the process's memory contains.
//!
//! Source: `cmd/internal/dwarf` and `cmd/link/internal/ld/dwarf.go`.
#![forbid(unsafe_code)]

mod locations;
pub mod measured;
pub mod search;
mod sections;
mod types;

use std::collections::HashMap;

use gimli::{AttributeValue, DebugInfoOffset, EndianSlice, RunTimeEndian, Unit, UnitOffset};
use heapmatrix_writer::{Addr, FieldAt, Layouts, VariableAt};

pub use measured::Measured;
use types::Types;

type Slice<'d> = EndianSlice<'d, RunTimeEndian>;
type Entry<'d> = gimli::DebuggingInformationEntry<Slice<'d>>;

/// The packages whose types and constants are kept.
const PACKAGES: [&[u8]; 2] = [b"runtime.", b"internal/abi."];

/// Why a program's layouts could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DwarfError {
    /// The file's sections could not be found.
    #[error("the program's sections cannot be read: {0}")]
    Elf(#[from] object::Error),
    /// There is no DWARF.
    #[error("the program has no DWARF: it was built with -ldflags=-w or -s, or stripped; build it without")]
    Stripped,
    /// A section that would become larger than what it is made of allows.
    #[error(
        "the section {name} is said to take {size} bytes when it is decompressed, more than its {compressed} can hold"
    )]
    Bomb {
        /// The section.
        name: String,
        /// What it is said to take, in bytes.
        size: u64,
        /// What it takes in the file, in bytes.
        compressed: u64,
    },
    /// The DWARF contradicts itself.
    #[error("the program's DWARF cannot be read: {0}")]
    Dwarf(#[from] gimli::Error),
}

/// The layouts of a program.
#[derive(Clone, Debug, Default)]
pub struct Dwarf {
    structures: HashMap<String, Structure>,
    variables: HashMap<String, VariableAt>,
    constants: HashMap<String, i64>,
}

/// A structure that is kept.
#[derive(Clone, Debug, Default)]
struct Structure {
    size: u64,
    fields: HashMap<String, FieldAt>,
}

impl Dwarf {
    /// Reads the layouts of an ELF executable.
    ///
    /// # Errors
    /// [`DwarfError::Stripped`] where there are none; otherwise what is wrong with the file.
    pub fn read(elf: &[u8]) -> Result<Dwarf, DwarfError> {
        let sections = sections::load(elf)?;
        let dwarf = sections.borrow(|section| section.slice());
        let mut reader = Reader::default();
        let mut units = dwarf.units();
        while let Some(header) = units.next()? {
            reader.unit(&dwarf, &dwarf.unit(header)?)?;
        }
        let layouts = reader.finish();
        // There may be DWARF of C alone.
        if layouts.size("runtime.g").is_none() { Err(DwarfError::Stripped) } else { Ok(layouts) }
    }
}

impl Layouts for Dwarf {
    fn size(&self, structure: &str) -> Option<u64> {
        self.structures.get(structure).map(|structure| structure.size)
    }

    fn field(&self, structure: &str, field: &str) -> Option<FieldAt> {
        self.structures.get(structure)?.fields.get(field).copied()
    }

    fn variable(&self, name: &str) -> Option<VariableAt> {
        self.variables.get(name).copied()
    }

    fn constant(&self, name: &str) -> Option<i64> {
        self.constants.get(name).copied()
    }
}

/// A field: its name, its offset and its type.
type Member = (String, u64, DebugInfoOffset);

/// What was found, with types that may not have been read yet.
#[derive(Default)]
struct Reader {
    types: Types,
    /// A structure's name and size, and its fields.
    structures: Vec<(String, u64, Vec<Member>)>,
    variables: Vec<(String, u64, Option<DebugInfoOffset>)>,
    constants: HashMap<String, i64>,
}

impl Reader {
    fn unit(&mut self, dwarf: &gimli::Dwarf<Slice<'_>>, unit: &Unit<Slice<'_>>) -> Result<(), DwarfError> {
        self.types.ptr_size = unit.encoding().address_size.into();
        // The structure that members belong to, as they are one level deeper.
        let mut structure = None;
        let mut entries = unit.entries();
        while let Some(entry) = entries.next_dfs()? {
            let name = || name(dwarf, unit, entry);
            match (entry.depth(), entry.tag()) {
                (1, tag) => {
                    structure = None;
                    match tag {
                        gimli::DW_TAG_structure_type => {
                            let size = unsigned(entry, gimli::DW_AT_byte_size).unwrap_or(0);
                            self.types.size(offset(unit, entry.offset()), size);
                            if let Some(name) = name()?.filter(|name| is_kept(name)) {
                                structure = Some(self.structures.len());
                                self.structures.push((name, size, Vec::new()));
                            }
                        }
                        gimli::DW_TAG_variable => {
                            if let Some(name) = name()?.filter(|name| is_kept(name))
                                && let Some(addr) = locations::address(dwarf, unit, entry)?
                            {
                                self.variables.push((name, addr, type_of(unit, entry)));
                            }
                        }
                        gimli::DW_TAG_constant => {
                            if let Some(name) = name()?.filter(|name| is_kept(name))
                                && let Some(value) = constant(entry)
                            {
                                self.constants.insert(name, value);
                            }
                        }
                        _ => self.types.entry(unit, entry),
                    }
                }
                (2, gimli::DW_TAG_member) => {
                    if let Some(structure) = structure
                        && let (Some(name), Some(typ)) = (name()?, type_of(unit, entry))
                    {
                        let at = locations::member(unit, entry)?;
                        self.structures[structure].2.push((name, at, typ));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn finish(self) -> Dwarf {
        let Reader { types, structures, variables, constants } = self;
        let structure = |(name, size, fields): (String, u64, Vec<Member>)| {
            let field = |(name, offset, typ)| Some((name, FieldAt { offset, size: types.size_of(typ)? }));
            (name, Structure { size, fields: fields.into_iter().filter_map(field).collect() })
        };
        let variable = |(name, addr, typ): (String, u64, Option<DebugInfoOffset>)| {
            let size = typ.and_then(|typ| types.size_of(typ)).unwrap_or(0);
            (name, VariableAt { addr: Addr(addr), size })
        };
        Dwarf {
            structures: structures.into_iter().map(structure).collect(),
            variables: variables.into_iter().map(variable).collect(),
            constants,
        }
    }
}

fn is_kept(name: &str) -> bool {
    PACKAGES.iter().any(|package| name.as_bytes().starts_with(package))
}

/// Where an entry of a unit is in the whole section.
fn offset(unit: &Unit<Slice<'_>>, at: UnitOffset) -> DebugInfoOffset {
    at.to_debug_info_offset(&unit.header).unwrap_or(DebugInfoOffset(usize::MAX))
}

fn name(
    dwarf: &gimli::Dwarf<Slice<'_>>,
    unit: &Unit<Slice<'_>>,
    entry: &Entry<'_>,
) -> Result<Option<String>, DwarfError> {
    match entry.attr_value(gimli::DW_AT_name) {
        None => Ok(None),
        Some(value) => Ok(dwarf.attr_string(unit, value)?.to_string().ok().map(str::to_owned)),
    }
}

fn unsigned(entry: &Entry<'_>, attribute: gimli::DwAt) -> Option<u64> {
    entry.attr_value(attribute)?.udata_value()
}

/// The type of something, as the linker refers to it: from anywhere in the section.
fn type_of(unit: &Unit<Slice<'_>>, entry: &Entry<'_>) -> Option<DebugInfoOffset> {
    match entry.attr_value(gimli::DW_AT_type)? {
        AttributeValue::DebugInfoRef(at) => Some(at),
        AttributeValue::UnitRef(at) => Some(offset(unit, at)),
        _ => None,
    }
}

fn constant(entry: &Entry<'_>) -> Option<i64> {
    let value = entry.attr_value(gimli::DW_AT_const_value)?;
    value.sdata_value().or_else(|| value.udata_value().map(|value| value as i64))
}
