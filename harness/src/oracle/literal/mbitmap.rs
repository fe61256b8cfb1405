//! `runtime/mbitmap.go`: the heap bitmap.

use super::{R, Runtime};

const bitPointer: u8 = 1 << 0;
const bitMarked: u8 = 1 << 4;

const heapBitsShift: u32 = 1; // shift offset between successive bitPointer or bitMarked entries

/// heapBits provides access to the bitmap bits for a single heap word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct heapBits {
    pub(super) bitp: u64,
    pub(super) shift: u32,
}

impl Runtime<'_> {
    /// heapBitsForAddr returns the heapBits for the address addr.
    pub(super) fn heapBitsForAddr(&self, addr: u64) -> R<heapBits> {
        // 2 bits per work, 4 pairs per byte, and a mask is hard coded.
        let arena_start = self.load(self.symbols.mheap.0, "mheap.arena_start")?;
        let off = self.sub(addr, arena_start) / self.ptrSize;
        Ok(heapBits { bitp: self.sub(self.sub(arena_start, off / 4), 1), shift: (off & 3) as u32 })
    }

    /// next returns the heapBits describing the next pointer-sized word in memory.
    pub(super) fn next(&self, h: heapBits) -> heapBits {
        if h.shift < 3 * heapBitsShift {
            return heapBits { bitp: h.bitp, shift: h.shift + heapBitsShift };
        }
        heapBits { bitp: self.sub(h.bitp, 1), shift: 0 }
    }

    /// isMarked reports whether the heap bits have the marked bit set.
    pub(super) fn isMarked(&self, h: heapBits) -> R<bool> {
        Ok(self.load_byte(h.bitp, "heap bitmap")? & (bitMarked << h.shift) != 0)
    }

    /// isPointer reports whether the heap bits describe a pointer word.
    pub(super) fn isPointer(&self, h: heapBits) -> R<bool> {
        Ok((self.load_byte(h.bitp, "heap bitmap")? >> h.shift) & bitPointer != 0)
    }
}
