//! Shortest paths from the roots, and those of many objects with what is alike in one node.

use std::collections::HashMap;

use heapmatrix_reader::StackFrame;

use crate::graph::RootKind;
use crate::heap::{Heap, Label};
use crate::naming::Origin;

/// What [`Paths::from`] holds for a node that can't be reached.
const UNREACHED: u32 = u32::MAX;
/// How far up a step is looked for: what comes round again within so many steps, such as a linked list, is one node.
const ROUND: usize = 8;
/// How deep merged paths are at most. What is deeper belongs to the node above it.
const DEEPEST: u16 = 256;
/// How many nodes merged paths have at most.
const MOST: usize = 1 << 14;

/// A shortest path to each node that a root reaches. Takes 8 bytes a node.
///
/// Among paths of the same length those through global variables come first. A word of a frame that is no variable's, where
/// variables are known, may be stale: what begins there comes last, for what is reached in no other way.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The node before each one, or [`UNREACHED`]; that of the root of all is itself.
    from: Vec<u32>,
    /// The nodes that are reached, the nearest first.
    order: Vec<u32>,
}

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The node to which it leads.
    pub node: u32,
    /// How the expression for it goes on.
    pub text: String,
}

impl Paths {
    /// The paths of a heap.
    pub fn new(heap: &Heap<'_, '_>) -> Self {
        let rows = heap.graph().rows();
        let all = heap.graph().all();
        let mut from = vec![UNREACHED; rows.len() as usize];
        let mut order = Vec::with_capacity(heap.dominators().reached() as usize);
        from[all as usize] = all;
        order.push(all);
        let mut doubtful = Doubtful::new(heap);
        let mut later: Vec<(u32, u32)> = Vec::new();
        let mut next = 0;
        loop {
            while let Some(&node) = order.get(next) {
                next += 1;
                for &target in rows.row(node) {
                    if from[target as usize] != UNREACHED {
                        continue;
                    }
                    if doubtful.is_doubtful(node, target) {
                        later.push((node, target));
                        continue;
                    }
                    from[target as usize] = node;
                    order.push(target);
                }
            }
            // All at once: their shortest paths are among each other's.
            for (node, target) in later.drain(..) {
                if from[target as usize] == UNREACHED {
                    from[target as usize] = node;
                    order.push(target);
                }
            }
            if next == order.len() {
                return Self { from, order };
            }
        }
    }

    /// The nodes on the path to a node, from the root of all to itself; none if it can't be reached.
    pub fn nodes(&self, to: u32) -> Vec<u32> {
        let mut nodes = Vec::new();
        let mut node = to;
        loop {
            match self.from[node as usize] {
                UNREACHED => return Vec::new(),
                from => {
                    nodes.push(node);
                    if from == node {
                        nodes.reverse();
                        return nodes;
                    }
                    node = from;
                }
            }
        }
    }

    /// The path to a node, step by step from the first root that is a variable, a frame or something else with a pointer.
    pub fn steps(&self, heap: &Heap<'_, '_>, to: u32) -> Vec<Step> {
        let nodes = self.nodes(to);
        let objects = heap.graph().objects();
        nodes
            .windows(2)
            .filter(|pair| pair[1] < objects)
            .map(|pair| Step {
                node: pair[1],
                text: heap.step(pair[0], pair[1], place(heap, pair[0], pair[1])),
            })
            .collect()
    }

    /// The expression for a node, such as `main.server.sessions[…].User`: the steps to it in one. What is long is cut
    /// in its middle.
    pub fn expression(&self, heap: &Heap<'_, '_>, to: u32) -> String {
        if to >= heap.graph().objects() {
            return heap.name(heap.label(to), to);
        }
        join(self.steps(heap, to).iter().map(|step| &step.text[..]))
    }
}

/// Which pointers of frames are no variable's.
struct Doubtful<'h, 'i, 'a> {
    heap: &'h Heap<'i, 'a>,
    /// The frame that was asked about last.
    frame: Option<(u32, Option<StackFrame<'a>>)>,
    /// By the return address and the offset in the frame.
    known: HashMap<(u64, u64), bool>,
}

impl<'h, 'i, 'a> Doubtful<'h, 'i, 'a> {
    fn new(heap: &'h Heap<'i, 'a>) -> Self {
        Self { heap, frame: None, known: HashMap::new() }
    }

    fn is_doubtful(&mut self, from: u32, to: u32) -> bool {
        let Self { heap, frame, known } = self;
        if from < heap.graph().objects() || heap.naming().origin() != Origin::Program {
            return false;
        }
        let Some(root) = heap.graph().root(from).filter(|root| root.kind == RootKind::Frame) else {
            return false;
        };
        if !matches!(frame, Some((node, _)) if *node == from) {
            *frame = Some((from, root.frame(heap.dump())));
        }
        let Some((_, Some(frame))) = frame else { return false };
        let place = heap.graph().place(from, to).unwrap_or(0);
        *known
            .entry((frame.function.pc, place))
            .or_insert_with(|| heap.naming().local(frame, place).is_none())
    }
}

/// Steps in one expression. What comes again and again, as in a list, is written once.
fn join<'s>(steps: impl Iterator<Item = &'s str>) -> String {
    let steps: Vec<&str> = steps.filter(|step| !step.is_empty()).collect();
    let mut text = String::new();
    let mut at = 0;
    while at < steps.len() {
        // The shortest cycle that starts here and comes three times or more.
        let cycle = (1..=ROUND.min(steps.len() - at)).find_map(|length| {
            let cycle = &steps[at..at + length];
            let times = steps[at..].chunks(length).take_while(|&chunk| chunk == cycle).count();
            (times >= 3).then_some((length, times))
        });
        match cycle {
            Some((length, times)) => {
                text.extend(steps[at..at + length].iter().copied());
                text.push('…');
                at += length * times;
            }
            None => {
                text.push_str(steps[at]);
                at += 1;
            }
        }
    }
    text
}

/// The offset of an object's first pointer to another; 0 for roots.
fn place(heap: &Heap<'_, '_>, from: u32, to: u32) -> u64 {
    if from >= heap.graph().objects() {
        return 0;
    }
    let edge = heap.index().edges(from as usize).find(|edge| edge.target == to as usize);
    edge.map_or(0, |edge| edge.offset)
}

/// Shortest paths to many objects, in which what is alike is one node.
#[derive(Clone, Debug)]
pub struct MergedPaths {
    nodes: Vec<PathNode>,
}

/// A place on many paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathNode {
    /// What the nodes there have in common.
    pub label: Label,
    /// How the expression goes on from the node above.
    pub text: String,
    /// The place of the node above; that of the first is its own.
    pub parent: u32,
    /// How far it is from the first.
    pub depth: u16,
    /// How many of the objects have a path through here.
    pub objects: u64,
    /// Their sizes, in bytes.
    pub bytes: u64,
    /// How many of the objects are here themselves.
    pub ending: u64,
    /// The sizes of those, in bytes.
    pub ending_bytes: u64,
    /// A node that is here.
    pub sample: u32,
}

impl MergedPaths {
    /// The merged paths to all objects that `wanted` chooses and roots reach.
    pub fn new(heap: &Heap<'_, '_>, paths: &Paths, wanted: impl Fn(u32) -> bool) -> Self {
        let objects = heap.graph().objects();
        let nodes = heap.graph().len() as usize;
        // Which nodes are on a path to a wanted object.
        let mut on_path = vec![false; nodes];
        for &node in paths.order.iter().rev() {
            let on = on_path[node as usize] || (node < objects && wanted(node));
            on_path[node as usize] = on;
            on_path[paths.from[node as usize] as usize] |= on;
        }
        let mut merge = Merge { heap, nodes: Vec::new(), children: HashMap::new(), texts: HashMap::new() };
        let mut places = vec![0u32; nodes];
        let all = heap.graph().all();
        merge.nodes.push(merge.node(all, 0, 0, String::new()));
        for &node in paths.order.iter().filter(|&&node| on_path[node as usize]) {
            let above = places[node as usize];
            if node < objects && wanted(node) {
                let at = &mut merge.nodes[above as usize];
                at.ending += 1;
                at.ending_bytes = at.ending_bytes.saturating_add(heap.size(node));
                at.objects += 1;
                at.bytes = at.bytes.saturating_add(heap.size(node));
            }
            let mut child = |target: u32, offset: u64| {
                // The first pointer to a node is the one on its path; a place is given once.
                let first = paths.from[target as usize] == node && places[target as usize] == 0;
                if first && on_path[target as usize] && target != all {
                    places[target as usize] = merge.child(above, node, target, offset);
                }
            };
            if node < objects {
                heap.index().edges(node as usize).for_each(|edge| child(edge.target as u32, edge.offset));
            } else {
                heap.graph().rows().row(node).iter().for_each(|&target| child(target, 0));
            }
        }
        let mut nodes = merge.nodes;
        for at in (1..nodes.len()).rev() {
            let PathNode { parent, objects, bytes, .. } = nodes[at];
            let above = &mut nodes[parent as usize];
            above.objects += objects;
            above.bytes = above.bytes.saturating_add(bytes);
        }
        Self { nodes }
    }

    /// The nodes, each after the one above it. The first is [`Label::All`].
    pub fn nodes(&self) -> &[PathNode] {
        &self.nodes
    }

    /// The places of the nodes below each node, that with most bytes first.
    pub fn children(&self) -> Vec<Vec<u32>> {
        let mut children = vec![Vec::new(); self.nodes.len()];
        for (node, at) in self.nodes.iter().zip(0u32..).skip(1) {
            children[node.parent as usize].push(at);
        }
        for children in &mut children {
            children.sort_by_key(|&at| std::cmp::Reverse(self.nodes[at as usize].bytes));
        }
        children
    }

    /// The expression for a node.
    pub fn expression(&self, at: u32) -> String {
        let mut texts = Vec::new();
        let mut node = &self.nodes[at as usize];
        while node.depth > 0 {
            texts.push(&node.text[..]);
            node = &self.nodes[node.parent as usize];
        }
        join(texts.into_iter().rev())
    }
}

struct Merge<'h, 'i, 'a> {
    heap: &'h Heap<'i, 'a>,
    nodes: Vec<PathNode>,
    children: HashMap<(u32, Label, u32), u32>,
    /// The steps, numbered.
    texts: HashMap<String, u32>,
}

impl Merge<'_, '_, '_> {
    fn node(&self, node: u32, parent: u32, depth: u16, text: String) -> PathNode {
        let label = self.heap.label(node);
        PathNode {
            label,
            text,
            parent,
            depth,
            objects: 0,
            bytes: 0,
            ending: 0,
            ending_bytes: 0,
            sample: node,
        }
    }

    /// The place for a target of a node that is at `above`.
    fn child(&mut self, above: u32, from: u32, target: u32, offset: u64) -> u32 {
        let heap = self.heap;
        let text =
            if target < heap.graph().objects() { heap.step(from, target, offset) } else { String::new() };
        let label = heap.label(target);
        let mut at = above;
        for _ in 0..ROUND {
            let node = &self.nodes[at as usize];
            if node.depth == 0 {
                break;
            }
            if node.label == label && node.text == text {
                return at;
            }
            at = node.parent;
        }
        let depth = self.nodes[above as usize].depth;
        let next = self.texts.len() as u32;
        let number = match self.texts.get(&text) {
            Some(&number) => number,
            None if self.texts.len() >= MOST => return above,
            None => {
                self.texts.insert(text.clone(), next);
                next
            }
        };
        if let Some(&child) = self.children.get(&(above, label, number)) {
            return child;
        }
        if depth >= DEEPEST || self.nodes.len() >= MOST {
            return above;
        }
        self.nodes.push(self.node(target, above, depth + 1, text));
        let child = (self.nodes.len() - 1) as u32;
        self.children.insert((above, label, number), child);
        child
    }
}

#[cfg(test)]
mod tests {
    use super::join;

    #[test]
    fn what_comes_round_is_written_once() {
        for (steps, text) in [
            (&["main.list", ".next", ".next", ".next", ".next", ".value"][..], "main.list.next….value"),
            (&["main.list", ".next", ".next"], "main.list.next.next"),
            (&["main.tree", ".a", ".b", ".a", ".b", "", ".a", ".b"], "main.tree.a.b…"),
            (&[], ""),
        ] {
            assert_eq!(join(steps.iter().copied()), text);
        }
    }
}
