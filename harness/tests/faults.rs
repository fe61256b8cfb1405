//! Faults: outputs that do not take what they are given, and memory that is not what it should be.
//!
//! Whatever happens, a dump is complete or ends with a typed error that says where; what was written
//! before is a part of the right dump; and nothing takes time or memory without bound.

#[path = "faults/damage.rs"]
mod damage;
#[path = "common/hostile.rs"]
mod hostile;

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use damage::{Damaged, PAGE, Trace};
use heapmatrix::matrix;
use heapmatrix_emu::image::Image;
use heapmatrix_emu::memory::GuestMemory;
use heapmatrix_emu::run::Finished;
use heapmatrix_emu::world::catalog::catalog;
use heapmatrix_fuzz::memory;
use heapmatrix_reader::Dump;
use heapmatrix_writer::go15::Program;
use heapmatrix_writer::{AnyTarget, Defects, Dialect, Error, Memory, Options, write_heap_dump};
use hostile::Hostile;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// Worlds of the catalogue that have every runtime structure between them.
const WORLDS: [&str; 12] = [
    "type_cache_move_to_front",
    "itab_of_indirect_type",
    "reused_slots",
    "specials",
    "finalizer_leftovers",
    "statuses",
    "arguments",
    "reflect_stubs",
    "barriers",
    "panic_with_defers",
    "profile",
    "segments",
];

/// A process, and its right dump.
struct Process {
    name: &'static str,
    finished: Finished,
    /// The memory before the program ran.
    before: GuestMemory,
    right: Vec<u8>,
}

fn processes(target: AnyTarget) -> Vec<Process> {
    let cases = catalog();
    WORLDS
        .iter()
        .map(|&name| {
            let case = cases.iter().find(|case| case.name == name).unwrap();
            let before = Image::build(&case.world, target).unwrap().memory;
            let finished = matrix::build(&case.world, target).unwrap();
            let right = matrix::dump(&finished, Defects::NONE).unwrap();
            Process { name, finished, before, right }
        })
        .collect()
}

impl Process {
    fn dump(&self, memory: &impl Memory, out: &mut Vec<u8>) -> Result<u64, Error> {
        let Finished { target, symbols, .. } = &self.finished;
        write_heap_dump(*target, memory, symbols, &Options::default(), out).map(|summary| summary.bytes)
    }

    /// What a dump reads of the memory.
    fn trace(&self) -> Trace<'_> {
        let trace = Trace::new(&self.finished.memory);
        self.dump(&trace, &mut Vec::new()).unwrap();
        trace
    }

    /// Dumps damaged memory: there is an error, or a dump that the reader accepts, at a cost in
    /// proportion.
    ///
    /// Says whether there is a dump.
    fn dump_damaged(&self, memory: &Damaged<'_>) -> Result<bool, String> {
        let mut out = Vec::new();
        let (result, peak) = memory::peak(|| self.dump(memory, &mut out));
        let mapped: u64 = self.finished.memory.regions().map(|region| region.len()).sum();
        let limit = (8 << 20) + 3 * out.len();
        if peak > limit {
            return Err(format!("{peak} bytes of memory for a dump of {}", out.len()));
        }
        if out.len() as u64 > 64 * mapped {
            return Err(format!("a dump of {} bytes of {mapped} bytes of memory", out.len()));
        }
        match result {
            Err(Error::Write { .. }) => Err("an error of the output, which took everything".to_owned()),
            Err(_) => Ok(false),
            Ok(bytes) if bytes != out.len() as u64 => {
                Err(format!("{bytes} bytes, of which {} came", out.len()))
            }
            Ok(_) => {
                let dump = Dump::new(&out).map_err(|error| error.to_string())?;
                let read = dump.records().try_for_each(|record| record.map(drop));
                read.map(|()| true).map_err(|error| error.to_string())
            }
        }
    }
}

/// Every split of the stream is healed; every failure is told, with the offset up to which all is there.
fn outputs(target: AnyTarget) {
    for process in processes(target).iter().filter(|process| process.right.len() < 6000) {
        let Process { name, finished, right, .. } = process;
        let Finished { memory, symbols, .. } = finished;
        for capacity in [64, Options::REFERENCE_CAPACITY] {
            let options = Options { capacity, ..Options::default() };
            for split in 0..=right.len() {
                let dump = |then| {
                    let mut out = Hostile { then, ..Hostile::new(split) };
                    let result = write_heap_dump(target, memory, symbols, &options, &mut out);
                    (result, out.bytes)
                };
                let (result, bytes) = dump(None);
                assert_eq!(result.unwrap().bytes, right.len() as u64, "{name}, split at {split}");
                assert!(bytes == *right, "{name}, split at {split}");

                let full: fn() -> io::Result<usize> = || Err(ErrorKind::StorageFull.into());
                for (then, kind) in [(full, ErrorKind::StorageFull), (|| Ok(0), ErrorKind::WriteZero)] {
                    let (result, bytes) = dump(Some(then));
                    assert!(bytes == right[..split], "{name}, {kind} at {split}");
                    match result {
                        Ok(_) => assert_eq!(split, right.len(), "{name}: lost without an error"),
                        Err(Error::Write { offset, source }) => {
                            assert_eq!((offset, source.kind()), (split as u64, kind), "{name}");
                        }
                        Err(error) => panic!("{name}, {kind} at {split}: {error}"),
                    }
                }
            }
        }
    }
}

/// Where the reference loses bytes without a word, the dialect that repeats it counts them.
fn losses(target: AnyTarget) {
    for Process { name, finished, .. } in &processes(target) {
        let Finished { memory, symbols, .. } = finished;
        let program = Program::new(symbols, Dialect::Go15Exact);
        let options = Options { capacity: Options::REFERENCE_CAPACITY, ..Options::default() };
        let dump =
            |out: &mut dyn std::io::Write| write_heap_dump(target, memory, &program, &options, out).unwrap();
        let whole = dump(&mut std::io::sink());
        for split in (0..whole.bytes as usize).step_by(whole.bytes as usize / 50 + 1) {
            let mut out = Hostile::new(split);
            let summary = dump(&mut out);
            assert_eq!(summary.bytes, out.bytes.len() as u64, "{name}, split at {split}");
            assert!(summary.lost > whole.lost, "{name}: interrupted, and nothing was lost");
            assert_eq!(summary.bytes + summary.lost, whole.bytes + whole.lost, "{name}, split at {split}");
        }
    }
}

/// A page that is not there is named by the error, and the dump up to it is a part of the right one.
fn holes(target: AnyTarget) {
    let mut named = 0;
    for process in &processes(target) {
        let name = process.name;
        for page in process.trace().pages() {
            let mut memory = Damaged::new(&process.finished.memory);
            memory.holes.push(page);
            let mut out = Vec::new();
            match process.dump(&memory, &mut out) {
                // It was read ahead only.
                Ok(_) => assert!(out == process.right, "{name}: another dump without {page:#x}"),
                Err(Error::Unreadable { source, .. }) => {
                    let (first, last) = (source.addr.0, source.addr.0 + source.len - 1);
                    assert!(first < page + PAGE && last >= page, "{name}: {source}, and not {page:#x}");
                    assert!(process.right.starts_with(&out), "{name}: another dump before {page:#x}");
                    named += 1;
                }
                Err(error) => panic!("{name} without {page:#x}: {error}"),
            }
        }
    }
    assert!(named > 100, "only {named} holes were met");
}

/// A page as it was before the program ran, among pages as they are now.
fn torn_pages(target: AnyTarget) {
    for process in &processes(target) {
        for page in process.trace().pages() {
            let mut memory = Damaged::new(&process.finished.memory);
            memory.torn = Some((&process.before, page));
            if let Err(what) = process.dump_damaged(&memory) {
                panic!("{} with the page {page:#x} as it was before: {what}", process.name);
            }
        }
    }
}

/// Bits flipped in what the writer reads: every structure of the runtime, by chance.
fn bit_flips(target: AnyTarget) {
    let processes: Vec<(Process, Vec<u64>)> = processes(target)
        .into_iter()
        .map(|process| {
            let bytes = process.trace().structures();
            (process, bytes)
        })
        .collect();
    let flip = (any::<prop::sample::Index>(), 0..8u32);
    let flips = (0..processes.len(), prop::collection::vec(flip, 1..4));
    // What fails is told as a world and its flipped bits; there is nothing else to keep.
    let config = Config { cases: 2048, failure_persistence: None, ..Config::default() };
    let counts = [AtomicU32::new(0), AtomicU32::new(0)];
    let result = TestRunner::new(config).run(&flips, |(i, flips)| {
        let (process, bytes) = &processes[i];
        let flips: Vec<(u64, u8)> = flips.iter().map(|(index, bit)| (*index.get(bytes), 1 << bit)).collect();
        let mut memory = Damaged::new(&process.finished.memory);
        memory.flips = flips.clone();
        let dumped = process.dump_damaged(&memory);
        let told = |what| TestCaseError::fail(format!("{} with {flips:x?} flipped: {what}", process.name));
        counts[usize::from(dumped.map_err(told)?)].fetch_add(1, Relaxed);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{target}: {failure}");
    }
    // Flips that nothing notices, or that nothing survives, would be flips of the wrong bits.
    let [errors, dumps] = counts.map(AtomicU32::into_inner);
    assert!(errors > 100 && dumps > 100, "{errors} errors and {dumps} dumps");
}

/// What the bound on memory rests on.
#[test]
fn allocations_are_counted() {
    let (kept, peak) = memory::peak(|| {
        drop(std::hint::black_box(vec![1u8; 1 << 20]));
        std::hint::black_box(vec![1u8; 1000])
    });
    assert!((1 << 20..2 << 20).contains(&peak), "{peak} bytes, of which {} are left", kept.len());
}

heapmatrix_emu::each_machine!(outputs, losses, holes, torn_pages, bit_flips);
