//! The CRC-32 of zlib and PNG, which every language has at hand.

/// A running checksum over values.
#[derive(Clone, Copy)]
pub struct Crc32(u32);

impl Crc32 {
    pub fn new() -> Self {
        Self(!0)
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 ^= u32::from(*byte);
            for _ in 0..8 {
                self.0 = (self.0 >> 1) ^ ((self.0 & 1) * 0xedb8_8320);
            }
        }
    }

    /// A number, as `corpora/README.md` defines it: eight bytes, little endian.
    pub fn number(&mut self, number: impl Into<u64>) {
        self.bytes(&number.into().to_le_bytes());
    }

    pub fn numbers(&mut self, numbers: &[u64]) {
        numbers.iter().for_each(|&number| self.number(number));
    }

    /// A string or contents: the length and the bytes.
    pub fn string(&mut self, string: &[u8]) {
        self.number(string.len() as u64);
        self.bytes(string);
    }

    pub fn value(self) -> u32 {
        !self.0
    }
}

#[test]
fn check_value() {
    let mut crc = Crc32::new();
    crc.bytes(b"123456789");
    assert_eq!(crc.value(), 0xcbf4_3926);
}
