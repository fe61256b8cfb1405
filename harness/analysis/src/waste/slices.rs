//! How much of an array is used by the slices and strings that hold it.

use crate::bits::Bits;
use crate::heap::Heap;

/// What slices and strings use of the objects that they point into. Takes 12 bytes an object.
pub(super) struct Slices {
    /// The first byte that is in use, of each object; where none is known to be, [`u32::MAX`].
    first: Vec<u32>,
    /// After the last byte in use.
    end: Vec<u32>,
    /// After the last byte for which a slice has room.
    room: Vec<u32>,
    /// Objects that are used in another way too.
    unknown: Bits,
}

/// What is not used of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unused {
    /// A slice may grow into so many bytes.
    Slack(u64),
    /// Most of it, so many bytes, is only there because a small part is held.
    Pinned(u64),
}

/// An array below this size, in bytes, is never much too large.
const LEAST: u64 = 64;

impl Slices {
    /// Those of all objects that roots reach.
    pub fn new(heap: &Heap<'_, '_>) -> Self {
        let objects = heap.graph().objects() as usize;
        let mut slices = Self {
            first: vec![u32::MAX; objects],
            end: vec![0; objects],
            room: vec![0; objects],
            unknown: Bits::new(objects),
        };
        for object in (0..objects).filter(|&object| heap.dominators().reaches(object as u32)) {
            if heap.graph().rows().row(object as u32).is_empty() {
                continue;
            }
            let known = heap.naming().uses(object as u32, &mut |of| {
                let Some((target, offset)) = heap.index().locate(of.address) else { return };
                match of.used {
                    Some(used) => slices.add(target, offset, used, of.room),
                    None => slices.unknown.set(target),
                }
            });
            if !known {
                slices.mark(heap, object as u32);
            }
        }
        // What a root points to it may use to its end.
        for root in heap.graph().objects()..heap.graph().len() {
            slices.mark(heap, root);
        }
        slices
    }

    fn add(&mut self, target: usize, offset: u64, used: u64, room: u64) {
        let short = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        self.first[target] = self.first[target].min(short(offset));
        self.end[target] = self.end[target].max(short(offset.saturating_add(used)));
        self.room[target] = self.room[target].max(short(offset.saturating_add(room)));
    }

    /// Takes note that nothing is known of how a node uses what it points to.
    fn mark(&mut self, heap: &Heap<'_, '_>, node: u32) {
        let objects = heap.graph().objects();
        for &target in heap.graph().rows().row(node).iter().filter(|&&target| target < objects) {
            self.unknown.set(target as usize);
        }
    }

    /// What is not used of an object, if it is an array and something is known of all that holds it.
    pub fn unused(&self, object: u32, size: u64) -> Option<Unused> {
        let at = object as usize;
        let [first, end, room] = [self.first[at], self.end[at], self.room[at]].map(u64::from);
        let held = first != u64::from(u32::MAX) && end <= size && room <= size;
        if size < LEAST || !held || self.unknown.get(at) {
            return None;
        }
        let used = end.saturating_sub(first);
        // A slice from the start that may grow to the end, up to what the size class adds.
        if first == 0 && room > size / 2 {
            return (room > end).then_some(Unused::Slack(room - end));
        }
        (used * 2 < size).then_some(Unused::Pinned(size - used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_used_of_an_array() {
        let mut slices =
            Slices { first: vec![u32::MAX; 2], end: vec![0; 2], room: vec![0; 2], unknown: Bits::new(2) };
        assert_eq!(slices.unused(0, 1000), None, "no slice holds it");
        slices.add(0, 0, 100, 1000);
        assert_eq!(slices.unused(0, 1024), Some(Unused::Slack(900)));
        slices.add(0, 200, 700, 800);
        assert_eq!(slices.unused(0, 1024), Some(Unused::Slack(100)), "another slice uses more of it");
        slices.add(0, 900, 100, 100);
        assert_eq!(slices.unused(0, 1024), None);

        slices.add(1, 960, 40, 64);
        assert_eq!(slices.unused(1, 1024), Some(Unused::Pinned(984)));
        assert_eq!(slices.unused(1, 512), None, "what does not fit says nothing");
        slices.add(1, 300, 10, 10);
        assert_eq!(slices.unused(1, 1024), None, "from the first to the last byte it is most of it");
        slices.add(0, 0, u64::MAX, u64::MAX);
        assert_eq!(slices.unused(0, 1024), None);

        let mut slices = Slices { first: vec![0], end: vec![10], room: vec![10], unknown: Bits::new(1) };
        assert_eq!(slices.unused(0, 1024), Some(Unused::Pinned(1014)), "a string cut from a longer one");
        assert_eq!(slices.unused(0, 48), None, "it is small");
        slices.unknown.set(0);
        assert_eq!(slices.unused(0, 1024), None, "who else uses it?");
    }
}
