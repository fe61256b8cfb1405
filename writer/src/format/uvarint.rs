//! Unsigned integers as `encoding/binary.Uvarint` reads them: seven bits a byte, the low ones first.

use crate::wrong::wrong;

/// The most bytes that a 64-bit integer takes.
pub(crate) const MAX_LEN: usize = 10;

/// Writes `v` to the front of `buf` and gives the number of bytes that it took.
#[inline]
pub(crate) fn put_uvarint(buf: &mut [u8; MAX_LEN], mut v: u64) -> usize {
    let mut n = 0;
    let last = if wrong!(UvarintBoundary) { 0x81 } else { 0x80 };
    while v >= last || wrong!(UvarintPadded) && n == 0 && v >= 0x40 {
        buf[n] = v as u8 | 0x80;
        n += 1;
        v >>= 7;
    }
    buf[n] = v as u8;
    n + 1
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

    proptest! {
        #[test]
        fn every_integer_comes_back(v: u64) {
            let bytes = encoded(v);
            let back = bytes.iter().rev().fold(0u64, |v, &b| v << 7 | u64::from(b & 0x7f));
            prop_assert_eq!(back, v);
            let (last, rest) = bytes.split_last().unwrap();
            prop_assert!(rest.iter().all(|b| b & 0x80 != 0) && last & 0x80 == 0);
        }
    }
}
