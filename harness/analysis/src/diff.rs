//! What changed between two dumps of one process.
//!
//! Go's collector does not move objects: an object of the first dump that is still there has the same address, size and
//! type in the second. (One that was freed, and whose place an object of the same type has taken, counts as the same.)
//!
//! What a place of the dominator tree has gained is what is new there without what is gone from there. What it retains
//! would mislead: a single new pointer, or a word of a stack that looks like one, moves what is old to another place.

use std::collections::HashMap;

use crate::bits::Bits;
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
    /// What each place of that tree has gained.
    gains: Vec<Gain>,
    /// Where the growth accumulates, most first: places of the tree.
    pub suspects: Vec<Suspect>,
}

/// What a place of the merged dominator tree has gained: what is new there, without what is gone from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Gain {
    /// Nodes of this place.
    nodes: i64,
    /// Bytes, with what is below it.
    bytes: i64,
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

    /// Whether hardly anything of the smaller heap is in the other at its address: then they are hardly of one process.
    pub fn is_of_two_processes(&self) -> bool {
        let survived: u64 = self.types.iter().map(|change| change.survived.objects).sum();
        survived * 20 < self.before.objects.min(self.after.objects)
    }

    /// How many bytes a place of the tree has gained, with what is below it; what it has lost is negative.
    pub fn growth_of(&self, place: u32) -> i64 {
        self.gains[place as usize].bytes
    }

    /// How many nodes a place of the tree has gained; 0 if it has fewer.
    pub fn more_at(&self, place: u32) -> u64 {
        self.gains[place as usize].nodes.max(0) as u64
    }

    /// Compares two heaps of one process.
    pub fn new(old: &Heap<'_, '_>, new: &Heap<'_, '_>) -> Self {
        let Survivors { types, in_old, in_new } = types(old, new);
        // Roots have no address to be known by: all of them are counted, and the difference is what is new.
        let is_part = |heap: &Heap<'_, '_>, survives: &Bits, node: u32| {
            node >= heap.graph().objects() || !survives.get(node as usize)
        };
        let (tree, added) = Tree::with_parts(new, |node| is_part(new, &in_new, node));
        let (old_tree, gone) = Tree::with_parts(old, |node| is_part(old, &in_old, node));
        let gains: Vec<Gain> = join(old, &old_tree, new, &tree)
            .into_iter()
            .zip(&added)
            .map(|(place, added)| {
                let gone = place.map_or_else(Total::default, |place| gone[place as usize]);
                Gain {
                    nodes: difference(added.objects, gone.objects),
                    bytes: difference(added.bytes, gone.bytes),
                }
            })
            .collect();
        let children = tree.children();
        let weight = |place: u32| gains[place as usize].bytes.max(0) as u64;
        let whole = weight(0).max(children[0].iter().map(|&child| weight(child)).max().unwrap_or(0));
        let suspects = suspects(&tree, &children, weight, (whole / 10).max(1));
        Self { before: old.reached(), after: new.reached(), types, tree, gains, suspects }
    }
}

/// How much `a` is more than `b`, as far as that can be said.
fn difference(a: u64, b: u64) -> i64 {
    let difference = i128::from(a) - i128::from(b);
    difference.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

/// For each place of the new tree the same place of the old one, by names.
fn join(old: &Heap<'_, '_>, old_tree: &Tree, new: &Heap<'_, '_>, new_tree: &Tree) -> Vec<Option<u32>> {
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
    joined
}

/// What is in two heaps, and which objects are in both.
struct Survivors {
    types: Vec<TypeChange>,
    /// By object of the first heap.
    in_old: Bits,
    /// By object of the second heap.
    in_new: Bits,
}

/// The objects of both heaps side by side, in the order of their addresses.
fn types(old: &Heap<'_, '_>, new: &Heap<'_, '_>) -> Survivors {
    let mut changes = Changes::default();
    let [mut in_old, mut in_new] = [old, new].map(|heap| Bits::new(heap.graph().objects() as usize));
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
            in_old.set(before as usize);
            in_new.set(object as usize);
        }
    }
    for before in olds {
        changes.before(old, before);
    }
    let mut types = changes.types;
    types.sort_by(|a, b| (b.growth(), b.after.bytes, &a.name).cmp(&(a.growth(), a.after.bytes, &b.name)));
    Survivors { types, in_old, in_new }
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
