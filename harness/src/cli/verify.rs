//! `heapmatrix verify`: whether a dump obeys the laws of dumps.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use heapmatrix_reader::laws::{Law, Violation, check};
use serde::Serialize;

use super::input::Input;
use super::{Outcome, Verdict, to_stdout, write_json};

/// How many violations of a law are told; the others are counted.
const TOLD: usize = 10;

/// Check a heap dump against what every sound dump obeys
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    input: Input,
    /// Print JSON: for each law its name, its statement, the number of violations and the first ones
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    bytes: usize,
    laws: Vec<LawReport>,
}

#[derive(Debug, Serialize)]
struct LawReport {
    law: &'static str,
    statement: String,
    violations: u64,
    first: Vec<ViolationReport>,
}

#[derive(Debug, Serialize)]
struct ViolationReport {
    offset: u64,
    detail: String,
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        let source = self.input.open()?;
        to_stdout(|out| self.run(source, out))
    }

    pub(super) fn run(&self, source: Box<dyn Read>, out: &mut dyn Write) -> Outcome {
        let report = Report::new(&self.input.read(source)?);
        if self.json {
            write_json(out, &report)?;
        } else {
            write!(out, "{}", report.text(&self.input.name()))?;
        }
        Ok(if report.ok { Verdict::Sound } else { Verdict::Failed })
    }
}

impl Report {
    fn new(input: &[u8]) -> Self {
        let mut found: BTreeMap<Law, (u64, Vec<ViolationReport>)> = BTreeMap::new();
        check(input, |Violation { law, offset, detail }| {
            let (count, first) = found.entry(law).or_default();
            *count += 1;
            if first.len() < TOLD {
                first.push(ViolationReport { offset, detail });
            }
        });
        let ok = found.is_empty();
        let laws = Law::ALL.iter().map(|law| {
            let (violations, first) = found.remove(law).unwrap_or_default();
            LawReport { law: law.name(), statement: law.statement(), violations, first }
        });
        Self { ok, bytes: input.len(), laws: laws.collect() }
    }

    fn text(&self, name: &str) -> String {
        let mut text = String::new();
        let broken = self.laws.iter().filter(|law| law.violations > 0);
        for LawReport { law, statement, violations, first } in broken.clone() {
            text += &format!("{law}: {statement}\n");
            first.iter().for_each(|v| text += &format!("    offset {}: {}\n", v.offset, v.detail));
            let more = violations - first.len() as u64;
            if more > 0 {
                text += &format!("    and {more} more\n");
            }
        }
        let laws = self.laws.len();
        match broken.count() {
            0 => text += &format!("{name}: {} bytes, all {laws} laws hold\n", self.bytes),
            count => text += &format!("{name}: {} bytes, {count} of {laws} laws broken\n", self.bytes),
        }
        text
    }
}
