//! The program's debugging information: types, global variables, functions and their variables.
//!
//! Go's own attributes are those of `cmd/internal/dwarf`: `DW_AT_go_kind` and so on.

mod resolve;
mod scan;
mod variables;

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;

use gimli::{AttributeValue, DwarfSections, EndianSlice, RunTimeEndian};
use object::File;
use serde::{Deserialize, Serialize};

use super::{BinaryError, TypeId, Types, elf};
pub(super) use variables::{Piece, Variable};

/// How gimli reads here.
type Reader<'a> = EndianSlice<'a, RunTimeEndian>;

pub(super) const GO_KIND: gimli::DwAt = gimli::DwAt(0x2900);
pub(super) const GO_ELEM: gimli::DwAt = gimli::DwAt(0x2902);
pub(super) const GO_EMBEDDED_FIELD: gimli::DwAt = gimli::DwAt(0x2903);
pub(super) const GO_RUNTIME_TYPE: gimli::DwAt = gimli::DwAt(0x2904);
pub(super) const GO_CLOSURE_OFFSET: gimli::DwAt = gimli::DwAt(0x2907);

/// A global variable.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Global {
    /// Its address in the binary.
    pub address: u64,
    /// Its name, with the package.
    pub name: Box<str>,
    /// Its type.
    pub type_: TypeId,
}

/// A function of the debugging information.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Function {
    entry: u64,
    /// The number of its unit, and where it is in that.
    unit: u32,
    offset: usize,
}

/// The debugging information of a binary. Its types are in [`Types`].
pub(super) struct Dwarf<'a> {
    sections: DwarfSections<Cow<'a, [u8]>>,
    endian: RunTimeEndian,
    /// Where units start in `.debug_info`.
    units: Vec<usize>,
    /// The types by where they are in `.debug_info`.
    types: HashMap<usize, TypeId>,
    functions: Vec<Function>,
    /// How much may still be read of variables: their lists of locations may be shared without end.
    budget: Cell<usize>,
    /// The size of all of it, in bytes.
    length: usize,
    /// By address.
    pub globals: Vec<Global>,
    /// What could not be read of it, if anything.
    pub broken: Option<String>,
}

impl<'a> Dwarf<'a> {
    /// Reads all types, globals and places of functions; the types go to `types`.
    pub fn load(file: &File<'a>, elf: &elf::Elf<'a>, types: &mut Types) -> Result<Self, BinaryError> {
        let mut length = 0;
        let sections = DwarfSections::load(|id| {
            let section = elf::section(file, id.name())?;
            length += section.len();
            Ok(section)
        })?;
        let mut dwarf = Self { sections, length, ..Self::none(elf) };
        let scan = scan::Scan::of(&dwarf, elf.places.types.map_or(0, |(start, _)| start));
        dwarf.broken = scan.broken;
        dwarf.units = scan.units;
        dwarf.functions = scan.functions;
        dwarf.functions.sort_unstable();
        let ids = resolve::resolve(scan.types, types);
        dwarf.types = scan.numbers.into_iter().map(|(at, number)| (at, ids[number as usize])).collect();
        let global = |(address, name, type_): (u64, Box<str>, u32)| Global {
            address,
            name,
            type_: ids[type_ as usize],
        };
        dwarf.globals = scan.globals.into_iter().map(global).collect();
        dwarf.globals.sort_by_key(|global| global.address);
        Ok(dwarf)
    }

    /// None.
    pub fn none(elf: &elf::Elf<'a>) -> Self {
        Self {
            sections: DwarfSections::load(|_| Ok::<_, BinaryError>(Cow::Borrowed(&[][..])))
                .unwrap_or_default(),
            endian: if elf.big_endian { RunTimeEndian::Big } else { RunTimeEndian::Little },
            units: Vec::new(),
            types: HashMap::new(),
            functions: Vec::new(),
            length: 0,
            budget: Cell::new(0),
            globals: Vec::new(),
            broken: None,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// Lets variables be read for another dump.
    pub fn refill(&self) {
        self.budget.set(4 * self.length);
    }

    /// Whether so much more may be read of variables.
    fn spend(&self, cost: usize) -> bool {
        let left = self.budget.get().checked_sub(cost);
        self.budget.set(left.unwrap_or(0));
        left.is_some()
    }

    fn gimli(&self) -> gimli::Dwarf<Reader<'_>> {
        self.sections.borrow(|section| EndianSlice::new(section, self.endian))
    }
}

/// Where a reference leads to in `.debug_info`.
fn target(unit: usize, value: &AttributeValue<Reader<'_>>) -> Option<usize> {
    match value {
        AttributeValue::UnitRef(offset) => unit.checked_add(offset.0),
        AttributeValue::DebugInfoRef(offset) => Some(offset.0),
        _ => None,
    }
}
