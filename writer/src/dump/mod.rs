//! The dump itself, in the reference's order: `mdump` of heapdump.go and what it calls.

mod fields;
mod frames;
mod goroutines;
mod itabs;
mod memprof;
mod memstats;
mod objects;
mod own;
mod params;
mod roots;
mod tmpbuf;
mod typecache;

use std::io::Write;

use crate::error::{Error, Place};
use crate::format::sink::Sink;
use crate::format::tags::{HEADER, Tag};
use crate::memory::{Addr, Memory};
use crate::options::{Options, Summary};
use crate::runtime::heap::Heap;
use crate::runtime::layout::Header;
use crate::runtime::process::Process;
use crate::runtime::symtab::Text;
use crate::symbols::Symbols;
use crate::target::{AnyTarget, Target};
use own::Divmod;
use tmpbuf::Tmpbuf;
use typecache::TypeCache;

/// A dump in the making.
pub(crate) struct Dumper<'a, T, M: ?Sized, W> {
    process: Process<'a, T, M>,
    heap: Heap,
    out: Records<W>,
    options: &'a Options<'a>,
    typecache: TypeCache,
    tmpbuf: Tmpbuf<'a>,
    divmod: Divmod,
}

/// The sink, and a count of the records that have gone into it.
pub(crate) struct Records<W> {
    sink: Sink<W>,
    summary: Summary,
}

/// Writes the heap dump of a process of target `T`; see [`write_heap_dump`](crate::write_heap_dump).
pub(crate) fn write<T: Target, M: Memory + ?Sized, W: Write>(
    memory: &M,
    symbols: &Symbols,
    options: &Options<'_>,
    out: W,
) -> Result<Summary, Error> {
    let process = Process::<T, M>::new(memory, symbols)?;
    let unsigned_count = T::ANY == AnyTarget::Amd64;
    let mut sink = Sink::new(out, capacity(options, symbols), options.defects, unsigned_count);
    if let Some(buf) = own::initial_buf(memory, symbols.buf).filter(|_| dumps_its_buffer(options, symbols)) {
        sink.preload(&buf);
    }
    let mut dumper = Dumper {
        heap: Heap::read(&process)?,
        tmpbuf: Tmpbuf::new(&process, options.sys_alloc)?,
        divmod: Divmod::new(&process, options.defects),
        out: Records { sink, summary: Summary::default() },
        typecache: TypeCache::new(),
        options,
        process,
    };
    match dumper.mdump() {
        Ok(()) => Ok(dumper.out.finish()),
        // The output is at an end already.
        Err(error @ Error::Write { .. }) => Err(error),
        // What was dumped before the error must not be lost. Should that fail as well, the first error
        // is still the one to tell.
        Err(error) => {
            let _ = dumper.out.sink.flush();
            Err(error)
        }
    }
}

/// Whether the reference's output buffer is itself dumped, with what is in it at the moment.
fn dumps_its_buffer(options: &Options<'_>, symbols: &Symbols) -> bool {
    options.defects.type_names_by_address && options.defects.own_variables_in_bss && !symbols.buf.is_nil()
}

/// The buffer's capacity: the reference's own where that can be seen in the dump.
fn capacity(options: &Options<'_>, symbols: &Symbols) -> usize {
    if dumps_its_buffer(options, symbols) { Options::REFERENCE_CAPACITY } else { options.capacity }
}

impl<T: Target, M: Memory + ?Sized, W: Write> Dumper<'_, T, M, W> {
    /// Port of `mdump`.
    fn mdump(&mut self) -> Result<(), Error> {
        // make sure we're done sweeping
        self.heap.spans_in_use(&self.process, |s| self.heap.ensure_swept(&s))?;
        self.out.sink.dwrite(HEADER)?;
        self.dumpparams()?;
        self.dumpitabs()?;
        self.dumpobjs()?;
        self.dumpgs()?;
        self.dumpms()?;
        self.dumproots()?;
        self.dumpmemstats()?;
        self.dumpmemprof()?;
        self.out.tag(Tag::Eof)?;
        self.out.sink.flush()
    }
}

impl<W: Write> Records<W> {
    /// Begins a record.
    #[inline]
    fn tag(&mut self, tag: Tag) -> Result<(), Error> {
        self.count(tag, 1);
        self.sink.dump_int(tag as u64)
    }

    /// Counts records.
    #[inline(always)]
    fn count(&mut self, tag: Tag, n: u32) {
        self.summary.records[tag as usize] += u64::from(n);
    }

    /// `dumpint(uint64(uintptr(unsafe.Pointer(p))))`.
    #[inline]
    fn dumpptr(&mut self, p: Addr) -> Result<(), Error> {
        self.sink.dump_int(p.0)
    }

    /// Port of `dumpmemrange`.
    fn dumpmemrange<M>(&mut self, memory: &M, data: Addr, len: u64, place: Place) -> Result<(), Error>
    where
        M: Memory + ?Sized,
    {
        self.sink.dump_int(len)?;
        self.sink.dwrite_from(memory, data, len, place)
    }

    /// Port of `dumpstr`.
    fn dumpstr<M: Memory + ?Sized>(&mut self, memory: &M, s: Text) -> Result<(), Error> {
        match s {
            Text::Literal(s) => self.sink.dumpslice(s.as_bytes()),
            Text::Target(Header { array, len }) => self.dumpmemrange(memory, array, len, STRING),
        }
    }

    fn finish(mut self) -> Summary {
        self.summary.bytes = self.sink.written();
        self.summary.lost = self.sink.lost();
        self.summary
    }
}

const STRING: Place = Place::new("string", "str");

#[cfg(test)]
mod tests;
