//! How much what is known says about an object, so that the best of it wins.
//!
//! The rule: what an earlier source has said of a whole object stays (the sources, in this order: malloc headers and
//! finalizers; global variables and what the runtime keeps; stacks). Within a source what covers the whole object beats
//! what covers a part of it; of two parts the larger one wins; of two wholes the one that says more than that there are
//! bytes; and otherwise what was found first.

use super::table::{Kind, Shape, TypeId, Types};

/// What a pointer promises of the memory that it points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// A value.
    One,
    /// So many values, one after the other.
    Many(u64),
}

impl Extent {
    /// As many values as there is room for.
    pub const UP_TO_THE_END: u64 = u64::MAX;
}

/// How much a type says about an object that has it. Larger is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Strength {
    grade: Grade,
    /// How much of the object it covers, in bytes.
    covered: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    /// Nothing is known.
    #[default]
    None,
    /// Only a part.
    Part,
    /// It is an array of that, although the slice that says so is smaller.
    Run,
    /// It is of bytes.
    Bytes,
    /// It is of a type's shape: a generic function says no more.
    Shape,
    /// It is all of that.
    Whole,
}

impl Strength {
    /// Of a type that an object has.
    pub fn of(types: &Types, id: TypeId) -> Self {
        let type_ = types.get(id);
        let (grade, covered) = match type_.kind {
            Kind::Sized { .. } | Kind::Header(_) => (Grade::None, 0),
            Kind::Unknown if type_.shape == Shape::Whole => (Grade::None, 0),
            Kind::Partial { element, .. } => (Grade::Part, types.get(element).size),
            Kind::Run { certain: false, .. } => (Grade::Run, 0),
            Kind::Run { element: TypeId::BYTE, .. } => (Grade::Bytes, 0),
            Kind::Run { element, .. } if &*types.get(element).name == "uint8" => (Grade::Bytes, 0),
            _ if type_.name.starts_with("go.shape.") || type_.name.starts_with("[]go.shape.") => {
                (Grade::Shape, 0)
            }
            _ => (Grade::Whole, 0),
        };
        Self { grade, covered }
    }

    /// Whether it says something of every byte.
    pub fn is_whole(self) -> bool {
        self.grade >= Grade::Run
    }

    /// Whether nothing more can be learned.
    pub fn is_final(self) -> bool {
        self.grade == Grade::Whole
    }
}

/// Whether a value of this size is what an object of that size was allocated for: size classes waste no more.
/// Source: `runtime/sizeclasses.go`.
pub(super) fn fits(value: u64, object: u64) -> bool {
    match object {
        _ if value > object => false,
        // The smallest class.
        0..=8 => true,
        9..=64 => value > object / 2,
        65..=32768 => object - value <= (object / 6).max(16),
        _ => object - value < 8192,
    }
}

/// What an object of `size` bytes is, given that there is a value of a type, or some, at an offset. `pointers` is
/// whether the object may have pointers. `None` if this can't be.
pub(super) fn object_type(
    types: &mut Types,
    (id, extent): (TypeId, Extent),
    offset: u64,
    size: u64,
    pointers: bool,
) -> Option<TypeId> {
    let type_ = types.get(id);
    let (of_one, shape) = (type_.size, type_.shape);
    let kind = type_.kind.clone();
    if let Kind::Run { element, .. } = kind {
        // A type that has no size of its own: a string's bytes.
        let length = if let Extent::Many(length) = extent { length } else { 1 };
        let end = offset.checked_add(length).filter(|&end| end <= size)?;
        let tiny = !pointers && size == 16 && (offset != 0 || length <= 8);
        return Some(match () {
            () if tiny => TypeId::TINY,
            () if pointers => types.of_object(Kind::Partial { offset, element }),
            () if fits(end, size) => id,
            () => TypeId::LONGER_TEXT,
        });
    }
    if shape == Shape::OpenEnded && offset == 0 && of_one <= size {
        return Some(id);
    }
    // Buckets of maps are the exception: their chain is no pointer where keys and elements have none.
    let alike = type_.pointers == pointers || shape == Shape::Repeats;
    // An object without pointers is none of a type that has some.
    if !alike && !pointers {
        return None;
    }
    if of_one == 0 || offset > size {
        return None;
    }
    let count = match extent {
        Extent::One => 1,
        Extent::Many(Extent::UP_TO_THE_END) => (size - offset) / of_one,
        Extent::Many(count) => count,
    };
    let covered = of_one.checked_mul(count)?;
    let end = offset.checked_add(covered).filter(|&end| end <= size)?;
    let run = matches!(extent, Extent::Many(_)) || shape == Shape::Repeats && size >= 2 * of_one;
    let aligned = offset.is_multiple_of(of_one);
    Some(match () {
        () if !pointers && size == 16 && (offset != 0 || covered <= 8) => TypeId::TINY,
        () if !alike => types.of_object(Kind::Partial { offset, element: id }),
        () if run && aligned => {
            let certain = shape == Shape::Repeats || fits(end, size);
            types.of_object(Kind::Run { element: id, certain })
        }
        () if offset == 0 && fits(covered, size) => id,
        () => types.of_object(Kind::Partial { offset, element: id }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::table::Field;

    /// A structure of this size, with a pointer at its start or without.
    fn structure(types: &mut Types, name: &str, size: u64, pointer: bool) -> TypeId {
        let to_byte = types.add("*uint8", 8, Kind::Pointer(TypeId::BYTE));
        let type_ = if pointer { to_byte } else { TypeId::BYTE };
        let field = Field { name: "first".into(), offset: 0, type_, embedded: false };
        let id = types.add(name, size, Kind::Struct(vec![field]));
        types.find_pointers();
        id
    }

    #[test]
    fn what_a_pointer_says_of_an_object() {
        let mut types = Types::new(8);
        let small = structure(&mut types, "Small", 16, true);
        let large = structure(&mut types, "Large", 96, true);
        let plain = structure(&mut types, "Plain", 24, false);
        let group = structure(&mut types, "map[K]V groups", 40, true);
        types.get_mut(group).shape = Shape::Repeats;
        let (one, many) = (Extent::One, Extent::Many);
        let mut name = |id, extent, offset, size, pointers| {
            let id = object_type(&mut types, (id, extent), offset, size, pointers);
            id.map(|id| types.get(id).name.to_string())
        };
        for (id, extent, offset, size, pointers, expected) in [
            (large, one, 0, 96, true, Some("Large")),
            (small, one, 0, 96, true, Some("? starting with Small")),
            (small, one, 32, 96, true, Some("? with Small at +32")),
            (large, one, 0, 80, true, None),
            (large, one, 8, 96, true, None),
            // An object without pointers is nothing that has some, and the other way it is a part.
            (large, one, 0, 96, false, None),
            (plain, one, 0, 24, true, Some("? starting with Plain")),
            (plain, one, 0, 24, false, Some("Plain")),
            // Slices say what all of the object is, also from its middle if elements lie there.
            (small, many(6), 0, 96, true, Some("[]Small")),
            (small, many(1), 0, 96, true, Some("[]Small")),
            (small, many(2), 64, 96, true, Some("[]Small")),
            (small, many(2), 8, 96, true, Some("? with Small at +8")),
            (small, many(7), 0, 96, true, None),
            (small, many(Extent::UP_TO_THE_END), 0, 96, true, Some("[]Small")),
            (small, many(u64::MAX - 1), 0, 96, true, None),
            // The runtime has one pointer to an array of groups.
            (group, one, 0, 320, true, Some("map[K]V groups")),
            (group, one, 0, 320, false, Some("map[K]V groups")),
            // Strings.
            (TypeId::TEXT, many(30), 0, 32, false, Some("string")),
            (TypeId::TEXT, many(5), 20, 64, false, Some("string")),
            (TypeId::TEXT, many(33), 0, 32, false, None),
            (TypeId::TEXT, many(12), 0, 16, false, Some("string")),
            // Blocks of the tiny allocator.
            (TypeId::TEXT, many(5), 0, 16, false, Some("tiny allocator block")),
            (TypeId::TEXT, many(5), 8, 16, false, Some("tiny allocator block")),
            (TypeId::BYTE, one, 3, 16, false, Some("tiny allocator block")),
        ] {
            let found = name(id, extent, offset, size, pointers);
            assert_eq!(found.as_deref(), expected, "{id:?} {extent:?} at {offset} of {size}");
        }
    }

    #[test]
    fn the_better_evidence_wins() {
        let mut types = Types::new(8);
        let small = structure(&mut types, "Small", 16, true);
        let large = structure(&mut types, "Large", 96, true);
        let shape = structure(&mut types, "go.shape.struct { first *uint8 }", 96, true);
        let run = |types: &mut Types, element, certain| types.of_object(Kind::Run { element, certain });
        let part = |types: &mut Types, offset, element| types.of_object(Kind::Partial { offset, element });
        let ascending = [
            TypeId::UNKNOWN,
            part(&mut types, 0, small),
            part(&mut types, 8, large),
            run(&mut types, small, false),
            run(&mut types, TypeId::BYTE, true),
            shape,
            large,
        ];
        let strengths = ascending.map(|id| Strength::of(&types, id));
        assert!(strengths.is_sorted_by(|weaker, stronger| weaker < stronger), "{strengths:?}");
        // Of two that are as good, the first one stays.
        let certain = run(&mut types, small, true);
        assert_eq!(Strength::of(&types, certain), Strength::of(&types, large));
        assert!(strengths[6].is_final() && !strengths[5].is_final());
        assert!(strengths[3].is_whole() && !strengths[2].is_whole());
    }

    #[test]
    fn values_fit_the_size_classes_of_every_release() {
        // Sizes of values, and the classes that they are allocated in.
        for (value, class) in [
            (4, 8),
            (8, 8),
            (9, 16),
            (17, 32),
            (25, 32),
            (33, 48),
            (97, 112),
            (513 + 8, 576),
            (1025, 1152),
            (4097, 4864),
            (24577, 27264),
            (32769, 40960),
        ] {
            assert!(fits(value, class), "{value} in {class}");
        }
        for (value, object) in
            [(8, 16), (16, 48), (48, 96), (512, 1024), (17, 16), (20000, 32768), (32768, 49152)]
        {
            assert!(!fits(value, object), "{value} in {object}");
        }
    }
}
