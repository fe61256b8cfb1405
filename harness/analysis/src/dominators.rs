//! Dominators: through which node every path from the roots to a node goes.
//!
//! An object's immediate dominator is the last node that it can't be reached without. If that is gone, so is the object:
//! so what an object dominates is what it retains.
//!
//! The algorithm is Semi-NCA (Georgiadis: Linear-Time Algorithms for Dominators and Related Problems, Princeton 2005),
//! which is quadratic at worst and close to linear on heaps.

use crate::graph::Rows;

/// What [`Dominators::number`] holds for a node that can't be reached.
const UNREACHED: u32 = u32::MAX;

/// The dominator tree of the nodes that a root reaches. Takes 12 bytes a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dominators {
    /// Each node's number in the order in which a depth-first walk meets them, or [`UNREACHED`].
    number: Vec<u32>,
    /// The nodes in that order.
    order: Vec<u32>,
    /// The number of each one's immediate dominator, which is below its own; 0 for the root.
    immediate: Vec<u32>,
}

impl Dominators {
    /// The dominators of all nodes that `root` reaches.
    ///
    /// # Panics
    /// If `root` is not one of the nodes, or the rows name nodes that are none.
    pub fn new(rows: &Rows, root: u32) -> Self {
        let Walk { number, order, parent, others } = Walk::new(rows, root);
        let Others { ends, mut sources } = Others::new(rows, &number, &parent, others);
        // Made again when there is room: this is where most memory is needed.
        let nodes = number.len();
        drop(number);
        // Semidominators, from the last node met to the first. A node is linked to its parent once its own is known.
        let mut semi = vec![0; order.len()];
        let mut least = vec![0; order.len()];
        let mut ancestor = parent.clone();
        for node in (1..order.len() as u32).rev() {
            let mut best = parent[node as usize];
            for source in sources.drain(ends[node as usize - 1] as usize..) {
                let candidate =
                    if source <= node { source } else { compress(source, node, &mut ancestor, &mut least) };
                best = best.min(candidate);
            }
            least[node as usize] = best;
            semi[node as usize] = best;
        }
        drop((ends, sources, least, ancestor));
        // The immediate dominator is the nearest common ancestor of the parent and the semidominator.
        let mut immediate = parent;
        for node in 1..order.len() {
            let mut dominator = immediate[node];
            while dominator > semi[node] {
                dominator = immediate[dominator as usize];
            }
            immediate[node] = dominator;
        }
        drop(semi);
        let mut number = vec![UNREACHED; nodes];
        for (&node, place) in order.iter().zip(0..) {
            number[node as usize] = place;
        }
        Self { number, order, immediate }
    }

    /// The nodes that are reached, and the place of each one's immediate dominator in their order.
    pub(crate) fn parts(&self) -> (&[u32], &[u32]) {
        (&self.order, &self.immediate)
    }

    /// The dominators of so many nodes of which these are the [`parts`](Self::parts), if they can be.
    pub(crate) fn from_parts(nodes: u32, order: Vec<u32>, immediate: Vec<u32>) -> Option<Self> {
        let mut number = vec![UNREACHED; nodes as usize];
        for (&node, place) in order.iter().zip(0..) {
            // Each once.
            let number = number.get_mut(node as usize)?;
            (std::mem::replace(number, place) == UNREACHED).then_some(())?;
        }
        let above = immediate.iter().zip(0u32..).all(|(&dominator, place)| dominator < place.max(1));
        (order.len() == immediate.len() && !order.is_empty() && above).then_some(Self {
            number,
            order,
            immediate,
        })
    }

    /// The number of nodes that are reached, with the root.
    pub fn reached(&self) -> u32 {
        self.order.len() as u32
    }

    /// Whether a node is reached.
    ///
    /// # Panics
    /// If there is no such node.
    #[inline]
    pub fn reaches(&self, node: u32) -> bool {
        self.number[node as usize] != UNREACHED
    }

    /// A node's immediate dominator; `None` for the root and for what is not reached.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn immediate(&self, node: u32) -> Option<u32> {
        match self.number[node as usize] {
            0 | UNREACHED => None,
            number => Some(self.order[self.immediate[number as usize] as usize]),
        }
    }

    /// The dominators of a node from the nearest one to the root.
    pub fn of(&self, node: u32) -> impl Iterator<Item = u32> {
        std::iter::successors(self.immediate(node), |&node| self.immediate(node))
    }

    /// The nodes that are reached, each after its dominators, and the place of each one's immediate dominator in this
    /// order. The first is the root, with itself.
    pub fn tree(&self) -> impl ExactSizeIterator<Item = (u32, u32)> + DoubleEndedIterator {
        self.order.iter().copied().zip(self.immediate.iter().copied())
    }

    /// The node at a place of this order.
    ///
    /// # Panics
    /// If so many nodes are not reached.
    #[inline]
    pub fn at(&self, place: u32) -> u32 {
        self.order[place as usize]
    }

    /// The sum of `size` over each node and all that it dominates: its retained size. 0 for what is not reached.
    pub fn sums(&self, size: impl Fn(u32) -> u64) -> Vec<u64> {
        // By the order of the walk, in which what belongs together is close; `size` is asked in the order of the nodes.
        let mut sums = vec![0u64; self.order.len()];
        for (node, &number) in (0..).zip(&self.number) {
            if number != UNREACHED {
                sums[number as usize] = size(node);
            }
        }
        for (number, &dominator) in self.immediate.iter().enumerate().skip(1).rev() {
            // Claimed sizes need not fit together.
            sums[dominator as usize] = sums[dominator as usize].saturating_add(sums[number]);
        }
        self.number.iter().map(|&number| sums.get(number as usize).copied().unwrap_or(0)).collect()
    }
}

/// A depth-first walk from the root.
struct Walk {
    number: Vec<u32>,
    order: Vec<u32>,
    /// The number of the node from which each was met.
    parent: Vec<u32>,
    /// How many edges lead to each from other nodes than its parent. Most objects have one pointer to them, and so none.
    others: Vec<u32>,
}

/// The edges from other nodes than the parents, by where they lead, in the numbers of a walk.
struct Others {
    /// Where those to each node end among all.
    ends: Vec<u32>,
    sources: Vec<u32>,
}

impl Others {
    /// Four bytes an edge, and a second reading of the rows: to keep edges as they are met, and to sort them, takes twice that.
    fn new(rows: &Rows, number: &[u32], parent: &[u32], counts: Vec<u32>) -> Self {
        let mut ends = counts;
        let mut sum = 0;
        for count in &mut ends {
            sum += std::mem::replace(count, sum);
        }
        let mut sources = vec![0; sum as usize];
        for (node, &source) in (0..).zip(number).filter(|&(_, &source)| source != UNREACHED) {
            for &target in rows.row(node) {
                let target = number[target as usize];
                if parent[target as usize] != source {
                    let end = &mut ends[target as usize];
                    sources[*end as usize] = source;
                    *end += 1;
                }
            }
        }
        Self { ends, sources }
    }
}

impl Walk {
    fn new(rows: &Rows, root: u32) -> Self {
        // Of most heaps nearly all is reached.
        let nodes = rows.len() as usize;
        let mut walk = Self {
            number: vec![UNREACHED; nodes],
            order: Vec::with_capacity(nodes),
            parent: Vec::with_capacity(nodes),
            others: Vec::with_capacity(nodes),
        };
        // The place of the next edge of each.
        let mut next = Vec::with_capacity(nodes);
        let meet = |walk: &mut Self, next: &mut Vec<u32>, node: u32, parent: u32| {
            next.push(rows.start(node));
            walk.meet(node, parent)
        };
        // The way back is by the parents: a stack of its own would be as long as the longest list of the heap.
        let mut number = meet(&mut walk, &mut next, root, 0);
        loop {
            let end = rows.start(walk.order[number as usize] + 1);
            let place = &mut next[number as usize];
            if *place < end {
                let target = rows.target(*place);
                *place += 1;
                match walk.number[target as usize] {
                    UNREACHED => number = meet(&mut walk, &mut next, target, number),
                    target if walk.parent[target as usize] != number => walk.others[target as usize] += 1,
                    _ => {}
                }
            } else if number == 0 {
                break;
            } else {
                number = walk.parent[number as usize];
            }
        }
        walk.order.shrink_to_fit();
        walk.parent.shrink_to_fit();
        walk.others.shrink_to_fit();
        walk
    }

    /// Gives a node its number.
    fn meet(&mut self, node: u32, parent: u32) -> u32 {
        let number = self.order.len() as u32;
        self.number[node as usize] = number;
        self.order.push(node);
        self.parent.push(parent);
        self.others.push(0);
        number
    }
}

/// The least semidominator on the way from `source` up to the root of its tree of linked nodes, which all come after
/// `node`. Shortens the way for the next.
fn compress(source: u32, node: u32, ancestor: &mut [u32], least: &mut [u32]) -> u32 {
    // The way back is kept in the ancestors, which all get another one in the end: a list's would be as long as the heap.
    let (mut top, mut below) = (source, None);
    while ancestor[top as usize] > node {
        let above = std::mem::replace(&mut ancestor[top as usize], below.unwrap_or(top));
        below = Some(top);
        top = above;
    }
    let (mut least_above, end) = (least[top as usize], ancestor[top as usize]);
    while let Some(at) = below {
        let least_here = &mut least[at as usize];
        *least_here = least_above.min(*least_here);
        least_above = *least_here;
        let next = std::mem::replace(&mut ancestor[at as usize], end);
        below = (next != at).then_some(next);
    }
    least[source as usize]
}

#[cfg(test)]
mod tests {
    use petgraph::algo::dominators::simple_fast;
    use petgraph::graph::DiGraph;
    use proptest::prelude::*;

    use super::*;

    /// A graph of some nodes with a root.
    fn graphs() -> impl Strategy<Value = (u32, Vec<(u32, u32)>, u32)> {
        (1..40u32).prop_flat_map(|nodes| {
            let edges = prop::collection::vec((0..nodes, 0..nodes), 0..120);
            (Just(nodes), edges, 0..nodes)
        })
    }

    fn assert_as_petgraph(nodes: u32, edges: &[(u32, u32)], root: u32) {
        let rows = Rows::from_edges(nodes, edges.to_vec()).unwrap();
        let ours = Dominators::new(&rows, root);
        let mut graph = DiGraph::<(), (), u32>::new();
        for _ in 0..nodes {
            graph.add_node(());
        }
        graph.extend_with_edges(edges);
        let theirs = simple_fast(&graph, root.into());
        for node in 0..nodes {
            let expected = theirs.immediate_dominator(node.into()).map(|node| node.index() as u32);
            assert_eq!(ours.immediate(node), expected, "node {node} of {edges:?} from {root}");
        }
        // What a node retains is what is not reached without it.
        let retained = ours.sums(|node| 1 << (node % 32));
        for node in 0..nodes {
            let without: Vec<_> =
                edges.iter().copied().filter(|&(from, to)| from != node && to != node).collect();
            let others = Rows::from_edges(nodes, without).unwrap();
            let reached = |target: u32| {
                target != node && node != root && Dominators::new(&others, root).reaches(target)
            };
            let expected = (0..nodes).filter(|&target| ours.reaches(target) && !reached(target));
            let expected: u64 =
                if ours.reaches(node) { expected.map(|node| 1 << (node % 32)).sum() } else { 0 };
            assert_eq!(retained[node as usize], expected, "node {node} of {edges:?} from {root}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn dominators_are_what_petgraph_finds((nodes, edges, root) in graphs()) {
            assert_as_petgraph(nodes, &edges, root);
        }
    }

    /// The example of Lengauer and Tarjan's paper.
    #[test]
    fn the_textbook_graph() {
        let edges = [
            "RA", "RB", "RC", "AD", "BA", "BD", "BE", "CF", "CG", "DL", "EH", "FI", "GI", "GJ", "HE", "HK",
            "IK", "JI", "KI", "KR", "LH",
        ];
        let number = |letter: u8| u32::from(letter - b'A');
        let edges = edges.map(|edge| (number(edge.as_bytes()[0]), number(edge.as_bytes()[1])));
        let rows = Rows::from_edges(26, edges.to_vec()).unwrap();
        let dominators = Dominators::new(&rows, number(b'R'));
        let found: String = "ABCDEFGHIJKL"
            .bytes()
            .map(|node| char::from(b'A' + dominators.immediate(number(node)).unwrap() as u8))
            .collect();
        assert_eq!(found, "RRRRRCCRRGRD");
        assert_eq!(dominators.of(number(b'J')).collect::<Vec<_>>(), [b'G', b'C', b'R'].map(number));
        assert!(!dominators.reaches(number(b'Z')) && dominators.immediate(number(b'Z')).is_none());
        assert_as_petgraph(26, &edges, number(b'R'));
    }

    /// Recursion would overflow the stack.
    #[test]
    fn a_long_list_is_walked() {
        let nodes = 1_000_000;
        let rows = Rows::from_edges(nodes, (1..nodes).map(|node| (node - 1, node)).collect()).unwrap();
        let dominators = Dominators::new(&rows, 0);
        assert_eq!(dominators.immediate(nodes - 1), Some(nodes - 2));
        assert_eq!(dominators.sums(|_| 1)[0], u64::from(nodes));
    }
}
