//! Objects: sizes, free slots, pointer bits; and heaps that are not right.

use std::io::{self, Write};

use crate::error::Error;
use crate::go15::Program;
use crate::go15::arch::Target;
use crate::go15::defects::{Defects, Dialect};
use crate::go15::structs::{G, M, Mheap, Mspan, PAGE_SIZE, Special};
use crate::memory::Addr;
use crate::options::Options;
use crate::process::field::GoType;
use crate::target::{Amd64, AnyTarget, Arm, I386};
use crate::testing::{ARENA, ARENA_SIZE, Expected, Image, assert_same, each_target, ints};

/// Sets the bits of the arena's word `word`: pointer and mark.
pub(super) fn set_bits<T: Target>(image: &mut Image<T>, bits: &[(u64, bool, bool)]) {
    let mut bytes = std::collections::BTreeMap::<u64, u8>::new();
    for &(word, pointer, marked) in bits {
        let byte = bytes.entry(ARENA - 1 - word / 4).or_default();
        *byte |= (u8::from(pointer) | u8::from(marked) << 4) << (word % 4);
    }
    for (at, byte) in bytes {
        image.memory.write(Addr(at), &[byte]);
    }
}

/// An object's record.
pub(super) fn object(at: u64, contents: &[u8], pointers: &[u64]) -> Vec<u8> {
    let fields: Vec<u64> = pointers.iter().flat_map(|&off| [1, off]).chain([0]).collect();
    [ints(&[1, at, contents.len() as u64]), contents.to_vec(), ints(&fields)].concat()
}

/// A page of objects of half its size, with pointers in several places.
fn two_halves<T: Target>() -> (Image<T>, Addr) {
    let mut image = Image::<T>::new();
    let s = image.span(1, 1, PAGE_SIZE / 2);
    (image, s)
}

each_target!(objects_and_their_pointers);
fn objects_and_their_pointers<T: Target>() {
    let (mut image, _) = two_halves::<T>();
    let (ptr, base) = (T::PTR_SIZE, ARENA + PAGE_SIZE);
    let (first, words) = (PAGE_SIZE / ptr, PAGE_SIZE / 2 / ptr);
    let mut bits = vec![
        // The first two words' marks mean something else.
        (first, true, true),
        (first + 1, true, false),
        (first + 2, false, true),
        (first + 3, true, true),
        (first + 4, true, true),
        // Here the description ends: the pointer bit beyond does not count.
        (first + 5, false, false),
        (first + 6, true, true),
    ];
    // The second object is all pointers, to its last word.
    bits.extend((0..words).map(|i| (first + words + i, true, true)));
    set_bits(&mut image, &bits);
    let contents: Vec<u8> = (0..PAGE_SIZE / 2).map(|i| (i * 7 % 251) as u8).collect();
    image.memory.write(Addr(base), &contents);

    let objects = [
        object(base, &contents, &[0, ptr, 3 * ptr, 4 * ptr]),
        object(
            base + PAGE_SIZE / 2,
            &[0; PAGE_SIZE as usize / 2],
            &(0..words).map(|i| i * ptr).collect::<Vec<_>>(),
        ),
    ]
    .concat();
    let expected = Expected::<T> { objects, ..Default::default() }.bytes();
    assert_same(&image.dump(Dialect::Go15).unwrap(), &expected);
    image.memory.lends = false;
    assert_same(&image.dump(Dialect::Go15).unwrap(), &expected);
}

each_target!(the_smallest_objects_fill_a_page);
fn the_smallest_objects_fill_a_page<T: Target>() {
    let mut image = Image::<T>::new();
    image.span(0, 1, 8);
    let last = PAGE_SIZE / T::PTR_SIZE - 1;
    set_bits(&mut image, &[(0, true, false), (last, true, false)]);
    let mut objects = Vec::new();
    for i in 0..1024 {
        let pointers: &[u64] = match i {
            0 => &[0],
            1023 => &[8 - T::PTR_SIZE],
            _ => &[],
        };
        objects.extend(object(ARENA + 8 * i, &[0; 8], pointers));
    }
    let expected = Expected::<T> { objects, ..Default::default() };
    assert_same(&image.dump(Dialect::Go15).unwrap(), &expected.bytes());
}

each_target!(a_large_object_has_more_words_than_a_window_of_the_bitmap);
fn a_large_object_has_more_words_than_a_window_of_the_bitmap<T: Target>() {
    let mut image = Image::<T>::new();
    image.span(0, 64, ARENA_SIZE);
    let words = ARENA_SIZE / T::PTR_SIZE;
    // Marked throughout, with a pointer in every 997th word and in the last one.
    let is_pointer = |i: u64| i.is_multiple_of(997) || i == words - 1;
    let bits: Vec<_> = (0..words).map(|i| (i, is_pointer(i), true)).collect();
    set_bits(&mut image, &bits);
    let pointers: Vec<u64> = (0..words).filter(|&i| is_pointer(i)).map(|i| i * T::PTR_SIZE).collect();
    let objects = object(ARENA, &vec![0; ARENA_SIZE as usize], &pointers);
    let expected = Expected::<T> { objects, ..Default::default() };
    assert_same(&image.dump(Dialect::Go15).unwrap(), &expected.bytes());
}

each_target!(free_slots_are_skipped);
fn free_slots_are_skipped<T: Target>() {
    let mut image = Image::<T>::new();
    let s = image.span(0, 1, 1024);
    // Out of order: slots 5, 0, 7.
    let slot = |i: u64| Addr(ARENA + 1024 * i);
    image.set(s, Mspan::freelist(), slot(5).0);
    image.set_pointer(slot(5), slot(0));
    image.set_pointer(slot(0), slot(7));
    // A second span with objects of the same number must not inherit the marks.
    image.span(1, 1, 1024);
    let objects: Vec<u8> =
        [1, 2, 3, 4, 6].into_iter().chain(8..16).flat_map(|i| object(slot(i).0, &[0; 1024], &[])).collect();
    let expected = Expected::<T> { objects, ..Default::default() };
    assert_same(&image.dump(Dialect::Go15).unwrap(), &expected.bytes());
}

#[test]
fn only_spans_in_use_are_dumped() {
    let (mut image, s) = two_halves::<Amd64>();
    for state in 1..=4 {
        image.set(s, Mspan::state(), state);
        // Nothing else of such a span is looked at.
        image.set(s, Mspan::elemsize(), 0);
        image.set(s, Mspan::sweepgen(), 0);
        assert_eq!(image.dump(Dialect::Go15).unwrap(), Expected::<Amd64>::default().bytes());
    }
}

#[test]
fn the_end_of_a_span_that_is_no_object_is_not_dumped() {
    let mut image = Image::<I386>::new();
    image.span(0, 1, 3072);
    let objects = [object(ARENA, &[0; 3072], &[]), object(ARENA + 3072, &[0; 3072], &[])].concat();
    assert_same(
        &image.dump(Dialect::Go15).unwrap(),
        &Expected::<I386> { objects, ..Default::default() }.bytes(),
    );
}

/// Dumps a page of two objects whose span was changed so that it cannot be right.
fn error_of<T: Target>(change: impl FnOnce(&mut Image<T>, Addr)) -> String {
    let (mut image, s) = two_halves::<T>();
    change(&mut image, s);
    let error = image.error().to_string();
    // The addresses of structures are of no interest here.
    error.replace(&s.to_string(), "SPAN")
}

#[test]
fn bad_freelists() {
    let base = ARENA + PAGE_SIZE;
    let with_freelist = |slot: u64, next: u64| {
        error_of::<Arm>(|image, s| {
            image.set(s, Mspan::freelist(), slot);
            if (ARENA..ARENA + ARENA_SIZE).contains(&slot) {
                image.word(Addr(slot), next);
            }
        })
    };
    assert_eq!(
        with_freelist(base, base),
        "mspan.freelist of the span at SPAN: 0x20002000 is on the list twice: the list loops"
    );
    assert_eq!(
        with_freelist(base - 4096, 0),
        "mspan.freelist of the span at SPAN: 0x20001000 is outside the span"
    );
    assert_eq!(
        with_freelist(base + PAGE_SIZE, 0),
        "mspan.freelist of the span at SPAN: 0x20004000 is outside the span"
    );
    assert_eq!(
        with_freelist(base + 8, 0),
        "mspan.freelist of the span at SPAN: 0x20002008 is not the beginning of an object"
    );
    assert_eq!(
        with_freelist(base, 0xdead_0000),
        "mspan.freelist of the span at SPAN: 0xdead0000 is outside the span"
    );
}

#[test]
fn bad_spans() {
    let set = |elemsize: u64, npages: u64| {
        error_of::<Amd64>(|image, s| {
            image.set(s, Mspan::elemsize(), elemsize);
            image.set(s, Mspan::npages(), npages);
        })
    };
    assert_eq!(set(0, 1), "mspan.elemsize at SPAN is 0x0: a span in use cannot have objects of no size");
    assert_eq!(set(4, 1), "mspan.elemsize at SPAN is 0x4: no object is smaller than 8 bytes");
    assert_eq!(
        set(8, 2),
        "mspan.elemsize at SPAN is 0x8: the span has more objects than freemark has entries"
    );
    assert_eq!(
        set(1 << 40, 1 << 60),
        "mspan.npages at SPAN is 0xffffffffffffffff: that is beyond the end of the address space"
    );
    assert_eq!(set(8192, 64), "mspan.start at SPAN is 0x20002000: that span is not within the arena");
    assert_eq!(
        error_of::<Amd64>(|image, s| image.set(s, Mspan::start(), 5)),
        "mspan.start at SPAN is 0xa000: that span is not within the arena"
    );
    assert_eq!(
        error_of::<Arm>(|image, s| image.set(s, Mspan::npages(), 1 << 20)),
        "mspan.npages at SPAN is 0x200000000: that is beyond the end of the address space"
    );
    assert_eq!(
        error_of::<Arm>(|image, s| image.set(s, Mspan::sweepgen(), 4)),
        "the span at SPAN is not swept (mspan.sweepgen 4, mheap.sweepgen 6): dump the process when it is \
         about to dump itself, or right after a complete collection"
    );
}

#[test]
fn a_span_without_pages_is_empty_wherever_it_is() {
    let mut image = Image::<Amd64>::new();
    let s = image.span(0, 0, 8);
    image.set(s, Mspan::start(), 5);
    assert_same(&image.dump(Dialect::Go15).unwrap(), &Expected::<Amd64>::default().bytes());
}

#[test]
fn more_spans_than_h_allspans_has() {
    let (mut image, _) = two_halves::<Amd64>();
    image.finish();
    image.set(image.symbols.mheap, Mheap::nspan(), 2);
    let error = image.dump_as_is(Defects::NONE).0.unwrap_err().to_string();
    assert!(error.starts_with("mheap.nspan at 0x"), "{error}");
    assert!(error.ends_with("is 0x2: that is more than len(h_allspans)"), "{error}");
}

#[test]
fn specials_that_loop() {
    let error = error_of::<Amd64>(|image, s| {
        let special = image.alloc(<Special as GoType<Amd64>>::SIZE);
        image.set(special, Special::next(), special.0);
        image.set(s, Mspan::specials(), special.0);
    });
    assert!(error.starts_with("the list linked through special.next loops: it comes back to 0x"), "{error}");
}

/// The arena without its memory: the bitmap is there, the objects are not.
fn without_arena() -> Image<Amd64> {
    let (mut image, _) = two_halves::<Amd64>();
    image.memory.unmap(ARENA - ARENA_SIZE / 8);
    image.memory.map(ARENA - ARENA_SIZE / 8, ARENA_SIZE / 8 + PAGE_SIZE);
    image
}

#[test]
fn unreadable_contents_are_an_error_and_what_came_before_is_written() {
    let mut image = without_arena();
    let (result, written) = image.dump_with(Defects::NONE);
    assert_eq!(
        result.unwrap_err().to_string(),
        "reading object.contents: cannot read 4096 bytes of target memory at 0x20002000"
    );
    let expected =
        [&Expected::<Amd64>::default().bytes()[..32], &ints(&[1, ARENA + PAGE_SIZE, 4096])].concat();
    assert_eq!(written, expected);
}

#[test]
fn unreadable_contents_of_a_page_are_lost_in_the_exact_dialect() {
    let mut image = without_arena();
    image.finish();
    let mut out = Vec::new();
    let summary = crate::write_heap_dump(
        AnyTarget::Amd64,
        &image.memory,
        &Program::new(&image.symbols, Dialect::Go15Exact),
        &Options::default(),
        &mut out,
    )
    .unwrap();
    assert_eq!(summary.lost, 8192);
    let objects = [ints(&[1, ARENA + 8192, 4096, 0]), ints(&[1, ARENA + 8192 + 4096, 4096, 0])].concat();
    let expected = Expected::<Amd64> {
        objects,
        // tmpbuf has a bit for each of 512 words, and one byte more.
        memstats: memstats_with_other_sys(65),
        ..Default::default()
    };
    assert_same(&out, &expected.bytes());
}

fn memstats_with_other_sys(other_sys: u64) -> Vec<u8> {
    let mut values = vec![0; 24 + 256 + 1];
    values[20] = other_sys;
    ints(&[&[10], &values[..]].concat())
}

#[test]
fn tmpbuf_shows_in_other_sys_only_in_the_exact_dialect() {
    let mut image = Image::<Amd64>::new();
    image.span(0, 2, 2 * PAGE_SIZE);
    image.span(2, 1, PAGE_SIZE / 2);
    let dump_of = |image: &mut Image<Amd64>, tmpbuf_in_other_sys| {
        let defects = Defects { tmpbuf_in_other_sys, ..Defects::NONE };
        image.dump_with(defects).0.unwrap()
    };
    let objects = [
        object(ARENA, &[0; 16384], &[]),
        object(ARENA + 16384, &[0; 4096], &[]),
        object(ARENA + 20480, &[0; 4096], &[]),
    ]
    .concat();
    let mut expected = Expected::<Amd64> { objects, ..Default::default() };
    assert_same(&dump_of(&mut image, false), &expected.bytes());
    expected.memstats = memstats_with_other_sys(16384 / 8 / 8 + 1);
    assert_same(&dump_of(&mut image, true), &expected.bytes());
}

/// Takes so many bytes, and then no more.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = buf.len().min(self.0);
        self.0 -= n;
        match n {
            0 => Err(io::Error::from(io::ErrorKind::StorageFull)),
            n => Ok(n),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_output_that_is_full_is_an_error_at_its_offset() {
    let (mut image, _) = two_halves::<Arm>();
    let all = image.dump(Dialect::Go15).unwrap().len();
    for room in [0, 1, 4096, all - 1] {
        let options = Options { capacity: Options::REFERENCE_CAPACITY, ..Options::default() };
        let result =
            crate::write_heap_dump(AnyTarget::Arm, &image.memory, &image.symbols, &options, Full(room));
        match result.unwrap_err() {
            Error::Write { offset, source } => {
                assert_eq!((offset, source.kind()), (room as u64, io::ErrorKind::StorageFull));
            }
            error => panic!("{error}"),
        }
    }
    let (exact, options) = (Program::new(&image.symbols, Dialect::Go15Exact), Options::default());
    let summary = crate::write_heap_dump(AnyTarget::Arm, &image.memory, &exact, &options, Full(100)).unwrap();
    assert_eq!(
        (summary.bytes, summary.lost),
        (100, image.dump(Dialect::Go15Exact).unwrap().len() as u64 - 100)
    );
}

/// On arm the thread that dumps is changed by its own divisions, and is itself an object.
#[test]
fn the_denominator_in_the_dumping_thread() {
    let divmod_of = |reason: &str, defects: Defects| {
        let (mut image, _) = two_halves::<Arm>();
        let m = Addr(ARENA + PAGE_SIZE + PAGE_SIZE / 2);
        let (g0, curg) = (image.alloc(<G as GoType<Arm>>::SIZE), image.alloc(<G as GoType<Arm>>::SIZE));
        let text = image.data(reason.as_bytes());
        image.header(Addr(g0.0 + G::waitreason::<Arm>().offset), text, reason.len() as u64);
        image.set(curg, G::atomicstatus(), 4);
        image.set(m, M::g0(), g0.0);
        image.set(m, M::curg(), curg.0);
        image.set(m, M::divmod(), 77);
        // Of the threads before it one has no g0, and one runs nothing.
        let [without_g0, idle] = [0, 1].map(|_| image.alloc(<M as GoType<Arm>>::SIZE));
        image.set_pointer(image.symbols.allm, without_g0);
        image.set(without_g0, M::curg(), curg.0);
        image.set(without_g0, M::alllink(), idle.0);
        image.set(idle, M::g0(), g0.0);
        image.set(idle, M::alllink(), m.0);
        let dump = image.dump_with(defects).0.unwrap();
        let head = ints(&[1, m.0, PAGE_SIZE / 2]);
        let start = dump.windows(head.len()).position(|w| w == head).expect("the m's object") + head.len();
        let at = start + M::divmod::<Arm>().offset as usize;
        u32::from_le_bytes(dump[at..at + 4].try_into().unwrap())
    };
    let exact = Dialect::Go15Exact.defects();
    assert_eq!(
        divmod_of("dumping heap", exact),
        PAGE_SIZE as u32 / 2,
        "the span's n is computed by division"
    );
    assert_eq!(divmod_of("dumping heaps", exact), 77, "another thread");
    assert_eq!(divmod_of("dumping hope", exact), 77, "another thread");
    assert_eq!(divmod_of("dumping heap", Defects::NONE), 77, "memory as it is");
}

each_target!(objects_are_encoded_in_place_as_they_are_one_by_one);
fn objects_are_encoded_in_place_as_they_are_one_by_one<T: Target>() {
    // Sizes that no allocator has, too: they come from memory that may be corrupted.
    for elemsize in [8, 12, 14, 16, 18, 20, 22, 44, 48, 100, 224, 228, 448, 456, 1000] {
        let mut image = Image::<T>::new();
        image.span(0, 1, elemsize);
        let bytes: Vec<u8> = (0..4096u32).map(|i| (i.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
        image.memory.write(Addr(ARENA - 2048), &bytes);
        // Nor is the arena sure to begin with a word.
        let mheap = image.symbols.mheap;
        image.set(mheap, Mheap::arena_start(), ARENA - elemsize % 3 * T::PTR_SIZE / 2);
        image.finish();
        let (in_place, _) = image.dump_as_is(Defects::NONE);
        image.memory.lends = false;
        let (one_by_one, _) = image.dump_as_is(Defects::NONE);
        assert_same(&in_place.unwrap(), &one_by_one.unwrap());
    }
}
