//! `runtime/mbitmap.go`: which words of the heap are pointers; and `makeheapobjbv` of `runtime/heapdump.go`, which asks.

use super::heap::pageSize;
use super::heapdump::{Bytes, bitvector};
use super::{R, Runtime, throw};

/// `gc.MallocHeaderSize`
const MallocHeaderSize: u64 = 8;

/// typePointers is an iterator over the pointers in a heap object. (Since Go 1.22.)
#[derive(Clone, Copy, Default)]
struct typePointers {
    elem: u64,
    addr: u64,
    mask: u64,
    typ: u64,
}

/// The state of an iteration over the pointers of an object, up to Go 1.21.
#[derive(Clone, Copy, Default)]
struct heapBits {
    addr: u64,
    size: u64,
    mask: u64,
    valid: u64,
}

impl Runtime<'_> {
    fn ptrBits(&self) -> u64 {
        8 * self.ptrSize
    }

    pub(super) fn makeheapobjbv(&mut self, p: u64, size: u64) -> R<bitvector> {
        // Extend the temp buffer if necessary.
        let nptr = size / self.ptrSize;
        let n = nptr as usize / 8 + 1;
        if n > super::MAX_BYTES {
            return Err(super::Stop::Runaway);
        }
        if self.tmpbuf.len() < n {
            self.tmpbuf = vec![0; n];
        }
        // Convert heap bitmap to pointer bitmap.
        self.tmpbuf[..n].fill(0);
        let mut bits = nptr;
        if self.release.minor >= 22 {
            let s = self.spanOf(p)?;
            let limit = self.add(p, size);
            let mut tp = self.typePointersOf(s, p, size)?;
            while let Some((next, addr)) = self.next(tp, limit)? {
                tp = next;
                self.set(p, addr)?;
            }
        } else if self.release.minor >= 20 {
            let mut hbits = self.heapBitsForAddr(p, size)?;
            while let Some((next, addr)) = self.next_of_bits(hbits)? {
                hbits = next;
                self.set(p, addr)?;
            }
        } else {
            bits = self.two_bits(p, nptr)?;
        }
        Ok(bitvector { n: bits as i32, bytedata: Bytes::Own(self.tmpbuf[..n].to_vec()) })
    }

    /// `tmpbuf[i/8] |= 1 << (i % 8)`
    fn set(&mut self, p: u64, addr: u64) -> R<()> {
        self.tick()?;
        let i = self.sub(addr, p) / self.ptrSize;
        match self.tmpbuf.get_mut(i as usize / 8) {
            Some(byte) => *byte |= 1 << (i % 8),
            None => return throw("index out of range"),
        }
        Ok(())
    }

    fn heapBitsInSpan(&self, userSize: u64) -> bool {
        userSize <= self.ptrSize * self.ptrBits()
    }

    /// objBase returns the base pointer for the object containing addr in span.
    fn objBase(&self, span: u64, addr: u64) -> R<u64> {
        let base = self.base(span)?;
        // divideByElemSize
        let n = self.sub(addr, base);
        let index = self.uintptr(n.wrapping_mul(self.load(span, "runtime.mspan.divMul")?) >> 32);
        Ok(self.add(base, self.mul(index, self.load(span, "runtime.mspan.elemsize")?)))
    }

    fn typePointersOf(&mut self, span: u64, addr: u64, size: u64) -> R<typePointers> {
        let base = self.objBase(span, addr)?;
        let tp = self.typePointersOfUnchecked(span, base)?;
        if base == addr && size == self.load(span, "runtime.mspan.elemsize")? {
            return Ok(tp);
        }
        throw("not transliterated: fastForward")
    }

    fn typePointersOfUnchecked(&mut self, span: u64, mut addr: u64) -> R<typePointers> {
        let spc = self.load(span, "runtime.mspan.spanclass")?;
        if spc & 1 != 0 {
            // noscan
            return Ok(typePointers::default());
        }
        if self.heapBitsInSpan(self.load(span, "runtime.mspan.elemsize")?) {
            // Handle header-less objects.
            return Ok(typePointers {
                elem: addr,
                addr,
                mask: self.heapBitsSmallForAddr(span, addr)?,
                typ: 0,
            });
        }

        // All of these objects have a header.
        let typ;
        if spc >> 1 != 0 {
            // Pull the allocation header from the first word of the object.
            typ = self.load_uintptr(addr, "malloc header")?;
            addr = self.add(addr, MallocHeaderSize);
        } else {
            typ = self.load(span, "runtime.mspan.largeType")?;
            if typ == 0 {
                // Allow a nil type here for delayed zeroing. See mallocgc.
                return Ok(typePointers::default());
            }
        }
        let mask = self.gcmask_word(typ, 0)?;
        Ok(typePointers { elem: addr, addr, mask, typ })
    }

    /// heapBitsSmallForAddr loads the heap bits for the object stored at addr from span.heapBits.
    fn heapBitsSmallForAddr(&self, span: u64, addr: u64) -> R<u64> {
        let ptrBits = self.ptrBits();
        let (start, elemsize) = (self.base(span)?, self.load(span, "runtime.mspan.elemsize")?);
        // spanHeapBitsRange
        let spanSize = self.mul(self.load(span, "runtime.mspan.npages")?, pageSize);
        let mut hbits = self.sub(self.add(start, spanSize), spanSize / self.ptrSize / 8);
        // gcUsesSpanInlineMarkBits
        if self.release.green_tea && self.heapBitsInSpan(elemsize) && elemsize >= 16 {
            hbits = self.sub(hbits, self.sizeof("runtime.spanInlineMarkBits")?);
        }
        let i = self.sub(addr, start) / self.ptrSize / ptrBits;
        let j = self.sub(addr, start) / self.ptrSize % ptrBits;
        let bits = elemsize / self.ptrSize;
        let word = |i| self.load_uintptr(self.add(hbits, self.ptrSize * i), "the span's heap bitmap");
        let low = |n: u64| if n >= 64 { u64::MAX } else { (1 << n) - 1 };
        if j + bits > ptrBits {
            // Two reads.
            let bits0 = ptrBits - j;
            let bits1 = bits - bits0;
            let read = word(i)? >> j;
            Ok(read | self.uintptr((word(i + 1)? & low(bits1)) << bits0))
        } else {
            // One read.
            Ok((word(i)? >> j) & low(bits))
        }
    }

    /// next advances the pointers iterator, returning the updated iterator and
    /// the address of the next pointer.
    fn next(&mut self, mut tp: typePointers, limit: u64) -> R<Option<(typePointers, u64)>> {
        let ptrBits = self.ptrBits();
        loop {
            self.tick()?;
            if tp.mask != 0 {
                // nextFast
                let i = u64::from(tp.mask.trailing_zeros());
                tp.mask &= tp.mask - 1;
                return Ok(Some((tp, self.add(tp.addr, i * self.ptrSize))));
            }

            // Stop if we don't actually have type information.
            if tp.typ == 0 {
                return Ok(None);
            }

            // Advance to the next element if necessary.
            let word = self.ptrSize * ptrBits;
            if self.add(tp.addr, word) >= self.add(tp.elem, self.PtrBytes(tp.typ)?) {
                tp.elem = self.add(tp.elem, self.Size_(tp.typ)?);
                tp.addr = tp.elem;
            } else {
                tp.addr = self.add(tp.addr, word);
            }

            // Check if we've exceeded the limit with the last update.
            if tp.addr >= limit {
                return Ok(None);
            }

            // Grab more bits and try again.
            tp.mask = self.gcmask_word(tp.typ, self.sub(tp.addr, tp.elem) / self.ptrSize / 8)?;
            if self.add(tp.addr, word) > limit {
                let bits = self.sub(self.add(tp.addr, word), limit) / self.ptrSize;
                tp.mask &= self.uintptr(u64::MAX) >> bits;
            }
        }
    }

    /// `heapBitsForAddr` of Go 1.20 and 1.21: one bit a word.
    fn heapBitsForAddr(&self, addr: u64, mut size: u64) -> R<heapBits> {
        // Find arena
        let ha = self.arena_of(addr)?;

        // Word index in arena.
        let word = addr / self.ptrSize % (self.heapArenaBytes() / self.ptrSize);

        // Word index and bit offset in bitmap array.
        let (idx, off) = (word / self.ptrBits(), word % self.ptrBits());

        // Grab relevant bits of bitmap.
        let bitmap = self.field(ha, "runtime.heapArena.bitmap")?;
        let mut mask = self.load_uintptr(self.add(bitmap, idx * self.ptrSize), "heapArena.bitmap")? >> off;
        let mut valid = self.ptrBits() - off;

        // Process depending on where the object ends.
        let nptr = size / self.ptrSize;
        if nptr < valid {
            // Squash bits for the following objects.
            mask &= (1 << nptr) - 1;
            valid = nptr;
        } else if nptr > valid {
            // Bits for this object extend into the next bitmap word. See if there
            // may be any pointers recorded there.
            let noMorePtrs = self.add(self.field(ha, "runtime.heapArena.noMorePtrs")?, idx / 8);
            if self.load_byte(noMorePtrs, "heapArena.noMorePtrs")? >> (idx % 8) & 1 != 0 {
                size = valid * self.ptrSize;
            }
        }
        Ok(heapBits { addr, size, mask, valid })
    }

    /// `heapBits.next` of Go 1.20 and 1.21.
    fn next_of_bits(&self, mut h: heapBits) -> R<Option<(heapBits, u64)>> {
        loop {
            self.tick()?;
            if h.mask != 0 {
                let i = u64::from(h.mask.trailing_zeros());
                h.mask ^= 1 << i;
                return Ok(Some((h, self.add(h.addr, i * self.ptrSize))));
            }

            // Skip words that we've already processed.
            h.addr = self.add(h.addr, h.valid * self.ptrSize);
            h.size = self.sub(h.size, h.valid * self.ptrSize);
            if h.size == 0 {
                return Ok(None); // no more pointers
            }

            // Grab more bits and try again.
            h = self.heapBitsForAddr(h.addr, h.size)?;
        }
    }

    /// Up to Go 1.19: two bits a word, from word to word, up to the end of the object or of what is said of it. That many bits
    /// has the vector.
    fn two_bits(&mut self, p: u64, nptr: u64) -> R<u64> {
        let mut i = 0;
        // heapBitsForAddr
        let mut arena = self.sub(p, self.arenaBase(0)) / self.heapArenaBytes();
        let mut ha = self.arena(arena)?;
        let bytes = self.heapArenaBytes() / (self.ptrSize * 8 / 2);
        let mut bitp = p / (self.ptrSize * 4) % bytes;
        let mut shift = (p / self.ptrSize) % 4;
        while i < nptr {
            let bitmap = self.field(ha, "runtime.heapArena.bitmap")?;
            let bits = self.load_byte(self.add(bitmap, bitp), "heapArena.bitmap")? >> shift;
            // morePointers
            if bits & 1 << 4 == 0 {
                break; // end of object
            }
            // isPointer
            if bits & 1 != 0 {
                self.set(p, self.add(p, i * self.ptrSize))?;
            }
            // next
            if shift < 3 {
                shift += 1;
            } else if bitp != bytes - 1 {
                (bitp, shift) = (bitp + 1, 0);
            } else {
                // nextArena
                arena += 1;
                (bitp, shift) = (0, 0);
                // Past the heap's end nothing is read any more.
                ha = if i + 1 < nptr { self.arena(arena)? } else { ha };
            }
            i += 1;
        }
        Ok(i)
    }
}
