//! The index, the graph and the dominators as sections.

use std::io::{self, Write};

use heapmatrix_reader::{Dump, Index, Parts, SlotCount};

use super::sections::{Sections, Writer};
use crate::bits::Bits;
use crate::dominators::Dominators;
use crate::graph::{Counts, Graph, Root, RootEdge, RootKind, Rows};

pub(super) fn write_index(parts: Parts<'_>, out: &mut Writer<impl Write>) -> io::Result<()> {
    let Parts { blocks, offsets, others } = parts;
    out.words(blocks.as_flattened())?;
    out.halves(&offsets)?;
    out.words(&others.iter().flat_map(|&(offset, count)| [offset, count]).collect::<Vec<_>>())
}

pub(super) fn read_index<'a>(dump: Dump<'a>, sections: &mut Sections<'_>) -> Option<Index<'a>> {
    let (blocks, offsets) = (sections.tuples()?, sections.halves()?);
    let others: Vec<_> = sections.tuples()?.into_iter().map(|[offset, count]| (offset, count)).collect();
    Index::from_parts(dump, Parts { blocks, offsets: offsets.into(), others: others.into() })
}

const KINDS: [RootKind; 8] = [
    RootKind::All,
    RootKind::Globals,
    RootKind::Variable,
    RootKind::Stacks,
    RootKind::Goroutine,
    RootKind::Frame,
    RootKind::Finalizers,
    RootKind::Other,
];

pub(super) fn write_graph(graph: &Graph, out: &mut Writer<impl Write>) -> io::Result<()> {
    let (starts, targets) = graph.rows.parts();
    out.halves(starts)?;
    out.halves(targets)?;
    out.words(&graph.excluded.0)?;
    let root = |root: &Root| [root.kind as u64 | u64::from(root.parent) << 32, root.at];
    out.words(graph.roots.iter().map(root).collect::<Vec<_>>().as_flattened())?;
    let edge = |edge: &RootEdge| [u64::from(edge.from) | u64::from(edge.to) << 32, edge.place];
    out.words(graph.edges.iter().map(edge).collect::<Vec<_>>().as_flattened())?;
    let Counts { records, slots, heap_objects, goroutines, frames, conservative, finalizers } = graph.counts;
    let SlotCount { slots, bytes, undecided, undecided_bytes } = slots;
    let counted = [heap_objects.is_some().into(), heap_objects.unwrap_or(0)];
    let slots = [slots, bytes, undecided, undecided_bytes];
    out.words(&[&[records][..], &slots, &counted, &[goroutines, frames, conservative, finalizers]].concat())
}

pub(super) fn read_graph(objects: usize, sections: &mut Sections<'_>) -> Option<Graph> {
    let rows = Rows::from_parts(sections.halves()?, sections.halves()?)?;
    let excluded = Bits(sections.words()?);
    let low = |word: u64| word as u32;
    let root = |[what, at]: [u64; 2]| {
        Some(Root { kind: *KINDS.get(low(what) as usize)?, parent: (what >> 32) as u32, at })
    };
    let roots: Vec<Root> = sections.tuples()?.into_iter().map(root).collect::<Option<_>>()?;
    let edge = |[ends, place]: [u64; 2]| RootEdge { from: low(ends), to: (ends >> 32) as u32, place };
    let edges: Vec<RootEdge> = sections.tuples()?.into_iter().map(edge).collect();
    let [
        records,
        slots,
        bytes,
        undecided,
        undecided_bytes,
        has_objects,
        counted,
        goroutines,
        frames,
        more @ ..,
    ] = <[u64; 11]>::try_from(sections.words()?).ok()?;
    let [conservative, finalizers] = more;
    let counts = Counts {
        records,
        slots: SlotCount { slots, bytes, undecided, undecided_bytes },
        heap_objects: (has_objects != 0).then_some(counted),
        goroutines,
        frames,
        conservative,
        finalizers,
    };
    let nodes = rows.len();
    let first = u32::try_from(objects).ok()?;
    let is_root = |node: u32| (first..nodes).contains(&node);
    let sound = roots.len() as u64 == u64::from(nodes).checked_sub(objects as u64)?
        && roots.first().is_some_and(|root| root.kind == RootKind::All)
        && roots.iter().all(|root| is_root(root.parent))
        && edges.iter().all(|edge| is_root(edge.from) && edge.to < nodes)
        && edges.is_sorted()
        && excluded.0.len() == objects.div_ceil(64)
        && records == objects as u64
        && slots <= records;
    sound.then_some(Graph { rows, objects: first, roots, edges, excluded, counts })
}

pub(super) fn write_dominators(dominators: &Dominators, out: &mut Writer<impl Write>) -> io::Result<()> {
    let (order, immediate) = dominators.parts();
    out.halves(order)?;
    out.halves(immediate)
}

pub(super) fn read_dominators(graph: &Graph, sections: &mut Sections<'_>) -> Option<Dominators> {
    let dominators = Dominators::from_parts(graph.len(), sections.halves()?, sections.halves()?)?;
    let all = dominators.at(0) == graph.all() && graph.roots().all(|(root, _)| dominators.reaches(root));
    all.then_some(dominators)
}
