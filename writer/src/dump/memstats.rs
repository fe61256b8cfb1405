//! The memory statistics.

use std::io::Write;

use super::Dumper;
use crate::error::Error;
use crate::format::tags::Tag;
use crate::memory::Memory;
use crate::runtime::structs::Mstats;
use crate::target::Target;

impl<T: Target, M: Memory + ?Sized, W: Write> Dumper<'_, T, M, W> {
    /// Port of `dumpmemstats`.
    pub(super) fn dumpmemstats(&mut self) -> Result<(), Error> {
        let memstats = self.process.symbols.memstats;
        let growth = if self.options.defects.tmpbuf_in_other_sys { self.tmpbuf.growth() } else { 0 };
        self.out.tag(Tag::MemStats)?;
        for field in [
            Mstats::alloc(),
            Mstats::total_alloc(),
            Mstats::sys(),
            Mstats::nlookup(),
            Mstats::nmalloc(),
            Mstats::nfree(),
            Mstats::heap_alloc(),
            Mstats::heap_sys(),
            Mstats::heap_idle(),
            Mstats::heap_inuse(),
            Mstats::heap_released(),
            Mstats::heap_objects(),
            Mstats::stacks_inuse(),
            Mstats::stacks_sys(),
            Mstats::mspan_inuse(),
            Mstats::mspan_sys(),
            Mstats::mcache_inuse(),
            Mstats::mcache_sys(),
            Mstats::buckhash_sys(),
            Mstats::gc_sys(),
        ] {
            self.out.sink.dump_int(self.process.get(memstats, field)?)?;
        }
        let other_sys = self.process.get(memstats, Mstats::other_sys())?;
        self.out.sink.dump_int(other_sys.wrapping_add(growth))?;
        for field in [Mstats::next_gc(), Mstats::last_gc(), Mstats::pause_total_ns()] {
            self.out.sink.dump_int(self.process.get(memstats, field)?)?;
        }
        for i in 0..256 {
            let pause = Mstats::pause_ns().first().element(i);
            self.out.sink.dump_int(self.process.get(memstats, pause)?)?;
        }
        self.out.sink.dump_int(u64::from(self.process.get(memstats, Mstats::numgc())?))
    }
}
