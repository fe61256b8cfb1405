//! Laws: what every sound dump obeys, whatever process it is of.
//!
//! What it can find: records out of order, overlapping objects, frames that do not meet, fields outside
//! their contents, links that lead nowhere. It needs nothing but the dump, so that it holds for real ones
//! as well. What it cannot find: values that are wrong without contradicting another value.
//!
//! The laws are [those of the reader](heapmatrix_reader::laws), less those about figures that a world
//! makes up ([`MADE_UP`]).

use heapmatrix_emu::world::{Value, World};
use heapmatrix_reader::laws::{self, Law, Violation};

/// The laws that a world may break.
///
/// Numbers of threads and goroutines, statistics and counts of the profile are what the world says they
/// are, so that every field has values that a mistake would change.
pub const MADE_UP: [Law; 7] = [
    Law::GoroutinesDistinct,
    Law::ThreadsDistinct,
    Law::BucketFrees,
    Law::StatsObjects,
    Law::StatsAlloc,
    Law::StatsHeap,
    Law::StatsSys,
];

/// What a world does that breaks a law, though its dump is right.
fn excepted(world: &World, law: Law) -> bool {
    match law {
        law if MADE_UP.contains(&law) => true,
        // What a queue entry names as its object is the world's choice.
        Law::FinalizerObject => {
            world.queued.iter().any(|queued| !matches!(queued.object, Value::Object { .. }))
        }
        _ => false,
    }
}

/// Holds the dump of a world to the laws.
///
/// # Errors
/// The first violation.
pub fn check(world: &World, dump: &[u8]) -> Result<(), Violation> {
    let mut first = None;
    laws::check(dump, |violation| {
        if !excepted(world, violation.law) {
            first.get_or_insert(violation);
        }
    });
    first.map_or(Ok(()), Err)
}
