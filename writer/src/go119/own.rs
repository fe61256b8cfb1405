//! The dumping code's own variables: what the runtime changes in the process that it dumps, and then finds there.
//!
//! `typecache` and `tmpbuf` hold pointers and so lie in the bss segment. Since Go 1.22 each M keeps what it has looked up in
//! the symbol tables (`m.pcvalueCache`), and chooses by random what to forget (`m.cheaprand`): `m0` is in the bss segment
//! too. Every other M is an object of the heap, which has been dumped before any stack is unwound.

use super::Go119;
use super::layout::At;
use super::symtab::PcValue;
use crate::error::Place;
use crate::go15::SysAlloc;
use crate::layouts::Layouts;
use crate::memory::Addr;
use crate::process::Process;
use crate::process::patch::{Patch, push};
use crate::runtime::Moment;
use crate::target::Target;

/// `cap(tmpbuf)` when it was allocated: the reference slices a `*[1 << 30]byte`.
const CAPACITY: u64 = 1 << 30;
/// The sets of `pcvalueCache.entries`.
const SETS: usize = 2;
/// The entries of each.
const WAYS: usize = 8;

/// What is known of them.
pub(super) struct Own<'m> {
    pub tmpbuf: Tmpbuf<'m>,
    pub cache: PcvalueCache,
}

/// `tmpbuf`, without contents: `makeheapobjbv` builds an object's bit vector in it.
pub(super) struct Tmpbuf<'m> {
    sys_alloc: Option<SysAlloc<'m>>,
    len: u64,
    array: Option<Addr>,
}

impl<'m> Tmpbuf<'m> {
    pub(super) fn new(sys_alloc: Option<SysAlloc<'m>>) -> Self {
        Tmpbuf { sys_alloc, len: 0, array: None }
    }

    /// The beginning of `makeheapobjbv`: extend the temp buffer if necessary.
    #[inline]
    pub(super) fn extend(&mut self, nptr: u64) {
        let n = nptr / 8 + 1;
        if self.len < n {
            self.len = n;
            self.array = self.sys_alloc.map(|sys_alloc| sys_alloc(n));
        }
    }
}

/// `pcvalueCacheEnt`.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    targetpc: u64,
    off: u64,
    val: i32,
    val_pc: u64,
}

/// Where the cache of an M is, and its random numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct CacheLayout {
    m0: Addr,
    entries: At,
    cheaprand: At,
    entry: u64,
    targetpc: At,
    off: At,
    val: At,
    val_pc: At,
}

impl CacheLayout {
    /// Nothing where a release has no such cache.
    pub(super) fn find(layouts: &dyn Layouts, ptr_size: u64) -> Option<Self> {
        let at = |structure: &str, field: &'static str| {
            let at = layouts.field(structure, field)?;
            Some(At { offset: at.offset, size: at.size, place: Place::new("pcvalueCache", field) })
        };
        let entry = |field| at("runtime.pcvalueCacheEnt", field);
        let cache = at("runtime.m", "pcvalueCache")?;
        let entries = at("runtime.pcvalueCache", "entries")?;
        let size = layouts.size("runtime.pcvalueCacheEnt")?;
        // Since Go 1.25 or so there is one for each of the two ways to make random numbers.
        let cheaprand = if ptr_size == 8 {
            at("runtime.m", "cheaprand")?
        } else {
            at("runtime.m", "cheaprand64").or_else(|| at("runtime.m", "cheaprand"))?
        };
        (entries.size == size * (SETS * WAYS) as u64).then_some(CacheLayout {
            m0: layouts.variable("runtime.m0")?.addr,
            entries: At { offset: cache.offset + entries.offset, ..entries },
            cheaprand,
            entry: size,
            targetpc: entry("targetpc")?,
            off: entry("off")?,
            val: entry("val")?,
            val_pc: entry("valPC")?,
        })
    }
}

/// `m0.pcvalueCache` and `m0.cheaprand`, while `m0` dumps.
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
        let mut cache = PcvalueCache {
            layout,
            ptr_size: T::PTR_SIZE,
            entries: Default::default(),
            random: 0,
            changed: false,
        };
        // Where memory is not in order, the dump itself will say why.
        if let Some(layout) = layout
            && cache.read(process, &layout).is_err()
        {
            cache.layout = None;
        }
        cache
    }

    fn read<T: Target>(
        &mut self,
        process: &Process<'_, T>,
        layout: &CacheLayout,
    ) -> Result<(), crate::error::Error> {
        for (i, entry) in (0..).zip(self.entries.iter_mut().flatten()) {
            let base = layout.m0.add(layout.entries.offset + i * layout.entry);
            *entry = Entry {
                targetpc: process.uint(base, layout.targetpc)?,
                off: process.uint(base, layout.off)?,
                val: process.int32(base, layout.val)?,
                val_pc: process.uint(base, layout.val_pc)?,
            };
        }
        let at = layout.cheaprand;
        self.random = if self.ptr_size == 8 {
            process.uint(layout.m0, at)?
        } else {
            // Two words, in the order of memory.
            process.uint(layout.m0, at.sized(4))? | process.uint(layout.m0, at.sized(4).after(4))? << 32
        };
        Ok(())
    }

    /// Port of what `pcvalue` does to the cache.
    #[inline]
    pub(super) fn look_up(&mut self, off: u64, targetpc: u64, value: PcValue) {
        let Some(layout) = self.layout else { return };
        // pcvalueCacheKey
        let set = (targetpc / self.ptr_size) as usize % SETS;
        if self.entries[set].iter().any(|entry| entry.off == off && entry.targetpc == targetpc) {
            return;
        }
        let random = self.cheaprand(layout.cheaprand.size);
        let ci = ((u64::from(random) * WAYS as u64) >> 32) as usize;
        let entries = &mut self.entries[set];
        entries[ci] = entries[0];
        entries[0] = Entry { targetpc, off, val: value.val, val_pc: value.start };
        self.changed = true;
    }

    /// Port of `cheaprand`, with a state of so many bytes.
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

    fn patches<T: Target>(&self) -> Vec<Patch> {
        let Some(layout) = self.layout.filter(|_| self.changed) else { return Vec::new() };
        let mut patches = Vec::new();
        let mut put = |at: Addr, value: u64, size: u64| {
            let mut bytes = Vec::new();
            push::<T>(&mut bytes, value, size as usize);
            patches.push(Patch { at, bytes });
        };
        for (i, entry) in (0..).zip(self.entries.iter().flatten()) {
            let base = layout.m0.add(layout.entries.offset + i * layout.entry);
            for (at, value) in [
                (layout.targetpc, entry.targetpc),
                (layout.off, entry.off),
                (layout.val, i64::from(entry.val) as u64),
                (layout.val_pc, entry.val_pc),
            ] {
                put(base.add(at.offset), value, at.size);
            }
        }
        let random = layout.m0.add(layout.cheaprand.offset);
        if self.ptr_size == 8 {
            put(random, self.random, layout.cheaprand.size);
        } else {
            put(random, self.random, 4);
            put(random.add(4), self.random >> 32, 4);
        }
        patches
    }
}

impl<T: Target> Go119<'_, T> {
    /// See [`Runtime::own_variables`](crate::runtime::Runtime::own_variables).
    pub(super) fn own_variables(&self, moment: &Moment<'_>, start: Addr, len: u64) -> Vec<Patch> {
        let module = self.symtab.first();
        // They are in the bss segment, or where the linker may put it.
        if !self.defects.own_variables_in_bss || start.0 != module.bss.0 && start.0 != module.data.0 {
            return Vec::new();
        }
        let (variables, own) = (&self.shape.variables, self.own.borrow());
        let mut patches = own.cache.patches::<T>();
        if let Some(typecache) = variables.typecache {
            patches.push(Patch::words::<T>(typecache.addr, moment.typecache.words()));
        }
        if let (Some(tmpbuf), Some(array)) = (variables.tmpbuf, own.tmpbuf.array) {
            patches.push(Patch::words::<T>(tmpbuf.addr, [array.0, own.tmpbuf.len, CAPACITY]));
        }
        patches.retain(|patch| patch.lies_in(start, len));
        patches
    }
}
