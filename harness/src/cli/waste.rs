//! Memory that is wasted, for `top --waste` and for the page.

use heapmatrix_analysis::heap::Heap;
use heapmatrix_analysis::waste::{Kind, Waste, waste};
use serde::Serialize;

use super::summary::hex;

/// Objects that are wasted in the same way.
#[derive(Debug, Serialize)]
pub struct WasteRow {
    /// In which way.
    pub what: &'static str,
    /// Their type.
    pub name: String,
    pub objects: u64,
    /// How many bytes would be saved.
    pub bytes: u64,
    /// One of them.
    pub sample: String,
}

/// What is wasted, most bytes first.
pub fn waste_rows(heap: &Heap<'_, '_>) -> Vec<WasteRow> {
    let row = |waste: &Waste| WasteRow {
        what: match waste.kind {
            Kind::Duplicates => "the same bytes as another",
            Kind::ZeroTail => "more than half of it zeros at the end",
            Kind::EmptyMap => "empty map",
            Kind::SliceSlack => "room that slices do not use",
            Kind::Pinned => "held for a small slice or string of it",
        },
        name: heap.name(waste.label, waste.sample),
        objects: waste.objects,
        bytes: waste.bytes,
        sample: hex(heap.index().address(waste.sample as usize)),
    };
    waste(heap).iter().map(row).collect()
}
