//! Objects by type: how many there are, and what they retain.

use std::collections::HashMap;

use crate::heap::{Heap, Label};

/// The objects of a heap that have a label in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What they have in common.
    pub label: Label,
    /// How many there are.
    pub count: u64,
    /// Their own sizes, in bytes.
    pub shallow: u64,
    /// What would be gone without all of them, each object counted once, as far as one of them alone retains it; in bytes.
    pub retained: u64,
    /// The one of them that retains most.
    pub sample: u32,
}

/// The objects that roots reach, by label: what retains most first.
///
/// Takes 12 bytes an object while it counts.
pub fn top(heap: &Heap<'_, '_>) -> Vec<Row> {
    let objects = heap.graph().objects();
    let mut numbers: HashMap<Label, u32> = HashMap::new();
    let mut rows: Vec<Row> = Vec::new();
    let tree = Children::new(heap);
    // How many objects with each label are on the way from the root, and the labels' numbers on that way.
    let mut open: Vec<u32> = Vec::new();
    let mut way: Vec<usize> = Vec::new();
    tree.walk(heap, |node, entered| {
        if node >= objects {
            return;
        }
        if !entered {
            if let Some(number) = way.pop() {
                open[number] -= 1;
            }
            return;
        }
        let label = heap.label(node);
        let number = *numbers.entry(label).or_insert_with(|| {
            rows.push(Row { label, count: 0, shallow: 0, retained: 0, sample: node });
            open.push(0);
            (rows.len() - 1) as u32
        }) as usize;
        way.push(number);
        let row = &mut rows[number];
        row.count += 1;
        row.shallow = row.shallow.saturating_add(heap.size(node));
        if open[number] == 0 {
            row.retained = row.retained.saturating_add(heap.retained(node));
        }
        if heap.retained(node) > heap.retained(row.sample) {
            row.sample = node;
        }
        open[number] += 1;
    });
    rows.sort_by_key(|row| (std::cmp::Reverse((row.retained, row.shallow, row.count)), row.label));
    rows
}

/// The children of each node of a dominator tree, in the numbers of its order.
struct Children {
    first: Vec<u32>,
    next: Vec<u32>,
}

/// No child, or no other.
const NONE: u32 = 0;

impl Children {
    fn new(heap: &Heap<'_, '_>) -> Self {
        let tree = heap.dominators().tree();
        let (mut first, mut next) = (vec![NONE; tree.len()], vec![NONE; tree.len()]);
        // From the last, so that children come in their order. The root, number 0, is nobody's child.
        for (number, (_, dominator)) in tree.enumerate().skip(1).rev() {
            next[number] = std::mem::replace(&mut first[dominator as usize], number as u32);
        }
        Self { first, next }
    }

    /// Walks the tree. `visit` is told each node when it is entered and when it is left.
    fn walk(&self, heap: &Heap<'_, '_>, mut visit: impl FnMut(u32, bool)) {
        let node = |number: u32| heap.dominators().at(number);
        let mut path = vec![0];
        visit(node(0), true);
        let mut child = self.first[0];
        loop {
            if child != NONE {
                visit(node(child), true);
                path.push(child);
                child = self.first[child as usize];
                continue;
            }
            let Some(left) = path.pop() else { return };
            visit(node(left), false);
            child = self.next[left as usize];
            if left == 0 {
                return;
            }
        }
    }
}
