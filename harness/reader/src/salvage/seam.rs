//! Objects that are torn, although they were read in step.
//!
//! Where bytes are missing, an object takes those that follow for its contents. It may come to its end in the middle of
//! another record's list of fields, and what follows is in step again. What tells is inside: the head of a record that
//! belongs between the object and the next one, or the beginning of the list of fields.

use std::ops::Range;

use crate::cursor::Cursor;
use crate::{Dump, Fields, Kind, Object, Record};

/// How far from an object the next ones are at most that it may have taken for its contents, in bytes.
const NEAR: u64 = 1 << 16;
/// How many fields in a row are no accident.
const FIELDS: usize = 4;

/// Whether an object that `next` follows has taken others for its contents.
pub(super) fn is_torn(dump: &Dump<'_>, object: &Object<'_>, next: &Record<'_>) -> bool {
    let end = object.address.saturating_add(object.contents.len() as u64);
    let Record::Object(next) = next else { return false };
    // Nothing is missing between neighbours.
    next.address != end
        && holds_object(
            dump,
            object.contents,
            [end..end.saturating_add(NEAR), next.address.saturating_sub(NEAR)..next.address],
        )
}

/// Whether contents hold the head of an object that lies in one of these places.
fn holds_object(dump: &Dump<'_>, contents: &[u8], places: [Range<u64>; 2]) -> bool {
    let params = dump.params();
    let pointer_size = params.pointer_size.bytes();
    let heap = params.heap_start..params.heap_end;
    contents.iter().enumerate().filter(|&(_, &byte)| byte == Kind::Object as u8).any(|(at, _)| {
        let mut head = Cursor::new(&contents[at + 1..], 0, dump.version());
        // Small addresses are any bytes.
        let Ok(address) = head.uvarint("address") else { return false };
        let Ok(length) = head.uvarint("length") else { return false };
        head.consumed() >= 5
            && places.iter().any(|place| place.contains(&address))
            && heap.contains(&address)
            && length > 0
            && length <= heap.end - address
            && address.is_multiple_of(pointer_size)
            && length.is_multiple_of(pointer_size)
    })
}

/// Whether contents end in the beginning of a list of fields.
pub(super) fn ends_in_fields(contents: &[u8], mut fields: Fields<'_>, pointer_size: u64) -> bool {
    let limit = fields.next().map_or(u64::MAX, |field| field.offset);
    // As many fields have up to four bytes each, but for enormous objects.
    let tail = &contents[contents.len().saturating_sub(4 * FIELDS)..];
    (0..tail.len()).filter(|&at| tail[at] == 1).any(|at| {
        let Ok(pairs) = Fields::from_encoded(&tail[at..]) else { return false };
        let mut next = 0;
        let ascending = pairs.into_iter().all(|field| {
            let fits = field.offset >= next && field.offset.is_multiple_of(pointer_size);
            next = field.offset.saturating_add(1);
            fits && field.offset < limit
        });
        ascending && pairs.count() >= FIELDS
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arch, Field, Params, PointerSize, Version};

    /// A dump of a machine with this heap.
    fn dump_of(heap: Range<u64>) -> Vec<u8> {
        let params = Params {
            big_endian: false,
            pointer_size: PointerSize::Eight,
            heap_start: heap.start,
            heap_end: heap.end,
            arch: Arch::Name("amd64".into()),
            experiment: "".into(),
            cpus: 1,
        };
        let mut file = Version::Go17.header().to_vec();
        Record::Params(params).write_to(&mut file).unwrap();
        file.push(0);
        file
    }

    fn object(address: u64, contents: &[u8]) -> Object<'_> {
        Object { address, contents, fields: Fields::default() }
    }

    /// Contents with the head of an object among zeros.
    fn with_head(address: u64, length: u64) -> Vec<u8> {
        let mut contents = vec![0; 24];
        contents.push(Kind::Object as u8);
        for mut number in [address, length] {
            while number >= 0x80 {
                contents.push(number as u8 | 0x80);
                number >>= 7;
            }
            contents.push(number as u8);
        }
        contents.resize(64, 0);
        contents
    }

    #[test]
    fn an_object_that_holds_the_next_ones_head_is_torn() {
        const START: u64 = 0x4000_0000;
        const END: u64 = START + (1 << 20);
        const NEXT: u64 = START + (1 << 19);
        let file = dump_of(START..END);
        let dump = Dump::new(&file).unwrap();
        let torn = |address, length| {
            let contents = with_head(address, length);
            is_torn(&dump, &object(START, &contents), &Record::Object(object(NEXT, &[0; 8])))
        };
        let end = START + 64;
        // In one of the two places, the last that has room included.
        for address in [end, end + NEAR - 8, NEXT - NEAR, NEXT - 8] {
            assert!(torn(address, 16) && torn(address, END - address), "{address:#x}");
            assert!(!torn(address, END - address + 8), "{address:#x}: it has no room");
            assert!(!torn(address, 0) && !torn(address, 12) && !torn(address + 4, 16), "{address:#x}");
        }
        for address in [start_of(&dump) - 8, START, end - 8, end + NEAR, NEXT - NEAR - 8, NEXT] {
            assert!(!torn(address, 16), "{address:#x}");
        }
        // Nothing is missing before a neighbour, or before what is no object.
        let contents = with_head(end, 16);
        let torn_before = |next| is_torn(&dump, &object(START, &contents), &next);
        assert!(torn_before(Record::Object(object(end + 8, &[0; 8]))));
        assert!(!torn_before(Record::Object(object(end, &[0; 8]))));
        assert!(!torn_before(Record::Eof));
        // A place that is near, but not in the heap.
        let low = object(START - 128, &contents);
        let contents = with_head(START - 64, 16);
        let low = Object { contents: &contents, ..low };
        assert!(!is_torn(&dump, &low, &Record::Object(object(NEXT, &[0; 8]))));
    }

    fn start_of(dump: &Dump<'_>) -> u64 {
        dump.params().heap_start
    }

    /// An address and a length of five bytes together are no accident.
    #[test]
    fn short_heads_are_any_bytes() {
        let file = dump_of(0x1_0000..0x2_0000);
        let dump = Dump::new(&file).unwrap();
        let torn = |length| {
            let contents = with_head(0x1_1000, length);
            is_torn(&dump, &object(0x1_0000, &contents), &Record::Object(object(0x1_8000, &[0; 8])))
        };
        assert!(!torn(120) && torn(128));
    }

    #[test]
    fn four_fields_in_a_row_are_a_list() {
        let ends = |tail: &[u8], first: Option<u64>| {
            let contents = [&[0; 40], tail].concat();
            let list = Fields::encode_list(first.map(Field::pointer));
            ends_in_fields(&contents, Fields::from_encoded(&list).unwrap(), 8)
        };
        assert!(ends(&[1, 0, 1, 8, 1, 16, 1, 24], None));
        assert!(ends(&[1, 8, 1, 16, 1, 24, 1, 48], Some(56)));
        // Up to four bytes each.
        assert!(ends(&[1, 0x80, 0x80, 2, 1, 0x88, 0x80, 2, 1, 0x90, 0x80, 2, 1, 0x98, 0x80, 2], None));
        // Three of them, descending or again, not of pointers, and with the list's own first field among them.
        assert!(!ends(&[1, 8, 1, 16, 1, 24], None));
        assert!(!ends(&[1, 24, 1, 16, 1, 8, 1, 0], None));
        assert!(!ends(&[1, 8, 1, 8, 1, 16, 1, 24], None));
        assert!(!ends(&[1, 4, 1, 12, 1, 20, 1, 28], None));
        assert!(!ends(&[1, 8, 1, 16, 1, 24, 1, 48], Some(48)));
        assert!(!ends(&[1, 8, 1, 16, 1, 24, 1, 48], Some(16)));
    }
}
