//! Spans by chance, against a decoder of the heap bitmap that goes word by word.

use proptest::prelude::*;

use super::heap::{object, set_bits};
use crate::go15::arch::Target;
use crate::go15::structs::{Mspan, PAGE_SIZE};
use crate::memory::{Addr, Memory};
use crate::options::Options;
use crate::testing::{ARENA, ARENA_SIZE, Expected, Image, assert_same, each_target};
use crate::{Summary, Tag};

/// A span, and how it is dumped.
#[derive(Debug)]
struct Case {
    page: u64,
    npages: u64,
    elemsize: u64,
    /// Which slots are on the free list, in its order, as numbers to be taken modulo the number of slots.
    free: Vec<u64>,
    /// What contents and bitmap are made from.
    seed: u32,
    /// One word in so many ends an object's description.
    run: u32,
    capacity: usize,
    lends: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    let elemsize = prop_oneof![1..=16u64, 1..=256u64, 1..=1024u64].prop_map(|n| 8 * n);
    let capacity = prop_oneof![Just(64), Just(4096), Just(1 << 18)];
    // Near the arena's beginning, or up to its end.
    let page = prop_oneof![(0..4u64).prop_map(Some), Just(None)];
    let span = (page, 1..=16u64, elemsize, prop::collection::vec(any::<u64>(), 0..40));
    (span, any::<u32>(), 1..400u32, capacity, any::<bool>()).prop_map(
        |((page, npages, elemsize, free), seed, run, capacity, lends)| {
            // freemark has entries for 1024 objects.
            let npages = npages.min(1024 * elemsize / PAGE_SIZE).max(1);
            let page = page.unwrap_or(ARENA_SIZE / PAGE_SIZE - npages);
            Case { page, npages, elemsize, free, seed, run, capacity, lends }
        },
    )
}

/// A number by chance, for each number.
fn mix(seed: u32, i: u64) -> u32 {
    let x = (i as u32 ^ seed).wrapping_mul(0x9e37_79b9);
    (x ^ x >> 15).wrapping_mul(0x85eb_ca6b) >> 7
}

fn check<T: Target>(case: &Case) -> Result<(), TestCaseError> {
    let mut image = Image::<T>::new();
    // No more bitmap than the arena needs.
    let bitmap = ARENA_SIZE / T::PTR_SIZE / 4;
    image.memory.unmap(ARENA - ARENA_SIZE / 8);
    image.memory.map(ARENA - bitmap, bitmap + ARENA_SIZE);
    let (base, size) = (ARENA + case.page * PAGE_SIZE, case.npages * PAGE_SIZE);
    let n = size / case.elemsize;
    let s = image.span(case.page, case.npages, case.elemsize);
    let contents: Vec<u8> = (0..size).map(|i| mix(case.seed, i) as u8).collect();
    image.memory.write(Addr(base), &contents);
    // Neighbours are described as well: their words must not count.
    let (first, end) = (case.page * PAGE_SIZE, (case.page * PAGE_SIZE + size + 512).min(ARENA_SIZE));
    let words = first / T::PTR_SIZE..end / T::PTR_SIZE;
    let bits = |word: u64| {
        let chance = mix(!case.seed, word);
        (chance.is_multiple_of(3), !(chance >> 3).is_multiple_of(case.run))
    };
    set_bits(&mut image, &words.map(|word| (word, bits(word).0, bits(word).1)).collect::<Vec<_>>());

    let mut free: Vec<u64> = Vec::new();
    for slot in case.free.iter().map(|slot| slot % n.max(1)) {
        if n > 0 && !free.contains(&slot) {
            free.push(slot);
        }
    }
    let slot = |i: u64| Addr(base + i * case.elemsize);
    let mut next = Addr::NIL;
    for &i in &free {
        image.set_pointer(slot(i), next);
        next = slot(i);
    }
    image.set(s, Mspan::freelist(), next.0);
    image.memory.lends = case.lends;
    image.finish();

    let mut objects = Vec::new();
    let in_use: Vec<u64> = (0..n).filter(|i| !free.contains(i)).collect();
    for &i in &in_use {
        let first = (slot(i).0 - ARENA) / T::PTR_SIZE;
        let described = (0..case.elemsize / T::PTR_SIZE).take_while(|&i| i < 2 || bits(first + i).1);
        let pointers: Vec<u64> = described.filter(|&i| bits(first + i).0).map(|i| i * T::PTR_SIZE).collect();
        let mut contents = vec![0; case.elemsize as usize];
        image.memory.read(slot(i), &mut contents).unwrap();
        objects.extend(object(slot(i).0, &contents, &pointers));
    }
    let mut out = Vec::new();
    let options = Options { capacity: case.capacity, ..Options::default() };
    let summary: Summary =
        crate::write_heap_dump(T::ANY, &image.memory, &image.symbols, &options, &mut out).unwrap();
    prop_assert_eq!(summary.count(Tag::Object), in_use.len() as u64);
    assert_same(&out, &Expected::<T> { objects, ..Default::default() }.bytes());
    Ok(())
}

each_target!(spans_by_chance);
fn spans_by_chance<T: Target>() {
    proptest!(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() },
        |(case in cases())| check::<T>(&case)?);
}
