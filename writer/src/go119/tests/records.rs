//! Statistics, finalizers that wait, buckets of the memory profile, and what a program is asked first.

use super::HEADERS;
use super::image::{Image, TEXT};
use crate::generation::sealed::Generation;
use crate::go119::{Go119, Program, Stopped};
use crate::runtime::{Roots, Runtime, Statistics};
use crate::target::{Amd64, Mips, S390x, Target};

/// Counters are in structures that are in others, none of them at the beginning.
fn counters_of_the_heap<T: Target>() {
    let mut image = Image::<T>::new(HEADERS, &[]);
    for structure in ["runtime.mstats", "runtime.consistentHeapStats"] {
        assert_eq!(image.offset(structure, "something else"), 0);
    }
    image.layouts.sizes.insert("runtime.heapStatsDelta", T::PTR_SIZE);
    let memstats = image.variable("runtime.memstats");
    let stats = image.offset("runtime.consistentHeapStats", "stats");
    let delta = memstats + image.offset("runtime.mstats", "heapStats") + stats;
    // Of the size classes there is only the first, which has no objects.
    let classes = image.offset("runtime.heapStatsDelta", "smallAllocCount");
    image.put(delta, "runtime.heapStatsDelta", "inStacks", 0, 77);
    image.word(delta + classes + 8, 5);
    let stopped = Stopped::new(&[]);
    let go = image.go(Some(&stopped)).unwrap();
    let found = go.computed(go.counters.as_ref().unwrap()).unwrap();
    assert_eq!((found.stack_inuse, found.stack_sys, found.mallocs), (77, 77, 0), "{}", T::GOARCH);
}

fn finalizers_that_wait<T: Target>() {
    let mut image = Image::<T>::new(HEADERS, &[]);
    // A block has room for one.
    image.layouts.sizes.insert("runtime.finalizer", T::PTR_SIZE);
    let (block, funcval) = (image.alloc(0x200), image.alloc(0x10));
    image.word(funcval, TEXT + 0x100);
    let allfin = image.variable("runtime.allfin");
    image.word(allfin, block);
    for i in 0..3 {
        image.put(block, "runtime.finBlock", "fin", i, funcval);
    }
    for (cnt, found) in [(0, Some(0)), (1, Some(1)), (2, None), (3, None)] {
        image.put(block, "runtime.finBlock", "cnt", 0, cnt);
        let mut entries = Vec::new();
        let end = image.go(None).unwrap().iterate_finq(|f| {
            entries.push(f.entry);
            Ok(())
        });
        match found {
            Some(n) => assert!(end.is_ok() && entries == vec![TEXT + 0x100; n], "{} {cnt}", T::GOARCH),
            None => assert!(end.unwrap_err().to_string().contains("a block has no room"), "{cnt}"),
        }
    }
}

fn buckets_of_the_profile<T: Target>() {
    let mut image = Image::<T>::new(HEADERS, &[]);
    let (bucket, mbuckets) = (image.alloc(0x400), image.variable("runtime.mbuckets"));
    image.word(mbuckets, bucket);
    image.put(bucket, "runtime.bucket", "typ", 0, 1);
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
