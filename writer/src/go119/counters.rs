//! The memory statistics of a process in which nobody has collected them: `readmemstats_m` of mstats.go, from outside.
//!
//! What the runtime counts of objects is up to date only when all mcaches are flushed and all spans swept. So what is
//! allocated now is what the dump contains, and only what was ever allocated comes from the counters.

use super::Go119;
use super::layout::At;
use super::sweep::count;
use crate::error::{Error, Place};
use crate::layouts::{Layouts, NoLayout};
use crate::memory::Addr;
use crate::process::field::Header;
use crate::process::offset;
use crate::record::MemStats;
use crate::target::Target;

/// Declares where counters are: those of `mstats`, of `gcControllerState` and of a `heapStatsDelta`.
macro_rules! counters {
    ($($field:ident = $structure:literal $go:literal $($optional:ident)?;)*) => {
        /// Where the counters are.
        #[derive(Clone, Copy, Debug)]
        pub(super) struct Layout {
            memstats: Addr,
            gc_controller: Addr,
            /// The size of a `heapStatsDelta`, of which there are several.
            delta: u64,
            $($field: counters!(@type $($optional)?),)*
        }

        impl Layout {
            pub(super) fn find(layouts: &dyn Layouts) -> Result<Self, NoLayout> {
                let variable = |name| layouts.variable(name).map(|at| at.addr);
                let missing = |name| NoLayout(Place::variable(name));
                Ok(Layout {
                    memstats: variable("runtime.memstats").ok_or(missing("memstats"))?,
                    gc_controller: variable("runtime.gcController").ok_or(missing("gcController"))?,
                    delta: layouts.size("runtime.heapStatsDelta").ok_or(missing("heapStatsDelta"))?,
                    $($field: counters!(@find layouts, $structure, $go, $($optional)?),)*
                })
            }
        }
    };
    (@type optional) => { Option<At> };
    (@type) => { At };
    (@find $layouts:ident, $structure:literal, $go:literal, optional) => { find($layouts, $structure, $go).ok() };
    (@find $layouts:ident, $structure:literal, $go:literal,) => { find($layouts, $structure, $go)? };
}

fn find(layouts: &dyn Layouts, structure: &'static str, field: &'static str) -> Result<At, NoLayout> {
    let place = Place::new(structure, field);
    let at = layouts.field(&format!("runtime.{structure}"), field).ok_or(NoLayout(place))?;
    Ok(At { offset: at.offset, size: at.size, place })
}

counters! {
    heap_stats = "mstats" "heapStats";
    stats = "consistentHeapStats" "stats";
    stacks_sys = "mstats" "stacks_sys";
    mspan_sys = "mstats" "mspan_sys";
    mcache_sys = "mstats" "mcache_sys";
    buckhash_sys = "mstats" "buckhash_sys";
    gc_misc_sys = "mstats" "gcMiscSys";
    other_sys = "mstats" "other_sys";
    last_gc_unix = "mstats" "last_gc_unix";
    pause_total_ns = "mstats" "pause_total_ns";
    pause_ns = "mstats" "pause_ns";
    numgc = "mstats" "numgc";
    heap_in_use = "gcControllerState" "heapInUse";
    heap_free = "gcControllerState" "heapFree";
    heap_released = "gcControllerState" "heapReleased";
    heap_goal = "gcControllerState" "gcPercentHeapGoal";
    sweep_trigger = "gcControllerState" "sweepDistMinTrigger" optional;
    triggered = "gcControllerState" "triggered" optional;
    spanalloc = "mheap" "spanalloc";
    cachealloc = "mheap" "cachealloc";
    inuse = "fixalloc" "inuse";
    mcache = "p" "mcache" optional;
    tiny_allocs = "mcache" "tinyAllocs" optional;
    in_stacks = "heapStatsDelta" "inStacks";
    in_work_bufs = "heapStatsDelta" "inWorkBufs";
    in_ptr_scalar_bits = "heapStatsDelta" "inPtrScalarBits" optional;
    tiny_alloc_count = "heapStatsDelta" "tinyAllocCount";
    large_alloc = "heapStatsDelta" "largeAlloc";
    large_alloc_count = "heapStatsDelta" "largeAllocCount";
    small_alloc_count = "heapStatsDelta" "smallAllocCount";
}

/// What there is of objects, and what was ever allocated.
#[derive(Clone, Copy, Debug, Default)]
struct Objects {
    objects: u64,
    bytes: u64,
    mallocs: u64,
    total_alloc: u64,
}

impl<T: Target> Go119<'_, T> {
    /// Whether a collection is under way.
    pub(super) fn is_collecting(&self) -> Result<bool, Error> {
        match self.shape.variables.gcphase {
            Some(at) => {
                let place = At { offset: 0, size: 4, place: Place::variable("gcphase") };
                Ok(self.process.uint(at.addr, place)? != 0)
            }
            None => Ok(false),
        }
    }

    /// Port of `readmemstats_m`.
    pub(super) fn computed(&self, at: &Layout) -> Result<MemStats, Error> {
        let get = |base: Addr, at: At| self.process.uint(base, at);
        let memstats = |field: At| get(at.memstats, field.sized(field.size.min(8)));
        let controller = |field: At| get(at.gc_controller, field.sized(8));
        let objects = self.count_objects(at)?;
        let (stack_inuse, work_bufs) = (self.sum(at, at.in_stacks)?, self.sum(at, at.in_work_bufs)?);
        let scalar_bits = at.in_ptr_scalar_bits.map_or(Ok(0), |field| self.sum(at, field))?;
        let heap_inuse = controller(at.heap_in_use)?;
        let heap_released = controller(at.heap_released)?;
        let heap_idle = controller(at.heap_free)?.wrapping_add(heap_released);
        let fixalloc = |alloc: At| {
            let field = At { offset: alloc.offset + at.inuse.offset, ..at.inuse };
            get(self.shape.variables.mheap, field)
        };
        let mut stats = MemStats {
            alloc: objects.bytes,
            total_alloc: objects.total_alloc,
            sys: 0,
            lookups: 0,
            mallocs: objects.mallocs,
            frees: objects.mallocs - objects.objects,
            heap_alloc: objects.bytes,
            heap_sys: heap_inuse.wrapping_add(heap_idle),
            heap_idle,
            heap_inuse,
            heap_released,
            heap_objects: objects.objects,
            stack_inuse,
            stack_sys: stack_inuse.wrapping_add(memstats(at.stacks_sys)?),
            mspan_inuse: fixalloc(at.spanalloc)?,
            mspan_sys: memstats(at.mspan_sys)?,
            mcache_inuse: fixalloc(at.cachealloc)?,
            mcache_sys: memstats(at.mcache_sys)?,
            buckhash_sys: memstats(at.buckhash_sys)?,
            gc_sys: memstats(at.gc_misc_sys)?.wrapping_add(work_bufs).wrapping_add(scalar_bits),
            other_sys: memstats(at.other_sys)?,
            next_gc: self.heap_goal(at)?,
            last_gc: memstats(at.last_gc_unix)?,
            pause_total_ns: memstats(at.pause_total_ns)?,
            pause_ns: [0; 256],
            num_gc: memstats(at.numgc)?,
        };
        for (i, pause) in (0..).zip(&mut stats.pause_ns) {
            *pause = get(at.memstats, at.pause_ns.sized(8).after(8 * i))?;
        }
        let MemStats { heap_sys, stack_sys, mspan_sys, mcache_sys, buckhash_sys, gc_sys, other_sys, .. } =
            stats;
        let parts = [heap_sys, stack_sys, mspan_sys, mcache_sys, buckhash_sys, gc_sys, other_sys];
        stats.sys = parts.into_iter().fold(0, u64::wrapping_add);
        Ok(stats)
    }

    /// A counter of which there are several, to be added (`unsafeRead`).
    fn sum(&self, at: &Layout, field: At) -> Result<u64, Error> {
        let first = offset::<T>(at.memstats, at.heap_stats.offset + at.stats.offset);
        let mut sum = 0u64;
        for i in 0..at.stats.size / at.delta.max(1) {
            let delta = offset::<T>(first, i * at.delta);
            sum = sum.wrapping_add(self.process.uint(delta, field.sized(field.size.min(8)))?);
        }
        Ok(sum)
    }

    /// Counts the objects, those that were ever allocated, and their bytes. What mcaches have given away since they took a
    /// span is not in the counters (`releaseAll`).
    fn count_objects(&self, at: &Layout) -> Result<Objects, Error> {
        let mut all = Objects::default();
        let mspan = &self.shape.mspan;
        self.heap.spans_in_use(&self.process, &self.shape, |span| {
            if let (Some(now), Some(before)) = (mspan.alloc_count, mspan.alloc_count_before_cache)
                && self.heap.is_cached(&span)
            {
                let (now, before) =
                    (self.process.uint(span.addr, now)?, self.process.uint(span.addr, before)?);
                let given = now.saturating_sub(before);
                all.mallocs = all.mallocs.wrapping_add(given);
                all.total_alloc = all.total_alloc.wrapping_add(given.wrapping_mul(span.elemsize));
            }
            Ok(())
        })?;
        self.swept_spans(|span, bits| {
            let objects = count(&span, bits);
            all.objects += objects;
            all.bytes = all.bytes.saturating_add(objects.saturating_mul(span.elemsize));
            Ok(())
        })?;
        let counter = |field| self.sum(at, field);
        all.mallocs = all.mallocs.wrapping_add(self.tiny_allocs(at)?);
        all.mallocs = all
            .mallocs
            .wrapping_add(counter(at.large_alloc_count)?)
            .wrapping_add(counter(at.tiny_alloc_count)?);
        all.total_alloc = all.total_alloc.wrapping_add(counter(at.large_alloc)?);
        for (class, &size) in (0..at.small_alloc_count.size / 8).zip(&SIZE_CLASSES) {
            let allocated = counter(at.small_alloc_count.sized(8).after(8 * class))?;
            all.mallocs = all.mallocs.wrapping_add(allocated);
            all.total_alloc = all.total_alloc.wrapping_add(allocated.wrapping_mul(size));
        }
        // An allocation that is under way may be among the objects and not among those counted.
        all.mallocs = all.mallocs.max(all.objects);
        all.total_alloc = all.total_alloc.max(all.bytes);
        Ok(all)
    }

    /// `allp`, if it is known where it is.
    pub(super) fn allp(&self) -> Result<Option<Header>, Error> {
        let at = At { offset: 0, size: T::PTR_SIZE, place: ALLP };
        self.shape.variables.allp.map(|allp| self.process.elements(allp.addr, at, T::PTR_SIZE)).transpose()
    }

    /// What the Ps have allocated of parts of objects, and not counted yet.
    fn tiny_allocs(&self, at: &Layout) -> Result<u64, Error> {
        let (Some(allp), Some(mcache), Some(tiny_allocs)) = (self.allp()?, at.mcache, at.tiny_allocs) else {
            return Ok(0);
        };
        let mut sum = 0u64;
        for i in 0..allp.len {
            let pp = self.process.pointer(allp.array, i, ALLP)?;
            let mcache = if pp.is_nil() { Addr::NIL } else { self.process.ptr(pp, mcache)? };
            if !mcache.is_nil() {
                sum = sum.wrapping_add(self.process.uint(mcache, tiny_allocs)?);
            }
        }
        Ok(sum)
    }

    /// Port of `heapGoalInternal`, without a memory limit.
    fn heap_goal(&self, at: &Layout) -> Result<u64, Error> {
        let get = |field: At| self.process.uint(at.gc_controller, field.sized(8));
        let mut goal = get(at.heap_goal)?;
        if let Some(field) = at.sweep_trigger {
            goal = goal.max(get(field)?);
        }
        if let Some(field) = at.triggered {
            let triggered = get(field)?;
            if triggered != u64::MAX {
                goal = goal.max(triggered.saturating_add(MIN_RUNWAY));
            }
        }
        Ok(goal)
    }
}

/// `SizeClassToSize` (`class_to_size` up to Go 1.25), in bytes.
#[rustfmt::skip]
const SIZE_CLASSES: [u64; 68] = [
    0, 8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320, 352, 384, 416, 448, 480,
    512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792, 2048, 2304, 2688, 3072, 3200, 3456, 4096, 4864, 5376,
    6144, 6528, 6784, 6912, 8192, 9472, 9728, 10240, 10880, 12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576,
    27264, 28672, 32768,
];

const ALLP: Place = Place::variable("allp");

/// `minRunway`, in bytes.
const MIN_RUNWAY: u64 = 64 << 10;
