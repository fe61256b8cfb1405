//! Summaries of small dumps, value by value, and of hostile ones.

use std::collections::BTreeSet;

use heapmatrix_fuzz::memory;
use heapmatrix_reader::{Fields, Goroutine, Object, PointerSize, Segment, StackFrame, Text, Version};
use serde_json::Value;

use super::super::out::Out;
use super::*;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

fn goroutine(status: u64, reason: &'static str) -> Record<'static> {
    Record::Goroutine(Goroutine {
        address: 1,
        sp: 2,
        id: 3,
        creation_pc: 4,
        status,
        is_system: false,
        is_background: false,
        wait_since: 0,
        wait_reason: reason.into(),
        context: 0,
        thread: 0,
        defer: 0,
        panic: 0,
    })
}

/// A dump with an object, a large object, a goroutine with a frame, segments and statistics.
fn dump() -> Vec<u8> {
    let contents = &[0; 32][..];
    let large = vec![0; 3 << 20];
    let pairs = Fields::encode_list([0, 8, 24].map(heapmatrix_reader::Field::pointer));
    let fields = Fields::from_encoded(&pairs).unwrap();
    let function = Function { entry: 1, pc: 2, continuation_pc: 2, name: "main.main".into() };
    let mut file = Version::Go15.header().to_vec();
    for record in [
        Record::Params(Params {
            big_endian: true,
            pointer_size: PointerSize::Eight,
            heap_start: 0xc8_2000_0000,
            heap_end: 0xc8_2010_0000,
            arch: Arch::Char(b'9'.into()),
            experiment: Text::default(),
            cpus: 2,
        }),
        Record::Object(Object { address: 0xc8_2000_0000, contents, fields }),
        Record::Object(Object { address: 0xc8_2000_1000, contents: &large, fields }),
        goroutine(4, "sleep"),
        Record::StackFrame(StackFrame { sp: 2, depth: 0, child_sp: 0, contents, function, fields }),
        Record::Data(Segment { address: 1, contents, fields }),
        Record::Bss(Segment { address: 2, contents: &large, fields: Fields::default() }),
    ] {
        record.write_to(&mut file).unwrap();
    }
    // memstats: a tag and 281 numbers.
    file.push(10);
    file.extend((1..=24).chain([0; 256]).chain([77]));
    file.push(0);
    file
}

/// What is printed, with limits and without.
fn text(file: &[u8], limits: Limits) -> String {
    let summary = Summary::read(Stream::new(file).unwrap()).unwrap();
    let mut bytes = Vec::new();
    let figures = Figures { summary: &summary, limits, written: Some(1_800_000_000_000_000_000) };
    figures.print(&mut Out::new(&mut bytes, false)).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn json() -> Value {
    let file = dump();
    let summary = Summary::read(Stream::new(&file[..]).unwrap()).unwrap();
    serde_json::to_value(summary).unwrap()
}

#[test]
fn the_summary_adds_up() {
    let json = json();
    let size = (3 << 20) + 32;
    for (pointer, expected) in [
        ("/format", "go1.5".into()),
        ("/bytes", dump().len().into()),
        ("/params/arch", "ppc64".into()),
        ("/params/thechar", "9".into()),
        ("/params/heap_start", "0xc820000000".into()),
        ("/records/object", 2.into()),
        ("/records/eof", 1.into()),
        ("/records/panic", 0.into()),
        ("/heap/objects", 2.into()),
        ("/heap/bytes", size.into()),
        ("/heap/pointers", 6.into()),
        ("/heap/biggest/0/address", "0xc820001000".into()),
        ("/stack/frames", 1.into()),
        ("/stack/bytes", 32.into()),
        ("/data/pointers", 3.into()),
        ("/bss/bytes", (3 << 20).into()),
        ("/statuses/4", 1.into()),
        ("/goroutines/0/stack/0", "main.main".into()),
        ("/memstats/alloc", 1.into()),
        ("/memstats/num_gc", 77.into()),
    ] {
        let expected: Value = expected;
        assert_eq!(json.pointer(pointer), Some(&expected), "{pointer}");
    }
}

/// Objects of 32 bytes: one with a pointer at the start of a page and one in its last slot, and one that is alone in
/// the last slot before another page's mark bits.
fn with_slots(release: &'static str) -> Vec<u8> {
    let contents = &[0; 32][..];
    let mut file = Version::Go17.header().to_vec();
    for record in [
        Record::Params(Params {
            big_endian: false,
            pointer_size: PointerSize::Eight,
            heap_start: 0xc0_0000_0000,
            heap_end: 0xc0_0400_0000,
            arch: Arch::Name("amd64".into()),
            experiment: release.into(),
            cpus: 2,
        }),
        Record::Object(Object {
            address: 0xc0_0000_0000,
            contents,
            fields: Fields::from_encoded(&[1, 0]).unwrap(),
        }),
        Record::Object(Object { address: 0xc0_0000_1fe0, contents, fields: Fields::default() }),
        Record::Object(Object { address: 0xc0_0000_3f60, contents, fields: Fields::default() }),
        Record::Eof,
    ] {
        record.write_to(&mut file).unwrap();
    }
    file
}

#[test]
fn slots_under_the_bitmap_are_counted_apart() {
    let file = with_slots("go1.27.3");
    // Whole, and in pieces.
    for limit in [1 << 20, 0] {
        let summary = Summary::read(Stream::with_limit(&file[..], limit).unwrap()).unwrap();
        let text = text(&file, Limits::NONE);
        assert!(text.contains("2 without 1 slot under their span's heap bitmap, 32 bytes"), "{text}");
        let json = serde_json::to_value(summary).unwrap();
        assert_eq!(json["heap"]["objects"], 3);
        assert_eq!(
            json["heap"]["slots_under_bitmap"],
            serde_json::json!({"slots": 1, "bytes": 32, "undecided": 0, "objects": 2})
        );
    }
    // Of a release without them there is nothing to say.
    let file = with_slots("go1.21.13");
    let summary = Summary::read(Stream::new(&file[..]).unwrap()).unwrap();
    assert!(!text(&file, Limits::NONE).contains("bitmap"));
    assert_eq!(serde_json::to_value(summary).unwrap()["heap"].get("slots_under_bitmap"), None);
}

/// The paths of all values, with `[]` for the elements of lists and `*` for statuses.
fn paths(value: &Value, path: &str, all: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| {
            let key = if path == "statuses" { "*" } else { key };
            let dot = if path.is_empty() { "" } else { "." };
            paths(value, &format!("{path}{dot}{key}"), all);
        }),
        Value::Array(values) => values.iter().for_each(|value| paths(value, &format!("{path}[]"), all)),
        // What a dump lacks.
        Value::Null => {}
        _ => drop(all.insert(path.to_owned())),
    }
}

#[test]
fn the_document_describes_every_value_and_no_other() {
    let mut printed = BTreeSet::new();
    paths(&json(), "", &mut printed);
    let of_go127 = Summary::read(Stream::new(&with_slots("go1.27.3")[..]).unwrap()).unwrap();
    paths(&serde_json::to_value(of_go127).unwrap(), "", &mut printed);
    let document = include_str!("../../../docs/inspect-json.md");
    let described: BTreeSet<String> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next().map(str::to_owned))
        .collect();
    assert_eq!(printed, described);
}

/// A dump of these records, between parameters and the end.
fn dump_of(records: &[Record<'_>]) -> Vec<u8> {
    let mut file = Version::Go15.header().to_vec();
    file.extend([6, 0, 8, 0, 0x7f, 0x36, 0, 1]);
    records.iter().for_each(|record| record.write_to(&mut file).unwrap());
    file.push(0);
    file
}

#[test]
fn what_is_missing_is_not_zero() {
    let finalizer =
        heapmatrix_reader::Finalizer { object: 8, closure: 8, entry: 8, argument_type: 8, object_type: 8 };
    let bare = dump_of(&[]);
    let with_one = dump_of(&[Record::Finalizer(finalizer)]);
    for (file, finalizers) in [(&bare, "missing"), (&with_one, "at least 1 set, 0 queued")] {
        let text = text(file, Limits::NONE);
        for line in [
            "incomplete   records that every whole dump has are missing: data, bss, memstats",
            "data         missing",
            "bss          missing",
            "objects      missing",
            "stacks       missing",
            &format!("finalizers   {finalizers}"),
            "collections  missing",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        let json = serde_json::to_value(Summary::read(Stream::new(&file[..]).unwrap()).unwrap()).unwrap();
        assert_eq!(json["missing"], serde_json::json!(["data", "bss", "memstats"]));
        assert_eq!(
            (&json["data"], &json["bss"], &json["last_gc"]),
            (&Value::Null, &Value::Null, &Value::Null)
        );
        let known = serde_json::json!({"set": 1, "queued": 0});
        assert_eq!(json["finalizers"], if finalizers == "missing" { Value::Null } else { known });
    }
    let text = text(&dump(), Limits::NONE);
    assert!(!text.contains("missing") && text.contains("finalizers   0 set, 0 queued"), "{text}");
}

#[test]
fn what_is_many_is_folded() {
    let contents = vec![0; 4096];
    let objects = (1..=20).map(|size| {
        let contents = &contents[..size * 16];
        Record::Object(Object { address: 1 << size, contents, fields: Fields::default() })
    });
    let mut records: Vec<_> = objects.collect();
    let letters: Vec<u8> = (b'a'..=b't').collect();
    for (i, name) in letters.chunks(1).enumerate() {
        let function = Function { entry: 1, pc: 2, continuation_pc: 2, name: Text(name) };
        let frame =
            StackFrame { sp: 2, depth: 0, child_sp: 0, contents: &[], function, fields: Fields::default() };
        // The last state is the most frequent.
        for _ in 0..=i {
            records.push(goroutine(4, "sleep"));
            records.extend(std::iter::repeat_n(Record::StackFrame(frame), 30));
        }
    }
    let file = dump_of(&records);
    let folded = text(&file, Limits::new(3));
    let all = text(&file, Limits::NONE);
    let rows = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    for row in ["320 1 320 9.5%", "288 1 288 8.6%", "17 other sizes 17 2,448 72.9%"] {
        assert!(rows(&folded).iter().any(|found| found == row), "{row}: {folded}");
    }
    assert!(folded.contains("\n20 goroutines waiting: sleep\n    t\n"), "{folded}");
    assert!(folded.contains("    t\n    … 5 more frames (--all)\n"), "{folded}");
    assert!(folded.contains("\n153 more goroutines in 17 other states (--all)\n"), "{folded}");
    assert!(!all.contains("other") && !all.contains("--all"), "{all}");
    assert_eq!(all.lines().filter(|line| line.starts_with("    ")).count(), 20 * 30);
    // One more is shown, where a line that says so would take as much room.
    assert!(!text(&file, Limits::new(19)).contains("other"));
}

/// A length that only the end of the input refutes.
#[test]
fn lengths_that_are_not_true_are_not_added_up() {
    let mut file = dump();
    file.truncate(file.len() - 1);
    for tag in [1, 12, 13] {
        let mut file = file.clone();
        file.extend([tag, 1]);
        file.extend([0xff; 9]);
        file.extend([1, 0]);
        assert!(Summary::read(Stream::new(&file[..]).unwrap()).is_err());
    }
}

/// As in the reader's `tests/memory.rs`: a dump of the smallest records takes ten times its size at most.
#[test]
fn summaries_of_hostile_dumps_stay_small() {
    const BUFFER: usize = 64 << 10;
    let many = |count: u64, record: &dyn Fn(u64) -> Record<'static>| {
        let mut file = Version::Go15.header().to_vec();
        file.extend([6, 0, 8, 0, 0x7f, 0x36, 0, 1]);
        goroutine(4, "").write_to(&mut file).unwrap();
        (0..count).for_each(|i| record(i).write_to(&mut file).unwrap());
        file.push(0);
        file
    };
    let frame = |name: &'static [u8]| {
        let function = Function { entry: 0, pc: 0, continuation_pc: 0, name: Text(name) };
        let (contents, fields) = (&[][..], Fields::default());
        Record::StackFrame(StackFrame { sp: 0, depth: 0, child_sp: 0, contents, function, fields })
    };
    for count in [14_337, 28_673, 57_345, 131_073] {
        for file in [
            many(count, &|status| goroutine(status, "")),
            many(count, &|_| frame(b"")),
            many(count, &|_| frame(b"\xff")),
        ] {
            let stream = Stream::with_limit(&file[..], 0).unwrap();
            let (summary, peak) = memory::peak(|| Summary::read(stream).unwrap());
            assert_eq!(summary.bytes, file.len() as u64);
            assert!(peak <= 10 * file.len() + BUFFER, "{count}: {peak} bytes for {}", file.len());
        }
    }
}
