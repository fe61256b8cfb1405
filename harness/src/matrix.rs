//! The matrix: worlds on one axis, architectures on the other.
//!
//! In each cell a machine builds the world by executing code, the writer dumps its memory, the reader
//! parses the dump back, and the [model] says whether it holds the world. Cells do
//! not depend on each other, so that the order in which workers take them changes nothing.

use std::time::Instant;

use heapmatrix_emu::image::{BuildError, Image};
use heapmatrix_emu::run::{Finished, RunError, run_on_cpu};
use heapmatrix_emu::world::World;
use heapmatrix_reader::laws::Violation;
use heapmatrix_writer::go15::Program;
use heapmatrix_writer::{Addr, AnyTarget, Defects, Options, write_heap_dump};
use rayon::prelude::*;

use crate::oracle::model::{self, Mismatch};
use crate::oracle::reencode::Difference;
use crate::report::{ArchReport, Failure, RunReport};
use crate::shard::Shard;
use crate::tally::Tally;

/// Worlds between two additions to the report: enough to keep all workers busy, few enough that what
/// they have found takes no memory to speak of.
const BATCH: u64 = 256;

/// What to run.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// The architectures, each once; of those that have [worlds](World::MACHINES).
    pub targets: Vec<AnyTarget>,
    /// The number of worlds.
    pub worlds: u64,
    /// The seed of the first world; the others' follow it one by one.
    pub seed: u64,
    /// Worlds in the making at a time; 0 for one a core.
    pub jobs: usize,
    /// Which of the cells to run.
    pub shard: Shard,
}

/// Keeps a file of this name: worlds as JSON, and dumps.
pub type Keep<'a> = dyn Fn(&str, &[u8]) -> Result<(), String> + Sync + 'a;

/// Why a run came to no verdict.
#[derive(Debug, thiserror::Error)]
pub enum MatrixError {
    /// The worker threads could not be started.
    #[error("cannot start the workers: {0}")]
    Workers(#[from] rayon::ThreadPoolBuildError),
    /// A dump or a world could not be kept.
    #[error("{0}")]
    Keep(String),
}

/// Why a cell failed.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    /// The image could not be built.
    #[error("building the image: {0}")]
    Build(#[from] BuildError),
    /// The guest program did not run to its end.
    #[error("running the guest: {0}")]
    Run(#[from] RunError),
    /// The writer could not dump the machine's memory.
    #[error("dumping: {0}")]
    Write(#[from] heapmatrix_writer::Error),
    /// The dump does not hold the world.
    #[error("{0}")]
    Model(#[from] Box<Mismatch>),
    /// Somebody's writer gave no dump.
    #[error("{0}")]
    Writer(String),
    /// The dump holds the world, and breaks a law.
    #[error("{}: offset {}: {}", .0.law.name(), .0.offset, .0.detail)]
    Law(Violation),
    /// The dump holds the world, and has more in it.
    #[error("{0}")]
    Reencode(#[from] Difference),
}

impl From<Violation> for CellError {
    fn from(violation: Violation) -> Self {
        Self::Law(violation)
    }
}

/// Dumps the machine of a world.
pub type Dump<'a> = dyn Fn(&World, &Finished) -> Result<Vec<u8>, CellError> + Sync + 'a;

/// Who dumps the machines' memory.
pub struct Dumper<'a> {
    /// What repeats a world, by its seed, on a machine.
    pub repeat: &'a (dyn Fn(AnyTarget, u64) -> String + Sync),
    /// The dump of a world's machine.
    pub dump: &'a Dump<'a>,
}

/// The world of a seed: the same on every machine and in every run.
pub fn world(seed: u64) -> World {
    World::generate(seed)
}

/// Builds a world on an emulated machine by executing its program.
///
/// # Errors
/// [`CellError`] says which step failed.
pub fn build(world: &World, target: AnyTarget) -> Result<Finished, CellError> {
    // A machine of its own for each: a machine that is used again takes longer to forget the last world's
    // memory than a new one takes to be made.
    Ok(run_on_cpu(Image::build(world, target)?)?)
}

/// Dumps a machine's memory, with the world's other roots, and with those of Go 1.5's defects.
///
/// # Errors
/// Those of the writer.
pub fn dump(finished: &Finished, defects: Defects) -> Result<Vec<u8>, heapmatrix_writer::Error> {
    let mut bytes = Vec::new();
    let roots = &finished.locations.other_roots;
    let other_roots: Vec<(&str, Addr)> =
        roots.iter().map(|(description, to)| (&**description, *to)).collect();
    let program = Program { symbols: &finished.symbols, defects, sys_alloc: None };
    let options = Options { other_roots: &other_roots, ..Options::default() };
    write_heap_dump(finished.target, &finished.memory, &program, &options, &mut bytes)?;
    Ok(bytes)
}

/// A cell that passed.
struct Passed {
    tally: Tally,
    instructions: u64,
    dump: Vec<u8>,
}

fn cell(world: &World, target: AnyTarget, dumper: &Dumper<'_>) -> Result<Passed, CellError> {
    let finished = build(world, target)?;
    let dump = (dumper.dump)(world, &finished)?;
    let tally = model::check(world, &finished.locations, &dump)?;
    Ok(Passed { tally, instructions: finished.instructions, dump })
}

/// Runs the matrix with the project's writer. `tick` is called after each world; `keep` gets the worlds, and the dumps that hold them.
///
/// # Errors
/// [`MatrixError`]. A cell that fails is no error: the report tells of it.
pub fn run(
    matrix: &Matrix,
    tick: &(dyn Fn() + Sync),
    keep: Option<&Keep<'_>>,
) -> Result<RunReport, MatrixError> {
    let dump = |_: &World, finished: &Finished| Ok(dump(finished, Defects::NONE)?);
    let repeat = |target: AnyTarget, seed| format!("heapmatrix run --arch {target} --worlds 1 --seed {seed}");
    run_with(matrix, &Dumper { repeat: &repeat, dump: &dump }, tick, keep)
}

/// Runs the matrix with somebody's writer.
///
/// # Errors
/// As [`run`].
pub fn run_with(
    matrix: &Matrix,
    dumper: &Dumper<'_>,
    tick: &(dyn Fn() + Sync),
    keep: Option<&Keep<'_>>,
) -> Result<RunReport, MatrixError> {
    let workers = rayon::ThreadPoolBuilder::new().num_threads(matrix.jobs).build()?;
    let arches =
        matrix.targets.iter().map(|t| ArchReport { arch: t.goarch().into(), ..ArchReport::default() });
    let mut report = RunReport {
        shard: matrix.shard,
        seed: matrix.seed,
        worlds: matrix.worlds,
        arches: arches.collect(),
        ..RunReport::default()
    };
    let mut done = 0;
    while done < matrix.worlds {
        let batch = BATCH.min(matrix.worlds - done);
        let rows: Vec<Row> = workers.install(|| {
            (done..done + batch)
                .into_par_iter()
                .map(|k| {
                    let row = row(matrix, dumper, matrix.seed.wrapping_add(k), keep);
                    tick();
                    row
                })
                .collect::<Result<_, MatrixError>>()
        })?;
        for (found, failure) in rows.into_iter().flatten() {
            if let Some(arch) = report.arches.iter_mut().find(|arch| arch.arch == found.arch) {
                arch.add(&found);
            }
            if report.failures.len() < RunReport::MOST_FAILURES {
                report.failures.extend(failure);
            }
        }
        done += batch;
    }
    report.ok = report.arches.iter().all(|arch| arch.failed == 0);
    Ok(report)
}

/// What one world's cells found.
type Row = Vec<(ArchReport, Option<Failure>)>;

fn row(matrix: &Matrix, dumper: &Dumper<'_>, seed: u64, keep: Option<&Keep<'_>>) -> Result<Row, MatrixError> {
    let taken = |target: &&AnyTarget| matrix.shard.takes(seed, target.goarch());
    let targets: Vec<AnyTarget> = matrix.targets.iter().filter(taken).copied().collect();
    if targets.is_empty() {
        return Ok(Row::new());
    }
    let world = world(seed);
    if let Some(keep) = keep {
        let json = serde_json::to_vec_pretty(&world).expect("a world is plain data");
        keep(&format!("world-{seed}.json"), &json).map_err(MatrixError::Keep)?;
    }
    targets
        .into_iter()
        .map(|target| {
            let start = Instant::now();
            let result = cell(&world, target, dumper);
            let mut found = ArchReport {
                arch: target.goarch().into(),
                worlds: 1,
                time: start.elapsed(),
                ..ArchReport::default()
            };
            let failure = match result {
                Ok(passed) => {
                    found.passed = 1;
                    found.instructions = passed.instructions;
                    found.count(passed.tally);
                    if let Some(keep) = keep {
                        keep(&format!("world-{seed}-{target}.dump"), &passed.dump)
                            .map_err(MatrixError::Keep)?;
                    }
                    None
                }
                Err(error) => {
                    found.failed = 1;
                    Some(Failure {
                        arch: target.goarch().into(),
                        seed,
                        what: error.to_string(),
                        repeat: (dumper.repeat)(target, seed),
                    })
                }
            };
            Ok((found, failure))
        })
        .collect()
}
