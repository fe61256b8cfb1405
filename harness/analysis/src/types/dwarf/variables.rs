//! The variables of one function.

use gimli::{
    AttributeValue, DW_AT_abstract_origin, DW_AT_location, DW_AT_name, DW_AT_type, DebuggingInformationEntry,
    Expression, Operation, Unit,
};

use serde::{Deserialize, Serialize};

use super::{Dwarf, GO_CLOSURE_OFFSET, Reader, target};
use crate::types::TypeId;

/// A variable of a function: a parameter, a local one, or one that a closure has captured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Variable {
    pub name: Box<str>,
    pub type_: TypeId,
    /// Where it is while the program counter is in a range; elsewhere it is not on the stack.
    pub places: Vec<Place>,
    /// Where it is in the closure that has captured it, in bytes.
    pub closure_offset: Option<u64>,
}

/// Where a variable is, for these program counters.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    begin: u64,
    end: u64,
    pieces: Vec<Piece>,
}

/// A part of a variable, or all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Piece {
    /// Its size in bytes; `None` if it is the whole variable.
    pub size: Option<u64>,
    /// Where it is, counted from the address at which the caller's frame starts; `None` if not on the stack.
    pub offset: Option<i64>,
}

/// More pieces than any variable of Go has.
const MOST_PIECES: usize = 256;

impl Variable {
    /// Its pieces while the function is at a program counter, if any of it is on the stack.
    pub fn pieces(&self, pc: u64) -> Option<&[Piece]> {
        let place = self.places.iter().find(|place| place.begin <= pc && pc < place.end)?;
        Some(&place.pieces)
    }
}

impl Dwarf<'_> {
    /// The variables of the function that starts at an address, those of functions inlined in it among them.
    pub fn variables(&self, entry: u64) -> Vec<Variable> {
        let Ok(at) = self.functions.binary_search_by_key(&entry, |function| function.entry) else {
            return Vec::new();
        };
        let function = self.functions[at];
        let dwarf = self.gimli();
        let mut variables = Vec::new();
        // What is broken of it is left out: the others still say something.
        let _ = self.read_variables(&dwarf, function.unit as usize, function.offset, &mut variables);
        variables
    }

    fn read_variables(
        &self,
        dwarf: &gimli::Dwarf<Reader<'_>>,
        unit: usize,
        offset: usize,
        variables: &mut Vec<Variable>,
    ) -> gimli::Result<()> {
        let start = self.units[unit];
        let unit = dwarf.unit(dwarf.unit_header(gimli::DebugInfoOffset(start))?)?;
        let mut entries = unit.entries_at_offset(gimli::UnitOffset(offset))?;
        entries.next_entry()?;
        while let Some(entry) = entries.next_dfs()? {
            if entry.depth() <= 0 {
                break;
            }
            if matches!(entry.tag(), gimli::DW_TAG_variable | gimli::DW_TAG_formal_parameter) {
                variables.extend(self.variable(dwarf, &unit, start, entry));
            }
        }
        Ok(())
    }

    fn variable(
        &self,
        dwarf: &gimli::Dwarf<Reader<'_>>,
        unit: &Unit<Reader<'_>>,
        start: usize,
        entry: &DebuggingInformationEntry<Reader<'_>>,
    ) -> Option<Variable> {
        let closure_offset = entry.attr_value(GO_CLOSURE_OFFSET).and_then(|value| value.udata_value());
        let places =
            entry.attr_value(DW_AT_location).map(|value| self.places(dwarf, unit, value)).unwrap_or_default();
        if places.is_empty() && closure_offset.is_none() {
            return None;
        }
        let (name, type_) = match entry.attr_value(DW_AT_type) {
            Some(type_) => (self.text(dwarf, unit, entry), target(start, &type_)?),
            None => self.origin(dwarf, target(start, &entry.attr_value(DW_AT_abstract_origin)?)?)?,
        };
        Some(Variable { name, type_: *self.types.get(&type_)?, places, closure_offset })
    }

    /// Name and type of the abstract variable of a function that was inlined.
    fn origin(&self, dwarf: &gimli::Dwarf<Reader<'_>>, at: usize) -> Option<(Box<str>, usize)> {
        let start = self.units[self.units.partition_point(|&start| start <= at).checked_sub(1)?];
        let header = dwarf.unit_header(gimli::DebugInfoOffset(start)).ok()?;
        let unit = dwarf.unit(header).ok()?;
        let entry = unit.entry(gimli::UnitOffset(at - start)).ok()?;
        Some((self.text(dwarf, &unit, &entry), target(start, &entry.attr_value(DW_AT_type)?)?))
    }

    fn text(
        &self,
        dwarf: &gimli::Dwarf<Reader<'_>>,
        unit: &Unit<Reader<'_>>,
        entry: &DebuggingInformationEntry<Reader<'_>>,
    ) -> Box<str> {
        entry
            .attr_value(DW_AT_name)
            .and_then(|value| dwarf.attr_string(unit, value).ok())
            .filter(|text| self.spend(text.len() / 8))
            .map_or_else(Box::default, |text| text.to_string_lossy().into())
    }

    fn places(
        &self,
        dwarf: &gimli::Dwarf<Reader<'_>>,
        unit: &Unit<Reader<'_>>,
        value: AttributeValue<Reader<'_>>,
    ) -> Vec<Place> {
        let mut places = Vec::new();
        if let AttributeValue::Exprloc(expression) = value {
            places.extend(place(unit, 0, u64::MAX, expression));
        } else if let Ok(Some(mut list)) = dwarf.attr_locations(unit, value) {
            while let Ok(Some(location)) = list.next() {
                if !self.spend(4 + location.data.0.len()) {
                    break;
                }
                places.extend(place(unit, location.range.begin, location.range.end, location.data));
            }
        }
        places
    }
}

/// What an expression says of the stack. Go's compiler writes an offset from the frame's base, or pieces.
fn place(unit: &Unit<Reader<'_>>, begin: u64, end: u64, expression: Expression<Reader<'_>>) -> Option<Place> {
    let mut operations = expression.operations(unit.encoding());
    let mut pieces = Vec::new();
    let mut offset = None;
    while let Ok(Some(operation)) = operations.next() {
        match operation {
            Operation::FrameOffset { offset: from_base } => offset = Some(from_base),
            Operation::CallFrameCFA => offset = Some(0),
            Operation::PlusConstant { value } => {
                offset = offset.and_then(|offset: i64| offset.checked_add_unsigned(value));
            }
            // `DW_OP_consts n; DW_OP_plus` in some releases.
            Operation::SignedConstant { value } if offset.is_some() => {
                offset = offset.and_then(|offset: i64| offset.checked_add(value));
            }
            Operation::Plus if offset.is_some() => {}
            Operation::Piece { size_in_bits, .. } if pieces.len() < MOST_PIECES => {
                pieces.push(Piece { size: Some(size_in_bits / 8), offset: offset.take() });
            }
            _ => offset = None,
        }
    }
    if pieces.is_empty() {
        pieces.push(Piece { size: None, offset: Some(offset?) });
    }
    pieces.iter().any(|piece| piece.offset.is_some()).then_some(Place { begin, end, pieces })
}
