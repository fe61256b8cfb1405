//! A program as a dump sees it: types, descriptors and closures at the addresses that they have in the process.

use std::collections::HashMap;
use std::rc::Rc;

use heapmatrix_reader::Record;

use super::Binary;
use super::dwarf::Variable;
use super::memory::Others;
use super::table::{Kind, Shape, TypeId, Types};

/// How names begin of types that stand for all of the same shape.
const SHAPE: &str = "go.shape.";

/// The types that a dump's objects may have, and where the process has them.
pub(super) struct Program<'b, 'f> {
    pub types: Types,
    pub(super) binary: Option<&'b Binary<'f>>,
    /// How much higher the process has everything than the binary says.
    slide: u64,
    /// What closures of functions are, by the functions' addresses.
    pub(super) closures: HashMap<u64, TypeId>,
    /// The compiler's structures for closures.
    pub(super) closure_types: Vec<TypeId>,
    variables: HashMap<u64, Rc<[Variable]>>,
    by_name: HashMap<Box<str>, TypeId>,
}

impl<'b, 'f> Program<'b, 'f> {
    pub fn new(binary: Option<&'b Binary<'f>>, slide: u64, word: u64) -> Self {
        let types = binary.map_or_else(|| Types::new(word), |binary| binary.types.clone());
        if let Some(binary) = binary {
            binary.dwarf.refill();
        }
        let mut by_name = HashMap::new();
        for (id, type_) in types.iter() {
            by_name.entry(type_.name.clone()).or_insert(id);
            // What the linker has left out is often there in the form that generic functions share.
            if type_.name.contains(SHAPE) {
                by_name.entry(type_.name.replace(SHAPE, "").into()).or_insert(id);
            }
        }
        let (closures, closure_types, variables) = Default::default();
        Self { types, binary, slide, closures, closure_types, variables, by_name }
    }

    /// The type whose descriptor is at an address of the process.
    pub fn descriptor(&mut self, address: u64) -> Option<TypeId> {
        let at = address.wrapping_sub(self.slide);
        if let Some(&id) = self.types.by_descriptor.get(&at) {
            return Some(id);
        }
        let binary = self.binary?;
        binary.descriptors?.read(&binary.elf, at, &mut self.types)
    }

    /// Adds the types that the dump names: what there is without the program's file.
    pub fn add_records(&mut self, others: &Others<'_>) {
        for record in others.iter() {
            let Record::Type(record) = record else { continue };
            if self.types.by_descriptor.contains_key(&record.address) {
                continue;
            }
            let name = record.name.to_string();
            let kind =
                name.strip_prefix('*').map_or(Kind::Unknown, |of| Kind::Pointer(self.sized_by_object(of)));
            let id = self.types.add(name, record.size, kind);
            // Whether there are pointers in it is not said. It is no matter, since nothing follows them.
            self.types.get_mut(id).shape = Shape::OpenEnded;
            self.types.by_descriptor.insert(record.address, id);
        }
    }

    /// The type with a name, of which nothing is known.
    fn sized_by_object(&mut self, name: &str) -> TypeId {
        if let Some(&id) = self.by_name.get(name) {
            return id;
        }
        let id = self.types.add(name, 0, Kind::Unknown);
        self.types.get_mut(id).shape = Shape::OpenEnded;
        self.by_name.insert(name.into(), id);
        id
    }

    /// All types, and the variables of the functions that have been looked at, by where the binary has these.
    pub fn into_parts(self) -> (Types, HashMap<u64, Rc<[Variable]>>) {
        (self.types, self.variables)
    }

    /// The type with a name.
    pub fn named(&self, name: &str) -> Option<TypeId> {
        self.by_name.get(name).copied()
    }

    /// The variables of the function that starts at an address of the process.
    pub fn variables(&mut self, entry: u64) -> Rc<[Variable]> {
        let Some(binary) = self.binary else { return Rc::new([]) };
        let at = entry.wrapping_sub(self.slide);
        self.variables.entry(at).or_insert_with(|| binary.dwarf.variables(at).into()).clone()
    }

    /// Where the binary has an address of the process.
    pub fn in_binary(&self, address: u64) -> u64 {
        address.wrapping_sub(self.slide)
    }

    /// Where the process has an address of the binary.
    pub fn in_process(&self, address: u64) -> u64 {
        address.wrapping_add(self.slide)
    }
}
