//! Dumps as Go 1.5's defect makes them, with memory of every nasty kind in place of the names.

mod common;

use common::{dump, encode};
use heapmatrix_reader::*;
use proptest::prelude::*;

const T: u64 = 0x4a_1e20;
const U: u64 = 0x4b_0040;

fn bytes(record: &Record<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.write_to(&mut bytes).unwrap();
    bytes
}

fn named(address: u64, name: &str) -> Vec<u8> {
    bytes(&Record::Type(Type { address, size: 8, name: name.into(), data_is_pointer: true }))
}

/// A type record whose name is `claimed` bytes long by its own account, and `memory` in truth.
fn struck(address: u64, claimed: u64, memory: &[u8]) -> Vec<u8> {
    let mut record = named(address, "");
    let truth = record.pop().unwrap();
    assert_eq!(record.pop(), Some(0), "the length of the name");
    let mut claim = claimed;
    while claim >= 0x80 {
        record.push(claim as u8 | 0x80);
        claim >>= 7;
    }
    record.push(claim as u8);
    record.extend(memory);
    record.push(truth);
    record
}

fn itab(address: u64, type_address: u64) -> Vec<u8> {
    bytes(&Record::Itab(Itab { address, type_address }))
}

fn object(address: u64, contents: &[u8]) -> Vec<u8> {
    bytes(&Record::Object(Object { address, contents, fields: Fields::default() }))
}

fn goroutine(address: u64) -> Vec<u8> {
    bytes(&Record::Goroutine(common::goroutine(address)))
}

/// The frames of a goroutine, innermost first.
fn frames() -> Vec<u8> {
    let frame = |depth: u64| {
        let function =
            Function { entry: 0x4000, pc: 0x4010, continuation_pc: 0x4010, name: "main.function".into() };
        let sp = 0x7000 + 64 * depth;
        let child_sp = if depth == 0 { 0 } else { sp - 64 };
        let (contents, fields) = (&[0; 64][..], Fields::default());
        bytes(&Record::StackFrame(StackFrame { sp, depth, child_sp, contents, function, fields }))
    };
    (0..3).flat_map(frame).collect()
}

fn thread(address: u64) -> Vec<u8> {
    bytes(&Record::OsThread(OsThread { address, id: 2, os_id: 3 }))
}

/// The statistics and the end.
fn end() -> Vec<u8> {
    [&[Kind::MemStats as u8][..], &[0; 281], &[0]].concat()
}

/// What follows the itabs: objects, a thread, the statistics and the end.
fn tail() -> Vec<u8> {
    let objects: Vec<u8> = (0..20).flat_map(|i| object(0x10_0000 + 16 * i, &[i as u8; 16])).collect();
    [objects, thread(1), end()].concat()
}

/// Header, params, and the parts.
fn file(parts: &[&[u8]]) -> Vec<u8> {
    let mut file = encode(Version::Go15, &[]);
    file.pop();
    file.extend(parts.concat());
    file
}

/// Salvages `broken`, of which no more than names must be lost, and compares with `sound`.
#[track_caller]
fn assert_mended(broken: &[u8], sound: &[u8], lost: &[u64]) {
    let salvage = salvage(broken).unwrap();
    let mut out = Vec::new();
    salvage.write_to(&mut out).unwrap();
    assert_eq!(salvage.cut(), None);
    let names: Vec<u64> = salvage.lost_names().map(|name| name.address).collect();
    assert_eq!(names, lost);
    assert!(out == sound, "the wrong parts were kept: {:?}", Vec::from_iter(salvage.lost_names()));
    let mended = Dump::new(&out).unwrap();
    let records = mended.records().map(|record| record.map(drop)).collect::<Result<Vec<_>>>();
    assert_eq!(records.map(|records| records.len() as u64), Ok(salvage.records()));
}

/// Lengths as the defect makes them: small ones fit into a file of some MB and hide what follows.
const CLAIMS: [u64; 6] = [0, 3, 300, 0x2_0000, 0xc8_2000_0000, u64::MAX];

#[test]
fn a_sound_dump_stays_as_it_is() {
    let sound = file(&[&named(T, "main.T"), &itab(0x900, T), &itab(0x910, T), &tail()]);
    let saved = salvage(&sound).unwrap();
    assert!(saved.is_intact() && !saved.has_lost_records());
    assert_mended(&sound, &sound, &[]);
}

#[test]
fn a_struck_type_loses_its_name_and_nothing_else() {
    for claimed in CLAIMS {
        for memory in [&b""[..], b".", &[0; 5000], &[0xff; 5000], &[0x80; 300], &[8; 300], &[3; 300]] {
            let (before, after) = ([named(U, "main.U"), itab(0x900, U)].concat(), itab(0x910, T));
            let broken = file(&[&before, &struck(T, claimed, memory), &after, &tail()]);
            let sound = file(&[&before, &named(T, ""), &after, &tail()]);
            if claimed == memory.len() as u64 {
                continue; // A name that is no name, but is as long as it says.
            }
            assert_mended(&broken, &sound, &[T]);
            let salvage = salvage(&broken).unwrap();
            assert!(!salvage.is_intact() && !salvage.has_lost_records());
            let lost = salvage.lost_names().next().unwrap();
            assert_eq!((lost.claimed, lost.size), (claimed, 8));
            assert_eq!(lost.removed.end - lost.removed.start, memory.len() as u64);
            assert!(broken[lost.removed.start as usize..].starts_with(memory));
        }
    }
}

#[test]
fn struck_types_may_follow_each_other() {
    let memory = [0x55; 700];
    for claimed in CLAIMS {
        let broken = file(&[
            &struck(T, claimed, &memory),
            &itab(0x900, T),
            &struck(U, claimed, &memory),
            &itab(0x910, U),
            &itab(0x920, T),
            &tail(),
        ]);
        let sound =
            file(&[&named(T, ""), &itab(0x900, T), &named(U, ""), &itab(0x910, U), &itab(0x920, T), &tail()]);
        assert_mended(&broken, &sound, &[T, U]);
    }
}

/// The memory holds what looks like the way back, with noise, with records and with a whole dump after it.
/// (Not where a small length says that the name ends: addresses are above 64 KiB, and so are their sums.)
#[test]
fn memory_that_looks_like_the_way_back_is_seen_through() {
    let lure = [&[1][..], &itab(0x777, T)].concat();
    let other_dump = file(&[&named(T, "main.T"), &itab(0x778, T), &tail()]);
    for claimed in CLAIMS.into_iter().filter(|&claimed| claimed > 0x1_0000) {
        for memory in [
            lure.clone(),
            [&lure[..], &[0x55; 100]].concat(),
            [&lure[..], &itab(0x779, T), &itab(0x780, U), &[0; 30]].concat(),
            // Not in the order of a dump.
            [&lure[..], &thread(1)].concat(),
            // Another struck type, without a way back of its own.
            [&lure[..], &struck(0x123_4567, 0x7fff_ffff, &[0; 40])].concat(),
            lure.repeat(50),
            [b"..".as_slice(), &other_dump, &lure, &other_dump].concat(),
        ] {
            let broken = file(&[&struck(T, claimed, &memory), &itab(0x900, T), &tail()]);
            let sound = file(&[&named(T, ""), &itab(0x900, T), &tail()]);
            assert_mended(&broken, &sound, &[T]);
        }
    }
}

/// The runtime's own buffer is in the memory: if a type is dumped again, as happens when the type cache
/// overflows, the buffer may hold the itab that followed it the first time.
#[test]
fn a_copy_of_what_was_dumped_before_is_seen_through() {
    let first = [struck(T, 0xc8_2000_0000, &[7; 100]), itab(0x900, T), itab(0x910, U)].concat();
    let again = [&first[..], &struck(T, 0xc8_2000_0000, &first), &itab(0x920, T)].concat();
    let broken = file(&[&again, &tail()]);
    let sound =
        file(&[&named(T, ""), &itab(0x900, T), &itab(0x910, U), &named(T, ""), &itab(0x920, T), &tail()]);
    assert_mended(&broken, &sound, &[T, T]);
}

/// The memory holds a way back from which everything to the end of the dump can be read, were it not that Go
/// dumps no itab twice, and itabs before everything else; or that it does not begin with an itab, or with one of
/// another type.
#[test]
fn what_go_does_not_write_leads_nowhere() {
    let before = [named(U, "main.U"), itab(0x900, U)].concat();
    // Whoever comes to the end of the memory takes the true end of the type, and its itab, for these.
    let again = &named(T, "xx")[..named(T, "xx").len() - 1];
    let thread = thread(1);
    let other = Type { address: 0x777, size: T, name: "xx".into(), data_is_pointer: true };
    let lures = [
        [&[1][..], &itab(0x900, T), again].concat(),
        [&[1][..], &itab(0x777, T), &itab(0x900, U), again].concat(),
        [&[1][..], &itab(0x777, T), &itab(0x777, U), again].concat(),
        [&[1][..], &itab(0x777, T), &thread, again].concat(),
        [&[1][..], &bytes(&Record::Type(other)), &itab(0x778, 0x777), again].concat(),
        [&[1][..], &itab(0x777, T + (1 << 7)), again].concat(),
    ];
    for claimed in [0x2_0000, 0xc8_2000_0000, u64::MAX] {
        for lure in &lures {
            let after = [itab(0x910, T), tail()].concat();
            let broken = file(&[&before, &struck(T, claimed, lure), &after]);
            let sound = file(&[&before, &named(T, ""), &after]);
            assert_mended(&broken, &sound, &[T]);
        }
    }
    // The same without a reason to refuse it.
    let lure = [&[1][..], &itab(0x777, T), again].concat();
    let broken = file(&[&struck(T, u64::MAX, &lure), &itab(0x910, T), &tail()]);
    let taken = file(&[&named(T, ""), &itab(0x777, T), &named(T, "xx"), &itab(0x910, T), &tail()]);
    assert_mended(&broken, &taken, &[T]);
}

/// Where no way back leads to the end, the longest is taken, and of equals the first.
#[test]
fn of_ways_that_lead_nowhere_the_longest_is_taken() {
    let before: Vec<u8> = (0..1000).flat_map(|i| itab(0x1_0000 + i, 0)).collect();
    let lure = [&[1][..], &itab(0x777, T), &[0xff; 12]].concat();
    let [on, cut] = [tail().len() - 1, 0].map(|len| [&itab(0x910, T)[..], &tail()[..len]].concat());
    let out_of = |after: &[u8]| {
        let broken = file(&[&before, &struck(T, u64::MAX, &lure), after]);
        let mut out = Vec::new();
        salvage(&broken).unwrap().write_to(&mut out).unwrap();
        out
    };
    assert!(out_of(&on) == file(&[&before, &named(T, ""), &itab(0x910, T), &tail()]));
    // An itab that nothing follows may be anything, and is not saved.
    assert!(out_of(&cut) == file(&[&before, &named(T, ""), &[0]]));
}

#[test]
fn a_struck_dump_that_is_cut_as_well_is_kept_up_to_the_cut() {
    let before = file(&[&struck(T, 0x1_0000_0000, &[9; 500])]);
    let broken = [before.clone(), itab(0x900, T), tail()].concat();
    let sound = file(&[&named(T, ""), &itab(0x900, T), &tail()]);
    let removed = broken.len() - sound.len();
    let way_back = before.len() + itab(0x900, T).len();
    for cut in 17..broken.len() {
        let Ok(salvage) = salvage(&broken[..cut]) else {
            assert!(cut < file(&[]).len(), "nothing is saved at {cut}");
            continue;
        };
        let mut out = Vec::new();
        salvage.write_to(&mut out).unwrap();
        let error = salvage.cut().unwrap_or_else(|| panic!("cut at {cut} unnoticed"));
        assert!(!salvage.is_intact() && salvage.has_lost_records());
        assert!(error.is_truncation(), "cut at {cut}: {error}");
        let kept = out.len() - 1;
        assert_eq!(out[kept], 0, "an eof record is added");
        assert_eq!(Dump::new(&out).unwrap().records().filter(Result::is_err).count(), 0);
        if cut >= way_back {
            assert_eq!(salvage.lost_names().count(), 1, "cut at {cut}");
            assert_eq!(out[..kept], sound[..kept], "cut at {cut}");
            assert_eq!(kept as u64 + salvage.dropped(), (cut - removed) as u64);
        } else {
            assert_eq!(out[..kept], sound[..kept], "cut at {cut}");
        }
    }
}

/// Go 1.6 has no such defect: a type without its itab is what it says, there and from other writers.
#[test]
fn types_without_itabs_are_kept() {
    let types = [named(T, "main.T"), named(U, "main.U"), itab(0x900, 1)].concat();
    let sound = file(&[&types, &tail()]);
    assert_mended(&sound, &sound, &[]);
    let mut of_16 = sound.clone();
    of_16[..16].copy_from_slice(Version::Go16.header());
    assert_mended(&of_16, &of_16, &[]);
}

/// A cut elsewhere is no reason to doubt them either.
#[test]
fn types_before_their_itabs_are_kept_where_a_dump_is_cut() {
    let types: Vec<u8> = (0..5).flat_map(|i| named(T + 0x40 * i, "main.T")).collect();
    let itabs: Vec<u8> = (0..5).flat_map(|i| itab(0x900 + 16 * i, T + 0x40 * i)).collect();
    let sound = file(&[&types, &itabs, &tail()]);
    assert_mended(&sound, &sound, &[]);
    for cut in file(&[&types, &itabs]).len()..sound.len() {
        let salvage = salvage(&sound[..cut]).unwrap();
        assert_eq!((salvage.lost_names().count(), salvage.skipped().count()), (0, 0), "cut at {cut}");
        let mut out = Vec::new();
        salvage.write_to(&mut out).unwrap();
        assert!(sound.starts_with(&out[..out.len() - 1]), "cut at {cut}");
        assert!(out.len() > file(&[&types, &itabs]).len(), "cut at {cut}");
    }
}

#[test]
fn bytes_behind_the_end_are_dropped() {
    let sound = file(&[&itab(0x900, T), &tail()]);
    let broken = [&sound[..], &struck(T, 5, b"some memory"), &itab(0x910, T), &tail()].concat();
    let salvage = salvage(&broken).unwrap();
    let mut out = Vec::new();
    salvage.write_to(&mut out).unwrap();
    assert!(out == sound);
    assert_eq!(salvage.cut().map(Error::problem), Some(&Problem::TrailingBytes));
    assert_eq!(salvage.dropped(), (broken.len() - sound.len()) as u64);
}

/// What may be right, but is not certain, is kept where a dump is no more than cut: in contents of a length that a dump can
/// have, or in a name, of which Go 1.5 writes any length.
#[test]
fn what_may_be_right_is_kept_before_a_cut() {
    let object = object(0x10_0000, &[7; 16]);
    // Not in the heap: that says nothing.
    let thread = thread(1);
    let cut_in = |kind: Kind, length: u64| {
        let mut start = vec![kind as u8, 0x80, 0x20];
        let mut rest = length;
        while rest >= 0x80 {
            start.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        start.push(rest as u8);
        [start, vec![0xff; 20]].concat()
    };
    let records = |parts: &[&[u8]]| salvage(&file(parts)).unwrap().records();
    let certain = records(&[&named(T, "main.T"), &object]);
    for kind in [Kind::Data, Kind::Bss] {
        let found = |length| records(&[&named(T, "main.T"), &object, &thread, &cut_in(kind, length)]);
        for length in [21, (1 << 40) - 1] {
            assert_eq!(found(length), certain + 1, "{kind:?} of {length:#x} bytes");
        }
        // Then the object may have ended early.
        for length in [1 << 40, 1 << 62] {
            assert_eq!(found(length), certain - 1, "{kind:?} of {length:#x} bytes");
        }
    }
    let alone = records(&[&named(T, "")]);
    let cut = struck(U, 1 << 50, b"memory");
    assert_eq!(records(&[&named(T, ""), &cut[..cut.len() - 1]]), alone);
}

/// Where bytes of an object are missing it takes as many of the next records for its own, and may end in step with them.
#[test]
fn an_object_that_has_taken_others_is_left_out() {
    let object = |i: u64, size: usize| object(0x10_0000 + 512 * i, &vec![0x55; size]);
    let (before, torn) = (object(0, 512), object(1, 512));
    let after: Vec<Vec<u8>> = (2..20).map(|i| object(i, 128)).collect();
    let rest = [thread(0x10_0000), end()].concat();
    let sound = file(&[&before, &torn, &after.concat(), &rest]);
    assert!(salvage(&sound).unwrap().is_intact());
    // Two records are as long as what is missing.
    let missing = 2 * after[0].len();
    let at = file(&[&before]).len();
    let mut broken = sound.clone();
    broken.drain(at + 100..at + 100 + missing);
    let salvage = salvage(&broken).unwrap();
    let lost: Vec<Skipped> = salvage.skipped().collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].range, at as u64..(at + torn.len()) as u64);
    assert_eq!(lost[0].why.problem(), &Problem::Torn);
    let mut out = Vec::new();
    salvage.write_to(&mut out).unwrap();
    assert!(out == file(&[&before, &after[2..].concat(), &rest]));
}

/// Frames whose goroutine is lost are left out with it, and counted.
#[test]
fn frames_of_a_lost_goroutine_are_counted() {
    let objects: Vec<u8> = (0..8).flat_map(|i| object(0x10_0000 + 16 * i, &[i as u8; 16])).collect();
    let lost = [goroutine(0x10_0000), frames()].concat();
    let rest = [goroutine(0x10_0100), frames(), thread(0x10_0000), end()].concat();
    let mut broken = file(&[&objects, &lost, &rest]);
    assert!(salvage(&broken).unwrap().is_intact());
    let at = file(&[&objects]).len();
    broken[at] = 0xee;
    let salvage = salvage(&broken).unwrap();
    let skipped: Vec<Skipped> = salvage.skipped().collect();
    assert_eq!(skipped.len(), 1);
    assert_eq!(skipped[0].orphans, 3);
    // With the last object, which may have ended early.
    let from = at - object(0x10_0000, &[0; 16]).len();
    let to = (at + lost.len()) as u64;
    assert_eq!(skipped[0].range, from as u64..to);
    assert_eq!(skipped[0].after, Some((Kind::Goroutine, to)));
}

/// At the end there is not much left to prove that it is one.
#[test]
fn the_statistics_and_the_end_are_enough() {
    let objects: Vec<u8> = (0..8).flat_map(|i| object(0x10_0000 + 16 * i, &[i as u8; 16])).collect();
    let broken = file(&[&objects, &[0xee], &thread(1), &end()]);
    let salvage = salvage(&broken).unwrap();
    assert_eq!(salvage.cut(), None);
    let skipped: Vec<Skipped> = salvage.skipped().collect();
    assert_eq!(skipped.len(), 1);
    assert_eq!(skipped[0].after, Some((Kind::MemStats, (broken.len() - end().len()) as u64)));
}

/// A record that is cut off is not the one after a hole, though its tag can be read.
#[test]
fn nothing_follows_a_hole_before_a_cut() {
    let cut = &goroutine(0x10_0100)[..4];
    let broken = file(&[&goroutine(0x10_0000), &frames(), &[0xee; 5], &frames(), cut]);
    let salvage = salvage(&broken).unwrap();
    let lost: Vec<Skipped> = salvage.skipped().collect();
    assert_eq!(lost.len(), 1);
    assert_eq!((lost[0].orphans, lost[0].range.end), (3, (broken.len() - cut.len()) as u64));
    assert_eq!(lost[0].after, None);
    assert_eq!(salvage.dropped(), cut.len() as u64);
}

/// Go dumps no itab twice; a writer that always does is believed, and what it wrote is kept.
#[test]
fn a_writer_with_ways_of_its_own_is_believed() {
    let itabs = [named(T, "main.T"), itab(0x900, T).repeat(40)].concat();
    let sound = file(&[&itabs, &tail()]);
    let cut = sound.len() - 1;
    let salvage = salvage(&sound[..cut]).unwrap();
    assert_eq!((salvage.skipped().count(), salvage.dropped()), (0, 0));
    assert_eq!(salvage.cut().map(Error::problem), Some(&Problem::MissingEof));
    let mut out = Vec::new();
    salvage.write_to(&mut out).unwrap();
    assert!(out == sound);
}

/// What was read before a fault is in doubt. An itab that was none may still come.
#[test]
fn an_itab_that_is_taken_back_may_come() {
    let after = [named(T, "main.T"), itab(0x900, T), tail()].concat();
    let broken = file(&[&itab(0x900, U), &[0xee], &after]);
    let salvage = salvage(&broken).unwrap();
    assert_eq!(salvage.skipped().count(), 1);
    let mut out = Vec::new();
    salvage.write_to(&mut out).unwrap();
    assert!(out == file(&[&after]));
}

/// What stands over a hole may be a copy of what was read before: no two objects are at one address.
#[test]
fn copies_of_objects_are_left_out() {
    let objects = |numbers: std::ops::Range<u64>| -> Vec<u8> {
        // Apart, so that each is remembered by itself.
        numbers.flat_map(|i| object(0x10_0000 + 32 * i, &[i as u8; 16])).collect()
    };
    let rest = [objects(20..40), thread(1), end()].concat();
    let broken = file(&[&objects(0..20), &[0xee], &objects(3..9), &[0xee], &rest]);
    let salvage = salvage(&broken).unwrap();
    let mut out = Vec::new();
    salvage.write_to(&mut out).unwrap();
    // The last one before a fault may have ended early.
    assert!(out == file(&[&objects(0..19), &rest]));
}

/// A megabyte of lures, each followed by all the others: without a budget this takes hours.
#[test]
fn hostile_memory_takes_time_in_proportion_to_its_size() {
    let lures: Vec<u8> = (0..100_000u64)
        .flat_map(|i| [&[1][..], &itab(0x1_0000 + i, T), &named(T, "")[..4]].concat())
        .collect();
    let objects: Vec<u8> = (0..50_000).flat_map(|_| [1, 1, 0, 0]).collect();
    for memory in [&lures[..], &[&[1][..], &itab(0x1, T).repeat(200_000)].concat(), &objects] {
        let broken = file(&[&struck(T, u64::MAX, memory), &[4; 50]]);
        let salvage = salvage(&broken).unwrap();
        assert!(salvage.cut().is_some());
    }
}

proptest! {
    #[test]
    fn whatever_is_salvaged_can_be_read(dump in dump(), at: prop::sample::Index, noise in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut dump = dump;
        dump[..16].copy_from_slice(Version::Go15.header());
        let at = at.index(dump.len());
        dump.splice(at..at, noise);
        if let Ok(salvage) = salvage(&dump) {
            let mut out = Vec::new();
            salvage.write_to(&mut out).unwrap();
            let records = Dump::new(&out).unwrap().records().collect::<Result<Vec<_>>>();
            prop_assert!(records.is_ok(), "{:?}", records);
        }
    }
}
