//! Unsigned integers as `encoding/binary.Uvarint` reads them: seven bits a byte, the low ones first.

/// The most bytes that a 64-bit integer takes.
pub(crate) const MAX_LEN: usize = 10;

/// The bit that says "more follows", in each byte of a word.
const MORE: u64 = 0x8080_8080_8080_8080;

/// Writes `v` to the front of `buf` and gives the number of bytes that it took; those after them are scratch.
///
/// Without a loop, because lengths change from number to number and a loop's end is then mispredicted:
/// eight bytes are made at once in a register, whatever the length.
#[inline(always)]
pub(crate) fn put_uvarint(buf: &mut [u8; MAX_LEN], v: u64) -> usize {
    if v < 0x80 {
        buf[0] = v as u8;
        return 1;
    }
    let low = spread(v);
    if v < 1 << 56 {
        let n = len(v);
        buf[..8].copy_from_slice(&(low | more(n)).to_le_bytes());
        n
    } else {
        // The ninth byte's top bit is bit 63, which is also what decides whether there is a tenth.
        let high = (v >> 56) as u8;
        buf[..8].copy_from_slice(&(low | MORE).to_le_bytes());
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

/// The bytes that `v` takes: its bits by seven, rounded up; 9/64 is close enough to 1/7 for up to 64 bits.
#[inline(always)]
fn len(v: u64) -> usize {
    let bits = 64 - (v | 1).leading_zeros() as usize;
    (9 * bits + 64) / 64
}

/// The bits that say "more follows" in all but the last of `n` bytes, at least 1 and at most 8.
#[inline(always)]
fn more(n: usize) -> u64 {
    (MORE >> 8) >> (64 - 8 * n)
}

/// What integers have in common that take the same number of bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Width {
    /// So many bytes, 8 at most.
    pub len: usize,
    more: u64,
}

impl Width {
    /// That of all integers from `low` to `high`, if there is one.
    #[inline(always)]
    pub(crate) fn of(low: u64, high: u64) -> Option<Width> {
        let len = len(low);
        (len == self::len(high) && len <= 8).then(|| Width { len, more: more(len) })
    }

    /// Encodes one of them. Its first byte is the lowest.
    #[inline(always)]
    pub(crate) fn encode(self, v: u64) -> u64 {
        spread(v) | self.more
    }
}

/// Moves the low 56 bits of `v` apart: seven to a byte. Halves first, then quarters, then eighths.
#[inline(always)]
fn spread(v: u64) -> u64 {
    let v = v & 0x0000_0000_0fff_ffff | (v & 0x00ff_ffff_f000_0000) << 4;
    let v = v & 0x0000_3fff_0000_3fff | (v & 0x0fff_c000_0fff_c000) << 2;
    v & 0x007f_007f_007f_007f | (v & 0x3f80_3f80_3f80_3f80) << 1
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
