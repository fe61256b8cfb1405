//! Heap snapshots of V8, which Chrome's developer tools read.

use std::io::{self, Write};

use super::{Strings, json_string};
use crate::heap::{Heap, Names};

/// What the numbers of nodes and edges mean; the rest of the format is empty here.
const META: &str = r#"{"node_fields":["type","name","id","self_size","edge_count","trace_node_id","detachedness"],"node_types":[["hidden","array","string","object","code","closure","regexp","number","native","synthetic","concatenated string","sliced string","symbol","bigint","object shape"],"string","number","number","number","number","number"],"edge_fields":["type","name_or_index","to_node"],"edge_types":[["context","element","property","internal","hidden","shortcut","weak"],"string_or_number","node"],"trace_function_info_fields":[],"trace_node_fields":[],"sample_fields":[],"location_fields":[]}"#;
/// The numbers of a node.
const NODE_FIELDS: u64 = 7;
/// Types of nodes.
const OBJECT: u64 = 3;
const SYNTHETIC: u64 = 9;
/// Types of edges.
const ELEMENT: u64 = 1;
const PROPERTY: u64 = 2;

pub(super) fn write(heap: &Heap<'_, '_>, mut out: impl Write) -> io::Result<()> {
    let graph = heap.graph();
    // The root of all is the first node; what is not reached has no place.
    let nodes: Vec<u32> = heap.dominators().tree().map(|(node, _)| node).collect();
    let mut places = vec![u32::MAX; graph.len() as usize];
    for (&node, place) in nodes.iter().zip(0..) {
        places[node as usize] = place;
    }
    let edges: u64 = nodes.iter().map(|&node| graph.rows().row(node).len() as u64).sum();
    writeln!(
        out,
        "{{\"snapshot\":{{\"meta\":{META},\"node_count\":{},\"edge_count\":{edges},\"trace_function_count\":0}},",
        nodes.len()
    )?;
    let (mut names, mut strings) = (Names::new(heap), Strings::default());
    writeln!(out, "\"nodes\":[")?;
    for (&node, place) in nodes.iter().zip(0u64..) {
        let (kind, id) = match node < graph.objects() {
            true => (OBJECT, 2 * place + 1),
            false => (SYNTHETIC, 2 * place + 1),
        };
        let name = strings.number(names.name(heap.label(node), node).to_owned());
        let count = graph.rows().row(node).len();
        let comma = if place == 0 { "" } else { "," };
        writeln!(out, "{comma}{kind},{name},{id},{},{count},0,0", heap.size(node))?;
    }
    writeln!(out, "],\n\"edges\":[")?;
    let mut first = true;
    for &node in &nodes {
        let mut edge = |target: u32, kind: u64, name: u64| {
            let to = u64::from(places[target as usize]) * NODE_FIELDS;
            let comma = if std::mem::take(&mut first) { "" } else { "," };
            writeln!(out, "{comma}{kind},{name},{to}")
        };
        for (&target, number) in graph.rows().row(node).iter().zip(0..) {
            // Elements have numbers; the rest are fields, or what roots call their pointers.
            let text = match node < graph.objects() {
                true if graph.rows().row(node).len() > 64 => String::new(),
                true => {
                    let place = heap.index().edges(node as usize).find(|edge| edge.target == target as usize);
                    heap.step(node, target, place.map_or(0, |edge| edge.offset))
                }
                false if target >= graph.objects() => String::new(),
                false => heap.step(node, target, 0),
            };
            match text.is_empty() || text == "[…]" {
                true => edge(target, ELEMENT, number)?,
                false => edge(target, PROPERTY, strings.number(text))?,
            }
        }
    }
    writeln!(
        out,
        "],\n\"trace_function_infos\":[],\"trace_tree\":[],\"samples\":[],\"locations\":[],\n\"strings\":["
    )?;
    for (text, place) in strings.all.iter().zip(0..) {
        let comma = if place == 0 { "" } else { "," };
        writeln!(out, "{comma}{}", json_string(text))?;
    }
    writeln!(out, "]}}")?;
    out.flush()
}
