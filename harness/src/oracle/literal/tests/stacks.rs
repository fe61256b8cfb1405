//! Frames and the walk that finds them.

use heapmatrix_emu::world::World;
use heapmatrix_writer::{Addr, AnyTarget};

use super::super::stacks::childInfo;
use super::super::symtab::{bitvector, bytedata};
use super::super::traceback::stkframe;
use super::super::{Cause, Fixes, R, Runtime};
use super::image::{Func, Image, STACK, TEXT, str, uvarints};

/// What the walk hands to its callback: function's entry, pc, continpc, sp, fp, varp, argp, arglen.
type Frame = [u64; 8];

fn record(rt: &mut Runtime<'_>, s: &stkframe, frames: &mut Vec<Frame>) -> R<bool> {
    let entry = rt.load(s.func, "_func.entry")?;
    frames.push([entry, s.pc, s.continpc, s.sp, s.fp, s.varp, s.argp, s.arglen]);
    Ok(true)
}

fn walk(image: &Image, gp: u64, pc: u64, lr: u64) -> (R<i32>, Vec<Frame>) {
    let mut frames = Vec::new();
    let mut rt = image.runtime(Fixes::NONE);
    let n = rt.gentraceback(pc, STACK, lr, gp, 0x7fffffff, record, &mut frames);
    (n, frames)
}

fn message<T: std::fmt::Debug>(result: R<T>) -> String {
    match result {
        Err(Cause::Throw(message)) => message,
        other => panic!("no throw: {other:?}"),
    }
}

const LEAF: u64 = TEXT;
const CALLER: u64 = TEXT + 256;
const GOEXIT: u64 = TEXT + 512;
const SIGPANIC: u64 = TEXT + 768;
const BARRIER: u64 = TEXT + 1024;

/// leaf, called by caller, called by goexit; frames of 32 and 16 bytes. The words of the stack that
/// hold return PCs are returned.
fn two_frames(target: AnyTarget) -> (Image, u64, [u64; 2]) {
    let mut image = Image::new(target);
    let func = |name, delta, args| Func { name, args, pcsp: image.whole(delta), ..Func::default() };
    let funcs = [
        func("main.leaf", 32, 24),
        func("main.caller", 16, 8),
        func("runtime.goexit", 0, 0),
        func("runtime.sigpanic", 16, 0),
        func("runtime.stackBarrier", 0, 0),
    ];
    image.link(&funcs, &[]);
    image.symbols.goexit = Addr(GOEXIT);
    image.symbols.sigpanic = Addr(SIGPANIC);
    image.symbols.stack_barrier = Addr(BARRIER);
    image.zero(STACK, 1024);
    // A link register is saved at the bottom of the frame that saves it; x86 pushes the return PC
    // above the frame that will return.
    let pcs = if target.uses_lr() {
        [STACK, STACK + 32]
    } else {
        [STACK + 32, STACK + 32 + target.reg_size() + 16]
    };
    image.word(pcs[0], CALLER + 8);
    image.word(pcs[1], GOEXIT + 4);
    let gp = image.new_struct("g");
    (image, gp, pcs)
}

#[test]
fn three_frames_on_every_machine() {
    for &target in World::MACHINES {
        let (image, gp, _) = two_frames(target);
        let (n, frames) = walk(&image, gp, LEAF + 4, 0);
        assert_eq!(n, Ok(3));
        let reg = if target.uses_lr() { 0 } else { target.reg_size() };
        let lr = if target.uses_lr() { target.ptr_size() } else { 0 };
        let mut sp = STACK;
        let expected =
            [(LEAF, 4, 32, 24), (CALLER, 8, 16, 8), (GOEXIT, 4, 0, 0)].map(|(entry, pc, size, args)| {
                let fp = sp + size + reg;
                let frame = [entry, entry + pc, entry + pc, sp, fp, fp - reg, fp + lr, args];
                sp = fp;
                frame
            });
        assert_eq!(frames, expected, "{target}");
    }
}

#[test]
fn a_leaf_that_saved_nothing_is_left_by_the_link_register() {
    for &target in World::MACHINES.iter().filter(|t| t.uses_lr()) {
        let (mut image, gp, _) = two_frames(target);
        // goexit's frame is empty: sp == fp, so that the register counts.
        image.word(STACK, 0xdead);
        let leafless = Func { name: "main.leafless", pcsp: image.whole(0), ..Func::default() };
        let goexit = Func { name: "runtime.goexit", pcsp: image.whole(0), ..Func::default() };
        image.link(&[leafless, goexit], &[]);
        image.symbols.goexit = Addr(TEXT + 256);
        let (n, frames) = walk(&image, gp, TEXT + 4, TEXT + 256 + 4);
        assert_eq!(n, Ok(2));
        assert_eq!([frames[0][0], frames[1][0]], [TEXT, TEXT + 256]);
    }
}

#[test]
fn a_nil_function_was_called() {
    for &target in World::MACHINES {
        let (mut image, gp, _) = two_frames(target);
        image.zero(STACK, 128);
        image.bytes(STACK, &[0; 128]);
        image.word(STACK, CALLER + 8);
        let entries = |frames: &[Frame]| frames.iter().map(|f| (f[0], f[3])).collect::<Vec<_>>();
        if target.uses_lr() {
            // The word at sp is taken for the PC and, once more, for the LR that this PC's own
            // frame has saved: the caller appears twice.
            image.word(STACK + 16, GOEXIT + 4);
            let (n, frames) = walk(&image, gp, 0, 0);
            assert_eq!(n, Ok(3), "{target}");
            assert_eq!(entries(&frames), [(CALLER, STACK), (CALLER, STACK + 16), (GOEXIT, STACK + 32)]);
        } else {
            let reg = target.reg_size();
            image.word(STACK + reg + 16, GOEXIT + 4);
            let (n, frames) = walk(&image, gp, 0, 0);
            assert_eq!(n, Ok(2), "{target}");
            assert_eq!(entries(&frames), [(CALLER, STACK + reg), (GOEXIT, STACK + reg + 16 + reg)]);
        }
    }
}

#[test]
fn pcs_of_no_function() {
    for &target in World::MACHINES {
        let (mut image, gp, [ret, _]) = two_frames(target);
        assert_eq!(message(walk(&image, gp, 0x77, 0).0), "unknown pc (runtime: unknown pc 0x77)");
        image.word(ret, 0x77);
        let (n, frames) = walk(&image, gp, LEAF + 4, 0);
        assert_eq!(message(n), "unknown caller pc (runtime: unexpected return pc, called from 0x77)");
        assert!(frames.is_empty(), "the caller is looked for before the callback");
    }
}

#[test]
fn stack_barriers_are_looked_through() {
    for &target in World::MACHINES {
        let (mut image, gp, [ret, outer]) = two_frames(target);
        let plain = walk(&image, gp, LEAF + 4, 0).1;
        for at in [ret, outer] {
            image.word(at, BARRIER);
        }
        let array = image.new_bytes(&[0; 64]);
        for (i, (ptr, val)) in [(ret, CALLER + 8), (outer, GOEXIT + 4)].into_iter().enumerate() {
            image.word(array + 2 * i as u64 * image.ptr(), ptr);
            image.word(array + (2 * i as u64 + 1) * image.ptr(), val);
        }
        image.set(gp, "g.stkbar.array", array);
        image.set(gp, "g.stkbar.len", 2);
        assert_eq!(walk(&image, gp, LEAF + 4, 0), (Ok(3), plain.clone()), "{target}");

        // Inside of stackBarrier, but with an sp below every barrier.
        let (n, frames) = walk(&image, gp, BARRIER + 4, 0);
        assert!(message(n).starts_with("inconsistent state in stackBarrier"));
        assert!(frames.is_empty());

        // One barrier too few and one too many.
        image.set(gp, "g.stkbar.len", 1);
        assert!(message(walk(&image, gp, LEAF + 4, 0).0).starts_with("missed stack barrier"));
        image.set(gp, "g.stkbar.len", 3);
        assert!(
            message(walk(&image, gp, LEAF + 4, 0).0).starts_with("traceback has leftover stack barriers")
        );
        image.set(gp, "g.stkbarPos", 4);
        assert!(message(walk(&image, gp, LEAF + 4, 0).0).starts_with("slice bounds out of range"));
    }
}

#[test]
fn caught_inside_of_a_stack_barrier() {
    for &target in World::MACHINES {
        // stackBarrier has returned from leaf: sp is above the slot of leaf's return PC.
        let (mut image, gp, [ret, outer]) = two_frames(target);
        let array = image.new_bytes(&[0; 64]);
        image.word(array, STACK - 8);
        image.word(array + image.ptr(), CALLER + 8);
        image.set(gp, "g.stkbar.array", array);
        image.set(gp, "g.stkbar.len", 1);
        image.word(ret, 0);
        let size = if target.uses_lr() { 0 } else { 16 };
        image.word(STACK + size, GOEXIT + 4);
        image.word(outer, 0);
        for pos in [0, 1] {
            image.set(gp, "g.stkbarPos", pos);
            let (n, frames) = walk(&image, gp, BARRIER + 4, 0);
            assert_eq!(n, Ok(2), "{target}");
            assert_eq!(frames[0][..4], [CALLER, CALLER + 8, CALLER + 8, STACK]);
            assert_eq!(frames[1][0], GOEXIT);
        }
    }
}

/// A `_defer` of the frame at `sp`.
fn defer(image: &mut Image, sp: u64, pc: u64, link: u64) -> u64 {
    let d = image.new_struct("_defer");
    image.set(d, "_defer.sp", sp);
    image.set(d, "_defer.pc", pc);
    image.set(d, "_defer.link", link);
    d
}

#[test]
fn under_sigpanic_a_frame_goes_on_at_its_defer() {
    for &target in World::MACHINES {
        let (mut image, gp, [_, outer]) = two_frames(target);
        // sigpanic (16 bytes), as if called by caller; on link register machines the signal handler
        // has pushed the LR, and on arm64 a word more to keep SP aligned.
        let pushed = match target {
            AnyTarget::Arm64 => 16,
            _ => target.ptr_size(),
        };
        let reg = if target.uses_lr() { 0 } else { target.reg_size() };
        let caller_sp = STACK + 16 + reg + if target.uses_lr() { pushed } else { 0 };
        image.word(outer, 0);
        image.word(if target.uses_lr() { STACK } else { STACK + 16 }, CALLER + 8);
        image.word(if target.uses_lr() { caller_sp } else { caller_sp + 16 }, GOEXIT + 4);
        let (n, frames) = walk(&image, gp, SIGPANIC + 4, 0);
        assert_eq!(n, Ok(3), "{target}");
        let continpcs = |frames: &[Frame]| frames.iter().map(|f| f[2]).collect::<Vec<_>>();
        assert_eq!(continpcs(&frames), [SIGPANIC + 4, 0, GOEXIT + 4]);
        assert_eq!(frames[1][3], caller_sp);

        let d = defer(&mut image, caller_sp, CALLER + 20, 0);
        let no_args = if target.ptr_size() == 4 { 0xffff_ffff } else { u64::MAX };
        let d = defer(&mut image, no_args, 0, d);
        image.set(gp, "g._defer", d);
        let (n, frames) = walk(&image, gp, SIGPANIC + 4, 0);
        assert_eq!(n, Ok(3));
        assert_eq!(continpcs(&frames), [SIGPANIC + 4, CALLER + 20, GOEXIT + 4]);
    }
}

#[test]
fn defers_of_no_frame_are_left_over() {
    for &target in World::MACHINES {
        let (mut image, gp, _) = two_frames(target);
        let d = defer(&mut image, STACK + 1, LEAF, 0);
        image.set(gp, "g._defer", d);
        let (n, frames) = walk(&image, gp, LEAF + 4, 0);
        assert!(message(n).starts_with("traceback has leftover defers"));
        assert_eq!(frames.len(), 3);
    }
}

#[test]
fn reflects_stubs_bring_the_map_of_their_arguments() {
    for &target in World::MACHINES {
        let (mut image, gp, _) = two_frames(target);
        let stub =
            |image: &Image, name| Func { name, args: i32::MIN, pcsp: image.whole(32), ..Func::default() };
        let caller = Func { name: "runtime.goexit", pcsp: image.whole(0), ..Func::default() };
        let funcs = [stub(&image, "reflect.methodValueCall"), caller, stub(&image, "main.unknown")];
        image.link(&funcs, &[]);
        image.symbols.goexit = Addr(TEXT + 256);
        let ptr = image.ptr();
        let arg0 = STACK + if target.uses_lr() { ptr } else { 0 };
        let makeFuncImpl = image.new_bytes(&[0; 16]);
        let bv = image.new_struct("bitvector");
        image.word(arg0, makeFuncImpl);
        image.word(makeFuncImpl, TEXT);
        image.word(makeFuncImpl + ptr, bv);
        image.set(bv, "bitvector.n", 5);
        let (n, frames) = walk(&image, gp, TEXT + 4, 0);
        assert_eq!(n, Ok(2), "{target}");
        assert_eq!(frames[0][7], 5 * ptr);

        image.word(makeFuncImpl, TEXT + 1);
        assert!(message(walk(&image, gp, TEXT + 4, 0).0).starts_with("reflect mismatch"));
        // Others with arguments of unknown size keep a size that makes no sense.
        let (_, frames) = walk(&image, gp, TEXT + 512 + 4, 0);
        assert_eq!(frames[0][7], if ptr == 4 { 0x8000_0000 } else { 0xffff_ffff_8000_0000 });
    }
}

#[test]
fn frame_pointers_are_amd64s() {
    for &target in World::MACHINES {
        let (mut image, gp, _) = two_frames(target);
        let plain = walk(&image, gp, LEAF + 4, 0).1;
        image.symbols.framepointer_enabled = Addr(image.new_bytes(&[1]));
        let varps: Vec<u64> = walk(&image, gp, LEAF + 4, 0).1.iter().map(|f| f[5]).collect();
        let saved = if target == AnyTarget::Amd64 { 8 } else { 0 };
        // goexit's frame has no room for one.
        assert_eq!(varps, [plain[0][5] - saved, plain[1][5] - saved, plain[2][5]]);
    }
}

#[test]
fn a_stack_that_goes_in_circles_ends() {
    let (mut image, gp, _) = two_frames(AnyTarget::Ppc64);
    // A function with an empty frame whose link register names itself, for ever.
    image.link(&[Func { name: "main.f", pcsp: image.whole(0), ..Func::default() }], &[]);
    image.symbols.goexit = Addr(1);
    image.word(STACK, TEXT + 4);
    let mut rt = image.runtime(Fixes::NONE);
    rt.turns.set(10_000);
    let count = |_: &mut Runtime<'_>, _: &stkframe, n: &mut u64| {
        *n += 1;
        Ok(true)
    };
    let mut frames = 0;
    assert_eq!(rt.gentraceback(TEXT + 4, STACK, 0, gp, i32::MAX, count, &mut frames), Err(Cause::Runaway));
    assert!(frames > 10 && frames < 10_000);
}

/// The record of one frame of 48 bytes: the callee's arguments as `child` says.
fn frame(image: &Image, fixes: Fixes, child: &mut childInfo) -> R<Vec<u8>> {
    let mut rt = image.runtime(fixes);
    let func = rt.findfunc(TEXT)?;
    let s = stkframe {
        func,
        pc: TEXT + 8,
        continpc: TEXT + 8,
        sp: STACK,
        fp: STACK + 48,
        varp: STACK + 40,
        argp: STACK + 48 + 8,
        arglen: 24,
        ..stkframe::default()
    };
    assert!(rt.dumpframe(&s, child)?);
    rt.flush()?;
    Ok(std::mem::take(&mut rt.file.bytes))
}

fn frame_image(target: AnyTarget, locals: Option<(i32, i32, &[u8])>) -> Image {
    let mut image = Image::new(target);
    image.zero(STACK, 48);
    image.bytes(STACK, &[0xAA; 48]);
    let args = image.new_stackmap(2, 3, &[0b101, 0, 0, 0, 0b010]);
    let locals = locals.map_or(0, |(n, nbit, bytes)| image.new_stackmap(n, nbit, bytes));
    // pc-1 is looked up: the second bitmap.
    let pcdata = vec![image.pctable(&[(-1, 4), (1, 4), (0, 248)])];
    image.link(&[Func { name: "main.f", pcdata, funcdata: vec![args, locals], ..Func::default() }], &[]);
    image
}

/// A frame record of the fields that follow the name.
fn expected(child: &childInfo, fields: &[u64]) -> Vec<u8> {
    let head = uvarints(&[5, STACK, child.depth, child.sp, 48]);
    let pcs = uvarints(&[TEXT, TEXT + 8, TEXT + 8]);
    let fields: Vec<u64> = fields.iter().flat_map(|&off| [1, off]).chain([0]).collect();
    [head, vec![0xAA; 48], pcs, str("main.f"), uvarints(&fields)].concat()
}

#[test]
fn a_frame_with_a_bitmap_of_its_locals() {
    for &target in World::MACHINES {
        let ptr = target.ptr_size();
        let image = frame_image(target, Some((2, 4, &[0, 0, 0, 0, 0b1011])));
        let mut child = childInfo::new();
        let bytes = frame(&image, Fixes::NONE, &mut child).unwrap();
        let base = 40 - 4 * ptr;
        assert_eq!(bytes, expected(&childInfo::new(), &[base, base + ptr, base + 3 * ptr]), "{target}");
        // What the frame of the caller will be told.
        assert_eq!((child.argoff, child.arglen, child.sp, child.depth, child.args.n), (8, 24, STACK, 1, 3));

        // The caller's frame has the argument bitmap at its bottom: one of three words.
        child.depth = 7;
        let before = childInfo { args: child.args, ..child };
        let bytes = frame(&image, Fixes::NONE, &mut child).unwrap();
        assert_eq!(bytes, expected(&before, &[8 + ptr, base, base + ptr, base + 3 * ptr]));
    }
}

#[test]
fn a_frame_with_the_size_of_its_locals() {
    for &target in World::MACHINES {
        let ptr = target.ptr_size();
        let image = frame_image(target, Some((-16, 0, &[])));
        let offs: Vec<u64> = (24..40).step_by(ptr as usize).collect();
        let bytes = frame(&image, Fixes::NONE, &mut childInfo::new()).unwrap();
        assert_eq!(bytes, expected(&childInfo::new(), &offs));
    }
}

#[test]
fn a_frame_without_a_stack_map() {
    for &target in World::MACHINES {
        let ptr = target.ptr_size();
        let image = frame_image(target, None);
        // Two words of arguments and a half, from the second word on.
        let child = || childInfo { argoff: ptr, arglen: 2 * ptr + 2, ..childInfo::new() };
        let args = [ptr, 2 * ptr, 3 * ptr];
        let words = |from: u64| (from..40).step_by(ptr as usize);
        let exact: Vec<u64> = args.into_iter().chain(words(2 * ptr + 2)).collect();
        let fixed: Vec<u64> = args.into_iter().chain(words(4 * ptr)).collect();
        let bytes = frame(&image, Fixes::NONE, &mut child()).unwrap();
        assert_eq!(bytes, expected(&child(), &exact), "{target}");
        let bytes = frame(&image, Fixes { locals_offset: true, ..Fixes::NONE }, &mut child()).unwrap();
        assert_eq!(bytes, expected(&child(), &fixed), "{target}");
    }
}

#[test]
fn arguments_beyond_the_frame() {
    for &target in World::MACHINES {
        let ptr = target.ptr_size();
        let mut image = frame_image(target, Some((2, 0, &[])));
        let bits = image.new_bytes(&[0b111]);
        let fixed = Fixes { args_in_frame: true, ..Fixes::NONE };
        let last = 48 - ptr;
        let child = || childInfo {
            argoff: last,
            args: bitvector { n: 3, bytedata: bytedata::target(bits) },
            ..childInfo::new()
        };
        let bytes = frame(&image, Fixes::NONE, &mut child()).unwrap();
        assert_eq!(bytes, expected(&child(), &[last, 48, 48 + ptr]));
        let bytes = frame(&image, fixed, &mut child()).unwrap();
        assert_eq!(bytes, expected(&child(), &[last]));

        let child = || childInfo { argoff: last - 1, arglen: 2 * ptr, ..childInfo::new() };
        let bytes = frame(&image, Fixes::NONE, &mut child()).unwrap();
        assert_eq!(bytes, expected(&child(), &[last - 1, 47]));
        let bytes = frame(&image, fixed, &mut child()).unwrap();
        assert_eq!(bytes, expected(&child(), &[last - 1]));
    }
}

#[test]
fn a_bitmap_index_out_of_range_is_fatal() {
    for &target in World::MACHINES {
        let image = frame_image(target, Some((1, 4, &[0b1011])));
        let index = frame(&image, Fixes::NONE, &mut childInfo::new());
        assert_eq!(message(index), "stackmapdata: index out of range");
    }
}
