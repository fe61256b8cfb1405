//! Which records are no objects, held to what the runtime says: `corpora/real/spans` has dumps and, for each, the spans
//! that were in use, from the runtime's own structures.

use std::collections::BTreeMap;
use std::fs;

use heapmatrix_reader::{Dump, Record, SlotRule};
use serde_json::Value;

use crate::{folder, unpacked};

/// A span as the runtime has it.
struct Span {
    start: u64,
    end: u64,
    elemsize: u64,
    /// `mspan.nelems`
    slots: u64,
    /// `mspan.allocCount`
    allocated: u64,
    /// Records of its slots; those of them that are no objects, by the rule, and those that it leaves undecided.
    records: u64,
    no_objects: u64,
    undecided: u64,
}

fn spans(path: &std::path::Path) -> BTreeMap<u64, Span> {
    let json: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let spans = json["spans"].as_array().unwrap().iter().map(|span| {
        let start = u64::from_str_radix(span[0].as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
        let [pages, elemsize, slots, allocated] = [1, 2, 3, 4].map(|i| span[i].as_u64().unwrap());
        let end = start + pages * 8192;
        (start, Span { start, end, elemsize, slots, allocated, records: 0, no_objects: 0, undecided: 0 })
    });
    spans.collect()
}

#[test]
fn the_runtime_says_which_records_are_no_objects() {
    let mut rules = 0;
    for (name, bytes) in unpacked(&folder().join("spans")) {
        let mut spans = spans(&folder().join("spans").join(format!("{name}.spans.json")));
        let dump = Dump::new(&bytes).unwrap();
        let mut rule = SlotRule::new(dump.version(), dump.params()).unwrap();
        let (mut marked, mut records) = (Vec::new(), 0);
        for record in dump.records() {
            let (offset, Record::Object(object)) = record.unwrap() else { continue };
            let size = object.contents.len() as u64;
            let pointers = object.fields.clone().next().is_some();
            rule.object(offset, object.address, size, pointers, |slot| marked.push(slot));
            let (_, span) = spans.range_mut(..=object.address).next_back().unwrap();
            assert!(object.address < span.end && size == span.elemsize, "{name}: {object:?}");
            span.records += 1;
            records += 1;
        }
        rule.finish(|slot| marked.push(slot));

        // Each that is no object lies beyond the slots that its span has.
        for slot in &marked {
            let (_, span) = spans.range_mut(..=slot.address).next_back().unwrap();
            let number = (slot.address - span.start) / span.elemsize;
            if slot.certain {
                assert!(number >= span.slots, "{name}: {slot:?} is number {number} of {}", span.slots);
                span.no_objects += 1;
            } else {
                span.undecided += 1;
            }
        }
        // And there are no others: each span has as many objects as the runtime says. What is undecided are all
        // records of their span, and no objects only if it has none.
        for span in spans.values() {
            let place = format!("{name}: the span at {:#x}", span.start);
            let objects = span.records - span.no_objects;
            if span.undecided > 0 {
                assert_eq!(span.records, span.undecided, "{place}");
                assert!(span.allocated == objects || span.allocated == 0, "{place}");
            } else {
                assert_eq!(objects, span.allocated, "{place}");
            }
        }
        let allocated: u64 = spans.values().map(|span| span.allocated).sum();
        assert!(marked.len() > 50 && records > allocated + 50, "{name} has too few slots to show anything");
        rules += 1;
    }
    assert!(rules >= 4, "{rules} dumps in {}", folder().join("spans").display());
}
