//! Goroutines and their stacks, as far as a dump shows them. (Unwinding itself is tested beside
//! `gentraceback`.)

use crate::go15::arch::Target;
use crate::go15::defects::{Defects, Dialect};
use crate::go15::structs::*;
use crate::memory::Addr;
use crate::process::field::{Field, GoType, Uintptr};
use crate::target::{Amd64, I386, Ppc64};
use crate::testing::*;

const WAITING: u32 = 4;

/// Where frames begin, and how far above the next one does.
const SP: u64 = STACK + 0x100;
const FRAME: u64 = 64;

/// A process with one goroutine, in which `inner` was called by `outer`, and that by `goexit`.
///
/// Each of the two functions has a frame of [`FRAME`] bytes, the return PC included where a call pushes it.
pub(super) struct TwoFrames<T> {
    pub image: Image<T>,
    pub g: Addr,
    inner: u64,
    outer: u64,
}

impl<T: Target> TwoFrames<T> {
    pub(super) fn new(inner: Function, outer: Function) -> Self {
        Self::at(SP, inner, outer)
    }

    /// With the innermost frame somewhere else; see [`TwoFrames::frames`] for what needs it at [`SP`].
    fn at(sp: u64, inner: Function, outer: Function) -> Self {
        let mut image = Image::<T>::new();
        let delta = (FRAME - if T::USES_LR { 0 } else { T::REG_SIZE }) as i32;
        let [inner, outer] = [inner, outer].map(|f| {
            let pcsp = vec![(delta, FUNCTION_SIZE)];
            image.function(Function { pcsp, ..f }).0
        });
        let goexit = image.symbols.goexit.0;
        let g = image.goroutine(WAITING, inner + 0x20, sp, 0);
        image.return_pc(sp, sp + FRAME, outer + 0x40);
        image.return_pc(sp + FRAME, sp + 2 * FRAME, goexit + T::PC_QUANTUM);
        TwoFrames { image, g, inner, outer }
    }

    /// The contents of stack memory.
    fn stack(&self, at: u64, len: u64) -> Vec<u8> {
        let mut bytes = vec![0; len as usize];
        crate::Memory::read(&self.image.memory, Addr(at), &mut bytes).unwrap();
        bytes
    }

    /// The three frames' records, given the offsets of their fields.
    fn frames(&self, fields: [&[u64]; 3]) -> Vec<u8> {
        let goexit = self.image.symbols.goexit.0;
        let last = if T::USES_LR { 0 } else { T::REG_SIZE };
        let frames = [
            (SP, FRAME, self.inner, self.inner + 0x20, "inner", fields[0]),
            (SP + FRAME, FRAME, self.outer, self.outer + 0x40, "outer", fields[1]),
            (SP + 2 * FRAME, last, goexit, goexit + T::PC_QUANTUM, "runtime.goexit", fields[2]),
        ];
        let mut out = Vec::new();
        for (depth, (sp, len, entry, pc, name, fields)) in frames.into_iter().enumerate() {
            let child_sp = if depth == 0 { 0 } else { sp - FRAME };
            out.extend(ints(&[5, sp, depth as u64, child_sp]));
            out.extend(counted(&self.stack(sp, len)));
            out.extend(ints(&[entry, pc, pc]));
            out.extend(counted(name.as_bytes()));
            out.extend(ints(&fields.iter().flat_map(|&off| [1, off]).collect::<Vec<_>>()));
            out.push(0);
        }
        out
    }

    /// The goroutine's record, with everything zero that a new [`Image`] leaves zero.
    fn goroutine(&self) -> Vec<u8> {
        ints(&[4, self.g.0, SP, 0, 0, u64::from(WAITING), 0, 0, 0, 0, 0, 0, 0, 0])
    }

    fn dump(&mut self, defects: Defects) -> Vec<u8> {
        self.image.dump_with(defects).0.unwrap()
    }

    /// The dump, given the offsets of the frames' fields.
    fn expected(&self, fields: [&[u64]; 3]) -> Vec<u8> {
        let goroutines = [self.goroutine(), self.frames(fields)].concat();
        Expected::<T> { goroutines, ..Default::default() }.bytes()
    }
}

pub(super) fn named(name: &'static str) -> Function {
    Function { name, ..Function::default() }
}

/// Stack maps that say that there are no local variables.
fn no_locals<T: Target>(image: &mut Image<T>) -> Addr {
    image.stackmap(0, 0, &[])
}

/// What goexit lists where it has no stack map: every word below its return PC, which is none.
const GOEXIT: &[u64] = &[];

/// Every word of a frame from `first` on, up to its local variables' end.
fn all_words<T: Target>(first: u64) -> Vec<u64> {
    let top = if T::USES_LR { FRAME } else { FRAME - T::REG_SIZE };
    (first..top).step_by(T::PTR_SIZE as usize).collect()
}

each_target!(frames_without_stack_maps_list_every_word);
fn frames_without_stack_maps_list_every_word<T: Target>() {
    let mut two = TwoFrames::<T>::new(named("inner"), named("outer"));
    // The callee has no arguments; on a link-register machine they would begin after the saved LR, and
    // so does the list.
    let outer = all_words::<T>(if T::USES_LR { T::PTR_SIZE } else { 0 });
    let expected = two.expected([&all_words::<T>(0), &outer, GOEXIT]);
    assert_same(&two.dump(Defects::NONE), &expected);
    let expected = two.expected([&all_words::<T>(0), &all_words::<T>(0), GOEXIT]);
    assert_same(&two.dump(Dialect::Go15Exact.defects()), &expected);
}

each_target!(a_callees_arguments_without_a_map_are_all_listed);
fn a_callees_arguments_without_a_map_are_all_listed<T: Target>() {
    // 17 bytes of arguments, as an assembly function can have.
    let mut two =
        TwoFrames::<T>::new(Function { args: 17, ..named("inner") }, Function { args: 0, ..named("outer") });
    let argoff = if T::USES_LR { T::PTR_SIZE } else { 0 };
    let args: Vec<u64> = (argoff..argoff + 17).step_by(T::PTR_SIZE as usize).collect();
    let fixed = [args.clone(), all_words::<T>((argoff + 17).next_multiple_of(T::PTR_SIZE))].concat();
    let expected = two.expected([&all_words::<T>(0), &fixed, GOEXIT]);
    assert_same(&two.dump(Defects::NONE), &expected);
    // The defect: from arglen on, without argoff and wherever that may be.
    let defects = Defects { locals_from_arglen: true, ..Defects::NONE };
    let expected = two.expected([&all_words::<T>(0), &[args, all_words::<T>(17)].concat(), GOEXIT]);
    assert_same(&two.dump(defects), &expected);
}

each_target!(arguments_beyond_the_frame);
fn arguments_beyond_the_frame<T: Target>() {
    // The outermost function has four words of arguments; goexit's frame has at most a return PC.
    let args = 4 * T::PTR_SIZE as i32;
    let mut two = TwoFrames::<T>::new(named("inner"), Function { args, ..named("outer") });
    let outer = all_words::<T>(if T::USES_LR { T::PTR_SIZE } else { 0 });
    let contents = if T::USES_LR { 0 } else { T::REG_SIZE };
    let argoff = if T::USES_LR { T::PTR_SIZE } else { 0 };
    let listed: Vec<u64> = (argoff..argoff + args as u64).step_by(T::PTR_SIZE as usize).collect();
    let inside: Vec<u64> = listed.iter().copied().filter(|off| off + T::PTR_SIZE <= contents).collect();
    let expected = two.expected([&all_words::<T>(0), &outer, &inside]);
    assert_same(&two.dump(Defects::NONE), &expected);
    let defects = Defects { args_beyond_frame: true, ..Defects::NONE };
    let expected = two.expected([&all_words::<T>(0), &outer, &listed]);
    assert_same(&two.dump(defects), &expected);
    assert_ne!(inside, listed);
}

each_target!(argument_maps);
fn argument_maps<T: Target>() {
    // Without a map every word of outer's arguments is listed, which is the one that its map has.
    with_argument_maps::<T>(|image| image.stackmap(1, 1, &[1, 0, 0, 0]));
    with_argument_maps::<T>(|_| Addr::NIL);
}

fn with_argument_maps<T: Target>(of_outer: impl FnOnce(&mut Image<T>) -> Addr) {
    let mut two = TwoFrames::<T>::new(named("inner"), named("outer"));
    // Of the callee's two maps the second is right at its PC: words 0 and 2 of 3. Both functions'
    // locals have maps that say there are none.
    let none = no_locals(&mut two.image);
    let args = two.image.stackmap(2, 3, &[0b111, 0, 0, 0, 0b101, 0, 0, 0]);
    let outer_args = of_outer(&mut two.image);
    let pcdata = vec![vec![(-1, 4), (1, FUNCTION_SIZE)]];
    let delta = (FRAME - if T::USES_LR { 0 } else { T::REG_SIZE }) as i32;
    let pcsp = vec![(delta, FUNCTION_SIZE)];
    let [inner, outer] = [("inner", args, 3), ("outer", outer_args, 1)].map(|(name, map, args)| {
        let funcdata = vec![map, none];
        let pcdata = if name == "inner" { pcdata.clone() } else { vec![] };
        let args = args * T::PTR_SIZE as i32;
        two.image
            .function(Function { name, args, pcsp: pcsp.clone(), pcdata, funcdata, ..Function::default() })
            .0
    });
    (two.inner, two.outer) = (inner, outer);
    let goexit = two.image.symbols.goexit.0;
    two.image.set(two.g, G::sched().then(Gobuf::pc()), inner + 0x20);
    two.image.return_pc(SP, SP + FRAME, outer + 0x40);
    two.image.return_pc(SP + FRAME, SP + 2 * FRAME, goexit + T::PC_QUANTUM);

    let argoff = if T::USES_LR { T::PTR_SIZE } else { 0 };
    let in_goexit: &[u64] = if !T::USES_LR { &[0] } else { &[] };
    let fields = [argoff, argoff + 2 * T::PTR_SIZE];
    let expected = two.expected([&[], &fields, in_goexit]);
    assert_same(&two.dump(Defects::NONE), &expected);
    let expected = two.expected([&[], &fields, &[argoff]]);
    assert_same(&two.dump(Defects::ALL), &expected);
}

each_target!(maps_of_local_variables);
fn maps_of_local_variables<T: Target>() {
    let top = if T::USES_LR { FRAME } else { FRAME - T::REG_SIZE };
    let ptr = T::PTR_SIZE;
    let mut image = Image::<T>::new();
    let bitmap = image.stackmap(2, 4, &[0b1111, 0, 0, 0, 0b1001, 0, 0, 0]);
    let size = image.stackmap(-2 * ptr as i32, 0, &[]);
    let none = no_locals(&mut image);
    // At the entry itself the PC is not moved back; where the table says -1, map 0 is taken.
    let pcdata = [vec![(1, 1), (-1, 0x20), (1, FUNCTION_SIZE)]];
    let cases: [(&str, Addr, u64, Vec<u64>); 5] = [
        ("bitmap 1 at entry", bitmap, 0, vec![top - 4 * ptr, top - ptr]),
        ("bitmap 0 by default", bitmap, 0x20, (0..4).map(|i| top - (4 - i) * ptr).collect()),
        ("bitmap 1", bitmap, 0x21, vec![top - 4 * ptr, top - ptr]),
        ("negative: a size", size, 0x21, vec![top - 2 * ptr, top - ptr]),
        ("zero: none", none, 0x21, vec![]),
    ];
    // A PC quantum of 4 knows no odd steps, and the table must be read at the same places.
    let scale = |steps: &Vec<(i32, u64)>| steps.iter().map(|&(v, pc)| (v, pc * T::PC_QUANTUM)).collect();
    for (what, map, pc, fields) in cases {
        let mut image = image.clone();
        let entry = image
            .function(Function {
                name: "f",
                pcsp: vec![(top as i32, 4 * FUNCTION_SIZE)],
                pcdata: pcdata.iter().map(scale).collect(),
                funcdata: vec![Addr::NIL, map],
                ..Function::default()
            })
            .0;
        let pc = entry + if pc == 0x20 { 0x20 * T::PC_QUANTUM } else { pc * T::PC_QUANTUM };
        image.goroutine(WAITING, pc, SP, 0);
        let goexit = image.symbols.goexit.0;
        image.return_pc(SP, SP + FRAME, goexit + T::PC_QUANTUM);
        let dump = image.dump(Dialect::Go15).unwrap();
        let fields: Vec<u64> = fields.iter().flat_map(|&off| [1, off]).chain([0]).collect();
        let expected =
            [ints(&[entry, pc, pc]), counted(b"f"), ints(&fields), ints(&[5, SP + FRAME, 1])].concat();
        assert!(dump.windows(expected.len()).any(|w| w == expected), "{what}");
    }
}

each_target!(a_function_without_a_name);
fn a_function_without_a_name<T: Target>() {
    let mut two = TwoFrames::<T>::new(named(""), named("outer"));
    let dump = two.dump(Defects::NONE);
    let record =
        [ints(&[two.inner, two.inner + 0x20, two.inner + 0x20]), counted(b"unknown function")].concat();
    assert!(dump.windows(record.len()).any(|w| w == record));
}

each_target!(a_goroutines_fields);
fn a_goroutines_fields<T: Target>() {
    let mut two = TwoFrames::<T>::new(named("inner"), named("outer"));
    let g = two.g;
    two.image.set(g, G::goid(), 0x1_0000_0011);
    two.image.set(g, G::waitsince(), u64::MAX);
    for (field, value) in [(G::gopc(), 0x1111), (G::startpc(), two.image.symbols.bgsweep.0)] {
        two.image.set(g, field, value);
    }
    two.image.set(g, G::sched().then(Gobuf::ctxt()), 0x2222);
    two.image.set(g, G::m(), 0x3333);
    let reason = two.image.data(b"chan receive");
    two.image.header(g.add(G::waitreason::<T>().offset), reason, 12);

    // Two defers, the inner one of which belongs to no frame yet; two panics.
    let defers = [0, 1].map(|_| two.image.alloc(<Defer as GoType<T>>::SIZE));
    let closure = two.image.alloc(8);
    two.image.word(closure, 0xc0de);
    for (d, sp, pc, link) in [(defers[0], SP, 0x51, defers[1]), (defers[1], SP + FRAME, 0x52, Addr::NIL)] {
        two.image.set(d, Defer::sp(), sp);
        two.image.set(d, Defer::pc(), pc);
        two.image.set(d, Defer::r#fn(), closure.0);
        two.image.set(d, Defer::link(), link.0);
    }
    let panics = [0, 1].map(|_| two.image.alloc(<Panic as GoType<T>>::SIZE));
    for (p, typ, data, link) in [(panics[0], 0x61, 0x62, panics[1]), (panics[1], 0x63, 0x64, Addr::NIL)] {
        two.image.set(p, Panic::arg().then(Eface::_type()), typ);
        two.image.set(p, Panic::arg().then(Eface::data()), data);
        two.image.set(p, Panic::link(), link.0);
    }
    two.image.set(g, G::_defer(), defers[0].0);
    two.image.set(g, G::_panic(), panics[0].0);

    let record = [
        ints(&[4, g.0, SP, 0x1_0000_0011, 0x1111, 4, 1, 0, u64::MAX]),
        counted(b"chan receive"),
        ints(&[0x2222, 0x3333, defers[0].0, panics[0].0]),
    ]
    .concat();
    let outer = all_words::<T>(if T::USES_LR { T::PTR_SIZE } else { 0 });
    let frames = two.frames([&all_words::<T>(0), &outer, GOEXIT]);
    let lists = ints(
        &[
            [14, defers[0].0, g.0, SP, 0x51, closure.0, 0xc0de, defers[1].0].as_slice(),
            &[14, defers[1].0, g.0, SP + FRAME, 0x52, closure.0, 0xc0de, 0],
            &[15, panics[0].0, g.0, 0x61, 0x62, 0, panics[1].0],
            &[15, panics[1].0, g.0, 0x63, 0x64, 0, 0],
        ]
        .concat(),
    );
    let goroutines = [record, frames, lists].concat();
    let expected = Expected::<T> { goroutines, ..Default::default() };
    assert_same(&two.dump(Defects::NONE), &expected.bytes());

    // Each list, led back into itself.
    two.image.set(panics[1], Panic::link(), panics[0].0);
    let error = two.image.error().to_string();
    assert!(error.starts_with("the list linked through _panic.link loops"), "{error}");
    two.image.set(defers[1], Defer::link(), defers[1].0);
    let error = two.image.error().to_string();
    assert!(error.starts_with("the list linked through _defer.link loops"), "{error}");
}

each_target!(registers_of_a_system_call_come_first);
fn registers_of_a_system_call_come_first<T: Target>() {
    let mut two = TwoFrames::<T>::new(named("inner"), named("outer"));
    two.image.set(two.g, G::syscallsp(), SP);
    two.image.set(two.g, G::syscallpc(), two.inner + 0x20);
    two.image.set(two.g, G::sched().then(Gobuf::sp()), 1);
    two.image.set(two.g, G::sched().then(Gobuf::pc()), 2);
    two.image.set(two.g, G::sched().then(Gobuf::lr()), 3);
    two.image.set(two.g, G::atomicstatus(), 3);
    let dump = two.dump(Defects::NONE);
    let goroutine = ints(&[4, two.g.0, SP, 0, 0, 3]);
    assert_same(&dump[32..][..goroutine.len()], &goroutine);
}

#[test]
fn statuses() {
    let with = |status: u64| {
        let mut two = TwoFrames::<I386>::new(named("inner"), named("outer"));
        two.image.set(two.g, G::atomicstatus(), status);
        let g = two.g.to_string();
        two.image.dump(Dialect::Go15).map_err(|error| error.to_string().replace(&g, "G"))
    };
    for status in [1, 3, 4] {
        let dump = with(status).unwrap();
        assert_eq!(dump[32], 4, "a goroutine's record follows the parameters");
    }
    assert_same(&with(6).unwrap(), &Expected::<I386>::default().bytes());
    for status in [0, 2, 5, 7, 8, 0x1004] {
        assert_eq!(
            with(status).unwrap_err(),
            format!(
                "g.atomicstatus of the goroutine at G is {status:#x}: with the world stopped it can only be \
                 runnable, in a system call, waiting or dead"
            )
        );
    }
}

#[test]
fn system_goroutines() {
    let is_system = |startpc: fn(&crate::Symbols) -> Addr, running: bool| {
        let mut two = TwoFrames::<Amd64>::new(named("inner"), named("outer"));
        let startpc = startpc(&two.image.symbols);
        two.image.set(two.g, G::startpc(), startpc.0);
        two.image.memory.write(two.image.symbols.fing_running, &[u8::from(running)]);
        let dump = two.dump(Defects::NONE);
        let before = ints(&[4, two.g.0, SP, 0, 0, 4]).len();
        dump[32 + before] == 1
    };
    assert!(is_system(|s| s.bgsweep, false));
    assert!(is_system(|s| s.runfinq, false), "runfinq, while it runs no finalizer");
    assert!(!is_system(|s| s.runfinq, true), "runfinq, while it runs one");
    assert!(!is_system(|s| s.goexit, false));
}

#[test]
fn a_length_of_allgs_that_cannot_be() {
    let mut image = Image::<Ppc64>::new();
    image.finish();
    image.set(image.symbols.allglen, Field::<Ppc64, Uintptr>::variable("allglen"), u64::MAX / 4);
    let error = image.dump_as_is(Defects::NONE).0.unwrap_err().to_string();
    assert!(error.starts_with("runtime.allglen at 0x"), "{error}");
    assert!(error.ends_with("that is beyond the end of the address space"), "{error}");
    image.set(image.symbols.allglen, Field::<Ppc64, Uintptr>::variable("allglen"), 1);
    let error = image.dump_as_is(Defects::NONE).0.unwrap_err().to_string();
    assert!(error.starts_with("reading "), "{error}");
}

/// Nothing is above an outermost frame, so that its length is believed. What is too long for one write of the reference
/// is lost without being read.
#[test]
fn a_frame_that_ends_after_memory() {
    for delta in [1 << 20, i32::MAX - 3] {
        let mut image = Image::<I386>::new();
        let pcsp = vec![(delta, FUNCTION_SIZE)];
        let f = image.function(Function { pcsp, ..named("outermost") });
        image.symbols.mstart = f;
        image.goroutine(4, f.0 + 4, SP, 0);
        for dialect in Dialect::ALL {
            let error = image.dump(dialect).unwrap_err().to_string();
            assert!(error.starts_with("reading stack frame.contents: cannot read "), "{error}");
        }
    }
}

/// Go 1.5 loses what cannot be read of a frame. Only where a frame is so long that its words could not be listed is that an
/// error in both dialects.
#[test]
fn frames_of_many_bytes() {
    const LARGE: u64 = 1 << 16;
    let dump_of = |len: u64, memory: u64, dialect| {
        let mut image = Image::<I386>::new();
        let start = 0x5000_0000;
        image.memory.map(start, memory);
        let f =
            image.function(Function { pcsp: vec![(len as i32 - 4, FUNCTION_SIZE)], ..named("outermost") });
        image.symbols.mstart = f;
        image.goroutine(4, f.0 + 4, start, 0);
        image.dump(dialect)
    };
    for len in [LARGE / 2, LARGE] {
        assert!(dump_of(len, 4, Dialect::Go15).is_err(), "{len} bytes, of which 4 are there");
        assert!(dump_of(len, 4, Dialect::Go15Exact).is_ok());
    }
    for dialect in Dialect::ALL {
        assert!(dump_of(LARGE + 4, LARGE, dialect).is_err());
        let whole = dump_of(LARGE + 4, LARGE + 4, dialect).unwrap();
        assert!(whole.len() as u64 > LARGE, "{dialect}: the frame is there, and dumped");
    }
}

/// Where a stack ends with the arguments of its outermost frame, or where there are none.
#[test]
fn a_stack_that_ends_with_a_frame() {
    let end = STACK + STACK_SIZE;
    let outer = |args| Function { args, ..named("outer") };
    // goexit's frame has its return PC, and in it the argument.
    let mut two = TwoFrames::<Amd64>::at(end - 2 * FRAME - 8, named("inner"), outer(8));
    two.dump(Defects::NONE);
    // It has nothing; arguments would begin after a word for the link register.
    let mut two = TwoFrames::<Ppc64>::at(end - 2 * FRAME, named("inner"), outer(0));
    two.dump(Defects::NONE);
}

/// Sizes are believed as far as there is memory: up to the end of the goroutine's stack.
#[test]
fn arguments_of_more_bytes_than_there_are() {
    let error_of = |args, dialect| {
        let mut two = TwoFrames::<Amd64>::new(Function { args, ..named("inner") }, named("outer"));
        two.image.dump(dialect).err().map(|error| error.to_string())
    };
    let outer_to_end = STACK + STACK_SIZE - (SP + FRAME);
    for dialect in [Dialect::Go15, Dialect::Go15Exact] {
        for args in [i32::MIN, -1, -8, i32::MAX, 1_000_000_000, outer_to_end as i32 + 8] {
            let error = error_of(args, dialect).expect("so many are not there");
            let size = format!("is said to have {:#x} bytes of arguments", i64::from(args));
            assert!(error.contains(&size), "{error}");
        }
        assert_eq!(error_of(outer_to_end as i32, dialect), None);
    }
}

#[test]
fn a_size_of_arguments_that_have_a_map_may_be_unknown() {
    let mut image = |args| {
        let mut two = TwoFrames::<Amd64>::new(named("inner"), named("outer"));
        let map = two.image.stackmap(1, 2, &[0b11]);
        let inner = Function {
            args,
            funcdata: vec![map],
            pcsp: vec![(FRAME as i32 - 8, FUNCTION_SIZE)],
            ..named("f")
        };
        let inner = two.image.function(inner);
        two.image.set(two.g, G::sched().then(Gobuf::pc()), inner.0 + 0x20);
        two.image.dump(Dialect::Go15).unwrap()
    };
    // No local variable is left after arguments without end.
    let [known, unknown] = [16, i32::MIN].map(&mut image);
    assert!(unknown.len() < known.len());
    assert_eq!(unknown, image(-1));
}

/// A map says how many words of arguments there are, and memory whether that can be.
#[test]
fn a_map_of_more_arguments_than_there_are() {
    let to_end = (STACK + STACK_SIZE - (SP + FRAME)) as i32 / 8;
    let dump_of = |words: i32| {
        let mut two = TwoFrames::<Amd64>::new(named("inner"), named("outer"));
        let map = two.image.stackmap(1, words, &vec![0; words as usize / 8 + 1]);
        let f = Function { funcdata: vec![map], ..Function::with_frame("f", FRAME as i32 - 8) };
        let f = two.image.function(f);
        two.image.set(two.g, G::sched().then(Gobuf::pc()), f.0 + 0x20);
        two.image.dump(Dialect::Go15).map_err(|error| error.to_string())
    };
    assert!(dump_of(to_end).is_ok());
    let error = dump_of(to_end + 1).unwrap_err();
    assert!(
        error.contains(&format!("is said to have {:#x} bytes of arguments", 8 * (to_end + 1))),
        "{error}"
    );
}

#[test]
fn locals_that_do_not_fit_into_their_frame() {
    let dump_of = |bits, at: u64| {
        let mut two = TwoFrames::<Amd64>::new(named("inner"), named("outer"));
        let map = two.image.stackmap(1, bits, &[0xff; 64]);
        // The frame is there from the second quarter of the function on.
        let pcsp = vec![(0, FUNCTION_SIZE / 4), (FRAME as i32 - 8, FUNCTION_SIZE)];
        let f = two.image.function(Function { pcsp, funcdata: vec![Addr::NIL, map], ..named("f") });
        two.image.set(two.g, G::sched().then(Gobuf::pc()), f.0 + at);
        if at < FUNCTION_SIZE / 4 {
            two.image.set(two.g, G::sched().then(Gobuf::sp()), SP + FRAME - 8);
        }
        two.image.dump(Dialect::Go15).map_err(|error| error.to_string())
    };
    let words = FRAME as i32 / 8 - 1;
    let late = FUNCTION_SIZE / 2;
    assert!(dump_of(words, late).is_ok() && dump_of(words, 4).is_ok());
    let error = dump_of(words + 1, late).unwrap_err();
    assert!(
        error.contains("the stack map of the function at 0x") && error.ends_with("its frame is smaller"),
        "{error}"
    );
    // In a prologue the frame is still to be made.
    assert!(dump_of(words + 1, 4).is_ok());
}

#[test]
fn stack_maps_that_cannot_be() {
    let error_of = |make: fn(&mut Image<Amd64>) -> Addr| {
        let mut two = TwoFrames::<Amd64>::new(named("inner"), named("outer"));
        let map = make(&mut two.image);
        let f = Function { funcdata: vec![map], ..Function::with_frame("f", FRAME as i32 - 8) };
        let f = Function { pcdata: vec![vec![(1, FUNCTION_SIZE)]], ..f };
        let f = two.image.function(f);
        two.image.set(two.g, G::sched().then(Gobuf::pc()), f.0 + 0x20);
        two.image.error().to_string().split_once(": ").unwrap().1.replace(&f.to_string(), "F")
    };
    assert_eq!(
        error_of(|image| image.stackmap(1, 1, &[0])),
        "stack map index 1 is out of range for the function at F, which has 1"
    );
    let error = error_of(|image| image.stackmap(2, -1, &[0]));
    assert!(error.ends_with("has a negative number of bits"), "{error}");
}
