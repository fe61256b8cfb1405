//! Core files taken at random moments of a busy program: no object that lives is missing.
//!
//! The program keeps a list of what lives, in memory that holds no pointers. Emulated, it does the same in every run, and can
//! be stopped between any two instructions.

use std::fs;
use std::path::Path;

use fastrand::Rng;
use heapmatrix_emu::linux::{Options, Outcome, Process, Recorder};
use heapmatrix_emu::machine::AnyTarget;
use heapmatrix_process::{CoreFile, Dumper, Executable, Program};
use heapmatrix_writer::go119::Stopped;

use crate::heap::{Heap, busy_list};
use crate::{busy, sound, toolchains};

/// How many moments there are: most on two machines that are unlike each other.
const fn moments(target: AnyTarget) -> u64 {
    match target {
        AnyTarget::Amd64 | AnyTarget::Mips => 200,
        _ => 50,
    }
}

/// The instructions before the first, and at most between two.
const START: u64 = 5_000_000;
const STEP: u64 = 400_000;

/// What came up in all moments together.
#[derive(Debug, Default)]
struct Seen {
    /// The core file of the last moment, whose room the next takes.
    file: Vec<u8>,
    objects: usize,
    live: usize,
    running: u64,
    unswept: u64,
    sweeping: u64,
    collecting: u64,
}

fn no_live_object_is_missing(target: AnyTarget) {
    for go in toolchains() {
        let program = busy(&go, target.goarch());
        let what = format!("{} for {target}", go.display());
        let elf = fs::read(program.path()).unwrap();
        let options = Options { cpus: 4, ..Options::default() };
        let mut process = Process::load(&elf, options, Box::new(Recorder::default())).unwrap();
        assert_eq!(process.run_for(START).unwrap(), Outcome::Paused, "{what}");
        let (mut random, mut seen) = (Rng::with_seed(1), Seen::default());
        let guest = Guest::of(&process, &elf);
        for moment in 0..moments(target) {
            let more = random.u64(1..=STEP);
            assert_eq!(process.run_for(more).unwrap(), Outcome::Paused, "{what}");
            guest.check(&process, &format!("{what}, moment {moment}"), &mut seen);
        }
        seen.file = Vec::new();
        eprintln!("{what}: {seen:?}");
        // All that a process can be stopped in has come up.
        assert!(seen.live > 1000 && seen.running > 20, "{what}: {seen:?}");
        assert!(seen.unswept > 0 && seen.collecting > 0, "{what}: {seen:?}");
    }
}

heapmatrix_emu::each_engine!(no_live_object_is_missing);

/// The program, as it is at any moment.
struct Guest<'e> {
    elf: &'e [u8],
    executable: Executable<'e>,
    dumper: Dumper,
    /// Where `main.live` is.
    live: u64,
}

impl<'e> Guest<'e> {
    fn of(process: &Process, elf: &'e [u8]) -> Self {
        let executable = Executable::parse(elf).unwrap();
        let symbol = |name: &str| process.symbols().addr(name).map(|addr| addr.0);
        let program = Program { target: process.target(), elf, bias: 0, symbol: &symbol };
        let dumper = Dumper::open(&program, process.memory(), None, false).unwrap();
        Guest { elf, executable, dumper, live: symbol("main.live").unwrap() }
    }

    /// Takes a core file of a process, dumps that, and makes sure of the dump.
    fn check(&self, process: &Process, what: &str, seen: &mut Seen) {
        seen.file.clear();
        heapmatrix::exec::core::write_core(process, self.elf, Path::new("/program"), None, &mut seen.file)
            .unwrap();
        let core = CoreFile::parse(&seen.file).unwrap();
        let read = core.process(std::slice::from_ref(&self.executable)).unwrap();
        let stopped = Stopped::new(&read.threads);
        let mut dump = Vec::new();
        self.dumper
            .dump(read.target, &read.memory, None, Some(&stopped), &mut dump)
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        sound(&dump, what);
        let doubts = stopped.doubts();
        assert_eq!(doubts.not_unwound, [], "{what}");

        let live = busy_list(process.target(), process.memory(), self.live);
        let heap = Heap::read(&dump);
        heap.has_all(&live, what);
        seen.objects += heap.objects.len();
        seen.live += live.len();
        seen.running += doubts.running;
        seen.unswept += doubts.unswept_spans;
        seen.sweeping += doubts.spans_being_swept;
        seen.collecting += u64::from(doubts.collecting);
    }
}
