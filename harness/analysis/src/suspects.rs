//! Where memory accumulates: what retains a large share of the heap, followed down to where it piles up.

use crate::tree::{Tree, TreeNode};

/// A child with this share of a node, in percent, is where the node's memory is.
const FOLLOW: u64 = 60;

/// A place of the merged dominator tree below which memory accumulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// The place whose few nodes hold it all.
    pub holder: u32,
    /// The place whose many nodes are held, at or below `holder`.
    pub held: u32,
    /// What `holder` weighs: bytes that it retains, or that it retains more than before.
    pub weight: u64,
}

/// The suspects of a tree in which each place has a weight that is not below the sum of its children's: those of at least
/// `threshold`, the heaviest first.
pub fn suspects(
    tree: &Tree,
    children: &[Vec<u32>],
    weight: impl Fn(u32) -> u64,
    threshold: u64,
) -> Vec<Suspect> {
    let mut found = Vec::new();
    let mut open = vec![0];
    while let Some(at) = open.pop() {
        let heavy: Vec<u32> =
            children[at as usize].iter().copied().filter(|&child| weight(child) >= threshold).collect();
        if is_group(&tree.nodes()[at as usize]) {
            open.extend(heavy);
            continue;
        }
        let suspect = follow(tree, children, &weight, at);
        let held = &children[suspect.held as usize];
        let parts: Vec<u32> = held.iter().copied().filter(|&child| weight(child) >= threshold).collect();
        // What is there once, such as the program's one server, is no place where anything piles up: its parts may be.
        let once = tree.nodes()[suspect.held as usize].count <= tree.nodes()[suspect.holder as usize].count;
        let in_parts: u64 = parts.iter().map(|&part| weight(part)).fold(0, u64::saturating_add);
        if once && in_parts >= suspect.weight / 2 {
            open.extend(parts);
        } else {
            found.push(suspect);
        }
    }
    found.retain(|suspect| suspect.weight >= threshold.max(1));
    found.sort_by_key(|suspect| (std::cmp::Reverse(suspect.weight), suspect.holder));
    found
}

/// Whether a node only groups others: what it retains is for its parts to say.
fn is_group(node: &TreeNode) -> bool {
    use crate::heap::Label;
    matches!(node.label, Label::All | Label::Globals | Label::Stacks(_))
}

/// Goes down from a place as long as one child has most of the weight.
fn follow(tree: &Tree, children: &[Vec<u32>], weight: &impl Fn(u32) -> u64, from: u32) -> Suspect {
    let nodes = tree.nodes();
    let mut way = vec![from];
    let mut at = from;
    while let Some(child) = children[at as usize].iter().copied().max_by_key(|&child| weight(child))
        && u128::from(weight(child)) * 100 >= u128::from(weight(at)) * u128::from(FOLLOW)
    {
        way.push(child);
        at = child;
    }
    // What piles up is the first that there is a lot of, though each may have some of something else; the last that is one
    // of few, before it, is what holds it.
    let most = way.iter().map(|&at| nodes[at as usize].count).max().unwrap_or(0);
    let held = way.iter().copied().find(|&at| nodes[at as usize].count >= most.div_ceil(4)).unwrap_or(from);
    let few = (most / 100).max(nodes[from as usize].count);
    let before = way.iter().copied().take_while(|&at| at != held);
    let holder = before.filter(|&at| nodes[at as usize].count <= few).last().unwrap_or(held);
    Suspect { holder, held, weight: weight(holder) }
}
