//! What a record can be at its place.
//!
//! A damaged dump is misread rather than unreadable: bytes of an object read as numbers of records that Go never
//! wrote. Each record is held to what came before it. One that breaks a law there is impossible; one that could
//! hardly be right by accident (an address of the heap, a frame that continues its goroutine's stack) is telling,
//! and so tells that everything before it was read in step.

use std::collections::{BTreeMap, HashSet};

use super::seam::ends_in_fields;
use crate::order::part;
use crate::{FieldKind, Fields, Kind, Params, Record};

/// What a record says about the place it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trust {
    /// It can't be here in a sound dump.
    Impossible,
    /// It may be here, and so may other bytes.
    Possible,
    /// Other bytes would hardly read like it.
    Telling,
}

/// No function has so much code, in bytes.
const LARGEST_FUNCTION: u64 = 1 << 28;

/// No variables are in the lowest page, which catches nil pointers.
const LOWEST_SEGMENT: u64 = 0x1000;

/// The machine, as far as records show it.
#[derive(Clone, Copy, Debug)]
struct Machine {
    pointer_size: u64,
    max_address: u64,
    heap_start: u64,
    heap_end: u64,
}

/// What the records so far say about the next one.
#[derive(Debug)]
pub(super) struct Context<'c> {
    machine: Machine,
    pub place: Place,
    /// The itabs so far: none is dumped twice.
    itabs: HashSet<u64>,
    /// Where objects are: start and end, of neighbours together. In a trial those before it.
    objects: BTreeMap<u64, u64>,
    /// In a trial, the context before it.
    before: Option<&'c Context<'c>>,
}

/// The part of a context that is small, and kept to come back to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The part of the dump.
    part: u8,
    /// The kinds of which there is one record at most, and whether it has been.
    once: [bool; 4],
    /// The object before: start and end.
    object: (u64, u64),
    /// The type just before, if it was one.
    ty: Option<u64>,
    stack: Stack,
}

/// Whose frames, defers and panics come next.
#[derive(Clone, Copy, Debug)]
enum Stack {
    /// Nobody's.
    None,
    /// Of a goroutine that is lost.
    Orphaned,
    /// Of this goroutine, of which so many frames have been read, the last with this `sp`.
    Of { goroutine: u64, frames: u64, sp: u64 },
}

impl Context<'_> {
    /// After `params`.
    pub fn new(params: &Params<'_>) -> Self {
        let machine = Machine {
            pointer_size: params.pointer_size.bytes(),
            max_address: params.pointer_size.max_address(),
            heap_start: params.heap_start,
            heap_end: params.heap_end,
        };
        let place =
            Place { part: part(Kind::Type), once: [false; 4], object: (0, 0), ty: None, stack: Stack::None };
        Self { machine, place, itabs: HashSet::new(), objects: BTreeMap::new(), before: None }
    }

    /// A context that goes on from here and leaves this one as it is.
    pub fn trial(&self) -> Context<'_> {
        let (itabs, objects) = (HashSet::new(), BTreeMap::new());
        Context { machine: self.machine, place: self.place, itabs, objects, before: Some(self) }
    }

    /// The same after something is missing.
    pub fn lose(&mut self) {
        (self.place.ty, self.place.stack) = (None, Stack::Orphaned);
    }

    /// Whether a record that belongs to a goroutine belongs to one that is lost.
    pub fn is_orphan(&self, kind: Kind) -> bool {
        matches!(kind, Kind::StackFrame | Kind::Defer | Kind::Panic)
            && matches!(self.place.stack, Stack::Orphaned)
    }

    /// Whether records of this kind can come next.
    pub fn allows(&self, kind: Kind) -> bool {
        part(kind) >= self.place.part && !once(kind).is_some_and(|i| self.place.once[i])
    }

    /// Whether the statistics have been read, after which an `eof` may end the dump.
    pub fn may_end(&self) -> bool {
        self.place.part >= part(Kind::MemStats)
    }

    /// Whether an itab has been dumped.
    pub fn knows_itab(&self, itab: u64) -> bool {
        self.itabs.contains(&itab) || self.before.is_some_and(|before| before.knows_itab(itab))
    }

    /// Remembers an itab.
    pub fn know_itab(&mut self, itab: u64) {
        self.itabs.insert(itab);
    }

    /// Forgets an itab that turned out not to be one.
    pub fn forget_itab(&mut self, itab: u64) {
        self.itabs.remove(&itab);
    }

    /// Remembers where an object is.
    pub fn add_object(&mut self, start: u64, end: u64) {
        // Neighbours of a span share an entry: they come in the order of their addresses.
        match self.objects.range_mut(..=start).next_back() {
            Some((_, last)) if *last == start => *last = end,
            _ => _ = self.objects.insert(start, end),
        }
    }

    /// Whether an object may be here: in the heap, aligned, and where no other is.
    pub fn has_room_for(&self, start: u64, size: u64) -> bool {
        let Machine { pointer_size, heap_start, heap_end, .. } = self.machine;
        let Some(end) = start.checked_add(size) else { return false };
        let (last, last_end) = self.place.object;
        size > 0
            && start >= heap_start
            && end <= heap_end
            && start.is_multiple_of(pointer_size)
            && size.is_multiple_of(pointer_size)
            && (start >= last_end || end <= last)
            && self.is_free(start, end)
    }

    fn is_free(&self, start: u64, end: u64) -> bool {
        self.objects.range(..end).next_back().is_none_or(|(_, &other)| other <= start)
            && self.before.is_none_or(|before| before.is_free(start, end))
    }

    fn in_heap(&self, address: u64) -> bool {
        (self.machine.heap_start..self.machine.heap_end).contains(&address)
    }

    /// Whether numbers are addresses of the machine's width.
    fn fit<const N: usize>(&self, numbers: [u64; N]) -> bool {
        numbers.into_iter().all(|number| number <= self.machine.max_address)
    }

    /// What a record says that was read here. `ends`: nothing follows it.
    pub fn judge(&self, record: &Record<'_>, ends: bool) -> Trust {
        if !self.allows(record.kind()) {
            return Trust::Impossible;
        }
        let (possible, telling) = match record {
            Record::Eof => (ends, true),
            Record::Params(_) => (false, false),
            Record::Type(ty) => (self.fit([ty.address, ty.size]), is_text(&ty.name)),
            Record::Itab(itab) => (
                self.fit([itab.address, itab.type_address]) && !self.knows_itab(itab.address),
                self.place.ty == Some(itab.type_address),
            ),
            Record::Object(object) => {
                let size = object.contents.len() as u64;
                (
                    self.has_room_for(object.address, size) && self.are_sound(object.contents, object.fields),
                    true,
                )
            }
            Record::Goroutine(g) => (
                !g.is_background
                    && self.fit([g.address, g.sp, g.creation_pc, g.context, g.thread, g.defer, g.panic]),
                g.address != 0 && g.id != 0 && matches!(g.status, 1..=4) && is_text_or_empty(&g.wait_reason),
            ),
            Record::StackFrame(frame) => {
                let function = &frame.function;
                let addresses =
                    [frame.sp, frame.child_sp, function.entry, function.pc, function.continuation_pc];
                (
                    self.fit(addresses)
                        && self.continues(frame.depth, frame.child_sp)
                        && function.pc.wrapping_sub(function.entry) < LARGEST_FUNCTION
                        && !ends_in_fields(frame.contents, frame.fields, self.machine.pointer_size),
                    frame.sp != 0 && is_text(&function.name),
                )
            }
            Record::Defer(d) => self.owned(d.goroutine, [d.address, d.sp, d.pc, d.closure, d.entry, d.link]),
            Record::Panic(p) => {
                let rest = [p.address, p.argument_type, p.argument_data, p.link, 0, 0];
                self.owned(p.goroutine, rest)
            }
            Record::OsThread(thread) => (self.fit([thread.address]), self.in_heap(thread.address)),
            Record::Data(segment) | Record::Bss(segment) => {
                let end = segment.address.saturating_add(segment.contents.len() as u64);
                (
                    self.fit([segment.address, end]) && self.are_sound(segment.contents, segment.fields),
                    // No program is without pointers among its variables.
                    segment.address >= LOWEST_SEGMENT
                        && segment.address.is_multiple_of(self.machine.pointer_size)
                        && !self.in_heap(segment.address)
                        && !segment.fields.is_empty(),
                )
            }
            Record::OtherRoot(root) => (self.fit([root.target]), false),
            Record::Finalizer(f) | Record::QueuedFinalizer(f) => (
                self.fit([f.object, f.closure, f.entry, f.argument_type, f.object_type]),
                self.in_heap(f.object),
            ),
            Record::MemStats(stats) => {
                (true, stats.heap_sys == stats.heap_idle.wrapping_add(stats.heap_inuse))
            }
            Record::MemProf(bucket) => (
                self.fit([bucket.address, bucket.size]),
                bucket.stack.depth() > 0 && { bucket.stack }
                    .all(|call| is_text(&call.function) && is_text(&call.file)),
            ),
            Record::AllocSample(sample) => (self.in_heap(sample.object) && self.fit([sample.bucket]), true),
        };
        match (possible, telling) {
            (false, _) => Trust::Impossible,
            (true, false) => Trust::Possible,
            (true, true) => Trust::Telling,
        }
    }

    fn continues(&self, depth: u64, child_sp: u64) -> bool {
        match self.place.stack {
            Stack::None => false,
            Stack::Orphaned => true,
            Stack::Of { frames, sp, .. } => depth == frames && child_sp == sp,
        }
    }

    fn owned(&self, owner: u64, addresses: [u64; 6]) -> (bool, bool) {
        let (possible, telling) = match self.place.stack {
            Stack::None => (false, false),
            Stack::Orphaned => (true, false),
            Stack::Of { goroutine, .. } => (goroutine == owner, true),
        };
        (possible && self.fit(addresses), telling)
    }

    /// Whether these can be the fields of an object or a segment.
    fn are_sound(&self, contents: &[u8], fields: Fields<'_>) -> bool {
        let (size, pointer_size) = (contents.len() as u64, self.machine.pointer_size);
        if ends_in_fields(contents, fields, pointer_size) {
            return false;
        }
        let mut next = 0;
        fields.into_iter().all(|field| {
            let sound = field.kind == FieldKind::Pointer
                && field.offset >= next
                && field.offset.is_multiple_of(pointer_size)
                && size.checked_sub(field.offset).is_some_and(|rest| rest >= pointer_size);
            next = field.offset.saturating_add(1);
            sound
        })
    }

    /// Whether what begins here is telling before it ends: it cannot be read to its end.
    pub fn is_telling_head(&self, kind: Kind, numbers: [u64; 3]) -> bool {
        let [first, second, third] = numbers;
        self.allows(kind)
            && match kind {
                Kind::Object => self.has_room_for(first, second),
                Kind::StackFrame => {
                    matches!(self.place.stack, Stack::Of { .. }) && self.continues(second, third)
                }
                _ => false,
            }
    }

    /// Goes on after a record.
    pub fn accept(&mut self, record: &Record<'_>) {
        let kind = record.kind();
        let place = &mut self.place;
        place.part = part(kind).max(place.part);
        if let Some(i) = once(kind) {
            place.once[i] = true;
        }
        place.ty = None;
        match record {
            Record::Type(ty) => place.ty = Some(ty.address),
            Record::Itab(itab) => self.know_itab(itab.address),
            Record::Object(object) => {
                let end = object.address.saturating_add(object.contents.len() as u64);
                place.object = (object.address, end);
            }
            Record::Goroutine(goroutine) => {
                place.stack = Stack::Of { goroutine: goroutine.address, frames: 0, sp: 0 };
            }
            Record::StackFrame(frame) => {
                if let Stack::Of { frames, sp, .. } = &mut place.stack {
                    (*frames, *sp) = (*frames + 1, frame.sp);
                }
            }
            Record::Defer(_) | Record::Panic(_) => {}
            _ => place.stack = Stack::None,
        }
    }
}

/// The place of a kind among those of which a dump has one.
fn once(kind: Kind) -> Option<usize> {
    [Kind::Params, Kind::Data, Kind::Bss, Kind::MemStats].into_iter().position(|other| other == kind)
}

/// Whether bytes are a text that a Go program would have for a name.
fn is_text(bytes: &[u8]) -> bool {
    !bytes.is_empty() && is_text_or_empty(bytes)
}

fn is_text_or_empty(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(char::is_control))
}

#[cfg(test)]
mod tests;
