//! `heapmatrix check-reader`: somebody's reader on dumps whose contents are known.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use regex::Regex;

use super::number::{number, positive};
use super::report::{Printed, Report};
use super::{Outcome, output};
use crate::check::adapter::Adapter;
use crate::check::cases::{self, Case};
use crate::check::child::Limits;
use crate::check::report::CheckReport;
use crate::check::source::Source;
use crate::check::{Reader, generated, hostile};
use crate::shard::Shard;

/// More jobs than this are no faster on any machine.
const MOST_JOBS: u64 = 1024;

/// Check somebody's reader of heap dumps: run it on dumps with known contents, and on broken ones
///
/// The reader is run once for each dump, with {} in its arguments replaced by the dump's file. It prints JSON, as
/// docs/check-reader.md describes it, or --adapter says how to understand what it prints. Exit status 0 means that it has
/// read the dump, any other that it refuses it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0 the reader was right with every dump, 1 it was not with one, 2 bad usage, or a reader that cannot be run.

Examples:
  heapmatrix check-reader -- heapmatrix inspect --json {}
  heapmatrix check-reader --adapter heapspurs --junit results.xml -- heapspurs {} --print")]
pub struct Args {
    /// Take the dumps of this folder [default: the corpus that is part of this program]
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// How to understand what the reader prints if it is not JSON: heapspurs, heaputil, heapdump14, viewcore, or a file of patterns
    #[arg(long, value_name = "NAME", value_parser = Adapter::open)]
    adapter: Option<Adapter>,
    /// Only dumps whose name matches this regular expression
    #[arg(long, value_name = "PATTERN")]
    only: Option<Regex>,
    /// How many dumps to make of each machine and format
    #[arg(long, value_name = "N", default_value = "2", value_parser = number)]
    generated: u64,
    /// The seed of the first of these
    #[arg(long, value_name = "S", default_value = "1", value_parser = number)]
    seed: u64,
    /// Leave out the dumps that are broken on purpose
    #[arg(long)]
    no_hostile: bool,
    /// Kill the reader after so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = positive)]
    timeout: u64,
    /// How much memory the reader may use, in MiB
    #[arg(long, value_name = "MIB", default_value = "1024", value_parser = positive)]
    memory: u64,
    /// How many readers to run at the same time [default: one for each core]
    #[arg(long, value_name = "J", value_parser = positive)]
    jobs: Option<u64>,
    /// Run only this part of the run: merge-reports puts the parts' reports together
    #[arg(long, value_name = "K/N", default_value = "1/1", hide_default_value = true)]
    shard: Shard,
    /// Keep the dumps with which the reader was not right in this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    printed: Printed,
    /// List the names of the dumps, and run nothing
    #[arg(long)]
    list: bool,
    /// The reader and its arguments, {} for the dump
    #[arg(last = true, value_name = "CMD", required_unless_present = "list")]
    command: Vec<OsString>,
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        let mut cases = self.cases()?;
        if self.list {
            return super::list_to_stdout(|out| {
                cases.iter().try_for_each(|case| out.line(&case.name))?;
                Ok(super::Verdict::Sound)
            });
        }
        if !self.command.iter().any(|word| word.to_string_lossy().contains("{}")) {
            return Err("the reader's command has no {} for the file of the dump".into());
        }
        let dumps = cases.len() as u64;
        cases.retain(|case| self.shard.takes(&case.name, &case.machine));
        if let Some(dir) = &self.out {
            fs::create_dir_all(dir).map_err(|error| format!("cannot write to {}: {error}", dir.display()))?;
        }
        let reader = Reader {
            command: self.command.clone(),
            adapter: self.adapter.clone(),
            limits: Limits { seconds: self.timeout, memory: self.memory.saturating_mul(1 << 20) },
        };
        let jobs = match self.jobs {
            Some(jobs) => usize::try_from(jobs.min(MOST_JOBS))?,
            None => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        };
        let progress = super::progress::count(cases.len() as u64, "dumps");
        let keep = |case: &Case, dump: &[u8]| match &self.out {
            None => Ok(()),
            Some(dir) => {
                let file = dir.join(format!("{}.dump", case.name.replace('/', "-")));
                output::place(&file, dump).map_err(io::Error::other)
            }
        };
        let reports = reader.run(&cases, jobs, &|| progress.inc(1), &keep);
        progress.finish_and_clear();
        let reports = reports?;
        let report = CheckReport {
            shard: self.shard,
            reader: self.command.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
            options: self.options(),
            dumps,
            ok: reports.iter().all(|case| case.verdict.is_right()),
            cases: reports,
        };
        self.printed.tell(&Report::CheckReader(report))
    }

    /// All cases, sorted by name.
    fn cases(&self) -> Result<Vec<Case>, Box<dyn std::error::Error>> {
        let source = Arc::new(self.corpus.clone().map_or(Source::Embedded, Source::Folder));
        if let (Some(dir), false) = (&self.corpus, source.names()?.iter().any(|name| cases::is_dump(name))) {
            let dir = dir.display();
            return Err(format!("no dumps in {dir}: they are files named NAME.dump or NAME.dump.zst").into());
        }
        let wanted = |name: &str| self.only.as_ref().is_none_or(|only| only.is_match(name));
        let mut cases = cases::corpus(&source, &wanted)?;
        cases.extend(generated::cases(self.seed, self.generated, &wanted));
        cases.extend(hostile::cases().into_iter().filter(|case| wanted(&case.name)));
        if self.no_hostile {
            cases.retain(|case| case.class != cases::Class::Hostile);
        }
        if let (Some(only), true) = (&self.only, cases.is_empty()) {
            return Err(format!("no dump's name matches {only}: --list shows the names").into());
        }
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(cases)
    }

    /// The options by which dumps are chosen, so that somebody can repeat a case.
    fn options(&self) -> Vec<String> {
        let mut options = Vec::new();
        let mut option =
            |name: &str, value: Option<String>| options.extend([name.to_owned()].into_iter().chain(value));
        if let Some(dir) = &self.corpus {
            option("--corpus", Some(dir.display().to_string()));
        }
        if let Some(adapter) = &self.adapter {
            option("--adapter", Some(adapter.name().to_owned()));
        }
        if let Some(only) = &self.only {
            option("--only", Some(only.to_string()));
        }
        if self.generated != 2 {
            option("--generated", Some(self.generated.to_string()));
        }
        if self.seed != 1 {
            option("--seed", Some(self.seed.to_string()));
        }
        if self.no_hostile {
            option("--no-hostile", None);
        }
        if self.timeout != 10 {
            option("--timeout", Some(self.timeout.to_string()));
        }
        if self.memory != 1024 {
            option("--memory", Some(self.memory.to_string()));
        }
        options
    }
}
