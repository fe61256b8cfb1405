//! Streams whose source is slow, is interrupted, or fails; and large frames that are wrong after their contents.

mod common;

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, Read};

use common::encode;
use heapmatrix_reader::*;

/// Gives a few bytes at a time, and an interruption before each; in the end an error, if there is one.
struct Slow {
    bytes: VecDeque<u8>,
    interrupted: bool,
    error: Option<io::ErrorKind>,
}

impl Slow {
    fn new(bytes: &[u8], error: Option<io::ErrorKind>) -> Self {
        Self { bytes: bytes.iter().copied().collect(), interrupted: false, error }
    }
}

impl Read for Slow {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if self.bytes.is_empty() {
            return self.error.map_or(Ok(0), |kind| Err(kind.into()));
        }
        let most = buf.len().min(1000);
        self.bytes.read(&mut buf[..most])
    }
}

/// A dump of more objects than the buffer holds.
fn objects() -> Vec<u8> {
    let object = |address| Object { address, contents: &[7; 100], fields: Fields::default() };
    let records: Vec<Record<'_>> = (0..1000).map(|i| Record::Object(object(112 * i))).collect();
    encode(Version::Go15, &records)
}

#[test]
fn interruptions_are_no_errors() {
    let file = objects();
    let mut stream = Stream::with_limit(Slow::new(&file, None), 0).unwrap();
    let mut count = 0;
    while let Some((offset, event)) = stream.next().unwrap() {
        assert!(matches!(event, Event::Record(_)));
        assert!(offset < file.len() as u64);
        count += 1;
    }
    assert_eq!(count, 1002, "params, the objects, eof");
    assert_eq!(stream.offset(), file.len() as u64);
}

/// Records that no read of the source holds, and that are within the limit.
#[test]
fn records_within_the_limit_come_whole() {
    let contents = vec![7; 1_000_000];
    let pairs = Fields::encode_list((0..60_000).map(|i| Field::pointer(8 * i)));
    let long = Fields::from_encoded(&pairs).unwrap();
    let object = |length: usize, fields| {
        Record::Object(Object { address: 0x1000, contents: &contents[..length], fields })
    };
    let sizes = [0, 8, 100_000, 262_100, 8, 262_143, 262_144, 262_145, 524_288, 1_000_000, 600_000, 24];
    let mut records: Vec<Record<'_>> =
        sizes.iter().flat_map(|&size| [object(size, Fields::default()), object(8, long)]).collect();
    let name = Text(&contents[..700_000]);
    records.push(Record::Type(Type { address: 1, size: 8, name, data_is_pointer: false }));
    records.push(object(800_000, long));
    let file = encode(Version::Go17, &records);
    let mut expected = Dump::new(&file).unwrap().records();
    let mut stream = Stream::new(&file[..]).unwrap();
    while let Some((offset, event)) = stream.next().unwrap() {
        let Event::Record(record) = event else { panic!("{event:?} at {offset}") };
        let (start, same) = expected.next().unwrap().unwrap();
        assert!(offset == start && record == same, "at {offset}");
    }
    assert!(expected.next().is_none());
}

/// A source that may say more later is asked for what comes next, and not for much beyond it.
#[test]
fn little_is_read_ahead() {
    struct Counted<'a>(&'a [u8], &'a Cell<usize>);

    impl Read for Counted<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let count = self.0.read(buf)?;
            self.1.set(self.1.get() + count);
            Ok(count)
        }
    }

    let object = |address| Object { address, contents: &[7; 100], fields: Fields::default() };
    let records: Vec<Record<'_>> = (0..20_000).map(|i| Record::Object(object(112 * i))).collect();
    let file = encode(Version::Go15, &records);
    let read = Cell::new(0);
    let mut stream = Stream::new(Counted(&file, &read)).unwrap();
    while let Some((offset, _)) = stream.next().unwrap() {
        assert!(read.get() as u64 <= offset + (256 << 10) + 200, "{} at {offset}", read.get());
    }
    assert_eq!(read.get(), file.len());
}

#[test]
fn an_error_of_the_source_is_told_with_its_place() {
    let file = objects();
    for end in [0, 10, 5000, 8192, 8193, 50_000] {
        let source = Slow::new(&file[..end], Some(io::ErrorKind::ConnectionReset));
        let error = Stream::with_limit(source, 0).and_then(|mut stream| {
            while stream.next()?.is_some() {}
            Ok(())
        });
        match error.unwrap_err() {
            StreamError::Read { offset, source } => {
                assert_eq!((offset, source.kind()), (end as u64, io::ErrorKind::ConnectionReset));
            }
            error => panic!("{error}"),
        }
    }
}

#[test]
fn a_large_frame_is_refused_for_what_is_wrong_with_it() {
    // tagStackFrame, sp, depth, child sp, 10,000 bytes of contents.
    let head = [&[5, 0x10, 0, 0, 0x90, 0x4e][..], &[0; 10_000]].concat();
    let params_only = encode(Version::Go15, &[]);
    let start = params_only.len() as u64 - 1;
    let error_of = |function: &[u8]| {
        let file = [&params_only[..start as usize], &head, function].concat();
        let mut stream = Stream::with_limit(&file[..], 0).unwrap();
        loop {
            match stream.next() {
                Ok(event) => assert!(event.is_some()),
                Err(StreamError::Dump(error)) => return error,
                Err(error) => panic!("{error}"),
            }
        }
    };
    let after = start + head.len() as u64;
    // entry, pc.
    let wrong = error_of(&[1, 2, 0x80, 0x00, 0, 0]);
    assert_eq!((wrong.offset(), wrong.problem()), (after + 2, &Problem::UvarintNotCanonical));
    assert_eq!(wrong.record(), Some((Kind::StackFrame, start)));
    let cut = error_of(&[1, 2]);
    assert_eq!((cut.offset(), cut.problem()), (after + 2, &Problem::Truncated));
    // entry, pc, continuation pc, and a name that no buffer of this size holds.
    let long = error_of(&[&[1, 2, 3, 0x90, 0x4e][..], &[b'f'; 10_000], &[0]].concat());
    assert_eq!((long.offset(), long.field()), (after, "name"));
    assert_eq!(long.problem(), &Problem::TooLarge { limit: 4096 });
}
