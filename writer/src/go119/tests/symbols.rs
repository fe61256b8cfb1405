//! The symbol tables: functions, what is recorded about them, and where PCs are.

use super::HEADERS;
use super::image::{Image, TEXT};
use crate::error::TracebackError;
use crate::go119::symtab::Func;
use crate::memory::Addr;
use crate::process::field::Header;
use crate::record::{Location, Text};
use crate::runtime::Statistics;
use crate::target::{Amd64, I386, Mips, S390x, Target};

/// Where the tables are: the first one is empty, and so are those that are not there.
const PCTAB: u64 = 0xc00;

fn text<T: Target>(image: &Image<T>, text: Text) -> String {
    let Header { array, len } = match text {
        Text::Literal(text) => return text.to_owned(),
        Text::Target(header) => header,
    };
    let mut bytes = vec![0; len as usize];
    crate::memory::Memory::read(&image.memory, array, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn function_at<T: Target>(image: &Image<T>, pc: u64) -> Option<u64> {
    image.go(None).unwrap().symtab.findfunc(pc).unwrap().map(|f: Func| f.entry)
}

fn functions_of_pcs<T: Target>() {
    let mut image = Image::<T>::new(HEADERS, &[]);
    let (entry, _) = image.function("main.f", 8, 0);
    for (pc, f) in [
        (TEXT - 1, None),
        (TEXT, Some(TEXT)),
        (TEXT + 0xff, Some(TEXT)),
        (TEXT + 0x100, Some(TEXT + 0x100)),
        (entry + 0x20, Some(entry)),
        (TEXT + 0x1000, None),
    ] {
        assert_eq!(function_at(&image, pc), f, "{} {pc:#x}", T::GOARCH);
    }
    for name in ["main.g", "main.h"] {
        image.function(name, 8, 0);
    }
    // The search begins where the bucket's part says: at the wrong place for the first PCs, and the right one for others.
    let subbuckets = image.tables + image.offset("runtime.findfuncbucket", "subbuckets");
    image.bytes(subbuckets, &[5, 5, 5, 2]);
    assert_eq!(function_at(&image, entry + 0x20), Some(entry), "{}", T::GOARCH);
    assert_eq!(function_at(&image, TEXT + 0x20), Some(TEXT + 0x500), "{}", T::GOARCH);
    // So does that of the second 4096 bytes: functions are further from each other here.
    let md = image.variable("runtime.firstmoduledata");
    image.put(md, "runtime.moduledata", "maxpc", 0, TEXT + 0x4000);
    let at = md + image.offset("runtime.moduledata", "ftab");
    let ftab = image.swap(at, 0);
    image.word(at, ftab);
    for i in 0..16 {
        image.put(ftab + i * 16 * 24, "runtime.functab", "entryoff", 0, i * 0x400);
    }
    let bucket = image.tables + image.layouts.sizes.get("runtime.findfuncbucket").copied().unwrap_or(16 * 24);
    image.put(bucket, "runtime.findfuncbucket", "idx", 0, 7);
    image.put(image.tables + 0x1000 + 7 * 0x200, "runtime._func", "entryOff", 0, 7 * 0x400);
    assert_eq!(function_at(&image, TEXT + 0x1010), Some(TEXT + 7 * 0x400), "{}", T::GOARCH);
}

/// One section is as if there were none; of two, each has code at its own address.
fn sections_of_code<T: Target>() {
    let mut image = Image::<T>::new(HEADERS, &[]);
    image.function("main.f", 8, 0);
    let (md, sections, far) = (image.variable("runtime.firstmoduledata"), image.alloc(0x400), 0x10_0000);
    image.put(md, "runtime.moduledata", "maxpc", 0, TEXT + far + 0x1000);
    for (i, range) in (0..).zip([(0, 0x200, TEXT), (0x200, 0x1000, TEXT + far)]) {
        for (field, value) in [("vaddr", range.0), ("end", range.1), ("baseaddr", range.2)] {
            image.put(sections + i * 16 * 24, "runtime.textsect", field, 0, value);
        }
    }
    for (n, pc, entry) in [(1, TEXT + 0x310, TEXT + 0x300), (2, TEXT + far + 0x110, TEXT + far + 0x100)] {
        // Where the only one would be does not count.
        let array = if n == 1 { sections + 16 * 24 } else { sections };
        image.slice(md, "runtime.moduledata", "textsectmap", array, n);
        assert_eq!(function_at(&image, pc), Some(entry), "{} {n}", T::GOARCH);
    }
    let too_many = "there are more sections of code than a program can have";
    for (n, says) in [(1 << 16, false), ((1 << 16) + 1, true)] {
        image.slice(md, "runtime.moduledata", "textsectmap", sections, n);
        let error = image.go(None).err().expect("they are not there").to_string();
        assert_eq!(error.contains(too_many), says, "{error}");
    }
}

/// Files and lines, of a function whose tables have two steps each.
fn files_and_lines<T: Target>() {
    let mut image = Image::<T>::new(HEADERS, &[]);
    let (entry, f) = image.function("main.f", 8, 0);
    let (md, tables) = (image.variable("runtime.firstmoduledata"), image.tables);
    // From -1 to the first value, so many bytes of code; and by one more.
    image.bytes(tables + PCTAB + 0x200, &[4, 0x10, 2, 0x10, 0]);
    image.bytes(tables + PCTAB + 0x220, &[4, 0x10, 12, 0x20, 0]);
    image.bytes(tables + PCTAB + 0x240, &[6, 0x30, 0]);
    let (cutab, filetab) = (image.alloc(0x20), image.alloc(0x40));
    for (i, off) in (0..).zip([0, 0, 0, 0, 8, 16, u32::MAX]) {
        image.word32(cutab + 4 * i, off);
    }
    image.bytes(filetab, b"none.go\0first.g\0second.g\0");
    image.slice(md, "runtime.moduledata", "cutab", cutab, 7);
    image.slice(md, "runtime.moduledata", "filetab", filetab, 25);
    image.put(f, "runtime._func", "cuOffset", 0, 3);
    let locate = |image: &Image<T>, pc: u64, call: bool| {
        let location = image.go(None).unwrap().location(pc, call);
        let Location { func, file, line } = location.unwrap().expect("it is in a function");
        assert_eq!(text(image, func), "main.f");
        (text(image, file), line)
    };
    let is = |found: (String, u64), file: &str, line: u64| {
        assert_eq!((&found.0[..], found.1), (file, line), "{}", T::GOARCH);
    };
    // A file without lines, and lines of no file.
    is(locate(&image, entry + 4, false), "?", 0);
    image.put(f, "runtime._func", "pcfile", 0, 0x200);
    is(locate(&image, entry + 4, false), "?", 0);
    image.put(f, "runtime._func", "pcfile", 0, 0);
    image.put(f, "runtime._func", "pcln", 0, 0x220);
    is(locate(&image, entry + 4, false), "?", 0);
    image.put(f, "runtime._func", "pcfile", 0, 0x200);
    is(locate(&image, entry + 4, false), "first.g", 1);
    is(locate(&image, entry + 0x0f, false), "first.g", 1);
    is(locate(&image, entry + 0x10, false), "second.g", 7);
    // The call before a PC is in another line.
    is(locate(&image, entry + 0x10, true), "first.g", 1);
    is(locate(&image, entry, true), "first.g", 1);
    // A file that the compilation unit does not name, and one that the table does not have.
    image.put(f, "runtime._func", "cuOffset", 0, 5);
    is(locate(&image, entry + 4, false), "?", 1);
    image.put(f, "runtime._func", "cuOffset", 0, 6);
    let error = image.go(None).unwrap().symtab.location(entry + 4, false).err().expect("no such file");
    assert!(error.to_string().contains("cuOffset"), "{error}");
    image.put(f, "runtime._func", "cuOffset", 0, 3);
    image.put(f, "runtime._func", "pcfile", 0, 0x240);
    for (len, file) in [(25, "second.g"), (3, "?"), (2, "?")] {
        image.slice(md, "runtime.moduledata", "filetab", filetab, len);
        match file {
            "?" if len < 3 => is(locate(&image, entry + 4, false), "?", 0),
            "?" => assert!(image.go(None).unwrap().symtab.location(entry + 4, false).is_err()),
            file => is(locate(&image, entry + 4, false), file, 1),
        }
    }
}

fn tables_that_end<T: Target>() {
    let mut image = Image::<T>::new(HEADERS, &[]);
    let (entry, f) = image.function("main.f", 8, 0);
    // After the end of a table comes the next one.
    image.bytes(image.tables + PCTAB + 0x200, &[4, 0x10, 0, 0x40, 2, 0x40, 0]);
    let go = image.go(None).unwrap();
    let func = go.symtab.findfunc(entry).unwrap().unwrap();
    let value = |pc| go.symtab.pcvalue(&func, 0x200, pc).map(|value| value.unwrap().val);
    assert!(matches!(value(entry + 0xf), Ok(1)), "{}", T::GOARCH);
    let problem = value(entry + 0x10).unwrap_err().to_string();
    assert!(problem.contains("a table does not cover the pc"), "{problem}");
    assert!(go.symtab.pcvalue(&func, 0, entry).unwrap().is_none(), "no table is at the beginning");

    // A name ends in its table.
    image.put(f, "runtime._func", "nameOff", 0, 0x3fe);
    image.bytes(image.tables + 0xbfe, b"ab");
    let go = image.go(None).unwrap();
    let func = go.symtab.findfunc(entry).unwrap().unwrap();
    let problem = go.symtab.funcname(&func).unwrap_err().to_string();
    assert!(problem.contains("the string there has no end"), "{problem}");
    image.bytes(image.tables + 0xbfe, b"a\0");
    let go = image.go(None).unwrap();
    assert!(go.symtab.name_is(&go.symtab.findfunc(entry).unwrap().unwrap(), "a", true).unwrap());

    // What is after a function's structure is called by its name.
    image.put(f, "runtime._func", "npcdata", 0, 0x0400_0000);
    let go = image.go(None).unwrap();
    let func = go.symtab.findfunc(entry).unwrap().unwrap();
    let problem = go.symtab.pcdatastart(&func, 0x03ff_ffff).unwrap_err().to_string();
    assert!(problem.contains("_func.pcdata"), "{problem}");
    let problem = go.symtab.funcdata(&func, 1).unwrap_err().to_string();
    assert!(problem.contains("_func.funcdata"), "{problem}");
}

fn names_are_compared<T: Target>() {
    let mut image = Image::<T>::new(HEADERS, &[]);
    let (entry, _) = image.function("main.f", 8, 0);
    let go = image.go(None).unwrap();
    let f = go.symtab.findfunc(entry).unwrap().unwrap();
    for (name, begins, is) in [
        ("main.f", true, true),
        ("main.", true, false),
        ("main.g", false, false),
        ("main.f1", false, false),
        ("", true, false),
    ] {
        let found = [false, true].map(|whole| go.symtab.name_is(&f, name, whole).unwrap());
        assert_eq!(found, [begins, is], "{name}");
    }
}

fn stack_maps<T: Target>() {
    let mut image = Image::<T>::new(HEADERS, &[]);
    let (maps, entry) = (image.alloc(0x100), TEXT);
    let bytedata = maps + image.offset("runtime.stackmap", "bytedata");
    for (n, nbit, index, at) in [
        (3, 9, 0, Some(0)),
        (3, 9, 2, Some(4)),
        (3, 9, 3, None),
        (3, 9, -1, None),
        (3, 1, 2, Some(2)),
        // Of no bits, any will do.
        (3, 0, 3, Some(0)),
        (3, 0, -1, Some(0)),
    ] {
        image.put(maps, "runtime.stackmap", "n", 0, n);
        image.put(maps, "runtime.stackmap", "nbit", 0, nbit);
        let go = image.go(None).unwrap();
        let found = go.symtab.stackmapdata(Addr(maps), index, entry).unwrap();
        match (found, at) {
            (Ok(bv), Some(at)) => assert_eq!((bv.n as u64, bv.bytedata.0), (nbit, bytedata + at), "{index}"),
            (Err(error), None) => {
                let expected = TracebackError::StackMapIndex { entry: Addr(entry), index, n: n as i32 };
                assert_eq!(error, expected);
            }
            (found, _) => panic!("{} {index} {}", T::GOARCH, found.is_ok()),
        }
    }
}

/// Nothing says that a bit vector begins with its number of bits.
fn masks_of_segments<T: Target>() {
    let mut image = Image::<T>::new(HEADERS, &[]);
    assert_eq!(image.offset("runtime.bitvector", "something else"), 0);
    let md = image.variable("runtime.firstmoduledata");
    for (mask, n) in [("gcdatamask", 5), ("gcbssmask", 6)] {
        let at = md + image.offset("runtime.moduledata", mask);
        image.word32(at + image.offset("runtime.bitvector", "n"), n);
    }
    let go = image.go(None).unwrap();
    let first = go.symtab.first();
    assert_eq!((first.gcdatamask.n, first.gcbssmask.n), (5, 6), "{}", T::GOARCH);
    drop(go);
    // Which is larger than its pointer.
    image.layouts.sizes.insert("runtime.moduledata.gcbssmask", 2 * T::PTR_SIZE);
    let at = md + image.offset("runtime.moduledata", "gcbssmask");
    image.word(at + image.offset("runtime.bitvector", "bytedata"), 0x1234);
    let go = image.go(None).unwrap();
    assert_eq!(go.symtab.first().gcbssmask.bytedata, Addr(0x1234), "{}", T::GOARCH);
}

#[test]
fn symbol_tables() {
    fn on<T: Target>() {
        functions_of_pcs::<T>();
        sections_of_code::<T>();
        files_and_lines::<T>();
        tables_that_end::<T>();
        names_are_compared::<T>();
        stack_maps::<T>();
        masks_of_segments::<T>();
    }
    on::<Amd64>();
    on::<I386>();
    on::<Mips>();
    on::<S390x>();
}
