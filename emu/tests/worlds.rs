//! Worlds, written by hand and by chance: they keep the rules, are what they are again after a trip
//! through JSON, and become the same process on a CPU and without one.

use heapmatrix_emu::image::{BuildError, Image};
use heapmatrix_emu::memory::GuestMemory;
use heapmatrix_emu::run::{run_interpreted, run_on_cpu};
use heapmatrix_emu::world::catalog::catalog;
use heapmatrix_emu::world::{Function, Size, Stop, World, worlds};
use heapmatrix_writer::{AnyTarget, Options, Tag, write_heap_dump};
use proptest::prelude::*;

/// The first address at which two memories differ.
fn difference(left: &GuestMemory, right: &GuestMemory) -> Option<String> {
    if left.regions().len() != right.regions().len() {
        return Some("different regions".to_owned());
    }
    left.regions().zip(right.regions()).find_map(|(l, r)| {
        let at = l.bytes().iter().zip(r.bytes()).position(|(l, r)| l != r)?;
        Some(format!(
            "{} at {:#x}: {:#x} and {:#x}",
            l.name(),
            l.addr() + at as u64,
            l.bytes()[at],
            r.bytes()[at]
        ))
    })
}

#[test]
fn both_make_the_same_of_the_catalogue() {
    for case in catalog() {
        for &target in World::MACHINES {
            let image = || {
                Image::build(&case.world, target).unwrap_or_else(|e| panic!("{} on {target}: {e}", case.name))
            };
            let interpreted =
                run_interpreted(image()).unwrap_or_else(|e| panic!("{} on {target}: {e}", case.name));
            let executed = run_on_cpu(image()).unwrap_or_else(|e| panic!("{} on {target}: {e}", case.name));
            assert_eq!(difference(&executed.memory, &interpreted.memory), None, "{} on {target}", case.name);
            assert_eq!(executed.locations, interpreted.locations, "{} on {target}", case.name);
        }
    }
}

/// The kinds of records in the dump of an image's memory, and their number.
fn dumped(world: &World, target: AnyTarget, run: bool) -> [u64; Tag::ALL.len()] {
    let image = Image::build(world, target).unwrap();
    let (memory, symbols) = if run {
        let finished = run_on_cpu(image).unwrap();
        (finished.memory, finished.symbols)
    } else {
        (image.memory, image.symbols)
    };
    let dump = write_heap_dump(target, &memory, &symbols, &Options::default(), std::io::sink());
    dump.unwrap_or_else(|e| panic!("{target}: {e}")).records
}

#[test]
fn the_catalogue_can_be_dumped() {
    for case in catalog() {
        let counts: Vec<_> =
            World::MACHINES.iter().map(|&target| dumped(&case.world, target, true)).collect();
        let live = case.world.objects.iter().filter(|o| o.freed_after.is_none()).count() as u64;
        for (target, &count) in World::MACHINES.iter().zip(&counts) {
            assert_eq!(count, counts[0], "{} on {target}: the records depend on the machine", case.name);
            assert_eq!(count[Tag::Object as usize], live, "{} on {target}: objects", case.name);
        }
    }
}

#[test]
fn the_catalogue_reaches_every_record_kind_that_go_writes() {
    let mut all = [0; Tag::ALL.len()];
    for case in catalog() {
        let counts = dumped(&case.world, AnyTarget::Amd64, true);
        all.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
    }
    for (&tag, count) in Tag::ALL.iter().zip(all) {
        assert_eq!(count > 0, tag != Tag::OtherRoot, "{tag:?}");
    }
}

#[test]
fn an_image_whose_program_has_not_run_has_no_objects_and_no_goroutines() {
    let world = World::generate(1);
    for &target in World::MACHINES {
        let counts = dumped(&world, target, false);
        for tag in [Tag::Object, Tag::Goroutine, Tag::StackFrame, Tag::Finalizer, Tag::Itab, Tag::MemProf] {
            assert_eq!(counts[tag as usize], 0, "{target}: {tag:?}");
            assert!(dumped(&world, target, true)[tag as usize] > 0, "{target}: {tag:?}");
        }
    }
}

#[test]
fn images_are_of_known_machines_and_of_possible_worlds() {
    let error = Image::build(&World::default(), AnyTarget::Amd64p32).unwrap_err();
    assert!(matches!(error, BuildError::Machine(_)), "{error}");
    let (start, end) = ("no worlds can be built on amd64p32: there are amd64, 386, arm, ppc64", " and ");
    assert!(error.to_string().starts_with(start) && error.to_string().contains(end), "{error}");
    let leaf: Function = serde_json::from_str(r#"{"args": {"words": 0}, "frame": 2, "leaf": true}"#).unwrap();
    let world = World { functions: vec![leaf], ..World::default() };
    let error = Image::build(&world, AnyTarget::Amd64).unwrap_err();
    assert_eq!(error.to_string(), "no such process: function 0: a leaf has no frame");
}

#[test]
fn names_of_the_catalogue_are_its_own() {
    let mut names: Vec<&str> = catalog().iter().map(|case| case.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(catalog().iter().all(|case| case.world.check() == Ok(())));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn generated_worlds_keep_the_rules(world in worlds(Size::SMALL)) {
        prop_assert_eq!(world.check(), Ok(()));
    }

    #[test]
    fn worlds_survive_json(world in worlds(Size::SMALL)) {
        let json = serde_json::to_string_pretty(&world).unwrap();
        prop_assert_eq!(serde_json::from_str::<World>(&json).unwrap(), world);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(16) })]

    #[test]
    fn cpu_and_interpreter_leave_the_same_memory(world in worlds(Size::SMALL)) {
        for &target in World::MACHINES {
            let image = || Image::build(&world, target).unwrap();
            let (executed, interpreted) = (run_on_cpu(image()).unwrap(), run_interpreted(image()).unwrap());
            prop_assert_eq!(difference(&executed.memory, &interpreted.memory), None, "{}", target);
            prop_assert_eq!(executed.locations, interpreted.locations, "{}", target);
        }
    }
}

#[test]
fn a_seed_and_an_index_name_a_world() {
    assert_eq!(World::generate(1), World::generate(1));
    assert_ne!(World::generate(1), World::generate(2));
}

#[test]
fn default_worlds_reach_everything() {
    let worlds: Vec<World> = (7..67).map(World::generate).collect();
    for (what, reached) in [
        ("types", worlds.iter().any(|w| !w.types.is_empty())),
        ("itabs", worlds.iter().any(|w| !w.itabs.is_empty())),
        ("finalizers", worlds.iter().any(|w| w.objects.iter().any(|o| o.finalizer.is_some()))),
        ("samples", worlds.iter().any(|w| w.objects.iter().any(|o| o.sample.is_some()))),
        ("frees", worlds.iter().any(|w| w.objects.iter().any(|o| o.freed_after.is_some()))),
        ("queued finalizers", worlds.iter().any(|w| !w.queued.is_empty())),
        ("finalizers that ran", worlds.iter().any(|w| w.ran_finalizers > 0)),
        ("buckets", worlds.iter().any(|w| !w.buckets.is_empty())),
        ("spans", worlds.iter().any(|w| !w.spans.is_empty())),
        ("frame pointers", worlds.iter().any(|w| w.framepointer)),
        ("the dump writer's state", worlds.iter().any(|w| w.dumper_state)),
    ] {
        assert!(reached, "no world has {what}");
    }
    let goroutines = || worlds.iter().flat_map(|w| w.goroutines.iter().map(move |g| (w, g)));
    for stop in [
        Stop::Park,
        Stop::Syscall,
        Stop::Preempted,
        Stop::NotStarted,
        Stop::NilCall,
        Stop::Barrier { counted: false },
        Stop::Barrier { counted: true },
    ] {
        assert!(goroutines().any(|(_, g)| g.stop == stop), "no goroutine stopped by {stop:?}");
    }
    let activations = || goroutines().flat_map(|(w, g)| g.activations.iter().map(move |a| (w, a)));
    assert!(activations().any(|(_, a)| a.barrier) && activations().any(|(_, a)| !a.defers.is_empty()));
    assert!(activations().any(|(w, a)| w.functions[a.function].is_sigpanic()));
    assert!(activations().any(|(w, a)| w.functions[a.function].leaf));
    assert!(activations().any(|(w, a)| w.functions[a.function].describes_own_args()));
}

#[test]
fn worlds_of_a_hundred_thousand_objects_run() {
    let world = World::generate_sized(3, Size::with_objects(100_000));
    assert_eq!(world.check(), Ok(()));
    assert!(world.objects.len() >= 100_000);
    for &target in World::MACHINES {
        let finished = run_on_cpu(Image::build(&world, target).unwrap()).unwrap();
        assert!(
            finished.locations.objects.iter().all(|object| object.addr >= finished.locations.arena_start)
        );
    }
}
