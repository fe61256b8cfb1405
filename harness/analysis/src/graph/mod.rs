//! The graph of a dump: objects and roots, and what points to what.

mod build;
mod roots;
mod rows;

use heapmatrix_reader::{Index, SlotCount};

use crate::bits::Bits;

pub(crate) use build::RootEdge;
pub use build::VariableStart;
pub use roots::{Root, RootKind};

pub use rows::{Rows, TooLarge};

/// The objects of an [`Index`] and the roots of its dump as nodes of one graph, which are numbered without gaps: first
/// the objects, by the numbers that the index gives them, then the roots.
///
/// Takes 4 bytes a node and 4 an edge beside the index.
pub struct Graph {
    pub(crate) rows: Rows,
    pub(crate) objects: u32,
    pub(crate) roots: Vec<Root>,
    /// Sorted.
    pub(crate) edges: Vec<RootEdge>,
    pub(crate) excluded: Bits,
    pub(crate) counts: Counts,
}

/// Which words of stack frames are pointers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stacks {
    /// Every word that is an address in an object. Holds more than the process did where a frame has what it no longer
    /// uses; but nothing that a goroutine holds looks like garbage.
    Conservative,
    /// Those that the dump lists. They lack variables whose address is taken, in all releases since Go 1.12.
    Listed,
}

/// What a graph was made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records of objects.
    pub records: u64,
    /// Those among them that are no objects, and were left out; and those of which that is not known, which were not.
    pub slots: SlotCount,
    /// How many objects the runtime counted; `None` if the dump doesn't say.
    pub heap_objects: Option<u64>,
    /// Goroutines.
    pub goroutines: u64,
    /// Stack frames.
    pub frames: u64,
    /// Words of frames that point to an object and are not among the pointers that the dump lists. They are edges too:
    /// the lists are known to leave out variables whose address is taken.
    pub conservative: u64,
    /// Finalizers, set and queued.
    pub finalizers: u64,
}

impl Counts {
    /// Objects: records without those that are known to be none.
    pub fn objects(&self) -> u64 {
        self.records - self.slots.slots
    }
}

impl Graph {
    /// The graph of a dump. `variable` says where the global variable starts that has an address: its words are then one
    /// root, and otherwise a root each.
    ///
    /// # Errors
    /// If there are more nodes or edges than 32 bits can number.
    pub fn new(index: &Index<'_>, variable: VariableStart<'_>) -> Result<Self, TooLarge> {
        build::Builder::new(index, Stacks::Conservative)?.build(variable)
    }

    /// The same with frames followed in one way or the other.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn with_stacks(
        index: &Index<'_>,
        variable: VariableStart<'_>,
        stacks: Stacks,
    ) -> Result<Self, TooLarge> {
        build::Builder::new(index, stacks)?.build(variable)
    }

    /// The edges: a row for each node.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The number of objects; the first root has this number.
    pub fn objects(&self) -> u32 {
        self.objects
    }

    /// The number of nodes: objects and roots.
    pub fn len(&self) -> u32 {
        self.rows.len()
    }

    /// Whether there is no node. There is always one, the root of all.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The node from which all others are reached that are alive.
    pub fn all(&self) -> u32 {
        self.objects
    }

    /// The roots, by their nodes.
    pub fn roots(&self) -> impl Iterator<Item = (u32, &Root)> {
        (self.objects..).zip(&self.roots)
    }

    /// The root that a node is; `None` if it is an object.
    pub fn root(&self, node: u32) -> Option<&Root> {
        self.roots.get(node.checked_sub(self.objects)? as usize)
    }

    /// Where a root has its first pointer to an object: the address of a variable's word, or the offset in a frame.
    pub fn place(&self, root: u32, object: u32) -> Option<u64> {
        let at = self.edges.binary_search_by_key(&(root, object), |edge| (edge.from, edge.to)).ok()?;
        Some(self.edges[at].place)
    }

    /// Whether the dump has no root that points to an object. Then objects that no other one points to are held by the root of
    /// all.
    pub fn is_without_roots(&self) -> bool {
        let mut to_objects = self.edges.iter().filter(|edge| edge.to < self.objects).peekable();
        to_objects.peek().is_some() && to_objects.all(|edge| edge.from == self.objects)
    }

    /// Whether an object's record is in truth a slot that has no object.
    ///
    /// # Panics
    /// If `object` is not below [`objects`](Self::objects).
    pub fn is_excluded(&self, object: u32) -> bool {
        self.excluded.get(object as usize)
    }

    /// What it was made of.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}
