//! A line of JSON for each root and each object.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::json_string;
use crate::heap::{Heap, Names};

pub(super) fn write(heap: &Heap<'_, '_>, mut out: impl Write) -> io::Result<()> {
    let graph = heap.graph();
    let mut names = Names::new(heap);
    let roots = graph.objects()..graph.len();
    let objects = (0..graph.objects()).filter(|&object| !graph.is_excluded(object));
    for node in roots.chain(objects) {
        let name = json_string(names.name(heap.label(node), node));
        let mut line = format!("{{\"node\":{node},\"name\":{name},\"retained\":{}", heap.retained(node));
        if node < graph.objects() {
            let address = heap.index().address(node as usize);
            let _ = write!(line, ",\"address\":\"{address:#x}\",\"size\":{}", heap.size(node));
        }
        let _ = write!(line, ",\"reached\":{}", heap.dominators().reaches(node));
        if let Some(dominator) = heap.dominators().immediate(node) {
            let _ = write!(line, ",\"dominator\":{dominator}");
        }
        let targets: Vec<String> = graph.rows().row(node).iter().map(u32::to_string).collect();
        writeln!(out, "{line},\"points_to\":[{}]}}", targets.join(","))?;
    }
    out.flush()
}
