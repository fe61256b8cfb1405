//! Streams whose source is slow, is interrupted, or fails; and large frames that are wrong after their contents.

mod common;

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
