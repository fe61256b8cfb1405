//! Goroutines with the same stack, and what they retain.

use crate::graph::RootKind;
use crate::heap::Heap;

/// Goroutines in the same state, with the same functions on their stacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The node of the group.
    pub node: u32,
    /// How many there are.
    pub count: u64,
    /// What would be gone without all of them, in bytes.
    pub retained: u64,
    /// Of that the objects.
    pub objects: u64,
    /// The goroutine that retains most by itself, by its node.
    pub sample: u32,
}

/// The groups of goroutines, what retains most first.
pub fn groups(heap: &Heap<'_, '_>) -> Vec<Group> {
    let objects = heap.graph().objects();
    let counts = heap.dominators().sums(|node| u64::from(node < objects));
    let mut groups: Vec<Group> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for (node, root) in heap.graph().roots() {
        if root.kind == RootKind::Stacks {
            places.insert(node, groups.len());
            let (retained, objects) = (heap.retained(node), counts[node as usize]);
            groups.push(Group { node, count: 0, retained, objects, sample: node });
        }
    }
    for (node, root) in heap.graph().roots() {
        if root.kind == RootKind::Goroutine
            && let Some(&place) = places.get(&root.parent)
        {
            let group = &mut groups[place];
            group.count += 1;
            if group.sample == group.node || heap.retained(node) > heap.retained(group.sample) {
                group.sample = node;
            }
        }
    }
    groups.sort_by_key(|group| (std::cmp::Reverse((group.retained, group.count)), group.node));
    groups
}
