//! Go 1.19 and later: the second generation.
//!
//! Its runtime as it lies in the target's memory. Where fields are, what is there at all and which numbers mean what, the
//! program itself says ([`Layouts`]): `shape` asks once, when the process is opened.
//!
//! | | |
//! |---|---|
//! | `layout`, `shape`, `arch`, `read` | structures, in what releases differ, what Go says of a machine, typed reads |
//! | `heap`, `objects`, `pointers` | spans, the slots of a span, which words are pointers |
//! | `types` | types and itabs |
//! | `symtab`, `bytes` | from a PC to its function, and what the linker recorded about it |
//! | `goroutine`, `unwind`, `frames`, `stack_objects` | goroutines, unwinding, what is known of a frame |
//! | `roots` | segments, finalizers |
//! | `profile`, `memstats` | the memory profile, statistics |
//! | `stopped`, `sweep`, `standing`, `signal_frame`, `conservative`, `counters` | processes that were stopped from outside, wherever they were |
//! | `defects`, `own`, `cache` | what the runtime does wrong, and what its dumper does to the process it dumps |

mod arch;
mod bytes;
mod cache;
mod conservative;
mod counters;
mod defects;
mod frames;
mod goroutine;
mod heap;
mod layout;
mod memstats;
mod objects;
mod own;
mod pointers;
mod profile;
mod program;
mod read;
mod roots;
mod shape;
mod signal_frame;
mod stack_objects;
mod standing;
mod stopped;
mod sweep;
mod symtab;
mod types;
mod unwind;

use std::cell::RefCell;

pub use arch::TARGETS;
use cache::{CacheLayout, PcvalueCache};
pub use defects::Defects;
pub use program::Program;
pub use stopped::{Doubts, Stopped, Thread};

use crate::error::{Error, Place};
use crate::format::version::{Arch, Version};
use crate::layouts::{Layouts, NoLayout};
use crate::memory::{Addr, Memory};
use crate::process::Process;
use crate::process::patch::Patch;
use crate::record::{Params, Text};
use crate::runtime::{FrameFaults, Moment, Runtime};
use crate::target::Target;
use heap::Heap;
use layout::At;
use own::{Own, Palloc, PallocLayout, Tmpbuf};
use shape::Shape;
use standing::Standings;
use symtab::Symtab;

/// The version of the format that all these releases write.
pub const VERSION: Version = Version { header: b"go1.7 heap dump\n" };

/// Asks for everything that a dump may ask for, of a program whose machine has pointers of `ptr_size` bytes. A [`Layouts`] that
/// writes down what it is asked learns here what a table must have.
///
/// # Errors
/// What is missing, and no dump can be written without.
pub fn ask(layouts: &dyn Layouts, ptr_size: u64) -> Result<(), NoLayout> {
    Shape::probe(layouts)?;
    memstats::Layout::find(layouts)?;
    counters::Layout::find(layouts)?;
    CacheLayout::find(layouts, ptr_size);
    PallocLayout::find(layouts);
    Ok(())
}

/// The lowest `n` bits.
fn low(n: u64) -> u64 {
    crate::runtime::low_bits(n.min(64))
}

/// A process of Go 1.19 or later.
pub(crate) struct Go119<'m, T> {
    process: Process<'m, T>,
    shape: Shape,
    memstats: memstats::Layout,
    symtab: Symtab<'m, T>,
    heap: Heap,
    defects: Defects,
    /// A process that was stopped from outside, and not by its own runtime.
    stopped: Option<&'m Stopped<'m>>,
    /// Where the goroutines of such a process stand.
    standings: Standings,
    /// Where its statistics are worked out from.
    counters: Option<counters::Layout>,
    /// What changes while the process is dumped.
    own: RefCell<Own<'m>>,
}

impl<'m, T: Target> Go119<'m, T> {
    /// The roots of a stopped process that are in no record but their own.
    fn roots_found(&self) -> &[(String, Addr)] {
        &self.standings.roots
    }

    /// Takes up a process.
    fn new(memory: &'m dyn Memory, program: &Program<'m>) -> Result<Self, Error> {
        let process = Process::new(memory);
        let shape = Shape::probe(program.layouts)?;
        let symtab = Symtab::read(process, shape.tables, shape.variables.firstmoduledata)?;
        let heap = Heap::read(&process, &shape)?;
        let cache = PcvalueCache::new(&process, None, None);
        let mut go = Go119 {
            process,
            stopped: program.stopped,
            standings: Standings::default(),
            counters: program.stopped.and_then(|_| counters::Layout::find(program.layouts).ok()),
            memstats: memstats::Layout::find(program.layouts)?,
            symtab,
            heap,
            shape,
            defects: program.defects,
            own: RefCell::new(Own { tmpbuf: Tmpbuf::new(program.sys_alloc), cache, palloc: None }),
        };
        if let Some(stopped) = program.stopped {
            stopped.begin();
            go.standings = go.standings(stopped)?;
            let collecting = go.is_collecting()?;
            stopped.note(|doubts| doubts.collecting = collecting);
        }
        if go.defects.own_variables_in_bss
            && let Some((_, mp)) = go.dumping().ok().flatten()
        {
            let mut own = go.own.borrow_mut();
            let layout = CacheLayout::find(program.layouts, T::PTR_SIZE);
            own.cache = PcvalueCache::new(&process, layout, Some(mp));
            own.palloc =
                PallocLayout::find(program.layouts).and_then(|layout| Palloc::new(&process, &layout, mp));
        }
        Ok(go)
    }
}

impl<T: Target> Runtime for Go119<'_, T> {
    type Target = T;

    const VERSION: Version = VERSION;

    fn memory(&self) -> &dyn Memory {
        self.process.memory
    }

    fn frame_faults(&self) -> FrameFaults {
        let Defects { locals_from_arglen, args_beyond_frame, .. } = self.defects;
        FrameFaults { locals_from_arglen, args_beyond_frame }
    }

    fn params(&self) -> Result<Params, Error> {
        let (arena_start, arena_used) = self.heap.bounds(&self.process, &self.shape)?;
        let at = |name, size| At { offset: 0, size, place: Place::variable(name) };
        let version =
            self.process.header(self.shape.variables.build_version, at("buildVersion", 2 * T::PTR_SIZE))?;
        // As many Ps as processors is the default.
        let ncpu = match (self.shape.variables.ncpu, self.allp()?) {
            (Some(ncpu), _) => self.process.int32(ncpu.addr, at("ncpu", 4))?,
            (None, Some(allp)) => allp.len as i32,
            (None, None) => return Err(NoLayout(Place::variable("ncpu")).into()),
        };
        Ok(Params {
            arena_start,
            arena_used,
            arch: Arch::Name(T::GOARCH),
            goexperiment: Text::Target(version),
            ncpu: i64::from(ncpu) as u64,
        })
    }

    fn own_variables(&self, moment: &Moment<'_>, start: Addr, len: u64) -> Vec<Patch> {
        self.own_variables(moment, start, len)
    }
}

#[cfg(test)]
mod tests;
