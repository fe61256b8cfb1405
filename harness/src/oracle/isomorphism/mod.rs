//! Isomorphism: the dumps of one world on several machines are the same graph, once addresses are renamed
//! and the word size is abstracted.
//!
//! What it can find: whatever a writer, an image or a machine does on one architecture and not on another,
//! without an opinion of what is right. What it cannot find: a mistake that is made on all of them alike; the
//! order of records, which addresses decide; and what machines rightly differ in: byte order and pointer
//! size, the sizes that follow from it, and where a frame has its return PC and its saved registers. A
//! program counter counts as the function that it is in. A number may be an address on one machine by chance: it is
//! the same where the other has the same number.

mod graph;
mod names;

use std::fmt;

use heapmatrix_emu::image::Locations;
use heapmatrix_emu::world::World;
use heapmatrix_writer::AnyTarget;

pub use graph::{Graph, Node, Term};
pub use names::Thing;

/// The first record in which two machines' dumps are not the same graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The two machines.
    pub targets: [AnyTarget; 2],
    /// The record, and its field.
    pub place: String,
    /// What each machine's dump has there.
    pub found: [String; 2],
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { targets: [left, right], place, found: [l, r] } = self;
        write!(f, "{place}: {l} on {left}, and {r} on {right}")
    }
}

impl std::error::Error for Difference {}

/// The graph of a dump.
///
/// # Errors
/// Those of reading the dump.
pub fn graph(world: &World, at: &Locations, dump: &[u8]) -> heapmatrix_reader::Result<Graph> {
    Graph::new(world, at, dump)
}

/// Compares graphs of the same world, each with each.
///
/// # Errors
/// The first [`Difference`].
pub fn check(graphs: &[Graph]) -> Result<(), Box<Difference>> {
    for (i, left) in graphs.iter().enumerate() {
        graphs[i + 1..].iter().try_for_each(|right| compare(left, right))?;
    }
    Ok(())
}

fn compare(left: &Graph, right: &Graph) -> Result<(), Box<Difference>> {
    let targets = [left.target, right.target];
    let same_words = left.target.ptr_size() == right.target.ptr_size();
    let differ = |place, found| Err(Box::new(Difference { targets, place, found }));
    for i in 0..left.nodes.len().max(right.nodes.len()) {
        let (l, r) = match (left.nodes.get(i), right.nodes.get(i)) {
            (Some(l), Some(r)) => (l, r),
            (l, r) => {
                let found = [l, r].map(|node| node.map_or("nothing".to_owned(), Node::to_string));
                return differ(format!("record {i}"), found);
            }
        };
        if (l.kind, l.subject) != (r.kind, r.subject) {
            return differ(format!("record {i}"), [l.to_string(), r.to_string()]);
        }
        for n in 0..l.terms.len().max(r.terms.len()) {
            let (a, b) = (l.terms.get(n), r.terms.get(n));
            let same = matches!((a, b), (Some(a), Some(b)) if a.0 == b.0 && a.1.same(&b.1, same_words));
            if !same {
                let name = a.or(b).map_or("", |term| term.0);
                let found =
                    [a, b].map(|term| term.map_or("nothing".to_owned(), |term| format!("{:?}", term.1)));
                return differ(format!("{l}, {name}"), found);
            }
        }
    }
    Ok(())
}
