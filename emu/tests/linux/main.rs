//! The Linux personality, with small programs on every machine.

mod database;
mod ends;
mod examples;
mod files;
mod guest;
mod kernel_writes;
mod limits;
mod rlimits;
mod shapes;
mod tls;
mod turns;

use guest::Arg::{At, Is};
use guest::{DATA, Guest, ORIGIN, no_such_call, timed_out};
use heapmatrix_emu::guest::ir::{Op, Reg, Width};
use heapmatrix_emu::linux::{ExitStatus, Options, Outcome, Process, Recorder, RunError};
use heapmatrix_emu::machine::Machine;
use heapmatrix_writer::AnyTarget;

/// Runs a test's body for each machine.
pub fn each(test: impl Fn(AnyTarget)) {
    Machine::ALL.iter().copied().for_each(test);
}

#[test]
fn a_program_writes_and_exits() {
    each(|target| {
        let mut g = Guest::new(target);
        for (at, &byte) in b"hello\n".iter().enumerate() {
            g.store(DATA + at as u64, byte.into(), Width::B1);
        }
        g.call("write", &[Is(1), Is(DATA), Is(6)]).keep(DATA + 16);
        g.call("write", &[Is(2), Is(DATA), Is(2)])
            .call("write", &[Is(9), Is(DATA), Is(2)])
            .keep(DATA + 32)
            .exit(7);
        let done = g.run(Options::default());
        assert_eq!((done.status(), done.word(DATA + 16), done.word(DATA + 32)), (7, 6, -9), "{target}");
        assert_eq!((&done.output.stdout[..], &done.output.stderr[..]), (&b"hello\n"[..], &b"he"[..]));
    });
}

#[test]
fn memory_comes_and_goes() {
    each(|target| {
        let mut g = Guest::new(target);
        let (at, anonymous_fixed_private) = (0x2000_0000, Is(0x32));
        g.call("mmap", &[Is(at), Is(8192), Is(3), anonymous_fixed_private, Is(u64::MAX), Is(0)]).keep(DATA);
        g.store(at + 4096, 5, Width::Word).call("munmap", &[Is(at), Is(4096)]).keep(DATA + 8);
        g.ops(&[Op::Imm(Reg::V1, at + 4096), Op::Load(Reg::V0, Reg::V1, 0, Width::Word)]).keep(DATA + 16);
        g.ops(&[Op::Imm(Reg::V1, at + 16), Op::Load(Reg::V0, Reg::V1, 0, Width::Word)]).exit(0);
        let done = g.run(Options::default());
        assert_eq!(
            (done.word(DATA), done.word(DATA + 8), done.word(DATA + 16)),
            (at as i64, 0, 5),
            "{target}"
        );
        let Ok(Outcome::Ended(ExitStatus::Killed { signal: 11, cause, .. })) = &done.outcome else {
            panic!("{target}: {:?}", done.outcome)
        };
        assert!(cause.contains("0x20000010"), "{cause}");
        assert_eq!(done.status(), 128 + 11);
    });
}

#[test]
fn threads_share_memory_and_the_cpu() {
    each(|target| {
        let mut g = Guest::new(target);
        let child = g.label();
        // Neither thread makes a system call while it waits for the other: they must be preempted.
        g.start_thread(child).keep(DATA + 16).store(DATA, 1, Width::Word).spin(DATA + 8).exit(3);
        g.ops(&[Op::Label(child)]).spin(DATA).call("gettid", &[]).keep(DATA + 24);
        g.store(DATA + 8, 1, Width::Word).call("exit", &[Is(0)]);
        let done = g.run(Options::default());
        assert_eq!(done.status(), 3, "{target}");
        assert_eq!(done.word(DATA + 16), done.word(DATA + 24), "clone answers the number of the thread");
        assert_eq!(done.process.stats().threads, 2);
    });
}

#[test]
fn a_futex_wakes_who_waits() {
    each(|target| {
        const WAIT: u64 = 128;
        const WAKE: u64 = 129;
        let mut g = Guest::new(target);
        let child = g.label();
        g.words(DATA + 64, &[Is(0), Is(1_000_000)]);
        g.start_thread(child);
        // The child waits by then: nobody else runs while this one sleeps.
        g.call("nanosleep", &[Is(DATA + 64), Is(0)]);
        g.call("futex", &[Is(DATA), Is(WAKE), Is(9), Is(0)]).keep(DATA + 16);
        g.call("futex", &[Is(DATA), Is(WAKE), Is(9), Is(0)]).keep(DATA + 24);
        g.spin(DATA + 8).exit(0);
        g.ops(&[Op::Label(child)]).call("futex", &[Is(DATA), Is(WAIT), Is(1), Is(0)]).keep(DATA + 32);
        g.call("futex", &[Is(DATA), Is(WAIT), Is(0), Is(0)]).keep(DATA + 40);
        g.store(DATA + 8, 1, Width::Word).call("exit", &[Is(0)]);
        let done = g.run(Options::default());
        assert_eq!(done.status(), 0, "{target}");
        assert_eq!((done.word(DATA + 16), done.word(DATA + 24)), (1, 0), "one was there, then none");
        assert_eq!((done.word(DATA + 32), done.word(DATA + 40)), (-11, 0), "another value does not wait");
    });
}

#[test]
fn time_is_virtual_and_waiting_costs_nothing() {
    each(|target| {
        let mut g = Guest::new(target);
        let word = g.word();
        g.words(DATA + 64, &[Is(3600), Is(5)]);
        g.call("clock_gettime", &[Is(1), Is(DATA)]);
        g.call("futex", &[Is(DATA + 128), Is(0), Is(0), Is(DATA + 64)]).keep(DATA + 48);
        g.call("clock_gettime", &[Is(1), Is(DATA + 2 * word)]).exit(0);
        let (first, second) = (g.run(Options::default()), g.run(Options::default()));
        assert_eq!((first.status(), first.word(DATA + 48)), (0, timed_out(target)), "{target}: it timed out");
        let time = |at: u64| first.word(at) * 1_000_000_000 + first.word(at + word);
        let passed = time(DATA + 2 * word) - time(DATA) - 3_600_000_000_005;
        assert!((0..10_000).contains(&passed), "{target}: an hour and the instructions in between: {passed}");
        assert!(first.process.stats().time.as_secs() < 60);
        assert_eq!(first.process.stats().instructions, second.process.stats().instructions);
        assert_eq!(first.word(DATA + 3 * word), second.word(DATA + 3 * word), "the same time in every run");
    });
}

/// The upper half of the nanoseconds is padding there, and may be anything.
#[test]
fn times_of_64_bits_on_32_bit_machines_have_padding() {
    each(|target| {
        let futex_time64 = match target {
            AnyTarget::Mips | AnyTarget::Mipsle => 4422,
            _ => 422,
        };
        if target.ptr_size() != 4 {
            return;
        }
        let mut g = Guest::new(target);
        // Three seconds, 5 nanoseconds, rubbish.
        let mut time = [Is(3), Is(0), Is(5), Is(0x1234_5678)];
        if target.big_endian() {
            time = [time[1], time[0], time[3], time[2]];
        }
        g.words(DATA + 64, &time);
        g.call_number(futex_time64, &[Is(DATA), Is(0), Is(0), Is(DATA + 64)]).keep(DATA + 48).exit(0);
        let done = g.run(Options::default());
        assert_eq!((done.status(), done.word(DATA + 48)), (0, timed_out(target)), "{target}: it timed out");
    });
}

#[test]
fn a_sleep_for_ever_does_not_turn_the_clock_back() {
    each(|target| {
        let mut g = Guest::new(target);
        let word = g.word();
        // In 32 bits there are no seconds for ever.
        let ever = if word == 8 { i64::MAX as u64 } else { 1 << 30 };
        g.words(DATA + 64, &[Is(ever), Is(999_999_999), Is(1), Is(0)]);
        g.call("clock_gettime", &[Is(1), Is(DATA)]);
        g.call("nanosleep", &[Is(DATA + 64), Is(0)]).keep(DATA + 128);
        g.call("clock_gettime", &[Is(1), Is(DATA + 2 * word)]);
        g.call("nanosleep", &[Is(DATA + 64 + 2 * word), Is(0)]);
        g.call("clock_gettime", &[Is(1), Is(DATA + 4 * word)]).exit(0);
        let done = g.run(Options { max_instructions: 100_000, ..Options::default() });
        assert_eq!((done.status(), done.word(DATA + 128)), (0, 0), "{target}");
        let time = |n: u64| (done.word(DATA + 2 * n * word), done.word(DATA + (2 * n + 1) * word));
        assert!(time(0) < time(1) && time(1) <= time(2), "{target}: {:?}", [time(0), time(1), time(2)]);
    });
}

/// Where a signal handler finds things: the registers with `siginfo` and `ucontext`, the offset of the
/// address in the first and of the program counter in the second.
pub fn handler_view(target: AnyTarget) -> (Reg, Reg, i32, i32) {
    match target {
        AnyTarget::Amd64 => (Reg::V4, Reg::V2, 16, 168),
        AnyTarget::I386 => (Reg::V2, Reg::V1, 12, 76),
        AnyTarget::Arm => (Reg::V1, Reg::V2, 12, 92),
        AnyTarget::Arm64 => (Reg::V1, Reg::V2, 16, 440),
        AnyTarget::Riscv64 => (Reg::V1, Reg::V2, 16, 176),
        AnyTarget::S390x => (Reg::V1, Reg::V2, 16, 48),
        // Both are in registers that programs here have no name for, and on the stack. Of 64 bits of a program counter the
        // upper ones come first, or last.
        AnyTarget::Mips => (Reg::Sp, Reg::Sp, 36, 188),
        AnyTarget::Mipsle => (Reg::Sp, Reg::Sp, 36, 184),
        AnyTarget::Mips64 | AnyTarget::Mips64le => (Reg::Sp, Reg::Sp, 40, 768),
        _ => (Reg::V1, Reg::V2, 16, 488),
    }
}

#[test]
fn a_handler_sees_the_fault_and_moves_the_program_on() {
    const BAD: u64 = 0x2018;
    each(|target| {
        let (info, context, addr, pc) = handler_view(target);
        let mut g = Guest::new(target);
        let (handler, recovered) = (g.label(), g.label());
        g.handle(11, At(handler), 0).keep(DATA + 8);
        g.ops(&[Op::Imm(Reg::V5, 0x1234), Op::Imm(Reg::V3, BAD), Op::Load(Reg::V0, Reg::V3, 0, Width::Word)]);
        g.exit(1);
        g.ops(&[Op::Label(recovered), Op::Mov(Reg::V0, Reg::V5)]).keep(DATA + 24).exit(4);
        g.ops(&[
            Op::Label(handler),
            Op::Load(Reg::V0, info, addr, Width::Word),
            Op::Imm(Reg::V3, DATA + 16),
            Op::Store(Reg::V0, Reg::V3, 0, Width::Word),
            Op::LabelAddr(Reg::V0, recovered),
            Op::Store(Reg::V0, context, pc, Width::Word),
            Op::Imm(Reg::V5, 0x999),
            Op::Leave(0),
        ]);
        let done = g.run(Options::default());
        assert_eq!((done.status(), done.word(DATA + 8)), (4, 0), "{target}: {:?}", done.outcome);
        // The CPU of s390x knows only the page.
        let known = if target == AnyTarget::S390x { BAD & !0xfff } else { BAD };
        assert_eq!(done.word(DATA + 16) as u64, known, "{target}: si_addr");
        assert_eq!(done.word(DATA + 24), 0x1234, "{target}: registers come back from the frame");
    });
}

#[test]
fn a_signal_reaches_a_thread_that_never_makes_a_system_call() {
    each(|target| {
        let mut g = Guest::new(target);
        let (handler, child) = (g.label(), g.label());
        g.handle(14, At(handler), 0);
        g.start_thread(child).keep(DATA + 16);
        g.spin(DATA + 32).call("tkill", &[Is(1001), Is(14)]).keep(DATA + 24).spin(DATA + 8).exit(6);
        // It waits for a word that only its own signal handler sets.
        g.ops(&[Op::Label(child)]).store(DATA + 32, 1, Width::Word).spin(DATA).store(
            DATA + 8,
            1,
            Width::Word,
        );
        g.call("exit", &[Is(0)]);
        g.ops(&[Op::Label(handler)]).store(DATA, 1, Width::Word).ops(&[Op::Leave(0)]);
        let done = g.run(Options::default());
        assert_eq!((done.status(), done.word(DATA + 24)), (6, 0), "{target}: {:?}", done.outcome);
    });
}

#[test]
fn a_pipe_holds_its_reader_until_there_is_something() {
    each(|target| {
        let mut g = Guest::new(target);
        let child = g.label();
        g.words(DATA + 64, &[Is(0), Is(5_000)]);
        g.call("pipe2", &[Is(DATA), Is(0)]);
        g.start_thread(child).call("read", &[Is(3), Is(DATA + 128), Is(100)]).keep(DATA + 16).exit(0);
        g.ops(&[Op::Label(child)]).call("nanosleep", &[Is(DATA + 64), Is(0)]);
        g.store(DATA + 200, 0x41, Width::B1)
            .call("write", &[Is(4), Is(DATA + 200), Is(1)])
            .call("exit", &[Is(0)]);
        let done = g.run(Options::default());
        assert_eq!((done.status(), done.word(DATA + 16)), (0, 1), "{target}");
    });
}

#[test]
fn what_is_not_emulated_is_told_once() {
    each(|target| {
        let mut g = Guest::new(target);
        g.call("ptrace", &[]).keep(DATA).call("ptrace", &[]).call_number(9999, &[]).keep(DATA + 8).exit(0);
        let done = g.run(Options::default());
        assert_eq!(
            (done.status(), done.word(DATA), done.word(DATA + 8)),
            (0, no_such_call(target), no_such_call(target)),
            "{target}"
        );
        let [ptrace, unknown] = &done.output.notes[..] else { panic!("{:?}", done.output.notes) };
        assert!(ptrace.contains("ptrace") && unknown.contains("9999"), "{:?}", done.output.notes);
    });
}

#[test]
fn limits_hold() {
    each(|target| {
        let mut g = Guest::new(target);
        g.spin(DATA);
        let done = g.run(Options { max_instructions: 10_000, ..Options::default() });
        assert!(matches!(done.outcome, Err(RunError::Instructions(10_000))), "{target}: {:?}", done.outcome);

        let mut g = Guest::new(target);
        g.call("mmap", &[Is(0), Is(64 << 20), Is(3), Is(0x22), Is(u64::MAX), Is(0)]).exit(0);
        let done = g.run(Options { max_memory: 16 << 20, ..Options::default() });
        assert!(matches!(done.outcome, Err(RunError::Memory(_))), "{target}: {:?}", done.outcome);

        let mut g = Guest::new(target);
        g.call("futex", &[Is(DATA), Is(0), Is(0), Is(0)]).exit(0);
        let done = g.run(Options::default());
        assert!(matches!(done.outcome, Err(RunError::Deadlock(1))), "{target}: {:?}", done.outcome);
    });
}

#[test]
fn randomness_is_the_same_in_every_run_and_on_every_machine() {
    let mut seen = Vec::new();
    each(|target| {
        let mut g = Guest::new(target);
        g.call("getrandom", &[Is(DATA), Is(16), Is(0)]).call("write", &[Is(1), Is(DATA), Is(16)]).exit(0);
        assert_eq!(g.run(Options::default()).output, g.run(Options::default()).output);
        assert_eq!(g.run(Options::default()).output.stdout.len(), 16);
    });
    for &target in Machine::ALL {
        let mut g = Guest::new(target);
        g.call("getrandom", &[Is(DATA), Is(16), Is(0)]).call("write", &[Is(1), Is(DATA), Is(16)]).exit(0);
        seen.push(g.run(Options::default()).output.stdout);
    }
    assert!(seen.windows(2).all(|w| w[0] == w[1]));
}

#[test]
fn a_run_stops_at_an_address_and_goes_on() {
    each(|target| {
        let mut g = Guest::new(target);
        g.store(DATA, 1, Width::Word).exit(0);
        let load = || Process::load(&g.elf(), Options::default(), Box::new(Recorder::default())).unwrap();
        let ended = Outcome::Ended(ExitStatus::Exited(0));
        assert_eq!(load().run(Some(ORIGIN)).unwrap(), ended, "{target}: it begins there");
        let mut process = load();
        assert_eq!(process.run(Some(g.addr(1))).unwrap(), Outcome::Reached { tid: 1000 }, "{target}");
        assert_eq!(process.stats().instructions, g.instructions(0), "{target}");
        assert_eq!(process.run(None).unwrap(), ended);
    });
}

#[test]
fn no_damaged_program_brings_the_loader_down() {
    each(|target| {
        let elf = Guest::new(target).exit(0).elf();
        for end in 0..elf.len().min(200) {
            let _ = Process::load(&elf[..end], Options::default(), Box::new(Recorder::default()));
        }
        for at in 0..120 {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = elf.clone();
                damaged[at] ^= flip;
                let limits = Options { max_memory: 64 << 20, max_instructions: 1000, ..Options::default() };
                if let Ok(mut process) = Process::load(&damaged, limits, Box::new(Recorder::default())) {
                    let _ = process.run(None);
                }
            }
        }
    });
}
