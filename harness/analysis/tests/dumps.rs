//! The graphs of golden and of real dumps: what roots reach, and what dominates what.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use heapmatrix_analysis::graph::{Graph, Stacks};
use heapmatrix_analysis::heap::{Heap, Label};
use heapmatrix_analysis::naming::Nameless;
use heapmatrix_analysis::paths::{MergedPaths, Paths};
use heapmatrix_analysis::top::top;
use heapmatrix_analysis::tree::Tree;
use heapmatrix_reader::{Dump, Index};
use petgraph::algo::dominators::simple_fast;
use petgraph::graph::DiGraph;

/// The dumps of a folder of the corpora, unpacked, by name.
fn dumps(folder: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpora").join(folder);
    let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    // Struck dumps are for salvage.
    let dumps = names.filter(|name| name.contains(".dump") && !name.contains(".struck."));
    dumps.map(|name| (name.clone(), unpacked(&folder.join(name)))).collect()
}

fn unpacked(path: &PathBuf) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    if path.extension().is_none_or(|extension| extension != "zst") {
        return bytes;
    }
    let mut unpacked = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(&bytes[..]).unwrap().read_to_end(&mut unpacked).unwrap();
    unpacked
}

const MACHINES: [&str; 4] = ["golden/386", "golden/amd64", "golden/arm", "golden/ppc64"];

fn assert_sound(name: &str, heap: &Heap<'_, '_>) {
    let (graph, dominators) = (heap.graph(), heap.dominators());
    let mut theirs = DiGraph::<(), (), u32>::new();
    for _ in 0..graph.len() {
        theirs.add_node(());
    }
    theirs.extend_with_edges(
        (0..graph.len()).flat_map(|node| graph.rows().row(node).iter().map(move |&to| (node, to))),
    );
    let theirs = simple_fast(&theirs, graph.all().into());
    for node in 0..graph.len() {
        let expected = theirs.immediate_dominator(node.into()).map(|node| node.index() as u32);
        assert_eq!(dominators.immediate(node), expected, "{name}: node {node}");
    }
    // Every record is an object that is reached, one that is not, or none.
    let counts = graph.counts();
    let (reached, unreached) = (heap.reached(), heap.unreached());
    assert_eq!(reached.objects + unreached.objects, counts.objects(), "{name}");
    // The reports count each object once.
    let rows = top(heap);
    assert_eq!(rows.iter().map(|row| row.count).sum::<u64>(), reached.objects, "{name}");
    assert_eq!(rows.iter().map(|row| row.shallow).sum::<u64>(), reached.bytes, "{name}");
    assert!(rows.iter().all(|row| row.shallow <= row.retained && row.retained <= reached.bytes), "{name}");
    // What the objects of a label retain: each that no other of them dominates.
    for row in &rows {
        let of_label = |node: u32| node < graph.objects() && heap.label(node) == row.label;
        let outermost = (0..graph.objects()).filter(|&object| {
            dominators.reaches(object) && of_label(object) && !dominators.of(object).any(of_label)
        });
        let retained: u64 = outermost.map(|object| heap.retained(object)).sum();
        assert_eq!(row.retained, retained, "{name}: {:?}", row.label);
    }
    let tree = Tree::new(heap);
    assert_eq!(tree.nodes()[0].retained, reached.bytes, "{name}");
    assert_eq!(tree.nodes()[0].label, Label::All, "{name}");
    let paths = Paths::new(heap);
    let merged = MergedPaths::new(heap, &paths, |_| true);
    let all = &merged.nodes()[0];
    assert_eq!((all.objects, all.bytes), (reached.objects, reached.bytes), "{name}");
    for object in (0..graph.objects()).filter(|&object| dominators.reaches(object)) {
        let path = paths.nodes(object);
        assert!(path.windows(2).all(|pair| graph.rows().row(pair[0]).contains(&pair[1])), "{name}: {object}");
        assert!(dominators.of(object).all(|dominator| path.contains(&dominator)), "{name}: {object}");
    }
}

#[test]
fn dominators_of_dumps_are_what_petgraph_finds() {
    let mut checked = 0;
    for folder in MACHINES.into_iter().chain(["real"]) {
        for (name, bytes) in dumps(folder) {
            let index = Index::new(Dump::new(&bytes).unwrap()).unwrap();
            assert_sound(&format!("{folder}/{name}"), &Heap::new(&index).unwrap());
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked} dumps");
}

/// A process that has just collected and swept has no garbage: its roots reach as many objects as its runtime counted.
#[test]
fn roots_of_real_dumps_reach_what_the_runtime_counted() {
    for (name, bytes) in dumps("real") {
        let index = Index::new(Dump::new(&bytes).unwrap()).unwrap();
        let heap = Heap::new(&index).unwrap();
        let counted = heap.graph().counts().heap_objects.unwrap();
        let reached = heap.reached().objects;
        println!("{name}: {reached} of {counted}, unreached {:?}", heap.unreached());
        assert!(reached.abs_diff(counted) <= 10, "{name}: {reached} of {counted}");
        assert!(heap.graph().counts().conservative > 0, "{name}: stacks have pointers that no list has");
    }
}

/// What the dominator tree looks like without addresses and sizes: the shape of each node, from its children's.
fn shape(heap: &Heap<'_, '_>) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let tree: Vec<(u32, u32)> = heap.dominators().tree().collect();
    let mut children = vec![Vec::new(); tree.len()];
    let mut shape = 0;
    for (place, &(node, dominator)) in tree.iter().enumerate().rev() {
        let mut below = std::mem::take(&mut children[place]);
        below.sort_unstable();
        let kind = heap.graph().root(node).map(|root| root.kind);
        let mut hasher = DefaultHasher::new();
        (kind, below).hash(&mut hasher);
        shape = hasher.finish();
        // Roots that hold nothing alone are left out: machines have different numbers of those.
        let empty = kind.is_some() && heap.retained(node) == 0;
        if place > 0 && !empty {
            children[dominator as usize].push(shape);
        }
    }
    shape
}

/// Worlds in which a pointer is an argument of an outermost function: the frame below that, which is never returned to,
/// has room for it on machines whose calls push the return address, and none on those with a link register.
const OUTERMOST_ARGUMENTS: [&str; 2] = ["arguments.dump", "generated_30_objects.dump.zst"];

#[test]
fn a_world_has_the_same_dominator_tree_on_every_machine() {
    let machines = MACHINES.map(dumps);
    let mut checked = 0;
    for name in machines[0].keys() {
        let of = |machine: &BTreeMap<String, Vec<u8>>| {
            let index = Index::new(Dump::new(machine.get(name)?).unwrap()).unwrap();
            // What a machine leaves in a frame besides is its own.
            let graph = Graph::with_stacks(&index, &|_| None, Stacks::Listed).unwrap();
            let heap = Heap::of_graph(&index, &Nameless, graph);
            Some((heap.reached().objects, shape(&heap)))
        };
        let [i386, amd64, arm, ppc64] = machines.each_ref().map(of);
        let (Some(amd64), Some(arm), Some(ppc64)) = (amd64, arm, ppc64) else { continue };
        assert_eq!((i386, arm), (Some(amd64), ppc64), "{name}");
        assert_eq!(amd64 == arm, !OUTERMOST_ARGUMENTS.contains(&&name[..]), "{name}");
        checked += 1;
    }
    assert!(checked > 25, "{checked} worlds");
}
