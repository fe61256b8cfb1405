//! Itabs and types, with the cache and with the defect of type names.

use crate::go15::Program;
use crate::go15::arch::Target;
use crate::go15::defects::{Defects, Dialect};
use crate::go15::structs::{Itab, Type, UncommonType};
use crate::memory::{Addr, Memory};
use crate::options::Options;
use crate::process::field::GoType;
use crate::target::{Amd64, AnyTarget, Ppc64};
use crate::testing::{Expected, Image, META, META_END, assert_same, counted, each_target, ints};

pub(super) const DIRECT: u64 = 1 << 5;
const NO_POINTERS: u64 = 1 << 7;

pub(super) fn new_type<T: Target>(image: &mut Image<T>, name: &str, size: u64, hash: u64, kind: u64) -> Addr {
    let t = image.alloc(<Type as GoType<T>>::SIZE);
    let string = image.string(name);
    image.set(t, Type::size(), size);
    image.set(t, Type::hash(), hash);
    image.set(t, Type::kind(), kind);
    image.set(t, Type::_string(), string.0);
    t
}

/// Gives a type a package path and a name; gives the address of its `uncommontype`.
fn qualify<T: Target>(image: &mut Image<T>, t: Addr, pkgpath: &str, name: &str) -> Addr {
    let x = image.alloc(<UncommonType as GoType<T>>::SIZE);
    for (field, s) in [(UncommonType::pkgpath(), pkgpath), (UncommonType::name(), name)] {
        let string = image.string(s);
        image.set(x, field, string.0);
    }
    image.set(t, Type::x(), x.0);
    x
}

/// Makes an itab the last of a bucket of the hash table.
pub(super) fn new_itab<T: Target>(image: &mut Image<T>, bucket: u64, t: Addr) -> Addr {
    let tab = image.alloc(<Itab as GoType<T>>::SIZE);
    image.set(tab, Itab::_type(), t.0);
    image.set_pointer(image.symbols.itab_hash.add(bucket * T::PTR_SIZE), tab);
    tab
}

/// A type's record.
fn type_record(t: Addr, size: u64, name: &str, is_pointer: bool) -> Vec<u8> {
    [ints(&[3, t.0, size]), counted(name.as_bytes()), ints(&[u64::from(is_pointer)])].concat()
}

each_target!(what_an_itab_leads_to);
fn what_an_itab_leads_to<T: Target>() {
    let mut image = Image::<T>::new();
    // Indirect: the data word is a pointer to the type.
    let value = new_type(&mut image, "main.value", 24, 1, NO_POINTERS);
    let to_value = new_type(&mut image, "*main.value", T::PTR_SIZE, 2, DIRECT);
    image.set(value, Type::ptrto(), to_value.0);
    // Pointer-like: the data word is the value.
    let pointer = new_type(&mut image, "*main.other", T::PTR_SIZE, 3, DIRECT);
    // A scalar in the data word: should not happen, is dumped all the same.
    let scalar = new_type(&mut image, "uintptr", T::PTR_SIZE, 4, DIRECT | NO_POINTERS);
    // What is called its pointer's type is none: should not happen either.
    let odd = new_type(&mut image, "main.odd", 24, 6, 0);
    let to_odd = new_type(&mut image, "main.even", 24, 7, NO_POINTERS);
    image.set(odd, Type::ptrto(), to_odd.0);
    // Indirect, and nobody has made the pointer's type.
    let orphan = new_type(&mut image, "main.orphan", 8, 5, 0);
    let tabs = [
        new_itab(&mut image, 0, value),
        new_itab(&mut image, 500, pointer),
        new_itab(&mut image, 501, scalar),
        new_itab(&mut image, 502, odd),
        new_itab(&mut image, 1008, orphan),
    ];
    let itabs = [
        type_record(to_value, T::PTR_SIZE, "*main.value", true),
        ints(&[8, tabs[0].0, to_value.0]),
        type_record(pointer, T::PTR_SIZE, "*main.other", true),
        ints(&[8, tabs[1].0, pointer.0]),
        type_record(scalar, T::PTR_SIZE, "uintptr", false),
        ints(&[8, tabs[2].0, scalar.0]),
        type_record(to_odd, 24, "main.even", true),
        ints(&[8, tabs[3].0, to_odd.0]),
        ints(&[8, tabs[4].0, 0]),
    ]
    .concat();
    let expected = Expected::<T> { itabs, ..Default::default() }.bytes();
    for dialect in Dialect::ALL {
        assert_same(&image.dump(dialect).unwrap(), &expected);
    }
}

each_target!(a_type_is_dumped_once_while_it_is_cached);
fn a_type_is_dumped_once_while_it_is_cached<T: Target>() {
    let mut image = Image::<T>::new();
    let types: Vec<Addr> = (0..6).map(|i| new_type(&mut image, "t", i, 0x100 * i + 9, DIRECT)).collect();
    // All in one bucket of the cache: 0 1 2 3, 0 again (moves to the front), 4 (drives out 1), 0, 1.
    let mut itabs = Vec::new();
    let uses = [(0, true), (1, true), (2, true), (3, true), (0, false), (4, true), (0, false), (1, true)];
    for (bucket, &(t, dumped)) in uses.iter().enumerate() {
        let tab = new_itab(&mut image, bucket as u64, types[t]);
        if dumped {
            itabs.extend(type_record(types[t], t as u64, "t", true));
        }
        itabs.extend(ints(&[8, tab.0, types[t].0]));
    }
    let expected = Expected::<T> { itabs, ..Default::default() };
    assert_same(&image.dump(Dialect::Go15).unwrap(), &expected.bytes());
}

each_target!(itabs_of_one_bucket_are_linked);
fn itabs_of_one_bucket_are_linked<T: Target>() {
    let mut image = Image::<T>::new();
    let t = new_type(&mut image, "t", 8, 0, DIRECT);
    let second = new_itab(&mut image, 3, t);
    let first = new_itab(&mut image, 3, t);
    image.set(first, Itab::link(), second.0);
    let itabs = [type_record(t, 8, "t", true), ints(&[8, first.0, t.0]), ints(&[8, second.0, t.0])].concat();
    let expected = Expected::<T> { itabs, ..Default::default() };
    assert_same(&image.dump(Dialect::Go15).unwrap(), &expected.bytes());

    image.set(second, Itab::link(), first.0);
    let error = image.error().to_string();
    assert!(error.starts_with("the list linked through itab.link loops: it comes back to 0x"), "{error}");
}

each_target!(a_qualified_name);
fn a_qualified_name<T: Target>() {
    let mut image = Image::<T>::new();
    let t = new_type(&mut image, "*main.T", T::PTR_SIZE, 7, DIRECT);
    qualify(&mut image, t, "example.com/main", "P");
    let tab = new_itab(&mut image, 0, t);
    let itabs = [type_record(t, T::PTR_SIZE, "example.com/main.P", true), ints(&[8, tab.0, t.0])].concat();
    let expected = Expected::<T> { itabs, ..Default::default() };
    assert_same(&image.dump(Dialect::Go15).unwrap(), &expected.bytes());
}

each_target!(half_a_qualified_name_is_none);
fn half_a_qualified_name_is_none<T: Target>() {
    for missing in [UncommonType::pkgpath(), UncommonType::name()] {
        let mut image = Image::<T>::new();
        let t = new_type(&mut image, "error", T::PTR_SIZE, 7, DIRECT);
        let x = qualify(&mut image, t, "p", "n");
        image.set(x, missing, 0);
        let tab = new_itab(&mut image, 0, t);
        let itabs = [type_record(t, T::PTR_SIZE, "error", true), ints(&[8, tab.0, t.0])].concat();
        let expected = Expected::<T> { itabs, ..Default::default() };
        for dialect in Dialect::ALL {
            assert_same(&image.dump(dialect).unwrap(), &expected.bytes());
        }
    }
}

each_target!(a_qualified_name_taken_by_address);
/// The defect, with lengths so small that memory does not end: `x.pkgpath` must be a small address.
fn a_qualified_name_taken_by_address<T: Target>() {
    let mut image = Image::<T>::new();
    let t = new_type(&mut image, "*main.T", T::PTR_SIZE, 7, DIRECT);
    let x = image.alloc(<UncommonType as GoType<T>>::SIZE);
    image.set(t, Type::x(), x.0);
    // What the two fields point to, which is then taken for the characters.
    image.memory.map(0x300, 0x100);
    image.memory.write(Addr(0x300), b"these bytes are no package path");
    let name: Vec<u8> = (0..0x300).map(|i| (i % 253) as u8).collect();
    let name_at = image.data(&name);
    image.set(x, UncommonType::pkgpath(), 0x300);
    image.set(x, UncommonType::name(), name_at.0);
    // mhdr.array, the word after pkgpath, is taken for the package path's length.
    image.set_slice(x, UncommonType::mhdr(), Addr(31), 0);
    let tab = new_itab(&mut image, 0, t);

    let mut itabs = ints(&[3, t.0, T::PTR_SIZE, 31 + 1 + 0x300]);
    itabs.extend(b"these bytes are no package path.");
    itabs.extend(&name);
    itabs.extend(ints(&[1, 8, tab.0, t.0]));
    let expected = Expected::<T> { itabs, ..Default::default() };
    let defects = Defects { type_names_by_address: true, ..Defects::NONE };
    let (dump, _) = image.dump_with(defects);
    assert_same(&dump.unwrap(), &expected.bytes());
}

/// The defect as it bites in real life: a length is a high address, and memory ends before it does.
#[test]
fn a_name_by_address_is_cut_off_where_memory_ends() {
    let mut image = Image::<Amd64>::new();
    let t = new_type(&mut image, "*main.T", 8, 7, DIRECT);
    let x = qualify(&mut image, t, "main", "P");
    let pkgpath = image.string("main");
    image.set(x, UncommonType::pkgpath(), pkgpath.0);
    image.set_slice(x, UncommonType::mhdr(), Addr(META_END - 8), 0);
    let tab = new_itab(&mut image, 0, t);
    image.finish();

    let mut out = Vec::new();
    let exact = Program::new(&image.symbols, Dialect::Go15Exact);
    let summary =
        crate::write_heap_dump(AnyTarget::Amd64, &image.memory, &exact, &Options::default(), &mut out)
            .unwrap();
    assert_eq!(summary.lost, pkgpath.0 - 8);
    let announced = META_END - 8 + 1 + pkgpath.0;
    let record = ints(&[3, t.0, 8, announced]);
    assert_same(&out[32..][..record.len()], &record);
    let rest = out.len() - Expected::<Amd64>::default().bytes().len() - record.len();
    let tail = ints(&[1, 8, tab.0, t.0]);
    // What is there of the "package path", a dot, and the whole of the "name".
    assert_eq!(rest as u64, META_END - pkgpath.0 + 1 + pkgpath.0 + tail.len() as u64);
    assert_same(&out[32 + record.len()..][..8], &image_bytes(&image, pkgpath));

    let defects = Defects { type_names_by_address: true, ..Defects::NONE };
    let (result, _) = image.dump_as_is(defects);
    let error = result.unwrap_err().to_string();
    assert!(error.starts_with("reading uncommontype.name: cannot read "), "{error}");
}

each_target!(a_name_by_address_runs_through_the_buffer);
/// The memory that is taken for a name is the reference's own output buffer: what is waiting in it, and
/// after that what was in it before.
fn a_name_by_address_runs_through_the_buffer<T: Target>() {
    let mut image = Image::<T>::new();
    let t = new_type(&mut image, "*main.T", T::PTR_SIZE, 7, DIRECT);
    let x = image.alloc(<UncommonType as GoType<T>>::SIZE);
    image.set(t, Type::x(), x.0);
    image.memory.map(0x300, 0x100);
    let buf = image.alloc(4096);
    image.memory.write(buf.add(0x2ff), b"old");
    image.symbols.buf = buf;
    image.set(x, UncommonType::pkgpath(), 0x300);
    image.set(x, UncommonType::name(), buf.0);
    image.set_slice(x, UncommonType::mhdr(), Addr(2), 0);
    new_itab(&mut image, 0, t);
    let mut record = ints(&[3, t.0, T::PTR_SIZE, 2 + 1 + 0x300]);
    record.extend(b"\0\0.");
    let mut name_in = |defects| {
        let (dump, _) = image.dump_with(defects);
        let mut before = dump.unwrap();
        let start = before.windows(record.len()).position(|w| w == record).expect("a type record");
        let mut name = before.split_off(start + record.len());
        name.truncate(0x300);
        (before, name)
    };
    let (mut waiting, name) = name_in(Dialect::Go15Exact.defects());
    waiting.resize(0x2ff, 0);
    waiting.push(b'o');
    assert_same(&name, &waiting);
    // Memory as it is.
    let (_, name) = name_in(Defects { type_names_by_address: true, ..Defects::NONE });
    assert_same(&name, &[vec![0; 0x2ff], vec![b'o']].concat());
}

fn image_bytes<T: Target>(image: &Image<T>, at: Addr) -> [u8; 8] {
    let mut bytes = [0; 8];
    image.memory.read(at, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_string_beyond_the_address_space() {
    let mut image = Image::<Ppc64>::new();
    let t = new_type(&mut image, "t", 8, 0, DIRECT);
    let string = image.alloc(16);
    image.header(string, Addr(META), u64::MAX - META + 2);
    image.set(t, Type::_string(), string.0);
    new_itab(&mut image, 0, t);
    let error = image.error().to_string();
    assert!(error.starts_with("_type._string at 0x"), "{error}");
    assert!(error.ends_with("is 0xffffffffffff0001: that is beyond the end of the address space"), "{error}");
}
