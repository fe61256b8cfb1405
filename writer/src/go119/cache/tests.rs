//! The cache by itself, and as it is in memory.

use super::*;
use crate::target::{Amd64, I386, Mips, S390x};
use crate::testing::Segments;

fn cache(ptr_size: u64, random: u64) -> PcvalueCache {
    PcvalueCache { layout: None, ptr_size, entries: Default::default(), random, changed: false }
}

/// What Go's own functions give, of the same states.
#[test]
fn random_numbers_are_those_of_go() {
    let mut wide = cache(8, 1);
    assert_eq!([(); 2].map(|()| wide.cheaprand(8)), WIDE);
    let mut narrow = cache(8, 1);
    assert_eq!([(); 2].map(|()| narrow.cheaprand(4)), NARROW);
    let mut words = cache(4, 1 | 2 << 32);
    assert_eq!([(); 2].map(|()| words.cheaprand(8)), WORDS);
    let mut words = cache(4, 0x1234_5678_9abc_def1);
    assert_eq!([(); 6].map(|()| words.cheaprand(8)), MORE_WORDS);
}

const WIDE: [u32; 2] = [0xe1f8ed2c, 0x1c9aad40];
const NARROW: [u32; 2] = [0xff1982f3, 0xbec35082];
const WORDS: [u32; 2] = [0x00020405, 0x00081006];
const MORE_WORDS: [u32; 6] = [0x47587d78, 0xbfc1f3f0, 0x7becf613, 0xd3641828, 0x22702565, 0xbc98db40];

#[test]
fn what_is_found_changes_nothing() {
    let at = At { offset: 0, size: 8, place: Place::new("m", "cheaprand") };
    let layout = CacheLayout { m0: Addr(0x1000), random: at, entries: None };
    let mut cache = PcvalueCache { layout: Some(layout), ..cache(8, 1) };
    let value = PcValue { val: 8, start: 0x40 };
    cache.look_up(LookUp::StackMap, 3, 0x48, value);
    assert!(!cache.changed, "only the stack pointer's distance is kept by a traceback");
    cache.look_up(LookUp::SpDelta, 3, 0x48, value);
    let random = cache.random;
    assert!(cache.changed && random != 1);
    cache.look_up(LookUp::SpDelta, 3, 0x48, value);
    assert_eq!(cache.random, random);
    cache.begin_traceback();
    cache.look_up(LookUp::SpDelta, 3, 0x48, value);
    assert_ne!(cache.random, random);
}

/// A cache that does not begin with its entries.
struct Cached;

impl Layouts for Cached {
    fn size(&self, _: &str) -> Option<u64> {
        Some(24)
    }

    fn field(&self, structure: &str, field: &str) -> Option<crate::layouts::FieldAt> {
        let (offset, size) = match (structure, field) {
            ("runtime.m", "pcvalueCache") => (0x100, 0x200),
            ("runtime.pcvalueCache", "entries") => (0x20, 24 * 16),
            (_, "cheaprand64") => (16, 8),
            _ => (8, 4),
        };
        Some(crate::layouts::FieldAt { offset, size })
    }

    fn variable(&self, _: &str) -> Option<crate::layouts::VariableAt> {
        Some(crate::layouts::VariableAt { addr: Addr(0x5000), size: 0x800 })
    }

    fn constant(&self, _: &str) -> Option<i64> {
        None
    }
}

#[test]
fn entries_are_within_the_cache() {
    let layout = CacheLayout::find(&Cached, 8).unwrap();
    assert_eq!((layout.m0, layout.entries.unwrap().offset), (Addr(0x5000), 0x120));
    // Random numbers are those of the smaller state, if it is not for machines of 32 bits.
    assert_eq!((layout.random.offset, layout.random.size), (8, 4));
    let of_words = CacheLayout::find(&Cached, 4).unwrap().random;
    assert_eq!((of_words.offset, of_words.size), (16, 8));
}

const M0: Addr = Addr(0x1000);
const ENTRIES: u64 = 0x40;
const ENTRY: u64 = 0x30;

fn at(offset: u64, size: u64) -> At {
    At { offset, size, place: Place::new("m", "pcvalueCache") }
}

/// The cache of a process in which `m0` dumps: its entries are full of what `looked_up` says.
fn in_memory<T: Target>(random: u64) -> (Segments, CacheLayout) {
    let word = T::PTR_SIZE;
    let entries = Entries {
        offset: ENTRIES,
        size: ENTRY,
        targetpc: at(0, word),
        off: at(8, 4),
        val: at(0x10, 4),
        val_pc: at(0x18, word),
    };
    let layout = CacheLayout { m0: M0, random: at(0x18, 8), entries: Some(entries) };
    let mut memory = Segments::new(true);
    memory.map(M0.0, 0x1000);
    let mut put = |at: u64, value: u64, size: u64| {
        let mut bytes = Vec::new();
        push::<T>(&mut bytes, value, size as usize);
        memory.write(Addr(at), &bytes);
    };
    if word == 8 {
        put(M0.0 + 0x18, random, 8);
    } else {
        put(M0.0 + 0x18, random & 0xffff_ffff, 4);
        put(M0.0 + 0x1c, random >> 32, 4);
    }
    for i in 0..(SETS * WAYS) as u64 {
        let base = M0.0 + ENTRIES + i * ENTRY;
        let [targetpc, off, val, val_pc] = looked_up(i);
        for (offset, value, size) in [(0, targetpc, word), (8, off, 4), (0x10, val, 4), (0x18, val_pc, word)]
        {
            put(base + offset, value, size);
        }
    }
    (memory, layout)
}

/// What the `i`th entry holds: target PC, offset of the table, value, and the PC from which it holds.
fn looked_up(i: u64) -> [u64; 4] {
    [0x40_0000 + i, 0x100 + i, i + 1, 0x30_0000 + i]
}

fn numbers(entries: &[[Entry; WAYS]; SETS]) -> Vec<[u64; 4]> {
    let numbers = |entry: &Entry| [entry.targetpc, entry.off, entry.val as u64, entry.val_pc];
    entries.iter().flatten().map(numbers).collect()
}

/// A look-up replaces an entry that random numbers choose, and the process is told of all that has changed.
fn look_ups_change_the_process<T: Target>(random: u64) {
    let (mut memory, layout) = in_memory::<T>(random);
    let load = |memory: &Segments| PcvalueCache::new::<T>(&Process::new(memory), Some(layout), Some(M0));
    let mut cache = load(&memory);
    let mut expected: Vec<_> = (0..16).map(looked_up).collect();
    assert_eq!((numbers(&cache.entries), cache.random), (expected.clone(), random), "{}", T::GOARCH);
    // Neither what is there counts, nor what another thread looks up.
    let found = cache.entries[0][3];
    let off = found.off;
    cache.look_up(LookUp::StackMap, found.off, found.targetpc, PcValue { val: 0, start: 0 });
    assert!(cache.patches::<T>().is_empty(), "{}", T::GOARCH);
    let other = PcvalueCache::new::<T>(&Process::new(&memory), Some(layout), Some(Addr(0x9000)));
    assert!(other.layout.is_none());

    // The same table for another PC, and another table for the same PC: into either set.
    let (first, second) = (found.targetpc, 5 * T::PTR_SIZE);
    for (set, off, targetpc) in [(0, off + 9, first), (1, found.off, second), (0, found.off, 4 * T::PTR_SIZE)]
    {
        let mut twin = PcvalueCache { layout: None, entries: cache.entries, ..cache };
        let way = twin.cheaprand(8) as usize >> 29;
        cache.look_up(LookUp::SpDelta, off, targetpc, PcValue { val: -7, start: 0x77 });
        expected[set * WAYS + way] = expected[set * WAYS];
        expected[set * WAYS] = [targetpc, off, -7i32 as u64, 0x77];
        assert_eq!(numbers(&cache.entries), expected, "{} {off:#x} {targetpc:#x}", T::GOARCH);
    }
    for patch in cache.patches::<T>() {
        memory.write(patch.at, &patch.bytes);
    }
    let again = load(&memory);
    assert_eq!((numbers(&again.entries), again.random), (expected, cache.random), "{}", T::GOARCH);
}

#[test]
fn the_cache_of_the_first_thread() {
    look_ups_change_the_process::<Amd64>(0xdead_beef_0bad_cafe);
    look_ups_change_the_process::<S390x>(0x1234_5678_9abc_def0);
    look_ups_change_the_process::<I386>(0x1234_5678_9abc_def1);
    look_ups_change_the_process::<Mips>(0x0fed_cba9_8765_4321);
}
