//! Unwinding stacks that are right, on every target, and stacks that are not.

use super::*;
use crate::Dialect;
use crate::go15::Program;
use crate::target::{Amd64, Arm, Ppc64};
use crate::testing::*;

fn taken_up<T: Target>(image: &Image<T>) -> Result<Go15<'_, T>, Error> {
    Go15::new(&image.memory, &Program::new(&image.symbols, Dialect::Go15))
}

const SP: u64 = STACK + 0x800;
const SIZE: u64 = 64;

/// What a frame looked like to the callback: the function's entry, and what was derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    entry: u64,
    pc: u64,
    continpc: u64,
    sp: u64,
    fp: u64,
}

/// A process with functions of every kind of frame, and one goroutine.
struct Stack<T> {
    image: Image<T>,
    g: Addr,
    /// A function with a frame of `SIZE` bytes, the pushed return PC included.
    f: u64,
    /// Another one.
    h: u64,
    /// A function without a frame.
    leaf: u64,
}

/// What is on the stack of a machine without a link register besides a function's own frame.
fn pushed<T: Target>() -> u64 {
    if T::USES_LR { 0 } else { T::REG_SIZE }
}

impl<T: Target> Stack<T> {
    fn new() -> Self {
        let mut image = Image::<T>::new();
        let delta = (SIZE - pushed::<T>()) as i32;
        let f = image.function(Function::with_frame("f", delta)).0;
        let h = image.function(Function::with_frame("h", delta)).0;
        let leaf = image.function(Function::with_frame("leaf", 0)).0;
        let g = image.goroutine(4, 0, 0, 0);
        Stack { image, g, f, h, leaf }
    }

    /// The return PC into `goexit`.
    fn goexit(&self) -> u64 {
        self.image.symbols.goexit.0 + T::PC_QUANTUM
    }

    /// Lets the frame of `SIZE` bytes at `sp` return to `pc`.
    fn returns(&mut self, sp: u64, pc: u64) {
        self.image.return_pc(sp, sp + SIZE, pc);
    }

    /// What is expected of a frame of `SIZE` bytes that can continue where it is.
    fn seen(entry: u64, pc: u64, sp: u64) -> Seen {
        Seen { entry, pc, continpc: pc, sp, fp: sp + SIZE }
    }

    /// What is expected of `goexit`'s frame.
    fn seen_goexit(&self, sp: u64) -> Seen {
        let pc = self.goexit();
        Seen { entry: self.image.symbols.goexit.0, pc, continpc: pc, sp, fp: sp + pushed::<T>() }
    }

    fn trace(&mut self, pc: u64, sp: u64, lr: u64) -> Result<Vec<Seen>, Error> {
        self.image.finish();
        let process = taken_up::<T>(&self.image)?;
        let mut frames = Vec::new();
        process.gentraceback(pc, sp, lr, self.g, |_, s| {
            let Stkframe { entry, pc, continpc, sp, fp, .. } = *s;
            frames.push(Seen { entry, pc, continpc, sp, fp });
            assert_eq!(s.varp, fp - pushed::<T>());
            assert_eq!(s.argp, if T::USES_LR { fp + T::PTR_SIZE } else { fp });
            Ok(())
        })?;
        Ok(frames)
    }

    /// The reason why a stack cannot be unwound.
    fn failure(&mut self, pc: u64, sp: u64, lr: u64) -> TracebackError {
        match self.trace(pc, sp, lr) {
            Err(Error::Traceback { source, .. }) => source,
            result => panic!("{result:?}"),
        }
    }

    /// Gives the goroutine stack barriers: where each is, and what it replaced.
    fn barriers(&mut self, barriers: &[(u64, u64)], pos: u64) {
        let array = self.image.alloc(barriers.len() as u64 * 2 * T::PTR_SIZE);
        for (i, &(ptr, val)) in barriers.iter().enumerate() {
            self.image.header(array.add(i as u64 * 2 * T::PTR_SIZE), Addr(ptr), val);
        }
        self.image.set_slice(self.g, G::stkbar(), array, barriers.len() as u64);
        self.image.set(self.g, G::stkbarPos(), pos);
    }

    /// Gives the goroutine defers, the innermost first: (sp, pc).
    fn defers(&mut self, defers: &[(u64, u64)]) -> Vec<Addr> {
        let addrs: Vec<Addr> = defers.iter().map(|_| self.image.alloc(<Defer as GoType<T>>::SIZE)).collect();
        for (i, &(sp, pc)) in defers.iter().enumerate() {
            self.image.set(addrs[i], Defer::sp(), sp);
            self.image.set(addrs[i], Defer::pc(), pc);
            self.image.set(addrs[i], Defer::link(), addrs.get(i + 1).map_or(0, |next| next.0));
        }
        self.image.set(self.g, G::_defer(), addrs.first().map_or(0, |first| first.0));
        addrs
    }

    /// Where the return PC of the frame of `SIZE` bytes at `sp` is.
    fn return_slot(sp: u64) -> u64 {
        if T::USES_LR { sp } else { sp + SIZE - T::REG_SIZE }
    }
}

/// `f` called by `h`, called by `goexit`.
fn f_in_h<T: Target>() -> (Stack<T>, Vec<Seen>) {
    let mut s = Stack::<T>::new();
    let (f, h, goexit) = (s.f, s.h, s.goexit());
    s.returns(SP, h + 0x10);
    s.returns(SP + SIZE, goexit);
    let frames = vec![
        Stack::<T>::seen(f, f + 8, SP),
        Stack::<T>::seen(h, h + 0x10, SP + SIZE),
        s.seen_goexit(SP + 2 * SIZE),
    ];
    (s, frames)
}

each_target!(calls);
fn calls<T: Target>() {
    let (mut s, frames) = f_in_h::<T>();
    let pc = s.f + 8;
    // A link register that is set does not count in a function that has saved its own.
    for lr in [0, 0xdead] {
        assert_eq!(s.trace(pc, SP, lr).unwrap(), frames);
    }
}

each_target!(a_leaf_function);
fn a_leaf_function<T: Target>() {
    let (mut s, mut frames) = f_in_h::<T>();
    let (leaf, back) = (s.leaf, s.f + 8);
    let sp = SP - pushed::<T>();
    if !T::USES_LR {
        s.image.memory.write(Addr(sp), &Image::<T>::bytes(T::REG_SIZE, back));
    }
    frames.insert(0, Seen { entry: leaf, pc: leaf + 4, continpc: leaf + 4, sp, fp: SP });
    assert_eq!(s.trace(leaf + 4, sp, back).unwrap(), frames);
}

each_target!(a_call_of_a_nil_function);
fn a_call_of_a_nil_function<T: Target>() {
    let (mut s, frames) = f_in_h::<T>();
    let back = s.f + 8;
    if T::USES_LR {
        // The caller is taken from the top of the stack, and then that word for its own return PC.
        s.returns(SP, s.h + 0x10);
        let frames = [Stack::<T>::seen(s.h, s.h + 0x10, SP), Stack::<T>::seen(s.h, s.h + 0x10, SP + SIZE)];
        s.returns(SP + SIZE, s.h + 0x10);
        s.returns(SP + 2 * SIZE, s.goexit());
        assert_eq!(s.trace(0, SP, 0xdead).unwrap()[..2], frames);
    } else {
        let sp = SP - T::REG_SIZE;
        s.image.memory.write(Addr(sp), &Image::<T>::bytes(T::REG_SIZE, back));
        assert_eq!(s.trace(0, sp, 0).unwrap(), frames);
    }
}

each_target!(stack_barriers_are_seen_through);
fn stack_barriers_are_seen_through<T: Target>() {
    let (mut s, frames) = f_in_h::<T>();
    let barrier = s.image.symbols.stack_barrier.0;
    let (inner, outer) = (Stack::<T>::return_slot(SP), Stack::<T>::return_slot(SP + SIZE));
    s.returns(SP, barrier);
    s.returns(SP + SIZE, barrier);
    let (h, goexit, pc) = (s.h + 0x10, s.goexit(), s.f + 8);
    // Before them one that was hit already.
    s.barriers(&[(SP - 0x40, 0xdead), (inner, h), (outer, goexit)], 1);
    assert_eq!(s.trace(pc, SP, 0).unwrap(), frames);

    s.barriers(&[(inner, h)], 0);
    let missed = TracebackError::MissedStackBarrier { found: Addr(outer), expected: Addr::NIL };
    assert_eq!(s.failure(pc, SP, 0), missed);
    s.barriers(&[(outer, goexit)], 0);
    let missed = TracebackError::MissedStackBarrier { found: Addr(inner), expected: Addr(outer) };
    assert_eq!(s.failure(pc, SP, 0), missed);
    s.barriers(&[(inner, h), (outer, goexit), (outer + 0x100, goexit)], 0);
    assert_eq!(s.failure(pc, SP, 0), TracebackError::LeftoverStackBarriers(1));
    s.barriers(&[], 1);
    let error = s.trace(pc, SP, 0).unwrap_err().to_string();
    assert!(error.ends_with("is 0x1: that is more than len(g.stkbar)"), "{error}");
}

each_target!(caught_inside_a_stack_barrier);
fn caught_inside_a_stack_barrier<T: Target>() {
    let (mut s, frames) = f_in_h::<T>();
    let (pc, barrier) = (s.f + 8, s.image.symbols.stack_barrier.0);
    // Whether it has counted itself or not.
    for pos in [0, 1] {
        s.barriers(&[(SP - T::PTR_SIZE, pc)], pos);
        assert_eq!(s.trace(barrier + 4, SP, 0).unwrap(), frames, "stkbarPos {pos}");
    }
    // What it replaced was below SP.
    for at in [SP, SP + T::PTR_SIZE] {
        s.barriers(&[(at, pc)], 0);
        assert_eq!(s.failure(barrier + 4, SP, 0), TracebackError::InStackBarrier);
    }
}

each_target!(below_a_trap_a_frame_continues_where_its_defer_says);
fn below_a_trap_a_frame_continues_where_its_defer_says<T: Target>() {
    let mut s = Stack::<T>::new();
    let sigpanic = s.image.symbols.sigpanic.0;
    let (f, h, goexit) = (s.f, s.h, s.goexit());
    // sigpanic was "called" by f, which was called by h. On link-register machines the signal
    // handler has pushed LR: one word, or two where the stack must be aligned.
    let top = 32 + pushed::<T>();
    let slot = match T::ANY {
        AnyTarget::Arm64 => 16,
        _ if T::USES_LR => T::PTR_SIZE,
        _ => 0,
    };
    let base = SP + top + slot;
    s.image.return_pc(SP, SP + top, f + 8);
    if T::USES_LR {
        s.image.word(Addr(SP + top), 0xdead);
    }
    s.returns(base, h + 0x10);
    s.returns(base + SIZE, goexit);
    let frames = |s: &Stack<T>, continpc| {
        vec![
            Seen { entry: sigpanic, pc: sigpanic + 4, continpc: sigpanic + 4, sp: SP, fp: SP + top },
            Seen { continpc, ..Stack::<T>::seen(f, f + 8, base) },
            Stack::<T>::seen(h, h + 0x10, base + SIZE),
            s.seen_goexit(base + 2 * SIZE),
        ]
    };
    assert_eq!(s.trace(sigpanic + 4, SP, 0).unwrap(), frames(&s, 0), "no defer: it does not continue");
    let no_args = no_args::<T>();
    s.defers(&[(no_args, 0x99), (base, f + 0x44), (no_args, 0x99), (base + SIZE, h + 0x55)]);
    assert_eq!(s.trace(sigpanic + 4, SP, 0).unwrap(), frames(&s, f + 0x44));
    s.defers(&[(base + SIZE, h + 0x55)]);
    assert_eq!(s.trace(sigpanic + 4, SP, 0).unwrap(), frames(&s, 0), "another frame's defer");
}

/// On a link-register machine a trap in a leaf function: what the handler pushed is the way back.
#[test]
fn a_trap_in_a_leaf_function() {
    fn check<T: Target>(slot: u64) {
        let (mut s, above) = f_in_h::<T>();
        let (leaf, back, sigpanic) = (s.leaf, s.f + 8, s.image.symbols.sigpanic.0);
        let sp = SP - slot - 32;
        s.image.word(Addr(sp), leaf + 4);
        s.image.word(Addr(sp + 32), back);
        let frames = s.trace(sigpanic + 4, sp, 0).unwrap();
        assert_eq!(frames[1], Seen { entry: leaf, pc: leaf + 4, continpc: 0, sp: SP, fp: SP });
        assert_eq!(frames[2..], above);
    }
    check::<Arm>(4);
    check::<Ppc64>(8);
    check::<crate::target::Arm64>(16);
}

#[test]
fn a_saved_base_pointer_is_no_local_variable() {
    let (mut s, _) = f_in_h::<Amd64>();
    let enabled = s.image.data(&[1]);
    s.image.symbols.framepointer_enabled = enabled;
    s.image.finish();
    let process = taken_up::<Amd64>(&s.image).unwrap();
    let mut varps = Vec::new();
    process
        .gentraceback(s.f + 8, SP, 0, s.g, |_, frame| {
            varps.push(frame.fp - frame.varp);
            Ok(())
        })
        .unwrap();
    assert_eq!(varps, [16, 16, 8], "goexit has no frame that a base pointer could be in");
}

each_target!(only_amd64_saves_base_pointers);
fn only_amd64_saves_base_pointers<T: Target>() {
    if T::ANY != AnyTarget::Amd64 {
        let (mut s, frames) = f_in_h::<T>();
        s.image.symbols.framepointer_enabled = s.image.data(&[1]);
        assert_eq!(s.trace(s.f + 8, SP, 0).unwrap(), frames);
    }
}

each_target!(reflect_stubs);
fn reflect_stubs<T: Target>() {
    for name in ["reflect.makeFuncStub", "reflect.methodValueCall", "main.variadic"] {
        let (mut s, _) = f_in_h::<T>();
        let args = ARGS_SIZE_UNKNOWN;
        let delta = (SIZE - pushed::<T>()) as i32;
        let stub = s.image.function(Function { args, ..Function::with_frame(name, delta) }).0;
        let (context, bv) = (s.image.alloc(16), s.image.alloc(16));
        s.image.header(context, Addr(stub), bv.0);
        s.image.set(bv, Bitvector::n(), 5);
        s.image.word(Addr(SP + if T::USES_LR { T::PTR_SIZE } else { 0 }), context.0);
        s.image.finish();
        let arglen = |s: &Stack<T>| {
            let process = taken_up::<T>(&s.image).unwrap();
            let mut first = None;
            process
                .gentraceback(stub + 4, SP, 0, s.g, |_, frame| {
                    first.get_or_insert(frame.arglen);
                    Ok(())
                })
                .map(|()| first.unwrap())
        };
        if name == "main.variadic" {
            assert_eq!(arglen(&s).unwrap(), uintptr::<T>(0xffff_ffff_8000_0000));
            continue;
        }
        assert_eq!(arglen(&s).unwrap(), 5 * T::PTR_SIZE);
        s.image.word(context, stub + 1);
        match arglen(&s).unwrap_err() {
            Error::Traceback { source, .. } => assert_eq!(
                source,
                TracebackError::ReflectMismatch { entry: Addr(stub), found: Addr(stub + 1) }
            ),
            error => panic!("{error}"),
        }
    }
}

each_target!(stacks_that_cannot_be);
fn stacks_that_cannot_be<T: Target>() {
    let (mut s, _) = f_in_h::<T>();
    let (f, h, pc) = (s.f, s.h, s.f + 8);
    assert_eq!(s.failure(0x77, SP, 0), TracebackError::UnknownPc(Addr(0x77)));

    let defers = s.defers(&[(SP + 1, 0x51)]);
    assert_eq!(s.failure(pc, SP, 0), TracebackError::LeftoverDefer(defers[0]));
    s.image.set(defers[0], Defer::sp(), SP);
    s.image.set(defers[0], Defer::link(), defers[0].0);
    let error = s.trace(pc, SP, 0).unwrap_err().to_string();
    assert!(error.starts_with("the list linked through _defer.link loops"), "{error}");
    s.defers(&[]);

    s.returns(SP + SIZE, 0x99);
    assert_eq!(s.failure(pc, SP, 0), TracebackError::UnknownCaller { entry: Addr(h), lr: Addr(0x99) });

    let negative = s.image.function(Function::with_frame("negative", -128)).0;
    let fp = SP - 128 + pushed::<T>();
    let entry = Addr(negative);
    assert_eq!(s.failure(negative, SP, 0), TracebackError::NotAdvancing { entry, fp: Addr(fp) });

    // A stack that leads up to where there is no memory.
    for i in 0..STACK_SIZE / SIZE {
        s.returns(STACK + i * SIZE, f + 8);
    }
    let error = s.trace(pc, STACK, 0).unwrap_err().to_string();
    assert!(error.starts_with("reading stack."), "{error}");
}

#[test]
fn empty_frame_upon_empty_frame() {
    let mut s = Stack::<Arm>::new();
    let leaf = s.leaf;
    s.image.word(Addr(SP), leaf + 4);
    let stuck = TracebackError::NotAdvancing { entry: Addr(leaf), fp: Addr(SP) };
    assert_eq!(s.failure(leaf + 4, SP, 0), stuck);
    let process = taken_up::<Arm>(&s.image).unwrap();
    let mut seen = 0;
    let count = |_: &Func, _: &Stkframe| {
        seen += 1;
        Ok(())
    };
    process.gentraceback(leaf + 4, SP, 0, s.g, count).unwrap_err();
    assert_eq!(seen, MAX_EMPTY_FRAMES, "so many may be right");
}

#[test]
fn inside_jmpdefer_only_link_register_machines_give_up() {
    let (mut s, _) = f_in_h::<Ppc64>();
    let pc = s.image.symbols.jmpdefer.0 + 4;
    assert_eq!(s.failure(pc, SP, 0), TracebackError::InJmpdefer);
    let (mut s, frames) = f_in_h::<Amd64>();
    let pc = s.image.symbols.jmpdefer.0 + 4;
    s.image.word(Addr(SP - 8), s.f + 8);
    assert_eq!(s.trace(pc, SP - 8, 0).unwrap()[1..], frames);
}

#[test]
fn the_error_names_the_goroutine_and_the_stack_pointer() {
    let mut s = Stack::<Amd64>::new();
    let error = s.trace(0x77, SP, 0).unwrap_err().to_string();
    let g = s.g;
    assert_eq!(
        error,
        format!("the stack of the goroutine at {g}, at sp 0x30000800: pc 0x77 is in no known function")
    );
}
