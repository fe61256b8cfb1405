//! For each law a dump that breaks it, and no other.

mod common;

use std::collections::BTreeSet;

use common::params;
use heapmatrix_reader::laws::{Law, check};
use heapmatrix_reader::*;

const VERSION: Version = Version::Go15;

/// The laws that `records`, with a header before them, break.
fn broken(records: &[Record<'_>]) -> Vec<Law> {
    let mut file = VERSION.header().to_vec();
    records.iter().for_each(|record| record.write_to(&mut file).unwrap());
    let mut laws = BTreeSet::new();
    check(&file, |violation| {
        assert!(violation.offset <= file.len() as u64);
        assert_ne!(violation.detail, "");
        laws.insert(violation.law);
    });
    laws.into_iter().collect()
}

const CONTENTS: &[u8] = &[0; 32];

fn fields(pairs: &[u8]) -> Fields<'_> {
    Fields::from_encoded(pairs).unwrap()
}

fn goroutine(id: u64, defer: u64, panic: u64) -> Goroutine<'static> {
    Goroutine {
        address: 0x9000 + id,
        sp: 0x5000,
        id,
        creation_pc: 0x400,
        status: 4,
        is_system: false,
        is_background: false,
        wait_since: 0,
        wait_reason: "sleep".into(),
        context: 0,
        thread: 0x7000,
        defer,
        panic,
    }
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
        heap_alloc: 0,
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
    // In the outermost frame a field may lie outside.
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
        Law::StatsObjects => change!(r, MemStats, frees = 1),
        Law::StatsHeap => change!(r, MemStats, heap_idle = 5),
        Law::StatsSys => change!(r, MemStats, sys = 32),
    }
    // The shorter frame must not have fields outside as well.
    if law == Law::FramesContiguous {
        change!(records, StackFrame, fields = Fields::default());
    }
    records
}

#[test]
fn a_sound_dump_breaks_no_law() {
    assert_eq!(broken(&sound()), []);
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
    let frames = at(&records, Kind::StackFrame);
    let mut faulting = frame(1, "main.leaf");
    faulting.sp += gap;
    faulting.function.continuation_pc = 0x300;
    records[frames] = Record::StackFrame(frame(0, innermost));
    records[frames + 1] = Record::StackFrame(faulting);
    broken(&records)
}

#[test]
fn a_fault_leaves_the_link_register_between_frames() {
    let amd64 = params(VERSION);
    let ppc64 = Params { big_endian: true, arch: Arch::Char(b'9'.into()), ..amd64 };
    assert_eq!(with_gap("runtime.sigpanic", 8, ppc64), []);
    assert_eq!(with_gap("runtime.sigpanic", 40, ppc64), [Law::FramesContiguous]);
    assert_eq!(with_gap("runtime.sigpanic", 8, amd64), [Law::FramesContiguous]);
    assert_eq!(with_gap("main.main", 8, ppc64), [Law::FramesContiguous, Law::FramePc]);
}

#[test]
fn laws_say_what_they_are() {
    let names: BTreeSet<&str> = Law::ALL.iter().map(|law| law.name()).collect();
    assert_eq!(names.len(), Law::ALL.len(), "a name is taken twice");
    for law in Law::ALL {
        assert!(law.statement().ends_with(['.', ')']), "{law}: {}", law.statement());
    }
}

#[test]
fn what_cannot_be_read_breaks_the_first_law() {
    let mut found = Vec::new();
    check(b"go1.5 heap", |violation| found.push(violation.to_string()));
    assert_eq!(found, ["offset 10: readable: header: the input ends here"]);
    assert_eq!(format!("{:10}|", Law::Readable), "readable  |");
}
