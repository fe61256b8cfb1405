//! The memory statistics.

use super::Dumper;
use crate::error::Error;
use crate::format::tags::Tag;
use crate::runtime::Runtime;

impl<R: Runtime> Dumper<'_, '_, R> {
    /// Port of `dumpmemstats`.
    pub(super) fn dumpmemstats(&mut self) -> Result<(), Error> {
        let m = self.runtime.memstats()?;
        self.out.tag(Tag::MemStats)?;
        self.out.sink.dumpints(&[
            m.alloc,
            m.total_alloc,
            m.sys,
            m.lookups,
            m.mallocs,
            m.frees,
            m.heap_alloc,
            m.heap_sys,
            m.heap_idle,
            m.heap_inuse,
            m.heap_released,
            m.heap_objects,
            m.stack_inuse,
            m.stack_sys,
            m.mspan_inuse,
            m.mspan_sys,
            m.mcache_inuse,
            m.mcache_sys,
            m.buckhash_sys,
            m.gc_sys,
            m.other_sys,
            m.next_gc,
            m.last_gc,
            m.pause_total_ns,
        ])?;
        self.out.sink.dumpints(&m.pause_ns)?;
        self.out.sink.dumpint(m.num_gc)
    }
}
