//! Teeth: writers that make a mistake are caught on every architecture where it can show.
//!
//! The mistakes are the rows of `mistakes.rs`. Each wrong writer dumps the catalogue's worlds on all machines, and
//! every oracle is asked. What they say is the table in `caught.md`, which the test compares;
//! `UPDATE_WRONG_WRITERS=1` writes it anew.

#[path = "../../tests/common/hostile.rs"]
mod hostile;
#[path = "../../tests/common/recorder.rs"]
mod recorder;

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use heapmatrix::matrix;
use heapmatrix::oracle::isomorphism::{self, Graph};
use heapmatrix::oracle::literal::{Fixes, Literal, writeheapdump};
use heapmatrix::oracle::{laws, model, reencode};
use heapmatrix_emu::run::Finished;
use heapmatrix_emu::world::World;
use heapmatrix_emu::world::catalog::catalog;
use heapmatrix_wrong_writers::go15::Program;
use heapmatrix_wrong_writers::{Addr, AnyTarget, Dialect, Error, Mistake, Options, making, write_heap_dump};
use hostile::Hostile;
use recorder::Recorder;

/// What can catch a wrong writer, from the one that knows least of the dumped process to the one that knows
/// most. The two-memories oracle is not among them: it judges processes, and not their dumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Oracle {
    /// The writer itself ends with an error.
    Writer,
    /// The reader cannot read the dump, or its records do not encode to it.
    Reencoding,
    /// The dump breaks a law.
    Laws,
    /// The graphs of the machines differ.
    Isomorphism,
    /// The dump is not of its world.
    Model,
    /// The transliteration writes other bytes.
    Transliteration,
    /// The transliteration writes the same bytes in other pieces.
    Writes,
    /// An output that interrupts and takes writes in parts gets another stream than one that does not.
    Faults,
}

impl Oracle {
    const ALL: [Oracle; 8] = [
        Oracle::Writer,
        Oracle::Reencoding,
        Oracle::Laws,
        Oracle::Isomorphism,
        Oracle::Model,
        Oracle::Transliteration,
        Oracle::Writes,
        Oracle::Faults,
    ];

    fn name(self) -> &'static str {
        match self {
            Oracle::Writer => "writer's own checks",
            Oracle::Reencoding => "re-encoding",
            Oracle::Laws => "laws",
            Oracle::Isomorphism => "isomorphism",
            Oracle::Model => "model",
            Oracle::Transliteration => "transliteration",
            Oracle::Writes => "sequence of writes",
            Oracle::Faults => "faults",
        }
    }
}

const DIALECTS: [(Dialect, Fixes); 2] = [(Dialect::Go15, Fixes::ALL), (Dialect::Go15Exact, Fixes::NONE)];

/// A process, and what right dumps of it are.
struct Cell {
    finished: Finished,
    /// By dialect, what the transliteration writes.
    literal: Vec<Literal>,
    /// With the world's other roots, which the reference knows nothing of.
    right: Vec<u8>,
    graph: Graph,
}

/// The world's other roots.
fn roots(finished: &Finished) -> Vec<(&str, Addr)> {
    finished.locations.other_roots.iter().map(|(description, to)| (&**description, *to)).collect()
}

/// What a writer makes of a process.
fn dump(finished: &Finished, dialect: Dialect, other_roots: &[(&str, Addr)]) -> Result<Recorder, Error> {
    let program = Program::new(&finished.symbols, dialect);
    let options = Options { capacity: Options::REFERENCE_CAPACITY, other_roots };
    let mut out = Recorder::default();
    write_heap_dump(finished.target, &finished.memory, &program, &options, &mut out)?;
    Ok(out)
}

impl Cell {
    fn new(world: &World, target: AnyTarget) -> Cell {
        let finished = matrix::build(world, target).unwrap();
        let literal = DIALECTS.map(|(_, fixes)| {
            writeheapdump(target, &finished.memory, &finished.symbols, fixes, None).unwrap()
        });
        let right = dump(&finished, Dialect::Go15, &roots(&finished)).unwrap().bytes;
        let graph = isomorphism::graph(world, &finished.locations, &right).unwrap();
        Cell { finished, literal: literal.into(), right, graph }
    }

    /// Asks every oracle but isomorphism, which takes all machines. Gives the graph for it, if the dump
    /// can be read.
    fn ask(&self, world: &World, caught: &mut dyn FnMut(Oracle)) -> Option<Graph> {
        for ((dialect, _), literal) in DIALECTS.into_iter().zip(&self.literal) {
            match dump(&self.finished, dialect, &[]) {
                Err(_) => caught(Oracle::Writer),
                Ok(out) if out.bytes == literal.bytes => {
                    let pieces = literal.writes.iter().map(|write| write.written);
                    let split = dialect == Dialect::Go15Exact && !self.finished.symbols.buf.is_nil();
                    if !out.came_in(pieces, split) {
                        caught(Oracle::Writes);
                    }
                }
                Ok(_) => caught(Oracle::Transliteration),
            }
        }
        // The exact dialect repeats defects, which the other oracles would find.
        match dump(&self.finished, Dialect::Go15, &roots(&self.finished)) {
            Err(_) => None,
            Ok(out) if out.bytes == self.right => Some(self.graph.clone()),
            Ok(out) => self.judge(world, &out.bytes, caught),
        }
    }

    fn judge(&self, world: &World, bytes: &[u8], caught: &mut dyn FnMut(Oracle)) -> Option<Graph> {
        if reencode::reencode(bytes).is_err() {
            caught(Oracle::Reencoding);
        }
        if laws::check(world, bytes).is_err() {
            caught(Oracle::Laws);
        }
        if model::check(world, &self.finished.locations, bytes).is_err() {
            caught(Oracle::Model);
        }
        isomorphism::graph(world, &self.finished.locations, bytes).ok()
    }

    /// Whether a hostile output gets what a friendly one gets.
    fn survives_faults(&self) -> bool {
        let Finished { target, memory, symbols, .. } = &self.finished;
        let dump = |out: &mut dyn io::Write| {
            write_heap_dump(*target, memory, symbols, &Options::default(), out)
                .map_err(|error| error.to_string())
        };
        let mut friendly = Recorder::default();
        let right = dump(&mut friendly);
        let mut hostile = Hostile::new(friendly.bytes.len() / 2);
        dump(&mut hostile) == right && hostile.bytes == friendly.bytes
    }
}

/// By machine, the oracles that caught a mistake.
type Caught = [[bool; Oracle::ALL.len()]; World::MACHINES.len()];

fn machines() -> impl Iterator<Item = AnyTarget> {
    World::MACHINES.iter().copied()
}

fn hunt() -> Vec<(Mistake, Caught)> {
    let mut found: Vec<(Mistake, Caught)> =
        Mistake::ALL.iter().map(|&wrong| (wrong, Caught::default())).collect();
    for case in catalog() {
        let cells = machines().map(|target| Cell::new(&case.world, target)).collect::<Vec<_>>();
        for (wrong, caught) in &mut found {
            let graphs: Vec<Option<Graph>> = making(*wrong, || {
                let cells = cells.iter().zip(&mut *caught);
                cells
                    .map(|(cell, caught)| {
                        if !cell.survives_faults() {
                            caught[Oracle::Faults as usize] = true;
                        }
                        cell.ask(&case.world, &mut |oracle| caught[oracle as usize] = true)
                    })
                    .collect()
            });
            let graphs: Option<Vec<Graph>> = graphs.into_iter().collect();
            if graphs.is_some_and(|graphs| isomorphism::check(&graphs).is_err()) {
                // Which of the machines is wrong, it cannot say.
                for caught in caught {
                    caught[Oracle::Isomorphism as usize] = true;
                }
            }
        }
    }
    found
}

fn table(found: &[(Mistake, Caught)]) -> String {
    let mut text = String::from(
        "# Wrong writers\n\n\
         Each row is a mistake that the writer makes when it is told to, and the oracles that catch it on \
         the catalogue's worlds. A cell names the machines on which an oracle catches it: all on which it can \
         show, or some. Isomorphism takes all of them and cannot say which is wrong. Oracles stand in the order \
         in which they are asked, from the one that knows least of the dumped process; the first to catch a \
         mistake is in the second column. `cargo test -p heapmatrix-wrong-writers` holds this table.\n\n",
    );
    let names = Oracle::ALL.map(Oracle::name).join(" | ");
    writeln!(text, "| mistake | first | {names} |").unwrap();
    writeln!(text, "|---|---{}|", "|---".repeat(Oracle::ALL.len())).unwrap();
    for (wrong, caught) in found {
        let shows: Vec<usize> =
            (0..World::MACHINES.len()).filter(|&i| wrong.shows_on(World::MACHINES[i])).collect();
        let by = |oracle: Oracle| -> Vec<usize> {
            let all = 0..World::MACHINES.len();
            all.filter(|&i| caught[i][oracle as usize]).collect()
        };
        let cell = |oracle| {
            let by = by(oracle);
            match by.len() {
                0 => String::new(),
                _ if oracle == Oracle::Isomorphism => "yes".to_owned(),
                n if n == World::MACHINES.len() => "all".to_owned(),
                _ => by.iter().map(|&i| World::MACHINES[i].goarch()).collect::<Vec<_>>().join(", "),
            }
        };
        // First: the one that is enough, or if none is alone, the first to catch anything.
        let enough = |oracle: &Oracle| shows.iter().all(|&i| caught[i][*oracle as usize]);
        let first = Oracle::ALL.into_iter().find(enough).map_or("several", Oracle::name);
        let what = wrong.breaks().trim_end_matches('.');
        let cells = Oracle::ALL.map(cell).join(" | ");
        writeln!(text, "| {what} | {first} | {cells} |").unwrap();
    }
    text
}

#[test]
fn every_wrong_writer_is_caught() {
    let found = hunt();
    let mut wrong_verdicts = Vec::new();
    for (wrong, caught) in &found {
        for (target, caught) in World::MACHINES.iter().zip(caught) {
            let alone = (0..caught.len()).any(|i| caught[i] && i != Oracle::Isomorphism as usize);
            if alone != wrong.shows_on(*target) {
                let verdict = if alone { "caught, though it cannot show" } else { "not caught" };
                wrong_verdicts.push(format!("{wrong:?} on {target}: {verdict}"));
            }
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("caught.md");
    let table = table(&found);
    if std::env::var_os("UPDATE_WRONG_WRITERS").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    assert!(wrong_verdicts.is_empty(), "{}", wrong_verdicts.join("\n"));
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == table, "caught.md is out of date: UPDATE_WRONG_WRITERS=1 writes it anew");
}

#[test]
fn the_list_is_long_enough_and_says_what_breaks() {
    assert!(Mistake::ALL.len() >= 40, "{} wrong writers", Mistake::ALL.len());
    for wrong in Mistake::ALL {
        assert!(
            wrong.breaks().ends_with('.') && !wrong.breaks().contains('|'),
            "{wrong:?}: {}",
            wrong.breaks()
        );
    }
}

/// Whoever is told to make no mistake makes none: elsewise the other test would prove nothing.
#[test]
fn without_a_mistake_nothing_is_caught() {
    for case in catalog() {
        let cells = machines().map(|target| Cell::new(&case.world, target)).collect::<Vec<_>>();
        for cell in &cells {
            let ask = || cell.ask(&case.world, &mut |oracle| panic!("{oracle:?} caught {}", case.name));
            assert!(ask().is_some(), "{}", case.name);
            assert!(cell.survives_faults(), "{}", case.name);
        }
    }
}
