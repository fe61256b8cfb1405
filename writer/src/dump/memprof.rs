//! The memory profile, and the objects that it has sampled.

use std::io::Write;

use super::{Dumper, Records};
use crate::error::{Error, Place};
use crate::format::tags::Tag;
use crate::memory::Memory;
use crate::runtime::heap::KIND_SPECIAL_PROFILE;
use crate::runtime::layout::offset;
use crate::runtime::process::Process;
use crate::runtime::profile::Bucket;
use crate::runtime::structs::SpecialProfile;
use crate::runtime::symtab::Text;
use crate::target::Target;

impl<T: Target, M: Memory + ?Sized, W: Write> Dumper<'_, T, M, W> {
    /// Port of `dumpmemprof`.
    pub(super) fn dumpmemprof(&mut self) -> Result<(), Error> {
        let Dumper { process, heap, out, .. } = self;
        process.iterate_memprof(|b| dumpmemprof_callback(process, out, &b))?;
        heap.spans_in_use(process, |s| {
            s.specials(process, KIND_SPECIAL_PROFILE, |special, object| {
                out.tag(Tag::AllocSample)?;
                out.dumpptr(object)?;
                out.dumpptr(process.get(special, SpecialProfile::b())?)
            })
        })
    }
}

/// Port of `dumpmemprof_callback`.
fn dumpmemprof_callback<T: Target, M: Memory + ?Sized, W: Write>(
    process: &Process<'_, T, M>,
    out: &mut Records<W>,
    b: &Bucket,
) -> Result<(), Error> {
    out.tag(Tag::MemProf)?;
    out.dumpptr(b.addr)?;
    out.sink.dump_int(b.size)?;
    out.sink.dump_int(b.nstk)?;
    for i in 0..b.nstk {
        let pc = process.word(offset::<T>(b.stk, i * T::PTR_SIZE), Place::new("bucket", "stk"))?;
        match process.findfunc(pc)? {
            None => {
                out.sink.dumpslice(format!("({pc:#x})").as_bytes())?;
                out.dumpstr(process.memory, Text::Literal("?"))?;
                out.sink.dump_int(0)?;
            }
            Some(f) => {
                out.dumpstr(process.memory, process.funcname(&f)?)?;
                let pc = if i > 0 && pc > f.entry { pc - 1 } else { pc };
                let (file, line) = process.funcline(&f, pc)?;
                out.dumpstr(process.memory, file)?;
                out.sink.dump_int(line as u64)?;
            }
        }
    }
    out.sink.dump_int(b.allocs)?;
    out.sink.dump_int(b.frees)
}
