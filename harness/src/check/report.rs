//! What a reader did with each dump, for people (a table) and for machines (JSON).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cases::Class;
use crate::shard::{Part, Shard};
use crate::units::Count;

/// What a reader did with a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// What it should.
    Right,
    /// It read it, and said something else than is in it.
    Wrong,
    /// It refused a sound one.
    Refused,
    /// It read a broken one as if that were sound.
    Taken,
    /// It crashed: a signal, a panic, an exception that nobody caught, no memory.
    Crashed,
    /// It did not end in time.
    Hung,
}

impl Verdict {
    /// All of them, the good one first.
    pub const ALL: [Self; 6] =
        [Self::Right, Self::Wrong, Self::Refused, Self::Taken, Self::Crashed, Self::Hung];

    /// Whether all is well.
    pub fn is_right(self) -> bool {
        self == Self::Right
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Wrong => "wrong",
            Self::Refused => "refused",
            Self::Taken => "taken",
            Self::Crashed => "crashed",
            Self::Hung => "hung",
        }
    }
}

/// What a reader did with one dump.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseReport {
    /// The dump's name, which `--only` takes.
    pub name: String,
    /// What the dump is.
    pub class: Class,
    /// Its machine, `-` if it says none.
    pub machine: String,
    /// Its format, `-` if it says none.
    pub format: String,
    /// What the reader did.
    pub verdict: Verdict,
    /// If that was not right: how so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// How long it took.
    pub seconds: f64,
}

/// What a reader did with all of them, or with a part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Which part of the run this is, if it was divided.
    #[serde(default, skip_serializing_if = "Shard::is_whole")]
    pub shard: Shard,
    /// The reader's command.
    pub reader: Vec<String>,
    /// The options that choose dumps, as the command line has them.
    pub options: Vec<String>,
    /// The number of dumps of the whole run.
    pub dumps: u64,
    /// Whether the reader was right with every dump.
    pub ok: bool,
    /// The dumps, sorted by name.
    pub cases: Vec<CaseReport>,
}

impl Part for CheckReport {
    fn shard(&self) -> Shard {
        self.shard
    }

    fn asked(&self) -> String {
        let words: Vec<&str> = self.options.iter().chain(&self.reader).map(String::as_str).collect();
        format!("{} dumps for {}", self.dumps, words.join(" "))
    }

    fn add(&mut self, other: Self) {
        self.ok &= other.ok;
        self.cases.extend(other.cases);
        self.cases.sort_by(|a, b| a.name.cmp(&b.name));
    }

    fn complete(&mut self) {
        self.shard = Shard::WHOLE;
    }
}

/// A row of the table: how many dumps of a machine and a format came to which verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// What the first columns say.
    pub dumps: [String; 2],
    /// By verdict, in the order of [`Verdict::ALL`].
    pub verdicts: [u64; 6],
}

impl CheckReport {
    /// The table: a row for each machine and format of the dumps that are sound, and one for those that are not.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows: BTreeMap<(usize, &str, &str), [u64; 6]> = BTreeMap::new();
        for case in &self.cases {
            let (machine, format) = match case.class {
                Class::Hostile => ("hostile", ""),
                Class::Corpus | Class::Generated => (&*case.machine, &*case.format),
            };
            // In the order of the machines; what is no known machine comes after them.
            let place = super::encoding::MACHINES.iter().position(|known| known.name == machine);
            let row = rows.entry((place.unwrap_or(usize::MAX), machine, format)).or_default();
            row[case.verdict as usize] += 1;
        }
        let row = |((_, machine, format), verdicts): ((usize, &str, &str), _)| Row {
            dumps: [machine.to_owned(), format.to_owned()],
            verdicts,
        };
        rows.into_iter().map(row).collect()
    }

    /// The lines of the table, its head first.
    pub fn table(&self) -> Vec<String> {
        let mut lines: Vec<[String; 9]> = vec![
            ["machine", "format", "dumps", "right", "wrong", "refused", "taken", "crashed", "hung"]
                .map(str::to_owned),
        ];
        for Row { dumps: [machine, format], verdicts } in self.rows() {
            // What did not happen is left out, so that what did is seen.
            let [right, wrong, refused, taken, crashed, hung] = verdicts.map(|count| match count {
                0 => String::new(),
                _ => Count(count).to_string(),
            });
            let dumps = Count(verdicts.iter().sum()).to_string();
            lines.push([machine, format, dumps, right, wrong, refused, taken, crashed, hung]);
        }
        let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..9).map(width).collect();
        let line = |cells: &[String; 9]| {
            let mut text = format!("{:<1$}", cells[0], widths[0]);
            text += &format!("  {:<1$}", cells[1], widths[1]);
            for (cell, width) in cells.iter().zip(&widths).skip(2) {
                text += &format!("  {cell:>width$}");
            }
            text.trim_end().to_owned()
        };
        lines.iter().map(line).collect()
    }

    /// The dumps with which the reader was not right, those together of which the same is to be said: what is wrong with
    /// sound dumps first, then the gravest verdicts, then what happens most often.
    pub fn failures(&self) -> Vec<Failures<'_>> {
        const GRAVE: [Verdict; 5] =
            [Verdict::Crashed, Verdict::Hung, Verdict::Wrong, Verdict::Refused, Verdict::Taken];
        let mut groups: BTreeMap<_, Vec<&CaseReport>> = BTreeMap::new();
        for case in self.cases.iter().filter(|case| !case.verdict.is_right()) {
            let grave = GRAVE.iter().position(|&verdict| verdict == case.verdict);
            let what = without_numbers(case.what.as_deref().unwrap_or_default());
            groups.entry((case.class == Class::Hostile, grave, what)).or_default().push(case);
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by_key(|((hostile, grave, _), cases)| (*hostile, *grave, std::cmp::Reverse(cases.len())));
        groups.into_iter().map(|(_, cases)| Failures { first: cases[0], count: cases.len() as u64 }).collect()
    }
}

/// Dumps of which the same is to be said.
#[derive(Clone, Copy, Debug)]
pub struct Failures<'a> {
    /// The first.
    pub first: &'a CaseReport,
    /// How many there are.
    pub count: u64,
}

/// A message without what tells it from others of its kind.
fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_whitespace() {
        // Numbers, and what has numbers in it.
        let word = if word.contains(|c: char| c.is_ascii_digit()) { "#" } else { word };
        out += word;
        out.push(' ');
    }
    out
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn report(verdicts: &[(&str, Class, &str, Verdict)]) -> CheckReport {
        let case = |&(name, class, machine, verdict): &(&str, Class, &str, Verdict)| CaseReport {
            name: name.to_owned(),
            class,
            machine: machine.to_owned(),
            format: "go1.7".to_owned(),
            verdict,
            what: (!verdict.is_right()).then(|| "records.object is 3, not 4".to_owned()),
            seconds: 0.5,
        };
        let cases: Vec<CaseReport> = verdicts.iter().map(case).collect();
        CheckReport {
            shard: Shard::WHOLE,
            reader: vec!["reader".to_owned(), "{}".to_owned()],
            options: vec![],
            dumps: cases.len() as u64,
            ok: cases.iter().all(|case| case.verdict.is_right()),
            cases,
        }
    }

    #[test]
    fn a_row_counts_the_verdicts_of_a_machine_and_a_format() {
        let report = report(&[
            ("a", Class::Corpus, "386", Verdict::Right),
            ("b", Class::Generated, "386", Verdict::Wrong),
            ("c", Class::Corpus, "amd64", Verdict::Right),
            ("b2", Class::Generated, "386", Verdict::Wrong),
            ("d", Class::Hostile, "386", Verdict::Hung),
            ("e", Class::Hostile, "-", Verdict::Right),
        ]);
        assert_eq!(
            report.table(),
            [
                "machine  format  dumps  right  wrong  refused  taken  crashed  hung",
                "amd64    go1.7       1      1",
                "386      go1.7       3      1      2",
                "hostile              2      1                                     1",
            ]
        );
        let failures: Vec<(&str, u64)> =
            report.failures().iter().map(|group| (&*group.first.name, group.count)).collect();
        assert_eq!(failures, [("b", 2), ("d", 1)], "what is wrong with sound dumps comes first");
    }
}
