//! Target memory as the reference sees it: with its own stores in it.
//!
//! The reference runs inside the process that it dumps, and its variables lie in the memory that
//! it writes out. Its stores are kept beside the target's memory and laid over every load.

use heapmatrix_writer::{Addr, Unreadable};

use super::{Cause, R, Runtime};

/// The page of the kernel, in bytes: a `write` from memory with a hole comes through in pages.
const PHYS_PAGE_SIZE: u64 = 4096;

/// A Go slice, without its capacity: where it is in target memory, and how many elements it has.
#[derive(Clone, Copy, Debug)]
pub(super) struct slice {
    pub(super) array: u64,
    pub(super) len: u64,
}

/// An `unsafe.Pointer` to what the reference dumps: target memory, or a variable on its own stack.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pointer<'p> {
    Target(u64),
    Host(&'p [u8]),
}

/// A Go string, `stringStruct` in string1.go.
#[derive(Clone, Copy, Debug)]
pub(super) struct string<'p> {
    pub(super) str: Pointer<'p>,
    pub(super) len: u64,
}

impl<'p> From<&'p str> for string<'p> {
    fn from(literal: &'p str) -> Self {
        string { str: Pointer::Host(literal.as_bytes()), len: literal.len() as u64 }
    }
}

impl Runtime<'_> {
    /// Conversion to the target's `uintptr`.
    pub(super) fn uintptr(&self, x: u64) -> u64 {
        if self.ptrSize == 4 { u64::from(x as u32) } else { x }
    }

    /// `x + y` in `uintptr`.
    pub(super) fn add(&self, x: u64, y: u64) -> u64 {
        self.uintptr(x.wrapping_add(y))
    }

    /// `x - y` in `uintptr`.
    pub(super) fn sub(&self, x: u64, y: u64) -> u64 {
        self.uintptr(x.wrapping_sub(y))
    }

    /// `x * y` in `uintptr`.
    pub(super) fn mul(&self, x: u64, y: u64) -> u64 {
        self.uintptr(x.wrapping_mul(y))
    }

    /// Conversion of a signed integer to `uintptr`: its sign is extended.
    pub(super) fn signed(&self, x: i32) -> u64 {
        self.uintptr(i64::from(x) as u64)
    }

    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), Unreadable> {
        self.memory.read(Addr(addr), buf)?;
        for (&at, &byte) in self.stores.range(addr..addr.saturating_add(buf.len() as u64)) {
            buf[(at - addr) as usize] = byte;
        }
        Ok(())
    }

    /// `len` bytes at `p`, for a copy: at most a buffer full of them.
    pub(super) fn bytes(&self, p: Pointer<'_>, len: u64, what: &'static str) -> R<Vec<u8>> {
        match p {
            Pointer::Host(bytes) => Ok(bytes[..len as usize].to_vec()),
            Pointer::Target(addr) => {
                let mut bytes = vec![0; len as usize];
                self.read(addr, &mut bytes).map_err(|source| Cause::Fault { what, source })?;
                Ok(bytes)
            }
        }
    }

    /// Appends to `out` as many of the `len` bytes at `addr` as can be read before the first hole.
    pub(super) fn readable(&self, addr: u64, len: u64, out: &mut Vec<u8>) -> Result<(), Unreadable> {
        let mut done = 0;
        while done < len {
            let at = addr.wrapping_add(done);
            let n = (PHYS_PAGE_SIZE - at % PHYS_PAGE_SIZE).min(len - done);
            let old = out.len();
            out.resize(old + n as usize, 0);
            if self.read(at, &mut out[old..]).is_err() {
                let found = (0..n as usize).take_while(|i| {
                    let byte = &mut out[old + i..old + i + 1];
                    self.read(at.wrapping_add(*i as u64), byte).is_ok()
                });
                let found = found.count();
                out.truncate(old + found);
                return Err(Unreadable { addr: Addr(at.wrapping_add(found as u64)), len: n - found as u64 });
            }
            done += n;
        }
        Ok(())
    }

    /// An unsigned integer of `width` bytes.
    fn integer(&self, addr: u64, width: u64, what: &'static str) -> R<u64> {
        let mut bytes = [0; 8];
        let bytes = &mut bytes[..width as usize];
        self.read(addr, bytes).map_err(|source| Cause::Fault { what, source })?;
        let shift = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        Ok(if self.target.big_endian() {
            bytes.iter().fold(0, shift)
        } else {
            bytes.iter().rev().fold(0, shift)
        })
    }

    /// The field `path` of the structure at `p`: `gp.sched.sp` is `load(gp, "g.sched.sp")`.
    pub(super) fn load(&self, p: u64, path: &'static str) -> R<u64> {
        let field = self.layout.field(path);
        self.integer(self.add(p, field.offset), field.width, path)
    }

    /// A field of type `int32`.
    pub(super) fn load_int32(&self, p: u64, path: &'static str) -> R<i32> {
        Ok(self.load(p, path)? as u32 as i32)
    }

    /// The address of a field: `&p.x`.
    pub(super) fn field(&self, p: u64, path: &'static str) -> u64 {
        self.add(p, self.layout.field(path).offset)
    }

    /// A slice at an address.
    pub(super) fn load_slice(&self, p: u64, what: &'static str) -> R<slice> {
        let [array, len] = [self.field(p, "slice.array"), self.field(p, "slice.len")];
        Ok(slice { array: self.load_uintptr(array, what)?, len: self.load_uintptr(len, what)? })
    }

    /// A string at an address.
    pub(super) fn load_string(&self, p: u64, what: &'static str) -> R<string<'static>> {
        let [str, len] = [self.field(p, "stringStruct.str"), self.field(p, "stringStruct.len")];
        let str = Pointer::Target(self.load_uintptr(str, what)?);
        Ok(string { str, len: self.load_uintptr(len, what)? })
    }

    /// `*(*uintptr)(addr)`.
    pub(super) fn load_uintptr(&self, addr: u64, what: &'static str) -> R<u64> {
        self.integer(addr, self.ptrSize, what)
    }

    /// `uintptr(*(*uintreg)(addr))`.
    pub(super) fn load_uintreg(&self, addr: u64, what: &'static str) -> R<u64> {
        Ok(self.uintptr(self.integer(addr, self.target.reg_size(), what)?))
    }

    /// `*(*uint32)(addr)`.
    pub(super) fn load_uint32(&self, addr: u64, what: &'static str) -> R<u32> {
        Ok(self.integer(addr, 4, what)? as u32)
    }

    /// `*(*byte)(addr)`.
    pub(super) fn load_byte(&self, addr: u64, what: &'static str) -> R<u8> {
        Ok(self.integer(addr, 1, what)? as u8)
    }

    /// `*(*uint64)(addr)`.
    pub(super) fn load_uint64(&self, addr: u64, what: &'static str) -> R<u64> {
        self.integer(addr, 8, what)
    }

    /// A store of the reference to a variable of its own; nowhere, if the image doesn't say where
    /// that variable is.
    pub(super) fn store(&mut self, variable: Addr, offset: u64, bytes: &[u8]) {
        if variable.is_nil() {
            return;
        }
        for (i, &byte) in bytes.iter().enumerate() {
            let at = self.add(variable.0, offset + i as u64);
            self.stores.insert(at, byte);
        }
    }

    /// A store of one `uintptr`.
    pub(super) fn store_uintptr(&mut self, variable: Addr, offset: u64, x: u64) {
        let n = self.ptrSize as usize;
        let [little, big] = [x.to_le_bytes(), x.to_be_bytes()];
        self.store(variable, offset, if self.target.big_endian() { &big[8 - n..] } else { &little[..n] });
    }

    /// Pays for one turn of a loop whose end is up to target memory.
    pub(super) fn tick(&self) -> R<()> {
        match self.turns.get().checked_sub(1) {
            Some(left) => self.turns.set(left),
            None => return Err(Cause::Runaway),
        }
        Ok(())
    }
}
