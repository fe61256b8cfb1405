//! Limits: what a guest can't make the host hold, and for how long it can't make it work.

use std::time::Duration;

use heapmatrix_emu::guest::ir::{Op, Reg, Width};
use heapmatrix_emu::linux::{Options, RunError};
use heapmatrix_emu::memory::PAGE;
use heapmatrix_writer::AnyTarget;

use super::each;
use super::files::path;
use super::guest::Arg::{self, At, Is, Word};
use super::guest::{DATA, Guest, STACK, stack_top};

/// The arguments of `mmap` after the address and the length: an anonymous private mapping.
const fn anonymous(prot: u64) -> [Arg; 4] {
    [Is(prot), Is(0x22), Is(u64::MAX), Is(0)]
}

/// A budget of 64 MiB, of which the stack takes eight.
fn small() -> Options {
    Options { max_memory: 64 << 20, ..Options::default() }
}

/// Installs a handler for faults, during which faults are not blocked.
fn handle_faults(g: &mut Guest, handler: Arg) {
    const NODEFER: u64 = 0x4000_0000;
    g.handle(11, handler, NODEFER);
}

fn fault(g: &mut Guest) {
    g.ops(&[Op::Imm(Reg::V1, 8), Op::Load(Reg::V0, Reg::V1, 0, Width::Word)]);
}

#[test]
fn handlers_that_are_left_without_returning_take_nothing() {
    each(|target| {
        let mut g = Guest::new(target);
        let body = g.label();
        handle_faults(&mut g, At(body));
        g.ops(&[Op::Label(body), Op::Imm(Reg::V3, STACK), Op::Mov(Reg::Sp, Reg::V3)]);
        fault(&mut g);
        let done = g.run(Options { max_instructions: 10_000_000, ..small() });
        assert!(matches!(done.outcome, Err(RunError::Instructions(_))), "{target}: {:?}", done.outcome);
        let memory = done.process.stats().memory;
        assert!(memory < 9 << 20, "{target}: {memory} bytes after some thousand signals");
    });
}

#[test]
fn handlers_within_handlers_take_what_the_limit_allows() {
    each(|target| {
        let mut g = Guest::new(target);
        handle_faults(&mut g, Is(0x10));
        g.call("mmap", &[&[Is(0), Is(32 << 20)][..], &anonymous(3)].concat());
        g.ops(&[
            Op::Mov(Reg::V3, Reg::V0),
            Op::Imm(Reg::V1, (32 << 20) - 256),
            Op::Add(Reg::V3, Reg::V1),
            Op::Mov(Reg::Sp, Reg::V3),
        ]);
        fault(&mut g);
        let done = g.run(small());
        assert!(matches!(done.outcome, Err(RunError::Memory(_))), "{target}: {:?}", done.outcome);
        // No instruction is executed any more, so that signals must count.
        let done = g.run(Options { max_instructions: 100_000, ..small() });
        assert!(matches!(done.outcome, Err(RunError::Instructions(_))), "{target}: {:?}", done.outcome);
    });
}

#[test]
fn threads_take_what_the_limit_allows() {
    each(|target| {
        let mut g = Guest::new(target);
        let child = g.label();
        g.forever(|g| {
            g.start_thread(child);
        });
        g.ops(&[Op::Label(child)]).forever(|g| {
            g.call("futex", &[Is(DATA), Is(0), Is(0), Is(0)]);
        });
        let done = g.run(small());
        assert!(matches!(done.outcome, Err(RunError::Memory(_))), "{target}: {:?}", done.outcome);
        let stats = done.process.stats();
        assert!((100..2000).contains(&stats.threads) && stats.memory <= 64 << 20, "{target}: {stats:?}");
    });
}

/// A guest that maps page after page for ever, each so many bytes after the one before.
fn mapping_pages(target: AnyTarget, prot: u64, step: i32) -> Guest {
    let mut g = Guest::new(target);
    g.store(DATA + 512, 0x2000_0000, Width::Word).forever(|g| {
        g.call("mmap", &[&[Word(DATA + 512), Is(PAGE)][..], &anonymous(prot)].concat());
        g.add(DATA + 512, step);
    });
    g
}

#[test]
fn pages_that_are_mapped_one_by_one_are_one_region() {
    each(|target| {
        let done = mapping_pages(target, 3, PAGE as i32).run(small());
        assert!(matches!(done.outcome, Err(RunError::Memory(_))), "{target}: {:?}", done.outcome);
        let regions = done.process.memory().regions().len();
        assert!(regions < 100, "{target}: {regions} regions");
        assert!(done.process.stats().memory > 63 << 20, "{target}: {:?}", done.process.stats());
    });
}

#[test]
fn mappings_count_as_the_time_that_they_take() {
    each(|target| {
        for prot in [0, 3] {
            let limits = Options { max_instructions: 50_000_000, ..small() };
            let done = mapping_pages(target, prot, 2 * PAGE as i32).run(limits);
            let ended = matches!(done.outcome, Err(RunError::Instructions(_) | RunError::Memory(_)));
            assert!(ended, "{target}: {:?}", done.outcome);
            let stats = done.process.stats();
            assert!(stats.time < Duration::from_secs(60), "{target}: {stats:?}");
        }
    });
}

#[test]
fn what_the_loader_has_mapped_can_be_unmapped() {
    each(|target| {
        let stack = stack_top(target) - (8 << 20);
        let mut g = Guest::new(target);
        g.call("munmap", &[Is(stack), Is(1 << 20)]).keep(DATA);
        g.call("mmap", &[&[Is(0), Is(PAGE)][..], &anonymous(3)].concat()).exit(0);
        let done = g.run(small());
        assert_eq!((done.status(), done.word(DATA)), (0, 0), "{target}");
        assert!(done.process.stats().memory < 9 << 20);
    });
}

#[test]
fn memory_that_is_unmapped_beside_what_stays_goes_back() {
    each(|target| {
        // Each round maps 32 MiB, and unmaps all but one page of it.
        let len = 32 << 20;
        let mut g = Guest::new(target);
        g.store(DATA + 512, 0x2000_0000, Width::Word).store(DATA + 520, 0x2000_1000, Width::Word);
        for _ in 0..40 {
            g.call("mmap", &[&[Word(DATA + 512), Is(len)][..], &anonymous(3)].concat());
            g.call("munmap", &[Word(DATA + 520), Is(len - PAGE)]);
            g.add(DATA + 512, 2 * PAGE as i32).add(DATA + 520, 2 * PAGE as i32);
        }
        g.exit(0);
        let done = g.run(small());
        assert_eq!(done.status(), 0, "{target}");
        assert!(done.process.stats().memory < 48 << 20, "{target}: {:?}", done.process.stats());
    });
}

#[test]
fn memory_and_files_share_one_limit() {
    each(|target| {
        let len = 40 << 20;
        let mut g = Guest::new(target);
        path(&mut g, DATA, "/big");
        g.call("mmap", &[&[Is(0), Is(len)][..], &anonymous(3)].concat()).keep(DATA + 512);
        g.call("open", &[Is(DATA), Is(0o102), Is(0o644)]);
        for result in [DATA + 520, DATA + 528] {
            g.call("write", &[Is(3), Word(DATA + 512), Is(len)]).keep(result);
        }
        g.exit(0);
        let done = g.run(small());
        let (first, second) = (done.word(DATA + 520), done.word(DATA + 528));
        assert_eq!(done.status(), 0, "{target}");
        // What is left of 64 MiB beside 40 of memory and eight of stack; then nothing: ENOSPC.
        assert!((8 << 20..16 << 20).contains(&first) && second == -28, "{target}: {first}, {second}");
        assert!(done.process.stats().memory <= 64 << 20, "{target}");
    });
}

/// `cacheflush`, and `riscv_flush_icache`.
const FLUSHES: [(AnyTarget, u64); 6] = [
    (AnyTarget::Arm, 0xf_0002),
    (AnyTarget::Mips, 4147),
    (AnyTarget::Mipsle, 4147),
    (AnyTarget::Mips64, 5197),
    (AnyTarget::Mips64le, 5197),
    (AnyTarget::Riscv64, 259),
];

/// The arguments: all addresses.
fn everything(target: AnyTarget) -> [Arg; 3] {
    [Is(0), Is(if target.ptr_size() == 4 { 0xffff_f000 } else { u64::MAX << 12 }), Is(0)]
}

/// Of all addresses, where there is hardly any code.
#[test]
fn forgetting_code_takes_no_time_where_there_is_none() {
    for (target, number) in FLUSHES {
        let mut g = Guest::new(target);
        g.call_number(number, &everything(target));
        g.exit(0);
        let done = g.run(small());
        assert!(done.outcome.is_ok(), "{target}: {:?}", done.outcome);
        let time = done.process.stats().time;
        assert!(time < Duration::from_secs(5), "{target}: {time:?}");
    }
}

/// Of much code, it counts.
#[test]
fn forgetting_code_counts() {
    for (target, number) in FLUSHES {
        let mut g = Guest::new(target);
        g.call("mmap", &[&[Is(0), Is(32 << 20)][..], &anonymous(7)].concat());
        for _ in 0..3 {
            g.call_number(number, &everything(target));
        }
        g.exit(0);
        let done = g.run(Options { max_instructions: 50_000, ..small() });
        assert!(matches!(done.outcome, Err(RunError::Instructions(_))), "{target}: {:?}", done.outcome);
    }
}
