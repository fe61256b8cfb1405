//! Looking functions up, in a symbol table that is right and in ones that are not.

use super::*;
use crate::target::{Amd64, Arm, Ppc64};
use crate::testing::*;

/// An image with 40 functions `f0` to `f39`, from the 20th on without a name.
fn many_functions<T: Target>() -> (Image<T>, Vec<u64>) {
    const NAMES: [&str; 4] = ["main.a", "main.bb", "main.ccc", "main.dddd"];
    let mut image = Image::<T>::new();
    let entries = (0..40)
        .map(|i| {
            let name = if i < 20 { NAMES[i % 4] } else { "" };
            let args = i as i32;
            image.function(Function { args, ..Function { name, ..Function::default() } }).0
        })
        .collect();
    image.finish();
    (image, entries)
}

fn taken_up<T: Target>(image: &Image<T>) -> Result<Symtab<'_, T>, Error> {
    Symtab::read(Process::new(&image.memory), image.symbols.firstmoduledata)
}

fn symtab_of<T: Target>(image: &Image<T>) -> Symtab<'_, T> {
    taken_up(image).expect("a symbol table that can be taken up")
}

/// Map `index` of some stack maps.
fn stackmap<T: Target>(
    symtab: &Symtab<'_, T>,
    stkmap: Addr,
    index: i32,
) -> Result<BitVector, TracebackError> {
    let at = At { gp: Addr(0x6000), sp: 0x7000 };
    symtab.stackmapdata(stkmap, index, TEXT, at).map_err(|error| match error {
        Error::Traceback { g: Addr(0x6000), sp: Addr(0x7000), source } => source,
        error => panic!("{error}"),
    })
}

/// What a string reads.
fn text<T: Target>(symtab: &Symtab<'_, T>, text: Text) -> String {
    match text {
        Text::Literal(s) => s.to_owned(),
        Text::Target(header) => {
            let mut bytes = vec![0; header.len as usize];
            symtab.process.memory.read(header.array, &mut bytes).unwrap();
            String::from_utf8(bytes).unwrap()
        }
    }
}

each_target!(every_pc_finds_its_function);
fn every_pc_finds_its_function<T: Target>() {
    let (image, entries) = many_functions::<T>();
    let symtab = symtab_of(&image);
    for (i, &entry) in entries.iter().enumerate() {
        for pc in [entry, entry + 1, entry + FUNCTION_SIZE - 1] {
            let f = symtab.findfunc(pc).unwrap().expect("a function is there");
            assert_eq!((f.entry, f.args), (entry, i as i32), "pc {pc:#x}");
        }
        let f = symtab.findfunc(entry).unwrap().unwrap();
        let name = if i < 20 { ["main.a", "main.bb", "main.ccc", "main.dddd"][i % 4] } else { "" };
        assert_eq!(text(&symtab, symtab.funcname(&f).unwrap()), name);
    }
    for outside in [0, TEXT - 1, TEXT + 0x10_0000, u64::MAX] {
        assert!(symtab.findfunc(outside).unwrap().is_none(), "{outside:#x}");
    }
}

each_target!(a_pc_has_its_own_place_in_findfunctab);
fn a_pc_has_its_own_place_in_findfunctab<T: Target>() {
    let (mut image, entries) = many_functions::<T>();
    let table = image.alloc(20 * entries.len() as u64);
    image.set(image.symbols.firstmoduledata, Moduledata::findfunctab(), table.0);
    // A table of zeros has every search begin with the first function.
    let symtab = symtab_of(&image);
    for (i, &entry) in entries.iter().enumerate() {
        for pc in [entry, entry + FUNCTION_SIZE - 1] {
            assert_eq!(symtab.findfunc(pc).unwrap().map(|f| f.args), Some(i as i32), "pc {pc:#x}");
        }
    }
    for (i, &entry) in entries.iter().enumerate() {
        let number = (entry - TEXT) / FUNCTION_SIZE;
        let (bucket, subbucket) = (number / 16, number % 16);
        image.memory.write(table, &vec![0xff; 20 * entries.len()]);
        image.memory.write(table.add(20 * bucket), &Image::<T>::bytes(4, number - 1));
        image.memory.write(table.add(20 * bucket + 4 + subbucket), &[1]);
        let symtab = symtab_of(&image);
        for pc in [entry, entry + FUNCTION_SIZE - 1] {
            assert_eq!(symtab.findfunc(pc).unwrap().map(|f| f.args), Some(i as i32), "pc {pc:#x}");
        }
        assert!(symtab.findfunc(entry - 1).is_err(), "another place, which is wrong");
    }
}

each_target!(functions_of_a_second_module);
fn functions_of_a_second_module<T: Target>() {
    let (mut image, entries) = many_functions::<T>();
    // The first module becomes the second one, after one that is empty.
    let first = image.symbols.firstmoduledata;
    let empty = image.alloc(<Moduledata as GoType<T>>::SIZE);
    image.set(empty, Moduledata::minpc(), 1);
    image.set(empty, Moduledata::next(), first.0);
    image.symbols.firstmoduledata = empty;
    let symtab = symtab_of(&image);
    assert_eq!(symtab.modules.len(), 2);
    assert_eq!(symtab.findfunc(entries[3]).unwrap().unwrap().entry, entries[3]);

    image.set(first, Moduledata::next(), empty.0);
    let error = taken_up::<T>(&image).err().expect("a loop").to_string();
    assert!(error.starts_with("the list linked through moduledata.next loops"), "{error}");
}

each_target!(values_of_a_table);
fn values_of_a_table<T: Target>() {
    let q = T::PC_QUANTUM;
    let mut image = Image::<T>::new();
    let entry = image
        .function(Function {
            pcsp: vec![(0, 4 * q), (64, 5 * q), (-8, 6 * q), (i32::MAX, 7 * q), (i32::MIN, 8 * q)],
            ..Function::default()
        })
        .0;
    image.finish();
    let symtab = symtab_of(&image);
    let f = symtab.findfunc(entry).unwrap().unwrap();
    for (step, val) in [(0, 0), (3, 0), (4, 64), (5, -8), (6, i32::MAX), (7, i32::MIN)] {
        for pc in [entry + step * q, entry + step * q + q - 1] {
            assert_eq!(symtab.funcspdelta(&f, pc).unwrap(), val, "step {step}");
        }
    }
    let error = symtab.funcspdelta(&f, entry + 8 * q).unwrap_err().to_string();
    let pc = Addr(entry + 8 * q);
    assert_eq!(
        error,
        format!("pclntab: a table does not cover the pc for pc {pc} (function at {})", Addr(entry))
    );
    // There is no table of this kind, and there is no such table.
    assert_eq!(symtab.pcdatavalue(&f, 0, entry).unwrap(), -1);
    assert_eq!(symtab.pcdatavalue(&f, -1, entry).unwrap(), -1);
}

each_target!(pcdata_and_funcdata);
fn pcdata_and_funcdata<T: Target>() {
    // An odd and an even number of pcdata tables: on 64-bit machines the funcdata is aligned.
    for tables in 1..4 {
        let mut image = Image::<T>::new();
        let entry = image
            .function(Function {
                name: "f",
                pcdata: (0..tables).map(|i| vec![(7 + i, FUNCTION_SIZE)]).collect(),
                funcdata: vec![Addr(0x1111), Addr::NIL, Addr(0x3333)],
                ..Function::default()
            })
            .0;
        image.finish();
        let symtab = symtab_of(&image);
        let f = symtab.findfunc(entry).unwrap().unwrap();
        for i in 0..tables {
            assert_eq!(symtab.pcdatavalue(&f, i, entry).unwrap(), 7 + i);
        }
        assert_eq!(symtab.pcdatavalue(&f, tables, entry).unwrap(), -1);
        let funcdata = [-1, 0, 1, 2, 3].map(|i| symtab.funcdata(&f, i).unwrap().0);
        assert_eq!(funcdata, [0, 0x1111, 0, 0x3333, 0], "{tables} tables");
    }
}

each_target!(stack_maps);
fn stack_maps<T: Target>() {
    let mut image = Image::<T>::new();
    // Each bitmap starts on a 32-bit boundary: of 33 bits, every 8 bytes.
    let stkmap = image.stackmap(3, 33, &[0; 24]);
    let symtab = symtab_of(&image);
    let data = |i| stackmap(&symtab, stkmap, i);
    for i in 0..3 {
        assert_eq!(data(i), Ok(BitVector { n: 33, bytedata: stkmap.add(8 + 8 * i as u64) }));
    }
    let of_no_bits = image.stackmap(1, 0, &[]);
    let symtab = symtab_of(&image);
    let expected = BitVector { n: 0, bytedata: of_no_bits.add(8) };
    assert_eq!(stackmap(&symtab, of_no_bits, 0), Ok(expected));
    let data = |i| stackmap(&symtab, stkmap, i);
    for index in [-1, 3] {
        assert_eq!(data(index), Err(TracebackError::StackMapIndex { entry: Addr(TEXT), index, n: 3 }));
    }
}

#[test]
fn strings_of_the_target_and_of_the_reference_are_compared() {
    let mut image = Image::<Arm>::new();
    let bytes = image.data(b"dumping heap");
    let symtab = symtab_of(&image);
    let target = |len| Text::Target(Header { array: bytes, len });
    for (text, is) in
        [(target(12), true), (target(11), false), (target(13), false), (Text::Literal("dumping heap"), true)]
    {
        assert_eq!(symtab.text_is(text, "dumping heap").unwrap(), is, "{text:?}");
        assert!(!symtab.text_is(text, "dumping heaq").unwrap(), "{text:?}");
    }
}

/// Changes a symbol table, and looks up the PC of its fourth function and that function's name.
fn error_of<T: Target>(change: impl FnOnce(&mut Image<T>, Addr)) -> String {
    let (mut image, entries) = many_functions::<T>();
    let datap = image.symbols.firstmoduledata;
    change(&mut image, datap);
    let result = taken_up::<T>(&image).and_then(|symtab| {
        let f = symtab.findfunc(entries[3])?.expect("the pc is within the module");
        symtab.funcname(&f)
    });
    result.map(|_| ()).expect_err("a bad symbol table").to_string().replace(&datap.to_string(), "MODULE")
}

/// The beginning of a slice of the module.
fn array<T: Target>(image: &Image<T>, datap: Addr, field: Field<T, crate::process::field::Slice>) -> Addr {
    Process::<T>::new(&image.memory).get(datap, field).unwrap().array
}

#[test]
fn symbol_tables_that_cannot_be() {
    // Six functions come before those of the test: the fourth is number 9.
    let at = TEXT + 9 * FUNCTION_SIZE;
    assert_eq!(
        error_of::<Amd64>(|image, datap| image.set(datap, Moduledata::findfunctab(), 0x50)),
        "reading findfuncbucket.idx: cannot read 4 bytes of target memory at 0x50"
    );
    assert_eq!(
        error_of::<Arm>(|image, _| {
            let table = taken_up::<Arm>(image).unwrap().modules[0].findfunctab;
            image.memory.write(table, &[100, 0, 0, 0]);
        }),
        format!("pclntab: findfunctab leads beyond the end of ftab for pc {} (function at 0x0)", Addr(at))
    );
    assert_eq!(
        error_of::<Arm>(|image, _| {
            let table = taken_up::<Arm>(image).unwrap().modules[0].findfunctab;
            image.memory.write(table, &[10, 0, 0, 0]);
        }),
        format!("pclntab: findfunctab leads to a function after it for pc {} (function at 0x0)", Addr(at))
    );
    assert_eq!(
        error_of::<Ppc64>(|image, datap| {
            let functab = array(image, datap, Moduledata::ftab()).add(9 * 16);
            image.set(functab, Functab::funcoff(), u64::MAX);
        })
        .split_once(" at ")
        .unwrap()
        .0,
        "functab.funcoff"
    );
    assert!(
        error_of::<Amd64>(|image, datap| {
            let table = array(image, datap, Moduledata::pclntable());
            let functab = array(image, datap, Moduledata::ftab()).add(9 * 16);
            let off = Process::<Amd64>::new(&image.memory).get(functab, Functab::funcoff()).unwrap();
            image.set(table.add(off), GoFunc::nameoff(), u64::MAX);
        })
        .contains("is 0xffffffffffffffff: that is beyond the end of moduledata.pclntable")
    );
    assert_eq!(
        error_of::<Amd64>(|image, datap| image.set_slice(
            datap,
            Moduledata::ftab(),
            Addr(0x1000),
            u64::MAX / 8
        )),
        "moduledata.ftab at MODULE is 0x1fffffffffffffff: that is beyond the end of the address space"
    );
    assert_eq!(
        error_of::<Arm>(|image, datap| image.set_slice(datap, Moduledata::ftab(), Addr(0x1000), 1 << 30)),
        "moduledata.ftab at MODULE is 0x200000000: that is beyond the end of the address space"
    );
}

#[test]
fn names_and_tables_that_do_not_end() {
    let mut image = Image::<Amd64>::new();
    let entry = image.function(Function { name: "f", pcsp: vec![(8, 16)], ..Function::default() }).0;
    image.finish();
    let datap = image.symbols.firstmoduledata;
    let table = array(&image, datap, Moduledata::pclntable());
    let f = symtab_of(&image).findfunc(entry).unwrap().unwrap();
    // Everything after the name's and the table's beginnings is made part of them.
    let ends = |off: i32, fill: u8| {
        let mut image = image.clone();
        let len = symtab_of(&image).modules[0].pclntable.len;
        for at in off as u64..len {
            image.memory.write(table.add(at), &[fill]);
        }
        image
    };
    let bad = ends(f.nameoff, b'x');
    let error = symtab_of(&bad).funcname(&f).unwrap_err().to_string();
    assert!(error.ends_with("the string there has no end"), "{error}");
    // Continuation bytes without end, and steps without end that never reach the PC.
    for fill in [0x80, 0x02] {
        let bad = ends(f.pcsp, fill);
        let error = symtab_of(&bad).funcspdelta(&f, entry + (1 << 40)).unwrap_err().to_string();
        assert!(error.starts_with("pclntab: a table does not end for pc 0x"), "{error}");
    }
    let negative = Func { pcsp: -5, ..f };
    let error = symtab_of(&image).funcspdelta(&negative, entry).unwrap_err().to_string();
    assert!(error.starts_with("pclntab: a table is at a negative offset"), "{error}");
}

#[test]
fn files_and_lines() {
    let mut image = Image::<Ppc64>::new();
    let tables = |file: i32, line: i32| Function {
        pcfile: vec![(file, FUNCTION_SIZE)],
        pcln: vec![(line, FUNCTION_SIZE)],
        ..Function::default()
    };
    let cases = [(0, 12), (1, 12), (0, -1), (-1, 5), (-2, 5), (0, -7)];
    let entries = cases.map(|(file, line)| image.function(tables(file, line)).0);
    image.finish();
    // One file, whose name is the name of the first function.
    let filetab = image.data(&Image::<Ppc64>::bytes(4, 8));
    image.set_slice(image.symbols.firstmoduledata, Moduledata::filetab(), filetab, 1);
    let symtab = symtab_of(&image);
    let lines = entries.map(|entry| {
        let f = symtab.findfunc(entry).unwrap().unwrap();
        symtab.funcline(&f, entry).map(|(file, line)| (text(&symtab, file), line)).map_err(|e| e.to_string())
    });
    let unknown = Ok(("?".to_owned(), 0));
    assert_eq!(lines[0], Ok(("runtime.goexit".to_owned(), 12)));
    assert_eq!(lines[1], unknown, "there is no such file");
    assert_eq!(lines[2], unknown);
    assert_eq!(lines[3], unknown);
    assert!(lines[4].as_ref().unwrap_err().ends_with("the index of a file is negative"));
    assert_eq!(lines[5], Ok(("runtime.goexit".to_owned(), -7)));
}
