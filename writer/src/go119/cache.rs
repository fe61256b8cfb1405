//! What `pcvalue` has looked up, and how it chooses what to forget.
//!
//! Since Go 1.22 each M has a cache (`m.pcvalueCache`), before each traceback had one of its own, for the stack pointer's
//! distance alone. What is forgotten is chosen by the M's random numbers, so that each look-up that finds nothing changes
//! the M. That counts if it is `m0`, which lies in the bss segment.

use super::layout::At;
use super::symtab::PcValue;
use crate::error::{Error, Place};
use crate::layouts::Layouts;
use crate::memory::Addr;
use crate::process::Process;
use crate::process::patch::{Patch, push};
use crate::target::Target;

/// The sets of `pcvalueCache.entries`.
const SETS: usize = 2;
/// The entries of each.
const WAYS: usize = 8;

/// `pcvalueCacheEnt`.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    targetpc: u64,
    off: u64,
    val: i32,
    val_pc: u64,
}

/// Where the random numbers of `m0` are, and its cache.
#[derive(Clone, Copy, Debug)]
pub(super) struct CacheLayout {
    m0: Addr,
    random: At,
    /// The cache of the M; none where each traceback has its own.
    entries: Option<Entries>,
}

/// `pcvalueCache.entries`.
#[derive(Clone, Copy, Debug)]
struct Entries {
    /// The distance from the M's beginning, in bytes.
    offset: u64,
    /// The size of an entry, in bytes.
    size: u64,
    targetpc: At,
    off: At,
    val: At,
    val_pc: At,
}

impl CacheLayout {
    /// Nothing where the program does not say.
    pub(super) fn find(layouts: &dyn Layouts, ptr_size: u64) -> Option<Self> {
        let at = |structure: &str, field: &'static str| {
            let at = layouts.field(structure, field)?;
            Some(At { offset: at.offset, size: at.size, place: Place::new("m", field) })
        };
        let m0 = layouts.variable("runtime.m0")?.addr;
        let Some(cache) = at("runtime.m", "pcvalueCache") else {
            return Some(CacheLayout { m0, random: at("runtime.m", "fastrand")?, entries: None });
        };
        let entries = at("runtime.pcvalueCache", "entries")?;
        let size = layouts.size("runtime.pcvalueCacheEnt")?;
        let entry = |field| at("runtime.pcvalueCacheEnt", field);
        // Where there are two states, the larger one is that of machines of 32 bits.
        let random = match ptr_size {
            4 => at("runtime.m", "cheaprand64"),
            _ => None,
        };
        (entries.size == size * (SETS * WAYS) as u64).then_some(CacheLayout {
            m0,
            random: random.or_else(|| at("runtime.m", "cheaprand"))?,
            entries: Some(Entries {
                offset: cache.offset + entries.offset,
                size,
                targetpc: entry("targetpc")?,
                off: entry("off")?,
                val: entry("val")?,
                val_pc: entry("valPC")?,
            }),
        })
    }
}

/// What is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LookUp {
    /// How far SP is below its value at the function's entry.
    SpDelta,
    /// Which stack map is valid.
    StackMap,
}

/// The cache that counts, and the random numbers of `m0`, while `m0` dumps.
pub(super) struct PcvalueCache {
    layout: Option<CacheLayout>,
    ptr_size: u64,
    entries: [[Entry; WAYS]; SETS],
    random: u64,
    changed: bool,
}

impl PcvalueCache {
    /// The cache as it is before the dump. Nothing is kept if it is not known, or another thread dumps.
    pub(super) fn new<T: Target>(
        process: &Process<'_, T>,
        layout: Option<CacheLayout>,
        dumping: Option<Addr>,
    ) -> Self {
        let layout = layout.filter(|layout| dumping == Some(layout.m0));
        let (ptr_size, entries) = (T::PTR_SIZE, Default::default());
        let mut cache = PcvalueCache { layout, ptr_size, entries, random: 0, changed: false };
        // Where memory is not in order, the dump itself will say why.
        if let Some(layout) = layout
            && cache.read(process, &layout).is_err()
        {
            cache.layout = None;
        }
        cache
    }

    fn read<T: Target>(&mut self, process: &Process<'_, T>, layout: &CacheLayout) -> Result<(), Error> {
        if let Some(layout_of) = &layout.entries {
            for (i, entry) in (0..).zip(self.entries.iter_mut().flatten()) {
                let base = layout.m0.add(layout_of.offset + i * layout_of.size);
                *entry = Entry {
                    targetpc: process.uint(base, layout_of.targetpc)?,
                    off: process.uint(base, layout_of.off)?,
                    val: process.int32(base, layout_of.val)?,
                    val_pc: process.uint(base, layout_of.val_pc)?,
                };
            }
        }
        let at = layout.random;
        self.random = if self.ptr_size == 8 {
            process.uint(layout.m0, at)?
        } else {
            // Two words, in the order of memory.
            process.uint(layout.m0, at.sized(4))? | process.uint(layout.m0, at.sized(4).after(4))? << 32
        };
        Ok(())
    }

    /// A traceback begins.
    pub(super) fn begin_traceback(&mut self) {
        if self.layout.is_some_and(|layout| layout.entries.is_none()) {
            self.entries = Default::default();
        }
    }

    /// Port of what `pcvalue` does to the cache.
    #[inline]
    pub(super) fn look_up(&mut self, what: LookUp, off: u64, targetpc: u64, value: PcValue) {
        let Some(layout) = self.layout else { return };
        if layout.entries.is_none() && what == LookUp::StackMap {
            return;
        }
        // pcvalueCacheKey
        let set = (targetpc / self.ptr_size) as usize % SETS;
        if self.entries[set].iter().any(|entry| entry.off == off && entry.targetpc == targetpc) {
            return;
        }
        let random = self.cheaprand(layout.random.size);
        let ci = ((u64::from(random) * WAYS as u64) >> 32) as usize;
        let entries = &mut self.entries[set];
        entries[ci] = entries[0];
        entries[0] = Entry { targetpc, off, val: value.val, val_pc: value.start };
        self.changed = true;
    }

    /// Port of `cheaprand` (`fastrand` up to Go 1.21), with a state of so many bytes.
    fn cheaprand(&mut self, size: u64) -> u32 {
        match (self.ptr_size, size) {
            (8, 8) => {
                self.random = self.random.wrapping_add(0xa076_1d64_78bd_642f);
                let product = u128::from(self.random) * u128::from(self.random ^ 0xe703_7ed1_a0b4_28db);
                ((product >> 64) as u64 ^ product as u64) as u32
            }
            (8, _) => {
                let random = (self.random as u32).wrapping_add(0x53c5_ca59);
                self.random = random.into();
                let product = u64::from(random) * u64::from(random ^ 0x7474_3c1b);
                (product >> 32) as u32 ^ product as u32
            }
            _ => {
                let (mut s1, s0) = (self.random as u32, (self.random >> 32) as u32);
                s1 ^= s1 << 17;
                s1 = s1 ^ s0 ^ s1 >> 7 ^ s0 >> 16;
                self.random = u64::from(s0) | u64::from(s1) << 32;
                s0.wrapping_add(s1)
            }
        }
    }

    /// What has changed in `m0`.
    pub(super) fn patches<T: Target>(&self) -> Vec<Patch> {
        let Some(layout) = self.layout.filter(|_| self.changed) else { return Vec::new() };
        let mut patches = Vec::new();
        let mut put = |at: Addr, value: u64, size: u64| {
            let mut bytes = Vec::new();
            push::<T>(&mut bytes, value, super::read::small(size));
            patches.push(Patch { at, bytes });
        };
        if let Some(entries) = &layout.entries {
            for (i, entry) in (0..).zip(self.entries.iter().flatten()) {
                let base = layout.m0.add(entries.offset + i * entries.size);
                for (at, value) in [
                    (entries.targetpc, entry.targetpc),
                    (entries.off, entry.off),
                    (entries.val, i64::from(entry.val) as u64),
                    (entries.val_pc, entry.val_pc),
                ] {
                    put(base.add(at.offset), value, at.size);
                }
            }
        }
        let random = layout.m0.add(layout.random.offset);
        if self.ptr_size == 8 {
            put(random, self.random, layout.random.size);
        } else {
            put(random, self.random, 4);
            put(random.add(4), self.random >> 32, 4);
        }
        patches
    }
}

#[cfg(test)]
mod tests;
