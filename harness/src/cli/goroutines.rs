//! `heapmatrix goroutines`: what goroutines hold.

use heapmatrix_analysis::goroutines::{Group, groups};
use heapmatrix_analysis::heap::Heap;
use serde::Serialize;

use super::escape::Name;
use super::heap::{Basis, Source, more, share};
use super::number::positive;
use super::out::{FAINT, HEAD, NAME, Out};
use super::record::status_name;
use super::{Outcome, Verdict, to_stdout, write_json};
use crate::units::{Size, Things};

/// How many frames of a stack are shown.
const FRAMES: usize = 25;

/// Show goroutines with the same stack, and what each group retains
///
/// What a group retains would be gone without these goroutines; what they share with others is not counted.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0 the dump was read, 2 bad usage or a dump that cannot be read.

Examples:
  heapmatrix goroutines heap.dump --limit 5
  heapmatrix goroutines heap.dump --json")]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// How many groups to show
    #[arg(long, value_name = "N", default_value = "15", value_parser = positive)]
    limit: u64,
    /// Print JSON, as docs/analysis-json.md describes it
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    heap: Basis,
    groups: Vec<GroupRow>,
}

#[derive(Serialize)]
struct GroupRow {
    count: u64,
    retained: u64,
    objects: u64,
    status: u64,
    wait_reason: String,
    /// The number of the goroutine that retains most.
    sample: u64,
    /// Functions, innermost first.
    stack: Vec<String>,
}

impl GroupRow {
    fn new(heap: &Heap<'_, '_>, group: &Group) -> Self {
        let root = |node| heap.graph().root(node).and_then(|root| root.goroutine(heap.dump()));
        let goroutine = root(group.node);
        let frames = heap.graph().root(group.node).map_or_else(Vec::new, |root| root.frames(heap.dump()));
        Self {
            count: group.count,
            retained: group.retained,
            objects: group.objects,
            status: goroutine.as_ref().map_or(0, |goroutine| goroutine.status),
            wait_reason: goroutine.map_or_else(String::new, |goroutine| goroutine.wait_reason.to_string()),
            sample: root(group.sample).map_or(0, |goroutine| goroutine.id),
            stack: frames.iter().map(|frame| frame.function.name.to_string()).collect(),
        }
    }

    fn print(&self, whole: u64, out: &mut Out<'_>) -> std::io::Result<()> {
        out.paint(HEAD, format_args!("{} ", Things(self.count, "goroutine")))?;
        match status_name(self.status) {
            Some("syscall") => out.paint(HEAD, "in a system call")?,
            Some(name) => out.paint(HEAD, name)?,
            None => out.paint(HEAD, format_args!("in the unknown state {}", self.status))?,
        }
        if self.status == 4 {
            out.paint(HEAD, format_args!(": {}", Name(self.wait_reason.as_bytes())))?;
        }
        out.end()?;
        out.line(format_args!(
            "    retain {} in {} ({})",
            Size(self.retained),
            Things(self.objects, "object"),
            share(self.retained, whole)
        ))?;
        for function in self.stack.iter().take(FRAMES) {
            out.text("    ")?;
            out.paint(NAME, Name(function.as_bytes()))?;
            out.end()?;
        }
        match self.stack.len().saturating_sub(FRAMES) {
            0 => Ok(()),
            more => out.painted_line(FAINT, format_args!("    … {}", Things(more as u64, "more frame"))),
        }
    }
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        self.source.with_heap(|heap| to_stdout(|out| self.run(heap, out)))
    }

    pub(super) fn run(&self, heap: &Heap<'_, '_>, out: &mut Out<'_>) -> Outcome {
        let basis = Basis::new(heap);
        let groups = groups(heap);
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let rows = groups.iter().take(limit).map(|group| GroupRow::new(heap, group));
        if self.json {
            write_json(out, &Report { heap: basis, groups: rows.collect() })?;
            return Ok(Verdict::Sound);
        }
        basis.print(out)?;
        for row in rows {
            out.end()?;
            row.print(heap.reached().bytes, out)?;
        }
        if groups.len() > limit {
            out.end()?;
            more(out, (groups.len() - limit) as u64, "group")?;
        }
        Ok(Verdict::Sound)
    }
}
