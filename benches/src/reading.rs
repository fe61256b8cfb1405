//! What a reader of dumps does at least, in the reader's two ways.

use std::hint::black_box;

use heapmatrix_reader::{Dump, Event, Head, Record, Stream};

/// Every record and every field of every object of a dump in memory; gives the number of objects.
///
/// # Panics
/// If the dump is not sound.
pub fn walk(dump: &[u8]) -> u64 {
    let mut objects = 0;
    for record in Dump::new(dump).expect("sound").records() {
        if let (_, Record::Object(object)) = record.expect("sound") {
            objects += 1;
            black_box(object.fields.fold(0, |sum, field| sum ^ field.offset));
        }
    }
    objects
}

/// The same within a buffer of fixed size. An object that comes in pieces counts too.
///
/// # Panics
/// If the dump is not sound.
pub fn stream(dump: &[u8]) -> u64 {
    let mut stream = Stream::new(dump).expect("sound");
    let mut objects = 0;
    while let Some((_, event)) = stream.next().expect("sound") {
        match event {
            Event::Record(Record::Object(object)) => {
                objects += 1;
                black_box(object.fields.fold(0, |sum, field| sum ^ field.offset));
            }
            Event::Begin(Head::Object(_)) => objects += 1,
            Event::Fields(fields) => {
                black_box(fields.fold(0, |sum, field| sum ^ field.offset));
            }
            _ => {}
        }
    }
    objects
}
