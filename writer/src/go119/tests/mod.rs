//! The generation, on processes of a few pages.

mod conservative;
mod goroutines;
mod heap;
mod image;
mod pointers;
mod records;
mod standing;
mod sweep;
mod symbols;
mod types;
mod unwinding;

use image::{HEAP, Image, STACK};

use super::Defects;
use crate::Error;
use crate::target::{Amd64, Arm, I386, Mips, S390x, Target};
use crate::testing::{counted, ints};

/// What Go 1.22 and later do not have.
const HEADERS: &[&str] = &["runtime.gobuf.ret", "runtime.heapArena"];
/// What Go 1.20 and 1.21 do not have.
const ONE_BIT: &[&str] = &["runtime.mspan.largeType"];
/// What Go 1.19 does not have.
const TWO_BITS: &[&str] = &["runtime.mspan.largeType", "runtime.heapArena.noMorePtrs"];
const ON_DEMAND: &[(&str, i64)] = &[("internal/abi.TFlagGCMaskOnDemand", 16)];

/// Makes a test of a function that is generic over the target: one for each size of words and order of bytes.
macro_rules! on_each_kind {
    ($($case:ident)*) => {$(
        #[test]
        fn $case() {
            cases::$case::<Amd64>();
            cases::$case::<I386>();
            cases::$case::<Arm>();
            cases::$case::<Mips>();
            cases::$case::<S390x>();
        }
    )*};
}

on_each_kind! {
    bits_at_the_end_of_a_span
    types_before_objects
    types_of_large_objects
    masks_that_are_built
    one_bit_a_word
    two_bits_a_word
    frames_and_statistics
    frames_that_a_signal_has_stopped
    a_thread_that_has_dumped_the_heap
    a_goroutine_that_leaves_a_system_call
    damage_is_an_error_or_a_dump
}

fn has(dump: &[u8], piece: &[u8]) -> bool {
    dump.windows(piece.len()).any(|window| window == piece)
}

/// An object's record, of contents that are zero but for the first word.
fn object<T: Target>(at: u64, size: u64, first: u64, pointers: &[u64]) -> Vec<u8> {
    let mut contents = Vec::new();
    crate::process::patch::push::<T>(&mut contents, first, T::PTR_SIZE as usize);
    contents.resize(size as usize, 0);
    let fields: Vec<u64> = pointers.iter().flat_map(|&word| [1, word * T::PTR_SIZE]).chain([0]).collect();
    [ints(&[1, at]), counted(&contents), ints(&fields)].concat()
}

fn objects(dump: &[u8], first: &[u8]) -> usize {
    dump.windows(first.len()).filter(|window| *window == first).count()
}

mod cases {
    use super::*;

    pub fn bits_at_the_end_of_a_span<T: Target>() {
        let mut image = Image::<T>::new(HEADERS, &[]);
        let size = 4 * T::PTR_SIZE;
        let span = image.span(1, 1, size, 4, 0b1000, 2);
        image.put(span, "runtime.mspan", "freeindex", 0, 2);
        let base = HEAP + 8192;
        // Object 0 has a pointer in its word 1, object 3 in the words 0 and 3.
        let bitmap = 8192 / T::PTR_SIZE / 8;
        image.word(base + 8192 - bitmap, 0b1001_0000_0000_0010);
        let dump = image.dump(Defects::NONE).unwrap();
        let expected = [
            object::<T>(base, size, 0, &[1]),
            object::<T>(base + size, size, 0, &[]),
            object::<T>(base + 3 * size, size, 0, &[0, 3]),
        ];
        assert!(has(&dump, &expected.concat()), "{}", T::GOARCH);
        // What comes after is no object, and the runtime takes it for some.
        let beyond = ints(&[1, base + 4 * size, size]);
        assert_eq!(objects(&dump, &beyond), 0);
        assert_eq!(objects(&image.dump(Defects::ALL).unwrap(), &beyond), 1);
        // Before Go 1.25 it is another index that slots are compared with.
        let mut older = Image::<T>::new(&["runtime.heapArena"], &[]);
        let span = older.span(1, 1, size, 4, 0b1000, 2);
        older.put(span, "runtime.mspan", "freeindex", 0, 4);
        older.put(span, "runtime.mspan", "freeIndexForScan", 0, 2);
        let dump = older.dump(Defects::NONE).unwrap();
        let allocated = [0, 1, 3].map(|i| object::<T>(base + i * size, size, 0, &[]));
        assert!(has(&dump, &allocated.concat()), "{}", T::GOARCH);
    }

    pub fn types_before_objects<T: Target>() {
        let mut image = Image::<T>::new(HEADERS, &[]);
        let (header, p) = (8 / T::PTR_SIZE, T::PTR_SIZE);
        image.span(0, 2, 4096, 4, 0b0101, 2);
        let typ = image.typ(5 * p, 3 * p, &[0b101]);
        image.word(HEAP, typ);
        let dump = image.dump(Defects::NONE).unwrap();
        // Its values follow each other to the end.
        let pointers: Vec<u64> =
            (header..4096 / p).filter(|word| [0, 2].contains(&((word - header) % 5))).collect();
        assert!(has(&dump, &object::<T>(HEAP, 4096, typ, &pointers)), "{}", T::GOARCH);
        // One without a type is about to get it.
        assert!(has(&dump, &object::<T>(HEAP + 8192, 4096, 0, &[])), "{}", T::GOARCH);
    }

    pub fn types_of_large_objects<T: Target>() {
        let mut image = Image::<T>::new(HEADERS, &[]);
        let span = image.span(2, 1, 8192, 1, 1, 0);
        let mask: Vec<u8> = (0..8192 / T::PTR_SIZE / 8).map(|i| i as u8).collect();
        let typ = image.typ(8192, 8192, &mask);
        image.put(span, "runtime.mspan", "largeType", 0, typ);
        let dump = image.dump(Defects::NONE).unwrap();
        let pointers: Vec<u64> =
            (0..8192 / T::PTR_SIZE).filter(|word| (word / 8) as u8 >> (word % 8) & 1 != 0).collect();
        assert!(has(&dump, &object::<T>(HEAP + 0x4000, 8192, 0, &pointers)), "{}", T::GOARCH);
    }

    pub fn masks_that_are_built<T: Target>() {
        let mut image = Image::<T>::new(HEADERS, ON_DEMAND);
        let p = T::PTR_SIZE;
        let span = image.span(2, 1, 8192, 1, 1, 0);
        let elem = image.typ(3 * p, 2 * p, &[0b10]);
        let array = image.typ(300 * p, 299 * p, &[0; 8]);
        let outer = image.typ(400 * p, 400 * p, &[0; 8]);
        for (typ, kind) in [(array, 17), (outer, 25)] {
            image.put(typ, "internal/abi.Type", "TFlag", 0, 16);
            image.put(typ, "internal/abi.Type", "Kind_", 0, kind);
        }
        image.put(array, "internal/abi.ArrayType", "Elem", 0, elem);
        image.put(array, "internal/abi.ArrayType", "Len", 0, 100);
        let fields = image.alloc(0x400);
        image.put(fields, "internal/abi.StructField", "Typ", 0, array);
        image.put(fields, "internal/abi.StructField", "Offset", 0, 100 * p);
        for (i, value) in (0..).zip([fields, 1, 1]) {
            image.put(outer, "internal/abi.StructType", "Fields", i, value);
        }
        image.put(span, "runtime.mspan", "largeType", 0, outer);
        let dump = image.dump(Defects::NONE).unwrap();
        // The array begins at word 100, its elements take three words, and the values 400.
        let is_pointer = |word: &u64| (100..400).contains(&(word % 400)) && (word % 400 - 100) % 3 == 1;
        let pointers: Vec<u64> = (0..8192 / p).filter(is_pointer).collect();
        assert!(has(&dump, &object::<T>(HEAP + 0x4000, 8192, 0, &pointers)), "{}", T::GOARCH);
    }

    pub fn one_bit_a_word<T: Target>() {
        let mut image = Image::<T>::new(ONE_BIT, &[]);
        let (p, ptr_bits) = (T::PTR_SIZE, 8 * T::PTR_SIZE);
        let size = 3 * ptr_bits * p;
        image.span(0, 1, size, 1, 1, 2);
        let bitmap = image.arena + image.offset("runtime.heapArena", "bitmap");
        let no_more_ptrs = image.arena + image.offset("runtime.heapArena", "noMorePtrs");
        for (i, word) in (0..).zip([0b100, 0b1, 0b11]) {
            image.word(bitmap + i * p, word);
        }
        let all = [2, ptr_bits, 2 * ptr_bits, 2 * ptr_bits + 1];
        assert!(has(&image.dump(Defects::NONE).unwrap(), &object::<T>(HEAP, size, 0, &all)), "{}", T::GOARCH);
        // The bitmap's second word is said to be the last.
        image.bytes(no_more_ptrs, &[0b10]);
        assert!(
            has(&image.dump(Defects::NONE).unwrap(), &object::<T>(HEAP, size, 0, &all[..2])),
            "{}",
            T::GOARCH
        );
    }

    pub fn two_bits_a_word<T: Target>() {
        let mut image = Image::<T>::new(TWO_BITS, &[]);
        let size = 4 * T::PTR_SIZE;
        image.span(0, 1, size, 3, 0b111, 2);
        let bitmap = image.arena + image.offset("runtime.heapArena", "bitmap");
        // Pointers below, and whether the object goes on above.
        image.bytes(bitmap, &[0b0011_0110, 0b1111_1010, 0b0000_1111]);
        let dump = image.dump(Defects::NONE).unwrap();
        let expected = [
            object::<T>(HEAP, size, 0, &[1]),
            object::<T>(HEAP + size, size, 0, &[1, 3]),
            object::<T>(HEAP + 2 * size, size, 0, &[]),
        ];
        assert!(has(&dump, &expected.concat()), "{}", T::GOARCH);
    }

    pub fn frames_and_statistics<T: Target>() {
        let mut image = Image::<T>::new(HEADERS, &[]);
        let p = T::PTR_SIZE;
        // A map of one word, and an object of three words of which the first and the last are pointers.
        let (frame, tables) = (image.frame, image.tables);
        // What only looks like the variables that the closure has captured.
        image.word(STACK + 2 * p, STACK + 0x200);
        image.put(tables + 0x3000, "runtime.stackmap", "n", 0, 1);
        image.put(tables + 0x3000, "runtime.stackmap", "nbit", 0, 1);
        let bytedata = image.offset("runtime.stackmap", "bytedata");
        image.bytes(tables + 0x3000 + bytedata, &[1]);
        image.funcdata(frame, 1, 0);
        image.word(tables + 0x3200, 1);
        for (field, value) in
            [("off", (-(8 * p as i64)) as u64), ("size", 3 * p), ("ptrBytes", 3 * p), ("gcdataoff", 0x780)]
        {
            image.put(tables + 0x3200 + p, "runtime.stackObjectRecord", field, 0, value);
        }
        image.bytes(tables + 0x3780, &[0b101]);
        image.funcdata(frame, 2, 0x200);
        let (meant, exact) = (image.dump(Defects::NONE).unwrap(), image.dump(Defects::ALL).unwrap());
        let name = counted(b"runtime/debug.WriteHeapDump");
        let fields = |dump: &[u8]| {
            let at = dump.windows(name.len()).position(|window| window == name).expect("the frame is there");
            dump[at + name.len()..].to_vec()
        };
        let varp = image.varp() - STACK;
        let word = |n: u64| [1, varp - n * p];
        let locals = [word(1)].concat();
        let all = [word(1), word(8), word(6)].concat();
        assert!(fields(&exact).starts_with(&ints(&[&locals[..], &[0]].concat())), "{}", T::GOARCH);
        assert!(fields(&meant).starts_with(&ints(&[&all[..], &[0]].concat())), "{}", T::GOARCH);
        // The statistics are those in the frame.
        assert!(has(&meant, &ints(&[10, 77, 0, 0])), "{}", T::GOARCH);
    }

    /// Where the record of a frame of the function called `name` begins to list its fields.
    fn fields_of(dump: &[u8], name: &[u8]) -> Vec<u8> {
        let name = counted(name);
        let at = dump.windows(name.len()).position(|window| window == name).expect("the frame is there");
        dump[at + name.len()..].to_vec()
    }

    pub fn frames_that_a_signal_has_stopped<T: Target>() {
        let ids = [("internal/abi.FuncID_sigpanic", 20), ("internal/abi.FuncID_asyncPreempt", 3)];
        let mut image = Image::<T>::new(HEADERS, &ids);
        // The caller's map says that the word below its locals' end is a pointer.
        let (frame, caller, tables) = (image.frame, image.caller, image.tables);
        for (field, value) in [("n", 1), ("nbit", 1)] {
            image.put(tables + 0x3000, "runtime.stackmap", field, 0, value);
        }
        let bytedata = image.offset("runtime.stackmap", "bytedata");
        image.bytes(tables + 0x3000 + bytedata, &[1]);
        image.funcdata(caller, 1, 0);
        let dumps = |image: &Image<T>, defects| fields_of(&image.dump(defects).unwrap(), b"runtime.goexit");
        let listed = |fields: &[u8]| fields[0] == 1;
        assert!(listed(&dumps(&image, Defects::ALL)) && listed(&dumps(&image, Defects::NONE)));
        for (callee, switch) in [
            // A trap, after which the frame cannot go on.
            (20, Defects { maps_of_traps: true, ..Defects::NONE }),
            // A signal to preempt: every word of a frame counts, and this one has none.
            (3, Defects { maps_of_preempted: true, ..Defects::NONE }),
        ] {
            image.put(frame, "runtime._func", "funcID", 0, callee);
            assert!(listed(&dumps(&image, Defects::ALL)) && listed(&dumps(&image, switch)), "{}", T::GOARCH);
            assert!(!listed(&dumps(&image, Defects::NONE)), "{} {callee}", T::GOARCH);
        }
    }

    /// Up to Go 1.19 a thread goes on saying that it dumps the heap. Nobody does when there is nowhere that the dump goes to.
    pub fn a_thread_that_has_dumped_the_heap<T: Target>() {
        let mut image = Image::<T>::new(HEADERS, &[]);
        assert!(image.dump(Defects::NONE).is_ok(), "{}", T::GOARCH);
        let dumpfd = image.variable("runtime.dumpfd");
        image.word(dumpfd, 0);
        let error = image.dump(Defects::NONE).unwrap_err();
        assert!(matches!(error, Error::NoStatistics), "{error}");
        // Nor are there any in another function's frame.
        image.word(dumpfd, 3);
        image.bytes(image.tables + 0x800 + 0x10, b"runtime/debug.writeHeapDump");
        let error = image.dump(Defects::NONE).unwrap_err();
        assert!(matches!(error, Error::NoStatistics), "{error}");
    }

    /// Go 1.26's and 1.27's own dump ends the program there: "dumpgs in STW - bad status".
    pub fn a_goroutine_that_leaves_a_system_call<T: Target>() {
        let mut image = Image::<T>::new(HEADERS, &[]);
        let g = image.running();
        // One that runs Go code has no frames that can be read.
        let error = image.dump(Defects::NONE).unwrap_err();
        assert!(matches!(error, Error::BadStatus { status: 2, .. }), "{error}");
        for (field, value) in [("syscallsp", STACK), ("syscallpc", image::TEXT + 1)] {
            image.put(g, "runtime.g", field, 0, value);
        }
        for defects in [Defects::NONE, Defects::ALL] {
            let dump = image.dump(defects).unwrap();
            assert!(has(&dump, &ints(&[4, g, STACK, 99, 0, 2])), "{}", T::GOARCH);
        }
    }

    pub fn damage_is_an_error_or_a_dump<T: Target>() {
        // Each way to describe pointers on some of the machines.
        let missing = match T::GOARCH {
            "amd64" | "arm" => HEADERS,
            "s390x" => TWO_BITS,
            _ => ONE_BIT,
        };
        let mut image = Image::<T>::new(missing, ON_DEMAND);
        image.span(0, 1, 64, 4, 0b11, 2);
        image.span(1, 1, 4096, 2, 0b11, 2);
        image.span(2, 1, 8192, 1, 1, 0);
        assert!(image.dump(Defects::ALL).is_ok());
        for at in image.words() {
            for value in [0, 0x8000_0000, u64::MAX] {
                let old = image.swap(at, value);
                match image.dump(Defects::NONE) {
                    Ok(dump) => assert!(dump.len() < 1 << 24, "{at:#x}"),
                    Err(Error::Write { .. }) => panic!("the output takes all"),
                    Err(error) => assert!(!error.to_string().is_empty()),
                }
                image.swap(at, old);
            }
        }
    }
}

#[test]
fn what_is_missing_is_named() {
    let image = Image::<Amd64>::new(HEADERS, &[]);
    for (missing, says) in [
        ("runtime.mspan.npages", "where mspan.npages is"),
        ("runtime._func", "where package.runtime._func is"),
        ("runtime.allgs", "where package.runtime.allgs is"),
    ] {
        let mut image = Image::<Amd64>::new(HEADERS, &[]);
        image.layouts.missing.push(missing);
        assert!(crate::go119::ask(&image.layouts, 8).unwrap_err().to_string().contains(says));
        let message = image.dump(Defects::NONE).unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    }
    assert!(image.dump(Defects::NONE).is_ok() && crate::go119::ask(&image.layouts, 8).is_ok());
}
