//! `heapmatrix why`: what keeps objects alive.

use std::io;

use heapmatrix_analysis::heap::{Heap, Label};
use heapmatrix_analysis::paths::{MergedPaths, Paths};
use heapmatrix_analysis::top::top;
use regex::Regex;
use serde::Serialize;

use super::heap::{Basis, Source, more, share};
use super::number::{number, positive};
use super::out::{FAINT, HEAD, NAME, Out};
use super::summary::hex;
use super::{Outcome, Verdict, to_stdout, write_json};
use crate::units::{Count, Size, Things};

/// Show why an object, or the objects of a type, are held
///
/// The shortest paths to them from the roots, as the expressions by which the program reaches them. Paths that go the
/// same way are one, and say how many objects are at their ends.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["address", "of"]))]
#[command(after_long_help = "\
Exit status: 0 something holds them, 1 nothing does or there is no such object, 2 bad usage or a dump that cannot be
read.

Examples:
  heapmatrix why heap.dump 0xc000012000
  heapmatrix why heap.dump --type 'main\\.Session'")]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// An address in the object
    #[arg(value_name = "ADDRESS", value_parser = address)]
    address: Option<u64>,
    /// The objects of all types whose names this regular expression matches; the names are those that top prints
    #[arg(long = "type", value_name = "PATTERN")]
    of: Option<Regex>,
    /// How many paths to show
    #[arg(long, value_name = "N", default_value = "10", value_parser = positive)]
    limit: u64,
    /// Print JSON, as docs/analysis-json.md describes it
    #[arg(long)]
    json: bool,
}

/// Reads an address.
fn address(text: &str) -> Result<u64, String> {
    number(text)
        .map_err(|_| format!("expected an address, such as 0xc000012000; types are named with --type {text}"))
}

#[derive(Serialize)]
struct Report {
    heap: Basis,
    /// What was asked for: how many objects, and their bytes.
    objects: u64,
    bytes: u64,
    paths: Vec<PathRow>,
}

/// Objects that are reached in the same way.
#[derive(Serialize)]
struct PathRow {
    /// The expression by which the program reaches them.
    expression: String,
    objects: u64,
    bytes: u64,
    /// What they retain, each by itself.
    sample: String,
    /// What is on the way: types, and where each is.
    steps: Vec<StepRow>,
}

#[derive(Serialize)]
struct StepRow {
    name: String,
    step: String,
    sample: Option<String>,
    retained: u64,
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        self.source.with_heap(|heap| to_stdout(|out| self.run(heap, out)))
    }

    pub(super) fn run(&self, heap: &Heap<'_, '_>, out: &mut Out<'_>) -> Outcome {
        let wanted = match self.wanted(heap) {
            Ok(wanted) => wanted,
            Err(nothing) => {
                out.line(nothing)?;
                return Ok(Verdict::Failed);
            }
        };
        let paths = Paths::new(heap);
        let merged = MergedPaths::new(heap, &paths, |object| wanted.has(heap, object));
        let mut ends: Vec<u32> =
            (0..).zip(merged.nodes()).filter(|(_, node)| node.ending > 0).map(|(at, _)| at).collect();
        ends.sort_by_key(|&at| std::cmp::Reverse(merged.nodes()[at as usize].ending_bytes));
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let rows: Vec<PathRow> =
            ends.iter().take(limit).map(|&at| PathRow::new(heap, &paths, &merged, at)).collect();
        let all = &merged.nodes()[0];
        if self.json {
            let (objects, bytes) = (all.objects, all.bytes);
            write_json(out, &Report { heap: Basis::new(heap), objects, bytes, paths: rows })?;
        } else if rows.is_empty() {
            out.line("no root reaches it: it is garbage, or held by what no dump has (such as a cleanup)")?;
        } else {
            print(&rows, all.objects, all.bytes, out)?;
            more(out, ends.len().saturating_sub(limit) as u64, "path")?;
        }
        Ok(if ends.is_empty() { Verdict::Failed } else { Verdict::Sound })
    }

    /// What was asked for, or why that is nothing.
    fn wanted(&self, heap: &Heap<'_, '_>) -> Result<Wanted, String> {
        if let Some(address) = self.address {
            let object = heap.find(address);
            return object
                .map(Wanted::Object)
                .ok_or_else(|| format!("no object has the address {address:#x}"));
        }
        let Some(pattern) = &self.of else { return Err("nothing is asked for".to_owned()) };
        let rows = top(heap);
        let labels: Vec<Label> = rows
            .iter()
            .filter(|row| pattern.is_match(&heap.name(row.label, row.sample)))
            .map(|row| row.label)
            .collect();
        if labels.is_empty() {
            return Err(format!(
                "no object that roots reach has a type that matches {pattern}: top lists the types"
            ));
        }
        Ok(Wanted::Labels(labels))
    }
}

enum Wanted {
    Object(u32),
    Labels(Vec<Label>),
}

impl Wanted {
    fn has(&self, heap: &Heap<'_, '_>, object: u32) -> bool {
        match self {
            Self::Object(wanted) => object == *wanted,
            Self::Labels(labels) => labels.contains(&heap.label(object)),
        }
    }
}

impl PathRow {
    fn new(heap: &Heap<'_, '_>, paths: &Paths, merged: &MergedPaths, at: u32) -> Self {
        let node = &merged.nodes()[at as usize];
        let objects = heap.graph().objects();
        let step = |node: u32, text: String| StepRow {
            name: heap.name(heap.label(node), node),
            step: text,
            sample: (node < objects).then(|| hex(heap.index().address(node as usize))),
            retained: heap.retained(node),
        };
        let texts = paths.steps(heap, node.sample);
        let nodes = paths.nodes(node.sample);
        let before = nodes.len() - texts.len();
        // The roots on the way, without the root of all, and then the objects with how each is reached.
        let roots = nodes[1.min(before)..before].iter().map(|&root| step(root, String::new()));
        let rest = texts.into_iter().map(|text| step(text.node, text.text));
        Self {
            expression: merged.expression(at),
            objects: node.ending,
            bytes: node.ending_bytes,
            sample: hex(heap.index().address(node.sample as usize)),
            steps: roots.chain(rest).collect(),
        }
    }
}

/// How many steps of a path are shown at its start and at its end.
const STEPS: usize = 12;

fn print(rows: &[PathRow], objects: u64, bytes: u64, out: &mut Out<'_>) -> io::Result<()> {
    out.painted_line(HEAD, format_args!("{}, {}", Things(objects, "object"), Size(bytes)))?;
    for row in rows {
        out.end()?;
        out.text(format_args!("{:>6}  ", share(row.bytes, bytes)))?;
        out.paint(NAME, &row.expression)?;
        out.end()?;
        out.painted_line(
            FAINT,
            format_args!(
                "        {}, {}, such as {}",
                Things(row.objects, "object"),
                Size(row.bytes),
                row.sample
            ),
        )?;
        for (at, step) in row.steps.iter().enumerate() {
            if row.steps.len() > 2 * STEPS && at >= STEPS && at < row.steps.len() - STEPS {
                if at == STEPS {
                    let left = Count((row.steps.len() - 2 * STEPS) as u64);
                    out.painted_line(FAINT, format_args!("          … {left} more steps"))?;
                }
                continue;
            }
            // A root that others share what it points to with retains nothing by itself.
            let retained =
                if step.retained == 0 { "shared".to_owned() } else { Size(step.retained).to_string() };
            out.text(format_args!("        {retained:>10}  "))?;
            match &step.sample {
                Some(address) => out.line(format_args!("{} {address} {}", step.name, step.step))?,
                None => out.line(&step.name)?,
            }
        }
    }
    Ok(())
}
