//! The roots: data and bss segments, finalizers.

use std::io::Write;

use super::own::{Patch, Patched};
use super::{Dumper, Records};
use crate::error::{Error, Place};
use crate::format::tags::Tag;
use crate::memory::{Addr, Memory};
use crate::runtime::heap::KIND_SPECIAL_FINALIZER;
use crate::runtime::layout::{Field, Uintptr};
use crate::runtime::process::{Process, check_range, out_of_range};
use crate::runtime::structs::{Bitvector, Finalizer, Moduledata, SpecialFinalizer};
use crate::target::Target;

/// A segment of `firstmoduledata`: which fields describe it.
struct Segment<T> {
    tag: Tag,
    start: Field<T, Uintptr>,
    end: Field<T, Uintptr>,
    mask: Field<T, Bitvector>,
}

impl<T: Target, M: Memory + ?Sized, W: Write> Dumper<'_, T, M, W> {
    /// Port of `dumproots`.
    pub(super) fn dumproots(&mut self) -> Result<(), Error> {
        self.dumpsegment(Segment {
            tag: Tag::Data,
            start: Moduledata::data(),
            end: Moduledata::edata(),
            mask: Moduledata::gcdatamask(),
        })?;
        self.dumpsegment(Segment {
            tag: Tag::Bss,
            start: Moduledata::bss(),
            end: Moduledata::ebss(),
            mask: Moduledata::gcbssmask(),
        })?;

        for &(description, to) in self.options.other_roots {
            self.out.dumpotherroot(description, to)?;
        }

        // MSpan.types
        let Dumper { process, heap, out, .. } = self;
        heap.spans_in_use(process, |s| {
            s.specials(process, KIND_SPECIAL_FINALIZER, |special, object| {
                let spf = Finalization {
                    tag: Tag::Finalizer,
                    object,
                    func: process.get(special, SpecialFinalizer::r#fn())?,
                    fint: process.get(special, SpecialFinalizer::fint())?,
                    ot: process.get(special, SpecialFinalizer::ot())?,
                };
                dumpfinalizer(process, out, spf)
            })
        })?;

        // Finalizer queue
        process.iterate_finq(|f| {
            let queued = Finalization {
                tag: Tag::QueuedFinalizer,
                object: process.get(f, Finalizer::arg())?,
                func: process.get(f, Finalizer::r#fn())?,
                fint: process.get(f, Finalizer::fint())?,
                ot: process.get(f, Finalizer::ot())?,
            };
            dumpfinalizer(process, out, queued)
        })
    }

    fn dumpsegment(&mut self, segment: Segment<T>) -> Result<(), Error> {
        let datap = self.process.symbols.firstmoduledata;
        let start = self.process.get(datap, segment.start)?;
        let end = self.process.get(datap, segment.end)?;
        let mask = self.process.get(datap, segment.mask)?;
        let place = segment.end.place;
        if end < start {
            return Err(out_of_range(place, datap, end, "the segment ends before it begins"));
        }
        if mask.n < 0 {
            let n = mask.n as u64;
            return Err(out_of_range(segment.mask.place, datap, n, "the number of bits is negative"));
        }
        let (len, start) = (end - start, Addr(start));
        check_range::<T>(start, len, place, datap)?;

        let memory = self.process.memory;
        self.out.tag(segment.tag)?;
        self.out.dumpptr(start)?;
        match self.own_variables(start, len) {
            own if own.is_empty() => self.out.dumpmemrange(memory, start, len, place)?,
            own => {
                let contents = read_growing(&Patched::new(memory, own), start, len, place)?;
                self.out.sink.dumpslice(&contents)?;
            }
        }
        self.out.dumpfields::<T, M>(memory, mask, segment.mask.place)
    }

    /// Those of the dumping code's own variables that lie in this segment.
    fn own_variables(&self, start: Addr, len: u64) -> Vec<Patch> {
        if !self.options.defects.own_variables_in_bss {
            return Vec::new();
        }
        let symbols = self.process.symbols;
        let typecache = Some(Patch::words::<T>(symbols.typecache, self.typecache.words()));
        let tmpbuf = self.tmpbuf.words().map(|words| Patch::words::<T>(symbols.tmpbuf, words));
        [typecache, tmpbuf, self.divmod.patch::<T>()]
            .into_iter()
            .flatten()
            .filter(|patch| !patch.at.is_nil() && patch.lies_in(start, len))
            .collect()
    }
}

/// A copy of target memory, for which no more is allocated than has been read.
fn read_growing<M>(memory: &M, start: Addr, len: u64, place: Place) -> Result<Vec<u8>, Error>
where
    M: Memory + ?Sized,
{
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

/// A finalizer, registered or queued.
struct Finalization {
    tag: Tag,
    object: Addr,
    func: Addr,
    fint: Addr,
    ot: Addr,
}

/// Port of `dumpfinalizer` and of `finq_callback`, which differ in the tag.
fn dumpfinalizer<T: Target, M: Memory + ?Sized, W: Write>(
    process: &Process<'_, T, M>,
    out: &mut Records<W>,
    f: Finalization,
) -> Result<(), Error> {
    out.tag(f.tag)?;
    out.dumpptr(f.object)?;
    out.dumpptr(f.func)?;
    out.sink.dump_int(process.funcval(f.func)?)?;
    out.dumpptr(f.fint)?;
    out.dumpptr(f.ot)
}

impl<W: Write> Records<W> {
    /// Port of `dumpotherroot`, which nothing in Go 1.5 calls: a root that is no segment, frame or
    /// finalizer.
    fn dumpotherroot(&mut self, description: &str, to: Addr) -> Result<(), Error> {
        self.tag(Tag::OtherRoot)?;
        self.sink.dumpslice(description.as_bytes())?;
        self.dumpptr(to)
    }
}
