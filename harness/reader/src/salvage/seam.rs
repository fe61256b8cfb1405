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
