//! From typed values along their pointers to all that they reach.

use std::collections::{HashMap, HashSet};

use heapmatrix_reader::Index;

use crate::bits::Bits;

use super::evidence::{Extent, Strength, object_type};
use super::memory::{Memory, Others};
use super::plan::Plans;
use super::program::Program;
use super::table::{Kind, TypeId};

/// What is known of a dump's objects, and what is still to be looked at.
pub(super) struct Propagation<'x, 'd, 'b, 'f> {
    pub index: &'x Index<'d>,
    pub memory: Memory<'d>,
    pub program: Program<'b, 'f>,
    /// The types' descriptors by their itabs.
    pub itabs: HashMap<u64, u64>,
    pub(super) plans: Plans,
    /// The type of each object.
    pub ids: Vec<TypeId>,
    /// Objects that may have pointers. Read once from end to end: memory is slow where it is not read in order.
    pointers: Bits,
    /// Objects of which an earlier source has said everything.
    settled: Bits,
    /// Objects that start with a malloc header.
    headed: Bits,
    strengths: Vec<Strength>,
    /// Objects whose pointers are to be followed.
    work: Vec<u32>,
    /// Values that are to be followed and are no objects.
    values: Vec<Value>,
    seen: HashSet<(u64, TypeId)>,
    /// Pointers into the middle of objects of which nothing else is known yet.
    interior: Vec<Value>,
    draining: bool,
    /// How many leaves may still be looked at: hostile types overlap without end.
    budget: u64,
}

/// A value, or some, at an address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    pub address: u64,
    pub id: TypeId,
    pub extent: Extent,
}

/// What is known in the end.
pub(super) struct Found<'b, 'f> {
    pub ids: Vec<TypeId>,
    pub headed: Bits,
    /// The types that itabs stand for.
    pub itabs: HashMap<u64, TypeId>,
    pub program: Program<'b, 'f>,
}

/// The size of a malloc header. Source: `runtime.mallocHeaderSize`.
pub(super) const HEADER: u64 = 8;

impl<'x, 'd, 'b, 'f> Propagation<'x, 'd, 'b, 'f> {
    pub fn new(index: &'x Index<'d>, others: &Others<'d>, program: Program<'b, 'f>) -> Self {
        Self {
            index,
            memory: Memory::of(others),
            program,
            itabs: HashMap::new(),
            plans: Plans::default(),
            ids: vec![TypeId::UNKNOWN; index.len()],
            pointers: Bits::of(index.len(), |object| index.has_fields(object)),
            settled: Bits::new(index.len()),
            headed: Bits::new(index.len()),
            strengths: Vec::new(),
            work: Vec::new(),
            values: Vec::new(),
            seen: HashSet::new(),
            interior: Vec::new(),
            draining: false,
            budget: 1 << 20 | (index.dump().bytes().len() as u64).saturating_mul(16),
        }
    }

    /// Says that an object starts with a malloc header, and that values of a type follow it.
    pub fn header(&mut self, object: usize, id: TypeId) {
        self.headed.set(object);
        let size = self.program.types.get(id).size;
        let room = self.index.size(object).saturating_sub(HEADER);
        let many =
            if size > 0 && size.saturating_mul(2) <= room { Extent::Many(room / size) } else { Extent::One };
        self.point(self.index.address(object) + HEADER, id, many);
    }

    /// Says that an object starts with a malloc header, and that nothing is known of its type.
    pub fn unknown_header(&mut self, object: usize, id: TypeId) {
        self.headed.set(object);
        self.ids[object] = id;
    }

    /// How many bytes come before an object's value.
    pub fn start(&self, object: usize) -> u64 {
        if self.headed.get(object) { HEADER } else { 0 }
    }

    /// What has been found. Objects of which nothing is known get a type by their size.
    pub fn into_found(mut self) -> Found<'b, 'f> {
        for object in 0..self.ids.len() {
            if self.ids[object] == TypeId::UNKNOWN {
                let size = Some(self.index.size(object)).filter(|&size| size <= 32768).unwrap_or(0);
                let pointers = self.pointers.get(object);
                self.ids[object] = self.program.types.of_object(Kind::Sized { size, pointers });
            }
        }
        let Self { ids, headed, itabs, mut program, .. } = self;
        // In order, since descriptors that are looked at for the first time become types.
        let mut itabs: Vec<(u64, u64)> = itabs.into_iter().collect();
        itabs.sort_unstable();
        let itabs = itabs.into_iter();
        let itabs =
            itabs.filter_map(|(itab, descriptor)| Some((itab, program.descriptor(descriptor)?))).collect();
        Found { ids, headed, itabs, program }
    }

    /// Ends a source: what it has said of whole objects stays.
    pub fn settle(&mut self) {
        self.run();
        for object in 0..self.ids.len() {
            let id = self.ids[object];
            if id != TypeId::UNKNOWN && self.strength(id).is_whole() {
                self.settled.set(object);
            }
        }
    }

    /// Takes note that there is a value of a type at an address, or some.
    #[inline]
    pub fn point(&mut self, address: u64, id: TypeId, extent: Extent) {
        let Some((object, inside)) = self.index.locate(address) else {
            if address != 0 && self.program.types.get(id).pointers {
                self.value(Value { address, id, extent });
            }
            return;
        };
        let current = self.ids[object];
        let start = self.start(object);
        let Some(offset) = inside.checked_sub(start) else { return };
        if offset == 0 && current == id || self.settled.get(object) {
            return;
        }
        self.learn(object, Value { address, id, extent }, offset, self.index.size(object) - start);
    }

    fn learn(&mut self, object: usize, value: Value, offset: u64, size: u64) {
        let current = self.ids[object];
        let known = self.strength(current);
        if known.is_final() {
            return;
        }
        let pointers = self.pointers.get(object);
        let types = &mut self.program.types;
        let followed = pointers && types.get(value.id).pointers;
        let Some(id) = object_type(types, (value.id, value.extent), offset, size, pointers) else { return };
        let strength = self.strength(id);
        if id == current || known.is_whole() && !strength.is_whole() {
            return;
        }
        if offset > 0 && !strength.is_whole() && !self.draining {
            self.interior.push(value);
        } else if strength > known {
            self.ids[object] = id;
            if pointers && self.program.types.get(id).pointers {
                self.work.push(object as u32);
            }
        } else if followed && !known.is_whole() {
            // Another part of it.
            self.value(value);
        }
    }

    /// Takes note of a value that is no object, once.
    fn value(&mut self, value: Value) {
        if self.bytes_at(value.address).is_some() && self.seen.insert((value.address, value.id)) {
            self.values.push(value);
        }
    }

    pub(super) fn bytes_at(&self, address: u64) -> Option<&'d [u8]> {
        match self.index.locate(address) {
            Some((object, inside)) => self.index.contents(object).get(inside as usize..),
            None => self.memory.at(address),
        }
    }

    /// Follows everything that is known to its end.
    pub fn run(&mut self) {
        loop {
            while let Some(object) = self.work.pop() {
                self.follow_object(object as usize);
            }
            if let Some(value) = self.values.pop() {
                self.follow_value(value);
            } else if let Some(Value { address, id, extent }) = self.interior.pop() {
                // The objects that only interior pointers lead to come last: most have become known meanwhile.
                self.draining = true;
                self.point(address, id, extent);
                self.draining = false;
            } else {
                break;
            }
        }
    }

    fn follow_object(&mut self, object: usize) {
        let Some(bytes) = self.index.contents(object).get(self.start(object) as usize..) else { return };
        let id = self.ids[object];
        match self.program.types.get(id).kind {
            Kind::Run { element, .. } => self.follow_many(bytes, element, u64::MAX),
            Kind::Partial { offset, element } => {
                if let Some(rest) = bytes.get(offset as usize..) {
                    self.follow(rest, element, 0);
                }
            }
            _ => self.follow(bytes, id, 0),
        }
    }

    fn follow_value(&mut self, Value { address, id, extent }: Value) {
        let Some(bytes) = self.bytes_at(address) else { return };
        match extent {
            Extent::One => self.follow(bytes, id, 0),
            Extent::Many(count) => self.follow_many(bytes, id, count),
        }
    }

    /// Follows values one after the other, as many as there is room for.
    pub(super) fn follow_many(&mut self, bytes: &[u8], id: TypeId, count: u64) {
        let type_ = self.program.types.get(id);
        let Ok(size) = usize::try_from(type_.size) else { return };
        if size == 0 || !type_.pointers {
            return;
        }
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        for value in bytes.chunks_exact(size).take(count) {
            if self.budget == 0 {
                return;
            }
            self.follow(value, id, 1);
        }
    }

    /// Whether another leaf may be looked at.
    #[inline]
    pub(super) fn spend(&mut self) -> bool {
        self.budget = self.budget.saturating_sub(1);
        self.budget > 0
    }

    fn strength(&mut self, id: TypeId) -> Strength {
        while self.strengths.len() <= id.index() {
            let next = TypeId(self.strengths.len() as u32);
            self.strengths.push(Strength::of(&self.program.types, next));
        }
        self.strengths[id.index()]
    }

    /// Where an object's value starts.
    pub(super) fn start_address(&self, object: usize) -> u64 {
        self.index.address(object) + self.start(object)
    }

    /// Overrides what the malloc header says of a closure: its function says more.
    pub(super) fn closure_object(&mut self, address: u64, id: TypeId) {
        if let Some(object) = self.index.find(address)
            && self.headed.get(object)
            && self.settled.get(object)
            && address == self.start_address(object)
            && !matches!(&self.program.types.get(self.ids[object]).name, name if name.starts_with("closure "))
        {
            self.ids[object] = id;
            self.work.push(object as u32);
        }
    }
}
