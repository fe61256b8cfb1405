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
        0..=64 => value > object / 2,
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
            () => types.of_object(Kind::Run { element, certain: false }),
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
