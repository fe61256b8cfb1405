//! Laws of the heap: objects, their fields, and what names objects.

use std::ops::Range;

use super::{Fault, Law, Report};
use crate::extents::{Extents, Reference};
use crate::{
    Dump, FieldKind, Fields, Finalizer, Index, Object, Params, Record, Slot, SlotCount, SlotRule, Version,
};

pub(super) struct Laws {
    heap: Range<u64>,
    pointer_size: u64,
    objects: Extents,
    /// If the dump's release has records of slots that are no objects.
    slots: Option<SlotRule>,
    /// What the statistics count as well.
    allocated: Allocated,
    /// Offset of the first record that names an object. Where there is one, there are many.
    first_reference: Option<u64>,
}

/// What the statistics count as well.
#[derive(Default)]
struct Allocated {
    objects: u64,
    bytes: u64,
    /// Those that are none.
    slots: SlotCount,
    /// Offset, `heap_objects` and `heap_alloc` of the statistics, if they were made.
    stats: Option<(u64, u64, u64)>,
}

impl Allocated {
    fn check(&self, report: &mut Report<'_>) {
        let Some((offset, heap_objects, heap_alloc)) = self.stats else { return };
        let objects = self.objects - self.slots.slots - self.slots.undecided;
        let bytes = self.bytes.saturating_sub(self.slots.bytes + self.slots.undecided_bytes);
        if report.releases.within(Law::StatsAlloc.releases())
            && (objects > heap_objects || bytes > heap_alloc)
        {
            let detail = format!("{objects} objects and {bytes} bytes, not {heap_objects} and {heap_alloc}");
            report.violation(Law::StatsAlloc, offset, detail);
        }
    }
}

impl Laws {
    pub fn new(version: Version, params: &Params<'_>, length: usize) -> Self {
        Self {
            heap: params.heap_start..params.heap_end,
            pointer_size: params.pointer_size.bytes(),
            objects: Extents::new(length),
            slots: SlotRule::new(version, params),
            allocated: Allocated::default(),
            first_reference: None,
        }
    }

    pub fn record(&mut self, offset: u64, record: &Record<'_>, report: &mut Report<'_>) {
        match record {
            Record::Params(_) => {
                let Range { start, end } = self.heap;
                if start > end
                    || !start.is_multiple_of(self.pointer_size)
                    || !end.is_multiple_of(self.pointer_size)
                {
                    let detail = format!("the heap is from {start:#x} to {end:#x}");
                    report.violation(Law::HeapRange, offset, detail);
                }
            }
            Record::Object(object) => {
                let size = object.contents.len() as u64;
                self.object(offset, object.address, size, report);
                self.slot(offset, object, report);
                self.objects.push(offset, object.address, size);
                self.allocated.objects += 1;
                self.allocated.bytes = self.allocated.bytes.saturating_add(size);
                self.fields(offset, size, object.fields, report);
            }
            Record::Data(segment) | Record::Bss(segment) => {
                self.fields(offset, segment.contents.len() as u64, segment.fields, report);
            }
            Record::MemStats(stats) if stats.mallocs > 0 => {
                self.allocated.stats = Some((offset, stats.heap_objects, stats.heap_alloc));
            }
            _ if reference(record).is_some() => _ = self.first_reference.get_or_insert(offset),
            _ => {}
        }
    }

    fn object(&self, offset: u64, start: u64, size: u64, report: &mut Report<'_>) {
        // An end that wraps around is not in the heap either.
        let end = start.saturating_add(size);
        if start < self.heap.start || end > self.heap.end {
            let (detail, law) = (format!("the object is from {start:#x} to {end:#x}"), Law::ObjectInHeap);
            report.violation(law, offset, detail);
        }
        if !start.is_multiple_of(self.pointer_size) || !size.is_multiple_of(self.pointer_size) {
            let (detail, law) =
                (format!("the object is at {start:#x}, {size} bytes long"), Law::ObjectAligned);
            report.violation(law, offset, detail);
        }
        if size == 0 {
            let (detail, law) = (format!("the object at {start:#x} is empty"), Law::ObjectsDisjoint);
            report.violation(law, offset, detail);
        }
    }

    fn slot(&mut self, offset: u64, object: &Object<'_>, report: &mut Report<'_>) {
        let Some(rule) = &mut self.slots else { return };
        let (address, size) = (object.address, object.contents.len() as u64);
        if rule.misplaced(address, size) {
            let detail = format!("{address:#x} is no slot of {size} bytes");
            report.violation(Law::ObjectSlots, offset, detail);
        }
        let pointers = object.fields.clone().next().is_some();
        rule.object(offset, address, size, pointers, |slot| {
            known_slot(slot, &mut self.allocated.slots, report)
        });
    }

    fn fields(&self, offset: u64, size: u64, fields: Fields<'_>, report: &mut Report<'_>) {
        check_fields(self.pointer_size, offset, fields, report);
        let mut next = 0;
        for field in fields {
            // One violation a record is enough to find it.
            if field.offset > size.saturating_sub(self.pointer_size) || size < self.pointer_size {
                let (detail, law) = (format!("field {} of {size} bytes", field.offset), Law::FieldInside);
                return report.violation(law, offset, detail);
            }
            if field.offset < next {
                let (detail, law) =
                    (format!("field {} follows field {}", field.offset, next - 1), Law::FieldOrder);
                return report.violation(law, offset, detail);
            }
            next = field.offset + 1;
        }
    }

    /// Checks what needs all objects: that they are apart, and that they are there when something names them.
    pub fn end(mut self, dump: Dump<'_>, report: &mut Report<'_>, progress: &mut dyn FnMut(u64)) {
        if let Some(rule) = &mut self.slots {
            rule.finish(|slot| known_slot(slot, &mut self.allocated.slots, report));
        }
        self.allocated.check(report);
        let first = self.first_reference;
        match self.objects.apart() {
            Some(objects) => {
                // A pass over the objects for so many, which are a quarter of the input at most.
                let most = dump.bytes().len() / 64 + 4096;
                let mut references = references(dump, first, progress).peekable();
                while references.peek().is_some() {
                    let mut some: Vec<Reference> = references.by_ref().take(most).collect();
                    objects.retain_unfounded(&dump, &mut some);
                    some.iter().for_each(|reference| unfounded(&dump, reference, report));
                }
            }
            None => {
                let Ok(index) = Index::new(dump) else { return };
                check_apart(&index, report);
                references(dump, first, progress)
                    .filter(|reference| index.find(reference.address).is_none())
                    .for_each(|reference| unfounded(&dump, &reference, report));
            }
        }
    }
}

/// Checks that no object reaches into the next one.
fn check_apart(index: &Index<'_>, report: &mut Report<'_>) {
    let mut before = None;
    for id in 0..index.len() {
        let Object { address, contents, .. } = index.object(id);
        if let Some((first, end)) = before
            && end > address
        {
            let (law, offset) = (Law::ObjectsDisjoint, index.offset(id));
            let detail = format!("the object at {address:#x} is inside the one from {first:#x} to {end:#x}");
            report.violation(law, offset, detail);
        }
        before = Some((address, address.saturating_add(contents.len() as u64)));
    }
}

/// The records from an offset on that name objects. All records could be read before.
fn references(
    dump: Dump<'_>,
    first: Option<u64>,
    progress: &mut dyn FnMut(u64),
) -> impl Iterator<Item = Reference> {
    let records = first.into_iter().flat_map(move |first| dump.records_from(first).flatten());
    records.filter_map(|(offset, record)| {
        progress(offset);
        reference(&record).map(|(_, address)| Reference { address, offset })
    })
}

/// Reports a record that names what is in no object.
fn unfounded(dump: &Dump<'_>, at: &Reference, report: &mut Report<'_>) {
    let Some(Ok((offset, record))) = dump.records_from(at.offset).next() else { return };
    let Some((law, address)) = reference(&record) else { return };
    let detail = format!("no object contains {address:#x}");
    match record {
        Record::QueuedFinalizer(Finalizer { object: 0, argument_type: 0, object_type: 0, .. }) => {
            report.fault(Fault::QueuedCleanup, offset, detail);
        }
        _ => report.violation(law, offset, detail),
    }
}

fn known_slot(slot: Slot, slots: &mut SlotCount, report: &mut Report<'_>) {
    slots.add(slot);
    if slot.certain {
        let detail = format!("the {} bytes at {:#x} are no object", slot.size, slot.address);
        report.fault(Fault::SlotsUnderBitmap, slot.offset, detail);
    }
}

/// The object that a record names, which may be dumped later, and the law of that.
fn reference(record: &Record<'_>) -> Option<(Law, u64)> {
    match record {
        Record::Finalizer(finalizer) | Record::QueuedFinalizer(finalizer) => {
            Some((Law::FinalizerObject, finalizer.object))
        }
        Record::AllocSample(sample) => Some((Law::SampleObject, sample.object)),
        _ => None,
    }
}

/// What holds for every list of fields, those of frames too.
pub(super) fn check_fields(pointer_size: u64, offset: u64, mut fields: Fields<'_>, report: &mut Report<'_>) {
    if let Some(field) = fields.clone().find(|field| field.kind != FieldKind::Pointer) {
        let (detail, law) = (format!("field {} is {:?}", field.offset, field.kind), Law::FieldKind);
        report.violation(law, offset, detail);
    }
    if let Some(field) = fields.find(|field| !field.offset.is_multiple_of(pointer_size)) {
        let (detail, law) = (format!("field {}", field.offset), Law::FieldAligned);
        report.violation(law, offset, detail);
    }
}
