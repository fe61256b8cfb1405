//! A program as a dump sees it: types, descriptors and closures at the addresses that they have in the process.

use std::collections::HashMap;
use std::rc::Rc;

use super::Binary;
use super::dwarf::Variable;
use super::table::{Field, Kind, Shape, TypeId, Types};

/// How names begin of types that stand for all of the same shape.
const SHAPE: &str = "go.shape.";

/// The types that a dump's objects may have, and where the process has them.
pub(super) struct Program<'b, 'f> {
    pub types: Types,
    binary: Option<&'b Binary<'f>>,
    /// How much higher the process has everything than the binary says.
    slide: u64,
    closures: HashMap<u64, TypeId>,
    variables: HashMap<u64, Rc<[Variable]>>,
    by_name: HashMap<Box<str>, TypeId>,
}

impl<'b, 'f> Program<'b, 'f> {
    pub fn new(binary: Option<&'b Binary<'f>>, slide: u64, word: u64) -> Self {
        let types = binary.map_or_else(|| Types::new(word), |binary| binary.types.clone());
        let mut by_name = HashMap::new();
        for (id, type_) in types.iter() {
            by_name.entry(type_.name.clone()).or_insert(id);
            // What the linker has left out is often there in the form that generic functions share.
            if type_.name.contains(SHAPE) {
                by_name.entry(type_.name.replace(SHAPE, "").into()).or_insert(id);
            }
        }
        let (closures, variables) = Default::default();
        Self { types, binary, slide, closures, variables, by_name }
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

    /// What a closure of the function that starts at an address is; `None` if no function starts there.
    /// `object` is what is known of the closure's object.
    pub fn closure(&mut self, entry: u64, object: Option<TypeId>) -> Option<TypeId> {
        if let Some(&id) = self.closures.get(&entry) {
            return Some(id);
        }
        let binary = self.binary?;
        let at = entry.wrapping_sub(self.slide);
        let name = binary.function(at)?;
        let mut fields = self.captured(entry);
        if fields.is_empty() {
            fields = self.method_value(&name).into_iter().collect();
        }
        let word = self.types.word;
        if fields.is_empty()
            && let Some(Kind::Struct(known)) = object.map(|object| &self.types.get(object).kind)
            && known.first().is_some_and(|field| field.offset == 0 && matches!(&*field.name, "F" | ".F"))
        {
            fields = known[1..].to_vec();
        }
        let end = |field: &Field| field.offset.saturating_add(self.types.get(field.type_).size);
        let size = fields.iter().map(end).max().unwrap_or(word).max(word);
        let pointers = fields.iter().any(|field| self.types.get(field.type_).pointers);
        let id = self.types.add(format!("closure {name}"), size, Kind::Struct(fields));
        let type_ = self.types.get_mut(id);
        (type_.shape, type_.pointers) = (Shape::OpenEnded, pointers);
        self.closures.insert(entry, id);
        Some(id)
    }

    /// The variables that a function literal has captured: `DW_AT_go_closure_offset`.
    fn captured(&mut self, entry: u64) -> Vec<Field> {
        let field = |variable: &Variable| {
            let (name, offset) = (variable.name.trim_start_matches('&').into(), variable.closure_offset?);
            Some(Field { name, offset, type_: variable.type_, embedded: false })
        };
        let mut fields: Vec<Field> = self.variables(entry).iter().filter_map(field).collect();
        fields.sort_by_key(|field| field.offset);
        fields.dedup_by_key(|field| field.offset);
        fields
    }

    /// The receiver of a method value: `main.(*Server).handle-fm` or `main.Name.String-fm`.
    fn method_value(&self, name: &str) -> Option<Field> {
        let (receiver, _) = name.strip_suffix("-fm")?.rsplit_once('.')?;
        let receiver = match receiver.split_once("(*") {
            Some((package, type_)) => format!("*{package}{}", type_.strip_suffix(')')?),
            None => receiver.to_owned(),
        };
        let type_ = self.named(&receiver)?;
        let align = self.types.get(type_).size.clamp(1, self.types.word).next_power_of_two();
        let offset = self.types.word.next_multiple_of(align);
        Some(Field { name: "receiver".into(), offset, type_, embedded: false })
    }
}
