//! What changed between two dumps of one process.
//!
//! Go's collector does not move objects: an object of the first dump that is still there has the same address, size and
//! type in the second. (One that was freed, and whose place an object of the same type has taken, counts as the same.)

use std::collections::HashMap;

use crate::heap::{Heap, Label, Total};
use crate::suspects::{Suspect, suspects};
use crate::tree::Tree;

/// What changed from one heap to another.
pub struct Diff {
    /// What roots reached before.
    pub before: Total,
    /// What they reach now.
    pub after: Total,
    /// The types of objects, that which has grown most first.
    pub types: Vec<TypeChange>,
    /// The merged dominator tree of the second heap.
    pub tree: Tree,
    /// For each place of that tree what was there before: how many, and what they retained in bytes.
    pub old: Vec<(u64, u64)>,
    /// Where the growth accumulates, most first: places of the tree.
    pub suspects: Vec<Suspect>,
}

/// What changed among the objects of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeChange {
    /// The type's name.
    pub name: String,
    /// Objects of the first heap, and their bytes.
    pub before: Total,
    /// Objects of the second heap, and their bytes.
    pub after: Total,
    /// Objects that are in both.
    pub survived: Total,
}

impl TypeChange {
    /// By how many bytes they are more, or fewer.
    pub fn growth(&self) -> i128 {
        i128::from(self.after.bytes) - i128::from(self.before.bytes)
    }

    /// Objects that only the second heap has.
    pub fn added(&self) -> u64 {
        self.after.objects - self.survived.objects
    }

    /// Objects that only the first heap has.
    pub fn gone(&self) -> u64 {
        self.before.objects - self.survived.objects
    }
}

impl Diff {
    /// By how many bytes the heap is larger, or smaller.
    pub fn growth(&self) -> i128 {
        i128::from(self.after.bytes) - i128::from(self.before.bytes)
    }

    /// By how many bytes a place of the tree retains more than before; 0 if it retains less.
    pub fn growth_of(&self, place: u32) -> u64 {
        self.tree.nodes()[place as usize].retained.saturating_sub(self.old[place as usize].1)
    }

    /// By how many nodes a place of the tree has more than before; 0 if it has fewer.
    pub fn more_at(&self, place: u32) -> u64 {
        self.tree.nodes()[place as usize].count.saturating_sub(self.old[place as usize].0)
    }

    /// Compares two heaps of one process.
    pub fn new(old: &Heap<'_, '_>, new: &Heap<'_, '_>) -> Self {
        let tree = Tree::new(new);
        let before = join(old, &Tree::new(old), new, &tree);
        let children = tree.children();
        let weight =
            |place: u32| tree.nodes()[place as usize].retained.saturating_sub(before[place as usize].1);
        let whole = weight(0).max(children[0].iter().map(|&child| weight(child)).max().unwrap_or(0));
        let suspects = suspects(&tree, &children, weight, (whole / 10).max(1));
        Self {
            before: old.reached(),
            after: new.reached(),
            types: types(old, new),
            tree,
            old: before,
            suspects,
        }
    }
}

/// For each place of the new tree what was at the same place of the old one, by names.
fn join(old: &Heap<'_, '_>, old_tree: &Tree, new: &Heap<'_, '_>, new_tree: &Tree) -> Vec<(u64, u64)> {
    let mut names: HashMap<String, u32> = HashMap::new();
    let mut number = |key: String| {
        let next = names.len() as u32;
        *names.entry(key).or_insert(next)
    };
    let mut numbers = |heap: &Heap<'_, '_>, tree: &Tree| -> Vec<u32> {
        let mut known: HashMap<Label, u32> = HashMap::new();
        let nodes = tree.nodes().iter();
        nodes
            .map(|node| *known.entry(node.label).or_insert_with(|| number(heap.key(node.label, node.sample))))
            .collect()
    };
    let (old_names, new_names) = (numbers(old, old_tree), numbers(new, new_tree));
    let mut places: HashMap<(u32, u32), u32> = HashMap::new();
    for ((node, name), at) in old_tree.nodes().iter().zip(old_names).zip(0u32..).skip(1) {
        places.entry((node.parent, name)).or_insert(at);
    }
    // The place of the old tree for each of the new one.
    let mut joined: Vec<Option<u32>> = Vec::with_capacity(new_names.len());
    for (node, name) in new_tree.nodes().iter().zip(new_names) {
        let place = match joined.get(node.parent as usize) {
            None => Some(0),
            Some(parent) => parent.and_then(|parent| places.get(&(parent, name)).copied()),
        };
        joined.push(place);
    }
    let of_old = |place: u32| {
        let node = &old_tree.nodes()[place as usize];
        (node.count, node.retained)
    };
    joined.into_iter().map(|place| place.map_or((0, 0), of_old)).collect()
}

/// The objects of both heaps side by side, in the order of their addresses.
fn types(old: &Heap<'_, '_>, new: &Heap<'_, '_>) -> Vec<TypeChange> {
    let mut changes = Changes::default();
    let mut olds = alive(old).peekable();
    for object in alive(new) {
        let place = (new.index().address(object as usize), new.size(object));
        while let Some(before) =
            olds.next_if(|&before| (old.index().address(before as usize), old.size(before)) < place)
        {
            changes.before(old, before);
        }
        let after = changes.after(new, object);
        if let Some(before) =
            olds.next_if(|&before| (old.index().address(before as usize), old.size(before)) == place)
            && changes.before(old, before) == after
        {
            changes.survived(after, new.size(object));
        }
    }
    for before in olds {
        changes.before(old, before);
    }
    let mut types = changes.types;
    types.sort_by(|a, b| (b.growth(), b.after.bytes, &a.name).cmp(&(a.growth(), a.after.bytes, &b.name)));
    types
}

fn alive<'h>(heap: &'h Heap<'_, '_>) -> impl Iterator<Item = u32> + 'h {
    (0..heap.graph().objects()).filter(|&object| heap.dominators().reaches(object))
}

#[derive(Default)]
struct Changes {
    types: Vec<TypeChange>,
    by_name: HashMap<String, usize>,
    /// The types of labels, of the old heap and of the new one.
    labels: [HashMap<Label, usize>; 2],
}

impl Changes {
    fn place(&mut self, heap: &Heap<'_, '_>, object: u32, side: usize) -> usize {
        let Self { types, by_name, labels } = self;
        let label = heap.label(object);
        *labels[side].entry(label).or_insert_with(|| {
            let name = heap.name(label, object);
            *by_name.entry(name.clone()).or_insert_with(|| {
                let none = Total::default();
                types.push(TypeChange { name, before: none, after: none, survived: none });
                types.len() - 1
            })
        })
    }

    fn before(&mut self, heap: &Heap<'_, '_>, object: u32) -> usize {
        let place = self.place(heap, object, 0);
        self.types[place].before.add(heap.size(object));
        place
    }

    fn after(&mut self, heap: &Heap<'_, '_>, object: u32) -> usize {
        let place = self.place(heap, object, 1);
        self.types[place].after.add(heap.size(object));
        place
    }

    fn survived(&mut self, place: usize, size: u64) {
        self.types[place].survived.add(size);
    }
}
