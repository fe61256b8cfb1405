//! Unsigned integers as `encoding/binary.Uvarint` reads them: seven bits a byte, the low ones first.

/// The most bytes that a 64-bit integer takes.
pub(crate) const MAX_LEN: usize = 10;

/// The bit that says "more follows", in each byte of a word.
const MORE: u64 = 0x8080_8080_8080_8080;

/// Integers from here on take more than the 8 bytes that a register has.
const LONG: u64 = 1 << 56;

/// Writes `v` to the front of `buf` and gives the number of bytes that it took; those after them are scratch.
///
/// Nothing here depends on the length but the length: neither a loop nor a branch for the short ones. In a dump
/// lengths change from number to number, and each change would be mispredicted, which takes longer than all of this.
#[inline(always)]
pub(crate) fn put_uvarint(buf: &mut [u8; MAX_LEN], v: u64) -> usize {
    if v < LONG {
        let width = Width::of_one(v);
        buf[..8].copy_from_slice(&width.encode(v).to_le_bytes());
        width.len
    } else {
        // The ninth byte's top bit is bit 63, which is also what decides whether there is a tenth.
        let high = (v >> 56) as u8;
        buf[..8].copy_from_slice(&(spread(v & (LONG - 1)) | MORE).to_le_bytes());
        buf[8..].copy_from_slice(&[high, 1]);
        9 + usize::from(high >> 7)
    }
}

/// Writes `values` to the front of `room`, which has [`MAX_LEN`] bytes for each, and gives the number of bytes
/// that they took.
#[inline(always)]
pub(crate) fn put_uvarints(room: &mut [u8], values: &[u64]) -> usize {
    // For a few, a call costs more than it saves.
    #[cfg(target_arch = "x86_64")]
    if values.len() >= 8
        && let Some(n) = super::bmi2::put_uvarints(room, values)
    {
        return n;
    }
    let mut at = 0;
    for &v in values {
        let next = room[at..].first_chunk_mut().expect("there is room for all");
        at += put_uvarint(next, v);
    }
    at
}

/// What integers have in common that take the same number of bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Width {
    /// So many bytes, 8 at most.
    pub len: usize,
    /// The bits that say "more follows", in all bytes but the last.
    more: u64,
}

/// For the position of an integer's highest bit its width, if that is 8 bytes at most; the others are never used, and
/// spare a check.
static WIDTHS: [Width; 64] = {
    let mut widths = [Width { len: 0, more: 0 }; 64];
    let mut bit = 0;
    while bit < 56 {
        let len = bit / 7 + 1;
        widths[bit] = Width { len, more: MORE & ((1 << (8 * (len - 1))) - 1) };
        bit += 1;
    }
    widths
};

impl Width {
    /// That of an integer below [`LONG`].
    #[inline(always)]
    fn of_one(v: u64) -> Width {
        WIDTHS[(v | 1).ilog2() as usize]
    }

    /// That of all integers from `low` to `high`, if there is one.
    #[inline(always)]
    pub(crate) fn of(low: u64, high: u64) -> Option<Width> {
        let width = Width::of_one(low);
        (high < LONG && width.len == Width::of_one(high).len).then_some(width)
    }

    /// Encodes one of them. Its first byte is the lowest.
    #[inline(always)]
    pub(crate) fn encode(self, v: u64) -> u64 {
        spread(v) | self.more
    }
}

/// Moves the 56 bits of `v` apart: seven to a byte. The upper half of each part moves away from the lower: of
/// eight bytes, of four, of two. What moves by N is there already, and is to be there 2^N times instead: so many times
/// less one are added.
#[inline(always)]
pub(super) fn spread(v: u64) -> u64 {
    let v = v + (v & 0x00ff_ffff_f000_0000) * 15;
    let v = v + (v & 0x0fff_c000_0fff_c000) * 3;
    v + (v & 0x3f80_3f80_3f80_3f80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(v: u64) -> Vec<u8> {
        let mut buf = [0; MAX_LEN];
        let n = put_uvarint(&mut buf, v);
        buf[..n].to_vec()
    }

    /// `binary.PutUvarint`, as the reference has it.
    fn reference(mut v: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while v >= 0x80 {
            bytes.push(v as u8 | 0x80);
            v >>= 7;
        }
        bytes.push(v as u8);
        bytes
    }

    #[test]
    fn every_length_is_encoded_as_the_reference_does() {
        for bits in 0..64 {
            for v in [1 << bits, (1 << bits) - 1, 1 << bits | 0x5555_5555, u64::MAX >> bits, 0x7f << bits] {
                assert_eq!(encoded(v), reference(v), "{v:#x}");
            }
        }
    }

    #[test]
    fn lengths_change_at_powers_of_128() {
        for (v, bytes) in [
            (0, &[0x00][..]),
            (0x7f, &[0x7f]),
            (0x80, &[0x80, 0x01]),
            (0x3fff, &[0xff, 0x7f]),
            (0x4000, &[0x80, 0x80, 0x01]),
            (0xc8_2000_0000, &[0x80, 0x80, 0x80, 0x80, 0x82, 0x19]),
            (u64::MAX, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        ] {
            assert_eq!(encoded(v), bytes, "{v:#x}");
        }
    }

    #[test]
    fn integers_of_one_width_are_encoded_alike() {
        for (low, high, len) in [
            (0, 0x7f, Some(1)),
            (0x7f, 0x80, None),
            (0x80, 0x3fff, Some(2)),
            (1 << 35, (1 << 42) - 1, Some(6)),
            (1 << 49, (1 << 56) - 1, Some(8)),
            (1 << 56, 1 << 57, None),
        ] {
            let width = Width::of(low, high);
            assert_eq!(width.map(|width| width.len), len, "{low:#x} to {high:#x}");
            for v in [low, high, low + (high - low) / 3] {
                if let Some(width) = width {
                    assert_eq!(width.encode(v).to_le_bytes()[..width.len], encoded(v), "{v:#x}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn every_integer_comes_back(v: u64, shift in 0..64) {
            let v = v >> shift;
            let bytes = encoded(v);
            let back = bytes.iter().rev().fold(0u64, |v, &b| v << 7 | u64::from(b & 0x7f));
            prop_assert_eq!(back, v);
            prop_assert_eq!(&bytes, &reference(v));
            let (last, rest) = bytes.split_last().unwrap();
            prop_assert!(rest.iter().all(|b| b & 0x80 != 0) && last & 0x80 == 0);
        }
    }
}
