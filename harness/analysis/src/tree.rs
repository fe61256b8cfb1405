//! The dominator tree with what is alike in one node: small enough to be looked at, however large the heap is.

use std::collections::HashMap;

use crate::heap::{Heap, Label, Total};

/// How far up a label is looked for: what comes round again within so many steps, such as a linked list, is one node.
const ROUND: usize = 8;
/// How deep the tree is at most. What is deeper belongs to the node above it.
const DEEPEST: u16 = 256;
/// How many nodes it has at most: what comes later belongs to the node above it. Roots that retain something may be four
/// times as many.
const MOST: usize = 1 << 14;

/// The dominator tree of a heap, in which the children of a node that have the same label are one.
///
/// The first node is [`Label::All`]; each node comes after its parent.
#[derive(Clone, Debug)]
pub struct Tree {
    nodes: Vec<TreeNode>,
}

/// Objects, or roots, with the same labels from the root on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeNode {
    /// What they have in common.
    pub label: Label,
    /// The place of the node above; that of the first is its own.
    pub parent: u32,
    /// How far it is from the first.
    pub depth: u16,
    /// How many there are.
    pub count: u64,
    /// Their own sizes, in bytes.
    pub shallow: u64,
    /// With all that they retain, in bytes.
    pub retained: u64,
    /// The one of them that retains most.
    pub sample: u32,
}

impl Tree {
    /// The tree of a heap, in time and memory in proportion to it.
    pub fn new(heap: &Heap<'_, '_>) -> Self {
        Self::with_parts(heap, |_| false).0
    }

    /// The same, and for each place how many of its nodes `is_part` chooses, and how many bytes these and those below it
    /// have themselves.
    pub(crate) fn with_parts(heap: &Heap<'_, '_>, is_part: impl Fn(u32) -> bool) -> (Self, Vec<Total>) {
        let mut parts: Vec<Total> = Vec::new();
        let mut nodes: Vec<TreeNode> = Vec::new();
        let mut children: HashMap<(u32, Label), u32> = HashMap::new();
        // The node of each of the heap's nodes, in the order of the dominator tree.
        let mut merged: Vec<u32> = Vec::with_capacity(heap.dominators().tree().len());
        for (node, dominator) in heap.dominators().tree() {
            let label = heap.label(node);
            let place = match merged.get(dominator as usize) {
                None => {
                    nodes.push(TreeNode::new(label, 0, 0, node));
                    0
                }
                Some(&parent) => round(&nodes, parent, label).unwrap_or_else(|| {
                    let depth = nodes[parent as usize].depth;
                    let minor = node < heap.graph().objects() || heap.retained(node) == 0;
                    let full = depth >= DEEPEST || nodes.len() >= if minor { MOST } else { 4 * MOST };
                    if full {
                        return *children.get(&(parent, label)).unwrap_or(&parent);
                    }
                    *children.entry((parent, label)).or_insert_with(|| {
                        nodes.push(TreeNode::new(label, parent, depth + 1, node));
                        (nodes.len() - 1) as u32
                    })
                }),
            };
            let at = &mut nodes[place as usize];
            at.count += 1;
            at.shallow = at.shallow.saturating_add(heap.size(node));
            if heap.retained(node) > heap.retained(at.sample) {
                at.sample = node;
            }
            merged.push(place);
            parts.resize(nodes.len(), Total::default());
            if is_part(node) {
                parts[place as usize].add(heap.size(node));
            }
        }
        for place in (0..nodes.len()).rev() {
            let TreeNode { parent, shallow, .. } = nodes[place];
            let retained = nodes[place].retained.saturating_add(shallow);
            nodes[place].retained = retained;
            if parent as usize != place {
                let above = &mut nodes[parent as usize];
                above.retained = above.retained.saturating_add(retained);
                let below = parts[place].bytes;
                let above = &mut parts[parent as usize];
                above.bytes = above.bytes.saturating_add(below);
            }
        }
        (Self { nodes }, parts)
    }

    /// Its nodes.
    pub fn nodes(&self) -> &[TreeNode] {
        &self.nodes
    }

    /// The children of each node, what retains most first.
    pub fn children(&self) -> Vec<Vec<u32>> {
        let mut children = vec![Vec::new(); self.nodes.len()];
        for (node, at) in self.nodes.iter().zip(0u32..).skip(1) {
            children[node.parent as usize].push(at);
        }
        for children in &mut children {
            children.sort_by_key(|&at| std::cmp::Reverse(self.nodes[at as usize].retained));
        }
        children
    }
}

impl TreeNode {
    fn new(label: Label, parent: u32, depth: u16, sample: u32) -> Self {
        Self { label, parent, depth, count: 0, shallow: 0, retained: 0, sample }
    }
}

/// The node with this label that is `at` or not far above it.
fn round(nodes: &[TreeNode], mut at: u32, label: Label) -> Option<u32> {
    for _ in 0..ROUND {
        let node = &nodes[at as usize];
        if node.label == label {
            return Some(at);
        }
        if node.parent == at {
            return None;
        }
        at = node.parent;
    }
    None
}
