//! symtab.go on hand-made tables.

use heapmatrix_emu::world::World;
use heapmatrix_writer::AnyTarget;

use super::super::memory::{Pointer, slice, string};
use super::super::{Cause, Fixes, R, Runtime};
use super::image::{Func, Image, SCRATCH, TEXT};

fn message<T: std::fmt::Debug>(result: R<T>) -> String {
    match result {
        Err(Cause::Throw(message)) => message,
        other => panic!("no throw: {other:?}"),
    }
}

fn text(rt: &Runtime<'_>, s: string<'_>) -> String {
    match s.str {
        Pointer::Target(0) => String::new(),
        str => String::from_utf8(rt.bytes(str, s.len, "text").unwrap()).unwrap(),
    }
}

#[test]
fn readvarint() {
    for (bytes, value) in [
        (&[0x00][..], 0),
        (&[0x7f], 127),
        (&[0x80, 0x01], 128),
        (&[0xac, 0x02], 300),
        (&[0xff, 0xff, 0xff, 0xff, 0x0f], u32::MAX),
        // Bits beyond the 32nd are lost, as are whole bytes.
        (&[0xff, 0xff, 0xff, 0xff, 0x7f], u32::MAX),
        (&[0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f], 1),
    ] {
        let mut image = Image::new(AnyTarget::Amd64);
        image.bytes(SCRATCH, bytes);
        let rt = image.runtime(Fixes::NONE);
        let p = slice { array: SCRATCH, len: 100 };
        let (rest, v) = rt.readvarint(p).unwrap();
        assert_eq!(
            (v, rest.array - SCRATCH, 100 - rest.len),
            (value, bytes.len() as u64, bytes.len() as u64)
        );
        // The slice ends inside the varint.
        let p = slice { array: SCRATCH, len: bytes.len() as u64 - 1 };
        assert!(message(rt.readvarint(p)).starts_with("index out of range"));
    }
}

#[test]
fn step() {
    for &target in World::MACHINES {
        let quantum = target.pc_quantum();
        for (bytes, first, expected) in [
            (&[0x02, 0x05][..], true, Some((0, 5))), // -1 + 1
            (&[0x03, 0x01], true, Some((-3, 1))),    // -1 + ^1
            (&[0x00, 0x03], true, Some((-1, 3))),    // only the first may be 0
            (&[0x00, 0x03], false, None),
            (&[0x90, 0x01, 0x80, 0x01], false, Some((71, 128))),
        ] {
            let mut image = Image::new(target);
            image.bytes(SCRATCH, bytes);
            let rt = image.runtime(Fixes::NONE);
            let (mut pc, mut val) = (0x1000, -1);
            let p = slice { array: SCRATCH, len: bytes.len() as u64 };
            let newp = rt.step(p, &mut pc, &mut val, first).unwrap();
            match expected {
                Some((value, delta)) => {
                    assert_eq!((val, pc), (value, 0x1000 + delta * quantum));
                    assert_eq!(newp.unwrap().len, 0);
                }
                None => assert!(newp.is_none() && val == -1 && pc == 0x1000),
            }
        }
    }
}

#[test]
fn pcs_wrap_at_the_targets_width() {
    let mut image = Image::new(AnyTarget::I386);
    image.bytes(SCRATCH, &[0x02, 0x20]);
    let rt = image.runtime(Fixes::NONE);
    let (mut pc, mut val) = (0xffff_fff0, -1);
    rt.step(slice { array: SCRATCH, len: 2 }, &mut pc, &mut val, true).unwrap();
    assert_eq!(pc, 0x10);
}

/// f, g and h, 256 bytes each; h is without any table.
fn three(target: AnyTarget) -> (Image, Vec<u64>) {
    let mut image = Image::new(target);
    let f = Func {
        name: "main.f",
        pcsp: image.pctable(&[(0, 16), (32, 224), (0, 16)]),
        pcfile: image.whole(1),
        pcln: image.pctable(&[(10, 128), (-1, 64), (12, 64)]),
        // An odd number of tables: the funcdata after them needs padding on 64 bits.
        pcdata: vec![image.pctable(&[(-1, 16), (3, 240)])],
        funcdata: vec![0, 0xabcd0],
        ..Func::default()
    };
    let g = Func {
        name: "main.g",
        pcsp: vec![0x02, 0x04, 0x00], // covers 4 quanta only
        pcdata: vec![vec![], image.whole(7)],
        funcdata: vec![0x1230],
        ..Func::default()
    };
    let entries = image.link(&[f, g, Func { name: "", ..Func::default() }], &["a.go", "b.go"]);
    (image, entries)
}

#[test]
fn findfunc_is_by_entry() {
    for &target in World::MACHINES {
        let (image, entries) = three(target);
        let rt = image.runtime(Fixes::NONE);
        for (i, &entry) in entries.iter().enumerate() {
            for pc in [entry, entry + 1, entry + 255] {
                let f = rt.findfunc(pc).unwrap();
                assert_eq!(rt.load(f, "_func.entry").unwrap(), entry);
                assert_eq!(text(&rt, rt.funcname(f).unwrap()), ["main.f", "main.g", ""][i]);
            }
        }
        assert_eq!(rt.findfunc(TEXT - 1).unwrap(), 0);
        assert_eq!(rt.findfunc(TEXT + 3 * 256 + 1).unwrap(), 0);
        // maxpc is inside of the module by <=, and beyond its last function.
        assert!(message(rt.findfunc(TEXT + 3 * 256)).contains("index out of range"));
    }
}

#[test]
fn findfunc_refuses_a_bucket_that_is_too_far() {
    let (mut image, entries) = three(AnyTarget::Arm);
    let ffb = image.runtime(Fixes::NONE).load(image.symbols.firstmoduledata.0, "moduledata.findfunctab");
    image.bytes(ffb.unwrap() + 4, &[2]);
    let rt = image.runtime(Fixes::NONE);
    assert_eq!(message(rt.findfunc(entries[0])), "findfunc: bad findfunctab entry");
}

#[test]
fn findfunc_searches_on_from_its_bucket() {
    let (mut image, entries) = three(AnyTarget::Ppc64);
    let ffb = image.runtime(Fixes::NONE).load(image.symbols.firstmoduledata.0, "moduledata.findfunctab");
    image.bytes(ffb.unwrap() + 4, &[0, 0, 0]);
    let rt = image.runtime(Fixes::NONE);
    let f = rt.findfunc(entries[2] + 4).unwrap();
    assert_eq!(rt.load(f, "_func.entry").unwrap(), entries[2]);
}

#[test]
fn tables_by_pc() {
    for &target in World::MACHINES {
        let (image, entries) = three(target);
        let rt = image.runtime(Fixes::NONE);
        let [f, g] = [0, 1].map(|i| rt.findfunc(entries[i]).unwrap());
        let spdelta = |pc| rt.funcspdelta(f, entries[0] + pc).unwrap();
        assert_eq!([spdelta(0), spdelta(15), spdelta(16), spdelta(239), spdelta(240)], [0, 0, 32, 32, 0]);
        assert_eq!(rt.pcdatavalue(f, 0, entries[0]).unwrap(), -1);
        assert_eq!(rt.pcdatavalue(f, 0, entries[0] + 16).unwrap(), 3);
        assert_eq!(rt.pcdatavalue(f, 1, entries[0]).unwrap(), -1, "there is one table only");
        assert_eq!(rt.pcdatavalue(f, -1, entries[0]).unwrap(), -1);
        assert_eq!(rt.pcdatavalue(g, 0, entries[1]).unwrap(), -1, "a table of offset 0");
        assert_eq!(rt.pcdatavalue(g, 1, entries[1]).unwrap(), 7);
        assert_eq!([0, 1, 2, -1].map(|i| rt.funcdata(f, i).unwrap()), [0, 0xabcd0, 0, 0]);
        assert_eq!([0, 1].map(|i| rt.funcdata(g, i).unwrap()), [0x1230, 0]);

        let line = |pc| rt.funcline(f, entries[0] + pc).map(|(file, line)| (text(&rt, file), line)).unwrap();
        assert_eq!(line(0), ("b.go".to_owned(), 10));
        assert_eq!(line(255), ("b.go".to_owned(), 12));
        let (file, unknown) = rt.funcline(f, entries[0] + 128).unwrap();
        assert_eq!((text(&rt, file), unknown), ("?".to_owned(), 0));

        let past = message(rt.funcspdelta(g, entries[1] + 4 * target.pc_quantum()));
        assert!(past.starts_with("invalid runtime symbol table"), "{past}");
        assert_eq!(
            rt.pcvalue(g, rt.load_int32(g, "_func.pcsp").unwrap(), entries[1] + 16, false).unwrap(),
            -1
        );
    }
}

#[test]
fn bad_offsets_into_pclntab() {
    let (image, entries) = three(AnyTarget::Amd64);
    let rt = image.runtime(Fixes::NONE);
    let f = rt.findfunc(entries[0]).unwrap();
    for off in [-1, i32::MAX] {
        assert!(message(rt.pcvalue(f, off, entries[0], true)).starts_with("slice bounds out of range"));
    }
}

#[test]
fn stackmapdata() {
    for &target in World::MACHINES {
        let mut image = Image::new(target);
        let stkmap = image.new_stackmap(2, 33, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let rt = image.runtime(Fixes::NONE);
        let first = rt.stackmapdata(stkmap, 0).unwrap();
        let second = rt.stackmapdata(stkmap, 1).unwrap();
        assert_eq!((first.n, second.n), (33, 33));
        let byte = |bv: super::super::symtab::bitvector| match bv.bytedata {
            super::super::symtab::bytedata::target(p) => rt.load_byte(p, "bit").unwrap(),
            other => panic!("{other:?}"),
        };
        // 33 bits take two 32-bit words.
        assert_eq!((byte(first), byte(second)), (1, 9));
        for n in [-1, 2] {
            assert_eq!(message(rt.stackmapdata(stkmap, n)), "stackmapdata: index out of range");
        }
    }
}
