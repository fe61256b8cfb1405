//! The memory statistics: those that `debug.WriteHeapDump` has collected.
//!
//! Since Go 1.18 no variable of the runtime holds them. `runtime_debug_WriteHeapDump` has them collected into a variable `m` of
//! its own, on its goroutine's stack, by a closure that it runs on the system's stack. The closure is in the same frame: its
//! code, and the two variables that it has captured, the address of `m` and the file's descriptor. (DWARF does not always
//! say where `m` is.)

use super::Go119;
use super::layout::At;
use crate::error::{Error, Place};
use crate::layouts::{Layouts, NoLayout};
use crate::memory::Addr;
use crate::record::{MemStats, Stkframe};
use crate::target::Target;

/// The function that collects them.
const COLLECTOR: &str = "runtime/debug.WriteHeapDump";
/// The closure, which the compiler names by the function or by what that is called in its package.
const CLOSURES: [&str; 2] =
    ["runtime.runtime_debug_WriteHeapDump.func1", "runtime/debug.WriteHeapDump.func1"];
/// How many variables it captures.
const CAPTURED: u64 = 2;
const CLOSURE: Place = Place::new("stack frame", "closure");

/// Declares the fields of `MemStats` as they are spelled.
macro_rules! fields {
    ($($field:ident = $go:literal),* $(,)?) => {
        /// Where they are.
        #[derive(Clone, Copy, Debug)]
        pub(super) struct Layout {
            $($field: At,)*
            pause_ns: At,
            /// The size of the whole, in bytes.
            size: u64,
        }

        impl Layout {
            pub(super) fn find(layouts: &dyn Layouts) -> Result<Self, NoLayout> {
                let field = |name| {
                    let place = Place::new("MemStats", name);
                    let at = layouts.field("runtime.MemStats", name).ok_or(NoLayout(place))?;
                    Ok(At { offset: at.offset, size: at.size, place })
                };
                Ok(Layout {
                    $($field: field($go)?,)*
                    pause_ns: field("PauseNs")?,
                    size: layouts.size("runtime.MemStats").ok_or(NoLayout(Place::new("runtime", "MemStats")))?,
                })
            }

            fn read(&self, get: impl Fn(At) -> Result<u64, Error>) -> Result<MemStats, Error> {
                let mut pause_ns = [0; 256];
                for (i, pause) in (0..).zip(&mut pause_ns) {
                    *pause = get(self.pause_ns.sized(8).after(8 * i))?;
                }
                Ok(MemStats { $($field: get(self.$field)?,)* pause_ns })
            }
        }
    };
}

fields! {
    alloc = "Alloc",
    total_alloc = "TotalAlloc",
    sys = "Sys",
    lookups = "Lookups",
    mallocs = "Mallocs",
    frees = "Frees",
    heap_alloc = "HeapAlloc",
    heap_sys = "HeapSys",
    heap_idle = "HeapIdle",
    heap_inuse = "HeapInuse",
    heap_released = "HeapReleased",
    heap_objects = "HeapObjects",
    stack_inuse = "StackInuse",
    stack_sys = "StackSys",
    mspan_inuse = "MSpanInuse",
    mspan_sys = "MSpanSys",
    mcache_inuse = "MCacheInuse",
    mcache_sys = "MCacheSys",
    buckhash_sys = "BuckHashSys",
    gc_sys = "GCSys",
    other_sys = "OtherSys",
    next_gc = "NextGC",
    last_gc = "LastGC",
    pause_total_ns = "PauseTotalNs",
    num_gc = "NumGC",
}

impl<T: Target> Go119<'_, T> {
    /// What `dumpmemstats` is given.
    pub(super) fn memstats(&self) -> Result<MemStats, Error> {
        match self.collected()? {
            Some(m) => self.memstats.read(|at| self.process.uint(m, at)),
            None => match (self.stopped, &self.counters) {
                (Some(stopped), Some(counters)) => {
                    stopped.note(|doubts| doubts.statistics_computed = true);
                    self.computed(counters)
                }
                _ => Err(Error::NoStatistics),
            },
        }
    }

    /// Where the statistics are that `debug.WriteHeapDump` has collected, if the process is in that.
    fn collected(&self) -> Result<Option<Addr>, Error> {
        let Some((gp, _)) = self.dumping()? else { return Ok(None) };
        let mut found = None;
        self.unwind(gp, false, |f, s| {
            if found.is_none() && self.symtab.name_is(f, COLLECTOR, true)? {
                found = self.captured(s)?;
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Of the closure in a frame, the captured address of what in the frame has room for the statistics.
    fn captured(&self, s: &Stkframe) -> Result<Option<Addr>, Error> {
        let word = |at| self.process.word(Addr(at), CLOSURE);
        for at in (s.sp..s.fp).step_by(T::PTR_SIZE as usize) {
            if !self.is_closure(word(at)?)? {
                continue;
            }
            for i in 1..=CAPTURED {
                let m = word(at.wrapping_add(i * T::PTR_SIZE))?;
                if m >= s.sp && m.checked_add(self.memstats.size).is_some_and(|end| end <= s.fp) {
                    return Ok(Some(Addr(m)));
                }
            }
        }
        Ok(None)
    }

    /// Whether a word is the entry PC of the closure that collects.
    fn is_closure(&self, pc: u64) -> Result<bool, Error> {
        let Some(f) = self.symtab.findfunc(pc)?.filter(|f| f.entry == pc) else { return Ok(false) };
        for name in CLOSURES {
            if self.symtab.name_is(&f, name, true)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
