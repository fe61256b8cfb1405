//! The dump itself, in the reference's order: `mdump` of heapdump.go and what it calls.
//!
//! A file for each part. Values come from a [`Runtime`]; nothing here knows where a release of Go keeps them.

mod fields;
mod frames;
mod goroutines;
mod itabs;
mod memprof;
mod memstats;
mod objects;
mod params;
mod roots;
pub(crate) mod typecache;

use crate::error::{Error, Place};
use crate::format::sink::Sink;
use crate::format::tags::Tag;
use crate::memory::{Addr, Memory};
use crate::options::Summary;
use crate::process::field::Header;
use crate::record::Text;
use crate::runtime::{Moment, Runtime};
use typecache::TypeCache;

/// A dump in the making.
struct Dumper<'a, 'w, R> {
    runtime: &'a R,
    other_roots: &'a [(&'a str, Addr)],
    typecache: TypeCache,
    out: Records<'w>,
}

/// The sink, and a count of the records that have gone into it.
struct Records<'w> {
    sink: Sink<'w>,
    summary: Summary,
}

/// Writes the heap dump of a process; see [`write_heap_dump`](crate::write_heap_dump).
pub(crate) fn write<R: Runtime>(
    runtime: &R,
    other_roots: &[(&str, Addr)],
    sink: Sink<'_>,
) -> Result<Summary, Error> {
    let out = Records { sink, summary: Summary::default() };
    let mut dumper = Dumper { runtime, other_roots, typecache: TypeCache::new(), out };
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

impl<R: Runtime> Dumper<'_, '_, R> {
    /// Port of `mdump`.
    fn mdump(&mut self) -> Result<(), Error> {
        // make sure we're done sweeping
        self.runtime.ensure_swept()?;
        self.out.sink.dwrite(R::VERSION.header)?;
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

impl Records<'_> {
    /// Begins a record.
    #[inline]
    fn tag(&mut self, tag: Tag) -> Result<(), Error> {
        self.count(tag, 1);
        self.sink.dumpint(tag as u64)
    }

    /// Counts records.
    #[inline(always)]
    fn count(&mut self, tag: Tag, n: u32) {
        self.summary.records[tag as usize] += u64::from(n);
    }

    /// `dumpint(uint64(uintptr(unsafe.Pointer(p))))`.
    #[inline]
    fn dumpptr(&mut self, p: Addr) -> Result<(), Error> {
        self.sink.dumpint(p.0)
    }

    /// Port of `dumpmemrange`.
    fn dumpmemrange(&mut self, memory: &dyn Memory, data: Addr, len: u64, place: Place) -> Result<(), Error> {
        self.sink.dumpint(len)?;
        self.sink.dwrite_from(memory, data, len, place)
    }

    /// Port of `dumpstr`.
    fn dumpstr(&mut self, memory: &dyn Memory, s: Text) -> Result<(), Error> {
        match s {
            Text::Literal(s) => self.sink.dumpslice(s.as_bytes()),
            Text::Target(Header { array, len }) => self.dumpmemrange(memory, array, len, STRING),
        }
    }

    /// What the dumping code's variables hold by now.
    fn moment<'d>(&'d self, typecache: &'d TypeCache) -> Moment<'d> {
        let (buf, nbuf) = self.sink.buffer();
        Moment { typecache, buf, nbuf }
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
