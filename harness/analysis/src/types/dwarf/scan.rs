//! One pass over `.debug_info`.

use std::collections::HashMap;

use gimli::{
    Abbreviation, Attribute, AttributeValue, DW_AT_byte_size, DW_AT_count, DW_AT_data_member_location,
    DW_AT_encoding, DW_AT_location, DW_AT_low_pc, DW_AT_name, DW_AT_type, DwAt, DwTag, EntriesRaw, Operation,
    Unit,
};

use super::{Dwarf, Function, GO_ELEM, GO_EMBEDDED_FIELD, GO_KIND, GO_RUNTIME_TYPE, Reader, target};

/// A type as it stands there. References are numbers of types.
#[derive(Clone, Debug, Default)]
pub(super) struct RawType {
    pub name: Box<str>,
    /// `None` for what was only mentioned, as a type.
    pub tag: Option<DwTag>,
    pub size: u64,
    pub encoding: u64,
    pub go_kind: u64,
    /// The address of the descriptor.
    pub descriptor: Option<u64>,
    /// What it is of: `DW_AT_type`.
    pub of: Option<u32>,
    /// `DW_AT_go_elem`.
    pub element: Option<u32>,
    /// The length of an array.
    pub count: u64,
    pub fields: Vec<RawField>,
}

#[derive(Clone, Debug)]
pub(super) struct RawField {
    pub name: Box<str>,
    pub offset: u64,
    pub type_: u32,
    pub embedded: bool,
}

/// What the pass finds.
#[derive(Default)]
pub(super) struct Scan {
    pub units: Vec<usize>,
    pub types: Vec<RawType>,
    /// The numbers of types by where they are.
    pub numbers: HashMap<usize, u32>,
    pub functions: Vec<Function>,
    pub globals: Vec<(u64, Box<str>, u32)>,
    pub broken: Option<String>,
    /// How many more bytes names may have, types and fields: sound entries share none.
    names_left: usize,
    types_left: usize,
    fields_left: usize,
    /// The address of the first descriptor, from which addresses of descriptors may be counted.
    descriptors: u64,
}

/// The unit that is being read.
struct Place<'u, 'a> {
    dwarf: &'u gimli::Dwarf<Reader<'a>>,
    unit: &'u Unit<Reader<'a>>,
    number: u32,
    start: usize,
}

impl Scan {
    pub fn of(dwarf: &Dwarf<'_>, descriptors: u64) -> Self {
        let length = dwarf.length;
        let (names_left, types_left, fields_left) = (4 * length, length / 12 + 1024, length / 6 + 1024);
        let mut scan = Self { names_left, types_left, fields_left, descriptors, ..Self::default() };
        // What there is no room for is this one, of which nothing is known.
        scan.types.push(RawType::default());
        let gimli = dwarf.gimli();
        let mut headers = gimli.units();
        loop {
            let header = match headers.next() {
                Ok(Some(header)) => header,
                Ok(None) => break,
                Err(error) => {
                    scan.broken = Some(format!(".debug_info: {error}"));
                    break;
                }
            };
            let Some(start) = header.debug_info_offset().map(|offset| offset.0) else { continue };
            let number = scan.units.len() as u32;
            scan.units.push(start);
            let read = gimli.unit(header).and_then(|unit| {
                let place = Place { dwarf: &gimli, unit: &unit, number, start };
                scan.unit(&place)
            });
            if let Err(error) = read {
                scan.broken.get_or_insert(format!(".debug_info, unit at {start:#x}: {error}"));
            }
        }
        scan
    }

    fn unit(&mut self, place: &Place<'_, '_>) -> gimli::Result<()> {
        let mut entries = place.unit.entries_raw(None)?;
        let mut attributes = Vec::new();
        // The type to which members and subranges belong, and how deep it is.
        let mut owner: Option<(isize, u32)> = None;
        while !entries.is_empty() {
            let depth = entries.next_depth();
            let at = place.start + entries.next_offset().0;
            let Some(entry) = entries.read_abbreviation()? else { continue };
            if owner.is_some_and(|(of, _)| depth <= of) {
                owner = None;
            }
            match entry.tag() {
                gimli::DW_TAG_base_type
                | gimli::DW_TAG_pointer_type
                | gimli::DW_TAG_structure_type
                | gimli::DW_TAG_array_type
                | gimli::DW_TAG_typedef
                | gimli::DW_TAG_subroutine_type
                | gimli::DW_TAG_unspecified_type => {
                    read(&mut entries, entry, &mut attributes)?;
                    let number = self.number(at);
                    self.type_(place, number, entry.tag(), &attributes);
                    if entry.has_children() {
                        owner = Some((depth, number));
                    }
                }
                gimli::DW_TAG_member if owner.is_some_and(|(of, _)| of + 1 == depth) => {
                    read(&mut entries, entry, &mut attributes)?;
                    if let (Some((_, owner)), Some(field)) = (owner, self.field(place, &attributes))
                        && let Some(left) = self.fields_left.checked_sub(1)
                    {
                        self.fields_left = left;
                        self.types[owner as usize].fields.push(field);
                    }
                }
                gimli::DW_TAG_subrange_type if owner.is_some_and(|(of, _)| of + 1 == depth) => {
                    read(&mut entries, entry, &mut attributes)?;
                    if let (Some((_, owner)), Some(count)) = (owner, number_of(&attributes, DW_AT_count)) {
                        self.types[owner as usize].count = count;
                    }
                }
                gimli::DW_TAG_subprogram => {
                    read(&mut entries, entry, &mut attributes)?;
                    let low = value(&attributes, DW_AT_low_pc)
                        .and_then(|low| place.dwarf.attr_address(place.unit, low).ok().flatten());
                    if let Some(entry) = low {
                        self.functions.push(Function { entry, unit: place.number, offset: at - place.start });
                    }
                }
                gimli::DW_TAG_variable if depth == 1 => {
                    read(&mut entries, entry, &mut attributes)?;
                    self.global(place, &attributes);
                }
                _ => entries.skip_attributes(entry.attributes())?,
            }
        }
        Ok(())
    }

    /// A name; empty if names have had more bytes than sound ones.
    fn text(&mut self, place: &Place<'_, '_>, attributes: &[Attribute<Reader<'_>>]) -> Box<str> {
        let text = value(attributes, DW_AT_name)
            .and_then(|value| place.dwarf.attr_string(place.unit, value).ok())
            .filter(|text| text.len() <= self.names_left);
        self.names_left -= text.as_ref().map_or(0, |text| text.len());
        text.map_or_else(Box::default, |text| text.to_string_lossy().into())
    }

    /// The number of the type that is there. Types are mentioned before they are met.
    fn number(&mut self, at: usize) -> u32 {
        if let Some(&number) = self.numbers.get(&at) {
            return number;
        }
        let Some(left) = self.types_left.checked_sub(1) else { return 0 };
        self.types_left = left;
        let number = self.types.len() as u32;
        self.types.push(RawType::default());
        self.numbers.insert(at, number);
        number
    }

    fn reference(
        &mut self,
        place: &Place<'_, '_>,
        attributes: &[Attribute<Reader<'_>>],
        name: DwAt,
    ) -> Option<u32> {
        let at = target(place.start, &value(attributes, name)?)?;
        Some(self.number(at))
    }

    fn type_(
        &mut self,
        place: &Place<'_, '_>,
        number: u32,
        tag: DwTag,
        attributes: &[Attribute<Reader<'_>>],
    ) {
        let descriptor = value(attributes, GO_RUNTIME_TYPE).and_then(|value| match value {
            AttributeValue::DebugAddrIndex(index) => place.dwarf.address(place.unit, index).ok(),
            AttributeValue::Addr(address) => Some(address),
            other => other.udata_value(),
        });
        let type_ = RawType {
            name: self.text(place, attributes),
            tag: Some(tag),
            size: number_of(attributes, DW_AT_byte_size).unwrap_or(0),
            encoding: match value(attributes, DW_AT_encoding) {
                Some(AttributeValue::Encoding(encoding)) => encoding.0.into(),
                _ => 0,
            },
            go_kind: number_of(attributes, GO_KIND).unwrap_or(0),
            // In some releases it is an offset.
            descriptor: descriptor
                .filter(|&address| address != 0)
                .map(|address| if address < self.descriptors { self.descriptors + address } else { address }),
            of: self.reference(place, attributes, DW_AT_type),
            element: self.reference(place, attributes, GO_ELEM),
            count: 0,
            fields: Vec::new(),
        };
        self.types[number as usize] = type_;
    }

    fn field(&mut self, place: &Place<'_, '_>, attributes: &[Attribute<Reader<'_>>]) -> Option<RawField> {
        Some(RawField {
            type_: self.reference(place, attributes, DW_AT_type)?,
            offset: place.offset(attributes),
            name: self.text(place, attributes),
            embedded: matches!(value(attributes, GO_EMBEDDED_FIELD), Some(AttributeValue::Flag(true)))
                || number_of(attributes, GO_EMBEDDED_FIELD).is_some_and(|flag| flag != 0),
        })
    }

    fn global(&mut self, place: &Place<'_, '_>, attributes: &[Attribute<Reader<'_>>]) {
        let Some(AttributeValue::Exprloc(expression)) = value(attributes, DW_AT_location) else { return };
        let mut operations = expression.operations(place.unit.encoding());
        let address = match operations.next() {
            Ok(Some(Operation::Address { address })) => Some(address),
            Ok(Some(Operation::AddressIndex { index })) => place.dwarf.address(place.unit, index).ok(),
            _ => None,
        };
        let Some(address) = address else { return };
        if let Some(type_) = self.reference(place, attributes, DW_AT_type) {
            let name = self.text(place, attributes);
            self.globals.push((address, name, type_));
        }
    }
}

impl Place<'_, '_> {
    /// Where a field is: a number, or an expression in old releases.
    fn offset(&self, attributes: &[Attribute<Reader<'_>>]) -> u64 {
        match value(attributes, DW_AT_data_member_location) {
            Some(AttributeValue::Exprloc(expression)) => {
                match expression.operations(self.unit.encoding()).next() {
                    Ok(Some(Operation::PlusConstant { value } | Operation::UnsignedConstant { value })) => {
                        value
                    }
                    _ => 0,
                }
            }
            Some(value) => value.udata_value().unwrap_or(0),
            None => 0,
        }
    }
}

fn read<'a>(
    entries: &mut EntriesRaw<'_, Reader<'a>>,
    entry: &Abbreviation,
    attributes: &mut Vec<Attribute<Reader<'a>>>,
) -> gimli::Result<()> {
    entries.read_attributes(entry.attributes(), attributes)
}

fn value<'a>(attributes: &[Attribute<Reader<'a>>], name: DwAt) -> Option<AttributeValue<Reader<'a>>> {
    attributes.iter().find(|attribute| attribute.name() == name).map(Attribute::value)
}

fn number_of(attributes: &[Attribute<Reader<'_>>], name: DwAt) -> Option<u64> {
    value(attributes, name)?.udata_value()
}
