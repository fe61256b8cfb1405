//! Loads, and the arithmetic of `uintptr`.

use heapmatrix_writer::{Addr, FieldAt};

use super::{R, Runtime, Stop};

impl Runtime<'_> {
    /// `uintptr(x)`
    pub(super) fn uintptr(&self, x: u64) -> u64 {
        if self.ptrSize == 8 { x } else { u64::from(x as u32) }
    }

    /// `a + b`
    pub(super) fn add(&self, a: u64, b: u64) -> u64 {
        self.uintptr(a.wrapping_add(b))
    }

    /// `a - b`
    pub(super) fn sub(&self, a: u64, b: u64) -> u64 {
        self.uintptr(a.wrapping_sub(b))
    }

    /// `a * b`
    pub(super) fn mul(&self, a: u64, b: u64) -> u64 {
        self.uintptr(a.wrapping_mul(b))
    }

    /// Sign extension of an `int32`.
    pub(super) fn int32_uintptr(&self, x: i32) -> u64 {
        self.uintptr(i64::from(x) as u64)
    }

    /// `&x` of a variable.
    pub(super) fn variable(&self, name: &str) -> R<u64> {
        let at = name.split('|').find_map(|name| self.layouts.variable(name));
        at.map(|at| at.addr.0).ok_or_else(|| Stop::NoLayout(name.to_owned()))
    }

    /// A variable of pointer size.
    pub(super) fn load_variable(&self, name: &str) -> R<u64> {
        self.load_uintptr(self.variable(name)?, name)
    }

    /// `unsafe.Offsetof` and `unsafe.Sizeof` of a field; after a bar what other releases call it.
    pub(super) fn layout(&self, path: &str) -> R<FieldAt> {
        let field = |path: &str| {
            let (structure, field) = path.rsplit_once('.')?;
            self.layouts.field(structure, field)
        };
        path.split('|').find_map(field).ok_or_else(|| Stop::NoLayout(path.to_owned()))
    }

    /// `unsafe.Sizeof`
    pub(super) fn sizeof(&self, name: &str) -> R<u64> {
        let size = name.split('|').find_map(|name| self.layouts.size(name));
        size.ok_or_else(|| Stop::NoLayout(name.to_owned()))
    }

    /// `&p.x`
    pub(super) fn field(&self, p: u64, path: &str) -> R<u64> {
        Ok(self.add(p, self.layout(path)?.offset))
    }

    /// `p.x`, an unsigned integer or a pointer.
    pub(super) fn load(&self, p: u64, path: &str) -> R<u64> {
        let FieldAt { offset, size } = self.layout(path)?;
        self.integer(self.add(p, offset), size, path)
    }

    /// `p.x`, an `int32`.
    pub(super) fn load_int32(&self, p: u64, path: &str) -> R<i32> {
        Ok(self.load(p, path)? as u32 as i32)
    }

    /// A slice or a string at an address: its array, and its length.
    pub(super) fn load_string(&self, p: u64, what: &str) -> R<(u64, u64)> {
        Ok((self.load_uintptr(p, what)?, self.load_uintptr(self.add(p, self.ptrSize), what)?))
    }

    /// `p.x`, a slice.
    pub(super) fn load_slice(&self, p: u64, path: &str) -> R<(u64, u64)> {
        self.load_string(self.field(p, path)?, path)
    }

    /// `*(*uintptr)(addr)`
    pub(super) fn load_uintptr(&self, addr: u64, what: &str) -> R<u64> {
        self.integer(addr, self.ptrSize, what)
    }

    /// `*(*byte)(addr)`
    pub(super) fn load_byte(&self, addr: u64, what: &str) -> R<u8> {
        Ok(self.integer(addr, 1, what)? as u8)
    }

    /// `*(*uint32)(addr)`
    pub(super) fn load_uint32(&self, addr: u64, what: &str) -> R<u32> {
        Ok(self.integer(addr, 4, what)? as u32)
    }

    /// An unsigned integer of `width` bytes.
    pub(super) fn integer(&self, addr: u64, width: u64, what: &str) -> R<u64> {
        let mut bytes = [0; 8];
        let bytes = bytes.get_mut(..width as usize).ok_or_else(|| Stop::NoLayout(what.to_owned()))?;
        self.read(addr, bytes, what)?;
        let shift = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        Ok(if self.target.big_endian() {
            bytes.iter().fold(0, shift)
        } else {
            bytes.iter().rev().fold(0, shift)
        })
    }

    pub(super) fn read(&self, addr: u64, bytes: &mut [u8], what: &str) -> R<()> {
        let fault = |source| Stop::Fault { what: what.to_owned(), source };
        self.memory.read(Addr(addr), bytes).map_err(fault)
    }

    /// The bytes at an address.
    pub(super) fn bytes(&self, addr: u64, len: u64, what: &str) -> R<Vec<u8>> {
        if len > super::MAX_BYTES as u64 {
            return Err(Stop::Runaway);
        }
        let mut bytes = vec![0; len as usize];
        if len > 0 {
            self.read(addr, &mut bytes, what)?;
        }
        Ok(bytes)
    }

    /// Pays for one turn of a loop whose end is up to target memory.
    pub(super) fn tick(&self) -> R<()> {
        match self.turns.get().checked_sub(1) {
            Some(left) => self.turns.set(left),
            None => return Err(Stop::Runaway),
        }
        Ok(())
    }
}
