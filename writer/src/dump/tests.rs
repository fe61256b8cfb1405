//! A second generation of the runtime, of a page: what it supplies is dumped, and `dump/` knows nothing of it.

use super::*;
use crate::format::version::{Arch, Version};
use crate::record::*;
use crate::runtime::{Extent, Goroutines, Heap, HeapBits, Roots, Span, Statistics, Types};
use crate::target::Arm64;
use crate::testing::{Segments, assert_same, counted, ints};

/// A runtime whose header and architecture are Go 1.7's, with one of everything.
struct Toy(Segments);

const BASE: u64 = 0x1000;
const STACK: u64 = 0x2000;
const TEXT: Header = Header { array: Addr(0x3000), len: 4 };

impl Toy {
    fn new(lends: bool) -> Self {
        let mut memory = Segments::new(lends);
        for (start, contents) in [(BASE, &[1; 72][..]), (STACK, &[2; 64]), (TEXT.array.0, b"text\x05")] {
            memory.map(start, contents.len() as u64);
            memory.write(Addr(start), contents);
        }
        Toy(memory)
    }
}

impl Runtime for Toy {
    type Target = Arm64;
    const VERSION: Version = Version { header: b"go1.7 heap dump\n" };

    fn memory(&self) -> &dyn Memory {
        &self.0
    }

    fn params(&self) -> Result<Params, Error> {
        let goexperiment = Text::Literal("");
        Ok(Params { arena_start: BASE, arena_used: STACK, arch: Arch::Name("arm64"), goexperiment, ncpu: 8 })
    }
}

impl Types for Toy {
    fn iterate_itabs(&self, mut callback: impl FnMut(Itab) -> Result<(), Error>) -> Result<(), Error> {
        callback(Itab { tab: Addr(0x71), t: Addr(0x72) })?;
        callback(Itab { tab: Addr(0x73), t: Addr(0x72) })
    }

    fn type_hash(&self, _: Addr) -> Result<u32, Error> {
        Ok(0)
    }

    fn type_at(&self, _: Addr) -> Result<Type, Error> {
        Ok(Type { size: 24, name: TypeName::Qualified(TEXT, TEXT), pointer: true })
    }
}

impl Heap for Toy {
    type Span<'s> = Slots;

    fn ensure_swept(&self) -> Result<(), Error> {
        Ok(())
    }

    fn spans(&self, mut each: impl FnMut(&mut Slots) -> Result<(), Error>) -> Result<(), Error> {
        each(&mut Slots)
    }
}

/// Three slots of three words. The first and the last are objects; word `i` of slot `i` is a pointer.
struct Slots;

impl Span for Slots {
    type Bits<'b> = Slots;

    fn extent(&self) -> Extent {
        Extent { base: Addr(BASE), end: BASE + 72, elemsize: 24, n: 3 }
    }

    fn in_use(&mut self, _: u64) -> u64 {
        0b101
    }

    fn bits(&mut self, _: u64, _: u64) -> Result<Slots, Error> {
        Ok(Slots)
    }

    fn makeheapobjbv(&mut self, slot: u64, _: u64, _: u64) -> Result<(u64, bool), Error> {
        Ok((1 << slot, true))
    }
}

impl HeapBits for Slots {
    fn makeheapobjbv(&self, word: u64) -> u64 {
        1 << (word / 3)
    }
}

impl Goroutines for Toy {
    fn goroutines(&self, mut each: impl FnMut(Goroutine) -> Result<(), Error>) -> Result<(), Error> {
        let (waitreason, addrs) = (Text::Target(TEXT), [1, 2, 3, 4, 5].map(Addr));
        let [g, ctxt, m, defer, panic] = addrs;
        let (sp, goid, gopc, status, waitsince) = (STACK, 11, 12, 4, 13);
        each(Goroutine {
            g,
            sp,
            goid,
            gopc,
            status,
            is_system: true,
            waitsince,
            waitreason,
            ctxt,
            m,
            defer,
            panic,
        })
    }

    fn frames(&self, _: Addr, mut callback: impl FnMut(&Frame) -> Result<(), Error>) -> Result<(), Error> {
        let frame = |sp, args, locals| {
            let (name, fp) = (Text::Literal(""), sp + 16);
            let (entry, pc, continpc, varp, argp, arglen) = (0x50, 0x51, 0x51, fp, fp, 8);
            Frame {
                s: Stkframe { entry, pc, continpc, sp, fp, varp, argp, arglen },
                name,
                args,
                locals,
                objects: vec![],
            }
        };
        let map = BitVector { n: 3, bytedata: TEXT.array.add(4) };
        callback(&frame(STACK, Some(map), Locals::Size(8)))?;
        callback(&Frame { objects: vec![0, 8], ..frame(STACK + 16, None, Locals::None) })
    }

    fn defers(&self, _: Addr, mut each: impl FnMut(Defer) -> Result<(), Error>) -> Result<(), Error> {
        each(Defer { d: Addr(4), sp: 21, pc: 22, func: Addr(23), entry: 24, link: Addr::NIL })
    }

    fn panics(&self, _: Addr, mut each: impl FnMut(Panic) -> Result<(), Error>) -> Result<(), Error> {
        each(Panic { p: Addr(5), type_: Addr(31), data: Addr(32), link: Addr::NIL })
    }

    fn threads(&self, mut each: impl FnMut(OsThread) -> Result<(), Error>) -> Result<(), Error> {
        each(OsThread { mp: Addr(3), id: 1, procid: 1000 })
    }
}

impl Roots for Toy {
    fn segments(&self, mut each: impl FnMut(Segment) -> Result<(), Error>) -> Result<(), Error> {
        let place = Place::variable("data");
        let mask = BitVector { n: 0, bytedata: Addr::NIL };
        each(Segment { tag: Tag::Data, start: TEXT.array, len: 4, place, mask, mask_place: place })
    }

    fn finalizers(&self, mut each: impl FnMut(Finalizer) -> Result<(), Error>) -> Result<(), Error> {
        each(Finalizer { object: Addr(BASE), func: Addr(41), entry: 42, fint: Addr(43), ot: Addr(44) })
    }

    fn iterate_finq(&self, callback: impl FnMut(Finalizer) -> Result<(), Error>) -> Result<(), Error> {
        self.finalizers(callback)
    }
}

impl Statistics for Toy {
    fn memstats(&self) -> Result<MemStats, Error> {
        Ok(MemStats {
            alloc: 1,
            total_alloc: 0,
            sys: 0,
            lookups: 0,
            mallocs: 0,
            frees: 0,
            heap_alloc: 0,
            heap_sys: 0,
            heap_idle: 0,
            heap_inuse: 0,
            heap_released: 0,
            heap_objects: 0,
            stack_inuse: 0,
            stack_sys: 0,
            mspan_inuse: 0,
            mspan_sys: 0,
            mcache_inuse: 0,
            mcache_sys: 0,
            buckhash_sys: 0,
            gc_sys: 0,
            other_sys: 2,
            next_gc: 0,
            last_gc: 0,
            pause_total_ns: 0,
            pause_ns: [3; 256],
            num_gc: 4,
        })
    }

    fn iterate_memprof(&self, mut callback: impl FnMut(MemProf) -> Result<(), Error>) -> Result<(), Error> {
        callback(MemProf { bucket: Addr(0x61), size: 24, stk: vec![0x51, 0x99], allocs: 9, frees: 7 })
    }

    fn location(&self, pc: u64, call: bool) -> Result<Option<Location>, Error> {
        let (func, file) = (Text::Literal("f"), Text::Literal("f.go"));
        Ok((!call).then_some(Location { func, file, line: pc }))
    }

    fn alloc_samples(&self, mut each: impl FnMut(AllocSample) -> Result<(), Error>) -> Result<(), Error> {
        each(AllocSample { object: Addr(BASE), bucket: Addr(0x61) })
    }
}

#[test]
fn another_generation_is_dumped_as_it_says() {
    let object =
        |slot: u64| [ints(&[1, BASE + 24 * slot]), counted(&[1; 24]), ints(&[1, 8 * slot, 0])].concat();
    let frame = |sp: u64, depth: u64, child: u64, fields: &[u64]| {
        let contents = counted(&[2; 16]);
        let name = counted(b"unknown function");
        [ints(&[5, sp, depth, child]), contents, ints(&[0x50, 0x51, 0x51]), name, ints(fields)].concat()
    };
    let expected = [
        b"go1.7 heap dump\n".to_vec(),
        [ints(&[6, 0, 8, BASE, STACK]), counted(b"arm64"), ints(&[0, 8])].concat(),
        [ints(&[3, 0x72, 24]), counted(b"text.text"), ints(&[1, 8, 0x71, 0x72, 8, 0x73, 0x72])].concat(),
        [object(0), object(2)].concat(),
        [ints(&[4, 1, STACK, 11, 12, 4, 1, 0, 13]), counted(b"text"), ints(&[2, 3, 4, 5])].concat(),
        frame(STACK, 0, 0, &[1, 8, 0]),
        // The callee's arguments: of the words 0 and 2 the one that lies in the frame. The variables' words are given.
        frame(STACK + 16, 1, STACK, &[1, 0, 1, 0, 1, 8, 0]),
        ints(&[14, 4, 1, 21, 22, 23, 24, 0]),
        ints(&[15, 5, 1, 31, 32, 0, 0]),
        ints(&[9, 3, 1, 1000]),
        [ints(&[12, TEXT.array.0]), counted(b"text"), ints(&[0])].concat(),
        [ints(&[2]), counted(b"handle"), ints(&[BASE])].concat(),
        ints(&[7, BASE, 41, 42, 43, 44]),
        ints(&[11, BASE, 41, 42, 43, 44]),
        [&[10, 1][..], &[0; 19], &[2, 0, 0, 0], &[3; 256], &[4]].concat(),
        [ints(&[16, 0x61, 24, 2]), counted(b"f"), counted(b"f.go"), ints(&[0x51])].concat(),
        [counted(b"(0x99)"), counted(b"?"), ints(&[0, 9, 7])].concat(),
        ints(&[17, BASE, 0x61]),
        ints(&[0]),
    ]
    .concat();
    // Objects are encoded in place where memory lends them, and one by one where it does not.
    for lends in [true, false] {
        let mut dump = Vec::new();
        let sink = Sink::new(&mut dump, 4096, Default::default());
        let summary = write(&Toy::new(lends), &[("handle", Addr(BASE))], sink).unwrap();
        assert_same(&dump, &expected);
        assert_eq!((summary.bytes, summary.count(Tag::Object)), (dump.len() as u64, 2));
    }
}
