//! The pointer mask of a type: as the compiler has made it, or built of the parts of the type.

use crate::error::{Error, Place};
use crate::go119::layout::{At, Type};
use crate::go119::shape::OnDemand;
use crate::memory::Addr;
use crate::process::{Process, offset, out_of_range};
use crate::runtime::low_bits;
use crate::target::Target;

/// `abi.Array`.
const ARRAY: u64 = 17;
/// `abi.Struct`.
const STRUCT: u64 = 25;
/// `kindMask`.
const KIND_MASK: u64 = 31;
/// How deep types that are made of types are followed.
const MOST_DEEP: u32 = 128;
const GC_DATA: Place = Place::new("Type", "GCData");

/// Which words of a value are pointers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mask {
    /// A bit for each word.
    bits: Vec<u64>,
    /// How many words are described.
    n: u64,
    /// The words of a value, after which an array has the next one.
    period: u64,
}

impl Mask {
    /// Reads the mask of the type at `typ`, for objects of `most` words.
    pub(super) fn read<T: Target>(
        process: &Process<'_, T>,
        layout: &Type,
        on_demand: Option<&OnDemand>,
        typ: Addr,
        most: u64,
    ) -> Result<Mask, Error> {
        let size = process.uint(typ, layout.type_size)?;
        let n = (process.uint(typ, layout.ptr_bytes)? / T::PTR_SIZE).min(most);
        let mut builder = Builder { process, layout, on_demand, bits: Bits::new(n), left: 4 * n + 1024 };
        builder.getgcmask(typ)?;
        Ok(Mask { bits: builder.bits.bits, n, period: (size / T::PTR_SIZE).max(1) })
    }

    /// Bits `i` to `i + n` of values one after the other, of which the first begins at word `start`.
    pub(super) fn repeated(&self, i: u64, n: u64, start: u64) -> u64 {
        let mut bits = 0;
        let mut done = start.saturating_sub(i).min(n);
        while done < n {
            let word = (i + done - start) % self.period;
            let here = (self.period - word).min(n - done);
            bits |= (self.load(word) & low_bits(here)) << done;
            done += here;
        }
        bits
    }

    /// Up to 64 bits from number `word` on.
    fn load(&self, word: u64) -> u64 {
        if word >= self.n {
            return 0;
        }
        let (index, shift) = ((word / 64) as usize, word % 64);
        let low = self.bits.get(index).copied().unwrap_or(0) >> shift;
        let high = self.bits.get(index + 1).copied().unwrap_or(0);
        if shift == 0 { low } else { low | high << (64 - shift) }
    }
}

/// Bits of which only the first `n` are kept.
struct Bits {
    bits: Vec<u64>,
    n: u64,
}

impl Bits {
    fn new(n: u64) -> Self {
        Bits { bits: Vec::new(), n }
    }

    /// Port of `bitCursor.write`, of eight bits.
    fn write(&mut self, at: u64, byte: u8, len: u64) {
        let Some(left) = self.n.checked_sub(at) else { return };
        let byte = u64::from(byte) & low_bits(len.min(left).min(8));
        let (index, shift) = ((at / 64) as usize, at % 64);
        if byte == 0 {
            return;
        }
        let last = index + usize::from(shift > 56);
        if self.bits.len() <= last {
            self.bits.resize(last + 1, 0);
        }
        self.bits[index] |= byte << shift;
        if last > index {
            self.bits[last] |= byte >> (64 - shift);
        }
    }
}

/// What a mask is built with.
struct Builder<'b, 'm, T> {
    process: &'b Process<'m, T>,
    layout: &'b Type,
    on_demand: Option<&'b OnDemand>,
    bits: Bits,
    /// How many more types may be looked at: those of valid types take a word at least.
    left: u64,
}

impl<T: Target> Builder<'_, '_, T> {
    fn get(&self, base: Addr, at: At) -> Result<u64, Error> {
        self.process.uint(base, at)
    }

    /// Port of `getGCMask` and `getGCMaskOnDemand`.
    fn getgcmask(&mut self, typ: Addr) -> Result<(), Error> {
        let gc_data = Addr(self.get(typ, self.layout.gc_data)?);
        if self.on_demand(typ)?.is_none() {
            return self.copy(gc_data, 0, self.bits.n);
        }
        match self.process.word(gc_data, GC_DATA)? {
            // Not built yet, or being built. The reference would build it now.
            0 | 1 => self.build(typ, 0, 0),
            mask => self.copy(Addr(mask), 0, self.bits.n),
        }
    }

    fn on_demand(&self, typ: Addr) -> Result<Option<OnDemand>, Error> {
        let tflag = self.get(typ, self.layout.tflag)?;
        Ok(self.on_demand.filter(|masks| tflag & masks.flag != 0).copied())
    }

    /// `n` bits of a mask that there is, to number `at`.
    fn copy(&mut self, mask: Addr, at: u64, n: u64) -> Result<(), Error> {
        const CHUNK: u64 = 256;
        let n = n.min(self.bits.n.saturating_sub(at));
        let mut buf = [0; CHUNK as usize];
        for first in (0..n).step_by(8 * CHUNK as usize) {
            let words = (n - first).min(8 * CHUNK);
            let bytes = &mut buf[..words.div_ceil(8) as usize];
            let from = offset::<T>(mask, first / 8);
            let read = self.process.memory.read(from, bytes);
            read.map_err(|source| Error::Unreadable { place: GC_DATA, source })?;
            for (i, &byte) in (0..).zip(&*bytes) {
                self.bits.write(at + first + 8 * i, byte, words - 8 * i);
            }
        }
        Ok(())
    }

    /// Port of `buildGCMask`: the mask of a value of the type at `typ`, to number `at`.
    fn build(&mut self, typ: Addr, at: u64, depth: u32) -> Result<(), Error> {
        if at >= self.bits.n {
            return Ok(());
        }
        let bad = |problem| Err(out_of_range(self.layout.kind.place, typ, depth.into(), problem));
        if depth > MOST_DEEP || self.left == 0 {
            return bad("types cannot be made of so many others");
        }
        self.left -= 1;
        let Some(masks) = self.on_demand(typ)? else {
            let n = self.get(typ, self.layout.ptr_bytes)? / T::PTR_SIZE;
            let mask = Addr(self.get(typ, self.layout.gc_data)?);
            return self.copy(mask, at, n);
        };
        match self.get(typ, self.layout.kind)? & KIND_MASK {
            ARRAY => {
                let (elem, len) = (Addr(self.get(typ, masks.array.elem)?), self.get(typ, masks.array.len)?);
                let words = self.get(elem, self.layout.type_size)? / T::PTR_SIZE;
                let len = if words == 0 { len.min(1) } else { len };
                for i in 0..len {
                    match i.checked_mul(words).and_then(|distance| at.checked_add(distance)) {
                        Some(at) if at < self.bits.n => self.build(elem, at, depth + 1)?,
                        _ => break,
                    }
                }
                Ok(())
            }
            STRUCT => {
                let fields = self.process.elements(typ, masks.structure.fields, masks.field.size)?;
                for i in 0..fields.len {
                    let field = offset::<T>(fields.array, i * masks.field.size);
                    let ft = Addr(self.get(field, masks.field.typ)?);
                    let words = self.get(field, masks.field.offset)? / T::PTR_SIZE;
                    // Fields without pointers have no mask; those of one cannot lie beyond those with one.
                    if self.get(ft, self.layout.ptr_bytes)? != 0 {
                        self.build(ft, at.saturating_add(words), depth + 1)?;
                    }
                }
                Ok(())
            }
            _ => bad("only arrays and structures have masks that are built on demand"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_beyond_the_end_are_not_kept() {
        let mut bits = Bits::new(70);
        for at in (0..80).step_by(8) {
            bits.write(at, 0xff, 8);
        }
        assert_eq!(bits.bits, [u64::MAX, 0x3f]);
        let mut bits = Bits::new(130);
        bits.write(60, 0b1010_0101, 8);
        bits.write(128, 0xff, 1);
        assert_eq!(bits.bits, [0b0101 << 60, 0b1010, 1]);
        // The last eight bits of a word need no further one, and what is at the end or after it none at all.
        let mut bits = Bits::new(64);
        for at in [56, 64, 72] {
            bits.write(at, 0xff, 8);
        }
        assert_eq!(bits.bits, [0xff << 56]);
    }

    #[test]
    fn values_repeat_after_the_header() {
        let mask = Mask { bits: vec![0b101], n: 3, period: 5 };
        assert_eq!(mask.repeated(0, 13, 1), 0b1001_0100_1010);
        assert_eq!(mask.repeated(1, 3, 1), 0b101);
        assert_eq!(mask.repeated(6, 10, 1), 0b1010_0101);
        assert_eq!(mask.repeated(0, 4, 0), 0b0101);
        assert_eq!(mask.repeated(4, 4, 0), 0b1010);
    }
}
