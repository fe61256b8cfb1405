//! What types, variables and fields are called.

use heapmatrix_reader::{Index, StackFrame};

use crate::types::{Binary, Kind, TypeId, Typing, Use, Values};

/// What is known of the types of a dump's objects and of its program's variables.
///
/// Types are numbered. Paths are Go expressions without their beginning, such as `.sessions[…].User`, where `[…]` stands
/// for any element; they go through pointers without saying so, and through what only the runtime knows of a map.
pub trait Naming {
    /// The type of an object's contents; `None` if it is not known. Of an array it is that of an element.
    fn type_of(&self, object: u32) -> Option<u32>;

    /// Where in an object its value starts, in bytes: after a malloc header, if there is one.
    fn start_of(&self, object: u32) -> u64;

    /// What objects of a type are called: the type's name, as Go prints it. The bytes of a string are a `string`, an array
    /// that slices share is a `[]T`; what holds the pointer to them and their length is a `string header` or a `[]T header`.
    fn name(&self, of: u32) -> String;

    /// Where types and names come from.
    fn origin(&self) -> Origin {
        Origin::Dump
    }

    /// Whether a type is what the runtime keeps of a map, and holds the number of its elements first.
    fn is_map(&self, of: u32) -> bool {
        let name = self.name(of);
        // Its parts are called after it.
        name.starts_with("map[") && ![" buckets", " groups", " table"].iter().any(|part| name.ends_with(part))
    }

    /// The path from a value of a type to what is at an offset of it, in bytes.
    fn path(&self, of: u32, offset: u64) -> String;

    /// The global variable at an address.
    fn global(&self, address: u64) -> Option<Global>;

    /// Where the global variable starts that has an address.
    fn global_start(&self, address: u64) -> Option<u64> {
        self.global(address).map(|global| global.address)
    }

    /// The path from a frame to what is at an offset of it, in bytes: the name of a variable, and what follows.
    fn local(&self, frame: &StackFrame<'_>, offset: u64) -> Option<String>;

    /// The fields of an object, with those of structures in it: at most `limit`. None if its type is not known.
    fn fields(&self, object: u32, limit: usize) -> Vec<Field>;

    /// Hands over the pointers of an object, with what can be used through them. `false` if its type is not known.
    fn uses(&self, object: u32, each: &mut dyn FnMut(Use)) -> bool;

    /// Of how many bytes of the objects that `counts` chooses the type is known.
    fn typed_bytes(&self, counts: &dyn Fn(u32) -> bool) -> u64;
}

/// Where types and names come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From what a dump says by itself, which is little.
    Dump,
    /// From the descriptors of a program without debugging information.
    Descriptors,
    /// From a program's debugging information.
    Program,
}

/// A global variable, and a place in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Global {
    /// Its name, with its package.
    pub name: String,
    /// Where it starts.
    pub address: u64,
    /// The path to the place.
    pub path: String,
}

/// A field of an object, and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Where it is, in bytes from the start of the object.
    pub offset: u64,
    /// The path to it.
    pub path: String,
    /// The name of its type.
    pub type_name: String,
    /// What it holds, as Go would print it.
    pub text: String,
    /// The address that it leads to, or 0.
    pub target: u64,
}

/// Nothing is known: no binary is at hand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nameless;

impl Naming for Nameless {
    fn type_of(&self, _: u32) -> Option<u32> {
        None
    }

    fn start_of(&self, _: u32) -> u64 {
        0
    }

    fn name(&self, _: u32) -> String {
        String::new()
    }

    fn path(&self, _: u32, _: u64) -> String {
        String::new()
    }

    fn global(&self, _: u64) -> Option<Global> {
        None
    }

    fn local(&self, _: &StackFrame<'_>, _: u64) -> Option<String> {
        None
    }

    fn fields(&self, _: u32, _: usize) -> Vec<Field> {
        Vec::new()
    }

    fn uses(&self, _: u32, _: &mut dyn FnMut(Use)) -> bool {
        false
    }

    fn typed_bytes(&self, _: &dyn Fn(u32) -> bool) -> u64 {
        0
    }
}

/// What the program's own debugging information says.
pub struct Typed<'x, 'd> {
    /// The objects.
    pub index: &'x Index<'d>,
    /// Their types.
    pub typing: &'x Typing,
    /// The program, if it is at hand.
    pub binary: Option<&'x Binary<'x>>,
}

impl Naming for Typed<'_, '_> {
    fn type_of(&self, object: u32) -> Option<u32> {
        let id = self.typing.type_of(object as usize);
        let known = !matches!(self.typing.types().get(id).kind, Kind::Unknown | Kind::Sized { .. });
        known.then_some(id.0)
    }

    fn start_of(&self, object: u32) -> u64 {
        self.typing.start_of(object as usize)
    }

    fn name(&self, of: u32) -> String {
        let type_ = self.typing.types().get(TypeId(of));
        let header = matches!(type_.kind, Kind::String | Kind::Slice(_))
            && (&*type_.name == "string" || type_.name.starts_with("[]"));
        if header { format!("{} header", type_.name) } else { type_.name.to_string() }
    }

    fn origin(&self) -> Origin {
        match self.binary {
            None => Origin::Dump,
            Some(_) if self.typing.globals().is_empty() => Origin::Descriptors,
            Some(_) => Origin::Program,
        }
    }

    fn path(&self, of: u32, offset: u64) -> String {
        self.typing.path(TypeId(of), offset)
    }

    fn global(&self, address: u64) -> Option<Global> {
        let (global, offset) = self.typing.global(address)?;
        let path = self.typing.path(global.type_, offset);
        Some(Global { name: global.name.to_string(), address: address - offset, path })
    }

    fn global_start(&self, address: u64) -> Option<u64> {
        self.typing.global(address).map(|(_, offset)| address - offset)
    }

    fn local(&self, frame: &StackFrame<'_>, offset: u64) -> Option<String> {
        self.typing.variable(frame, offset)
    }

    fn fields(&self, object: u32, limit: usize) -> Vec<Field> {
        let values = Values::new(self.index, self.typing, self.binary);
        let fields = values.fields(object as usize, limit).into_iter();
        let field = |field: crate::types::FieldValue| Field {
            offset: field.offset,
            path: field.path,
            type_name: self.typing.name(field.type_).to_owned(),
            text: field.text,
            target: field.target,
        };
        fields.map(field).collect()
    }

    fn uses(&self, object: u32, each: &mut dyn FnMut(Use)) -> bool {
        self.typing.uses(self.index, object as usize, each)
    }

    fn typed_bytes(&self, counts: &dyn Fn(u32) -> bool) -> u64 {
        self.typing.share(self.index, |object| counts(object as u32)).typed_bytes
    }
}
