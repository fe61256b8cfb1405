//! From types as they stand in the debugging information to Go's types.

use super::scan::RawType;
use crate::types::table::{DEPTH, Field, Kind, Shape, TypeId, Types};

/// The numbers of `reflect.Kind` that tell apart what has the same tag.
mod go_kind {
    pub const CHAN: u64 = 18;
    pub const INTERFACE: u64 = 20;
    pub const MAP: u64 = 21;
    pub const SLICE: u64 = 23;
    pub const STRING: u64 = 24;
    pub const UNSAFE_POINTER: u64 = 26;
}

/// Adds the types, and tells the number that each has there.
pub(super) fn resolve(raw: Vec<RawType>, types: &mut Types) -> Vec<TypeId> {
    let mut ids = Vec::with_capacity(raw.len());
    // Other names for a type are that type, but for maps, channels and interfaces, which have no other entry.
    for type_ in &raw {
        let alias = is_alias(type_);
        ids.push(if alias { TypeId::UNKNOWN } else { types.add(printed(&type_.name), 0, Kind::Unknown) });
    }
    for number in 0..raw.len() {
        if is_alias(&raw[number]) {
            ids[number] = ids[behind_aliases(&raw, number)];
        }
    }
    let first = types.len();
    for (number, type_) in raw.iter().enumerate() {
        if is_alias(type_) {
            continue;
        }
        let id = ids[number];
        let kind = kind(&raw, type_, &ids, types.word);
        let size = match kind {
            Kind::Pointer(_) | Kind::UnsafePointer | Kind::Func | Kind::Map(_) | Kind::Chan(_) => types.word,
            Kind::Interface | Kind::EmptyInterface => 2 * types.word,
            _ => type_.size,
        };
        let place = types.get_mut(id);
        (place.kind, place.size) = (kind, size);
        if let Some(descriptor) = type_.descriptor {
            types.by_descriptor.insert(descriptor, id);
        }
    }
    debug_assert_eq!(first, types.len());
    for &id in &ids {
        special(types, id);
    }
    known_shapes(types);
    types.find_pointers();
    ids
}

/// What the standard library keeps behind an `unsafe.Pointer`: structure, field, and what it points to.
const KNOWN_POINTERS: [(&str, &str, &str); 3] = [
    ("sync.Pool", "local", "sync.poolLocal"),
    ("sync.Pool", "victim", "sync.poolLocal"),
    ("sync.entry", "p", "interface {}"),
];

/// What no type says.
fn known_shapes(types: &mut Types) {
    let named = |types: &Types, name: &str| {
        types.iter().find(|(_, type_)| &*type_.name == name && type_.size > 0).map(|(id, _)| id)
    };
    // Up to Go 1.16 the arguments of the deferred call follow it.
    if let Some(defer) = named(types, "runtime._defer") {
        types.get_mut(defer).shape = Shape::OpenEnded;
    }
    for (structure, field, of) in KNOWN_POINTERS {
        if let (Some(structure), Some(of)) = (named(types, structure), named(types, of)) {
            // There is one for each processor.
            if field != "p" {
                types.get_mut(of).shape = Shape::Repeats;
            }
            let pointer = types.add(format!("*{}", types.get(of).name), types.word, Kind::Pointer(of));
            set_field(types, structure, field, pointer);
        }
    }
}

/// A name as Go prints it: without what the compiler says of types that need no functions for hashing.
fn printed(name: &str) -> Box<str> {
    name.replace("noalg.", "").into()
}

fn is_alias(type_: &RawType) -> bool {
    type_.tag == Some(gimli::DW_TAG_typedef)
        && type_.of.is_some()
        && !matches!(type_.go_kind, go_kind::MAP | go_kind::CHAN | go_kind::INTERFACE)
}

fn behind_aliases(raw: &[RawType], mut number: usize) -> usize {
    for _ in 0..DEPTH {
        match raw[number].of {
            Some(of) if is_alias(&raw[number]) => number = of as usize,
            _ => break,
        }
    }
    number
}

fn kind(raw: &[RawType], type_: &RawType, ids: &[TypeId], word: u64) -> Kind {
    let of = type_.of.map(|number| ids[number as usize]);
    let element = type_.element.map_or(TypeId::UNKNOWN, |number| ids[number as usize]);
    let Some(tag) = type_.tag else { return Kind::Unknown };
    match tag {
        gimli::DW_TAG_pointer_type => match of {
            Some(of) if type_.go_kind != go_kind::UNSAFE_POINTER => Kind::Pointer(of),
            _ => Kind::UnsafePointer,
        },
        gimli::DW_TAG_subroutine_type => Kind::Func,
        gimli::DW_TAG_array_type => Kind::Array { element: of.unwrap_or_default(), length: type_.count },
        gimli::DW_TAG_structure_type => match (type_.go_kind, &*type_.name) {
            (go_kind::STRING, _) | (_, "string") => Kind::String,
            (go_kind::SLICE, _) => Kind::Slice(element),
            (_, "runtime.eface") => Kind::EmptyInterface,
            (_, "runtime.iface") => Kind::Interface,
            _ => Kind::Struct(
                type_
                    .fields
                    .iter()
                    .map(|field| Field {
                        name: field.name.clone(),
                        offset: field.offset,
                        type_: ids[field.type_ as usize],
                        embedded: field.embedded,
                    })
                    .collect(),
            ),
        },
        // The pointer to the header stays in between until `special`.
        gimli::DW_TAG_typedef => match type_.go_kind {
            go_kind::MAP => Kind::Map(of.unwrap_or_default()),
            go_kind::CHAN => Kind::Chan(of.unwrap_or_default()),
            _ => match type_.of.map(|of| &*raw[behind_aliases(raw, of as usize)].name) {
                Some("runtime.eface") => Kind::EmptyInterface,
                _ => Kind::Interface,
            },
        },
        // `DW_ATE_*`
        gimli::DW_TAG_base_type => match type_.encoding {
            2 => Kind::Bool,
            3 => Kind::Complex,
            4 => Kind::Float,
            5 | 6 => Kind::Signed,
            _ if type_.name.starts_with("unsafe.Pointer") && type_.size == word => Kind::UnsafePointer,
            _ => Kind::Unsigned,
        },
        _ => Kind::Unknown,
    }
}

/// What the debugging information does not say of maps, channels and others.
fn special(types: &mut Types, id: TypeId) {
    match types.get(id).kind {
        Kind::Map(pointer) => {
            let name = types.get(id).name.clone();
            if let Kind::Pointer(header) = types.get(pointer).kind {
                types.get_mut(id).kind = Kind::Map(header);
                map_header(types, &name, header);
            }
        }
        Kind::Chan(pointer) => {
            let name = types.get(id).name.clone();
            if let Kind::Pointer(header) = types.get(pointer).kind {
                types.get_mut(id).kind = Kind::Chan(header);
                chan_header(types, name, header);
            }
        }
        Kind::Struct(ref fields) if types.get(id).is_atomic_pointer() => {
            // `_ [0]*T` says what `v unsafe.Pointer` points to.
            let of = fields.iter().find_map(|field| match types.get(field.type_).kind {
                Kind::Array { element, length: 0 } => Some(element),
                _ => None,
            });
            let Some(of) = of else { return };
            set_field(types, id, "v", of);
        }
        _ => {}
    }
}

/// Names the parts of a map after it, and finds the pointer that has two meanings.
fn map_header(types: &mut Types, name: &str, header: TypeId) {
    // A header may be that of several types. The one without a name of its own says what the map is of.
    if types.get(header).shape == Shape::Inner && !name.starts_with("map[") {
        return;
    }
    let rename = |types: &mut Types, id: TypeId, what: &str| {
        types.get_mut(id).name = format!("{name}{what}").into();
    };
    if let Some(bucket) = field(types, header, "buckets").and_then(|buckets| pointee(types, buckets)) {
        rename(types, bucket, " buckets");
        types.get_mut(bucket).shape = Shape::Repeats;
    }
    if let Some(directory) = field(types, header, "dirPtr")
        && let Some(table_pointer) = pointee(types, directory)
        && let Some(table) = pointee(types, table_pointer)
        && let Some(groups) = field(types, table, "groups")
        && let Some(data) = field(types, groups, "data")
        && let Some(group) = pointee(types, data)
    {
        rename(types, group, " groups");
        rename(types, table, " table");
        types.get_mut(table_pointer).name = format!("*{name} table").into();
        for part in [table, groups] {
            types.get_mut(part).shape = Shape::Inner;
        }
        types.get_mut(group).shape = Shape::Repeats;
        let kind = Kind::Directory { group, table: table_pointer };
        let directory = types.add(format!("{name} directory"), types.word, kind);
        set_field(types, header, "dirPtr", directory);
    }
    rename(types, header, "");
    types.get_mut(header).shape = Shape::Inner;
}

/// Names a channel's header after it, and finds its buffer.
fn chan_header(types: &mut Types, name: Box<str>, header: TypeId) {
    if types.get(header).shape == Shape::OpenEnded {
        return;
    }
    let element = field(types, header, "recvq")
        .and_then(|queue| field(types, queue, "first"))
        .and_then(|first| pointee(types, first))
        .and_then(|sudog| field(types, sudog, "elem"))
        .and_then(|element| pointee(types, element));
    if let Some(element) = element {
        let buffer = types.add(format!("{name} buffer"), types.word, Kind::ChanBuffer(element));
        set_field(types, header, "buf", buffer);
    }
    let header = types.get_mut(header);
    (header.name, header.shape) = (name, Shape::OpenEnded);
}

/// The type of a structure's field.
fn field(types: &Types, id: TypeId, name: &str) -> Option<TypeId> {
    let Kind::Struct(fields) = &types.get(id).kind else { return None };
    fields.iter().find(|field| &*field.name == name).map(|field| field.type_)
}

fn set_field(types: &mut Types, id: TypeId, name: &str, type_: TypeId) {
    if let Kind::Struct(fields) = &mut types.get_mut(id).kind
        && let Some(field) = fields.iter_mut().find(|field| &*field.name == name)
    {
        field.type_ = type_;
    }
}

fn pointee(types: &Types, id: TypeId) -> Option<TypeId> {
    match types.get(id).kind {
        Kind::Pointer(of) => Some(of),
        _ => None,
    }
}
