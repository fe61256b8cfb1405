//! Graphviz.

use std::io::{self, Write};

use crate::heap::{Heap, Names};
use crate::tree::Tree;

pub(super) fn write(heap: &Heap<'_, '_>, limit: usize, mut out: impl Write) -> io::Result<()> {
    let tree = Tree::new(heap);
    let nodes = tree.nodes();
    let mut heaviest: Vec<u32> = (0..nodes.len() as u32).collect();
    // A node comes after its parent, which retains as much at least.
    heaviest.sort_by_key(|&at| (std::cmp::Reverse(nodes[at as usize].retained), at));
    heaviest.truncate(limit.max(1));
    let whole = nodes[0].retained.max(1) as f64;
    let mut names = Names::new(heap);
    writeln!(out, "digraph heap {{")?;
    writeln!(out, "  rankdir=LR; node [shape=box, fontname=\"sans-serif\"];")?;
    for at in heaviest {
        let node = &nodes[at as usize];
        let name = names.name(node.label, node.sample);
        let name = name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', " ");
        let share = node.retained as f64 * 100.0 / whole;
        writeln!(
            out,
            "  n{at} [label=\"{name}\\n{} of {} bytes\\nretain {} bytes ({share:.1}%)\"];",
            node.count, node.shallow, node.retained
        )?;
        if at > 0 {
            writeln!(out, "  n{} -> n{at} [penwidth={:.1}];", node.parent, 1.0 + share / 20.0)?;
        }
    }
    writeln!(out, "}}")?;
    out.flush()
}
