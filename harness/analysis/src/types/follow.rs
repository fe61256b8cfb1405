//! The ways in which a value of Go leads elsewhere.

use super::evidence::Extent;
use super::plan::{Leaf, Step};
use super::propagate::Propagation;
use super::table::{DEPTH, Kind, TypeId};

/// A flag of `reflect.Value`: the pointer is to the value. Source: `reflect.flagIndir`.
const REFLECT_INDIRECT: u64 = 1 << 7;

impl Propagation<'_, '_, '_, '_> {
    /// Follows what a value leads to. Its bytes may be cut off.
    pub(super) fn follow(&mut self, bytes: &[u8], id: TypeId, depth: u32) {
        if depth > DEPTH {
            return;
        }
        for index in self.plans.of(&self.program.types, id) {
            let Leaf { offset, step } = self.plans.leaf(index);
            if offset >= bytes.len() as u64 {
                continue;
            }
            if !self.spend() {
                return;
            }
            self.step(&bytes[offset as usize..], step, depth);
        }
    }

    fn step(&mut self, bytes: &[u8], step: Step, depth: u32) {
        let size = self.program.types.word;
        let word = |number: u64| self.memory.word(bytes, number * size);
        let first = word(0);
        match step {
            Step::Value(id) => self.follow(bytes, id, depth + 1),
            Step::Array { element, length } => self.follow_many(bytes, element, length),
            // A pointer that is nil leads nowhere, whatever comes after it.
            _ if first == 0 => {}
            Step::Opaque => {}
            Step::Pointer(of) => self.point(first, of, Extent::One),
            Step::Text => self.point(first, TypeId::TEXT, Extent::Many(word(1))),
            Step::Slice(element) => self.point(first, element, Extent::Many(word(2))),
            Step::Interface => {
                let data = word(1);
                if data != 0
                    && let Some(descriptor) = self.itabs.get(&first).copied()
                {
                    self.follow_boxed(descriptor, data);
                }
            }
            Step::EmptyInterface => match word(1) {
                0 => {}
                data => self.follow_boxed(first, data),
            },
            Step::Func => self.follow_closure(first),
            Step::ChanBuffer(element) => {
                // In the channel's own object, of which all is known, if its elements have no pointers.
                self.point(first, element, Extent::Many(Extent::UP_TO_THE_END));
            }
            Step::Directory { group, table } => match word(1) {
                0 => self.point(first, group, Extent::One),
                length => self.point(first, table, Extent::Many(length)),
            },
            Step::Reflected => {
                let (data, flags) = (word(1), word(2));
                match self.program.descriptor(first) {
                    Some(id) if flags & REFLECT_INDIRECT != 0 => self.point(data, id, Extent::One),
                    Some(_) => self.follow_boxed(first, data),
                    None => {}
                }
            }
            Step::Node(node) => {
                let id = self.node(first, node).unwrap_or(node);
                self.point(first, id, Extent::One);
            }
        }
    }

    /// Follows an interface's data word, of the type whose descriptor is at an address.
    pub(super) fn follow_boxed(&mut self, descriptor: u64, data: u64) {
        let Some(id) = self.program.descriptor(descriptor) else { return };
        match self.program.types.pointer_shaped(id) {
            Some(direct) => self.follow_word(direct, data),
            None => self.point(data, id, Extent::One),
        }
    }

    /// Follows a value that is one word.
    pub(super) fn follow_word(&mut self, id: TypeId, word: u64) {
        match self.program.types.get(id).kind {
            Kind::Pointer(of) | Kind::Map(of) | Kind::Chan(of) => self.point(word, of, Extent::One),
            Kind::Func => self.follow_closure(word),
            _ => {}
        }
    }

    /// Follows a pointer to a closure.
    pub(super) fn follow_closure(&mut self, address: u64) {
        let Some(bytes) = self.bytes_at(address) else { return };
        let entry = self.memory.word(bytes, 0);
        let id = self.program.closures.get(&entry).copied().or_else(|| {
            let object = self.index.find(address).filter(|&object| self.start_address(object) == address);
            let known = object.map(|object| self.ids[object]);
            self.program.closure(entry, object.map(|object| self.index.object(object)), known)
        });
        if let Some(id) = id {
            self.closure_object(address, id);
            self.point(address, id, Extent::One);
        }
    }

    /// What a node of `internal/sync.HashTrieMap`, or of that of `unique`, is the start of.
    fn node(&self, address: u64, node: TypeId) -> Option<TypeId> {
        let is_entry = *self.bytes_at(address)?.first()? != 0;
        // A generic function's own types don't say: then it is that of `sync.Map`, if the sizes agree.
        let name = &self.program.types.get(node).name;
        let (package, arguments) =
            name.split_once(".node[").unwrap_or(("internal/sync", "interface {},interface {}]"));
        let name = if is_entry { "entry" } else { "indirect" };
        self.program.named(&format!("{package}.{name}[{arguments}"))
    }
}
