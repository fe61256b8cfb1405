//! What `check-go` found, as JSON has it. A run is the sum of its worlds, whichever part of it they were in.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::report::{from_seconds, seconds};
use crate::shard::{Part, Shard};

/// A way of telling whether a dump is right, in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Oracle {
    /// The program runs, and has dumped itself.
    Guest,
    /// The dump can be read.
    Reader,
    /// Its records, encoded again, are its bytes.
    ReEncoding,
    /// It obeys the structural laws.
    Laws,
    /// It holds what the world and the guest say.
    Model,
    /// The writer, which reads the process's memory from outside, writes the same bytes.
    OutsideWriter,
    /// Other machines' dumps of the world mean the same.
    Isomorphism,
}

impl Oracle {
    /// All of them.
    pub const ALL: [Oracle; 7] = [
        Oracle::Guest,
        Oracle::Reader,
        Oracle::ReEncoding,
        Oracle::Laws,
        Oracle::Model,
        Oracle::OutsideWriter,
        Oracle::Isomorphism,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Oracle::Guest => "guest",
            Oracle::Reader => "reader",
            Oracle::ReEncoding => "re-encoding",
            Oracle::Laws => "laws",
            Oracle::Model => "model",
            Oracle::OutsideWriter => "outside writer",
            Oracle::Isomorphism => "isomorphism",
        }
    }
}

impl fmt::Display for Oracle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The first difference that an oracle found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The oracle.
    pub oracle: Oracle,
    /// Record, field, and values.
    pub what: String,
}

/// What one machine did, added up over all worlds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ArchReport {
    /// `GOARCH`.
    pub arch: Cow<'static, str>,
    /// Worlds whose dumps are right.
    pub passed: u64,
    /// Worlds whose dumps are wrong.
    pub failed: u64,
    /// Worlds that a known fault has kept from being dumped.
    pub not_dumped: u64,
    /// Records of all kinds.
    pub records: BTreeMap<Cow<'static, str>, u64>,
    /// Bytes of all dumps.
    pub dump_bytes: u64,
    /// Instructions that the machine has executed.
    pub instructions: u64,
    /// Time spent by all workers.
    #[serde(rename = "seconds", serialize_with = "seconds", deserialize_with = "from_seconds")]
    pub time: Duration,
}

/// A dump that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// `GOARCH`.
    pub arch: Cow<'static, str>,
    /// The world's seed, if it has one.
    pub seed: Option<u64>,
    /// What each oracle found first, in the order in which they are asked.
    pub findings: Vec<Finding>,
    /// The command that shows it again.
    #[serde(default)]
    pub repeat: String,
}

/// A known fault that dumps show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KnownReport {
    /// The first release that has it: 22 of Go 1.22.
    pub since: u8,
    /// What is wrong, and why.
    pub statement: String,
    /// How many dumps show it.
    pub dumps: u64,
    /// How often they do.
    pub times: u64,
}

/// The whole check, or a part of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GoReport {
    /// Which part of the run this is, if it was divided.
    #[serde(default, skip_serializing_if = "Shard::is_whole")]
    pub shard: Shard,
    /// Whether every dump is right, known faults aside.
    pub ok: bool,
    /// The toolchain's version.
    pub go: String,
    /// The first world's seed.
    pub seed: u64,
    /// Worlds of the whole run, each on every machine.
    pub worlds: u64,
    /// Each machine.
    pub arches: Vec<ArchReport>,
    /// What is wrong, in the order of worlds; at most [`GoReport::MOST_FAILURES`].
    pub failures: Vec<Failure>,
    /// What is known to be wrong, by name.
    pub known: BTreeMap<Cow<'static, str>, KnownReport>,
    /// Why the outside writer was not asked, if it was not.
    pub outside_writer_not_asked: Option<String>,
}

impl GoReport {
    /// How many failures a report has: one is usually what the next ones are about.
    pub const MOST_FAILURES: usize = 100;

    /// The report of no world, on these machines.
    pub fn nothing(arches: impl Iterator<Item = &'static str>) -> GoReport {
        let arches = arches.map(|arch| ArchReport { arch: arch.into(), ..ArchReport::default() }).collect();
        GoReport { ok: true, arches, ..GoReport::default() }
    }

    /// Adds the report of the worlds that come after these.
    pub fn extend(&mut self, other: GoReport) {
        self.ok &= other.ok;
        for (sum, arch) in self.arches.iter_mut().zip(&other.arches) {
            sum.add(arch);
        }
        for (name, fault) in other.known {
            let KnownReport { since, statement, dumps, times } = fault;
            let sum = self.known.entry(name).or_insert(KnownReport { since, statement, dumps: 0, times: 0 });
            sum.dumps += dumps;
            sum.times += times;
        }
        self.failures.extend(other.failures);
        self.failures.truncate(Self::MOST_FAILURES);
        let reasons = [self.outside_writer_not_asked.take(), other.outside_writer_not_asked];
        self.outside_writer_not_asked = reasons.into_iter().flatten().min();
    }

    /// How many dumps are wrong.
    pub fn failed(&self) -> u64 {
        self.arches.iter().map(|arch| arch.failed).sum()
    }
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
            *self.records.entry(kind.clone()).or_default() += count;
        }
    }
}

impl Part for GoReport {
    fn shard(&self) -> Shard {
        self.shard
    }

    fn asked(&self) -> String {
        let arches: Vec<&str> = self.arches.iter().map(|arch| &*arch.arch).collect();
        format!("{} worlds from seed {} on {} for {}", self.worlds, self.seed, arches.join(", "), self.go)
    }

    fn add(&mut self, mut other: Self) {
        let mut failures = std::mem::take(&mut self.failures);
        failures.append(&mut other.failures);
        // A world is in one part with all its machines, which are in order there.
        failures.sort_by_key(|failure| failure.seed.map(|seed| seed.wrapping_sub(self.seed)));
        failures.truncate(Self::MOST_FAILURES);
        self.extend(other);
        self.failures = failures;
    }

    fn complete(&mut self) {
        self.shard = Shard::WHOLE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::merge;

    /// The report of some worlds on two machines, all of whose dumps are wrong on the second.
    fn report(shard: &str, seed: u64, worlds: &[u64]) -> GoReport {
        let mut report = GoReport::nothing(["386", "mips"].into_iter());
        for &world in worlds {
            let mut one = GoReport::nothing(["386", "mips"].into_iter());
            one.ok = false;
            one.arches[0].passed = 1;
            one.arches[1].failed = 1;
            one.arches[1].records.insert("object".into(), world % 8);
            let findings = vec![Finding { oracle: Oracle::Laws, what: format!("of {world}") }];
            one.failures.push(Failure {
                arch: "mips".into(),
                seed: Some(world),
                findings,
                repeat: String::new(),
            });
            let known = KnownReport { since: 7, statement: "wrong".to_owned(), dumps: 1, times: world % 8 };
            one.known.insert(if world % 2 == 0 { "even" } else { "odd" }.into(), known);
            one.outside_writer_not_asked = (world > 3).then(|| format!("it is {world}"));
            report.extend(one);
        }
        GoReport { shard: shard.parse().unwrap(), seed, worlds: 6, ..report }
    }

    #[test]
    fn parts_are_put_together_in_the_order_of_worlds() {
        // Seeds go round.
        let seed = u64::MAX;
        let whole = report("1/1", seed, &[seed, 0, 1, 2, 3, 4]);
        let parts =
            [report("1/3", seed, &[1, 4]), report("2/3", seed, &[]), report("3/3", seed, &[seed, 0, 2, 3])];
        let merged = merge(parts.into_iter().map(|part| (part.shard.to_string(), part))).unwrap();
        assert_eq!(merged, whole);
        assert_eq!((merged.failed(), merged.known["even"].times, merged.ok), (6, 6, false));
    }

    #[test]
    fn a_report_has_the_first_failures_and_counts_all() {
        let (all, half): (Vec<u64>, Vec<u64>) =
            ((0..300).collect(), (0..300).filter(|n| n % 2 == 1).collect());
        let other: Vec<u64> = all.iter().copied().filter(|n| n % 2 == 0).collect();
        let mut merged = report("1/2", 0, &half);
        merged.add(report("2/2", 0, &other));
        merged.complete();
        let whole = report("1/1", 0, &all);
        assert_eq!(merged, whole);
        assert_eq!((whole.failures.len(), whole.failed()), (100, 300));
    }
}
