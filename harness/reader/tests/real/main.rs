//! Dumps of real Go runtimes, held to what others say of them: `corpora/README.md` has the whole story.

mod crc32;
mod facts;
mod spans;
#[path = "../unpack/mod.rs"]
mod unpack;

use std::fs;
use std::path::{Path, PathBuf};

use heapmatrix_reader::{Dump, Record, SlotCount, SlotRule, Version, laws};
use serde_json::Value;

/// Each dump of `corpora/real`, unpacked, with its name.
fn dumps() -> Vec<(String, Vec<u8>)> {
    let dumps = unpacked(&folder());
    let all = [
        "amd64", "386", "arm", "arm64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le",
        "riscv64", "s390x",
    ];
    for arch in all {
        assert!(dumps.iter().any(|(name, _)| name.ends_with(&format!("-{arch}"))), "no dump of {arch}");
    }
    dumps
}

/// Each dump of a folder.
fn unpacked(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut dumps = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if let Some(name) = path.file_name().unwrap().to_str().unwrap().strip_suffix(".dump.zst") {
            dumps.push((name.to_string(), unpack::read(&path)));
        }
    }
    dumps
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpora/real")
}

fn json(name: &str, what: &str) -> Value {
    let path = folder().join(format!("{name}.{what}.json"));
    serde_json::from_slice(&fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        .unwrap()
}

/// A counter in another language found the same: every count, every sum, and a checksum over all values.
#[test]
fn an_independent_counter_agrees() {
    for (name, bytes) in dumps() {
        let expected = json(&name, "facts");
        let found = facts::of(&Dump::new(&bytes).unwrap());
        // Key by key, to say which.
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&found[key], value, "{name}: {key}");
        }
        assert_eq!(found, expected, "{name}");
    }
}

/// The dumped process said the same right before it wrote the dump.
#[test]
fn the_dumped_process_agrees() {
    for (name, dump) in dumps() {
        let guest = json(&name, "guest");
        let dump = Dump::new(&dump).unwrap();
        let found = facts::of(&dump);
        let same = |fact: &Value, said: &Value, what: &str| assert_eq!(fact, said, "{name}: {what}");
        same(&found["params"]["experiment"], &guest["go_version"], "Go version");
        same(&found["params"]["arch"], &guest["goarch"], "architecture");
        same(&found["params"]["ptr_size"], &guest["ptr_size"], "pointer size");
        same(&found["params"]["ncpu"], &guest["num_cpu"], "processors");
        same(&found["records"]["finalizer"], &guest["finalizers"], "finalizers");
        same(&found["records"]["queuedfinalizer"], &guest["queued_finalizers"], "queued finalizers");
        same(&found["records"]["memprof"], &guest["memprof"], "buckets of the memory profile");
        for (statistic, value) in guest["memstats"].as_object().unwrap() {
            same(&found["memstats"][statistic], value, statistic);
        }

        // Every goroutine of the traceback, and the one that made both, whose state changed in between.
        let states = guest["states"].as_object().unwrap();
        for (state, count) in states {
            same(&found["user_goroutines"][state], count, state);
        }
        let total =
            |counts: &serde_json::Map<String, Value>| counts.values().filter_map(Value::as_u64).sum::<u64>();
        let goroutines = total(found["user_goroutines"].as_object().unwrap());
        assert_eq!(goroutines, total(states) + 1, "{name}: goroutines");
        // NumGoroutine leaves out the one that runs a finalizer.
        assert_eq!(Value::from(goroutines - 1), guest["num_goroutine"], "{name}: goroutines");

        // Since Go 1.22 slots under their span's heap bitmap are dumped as objects that nobody allocated.
        let number = |value: &Value| value.as_u64().unwrap();
        let surplus = number(&found["heap"]["objects"]) - number(&guest["memstats"]["heap_objects"]);
        let bytes = number(&found["heap"]["bytes"]) - number(&guest["memstats"]["heap_alloc"]);
        let slots = slots_under_bitmap(&dump);
        assert_eq!((slots.slots, slots.bytes, slots.undecided), (surplus, bytes, 0), "{name}");
        assert_eq!(slots.slots > 0, !name.starts_with("go1.19."), "{name}");
    }
}

fn slots_under_bitmap(dump: &Dump<'_>) -> SlotCount {
    let mut count = SlotCount::default();
    let Some(mut rule) = SlotRule::new(dump.version(), dump.params()) else { return count };
    for record in dump.records() {
        if let (offset, Record::Object(object)) = record.unwrap() {
            let pointers = object.fields.clone().next().is_some();
            let size = object.contents.len() as u64;
            rule.object(offset, object.address, size, pointers, |slot| count.add(slot));
        }
    }
    rule.finish(|slot| count.add(slot));
    count
}

#[test]
fn encoding_gives_the_bytes_back() {
    for (name, bytes) in dumps() {
        let dump = Dump::new(&bytes).unwrap();
        assert_eq!(dump.version(), Version::Go17);
        let mut encoded = dump.version().header().to_vec();
        for record in dump.records() {
            let (offset, record) = record.unwrap();
            assert_eq!(offset, encoded.len() as u64, "{name}");
            record.write_to(&mut encoded).unwrap();
        }
        assert!(encoded == bytes, "{name}");
    }
}

#[test]
fn every_law_holds() {
    for (name, bytes) in dumps().into_iter().chain(unpacked(&folder().join("spans"))) {
        laws::check(&bytes, |violation| panic!("{name}: {violation:?}"));
    }
}
