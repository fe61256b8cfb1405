//! The runtime's headers of maps and channels, for programs whose debugging information does not tell them.

use super::table::{Field, Kind, Shape, TypeId, Types};

/// Makes the header of a map or a channel, of which a descriptor only names the parts: buckets or groups, elements.
pub(super) fn add_header(types: &mut Types, id: TypeId) {
    let name = types.get(id).name.to_string();
    match types.get(id).kind {
        Kind::Chan(element) => {
            let header = channel(types, &name, element);
            types.get_mut(id).kind = Kind::Chan(header);
        }
        Kind::Map(part) => {
            let first = match &types.get(part).kind {
                Kind::Struct(fields) => fields.first().map(|field| field.name.clone()),
                _ => None,
            };
            types.get_mut(part).shape = Shape::Repeats;
            let header = match first.as_deref() {
                Some("ctrl") => swiss_map(types, &name, part),
                _ => hash_map(types, &name, part),
            };
            types.get_mut(id).kind = Kind::Map(header);
        }
        _ => {}
    }
}

/// Adds a structure of the runtime's.
fn structure(types: &mut Types, name: &str, size: u64, fields: &[(&str, u64, TypeId)]) -> TypeId {
    let field = |&(name, offset, type_): &(&str, u64, TypeId)| Field {
        name: name.into(),
        offset,
        type_,
        embedded: false,
    };
    let id = types.add(name, size, Kind::Struct(fields.iter().map(field).collect()));
    let type_ = types.get_mut(id);
    (type_.pointers, type_.shape) = (true, Shape::Inner);
    id
}

/// Adds a pointer of the runtime's, of a kind.
fn pointer(types: &mut Types, name: String, kind: Kind) -> TypeId {
    let id = types.add(name, types.word, kind);
    types.get_mut(id).pointers = true;
    id
}

/// An integer of the runtime's.
fn integer(types: &mut Types, size: u64) -> TypeId {
    types.add(format!("uint{}", 8 * size), size, Kind::Unsigned)
}

/// Source: `runtime.hchan`.
fn channel(types: &mut Types, name: &str, element: TypeId) -> TypeId {
    let word = types.word;
    let (count, buffer) =
        (integer(types, word), pointer(types, format!("{name} buffer"), Kind::ChanBuffer(element)));
    let fields = [("qcount", 0, count), ("dataqsiz", word, count), ("buf", 2 * word, buffer)];
    let id = structure(types, name, 3 * word, &fields);
    types.get_mut(id).shape = Shape::OpenEnded;
    id
}

/// Source: `runtime.hmap`, up to Go 1.23.
fn hash_map(types: &mut Types, name: &str, bucket: TypeId) -> TypeId {
    types.get_mut(bucket).name = format!("{name} buckets").into();
    let to_bucket = pointer(types, format!("*{name} buckets"), Kind::Pointer(bucket));
    // In buckets without pointers it is a number.
    let overflow = match &mut types.get_mut(bucket).kind {
        Kind::Struct(fields) => fields.iter().position(|field| &*field.name == "overflow"),
        _ => None,
    };
    if let Some(overflow) = overflow
        && let Kind::Struct(fields) = &mut types.get_mut(bucket).kind
    {
        fields[overflow].type_ = to_bucket;
    }
    let word = types.word;
    let count = integer(types, word);
    let fields =
        [("count", 0, count), ("buckets", 8 + word, to_bucket), ("oldbuckets", 8 + 2 * word, to_bucket)];
    structure(types, name, 8 + 5 * word, &fields)
}

/// Source: `internal/runtime/maps.Map` and `table`, since Go 1.24.
fn swiss_map(types: &mut Types, name: &str, group: TypeId) -> TypeId {
    types.get_mut(group).name = format!("{name} groups").into();
    let word = types.word;
    let to_group = pointer(types, format!("*{name} groups"), Kind::Pointer(group));
    let table = structure(types, &format!("{name} table"), 16 + 2 * word, &[("groups", 8 + word, to_group)]);
    let to_table = pointer(types, format!("*{name} table"), Kind::Pointer(table));
    let directory = Kind::Directory { group, table: to_table };
    let directory = pointer(types, format!("{name} directory"), directory);
    let used = integer(types, 8);
    let fields = [("used", 0, used), ("dirPtr", 8 + word, directory)];
    structure(types, name, 16 + 4 * word, &fields)
}
