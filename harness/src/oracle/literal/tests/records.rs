//! The records, one by one, and a whole dump of a small process.

use std::collections::HashMap;

use heapmatrix_emu::world::World;
use heapmatrix_writer::{Addr, AnyTarget, Memory};

use super::super::mbitmap::heapBits;
use super::super::{Cause, Fixes, R, Runtime, SysAlloc, writeheapdump};
use super::image::{Func, Image, STACK, TEXT, str, uvarint, uvarints};

/// What `dump` writes.
fn written(image: &Image, fixes: Fixes, dump: impl FnOnce(&mut Runtime<'_>) -> R<()>) -> R<Vec<u8>> {
    let mut rt = image.runtime(fixes);
    dump(&mut rt)?;
    rt.flush()?;
    Ok(std::mem::take(&mut rt.file.bytes))
}

fn message<T: std::fmt::Debug>(result: R<T>) -> String {
    match result {
        Err(Cause::Throw(message)) => message,
        other => panic!("no throw: {other:?}"),
    }
}

const DIRECT_IFACE: u64 = 1 << 5;
const NO_POINTERS: u64 = 1 << 7;

fn new_type(image: &mut Image, name: &str, size: u64, hash: u64, kind: u64) -> u64 {
    let [t, name] = [image.new_struct("_type"), image.new_string(name)];
    image.set(t, "_type._string", name);
    image.set(t, "_type.size", size);
    image.set(t, "_type.hash", hash);
    image.set(t, "_type.kind", kind);
    t
}

#[test]
fn a_type_goes_by_its_string() {
    for &target in World::MACHINES {
        let mut image = Image::new(target);
        for (kind, has_pointers) in
            [(0, 1), (DIRECT_IFACE, 1), (NO_POINTERS, 1), (DIRECT_IFACE | NO_POINTERS, 0)]
        {
            let t = new_type(&mut image, "[]int", 24, 5, kind);
            let bytes = written(&image, Fixes::NONE, |rt| rt.dumptype(t)).unwrap();
            let record = [uvarints(&[3, t, 24]), str("[]int"), uvarint(has_pointers)].concat();
            assert_eq!(bytes, record, "{target}");
        }
        assert!(written(&image, Fixes::NONE, |rt| rt.dumptype(0)).unwrap().is_empty());
    }
}

#[test]
fn a_named_types_name_both_ways() {
    for &target in World::MACHINES {
        let mut image = Image::new(target);
        let ptr = image.ptr();
        let t = new_type(&mut image, "main.T", 24, 5, 0);
        let [pkgpath, name] = [image.new_string("main"), image.new_string("T")];
        let x = image.new_struct("uncommontype");
        image.set(t, "_type.x", x);
        let by_string = [uvarints(&[3, t, 24]), str("main.T"), uvarint(1)].concat();
        // A type without a package path, or without a name, goes by its string.
        for (path, value) in [("uncommontype.name", name), ("uncommontype.pkgpath", pkgpath)] {
            assert_eq!(written(&image, Fixes::NONE, |rt| rt.dumptype(t)).unwrap(), by_string);
            image.set(x, path, value);
        }
        let fixed = Fixes { type_names: true, ..Fixes::NONE };
        assert_eq!(written(&image, fixed, |rt| rt.dumptype(t)).unwrap(), by_string);

        // The reference: the string headers themselves, as long as the next words say; these are
        // x.mhdr.array, here 3, and x.pkgpath, an address. That name ends where memory does.
        image.set(x, "uncommontype.mhdr.array", 3);
        let mut at_name = Vec::new();
        let mut byte = [0];
        while image.read(Addr(name + at_name.len() as u64), &mut byte).is_ok() {
            at_name.push(byte[0]);
        }
        assert!(at_name.len() as u64 > ptr && (at_name.len() as u64) < pkgpath);
        let mut header = [0; 3];
        image.read(Addr(pkgpath), &mut header).unwrap();
        let head = uvarints(&[3, t, 24, 3 + 1 + pkgpath]);
        let bytes = written(&image, Fixes::NONE, |rt| rt.dumptype(t)).unwrap();
        assert_eq!(bytes, [head, header.to_vec(), vec![b'.'], at_name, vec![1]].concat(), "{target}");
    }
}

#[test]
fn the_type_cache_keeps_the_last_four_of_a_bucket() {
    let mut image = Image::new(AnyTarget::Ppc64);
    // One bucket: only the low byte of the hash counts.
    let t = [0x107, 0x207, 0x307, 0x407, 0x507].map(|hash| new_type(&mut image, "T", 8, hash, 0));
    let mut rt = image.runtime(Fixes::NONE);
    let mut dumped = |i: usize| {
        let before = rt.nbuf;
        rt.dumptype(t[i]).unwrap();
        rt.nbuf > before
    };
    assert_eq!([0, 1, 2, 3].map(&mut dumped), [true; 4]);
    assert_eq!([3, 0].map(&mut dumped), [false; 2]); // 0 moves to the front: 0 3 2 1
    assert!(dumped(4)); // 4 0 3 2: 1 is out
    assert_eq!([0, 2, 3].map(&mut dumped), [false; 3]);
    assert!(dumped(1));
    assert!(dumped(4), "the last one went when 1 came in");
    let typecache = image.symbols.typecache.0 + 7 * 4 * 8;
    let cached: Vec<u64> = (0..4).map(|i| rt.load_uintptr(typecache + i * 8, "typecache").unwrap()).collect();
    assert_eq!(cached, [t[4], t[1], t[3], t[2]]);
}

#[test]
fn itabs_name_what_their_data_word_holds() {
    for &target in World::MACHINES {
        let mut image = Image::new(target);
        let ptr = image.ptr();
        let ptrto = new_type(&mut image, "*T", ptr, 1, DIRECT_IFACE);
        let types =
            [0, DIRECT_IFACE, DIRECT_IFACE | NO_POINTERS].map(|kind| new_type(&mut image, "T", 16, 2, kind));
        image.set(types[0], "_type.ptrto", ptrto);
        let mut link = 0;
        let itabs = types.map(|t| {
            let tab = image.new_struct("itab");
            image.set(tab, "itab._type", t);
            image.set(tab, "itab.link", link);
            link = tab;
            tab
        });
        // Two in one slot, the later first; one in the last slot.
        image.word(image.symbols.itab_hash.0 + 5 * ptr, itabs[1]);
        image.set(itabs[2], "itab.link", 0);
        image.word(image.symbols.itab_hash.0 + 1008 * ptr, itabs[2]);
        let name = |s, t, size, ptrs| [uvarints(&[3, t, size]), str(s), uvarint(ptrs)].concat();
        let expected = [
            name("T", types[1], 16, 1),
            uvarints(&[8, itabs[1], types[1]]),
            name("*T", ptrto, ptr, 1),
            uvarints(&[8, itabs[0], ptrto]),
            name("T", types[2], 16, 0),
            uvarints(&[8, itabs[2], types[2]]),
        ];
        assert_eq!(written(&image, Fixes::NONE, |rt| rt.dumpitabs()).unwrap(), expected.concat(), "{target}");

        // A chain that leads back into itself has no end.
        image.set(itabs[1], "itab.link", itabs[1]);
        let endless = written(&image, Fixes::NONE, |rt| {
            rt.turns.set(1000);
            rt.dumpitabs()
        });
        assert_eq!(endless, Err(Cause::Runaway));
    }
}

#[test]
fn the_heap_bitmap_grows_down_from_the_arena() {
    for &target in World::MACHINES {
        let mut image = Image::new(target);
        let (ptr, arena) = (image.ptr(), 0x80_0000);
        image.set(image.symbols.mheap.0, "mheap.arena_start", arena);
        image.bytes(arena - 2, &[0b0001_1000, 0b1000_0100]);
        let rt = image.runtime(Fixes::NONE);
        let bits = |word| rt.heapBitsForAddr(arena + word * ptr).unwrap();
        assert_eq!(bits(0), heapBits { bitp: arena - 1, shift: 0 });
        assert_eq!(bits(3), heapBits { bitp: arena - 1, shift: 3 });
        assert_eq!(bits(4), heapBits { bitp: arena - 2, shift: 0 });
        let mut hbits = bits(0);
        let mut seen = Vec::new();
        for word in 0..8 {
            assert_eq!(hbits, bits(word));
            seen.push((rt.isPointer(hbits).unwrap(), rt.isMarked(hbits).unwrap()));
            hbits = rt.next(hbits);
        }
        let (p, m) = ((true, false), (false, true));
        let none = (false, false);
        assert_eq!(seen, [none, none, p, m, m, none, none, p]);
    }
}

/// A heap of a stack's span, and one of two objects of 4096 bytes each.
fn heap(target: AnyTarget) -> (Image, u64) {
    let mut image = Image::new(target);
    let arena = 0x80_0000u64;
    let mheap = image.symbols.mheap.0;
    image.set(mheap, "mheap.arena_start", arena);
    image.set(mheap, "mheap.arena_used", arena + 8192);
    image.set(mheap, "mheap.nspan", 2);
    let [stack, s] = ["mspan", "mspan"].map(|name| image.new_struct(name));
    image.set(stack, "mspan.state", 1);
    image.set_words(image.symbols.h_allspans.0, &[stack, s]);
    image.set(s, "mspan.start", arena >> 13);
    image.set(s, "mspan.npages", 1);
    image.set(s, "mspan.elemsize", 4096);
    image.bytes(arena, &[0x11; 8192]);
    image.zero(arena - 512, 512);
    // The first object: pointers in words 0 and 3, scanned up to word 4.
    image.bytes(arena - 2, &[0b0000_0000, 0b1100_1001]);
    (image, s)
}

#[test]
fn objects_with_their_pointers_but_not_the_free_ones() {
    for &target in World::MACHINES {
        let (mut image, s) = heap(target);
        let (ptr, arena) = (image.ptr(), 0x80_0000);
        let first =
            [uvarints(&[1, arena, 4096]), vec![0x11; 4096], uvarints(&[1, 0, 1, 3 * ptr, 0])].concat();
        let second = |tail: &[u8]| [&uvarints(&[1, arena + 4096, 4096]), tail, &uvarints(&[0])].concat();
        let dump = |image: &Image| written(image, Fixes::NONE, |rt| rt.dumpobjs());
        let both = [first.clone(), second(&[0x11; 4096])].concat();
        assert_eq!(dump(&image).unwrap(), both, "{target}");

        // tmpbuf is booked, in the low word of other_sys on little-endian machines.
        let memstats = image.symbols.memstats.0;
        image.set(memstats, "mstats.other_sys", 0xffff_ffff);
        for fixes in [Fixes::NONE, Fixes { other_sys: true, ..Fixes::NONE }] {
            let mut rt = image.runtime(fixes);
            rt.dumpobjs().unwrap();
            let n = 4096 / ptr / 8 + 1;
            let low_word = ptr == 4 && !target.big_endian();
            let sum = if low_word { n - 1 } else { 0xffff_ffff + n };
            let other_sys = rt.load(memstats, "mstats.other_sys").unwrap();
            assert_eq!(other_sys, if fixes.other_sys { 0xffff_ffff } else { sum });
        }

        image.set(s, "mspan.freelist", arena + 4096);
        image.word(arena + 4096, 0);
        assert_eq!(dump(&image).unwrap(), first);
        image.word(arena + 4096, arena);
        image.word(arena, 0);
        assert!(dump(&image).unwrap().is_empty());

        // A freelist that goes in circles, one that leaves the span, an object of no size.
        image.word(arena, arena);
        assert_eq!(
            written(&image, Fixes::NONE, |rt| {
                rt.turns.set(1000);
                rt.dumpobjs()
            }),
            Err(Cause::Runaway)
        );
        image.word(arena, arena - 4096);
        assert!(message(dump(&image)).starts_with("index out of range (freemark"));
        image.set(s, "mspan.elemsize", 7);
        assert_eq!(message(dump(&image)), "freemark array doesn't have enough entries");
        image.set(s, "mspan.elemsize", 0);
        assert!(message(dump(&image)).starts_with("integer divide by zero"));
    }
}

#[test]
fn specials_and_the_finalizer_queue() {
    for &target in World::MACHINES {
        let (mut image, s) = heap(target);
        let arena = 0x80_0000;
        let fns = [0x1111, 0x2222].map(|code| {
            let f = image.new_struct("funcval");
            image.set(f, "funcval.fn", code);
            f
        });
        let [fin, prof, block] =
            ["specialfinalizer", "specialprofile", "finblock"].map(|name| image.new_struct(name));
        for (path, value) in [
            ("specialfinalizer.special.next", prof),
            ("specialfinalizer.special.offset", 4096),
            ("specialfinalizer.special.kind", 1),
            ("specialfinalizer.fn", fns[0]),
            ("specialfinalizer.fint", 0x33),
            ("specialfinalizer.ot", 0x44),
        ] {
            image.set(fin, path, value);
        }
        image.set(prof, "specialprofile.special.offset", 16);
        image.set(prof, "specialprofile.special.kind", 2);
        image.set(prof, "specialprofile.b", 0xb0c0);
        image.set(s, "mspan.specials", fin);
        // An empty block comes first.
        let empty = image.new_struct("finblock");
        image.set(empty, "finblock.alllink", block);
        image.word(image.symbols.allfin.0, empty);
        image.set(block, "finblock.cnt", 2);
        let rt = image.runtime(Fixes::NONE);
        let first = rt.field(block, "finblock.fin");
        let size = rt.layout.sizeof("finalizer");
        for (i, f) in fns.into_iter().enumerate() {
            let at = first + i as u64 * size;
            image.set(at, "finalizer.fn", f);
            image.set(at, "finalizer.arg", 0x500 + i as u64);
            image.set(at, "finalizer.nret", 9);
            image.set(at, "finalizer.fint", 0x55);
            image.set(at, "finalizer.ot", 0x66);
        }
        let roots = written(&image, Fixes::NONE, |rt| rt.dumproots()).unwrap();
        let expected = [
            uvarints(&[12, 0, 0, 0, 13, 0, 0, 0]), // no data, no bss
            uvarints(&[7, arena + 4096, fns[0], 0x1111, 0x33, 0x44]),
            uvarints(&[11, 0x500, fns[0], 0x1111, 0x55, 0x66]),
            uvarints(&[11, 0x501, fns[1], 0x2222, 0x55, 0x66]),
        ];
        assert_eq!(roots, expected.concat(), "{target}");
        let samples = written(&image, Fixes::NONE, |rt| rt.dumpmemprof()).unwrap();
        assert_eq!(samples, uvarints(&[17, arena + 16, 0xb0c0]));

        // 101 finalizers fit into a block on 64 bits, 204 on 32.
        let fits = if image.ptr() == 8 { 101 } else { 204 };
        image.zero(first, fits * size + 4096);
        image.set(block, "finblock.cnt", 0x7fff_ffff);
        for i in 0..fits {
            image.set(first + i * size, "finalizer.fn", fns[0]);
        }
        let too_many = message(written(&image, Fixes::NONE, |rt| rt.dumproots()));
        assert!(too_many.starts_with("index out of range (finblock.fin"), "{too_many}");
    }
}

#[test]
fn profile_buckets_with_their_lines() {
    for &target in World::MACHINES {
        let mut image = Image::new(target);
        let f = Func {
            name: "main.f",
            pcfile: image.whole(0),
            pcln: image.pctable(&[(10, 16), (11, 240)]),
            ..Func::default()
        };
        image.link(&[f], &["f.go"]);
        let bucket = image.new_bytes(&[0; 256]);
        image.set(bucket, "bucket.typ", 1);
        image.set(bucket, "bucket.size", 48);
        image.set(bucket, "bucket.nstk", 4);
        let rt = image.runtime(Fixes::NONE);
        let stk = bucket + rt.layout.sizeof("bucket");
        // Only from the second PC on is the PC one of a return, and not at a function's entry.
        for (i, pc) in [TEXT + 16, TEXT + 16, TEXT, 0xbeef].into_iter().enumerate() {
            image.word(stk + i as u64 * image.ptr(), pc);
        }
        image.word(stk + 4 * image.ptr(), 100);
        image.word(stk + 5 * image.ptr(), 40);
        image.word(image.symbols.mbuckets.0, bucket);
        let dump = |image: &Image| written(image, Fixes::NONE, |rt| rt.dumpmemprof());
        let line = |line| [str("main.f"), str("f.go"), uvarint(line)].concat();
        let unknown = |pc| [str(pc), str("?"), uvarint(0)].concat();
        let head = uvarints(&[16, bucket, 48, 4]);
        let tail = uvarints(&[100, 40]);
        let expected = [head, line(11), line(10), line(10), unknown("(0xbeef)"), tail].concat();
        assert_eq!(dump(&image).unwrap(), expected, "{target}");

        image.word(stk + 3 * image.ptr(), 0);
        assert!(dump(&image).unwrap().windows(5).any(|w| w == b"(0x0)"));
        image.set(bucket, "bucket.nstk", 0);
        assert!(message(dump(&image)).starts_with("index out of range (an empty bucket.stk"));
        image.set(bucket, "bucket.nstk", 33);
        assert!(message(dump(&image)).starts_with("slice bounds out of range (bucket.nstk"));
        image.set(bucket, "bucket.typ", 2);
        assert_eq!(message(dump(&image)), "bad use of bucket.mp");
    }
}

/// A process with a goroutine in a system call, one that is dead, an M, and a bss that holds the
/// dump's own variables.
fn process(target: AnyTarget) -> (Image, HashMap<&'static str, u64>) {
    let (mut image, _) = heap(target);
    let funcs = ["main.main", "runtime.goexit", "runtime.bgsweep"].map(|name| Func {
        name,
        pcsp: image.whole(0),
        ..Func::default()
    });
    image.link(&funcs, &[]);
    image.symbols.goexit = Addr(TEXT + 256);
    image.symbols.bgsweep = Addr(TEXT + 512);
    image.int(image.symbols.ncpu.0, 4, 0xffff_ffff);
    let [gp, dead, m, d, p, func] =
        ["g", "g", "m", "_defer", "_panic", "funcval"].map(|name| image.new_struct(name));
    image.set_words(image.symbols.allgs.0, &[dead, gp]);
    image.word(image.symbols.allglen.0, 2);
    image.set(dead, "g.atomicstatus", 6);
    let reason = image.new_bytes(b"select");
    image.set(func, "funcval.fn", TEXT);
    for (path, value) in [
        ("g.atomicstatus", 3),
        ("g.syscallsp", STACK),
        ("g.syscallpc", TEXT + 257),
        ("g.sched.sp", 1),
        ("g.sched.ctxt", 0xc7),
        ("g.goid", 42),
        ("g.gopc", TEXT + 3),
        ("g.startpc", TEXT + 512),
        ("g.waitsince", u64::MAX),
        ("g.waitreason.str", reason),
        ("g.waitreason.len", 6),
        ("g.m", m),
        ("g._defer", d),
        ("g._panic", p),
    ] {
        image.set(gp, path, value);
    }
    image.zero(STACK, 64);
    for (path, value) in [("_defer.sp", STACK), ("_defer.pc", 0xdc), ("_defer.fn", func)] {
        image.set(d, path, value);
    }
    for (path, value) in [("_panic.arg._type", 0xe1), ("_panic.arg.data", 0xe2)] {
        image.set(p, path, value);
    }
    image.set(m, "m.id", 0xffff_fffe);
    image.set(m, "m.procid", 1 << 33);
    image.word(image.symbols.allm.0, m);
    // bss: the type cache and tmpbuf, whose first word is a pointer.
    let module = image.symbols.firstmoduledata.0;
    let (bss, ebss) = (image.symbols.typecache.0, image.symbols.tmpbuf.0 + 3 * image.ptr());
    let mask = image.new_bytes(&[1]);
    image.set(module, "moduledata.bss", bss);
    image.set(module, "moduledata.ebss", ebss);
    image.set(module, "moduledata.gcbssmask.n", 3);
    image.set(module, "moduledata.gcbssmask.bytedata", mask);
    image.set(image.symbols.memstats.0, "mstats.pause_total_ns", 0x1234_5678_9abc);
    image.set(image.symbols.memstats.0, "mstats.numgc", 0xffff_ffff);
    let t = new_type(&mut image, "T", 8, 0, DIRECT_IFACE);
    let tab = image.new_struct("itab");
    image.set(tab, "itab._type", t);
    image.word(image.symbols.itab_hash.0, tab);
    let names = [("g", gp), ("m", m), ("d", d), ("p", p), ("fn", func), ("t", t), ("tab", tab), ("bss", bss)];
    (image, names.into_iter().chain([("ebss", ebss)]).collect())
}

#[test]
fn a_whole_dump() {
    for &target in World::MACHINES {
        for (fixes, sys_alloc) in [(Fixes::NONE, None), (Fixes::NONE, Some(0x70_0000)), (Fixes::ALL, Some(1))]
        {
            let (image, at) = process(target);
            let (ptr, arena) = (image.ptr(), 0x80_0000);
            let tmpbuf = 4096 / ptr / 8 + 1;
            let mut bss = vec![0; (at["ebss"] - at["bss"]) as usize];
            let mut own = |offset: u64, value: u64| {
                let [le, be] = [value.to_le_bytes(), value.to_be_bytes()];
                let bytes = if target.big_endian() { &be[8 - ptr as usize..] } else { &le[..ptr as usize] };
                bss[offset as usize..][..ptr as usize].copy_from_slice(bytes);
            };
            if fixes == Fixes::NONE {
                own(0, at["t"]);
                if let Some(sys_alloc) = sys_alloc {
                    let header = at["ebss"] - at["bss"] - 3 * ptr;
                    own(header, sys_alloc);
                    own(header + ptr, tmpbuf);
                    own(header + 2 * ptr, 1 << 30);
                }
            }
            let mut memstats = vec![0; 24 + 256 + 1];
            memstats[20] = if fixes == Fixes::NONE { tmpbuf } else { 0 };
            memstats[23] = 0x1234_5678_9abc;
            memstats[24 + 256] = 0xffff_ffff;
            let fp = if target.uses_lr() { STACK } else { STACK + target.reg_size() };
            let size = fp - STACK;
            let goexit = TEXT + 256;
            let expected = [
                b"go1.5 heap dump\n".to_vec(),
                uvarints(&[6, u64::from(target.big_endian()), ptr, arena, arena + 8192]),
                uvarints(&[crate::oracle::thechar(target), 0, u64::MAX]),
                uvarints(&[3, at["t"], 8]),
                str("T"),
                uvarints(&[1, 8, at["tab"], at["t"]]),
                uvarints(&[1, arena, 4096]),
                vec![0x11; 4096],
                uvarints(&[1, 0, 1, 3 * ptr, 0]),
                uvarints(&[1, arena + 4096, 4096]),
                vec![0x11; 4096],
                uvarints(&[0]),
                uvarints(&[4, at["g"], STACK, 42, TEXT + 3, 3, 1, 0, u64::MAX]),
                str("select"),
                uvarints(&[0xc7, at["m"], at["d"], at["p"]]),
                uvarints(&[5, STACK, 0, 0, size]),
                vec![0; size as usize],
                uvarints(&[goexit, goexit + 1, goexit + 1]),
                str("runtime.goexit"),
                // Without a stack map: every word below varp, which is sp itself.
                uvarints(&[0]),
                uvarints(&[14, at["d"], at["g"], STACK, 0xdc, at["fn"], TEXT, 0]),
                uvarints(&[15, at["p"], at["g"], 0xe1, 0xe2, 0, 0]),
                uvarints(&[9, at["m"], u64::MAX - 1, 1 << 33]),
                uvarints(&[12, 0, 0, 0]),
                uvarints(&[13, at["bss"], at["ebss"] - at["bss"]]),
                bss,
                uvarints(&[1, 0, 0]),
                uvarints(&[10]),
                uvarints(&memstats),
                uvarints(&[0]),
            ]
            .concat();
            let answer = sys_alloc.unwrap_or(0);
            let alloc = |n| {
                assert_eq!(n, tmpbuf, "both objects are of one size");
                Addr(answer)
            };
            let sys_alloc = sys_alloc.map(|_| &alloc as SysAlloc<'_>);
            let literal = writeheapdump(target, &image, &image.symbols, fixes, sys_alloc).unwrap();
            assert!(literal.bytes == expected, "{target}: {fixes:?} {answer:#x}");
            let ns: Vec<i64> = literal.writes.iter().map(|w| w.n).collect();
            assert_eq!(ns.iter().sum::<i64>(), expected.len() as i64);
            assert_eq!(ns[1], 4096, "the first object");
        }
    }
}

#[test]
fn a_division_leaves_its_denominator_in_the_m_of_the_dumping_thread_on_arm() {
    let divmod = |target, fixes, reason: &[u8], curg_status| {
        let (mut image, at) = process(target);
        let [g0, curg] = ["g", "g"].map(|name| image.new_struct(name));
        let text = image.new_bytes(reason);
        image.set(g0, "g.waitreason.str", text);
        image.set(g0, "g.waitreason.len", reason.len() as u64);
        image.set(curg, "g.atomicstatus", curg_status);
        image.set(at["m"], "m.g0", g0);
        image.set(at["m"], "m.curg", curg);
        image.set(at["m"], "m.divmod", 0xdead_beef);
        let mut runtime = image.runtime(fixes);
        runtime.dumpobjs().unwrap();
        runtime.load(at["m"], "m.divmod").unwrap()
    };
    let (dumping, waiting) = (b"dumping heap", 4);
    assert_eq!(divmod(AnyTarget::Arm, Fixes::NONE, dumping, waiting), 4096, "the size of its objects");
    assert_eq!(divmod(AnyTarget::I386, Fixes::NONE, dumping, waiting), 0xdead_beef, "by an instruction");
    assert_eq!(divmod(AnyTarget::Arm, Fixes::ALL, dumping, waiting), 0xdead_beef);
    assert_eq!(divmod(AnyTarget::Arm, Fixes::NONE, b"semacquire!!", waiting), 0xdead_beef);
    assert_eq!(divmod(AnyTarget::Arm, Fixes::NONE, dumping, 2), 0xdead_beef, "an earlier dump's thread");
}

#[test]
fn what_was_written_before_it_stopped() {
    let (mut image, at) = process(AnyTarget::I386);
    let image_of = |image: &Image| writeheapdump(AnyTarget::I386, image, &image.symbols, Fixes::NONE, None);
    let whole = image_of(&image).unwrap();
    image.set(at["g"], "g.atomicstatus", 2);
    let stop = image_of(&image).unwrap_err();
    assert_eq!(
        stop.cause,
        Cause::Throw("dumpgs in STW - bad status (runtime: unexpected G.status 0x2)".to_owned())
    );
    let written = stop.written;
    assert!(!written.writes.is_empty() && written.writes[..] == whole.writes[..written.writes.len()]);
    assert_eq!(written.bytes, whole.bytes[..written.bytes.len()]);

    image.set(at["g"], "g.atomicstatus", 3);
    image.set(at["g"], "g.waitreason.str", 0);
    let stop = image_of(&image).unwrap_err();
    assert!(matches!(stop.cause, Cause::Fault { .. }), "{stop}");
}

#[test]
fn amd64p32_was_never_measured() {
    let (image, _) = process(AnyTarget::I386);
    let stop = writeheapdump(AnyTarget::Amd64p32, &image, &image.symbols, Fixes::NONE, None).unwrap_err();
    assert_eq!(stop.cause, Cause::NoLayout(AnyTarget::Amd64p32));
}
