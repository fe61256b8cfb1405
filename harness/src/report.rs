//! What a run of the matrix found, for people (a table) and for machines (JSON).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::shard::{Part, Shard};
use crate::tally::Tally;
use crate::units::Count;

/// What one architecture's machines did, added up over all worlds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ArchReport {
    /// `GOARCH`.
    pub arch: Cow<'static, str>,
    /// Worlds tried.
    pub worlds: u64,
    /// Worlds whose dump held exactly what was put there.
    pub passed: u64,
    /// Worlds that failed.
    pub failed: u64,
    /// Object records.
    pub objects: u64,
    /// Stack frame records.
    pub frames: u64,
    /// Records of all kinds.
    pub records: u64,
    /// Records by kind.
    pub kinds: BTreeMap<Cow<'static, str>, u64>,
    /// Bytes of all dumps.
    pub dump_bytes: u64,
    /// Machine instructions that the emulated CPUs executed.
    pub instructions: u64,
    /// Time spent on this architecture by all workers, from building images to checking dumps.
    #[serde(rename = "seconds", serialize_with = "seconds", deserialize_with = "from_seconds")]
    pub time: Duration,
}

impl ArchReport {
    /// Counts a dump that passed.
    pub fn count(&mut self, dump: Tally) {
        self.objects += dump.objects;
        self.frames += dump.frames;
        self.records += dump.kinds.values().sum::<u64>();
        self.dump_bytes += dump.bytes;
        for (kind, n) in dump.kinds {
            *self.kinds.entry(kind.into()).or_default() += n;
        }
    }

    /// Adds what another worker found on the same architecture.
    pub fn add(&mut self, other: &ArchReport) {
        self.worlds += other.worlds;
        self.passed += other.passed;
        self.failed += other.failed;
        self.objects += other.objects;
        self.frames += other.frames;
        self.records += other.records;
        for (kind, n) in &other.kinds {
            *self.kinds.entry(kind.clone()).or_default() += n;
        }
        self.dump_bytes += other.dump_bytes;
        self.instructions += other.instructions;
        self.time += other.time;
    }

    /// Dump bytes a second of worker time, in MB/s (10^6 bytes).
    pub fn megabytes_per_second(&self) -> f64 {
        let seconds = self.time.as_secs_f64();
        if seconds > 0.0 { self.dump_bytes as f64 / 1e6 / seconds } else { 0.0 }
    }
}

pub(crate) fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

pub(crate) fn from_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// A world whose dump on one architecture was not right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// `GOARCH`.
    pub arch: Cow<'static, str>,
    /// The seed that makes this world the first of a run.
    pub seed: u64,
    /// What went wrong: the first differing field with both values, or the error.
    pub what: String,
    /// The command that shows it again.
    pub repeat: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} failed at seed {}: {}", self.arch, self.seed, self.what)?;
        write!(f, "  repeat with: {}", self.repeat)
    }
}

/// The whole run, or a part of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Which part of the run this is, if it was divided.
    #[serde(default, skip_serializing_if = "Shard::is_whole")]
    pub shard: Shard,
    /// Whose writer it was, if not the project's: its command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writer: Vec<String>,
    /// The first world's seed; world `k` has the seed `seed + k`.
    pub seed: u64,
    /// Worlds of the whole run, each tried on every architecture.
    pub worlds: u64,
    /// Whether every world passed on every architecture.
    pub ok: bool,
    /// One entry an architecture, in the order asked for.
    pub arches: Vec<ArchReport>,
    /// The first failures, in the order of their seeds; at most [`RunReport::MOST_FAILURES`].
    pub failures: Vec<Failure>,
}

impl RunReport {
    /// How many failures a report tells in full: one is usually what the next ones are about.
    pub const MOST_FAILURES: usize = 10;
}

impl Part for RunReport {
    fn shard(&self) -> Shard {
        self.shard
    }

    fn asked(&self) -> String {
        let arches: Vec<&str> = self.arches.iter().map(|arch| &*arch.arch).collect();
        let writer =
            if self.writer.is_empty() { String::new() } else { format!(" for {}", self.writer.join(" ")) };
        format!("{} worlds from seed {} on {}{writer}", self.worlds, self.seed, arches.join(", "))
    }

    fn add(&mut self, other: Self) {
        for (arch, found) in self.arches.iter_mut().zip(&other.arches) {
            arch.add(found);
        }
        self.ok &= other.ok;
        self.failures.extend(other.failures);
        let first = self.seed;
        let place = |arch: &str| self.arches.iter().position(|found| found.arch == arch);
        self.failures.sort_by_key(|failure| (failure.seed.wrapping_sub(first), place(&failure.arch)));
        self.failures.truncate(Self::MOST_FAILURES);
    }

    fn complete(&mut self) {
        self.shard = Shard::WHOLE;
    }
}

impl fmt::Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = ["arch", "passed", "objects", "frames", "records", "dumps", "executed", "time", "MB/s"];
        let rows: Vec<Vec<String>> = self
            .arches
            .iter()
            .map(|a| {
                let passed = match a.failed {
                    0 => Count(a.passed).to_string(),
                    _ => format!("{} of {}", Count(a.passed), Count(a.worlds)),
                };
                vec![
                    a.arch.to_string(),
                    passed,
                    Count(a.objects).to_string(),
                    Count(a.frames).to_string(),
                    Count(a.records).to_string(),
                    format!("{:.1} MB", a.dump_bytes as f64 / 1e6),
                    format!("{:.1} M", a.instructions as f64 / 1e6),
                    format!("{:.2} s", a.time.as_secs_f64()),
                    format!("{:.1}", a.megabytes_per_second()),
                ]
            })
            .collect();
        let width = |column: usize| {
            rows.iter().map(|row| row[column].len()).chain([heads[column].len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..heads.len()).map(width).collect();
        let line = |f: &mut fmt::Formatter<'_>, cells: &[String]| {
            // The name stands to the left, figures to the right.
            write!(f, "{:<1$}", cells[0], widths[0])?;
            for (cell, width) in cells.iter().zip(&widths).skip(1) {
                write!(f, "  {cell:>width$}")?;
            }
            writeln!(f)
        };
        line(f, &heads.map(str::to_owned))?;
        for row in &rows {
            line(f, row)?;
        }
        for failure in &self.failures {
            writeln!(f, "\n{failure}")?;
        }
        let failed: u64 = self.arches.iter().map(|a| a.failed).sum();
        if failed > self.failures.len() as u64 {
            writeln!(f, "\n… and {} more failures", failed - self.failures.len() as u64)?;
        }
        let verdict = if self.ok { "all dumps hold exactly what was put there" } else { "FAILED" };
        let part = if self.shard.is_whole() { String::new() } else { format!(", part {}", self.shard) };
        writeln!(f, "\nseed {}, {} worlds{part}: {verdict}", self.seed, Count(self.worlds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_with_the_command_that_repeats_it() {
        let failure = Failure {
            arch: "ppc64".into(),
            seed: 7,
            what: "object 3: contents differ".to_owned(),
            repeat: "heapmatrix run --arch ppc64 --worlds 1 --seed 7".to_owned(),
        };
        let report = RunReport {
            shard: Shard::WHOLE,
            writer: vec![],
            seed: 5,
            worlds: 4,
            ok: false,
            arches: vec![ArchReport {
                arch: "ppc64".into(),
                worlds: 4,
                passed: 3,
                failed: 1,
                ..Default::default()
            }],
            failures: vec![failure],
        };
        let text = report.to_string();
        assert!(text.contains("ppc64  3 of 4  "), "{text}");
        assert!(text.contains("ppc64 failed at seed 7: object 3: contents differ"));
        assert!(text.contains("repeat with: heapmatrix run --arch ppc64 --worlds 1 --seed 7"));
        assert!(text.ends_with("seed 5, 4 worlds: FAILED\n"));
    }

    #[test]
    fn a_thousand_worlds_fit_eighty_columns() {
        let arch = ArchReport {
            arch: "mips64le".into(),
            worlds: 1000,
            passed: 1000,
            objects: 155_610,
            frames: 30_290,
            records: 258_850,
            dump_bytes: 80_781_500,
            instructions: 137_054_640,
            time: Duration::from_secs(12),
            ..Default::default()
        };
        let report = RunReport { worlds: 1000, ok: true, arches: vec![arch], ..Default::default() };
        let text = report.to_string();
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    }
}
