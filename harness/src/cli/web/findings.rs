//! What the page says.

use std::collections::HashMap;

use heapmatrix_analysis::diff::Diff;
use heapmatrix_analysis::goroutines::groups;
use heapmatrix_analysis::graph::RootKind;
use heapmatrix_analysis::heap::{Heap, Label, Names};
use heapmatrix_analysis::paths::{MergedPaths, Paths};
use heapmatrix_analysis::suspects::suspects;
use heapmatrix_analysis::top::top;
use heapmatrix_analysis::tree::Tree;

use super::super::diff::{Place, caveats, places, verdict};
use super::super::heap::{Basis, share};
use super::super::summary::hex;
use super::super::waste::{WasteRow, waste_rows};
use crate::units::{Count, Size, Things};

/// The least part of the heap that a frame of the flame graph has: what is less can't be seen.
const LEAST: u64 = 4000;
/// How many frames it has at most.
const FRAMES: usize = 6000;
/// Of how many types samples are shown.
const SAMPLED: usize = 15;

/// Everything on the page, in words and figures.
pub struct Findings {
    pub basis: Basis,
    pub machine: String,
    pub verdict: String,
    /// What to know before the comparison is believed.
    pub caveats: Vec<String>,
    /// Whether there is an earlier heap.
    pub compared: bool,
    /// Bytes that are alive.
    pub whole: u64,
    pub suspects: Vec<Suspect>,
    /// Where it grew, if there is a base.
    pub growth: Vec<Place>,
    pub changes: Vec<Change>,
    pub frames: Vec<Frame>,
    pub types: Vec<TypeRow>,
    pub roots: Vec<RootRow>,
    pub waste: Vec<WasteRow>,
    pub samples: Vec<Sample>,
}

/// Where memory accumulates.
pub struct Suspect {
    pub expression: String,
    pub name: String,
    pub count: u64,
    pub retained: u64,
}

/// What changed among the objects of a type.
pub struct Change {
    pub name: String,
    pub growth: i128,
    pub now: u64,
    pub added: u64,
    pub gone: u64,
    pub survived: u64,
}

/// A frame of the flame graph.
pub struct Frame {
    /// The place of the one below; that of the first is its own.
    pub parent: usize,
    pub name: String,
    pub count: u64,
    pub shallow: u64,
    pub retained: u64,
    /// By how much it grew.
    pub growth: i128,
}

pub struct TypeRow {
    pub name: String,
    pub count: u64,
    pub shallow: u64,
    pub retained: u64,
    /// Expressions by which most of them are reached, and how many objects each.
    pub paths: Vec<(String, u64)>,
}

pub struct RootRow {
    pub kind: &'static str,
    pub name: String,
    pub count: u64,
    pub retained: u64,
}

pub struct Sample {
    pub name: String,
    pub address: String,
    pub expression: String,
    pub size: u64,
    pub retained: u64,
    /// Paths, types and values.
    pub fields: Vec<(String, String, String)>,
}

impl Findings {
    /// What is found in a heap, with tables of so many rows.
    pub fn new(heap: &Heap<'_, '_>, base: Option<(&Heap<'_, '_>, &Diff)>, limit: usize) -> Self {
        let diff = base.map(|(_, diff)| diff);
        let paths = Paths::new(heap);
        let own_tree;
        let tree = match diff {
            Some(diff) => &diff.tree,
            None => {
                own_tree = Tree::new(heap);
                &own_tree
            }
        };
        let whole = heap.reached().bytes;
        let suspects = find_suspects(heap, &paths, tree, whole);
        let growth = diff.map_or_else(Vec::new, |diff| places(diff, heap));
        let params = heap.dump().params();
        let endian = if params.big_endian { "big" } else { "little" };
        let arch = params.goarch().map_or_else(|| params.arch.to_string(), |arch| arch.to_string());
        let machine = format!(
            "{} {arch}, {}-byte pointers, {endian}-endian",
            params.experiment,
            params.pointer_size.bytes()
        );
        Self {
            basis: Basis::new(heap),
            machine: machine.trim_start().to_owned(),
            verdict: match diff {
                Some(diff) => verdict(diff, &growth),
                None => in_words(whole, heap.reached().objects, &suspects),
            },
            caveats: base.map_or_else(Vec::new, |(old, diff)| caveats(diff, old, heap)),
            compared: diff.is_some(),
            whole,
            suspects,
            growth,
            changes: diff.map_or_else(Vec::new, |diff| changes(diff, limit)),
            frames: frames(heap, tree, diff),
            types: types(heap, &paths, limit),
            roots: roots(heap, &paths, tree, limit),
            waste: waste_rows(heap).into_iter().take(limit.min(40)).collect(),
            samples: samples(heap, &paths),
        }
    }
}

fn find_suspects(heap: &Heap<'_, '_>, paths: &Paths, tree: &Tree, whole: u64) -> Vec<Suspect> {
    let nodes = tree.nodes();
    let found = suspects(tree, &tree.children(), |at| nodes[at as usize].retained, (whole / 10).max(1));
    let suspect = |suspect: &heapmatrix_analysis::suspects::Suspect| {
        let held = &nodes[suspect.held as usize];
        Suspect {
            expression: paths.expression(heap, held.sample),
            name: heap.name(held.label, held.sample),
            count: held.count,
            retained: suspect.weight,
        }
    };
    found.iter().map(suspect).collect()
}

/// What a person would say of a heap.
fn in_words(whole: u64, objects: u64, suspects: &[Suspect]) -> String {
    let alive = format!("{} in {} are alive", Size(whole), Things(objects, "object"));
    let Some(first) = suspects.first() else {
        return format!("{alive}; nothing holds more than a tenth of it.");
    };
    let what = match first.count {
        1 => first.name.clone(),
        count => format!("{} {}", Count(count), first.name),
    };
    format!("{alive}. {} of it is at {}: {what}.", share(first.retained, whole), first.expression)
}

fn changes(diff: &Diff, limit: usize) -> Vec<Change> {
    let mut changed: Vec<_> = diff.types.iter().filter(|change| change.added() + change.gone() > 0).collect();
    changed.sort_by_key(|change| std::cmp::Reverse(change.growth().unsigned_abs()));
    let change = |change: &&heapmatrix_analysis::diff::TypeChange| Change {
        name: change.name.clone(),
        growth: change.growth(),
        now: change.after.bytes,
        added: change.added(),
        gone: change.gone(),
        survived: change.survived.objects,
    };
    changed.iter().take(limit).map(change).collect()
}

/// The nodes of the merged dominator tree that can be seen, each after its parent.
fn frames(heap: &Heap<'_, '_>, tree: &Tree, diff: Option<&Diff>) -> Vec<Frame> {
    let nodes = tree.nodes();
    let least = nodes[0].retained / LEAST;
    let mut heaviest: Vec<usize> =
        (0..nodes.len()).filter(|&at| nodes[at].retained > least || at == 0).collect();
    // A parent retains as much as its child at least, and comes before it.
    heaviest.sort_by_key(|&at| (std::cmp::Reverse(nodes[at].retained), at));
    heaviest.truncate(FRAMES);
    heaviest.sort_unstable();
    let places: HashMap<usize, usize> = heaviest.iter().enumerate().map(|(place, &at)| (at, place)).collect();
    let mut names = Names::new(heap);
    let frame = |&at: &usize| {
        let node = &nodes[at];
        Frame {
            parent: places.get(&(node.parent as usize)).copied().unwrap_or(0),
            name: names.name(node.label, node.sample).to_owned(),
            count: node.count,
            shallow: node.shallow,
            retained: node.retained,
            growth: diff.map_or(0, |diff| diff.growth_of(at as u32).into()),
        }
    };
    heaviest.iter().map(frame).collect()
}

fn types(heap: &Heap<'_, '_>, paths: &Paths, limit: usize) -> Vec<TypeRow> {
    let merged = MergedPaths::new(heap, paths, |_| true);
    // Where the objects of each type are reached, most bytes first.
    let mut ends: HashMap<Label, Vec<u32>> = HashMap::new();
    for (at, node) in (0..).zip(merged.nodes()) {
        if node.ending > 0 {
            ends.entry(node.label).or_default().push(at);
        }
    }
    let row = |row: &heapmatrix_analysis::top::Row| {
        let mut ends = ends.remove(&row.label).unwrap_or_default();
        ends.sort_by_key(|&at| std::cmp::Reverse(merged.nodes()[at as usize].ending_bytes));
        TypeRow {
            name: heap.name(row.label, row.sample),
            count: row.count,
            shallow: row.shallow,
            retained: row.retained,
            paths: ends
                .iter()
                .take(5)
                .map(|&at| (merged.expression(at), merged.nodes()[at as usize].ending))
                .collect(),
        }
    };
    top(heap).iter().take(limit).map(row).collect()
}

fn roots(heap: &Heap<'_, '_>, paths: &Paths, tree: &Tree, limit: usize) -> Vec<RootRow> {
    let mut rows: Vec<(RootRow, u32)> = Vec::new();
    // What hangs directly below all roots and is no root: no root alone holds it.
    let objects = heap.graph().objects();
    for node in tree.nodes().iter().skip(1).filter(|node| node.parent == 0 && node.sample < objects) {
        let (name, kind) = (paths.expression(heap, node.sample), "several roots");
        rows.push((RootRow { kind, name, count: node.count, retained: node.retained }, node.sample));
    }
    for group in groups(heap) {
        let name = heap.name(Label::Stacks(group.node), group.node);
        rows.push((
            RootRow { kind: "goroutines", name, count: group.count, retained: group.retained },
            group.node,
        ));
    }
    for (node, root) in heap.graph().roots() {
        let kind = match root.kind {
            RootKind::Variable => "variable",
            RootKind::Finalizers => "finalizers",
            RootKind::Other => "other",
            _ => continue,
        };
        // Names are made for those alone that are shown.
        rows.push((RootRow { kind, name: String::new(), count: 1, retained: heap.retained(node) }, node));
    }
    rows.sort_by_key(|(row, node)| (std::cmp::Reverse(row.retained), *node));
    rows.retain(|(row, _)| row.retained > 0);
    rows.truncate(limit);
    for (row, node) in &mut rows {
        if row.name.is_empty() {
            row.name = heap.name(heap.label(*node), *node);
        }
    }
    rows.into_iter().map(|(row, _)| row).collect()
}

fn samples(heap: &Heap<'_, '_>, paths: &Paths) -> Vec<Sample> {
    let rows = top(heap);
    let known = rows.iter().filter(|row| matches!(row.label, Label::Type(_)));
    let sample = |row: &heapmatrix_analysis::top::Row| {
        let fields = heap.naming().fields(row.sample, 16);
        Sample {
            name: heap.name(row.label, row.sample),
            address: hex(heap.index().address(row.sample as usize)),
            expression: paths.expression(heap, row.sample),
            size: heap.size(row.sample),
            retained: heap.retained(row.sample),
            fields: fields.into_iter().map(|field| (field.path, field.type_name, field.text)).collect(),
        }
    };
    known.take(SAMPLED).map(sample).collect()
}
