//! The memory profile, and the objects that it has sampled.

use super::{Dumper, Records};
use crate::error::Error;
use crate::format::tags::Tag;
use crate::record::{AllocSample, MemProf, Text};
use crate::runtime::Runtime;

impl<R: Runtime> Dumper<'_, '_, R> {
    /// Port of `dumpmemprof`.
    pub(super) fn dumpmemprof(&mut self) -> Result<(), Error> {
        let Dumper { runtime, out, .. } = self;
        runtime.iterate_memprof(|b| dumpmemprof_callback(*runtime, out, &b))?;
        runtime.alloc_samples(|AllocSample { object, bucket }| {
            out.tag(Tag::AllocSample)?;
            out.dumpptr(object)?;
            out.dumpptr(bucket)
        })
    }
}

/// Port of `dumpmemprof_callback`.
fn dumpmemprof_callback<R: Runtime>(runtime: &R, out: &mut Records<'_>, b: &MemProf) -> Result<(), Error> {
    out.tag(Tag::MemProf)?;
    out.dumpptr(b.bucket)?;
    out.sink.dumpint(b.size)?;
    out.sink.dumpint(b.stk.len() as u64)?;
    for (i, &pc) in b.stk.iter().enumerate() {
        match runtime.location(pc, i > 0)? {
            None => {
                out.sink.dumpslice(format!("({pc:#x})").as_bytes())?;
                out.dumpstr(runtime.memory(), Text::Literal("?"))?;
                out.sink.dumpint(0)?;
            }
            Some(location) => {
                out.dumpstr(runtime.memory(), location.func)?;
                out.dumpstr(runtime.memory(), location.file)?;
                out.sink.dumpint(location.line)?;
            }
        }
    }
    out.sink.dumpint(b.allocs)?;
    out.sink.dumpint(b.frees)
}
