//! Hostile input does not get more than ten times its size of memory: dumps of very many of the smallest records,
//! each of which makes a table of some part of this crate grow.

use std::io::Read;

use heapmatrix_fuzz::{memory, reading};
use heapmatrix_reader::{Stream, Version};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// Hash tables grow when they are filled to 7/8 of a power of two, others at that or between: just after is where
/// they have old and new at once, and the least input.
const COUNTS: [u64; 6] = [14_337, 16_385, 28_673, 57_345, 65_537, 114_689];

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

/// A dump of Go 1.5 on amd64 with so many records, the numbers of each made of its place.
fn dump<const N: usize>(count: u64, record: fn(u64) -> [u64; N]) -> Vec<u8> {
    let mut dump = Version::Go15.header().to_vec();
    dump.extend(bytes(&[6, 0, 8, 0, 0x7f, 0x36, 0, 1]));
    (1..=count).for_each(|i| dump.extend(bytes(&record(i))));
    dump.push(0);
    dump
}

/// Holds everything in this crate that allocates to the bound.
fn hold(dump: &[u8]) {
    reading::reader(dump);
    reading::roundtrip(dump);
    reading::salvage(dump);
    reading::laws(dump);
}

macro_rules! many {
    ($($(#[$doc:meta])* $name:ident: |$i:pat_param| $record:expr,)*) => {
        $($(#[$doc])*
        #[test]
        fn $name() {
            COUNTS.iter().for_each(|&count| hold(&dump(count, |$i| $record)));
        })*
    };
}

many! {
    /// The salvager's list of names: types with 127 bytes of name by their own account, none in truth, and an itab.
    struck_types: |i| [3, i, 8, 0x7f, 1, 8, i, i],
    /// The same type each time.
    struck_types_of_one_address: |i| [3, 1, 8, 0x7f, 1, 8, i, 1],
    /// Types that look struck to a salvager, and stand.
    types_without_itabs: |_| [3, 1, 8, 0, 1],
    /// The laws' table of types.
    types: |i| [3, i, 0, 0, 0],
    /// The laws' and the salvager's tables of itabs.
    itabs: |i| [8, i, 0],
    /// The index, and so the laws.
    empty_objects: |_| [1, 1, 0, 0],
    small_objects: |_| [1, 1, 1, 0, 0],
    objects_apart: |i| [1, i, 1, 0, 0],
    /// What the laws remember of samples and finalizers.
    samples: |_| [17, 1, 1],
    finalizers: |_| [7, 1, 1, 1, 1, 1],
    /// The laws' tables of buckets, of threads and of goroutines.
    buckets: |i| [16, i, 0, 0, 0, 0],
    threads: |i| [9, i, i, 0],
    goroutines: |i| [4, i, 0, i, 0, 0, 0, 0, 0, 0, 0, i, 0, 0],
    frames: |_| [5, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    defers: |i| [14, i, 0, 0, 0, 0, 0, 0],
}

/// Several tables at once: objects and what names them.
#[test]
fn objects_and_samples() {
    for count in COUNTS {
        let mut dump = dump(count, |i| [1, i, 1, 0, 0]);
        dump.pop();
        (1..=count).for_each(|i| dump.extend(bytes(&[17, i, i])));
        dump.push(0);
        hold(&dump);
    }
}

/// A dump that is made while it is read: objects of all sizes again and again, up to some megabytes, with a field for
/// each word.
struct Endless {
    round: Vec<u8>,
    rounds: usize,
    at: usize,
}

impl Endless {
    const LARGEST: u64 = 5 << 20;

    /// A dump of so many rounds, and its length.
    fn dump(rounds: usize) -> (impl Read, u64) {
        let mut round = Vec::new();
        for size in [0, 8, 100, 5000, 100_000, Self::LARGEST] {
            round.extend(bytes(&[1, 0xc0_0000_0000, size]));
            round.resize(round.len() + size as usize, 7);
            (0..size / 8).for_each(|word| round.extend(bytes(&[1, 8 * word])));
            round.push(0);
        }
        let mut start = dump(0, |_| []);
        assert_eq!(start.pop(), Some(0), "the eof record");
        let length = start.len() + rounds * round.len() + 1;
        (std::io::Cursor::new(start).chain(Self { round, rounds, at: 0 }).chain(&[0][..]), length as u64)
    }
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.round.len() && self.rounds > 0 {
            self.at = 0;
        }
        if self.at == 0 {
            let Some(left) = self.rounds.checked_sub(1) else { return Ok(0) };
            self.rounds = left;
        }
        let count = (&self.round[self.at..]).read(buffer)?;
        self.at += count;
        Ok(count)
    }
}

/// A stream takes what its buffer takes, which is less than the largest object, however long the dump is.
#[test]
fn a_stream_takes_the_same_memory_for_any_dump() {
    let peaks = [1, 4, 40].map(|rounds| {
        let (source, length) = Endless::dump(rounds);
        let (events, peak) = memory::peak(|| {
            let mut stream = Stream::new(source).unwrap();
            let mut events = 0;
            while stream.next().unwrap().is_some() {
                events += 1;
            }
            assert_eq!(stream.offset(), length);
            events
        });
        assert!(events > 6 * rounds);
        peak
    });
    assert_eq!(peaks, [peaks[0]; 3]);
    assert!((peaks[0] as u64) < Endless::LARGEST, "{} bytes", peaks[0]);
}
