//! Since Go 1.22: small objects have a bit a word at the end of their span, larger ones a pointer to their type before
//! them, and the largest one in `mspan.largeType`.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::mask::Mask;
use super::{Window, load};
use crate::error::{Error, Place};
use crate::go119::heap::Span;
use crate::go119::layout::Type;
use crate::go119::read::integer;
use crate::go119::shape::Headers;
use crate::go119::stopped::Stopped;
use crate::memory::Addr;
use crate::process::{Process, offset};
use crate::target::Target;

/// `gc.MallocHeaderSize`, in bytes.
const MALLOC_HEADER_SIZE: u64 = 8;
/// How many masks are kept.
const MASKS: usize = 4096;
const HEADER: Place = Place::new("object", "header");
const HEAP_BITS: Place = Place::new("mspan", "heapBits");

/// How the objects of a span are described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::go119) enum Kind {
    NoScan,
    InSpan,
    Header,
    Large,
}

/// What describes the objects.
pub(in crate::go119) struct HeaderBits<'m, T> {
    process: Process<'m, T>,
    headers: Headers,
    typ: Type,
    masks: HashMap<Addr, Rc<Mask>>,
    /// The object whose bits were asked for last, and its mask: a large one is asked for in pieces.
    last: Option<(Addr, Option<Rc<Mask>>)>,
    buf: Vec<u8>,
    /// A process that was stopped anywhere may be about to write an object's header.
    stopped: Option<&'m Stopped<'m>>,
    /// The types whose masks have been looked for.
    seen: HashSet<Addr>,
}

impl<'m, T: Target> HeaderBits<'m, T> {
    pub(super) fn new(
        process: Process<'m, T>,
        headers: Headers,
        typ: Type,
        stopped: Option<&'m Stopped<'m>>,
    ) -> Self {
        HeaderBits {
            process,
            headers,
            typ,
            masks: HashMap::new(),
            last: None,
            buf: Vec::new(),
            stopped,
            seen: HashSet::new(),
        }
    }

    /// How the objects of a span are described.
    pub(super) fn kind(&self, span: &Span) -> Kind {
        // heapBitsInSpan
        let in_span = span.elemsize <= T::PTR_SIZE * 8 * T::PTR_SIZE;
        match (span.noscan(), in_span, span.sizeclass()) {
            (true, ..) => Kind::NoScan,
            (false, true, _) => Kind::InSpan,
            (false, false, 0) => Kind::Large,
            (false, false, _) => Kind::Header,
        }
    }

    /// Port of `spanHeapBitsRange`: where the bits of a span are, and how many bytes they take.
    fn heap_bits_range(&self, span: &Span) -> (Addr, u64) {
        let size = span.size / T::PTR_SIZE / 8;
        // gcUsesSpanInlineMarkBits
        let marks = if span.elemsize >= 16 { self.headers.inline_marks } else { 0 };
        (offset::<T>(span.base, span.size.wrapping_sub(size).wrapping_sub(marks)), size)
    }

    /// The bits of `n` words of a span from number `word` on: which bit of the window is that of the first.
    pub(super) fn in_span(
        &mut self,
        span: &Span,
        word: u64,
        n: u64,
        window: &mut Window,
    ) -> Result<u64, Error> {
        let (bits, size) = self.heap_bits_range(span);
        let ptr_bits = 8 * T::PTR_SIZE;
        let (first, end) = (word / ptr_bits, (word + n).div_ceil(ptr_bits).min(size / T::PTR_SIZE));
        let len = end.saturating_sub(first) * T::PTR_SIZE;
        let at = offset::<T>(bits, first * T::PTR_SIZE);
        let bytes = match self.process.memory.borrow(at, len) {
            Some(bytes) => bytes,
            None => {
                self.buf.resize(len as usize, 0);
                let read = self.process.memory.read(at, &mut self.buf);
                read.map_err(|source| Error::Unreadable { place: HEAP_BITS, source })?;
                &self.buf
            }
        };
        if T::BIG_ENDIAN {
            let size = T::PTR_SIZE as usize;
            for (to, from) in window.chunks_mut(size).zip(bytes.chunks(size)) {
                to.copy_from_slice(&integer::<T>(from).to_le_bytes()[..size]);
            }
        } else {
            window[..bytes.len()].copy_from_slice(bytes);
        }
        // Words after the last that has a bit have no pointers.
        let asked = (((word % ptr_bits + n) / 8) as usize + 8).min(window.len());
        window[bytes.len().min(asked)..asked].fill(0);
        Ok(word % ptr_bits)
    }

    /// Port of `typePointersOfUnchecked` and `next`: words `i` to `i + n` of the object in a slot, which is at `p`.
    pub(super) fn bits(
        &mut self,
        span: &Span,
        slot: u64,
        p: Addr,
        i: u64,
        n: u64,
    ) -> Result<(u64, bool), Error> {
        let kind = self.kind(span);
        let header = match kind {
            Kind::NoScan => return Ok((0, false)),
            Kind::InSpan => {
                let mut window = [0; super::BYTES];
                let word = slot * (span.elemsize / T::PTR_SIZE) + i;
                let first = self.in_span(span, word, n, &mut window)?;
                return Ok((load(&window, first), true));
            }
            Kind::Header => MALLOC_HEADER_SIZE / T::PTR_SIZE,
            Kind::Large => 0,
        };
        let mask = match &self.last {
            Some((last, mask)) if *last == p && i > 0 => mask.clone(),
            _ => {
                let typ = match kind {
                    Kind::Large => self.process.ptr(span.addr, self.headers.large_type)?,
                    _ => self.process.word(p, HEADER).map(Addr)?,
                };
                self.mask(typ, span.elemsize / T::PTR_SIZE)?
            }
        };
        self.last = Some((p, mask.clone()));
        match mask {
            Some(mask) => Ok((mask.repeated(i, n, header), true)),
            None => Ok((0, false)),
        }
    }

    /// See [`HeapPointers::mask_to_build`](super::HeapPointers::mask_to_build).
    pub(super) fn mask_to_build(&mut self, span: &Span, slot: u64) -> Result<Option<u64>, Error> {
        let Some(on_demand) = &self.headers.on_demand else { return Ok(None) };
        let typ = match self.kind(span) {
            Kind::NoScan | Kind::InSpan => return Ok(None),
            Kind::Header => {
                self.process.word(offset::<T>(span.base, slot * span.elemsize), HEADER).map(Addr)?
            }
            Kind::Large => self.process.ptr(span.addr, self.headers.large_type)?,
        };
        if typ.is_nil() || !self.seen.insert(typ) {
            return Ok(None);
        }
        let flagged = self.process.uint(typ, self.typ.tflag)? & on_demand.flag != 0;
        if !flagged || self.process.word(self.process.ptr(typ, self.typ.gc_data)?, HEADER)? != 0 {
            return Ok(None);
        }
        let words = self.process.uint(typ, self.typ.ptr_bytes)? / T::PTR_SIZE;
        Ok(Some(words.div_ceil(8 * T::PTR_SIZE) * T::PTR_SIZE))
    }

    /// The mask of a type, of objects of so many words; none where nothing is a pointer.
    fn mask(&mut self, typ: Addr, most: u64) -> Result<Option<Rc<Mask>>, Error> {
        // Allow a nil type here for delayed zeroing. See mallocgc.
        if typ.is_nil() {
            return Ok(None);
        }
        if let Some(mask) = self.masks.get(&typ) {
            return Ok(Some(mask.clone()));
        }
        let mask = match (
            Mask::read(&self.process, &self.typ, self.headers.on_demand.as_ref(), typ, most),
            self.stopped,
        ) {
            (Ok(mask), _) => Rc::new(mask),
            (Err(_), Some(stopped)) => {
                stopped.note(|doubts| doubts.undescribed_objects += 1);
                return Ok(None);
            }
            (Err(error), None) => return Err(error),
        };
        if self.masks.len() == MASKS {
            self.masks.clear();
        }
        self.masks.insert(typ, mask.clone());
        Ok(Some(mask))
    }
}
