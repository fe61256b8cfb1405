//! `heapmatrix verify`: whether a dump obeys the laws of dumps.

use std::collections::BTreeMap;
use std::io::Write;

use heapmatrix_reader::laws::{Fault, Finding, Known, Law, Violation, examine_with};
use serde::Serialize;

use super::escape::Escaped;
use super::input::Input;
use super::{Outcome, Verdict, to_stdout, write_json};
use crate::units::Bytes;

/// How many violations of a law are told, and how many places of a known fault; the others are counted.
const TOLD: usize = 10;
const KNOWN_TOLD: usize = 1;

/// Check a heap dump against the laws that every sound dump obeys
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0 all laws hold, 1 one is broken, 2 bad usage or a file that cannot be read.

Examples:
  heapmatrix verify heap.dump
  heapmatrix verify heap.dump --json | jq '.laws[] | select(.violations > 0)'")]
pub struct Args {
    #[command(flatten)]
    input: Input,
    /// Print JSON: for each law its name, its statement, the releases it is claimed for, the number of violations and
    /// the first ones; for each fault of a release that the dump shows the same
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    bytes: usize,
    /// The Go releases that may have written it.
    #[serde(skip_serializing_if = "Option::is_none")]
    releases: Option<String>,
    laws: Vec<LawReport>,
    /// Faults that the dump shows and that are known of its release.
    known: Vec<FaultReport>,
}

#[derive(Debug, Serialize)]
struct LawReport {
    law: &'static str,
    statement: String,
    releases: String,
    violations: u64,
    first: Vec<Place>,
}

#[derive(Debug, Serialize)]
struct FaultReport {
    fault: &'static str,
    law: &'static str,
    statement: String,
    releases: String,
    places: u64,
    first: Vec<Place>,
}

#[derive(Debug, Serialize)]
struct Place {
    offset: u64,
    detail: String,
}

/// How often something was found, and where first.
#[derive(Default)]
struct Places {
    count: u64,
    first: Vec<Place>,
}

impl Places {
    fn add(&mut self, offset: u64, detail: String, told: usize) {
        self.count += 1;
        if self.first.len() < told {
            self.first.push(Place { offset, detail });
        }
    }
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        let whole = self.input.whole()?;
        let report = Report::new(whole.bytes(), |offset| whole.read_to(offset));
        drop(whole);
        to_stdout(|out| self.tell(&report, out))
    }

    #[cfg(test)]
    pub(super) fn run(&self, input: &[u8], out: &mut dyn Write) -> Outcome {
        self.tell(&Report::new(input, |_| ()), out)
    }

    fn tell(&self, report: &Report, out: &mut dyn Write) -> Outcome {
        if self.json {
            write_json(out, report)?;
        } else {
            write!(out, "{}", report.text(&Escaped(self.input.name()).to_string()))?;
        }
        Ok(if report.ok { Verdict::Sound } else { Verdict::Failed })
    }
}

impl Report {
    fn new(input: &[u8], progress: impl FnMut(u64)) -> Self {
        let mut broken: BTreeMap<Law, Places> = BTreeMap::new();
        let mut shown: BTreeMap<Fault, Places> = BTreeMap::new();
        let take = |finding| match finding {
            Finding::Violation(Violation { law, offset, detail }) => {
                broken.entry(law).or_default().add(offset, detail, TOLD);
            }
            Finding::Known(Known { fault, offset, detail }) => {
                shown.entry(fault).or_default().add(offset, detail, KNOWN_TOLD);
            }
        };
        let releases = examine_with(input, take, progress);
        let ok = broken.is_empty();
        let laws = Law::ALL.iter().map(|law| {
            let Places { count, first } = broken.remove(law).unwrap_or_default();
            let releases = law.releases().to_string();
            LawReport { law: law.name(), statement: law.statement(), releases, violations: count, first }
        });
        let known = shown.into_iter().map(|(fault, Places { count, first })| FaultReport {
            fault: fault.name(),
            law: fault.law().name(),
            statement: fault.statement(),
            releases: fault.releases().to_string(),
            places: count,
            first,
        });
        let releases = releases.map(|releases| releases.to_string());
        Self { ok, bytes: input.len(), releases, laws: laws.collect(), known: known.collect() }
    }

    fn text(&self, name: &str) -> String {
        let mut text = String::new();
        let broken = self.laws.iter().filter(|law| law.violations > 0);
        for LawReport { law, statement, violations, first, .. } in broken.clone() {
            text += &format!("{law}: {statement}\n{}", places(*violations, first));
        }
        for FaultReport { fault, statement, releases, places: count, first, .. } in &self.known {
            text += &format!("known of {releases}: {fault}: {statement}\n{}", places(*count, first));
        }
        let laws = self.laws.len();
        let verdict = match broken.count() {
            0 => format!("all {laws} laws hold"),
            count => format!("{count} of {laws} laws broken"),
        };
        let known = match self.known.len() {
            0 => String::new(),
            1 => ", 1 known fault of its release".into(),
            count => format!(", {count} known faults of its release"),
        };
        text += &format!("{name}: {}, {verdict}{known}\n", Bytes(self.bytes as u64));
        text
    }
}

/// Places, one a line.
fn places(count: u64, first: &[Place]) -> String {
    let mut text: String = first
        .iter()
        .map(|place| format!("    offset {}: {}\n", place.offset, Escaped(&place.detail)))
        .collect();
    let more = count - first.len() as u64;
    if more > 0 {
        text += &format!("    and {more} more\n");
    }
    text
}
