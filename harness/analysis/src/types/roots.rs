//! Where types come from: the sources, the best first.

use std::collections::HashMap;

use heapmatrix_reader::{Fields, Object, Params, PointerSize, Record, Releases, StackFrame};

use super::Binary;
use super::dwarf::{Piece, Variable};
use super::evidence::{Extent, fits};
use super::memory::Others;
use super::propagate::Propagation;
use super::table::{Kind, TypeId};

/// The most bytes of a variable in pieces.
const MOST_BYTES: u64 = 1 << 16;

impl<'d> Propagation<'_, 'd, '_, '_> {
    /// Finds the types of all objects.
    pub(super) fn find_all(&mut self, others: &Others<'d>, binary: Option<&Binary<'_>>) {
        if binary.is_none() {
            self.program.add_records(others);
        }
        self.headers();
        self.runtime_records(others);
        self.settle();
        if let Some(binary) = binary {
            self.globals(binary);
        }
        self.goroutines(others);
        self.settle();
        self.frames(others);
        self.settle();
        self.enclosing();
        self.settle();
        self.directories();
        self.settle();
        let has_debugging_information = binary.is_some_and(Binary::has_debugging_information);
        self.interfaces(others, !has_debugging_information);
        self.settle();
    }

    /// Malloc headers: the exact types of larger objects with pointers, since Go 1.22.
    fn headers(&mut self) {
        let params = *self.index.dump().params();
        let Some(largest_without) = largest_without_header(self.index) else { return };
        for object in 0..self.index.len() {
            // Those of 32 KiB are either a slot with a header or a span that has the type elsewhere.
            let size = self.index.size(object);
            if size <= largest_without || size > 32768 || !self.index.has_fields(object) {
                continue;
            }
            let descriptor = params.word(self.index.contents(object), 0).unwrap_or(0);
            match self.program.descriptor(descriptor) {
                Some(id) if !self.is_directory(id) => self.header(object, id),
                // Without the program it may be none, if the object is of 32 KiB.
                None if size == 32768 => {}
                _ => {
                    let id = self.program.types.of_object(Kind::Header(descriptor));
                    self.unknown_header(object, id);
                }
            }
        }
    }

    /// Whether a type is that of the pointers in the directory of a map: of whatever map, while the map itself says of which.
    fn is_directory(&self, id: TypeId) -> bool {
        let types = &self.program.types;
        matches!(types.get(id).kind, Kind::Pointer(of) if &*types.get(of).name == "internal/runtime/maps.table")
    }

    /// The headers that say little, where nothing else has said more.
    fn directories(&mut self) {
        for object in 0..self.ids.len() {
            if let Kind::Header(descriptor) = self.program.types.get(self.ids[object]).kind
                && let Some(id) = self.program.descriptor(descriptor)
            {
                self.header(object, id);
            }
        }
    }

    /// Records that name types, and those of the runtime's own structures.
    fn runtime_records(&mut self, others: &Others<'d>) {
        for record in others.iter() {
            match record {
                Record::Itab(itab) => {
                    self.itabs.insert(itab.address, itab.type_address);
                }
                Record::Finalizer(finalizer) | Record::QueuedFinalizer(finalizer) => {
                    if let Some(id) = self.program.descriptor(finalizer.object_type) {
                        self.follow_word(id, finalizer.object);
                    }
                }
                _ => {}
            }
        }
    }

    fn globals(&mut self, binary: &Binary<'_>) {
        for global in &binary.dwarf.globals {
            if let Some(bytes) = self.memory.at(self.program.in_process(global.address)) {
                self.follow(bytes, global.type_, 0);
                // Each to its end, so that few objects wait at a time.
                self.run();
            }
        }
    }

    /// What the records of goroutines, threads, defers, panics and finalizers point to.
    fn goroutines(&mut self, others: &Others<'d>) {
        let name = |this: &Self, name| this.program.named(name);
        let [g, m, defer, panic] =
            ["runtime.g", "runtime.m", "runtime._defer", "runtime._panic"].map(|it| name(self, it));
        let point = |this: &mut Self, address, id: Option<TypeId>| {
            if let Some(id) = id {
                this.point(address, id, Extent::One);
            }
        };
        for record in others.iter() {
            match record {
                Record::Goroutine(goroutine) => point(self, goroutine.address, g),
                Record::OsThread(thread) => point(self, thread.address, m),
                Record::Defer(record) => {
                    point(self, record.address, defer);
                    self.follow_closure(record.closure);
                }
                Record::Panic(record) => {
                    point(self, record.address, panic);
                    self.follow_boxed(record.argument_type, record.argument_data);
                }
                Record::Finalizer(finalizer) | Record::QueuedFinalizer(finalizer) => {
                    self.follow_closure(finalizer.closure);
                }
                _ => {}
            }
        }
    }

    /// What looks like an interface where nothing else is known: an itab or a type's descriptor, and then a pointer.
    fn interfaces(&mut self, others: &Others<'d>, everywhere: bool) {
        for object in 0..self.ids.len() {
            if self.ids[object] == TypeId::UNKNOWN && self.index.has_fields(object) {
                let Object { contents, fields, .. } = self.index.object(object);
                self.pairs(contents, fields);
            }
        }
        for record in others.iter().filter(|_| everywhere) {
            match record {
                Record::Data(segment) | Record::Bss(segment) => self.pairs(segment.contents, segment.fields),
                Record::StackFrame(frame) => self.pairs(frame.contents, frame.fields),
                _ => {}
            }
        }
    }

    fn pairs(&mut self, contents: &[u8], fields: Fields<'_>) {
        let word = self.program.types.word;
        // Only an interface's data word is listed as a pointer: the other one never leads to the heap.
        for field in fields {
            let Some(offset) = field.offset.checked_sub(word) else { continue };
            let first = self.memory.word(contents, offset);
            let data = self.memory.word(contents, field.offset);
            if first == 0 || self.index.find(first).is_some() || self.index.find(data).is_none() {
                continue;
            }
            let descriptor = self.itabs.get(&first).copied().unwrap_or(first);
            self.follow_boxed(descriptor, data);
            self.run();
        }
    }

    /// Objects of which a part is known: the only structure of that size that has such a field there.
    fn enclosing(&mut self) {
        let mut structures: HashMap<(u64, TypeId), Vec<TypeId>> = HashMap::new();
        for object in 0..self.ids.len() {
            if let Kind::Partial { offset, element } = self.program.types.get(self.ids[object]).kind {
                structures.entry((offset, element)).or_default();
            }
        }
        // To Go 1.22 package time has its own declaration of the runtime's timers.
        let (timer, its_own) = (self.program.named("runtime.timer"), self.program.named("time.runtimeTimer"));
        for (id, type_) in self.program.types.iter() {
            let Kind::Struct(fields) = &type_.kind else { continue };
            for field in fields {
                let of = timer.filter(|_| Some(field.type_) == its_own).unwrap_or(field.type_);
                if let Some(structures) = structures.get_mut(&(field.offset, of)) {
                    structures.push(id);
                }
            }
        }
        for object in 0..self.ids.len() {
            let Kind::Partial { offset, element } = self.program.types.get(self.ids[object]).kind else {
                continue;
            };
            let size = self.index.size(object) - self.start(object);
            let fit = |id: &&TypeId| {
                let type_ = self.program.types.get(**id);
                fits(type_.size, size) && type_.pointers == self.index.has_fields(object)
            };
            let mut structures = structures[&(offset, element)].iter().filter(fit);
            if let (Some(&id), None) = (structures.next(), structures.next()) {
                self.point(self.start_address(object), id, Extent::One);
            }
        }
    }

    fn frames(&mut self, others: &Others<'d>) {
        for record in others.iter() {
            let Record::StackFrame(frame) = record else { continue };
            let variables = self.program.variables(frame.function.entry);
            // The call that the frame is in, and not what comes after it.
            let pc = self.program.in_binary(frame.function.pc).saturating_sub(1);
            for variable in &*variables {
                if let Some(pieces) = variable.pieces(pc) {
                    self.frame_variable(&frame, variable, pieces);
                }
            }
            self.run();
        }
    }

    fn frame_variable(&mut self, frame: &StackFrame<'d>, variable: &Variable, pieces: &[Piece]) {
        let end = frame.sp.wrapping_add(frame.contents.len() as u64);
        let at = |offset: i64| {
            let address = end.wrapping_add_signed(offset);
            let inside =
                address.checked_sub(frame.sp).and_then(|offset| frame.contents.get(offset as usize..));
            // Arguments are in the caller's frame.
            inside.filter(|bytes| !bytes.is_empty()).or_else(|| self.memory.at(address))
        };
        if let [Piece { size: None, offset: Some(offset) }] = *pieces {
            if let Some(bytes) = at(offset) {
                self.follow(bytes, variable.type_, 0);
            }
            return;
        }
        let mut value = Vec::new();
        for piece in pieces {
            let size = piece.size.unwrap_or(0).min(MOST_BYTES - value.len() as u64) as usize;
            let bytes = piece.offset.and_then(at).and_then(|bytes| bytes.get(..size));
            match bytes {
                Some(bytes) => value.extend_from_slice(bytes),
                None => value.resize(value.len() + size, 0),
            }
        }
        self.follow(&value, variable.type_, 0);
    }
}

/// The size of the largest objects with pointers that have no header, in bytes; `None` where none has.
/// Source: `runtime.heapBitsInSpan`.
fn largest_without_header(index: &heapmatrix_reader::Index<'_>) -> Option<u64> {
    let params: &Params<'_> = index.dump().params();
    let releases = Releases::of(index.dump().version(), params);
    // Any later release could be meant by one that only names itself: what the header says decides then.
    let headers = releases.overlaps(Releases::since(22));
    headers.then_some(match params.pointer_size {
        PointerSize::Four => 128,
        PointerSize::Eight => 512,
    })
}
