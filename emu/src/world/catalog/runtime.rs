//! Parameters, threads, segments, statistics and the memory profile.

use super::{Case, bytes, call, case, empty, function, goroutine, number, pointer, to};
use crate::world::{Bucket, Contents, Function, MemStats, Object, Pc, Thread, World};

fn memstats() -> MemStats {
    // Every counter has a value of its own, and some need all of their bytes.
    let mut next = 0x0102_0304_0506_0708_u64;
    let mut value = || {
        next = next.rotate_left(7).wrapping_add(0x9e37_79b9);
        next
    };
    MemStats {
        alloc: value(),
        total_alloc: value(),
        sys: value(),
        nlookup: value(),
        nmalloc: value(),
        nfree: value(),
        heap_alloc: value(),
        heap_sys: value(),
        heap_idle: value(),
        heap_inuse: value(),
        heap_released: value(),
        heap_objects: value(),
        stacks_inuse: value(),
        stacks_sys: value(),
        mspan_inuse: value(),
        mspan_sys: value(),
        mcache_inuse: value(),
        mcache_sys: value(),
        buckhash_sys: value(),
        gc_sys: value(),
        other_sys: value(),
        next_gc: value(),
        last_gc: value(),
        pause_total_ns: value(),
        pause_ns: (0..256).map(|_| value()).collect(),
        numgc: u32::MAX,
    }
}

fn profile() -> World {
    let functions = vec![
        function("main.main", 2),
        Function { file: Some("/src/main/other.go".to_owned()), ..function("main.other", 2) },
        Function { file: None, ..function("main.assembly", 2) },
        Function { name: None, ..function("", 2) },
    ];
    let at = |goroutine, frame| Pc::Return { goroutine, frame };
    let bucket =
        |stack: &[Pc], size| Bucket { stack: stack.to_vec(), size, allocs: size / 16, frees: size / 32 };
    World {
        functions,
        goroutines: vec![goroutine(
            1,
            vec![call(0, 100, &[]), call(1, 200, &[]), call(2, 300, &[]), call(3, 400, &[])],
        )],
        objects: vec![crate::world::Object { sample: Some(1), ..bytes(24, &[1]) }],
        buckets: vec![
            // The first PC is taken as it is, the others are return PCs; an entry PC stays what it is.
            bucket(&[at(0, 1), at(0, 0), Pc::Entry(1), Pc::Entry(0)], 64),
            bucket(&[Pc::Entry(2), at(0, 2), at(0, 3)], 1 << 40),
            bucket(&[Pc::Zero, Pc::Unknown(0x123), Pc::Unknown(0xf000_0001), Pc::Unknown(u64::MAX)], 32),
            bucket(&[at(0, 1); 32], 48),
        ],
        ..empty()
    }
}

/// An object of so many pointers.
fn pointers(len: u32) -> Object {
    Object::new(Contents::Words { len, slots: vec![pointer(to(0)); len as usize] })
}

pub(super) fn cases() -> Vec<Case> {
    let thread = |id, procid| Thread { id, procid };
    vec![
        case(
            "params",
            "number of processors and experiments",
            World { ncpu: 300, goexperiment: "fieldtrack,framepointer".to_owned(), ..empty() },
        ),
        case(
            "threads",
            "threads in the order of allm, with ids and process ids of any size",
            World { threads: vec![thread(7, 1), thread(-1, u64::MAX), thread(0, 1 << 33)], ..empty() },
        ),
        case("no_threads", "nothing at all", World::default()),
        case(
            "memstats",
            "every field of memstats with a value of its own",
            World { memstats: memstats(), ..empty() },
        ),
        case(
            "profile",
            "PCs of functions, of none, and zero; lines of calls; files, and functions without",
            profile(),
        ),
        case(
            "segments",
            "pointer masks of data and bss",
            World {
                objects: vec![bytes(16, &[1])],
                data: (0..70).map(|i| if i % 3 == 0 { pointer(to(0)) } else { number(i) }).collect(),
                bss: vec![number(1), pointer(to(0)), pointer(crate::world::Value::NIL), number(u64::MAX)],
                ..empty()
            },
        ),
        case(
            "segments_around_the_buffer",
            "segments as long as the sink's buffer",
            World {
                data: vec![number(3); 512],
                bss: vec![pointer(crate::world::Value::NIL); 1024],
                ..empty()
            },
        ),
        case(
            "dumper_state",
            "the dump writer's own variables in bss",
            World { dumper_state: true, bss: vec![number(5), number(6), number(7)], ..empty() },
        ),
        case(
            "dumper_state_changes",
            "the dump finds in bss what it has done: types cached, tmpbuf allocated, objects counted by division",
            World {
                dumper_state: true,
                objects: vec![bytes(48, &[1]), pointers(100), bytes(33_000, &[2]), pointers(9_000)],
                ..super::types::of_each_kind()
            },
        ),
    ]
}
