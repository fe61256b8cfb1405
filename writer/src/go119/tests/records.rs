//! Statistics, finalizers that wait, buckets of the memory profile, and what a program is asked first.

use super::HEADERS;
use super::image::{Image, TEXT};
use crate::generation::sealed::Generation;
use crate::go119::{Go119, Program, Stopped};
use crate::record::MemStats;
use crate::runtime::{Roots, Runtime, Statistics};
use crate::target::{Amd64, Mips, S390x, Target};

/// A process whose counters are in structures that are in others, none of them at the beginning; and where the first of
/// the `heapStatsDelta`s is, of which there are two.
fn with_counters<T: Target>() -> (Image<T>, u64) {
    let mut image = Image::<T>::new(HEADERS, &[]);
    for structure in ["runtime.mstats", "runtime.fixalloc", "runtime.p", "runtime.mcache"] {
        assert_eq!(image.offset(structure, "something else"), 0);
    }
    // After all fields of `mstats` that are read.
    for i in 0..16 {
        image.offset("runtime.consistentHeapStats", &format!("something else {i}"));
    }
    image.layouts.sizes.extend([
        ("runtime.heapStatsDelta", DELTA),
        ("runtime.consistentHeapStats.stats", 2 * DELTA),
        ("runtime.heapStatsDelta.smallAllocCount", 16),
    ]);
    let memstats = image.variable("runtime.memstats");
    let first = memstats
        + image.offset("runtime.mstats", "heapStats")
        + image.offset("runtime.consistentHeapStats", "stats");
    (image, first)
}

/// The size of a `heapStatsDelta`.
const DELTA: u64 = 0x120;

fn computed<T: Target>(image: &Image<T>) -> MemStats {
    let stopped = Stopped::new(&[]);
    let go = image.go(Some(&stopped)).unwrap();
    go.computed(go.counters.as_ref().unwrap()).unwrap()
}

fn counters_of_the_heap<T: Target>() {
    let (mut image, delta) = with_counters::<T>();
    for (i, value) in [(0, 70), (1, 7)] {
        image.put(delta + i * DELTA, "runtime.heapStatsDelta", "inStacks", 0, value);
    }
    // Of the size classes there are two: large objects, which have a counter of their own for their bytes, and 8 bytes.
    for (class, value) in [(0, 5), (1, 3)] {
        image.put(delta, "runtime.heapStatsDelta", "smallAllocCount", class, value);
    }
    // Two objects that are there, of 16 bytes, in a span that no mcache has.
    let span = image.span(0, 1, 16, 4, 0b11, 5);
    for (field, value) in [("allocCount", 4), ("allocCountBeforeCache", 1), ("freeindex", 0)] {
        image.put(span, "runtime.mspan", field, 0, value);
    }
    let mheap = image.variable("runtime.mheap_");
    for (alloc, value) in [("spanalloc", 31), ("cachealloc", 32)] {
        let alloc = image.offset("runtime.mheap", alloc);
        image.put(mheap + alloc, "runtime.fixalloc", "inuse", 0, value);
    }
    image.put(image.variable("runtime.memstats"), "runtime.mstats", "pause_ns", 1, 9);
    let found = computed(&image);
    assert_eq!((found.stack_inuse, found.stack_sys), (77, 77), "{}", T::GOARCH);
    assert_eq!((found.mallocs, found.frees, found.heap_objects), (8, 6, 2), "{}", T::GOARCH);
    assert_eq!((found.alloc, found.total_alloc), (32, 32), "{}: what is there was allocated", T::GOARCH);
    assert_eq!((found.mspan_inuse, found.mcache_inuse), (31, 32), "{}", T::GOARCH);
    assert_eq!(found.pause_ns[..3], [0, 9, 0], "{}", T::GOARCH);

    // An mcache has the span: what it has given away is not counted yet.
    image.put(mheap, "runtime.mheap", "sweepgen", 0, 6);
    image.put(span, "runtime.mspan", "sweepgen", 0, 9);
    let found = computed(&image);
    assert_eq!((found.mallocs, found.total_alloc), (8 + 3, 3 * 8 + 3 * 16), "{}", T::GOARCH);

    // Nor are the small parts of objects that Ps have given away; one P has no mcache, and one is not there.
    let (array, allp) = (image.alloc(0x20), image.variable("runtime.allp"));
    for (i, value) in (0..).zip([array, 3, 3]) {
        image.word(allp + i * T::PTR_SIZE, value);
    }
    let (without, with, mcache) = (image.alloc(0x200), image.alloc(0x200), image.alloc(0x200));
    for (i, p) in [(0, without), (2, with)] {
        image.word(array + i * T::PTR_SIZE, p);
    }
    image.put(with, "runtime.p", "mcache", 0, mcache);
    image.put(mcache, "runtime.mcache", "tinyAllocs", 0, 20);
    assert_eq!(computed(&image).mallocs, 8 + 3 + 20, "{}", T::GOARCH);
}

/// `heapGoalInternal`: the largest of what there is.
fn goals_of_the_heap<T: Target>() {
    let (mut image, _) = with_counters::<T>();
    let controller = image.variable("runtime.gcController");
    for (goal, sweep, triggered, expected) in [
        (100, 50, u64::MAX, 100),
        (100, 150, u64::MAX, 150),
        // Never less than 64 KiB after what has triggered the collection.
        (100, 150, 200, 200 + (64 << 10)),
        (1 << 20, 150, 200, 1 << 20),
    ] {
        for (field, value) in
            [("gcPercentHeapGoal", goal), ("sweepDistMinTrigger", sweep), ("triggered", triggered)]
        {
            image.put(controller, "runtime.gcControllerState", field, 0, value);
        }
        assert_eq!(computed(&image).next_gc, expected, "{}", T::GOARCH);
    }
}

fn finalizers_that_wait<T: Target>() {
    let mut image = Image::<T>::new(HEADERS, &[]);
    // A block has room for two.
    let size = 0x100;
    image.layouts.sizes.extend([("runtime.finalizer", size), ("runtime.finBlock.fin", 2 * size)]);
    let block = image.alloc(0x400);
    let allfin = image.variable("runtime.allfin");
    image.word(allfin, block);
    assert_eq!(image.offset("runtime.finBlock", "something else"), 0);
    let fin = image.offset("runtime.finBlock", "fin");
    let entries_of = [TEXT + 0x100, TEXT + 0x200];
    for (i, entry) in (0..).zip(entries_of) {
        let funcval = image.alloc(0x10);
        image.word(funcval, entry);
        image.put(block + fin + i * size, "runtime.finalizer", "fn", 0, funcval);
    }
    for (cnt, found) in [(0, Some(0)), (1, Some(1)), (2, Some(2)), (3, None)] {
        image.put(block, "runtime.finBlock", "cnt", 0, cnt);
        let mut entries = Vec::new();
        let end = image.go(None).unwrap().iterate_finq(|f| {
            entries.push(f.entry);
            Ok(())
        });
        match found {
            Some(n) => assert!(end.is_ok() && entries == entries_of[..n], "{} {cnt}", T::GOARCH),
            None => assert!(end.unwrap_err().to_string().contains("a block has no room"), "{cnt}"),
        }
    }
}

fn buckets_of_the_profile<T: Target>() {
    let mut image = Image::<T>::new(HEADERS, &[]);
    let (bucket, mbuckets) = (image.alloc(0x400), image.variable("runtime.mbuckets"));
    image.word(mbuckets, bucket);
    image.put(bucket, "runtime.bucket", "typ", 0, 1);

    // The PCs are after the bucket, and what was counted is after them.
    let stk = bucket + 0x100;
    image.layouts.sizes.insert("runtime.bucket", 0x100);
    image.put(bucket, "runtime.bucket", "nstk", 0, 3);
    for (i, pc) in (0..).zip([TEXT + 1, TEXT + 2, TEXT + 3]) {
        image.word(stk + i * T::PTR_SIZE, pc);
    }
    for (field, value) in [("allocs", 40), ("frees", 4)] {
        image.put(stk + 3 * T::PTR_SIZE, "runtime.memRecordCycle", field, 0, value);
    }
    let mut found = Vec::new();
    let go = image.go(None).unwrap();
    go.iterate_memprof(|b| {
        found.push((b.stk, b.allocs, b.frees));
        Ok(())
    })
    .unwrap();
    assert_eq!(found, [(vec![TEXT + 1, TEXT + 2, TEXT + 3], 40, 4)], "{}", T::GOARCH);
    drop(go);
    image.bytes(stk, &[0; 32]);

    for (n, is_too_many) in [(2, false), (1 << 16, false), ((1 << 16) + 1, true)] {
        image.put(bucket, "runtime.bucket", "nstk", 0, n);
        let mut stacks = Vec::new();
        let end = image.go(None).unwrap().iterate_memprof(|b| {
            stacks.push(b.stk.len() as u64);
            Ok(())
        });
        // Where addresses are short, memory has that many.
        assert_eq!(end.is_ok(), stacks == [n], "{} {n}", T::GOARCH);
        let says = end.is_err_and(|error| error.to_string().contains("no bucket has so many PCs"));
        assert_eq!(says, is_too_many, "{} {n}", T::GOARCH);
    }
}

#[test]
fn records_of_the_runtime() {
    fn on<T: Target>() {
        finalizers_that_wait::<T>();
        buckets_of_the_profile::<T>();
    }
    on::<Amd64>();
    on::<Mips>();
    on::<S390x>();
    counters_of_the_heap::<Amd64>();
    counters_of_the_heap::<S390x>();
    goals_of_the_heap::<Amd64>();
    goals_of_the_heap::<S390x>();
}

#[test]
fn what_a_program_is_asked() {
    let image = Image::<Amd64>::new(HEADERS, &[]);
    for (program, faulty) in [(Program::new(&image.layouts), false), (Program::exact(&image.layouts), true)] {
        let go = Go119::<Amd64>::new(&image.memory, &program).unwrap();
        let faults = go.frame_faults();
        assert_eq!((faults.locals_from_arglen, faults.args_beyond_frame), (faulty, faulty));
        assert!(!program.depends_on_output(), "a dump is what memory says");
    }
}
