//! Encoding in place: free space of the sink's buffer that is known to suffice.

use super::cpu::Cpu;
use super::tags::FIELD_KIND_PTR;
use super::uvarint::{MAX_LEN, Width, put_uvarint};

/// The most bytes of a pointer field: the kind takes one.
pub(crate) const MAX_FIELD: usize = 1 + MAX_LEN;

/// How many bytes are copied at once.
const BLOCK: usize = 32;

/// Free space, and how much of it is used.
///
/// Who makes one has checked that all that is put into it fits; that it does is checked again, as always in
/// Rust, but no longer decides anything. What comes after the used part is scratch: everything is written in
/// a few large steps, which may go beyond its end.
pub(crate) struct Room<'b> {
    free: &'b mut [u8],
    used: usize,
}

impl<'b> Room<'b> {
    #[inline(always)]
    pub(crate) fn new(free: &'b mut [u8]) -> Self {
        Room { free, used: 0 }
    }

    /// How many bytes have been put.
    #[inline(always)]
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// An integer.
    #[inline(always)]
    pub(crate) fn int(&mut self, v: u64) {
        self.used += put_uvarint(self.next(), v);
    }

    /// A byte, and after it an integer of this width. The two are put as one word: the width must be less than 8 bytes.
    #[inline(always)]
    pub(crate) fn prefixed(&mut self, byte: u8, v: u64, width: Width) {
        debug_assert!(width.len < 8);
        *self.next() = (width.encode(v) << 8 | u64::from(byte)).to_le_bytes();
        self.used += 1 + width.len;
    }

    /// The head of a record, with the integer that changes.
    #[inline(always)]
    pub(crate) fn head(&mut self, head: &Head, cpu: impl Cpu, v: u64) {
        let next: &mut [u8; 16] = self.next();
        next[..8].copy_from_slice(&(head.first | cpu.spread(v) << 8).to_le_bytes());
        next[8..].copy_from_slice(&head.second);
        self.used += head.len;
    }

    /// How many bytes are left.
    #[inline(always)]
    pub(crate) fn left(&self) -> usize {
        self.free.len() - self.used
    }

    /// A field for each bit of `words` that is set: `fieldKindPtr`, and the offset of the word in bytes. The
    /// lowest bit stands for `offset`, each further one for `step` bytes more, the size of a pointer.
    #[inline(always)]
    pub(crate) fn pointers(&mut self, mut words: u64, mut offset: u64, step: u64) {
        // Offsets of one byte: eight words at a time, whose fields have been encoded once and for all.
        let Some(fields) = Fields::of(step) else { return self.each_pointer(words, offset, step) };
        while offset + 7 * step < 0x80 {
            let [low, high] = fields.bytes[usize::from(words as u8)];
            let from = offset * 0x0100_0100_0100_0100;
            let [first, second] =
                [low.wrapping_add(from).to_le_bytes(), high.wrapping_add(from).to_le_bytes()];
            let next: &mut [u8; 16] = self.next();
            next[..8].copy_from_slice(&first);
            next[8..].copy_from_slice(&second);
            self.used += usize::from(fields.lens[usize::from(words as u8)]);
            words >>= 8;
            if words == 0 {
                return;
            }
            offset += 8 * step;
        }
        // Offsets of two bytes, likewise, if those of eight words have the same second byte.
        while (0x80..0x4000).contains(&offset) && offset.is_multiple_of(8 * step) {
            let (low, high) = (offset & 0x7f, offset >> 7);
            let [near, middle, far] = [0x0001_0000_0100_0001, 0x0100_0001_0000_0100, 0x0000_0100_0001_0000];
            let from = [low * middle + high * far, high * near + low * far, low * near + high * middle];
            let next: &mut [u8; 24] = self.next();
            for ((to, field), from) in
                next.chunks_exact_mut(8).zip(fields.wide[usize::from(words as u8)]).zip(from)
            {
                to.copy_from_slice(&field.wrapping_add(from).to_le_bytes());
            }
            self.used += 3 * usize::from(fields.lens[usize::from(words as u8)]) / 2;
            words >>= 8;
            if words == 0 {
                return;
            }
            offset += 8 * step;
        }
        self.each_pointer(words, offset, step);
    }

    #[inline(always)]
    fn each_pointer(&mut self, mut words: u64, offset: u64, step: u64) {
        let width = Width::of(offset, offset + 63 * step).filter(|width| width.len < 8);
        while words != 0 {
            let field = offset + u64::from(words.trailing_zeros()) * step;
            match width {
                Some(width) => self.prefixed(FIELD_KIND_PTR as u8, field, width),
                None => {
                    self.int(FIELD_KIND_PTR);
                    self.int(field);
                }
            }
            words &= words - 1;
        }
    }

    /// The `len` bytes that `from` begins with. What comes after them may be copied, too.
    #[inline(always)]
    pub(crate) fn bytes(&mut self, from: &[u8], len: usize) {
        let whole = len.next_multiple_of(BLOCK);
        let to = &mut self.free[self.used..];
        if len <= 8 * BLOCK && from.len() >= whole && to.len() >= whole {
            for (to, from) in to.chunks_exact_mut(BLOCK).zip(from[..whole].chunks_exact(BLOCK)) {
                to.copy_from_slice(from);
            }
        } else {
            to[..len].copy_from_slice(&from[..len]);
        }
        self.used += len;
    }

    #[inline(always)]
    fn next<const N: usize>(&mut self) -> &mut [u8; N] {
        self.free[self.used..].first_chunk_mut().expect("whoever made the room has checked that this fits")
    }
}

/// What many records begin with: a byte, an integer that changes, and one that does not.
pub(crate) struct Head {
    /// The first eight bytes, without the bits of the integer that changes.
    first: u64,
    second: [u8; 8],
    len: usize,
}

impl Head {
    /// A head whose first integer is of this width. Nothing if that takes more than 7 bytes, or the second one more than 8.
    pub(crate) fn new(byte: u8, v: Width, w: u64) -> Option<Self> {
        let width = Width::of(w, w)?;
        let before = 1 + v.len;
        if before > 8 {
            return None;
        }
        let first = u128::from(v.encode(0) << 8 | u64::from(byte));
        let bytes = (first | u128::from(width.encode(w)) << (8 * before)).to_le_bytes();
        let (first, second) = bytes.split_at(8);
        Some(Head {
            first: u64::from_le_bytes(first.try_into().expect("8 bytes")),
            second: second.try_into().expect("8 bytes"),
            len: before + width.len,
        })
    }
}

/// For each set of eight words the fields of those that are in it, at offsets from 0 on.
struct Fields {
    /// Where an offset takes one byte.
    bytes: [[u64; 2]; 256],
    /// Where it takes two.
    wide: [[u64; 3]; 256],
    /// How many bytes those of the first kind take.
    lens: [u8; 256],
}

static FIELDS_4: Fields = Fields::new(4);
static FIELDS_8: Fields = Fields::new(8);

impl Fields {
    /// Those of words of so many bytes.
    #[inline(always)]
    fn of(step: u64) -> Option<&'static Fields> {
        match step {
            4 => Some(&FIELDS_4),
            8 => Some(&FIELDS_8),
            _ => None,
        }
    }

    const fn new(step: u64) -> Fields {
        let mut fields = Fields { bytes: [[0; 2]; 256], wide: [[0; 3]; 256], lens: [0; 256] };
        let mut words = 0;
        while words < 256 {
            let (mut word, mut n) = (0, 0);
            while word < 8 {
                if words >> word & 1 == 1 {
                    let field = FIELD_KIND_PTR | (word * step) << 8;
                    fields.bytes[words][n / 4] |= field << (16 * (n % 4));
                    let mut byte = 0;
                    while byte < 3 {
                        let at = 3 * n + byte;
                        let value = (field | 0x8000) >> (8 * byte) & 0xff;
                        fields.wide[words][at / 8] |= value << (8 * (at % 8));
                        byte += 1;
                    }
                    n += 1;
                }
                word += 1;
            }
            fields.lens[words] = 2 * n as u8;
            words += 1;
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::cpu::Any;
    use proptest::prelude::*;

    /// Fields as the reference writes them: integer by integer.
    fn one_by_one(words: u64, offset: u64, step: u64) -> Vec<u8> {
        let mut bytes = vec![0; 64 * MAX_FIELD];
        let mut room = Room::new(&mut bytes);
        for i in (0..64).filter(|i| words >> i & 1 == 1) {
            room.int(FIELD_KIND_PTR);
            room.int(offset + i * step);
        }
        let used = room.used();
        bytes.truncate(used);
        bytes
    }

    #[test]
    fn fields_are_right_wherever_the_lengths_of_offsets_change() {
        let around = |bits: u32| (1u64 << bits).saturating_sub(520)..(1 << bits) + 8;
        for offset in [7, 14, 21, 49, 56].into_iter().flat_map(around) {
            for (words, step) in [(u64::MAX, 4), (u64::MAX, 8), (1 << 63 | 0x81, 8)] {
                let mut bytes = vec![0; 64 * MAX_FIELD];
                let mut room = Room::new(&mut bytes);
                room.pointers(words, offset, step);
                let used = room.used();
                assert!(bytes[..used] == one_by_one(words, offset, step), "{words:#x} {offset:#x} {step}");
            }
        }
    }

    proptest! {
        #[test]
        fn fields_are_those_of_the_words(
            words: u64, fewer: u64, sparse: bool, offset in 0u64..1 << 24, near: bool, step in 3u32..=4
        ) {
            let words = if sparse { words & fewer & fewer.rotate_left(7) } else { words };
            let step = 1u64 << (step - 1);
            let offset = if near { offset % 0x200 / 8 * 8 } else { offset };
            let mut bytes = vec![0; 64 * MAX_FIELD];
            let mut room = Room::new(&mut bytes);
            room.pointers(words, offset, step);
            let used = room.used();
            prop_assert_eq!(&bytes[..used], one_by_one(words, offset, step));
        }

        #[test]
        fn bytes_are_copied(from in proptest::collection::vec(any::<u8>(), 0..600), len: prop::sample::Index, spare in 0usize..80) {
            let len = len.index(from.len() + 1);
            let mut to = vec![0; MAX_LEN + len + spare];
            let mut room = Room::new(&mut to);
            room.int(0x4000);
            room.bytes(&from, len);
            prop_assert_eq!(room.used(), 3 + len);
            prop_assert_eq!(&to[3..3 + len], &from[..len]);
        }
    }

    #[test]
    fn a_head_is_its_integers() {
        for (low, high) in [(0, 0x7f), (0x80, 0x3fff), (1 << 35, (1 << 42) - 1), (1 << 42, (1 << 49) - 1)] {
            let width = Width::of(low, high).unwrap();
            for w in [0, 0x7f, 0x80, 1 << 20, (1 << 56) - 1] {
                for v in [low, high, low + (high - low) / 3] {
                    let (mut whole, mut parts) = ([0; 4 * MAX_LEN], [0; 4 * MAX_LEN]);
                    let mut room = Room::new(&mut whole);
                    room.head(&Head::new(7, width, w).unwrap(), Any, v);
                    let used = room.used();
                    let mut room = Room::new(&mut parts);
                    [7, v, w].into_iter().for_each(|v| room.int(v));
                    let same = room.used();
                    assert_eq!(whole[..used], parts[..same], "{v:#x}, {w:#x}");
                }
            }
        }
        let seven = Width::of(1 << 42, 1 << 48).unwrap();
        assert!(Head::new(0, seven, 1 << 56).is_none(), "the second takes 9 bytes");
        let eight = Width::of(1 << 49, 1 << 50).unwrap();
        assert!(Head::new(0, eight, 0).is_none(), "the first takes 8");
    }
}
