//! Whose turn it is, for how long, and what is said about programs that never end.

use std::time::Duration;

use heapmatrix_emu::guest::ir::{Op, Reg, Width};
use heapmatrix_emu::linux::{Options, RunError};

use super::guest::Arg::{At, Is};
use super::guest::{DATA, Guest};
use super::{each, handler_view};

/// Where the handler says that it has found the other thread at a place that it wants.
const FOUND: u64 = DATA;
/// How often it is still to be tried.
const TRIES: u64 = DATA + 8;

/// A thread goes round in a loop of two blocks, a long one and a short one: `turn` instructions are a
/// whole number of rounds. Another signals it every ten milliseconds, as Go's sysmon does, until the handler
/// finds it before the long block.
///
/// A turn ends where a block begins, and so nearly always before the short block.
fn preempted(target: heapmatrix_writer::AnyTarget, turn: u64) -> Guest {
    let build = |padding: usize| {
        let (_, context, _, pc) = handler_view(target);
        let mut g = Guest::new(target);
        let (handler, out, child) = (g.label(), g.label(), g.label());
        let (again, failed, found) = (g.label(), g.label(), g.label());
        g.handle(14, At(handler), 0);
        g.words(DATA + 128, &[Is(0), Is(10_000_000), Is(0)]).store(TRIES, 400, Width::Word);
        g.start_thread(child).ops(&[Op::Label(again)]);
        g.call("nanosleep", &[Is(DATA + 128), Is(0)]).call("tkill", &[Is(1001), Is(14)]);
        let load = |at| [Op::Imm(Reg::V1, at), Op::Load(Reg::V0, Reg::V1, 0, Width::Word)];
        g.ops(&load(TRIES)).ops(&[
            Op::JumpIfZero(Reg::V0, failed),
            Op::AddImm(Reg::V0, -1),
            Op::Store(Reg::V0, Reg::V1, 0, Width::Word),
        ]);
        g.ops(&load(FOUND)).ops(&[Op::JumpIfZero(Reg::V0, again), Op::Label(found)]).exit(0);
        g.ops(&[Op::Label(failed)]).exit(1);

        let (long, short) = (g.label(), g.label());
        g.ops(&[Op::Label(child)]);
        let start = g.len();
        g.ops(&[Op::Label(long)]).ops(&vec![Op::Add(Reg::V2, Reg::V3); padding]);
        g.ops(&[Op::Jump(short), Op::Label(short), Op::Jump(long)]);
        let end = g.len();

        g.ops(&[
            Op::Label(handler),
            Op::Load(Reg::V0, context, pc, Width::Word),
            Op::LabelAddr(Reg::V3, long),
            Op::Sub(Reg::V0, Reg::V3),
            Op::JumpIfZero(Reg::V0, out),
            Op::Leave(0),
            Op::Label(out),
        ]);
        g.store(FOUND, 1, Width::Word).ops(&[Op::Leave(0)]);
        let round = (start..end).map(|op| g.instructions(op)).sum::<u64>();
        (g, round)
    };
    let (_, bare) = build(0);
    let (g, round) = build((100 - bare) as usize);
    assert!(round == 100 && turn.is_multiple_of(round), "{target}: {round} instructions in a round");
    g
}

#[test]
fn turns_do_not_fall_in_step_with_a_loop() {
    each(|target| {
        let turn = Options::default().time_slice;
        let g = preempted(target, turn);
        let (first, second) = (g.run(Options::default()), g.run(Options::default()));
        assert_eq!(first.status(), 0, "{target}: the loop was never found elsewhere");
        let (tries, again) = (first.word(TRIES), second.word(TRIES));
        assert!(tries < 400 && tries == again, "{target}: {tries}, {again}");
        assert_eq!(first.process.stats().instructions, second.process.stats().instructions, "{target}");
    });
}

#[test]
fn whoever_waits_for_a_program_that_does_not_end_is_told_so_once() {
    each(|target| {
        let mut g = Guest::new(target);
        g.spin(DATA);
        let run = |patience| g.run(Options { max_instructions: 1_000_000, patience, ..Options::default() });
        let told = run(Some(Duration::ZERO));
        assert!(matches!(told.outcome, Err(RunError::Instructions(_))), "{target}: {:?}", told.outcome);
        let [note] = &told.output.notes[..] else { panic!("{target}: {:?}", told.output.notes) };
        assert!(note.contains("goes on") && note.contains("--max-instructions"), "{note}");
        for patience in [None, Some(Duration::from_secs(3600))] {
            assert!(run(patience).output.notes.is_empty(), "{target}");
        }
    });
}
