//! Frames of a stack, from registers that a test gives.

use super::HEADERS;
use super::image::{Image, STACK, TEXT};
use crate::Error;
use crate::error::TracebackError;
use crate::go119::goroutine::Registers;
use crate::memory::Addr;
use crate::target::{Amd64, Arm, I386, Mips, S390x, Target};

const TOP_FRAME: u64 = 1;
const SP_WRITE: u64 = 2;
/// `FuncID_cgocallback`, as this program has it.
const CGOCALLBACK: u64 = 7;
/// And `FuncID_sigpanic`.
const SIGPANIC: u64 = 9;
/// `abi.ArgsSizeUnknown`.
const ARGS_SIZE_UNKNOWN: u64 = 0x8000_0000;

/// A frame as it was unwound: entry PC, PC, SP, where it ends, and the bytes of its arguments.
type Unwound = (u64, u64, u64, u64, u64);

/// A stack of functions that a test adds.
struct Stack<T> {
    image: Image<T>,
    /// The entry PC of a function that ends a stack.
    top: u64,
}

impl<T: Target> Stack<T> {
    fn new() -> Self {
        let ids = [
            ("internal/abi.FuncID_cgocallback", CGOCALLBACK as i64),
            ("internal/abi.FuncID_sigpanic", SIGPANIC as i64),
        ];
        Stack { image: Image::new(HEADERS, &ids), top: TEXT + 0x100 }
    }

    /// Adds a function of so many words, without the return PC that a call pushes.
    fn function(&mut self, name: &str, words: u64, flag: u64) -> (u64, u64) {
        self.image.function(name, words * T::PTR_SIZE, flag)
    }

    /// Where a frame that begins at `sp` and has so many words ends.
    fn fp(sp: u64, words: u64) -> u64 {
        sp + (words + u64::from(!T::USES_LR)) * T::PTR_SIZE
    }

    /// Puts the return PC of such a frame where it is looked for.
    fn returns_to(&mut self, sp: u64, words: u64, pc: u64) {
        let at = if T::USES_LR { sp } else { sp + words * T::PTR_SIZE };
        self.image.word(at, pc);
    }

    fn unwind(&self, registers: Registers, anywhere: bool) -> (Vec<Unwound>, Result<(), Error>) {
        let go = self.image.go(None).unwrap();
        let mut frames = Vec::new();
        let end = go.unwind_from(Addr(self.image.g()), registers, anywhere, false, |f, s| {
            frames.push((f.entry, s.pc, s.sp, s.fp, s.arglen));
            Ok(())
        });
        (frames, end)
    }
}

fn traceback(end: Result<(), Error>) -> TracebackError {
    match end {
        Err(Error::Traceback { source, .. }) => source,
        other => panic!("{other:?} is no fault of the stack"),
    }
}

/// The innermost frame's return PC is in LR if it has none on the stack yet.
fn return_pcs<T: Target>() {
    let mut stack = Stack::<T>::new();
    let (caller, _) = stack.function("main.caller", 4, 0);
    let (framed, _) = stack.function("main.framed", 6, 0);
    let (leaf, _) = stack.function("main.leaf", 0, 0);
    let middle = Stack::<T>::fp(STACK, 6);
    let end = Stack::<T>::fp(middle, 4);
    stack.returns_to(STACK, 6, caller + 1);
    stack.returns_to(middle, 4, stack.top + 1);
    let top = (stack.top, stack.top + 1, end, Stack::<T>::fp(end, 0), 0);
    let expected = [(framed, framed + 9, STACK, middle, 0), (caller, caller + 1, middle, end, 0), top];
    // What LR says is old.
    let registers = Registers { sp: STACK, pc: framed + 9, lr: leaf + 1 };
    let (frames, unwound) = stack.unwind(registers, false);
    assert_eq!((&frames[..], unwound.is_ok()), (&expected[..], true), "{}", T::GOARCH);
    // A nil function was called: its caller's return PC is in the first word.
    stack.image.word(STACK, framed + 9);

    let (frames, _) = stack.unwind(Registers { sp: STACK, pc: 0, lr: leaf + 1 }, false);
    let sp = if T::USES_LR { STACK } else { STACK + T::PTR_SIZE };
    assert_eq!((frames[0].1, frames[0].2), (framed + 9, sp), "{}", T::GOARCH);
    if T::USES_LR {
        let registers = Registers { sp: middle, pc: leaf + 9, lr: caller + 1 };
        let expected = [(leaf, leaf + 9, middle, middle, 0), (caller, caller + 1, middle, end, 0), top];
        let (frames, unwound) = stack.unwind(registers, false);
        assert_eq!((&frames[..], unwound.is_ok()), (&expected[..], true), "{}", T::GOARCH);
    }
}

/// A function that writes SP cannot be unwound from a call, but where its thread has been stopped, or right below that.
fn functions_that_write_sp<T: Target>() {
    let mut stack = Stack::<T>::new();
    let (inner, _) = stack.function("main.inner", 2, SP_WRITE);
    let (middle, middle_func) = stack.function("main.middle", 2, SP_WRITE);
    let (outer, outer_func) = stack.function("main.outer", 2, SP_WRITE);
    let second = Stack::<T>::fp(STACK, 2);
    let third = Stack::<T>::fp(second, 2);
    stack.returns_to(STACK, 2, middle + 1);
    stack.returns_to(second, 2, outer + 1);
    stack.returns_to(third, 2, stack.top + 1);
    let registers = Registers { sp: STACK, pc: inner + 9, lr: 0 };
    for (anywhere, frames, entry) in [(false, 1, middle), (true, 2, outer)] {
        let (unwound, end) = stack.unwind(registers, anywhere);
        let end = traceback(end);
        assert_eq!((unwound.len(), &end), (frames, &TracebackError::SpWrite(Addr(entry))), "{}", T::GOARCH);
    }
    // Of cgocallback it is known that both stacks can be unwound.
    for f in [middle_func, outer_func] {
        stack.image.put(f, "runtime._func", "funcID", 0, CGOCALLBACK);
    }
    let (unwound, end) = stack.unwind(registers, false);
    assert_eq!((unwound.len(), end.is_ok()), (4, true), "{}", T::GOARCH);
    // It marks the top of a stack if it says so.
    stack.image.put(middle_func, "runtime._func", "flag", 0, SP_WRITE | TOP_FRAME);
    let (unwound, end) = stack.unwind(registers, false);
    assert_eq!((unwound.len(), end.is_ok()), (2, true), "{}", T::GOARCH);
}

/// Where a signal makes a function call another, LR is saved below its frame: that is where a leaf returns to.
fn calls_that_a_signal_makes<T: Target>() {
    let mut stack = Stack::<T>::new();
    let (outer, _) = stack.function("main.outer", 4, 0);
    let (sigpanic, f) = stack.function("runtime.sigpanic", 2, 0);
    stack.image.put(f, "runtime._func", "funcID", 0, SIGPANIC);
    let (leaf, _) = stack.function("main.leaf", 0, 0);
    let (framed, _) = stack.function("main.framed", 6, 0);
    let saved = Stack::<T>::fp(STACK, 2);
    let sp = saved + T::MIN_FRAME_SIZE.next_multiple_of(T::STACK_ALIGN);
    for (entry, words, lr) in [(leaf, 0, outer + 1), (framed, 6, leaf + 1)] {
        let end = Stack::<T>::fp(sp, words);
        stack.returns_to(STACK, 2, entry + 9);
        stack.image.word(saved, lr);
        stack.returns_to(sp, words, outer + 1);
        stack.returns_to(end, 4, stack.top + 1);
        let (unwound, is_whole) = stack.unwind(Registers { sp: STACK, pc: sigpanic + 9, lr: 0 }, false);
        let found: Vec<_> = unwound.iter().map(|&(entry, _, sp, ..)| (entry, sp)).collect();
        let expected = [(sigpanic, STACK), (entry, sp), (outer, end), (stack.top, Stack::<T>::fp(end, 4))];
        assert_eq!((&found[..], is_whole.is_ok()), (&expected[..], true), "{}", T::GOARCH);
    }
}

/// `reflect` calls through functions whose arguments only the value says that they are called with.
fn arguments_of_reflect<T: Target>() {
    let p = T::PTR_SIZE;
    for name in ["reflect.makeFuncStub", "reflect.methodValueCall"] {
        let mut stack = Stack::<T>::new();
        let (stub, f) = stack.function(name, 20, 0);
        stack.image.put(f, "runtime._func", "args", 0, ARGS_SIZE_UNKNOWN);
        stack.returns_to(STACK, 20, stack.top + 1);
        let (value, bits) = (stack.image.alloc(0x40), stack.image.alloc(0x40));
        let arg0 = STACK + T::MIN_FRAME_SIZE;
        stack.image.word(arg0, value);
        for (i, word) in (0..).zip([stub, bits, 6 * p]) {
            stack.image.word(value + i * p, word);
        }
        let registers = Registers { sp: STACK, pc: stub + 9, lr: 0 };
        for (results_are_there, words, args) in
            [(0, 9, 6), (1, 9, 9), (0, 4, 4), (1, 4, 4), (0, 0xffff_ffff, -1i64 as u64)]
        {
            stack.image.bytes(arg0 + 4 * p, &[results_are_there]);
            stack.image.word32(bits, words);
            let (unwound, end) = stack.unwind(registers, false);
            let arglen = crate::process::uintptr::<T>(args.wrapping_mul(p));
            assert_eq!((unwound[0].4, end.is_ok()), (arglen, true), "{} {words}", T::GOARCH);
        }
        // The value is another function's.
        stack.image.word(value, stub + 1);
        let found = traceback(stack.unwind(registers, false).1);
        let mismatch = |found| TracebackError::ReflectMismatch { entry: Addr(stub), found: Addr(found) };
        assert_eq!(found, mismatch(stub + 1), "{}", T::GOARCH);
        // It has no value before it has begun, and always one after.
        stack.image.bytes(stack.image.tables + 0xc10 + 3 * 16, &[2, 0x80, 2, 0]);
        let frame = Stack::<T>::fp(STACK, 0);
        assert!(arg0 + p >= frame, "there is no room for the value");
        stack.returns_to(STACK, 0, stack.top + 1);
        for (pc, found) in [(stub, None), (stub + 1, Some(mismatch(0)))] {
            let (unwound, end) = stack.unwind(Registers { pc, lr: stack.top + 1, ..registers }, false);
            match found {
                None => assert_eq!((unwound[0].4, end.is_ok()), (0, true), "{}", T::GOARCH),
                Some(mismatch) => assert_eq!(traceback(end), mismatch, "{}", T::GOARCH),
            }
        }
    }
    // Another function's arguments are not known, and so are those of one that says how large they are.
    for (name, args, arglen) in
        [("reflect.other", ARGS_SIZE_UNKNOWN, 0), ("reflect.makeFuncStub", 4 * p, 4 * p)]
    {
        let mut stack = Stack::<T>::new();
        let (entry, f) = stack.function(name, 20, 0);
        stack.image.put(f, "runtime._func", "args", 0, args);
        stack.returns_to(STACK, 20, stack.top + 1);
        let (unwound, end) = stack.unwind(Registers { sp: STACK, pc: entry + 9, lr: 0 }, false);
        assert_eq!((unwound[0].4, end.is_ok()), (arglen, true), "{}", T::GOARCH);
    }
}

#[test]
fn stacks_are_unwound_from_registers() {
    fn on<T: Target>() {
        return_pcs::<T>();
        functions_that_write_sp::<T>();
        arguments_of_reflect::<T>();
        if T::USES_LR {
            calls_that_a_signal_makes::<T>();
        }
    }
    on::<Amd64>();
    on::<I386>();
    on::<Arm>();
    on::<Mips>();
    on::<S390x>();
}

#[test]
fn the_kernels_helpers_have_no_frames() {
    let mut stack = Stack::<Arm>::new();
    let (caller, _) = stack.function("main.caller", 4, 0);
    stack.returns_to(STACK, 4, stack.top + 1);
    let registers = Registers { sp: STACK, pc: 0xffff_0fc0, lr: caller + 1 };
    let (unwound, end) = stack.unwind(registers, false);
    assert_eq!((unwound[0].0, unwound.len(), end.is_ok()), (caller, 2, true));
    // Only there.
    let mut stack = Stack::<Mips>::new();
    stack.function("main.caller", 4, 0);
    let (_, end) = stack.unwind(registers, false);
    assert_eq!(traceback(end), TracebackError::UnknownPc(Addr(0xffff_0fc0)));
}

#[test]
fn frames_that_do_not_advance() {
    // A frame that ends where it begins, with the frame pointer below that.
    let mut stack = Stack::<Amd64>::new();
    let (entry, _) = stack.function("main.back", 0, 0);
    let steps = stack.image.tables + 0xc10 + 3 * 16;
    let registers = Registers { sp: STACK + 64, pc: entry + 9, lr: 0 };
    for (step, fp) in [(13, STACK + 64), (29, STACK + 56)] {
        stack.image.bytes(steps, &[step]);
        let (unwound, end) = stack.unwind(registers, false);
        let not_advancing = TracebackError::NotAdvancing { entry: Addr(entry), fp: Addr(fp) };
        assert_eq!((unwound.len(), traceback(end)), (0, not_advancing), "{step}");
    }
    // Four empty frames may follow each other.
    let mut stack = Stack::<Mips>::new();
    let (leaf, _) = stack.function("main.leaf", 0, 0);
    stack.image.word(STACK, leaf + 1);
    let (unwound, end) = stack.unwind(Registers { sp: STACK, pc: leaf + 9, lr: leaf + 1 }, false);
    let not_advancing = TracebackError::NotAdvancing { entry: Addr(leaf), fp: Addr(STACK) };
    assert_eq!((unwound.len(), traceback(end)), (4, not_advancing));
}
