//! `heapmatrix web`: a page about a heap.

mod findings;
mod html;
mod server;

use std::io::Write;
use std::path::PathBuf;

use heapmatrix_analysis::diff::Diff;
use heapmatrix_analysis::heap::Heap;

use super::heap::{Source, with_heap};
use super::input::Input;
use super::number::positive;
use super::output::{self, Output};
use super::{Outcome, Verdict};
use findings::Findings;

/// Write a page about a heap, or serve it: what holds the memory, and what grew
///
/// One HTML file that needs no network: a verdict in words, where memory accumulates, a flame graph of what retains what,
/// types, roots, waste. Its tables work without JavaScript.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("where").required(true).args(["output", "http"]))]
#[command(after_long_help = "\
Exit status: 0 the page is written, 2 bad usage, a dump that cannot be read or a file that cannot be written.

Examples:
  heapmatrix web heap.dump --exe server -o report.html
  heapmatrix web after.dump --base before.dump --http 127.0.0.1:8080")]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// An earlier dump of the same process, to show what grew since
    #[arg(long, value_name = "OLD")]
    base: Option<PathBuf>,
    /// Where to write the page; - is standard output
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Where to serve the page, such as 127.0.0.1:8080, until the command is interrupted
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// How many types, roots and other things the tables have
    #[arg(long, value_name = "N", default_value = "200", value_parser = positive)]
    limit: u64,
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        let base = self.base.clone().map(Input::new);
        if base.as_ref().is_some_and(|base| base.plain_path().is_none()) && self.source.is_standard_input() {
            return Err("only one of two dumps can be standard input".into());
        }
        if let Some(output) = &self.output {
            self.source.refuse_output(output)?;
            if let Some(input) = base.as_ref().and_then(Input::metadata) {
                output::refuse_input(output, &input)?;
            }
        }
        let page = match &base {
            None => self.source.with_heap(|heap| Ok(self.page(heap, None)))?,
            Some(base) => with_heap(base, self.source.program(), |old| {
                self.source.with_heap(|new| Ok(self.page(new, Some((old, &Diff::new(old, new))))))
            })?,
        };
        if let Some(path) = &self.output {
            let mut out = Output::create(path)?;
            out.write_all(page.as_bytes())?;
            out.commit()?;
        }
        if let Some(address) = &self.http {
            server::serve(address, &page)?;
        }
        Ok(Verdict::Sound)
    }

    fn page(&self, heap: &Heap<'_, '_>, diff: Option<(&Heap<'_, '_>, &Diff)>) -> String {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let base = self.base.as_ref().map(|base| base.display().to_string());
        let findings = Findings::new(heap, diff, limit);
        html::page(&self.source.name(), base.as_deref(), &findings)
    }
}
