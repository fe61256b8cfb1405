//! What the objects of a dump are, by type: `types DUMP [PROGRAM]`.

use std::collections::HashMap;

use heapmatrix_analysis::dominators::Dominators;
use heapmatrix_analysis::graph::Graph;
use heapmatrix_analysis::types::{Binary, Typing};
use heapmatrix_reader::{Dump, Index};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dump = std::fs::read(arguments.next().ok_or("usage: types DUMP [PROGRAM]")?)?;
    let program = arguments.next().map(std::fs::read).transpose()?;

    let index = Index::new(Dump::new(&dump)?)?;
    let binary = program.as_deref().map(Binary::open).transpose()?;
    let typing = Typing::new(&index, binary.as_ref())?;
    let graph = Graph::new(&index, &|address| Some(address - typing.global(address)?.1))?;
    let dominators = Dominators::new(graph.rows(), graph.all());
    let reachable = |object: usize| dominators.reaches(object as u32);

    let mut by_type: HashMap<&str, (u64, u64)> = HashMap::new();
    for object in (0..index.len()).filter(|&object| reachable(object)) {
        let (count, bytes) = by_type.entry(typing.name(typing.type_of(object))).or_default();
        *count += 1;
        *bytes += index.size(object);
    }
    let mut rows: Vec<_> = by_type.into_iter().collect();
    rows.sort_by_key(|&(name, (_, bytes))| (std::cmp::Reverse(bytes), name));
    println!("{:>12} {:>9}  type", "bytes", "objects");
    for (name, (count, bytes)) in rows.iter().take(30) {
        println!("{bytes:>12} {count:>9}  {name}");
    }
    println!("{}", typing.share(&index, reachable));
    Ok(())
}
