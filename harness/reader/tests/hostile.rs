//! Input that is made to take long: the time that anything in this crate takes grows as the input does.

use std::fs;
use std::time::{Duration, Instant};

use heapmatrix_reader::{Dump, Index, Stream, Version, laws, salvage};

/// Time that this thread has run, if the system tells; time that has passed otherwise.
fn now() -> Duration {
    thread_local!(static START: Instant = Instant::now());
    let schedstat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let run = schedstat.split_whitespace().next().and_then(|ns| ns.parse().ok()).map(Duration::from_nanos);
    run.unwrap_or_else(|| START.with(Instant::elapsed))
}

fn time(work: impl FnOnce()) -> Duration {
    let before = now();
    work();
    now() - before
}

/// Numbers as a dump has them.
fn bytes(numbers: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for &(mut number) in numbers {
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
    }
    bytes
}

const T: u64 = 0x4a_1e20;

/// Header and params of Go 1.5 on amd64, then these parts, the last again and again until there are so many bytes.
fn dump(length: usize, start: &[u8], round: impl Fn(u64) -> Vec<u8>) -> Vec<u8> {
    let mut dump = Version::Go15.header().to_vec();
    dump.extend(bytes(&[6, 0, 8, 0x1_0000, 0x7fff_ffff_0000, 0x36, 0, 1]));
    dump.extend(start);
    (0..).map_while(|i| (dump.len() < length).then(|| dump.extend(round(i)))).for_each(drop);
    dump
}

type Work = fn(&[u8]);

/// Eight times the input may take some more than eight times as long, but not sixty-four times.
fn hold(input: impl Fn(usize) -> Vec<u8>) {
    let works: [(&str, Work); 5] = [
        ("records", |input| drop(Dump::new(input).map(|dump| dump.records().count()))),
        ("stream", |input| {
            let Ok(mut stream) = Stream::with_limit(input, 0) else { return };
            while let Ok(Some(_)) = stream.next() {}
        }),
        ("laws", |input| laws::check(input, |_| ())),
        ("salvage", |input| {
            let saved = salvage(input).unwrap();
            saved.write_to(&mut std::io::sink()).unwrap();
        }),
        ("index", |input| {
            let Ok(index) = Dump::new(input).and_then(Index::new) else { return };
            let edges: usize = (0..index.len()).map(|id| index.edges(id).count()).sum();
            assert!(edges <= input.len());
        }),
    ];
    let (small, large) = (input(1 << 17), input(1 << 20));
    for (name, work) in works {
        let small = (0..3).map(|_| time(|| work(&small))).min().unwrap();
        let large = time(|| work(&large));
        println!("{name}: {small:?}, {large:?}");
        // The system may count in ticks of some milliseconds.
        let limit = small.max(Duration::from_millis(12)) * 8 * 3;
        assert!(large < limit, "{name}: {small:?}, and {large:?} for eight times as much");
    }
}

/// A struck type, which has any length.
fn struck() -> Vec<u8> {
    bytes(&[3, T, 8, u64::MAX])
}

macro_rules! hostile {
    ($($(#[$doc:meta])* $name:ident: $start:expr, |$i:pat_param| $round:expr;)*) => {
        $($(#[$doc])*
        #[test]
        fn $name() {
            hold(|length| dump(length, &$start, |$i| $round));
        })*
    };
}

hostile! {
    /// Ways back, each of which leads into a list of fields that goes on to the end.
    ways_into_long_lists: struck(), |i| {
        [&[1][..], &bytes(&[8, 0x1000 + i, T]), &bytes(&[1, 0x1_0000, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0])].concat()
    };
    /// Fields that are ways back.
    fields_that_are_ways_back: [&struck()[..], &[0]].concat(), |i| bytes(&[1, 8, 1, 8, 0x1000 + i, T]);
    /// Ways back that all lead to the same end, each by way of all the others.
    ways_that_meet: struck(), |i| [&[1][..], &bytes(&[8, 0x1000 + i, T])].concat();
    /// Struck types without a way back.
    struck_types: [], |i| bytes(&[3, 0x4_0000 + 8 * i, 8, u64::MAX, 1]);
    /// Struck types with their way back, and with that of the one before.
    struck_types_with_ways: [], |i| {
        bytes(&[3, 0x4_0000 + 8 * i, 8, u64::MAX, 1, 8, 0x1000 + i, 0x4_0000 + 8 * i, 1, 8, 0x900_0000 + i, T])
    };
    /// Types whose names are as long as they say, and are texts with types in them.
    long_names: [], |_| [&bytes(&[3, T, 8, 0x6_0000])[..], &[b'a'; 60]].concat();
    /// Profiles of any depth, one in the other.
    deep_stacks: [2, 0x80], |_| bytes(&[16, 1, 1, u64::MAX, 1]);
    /// Objects that claim all that is left.
    long_objects: [2, 0x80], |i| bytes(&[1, 0x1_0000 + 8 * i, 0x20_0000]);
    /// Damage everywhere, with something that proves itself in between.
    holes: [], |i| {
        let object = |n| bytes(&[1, 0x1_0000 + 8 * (5 * i + n), 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        [object(0), object(1), object(2), object(3), vec![200; 3]].concat()
    };
    /// The same records again and again, of which only the first can be there.
    repetitions: [2, 0x80], |_| bytes(&[1, 0x1_0000, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    /// Objects of every second place, then damage, then those in between.
    objects_between: [], |i| bytes(&[1, 0x1_0000 + 16 * (i * 7919 % 100_003), 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    /// Itabs, and in the end something else.
    itabs: [], |i| bytes(&[8, 0x1000 + i, 0]);
    /// Objects inside each other.
    nested_objects: [], |i| bytes(&[1, 0x1_0000 + 8 * i, 8, 1, 0x90, 8, 0, 0, 0, 0, 0, 0]);
    /// Samples and finalizers of no object.
    samples_of_nothing: bytes(&[1, 0x1_0000, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]), |i| bytes(&[7, 0x2_0000 + i, 1, 1, 1, 1]);
}
