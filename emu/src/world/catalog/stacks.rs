//! Goroutines and frames: `dumpgs`, `dumpframe` and `gentraceback`.

use super::{Case, bytes, call, case, empty, function, goroutine, number, pointer, to, words};
use crate::world::{
    Activation, ArgsSize, Bitmaps, Bottom, Contents, Defer, Function, Funcval, Goroutine, LocalsMap, Object,
    Panic, Slot, Status, Stop, Type, Value, World,
};

fn maps(bits: u32, maps: &[&[u8]]) -> Bitmaps {
    let map = |map: &&[u8]| map.iter().map(|&bit| bit == 1).collect();
    Bitmaps { bits, maps: maps.iter().map(map).collect() }
}

fn scalars(count: u64) -> Vec<Value> {
    (1..=count).map(|i| Value::Scalar(0x0101_0101_0101_0101 * i)).collect()
}

fn with_locals(name: &str, frame: u32, locals_map: LocalsMap) -> Function {
    Function { locals_map, ..function(name, frame) }
}

fn with_args(name: &str, frame: u32, args: u32, args_map: Option<Bitmaps>) -> Function {
    Function { args: ArgsSize::Words(args), args_map, ..function(name, frame) }
}

fn world(functions: Vec<Function>, goroutines: Vec<Goroutine>) -> World {
    World { functions, goroutines, objects: vec![bytes(64, &[7]), words(&[pointer(to(0)); 3])], ..empty() }
}

fn stopped(stop: Stop, status: Status, g: Goroutine) -> Goroutine {
    Goroutine { stop, status, ..g }
}

/// main.main calls main.f calls main.g, with frames of 4, 6 and 2 words.
fn chain() -> (Vec<Function>, Vec<Activation>) {
    let functions = vec![function("main.main", 4), function("main.f", 6), function("main.g", 2)];
    let activations = vec![call(0, 11, &scalars(4)), call(1, 22, &scalars(6)), call(2, 33, &scalars(2))];
    (functions, activations)
}

fn locals() -> World {
    let bitmaps = maps(3, &[&[1, 0, 0], &[0, 1, 1]]);
    let functions = vec![
        with_locals("main.bitmaps", 5, LocalsMap::Bitmaps(bitmaps)),
        with_locals("main.none", 5, LocalsMap::Bitmaps(Bitmaps::default())),
        with_locals("main.size", 5, LocalsMap::Size(2)),
        with_locals("main.absent", 5, LocalsMap::Absent),
    ];
    let at = |function, stack_map| Activation {
        stack_map,
        ..call(function, 5, &[to(0), to(1), Value::Scalar(5), to(0), to(1)])
    };
    let activations = vec![at(0, 0), at(0, 1), at(0, -1), at(1, 0), at(2, 0), at(3, 0)];
    world(functions, vec![goroutine(1, activations)])
}

fn arguments() -> World {
    let functions = vec![
        with_args("main.caller", 8, 0, None),
        with_args("main.mapped", 8, 3, Some(maps(3, &[&[1, 0, 1], &[0, 1]]))),
        with_args("main.unmapped", 8, 4, None),
        Function { args: ArgsSize::Unknown, ..with_args("main.unknown", 8, 0, Some(maps(2, &[&[1, 1]]))) },
        with_args("main.short_map", 8, 4, Some(maps(1, &[&[1]]))),
        Function { locals_map: LocalsMap::Absent, ..with_args("main.no_maps", 8, 4, None) },
    ];
    let at = |function, stack_map| Activation { stack_map, ..call(function, 5, &scalars(8)) };
    let outermost =
        |function, args: &[Value]| Goroutine { args: args.to_vec(), ..goroutine(2, vec![at(function, 0)]) };
    world(
        functions,
        vec![
            goroutine(
                1,
                vec![
                    at(0, 0),
                    at(1, 0),
                    at(1, 1),
                    at(2, 0),
                    at(3, 0),
                    at(4, 0),
                    at(5, 0),
                    at(2, 0),
                    at(5, 0),
                ],
            ),
            // Their arguments lie after the frame at the bottom, and the reference lists them all the same.
            outermost(1, &[to(0), Value::Scalar(1), to(1)]),
            outermost(2, &scalars(4)),
            outermost(3, &[]),
        ],
    )
}

fn reflect() -> World {
    let stub = |name: &str| Function { args: ArgsSize::Unknown, ..with_locals(name, 6, LocalsMap::Absent) };
    let functions =
        vec![stub("reflect.makeFuncStub"), stub("reflect.methodValueCall"), function("main.main", 4)];
    let closure = |function, bits| {
        words(&[Slot::Plain(Value::Code(function)), pointer(Value::Bitvector(bits)), number(0)])
    };
    World {
        bitvectors: vec![vec![true, false, true], vec![true; 9]],
        objects: vec![closure(0, 0), closure(1, 1)],
        ..world(
            functions,
            vec![goroutine(1, vec![call(2, 5, &scalars(4)), call(0, 6, &[to(0)]), call(1, 7, &[to(1)])])],
        )
    }
}

fn statuses() -> World {
    let (functions, activations) = chain();
    let at = |goid, status, stop| stopped(stop, status, goroutine(goid, activations.clone()));
    let dead = Goroutine { status: Status::Dead, ..goroutine(9, Vec::new()) };
    let mut runnable = at(3, Status::Runnable, Stop::Park);
    runnable.wait_reason = "stale reason".to_owned();
    world(
        functions,
        vec![
            at(1, Status::Waiting, Stop::Park),
            dead.clone(),
            at(2, Status::Syscall, Stop::Syscall),
            runnable,
            at(4, Status::Waiting, Stop::Syscall),
            at(-5, Status::Runnable, Stop::Preempted),
            dead,
            stopped(Stop::NotStarted, Status::Runnable, goroutine(1 << 40, vec![call(1, 0, &[])])),
        ],
    )
}

fn system_goroutines(fing_running: bool) -> World {
    let names = [
        "runfinq",
        "backgroundgc",
        "bgsweep",
        "forcegchelper",
        "timerproc",
        "gcBgMarkWorker",
        "notASystemFunction",
    ];
    let functions: Vec<Function> = names.iter().map(|name| function(&format!("runtime.{name}"), 2)).collect();
    let goroutines = (0..names.len()).map(|i| goroutine(i as i64, vec![call(i, 1, &[])])).collect();
    World { fing_running, ..world(functions, goroutines) }
}

fn bottoms() -> World {
    let (functions, activations) = chain();
    let bottoms = [Bottom::Goexit, Bottom::Mstart, Bottom::Mcall, Bottom::Morestack, Bottom::Rt0Go];
    let g = |(i, bottom): (i64, Bottom)| Goroutine {
        bottom,
        args: scalars(2),
        ..goroutine(i, activations.clone())
    };
    world(functions, (1..).zip(bottoms).map(g).collect())
}

fn barriers() -> World {
    let (functions, activations) = chain();
    let at = |frames: &[usize]| {
        let mut activations = activations.clone();
        frames.iter().for_each(|&frame| activations[frame].barrier = true);
        activations
    };
    let hit = |hit_barriers, g: Goroutine| Goroutine { hit_barriers, ..g };
    world(
        functions,
        vec![
            goroutine(1, at(&[1])),
            goroutine(2, at(&[0, 1, 2])),
            hit(2, goroutine(3, at(&[0, 2]))),
            stopped(Stop::Preempted, Status::Runnable, goroutine(4, at(&[0, 1]))),
            hit(3, goroutine(5, at(&[]))),
        ],
    )
}

fn in_barrier() -> World {
    let (functions, activations) = chain();
    let mut outer = activations.clone();
    outer[1].barrier = true;
    let g = |goid, counted, hit_barriers, activations: &[Activation]| Goroutine {
        hit_barriers,
        ..stopped(Stop::Barrier { counted }, Status::Waiting, goroutine(goid, activations.to_vec()))
    };
    world(
        functions,
        vec![
            g(1, false, 0, &activations),
            g(2, true, 0, &activations),
            g(3, false, 2, &outer),
            g(4, true, 2, &outer),
        ],
    )
}

fn nil_call() -> World {
    let functions = vec![function("main.main", 4), function("main.recursive", 4)];
    let at = |line| call(1, line, &scalars(4));
    world(
        functions,
        vec![stopped(
            Stop::NilCall,
            Status::Waiting,
            goroutine(1, vec![call(0, 5, &scalars(4)), at(21), at(22)]),
        )],
    )
}

fn defers() -> World {
    let (mut functions, mut activations) = chain();
    functions.push(function("main.main.func1", 0));
    let to = |fun| Defer { fun, no_args: false };
    let no_args = Defer { fun: Funcval::Static(3), no_args: true };
    activations[0].defers = vec![no_args, to(Funcval::Static(3)), to(Funcval::Static(2))];
    activations[1].defers = vec![to(Funcval::Closure(2)), no_args];
    activations[2].defers = vec![no_args];
    let mut world = world(functions, vec![goroutine(1, activations)]);
    world.objects.push(words(&[Slot::Plain(Value::Code(3)), pointer(super::to(0))]));
    world
}

/// main.main calls main.f, which faults; a deferred function that runs on top of it waits.
fn panic(defers: &[usize], leaf: bool) -> World {
    let functions = vec![
        function("main.main", 4),
        if leaf { Function { leaf, ..function("main.leaf", 0) } } else { function("main.f", 6) },
        function("runtime.sigpanic", 3),
        function("runtime.gopanic", 5),
        function("main.main.func1", 2),
    ];
    let frame = |function: usize| scalars(functions[function].frame.into());
    let mut activations: Vec<Activation> = (0..5).map(|f| call(f, 10 + f as u32, &frame(f))).collect();
    for &frame in defers {
        activations[frame].defers.push(Defer { fun: Funcval::Static(4), no_args: false });
    }
    let panics = vec![Panic { typ: None, data: Value::NIL }, Panic { typ: Some(0), data: to(0) }];
    World {
        types: vec![Type { string: "runtime.Error".to_owned(), ..Type::default() }],
        ..world(functions, vec![Goroutine { panics, ..goroutine(1, activations) }])
    }
}

fn names() -> World {
    let functions = vec![
        Function { name: None, ..function("", 2) },
        function("", 2),
        function("main.long_".repeat(300).as_str(), 2),
        function(&"n".repeat(4095), 0),
        function(&"n".repeat(4096), 0),
        function(&"n".repeat(4097), 0),
    ];
    let activations = (0..6).map(|f| call(f, 1, &[])).collect();
    let mut g = goroutine(1, activations);
    g.wait_reason = "w".repeat(4097);
    world(functions, vec![g])
}

fn large_frames() -> World {
    let functions =
        [509, 510, 511, 512, 1021, 1022, 1023, 1024].map(|frame| function("main.large", frame)).to_vec();
    let activations = (0..functions.len()).map(|f| call(f, 1, &scalars(3))).collect();
    world(functions, vec![goroutine(1, activations)])
}

fn stack_pointers() -> World {
    let functions = vec![with_locals("main.main", 3, LocalsMap::Bitmaps(maps(3, &[&[1, 1, 1]])))];
    let at = |goroutine, frame, word| Value::Stack { goroutine, frame, word };
    let g = |goid, other| {
        goroutine(goid, vec![call(0, 1, &[at(other, 1, 2), to(0)]), call(0, 2, &[at(other, 0, 0), to(2)])])
    };
    let mut world = world(functions, vec![g(1, 0), g(2, 0)]);
    world.objects.push(words(&[pointer(at(1, 0, 1)), Slot::Plain(at(0, 1, 2))]));
    world
}

fn many_functions() -> World {
    // More than a bucket of findfunctab, of functions large and small.
    let functions: Vec<Function> =
        (0..60).map(|i| function(&format!("main.f{i}"), if i % 7 == 0 { 80 } else { 1 })).collect();
    let activations = (0..60).map(|f| call(f, f as u32, &scalars(if f % 7 == 0 { 80 } else { 1 }))).collect();
    world(functions, vec![goroutine(1, activations)])
}

fn framepointer() -> World {
    let (mut functions, activations) = chain();
    functions.push(function("main.frameless", 0));
    functions.push(with_locals("main.locals", 4, LocalsMap::Bitmaps(maps(2, &[&[1, 1]]))));
    let mut deeper = activations.clone();
    deeper.insert(2, call(3, 3, &[]));
    deeper.insert(2, call(4, 3, &[]));
    deeper[4].function = 2;
    World {
        framepointer: true,
        goexperiment: "framepointer".to_owned(),
        ..world(functions, vec![goroutine(1, activations), goroutine(2, deeper)])
    }
}

fn goroutine_fields() -> World {
    let (functions, activations) = chain();
    let mut g = goroutine(i64::MAX, activations.clone());
    g.wait_since = -1;
    g.wait_reason = String::new();
    g.gopc = crate::world::Pc::Return { goroutine: 1, frame: 1 };
    g.ctxt = to(1);
    g.thread = Some(0);
    let mut other = goroutine(2, activations);
    other.gopc = crate::world::Pc::Entry(2);
    let closure = Object::new(Contents::Words { len: 2, slots: vec![Slot::Plain(Value::Code(1))] });
    let mut world = world(functions, vec![g, other]);
    world.objects.push(closure);
    world
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("goroutine_fields", "every field of a goroutine", goroutine_fields()),
        case(
            "statuses",
            "waiting, runnable, in a system call, dead, preempted in a prologue, not begun",
            statuses(),
        ),
        case(
            "system_goroutines",
            "the functions that make a goroutine a system goroutine",
            system_goroutines(false),
        ),
        case(
            "finalizer_runs",
            "while a finalizer runs, its goroutine is no system goroutine",
            system_goroutines(true),
        ),
        case("bottoms", "each function at which topofstack ends the walk", bottoms()),
        case(
            "locals",
            "locals maps: bitmaps by index, none at all, a size, absent; stack map index -1",
            locals(),
        ),
        case(
            "arguments",
            "arguments maps, absent ones, unknown sizes, and those of outermost frames",
            arguments(),
        ),
        case("reflect_stubs", "frames that describe their own arguments", reflect()),
        case("barriers", "stack barriers in the place of return PCs, and stale ones", barriers()),
        case(
            "in_barrier",
            "interrupted in stackBarrier, before and after it has counted the barrier",
            in_barrier(),
        ),
        case("nil_call", "a PC of zero: the walk begins in the caller", nil_call()),
        case("defers", "defers of several frames, of no frame, and with closures", defers()),
        case(
            "panic_without_defers",
            "a frame that faulted and that nothing can recover: continpc is 0",
            panic(&[0, 3], false),
        ),
        case(
            "panic_with_defers",
            "a frame that faulted and has deferred: continpc is that of the defer",
            panic(&[0, 1, 1, 4], false),
        ),
        case(
            "panic_in_leaf",
            "a function without a frame faults: its link register is on the stack",
            panic(&[0], true),
        ),
        case("function_names", "functions without a name, and with very long ones", names()),
        case(
            "large_frames",
            "frames around the size of the sink's buffer, on 32-bit and 64-bit machines",
            large_frames(),
        ),
        case("stack_pointers", "pointers into stacks, from the heap and from other stacks", stack_pointers()),
        case("many_functions", "text of more than one bucket of findfunctab", many_functions()),
        case("framepointer", "frames that end with a saved BP, on amd64", framepointer()),
    ]
}
