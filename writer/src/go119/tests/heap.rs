//! The heap: its arenas and spans, and what the dump itself changes.

use std::cell::RefCell;

use super::image::{HEAP, Image};
use super::{HEADERS, ON_DEMAND, has};
use crate::go119::Defects;
use crate::memory::Addr;
use crate::process::patch::push;
use crate::target::{Amd64, I386, Mips, S390x, Target};
use crate::testing::{counted, ints};

const ARENA_BYTES: u64 = 1 << 16;

fn error<T: Target>(image: &Image<T>) -> String {
    image.dump(Defects::NONE).unwrap_err().to_string()
}

/// The heap begins with its lowest arena, wherever in the table that is.
fn bounds_of_the_heap<T: Target>() {
    let bounds = |image: &Image<T>| {
        let go = image.go(None).unwrap();
        go.heap.bounds(&go.process, &go.shape).map_err(|error| error.to_string())
    };
    let mut image = Image::<T>::new(HEADERS, &[]);
    assert_eq!(bounds(&image), Ok((HEAP, HEAP + ARENA_BYTES)), "{}", T::GOARCH);
    // Four tables of 256 arenas: the first and the third are there.
    let (mheap, p) = (image.variable("runtime.mheap_"), T::PTR_SIZE);
    let arenas = mheap + image.offset("runtime.mheap", "arenas");
    let (first, third) = (image.alloc(0x800), image.alloc(0x800));
    for (at, value) in
        [(arenas, first), (arenas + 2 * p, third), (first + 5 * p, 1), (first + 9 * p, 1), (third + 7 * p, 1)]
    {
        image.word(at, value);
    }
    image.layouts.constants.insert("runtime.arenaL1Bits", 2);
    assert_eq!(bounds(&image), Ok((5 << 16, (2 * 256 + 8) << 16)), "{}", T::GOARCH);
    // Addresses begin again after the last: those of the three are one arena below the end, and three and 513 above nil.
    image.layouts.constants.insert("runtime.arenaBaseOffsetUintptr", -6 << 16);
    assert_eq!(bounds(&image), Ok((3 << 16, (2 * 256 + 2) << 16)), "{}", T::GOARCH);
    // No address space has more bits.
    for (bits, name, says) in [
        (16, "runtime.arenaL1Bits", false),
        (17, "runtime.arenaL1Bits", true),
        (18, "runtime.arenaL1Bits", true),
        (28, "runtime.arenaL2Bits", false),
        (29, "runtime.arenaL2Bits", true),
        (30, "runtime.arenaL2Bits", true),
    ] {
        let mut image = Image::<T>::new(HEADERS, &[]);
        image.layouts.constants.insert(name, bits);
        let error = bounds(&image).unwrap_err();
        assert_eq!(error.contains("no address space has so many arenas"), says, "{error}");
    }
}

/// A process that dumps itself has swept its spans.
fn spans_must_be_swept<T: Target>() {
    for (heap, span, swept) in [
        (6, 6, true),
        (6, 9, true),
        (6, 4, false),
        (6, 7, false),
        (0xffff_fffe, 0xffff_fffe, true),
        (0xffff_fffe, 1, true),
        (0xffff_fffe, 3, false),
    ] {
        let mut image = Image::<T>::new(HEADERS, &[]);
        let (mheap, s) = (image.variable("runtime.mheap_"), image.span(1, 1, 64, 1, 1, 5));
        image.put(mheap, "runtime.mheap", "sweepgen", 0, heap);
        image.put(s, "runtime.mspan", "sweepgen", 0, span);
        assert_eq!(image.dump(Defects::NONE).is_ok(), swept, "{} {heap} {span}", T::GOARCH);
    }
}

fn spans_have_room_for_their_objects<T: Target>() {
    for (npages, elemsize, nelems, says) in [
        (1, 8, 1024, None),
        (1, 8, 1025, Some("the span has no room for so many objects")),
        (2, 8, 1, Some("the span has more objects than freemark has entries")),
        (2, 16, 1024, None),
        (1, 0, 1, Some("a span in use cannot have objects of no size")),
    ] {
        let mut image = Image::<T>::new(HEADERS, &[]);
        image.span(1, npages, elemsize, nelems, 1, 5);
        match says {
            None => assert!(image.dump(Defects::NONE).is_ok(), "{} {elemsize}", T::GOARCH),
            Some(says) => assert!(error(&image).contains(says), "{}", error(&image)),
        }
    }
    // One that begins nowhere has no objects.
    for (nelems, is_error) in [(0, false), (1, true), (2, true)] {
        let mut image = Image::<T>::new(HEADERS, &[]);
        let span = image.span(1, 1, 64, nelems, 1, 5);
        image.put(span, "runtime.mspan", "startAddr", 0, 0);
        match is_error {
            false => assert!(image.dump(Defects::NONE).is_ok(), "{}", T::GOARCH),
            true => assert!(error(&image).contains("cannot begin at nil"), "{}", error(&image)),
        }
    }
}

/// What lies before the index counts, and so does what its bit says; what is no element counts with and without one.
fn slots_in_use<T: Target>() {
    for (bits, free_from, nelems, slots) in [
        (0b0011, 2, 128, &[0, 1][..]),
        (0b0110, 2, 128, &[0, 1, 2]),
        (0b1001_0001, 0, 128, &[0, 4, 7]),
        (0b1111_0001, 1, 6, &[0, 4, 5, 6, 7]),
        (0, 8, 6, &[0, 1, 2, 3, 4, 5, 6, 7]),
    ] {
        let mut image = Image::<T>::new(HEADERS, &[]);
        let span = image.span(1, 1, 64, nelems, bits, 5);
        image.put(span, "runtime.mspan", "freeindex", 0, free_from);
        let dump = image.dump(Defects::ALL).unwrap();
        let there = |&slot: &u64| has(&dump, &ints(&[1, HEAP + 8192 + slot * 64, 64]));
        assert_eq!((0..8).filter(there).collect::<Vec<_>>(), slots, "{} {bits:b}", T::GOARCH);
    }
}

/// `tmpbuf` is long enough for the bits of the largest object, and dumped as it is then, in the segment that it lies in.
fn tmpbuf_in_its_segment<T: Target>() {
    let p = T::PTR_SIZE;
    for segment in [["bss", "ebss"], ["data", "edata"], ["types", "etypes"]] {
        let mut image = Image::<T>::new(HEADERS, &[]);
        image.span(1, 1, 24 * p, 4, 0b1, 5);
        // No object of it is in use.
        image.span(2, 1, 512 * p, 16 / p, 0, 5);
        let (tmpbuf, md) = (image.variable("runtime.tmpbuf"), image.variable("runtime.firstmoduledata"));
        for (field, value) in segment.into_iter().zip([tmpbuf & !0xf, tmpbuf + 0x40]) {
            image.put(md, "runtime.moduledata", field, 0, value);
        }
        let asked = RefCell::new(Vec::new());
        let sys_alloc = |n| {
            asked.borrow_mut().push(n);
            Addr(0x1234)
        };
        let dump = image.dump_with(&sys_alloc).unwrap();
        assert_eq!(asked.into_inner(), [4], "{}", T::GOARCH);
        let mut words = Vec::new();
        for word in [0x1234, 4, 1 << 30] {
            push::<T>(&mut words, word, p as usize);
        }
        assert_eq!(has(&dump, &words), segment[0] != "types", "{} {segment:?}", T::GOARCH);
    }
}

/// The masks of large types that the dump is the first to ask for are allocated by the P that dumps, which is an object itself.
fn masks_that_the_dump_allocates<T: Target>() {
    let p = T::PTR_SIZE;
    let mut image = Image::<T>::new(HEADERS, ON_DEMAND);
    let base = HEAP + 8192;
    // Eight objects of a kilobyte: with types, the P, and another after it.
    image.span(1, 1, 1024, 8, 0b1111_1111, 2);
    let words = 8 * p * 3 + 1;
    let typed = |image: &mut Image<T>, slot: u64, tflag: u64, built: u64, words: u64| {
        let typ = image.typ(1024, words * p, &[]);
        let gc_data = image.alloc(0x10);
        for (structure, field, value) in [
            ("internal/abi.Type", "GCData", gc_data),
            ("internal/abi.Type", "TFlag", tflag),
            ("internal/abi.Type", "Kind_", 25),
        ] {
            image.put(typ, structure, field, 0, value);
        }
        image.word(gc_data, built);
        image.word(base + slot * 1024, typ);
        typ
    };
    let mask = image.alloc(0x40);
    let first = typed(&mut image, 0, 16, 0, words);
    typed(&mut image, 1, 16, mask, words);
    typed(&mut image, 2, 16 | 1, 0, 2);
    image.word(base + 3 * 1024, first);
    typed(&mut image, 6, 16, 0, words);
    // One that is not made on demand begins with a word of zeros; the P's own is.
    let at_hand = image.typ(1024, words * p, &[0; 16]);
    image.word(base + 4 * 1024, at_hand);
    assert_eq!(image.offset("runtime.p", "id"), 0, "the P begins with its type");
    typed(&mut image, 5, 16, 0, 3);
    let pp = base + 5 * 1024;
    let m = image.m();
    image.put(m, "runtime.m", "p", 0, pp);
    let start = pp + image.offset("runtime.p", "palloc");
    let (at_base, at_off) = (
        start + image.offset("runtime.persistentAlloc", "base"),
        start + image.offset("runtime.persistentAlloc", "off"),
    );
    image.word(at_base, 0x77);
    image.word(at_off, 0x100 + 1);
    let dump = image.dump(Defects::ALL).unwrap();
    // Masks of four words and of one each, after what was aligned.
    let size = (words.div_ceil(8 * p) + 2) * p;
    let off = 0x100 + p + size;
    let mut contents = vec![0; 1024];
    crate::memory::Memory::read(&image.memory, Addr(pp), &mut contents).unwrap();
    let mut patch = Vec::new();
    push::<T>(&mut patch, off, p as usize);
    contents[(at_off - pp) as usize..][..p as usize].copy_from_slice(&patch);
    assert!(has(&dump, &[ints(&[1, pp]), counted(&contents)].concat()), "{} {off:#x}", T::GOARCH);
}

#[test]
fn the_heap() {
    fn on<T: Target>() {
        bounds_of_the_heap::<T>();
        spans_must_be_swept::<T>();
        spans_have_room_for_their_objects::<T>();
        slots_in_use::<T>();
        tmpbuf_in_its_segment::<T>();
        masks_that_the_dump_allocates::<T>();
    }
    on::<Amd64>();
    on::<I386>();
    on::<Mips>();
    on::<S390x>();
}
