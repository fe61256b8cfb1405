//! What sweeping would leave, of a span that has not been swept (mgcsweep.go).

use super::Go119;
use super::heap::{MAX_OBJECTS, Span, Sweep};
use super::objects::AllocBits;
use super::shape::Pointers;
use crate::error::{Error, Place};
use crate::memory::Addr;
use crate::process::offset;
use crate::runtime::low_bits;
use crate::target::Target;

const GCMARK_BITS: Place = Place::new("mspan", "gcmarkBits");
const INLINE_MARKS: Place = Place::new("spanInlineMarkBits", "marks");
/// How many bytes of marks `spanInlineMarkBits` has.
const MARKS: u64 = 63;

impl<T: Target> Go119<'_, T> {
    /// Each span in use, with a bit for each of its objects. Of a process that was stopped anywhere, spans that are not
    /// swept are given as sweeping would leave them, and those without objects not at all.
    pub(super) fn swept_spans(
        &self,
        mut each: impl FnMut(Span, &AllocBits) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut bits = [0; MAX_OBJECTS as usize / 8 + 8];
        self.heap.spans_in_use(&self.process, &self.shape, |mut span| {
            let sweep = if self.stopped.is_some() { self.heap.sweep_state(&span) } else { Sweep::Swept };
            // No span has more slots than there is room for.
            span.slots(&self.shape)?;
            match sweep {
                Sweep::Swept => self.alloc_bits(&span, &mut bits)?,
                Sweep::Unswept => {
                    bits.fill(0);
                    self.add_marks(&span, &mut bits)?;
                    span.free_from = 0;
                    if bits.iter().all(|&b| b == 0) {
                        return Ok(());
                    }
                }
                // Marks become what is allocated, at a moment that nothing tells.
                Sweep::Sweeping => {
                    self.alloc_bits(&span, &mut bits)?;
                    self.add_marks(&span, &mut bits)?;
                }
            }
            each(span, &bits)
        })
    }

    /// Takes note of how many spans are not swept.
    pub(super) fn note_unswept(&self) -> Result<(), Error> {
        let Some(stopped) = self.stopped else { return Ok(()) };
        self.heap.spans_in_use(&self.process, &self.shape, |span| {
            match self.heap.sweep_state(&span) {
                Sweep::Swept => {}
                Sweep::Unswept => stopped.note(|doubts| doubts.unswept_spans += 1),
                Sweep::Sweeping => stopped.note(|doubts| doubts.spans_being_swept += 1),
            }
            Ok(())
        })
    }

    /// Adds the objects that are marked, and those that sweeping keeps because they have finalizers. Whoever reads bits asks
    /// for none after the last object.
    fn add_marks(&self, span: &Span, bits: &mut AllocBits) -> Result<(), Error> {
        let len = span.nelems.div_ceil(8);
        let mut marks = [0; MAX_OBJECTS as usize / 8];
        let mut add = |at: Addr, len: u64, place| -> Result<(), Error> {
            let marks = &mut marks[..len as usize];
            self.process.memory.read(at, marks).map_err(|source| Error::Unreadable { place, source })?;
            bits.iter_mut().zip(marks).for_each(|(bit, mark)| *bit |= *mark);
            Ok(())
        };
        let gcmark_bits = self.process.ptr(span.addr, self.shape.mspan.gcmark_bits)?;
        add(gcmark_bits, len, GCMARK_BITS)?;
        if let Some(at) = self.inline_marks(span) {
            add(at, len.min(MARKS), INLINE_MARKS)?;
        }
        span.specials(&self.process, &self.shape, self.shape.kind_special_finalizer, |_, object| {
            let slot = object.0.wrapping_sub(span.base.0) / span.elemsize.max(1);
            if slot < span.nelems {
                bits[(slot / 8) as usize] |= 1 << (slot % 8);
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Where the marks of a span are that lie at its end (`gcUsesSpanInlineMarkBits`), after as many bits that say what was
    /// scanned and one byte.
    fn inline_marks(&self, span: &Span) -> Option<Addr> {
        let Pointers::Headers(headers) = &self.shape.pointers else { return None };
        let small = (16..=T::PTR_SIZE * 8 * T::PTR_SIZE).contains(&span.elemsize);
        let whole = Some(headers.inline_marks).filter(|&whole| small && whole > MARKS)?;
        Some(offset::<T>(span.base, span.size.wrapping_sub(whole).wrapping_add(MARKS + 1)))
    }
}

/// Whether the object in a slot is one, by the bits of a span.
pub(super) fn is_object(span: &Span, bits: &AllocBits, slot: u64) -> bool {
    slot < span.nelems && (slot < span.free_from || bits[(slot / 8) as usize] >> (slot % 8) & 1 != 0)
}

/// How many objects a span has.
pub(super) fn count(span: &Span, bits: &AllocBits) -> u64 {
    let groups = (0..span.nelems).step_by(64).zip(bits.chunks_exact(8));
    let count = |(first, bytes): (u64, &[u8])| {
        let used = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let before = low_bits(span.free_from.saturating_sub(first).min(64));
        ((used | before) & low_bits((span.nelems - first).min(64))).count_ones()
    };
    groups.map(count).map(u64::from).sum()
}
