//! Where something comes to its end: time, and the room for what the host holds.

use std::fs;
use std::path::Path;

use super::each;
use super::files::path;
use super::guest::{Arg::Is, DATA, Guest, ORIGIN, elf};
use heapmatrix_emu::linux::{ExitStatus, Mount, Options, Outcome, Process, Recorder};
use heapmatrix_writer::AnyTarget;

/// The clock stops at the end of time, and is not turned back.
#[test]
fn a_sleep_for_ever_ends_where_time_does() {
    const MONOTONIC: u64 = 1;
    const BEFORE: u64 = DATA + 64;
    const AFTER: u64 = DATA + 80;
    const LATER: u64 = DATA + 96;
    each(|target| {
        let mut g = Guest::new(target);
        // The seconds of a 32-bit machine end in 2038, long before the clock does.
        let longest = if g.word() == 8 { i64::MAX as u64 } else { 0x7000_0000 };
        g.words(DATA, &[Is(longest), Is(999_999_999)]).words(DATA + 16, &[Is(1), Is(0)]);
        g.call("clock_gettime", &[Is(MONOTONIC), Is(BEFORE)]);
        g.call("nanosleep", &[Is(DATA), Is(0)]).keep(DATA + 32);
        g.call("clock_gettime", &[Is(MONOTONIC), Is(AFTER)]);
        g.call("nanosleep", &[Is(DATA + 16), Is(0)]).keep(DATA + 40);
        g.call("clock_gettime", &[Is(MONOTONIC), Is(LATER)]).exit(0);
        let done = g.run(Options::default());
        assert_eq!((done.status(), done.word(DATA + 32), done.word(DATA + 40)), (0, 0, 0), "{target}");
        let [before, after, later] = [BEFORE, AFTER, LATER].map(|at| done.word(at));
        assert!(before + 0x7000_0000 <= after && after <= later, "{target}: {before}, {after}, {later}");
    });
}

/// The zeros after a program's code are instructions on x86, to the end of its memory. Counted from an odd place on, they
/// never come to an end that a block begun at an even one has.
#[test]
fn code_that_runs_into_zeros_ends_where_it_faults() {
    for target in [AnyTarget::Amd64, AnyTarget::I386] {
        for nops in [12, 13] {
            let recorder = Box::new(Recorder::default());
            let options = Options { max_instructions: 1_000_000, ..Options::default() };
            let mut process = Process::load(&elf(target, &vec![0x90; nops]), options, recorder).unwrap();
            let outcome = process.run(None);
            // add [rax], al: the first register is zero.
            let Ok(Outcome::Ended(ExitStatus::Killed { signal: 11, cause, .. })) = &outcome else {
                panic!("{target}: {outcome:?}")
            };
            assert!(cause.contains(&format!("{:#x}", ORIGIN + nops as u64)), "{target}: {cause}");
            assert_eq!(process.stats().instructions, nops as u64, "{target}");
        }
    }
}

/// A mounted file is read where it lies, however often it is opened: nothing of it is held.
#[test]
fn a_mounted_file_takes_no_room() {
    const SIZE: usize = 16 << 20;
    let host = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mounted");
    let mut contents = vec![0; SIZE];
    contents[..4].copy_from_slice(b"here");
    fs::write(&host, contents).unwrap();
    each(|target| {
        let mut g = Guest::new(target);
        path(&mut g, DATA, "/given");
        for _ in 0..20 {
            g.call("open", &[Is(DATA), Is(0), Is(0)]).keep(DATA + 64);
        }
        g.call("read", &[Is(22), Is(DATA + 72), Is(4)]).keep(DATA + 80);
        g.call("write", &[Is(1), Is(DATA + 72), Is(4)]).exit(0);
        let mounts = vec![Mount { guest: "/given".to_owned(), host: host.clone() }];
        let done = g.run(Options { mounts, max_memory: 10 << 20, ..Options::default() });
        assert_eq!((done.status(), done.word(DATA + 64), done.word(DATA + 80)), (0, 22, 4), "{target}");
        assert_eq!(done.output.stdout, b"here");
        assert!(done.process.stats().memory < 10 << 20);
    });
    fs::remove_file(&host).unwrap();
}

/// A program with symbols, each called by what begins somewhere in one long name.
fn with_symbols(starts: impl Iterator<Item = u32>) -> Vec<u8> {
    const LONG: usize = 1 << 18;
    let mut g = Guest::new(AnyTarget::Amd64);
    g.exit(0);
    let mut elf = g.elf();
    elf.resize(elf.len().next_multiple_of(8), 0);
    let symtab = elf.len() as u64;
    elf.extend([0; 24]);
    for start in starts {
        // An object of eight bytes at an absolute address.
        elf.extend(start.to_le_bytes());
        elf.extend([1, 0, 0xf1, 0xff]);
        elf.extend([DATA, 8].map(u64::to_le_bytes).concat());
    }
    let strtab = elf.len() as u64;
    elf.push(0);
    elf.extend([b'n'; LONG]);
    elf.push(0);
    elf.resize(elf.len().next_multiple_of(8), 0);
    let sections = elf.len() as u64;
    for (kind, at, end, link, entry) in
        [(0, 0, 0, 0, 0), (2, symtab, strtab, 2, 24), (3, strtab, sections, 0, 0)]
    {
        elf.extend([0u32, kind].map(u32::to_le_bytes).concat());
        elf.extend([0, 0, at, end - at].map(u64::to_le_bytes).concat());
        elf.extend([link, 1u32].map(u32::to_le_bytes).concat());
        elf.extend([8u64, entry].map(u64::to_le_bytes).concat());
    }
    elf[0x28..0x30].copy_from_slice(&sections.to_le_bytes());
    elf[0x3a..0x40].copy_from_slice(&[64, 0, 3, 0, 2, 0]);
    elf
}

/// Many symbols may share one name, and it is held once. Names that overlap in the file would take more than the file's size.
#[test]
fn symbols_with_one_long_name_take_its_room_once() {
    let load = |elf: &[u8]| {
        let options = Options { max_memory: 12 << 20, ..Options::default() };
        Process::load(elf, options, Box::new(Recorder::default()))
    };
    let process = load(&with_symbols((0..10_000).map(|_| 1))).unwrap();
    assert_eq!(process.symbols().iter().len(), 10_000);
    let error = load(&with_symbols(1..10_000)).err().expect("gigabytes of names").to_string();
    assert!(error.contains("symbol"), "{error}");
}
