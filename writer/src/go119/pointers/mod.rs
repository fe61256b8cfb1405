//! Which words of the heap are pointers (mbitmap.go): three encodings.

mod headers;
mod mask;
mod one_bit;
mod two_bits;

use super::heap::{Heap, Span};
use super::shape::{Pointers, Shape};
use super::stopped::Stopped;
use crate::error::Error;
use crate::memory::Addr;
use crate::process::Process;
use crate::runtime::{GROUP, HeapBits, MOST_WORDS, low_bits};
use crate::target::Target;
pub(super) use headers::HeaderBits;
use one_bit::OneBit;
use two_bits::TwoBits;

/// How many words the slots have of which bits are had at once.
const WORDS: usize = (GROUP * MOST_WORDS) as usize;
/// Those bits in bytes, and what is loaded along with the last ones.
const BYTES: usize = WORDS / 8 + 8;

/// The bits of some words, eight a byte, the low ones first.
pub(super) type Window = [u8; BYTES];

static NONE: Window = [0; BYTES];

/// Loads the bits of up to [`MOST_WORDS`] words.
#[inline(always)]
fn load(window: &Window, bit: u64) -> u64 {
    let eight = window[(bit / 8) as usize..].first_chunk().expect("there are eight after the last");
    u64::from_le_bytes(*eight) >> (bit % 8)
}

/// Puts the bits of up to [`MOST_WORDS`] words where there are none yet.
fn store(window: &mut Window, bit: u64, bits: u64) {
    let eight: &mut [u8; 8] =
        window[(bit / 8) as usize..].first_chunk_mut().expect("there are eight after the last");
    *eight = (u64::from_le_bytes(*eight) | bits << (bit % 8)).to_le_bytes();
}

/// The heap's pointers.
pub(super) struct HeapPointers<'m, T> {
    encoding: Encoding<'m, T>,
    pointers: Box<Window>,
    /// Two bits a word only: which words are followed by more of their object.
    marks: Box<Window>,
}

enum Encoding<'m, T> {
    TwoBits(TwoBits<'m, T>),
    OneBit(OneBit<'m, T>),
    Headers(Box<HeaderBits<'m, T>>),
}

/// The bits of neighbouring slots.
pub(crate) struct Bits<'b> {
    pointers: &'b Window,
    marks: Option<&'b Window>,
    /// Which of them is the first slot's first.
    first: u64,
}

impl HeapBits for Bits<'_> {
    #[inline(always)]
    fn makeheapobjbv(&self, word: u64) -> u64 {
        let pointers = load(self.pointers, self.first + word);
        match self.marks {
            None => pointers,
            Some(marks) => pointers & lowest_ones(load(marks, self.first + word)),
        }
    }
}

/// The ones below the lowest zero: adding one makes zeros of them.
#[inline(always)]
fn lowest_ones(marks: u64) -> u64 {
    marks & !marks.wrapping_add(1)
}

impl<'m, T: Target> HeapPointers<'m, T> {
    pub(super) fn new(process: Process<'m, T>, shape: &Shape, stopped: Option<&'m Stopped<'m>>) -> Self {
        let encoding = match &shape.pointers {
            Pointers::TwoBits { bitmap } => Encoding::TwoBits(TwoBits::new(process, *bitmap)),
            Pointers::OneBit { bitmap, no_more_ptrs } => {
                Encoding::OneBit(OneBit::new(process, *bitmap, *no_more_ptrs))
            }
            Pointers::Headers(headers) => {
                Encoding::Headers(Box::new(HeaderBits::new(process, **headers, shape.typ, stopped)))
            }
        };
        HeapPointers { encoding, pointers: Box::new([0; BYTES]), marks: Box::new([0; BYTES]) }
    }

    /// The bits of `words` words from the first one of slot `first` on, for those of the slots that are `used`.
    pub(super) fn bits(
        &mut self,
        at: &SpanIn<'_>,
        first: u64,
        words: u64,
        mut used: u64,
    ) -> Result<Bits<'_>, Error> {
        let nptr = at.span.elemsize / T::PTR_SIZE;
        match &mut self.encoding {
            Encoding::Headers(headers) => match headers.kind(&at.span) {
                headers::Kind::NoScan => return Ok(Bits { pointers: &NONE, marks: None, first: 0 }),
                headers::Kind::InSpan => {
                    let first = headers.in_span(&at.span, first * nptr, words, &mut self.pointers)?;
                    return Ok(Bits { pointers: &self.pointers, marks: None, first });
                }
                headers::Kind::Header | headers::Kind::Large => {}
            },
            Encoding::TwoBits(bitmap) => {
                let p = Addr(at.span.base.0.wrapping_add(first * at.span.elemsize));
                let first = bitmap.window(at, p, words, &mut self.pointers, &mut self.marks)?;
                return Ok(Bits { pointers: &self.pointers, marks: Some(&self.marks), first });
            }
            Encoding::OneBit(_) => {}
        }
        self.pointers.fill(0);
        while used != 0 {
            let i = u64::from(used.trailing_zeros());
            let (bits, _) = self.makeheapobjbv(at, first + i, 0, nptr)?;
            store(&mut self.pointers, i * nptr, bits);
            used &= used - 1;
        }
        Ok(Bits { pointers: &self.pointers, marks: None, first: 0 })
    }

    /// The size of the mask that the reference builds to describe the object in a slot, in bytes: the first time that it does.
    pub(super) fn mask_to_build(&mut self, at: &SpanIn<'_>, slot: u64) -> Result<Option<u64>, Error> {
        match &mut self.encoding {
            Encoding::Headers(headers) => headers.mask_to_build(&at.span, slot),
            _ => Ok(None),
        }
    }

    /// Port of `makeheapobjbv`; see [`Span::makeheapobjbv`](crate::runtime::Span::makeheapobjbv).
    pub(super) fn makeheapobjbv(
        &mut self,
        at: &SpanIn<'_>,
        slot: u64,
        i: u64,
        n: u64,
    ) -> Result<(u64, bool), Error> {
        let p = Addr(at.span.base.0.wrapping_add(slot.wrapping_mul(at.span.elemsize)));
        let nptr = at.span.elemsize / T::PTR_SIZE;
        let (bits, goes_on) = match &mut self.encoding {
            Encoding::TwoBits(bitmap) => {
                let p = Addr(p.0.wrapping_add(i * T::PTR_SIZE));
                let first = bitmap.window(at, p, n, &mut self.pointers, &mut self.marks)?;
                let marks = lowest_ones(load(&self.marks, first));
                (load(&self.pointers, first) & marks, marks & low_bits(n) == low_bits(n))
            }
            Encoding::OneBit(bitmap) => bitmap.bits(at, p, nptr, i, n)?,
            Encoding::Headers(headers) => headers.bits(&at.span, slot, p, i, n)?,
        };
        Ok((bits & low_bits(n), goes_on))
    }
}

/// A span, and the heap that it is part of.
pub(super) struct SpanIn<'s> {
    pub span: Span,
    pub heap: &'s Heap,
    pub shape: &'s Shape,
}
