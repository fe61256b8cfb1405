//! Memory that holds nothing, or the same as other memory.

mod slices;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::heap::{Heap, Label};
use slices::{Slices, Unused};

/// What memory is wasted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Blocks without pointers that hold the same bytes as another: as many as are too many.
    Duplicates,
    /// Zero bytes at the end of an object, where they are more than half of it: room that nothing uses yet.
    ZeroTail,
    /// Maps without elements.
    EmptyMap,
    /// Room at the end of arrays, for elements that slices may still get.
    SliceSlack,
    /// Arrays of which slices or strings hold less than half: the rest can't be freed.
    Pinned,
}

/// Memory that is wasted in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waste {
    /// On what.
    pub kind: Kind,
    /// The label of the objects.
    pub label: Label,
    /// How many objects.
    pub objects: u64,
    /// How many bytes would be saved.
    pub bytes: u64,
    /// An object that is wasted in this way.
    pub sample: u32,
}

/// Objects below this size are not looked at for zeros: a block of the smallest classes is never much too large.
const LEAST: usize = 64;

/// What is wasted in the objects that roots reach, most bytes first.
///
/// Takes 12 bytes an object, and some 24 more for each without pointers.
pub fn waste(heap: &Heap<'_, '_>) -> Vec<Waste> {
    let mut found: HashMap<(Kind, Label), Waste> = HashMap::new();
    let mut add = |kind, object: u32, bytes: u64| {
        let label = heap.label(object);
        let none = Waste { kind, label, objects: 0, bytes: 0, sample: object };
        let waste = found.entry((kind, label)).or_insert(none);
        waste.objects += 1;
        waste.bytes = waste.bytes.saturating_add(bytes);
    };
    let (state, mut first) = (RandomState::new(), HashMap::new());
    let slices = Slices::new(heap);
    let word = heap.dump().params().pointer_size.bytes() as usize;
    for object in (0..heap.graph().objects()).filter(|&object| heap.dominators().reaches(object)) {
        let contents = heap.index().contents(object as usize);
        let zeros = contents.iter().rev().take_while(|&&byte| byte == 0).count();
        let pointers = heap.index().has_fields(object as usize);
        if !pointers && zeros < contents.len() {
            // Blocks of the same contents have the same hash, others not but for once in 2^64.
            let hash = state.hash_one(contents);
            match first.entry(hash) {
                std::collections::hash_map::Entry::Occupied(_) => {
                    add(Kind::Duplicates, object, contents.len() as u64);
                    continue;
                }
                std::collections::hash_map::Entry::Vacant(entry) => {
                    entry.insert(());
                }
            }
        }
        if is_map(heap, object) {
            // The number of elements comes first, in hash maps and in Swiss maps.
            if contents.get(..word).is_some_and(|count| count.iter().all(|&byte| byte == 0)) {
                add(Kind::EmptyMap, object, heap.retained(object));
            }
        } else if let Some(unused) = slices.unused(object, heap.size(object)) {
            match unused {
                Unused::Slack(bytes) => add(Kind::SliceSlack, object, bytes),
                Unused::Pinned(bytes) => add(Kind::Pinned, object, bytes),
            }
        } else if contents.len() >= LEAST && zeros * 2 > contents.len() {
            add(Kind::ZeroTail, object, zeros as u64);
        }
    }
    let mut waste: Vec<Waste> = found.into_values().collect();
    waste.sort_by_key(|waste| (std::cmp::Reverse(waste.bytes), waste.kind, waste.label));
    waste
}

/// Whether an object is the header of a map.
fn is_map(heap: &Heap<'_, '_>, object: u32) -> bool {
    heap.naming().type_of(object).is_some_and(|of| heap.naming().is_map(of))
}
