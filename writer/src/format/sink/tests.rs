//! The boundaries of writes, at the reference's capacity; and outputs that do not do as they are told.

use proptest::prelude::*;

use super::*;
use crate::memory::Unreadable;
use crate::testing::{Segments, assert_same, uvarint};

/// All that the reference loses, on a machine where lengths are signed.
const ALL: Losses =
    Losses { int32_lengths: true, unsigned_count: false, write_errors_ignored: true, empty_writes: true };

/// Notes the length of each write, and answers as it is told.
#[derive(Default)]
struct Recorder {
    writes: Vec<usize>,
    bytes: Vec<u8>,
    /// What the next writes answer, first the last one; when there is none left, all is taken.
    answers: Vec<io::Result<usize>>,
}

impl Write for Recorder {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.writes.push(buf.len());
        let n = self.answers.pop().unwrap_or(Ok(buf.len()))?;
        self.bytes.extend_from_slice(&buf[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        unreachable!("the sink never flushes its output")
    }
}

const PLACE: Place = Place::new("object", "contents");

/// The lengths of the writes that these data make, of the host or of the target, and a final flush.
fn writes_of(data: &[usize], losses: Losses, of_target: bool) -> Vec<usize> {
    let mut recorder = Recorder::default();
    let mut sink = Sink::new(&mut recorder, BUF_SIZE, losses);
    let mut memory = Segments::new(true);
    memory.map(0x5000, 0x10000);
    let bytes = vec![0; 0x10000];
    for &len in data {
        if of_target {
            sink.dwrite_from(&memory, Addr(0x5123), len as u64, PLACE).unwrap();
        } else {
            sink.dwrite(&bytes[..len]).unwrap();
        }
    }
    sink.flush().unwrap();
    assert_eq!(sink.written(), data.iter().sum::<usize>() as u64);
    assert_eq!(sink.lost(), 0);
    assert_eq!(recorder.bytes.len(), data.iter().sum::<usize>());
    recorder.writes
}

#[test]
fn writes_have_the_boundaries_of_the_reference() {
    for of_target in [false, true] {
        let writes_of = |data: &[usize]| writes_of(data, ALL, of_target);
        // What fits into the buffer is kept; a full buffer is not written before something follows.
        assert_eq!(writes_of(&[4095]), [4095]);
        assert_eq!(writes_of(&[4095, 1]), [4096]);
        assert_eq!(writes_of(&[4096]), [4096]);
        assert_eq!(writes_of(&[4096, 1]), [4096, 1]);
        assert_eq!(writes_of(&[4095, 2]), [4095, 2]);
        // What is smaller than the buffer and does not fit goes to the front of it.
        assert_eq!(writes_of(&[1, 4095]), [4096]);
        assert_eq!(writes_of(&[2, 4095]), [2, 4095]);
        assert_eq!(writes_of(&[2, 4095, 1, 1]), [2, 4096, 1]);
        // What is as large as the buffer, or larger, is written at once.
        assert_eq!(writes_of(&[1, 4096]), [1, 4096, 0]);
        assert_eq!(writes_of(&[1, 4097, 3]), [1, 4097, 3]);
        assert_eq!(writes_of(&[10, 50_000, 20]), [10, 50_000, 20]);
        // An empty buffer is written, too, when a large datum comes.
        assert_eq!(writes_of(&[4097, 4097]), [0, 4097, 0, 4097, 0]);
        assert_eq!(writes_of(&[]), [0]);
        assert_eq!(writes_of(&[0, 5, 0]), [5]);
    }
}

#[test]
fn an_empty_write_may_take_nothing() {
    let mut recorder = Recorder::default();
    let mut sink = Sink::new(&mut recorder, BUF_SIZE, Losses { empty_writes: true, ..Losses::default() });
    sink.flush().unwrap();
    assert_eq!(recorder.writes, [0]);
}

#[test]
fn without_the_defect_nothing_empty_is_written() {
    let losses = Losses { empty_writes: false, ..ALL };
    assert_eq!(writes_of(&[4097, 4097], losses, false), [4097, 4097]);
    assert_eq!(writes_of(&[4097, 4097, 1], losses, true), [4097, 4097, 1]);
    assert!(writes_of(&[], Losses::default(), true).is_empty());
}

#[test]
fn each_loss_is_one() {
    for n in 0..16 {
        let [int32_lengths, unsigned_count, write_errors_ignored, empty_writes] =
            [1, 2, 4, 8].map(|bit| n & bit != 0);
        let losses = Losses { int32_lengths, unsigned_count, write_errors_ignored, empty_writes };
        assert_eq!(losses.any(), n != 0, "{n:04b}");
    }
}

/// With losses too, what the buffer has room for is not written before it is full.
#[test]
fn memory_that_is_not_prepared_is_part_of_the_buffer() {
    let mut recorder = Recorder::default();
    let losses = Losses { write_errors_ignored: true, ..Losses::default() };
    let mut sink = Sink::new(&mut recorder, 64 << 10, losses);
    sink.dwrite(&[1; 16 << 10]).unwrap();
    sink.dwrite(&[2; 3]).unwrap();
    sink.flush().unwrap();
    assert_eq!(recorder.writes, [(16 << 10) + 3]);
}

/// Where the buffer is looked at, data as large as the buffer go through it, as the reference's do.
#[test]
fn data_that_fill_the_buffer_are_in_it() {
    let mut out = Vec::new();
    let mut sink = Sink::new(&mut out, 1000, Losses::default());
    sink.preload(&[9; 1000]);
    sink.dwrite(&[7; 1000]).unwrap();
    let (buf, nbuf) = sink.buffer();
    assert_eq!((buf, nbuf), (&[7; 1000][..], 1000));
}

/// An output that is interrupted in an empty write, and then takes nothing, as it should.
#[test]
fn an_interrupted_empty_write_is_written_again() {
    let interrupted = Err(io::ErrorKind::Interrupted.into());
    let mut recorder = Recorder { answers: vec![interrupted], ..Recorder::default() };
    let mut sink = Sink::new(&mut recorder, BUF_SIZE, Losses { empty_writes: true, ..Losses::default() });
    sink.flush().unwrap();
    assert_eq!(recorder.writes, [0, 0]);
}

proptest! {
    /// The reference's algorithm, in its own words.
    #[test]
    fn the_sequence_of_writes_is_that_of_dwrite(data in prop::collection::vec(
        prop_oneof![0usize..20, 4000usize..4200, 0usize..10_000], 0..40)) {
        let (mut expected, mut nbuf) = (Vec::new(), 0);
        for &len in &data {
            if len == 0 {
                continue;
            }
            if nbuf + len <= 4096 {
                nbuf += len;
                continue;
            }
            expected.push(nbuf);
            if len >= 4096 {
                expected.push(len);
                nbuf = 0;
            } else {
                nbuf = len;
            }
        }
        expected.push(nbuf);
        prop_assert_eq!(writes_of(&data, ALL, false), expected.clone());
        prop_assert_eq!(writes_of(&data, ALL, true), expected);
    }

    /// Whatever the capacity, and however the output cuts and interrupts.
    #[test]
    fn the_stream_does_not_depend_on_the_writes(
        capacity in 0usize..100,
        data in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..120)), 0..30),
        cuts in prop::collection::vec(any::<bool>(), 0..60),
    ) {
        // A write that is cut takes one byte, which every write has.
        let answers = cuts.iter().map(|&cut| match cut {
            true => Ok(1),
            false => Err(io::Error::from(io::ErrorKind::Interrupted)),
        }).collect();
        let mut recorder = Recorder { answers, ..Recorder::default() };
        let mut sink = Sink::new(&mut recorder, capacity, Losses::default());
        let mut expected = Vec::new();
        for (of_target, bytes) in &data {
            if *of_target {
                let mut memory = Segments::default();
                memory.map(0x5000, bytes.len() as u64);
                memory.write(Addr(0x5000), bytes);
                sink.dwrite_from(&memory, Addr(0x5000), bytes.len() as u64, PLACE).unwrap();
            } else {
                sink.dwrite(bytes).unwrap();
            }
            sink.dumpint(bytes.len() as u64).unwrap();
            expected.extend_from_slice(bytes);
            expected.extend(uvarint(bytes.len() as u64));
        }
        sink.flush().unwrap();
        prop_assert_eq!(sink.written(), expected.len() as u64);
        prop_assert_eq!(&recorder.bytes, &expected);
    }
}

#[test]
fn an_output_that_takes_nothing_is_an_error_at_its_offset() {
    for (answer, kind) in [
        (Ok(0), io::ErrorKind::WriteZero),
        (Err(io::ErrorKind::StorageFull.into()), io::ErrorKind::StorageFull),
    ] {
        let mut recorder = Recorder { answers: vec![answer, Ok(3)], ..Recorder::default() };
        let mut sink = Sink::new(&mut recorder, BUF_SIZE, Losses::default());
        sink.dwrite(b"seven b").unwrap();
        match sink.flush().unwrap_err() {
            Error::Write { offset, source } => assert_eq!((offset, source.kind()), (3, kind)),
            error => panic!("{error}"),
        }
        assert_eq!(recorder.writes, [7, 4]);
    }
}

#[test]
fn the_reference_loses_what_is_not_taken() {
    let interrupted = Err(io::ErrorKind::Interrupted.into());
    let mut recorder = Recorder { answers: vec![Ok(1), interrupted, Ok(2)], ..Recorder::default() };
    let mut sink = Sink::new(&mut recorder, 4, ALL);
    for datum in [b"abcd", b"efgh", b"ijkl", b"mnop"] {
        sink.dwrite(datum).unwrap();
    }
    sink.flush().unwrap();
    assert_eq!((sink.written(), sink.lost()), (2 + 1 + 4, 2 + 4 + 3));
    assert_eq!(recorder.bytes, b"abimnop");
}

#[test]
fn lengths_through_int32() {
    assert_eq!(int32_count(0x7fff_efff, false), 0x7fff_efff);
    assert_eq!(int32_count(0x7fff_ffff, false), 0x7fff_f000, "MAX_RW_COUNT");
    assert_eq!(int32_count(0x8000_0000, false), 0, "a negative length is an error");
    assert_eq!(int32_count(0x8000_0000, true), 0x7fff_f000, "on amd64 it is a large one");
    assert_eq!(int32_count(0x1_0000_1234, false), 0x1234);
    assert_eq!(int32_count(0xc8_2000_4000, true), 0x2000_4000);
}

/// A gigabyte and more of zeros, for which no memory is needed.
struct Zeros(Vec<u8>);

impl Memory for Zeros {
    fn read(&self, _: Addr, buf: &mut [u8]) -> Result<(), Unreadable> {
        buf.fill(0);
        Ok(())
    }

    fn borrow(&self, _: Addr, len: u64) -> Option<&[u8]> {
        self.0.get(..usize::try_from(len).ok()?)
    }
}

#[test]
fn a_datum_of_4_gib_is_written_whole_or_without_its_upper_bits() {
    let memory = Zeros(vec![0; 1 << 20]);
    let len = (1 << 32) + 100_000;
    for (int32_lengths, written, lost) in [(false, len, 0), (true, 100_000, 1 << 32)] {
        let losses = Losses { int32_lengths, ..Losses::default() };
        let mut out = io::sink();
        let mut sink = Sink::new(&mut out, BUF_SIZE, Losses { unsigned_count: true, ..losses });
        sink.dwrite_from(&memory, Addr(0), len, PLACE).unwrap();
        assert_eq!((sink.written(), sink.lost()), (written, lost));
    }
}

#[test]
fn memory_in_two_pieces_is_written_in_two() {
    let mut memory = Segments::new(true);
    memory.map(0x5000, 0x3000);
    memory.map(0x8000, 0x2000);
    memory.write(Addr(0x7fff), &[1]);
    memory.write(Addr(0x8000), &[2]);
    let mut recorder = Recorder::default();
    let mut sink = Sink::new(&mut recorder, BUF_SIZE, Losses::default());
    sink.dwrite_from(&memory, Addr(0x5010), 0x4000, PLACE).unwrap();
    assert_eq!(recorder.writes, [0x2ff0, 0x1010]);
    assert_same(&recorder.bytes[0x2fef..0x2ff1], &[1, 2]);

    // As much of the first piece as ends with a page, though little is left after it.
    let mut recorder = Recorder::default();
    let mut sink = Sink::new(&mut recorder, BUF_SIZE, Losses::default());
    sink.dwrite_from(&memory, Addr(0x5fff), 0x2002, PLACE).unwrap();
    assert_eq!(recorder.writes, [0x2001, 1]);

    // Memory that does not lend is copied page by page.
    memory.lends = false;
    let mut recorder = Recorder::default();
    let mut sink = Sink::new(&mut recorder, BUF_SIZE, Losses::default());
    sink.dwrite_from(&memory, Addr(0x5010), 0x4000, PLACE).unwrap();
    assert_eq!(recorder.writes, [0xff0, 0x1000, 0x1000, 0x1000, 0x10]);
}

#[test]
fn memory_that_ends_is_an_error_or_the_end_of_the_datum() {
    for lends in [false, true] {
        let mut memory = Segments::new(lends);
        memory.map(0x5000, 0x3000);
        for capacity in [BUF_SIZE, 1 << 18] {
            let mut recorder = Recorder::default();
            let mut sink = Sink::new(&mut recorder, capacity, Losses::default());
            sink.dwrite(b"before").unwrap();
            let error = sink.dwrite_from(&memory, Addr(0x5800), 0x4000, PLACE).unwrap_err();
            assert!(error.to_string().starts_with("reading object.contents: cannot read "), "{error}");
            sink.flush().unwrap();
            assert_eq!(recorder.bytes[..6], *b"before");

            let mut recorder = Recorder::default();
            let mut sink = Sink::new(&mut recorder, capacity, ALL);
            sink.dwrite(b"before").unwrap();
            sink.dwrite_from(&memory, Addr(0x5800), 0x4000, PLACE).unwrap();
            sink.dwrite(b"after").unwrap();
            sink.flush().unwrap();
            assert_eq!((sink.written(), sink.lost()), (6 + 0x2800 + 5, 0x1800));
            assert_eq!(recorder.bytes[6 + 0x2800..], *b"after");

            // What the reference copies into its buffer, it must be able to read.
            let mut recorder = Recorder::default();
            let mut sink = Sink::new(&mut recorder, capacity, ALL);
            sink.dwrite_from(&memory, Addr(0x7f00), 0x200, PLACE).unwrap_err();
            assert!(recorder.bytes.is_empty());
        }
    }
}

#[test]
fn the_smaller_data() {
    let mut recorder = Recorder::default();
    let mut sink = Sink::new(&mut recorder, BUF_SIZE, Losses::default());
    sink.dumpbool(true).unwrap();
    sink.dumpbool(false).unwrap();
    sink.dwritebyte(b'.').unwrap();
    sink.dumpslice(b"ab").unwrap();
    sink.dumpslice(b"").unwrap();
    sink.flush().unwrap();
    assert_eq!(recorder.bytes, b"\x01\x00.\x02ab\x00");
}

#[test]
fn what_a_buffer_held_before_stays_behind_what_is_waiting() {
    let mut out = Vec::new();
    let mut sink = Sink::new(&mut out, 1000, Losses::default());
    sink.preload(&[9; 1000]);
    sink.dumpint(1 << 40).unwrap();
    sink.dumpints(&[3, 1 << 20, u64::MAX]).unwrap();
    sink.dump_pointers(0b101, 8, 8).unwrap();
    sink.dwrite(b"abc").unwrap();
    let (buf, nbuf) = sink.buffer();
    assert_eq!(nbuf, 6 + 1 + 3 + 10 + 4 + 3);
    assert_eq!(buf[nbuf..], [9; 1000][nbuf..]);
}

/// The lengths of the writes and the bytes of what `dump` dumps after so many others.
fn behind(waiting: usize, tidy: bool, dump: impl Fn(&mut Sink<'_>)) -> (Vec<usize>, Vec<u8>) {
    let mut recorder = Recorder::default();
    let mut sink = Sink::new(&mut recorder, 1000, Losses::default());
    if tidy {
        sink.preload(&[]);
    }
    sink.dwrite(&vec![0x55; waiting]).unwrap();
    dump(&mut sink);
    sink.flush().unwrap();
    (recorder.writes, recorder.bytes)
}

#[test]
fn what_is_put_in_place_is_written_as_if_it_were_not() {
    // The longest fields and the shortest, at every distance from the buffer's end; and so with integers.
    let integers: Vec<u64> = (0..300).map(|i| u64::MAX >> (i * 7 % 64)).collect();
    for waiting in 0..1000 {
        for (offset, words) in [(1 << 63, u64::MAX), (0, u64::MAX), (0x1f8, 0x8000_0000_0000_0101), (8, 0)] {
            let fields = |sink: &mut Sink<'_>| sink.dump_pointers(words, offset, 8).unwrap();
            assert!(behind(waiting, false, fields) == behind(waiting, true, fields), "{waiting} {offset:#x}");
        }
        let ints = |sink: &mut Sink<'_>| sink.dumpints(&integers).unwrap();
        assert!(behind(waiting, false, ints) == behind(waiting, true, ints), "{waiting}");
        let reference: Vec<u8> = integers.iter().flat_map(|&v| uvarint(v)).collect();
        assert_same(&behind(waiting, false, ints).1[waiting..], &reference);
    }
}
