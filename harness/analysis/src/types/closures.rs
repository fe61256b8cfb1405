//! What closures hold.
//!
//! Since Go 1.24 the debugging information says where a captured variable is. Before, the compiler's structures for
//! closures are among the types, but nothing says which function has which: it is the one whose fields are variables of
//! the function and whose pointers are where the dump says that the closure has some.

use heapmatrix_reader::Object;

use super::dwarf::Variable;
use super::plan::Plans;
use super::program::Program;
use super::table::{Field, Kind, Shape, TypeId};

/// Each function is held against each of the structures: more are not looked at.
const MOST_TYPES: usize = 1 << 14;
const MOST_CLOSURES: usize = 1 << 15;

impl Program<'_, '_> {
    /// Works out what a closure of the function that starts at an address is; `None` if no function starts there.
    /// `object` and `known` are the closure's object and its type, as far as known.
    pub fn closure(
        &mut self,
        entry: u64,
        object: Option<Object<'_>>,
        known: Option<TypeId>,
    ) -> Option<TypeId> {
        let name = self.binary?.function(self.in_binary(entry))?;
        let mut fields = self.captured(entry);
        if fields.is_empty() {
            fields = self.method_value(&name).into_iter().collect();
        }
        if fields.is_empty() {
            // What the malloc header says, which larger closures have.
            let alike = known.filter(|&id| self.is_closure(id)).or_else(|| self.alike(entry, object?));
            if let Some(Kind::Struct(known)) = alike.map(|id| &self.types.get(id).kind) {
                fields = known[1..].to_vec();
            }
        }
        let word = self.types.word;
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

    /// Whether a type is the compiler's structure for a closure.
    fn is_closure(&self, id: TypeId) -> bool {
        let Kind::Struct(fields) = &self.types.get(id).kind else { return false };
        fields.first().is_some_and(|field| field.offset == 0 && matches!(&*field.name, "F" | ".F"))
    }

    /// The only structure that a closure can have; `None` if there are several.
    fn alike(&mut self, entry: u64, object: Object<'_>) -> Option<TypeId> {
        if self.closures.len() >= MOST_CLOSURES {
            return None;
        }
        let variables = self.variables(entry);
        if self.closure_types.is_empty() {
            let ids = (0..self.types.len() as u32).map(TypeId);
            self.closure_types = ids.filter(|&id| self.is_closure(id)).take(MOST_TYPES).collect();
        }
        let pointers: Vec<u64> = object.fields.map(|field| field.offset).collect();
        let mut plans = Plans::default();
        let mut alike = self.closure_types.iter().copied().filter(|&id| {
            let type_ = self.types.get(id);
            let Kind::Struct(fields) = &type_.kind else { return false };
            let is_variable = |field: &Field| {
                let generated = field.name.starts_with('X');
                variables.iter().any(|variable| {
                    variable.type_ == field.type_
                        && (generated || variable.name.trim_start_matches('&') == &*field.name)
                })
            };
            super::evidence::fits(type_.size, object.contents.len() as u64)
                && fields[1..].iter().all(is_variable)
                && plans.pointers(&self.types, id) == pointers
        });
        alike.next().filter(|&id| {
            // Others that hold the same are as good.
            let types_of = |id| match &self.types.get(id).kind {
                Kind::Struct(fields) => fields.iter().map(|field| field.type_).collect(),
                _ => Vec::new(),
            };
            alike.all(|other| types_of(other) == types_of(id))
        })
    }
}
