//! Where the pointers of a type's values are, so that a value can be followed without looking at its type again.

use super::table::{DEPTH, Kind, TypeId, Types};

/// Something in a value that leads elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    /// Where it is, in bytes from the value's start.
    pub offset: u64,
    pub step: Step,
}

/// How it leads elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Pointer(TypeId),
    Text,
    Slice(TypeId),
    Interface,
    EmptyInterface,
    Func,
    ChanBuffer(TypeId),
    Directory {
        group: TypeId,
        table: TypeId,
    },
    /// A value with leaves of its own.
    Value(TypeId),
    /// So many of them.
    Array {
        element: TypeId,
        length: u64,
    },
    /// An `unsafe.Pointer`, which leads to nobody knows what.
    Opaque,
    /// `reflect.Value`.
    Reflected,
    /// `internal/sync.node`, which is the start of one of two other types.
    Node(TypeId),
}

/// The leaves of all types, found when they are first needed.
#[derive(Default)]
pub(super) struct Plans {
    leaves: Vec<Leaf>,
    /// Where a type's leaves are.
    ranges: Vec<Option<(u32, u32)>>,
}

/// The most leaves that a value is taken apart into. Of others, parts are values of their own.
const MOST_LEAVES: usize = 512;
/// The most leaves of all types together, after which parts are values of their own: types may overlap without end.
const MOST_OF_ALL: usize = 1 << 21;
/// Arrays of up to so many elements are taken apart.
const SHORT_ARRAY: u64 = 8;

impl Plans {
    /// The leaves of a type, as indexes for [`leaf`](Self::leaf).
    pub fn of(&mut self, types: &Types, id: TypeId) -> std::ops::Range<usize> {
        if self.ranges.len() <= id.index() {
            self.ranges.resize(types.len(), None);
        }
        let (start, end) = match self.ranges[id.index()] {
            Some(range) => range,
            None => {
                let start = self.leaves.len();
                self.take_apart(types, id, 0, start, 0);
                let range = (start as u32, self.leaves.len() as u32);
                self.ranges[id.index()] = Some(range);
                range
            }
        };
        start as usize..end as usize
    }

    #[inline]
    pub fn leaf(&self, index: usize) -> Leaf {
        self.leaves[index]
    }

    /// Where a type's values have pointers, in bytes from their start.
    pub fn pointers(&mut self, types: &Types, id: TypeId) -> Vec<u64> {
        let word = types.word;
        let offsets = |leaf: Leaf| match leaf.step {
            Step::Interface | Step::EmptyInterface => vec![leaf.offset, leaf.offset.saturating_add(word)],
            _ => vec![leaf.offset],
        };
        self.of(types, id).flat_map(|index| offsets(self.leaf(index))).collect()
    }

    fn take_apart(&mut self, types: &Types, id: TypeId, offset: u64, start: usize, depth: u32) {
        let type_ = types.get(id);
        if !type_.pointers || depth > DEPTH {
            return;
        }
        let full = self.leaves.len() - start >= MOST_LEAVES || self.leaves.len() >= MOST_OF_ALL;
        let step = match &type_.kind {
            Kind::Struct(_) if &*type_.name == "reflect.Value" => Step::Reflected,
            // A value's own leaf can't be the value.
            Kind::Struct(fields) if depth == 0 || !full && fields.len() <= MOST_LEAVES => {
                for field in fields {
                    self.take_apart(
                        types,
                        field.type_,
                        offset.saturating_add(field.offset),
                        start,
                        depth + 1,
                    );
                }
                return;
            }
            Kind::Struct(_) => Step::Value(id),
            Kind::Array { element, length } => {
                let size = types.get(*element).size;
                if *length <= SHORT_ARRAY && !full {
                    for i in 0..*length {
                        self.take_apart(
                            types,
                            *element,
                            offset.saturating_add(size.saturating_mul(i)),
                            start,
                            depth + 1,
                        );
                    }
                    return;
                }
                Step::Array { element: *element, length: *length }
            }
            Kind::Pointer(of) if is_node(&types.get(*of).name) => Step::Node(*of),
            Kind::Pointer(of) => Step::Pointer(*of),
            Kind::Map(header) | Kind::Chan(header) => Step::Pointer(*header),
            Kind::String => Step::Text,
            Kind::Slice(element) => Step::Slice(*element),
            Kind::Interface => Step::Interface,
            Kind::EmptyInterface => Step::EmptyInterface,
            Kind::Func => Step::Func,
            Kind::UnsafePointer => Step::Opaque,
            Kind::ChanBuffer(element) => Step::ChanBuffer(*element),
            Kind::Directory { group, table } => Step::Directory { group: *group, table: *table },
            _ => return,
        };
        self.leaves.push(Leaf { offset, step });
    }
}

/// Whether a type is the node of a `HashTrieMap`, by its own name or as that of generic functions.
fn is_node(name: &str) -> bool {
    ["internal/sync.node[", "unique.node["].iter().any(|start| name.starts_with(start))
        || name == "go.shape.struct { internal/sync.isEntry bool }"
}
