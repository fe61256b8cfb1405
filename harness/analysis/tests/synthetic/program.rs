//! A program that was never compiled: its debugging information, and a process of it.

use gimli::write::{
    Address, AttributeValue, Dwarf, EndianVec, Expression, LineProgram, Sections, Unit, UnitEntryId,
};
use gimli::{DwAt, DwTag, Encoding, Format, RunTimeEndian};
use heapmatrix_reader::{
    Arch, Field, Fields, Function, Object, Params, PointerSize, Record, Segment, StackFrame, Version,
};

use crate::elf::{Elf, Machine};

/// Where things are. All below 4 GiB.
pub const DATA: u64 = 0x50_0000;
pub const RUN: u64 = 0x40_1000;
pub const NODE_TYPE: u64 = 0x48_0040;
pub const STACK: u64 = 0xf000;
pub const HEAP: u64 = 0xc000_0000;

const GO_KIND: DwAt = DwAt(0x2900);
const GO_ELEM: DwAt = DwAt(0x2902);
const GO_RUNTIME_TYPE: DwAt = DwAt(0x2904);

/// Builds entries.
struct Entries {
    unit: Unit,
    root: UnitEntryId,
}

impl Entries {
    fn add(
        &mut self,
        parent: UnitEntryId,
        tag: DwTag,
        name: &str,
        attributes: &[(DwAt, AttributeValue)],
    ) -> UnitEntryId {
        let id = self.unit.add(parent, tag);
        let entry = self.unit.get_mut(id);
        entry.set(gimli::DW_AT_name, AttributeValue::String(name.into()));
        for (at, value) in attributes {
            entry.set(*at, value.clone());
        }
        id
    }

    fn type_(&mut self, tag: DwTag, name: &str, size: u64, kind: u8) -> UnitEntryId {
        let size = (gimli::DW_AT_byte_size, AttributeValue::Udata(size));
        self.add(self.root, tag, name, &[size, (GO_KIND, AttributeValue::Data1(kind))])
    }

    fn pointer(&mut self, name: &str, to: UnitEntryId) -> UnitEntryId {
        let id = self.type_(gimli::DW_TAG_pointer_type, name, 0, 22);
        self.unit.get_mut(id).set(gimli::DW_AT_type, AttributeValue::UnitRef(to));
        id
    }

    fn member(&mut self, of: UnitEntryId, name: &str, offset: u64, type_: UnitEntryId) {
        let at = [
            (gimli::DW_AT_data_member_location, AttributeValue::Udata(offset)),
            (gimli::DW_AT_type, AttributeValue::UnitRef(type_)),
        ];
        self.add(of, gimli::DW_TAG_member, name, &at);
    }
}

/// The file of a program with `main.Node`, the global variable `main.head` and the function `main.run`.
pub fn file(machine: Machine, version: u16, compressed: bool) -> Vec<u8> {
    let word = machine.word as u64;
    let encoding = Encoding { format: Format::Dwarf32, version, address_size: machine.word as u8 };
    let unit = Unit::new(encoding, LineProgram::none());
    let root = unit.root();
    let mut entries = Entries { unit, root };
    let base = |entries: &mut Entries, name: &str, size, kind| {
        let id = entries.type_(gimli::DW_TAG_base_type, name, size, kind);
        let encoding = AttributeValue::Encoding(gimli::DW_ATE_unsigned);
        entries.unit.get_mut(id).set(gimli::DW_AT_encoding, encoding);
        id
    };
    let uint8 = base(&mut entries, "uint8", 1, 8);
    let uint16 = base(&mut entries, "uint16", 2, 9);
    let int = base(&mut entries, "int", word, 2);
    let [to_uint8, to_uint16] =
        [("*uint8", uint8), ("*uint16", uint16)].map(|(name, to)| entries.pointer(name, to));
    let structure = gimli::DW_TAG_structure_type;
    let string = entries.type_(structure, "string", 2 * word, 24);
    entries.member(string, "str", 0, to_uint8);
    entries.member(string, "len", word, int);
    let slice = entries.type_(structure, "[]uint16", 3 * word, 23);
    entries.unit.get_mut(slice).set(GO_ELEM, AttributeValue::UnitRef(uint16));
    entries.member(slice, "array", 0, to_uint16);
    entries.member(slice, "len", word, int);
    entries.member(slice, "cap", 2 * word, int);
    let eface = entries.type_(structure, "runtime.eface", 2 * word, 25);
    entries.member(eface, "_type", 0, to_uint8);
    entries.member(eface, "data", word, to_uint8);
    let any = entries.type_(gimli::DW_TAG_typedef, "interface {}", 0, 20);
    entries.unit.get_mut(any).set(gimli::DW_AT_type, AttributeValue::UnitRef(eface));
    let node = entries.type_(structure, "main.Node", 8 * word, 25);
    entries.unit.get_mut(node).set(GO_RUNTIME_TYPE, AttributeValue::Udata(NODE_TYPE));
    let to_node = entries.pointer("*main.Node", node);
    entries.member(node, "next", 0, to_node);
    entries.member(node, "name", word, string);
    entries.member(node, "data", 3 * word, slice);
    entries.member(node, "any", 6 * word, any);

    let variable = |entries: &mut Entries, parent, name, type_, location: &dyn Fn(&mut Expression)| {
        let mut expression = Expression::new();
        location(&mut expression);
        let at = [
            (gimli::DW_AT_location, AttributeValue::Exprloc(expression)),
            (gimli::DW_AT_type, AttributeValue::UnitRef(type_)),
        ];
        entries.add(parent, gimli::DW_TAG_variable, name, &at);
    };
    variable(&mut entries, root, "main.head", to_node, &|location| {
        location.op_addr(Address::Constant(DATA + word))
    });
    let low = (gimli::DW_AT_low_pc, AttributeValue::Address(Address::Constant(RUN)));
    let run = entries.add(root, gimli::DW_TAG_subprogram, "main.run", &[low]);
    variable(&mut entries, run, "local", to_node, &|location| location.op_fbreg(-2 * word as i64));

    elf(machine, entries.unit, compressed)
}

/// The file of a program with very many small types, each with a field of another one, and as many globals at one place.
pub fn many_types(machine: Machine, count: usize) -> Vec<u8> {
    let encoding = Encoding { format: Format::Dwarf32, version: 5, address_size: machine.word as u8 };
    let unit = Unit::new(encoding, LineProgram::none());
    let root = unit.root();
    let mut entries = Entries { unit, root };
    let mut last = entries.type_(gimli::DW_TAG_structure_type, "t", 0, 25);
    for _ in 0..count {
        let next = entries.type_(gimli::DW_TAG_structure_type, "t", 8, 25);
        for name in ["a", "b"] {
            entries.member(next, name, 0, last);
        }
        let mut expression = Expression::new();
        expression.op_addr(Address::Constant(DATA));
        let at = [
            (gimli::DW_AT_location, AttributeValue::Exprloc(expression)),
            (gimli::DW_AT_type, AttributeValue::UnitRef(next)),
        ];
        entries.add(root, gimli::DW_TAG_variable, "g", &at);
        last = next;
    }
    elf(machine, entries.unit, false)
}

/// The file of a program with this debugging information.
fn elf(machine: Machine, unit: Unit, compressed: bool) -> Vec<u8> {
    let word = machine.word as u64;
    let endian = if machine.big_endian { RunTimeEndian::Big } else { RunTimeEndian::Little };
    let mut sections = Sections::new(EndianVec::new(endian));
    let mut dwarf = Dwarf::new();
    dwarf.units.add(unit);
    dwarf.write(&mut sections).unwrap();
    let mut elf = Elf { compressed, ..Elf::default() };
    elf.sections.push((".data".into(), DATA, vec![0; 4 * machine.word]));
    sections
        .for_each(|id, bytes| {
            elf.sections.push((id.name().into(), 0, bytes.slice().to_vec()));
            Ok::<_, ()>(())
        })
        .unwrap();
    for (name, value, function) in [
        ("runtime.data", DATA, false),
        ("runtime.edata", DATA + 4 * word, false),
        ("main.run", RUN, true),
        ("main.other", RUN + 0x100, true),
    ] {
        elf.symbols.push((name.into(), value, function));
    }
    elf.build(machine)
}

/// What a process has that differs from test to test.
#[derive(Clone, Copy)]
pub struct Process {
    pub function: &'static str,
    pub data_words: usize,
}

pub const PROCESS: Process = Process { function: "main.run", data_words: 4 };

/// The addresses of the process' objects.
pub mod at {
    use super::HEAP;

    /// What `main.head` points to.
    pub const FIRST: u64 = HEAP;
    /// The node after it, to which only a pointer into its middle leads.
    pub const SECOND: u64 = HEAP + 0x40;
    /// What the first node holds.
    pub const NAME: u64 = HEAP + 0x80;
    pub const DATA: u64 = HEAP + 0xc0;
    pub const BOXED: u64 = HEAP + 0x100;
    /// What only the stack holds.
    pub const LOCAL: u64 = HEAP + 0x140;
    /// What nobody holds.
    pub const LOST: u64 = HEAP + 0x180;
}

/// A dump of a process of that program.
pub fn dump(machine: Machine, process: Process) -> Vec<u8> {
    let word = machine.word as u64;
    let mut dump = Version::Go17.header().to_vec();
    let params = Params {
        big_endian: machine.big_endian,
        pointer_size: if word == 8 { PointerSize::Eight } else { PointerSize::Four },
        heap_start: HEAP,
        heap_end: HEAP + 0x1000,
        arch: Arch::Name(machine.goarch.into()),
        experiment: "go1.21.13".into(),
        cpus: 1,
    };
    Record::Params(params).write_to(&mut dump).unwrap();
    let pointers = |offsets: &[u64]| Fields::encode_list(offsets.iter().map(|&at| Field::pointer(at * word)));
    let node = pointers(&[0, 1, 3, 7]);
    let mut object = |address, contents: &[u8], fields: &[u8]| {
        let fields = Fields::from_encoded(fields).unwrap();
        Record::Object(Object { address, contents, fields }).write_to(&mut dump).unwrap();
    };
    let first = [at::SECOND, at::NAME, 20, at::DATA, 3, 8, NODE_TYPE, at::BOXED];
    object(at::FIRST, &machine.words(&first), &node);
    object(at::SECOND, &machine.words(&[0; 8]), &node);
    object(at::NAME, b"twenty bytes of text\0\0\0\0", &[]);
    object(at::DATA, &[7; 16], &[]);
    object(at::BOXED, &machine.words(&[0, at::NAME + 4, 3, 0, 0, 0, 0, 0]), &node);
    object(at::LOCAL, &machine.words(&[at::FIRST, 0, 0, 0, 0, 0, 0, 0]), &node);
    object(at::LOST, &[0; 48], &pointers(&[2]));
    let mut data = vec![0; process.data_words];
    data[1] = at::FIRST;
    let (data, data_fields) = (machine.words(&data), pointers(&[1]));
    let fields = Fields::from_encoded(&data_fields).unwrap();
    Record::Data(Segment { address: DATA, contents: &data, fields }).write_to(&mut dump).unwrap();
    // A word that is no variable's: whatever was there before.
    let stack = machine.words(&[0, at::SECOND, at::LOCAL, 0]);
    let function = Function { entry: RUN, pc: RUN + 9, continuation_pc: 0, name: process.function.into() };
    let (contents, fields) = (&stack[..], Fields::default());
    Record::StackFrame(StackFrame { sp: STACK, depth: 0, child_sp: 0, contents, function, fields })
        .write_to(&mut dump)
        .unwrap();
    dump.push(0);
    dump
}
