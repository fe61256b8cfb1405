//! The types of a program, and those that only whole objects have.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// A type, by its number in [`Types`]. Object types are such numbers too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TypeId(pub u32);

impl TypeId {
    /// The type of which nothing is known.
    pub const UNKNOWN: Self = Self(0);
    /// What the bytes of a string are.
    pub const TEXT: Self = Self(1);
    /// A block of the tiny allocator: several values of less than 16 bytes without pointers.
    pub const TINY: Self = Self(2);
    /// A byte.
    pub const BYTE: Self = Self(3);
    /// What has a string in it that is shorter than it: strings share the bytes of the one that they were cut from.
    pub const LONGER_TEXT: Self = Self(4);

    /// As an index.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A type of the program, or of an object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Type {
    /// Its name, as Go prints it.
    pub name: Box<str>,
    /// The size of its values in bytes; 0 where it is the object's.
    pub size: u64,
    /// What its values hold.
    pub kind: Kind,
    /// Whether its values may have pointers.
    pub pointers: bool,
    /// How it lies in an object.
    pub shape: Shape,
}

impl Type {
    /// Whether it is `atomic.Pointer[T]`, whose pointer has no name that a program could use.
    pub(crate) fn is_atomic_pointer(&self) -> bool {
        ["sync/atomic.Pointer[", "internal/runtime/atomic.Pointer["]
            .iter()
            .any(|start| self.name.starts_with(start))
    }
}

/// How a type's value lies in an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shape {
    /// It is the object.
    #[default]
    Whole,
    /// The runtime allocates arrays of it, although it has pointers to one: buckets and groups of maps.
    Repeats,
    /// It is followed by what belongs to it: a channel's buffer, a closure's variables.
    OpenEnded,
    /// It is the object, and the runtime's own part of a map.
    Inner,
}

/// What a type's values hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Nothing is known.
    Unknown,
    /// A truth value.
    Bool,
    /// A signed integer.
    Signed,
    /// An unsigned integer.
    Unsigned,
    /// A floating-point number.
    Float,
    /// Two floating-point numbers.
    Complex,
    /// A string: pointer and length.
    String,
    /// A pointer.
    Pointer(TypeId),
    /// An `unsafe.Pointer`.
    UnsafePointer,
    /// A slice of elements: pointer, length and capacity.
    Slice(TypeId),
    /// An interface with methods: itab and data word.
    Interface,
    /// An interface without methods: type and data word.
    EmptyInterface,
    /// A function: a pointer to a closure.
    Func,
    /// A map: a pointer to its header.
    Map(TypeId),
    /// A channel: a pointer to its header.
    Chan(TypeId),
    /// A structure.
    Struct(Vec<Field>),
    /// An array.
    Array {
        /// What it is of.
        element: TypeId,
        /// How many.
        length: u64,
    },
    /// The pointer in a channel's header to its buffer, of these elements.
    ChanBuffer(TypeId),
    /// The pointer in a Swiss map's header: to a group if the next word is 0, otherwise to so many of these pointers.
    Directory {
        /// A group.
        group: TypeId,
        /// A pointer to a table.
        table: TypeId,
    },
    /// An object of elements, up to its end: the array of slices. `certain` if a slice takes up all of it.
    Run {
        /// What it is of.
        element: TypeId,
        /// Whether it takes up the whole object.
        certain: bool,
    },
    /// An object of which only this is known: there is a value of a type at an offset.
    Partial {
        /// Where, in bytes.
        offset: u64,
        /// Of which type.
        element: TypeId,
    },
    /// An object of which nothing is known but its size, in bytes, and whether it has pointers.
    Sized {
        /// The size; 0 for those of more than 32 KiB.
        size: u64,
        /// Whether it has pointers.
        pointers: bool,
    },
    /// An object with a header that names a type at this address, of which nothing is known.
    Header(u64),
}

/// A field of a structure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its name.
    pub name: Box<str>,
    /// Where it is, in bytes.
    pub offset: u64,
    /// Its type.
    pub type_: TypeId,
    /// Whether it is embedded.
    pub embedded: bool,
}

/// The deepest nesting of types that is followed. Go's own limit for source code is lower.
pub(crate) const DEPTH: u32 = 64;

/// More types of objects are not told apart.
const MOST_OBJECT_TYPES: usize = 1 << 18;

/// All types.
#[derive(Clone, Debug)]
pub struct Types {
    types: Vec<Type>,
    /// Those that only objects have, by kind.
    of_objects: HashMap<(u8, u64, u64), TypeId>,
    /// By the address of their descriptors in the binary.
    pub(crate) by_descriptor: HashMap<u64, TypeId>,
    /// How many more fields and names may be read of descriptors: they overlap in no sound program.
    pub(crate) descriptor_budget: u64,
    pub(crate) word: u64,
}

impl Types {
    /// The types that need no program, for words of so many bytes.
    pub(crate) fn new(word: u64) -> Self {
        let mut types = Self {
            types: Vec::new(),
            of_objects: HashMap::new(),
            by_descriptor: HashMap::new(),
            descriptor_budget: 0,
            word,
        };
        let unknown = types.add("?", 0, Kind::Unknown);
        let byte = TypeId::BYTE;
        let text = types.add("string", 0, Kind::Run { element: byte, certain: true });
        let tiny = types.add("tiny allocator block", 0, Kind::Run { element: byte, certain: false });
        let of_bytes = types.add("uint8", 1, Kind::Unsigned);
        let longer = types.add("string", 0, Kind::Run { element: byte, certain: false });
        debug_assert_eq!(
            [unknown, text, tiny, of_bytes, longer],
            [TypeId::UNKNOWN, TypeId::TEXT, TypeId::TINY, TypeId::BYTE, TypeId::LONGER_TEXT]
        );
        types
    }

    /// Types that are all known: none is added any more.
    pub(super) fn of(types: Vec<Type>, by_descriptor: HashMap<u64, TypeId>, word: u64) -> Self {
        Self { types, of_objects: HashMap::new(), by_descriptor, descriptor_budget: 0, word }
    }

    /// All types by number.
    pub(super) fn all(&self) -> &[Type] {
        &self.types
    }

    /// Adds a type.
    pub(crate) fn add(&mut self, name: impl Into<Box<str>>, size: u64, kind: Kind) -> TypeId {
        let id = TypeId(u32::try_from(self.types.len()).expect("fewer types than bytes of a binary"));
        let pointers = false;
        self.types.push(Type { name: name.into(), size, kind, pointers, shape: Shape::Whole });
        id
    }

    /// The number of types.
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// Never: there are always some.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// A type.
    ///
    /// # Panics
    /// If `id` is of other types.
    pub fn get(&self, id: TypeId) -> &Type {
        &self.types[id.index()]
    }

    pub(crate) fn get_mut(&mut self, id: TypeId) -> &mut Type {
        &mut self.types[id.index()]
    }

    /// All types with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (TypeId, &Type)> {
        (0..).map(TypeId).zip(&self.types)
    }

    /// The type of an object: one for each kind.
    pub(crate) fn of_object(&mut self, kind: Kind) -> TypeId {
        let key = match kind {
            Kind::Run { element, certain } => (u8::from(certain), element.0.into(), 0),
            Kind::Partial { offset, element } => (2, element.0.into(), offset),
            Kind::Sized { size, pointers } => (3, size, pointers.into()),
            Kind::Header(address) => (4, address, 0),
            _ => unreachable!("a type of the program's own"),
        };
        if let Some(&id) = self.of_objects.get(&key) {
            return id;
        }
        // Partly known objects have as many types as there are offsets.
        if self.of_objects.len() >= MOST_OBJECT_TYPES {
            return TypeId::UNKNOWN;
        }
        let pointers = match kind {
            Kind::Run { element, .. } | Kind::Partial { element, .. } => self.get(element).pointers,
            Kind::Sized { pointers, .. } => pointers,
            _ => true,
        };
        let id = self.add(self.name_of_object(&kind), 0, kind);
        self.get_mut(id).pointers = pointers;
        self.of_objects.insert(key, id);
        id
    }

    fn name_of_object(&self, kind: &Kind) -> String {
        match *kind {
            Kind::Run { element, .. } if self.get(element).shape == Shape::Repeats => {
                self.get(element).name.to_string()
            }
            // What the headers of larger maps point to: an array of pointers to tables.
            Kind::Run { element, .. } => match self.get(element).kind {
                Kind::Pointer(of) if self.get(of).shape == Shape::Inner => {
                    self.get(of).name.replace(" table", " directory")
                }
                _ => format!("[]{}", self.get(element).name),
            },
            Kind::Partial { offset: 0, element } => format!("? starting with {}", self.get(element).name),
            Kind::Partial { offset, element } => format!("? with {} at +{offset}", self.get(element).name),
            Kind::Sized { size: 0, pointers } => format!("? over 32 KiB{}", without(pointers)),
            Kind::Sized { size, pointers } => format!("? of {size} bytes{}", without(pointers)),
            Kind::Header(address) => format!("type at {address:#x}"),
            _ => unreachable!("a type of the program's own"),
        }
    }

    /// Works out which types have pointers, once all are known.
    pub(crate) fn find_pointers(&mut self) {
        let mut known = vec![None; self.len()];
        for id in 0..self.len() {
            self.has_pointers(TypeId(id as u32), &mut known, 0);
        }
        for (type_, known) in self.types.iter_mut().zip(known) {
            type_.pointers |= known == Some(true);
        }
    }

    fn has_pointers(&self, id: TypeId, known: &mut [Option<bool>], depth: u32) -> bool {
        if let Some(known) = known[id.index()] {
            return known;
        }
        // Holds while its parts are looked at: a type can't be a part of itself.
        known[id.index()] = Some(false);
        let type_ = self.get(id);
        let pointers = match &type_.kind {
            _ if type_.pointers => true,
            _ if depth > DEPTH => false,
            Kind::Struct(fields) => {
                fields.iter().any(|field| self.has_pointers(field.type_, known, depth + 1))
            }
            Kind::Array { length: 0, .. } => false,
            Kind::Array { element, .. } | Kind::Run { element, .. } | Kind::Partial { element, .. } => {
                self.has_pointers(*element, known, depth + 1)
            }
            Kind::Unknown | Kind::Bool | Kind::Signed | Kind::Unsigned | Kind::Float | Kind::Complex => false,
            Kind::Sized { pointers, .. } => *pointers,
            _ => true,
        };
        known[id.index()] = Some(pointers);
        pointers
    }

    /// What an interface's data word holds of a type: the value itself if it is a pointer, which this is.
    pub(crate) fn pointer_shaped(&self, mut id: TypeId) -> Option<TypeId> {
        for _ in 0..DEPTH {
            match &self.get(id).kind {
                Kind::Struct(fields) => match &fields[..] {
                    [field] => id = field.type_,
                    _ => {
                        // Fields without size may stand beside it.
                        let mut sized = fields.iter().filter(|field| self.get(field.type_).size > 0);
                        let (Some(field), None) = (sized.next(), sized.next()) else { return None };
                        id = field.type_;
                    }
                },
                Kind::Array { element, length: 1 } => id = *element,
                Kind::Pointer(_) | Kind::UnsafePointer | Kind::Func | Kind::Map(_) | Kind::Chan(_) => {
                    return Some(id);
                }
                _ => return None,
            }
        }
        None
    }
}

fn without(pointers: bool) -> &'static str {
    if pointers { "" } else { " without pointers" }
}
