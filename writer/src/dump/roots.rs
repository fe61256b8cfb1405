//! The roots: data and bss segments, finalizers.

use super::{Dumper, Records};
use crate::error::{Error, Place};
use crate::format::tags::Tag;
use crate::memory::{Addr, Memory};
use crate::process::patch::Patched;
use crate::record::{Finalizer, Segment};
use crate::runtime::Runtime;

impl<R: Runtime> Dumper<'_, '_, R> {
    /// Port of `dumproots`.
    pub(super) fn dumproots(&mut self) -> Result<(), Error> {
        let Dumper { runtime, other_roots, typecache, out } = self;
        runtime.segments(|segment| {
            let own = runtime.own_variables(&out.moment(typecache), segment.start, segment.len);
            dumpsegment(*runtime, out, &segment, Patched::new(runtime.memory(), own))
        })?;
        for &(description, to) in *other_roots {
            dumpotherroot(out, description, to)?;
        }
        // MSpan.types
        runtime.finalizers(|f| dumpfinalizer(out, Tag::Finalizer, &f))?;
        // Finalizer queue
        runtime.iterate_finq(|f| finq_callback(out, &f))
    }
}

fn dumpsegment<R: Runtime>(
    runtime: &R,
    out: &mut Records<'_>,
    segment: &Segment,
    memory: Patched<'_>,
) -> Result<(), Error> {
    let Segment { tag, start, len, place, mask, mask_place } = *segment;
    out.tag(tag)?;
    out.dumpptr(start)?;
    if memory.is_patched() {
        let contents = read_growing(&memory, start, len, place)?;
        out.sink.dumpslice(&contents)?;
    } else {
        out.dumpmemrange(runtime.memory(), start, len, place)?;
    }
    out.dumpfields::<R::Target>(runtime.memory(), mask, mask_place)
}

/// A copy of target memory, for which no more is allocated than has been read.
fn read_growing(memory: &dyn Memory, start: Addr, len: u64, place: Place) -> Result<Vec<u8>, Error> {
    const CHUNK: u64 = 1 << 16;
    let mut contents = Vec::new();
    while (contents.len() as u64) < len {
        let done = contents.len();
        let n = (len - done as u64).min(CHUNK);
        contents.resize(done + n as usize, 0);
        memory
            .read(start.add(done as u64), &mut contents[done..])
            .map_err(|source| Error::Unreadable { place, source })?;
    }
    Ok(contents)
}

/// Port of `dumpotherroot`, which nothing in Go calls: a root that is no segment, frame or finalizer.
fn dumpotherroot(out: &mut Records<'_>, description: &str, to: Addr) -> Result<(), Error> {
    out.tag(Tag::OtherRoot)?;
    out.sink.dumpslice(description.as_bytes())?;
    out.dumpptr(to)
}

/// Port of `finq_callback`.
fn finq_callback(out: &mut Records<'_>, f: &Finalizer) -> Result<(), Error> {
    dumpfinalizer(out, Tag::QueuedFinalizer, f)
}

/// Port of `dumpfinalizer`; what `finq_callback` dumps differs in the tag.
fn dumpfinalizer(out: &mut Records<'_>, tag: Tag, f: &Finalizer) -> Result<(), Error> {
    out.tag(tag)?;
    out.dumpptr(f.object)?;
    out.dumpptr(f.func)?;
    out.sink.dumpint(f.entry)?;
    out.dumpptr(f.fint)?;
    out.dumpptr(f.ot)
}
