//! A place in the input, and the format's numbers, strings and truth values.

use crate::{Error, Problem, Result, Version};

/// Reads forwards through a window of the input.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    window: &'a [u8],
    at: usize,
    /// How many of the bytes before `at` were passed unseen: contents and strings.
    unseen: usize,
    /// Offset of the window in the input.
    base: u64,
    /// Decides between the two forms that an architecture has.
    pub version: Version,
}

impl<'a> Cursor<'a> {
    #[inline(always)]
    pub fn new(window: &'a [u8], base: u64, version: Version) -> Self {
        Self { window, at: 0, unseen: 0, base, version }
    }

    /// Offset in the input.
    #[inline(always)]
    pub fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// Bytes read so far.
    #[inline(always)]
    pub fn consumed(&self) -> usize {
        self.at
    }

    /// Bytes that had to be looked at: those read so far, without contents and strings.
    pub fn looked_at(&self) -> usize {
        self.at - self.unseen
    }

    /// What is left of the window.
    #[inline(always)]
    pub fn rest(&self) -> &'a [u8] {
        &self.window[self.at..]
    }

    #[inline(always)]
    pub fn is_at_end(&self) -> bool {
        self.at == self.window.len()
    }

    #[inline(always)]
    pub fn skip(&mut self, count: usize) {
        debug_assert!(count <= self.rest().len());
        self.at += count;
    }

    /// The bytes from the position `from` of [`consumed`](Self::consumed) to here.
    #[inline(always)]
    pub fn since(&self, from: usize) -> &'a [u8] {
        &self.window[from..self.at]
    }

    /// The error that the window ends too early.
    pub fn truncated(&self, field: &'static str) -> Error {
        Error::new(self.base + self.window.len() as u64, field, Problem::Truncated)
    }

    /// A number, as `encoding/binary` writes it and `dumpint` does.
    #[inline(always)]
    pub fn uvarint(&mut self, field: &'static str) -> Result<u64> {
        let rest = self.rest();
        if let Some(&byte) = rest.first()
            && byte < 0x80
        {
            self.at += 1;
            return Ok(byte.into());
        }
        // Numbers of two to eight bytes, without a loop: addresses take six.
        if let Some(&bytes) = rest.first_chunk() {
            let word = u64::from_le_bytes(bytes);
            let stops = !word & 0x8080_8080_8080_8080;
            if stops != 0 {
                let last = stops.trailing_zeros() / 8;
                let value = gather(word & (stops ^ (stops - 1)));
                if value >> (7 * last) != 0 {
                    self.at += last as usize + 1;
                    return Ok(value);
                }
            }
        }
        self.uvarint_by_byte(field)
    }

    /// The long, the wrong, and those close to the end of the window: of more than one byte.
    #[cold]
    fn uvarint_by_byte(&mut self, field: &'static str) -> Result<u64> {
        let start = self.offset();
        let mut value = 0;
        for (i, &byte) in self.rest().iter().enumerate() {
            if i == 9 && byte > 1 {
                return Err(Error::new(start, field, Problem::UvarintOverflow));
            }
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                if byte == 0 {
                    return Err(Error::new(start, field, Problem::UvarintNotCanonical));
                }
                self.at += i + 1;
                return Ok(value);
            }
        }
        Err(self.truncated(field))
    }

    /// A truth value, as `dumpbool` writes it.
    pub fn bool(&mut self, field: &'static str) -> Result<bool> {
        let start = self.offset();
        match self.uvarint(field)? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(Error::new(start, field, Problem::NotABool(value))),
        }
    }

    /// A length and as many bytes, as `dumpmemrange` writes them.
    #[inline(always)]
    pub fn bytes(&mut self, field: &'static str) -> Result<&'a [u8]> {
        let at = self.offset();
        let length = self.uvarint(field)?;
        let rest = self.rest();
        match usize::try_from(length).ok().and_then(|length| rest.get(..length)) {
            Some(bytes) => {
                self.at += bytes.len();
                self.unseen += bytes.len();
                Ok(bytes)
            }
            None => Err(beyond_input(field, at, length, self.offset(), rest.len() as u64)),
        }
    }
}

/// The error that `length` bytes are wanted at offset `start` where only `left` are.
#[cold]
pub(crate) fn beyond_input(field: &'static str, at: u64, length: u64, start: u64, left: u64) -> Error {
    Error::new(start + left, field, Problem::LengthBeyondInput { at, length, left })
}

/// Closes the gaps that the continuation bits leave between the seven payload bits of eight bytes.
#[inline(always)]
fn gather(word: u64) -> u64 {
    let sevens = word & 0x7f7f_7f7f_7f7f_7f7f;
    let fourteens = (sevens & 0x007f_007f_007f_007f) | ((sevens & 0x7f00_7f00_7f00_7f00) >> 1);
    let halves = (fourteens & 0x0000_3fff_0000_3fff) | ((fourteens & 0x3fff_0000_3fff_0000) >> 2);
    (halves & 0x0fff_ffff) | ((halves & 0x0fff_ffff_0000_0000) >> 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<(u64, usize)> {
        let mut cursor = Cursor::new(bytes, 0, Version::Go15);
        cursor.uvarint("n").map(|value| (value, cursor.consumed()))
    }

    #[test]
    fn numbers_of_every_length_are_read_with_and_without_bytes_behind_them() {
        for bits in 0..64 {
            for value in [(1u64 << bits) - 1, 1 << bits, (1 << bits) | 0x55, u64::MAX >> bits] {
                let mut bytes = Vec::new();
                crate::wire::put_uvarint(value, &mut bytes).unwrap();
                let length = bytes.len();
                for filler in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                    assert_eq!(read(&bytes), Ok((value, length)), "{value:#x}");
                    bytes.resize(length + 10, filler);
                    assert_eq!(read(&bytes), Ok((value, length)), "{value:#x} then {filler:#x}");
                    bytes.truncate(length);
                }
                for cut in 0..length {
                    let error = read(&bytes[..cut]).unwrap_err();
                    assert_eq!((error.offset(), error.problem()), (cut as u64, &Problem::Truncated));
                }
            }
        }
    }

    #[test]
    fn seven_bits_are_gathered_from_each_byte() {
        for word in [0, u64::MAX, 0x0102_0408_1020_4080, 0x8182_8488_90a0_c0ff, 0x7f6e_5d4c_3b2a_1908] {
            let sevens = word.to_le_bytes().map(|byte| u64::from(byte & 0x7f));
            let expected = sevens.iter().rfold(0, |value, seven| value << 7 | seven);
            assert_eq!(gather(word), expected, "{word:#x}");
        }
    }

    /// What salvaging pays for.
    #[test]
    fn contents_are_not_looked_at() {
        let mut cursor = Cursor::new(&[3, 7, 7, 7, 2, 8, 8, 0x81, 1], 100, Version::Go15);
        assert_eq!((cursor.bytes("contents"), cursor.looked_at()), (Ok(&[7; 3][..]), 1));
        assert_eq!((cursor.bytes("contents"), cursor.looked_at()), (Ok(&[8; 2][..]), 2));
        assert_eq!((cursor.uvarint("size"), cursor.looked_at()), (Ok(129), 4));
        assert_eq!((cursor.consumed(), cursor.offset()), (9, 109));
    }

    #[test]
    fn numbers_that_no_runtime_writes_are_refused() {
        for length in 2..=10 {
            let mut bytes = vec![0x80; length];
            bytes[length - 1] = 0;
            for padding in [0, 10] {
                bytes.resize(length + padding, 0x81);
                assert_eq!(read(&bytes).unwrap_err().problem(), &Problem::UvarintNotCanonical, "{bytes:?}");
            }
        }
        for last in [0x02, 0x7f, 0x80, 0x81] {
            let mut bytes = [0xff; 12];
            bytes[9] = last;
            assert_eq!(read(&bytes).unwrap_err().problem(), &Problem::UvarintOverflow, "{last:#x}");
        }
    }
}
