//! What is encoded is read back, whole and in pieces; what is cut off or changed is an error, at its place.

mod common;

use std::io::Read;

use common::{dump, encode, params, parts};
use heapmatrix_reader::*;
use proptest::prelude::*;

/// The records of a dump with their offsets, and the error that ended it.
fn read(input: &[u8]) -> (Vec<(u64, Record<'_>)>, Option<Error>) {
    let mut records = Vec::new();
    let dump = match Dump::new(input) {
        Ok(dump) => dump,
        Err(error) => return (records, Some(error)),
    };
    for record in dump.records() {
        match record {
            Ok(record) => records.push(record),
            Err(error) => return (records, Some(error)),
        }
    }
    (records, None)
}

/// What a stream gives, written again record by record with the offsets, and the error that ended it.
fn restream(source: impl Read) -> (Vec<(u64, Vec<u8>)>, Option<Error>) {
    let mut written = Vec::new();
    let mut stream = match Stream::with_limit(source, 0) {
        Ok(stream) => stream,
        Err(StreamError::Dump(error)) => return (written, Some(error)),
        Err(error) => panic!("{error}"),
    };
    let mut pieces: Option<Pieces> = None;
    loop {
        match stream.next() {
            Ok(Some((offset, Event::Record(record)))) => {
                assert!(pieces.is_none(), "a record amid the pieces of another");
                let mut bytes = Vec::new();
                record.write_to(&mut bytes).unwrap();
                written.push((offset, bytes));
            }
            Ok(Some((offset, Event::Begin(head)))) => pieces = Some(Pieces::new(offset, head)),
            Ok(Some((_, Event::End))) => written.push(pieces.take().expect("no record begins").finish()),
            Ok(Some((_, event))) => pieces.as_mut().expect("no record begins").add(event),
            Ok(None) => return (written, None),
            Err(StreamError::Dump(error)) => {
                assert!(matches!(stream.next(), Ok(None)), "a stream ends with its first error");
                return (written, Some(error));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// A large record, put together again.
struct Pieces {
    offset: u64,
    head: Head,
    contents: Vec<u8>,
    function: Option<Vec<u8>>,
    fields: Vec<Field>,
}

impl Pieces {
    fn new(offset: u64, head: Head) -> Self {
        Self { offset, head, contents: Vec::new(), function: None, fields: Vec::new() }
    }

    fn add(&mut self, event: Event<'_>) {
        match event {
            Event::Contents(piece) => {
                assert!(!piece.is_empty());
                self.contents.extend(piece);
            }
            Event::Fields(fields) => {
                assert_ne!(fields.count(), 0);
                self.fields.extend(fields);
            }
            Event::Function(function) => {
                assert!(self.function.is_none());
                // Only whole records can be written: as part of a frame, then.
                let fields = Fields::default();
                let frame = StackFrame { sp: 0, depth: 0, child_sp: 0, contents: &[], function, fields };
                let mut bytes = Vec::new();
                Record::StackFrame(frame).write_to(&mut bytes).unwrap();
                self.function = Some(bytes);
            }
            Event::Record(_) | Event::Begin(_) | Event::End => unreachable!("handled by the caller"),
        }
    }

    fn finish(self) -> (u64, Vec<u8>) {
        let contents = &self.contents[..];
        let list = Fields::encode_list(self.fields);
        let fields = Fields::from_encoded(&list).unwrap();
        let mut frame_bytes = Version::Go15.header().to_vec();
        let record = match self.head {
            Head::Object(Extent { address, .. }) => Record::Object(Object { address, contents, fields }),
            Head::Data(Extent { address, .. }) => Record::Data(Segment { address, contents, fields }),
            Head::Bss(Extent { address, .. }) => Record::Bss(Segment { address, contents, fields }),
            Head::StackFrame(FrameExtent { sp, depth, child_sp, .. }) => {
                Record::Params(params(Version::Go15)).write_to(&mut frame_bytes).unwrap();
                frame_bytes.extend(self.function.expect("frames have a function"));
                let dump = Dump::new(&frame_bytes).unwrap();
                let Some(Ok((_, Record::StackFrame(frame)))) = dump.records().nth(1) else { panic!() };
                Record::StackFrame(StackFrame { sp, depth, child_sp, contents, fields, ..frame })
            }
        };
        assert_eq!(contents.len() as u64, self.head.length());
        assert_eq!(record.kind(), self.head.kind());
        let mut bytes = Vec::new();
        record.write_to(&mut bytes).unwrap();
        (self.offset, bytes)
    }
}

/// Hands out one to seven bytes at a time.
struct Dribble<'a>(&'a [u8], usize);

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.1 = self.1 % 7 + 1;
        let count = self.1.min(buffer.len());
        (&mut self.0).take(count as u64).read(buffer)
    }
}

/// A stream must see what a slice shows: the same records, and the same error.
fn assert_stream_agrees(input: &[u8]) {
    let (records, error) = read(input);
    let expected = records.iter().map(|(offset, record)| {
        let mut bytes = Vec::new();
        record.write_to(&mut bytes).unwrap();
        (*offset, bytes)
    });
    let expected = (expected.collect::<Vec<_>>(), error);
    // A wrong params record is found at once in memory, and after the header in a stream.
    assert!(restream(input) == expected);
    assert!(restream(Dribble(input, 0)) == expected);
}

/// A dump with one record of every kind, each as small as it gets without being empty.
fn one_of_each(version: Version) -> Vec<u8> {
    let contents = &[1, 2, 3, 4, 5, 6, 7, 8][..];
    let list = Fields::encode_list([Field::pointer(0), Field { kind: FieldKind::Interface, offset: 300 }]);
    let fields = Fields::from_encoded(&list).unwrap();
    let call = Call { function: "f".into(), file: "f.go".into(), line: 200 };
    let stack = Stack::encode_list([call, call]);
    let finalizer =
        Finalizer { object: 0x100, closure: 2, entry: 3, argument_type: 4, object_type: 0xffff_ffff_ffff };
    encode(
        version,
        &[
            Record::Type(Type { address: 0x200, size: 8, name: "T".into(), data_is_pointer: true }),
            Record::Itab(Itab { address: 0x300, type_address: 0x200 }),
            Record::Object(Object { address: 0x10_0000, contents, fields }),
            Record::OtherRoot(OtherRoot { description: "root".into(), target: 1 }),
            Record::Goroutine(Goroutine {
                address: 1,
                sp: 2,
                id: 3,
                creation_pc: 4,
                status: 4,
                is_system: true,
                is_background: false,
                wait_since: 7,
                wait_reason: "sleep".into(),
                context: 8,
                thread: 9,
                defer: 10,
                panic: 11,
            }),
            Record::StackFrame(StackFrame {
                sp: 2,
                depth: 0,
                child_sp: 0,
                contents,
                function: Function { entry: 1, pc: 2, continuation_pc: 3, name: "main.main".into() },
                fields,
            }),
            Record::Defer(Defer { address: 10, goroutine: 1, sp: 2, pc: 3, closure: 4, entry: 5, link: 0 }),
            Record::Panic(Panic {
                address: 11,
                goroutine: 1,
                argument_type: 3,
                argument_data: 4,
                defer: 0,
                link: 0,
            }),
            Record::OsThread(OsThread { address: 9, id: 1, os_id: 4321 }),
            Record::Data(Segment { address: 0x1000, contents, fields }),
            Record::Bss(Segment { address: 0x2000, contents, fields: Fields::default() }),
            Record::Finalizer(finalizer),
            Record::QueuedFinalizer(finalizer),
            Record::MemStats(Box::new(MemStats {
                alloc: 1,
                total_alloc: 2,
                sys: 3,
                lookups: 4,
                mallocs: 5,
                frees: 6,
                heap_alloc: 7,
                heap_sys: 8,
                heap_idle: 9,
                heap_inuse: 10,
                heap_released: 11,
                heap_objects: 12,
                stack_inuse: 13,
                stack_sys: 14,
                mspan_inuse: 15,
                mspan_sys: 16,
                mcache_inuse: 17,
                mcache_sys: 18,
                buckhash_sys: 19,
                gc_sys: 20,
                other_sys: 21,
                next_gc: 22,
                last_gc: 23,
                pause_total_ns: 24,
                pause_ns: [0; 256],
                num_gc: 26,
            })),
            Record::MemProf(MemProf {
                address: 5,
                size: 8,
                stack: Stack::from_encoded(&stack).unwrap(),
                allocs: 2,
                frees: 1,
            }),
            Record::AllocSample(AllocSample { object: 0x10_0000, bucket: 5 }),
        ],
    )
}

#[test]
fn the_small_dump_has_every_kind() {
    let file = one_of_each(Version::Go15);
    let (records, error) = read(&file);
    assert_eq!(error, None);
    let mut kinds: Vec<Kind> = records.iter().map(|(_, record)| record.kind()).collect();
    kinds.sort();
    assert_eq!(kinds, Kind::ALL);
}

#[test]
fn a_dump_that_is_cut_anywhere_is_wrong_at_the_cut() {
    for version in Version::ALL {
        let file = one_of_each(version);
        for cut in 0..file.len() {
            let (_, error) = read(&file[..cut]);
            let error = error.unwrap_or_else(|| panic!("{version} cut at {cut} is read"));
            assert_eq!(error.offset(), cut as u64, "{error}");
            assert!(error.is_truncation(), "{error}");
            assert_stream_agrees(&file[..cut]);
        }
    }
}

#[test]
fn a_dump_with_one_byte_changed_is_read_or_refused() {
    for version in Version::ALL {
        let file = one_of_each(version);
        for at in 0..file.len() {
            for change in [1, 2, 0x40, 0x80, 0xff] {
                let mut file = file.clone();
                file[at] ^= change;
                let (records, error) = read(&file);
                // What is accepted is given back, whatever it means.
                if error.is_none() {
                    let mut out = file[..16].to_vec();
                    records.iter().for_each(|(_, record)| record.write_to(&mut out).unwrap());
                    assert_eq!(out, file, "byte {at} ^ {change:#x}");
                }
                assert_stream_agrees(&file);
            }
        }
    }
}

#[test]
fn bytes_behind_the_end_are_reported() {
    let mut file = one_of_each(Version::Go16);
    let length = file.len() as u64;
    file.push(0);
    let error = read(&file).1.unwrap();
    assert_eq!((error.offset(), error.problem()), (length, &Problem::TrailingBytes));
    assert_stream_agrees(&file);
}

#[test]
fn large_records_come_in_pieces_and_are_cut_like_small_ones() {
    let contents: Vec<u8> = (0..40_000u32).map(|i| i as u8).collect();
    let list = Fields::encode_list((0..9_000).map(|i| Field::pointer(8 * i)));
    let fields = Fields::from_encoded(&list).unwrap();
    let function = Function { entry: 1, pc: 2, continuation_pc: 0, name: "main.large".into() };
    let frame = StackFrame { sp: 0x1000, depth: 0, child_sp: 0, contents: &contents, function, fields };
    let file = encode(
        Version::Go16,
        &[
            Record::Object(Object { address: 1 << 40, contents: &contents, fields }),
            Record::Object(Object { address: 0, contents: &[], fields }),
            Record::StackFrame(frame),
            Record::StackFrame(StackFrame { fields: Fields::default(), ..frame }),
            Record::Data(Segment { address: 1, contents: &contents, fields: Fields::default() }),
            Record::Bss(Segment { address: 2, contents: &contents[..100], fields }),
        ],
    );
    assert_eq!(read(&file).1, None);
    assert_stream_agrees(&file);
    for cut in (0..file.len()).step_by(997) {
        assert_eq!(read(&file[..cut]).1.unwrap().offset(), cut as u64);
        assert_stream_agrees(&file[..cut]);
    }
}

#[test]
fn a_stream_says_when_a_string_exceeds_its_limit() {
    let long = vec![b'x'; 10_000];
    let name = Text(&long);
    let record = Record::Type(Type { address: 1, size: 1, name, data_is_pointer: false });
    let file = encode(Version::Go17, &[record]);
    assert_eq!(read(&file).1, None);
    let mut stream = Stream::with_limit(&file[..], 4096).unwrap();
    assert!(matches!(stream.next(), Ok(Some((16, Event::Record(Record::Params(_)))))));
    let Err(StreamError::Dump(error)) = stream.next() else { panic!("a name of 10000 bytes is read") };
    assert_eq!((error.field(), error.problem()), ("name", &Problem::TooLarge { limit: 4096 }));
    let mut stream = Stream::with_limit(&file[..], 11_000).unwrap();
    stream.next().unwrap();
    assert!(matches!(stream.next(), Ok(Some((_, Event::Record(Record::Type(_)))))));
}

proptest! {
    #[test]
    fn records_are_read_as_they_were_written(parts in proptest::collection::vec(parts(), 0..12), go17: bool) {
        let version = if go17 { Version::Go17 } else { Version::Go15 };
        let records: Vec<Record<'_>> = parts.iter().map(|parts| parts.record(version)).collect();
        let file = encode(version, &records);
        let (read, error) = read(&file);
        prop_assert_eq!(error, None);
        let mut expected = vec![Record::Params(params(version))];
        expected.extend(records);
        expected.push(Record::Eof);
        prop_assert_eq!(read.into_iter().map(|(_, record)| record).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_stream_shows_what_a_slice_shows(dump in dump()) {
        assert_stream_agrees(&dump);
    }

    #[test]
    fn a_cut_stream_shows_what_a_cut_slice_shows(dump in dump(), cut: prop::sample::Index) {
        let cut = cut.index(dump.len());
        prop_assert_eq!(read(&dump[..cut]).1.map(|error| error.offset()), Some(cut as u64));
        assert_stream_agrees(&dump[..cut]);
    }

    #[test]
    fn a_changed_byte_never_panics(dump in dump(), at: prop::sample::Index, byte: u8) {
        let mut dump = dump;
        let at = at.index(dump.len());
        dump[at] = byte;
        let _ = read(&dump);
        let _ = restream(&dump[..]);
    }

    #[test]
    fn noise_behind_a_header_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..500)) {
        for version in Version::ALL {
            let mut file = encode(version, &[]);
            file.pop();
            file.extend(&noise);
            let _ = read(&file);
            let _ = restream(&file[..]);
        }
    }
}
