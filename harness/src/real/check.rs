//! `heapmatrix check-go`: worlds on somebody's runtime, on every machine, and what the oracles say.

use std::borrow::Cow;
use std::time::Instant;

use heapmatrix_reader::Dump;
use rayon::prelude::*;

use super::isomorphism::Graph;
use super::judge::Judgement;
use super::random;
use super::run::Guest;
use super::world::World;
use crate::go_report::{ArchReport, Failure, Finding, GoReport, KnownReport, Oracle};

/// What is to be checked.
#[derive(Clone, Debug)]
pub enum Case {
    /// The random world of a seed.
    Seed(u64),
    /// A world, for instance from a file.
    World(Box<World>),
}

impl Case {
    /// The seed, if it has one.
    pub fn seed(&self) -> Option<u64> {
        match self {
            Case::Seed(seed) => Some(*seed),
            Case::World(_) => None,
        }
    }

    /// The world.
    pub fn world(&self) -> Cow<'_, World> {
        match self {
            Case::Seed(seed) => Cow::Owned(World::random(*seed)),
            Case::World(world) => Cow::Borrowed(world),
        }
    }
}

/// What came of a world on a machine.
struct Outcome {
    arch: ArchReport,
    judgement: Judgement,
}

/// Runs worlds, each on all guests. `done` is called after each world, by any thread; `keep` gets what came back.
pub fn check(cases: &[Case], guests: &[Guest], done: &(dyn Fn() + Sync), keep: &Keep<'_>) -> GoReport {
    let nothing = || GoReport::nothing(guests.iter().map(|guest| guest.target.goarch()));
    let reports = cases.par_iter().map(|case| {
        let outcomes = world(case, guests, keep);
        done();
        outcomes.into_iter().enumerate().fold(nothing(), |mut report, (place, outcome)| {
            report.put(place, case.seed(), outcome);
            report
        })
    });
    let sum = |mut first: GoReport, next| {
        first.extend(next);
        first
    };
    GoReport { worlds: cases.len() as u64, ..reports.reduce(nothing, sum) }
}

impl GoReport {
    /// Puts in what came of a world on the machine at this place.
    fn put(&mut self, place: usize, seed: Option<u64>, Outcome { arch, judgement }: Outcome) {
        let Judgement { findings, known, not_asked, .. } = judgement;
        for (fault, times) in known {
            let (since, statement) = (fault.releases().first(), fault.statement());
            let sum = KnownReport { since, statement, dumps: 0, times: 0 };
            let sum = self.known.entry(fault.name().into()).or_insert(sum);
            sum.dumps += 1;
            sum.times += times;
        }
        if !findings.is_empty() {
            self.ok = false;
            self.failures.push(Failure { arch: arch.arch.clone(), seed, findings, repeat: String::new() });
        }
        self.outside_writer_not_asked = self.outside_writer_not_asked.take().or(not_asked);
        self.arches[place] = arch;
    }
}

/// Takes a file that a world gave on a machine: its name, and its bytes.
pub type Keep<'k> = dyn Fn(&str, &[u8]) + Sync + 'k;

/// Runs a world on all guests, and compares their dumps with each other.
fn world(case: &Case, guests: &[Guest], keep: &Keep<'_>) -> Vec<Outcome> {
    let name = case.seed().map_or("world".to_owned(), |seed| format!("world-{seed}"));
    let world = case.world();
    if let Ok(text) = serde_json::to_vec_pretty(&world) {
        keep(&format!("{name}.json"), &text);
    }
    let mut outcomes: Vec<Outcome> = guests
        .iter()
        .map(|guest| {
            one(&world, guest, &|kind, bytes| keep(&format!("{name}-{}.{kind}", guest.target), bytes))
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
    let mut arch = ArchReport { arch: guest.target.goarch().into(), ..ArchReport::default() };
    let judgement = match guest.run(world) {
        Ok(run) => {
            keep("dump", &run.own);
            keep("report.json", &run.told);
            arch.dump_bytes = run.own.len() as u64;
            arch.instructions = run.instructions;
            if let Ok(dump) = Dump::new(&run.own) {
                for (_, record) in dump.records().map_while(Result::ok) {
                    *arch.records.entry(record.kind().name().into()).or_default() += 1;
                }
            }
            Judgement::of(world, &run)
        }
        Err(error) => Judgement::of_failure(&error),
    };
    arch.time = start.elapsed();
    Outcome { arch, judgement }
}

/// The smallest world that can be found, from that of a seed on, in which the same oracle finds something. `go_on` is asked
/// after each how many worlds have been tried, and whether the last one fails.
pub fn shrink(
    seed: u64,
    guests: &[Guest],
    oracle: Oracle,
    mut go_on: impl FnMut(u32, bool) -> bool,
) -> World {
    let (mut tried, mut more) = (0, true);
    random::shrink(seed, |world| {
        more.then(|| {
            let report = check(&[Case::World(Box::new(world.clone()))], guests, &|| (), &|_, _| ());
            let fails =
                report.failures.iter().flat_map(|f| &f.findings).any(|finding| finding.oracle == oracle);
            tried += 1;
            more = go_on(tried, fails);
            fails
        })
    })
}
