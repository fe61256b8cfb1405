//! Core files taken at random moments of a busy program: no object that lives is missing.
//!
//! Emulated, the program does the same in every run, and can be stopped between any two instructions. What lives then is known
//! twice. The program keeps a list of it, in memory that holds no pointers: that is exact, of the objects that are listed. And it
//! dumps itself every now and then, with its world stopped, by its own runtime: what is alive there and had been made before a
//! moment was alive at that moment, as nothing comes back to life. Objects are known again by the number that each has.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use fastrand::Rng;
use heapmatrix_emu::linux::{Options, Outcome, Process, Recorder};
use heapmatrix_emu::machine::AnyTarget;
use heapmatrix_process::{CoreFile, Dumper, Executable, Pieces, Process as Read, Program};
use heapmatrix_writer::go119::Stopped;

use crate::heap::{Frames, Heap, Name, WORKERS, busy_list, words};
use crate::{busy, sound, toolchains};

/// How many moments there are: most on two machines that are unlike each other.
const fn moments(target: AnyTarget) -> u64 {
    match target {
        AnyTarget::Amd64 | AnyTarget::Mips => MOST,
        _ => 50,
    }
}

const MOST: u64 = 200;

/// The instructions before the first, and at most between two.
const START: u64 = 5_000_000;
const STEP: u64 = 400_000;

/// At one moment of so many the program is dumped as if it were stripped, too.
const STRIPPED: u64 = 10;

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
    /// How often the program has dumped itself, and what was alive then and at earlier moments.
    own_dumps: u64,
    still_alive: usize,
}

/// What could be reached at a moment.
struct Moment {
    what: String,
    /// How many objects each worker had made, of which it may be making the last.
    made: Vec<u64>,
    /// The objects that could be reached, with their addresses.
    known: HashMap<Name, u64>,
}

fn no_live_object_is_missing(target: AnyTarget) {
    for go in toolchains() {
        let program = busy(&go, target.goarch());
        let what = format!("{} for {target}", go.display());
        let elf = fs::read(program.path()).unwrap();
        let args = ["busy", "dumps", "/own.dump"].map(str::to_owned).into();
        let options = Options { cpus: 4, args, ..Options::default() };
        let mut process = Process::load(&elf, options, Box::new(Recorder::default())).unwrap();
        assert_eq!(process.run_for(START).unwrap(), Outcome::Paused, "{what}");
        let (mut random, mut seen) = (Rng::with_seed(1), Seen::default());
        let (guest, mut earlier) = (Guest::of(&process, &elf), Vec::new());
        for moment in 0..moments(target) {
            let more = random.u64(1..=STEP);
            assert_eq!(process.run_for(more).unwrap(), Outcome::Paused, "{what}");
            let now = format!("{what}, moment {moment}");
            earlier.push(guest.check(&process, now, moment % STRIPPED == 0, &mut seen));
            if guest.dumps_itself(&process) || moment + 1 == moments(target) {
                let reached = process.run(Some(guest.dumped)).unwrap();
                assert!(matches!(reached, Outcome::Reached { .. }), "{what}: {reached:?}");
                guest.check_later(&mut process, &earlier, &mut seen);
                earlier.clear();
            }
        }
        seen.file = Vec::new();
        eprintln!("{what}: {seen:?}");
        // All that a process can be stopped in has come up.
        assert!(seen.live > 1000 && seen.running > 20 && seen.own_dumps > 0, "{what}: {seen:?}");
        assert!(seen.unswept + seen.collecting > 0, "{what}: {seen:?}");
        if moments(target) == MOST {
            assert!(seen.unswept > 0 && seen.collecting > 0 && seen.still_alive > 1000, "{what}: {seen:?}");
        }
    }
}

heapmatrix_emu::each_engine!(no_live_object_is_missing);

/// Variables that do not show by what they contain, by their names in all releases.
const NOT_FOUND: [&str; 5] =
    ["runtime.fingRunning", "runtime.fingStatus", "runtime.gcphase", "runtime.ncpu", "runtime.numCPUStartup"];

/// An executable whose header says that there are no sections.
fn without_sections(elf: &[u8]) -> Vec<u8> {
    let (mut bare, is_64) = (elf.to_vec(), elf[4] == 2);
    let (shoff, shnum) = if is_64 { (40..48, 60..64) } else { (32..36, 48..52) };
    bare[shoff].fill(0);
    bare[shnum].fill(0);
    bare
}

/// The program, as it is at any moment.
struct Guest<'e> {
    elf: &'e [u8],
    /// The same without sections, and so without symbols and DWARF.
    bare: Vec<u8>,
    executable: Executable<'e>,
    dumper: Dumper,
    /// Where `main.live`, `main.made` and `main.dumping` are, and the function `main.dumped`.
    live: u64,
    made: u64,
    dumping: u64,
    dumped: u64,
}

impl<'e> Guest<'e> {
    fn of(process: &Process, elf: &'e [u8]) -> Self {
        let executable = Executable::parse(elf).unwrap();
        let symbol = |name: &str| process.symbols().addr(name).map(|addr| addr.0);
        let program = Program { target: process.target(), elf, bias: 0, symbol: &symbol };
        let dumper = Dumper::open(&program, process.memory(), None, false).unwrap();
        let [live, made, dumping, dumped] =
            ["main.live", "main.made", "main.dumping", "main.dumped"].map(|name| symbol(name).unwrap());
        Guest { elf, bare: without_sections(elf), executable, dumper, live, made, dumping, dumped }
    }

    /// Whether the program dumps itself just now.
    fn dumps_itself(&self, process: &Process) -> bool {
        words(process.target(), process.memory(), self.dumping, 1) != [0]
    }

    /// Takes a core file of a process, dumps that, and makes sure of the dump.
    fn check(&self, process: &Process, what: String, stripped: bool, seen: &mut Seen) -> Moment {
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
        sound(&dump, &what);
        let doubts = stopped.doubts();
        assert_eq!(doubts.not_unwound, [], "{what}");
        if stripped {
            self.check_stripped(process, &read, &dump, &what);
        }

        let live = busy_list(process.target(), process.memory(), self.live);
        let heap = Heap::read(&dump, Frames::All);
        heap.has_all(&live, &what);
        seen.objects += heap.objects.len();
        seen.live += live.len();
        seen.running += doubts.running;
        seen.unswept += doubts.unswept_spans;
        seen.sweeping += doubts.spans_being_swept;
        seen.collecting += u64::from(doubts.collecting);
        let made = words(process.target(), process.memory(), self.made, WORKERS);
        Moment { what, made, known: heap.known() }
    }

    /// Makes sure that the dump is the same by tables of layouts, whether the program has symbols or the runtime's variables have
    /// to be found by what they contain.
    fn check_stripped(&self, process: &Process, read: &Read<Pieces<'_>>, dump: &[u8], what: &str) {
        let symbol = |name: &str| process.symbols().addr(name).map(|addr| addr.0);
        let with_symbols: &dyn Fn(&str) -> Option<u64> = &symbol;
        for (symbol, not_found) in [(with_symbols, None), (&|_| None, Some(&NOT_FOUND[..]))] {
            let program = Program { target: read.target, elf: &self.bare, bias: 0, symbol };
            let dumper = Dumper::open(&program, &read.memory, None, false)
                .unwrap_or_else(|error| panic!("{what}, stripped: {error}"));
            let missing = dumper.not_found();
            assert_eq!(missing.is_some(), not_found.is_some(), "{what}");
            assert!(missing.iter().flatten().all(|name| NOT_FOUND.contains(name)), "{what}: {missing:?}");
            let (stopped, mut again) = (Stopped::new(&read.threads), Vec::new());
            dumper
                .dump(read.target, &read.memory, None, Some(&stopped), &mut again)
                .unwrap_or_else(|error| panic!("{what}, stripped: {error}"));
            assert!(again == dump, "{what}: stripped, the dump is another ({missing:?})");
        }
    }

    /// Makes sure that what is alive by the dump that the program has just made of itself was alive at the moments before.
    fn check_later(&self, process: &mut Process, earlier: &[Moment], seen: &mut Seen) {
        let files = process.captured();
        let own = files.iter().find(|file| file.path == b"/own.dump").unwrap();
        let alive = Heap::read(&own.to_vec().unwrap(), Frames::Mapped).known();
        for Moment { what, made, known } in earlier {
            for (&(worker, number), &address) in &alive {
                if number < made[worker] {
                    let then = known.get(&(worker, number));
                    assert_eq!(then, Some(&address), "{what}: object {number} of {worker} is alive later on");
                    seen.still_alive += 1;
                }
            }
        }
        seen.own_dumps += 1;
    }
}
