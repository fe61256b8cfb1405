//! What the pointers of an object say of the memory that they point to: how much of it can be used through them.

use heapmatrix_reader::Index;

use super::plan::{Leaf, Plans, Step};
use super::table::{DEPTH, Kind, TypeId};
use super::typing::Typing;

/// A pointer, and how much of what it points to can be used through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// Where it points.
    pub address: u64,
    /// How many bytes are in use: the length of a slice or a string, the size of a value. `None` if that is not known.
    pub used: Option<u64>,
    /// How many bytes there is room for without another allocation: the capacity of a slice.
    pub room: u64,
}

/// How many leaves of one object are looked at: hostile types overlap without end.
const MOST: u64 = 1 << 24;

impl Typing {
    /// Hands over the pointers of an object that are not nil. `false` if its type is not known.
    pub fn uses(&self, index: &Index<'_>, object: usize, each: &mut dyn FnMut(Use)) -> bool {
        let id = self.type_of(object);
        let bytes = index.contents(object).get(self.start_of(object) as usize..).unwrap_or_default();
        let mut walk = Walk { index, typing: self, plans: &mut self.plans.borrow_mut(), left: MOST, each };
        match self.types().get(id).kind {
            Kind::Unknown | Kind::Sized { .. } | Kind::Header(_) | Kind::Partial { .. } => return false,
            Kind::Run { element, .. } => walk.many(bytes, element, u64::MAX, 0),
            _ => walk.value(bytes, id, 0),
        }
        true
    }
}

struct Walk<'w, 'd> {
    index: &'w Index<'d>,
    typing: &'w Typing,
    plans: &'w mut Plans,
    left: u64,
    each: &'w mut dyn FnMut(Use),
}

impl Walk<'_, '_> {
    fn value(&mut self, bytes: &[u8], id: TypeId, depth: u32) {
        if depth > DEPTH {
            return;
        }
        for at in self.plans.of(self.typing.types(), id) {
            let Leaf { offset, step } = self.plans.leaf(at);
            let Some(rest) = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)) else {
                continue;
            };
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            self.step(rest, step, depth);
        }
    }

    fn many(&mut self, bytes: &[u8], element: TypeId, count: u64, depth: u32) {
        let type_ = self.typing.types().get(element);
        let size = usize::try_from(type_.size).unwrap_or(0);
        if size == 0 || !type_.pointers {
            return;
        }
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        for value in bytes.chunks_exact(size).take(count) {
            if self.left == 0 {
                return;
            }
            self.value(value, element, depth + 1);
        }
    }

    fn step(&mut self, bytes: &[u8], step: Step, depth: u32) {
        let params = self.index.dump().params();
        let word = |number: u64| params.word(bytes, number * self.typing.types().word).unwrap_or(0);
        let size = |id: TypeId| self.typing.types().get(id).size;
        let (address, used, room) = match step {
            Step::Value(id) => return self.value(bytes, id, depth + 1),
            Step::Array { element, length } => return self.many(bytes, element, length, depth),
            Step::Text => (word(0), Some(word(1)), word(1)),
            Step::Slice(element) => {
                let bytes = |count: u64| count.saturating_mul(size(element));
                (word(0), Some(bytes(word(1))), bytes(word(2)))
            }
            Step::Pointer(of) | Step::Node(of) => {
                (word(0), Some(size(of)).filter(|&size| size > 0), size(of))
            }
            Step::Interface | Step::EmptyInterface => (word(1), None, 0),
            _ => (word(0), None, 0),
        };
        if address != 0 {
            (self.each)(Use { address, used, room });
        }
    }
}
