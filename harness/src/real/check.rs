//! `heapmatrix check-go`: worlds on somebody's runtime, on every machine, and what the oracles say.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use heapmatrix_reader::Dump;
use proptest::strategy::ValueTree;
use rayon::prelude::*;
use serde::{Serialize, Serializer};

use super::isomorphism::Graph;
use super::judge::{Finding, Judgement, Oracle};
use super::known::Known;
use super::random;
use super::run::Guest;
use super::world::World;

/// A world with the seed that it is of, or without: then it is from a file.
#[derive(Clone, Debug)]
pub struct Case {
    /// The seed.
    pub seed: Option<u64>,
    /// The world.
    pub world: World,
}

/// What one machine did, added up over all worlds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ArchReport {
    /// `GOARCH`.
    pub arch: &'static str,
    /// Worlds whose dumps are right.
    pub passed: u64,
    /// Worlds whose dumps are wrong.
    pub failed: u64,
    /// Worlds that a known fault has kept from being dumped.
    pub not_dumped: u64,
    /// Records of all kinds.
    pub records: BTreeMap<&'static str, u64>,
    /// Bytes of all dumps.
    pub dump_bytes: u64,
    /// Instructions that the machine has executed.
    pub instructions: u64,
    /// Time spent by all workers.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub time: Duration,
}

fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

/// A dump that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failure {
    /// `GOARCH`.
    pub arch: &'static str,
    /// The world's seed, if it has one.
    pub seed: Option<u64>,
    /// What each oracle found first, in the order in which they are asked.
    pub findings: Vec<Finding>,
}

/// A known fault that dumps show.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KnownReport {
    /// Its name.
    pub name: &'static str,
    /// The first release that has it: 22 of Go 1.22.
    pub since: u8,
    /// What is wrong, and why.
    pub statement: String,
    /// How many dumps show it.
    pub dumps: u64,
    /// How often they do.
    pub times: u64,
}

/// The whole check.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Whether every dump is right, known faults aside.
    pub ok: bool,
    /// The toolchain's version.
    pub go: String,
    /// The first world's seed.
    pub seed: u64,
    /// How many worlds, each on every machine.
    pub worlds: u64,
    /// Each machine.
    pub arches: Vec<ArchReport>,
    /// What is wrong, in the order of worlds.
    pub failures: Vec<Failure>,
    /// What is known to be wrong.
    pub known: Vec<KnownReport>,
    /// Why the outside writer was not asked, if it was not.
    pub outside_writer_not_asked: Option<String>,
}

/// What came of a world on a machine.
struct Outcome {
    arch: ArchReport,
    judgement: Judgement,
}

/// Runs worlds, each on all guests. `done` is called after each world, by any thread; `keep` gets what came back.
pub fn check(cases: &[Case], guests: &[Guest], done: &(dyn Fn() + Sync), keep: &Keep<'_>) -> Report {
    let outcomes: Vec<Vec<Outcome>> = cases
        .par_iter()
        .map(|case| {
            let outcomes = world(case, guests, keep);
            done();
            outcomes
        })
        .collect();
    let mut report = Report { ok: true, worlds: cases.len() as u64, ..Report::default() };
    report.arches = guests
        .iter()
        .map(|guest| ArchReport { arch: guest.target.goarch(), ..ArchReport::default() })
        .collect();
    let mut known: BTreeMap<Known, (u64, u64)> = BTreeMap::new();
    for (case, outcomes) in cases.iter().zip(outcomes) {
        for (sum, Outcome { arch, judgement }) in report.arches.iter_mut().zip(outcomes) {
            sum.add(&arch);
            for (fault, times) in judgement.known {
                let (dumps, all) = known.entry(fault).or_default();
                (*dumps, *all) = (*dumps + 1, *all + times);
            }
            report.outside_writer_not_asked = report.outside_writer_not_asked.take().or(judgement.not_asked);
            if !judgement.findings.is_empty() {
                report.ok = false;
                let (arch, seed, findings) = (arch.arch, case.seed, judgement.findings);
                report.failures.push(Failure { arch, seed, findings });
            }
        }
    }
    report.known = known
        .into_iter()
        .map(|(fault, (dumps, times))| {
            let (name, since, statement) = (fault.name(), fault.releases().first(), fault.statement());
            KnownReport { name, since, statement, dumps, times }
        })
        .collect();
    report
}

/// Takes a file that a world gave on a machine: its name, and its bytes.
pub type Keep<'k> = dyn Fn(&str, &[u8]) + Sync + 'k;

/// Runs a world on all guests, and compares their dumps with each other.
fn world(case: &Case, guests: &[Guest], keep: &Keep<'_>) -> Vec<Outcome> {
    let name = case.seed.map_or("world".to_owned(), |seed| format!("world-{seed}"));
    if let Ok(text) = serde_json::to_vec_pretty(&case.world) {
        keep(&format!("{name}.json"), &text);
    }
    let mut outcomes: Vec<Outcome> = guests
        .iter()
        .map(|guest| {
            one(&case.world, guest, &|kind, bytes| keep(&format!("{name}-{}.{kind}", guest.target), bytes))
        })
        .collect();
    let graphs: Vec<(usize, Graph)> = outcomes
        .iter_mut()
        .enumerate()
        .filter_map(|(i, outcome)| Some((i, outcome.judgement.graph.take()?)))
        .collect();
    if let Some((first, model)) = graphs.first() {
        for (other, graph) in &graphs[1..] {
            if let Some(difference) = graph.difference(model) {
                let what = format!("{difference}, which is {}", guests[*first].target);
                outcomes[*other].judgement.findings.push(Finding { oracle: Oracle::Isomorphism, what });
            }
        }
    }
    for Outcome { arch, judgement } in &mut outcomes {
        let right = judgement.findings.is_empty();
        let dumped = arch.dump_bytes > 0;
        arch.failed = u64::from(!right);
        arch.passed = u64::from(right && dumped);
        arch.not_dumped = u64::from(right && !dumped);
    }
    outcomes
}

fn one(world: &World, guest: &Guest, keep: &dyn Fn(&str, &[u8])) -> Outcome {
    let start = Instant::now();
    let mut arch = ArchReport { arch: guest.target.goarch(), ..ArchReport::default() };
    let judgement = match guest.run(world) {
        Ok(run) => {
            keep("dump", &run.own);
            keep("report.json", &run.told);
            arch.dump_bytes = run.own.len() as u64;
            arch.instructions = run.instructions;
            if let Ok(dump) = Dump::new(&run.own) {
                for (_, record) in dump.records().map_while(Result::ok) {
                    *arch.records.entry(record.kind().name()).or_default() += 1;
                }
            }
            Judgement::of(world, &run)
        }
        Err(error) => Judgement::of_failure(&error),
    };
    arch.time = start.elapsed();
    Outcome { arch, judgement }
}

impl ArchReport {
    fn add(&mut self, other: &ArchReport) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.not_dumped += other.not_dumped;
        self.dump_bytes += other.dump_bytes;
        self.instructions += other.instructions;
        self.time += other.time;
        for (kind, count) in &other.records {
            *self.records.entry(kind).or_default() += count;
        }
    }
}

/// The smallest world that can be found, from that of a seed on, in which the same oracle finds something.
pub fn shrink(seed: u64, guests: &[Guest], oracle: Oracle, attempts: u32) -> World {
    let mut tree = random::tree(seed);
    let mut smallest = tree.current();
    for _ in 0..attempts {
        let case = Case { seed: None, world: tree.current() };
        let report = check(std::slice::from_ref(&case), guests, &|| (), &|_, _| ());
        let fails = report.failures.iter().flat_map(|f| &f.findings).any(|finding| finding.oracle == oracle);
        let more = if fails {
            smallest = case.world;
            tree.simplify()
        } else {
            tree.complicate()
        };
        if !more {
            break;
        }
    }
    smallest
}
