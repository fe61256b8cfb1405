//! What must hold for any input to the reader. The targets call it with libFuzzer's inputs,
//! the tests of the reader with those of the committed corpora.

use heapmatrix_reader::laws::Finding;
use heapmatrix_reader::{
    Dump, Error, Event, Fields, Head, Index, Kind, Problem, Record, Salvage, Stack, Stream, StreamError,
    Version,
};

use crate::expect::Expect;
use crate::memory;

/// Runs `check`, which may take ten times the input's memory, and this much in any case.
fn within_memory(input: &[u8], check: impl FnOnce(&[u8])) {
    const BUFFERS: usize = 64 << 10;
    let ((), peak) = memory::peak(|| check(input));
    assert!(peak <= 10 * input.len() + BUFFERS, "{} bytes of input took {peak} bytes of memory", input.len());
}

/// Reading in memory and reading a stream give the records, which are the input's bytes, up to the same error.
pub fn reader(input: &[u8]) {
    within_memory(input, |input| {
        let whole = read_slice(input);
        match (read_stream(input), &whole) {
            // A stream may refuse what is large. It does so within the record that the other sees as well.
            (Err(error), _) if matches!(error.problem(), Problem::TooLarge { .. }) => {}
            (pieces, whole) => assert_eq!(&pieces, whole),
        }
    });
}

fn read_slice(input: &[u8]) -> Result<(), Error> {
    let dump = Dump::new(input)?;
    let mut expected = Expect(input);
    expected.bytes(dump.version().header());
    for record in dump.records() {
        let (offset, record) = record?;
        assert_eq!(offset, (input.len() - expected.0.len()) as u64);
        record.write_to(&mut expected).expect("this writer panics rather than fails");
    }
    assert!(expected.0.is_empty(), "{} bytes were not read", expected.0.len());
    Ok(())
}

fn read_stream(input: &[u8]) -> Result<(), Error> {
    let wrong = |error| match error {
        StreamError::Dump(error) => error,
        error => panic!("memory does not fail: {error}"),
    };
    // The smallest buffer, so that little inputs come in pieces.
    let mut stream = Stream::with_limit(input, 0).map_err(wrong)?;
    let mut expected = Expect(input);
    expected.bytes(stream.version().header());
    while let Some((offset, event)) = stream.next().map_err(wrong)? {
        // The end of the list was read with the last fields.
        let after = u64::from(matches!(event, Event::End));
        let at = (input.len() - expected.0.len()) as u64;
        assert!(offset == at || offset == at + after, "{event:?} at {at} says it is at {offset}");
        write_event(&event, &mut expected);
    }
    assert!(expected.0.is_empty(), "{} bytes were not read", expected.0.len());
    Ok(())
}

/// Writes a piece of a record as it stands in a dump.
fn write_event(event: &Event<'_>, out: &mut Expect<'_>) {
    match event {
        Event::Record(record) => record.write_to(out).expect("this writer panics rather than fails"),
        Event::Begin(head) => {
            out.numbers(&[head.kind() as u64]);
            match head {
                Head::Object(extent) | Head::Data(extent) | Head::Bss(extent) => {
                    out.numbers(&[extent.address])
                }
                Head::StackFrame(extent) => out.numbers(&[extent.sp, extent.depth, extent.child_sp]),
            }
            out.numbers(&[head.length()]);
        }
        Event::Contents(bytes) => {
            assert!(!bytes.is_empty());
            out.bytes(bytes);
        }
        Event::Function(function) => {
            out.numbers(&[function.entry, function.pc, function.continuation_pc, function.name.len() as u64]);
            out.bytes(&function.name);
        }
        Event::Fields(fields) => {
            for field in *fields {
                out.numbers(&[field.kind as u64, field.offset]);
            }
        }
        Event::End => out.numbers(&[0]),
    }
}

/// Each record that is read encodes to its bytes, and these, alone in a dump, read as the record.
pub fn roundtrip(input: &[u8]) {
    let Ok(dump) = Dump::new(input) else { return };
    let mut alone = dump.version().header().to_vec();
    Record::Params(*dump.params()).write_to(&mut alone).expect("memory does not fail");
    let first = alone.len();
    for record in dump.records() {
        let Ok((offset, record)) = record else { return };
        alone.truncate(first);
        record.write_to(&mut alone).expect("memory does not fail");
        let encoded = &alone[first..];
        assert_eq!(encoded, &input[offset as usize..][..encoded.len()]);
        let again = Dump::new(&alone).expect("it was read before").records_from(first as u64).next();
        assert_eq!(again, Some(Ok((first as u64, record.clone()))));
        lists_round_trip(&record);
    }
}

/// The lists inside a record can be made from what iterating over them gives.
fn lists_round_trip(record: &Record<'_>) {
    let fields = match record {
        Record::Object(object) => object.fields,
        Record::StackFrame(frame) => frame.fields,
        Record::Data(segment) | Record::Bss(segment) => segment.fields,
        Record::MemProf(bucket) => {
            let encoded = Stack::encode_list(bucket.stack);
            assert_eq!(Stack::from_encoded(&encoded).as_ref(), Ok(&bucket.stack));
            return;
        }
        _ => return,
    };
    let encoded = Fields::encode_list(fields);
    assert_eq!(Fields::from_encoded(&encoded).as_ref(), Ok(&fields));
    assert_eq!(fields.count(), fields.fold(0, |count, _| count + 1));
}

/// What is saved of a dump are parts of it, in its order, which together with what the report says was left out are all
/// of it; and they are a dump.
pub fn salvage(input: &[u8]) {
    within_memory(input, |input| {
        let saved = match heapmatrix_reader::salvage(input) {
            Ok(saved) => saved,
            Err(error) => return assert_eq!(Dump::new(input).err(), Some(error)),
        };
        let mut output = Vec::with_capacity(input.len() + 1);
        saved.write_to(&mut output).expect("memory does not fail");
        let records = count(&output).expect("what was saved can be read");
        assert_eq!(records, saved.records() + u64::from(saved.adds_eof()));
        assert_eq!(saved.is_intact(), output == input);
        assert!(saved.lost_names().count() == 0 || Version::recognise(input) == Ok(Version::Go15));
        if saved.lost_names().count() == 0 && saved.skipped().count() == 0 {
            // Nothing was skipped, so there is nothing that could hide an error.
            assert_eq!(saved.cut(), count(input).err().as_ref());
        }
        assert!(!saved.is_intact() || count(input).is_ok());
        holds_parts(&saved, input, &output);
    });
}

/// Holds what was saved to the input, from which it leaves out what it says.
fn holds_parts(saved: &Salvage<'_>, input: &[u8], output: &[u8]) {
    let mut expected = Expect(output);
    let (mut names, mut holes) = (saved.lost_names().peekable(), saved.skipped().peekable());
    let mut from = 0;
    while names.peek().is_some() || holes.peek().is_some() {
        let hole_starts = holes.peek().map_or(u64::MAX, |hole| hole.range.start);
        if let Some(name) = names.next_if(|name| name.offset < hole_starts) {
            assert!(from <= name.offset && name.offset < name.removed.start, "{name:?}");
            expected.bytes(&input[from as usize..name.offset as usize]);
            expected.numbers(&[Kind::Type as u64, name.address, name.size, 0]);
            from = name.removed.end;
        } else if let Some(hole) = holes.next() {
            assert!(from <= hole.range.start && hole.range.start < hole.range.end, "{hole:?}");
            assert!(hole.before.1 < hole.range.start, "{hole:?}");
            assert!(hole.after.is_none_or(|(_, at)| at == hole.range.end), "{hole:?}");
            expected.bytes(&input[from as usize..hole.range.start as usize]);
            from = hole.range.end;
        }
    }
    expected.bytes(&input[from as usize..input.len() - saved.dropped() as usize]);
    assert_eq!(expected.0, &[0][..usize::from(saved.adds_eof())]);
}

/// The number of records, or why they end early.
fn count(input: &[u8]) -> Result<u64, Error> {
    Dump::new(input)?.records().try_fold(0, |count, record| record.map(|_| count + 1))
}

/// The laws and the index take whatever can be read, and the index finds what there is.
pub fn laws(input: &[u8]) {
    within_memory(input, |input| {
        let mut violations = 0;
        heapmatrix_reader::laws::examine(input, |finding| {
            let offset = match &finding {
                Finding::Violation(violation) => {
                    violations += 1;
                    violation.offset
                }
                Finding::Known(known) => known.offset,
            };
            assert!(offset <= input.len() as u64, "{finding:?}");
        });
        // An error breaks a law as well.
        assert!(violations > 0 || count(input).is_ok());
    });
    within_memory(input, |input| {
        let index = match Dump::new(input).and_then(Index::new) {
            Ok(index) => index,
            Err(error) => return assert_eq!(count(input).err(), Some(error)),
        };
        for id in 0..index.len() {
            let object = index.object(id);
            let inside = |id: usize, address: u64| {
                let object = index.object(id);
                address.wrapping_sub(object.address) < object.contents.len() as u64
            };
            if let Some(found) = index.find(object.address) {
                assert!(inside(found, object.address), "object {found} is not at {:#x}", object.address);
            }
            for edge in index.edges(id) {
                let target = index.object(edge.target);
                assert!(edge.interior < target.contents.len() as u64, "{edge:?}");
                assert!(edge.offset < object.contents.len() as u64, "{edge:?}");
                let pointer = index.dump().params().word(object.contents, edge.offset);
                assert_eq!(pointer, Some(target.address.wrapping_add(edge.interior)), "{edge:?}");
            }
        }
    });
}
