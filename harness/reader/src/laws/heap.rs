//! Laws of the heap: objects, their fields, and what names objects.

use super::{Law, Report, Violation};
use crate::{FieldKind, Fields, Params, Record};

pub(super) struct Laws {
    heap: std::ops::Range<u64>,
    pointer_size: u64,
    /// Start and end of the objects, and the offsets of their records; sorted when they are all there.
    objects: Vec<(u64, u64, u64)>,
    /// Offsets of records that name an object, which may be dumped later.
    references: Vec<(Law, u64, u64)>,
}

impl Laws {
    pub fn new(params: &Params<'_>) -> Self {
        Self {
            heap: params.heap_start..params.heap_end,
            pointer_size: params.pointer_size.bytes(),
            objects: Vec::new(),
            references: Vec::new(),
        }
    }

    pub fn record(&mut self, offset: u64, record: &Record<'_>, report: &mut Report<'_>) {
        match record {
            Record::Params(_) => {
                let std::ops::Range { start, end } = self.heap;
                if start > end
                    || !start.is_multiple_of(self.pointer_size)
                    || !end.is_multiple_of(self.pointer_size)
                {
                    let detail = format!("the heap is from {start:#x} to {end:#x}");
                    report(Violation { law: Law::HeapRange, offset, detail });
                }
            }
            Record::Object(object) => {
                let size = object.contents.len() as u64;
                self.object(offset, object.address, size, report);
                self.fields(offset, size, object.fields, report);
            }
            Record::Data(segment) | Record::Bss(segment) => {
                self.fields(offset, segment.contents.len() as u64, segment.fields, report);
            }
            Record::Finalizer(finalizer) | Record::QueuedFinalizer(finalizer) => {
                self.references.push((Law::FinalizerObject, offset, finalizer.object));
            }
            Record::AllocSample(sample) => self.references.push((Law::SampleObject, offset, sample.object)),
            _ => {}
        }
    }

    fn object(&mut self, offset: u64, start: u64, size: u64, report: &mut Report<'_>) {
        // An end that wraps around is not in the heap either.
        let end = start.saturating_add(size);
        if start < self.heap.start || end > self.heap.end {
            let (detail, law) = (format!("the object is from {start:#x} to {end:#x}"), Law::ObjectInHeap);
            report(Violation { law, offset, detail });
        }
        if !start.is_multiple_of(self.pointer_size) || !size.is_multiple_of(self.pointer_size) {
            let (detail, law) =
                (format!("the object is at {start:#x}, {size} bytes long"), Law::ObjectAligned);
            report(Violation { law, offset, detail });
        }
        if size == 0 {
            let (detail, law) = (format!("the object at {start:#x} is empty"), Law::ObjectsDisjoint);
            report(Violation { law, offset, detail });
        }
        self.objects.push((start, end, offset));
    }

    fn fields(&self, offset: u64, size: u64, fields: Fields<'_>, report: &mut Report<'_>) {
        check_fields(self.pointer_size, offset, fields, report);
        let mut next = 0;
        for field in fields {
            // One violation a record is enough to find it.
            if field.offset > size.saturating_sub(self.pointer_size) || size < self.pointer_size {
                let (detail, law) = (format!("field {} of {size} bytes", field.offset), Law::FieldInside);
                return report(Violation { law, offset, detail });
            }
            if field.offset < next {
                let (detail, law) =
                    (format!("field {} is behind {}", field.offset, next - 1), Law::FieldOrder);
                return report(Violation { law, offset, detail });
            }
            next = field.offset + 1;
        }
    }

    pub fn end(mut self, report: &mut Report<'_>) {
        self.objects.sort_unstable();
        for pair in self.objects.windows(2) {
            let [(first, end, _), (second, _, offset)] = [pair[0], pair[1]];
            if end > second {
                let detail =
                    format!("the object at {second:#x} is inside the one from {first:#x} to {end:#x}");
                report(Violation { law: Law::ObjectsDisjoint, offset, detail });
            }
        }
        for &(law, offset, address) in &self.references {
            let after = self.objects.partition_point(|&(start, ..)| start <= address);
            if after == 0 || self.objects[after - 1].1 <= address {
                let detail = format!("no object contains {address:#x}");
                report(Violation { law, offset, detail });
            }
        }
    }
}

/// What holds for every list of fields, those of frames too.
pub(super) fn check_fields(pointer_size: u64, offset: u64, mut fields: Fields<'_>, report: &mut Report<'_>) {
    if let Some(field) = fields.clone().find(|field| field.kind != FieldKind::Pointer) {
        let (detail, law) = (format!("field {} is {:?}", field.offset, field.kind), Law::FieldKind);
        report(Violation { law, offset, detail });
    }
    if let Some(field) = fields.find(|field| !field.offset.is_multiple_of(pointer_size)) {
        let (detail, law) = (format!("field {}", field.offset), Law::FieldAligned);
        report(Violation { law, offset, detail });
    }
}
