//! The guest's structures in guest memory, as a kernel reads and writes them.

use heapmatrix_writer::{Addr, Memory};

use super::errno::Errno;
use crate::memory::{GuestMemory, Prot};

/// The longest string that the kernel takes from a program, in bytes: `PATH_MAX`.
const MAX_STRING: usize = 4096;

/// What can be written or executed can be read, as on the real machines.
const READABLE: fn(Prot) -> bool = |prot| prot != Prot::NONE;
const WRITABLE: fn(Prot) -> bool = |prot| prot.write;

/// How integers lie in this guest's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Bytes in a C `long`: four or eight.
    pub word: u64,
    /// Whether the most significant byte comes first.
    pub big: bool,
}

impl Order {
    /// An integer from its bytes.
    pub fn decode(self, bytes: &[u8]) -> u64 {
        let join = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
        if self.big { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) }
    }

    /// An integer's last `len` bytes.
    pub fn encode(self, value: u64, len: usize) -> ([u8; 8], usize) {
        let mut bytes = [0; 8];
        if self.big {
            bytes[..len].copy_from_slice(&value.to_be_bytes()[8 - len..]);
        } else {
            bytes[..len].copy_from_slice(&value.to_le_bytes()[..len]);
        }
        (bytes, len)
    }

    /// A set of bits from an array of words, the first of which has the lowest bits.
    pub fn decode_set(self, bytes: &[u8]) -> u128 {
        let words = bytes.chunks_exact(self.word as usize).enumerate();
        words.fold(0, |set, (i, word)| set | u128::from(self.decode(word)) << (i * 8 * self.word as usize))
    }

    /// A set of bits as an array of words, in `len` bytes.
    pub fn encode_set(self, set: u128, len: usize) -> Vec<u8> {
        let word = self.word as usize;
        (0..len / word)
            .flat_map(|i| {
                let (bytes, len) = self.encode((set >> (i * 8 * word)) as u64, word);
                bytes.into_iter().take(len)
            })
            .collect()
    }
}

/// Guest memory as the kernel sees it on the program's behalf: what isn't there is `EFAULT`.
pub struct User<'a> {
    memory: &'a mut GuestMemory,
    order: Order,
}

impl<'a> User<'a> {
    /// A view of the memory of a guest.
    pub fn new(memory: &'a mut GuestMemory, order: Order) -> Self {
        User { memory, order }
    }

    /// How integers lie in it.
    pub fn order(&self) -> Order {
        self.order
    }

    /// Fills `buf` from `addr`.
    pub fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), Errno> {
        self.all_of(addr, buf.len() as u64, READABLE)?;
        self.memory.read(Addr(addr), buf).map_err(|_| Errno::Fault)
    }

    /// Puts bytes at `addr`, where the program itself could.
    pub fn write(&mut self, addr: u64, bytes: &[u8]) -> Result<(), Errno> {
        self.all_of(addr, bytes.len() as u64, WRITABLE)?;
        self.memory.write(addr, bytes).map_err(|_| Errno::Fault)
    }

    fn int(&self, addr: u64, len: usize) -> Result<u64, Errno> {
        let mut bytes = [0; 8];
        self.read(addr, &mut bytes[..len])?;
        Ok(self.order.decode(&bytes[..len]))
    }

    /// The 32-bit integer at `addr`.
    pub fn u32(&self, addr: u64) -> Result<u32, Errno> {
        Ok(self.int(addr, 4)? as u32)
    }

    /// The 64-bit integer at `addr`.
    pub fn u64(&self, addr: u64) -> Result<u64, Errno> {
        self.int(addr, 8)
    }

    /// The `long` or pointer at `addr`, zero-extended.
    pub fn word(&self, addr: u64) -> Result<u64, Errno> {
        self.int(addr, self.order.word as usize)
    }

    /// Puts a 32-bit integer at `addr`.
    pub fn put_u32(&mut self, addr: u64, value: u32) -> Result<(), Errno> {
        let (bytes, len) = self.order.encode(value.into(), 4);
        self.write(addr, &bytes[..len])
    }

    /// Puts a 64-bit integer at `addr`.
    pub fn put_u64(&mut self, addr: u64, value: u64) -> Result<(), Errno> {
        let (bytes, len) = self.order.encode(value, 8);
        self.write(addr, &bytes[..len])
    }

    /// The bytes of a C string, without its end.
    pub fn string(&self, addr: u64) -> Result<Vec<u8>, Errno> {
        let mut string = Vec::new();
        for at in 0..MAX_STRING as u64 {
            let mut byte = [0];
            self.read(addr.wrapping_add(at), &mut byte)?;
            if byte[0] == 0 {
                return Ok(string);
            }
            string.push(byte[0]);
        }
        Err(Errno::NameTooLong)
    }

    /// How many of the `len` bytes at `addr` the program could load, from the first on. A range that
    /// begins in a hole is `EFAULT`.
    pub fn readable(&self, addr: u64, len: u64) -> Result<u64, Errno> {
        self.reach(addr, len, READABLE)
    }

    /// How many of the `len` bytes at `addr` the program could store to, from the first on. A range that
    /// begins where it could not is `EFAULT`.
    pub fn writable(&self, addr: u64, len: u64) -> Result<u64, Errno> {
        self.reach(addr, len, WRITABLE)
    }

    fn all_of(&self, addr: u64, len: u64, allows: fn(Prot) -> bool) -> Result<(), Errno> {
        if self.reach(addr, len, allows)? < len { Err(Errno::Fault) } else { Ok(()) }
    }

    fn reach(&self, addr: u64, len: u64, allows: fn(Prot) -> bool) -> Result<u64, Errno> {
        let (mut at, end) = (addr, addr.saturating_add(len));
        while at < end {
            match self.memory.region_at(at).filter(|r| allows(r.prot())) {
                Some(region) => at = region.end(),
                None if at == addr => return Err(Errno::Fault),
                None => break,
            }
        }
        Ok(at.min(end) - addr)
    }

    /// The `len` bytes at `addr`.
    pub fn bytes(&self, addr: u64, len: usize) -> Result<Vec<u8>, Errno> {
        // Looks before it allocates: the length is the guest's.
        self.all_of(addr, len as u64, READABLE)?;
        let mut bytes = vec![0; len];
        self.read(addr, &mut bytes)?;
        Ok(bytes)
    }
}

/// A C structure, written field by field in the guest's order.
pub struct Record {
    bytes: Vec<u8>,
    order: Order,
}

impl Record {
    /// An empty structure.
    pub fn new(order: Order) -> Self {
        Record { bytes: Vec::new(), order }
    }

    fn int(mut self, value: u64, len: usize) -> Self {
        let (bytes, len) = self.order.encode(value, len);
        self.bytes.extend_from_slice(&bytes[..len]);
        self
    }

    /// A 16-bit field.
    pub fn u16(self, value: u16) -> Self {
        self.int(value.into(), 2)
    }

    /// A 32-bit field.
    pub fn u32(self, value: u32) -> Self {
        self.int(value.into(), 4)
    }

    /// A 64-bit field.
    pub fn u64(self, value: u64) -> Self {
        self.int(value, 8)
    }

    /// A `long` or a pointer.
    pub fn word(self, value: u64) -> Self {
        let len = self.order.word as usize;
        self.int(value, len)
    }

    /// Several of them.
    pub fn words(self, values: impl IntoIterator<Item = u64>) -> Self {
        values.into_iter().fold(self, Record::word)
    }

    /// Bytes as they are.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Zeros up to an offset from the beginning.
    pub fn pad_to(mut self, offset: usize) -> Self {
        assert!(self.bytes.len() <= offset, "structure fields overlap");
        self.bytes.resize(offset, 0);
        self
    }

    /// The structure's bytes.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Prot;

    const BIG: Order = Order { word: 8, big: true };
    const SMALL: Order = Order { word: 4, big: false };

    #[test]
    fn fields_lie_in_the_guests_order() {
        let record = |order| Record::new(order).u32(1).word(0x0203).raw(&[4]).pad_to(16).finish();
        assert_eq!(record(BIG), [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 3, 4, 0, 0, 0]);
        assert_eq!(record(SMALL), [1, 0, 0, 0, 3, 2, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn sets_are_arrays_of_words() {
        let narrow = Order { word: 4, big: true };
        let set = 0x0102_0304_0506_0708_u128;
        assert_eq!(SMALL.encode_set(set, 8), [8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(narrow.encode_set(set, 8), [5, 6, 7, 8, 1, 2, 3, 4]);
        assert_eq!(BIG.encode_set(set | 9 << 64, 16), [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 9]);
        for order in [BIG, SMALL, narrow] {
            for (set, len) in [(set, 8), (set << 64 | 5, 16)] {
                assert_eq!(order.decode_set(&order.encode_set(set, len)), set);
            }
        }
    }

    #[test]
    fn what_is_not_there_is_efault() {
        let mut memory = GuestMemory::new();
        memory.map("a", 0x1000, 0x1000, Prot::READ_WRITE).unwrap();
        let mut user = User::new(&mut memory, BIG);
        user.put_u64(0x1ff8, 0x6162_6364_6566_6768).unwrap();
        assert_eq!(user.u32(0x1ffc), Ok(0x6566_6768));
        assert_eq!(user.word(0x1ffc), Err(Errno::Fault));
        assert_eq!(user.put_u32(0x1ffd, 0), Err(Errno::Fault));
        assert_eq!(user.string(0x1ff8), Err(Errno::Fault), "no end before the memory's");
        assert_eq!(
            user.bytes(0x1000, usize::MAX / 2),
            Err(Errno::Fault),
            "no allocation of an absurd length"
        );
        user.put_u32(0x1ffc, 0).unwrap();
        user.memory.map("constants", 0x2000, 0x1000, Prot::READ).unwrap();
        assert_eq!((user.readable(0x1000, 0x3000), user.writable(0x1000, 0x3000)), (Ok(0x2000), Ok(0x1000)));
        assert_eq!(user.put_u32(0x1ffe, 0), Err(Errno::Fault), "it ends in constants");
        user.memory.protect(0x2000, 0x1000, Prot::NONE).unwrap();
        assert_eq!((user.u32(0x2000), user.readable(0x2000, 1)), (Err(Errno::Fault), Err(Errno::Fault)));
        assert_eq!(user.string(0x1ff8).unwrap(), b"abcd");
    }
}
