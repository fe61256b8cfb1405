//! Reports of runs that can be divided: how they are printed, and read again.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::number::number;
use super::out::{BAD, FAINT, GOOD, HEAD, NAME, Out};
use super::{Outcome, Verdict, output, print_json, to_stdout};
use crate::check::junit;
use crate::check::report::{CheckReport, Failures};
use crate::go_report::{Failure, Finding, GoReport, KnownReport};
use crate::report::RunReport;
use crate::shard::{MergeError, Part, merge};
use crate::units::{Count, Things};

/// A report, by the command that makes it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Report {
    /// Of `run`.
    Run(RunReport),
    /// Of `check-reader`.
    CheckReader(CheckReport),
    /// Of `check-writer`.
    CheckWriter(RunReport),
    /// Of `check-go`.
    CheckGo(GoReport),
}

/// How a report is printed.
#[derive(Debug, clap::Args)]
pub struct Printed {
    /// How many failures to tell of
    #[arg(long, value_name = "N", default_value = "10", value_parser = number)]
    limit: u64,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Write the report as JUnit XML, too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

impl Printed {
    /// Prints a report. The verdict is the report's.
    pub fn tell(&self, report: &Report) -> Outcome {
        if let Some(file) = &self.junit {
            let Report::CheckReader(report) = report else {
                return Err("--junit is for reports of check-reader".into());
            };
            output::write(file, junit::xml(report)?.as_bytes())?;
        }
        report.tell(self.json, self.limit)
    }
}

impl Report {
    /// Prints the report as a table or as JSON. The verdict is the report's.
    pub fn tell(&self, json: bool, limit: u64) -> Outcome {
        if json {
            print_json(self)?;
        } else {
            to_stdout(|out| {
                match self {
                    Self::Run(report) | Self::CheckWriter(report) => tell_run(report, out),
                    Self::CheckReader(report) => tell_check(report, limit, out),
                    Self::CheckGo(report) => tell_go(report, limit, out),
                }?;
                Ok(Verdict::Sound)
            })?;
        }
        let ok = match self {
            Self::Run(report) | Self::CheckWriter(report) => report.ok,
            Self::CheckReader(report) => report.ok,
            Self::CheckGo(report) => report.ok,
        };
        Ok(if ok { Verdict::Sound } else { Verdict::Failed })
    }

    /// The name of the command.
    fn command(&self) -> &'static str {
        match self {
            Self::Run(_) => "run",
            Self::CheckReader(_) => "check-reader",
            Self::CheckWriter(_) => "check-writer",
            Self::CheckGo(_) => "check-go",
        }
    }

    /// Puts the report of a run together from those of its parts, each with the name of its file.
    ///
    /// # Errors
    /// [`MergeError`], or which is of another command.
    pub fn merge(parts: Vec<(String, Self)>) -> Result<Self, Box<dyn std::error::Error>> {
        let (first, command) = match parts.first() {
            Some((name, report)) => (name.clone(), report.command()),
            None => return Err(MergeError::Nothing.into()),
        };
        if let Some((name, report)) = parts.iter().find(|(_, report)| report.command() != command) {
            let other = report.command();
            return Err(format!("{name} is a report of {other}, and {first} one of {command}").into());
        }
        fn all<P: Part>(parts: Vec<(String, Report)>, of: fn(Report) -> Option<P>) -> Result<P, MergeError> {
            merge(parts.into_iter().filter_map(|(name, report)| Some((name, of(report)?))))
        }
        Ok(match command {
            "run" => Self::Run(all(parts, Self::into_run)?),
            "check-writer" => Self::CheckWriter(all(parts, Self::into_run)?),
            "check-go" => Self::CheckGo(all(parts, Self::into_go)?),
            _ => Self::CheckReader(all(parts, Self::into_check)?),
        })
    }

    fn into_run(self) -> Option<RunReport> {
        match self {
            Self::Run(report) | Self::CheckWriter(report) => Some(report),
            _ => None,
        }
    }

    fn into_check(self) -> Option<CheckReport> {
        match self {
            Self::CheckReader(report) => Some(report),
            _ => None,
        }
    }

    fn into_go(self) -> Option<GoReport> {
        match self {
            Self::CheckGo(report) => Some(report),
            _ => None,
        }
    }
}

/// The table with its head, and the verdict, the last line, in its colour.
fn tell_run(report: &RunReport, out: &mut Out<'_>) -> io::Result<()> {
    let text = report.to_string();
    let lines = text.lines().count();
    text.lines().enumerate().try_for_each(|(number, line)| match number {
        0 => out.painted_line(HEAD, line),
        _ if number + 1 == lines => out.painted_line(if report.ok { GOOD } else { BAD }, line),
        _ => out.line(line),
    })
}

/// The table, the failures, what repeats the first, and the verdict.
fn tell_check(report: &CheckReport, limit: u64, out: &mut Out<'_>) -> io::Result<()> {
    for (number, line) in report.table().iter().enumerate() {
        if number == 0 { out.painted_line(HEAD, line)? } else { out.line(line)? }
    }
    let failures = report.failures();
    let told = failures.len().min(usize::try_from(limit).unwrap_or(usize::MAX));
    if told > 0 {
        out.end()?;
    }
    for Failures { first, count } in &failures[..told] {
        out.paint(BAD, format_args!("{:<8}", first.verdict.name()))?;
        out.paint(NAME, format_args!(" {}", first.name))?;
        if *count > 1 {
            out.text(format_args!(" and {} more", Count(count - 1)))?;
        }
        out.line(format_args!(": {}", first.what.as_deref().unwrap_or_default()))?;
    }
    if failures.len() > told && told > 0 {
        let more = Things((failures.len() - told) as u64, "other failure");
        out.painted_line(FAINT, format_args!("… {more} (--limit)"))?;
    }
    if let Some(first) = failures.first() {
        let mut options = report.options.clone();
        if let Some(at) = options.iter().position(|option| option == "--only") {
            options.drain(at..at + 2);
        }
        let options: String = options.iter().map(|option| format!(" {}", quoted(option))).collect();
        let reader: String = report.reader.iter().map(|word| format!(" {}", quoted(word))).collect();
        let only = quoted(&format!("^{}$", regex::escape(&first.first.name)));
        out.end()?;
        out.line(format_args!(
            "repeat the first with: heapmatrix check-reader{options} --only {only} --{reader}"
        ))?;
    }
    out.end()?;
    let part = if report.shard.is_whole() { String::new() } else { format!(" (part {})", report.shard) };
    let dumps = Things(report.cases.len() as u64, "dump");
    let verdict = match failures.iter().map(|group| group.count).sum() {
        0 => format!("{dumps}{part}: the reader was right with all of them"),
        count => format!("{dumps}{part}: the reader was not right with {}", Count(count)),
    };
    out.painted_line(if report.ok { GOOD } else { BAD }, verdict)
}

/// The table, the known faults, the failures with what repeats each, and the verdict.
fn tell_go(report: &GoReport, limit: u64, out: &mut Out<'_>) -> io::Result<()> {
    out.painted_line(HEAD, "arch      right  wrong  records     dumps  executed    time")?;
    for arch in &report.arches {
        let records: u64 = arch.records.values().sum();
        out.line(format_args!(
            "{:<8}{:>7}{:>7}{:>9}{:>7.1} MB{:>8.0} M{:>6.1} s",
            arch.arch,
            arch.passed,
            arch.failed,
            Count(records).to_string(),
            arch.dump_bytes as f64 / 1e6,
            arch.instructions as f64 / 1e6,
            arch.time.as_secs_f64()
        ))?;
    }
    out.end()?;
    for (name, KnownReport { since, statement, dumps, times }) in &report.known {
        let (times, dumps) = (Things(*times, "time"), Things(*dumps, "dump"));
        out.line(format_args!("known since go1.{since}: {name}, {times} in {dumps}. {statement}"))?;
    }
    if let Some(reason) = &report.outside_writer_not_asked {
        out.line(format_args!("NOT RUN: comparison with the outside writer: {reason}"))?;
    }
    if !report.known.is_empty() || report.outside_writer_not_asked.is_some() {
        out.end()?;
    }
    let told = report.failures.len().min(usize::try_from(limit).unwrap_or(usize::MAX));
    for Failure { arch, seed, findings, repeat } in &report.failures[..told] {
        let place = seed.map_or("the world".to_owned(), |seed| format!("world {seed}"));
        out.painted_line(BAD, format_args!("{place} on {arch}:"))?;
        for Finding { oracle, what } in findings {
            out.line(format_args!("  {oracle:<15} {what}"))?;
        }
        out.line(format_args!("  repeat with: {repeat}"))?;
    }
    let failed = report.failed();
    if failed > told as u64 && told > 0 {
        let more = failed - told as u64;
        out.painted_line(
            FAINT,
            format_args!("… and {} more (--json has the first {})", Count(more), GoReport::MOST_FAILURES),
        )?;
    }
    let (worlds, machines) = (Things(report.worlds, "world"), Things(report.arches.len() as u64, "machine"));
    let part = if report.shard.is_whole() { String::new() } else { format!(" (part {})", report.shard) };
    let not_dumped: u64 = report.arches.iter().map(|arch| arch.not_dumped).sum();
    let verdict = match failed {
        0 if not_dumped > 0 => format!("every dump is right, but for {not_dumped} that could not be made"),
        0 => "every dump is right".to_owned(),
        1 => "a dump is wrong".to_owned(),
        wrong => format!("{} dumps are wrong", Count(wrong)),
    };
    let color = if report.ok { GOOD } else { BAD };
    out.painted_line(color, format_args!("{}: {worlds} on {machines}{part}, {verdict}", report.go))
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./{}=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
