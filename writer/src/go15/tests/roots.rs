//! Segments, finalizers, and the memory profile.

use std::cell::RefCell;

use crate::go15::Program;
use crate::go15::arch::Target;
use crate::go15::defects::{Defects, Dialect};
use crate::go15::structs::*;
use crate::memory::Addr;
use crate::options::Options;
use crate::process::field::{Field, GoType, Uint64};
use crate::target::{Amd64, AnyTarget, Arm, Ppc64};
use crate::testing::{
    ARENA, ARENA_SIZE, Expected, FUNCTION_SIZE, Function, Image, META, TEXT, assert_same, counted,
    each_target, ints,
};

/// Makes `words` the data segment, with a pointer mask.
pub(super) fn data_segment<T: Target>(image: &mut Image<T>, words: &[u64], nbit: u64, mask: &[u8]) -> Addr {
    let data = image.alloc(words.len() as u64 * T::PTR_SIZE);
    for (i, &word) in words.iter().enumerate() {
        image.word(data.add(i as u64 * T::PTR_SIZE), word);
    }
    let bytedata = image.data(mask);
    let datap = image.symbols.firstmoduledata;
    image.set(datap, Moduledata::data(), data.0);
    image.set(datap, Moduledata::edata(), data.0 + words.len() as u64 * T::PTR_SIZE);
    image.set(datap, Moduledata::gcdatamask().then(Bitvector::n()), nbit);
    image.set(datap, Moduledata::gcdatamask().then(Bitvector::bytedata()), bytedata.0);
    data
}

each_target!(a_segment_and_its_pointers);
fn a_segment_and_its_pointers<T: Target>() {
    let mut image = Image::<T>::new();
    let words: Vec<u64> = (100..120).collect();
    // The last bit of the mask's last byte is beyond its length.
    let start = data_segment(&mut image, &words, 19, &[0b1000_0001, 0, 0b0000_1110]);
    let contents: Vec<u8> = words.iter().flat_map(|&w| Image::<T>::bytes(T::PTR_SIZE, w)).collect();
    let fields = [0, 7, 17, 18].iter().flat_map(|&i| [1, i * T::PTR_SIZE]).chain([0]).collect::<Vec<_>>();
    let data = [ints(&[12, start.0]), counted(&contents), ints(&fields)].concat();
    let expected = Expected::<T> { data, ..Default::default() }.bytes();
    for dialect in Dialect::ALL {
        assert_same(&image.dump(dialect).unwrap(), &expected);
    }
}

#[test]
fn a_pointer_mask_longer_than_a_chunk() {
    let mut image = Image::<Arm>::new();
    let mut mask = vec![0; 600];
    (mask[255], mask[256], mask[599]) = (0x80, 0x01, 0x80);
    let start = data_segment(&mut image, &[], 4800, &mask);
    let fields = [2047u64, 2048, 4799].iter().flat_map(|&i| [1, 4 * i]).chain([0]).collect::<Vec<_>>();
    let data = [ints(&[12, start.0, 0]), ints(&fields)].concat();
    let expected = Expected::<Arm> { data, ..Default::default() };
    assert_same(&image.dump(Dialect::Go15).unwrap(), &expected.bytes());
}

each_target!(a_segment_whose_length_is_negative_as_an_int32);
fn a_segment_whose_length_is_negative_as_an_int32<T: Target>() {
    let mut image = Image::<T>::new();
    let len = 1 << 31;
    data_segment(&mut image, &[], 0, &[]);
    let datap = image.symbols.firstmoduledata;
    image.set(datap, Moduledata::data(), ARENA);
    image.set(datap, Moduledata::edata(), ARENA + len);
    // Variables elsewhere make no difference.
    image.symbols.typecache = Addr(META);
    let defects = Defects {
        int32_lengths: true,
        write_errors_ignored: true,
        own_variables_in_bss: true,
        ..Defects::NONE
    };
    let dump = image.dump_with(defects).0.unwrap();
    let contents = match T::ANY {
        // The kernel reads the length as an unsigned one, and comes as far as there is memory.
        AnyTarget::Amd64 => ARENA_SIZE,
        _ => 0,
    };
    let data = [ints(&[12, ARENA, len]), vec![0; contents as usize], ints(&[0])].concat();
    assert_same(&dump, &Expected::<T> { data, ..Default::default() }.bytes());
}

#[test]
fn segments_that_cannot_be() {
    let with = |start: u64, end: u64, nbit: u64| {
        let mut image = Image::<Arm>::new();
        data_segment(&mut image, &[], nbit, &[]);
        let datap = image.symbols.firstmoduledata;
        image.set(datap, Moduledata::data(), start);
        image.set(datap, Moduledata::edata(), end);
        image.error().to_string().replace(&datap.to_string(), "MODULE")
    };
    assert_eq!(
        with(META + 4, META, 0),
        "moduledata.edata at MODULE is 0x10000: the segment ends before it begins"
    );
    assert_eq!(
        with(META, META, u64::MAX),
        "moduledata.gcdatamask at MODULE is 0xffffffffffffffff: the number of bits is negative"
    );
    assert_eq!(
        with(META, 0xf000_0000, 0),
        "reading moduledata.edata: cannot read 4096 bytes of target memory at 0x110000"
    );
}

each_target!(finalizers_registered_and_queued);
fn finalizers_registered_and_queued<T: Target>() {
    let mut image = Image::<T>::new();
    let s = image.span(2, 1, 8192);
    let closures = [7, 8, 9].map(|code| {
        let closure = image.alloc(8);
        image.word(closure, TEXT + code);
        closure
    });
    // A finalizer, then a profile record, then another finalizer.
    let [first, sample, second] = [0, 1, 2].map(|_| image.alloc(<SpecialFinalizer as GoType<T>>::SIZE));
    for (special, next, offset, kind) in
        [(first, sample, 0x10, 1), (sample, second, 0x20, 2), (second, Addr::NIL, 0xfff0, 1)]
    {
        image.set(special, Special::next(), next.0);
        image.set(special, Special::offset(), offset);
        image.set(special, Special::kind(), kind);
    }
    for (special, closure, fint, ot) in [(first, closures[0], 0x51, 0x52), (second, closures[1], 0, 0x62)] {
        image.set(special, SpecialFinalizer::r#fn(), closure.0);
        image.set(special, SpecialFinalizer::fint(), fint);
        image.set(special, SpecialFinalizer::ot(), ot);
    }
    image.set(sample, SpecialProfile::b(), 0xb0);
    image.set(s, Mspan::specials(), first.0);

    // Two blocks: the second one is full.
    let full = finalizers_per_block::<T>();
    let blocks = [1, full].map(|cnt| {
        let block = image.alloc(4096);
        image.set(block, Finblock::cnt(), cnt);
        block
    });
    image.set(blocks[0], Finblock::alllink(), blocks[1].0);
    image.set_pointer(image.symbols.allfin, blocks[0]);
    let mut queued = Vec::new();
    for (block, cnt) in [(blocks[0], 1), (blocks[1], full)] {
        for i in 0..cnt {
            let f = block.add(Finblock::fin::<T>().offset + i * <Finalizer as GoType<T>>::SIZE);
            image.set(f, Finalizer::r#fn(), closures[2].0);
            image.set(f, Finalizer::arg(), 0x70 + i);
            image.set(f, Finalizer::fint(), 0x71);
            image.set(f, Finalizer::ot(), 0x72);
            queued.extend([11, 0x70 + i, closures[2].0, TEXT + 9, 0x71, 0x72]);
        }
    }

    let base = ARENA + 2 * 8192;
    let objects = [ints(&[1, base, 8192]), vec![0; 8192], ints(&[0])].concat();
    let registered = [
        [7, base + 0x10, closures[0].0, TEXT + 7, 0x51, 0x52],
        [7, base + 0xfff0, closures[1].0, TEXT + 8, 0, 0x62],
    ]
    .concat();
    let expected = Expected::<T> {
        objects,
        finalizers: [ints(&registered), ints(&queued)].concat(),
        memprof: ints(&[17, base + 0x20, 0xb0]),
        ..Default::default()
    };
    assert_same(&image.dump(Dialect::Go15).unwrap(), &expected.bytes());

    image.set(blocks[0], Finblock::cnt(), full + 1);
    let error = image.error().to_string();
    assert!(error.starts_with("finblock.cnt at 0x"), "{error}");
    assert!(error.ends_with("that is more than fit into a block"), "{error}");
    image.set(blocks[0], Finblock::cnt(), 0);
    image.set(blocks[1], Finblock::alllink(), blocks[0].0);
    let error = image.error().to_string();
    assert!(error.starts_with("the list linked through finblock.alllink loops"), "{error}");
}

#[test]
fn a_finalizer_without_a_closure() {
    let mut image = Image::<Amd64>::new();
    let block = image.alloc(4096);
    image.set(block, Finblock::cnt(), 1);
    image.set_pointer(image.symbols.allfin, block);
    assert_eq!(image.error().to_string(), "reading funcval.fn: cannot read 8 bytes of target memory at 0x0");
}

each_target!(other_roots_follow_the_segments);
fn other_roots_follow_the_segments<T: Target>() {
    let mut image = Image::<T>::new();
    let other_roots = [("a handle", Addr(0x1234)), ("", Addr(0))];
    let options = Options { other_roots: &other_roots, ..Options::default() };
    let finalizers =
        [ints(&[2]), counted(b"a handle"), ints(&[0x1234, 2]), counted(b""), ints(&[0])].concat();
    let expected = Expected::<T> { finalizers, ..Default::default() };
    assert_same(&image.dump_under(&options).0.unwrap(), &expected.bytes());
}

/// A bucket of the memory profile.
pub(super) fn new_bucket<T: Target>(
    image: &mut Image<T>,
    size: u64,
    stk: &[u64],
    allocs: u64,
    frees: u64,
) -> Addr {
    let header = <Bucket as GoType<T>>::SIZE;
    let b = image.alloc(header + stk.len() as u64 * T::PTR_SIZE + <MemRecord as GoType<T>>::SIZE);
    image.set(b, Bucket::typ(), 1);
    image.set(b, Bucket::size(), size);
    image.set(b, Bucket::nstk(), stk.len() as u64);
    for (i, &pc) in stk.iter().enumerate() {
        image.word(b.add(header + i as u64 * T::PTR_SIZE), pc);
    }
    let mp = b.add(header + stk.len() as u64 * T::PTR_SIZE);
    image.set(mp, MemRecord::allocs(), allocs);
    image.set(mp, MemRecord::frees(), frees);
    let mbuckets = image.symbols.mbuckets;
    image.set_pointer(mbuckets, b);
    b
}

/// A process with a function whose lines are known, and one whose lines and name are not.
fn with_lines<T: Target>() -> (Image<T>, u64, u64) {
    let mut image = Image::<T>::new();
    // Offsets into the pclntab: the file's name is that of the first function of all.
    let filetab = image.alloc(8);
    image.memory.write(filetab.add(4), &Image::<T>::bytes(4, 8));
    let datap = image.symbols.firstmoduledata;
    image.set_slice(datap, Moduledata::filetab(), filetab, 2);
    let known = image.function(Function {
        name: "main.known",
        pcfile: vec![(1, FUNCTION_SIZE)],
        pcln: vec![(10, 16), (7, 32), (300, FUNCTION_SIZE)],
        ..Function::default()
    });
    let unknown = image.function(Function::default());
    (image, known.0, unknown.0)
}

each_target!(a_profile_with_known_and_unknown_pcs);
fn a_profile_with_known_and_unknown_pcs<T: Target>() {
    let (mut image, known, unknown) = with_lines::<T>();
    // A PC is taken as it is at the top of the stack; elsewhere it is a return PC, and the call is
    // before it, unless it is the function's entry.
    let stk = [known + 16, known + 16, known, known + 32, unknown + 4, 0, 0xdead, known + 36];
    let older = new_bucket(&mut image, 48, &[], 1, 0);
    let b = new_bucket(&mut image, 64, &stk, 1000, 7);
    image.set(b, Bucket::allnext(), older.0);
    let frame = |name: &str, file: &str, line: u64| {
        [counted(name.as_bytes()), counted(file.as_bytes()), ints(&[line])].concat()
    };
    let memprof = [
        ints(&[16, b.0, 64, 8]),
        frame("main.known", "runtime.goexit", 7),
        frame("main.known", "runtime.goexit", 10),
        frame("main.known", "runtime.goexit", 10),
        frame("main.known", "runtime.goexit", 7),
        frame("", "?", 0),
        frame("(0x0)", "?", 0),
        frame("(0xdead)", "?", 0),
        frame("main.known", "runtime.goexit", 300),
        ints(&[1000, 7]),
        ints(&[16, older.0, 48, 0, 1, 0]),
    ]
    .concat();
    let expected = Expected::<T> { memprof, ..Default::default() };
    assert_same(&image.dump(Dialect::Go15).unwrap(), &expected.bytes());
}

#[test]
fn buckets_that_cannot_be() {
    let error_of = |change: &dyn Fn(&mut Image<Amd64>, Addr)| {
        let (mut image, ..) = with_lines::<Amd64>();
        let b = new_bucket(&mut image, 8, &[], 0, 0);
        change(&mut image, b);
        image.error().to_string().replace(&b.to_string(), "BUCKET")
    };
    assert_eq!(
        error_of(&|image, b| image.set(b, Bucket::typ(), 2)),
        "bucket.typ at BUCKET is 0x2: the memory profile has only buckets of type memProfile (1)"
    );
    let (mut image, ..) = with_lines::<Amd64>();
    new_bucket(&mut image, 8, &[0xdead; 32], 0, 0);
    image.dump(Dialect::Go15).expect("a bucket may be full");
    assert_eq!(
        error_of(&|image, b| image.set(b, Bucket::nstk(), 33)),
        "bucket.nstk at BUCKET is 0x21: no bucket has more than 32 PCs"
    );
    assert_eq!(
        error_of(&|image, b| image.set(b, Bucket::allnext(), b.0)),
        "the list linked through bucket.allnext loops: it comes back to BUCKET"
    );
}

#[test]
fn a_long_segment_with_a_variable_in_it() {
    let mut image = Image::<Amd64>::new();
    let (len, after) = (150_001, b"what is after the segment");
    let bss = image.alloc(len + after.len() as u64);
    image.memory.write(bss.add(len), after);
    let datap = image.symbols.firstmoduledata;
    image.set(datap, Moduledata::bss(), bss.0);
    image.set(datap, Moduledata::ebss(), bss.0 + len);
    image.symbols.typecache = bss.add(100);
    let defects = Defects { own_variables_in_bss: true, ..Defects::NONE };
    let dump = image.dump_with(defects).0.unwrap();
    let bss = [ints(&[13, bss.0]), counted(&vec![0; len as usize]), ints(&[0])].concat();
    assert_same(&dump, &Expected::<Amd64> { bss, ..Default::default() }.bytes());
}

each_target!(the_dumps_own_variables);
fn the_dumps_own_variables<T: Target>() {
    let mut image = Image::<T>::new();
    // A bss segment of three words, typecache, and one more word.
    let (ptr, cache) = (T::PTR_SIZE, 1024 * T::PTR_SIZE);
    let bss = image.alloc(cache + 4 * ptr);
    image.word(bss.add(3 * ptr + cache), 0x77);
    let datap = image.symbols.firstmoduledata;
    image.set(datap, Moduledata::bss(), bss.0);
    image.set(datap, Moduledata::ebss(), bss.0 + cache + 4 * ptr);
    image.symbols.tmpbuf = bss;
    image.symbols.typecache = bss.add(3 * ptr);
    // A type whose hash leads to the last bucket.
    let t = image.alloc(<Type as GoType<T>>::SIZE);
    let tab = image.alloc(<Itab as GoType<T>>::SIZE);
    let string = image.string("t");
    image.set(t, Type::hash(), 0xff);
    image.set(t, Type::kind(), 1 << 5);
    image.set(t, Type::_string(), string.0);
    image.set(tab, Itab::_type(), t.0);
    image.set_pointer(image.symbols.itab_hash, tab);
    // Objects of two sizes, for which tmpbuf is extended twice.
    image.span(0, 1, 4096);
    image.span(1, 2, 16384);
    image.span(3, 2, 16384);

    let bss_of = |image: &mut Image<T>, defects, sys_alloc| {
        image.finish();
        let program = Program { symbols: &image.symbols, defects, sys_alloc };
        let dump = image.write(&program, &Options::default()).0.unwrap();
        let start = ints(&[13, bss.0, cache + 4 * ptr]);
        let at = dump.windows(start.len()).rposition(|w| w == start).expect("a bss record") + start.len();
        dump[at..at + (cache + 4 * ptr) as usize].to_vec()
    };
    let words = |words: &[u64]| words.iter().flat_map(|&w| Image::<T>::bytes(ptr, w)).collect::<Vec<u8>>();
    let mut as_it_is = vec![0; 1028];
    as_it_is[1027] = 0x77;
    assert_eq!(bss_of(&mut image, Defects::NONE, None), words(&as_it_is));

    // Without an allocator only the cache is known.
    let defects = Defects { own_variables_in_bss: true, ..Defects::NONE };
    let mut expected = as_it_is.clone();
    expected[3 + 255 * 4] = t.0;
    assert_eq!(bss_of(&mut image, defects, None), words(&expected));

    let asked = RefCell::new(Vec::new());
    let sys_alloc = |n| {
        asked.borrow_mut().push(n);
        Addr(0x7000 * asked.borrow().len() as u64)
    };
    let len = 16384 / ptr / 8 + 1;
    // The array that it is sliced from has 1 << 30 bytes.
    expected[..3].copy_from_slice(&[0xe000, len, 1 << 30]);
    assert_eq!(bss_of(&mut image, defects, Some(&sys_alloc)), words(&expected));
    assert_eq!(*asked.borrow(), [4096 / ptr / 8 + 1, len]);
}

#[test]
fn tmpbuf_of_an_earlier_dump_is_replaced_only_when_it_is_too_small() {
    for (len, other_sys) in [(8u64, 1000 - 8 + 65), (500, 1000)] {
        let mut image = Image::<Ppc64>::new();
        image.symbols.tmpbuf = image.alloc(24);
        image.header(image.symbols.tmpbuf, Addr(0x9000), len);
        image.set(image.symbols.memstats, Field::<Ppc64, Uint64>::variable("memstats").element(20), 1000);
        image.span(0, 1, 4096);
        let defects = Defects { tmpbuf_in_other_sys: true, ..Defects::NONE };
        let dump = image.dump_with(defects).0.unwrap();
        let tail = [ints(&[other_sys]), vec![0; 3 + 256 + 1], vec![0]].concat();
        assert!(dump.ends_with(&tail), "other_sys is {other_sys}");
    }
}
