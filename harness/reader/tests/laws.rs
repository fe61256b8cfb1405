//! For each law a dump that breaks it, and no other; for each known fault a dump that shows it.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use common::params;
use heapmatrix_reader::laws::{Fault, Finding, Known, Law, Violation, check, examine};
use heapmatrix_reader::*;

const VERSION: Version = Version::Go15;

/// The laws that a dump breaks, and the faults that it shows.
fn found(file: &[u8]) -> (Vec<Law>, Vec<Fault>) {
    let (mut laws, mut faults) = (BTreeSet::new(), BTreeSet::new());
    examine(file, |finding| {
        let (offset, detail) = match finding {
            Finding::Violation(Violation { law, offset, detail }) => {
                laws.insert(law);
                (offset, detail)
            }
            Finding::Known(known) => {
                let message = known.to_string();
                let Known { fault, offset, detail } = known;
                assert_eq!(message, format!("offset {offset}: {fault}: {detail}"));
                faults.insert(fault);
                (offset, detail)
            }
        };
        assert!(offset <= file.len() as u64);
        assert_ne!(detail, "");
    });
    (laws.into_iter().collect(), faults.into_iter().collect())
}

/// A dump of these records, with the header that goes with its params.
fn encode(records: &[Record<'_>]) -> Vec<u8> {
    let named = |record: &Record<'_>| matches!(record, Record::Params(Params { arch: Arch::Name(_), .. }));
    let version = if records.iter().any(named) { Version::Go17 } else { VERSION };
    let mut file = version.header().to_vec();
    records.iter().for_each(|record| record.write_to(&mut file).unwrap());
    file
}

/// The laws that `records`, with a header before them, break.
fn broken(records: &[Record<'_>]) -> Vec<Law> {
    found(&encode(records)).0
}

/// Makes a dump one of Go 1.7 or later.
fn of_release(records: &mut [Record<'_>], arch: &'static str, experiment: &'static str) {
    records[0] = Record::Params(Params {
        arch: Arch::Name(arch.into()),
        experiment: experiment.into(),
        ..params(Version::Go17)
    });
}

const CONTENTS: &[u8] = &[0; 32];

fn fields(pairs: &[u8]) -> Fields<'_> {
    Fields::from_encoded(pairs).unwrap()
}

fn goroutine(id: u64, defer: u64, panic: u64) -> Goroutine<'static> {
    Goroutine { id, defer, panic, ..common::goroutine(0x9000 + id) }
}

fn frame(depth: u64, name: &'static str) -> StackFrame<'static> {
    StackFrame {
        sp: 0x5000 + 32 * depth,
        depth,
        child_sp: if depth == 0 { 0 } else { 0x5000 + 32 * (depth - 1) },
        contents: CONTENTS,
        function: Function { entry: 0x400, pc: 0x410, continuation_pc: 0x410, name: name.into() },
        fields: fields(&[1, 8, 1, 24]),
    }
}

fn defer(address: u64, link: u64) -> Record<'static> {
    Record::Defer(Defer { address, goroutine: 0x9001, sp: 0x5000, pc: 0x410, closure: 1, entry: 1, link })
}

fn panic(address: u64, link: u64) -> Record<'static> {
    let (argument_type, argument_data) = (0x200, 0);
    Record::Panic(Panic { address, goroutine: 0x9001, argument_type, argument_data, defer: 0, link })
}

fn stats() -> MemStats {
    MemStats {
        alloc: 0,
        total_alloc: 0,
        sys: 30,
        lookups: 0,
        mallocs: 5,
        frees: 2,
        heap_alloc: 64,
        heap_sys: 10,
        heap_idle: 4,
        heap_inuse: 6,
        heap_released: 0,
        heap_objects: 3,
        stack_inuse: 0,
        stack_sys: 5,
        mspan_inuse: 0,
        mspan_sys: 5,
        mcache_inuse: 0,
        mcache_sys: 5,
        buckhash_sys: 0,
        gc_sys: 5,
        other_sys: 1,
        next_gc: 0,
        last_gc: 0,
        pause_total_ns: 0,
        pause_ns: [0; 256],
        num_gc: 0,
    }
}

/// A dump that breaks no law, with something of everything.
fn sound() -> Vec<Record<'static>> {
    let object = |address| Object { address, contents: CONTENTS, fields: fields(&[1, 0, 1, 24]) };
    let segment = Segment { address: 0x1000, contents: CONTENTS, fields: fields(&[1, 16]) };
    let finalizer = Finalizer { object: 0x10_0008, closure: 1, entry: 1, argument_type: 1, object_type: 1 };
    let bucket = MemProf { address: 0x300, size: 32, stack: Stack::default(), allocs: 2, frees: 2 };
    // In the outermost frame a field may lie outside, in Go 1.5.
    let outermost = StackFrame { fields: fields(&[1, 32]), ..frame(1, "runtime.goexit") };
    vec![
        Record::Params(params(VERSION)),
        Record::Type(Type { address: 0x200, size: 8, name: "T".into(), data_is_pointer: true }),
        Record::Itab(Itab { address: 0x800, type_address: 0x200 }),
        Record::Itab(Itab { address: 0x808, type_address: 0 }),
        Record::Object(object(0x10_0020)),
        Record::Object(object(0x10_0000)),
        Record::Goroutine(goroutine(1, 0x600, 0x700)),
        Record::StackFrame(frame(0, "main.main")),
        Record::StackFrame(outermost),
        defer(0x600, 0x610),
        defer(0x610, 0),
        panic(0x700, 0),
        Record::Goroutine(goroutine(2, 0, 0)),
        Record::OsThread(OsThread { address: 0x7000, id: 0, os_id: 77 }),
        Record::Data(segment),
        Record::Bss(segment),
        Record::Finalizer(finalizer),
        Record::QueuedFinalizer(finalizer),
        Record::MemStats(Box::new(stats())),
        Record::MemProf(bucket),
        Record::AllocSample(AllocSample { object: 0x10_0000, bucket: 0x300 }),
        Record::Eof,
    ]
}

/// The first record of a kind in a dump, to be changed.
macro_rules! change {
    ($records:ident, $kind:ident, $($change:tt)*) => {
        $records.iter_mut().find_map(|record| match record {
            Record::$kind(it) => Some(change!(@apply it, $($change)*)),
            _ => None,
        }).expect("the sound dump has every kind")
    };
    (@apply $it:ident, $field:ident = $value:expr) => { $it.$field = $value };
    (@apply $it:ident, $field:ident.$inner:ident = $value:expr) => { $it.$field.$inner = $value };
}

/// Where the first record of a kind is.
fn at(records: &[Record<'_>], kind: Kind) -> usize {
    records.iter().position(|record| record.kind() == kind).unwrap()
}

/// Breaks a law in the sound dump.
fn break_law(law: Law) -> Vec<Record<'static>> {
    let mut records = sound();
    let r = &mut records;
    match law {
        Law::Readable => drop(r.pop()),
        Law::Once => drop(r.remove(at(r, Kind::Bss))),
        Law::Order => {
            let (data, thread) = (at(r, Kind::Data), at(r, Kind::OsThread));
            r.swap(data, thread);
        }
        Law::AddressWidth => {
            change!(r, Params, pointer_size = PointerSize::Four);
            change!(r, Finalizer, closure = 1 << 32);
        }
        Law::Unused => change!(r, Goroutine, is_background = true),
        Law::HeapRange => change!(r, Params, heap_start = 0x10_0000 - 1),
        Law::ObjectInHeap => change!(r, Params, heap_end = 0x10_0038),
        Law::ObjectsDisjoint => change!(r, Object, address = 0x10_0018),
        Law::ObjectAligned => change!(r, Object, address = 0x10_0024),
        Law::ObjectSlots => {
            *r = sound_of("amd64", "go1.27.3");
            change!(r, Object, address = 0x10_0028);
        }
        Law::FieldInside => change!(r, Object, fields = fields(&[1, 32])),
        Law::FieldAligned => change!(r, Object, fields = fields(&[1, 12])),
        Law::FieldOrder => change!(r, Object, fields = fields(&[1, 8, 1, 8])),
        Law::FieldKind => change!(r, Object, fields = fields(&[2, 8])),
        Law::GoroutineOrder => {
            let frame = r.remove(at(r, Kind::StackFrame) + 1);
            r.insert(at(r, Kind::Panic), frame);
        }
        Law::GoroutinesDistinct => {
            let second = at(r, Kind::OsThread) - 1;
            r[second] = Record::Goroutine(Goroutine { id: 1, ..goroutine(2, 0, 0) });
        }
        Law::GoroutineStatus => change!(r, Goroutine, status = 2),
        Law::GoroutineThread => change!(r, Goroutine, thread = 0x7008),
        Law::GoroutineSp => change!(r, Goroutine, sp = 0x5008),
        Law::FrameDepth => change!(r, StackFrame, depth = 1),
        Law::ChildSp => change!(r, StackFrame, child_sp = 8),
        Law::FramesContiguous => change!(r, StackFrame, contents = &CONTENTS[..24]),
        Law::FramePc => change!(r, StackFrame, function.pc = 0x3ff),
        Law::FrameFieldInside => change!(r, StackFrame, fields = fields(&[1, 32])),
        Law::DefersLinked => change!(r, Defer, link = 0),
        Law::PanicsLinked => change!(r, Panic, goroutine = 0x9002),
        Law::ItabType => change!(r, Itab, type_address = 0x208),
        Law::ItabsDistinct => change!(r, Itab, address = 0x808),
        Law::TypeAgain => {
            let other = Type { address: 0x200, size: 8, name: "U".into(), data_is_pointer: true };
            r.insert(at(r, Kind::Itab), Record::Type(other));
        }
        Law::ThreadsDistinct => {
            let other = OsThread { address: 0x7008, id: 0, os_id: 78 };
            r.insert(at(r, Kind::OsThread), Record::OsThread(other));
        }
        Law::FinalizerObject => change!(r, Finalizer, object = 0x10_0040),
        Law::SampleObject => change!(r, AllocSample, object = 0xf_ffff),
        Law::SampleBucket => change!(r, AllocSample, bucket = 0x308),
        Law::BucketFrees => change!(r, MemProf, frees = 3),
        Law::StatsObjects => change!(r, MemStats, frees = 3),
        Law::StatsAlloc => change!(r, MemStats, heap_alloc = 63),
        Law::StatsHeap => change!(r, MemStats, heap_idle = 5),
        Law::StatsSys => change!(r, MemStats, sys = 32),
        law => panic!("no dump breaks {law}"),
    }
    // The shorter frame must not have fields outside as well.
    if law == Law::FramesContiguous {
        change!(records, StackFrame, fields = Fields::default());
    }
    records
}

#[test]
fn a_sound_dump_breaks_no_law() {
    assert_eq!(found(&encode(&sound())), (vec![], vec![Fault::GoexitArguments]));
}

/// The sound dump, as a release writes it that names itself.
fn sound_of(arch: &'static str, release: &'static str) -> Vec<Record<'static>> {
    let mut records = sound();
    of_release(&mut records, arch, release);
    // Statistics fit, all itabs have a type, and goexit passes nothing.
    change!(records, MemStats, sys = 31);
    records.retain(|record| !matches!(record, Record::Itab(Itab { type_address: 0, .. })));
    let outermost = at(&records, Kind::StackFrame) + 1;
    records[outermost] = Record::StackFrame(frame(1, "runtime.goexit"));
    records
}

#[test]
fn each_law_is_broken_on_its_own() {
    for &law in Law::ALL {
        assert_eq!(broken(&break_law(law)), [law], "{law}");
    }
}

#[test]
fn laws_have_more_than_one_side() {
    let broken_by = |change: fn(&mut Vec<Record<'_>>)| {
        let mut records = sound();
        change(&mut records);
        broken(&records)
    };
    // The last object may end with the heap.
    assert_eq!(broken_by(|r| change!(r, Params, heap_end = 0x10_0040)), []);
    assert_eq!(broken_by(|r| change!(r, Panic, defer = 0x600)), [Law::Unused]);
    assert_eq!(broken_by(|r| change!(r, Data, fields = fields(&[1, 32]))), [Law::FieldInside]);
    assert_eq!(broken_by(|r| change!(r, Bss, fields = fields(&[1, 4]))), [Law::FieldAligned]);
    // Neither bytes nor objects are more than the statistics say, if these say something.
    assert_eq!(broken_by(|r| change!(r, MemStats, heap_alloc = 63)), [Law::StatsAlloc]);
    fn with_stats(r: &mut Vec<Record<'_>>, mallocs: u64, heap_objects: u64) {
        change!(r, MemStats, mallocs = mallocs);
        change!(r, MemStats, frees = mallocs - heap_objects);
        change!(r, MemStats, heap_objects = heap_objects);
    }
    assert_eq!(broken_by(|r| with_stats(r, 5, 1)), [Law::StatsAlloc]);
    assert_eq!(broken_by(|r| with_stats(r, 5, 2)), []);
    assert_eq!(broken_by(|r| with_stats(r, 0, 0)), []);
    // What a goroutine names, and nothing follows.
    assert_eq!(broken_by(|r| drop(r.remove(at(r, Kind::Defer) + 1))), [Law::DefersLinked]);
    assert_eq!(broken_by(|r| drop(r.remove(at(r, Kind::Panic)))), [Law::PanicsLinked]);
}

#[test]
fn a_nil_call_has_pushed_one_return_pc() {
    let with_sp = |sp| {
        let mut records = sound();
        change!(records, Goroutine, sp = sp);
        broken(&records)
    };
    assert_eq!(with_sp(0x4ff8), []);
    assert_eq!(with_sp(0x4ff0), [Law::GoroutineSp]);
    assert_eq!(with_sp(0x5008), [Law::GoroutineSp]);
}

/// Its first goroutine's outermost frame, moved up by some bytes, continues before its function.
fn with_gap(innermost: &'static str, gap: u64, machine: Params<'static>) -> Vec<Law> {
    let mut records = sound();
    records[0] = Record::Params(machine);
    records.retain(|record| !matches!(record, Record::Itab(Itab { type_address: 0, .. })));
    let frames = at(&records, Kind::StackFrame);
    let mut faulting = frame(1, "main.leaf");
    faulting.sp += gap;
    faulting.function.continuation_pc = 0x300;
    records[frames] = Record::StackFrame(frame(0, innermost));
    records[frames + 1] = Record::StackFrame(faulting);
    broken(&records)
}

#[test]
fn a_signal_leaves_the_link_register_between_frames() {
    const PANIC: &str = "runtime.sigpanic";
    const PREEMPT: &str = "runtime.asyncPreempt";
    const CALL: &str = "runtime.debugCallV2";
    let go15 = |character| Params { arch: Arch::Char(character), ..params(VERSION) };
    let later = |arch: &'static str| Params { arch: Arch::Name(arch.into()), ..params(Version::Go17) };
    let ppc64 = Params { big_endian: true, ..go15(b'9'.into()) };
    let arm = Params { pointer_size: PointerSize::Four, ..go15(b'5'.into()) };
    let mips = Params { pointer_size: PointerSize::Four, ..later("mips") };
    // What the ABI reserves, since Go 1.6 on ppc64; the link register and its alignment before.
    let pushed = [
        (ppc64, 8),
        (go15(b'7'.into()), 16),
        (arm, 4),
        (later("ppc64le"), 32),
        (later("arm64"), 16),
        (later("riscv64"), 8),
        (later("s390x"), 8),
        (later("mips64le"), 8),
        (mips, 4),
        (later("amd64"), 0),
    ];
    // The fields of frames are aligned to eight bytes, and so right on machines of 32 bits.
    for (machine, pushed) in pushed {
        let name = machine.goarch().unwrap().to_string();
        for gap in [0, 4, 8, 16, 24, 32, 40] {
            let expected = if gap == pushed { vec![] } else { vec![Law::FramesContiguous] };
            assert_eq!(with_gap(PANIC, gap, machine), expected, "{name} {gap}");
            // Only what faulted may continue elsewhere.
            let expected = [expected, vec![Law::FramePc]].concat();
            assert_eq!(with_gap(PREEMPT, gap, machine), expected, "{name} {gap}");
            assert_eq!(with_gap(CALL, gap, machine), expected, "{name} {gap}");
        }
        assert_eq!(with_gap("main.main", 8, machine), [Law::FramesContiguous, Law::FramePc]);
    }
    // A machine that nobody knows may do what the others do.
    assert_eq!(with_gap(PANIC, 24, later("wonder64")), []);
    assert_eq!(with_gap(PANIC, 32, later("wonder64")), []);
    assert_eq!(with_gap(PANIC, 40, later("wonder64")), [Law::FramesContiguous]);
    assert_eq!(with_gap(PANIC, 12, later("wonder64")), [Law::FramesContiguous]);
}

/// A dump that shows a fault, as the release with that name writes it.
fn show(fault: Fault, release: &'static str) -> (Vec<Law>, Vec<Fault>) {
    let mut records = sound_of("amd64", release);
    let r = &mut records;
    match fault {
        Fault::SlotsUnderBitmap => {
            // Where it may be an object, it is counted as one.
            let known = ["go1.22.10", "go1.27.3 X:nogreenteagc"].contains(&release);
            change!(r, MemStats, heap_alloc = if known { 64 } else { 96 });
            let fields = fields(&[1, 0]);
            r.insert(5, Record::Object(Object { address: 0x10_2000 - 32, contents: CONTENTS, fields }));
        }
        Fault::GoexitArguments => {
            let frame = StackFrame { fields: fields(&[1, 32]), ..frame(1, "runtime.goexit") };
            let outermost = at(r, Kind::StackFrame) + 1;
            r[outermost] = Record::StackFrame(frame);
        }
        Fault::QueuedCleanup => {
            let cleanup = Finalizer { object: 0, closure: 1, entry: 1, argument_type: 0, object_type: 0 };
            r.insert(at(r, Kind::MemStats), Record::QueuedFinalizer(cleanup));
        }
        Fault::FreesBeforeAllocs => change!(r, MemProf, frees = 3),
        Fault::SweptLargeObjects => change!(r, MemStats, frees = 1),
        Fault::StacksInSys => {
            change!(r, MemStats, stack_inuse = 10);
            change!(r, MemStats, sys = 41);
        }
    }
    found(&encode(&records))
}

#[test]
fn each_fault_is_known_of_its_releases_and_of_no_other() {
    let known = |fault, release| assert_eq!(show(fault, release), (vec![], vec![fault]), "{release}");
    let breaks =
        |fault: Fault, release| assert_eq!(show(fault, release), (vec![fault.law()], vec![]), "{release}");
    for &fault in Fault::ALL {
        match fault {
            Fault::SlotsUnderBitmap => {
                known(fault, "go1.22.10");
                known(fault, "go1.27.3 X:nogreenteagc");
                // Here it may be right; and of a release to come nobody knows.
                for release in ["", "go1.21.13", "go1.22.10 X:noallocheaders", "devel go1.28-3ac8a3c"] {
                    assert_eq!(show(fault, release), (vec![], vec![]), "{release}");
                }
            }
            Fault::QueuedCleanup => {
                known(fault, "go1.24.11");
                ["", "go1.23.9", "go1.25.5"].into_iter().for_each(|release| breaks(fault, release));
            }
            // Those are of releases that don't name themselves, or of 1.18 at the latest.
            _ => {
                known(fault, "");
                breaks(fault, "go1.27.3");
            }
        }
    }
}

#[test]
fn faults_are_as_narrow_as_they_can_be() {
    // Statistics of Go 1.9 and later say that the profile is not one of 1.8.
    let mut records = sound_of("amd64", "");
    change!(records, MemProf, frees = 3);
    assert_eq!(found(&encode(&records)), (vec![], vec![Fault::FreesBeforeAllocs]));
    change!(records, MemStats, stack_inuse = 10);
    change!(records, MemStats, sys = 41);
    assert_eq!(found(&encode(&records)), (vec![Law::BucketFrees], vec![Fault::StacksInSys]));
    change!(records, MemStats, sys = 42);
    assert_eq!(broken(&records), [Law::StatsSys], "more than the stacks");

    // So does a goroutine that only later releases have.
    let mut records = sound_of("amd64", "");
    change!(records, MemProf, frees = 3);
    change!(records, StackFrame, function.name = "runtime.bgscavenge".into());
    assert_eq!(broken(&records), [Law::BucketFrees]);

    // A finalizer that is set, and one with types, have an object.
    let without_object = |set: bool, types: u64| {
        let mut records = sound_of("amd64", "go1.24.11");
        let queued = Finalizer { object: 0, closure: 1, entry: 1, argument_type: types, object_type: types };
        let record = if set { Record::Finalizer(queued) } else { Record::QueuedFinalizer(queued) };
        records.insert(at(&records, if set { Kind::QueuedFinalizer } else { Kind::MemStats }), record);
        broken(&records)
    };
    assert_eq!(without_object(false, 0), []);
    assert_eq!(without_object(false, 1), [Law::FinalizerObject]);
    assert_eq!(without_object(true, 0), [Law::FinalizerObject]);

    // Only goexit has arguments beyond its frame.
    let mut records = sound();
    let outermost = at(&records, Kind::StackFrame) + 1;
    records[outermost] = Record::StackFrame(StackFrame { fields: fields(&[1, 32]), ..frame(1, "main.main") });
    assert_eq!(broken(&records), [Law::FrameFieldInside]);

    // Since Go 1.7 each itab has its type, and since 1.19 statistics are exact.
    let mut records = sound_of("amd64", "");
    change!(records, Itab, type_address = 0);
    assert_eq!(broken(&records), [Law::ItabType]);
    for (release, laws) in [("", vec![]), ("go1.18.10", vec![]), ("go1.19.8", vec![Law::StatsSys])] {
        let mut records = sound_of("amd64", release);
        change!(records, MemStats, sys = 30);
        assert_eq!(broken(&records), laws, "{release}");
    }
}

#[test]
fn a_dump_says_which_releases_it_may_be_of() {
    let of = |version, experiment: &'static str| {
        Releases::of(version, &Params { experiment: experiment.into(), ..params(version) }).to_string()
    };
    assert_eq!(of(Version::Go15, ""), "Go 1.5");
    assert_eq!(of(Version::Go16, "framepointer"), "Go 1.6");
    assert_eq!(of(Version::Go17, ""), "Go 1.7 to 1.16");
    assert_eq!(of(Version::Go17, "go1.27.3"), "Go 1.27");
    assert_eq!(of(Version::Go17, "devel go1.28-3ac8a3c Tue Aug 4"), "Go 1.28");
    assert_eq!(of(Version::Go17, "go1.17"), "Go 1.17");
    for unknown in ["framepointer", "mine", "go1.", "go1.999", "go1.12.17"] {
        assert_eq!(of(Version::Go17, unknown), "Go 1.7 and later", "{unknown}");
    }
    let file = encode(&sound_of("amd64", "go1.24.11"));
    assert_eq!(examine(&file, |finding| panic!("{finding:?}")), Some(Releases::between(24, 24)));
    assert_eq!(examine(b"", |_| ()), None);
}

#[test]
fn releases_are_ranges_with_both_ends() {
    let some = Releases::between(9, 16);
    for (other, overlaps, within) in [
        (Releases::between(5, 8), false, false),
        (Releases::between(5, 9), true, false),
        (Releases::between(16, 17), true, false),
        (Releases::since(17), false, false),
        (Releases::since(9), true, true),
        (Releases::between(9, 16), true, true),
        (Releases::between(10, 16), true, false),
        (Releases::between(9, 15), true, false),
    ] {
        assert_eq!((some.overlaps(other), some.within(other)), (overlaps, within), "{other}");
        assert_eq!(other.overlaps(some), overlaps, "{other}");
    }
}

/// What may be an object and what is none are not held against the statistics; nor is a release that nobody knows.
#[test]
fn only_what_must_be_an_object_counts() {
    let mut records = sound_of("amd64", "go1.27.3");
    let end = at(&records, Kind::Goroutine);
    let slots = (248..256).map(|slot| 0x10_4000 + slot * 32);
    let fields = Fields::default();
    records.splice(
        end..end,
        slots.map(|address| Record::Object(Object { address, contents: CONTENTS, fields })),
    );
    // The last four are under the span's mark bits; of the others it isn't known.
    let mut places = Vec::new();
    examine(&encode(&records), |finding| match finding {
        Finding::Known(Known { fault: Fault::SlotsUnderBitmap, detail, .. }) => places.push(detail),
        other => panic!("{other:?}"),
    });
    let none = |address| format!("the 32 bytes at {address:#x} are no object");
    assert_eq!(places, [0x10_5f80, 0x10_5fa0, 0x10_5fc0, 0x10_5fe0].map(none));

    for (release, laws) in [("go1.27.3", vec![Law::StatsAlloc]), ("go1.28.0", vec![]), ("mine", vec![])] {
        let mut records = sound_of("amd64", release);
        change!(records, MemStats, heap_alloc = 63);
        assert_eq!(broken(&records), laws, "{release}");
    }
}

/// Small parts of real dumps in `corpora/regressions`, which these laws once took for broken.
#[test]
fn sound_dumps_of_real_processes_break_no_law() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpora/regressions/files");
    for (file, faults) in [
        ("law-async-preempt-arm64", vec![]),
        ("law-stats-sys-go1.11", vec![Fault::StacksInSys]),
        ("law-queued-cleanup-go1.24", vec![Fault::QueuedCleanup]),
        ("law-bucket-frees-go1.8", vec![Fault::FreesBeforeAllocs]),
    ] {
        assert_eq!(found(&fs::read(folder.join(file)).unwrap()), (vec![], faults), "{file}");
    }
}

#[test]
fn laws_say_what_they_are() {
    let names: BTreeSet<&str> = Law::ALL.iter().map(|law| law.name()).collect();
    assert_eq!(names.len(), Law::ALL.len(), "a name is taken twice");
    for law in Law::ALL {
        assert!(law.statement().ends_with(['.', ')']), "{law}: {}", law.statement());
    }
    let names: BTreeSet<&str> = Fault::ALL.iter().map(|fault| fault.name()).collect();
    assert_eq!(names.len(), Fault::ALL.len(), "a name is taken twice");
    for fault in Fault::ALL {
        assert!(fault.statement().ends_with(['.', ')']), "{fault}: {}", fault.statement());
        assert!(fault.releases().overlaps(fault.law().releases()), "{fault} of a law that isn't claimed");
    }
    // What the laws are claimed for is part of what they say.
    for law in Law::ALL {
        let expected = match law {
            Law::ObjectSlots => "Go 1.22 to 1.27",
            Law::StatsAlloc => "Go 1.5 to 1.27",
            _ => "Go 1.5 and later",
        };
        assert_eq!(law.releases().to_string(), expected, "{law}");
    }
}

#[test]
fn what_cannot_be_read_breaks_the_first_law() {
    let mut found = Vec::new();
    check(b"go1.5 heap", |violation| found.push(violation.to_string()));
    assert_eq!(found, ["offset 10: readable: header: the input ends here"]);
    assert_eq!(format!("{:10}|", Law::Readable), "readable  |");
}
