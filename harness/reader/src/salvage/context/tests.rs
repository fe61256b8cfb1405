//! What a context says of one record, told apart from its neighbours: each bound, from both sides.

use super::*;
use crate::Stack as ProfileStack;
use crate::{
    AllocSample, Arch, Call, Defer, Field, Finalizer, Function, Goroutine, Itab, MemProf, MemStats, Object,
    OsThread, OtherRoot, Panic, PointerSize, Segment, StackFrame, Type,
};

const HEAP: (u64, u64) = (0x1_0000, 0x2_0000);
/// More than a 32-bit machine has.
const WIDE: u64 = 1 << 32;

/// A machine of 32 bits, on which addresses have a bound.
fn context() -> Context<'static> {
    Context::new(&Params {
        big_endian: false,
        pointer_size: PointerSize::Four,
        heap_start: HEAP.0,
        heap_end: HEAP.1,
        arch: Arch::Name("386".into()),
        experiment: "".into(),
        cpus: 1,
    })
}

fn ty(address: u64, size: u64, name: &[u8]) -> Record<'_> {
    Record::Type(Type { address, size, name: crate::Text(name), data_is_pointer: false })
}

fn itab(address: u64, type_address: u64) -> Record<'static> {
    Record::Itab(Itab { address, type_address })
}

const ZEROS: [u8; 64] = [0; 64];

fn object(address: u64, size: usize) -> Record<'static> {
    Record::Object(Object { address, contents: &ZEROS[..size], fields: Fields::default() })
}

const G: u64 = 0x1_0100;

fn goroutine() -> Goroutine<'static> {
    Goroutine {
        address: G,
        sp: 0x5000,
        id: 1,
        creation_pc: 0,
        status: 4,
        is_system: false,
        is_background: false,
        wait_since: 0,
        wait_reason: "sleep".into(),
        context: 0,
        thread: 0,
        defer: 0,
        panic: 0,
    }
}

fn frame<'a>(depth: u64, sp: u64, child_sp: u64) -> StackFrame<'a> {
    let function = Function { entry: 0x4000, pc: 0x4010, continuation_pc: 0x4010, name: "main.f".into() };
    StackFrame { sp, depth, child_sp, contents: &ZEROS, function, fields: Fields::default() }
}

/// After a goroutine and its innermost frame.
fn in_stack() -> Context<'static> {
    let mut context = context();
    context.accept(&Record::Goroutine(goroutine()));
    context.accept(&Record::StackFrame(frame(0, 0x5000, 0)));
    context
}

fn judge(context: &Context<'_>, record: Record<'_>) -> Trust {
    context.judge(&record, false)
}

#[track_caller]
fn assert_trust(context: &Context<'_>, expected: Trust, records: impl IntoIterator<Item = Record<'static>>) {
    for record in records {
        assert_eq!(judge(context, record.clone()), expected, "{record:?}");
    }
}

#[test]
fn types_have_names_and_itabs_follow_theirs() {
    let mut context = context();
    assert_trust(
        &context,
        Trust::Telling,
        [ty(1, 8, b"main.T"), ty(u64::from(u32::MAX), 8, "\u{b5}s".as_bytes())],
    );
    assert_trust(&context, Trust::Possible, [ty(1, 8, b""), ty(1, 8, b"a\nb"), ty(1, 8, &[0xff])]);
    assert_trust(&context, Trust::Impossible, [ty(WIDE, 8, b"main.T"), ty(1, WIDE, b"main.T")]);
    context.accept(&ty(0x100, 8, b"main.T"));
    assert_trust(&context, Trust::Telling, [itab(0x900, 0x100)]);
    assert_trust(&context, Trust::Possible, [itab(0x900, 0x101)]);
    assert_trust(&context, Trust::Impossible, [itab(WIDE, 0x100), itab(0x900, WIDE)]);
    context.accept(&itab(0x900, 0x100));
    // The type was before the record before, and an itab is dumped once; in a trial as well.
    assert_trust(&context, Trust::Possible, [itab(0x908, 0x100)]);
    assert_trust(&context, Trust::Impossible, [itab(0x900, 0x100)]);
    assert_trust(&context.trial(), Trust::Impossible, [itab(0x900, 0x100)]);
    context.forget_itab(0x900);
    assert_trust(&context, Trust::Possible, [itab(0x900, 0x100)]);
    // What is lost may have been another type.
    context.accept(&ty(0x100, 8, b"main.T"));
    context.lose();
    assert_trust(&context, Trust::Possible, [itab(0x910, 0x100)]);
}

#[test]
fn objects_are_in_the_heap_where_no_other_is() {
    let mut context = context();
    let (start, end) = HEAP;
    assert_trust(&context, Trust::Telling, [object(start, 4), object(end - 4, 4), object(start + 8, 64)]);
    let outside = [object(start - 4, 4), object(end, 4), object(end - 4, 8), object(start - 4, 8)];
    assert_trust(&context, Trust::Impossible, outside);
    assert_trust(&context, Trust::Impossible, [object(start + 2, 4), object(start, 6), object(start, 0)]);
    assert_trust(&context, Trust::Impossible, [object(u64::MAX - 3, 8)]);

    // The object before, and those that are certain.
    context.accept(&object(start + 32, 16));
    assert_trust(
        &context,
        Trust::Impossible,
        [object(start + 28, 8), object(start + 44, 8), object(start + 36, 4)],
    );
    assert_trust(&context, Trust::Telling, [object(start + 28, 4), object(start + 48, 4)]);
    context.accept(&object(start + 400, 4));
    assert_trust(&context, Trust::Telling, [object(start + 32, 16)]);
    context.add_object(start + 32, start + 48);
    context.add_object(start + 48, start + 64);
    assert_eq!(context.objects, BTreeMap::from([(start + 32, start + 64)]), "neighbours are one");
    context.add_object(start + 80, start + 96);
    for context in [&context, &context.trial()] {
        assert_trust(
            context,
            Trust::Impossible,
            [object(start + 32, 16), object(start + 60, 4), object(start + 16, 20)],
        );
        assert_trust(context, Trust::Telling, [object(start + 28, 4), object(start + 64, 16)]);
    }
    assert!(!context.trial().is_telling_head(Kind::Object, [start + 60, 4, 0]));
    assert!(context.is_telling_head(Kind::Object, [start + 64, 16, 0]));
}

#[test]
fn fields_are_pointers_in_ascending_order_within() {
    let context = context();
    let judge = |size: usize, fields: &[Field]| {
        let list = Fields::encode_list(fields.iter().copied());
        let fields = Fields::from_encoded(&list).unwrap();
        judge(&context, Record::Object(Object { address: HEAP.0, contents: &ZEROS[..size], fields }))
    };
    let pointers = |offsets: &[u64]| offsets.iter().map(|&offset| Field::pointer(offset)).collect::<Vec<_>>();
    for sound in [&[0][..], &[12], &[0, 4, 12]] {
        assert_eq!(judge(16, &pointers(sound)), Trust::Telling, "{sound:?}");
    }
    for wrong in [&[16][..], &[14], &[2], &[4, 0], &[4, 4], &[20]] {
        assert_eq!(judge(16, &pointers(wrong)), Trust::Impossible, "{wrong:?}");
    }
    let interface = Field { kind: FieldKind::Interface, offset: 0 };
    assert_eq!(judge(16, &[interface]), Trust::Impossible, "Go writes pointers only");
}

#[test]
fn goroutines_have_an_address_a_number_and_a_status() {
    let context = context();
    let with = |change: fn(&mut Goroutine<'static>)| {
        let mut g = goroutine();
        change(&mut g);
        Record::Goroutine(g)
    };
    assert_trust(
        &context,
        Trust::Telling,
        [with(|_| ()), with(|g| g.wait_reason = "".into()), with(|g| g.status = 1)],
    );
    assert_trust(
        &context,
        Trust::Possible,
        [
            with(|g| g.address = 0),
            with(|g| g.id = 0),
            with(|g| g.status = 0),
            with(|g| g.status = 5),
            with(|g| g.wait_reason = "\u{7}".into()),
        ],
    );
    assert_trust(
        &context,
        Trust::Impossible,
        [with(|g| g.is_background = true), with(|g| g.defer = WIDE), with(|g| g.sp = WIDE)],
    );
}

#[test]
fn frames_continue_their_stack() {
    let context = in_stack();
    let with = |change: fn(&mut StackFrame<'static>)| {
        let mut frame = frame(1, 0x5040, 0x5000);
        change(&mut frame);
        Record::StackFrame(frame)
    };
    assert_trust(
        &context,
        Trust::Telling,
        [with(|_| ()), with(|f| f.function.pc = 0x4000 + LARGEST_FUNCTION - 1)],
    );
    assert_trust(&context, Trust::Possible, [with(|f| f.sp = 0), with(|f| f.function.name = "".into())]);
    assert_trust(
        &context,
        Trust::Impossible,
        [
            with(|f| f.depth = 0),
            with(|f| f.depth = 2),
            with(|f| f.child_sp = 0x5008),
            with(|f| f.function.pc = 0x4000 + LARGEST_FUNCTION),
            with(|f| f.function.pc = 0x3fff),
            with(|f| f.function.continuation_pc = WIDE),
            with(|f| f.contents = &[0, 0, 0, 0, 1, 0, 1, 4, 1, 8, 1, 12]),
        ],
    );
    assert!(context.is_telling_head(Kind::StackFrame, [0x5040, 1, 0x5000]));
    assert!(!context.is_telling_head(Kind::StackFrame, [0x5040, 2, 0x5000]));
    assert!(!context.is_telling_head(Kind::StackFrame, [0x5040, 1, 0x5001]));
    assert!(!context.is_telling_head(Kind::Goroutine, [0x5040, 1, 0x5000]));
    // Nobody's, and a lost goroutine's.
    let nobody = self::context();
    assert_trust(&nobody, Trust::Impossible, [with(|_| ())]);
    let mut lost = in_stack();
    assert!(!lost.is_orphan(Kind::StackFrame));
    lost.lose();
    assert_trust(&lost, Trust::Telling, [with(|f| f.depth = 7)]);
    assert!(!lost.is_telling_head(Kind::StackFrame, [0x5040, 1, 0x5000]));
    assert!([Kind::StackFrame, Kind::Defer, Kind::Panic].into_iter().all(|kind| lost.is_orphan(kind)));
    assert!(!lost.is_orphan(Kind::Goroutine));
}

#[test]
fn defers_and_panics_are_their_goroutines() {
    let defer = |goroutine, pc| {
        Record::Defer(Defer { address: 0x1_0200, goroutine, sp: 0, pc, closure: 0, entry: 0, link: 0 })
    };
    let panic = |goroutine, link| {
        Record::Panic(Panic {
            address: 0x1_0200,
            goroutine,
            argument_type: 0,
            argument_data: 0,
            defer: 0,
            link,
        })
    };
    let context = in_stack();
    assert_trust(&context, Trust::Telling, [defer(G, 0), panic(G, 0)]);
    assert_trust(
        &context,
        Trust::Impossible,
        [defer(G + 8, 0), panic(G + 8, 0), defer(G, WIDE), panic(G, WIDE)],
    );
    assert_trust(&self::context(), Trust::Impossible, [defer(G, 0), panic(G, 0)]);
    let mut lost = in_stack();
    lost.lose();
    assert_trust(&lost, Trust::Possible, [defer(G, 0), panic(G + 8, 0)]);
    assert_trust(&lost, Trust::Impossible, [defer(G, WIDE)]);
}

#[test]
fn segments_lie_outside_the_heap_and_have_pointers() {
    let context = context();
    let list = Fields::encode_list([Field::pointer(8)]);
    let judge = |address, fields| {
        let segment = Segment { address, contents: &ZEROS, fields };
        let [data, bss] = [Record::Data(segment), Record::Bss(segment)].map(|record| judge(&context, record));
        assert_eq!(data, bss);
        data
    };
    let pointers = Fields::from_encoded(&list).unwrap();
    assert_eq!(judge(LOWEST_SEGMENT, pointers), Trust::Telling);
    for address in [LOWEST_SEGMENT - 4, LOWEST_SEGMENT + 2, HEAP.0, HEAP.1 - 4] {
        assert_eq!(judge(address, pointers), Trust::Possible, "{address:#x}");
    }
    assert_eq!(judge(HEAP.1, pointers), Trust::Telling);
    assert_eq!(judge(LOWEST_SEGMENT, Fields::default()), Trust::Possible);
    assert_eq!(judge(u64::from(u32::MAX) - 62, pointers), Trust::Impossible, "its end");
    // A pointer has no room in the last bytes of a segment that are no whole word.
    let list = Fields::encode_list([Field::pointer(60)]);
    let fields = Fields::from_encoded(&list).unwrap();
    for (size, expected) in [(62, Trust::Impossible), (64, Trust::Telling)] {
        let segment = Segment { address: LOWEST_SEGMENT, contents: &ZEROS[..size], fields };
        assert_eq!(self::judge(&context, Record::Data(segment)), expected, "{size}");
    }
    let list = Fields::encode_list([Field::pointer(64)]);
    assert_eq!(judge(LOWEST_SEGMENT, Fields::from_encoded(&list).unwrap()), Trust::Impossible);
}

#[test]
fn the_rest_tells_by_its_addresses() {
    let context = context();
    let heap = HEAP.0;
    let thread = |address| Record::OsThread(OsThread { address, id: 0, os_id: 0 });
    assert_trust(&context, Trust::Telling, [thread(heap), thread(HEAP.1 - 1)]);
    assert_trust(&context, Trust::Possible, [thread(heap - 1), thread(HEAP.1)]);
    assert_trust(&context, Trust::Impossible, [thread(WIDE)]);
    let root = |target| Record::OtherRoot(OtherRoot { description: "".into(), target });
    assert_trust(&context, Trust::Possible, [root(heap)]);
    assert_trust(&context, Trust::Impossible, [root(WIDE)]);
    let finalizer = |object, entry| Finalizer { object, closure: 0, entry, argument_type: 0, object_type: 0 };
    for record in [Record::Finalizer, Record::QueuedFinalizer] {
        assert_trust(&context, Trust::Telling, [record(finalizer(heap, 0))]);
        assert_trust(&context, Trust::Possible, [record(finalizer(8, 0))]);
        assert_trust(&context, Trust::Impossible, [record(finalizer(heap, WIDE))]);
    }
    let sample = |object, bucket| Record::AllocSample(AllocSample { object, bucket });
    assert_trust(&context, Trust::Telling, [sample(heap, 8)]);
    assert_trust(&context, Trust::Impossible, [sample(8, 8), sample(heap, WIDE)]);
}

#[test]
fn the_profile_names_functions_and_files() {
    let context = context();
    let judge = |calls: &[(&'static str, &'static str)], size| {
        let calls = calls.iter().map(|&(function, file)| Call {
            function: function.into(),
            file: file.into(),
            line: 1,
        });
        let list = ProfileStack::encode_list(calls);
        let stack = ProfileStack::from_encoded(&list).unwrap();
        judge(&context, Record::MemProf(MemProf { address: 8, size, stack, allocs: 1, frees: 0 }))
    };
    assert_eq!(judge(&[("main.f", "f.go"), ("main.main", "f.go")], 16), Trust::Telling);
    for odd in [&[][..], &[("", "f.go")], &[("main.f", "")], &[("main.f", "f.go"), ("\u{1}", "f.go")]] {
        assert_eq!(judge(odd, 16), Trust::Possible, "{odd:?}");
    }
    assert_eq!(judge(&[("main.f", "f.go")], WIDE), Trust::Impossible);
}

#[test]
fn a_dump_ends_after_its_statistics() {
    let mut context = context();
    let stats = |heap_sys| {
        Record::MemStats(Box::new(MemStats { heap_sys, heap_idle: 5, heap_inuse: 7, ..no_stats() }))
    };
    assert!(!context.may_end());
    assert_trust(&context, Trust::Telling, [stats(12)]);
    assert_trust(&context, Trust::Possible, [stats(13)]);
    context.accept(&stats(13));
    assert!(context.may_end());
    // There is one of them, and nothing before it comes again.
    assert_trust(&context, Trust::Impossible, [stats(12), object(HEAP.0, 4)]);
    assert_eq!(context.judge(&Record::Eof, true), Trust::Telling);
    assert_eq!(context.judge(&Record::Eof, false), Trust::Impossible);
}

fn no_stats() -> MemStats {
    let mut zeros = crate::cursor::Cursor::new(&[0; 300], 0, crate::Version::Go17);
    crate::wire::Wire::decode(&mut zeros, "").expect("zeros are numbers")
}
