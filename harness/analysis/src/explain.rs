//! All about one object.

use heapmatrix_reader::{Kind, MemProf, Record};

use crate::heap::Heap;

/// A pointer to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrer {
    /// The node that has it.
    pub node: u32,
    /// Where the pointer is: in an object or a frame the offset, in bytes; the address of a variable's word.
    pub place: u64,
    /// How an expression goes on from there.
    pub step: String,
}

/// What points to an object: at most `limit` of them, and how many there are. Objects come first, those that roots reach
/// before others.
pub fn referrers(heap: &Heap<'_, '_>, object: u32, limit: usize) -> (Vec<Referrer>, u64) {
    let objects = heap.graph().objects();
    let mut found: Vec<u32> = Vec::new();
    let mut count = 0;
    for reached in [true, false] {
        for node in 0..heap.graph().len() {
            if heap.dominators().reaches(node) == reached && heap.graph().rows().row(node).contains(&object) {
                count += 1;
                if found.len() < limit {
                    found.push(node);
                }
            }
        }
    }
    let referrer = |node: u32| {
        let place = if node < objects {
            let edge = heap.index().edges(node as usize).find(|edge| edge.target == object as usize);
            edge.map_or(0, |edge| edge.offset)
        } else {
            heap.graph().place(node, object).unwrap_or(0)
        };
        Referrer { node, place, step: heap.step(node, object, place) }
    };
    (found.into_iter().map(referrer).collect(), count)
}

/// Where an object was allocated, if the memory profile has sampled it.
pub fn allocation<'a>(heap: &Heap<'_, 'a>, object: u32) -> Option<MemProf<'a>> {
    let address = heap.index().address(object as usize);
    let size = heap.size(object);
    let records = || heap.index().others().flatten().map(|(_, record)| record);
    let bucket = records().find_map(|record| match record {
        // A sample of an object with a malloc header is of the address after it.
        Record::AllocSample(sample) if sample.object.wrapping_sub(address) < size => Some(sample.bucket),
        _ => None,
    })?;
    records().filter(|record| record.kind() == Kind::MemProf).find_map(|record| match record {
        Record::MemProf(profile) if profile.address == bucket => Some(profile),
        _ => None,
    })
}
