//! `heapmatrix explain`: all about one object.

use std::io;

use heapmatrix_analysis::explain::{allocation, referrers};
use heapmatrix_analysis::heap::Heap;
use heapmatrix_analysis::paths::Paths;
use serde::Serialize;

use super::heap::{Source, more};
use super::hex::Printable;
use super::number::{number, positive};
use super::out::{FAINT, HEAD, NAME, Out};
use super::summary::hex;
use super::{Outcome, Verdict, to_stdout, write_json};
use crate::units::{Bytes, Size, Things};

/// Show all about the object at an address: fields, referrers, dominators, where it was allocated
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0 there is such an object, 1 there is none, 2 bad usage or a dump that cannot be read.

Examples:
  heapmatrix explain heap.dump 0xc000012000
  heapmatrix explain heap.dump 0xc000012000 --json")]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// An address in the object
    #[arg(value_name = "ADDRESS", value_parser = number)]
    address: u64,
    /// How many fields, and how many referrers, to show
    #[arg(long, value_name = "N", default_value = "20", value_parser = positive)]
    limit: u64,
    /// Print JSON, as docs/analysis-json.md describes it
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    address: String,
    #[serde(rename = "type")]
    name: String,
    size: u64,
    retained: u64,
    reached: bool,
    /// The expression by which the program reaches it.
    expression: Option<String>,
    /// From the nearest outwards.
    dominators: Vec<NodeRow>,
    fields: Vec<FieldRow>,
    referrers: Vec<ReferrerRow>,
    referrer_count: u64,
    /// Functions, innermost first.
    allocated_at: Option<Vec<String>>,
    /// Its first bytes.
    contents: String,
}

#[derive(Serialize)]
struct NodeRow {
    name: String,
    address: Option<String>,
    retained: u64,
}

#[derive(Serialize)]
struct FieldRow {
    offset: u64,
    path: String,
    #[serde(rename = "type")]
    type_name: String,
    /// What it holds, as Go would print it.
    value: String,
    /// The object that it points to.
    points_to: Option<NodeRow>,
}

#[derive(Serialize)]
struct ReferrerRow {
    #[serde(flatten)]
    node: NodeRow,
    offset: u64,
    step: String,
}

fn node_row(heap: &Heap<'_, '_>, node: u32) -> NodeRow {
    let object = node < heap.graph().objects();
    NodeRow {
        name: heap.name(heap.label(node), node),
        address: object.then(|| hex(heap.index().address(node as usize))),
        retained: heap.retained(node),
    }
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        self.source.with_heap(|heap| to_stdout(|out| self.run(heap, out)))
    }

    pub(super) fn run(&self, heap: &Heap<'_, '_>, out: &mut Out<'_>) -> Outcome {
        let Some(object) = heap.find(self.address) else {
            out.line(format_args!("no object has the address {:#x}", self.address))?;
            return Ok(Verdict::Failed);
        };
        let report = self.report(heap, object);
        if self.json {
            write_json(out, &report)?;
        } else {
            report.print(self.address, out)?;
        }
        Ok(Verdict::Sound)
    }

    fn report(&self, heap: &Heap<'_, '_>, object: u32) -> Report {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let reached = heap.dominators().reaches(object);
        let (referrers, referrer_count) = referrers(heap, object, limit);
        let contents = heap.index().contents(object as usize);
        Report {
            address: hex(heap.index().address(object as usize)),
            name: heap.name(heap.label(object), object),
            size: heap.size(object),
            retained: heap.retained(object),
            reached,
            expression: reached.then(|| Paths::new(heap).expression(heap, object)),
            dominators: heap.dominators().of(object).take(limit).map(|node| node_row(heap, node)).collect(),
            fields: fields(heap, object, limit),
            referrers: referrers
                .into_iter()
                .map(|referrer| ReferrerRow {
                    node: node_row(heap, referrer.node),
                    offset: referrer.place,
                    step: referrer.step,
                })
                .collect(),
            referrer_count,
            allocated_at: allocation(heap, object)
                .map(|profile| profile.stack.map(|call| call.function.to_string()).collect()),
            contents: Printable(&contents[..contents.len().min(64)]).to_string(),
        }
    }
}

/// The fields of an object whose type is known; otherwise its pointers.
fn fields(heap: &Heap<'_, '_>, object: u32, limit: usize) -> Vec<FieldRow> {
    let params = heap.dump().params();
    let contents = heap.index().contents(object as usize);
    let points_to = |offset: u64| {
        let target = params.word(contents, offset).and_then(|address| heap.find(address))?;
        Some(node_row(heap, target))
    };
    let word = |offset: u64| params.word(contents, offset).map_or_else(String::new, hex);
    let known = heap.naming().fields(object, limit);
    if !known.is_empty() {
        let row = |field: heapmatrix_analysis::naming::Field| FieldRow {
            offset: field.offset,
            path: field.path,
            type_name: field.type_name,
            value: field.text,
            points_to: heap.find(field.target).map(|target| node_row(heap, target)),
        };
        return known.into_iter().map(row).collect();
    }
    let pointers = heap.index().object(object as usize).fields.take(limit);
    pointers
        .map(|field| FieldRow {
            offset: field.offset,
            path: format!("[+{}]", field.offset),
            type_name: "pointer".to_owned(),
            value: word(field.offset),
            points_to: points_to(field.offset),
        })
        .collect()
}

impl Report {
    fn print(&self, asked: u64, out: &mut Out<'_>) -> io::Result<()> {
        out.paint(HEAD, &self.name)?;
        out.text(format_args!(" at {}", self.address))?;
        if hex(asked) != self.address {
            out.text(format_args!(", in which {asked:#x} is"))?;
        }
        out.end()?;
        out.line(format_args!("size        {}", Bytes(self.size)))?;
        match &self.expression {
            Some(expression) => {
                out.line(format_args!("retains     {}", Bytes(self.retained)))?;
                out.text("reached by  ")?;
                out.paint(NAME, expression)?;
                out.end()?;
            }
            None => {
                out.line("reached by  nothing: garbage, or held by what no dump has (such as a cleanup)")?
            }
        }
        out.line(format_args!("contents    {}", self.contents))?;
        if let Some(stack) = &self.allocated_at {
            out.end()?;
            out.painted_line(HEAD, "allocated at")?;
            stack.iter().try_for_each(|function| out.line(format_args!("    {function}")))?;
        }
        if !self.fields.is_empty() {
            out.end()?;
            out.painted_line(HEAD, "fields")?;
            for field in &self.fields {
                let points_to =
                    field.points_to.as_ref().map_or_else(String::new, |node| format!("  -> {}", node.name));
                out.line(format_args!(
                    "{:>8}  {} {} = {}{points_to}",
                    format!("+{}", field.offset),
                    field.path,
                    field.type_name,
                    field.value
                ))?;
            }
        }
        if !self.dominators.is_empty() {
            out.end()?;
            out.painted_line(HEAD, "would be gone without (dominators), the nearest first")?;
            for node in &self.dominators {
                out.line(format_args!("{:>12}  {}", Size(node.retained).to_string(), node.text()))?;
            }
        }
        out.end()?;
        out.painted_line(HEAD, format_args!("{} to it", Things(self.referrer_count, "pointer")))?;
        for referrer in &self.referrers {
            out.text(format_args!("    {} ", referrer.node.text()))?;
            out.painted_line(FAINT, &referrer.step)?;
        }
        more(out, self.referrer_count - self.referrers.len() as u64, "pointer")
    }
}

impl NodeRow {
    fn text(&self) -> String {
        match &self.address {
            Some(address) => format!("{} {address}", self.name),
            None => self.name.clone(),
        }
    }
}
