//! Which words of the heap are pointers, where that is not one window of bits.

use super::image::{HEAP, Image};
use super::{HEADERS, ON_DEMAND, ONE_BIT, TWO_BITS, has, object};
use crate::go119::pointers::{HeapPointers, SpanIn};
use crate::go119::{Defects, Stopped};
use crate::target::{Amd64, Mips, S390x, Target};
use crate::testing::ints;

/// `abi.TFlagGCMaskOnDemand`.
const ON_DEMAND_FLAG: u64 = 16;
const ARRAY: u64 = 17;
const STRUCT: u64 = 25;

/// A process with one object of a page and a type.
fn typed<T: Target>(words: u64, mask: &[u8]) -> (Image<T>, u64) {
    let mut image = Image::<T>::new(HEADERS, ON_DEMAND);
    let span = image.span(2, 1, 8192, 1, 1, 0);
    let typ = image.typ(8192, words * T::PTR_SIZE, mask);
    image.put(span, "runtime.mspan", "largeType", 0, typ);
    (image, typ)
}

fn has_pointers<T: Target>(image: &Image<T>, at: u64, size: u64, first: u64, pointers: &[u64]) {
    let dump = image.dump(Defects::NONE).unwrap();
    assert!(has(&dump, &object::<T>(at, size, first, pointers)), "{} {at:#x} {pointers:?}", T::GOARCH);
}

/// Asks for words of the objects of the only span, in this order: the slot, the first word, and how many. Gives which of
/// them are pointers, and whether more may follow.
fn ask<T: Target>(image: &Image<T>, words: &[(u64, u64, u64)]) -> Vec<(u64, bool)> {
    let go = image.go(None).unwrap();
    let mut pointers = HeapPointers::new(go.process, &go.shape, None);
    let mut found = Vec::new();
    go.heap
        .spans_in_use(&go.process, &go.shape, |span| {
            let at = SpanIn { span, heap: &go.heap, shape: &go.shape };
            for &(slot, i, n) in words {
                found.push(pointers.makeheapobjbv(&at, slot, i, n)?);
            }
            Ok(())
        })
        .unwrap();
    found
}

/// A process with one bit a word: where the bitmap of its arena is, and after that where it says that no more follows.
fn one_bit<T: Target>() -> (Image<T>, u64, u64) {
    let image = Image::<T>::new(ONE_BIT, &[]);
    let bitmap = image.offset("runtime.heapArena", "bitmap");
    for i in 0..50 {
        image.offset("runtime.heapArena", &format!("something else {i}"));
    }
    let no_more_ptrs = image.offset("runtime.heapArena", "noMorePtrs");
    let arena = image.arena;
    (image, arena + bitmap, arena + no_more_ptrs)
}

/// A type whose mask is built of a structure's fields, or of an array's elements.
fn made_of<T: Target>(image: &mut Image<T>, size: u64, kind: u64, parts: [u64; 2]) -> u64 {
    let typ = image.typ(size * T::PTR_SIZE, size * T::PTR_SIZE, &[0; 16]);
    describe(image, typ, kind, parts);
    typ
}

fn describe<T: Target>(image: &mut Image<T>, typ: u64, kind: u64, [a, b]: [u64; 2]) {
    for (field, value) in [("TFlag", ON_DEMAND_FLAG), ("Kind_", kind)] {
        image.put(typ, "internal/abi.Type", field, 0, value);
    }
    match kind {
        ARRAY => {
            image.put(typ, "internal/abi.ArrayType", "Elem", 0, a);
            image.put(typ, "internal/abi.ArrayType", "Len", 0, b);
        }
        _ => {
            for (i, value) in (0..).zip([a, b, b]) {
                image.put(typ, "internal/abi.StructType", "Fields", i, value);
            }
        }
    }
}

/// Fields of a structure, each with the word that it begins at.
fn fields<T: Target>(image: &mut Image<T>, fields: &[(u64, u64)]) -> u64 {
    let at = image.alloc(0x180 * fields.len() as u64);
    for (i, &(typ, word)) in (0..).zip(fields) {
        image.put(at + i * 0x180, "internal/abi.StructField", "Typ", 0, typ);
        image.put(at + i * 0x180, "internal/abi.StructField", "Offset", 0, word * T::PTR_SIZE);
    }
    at
}

/// Structures of arrays of structures, as deep as types go, and no further.
fn masks_of_parts<T: Target>() {
    let p = T::PTR_SIZE;
    let (mut image, outer) = typed::<T>(8192 / p, &[0; 16]);
    let leaf = image.typ(2 * p, p, &[1]);
    let plain = image.typ(2 * p, 0, &[1]);
    let pair = fields(&mut image, &[(plain, 0), (leaf, 2)]);
    let pair = made_of(&mut image, 4, STRUCT, [pair, 2]);
    let array = made_of(&mut image, 12, ARRAY, [pair, 3]);
    let whole = fields(&mut image, &[(array, 5), (leaf, 20)]);
    describe(&mut image, outer, STRUCT, [whole, 2]);
    has_pointers(&image, HEAP + 0x4000, 8192, 0, &[7, 11, 15, 20]);
    // Elements without a size are one, and those after the end of the object none.
    let empty = image.typ(0, p, &[1]);
    describe(&mut image, outer, ARRAY, [empty, u64::MAX >> 33]);
    has_pointers(&image, HEAP + 0x4000, 8192, 0, &[0]);
    describe(&mut image, outer, ARRAY, [leaf, u64::MAX >> 33]);
    let all: Vec<u64> = (0..8192 / p).step_by(2).collect();
    has_pointers(&image, HEAP + 0x4000, 8192, 0, &all);
    // 128 types may be in each other.
    for (depth, says) in [(127, None), (128, Some("types cannot be made of so many others"))] {
        let (mut image, outer) = typed::<T>(8192 / p, &[0; 16]);
        let mut typ = image.typ(p, p, &[1]);
        for level in 0..depth {
            typ = made_of_little(&mut image, typ, level % 2 == 0);
        }
        describe(&mut image, outer, ARRAY, [typ, 1]);
        match (image.dump(Defects::NONE), says) {
            (Ok(dump), None) => assert!(has(&dump, &object::<T>(HEAP + 0x4000, 8192, 0, &[0]))),
            (Err(error), Some(says)) => assert!(error.to_string().contains(says), "{error}"),
            (dump, _) => panic!("{} {depth}: {}", T::GOARCH, dump.is_ok()),
        }
    }
    // Only so many types are looked at: four for each word and a few more.
    let words = 8192 / p;
    let most = 4 * words + 1024;
    for (n, is_ok) in [(most - 1, true), (most, false)] {
        // However many words the type says that it has, those of the object count.
        let (mut image, outer) = typed::<T>(64 * words, &[0; 16]);
        let leaf = image.typ(p, p, &[1]);
        let record = image.layouts.sizes.insert("internal/abi.StructField", 0);
        assert_eq!(record, None);
        let same = fields(&mut image, &[(leaf, 0)]);
        describe(&mut image, outer, STRUCT, [same, n]);
        assert_eq!(image.dump(Defects::NONE).is_ok(), is_ok, "{} {n}", T::GOARCH);
    }
    // Other kinds are never built.
    describe(&mut image, outer, 22, [0, 0]);
    let error = image.dump(Defects::NONE).unwrap_err().to_string();
    assert!(error.contains("only arrays and structures have masks"), "{error}");
}

/// An array of one element, or a structure of one field, in little room.
fn made_of_little<T: Target>(image: &mut Image<T>, part: u64, array: bool) -> u64 {
    let typ = image.alloc(0x118);
    for (field, value) in [("Size_", T::PTR_SIZE), ("PtrBytes", T::PTR_SIZE), ("GCData", part)] {
        image.put(typ, "internal/abi.Type", field, 0, value);
    }
    if array {
        describe(image, typ, ARRAY, [part, 1]);
    } else {
        let field = image.alloc(0x40);
        image.put(field, "internal/abi.StructField", "Typ", 0, part);
        describe(image, typ, STRUCT, [field, 1]);
    }
    typ
}

/// A mask of more bytes than are read at once.
fn long_masks<T: Target>() {
    let p = T::PTR_SIZE;
    let mut image = Image::<T>::new(HEADERS, ON_DEMAND);
    let span = image.span(2, 4, 4 * 8192, 1, 1, 0);
    let words = 4 * 8192 / p;
    let mask: Vec<u8> = (0..words.div_ceil(8)).map(|i| (i * 7 + i / 256) as u8).collect();
    for described in [words, words - 3, 2048 + 9] {
        let typ = image.typ(4 * 8192, described * p, &mask);
        image.put(span, "runtime.mspan", "largeType", 0, typ);
        let is_pointer = |word: &u64| mask[(word / 8) as usize] >> (word % 8) & 1 != 0;
        let pointers: Vec<u64> = (0..described).filter(is_pointer).collect();
        has_pointers(&image, HEAP + 0x4000, 4 * 8192, 0, &pointers);
        if described + 10 < words {
            // As a part of something else it ends where it says, too.
            let outer = image.typ(4 * 8192, 4 * 8192, &[0; 16]);
            let whole = fields(&mut image, &[(typ, 10)]);
            describe(&mut image, outer, STRUCT, [whole, 1]);
            image.put(span, "runtime.mspan", "largeType", 0, outer);
            let pointers: Vec<u64> = pointers.iter().map(|word| word + 10).collect();
            has_pointers(&image, HEAP + 0x4000, 4 * 8192, 0, &pointers);
        }
    }
}

/// One object after the other, each with a type before it, of more words than are asked for at once.
fn types_of_neighbours<T: Target>() {
    let p = T::PTR_SIZE;
    let mut image = Image::<T>::new(HEADERS, &[]);
    image.span(1, 1, 2048, 4, 0b1111, 2);
    let header = 8 / p;
    let types = [(&[0b1][..], 1), (&[0b10][..], 2), (&[0b100][..], 3), (&[0b1][..], 1)];
    for (slot, (mask, n)) in (0..).zip(types) {
        let typ = image.typ(2040, n * p, mask);
        image.word(HEAP + 8192 + slot * 2048, typ);
        has_pointers(&image, HEAP + 8192 + slot * 2048, 2048, typ, &[header + n - 1]);
    }
    // Where a mask is not described, a process that stopped anywhere has an object in the making.
    image.word(HEAP + 8192, 8);
    assert!(image.dump(Defects::NONE).is_err());
    let stopped = Stopped::new(&[]);
    let dump = image.dump_stopped(&stopped).unwrap();
    assert!(has(&dump, &ints(&[1, HEAP + 8192, 2048])), "{}", T::GOARCH);
    assert_eq!(stopped.doubts().undescribed_objects, 1, "{}", T::GOARCH);
    // A dump begins without doubts.
    image.dump_stopped(&stopped).unwrap();
    assert_eq!(stopped.doubts().undescribed_objects, 1, "{}", T::GOARCH);
}

/// Objects that do not begin where a byte of the bitmap does, and end before the words that are asked for at once.
fn two_bits_of_any_word<T: Target>() {
    let p = T::PTR_SIZE;
    let mut image = Image::<T>::new(TWO_BITS, &[]);
    image.span(0, 1, 67 * p, 2, 0b11, 2);
    let bitmap = image.arena + image.offset("runtime.heapArena", "bitmap");
    // The second begins with word 67, and goes on up to its word 65: pointers are the words 1, 4 and 65.
    let mut bits = [0; 2 * 67 / 4 + 1];
    let mut set = |word: usize, pair: u8| {
        bits[word / 4] |= (pair & 1) << (word % 4);
        bits[word / 4] |= (pair >> 1) << (word % 4 + 4);
    };
    for word in 0..67 {
        set(word, 0b10 & if word < 3 { 3 } else { 0 });
        set(67 + word, 0b10 & if word < 66 { 3 } else { 0 });
    }
    for word in [1, 65, 67 + 1, 67 + 4, 67 + 65] {
        set(word, 1);
    }
    // After the end of the first there are marks again.
    for word in 60..67 {
        set(word, 0b10);
    }
    image.bytes(bitmap, &bits);
    has_pointers(&image, HEAP, 67 * p, 0, &[1]);
    has_pointers(&image, HEAP + 67 * p, 67 * p, 0, &[1, 4, 65]);
}

/// What is asked for at once may be in several arenas, and more than the first slots of a span.
fn two_bits_of_neighbours<T: Target>() {
    let p = T::PTR_SIZE;
    let mut image = Image::<T>::new(TWO_BITS, &[]);
    image.layouts.constants.insert("runtime.heapArenaBytes", 8192);
    let (mheap, arenas) = (image.variable("runtime.mheap_"), image.alloc(0x800));
    image.put(mheap, "runtime.mheap", "arenas", 0, arenas);
    let (size, words) = (40 * p, 8192 / p);
    let n = 3 * 8192 / size;
    let span = image.span(2, 3, size, n, 0, 2);
    image.put(span, "runtime.mspan", "freeIndexForScan", 0, n);
    for page in 0..3 {
        let arena = image.alloc(0x600);
        image.word(arenas + (HEAP / 8192 + 2 + page) * p, arena);
        let mut bits = vec![0xf0; (words / 4) as usize];
        for word in (0..words).filter(|word| (page * words + word) % 7 == 0) {
            bits[(word / 4) as usize] |= 1 << (word % 4);
        }
        image.bytes(arena + image.offset("runtime.heapArena", "bitmap"), &bits);
    }
    for slot in (0..n).step_by(5) {
        let pointers: Vec<u64> = (0..40).filter(|word| (40 * slot + word) % 7 == 0).collect();
        has_pointers(&image, HEAP + 0x4000 + slot * size, size, 0, &pointers);
    }
}

/// As many slots as are looked at together, of as many words as are had at once; and some more.
fn the_most_words_at_once<T: Target>() {
    let p = T::PTR_SIZE;
    let ptr_bits = 8 * p;
    for missing in [HEADERS, ONE_BIT, TWO_BITS] {
        // What is larger has a header.
        let words = if missing == HEADERS { 56.min(ptr_bits) } else { 56 };
        let size = words * p;
        for slot in [0, 1, 63, 64, 65] {
            let word = slot * words + words - 1;
            let mut image = Image::<T>::new(missing, &[]);
            let len = (66 * size).next_multiple_of(8192);
            let (span, alloc_bits) = (image.span(0, len / 8192, size, 66, 0, 2), image.alloc(0x10));
            // It is the only one.
            image.bytes(alloc_bits + slot / 8, &[1 << (slot % 8)]);
            image.put(span, "runtime.mspan", "allocBits", 0, alloc_bits);
            if missing == TWO_BITS {
                let bitmap = image.arena + image.offset("runtime.heapArena", "bitmap");
                image.bytes(bitmap, &[0xf0; 1024]);
                image.bytes(bitmap + word / 4, &[0xf0 | 1 << (word % 4)]);
            } else {
                let bitmap = match missing {
                    HEADERS => HEAP + len - len / p / 8,
                    _ => image.arena + image.offset("runtime.heapArena", "bitmap"),
                };
                image.word(bitmap + word / ptr_bits * p, 1 << (word % ptr_bits));
            }
            has_pointers(&image, HEAP + slot * size, size, 0, &[words - 1]);
        }
    }
}

/// One bit a word, of objects that lie across the words of the bitmap, one of which says that no more follows.
fn one_bit_of_neighbours<T: Target>() {
    let p = T::PTR_SIZE;
    let (mut image, bitmap, no_more_ptrs) = one_bit::<T>();
    let (size, words, ptr_bits) = (37 * p, 8192 / p, 8 * p);
    let n = 8192 / size;
    let span = image.span(0, 1, size, n, 0, 2);
    image.put(span, "runtime.mspan", "freeIndexForScan", 0, n);
    let is_pointer = |word| word % 7 == 0;
    for first in (0..words).step_by(ptr_bits as usize) {
        let bits = (0..ptr_bits).filter(|bit| is_pointer(first + bit)).fold(0, |bits, bit| bits | 1 << bit);
        image.word(bitmap + first / 8, bits);
    }
    image.bytes(no_more_ptrs, &[0b10]);
    for slot in 0..n {
        let first = 37 * slot;
        let pointers = (0..37).filter(|word| {
            let ends_before = first < 2 * ptr_bits && first + word >= 2 * ptr_bits;
            is_pointer(first + word) && !ends_before
        });
        has_pointers(&image, HEAP + slot * size, size, 0, &pointers.collect::<Vec<_>>());
    }
    // Some words of one: no bits but theirs, also across words of the bitmap, and more may follow in the same word of it.
    for (slot, n) in [(5, 30), (p / 4, 10)] {
        let bits = (0..n).filter(|word| is_pointer(37 * slot + word)).fold(0, |bits, bit| bits | 1 << bit);
        assert_eq!(ask(&image, &[(slot, 0, n)]), [(bits, true)], "{} {slot}", T::GOARCH);
    }
}

/// That no more follows is said of whole words of the bitmap: of a large object, what is asked for may end within one.
fn one_bit_of_large_objects<T: Target>() {
    let (p, ptr_bits) = (T::PTR_SIZE, 8 * T::PTR_SIZE);
    let (mut image, bitmap, no_more_ptrs) = one_bit::<T>();
    image.span(1, 1, 200 * p, 2, 0b11, 2);
    // Of the second object's words the first 60 are asked for.
    let first = 8192 / p + 200;
    let last = first + 59;
    image.word(bitmap + last / ptr_bits * p, 1 << (last % ptr_bits));
    image.bytes(no_more_ptrs + last / ptr_bits / 8, &[1 << (last / ptr_bits % 8)]);
    assert_eq!(ask(&image, &[(1, 0, 60)]), [(1 << 59, true)], "{}", T::GOARCH);
}

/// The marks of a span may be at its end, after the bits that tell pointers; not those of objects of 8 bytes.
fn bits_before_marks<T: Target>() {
    let p = T::PTR_SIZE;
    for (size, marks) in [(8, 0), (16, 128), (32, 128)] {
        let mut image = Image::<T>::new(HEADERS, &[]);
        image.layouts.sizes.insert("runtime.spanInlineMarkBits", 128);
        image.span(1, 1, size, 4, 0b1111, 2);
        image.word(HEAP + 2 * 8192 - marks - 8192 / p / 8, 1 << (size / p));
        has_pointers(&image, HEAP + 8192 + size, size, 0, &[0]);
    }
}

/// Words of objects, in any order.
fn words_in_any_order<T: Target>() {
    let p = T::PTR_SIZE;
    let mut image = Image::<T>::new(HEADERS, &[]);
    image.span(1, 1, 2048, 4, 0b1111, 2);
    for slot in 0..2 {
        let mut mask = [0; 32];
        mask[12] = 1 << slot;
        let typ = image.typ(2040, 200 * p, &mask);
        image.word(HEAP + 8192 + slot * 2048, typ);
    }
    let (asked, bits): (Vec<_>, Vec<u64>) =
        [(0, 0, 0), (1, 96, 2), (0, 96, 1), (0, 96, 1), (1, 0, 0), (1, 96, 2)]
            .map(|(slot, i, bits)| ((slot, i, 64), bits << (8 / p)))
            .into_iter()
            .unzip();
    let found: Vec<u64> = ask(&image, &asked).into_iter().map(|(bits, _)| bits).collect();
    assert_eq!(found, bits, "{}", T::GOARCH);
}

/// Words in the middle of small objects.
fn words_of_small_objects<T: Target>() {
    let p = T::PTR_SIZE;
    let mut image = Image::<T>::new(HEADERS, &[]);
    image.span(1, 1, 8 * p, 4, 0b1111, 2);
    image.word(HEAP + 2 * 8192 - 8192 / p / 8, 0b1001_0100 << 8);
    for (i, n, bits) in [(0, 8, 0b1001_0100), (2, 4, 0b101), (3, 5, 0b1_0010), (4, 3, 0b001)] {
        assert_eq!(ask(&image, &[(1, i, n)])[0].0, bits, "{} {i}", T::GOARCH);
    }
}

/// Arenas have bitmaps of their own, though what is asked about is at the same place in each.
fn bitmaps_of_arenas(missing: &'static [&'static str], bits: [u8; 2]) {
    const FAR: u64 = 1 << 32;
    let mut image = Image::<Amd64>::new(missing, &[]);
    image.layouts.constants.insert("runtime.heapArenaBytes", FAR as i64);
    image.memory.map(HEAP + FAR, 8192);
    let mheap = image.variable("runtime.mheap_");
    let arenas = image.alloc(0x10);
    image.put(mheap, "runtime.mheap", "arenas", 0, arenas);
    let per_byte = if missing == TWO_BITS { 32 } else { 64 };
    for (i, bits) in (0..).zip(bits) {
        let arena = image.alloc(0x9000);
        image.word(arenas + 8 * i, arena);
        image.bytes(arena + image.offset("runtime.heapArena", "bitmap") + HEAP / per_byte, &[bits]);
        let span = image.span(0, 1, 32, 1, 1, 2);
        image.put(span, "runtime.mspan", "startAddr", 0, HEAP + i * FAR);
    }
    has_pointers(&image, HEAP, 32, 0, &[0]);
    has_pointers(&image, HEAP + FAR, 32, 0, &[1]);
}

#[test]
fn pointers_in_the_heap() {
    fn on<T: Target>() {
        masks_of_parts::<T>();
        long_masks::<T>();
        types_of_neighbours::<T>();
        two_bits_of_any_word::<T>();
        two_bits_of_neighbours::<T>();
        one_bit_of_neighbours::<T>();
        one_bit_of_large_objects::<T>();
        bits_before_marks::<T>();
        the_most_words_at_once::<T>();
        words_in_any_order::<T>();
        words_of_small_objects::<T>();
    }
    on::<Amd64>();
    on::<Mips>();
    on::<S390x>();
}

#[test]
fn arenas_have_bitmaps() {
    bitmaps_of_arenas(TWO_BITS, [0b0011_0001, 0b0011_0010]);
    bitmaps_of_arenas(ONE_BIT, [0b01, 0b10]);
}
