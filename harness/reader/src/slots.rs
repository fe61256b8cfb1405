//! Slots under a span's own heap bitmap: records that say they are objects and are none.

use crate::releases::{Releases, has_experiment};
use crate::{Params, PointerSize, Version};

/// The size of a page, and of every span of slots up to [`SlotRule::largest`]. Source: `class_to_allocnpages`.
const PAGE: u64 = 8192;

/// Finds the records that are no objects in the dumps of Go 1.22 to 1.27.
///
/// Since Go 1.22 a span of small slots with pointers ends in their heap bitmap, and since Go 1.26 every span of
/// slots from 16 bytes on in 128 bytes of mark bits. There are no slots under these (`mspan.nelems`), but the
/// dumping loop still divides the whole span by the size of a slot (`dumpobjs` in `runtime/heapdump.go`), and nothing
/// marks what lies there as free.
///
/// What proves it: such a span is one page, aligned, of slots of one size. That a span has slots with pointers is
/// seen in its other records, because every object there has a pointer and no object elsewhere. Only of a span without
/// another record it can't be known: then its last slots are objects without pointers, or there are none.
///
/// `memstats` can confirm it, but not replace it: without these slots a dump has at most `heap_alloc` bytes of objects,
/// and fewer when it has swept some before it wrote them.
#[derive(Clone, Debug)]
pub struct SlotRule {
    /// The heap bitmap's size, in bytes.
    bitmap: u64,
    /// The mark bits' size, in bytes.
    marks: u64,
    largest: u64,
    page: Option<Page>,
}

/// The span whose records are being read.
#[derive(Clone, Debug)]
struct Page {
    start: u64,
    size: u64,
    /// Whether slots have pointers, if that is known.
    pointers: Option<bool>,
    /// Offsets and addresses of the records of its last slots.
    last: Vec<(u64, u64)>,
}

/// The record of a slot that is no object, or may be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The offset of the record.
    pub offset: u64,
    /// The slot's address.
    pub address: u64,
    /// Its size, in bytes.
    pub size: u64,
    /// Whether it is known that this is no object.
    pub certain: bool,
}

/// What a dump's records of slots come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotCount {
    /// Records that are no objects.
    pub slots: u64,
    /// Their contents, in bytes.
    pub bytes: u64,
    /// Records of which the dump doesn't say whether they are objects.
    pub undecided: u64,
    /// Their contents, in bytes.
    pub undecided_bytes: u64,
}

impl SlotCount {
    /// Counts a slot.
    pub fn add(&mut self, slot: Slot) {
        if slot.certain {
            self.slots += 1;
            self.bytes += slot.size;
        } else {
            self.undecided += 1;
            self.undecided_bytes += slot.size;
        }
    }
}

impl SlotRule {
    /// The releases whose spans are known, and which all dump such slots.
    pub const RELEASES: Releases = Releases::between(22, 27);

    /// The rule for a dump; `None` for one that has only objects, or whose release is none of those that are known.
    pub fn new(version: Version, params: &Params<'_>) -> Option<Self> {
        let releases = Releases::of(version, params);
        if !releases.within(Self::RELEASES) || has_experiment(params, "noallocheaders") {
            return None;
        }
        let green_tea = if releases.within(Releases::since(26)) {
            !has_experiment(params, "nogreenteagc")
        } else {
            has_experiment(params, "greenteagc")
        };
        // A bit for each word of the span; slots up to as many words as a word has bits. Source: heapBitsInSpan.
        let (bitmap, largest) = match params.pointer_size {
            PointerSize::Four => (PAGE / 32, 128),
            PointerSize::Eight => (PAGE / 64, 512),
        };
        Some(Self { bitmap, marks: if green_tea { 128 } else { 0 }, largest, page: None })
    }

    /// The size of the largest slots of which this is so, in bytes.
    pub fn largest(&self) -> u64 {
        self.largest
    }

    /// Whether a record is that of a slot in a span of one page, and is not where such slots are.
    pub(crate) fn misplaced(&self, address: u64, size: u64) -> bool {
        let within = address % PAGE;
        (1..=self.largest).contains(&size) && (!within.is_multiple_of(size) || within + size > PAGE)
    }

    /// Takes the next object's record. Hands over what is known of the span before, when it is complete.
    pub fn object(&mut self, offset: u64, address: u64, size: u64, pointers: bool, each: impl FnMut(Slot)) {
        let within = address % PAGE;
        let start = address - within;
        if !self.page.as_ref().is_some_and(|page| page.start == start && page.size == size) {
            self.finish(each);
            if size == 0 || size > self.largest {
                return;
            }
        }
        let reserved = self.marks(size) + self.bitmap;
        let in_the_end = within + size > PAGE - reserved;
        let page = self.page.get_or_insert(Page { start, size, pointers: None, last: Vec::new() });
        // Eight-byte slots with pointers have them under the bitmap too. Others there have none.
        if pointers {
            page.pointers = Some(true);
        } else if !in_the_end {
            page.pointers.get_or_insert(false);
        }
        // What is not where slots are, or more than there are, is no sound dump's.
        if in_the_end
            && within.is_multiple_of(size)
            && within + size <= PAGE
            && (page.last.len() as u64) < Self::slots_under(size, reserved)
        {
            page.last.push((offset, address));
        }
    }

    /// Hands over what is known of the last span.
    pub fn finish(&mut self, mut each: impl FnMut(Slot)) {
        let Some(Page { start, size, mut pointers, last }) = self.page.take() else { return };
        let marks = self.marks(size);
        // None of those under a bitmap is ever left out. Where one is, there is no bitmap.
        if (last.len() as u64) < Self::slots_under(size, marks + self.bitmap) {
            pointers.get_or_insert(false);
        }
        for (offset, address) in last {
            let under_marks = address - start + size > PAGE - marks;
            if under_marks || pointers != Some(false) {
                each(Slot { offset, address, size, certain: under_marks || pointers == Some(true) });
            }
        }
    }

    /// How many slots of a span its last bytes take away.
    fn slots_under(size: u64, bytes: u64) -> u64 {
        PAGE / size - (PAGE - bytes) / size
    }

    /// The size of the mark bits at the end of a span with slots of this size. Source: gcUsesSpanInlineMarkBits.
    fn marks(&self, size: u64) -> u64 {
        if size >= 16 { self.marks } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arch, Text};

    fn rule(release: &'static str, pointer_size: PointerSize) -> Option<SlotRule> {
        let params = Params {
            big_endian: false,
            pointer_size,
            heap_start: 0,
            heap_end: 1 << 20,
            arch: Arch::Name("amd64".into()),
            experiment: Text::from(release),
            cpus: 1,
        };
        SlotRule::new(Version::Go17, &params)
    }

    /// The slots, by number in their page, that are said to be no objects, and of which it isn't known.
    fn of_page(rule: &SlotRule, size: u64, records: &[(u64, bool)]) -> (Vec<u64>, Vec<u64>) {
        let (mut certain, mut undecided) = (Vec::new(), Vec::new());
        let mut each = |slot: Slot| {
            assert_eq!((slot.address - 0x4000, slot.size), (slot.offset * size, size));
            if slot.certain { certain.push(slot.offset) } else { undecided.push(slot.offset) }
        };
        let mut rule = rule.clone();
        // Pages before and after it are other ones.
        rule.object(0, 0x2000, size, true, |slot| panic!("{slot:?}"));
        for &(slot, pointers) in records {
            rule.object(slot, 0x4000 + slot * size, size, pointers, &mut each);
        }
        rule.object(0, 0x6000, size, true, &mut each);
        rule.finish(|slot| panic!("{slot:?}"));
        (certain, undecided)
    }

    /// What reaches into the next page is no slot of this one, whatever it is.
    #[test]
    fn slots_end_in_their_page() {
        let rule = rule("go1.22.10", PointerSize::Eight).unwrap();
        let last = PAGE / 48 - 1;
        assert_eq!(of_page(&rule, 48, &[(0, true), (last, false)]), (vec![last], vec![]));
        assert_eq!(of_page(&rule, 48, &[(0, true), (last + 1, false)]), (vec![], vec![]));
    }

    /// `mspan.nelems` as Go 1.22.10, 1.25.5 and 1.27.3 have it for spans with pointers and without.
    #[test]
    fn spans_have_as_many_slots_as_the_runtime_says() {
        use PointerSize::{Eight, Four};
        for (release, pointer_size, size, with_pointers, without) in [
            ("go1.22.10", Eight, 8, 1008, 1024),
            ("go1.22.10", Eight, 48, 168, 170),
            ("go1.25.5", Eight, 512, 15, 16),
            ("go1.25.5", Four, 16, 496, 512),
            ("go1.25.5 X:greenteagc", Eight, 16, 496, 504),
            ("go1.26.6", Eight, 8, 1008, 1024),
            ("go1.27.3", Eight, 16, 496, 504),
            ("go1.27.3", Eight, 512, 15, 15),
            ("go1.27.3", Four, 128, 61, 63),
            ("go1.27.3 X:nogreenteagc", Eight, 16, 504, 512),
        ] {
            let rule = rule(release, pointer_size).unwrap();
            for (pointers, nelems) in [(true, with_pointers), (false, without)] {
                let all = 0..PAGE / size;
                let records: Vec<(u64, bool)> =
                    all.clone().map(|slot| (slot, pointers && (slot < nelems || size == 8))).collect();
                let expected: Vec<u64> = all.filter(|&slot| slot >= nelems).collect();
                assert_eq!(of_page(&rule, size, &records), (expected, vec![]), "{release} {size} {pointers}");
            }
        }
    }

    #[test]
    fn one_other_record_says_what_a_span_has() {
        let rule = rule("go1.22.10", PointerSize::Eight).unwrap();
        assert_eq!(of_page(&rule, 48, &[(3, true), (168, false), (169, false)]), (vec![168, 169], vec![]));
        assert_eq!(of_page(&rule, 48, &[(3, false), (168, false), (169, false)]), (vec![], vec![]));
        assert_eq!(of_page(&rule, 48, &[(167, false), (168, false)]), (vec![], vec![]));
        // Without another record, all or not all of the last ones.
        assert_eq!(of_page(&rule, 48, &[(168, false), (169, false)]), (vec![], vec![168, 169]));
        assert_eq!(of_page(&rule, 48, &[(168, false)]), (vec![], vec![]));
        // Slots of eight bytes have pointers even there.
        let last: Vec<(u64, bool)> = (1008..1024).map(|slot| (slot, true)).collect();
        assert_eq!(of_page(&rule, 8, &last), ((1008..1024).collect(), vec![]));
    }

    #[test]
    fn only_known_releases_have_a_rule() {
        for release in ["", "go1.21.13", "go1.28.0", "go1.22.10 X:noallocheaders", "mine"] {
            assert!(rule(release, PointerSize::Eight).is_none(), "{release}");
        }
        let rule = rule("go1.27.3", PointerSize::Four).unwrap();
        assert_eq!(rule.largest(), 128);
        assert!(rule.misplaced(0x2004, 8) && rule.misplaced(0x3fe0, 48) && !rule.misplaced(0x2030, 48));
        // Larger ones and none are not its matter.
        assert!(!rule.misplaced(0x2004, 0) && !rule.misplaced(0x2004, 144));
    }

    #[test]
    fn what_no_runtime_writes_takes_no_memory() {
        let mut rule = rule("go1.27.3", PointerSize::Eight).unwrap();
        let mut slots = 0;
        for offset in 0..100_000 {
            rule.object(offset, 0x3ff8, 8, true, |_| slots += 1);
        }
        assert!(rule.page.as_ref().unwrap().last.capacity() <= 32);
        rule.object(0, u64::MAX - 3, 8, true, |_| slots += 1);
        rule.object(0, u64::MAX, u64::MAX, true, |_| slots += 1);
        assert_eq!(slots, 16);
    }
}
