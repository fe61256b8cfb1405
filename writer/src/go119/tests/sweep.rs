//! Spans that are not swept, of a process that was stopped anywhere.

use super::image::{HEAP, Image};
use super::{HEADERS, has};
use crate::go119::{Doubts, Stopped};
use crate::runtime::{Roots, Statistics};
use crate::target::{Amd64, Mips, S390x, Target};
use crate::testing::ints;

/// `mheap_.sweepgen`.
const SWEEPGEN: u64 = 6;
/// What is marked, of twenty objects: bits after the last mean nothing.
const MARKS: [u8; 3] = [0b0100_1001, 0, 0b1111_0100];
const NELEMS: u64 = 20;
/// The page of the span.
const PAGE: u64 = 1;

struct Swept<T> {
    image: Image<T>,
    span: u64,
    elemsize: u64,
    /// Of the span, in bytes.
    size: u64,
}

impl<T: Target> Swept<T> {
    /// A span of twenty objects without pointers, of which two are allocated; of what `sweepgen` says of it.
    fn new(elemsize: u64, sweepgen: u64, marks: &[u8]) -> Self {
        let mut image = Image::<T>::new(HEADERS, &[]);
        let mheap = image.variable("runtime.mheap_");
        image.put(mheap, "runtime.mheap", "sweepgen", 0, SWEEPGEN);
        let npages = (NELEMS * elemsize).div_ceil(8192);
        let (span, gcmark_bits) = (image.span(PAGE, npages, elemsize, NELEMS, 0b10, 5), image.alloc(0x100));
        image.bytes(gcmark_bits, marks);
        for (field, value) in [("gcmarkBits", gcmark_bits), ("sweepgen", sweepgen), ("freeindex", 1)] {
            image.put(span, "runtime.mspan", field, 0, value);
        }
        Swept { image, span, elemsize, size: npages * 8192 }
    }

    /// Adds a special record of the object in a slot.
    fn special(&mut self, slot: u64, kind: u64) {
        let (special, next) = (self.image.alloc(0x200), self.image.offset("runtime.mspan", "specials"));
        let next = self.image.swap(self.span + next, special);
        for (field, value) in [("next", next), ("offset", slot * self.elemsize), ("kind", kind)] {
            self.image.put(special, "runtime.special", field, 0, value);
        }
        let funcval = self.image.alloc(0x10);
        self.image.put(special, "runtime.specialfinalizer", "fn", 0, funcval);
        self.image.put(special, "runtime.specialfinalizer", "ot", 0, 0x1000 + slot);
    }

    /// The slots whose objects have finalizers, each with the type that it is said to be of.
    fn finalizers(&self) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        let go = self.image.go(None).unwrap();
        go.finalizers(|f| {
            found.push(((f.object.0 - HEAP - PAGE * 8192) / self.elemsize, f.ot.0));
            Ok(())
        })
        .unwrap();
        found
    }

    /// The slots whose objects are in the dump of the stopped process, and what that rests on.
    fn slots(&self) -> (Vec<u64>, Doubts, Vec<u8>) {
        let stopped = Stopped::new(&[]);
        let dump = self.image.dump_stopped(&stopped).unwrap();
        let base = HEAP + PAGE * 8192;
        let is_there = |slot: &u64| has(&dump, &ints(&[1, base + slot * self.elemsize, self.elemsize]));
        ((0..self.size / self.elemsize).filter(is_there).collect(), stopped.doubts(), dump)
    }
}

fn objects_with_finalizers<T: Target>() {
    let mut span = Swept::<T>::new(64, SWEEPGEN, &[]);
    for (slot, kind) in [(3, 2), (5, 9), (7, 2)] {
        span.special(slot, kind);
    }
    assert_eq!(span.finalizers(), [(7, 0x1007), (3, 0x1003)], "{}", T::GOARCH);
}

fn spans_are_given_as_sweeping_leaves_them<T: Target>() {
    for (sweepgen, unswept, sweeping, marked, expected) in [
        // Not begun, and not begun of one that an mcache holds: what is marked, and what finalizers keep.
        (4, 1, 0, true, &[0, 3, 6, 10, 18][..]),
        (7, 1, 0, true, &[0, 3, 6, 10, 18]),
        (4, 1, 0, false, &[]),
        // Under way: what was allocated counts as well.
        (5, 0, 1, true, &[0, 1, 3, 6, 10, 18]),
        (5, 0, 1, false, &[0, 1]),
        // Swept, also those that an mcache holds, and those that are never swept.
        (6, 0, 0, true, &[0, 1]),
        (9, 0, 0, true, &[0, 1]),
        (3, 0, 0, true, &[0, 1]),
    ] {
        let mut span = Swept::<T>::new(64, sweepgen, if marked { &MARKS } else { &[] });
        if marked {
            // The last of them is of no object, and another kind keeps nothing.
            for (slot, kind) in [(10, 2), (25, 2), (12, 9)] {
                span.special(slot, kind);
            }
        }
        let (slots, doubts, _) = span.slots();
        assert_eq!(slots, expected, "{} {sweepgen}", T::GOARCH);
        assert_eq!((doubts.unswept_spans, doubts.spans_being_swept), (unswept, sweeping), "{sweepgen}");
        assert!(!doubts.statistics_computed);
    }
}

/// Small objects have marks at the end of their span, too, since Go 1.26.
fn marks_are_in_the_span_of_small_objects<T: Target>() {
    let largest = 8 * T::PTR_SIZE * T::PTR_SIZE;
    for (elemsize, whole, inline) in [
        (64, 128, true),
        (16, 128, true),
        (largest, 128, true),
        (8, 128, false),
        (largest + 16, 128, false),
        // Up to Go 1.25 there are none.
        (64, 0, false),
        (64, 63, false),
    ] {
        let mut span = Swept::<T>::new(elemsize, 4, &[1]);
        span.image.layouts.sizes.insert("runtime.spanInlineMarkBits", whole);
        // As many bits say what was scanned, and come first, with a byte.
        let marks = HEAP + PAGE * 8192 + span.size - whole;
        span.image.bytes(marks, &[0xff; 64]);
        span.image.bytes(marks + 64, &[0, 0b1000]);
        let expected = if inline { vec![0, 11] } else { vec![0] };
        assert_eq!(span.slots().0, expected, "{} {elemsize} {whole}", T::GOARCH);
    }
}

/// Bits after the last object mean nothing, and there are more than a word of them before.
fn statistics_count_no_more_than_there_is<T: Target>() {
    let mut image = Image::<T>::new(HEADERS, &[]);
    let span = image.span(PAGE, 1, 64, 70, 0, 5);
    let alloc_bits = image.offset("runtime.mspan", "allocBits");
    let at = image.swap(span + alloc_bits, 0);
    image.swap(span + alloc_bits, at);
    image.bytes(at + 8, &[0b1111_0000]);
    let stopped = Stopped::new(&[]);
    let go = image.go(Some(&stopped)).unwrap();
    let found = go.computed(go.counters.as_ref().unwrap()).unwrap();
    assert_eq!((found.heap_objects, found.alloc), (2, 128), "{}", T::GOARCH);
}

/// Samples of the memory profile are of objects.
fn samples_are_of_objects<T: Target>() {
    for (sweepgen, marks, expected) in [
        (6, &MARKS[..], &[0, 1][..]),
        (4, &MARKS, &[0, 3, 6, 18]),
        (4, &[0b10], &[1]),
        (5, &[0b1000], &[0, 1, 3]),
    ] {
        let mut span = Swept::<T>::new(64, sweepgen, marks);
        // A bit after the last object's.
        let alloc_bits = span.image.offset("runtime.mspan", "allocBits");
        let at = span.image.swap(span.span + alloc_bits, 0);
        span.image.swap(span.span + alloc_bits, at);
        span.image.bytes(at, &[0b10, 0, 0b1_0000]);
        for slot in (0..26).rev() {
            span.special(slot, 4);
        }
        let (stopped, mut slots) = (Stopped::new(&[]), Vec::new());
        let go = span.image.go(Some(&stopped)).unwrap();
        go.alloc_samples(|sample| {
            slots.push((sample.object.0 - HEAP - PAGE * 8192) / 64);
            Ok(())
        })
        .unwrap();
        assert_eq!(slots, expected, "{} {sweepgen}", T::GOARCH);
    }
}

/// A span without objects is none, wherever it is said to be.
fn spans_without_objects<T: Target>() {
    let mut span = Swept::<T>::new(64, 4, &[]);
    span.image.put(span.span, "runtime.mspan", "startAddr", 0, 0);
    assert!(span.slots().0.is_empty(), "{}", T::GOARCH);
}

/// What is allocated is what is dumped, if nobody has collected statistics.
fn statistics_count_what_is_there<T: Target>() {
    for (sweepgen, count) in [(4, 4), (5, 5), (6, 2)] {
        let mut span = Swept::<T>::new(64, sweepgen, &MARKS);
        let dumpfd = span.image.variable("runtime.dumpfd");
        span.image.word(dumpfd, 0);
        let (slots, doubts, dump) = span.slots();
        assert_eq!(slots.len(), count, "{} {sweepgen}", T::GOARCH);
        let bytes = 64 * count as u64;
        assert!(doubts.statistics_computed && has(&dump, &ints(&[10, bytes, bytes])), "{}", T::GOARCH);
    }
}

#[test]
fn spans_that_are_not_swept() {
    fn on<T: Target>() {
        objects_with_finalizers::<T>();
        spans_are_given_as_sweeping_leaves_them::<T>();
        marks_are_in_the_span_of_small_objects::<T>();
        statistics_count_what_is_there::<T>();
        samples_are_of_objects::<T>();
        statistics_count_no_more_than_there_is::<T>();
        spans_without_objects::<T>();
    }
    on::<Amd64>();
    on::<Mips>();
    on::<S390x>();
}
