//! The transliteration of today's heapdump.go, beside the writer on real processes.

use heapmatrix::exec::{DUMP_POINT, ExecError, difference::Difference, run_to};
use heapmatrix::oracle::literal119::{Literal, writeheapdump};
use heapmatrix_emu::linux::{Options as Machine, Process, Recorder};
use heapmatrix_layouts::Dwarf;
use heapmatrix_reader::{Dump, Kind};
use heapmatrix_writer::go119::{Defects, Program as Writer};
use heapmatrix_writer::{Options, write_heap_dump};

use crate::go::Program;
use crate::today::each_toolchain;

/// The writer writes what the transliteration does, but for what the dump changes in the process, and the statistics, which
/// nobody hands to the transliteration.
fn compare(process: &Process, layouts: &Dwarf, what: &str) -> usize {
    let defects = Defects { own_variables_in_bss: false, ..Defects::ALL };
    let writer = Writer { layouts, defects, sys_alloc: None, stopped: None };
    let mut dump = Vec::new();
    write_heap_dump(process.target(), process.memory(), &writer, &Options::default(), &mut dump)
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let Literal { before, after } = writeheapdump(process.target(), process.memory(), layouts)
        .unwrap_or_else(|stop| panic!("{what}: {stop}"));
    let read = Dump::new(&dump).unwrap();
    let mut records = read.records();
    let statistics = loop {
        let (start, record) = records.next().expect("there are statistics").unwrap();
        if record.kind() == Kind::MemStats {
            break start as usize..records.offset() as usize;
        }
    };
    let literal = [&before, &dump[statistics.clone()], &after].concat();
    if let Some(difference) = Difference::first(&dump, &literal, process.symbols()) {
        panic!("{what}: {difference}");
    }
    assert_eq!((before.len(), dump.len() - after.len()), (statistics.start, statistics.end), "{what}");
    dump.len()
}

fn the_writer_agrees(arch: &str) {
    each_toolchain(|go| {
        for cpus in [1, 4] {
            let program = Program::build_with(go, "tests/exec/shapes", arch, &[]);
            let elf = std::fs::read(program.path()).unwrap();
            let layouts = Dwarf::read(&elf).unwrap();
            let args = ["shapes", "own.dump"].map(str::to_owned).to_vec();
            let options = Machine { args, cpus, ..Machine::default() };
            let mut process = Process::load(&elf, options, Box::new(Recorder::default())).unwrap();
            let (mut dumps, mut bytes) = (0, 0);
            loop {
                match run_to(&mut process, DUMP_POINT) {
                    Ok(()) => {
                        dumps += 1;
                        let what = format!("{} for {arch}, {cpus} CPUs, dump {dumps}", go.display());
                        bytes += compare(&process, &layouts, &what);
                    }
                    Err(ExecError::NotReached { .. }) => break,
                    Err(error) => panic!("{error}"),
                }
            }
            assert_eq!(dumps, 5);
            eprintln!("{} for {arch}, {cpus} CPUs: {dumps} dumps agree, {bytes} bytes", go.display());
        }
    });
}

macro_rules! on_each_machine {
    ($($name:ident $arch:literal)*) => {$(
        #[test]
        fn $name() {
            the_writer_agrees($arch);
        }
    )*

        #[test]
        fn every_machine_has_its_test() {
            let tested = [$($arch),*];
            assert!(crate::architectures().all(|arch| tested.contains(&arch)));
        }
    };
}

on_each_machine!(
    amd64 "amd64" i386 "386" arm "arm" arm64 "arm64" ppc64 "ppc64" ppc64le "ppc64le" mips "mips" mipsle "mipsle"
    mips64 "mips64" mips64le "mips64le" riscv64 "riscv64" s390x "s390x"
);
