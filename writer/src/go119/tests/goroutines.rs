//! What is known of goroutines, and of their frames.

use super::HEADERS;
use super::image::{Image, STACK, TEXT};
use crate::Error;
use crate::go119::Stopped;
use crate::memory::Addr;
use crate::record::{Frame, Goroutine, Locals, Text};
use crate::runtime::Goroutines;
use crate::target::{Amd64, I386, Mips, S390x, Target};

/// What this program calls some functions by number.
const IDS: [(&str, i64); 5] = [
    ("internal/abi.FuncID_runFinalizers", 11),
    ("internal/abi.FuncID_runCleanups", 12),
    ("internal/abi.FuncID_runtime_main", 13),
    ("internal/abi.FuncID_handleAsyncEvent", 14),
    ("internal/abi.FuncID_corostart", 15),
];
const RUN_FINALIZERS: u64 = 11;
const RUN_CLEANUPS: u64 = 12;

/// A process whose goroutine begins with a function that has a number.
fn begins_with<T: Target>(missing: &'static [&'static str], name: &str, id: u64) -> Image<T> {
    let mut image = Image::<T>::new(missing, &IDS);
    let (entry, f) = image.function(name, 0, 0);
    image.put(f, "runtime._func", "funcID", 0, id);
    let g = image.g();
    image.put(g, "runtime.g", "startpc", 0, entry);
    image
}

fn is_system<T: Target>(image: &Image<T>) -> bool {
    let mut found = Vec::new();
    image
        .go(None)
        .unwrap()
        .goroutines(|g| {
            found.push(g.is_system);
            Ok(())
        })
        .unwrap();
    assert_eq!(found.len(), 1);
    found[0]
}

fn goroutines_of_the_runtime<T: Target>() {
    for (name, id, system) in [
        ("runtime.forcegchelper", 0, true),
        ("runtime", 0, false),
        ("main.main", 0, false),
        ("runtime.main", 13, false),
        ("runtime.handleAsyncEvent", 14, false),
        ("runtime.corostart", 15, false),
        ("runtime.other", 16, true),
    ] {
        assert_eq!(is_system(&begins_with::<T>(HEADERS, name, id)), system, "{} {name}", T::GOARCH);
    }
    // While a function of the program runs, the goroutine is the program's: as a variable says, or a bit of one.
    for (missing, variable, values) in [
        (HEADERS, "runtime.fingStatus", [(0, true), (1, true), (2, false), (3, false)]),
        (
            &["runtime.gobuf.ret", "runtime.heapArena", "runtime.fingStatus"],
            "runtime.fingRunning",
            [(0, true), (1, false), (2, false), (0, true)],
        ),
    ] {
        for (value, system) in values {
            let mut image = begins_with::<T>(missing, "runtime.runFinalizers", RUN_FINALIZERS);
            let at = image.variable(variable);
            let size = if variable == "runtime.fingStatus" { 4 } else { 1 };
            let bytes = if T::BIG_ENDIAN { [0, 0, 0, value] } else { [value, 0, 0, 0] };
            image.bytes(at, if size == 1 { std::slice::from_ref(&value) } else { &bytes });
            assert_eq!(is_system(&image), system, "{} {variable} {value}", T::GOARCH);
        }
    }
    for (running, system) in [(0, true), (1, false)] {
        let mut image = begins_with::<T>(HEADERS, "runtime.runCleanups", RUN_CLEANUPS);
        let g = image.g();
        image.put(g, "runtime.g", "runningCleanups", 0, running);
        assert_eq!(is_system(&image), system, "{}", T::GOARCH);
    }
}

/// Where no variable says whether a finalizer runs, frames do.
fn finalizers_that_run<T: Target>() {
    const NO_STATUS: &[&str] =
        &["runtime.gobuf.ret", "runtime.heapArena", "runtime.fingStatus", "runtime.fingRunning"];
    for (name, system) in [
        ("runtime.gopark", true),
        ("runtime.call65", true),
        ("runtime.call", true),
        ("runtime.call16", false),
        ("runtime.call1073741824", false),
        ("runtime.reflectcall", false),
        ("runtime.reflectcall2", true),
        ("main.final", false),
        ("", false),
    ] {
        let mut image = begins_with::<T>(NO_STATUS, "runtime.runFinalizers", RUN_FINALIZERS);
        // It is between two others.
        let p = T::PTR_SIZE;
        let (inner, _) = image.function("runtime.inner", 2 * p, 0);
        let (middle, _) = image.function(name, 2 * p, 0);
        let (outer, _) = image.function("runtime.outer", 2 * p, 0);
        let frame = if T::USES_LR { 2 * p } else { 3 * p };
        let return_pc = if T::USES_LR { 0 } else { 2 * p };
        for (i, pc) in (0..).zip([middle + 1, outer + 1, TEXT + 0x101]) {
            image.word(STACK + i * frame + return_pc, pc);
        }
        stands_at(&mut image, inner + 1);
        assert_eq!(is_system(&image), system, "{} {name}", T::GOARCH);
        // A stack that cannot be unwound may be one that does.
        image.word(STACK + 2 * frame + return_pc, 0x99_0001);
        assert!(!is_system(&image), "{} {name}", T::GOARCH);
    }
}

/// The goroutine stands at a PC, and its stack begins at [`STACK`].
fn stands_at<T: Target>(image: &mut Image<T>, pc: u64) {
    let sched = image.g() + image.offset("runtime.g", "sched");
    image.put(sched, "runtime.gobuf", "sp", 0, STACK);
    image.put(sched, "runtime.gobuf", "pc", 0, pc);
}

fn why_goroutines_wait<T: Target>() {
    let mut image = Image::<T>::new(HEADERS, &[]);
    let strings = 0x400 / (2 * T::PTR_SIZE);
    let (g, text) = (image.g(), image.variable("runtime.waitReasonStrings"));
    image.word(text + 0x400 - 2 * T::PTR_SIZE, 0x1234);
    image.word(text + 0x400 - T::PTR_SIZE, 6);
    for (reason, known) in [(strings - 1, true), (strings, false), (strings + 1, false)] {
        image.put(g, "runtime.g", "waitreason", 0, reason);
        let mut found = Vec::new();
        image
            .go(None)
            .unwrap()
            .goroutines(|g| {
                found.push(g.waitreason);
                Ok(())
            })
            .unwrap();
        match &found[..] {
            [Text::Target(header)] if known => assert_eq!((header.array, header.len), (Addr(0x1234), 6)),
            [Text::Literal("unknown wait reason")] if !known => {}
            _ => panic!("{} {reason}", T::GOARCH),
        }
    }
}

/// What is said of the only goroutine.
fn the_goroutine<T: Target>(
    image: &Image<T>,
    stopped: Option<&Stopped<'_>>,
) -> Result<Option<Goroutine>, Error> {
    let mut found = Vec::new();
    image.go(stopped)?.goroutines(|g| {
        found.push(g);
        Ok(())
    })?;
    assert!(found.len() <= 1);
    Ok(found.pop())
}

/// A goroutine that was stopped anywhere has the status that it would have if its runtime had stopped it.
fn statuses<T: Target>() {
    let mut image = Image::<T>::new(HEADERS, &[]);
    let g = image.g();
    for (status, expected) in [
        // idle, runnable, running, syscall, waiting
        (0, Some(None)),
        (1, Some(Some(1))),
        (2, Some(Some(1))),
        (3, Some(Some(3))),
        (4, Some(Some(4))),
        // dead, copystack, preempted
        (6, Some(None)),
        (8, Some(Some(1))),
        (9, Some(Some(4))),
        // While its stack is scanned, and what is none.
        (0x1003, Some(Some(3))),
        (5, None),
        (99, None),
    ] {
        image.put(g, "runtime.g", "atomicstatus", 0, status);
        let found = the_goroutine(&image, Some(&Stopped::new(&[])));
        match (found, expected) {
            (Ok(found), Some(expected)) => {
                assert_eq!(found.map(|g| g.status), expected, "{} {status}", T::GOARCH)
            }
            (Err(Error::BadStatus { status: told, .. }), None) => assert_eq!(u64::from(told), status),
            (found, _) => panic!("{} {status}: {}", T::GOARCH, found.is_ok()),
        }
    }
}

fn contexts<T: Target>() {
    let mut image = Image::<T>::new(HEADERS, &[]);
    let sched = image.g() + image.offset("runtime.g", "sched");
    image.put(sched, "runtime.gobuf", "ctxt", 0, 0x1234);
    let found = the_goroutine(&image, None).unwrap().unwrap();
    assert_eq!(found.ctxt, Addr(0x1234), "{}", T::GOARCH);
}

/// Threads without a goroutine come before the one that dumps.
fn the_goroutine_that_dumps<T: Target>() {
    let mut image = Image::<T>::new(HEADERS, &[]);
    let (m, idle, allm) = (image.m(), image.alloc(0x400), image.variable("runtime.allm"));
    image.word(allm, idle);
    image.put(idle, "runtime.m", "alllink", 0, m);
    let found = image.go(None).unwrap().dumping().unwrap();
    assert_eq!(found, Some((Addr(image.g()), Addr(m))), "{}", T::GOARCH);
}

fn deferred_calls_and_panics<T: Target>() {
    let mut image = Image::<T>::new(HEADERS, &[]);
    let (g, funcval) = (image.g(), image.alloc(0x10));
    image.word(funcval, TEXT + 0x100);
    let [first, second, panic] = [(); 3].map(|()| image.alloc(0x200));
    image.put(g, "runtime.g", "_defer", 0, first);
    image.put(g, "runtime.g", "_panic", 0, panic);
    for (defer, sp, func, link) in [(first, 5, funcval, second), (second, 6, 0, 0)] {
        for (field, value) in [("sp", sp), ("pc", sp + 10), ("fn", func), ("link", link)] {
            image.put(defer, "runtime._defer", field, 0, value);
        }
    }
    image.put(panic, "runtime._panic", "arg", 0, 0x77);
    image.put(panic, "runtime._panic", "arg", 1, 0x78);
    let go = image.go(None).unwrap();
    let (mut defers, mut panics) = (Vec::new(), Vec::new());
    go.defers(Addr(g), |d| {
        defers.push((d.d.0, d.sp, d.pc, d.func.0, d.entry, d.link.0));
        Ok(())
    })
    .unwrap();
    go.panics(Addr(g), |p| {
        panics.push((p.p.0, p.type_.0, p.data.0, p.link.0));
        Ok(())
    })
    .unwrap();
    let expected = [(first, 5, 15, funcval, TEXT + 0x100, second), (second, 6, 16, 0, 0, 0)];
    assert_eq!((&defers[..], &panics[..]), (&expected[..], &[(panic, 0x77, 0x78, 0)][..]), "{}", T::GOARCH);
}

/// A goroutine in a function of forty words, whose tables begin where a module's `gofunc` says.
struct Framed<T> {
    image: Image<T>,
    f: u64,
    /// Where the local variables end.
    varp: u64,
    fp: u64,
    tables: u64,
}

impl<T: Target> Framed<T> {
    fn new(name: &str) -> Self {
        let p = T::PTR_SIZE;
        let mut image = Image::<T>::new(HEADERS, &[]);
        let (entry, f) = image.function(name, 40 * p, 0);
        let (caller, _) = image.function("main.caller", 8 * p, 0);
        let fp = STACK + if T::USES_LR { 40 * p } else { 41 * p };
        let return_pc = |sp, words| if T::USES_LR { sp } else { sp + words * p };
        image.word(return_pc(STACK, 40), caller + 1);
        image.word(return_pc(fp, 8), TEXT + 0x101);
        stands_at(&mut image, entry + 1);
        let tables = image.tables + 0x3000;
        let varp = match T::GOARCH {
            "amd64" => fp - 2 * p,
            _ if T::USES_LR => fp,
            _ => fp - p,
        };
        let mut framed = Framed { image, f, varp, fp, tables };
        framed.map(0, 0, 0);
        framed
    }

    /// What the map of its local variables says.
    fn map(&mut self, n: u64, nbit: u64, bits: u8) {
        for (field, value) in [("n", n), ("nbit", nbit)] {
            self.image.put(self.tables, "runtime.stackmap", field, 0, value);
        }
        let bytedata = self.image.offset("runtime.stackmap", "bytedata");
        self.image.bytes(self.tables + bytedata, &[bits]);
        self.image.funcdata(self.f, 1, 0);
    }

    /// Describes an object: where it begins, how many words it has, and how many of them are described how.
    fn record(&mut self, at: u64, off: i64, words: i64, described: i64, gcdataoff: u64) {
        let p = T::PTR_SIZE as i64;
        for (field, value) in [
            ("off", (off * p) as u64),
            ("size", (words * p) as u64),
            ("ptrBytes", (described * p) as u64),
            ("gcdataoff", gcdataoff),
        ] {
            self.image.put(at, "runtime.stackObjectRecord", field, 0, value);
        }
    }

    /// The objects of the frame, each as in [`Self::record`].
    fn objects(&mut self, objects: &[(i64, i64, i64, u64)]) {
        let table = self.tables + 0x100;
        self.image.layouts.sizes.insert("runtime.stackObjectRecord", 0x80);
        self.image.word(table, objects.len() as u64);
        self.image.funcdata(self.f, 2, 0x100);
        for (i, &(off, words, described, gcdataoff)) in (0..).zip(objects) {
            self.record(table + T::PTR_SIZE + i * 0x80, off, words, described, gcdataoff);
        }
    }

    fn frames(&self) -> Result<Vec<(u64, Vec<u64>, Locals)>, String> {
        let mut frames = Vec::new();
        let go = self.image.go(None).unwrap();
        let end = go.frames(Addr(self.image.g()), |frame| {
            let Frame { s, locals, objects, .. } = frame;
            frames.push((s.sp, objects.clone(), *locals));
            Ok(())
        });
        end.map(|()| frames).map_err(|error| error.to_string())
    }
}

fn sizes_of_local_variables<T: Target>() {
    let mut framed = Framed::<T>::new("main.f");
    assert!(matches!(framed.frames().unwrap()[0].2, Locals::None), "{}", T::GOARCH);
    framed.map(-24i64 as u64, 3, 0);
    assert!(matches!(framed.frames().unwrap()[0].2, Locals::Size(24)), "{}", T::GOARCH);
    framed.map(1, 3, 0);
    assert!(matches!(framed.frames().unwrap()[0].2, Locals::Map(bv) if bv.n == 3), "{}", T::GOARCH);
    framed.image.funcdata(framed.f, 1, u32::MAX);
    assert!(matches!(framed.frames().unwrap()[0].2, Locals::Unknown), "{}", T::GOARCH);
}

/// Each call has the map that a table says; a goroutine that has not begun has the first.
fn maps_of_calls<T: Target>() {
    let mut framed = Framed::<T>::new("main.f");
    framed.map(2, 3, 0);
    let (f, image) = (framed.f, &mut framed.image);
    let after = f + image.offset("runtime._func", "nfuncdata") + T::PTR_SIZE;
    image.put(f, "runtime._func", "npcdata", 0, 2);
    // No table of what is unsafe, that of maps, and of what funcdata there is the second kind.
    for (i, off) in (0..).zip([0, 0x300, u32::MAX, 0, u32::MAX]) {
        image.word32(after + 4 * i, off);
    }
    // From -1 to 1.
    image.bytes(image.tables + 0xc00 + 0x300, &[4, 0x80, 2, 0]);
    let bytedata = framed.tables + framed.image.offset("runtime.stackmap", "bytedata");
    let entry = TEXT + 0x300;
    for (pc, map) in [(entry + 1, 1), (entry, 0)] {
        stands_at(&mut framed.image, pc);
        let Locals::Map(bv) = framed.frames().unwrap()[0].2 else { panic!("{}", T::GOARCH) };
        assert_eq!(bv.bytedata.0, bytedata + map, "{} {pc:#x}", T::GOARCH);
    }
}

/// Pointers in variables whose addresses are taken, if nothing else lists them.
fn objects_of_frames<T: Target>() {
    let p = T::PTR_SIZE;
    let mut framed = Framed::<T>::new("main.f");
    framed.map(1, 3, 0b101);
    framed.image.bytes(framed.tables + 0x700, &[0b1111, 0b10, 0b101]);
    framed.objects(&[
        (-4, 4, 4, 0x700),
        // Of eleven words in two bytes.
        (-20, 12, 11, 0x701),
        // Described by a program: all its words are.
        (-30, 2, -2, 0xdead_0000),
        // An argument, which is in the caller's frame, and one that has no pointers.
        (0, 1, 1, 0x700),
        (-35, 1, 0, 0x700),
    ]);
    let frames = framed.frames().unwrap();
    let at = |words: u64| framed.varp - words * p - STACK;
    // The map lists the first and the third of three words.
    let expected = [30, 29, 19, 12, 10, 4, 2].map(at);
    assert_eq!((frames[0].0, &frames[0].1[..]), (STACK, &expected[..]), "{}", T::GOARCH);
    assert_eq!((frames[1].0, &frames[1].1[..]), (framed.fp, &[T::MIN_FRAME_SIZE][..]), "{}", T::GOARCH);
    // Where no map says which local variables are pointers, all words are listed anyway.
    framed.image.funcdata(framed.f, 1, u32::MAX);
    assert!(framed.frames().unwrap()[0].1.is_empty(), "{}", T::GOARCH);
    // Those of a function through which reflect calls are in a variable of the runtime.
    let mut framed = Framed::<T>::new("reflect.methodValueCall");
    let (value, bits, arg0) = (framed.image.alloc(0x40), framed.image.alloc(0x40), STACK + T::MIN_FRAME_SIZE);
    let entry = TEXT + 0x300;
    framed.image.put(framed.f, "runtime._func", "args", 0, 0x8000_0000);
    framed.image.word(arg0, value);
    framed.image.word(value, entry);
    framed.image.word(value + p, bits);
    framed.objects(&[(-9, 1, 1, 0x700)]);
    framed.image.layouts.sizes.insert("runtime.stackObjectRecord", 0x100);
    framed.image.bytes(framed.tables + 0x700, &[1]);
    let variable = framed.image.variable("runtime.methodValueCallFrameObjs");
    for (i, off) in (0..).zip([-5, -6, -7, -8]) {
        framed.record(variable + i * 0x100, off, 1, 1, 0x700);
    }
    let expected = [8, 7, 6, 5].map(|words| framed.varp - words * p - STACK);
    assert_eq!(framed.frames().unwrap()[0].1, expected, "{}", T::GOARCH);
    // Another function has its own, even if it is not known how large its arguments are.
    framed.image.bytes(framed.image.tables + 0x800 + 0x10 + 3 * 0x60, b"reflect.otherFunction\0\0");
    let expected = [framed.varp - 9 * p - STACK];
    framed.image.layouts.sizes.insert("runtime.stackObjectRecord", 0x80);
    assert_eq!(framed.frames().unwrap()[0].1, expected, "{}", T::GOARCH);
}

#[test]
fn goroutines_and_their_frames() {
    fn on<T: Target>() {
        goroutines_of_the_runtime::<T>();
        finalizers_that_run::<T>();
        why_goroutines_wait::<T>();
        statuses::<T>();
        contexts::<T>();
        the_goroutine_that_dumps::<T>();
        deferred_calls_and_panics::<T>();
        sizes_of_local_variables::<T>();
        maps_of_calls::<T>();
        objects_of_frames::<T>();
    }
    on::<Amd64>();
    on::<I386>();
    on::<Mips>();
    on::<S390x>();
}

#[test]
fn objects_that_no_frame_has() {
    let too_many = "no function has so many variables";
    for (n, says) in [(1u64 << 20, false), ((1 << 20) + 1, true)] {
        let mut framed = Framed::<Amd64>::new("main.f");
        framed.objects(&[(-1, 1, 2, 0)]);
        framed.image.word(framed.tables + 0x100, n);
        let error = framed.frames().err().expect("what is described is not there");
        assert_eq!(error.contains(too_many), says, "{error}");
    }
    // The stack has 1024 words, and an object one more.
    for (words, is_there) in [(1024, true), (1025, false)] {
        let mut framed = Framed::<Amd64>::new("main.f");
        let first = (STACK as i64 - framed.varp as i64) / 8;
        framed.objects(&[(first, words, -words, 0)]);
        let frames = framed.frames();
        assert_eq!(frames.is_ok(), is_there, "{words}");
        if let Ok(frames) = frames {
            assert_eq!(frames[0].1.len(), 41);
        }
    }
}
