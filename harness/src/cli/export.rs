//! `heapmatrix export`: a heap for other tools.

use std::path::PathBuf;

use heapmatrix_analysis::export;
use heapmatrix_analysis::heap::Heap;

use super::heap::Source;
use super::number::positive;
use super::output::Output;
use super::{Outcome, Verdict, note};
use crate::units::Count;

/// Write what is known of a heap in the format of another tool
///
/// pprof: for `go tool pprof -http=: FILE`, with two sets of samples, the merged dominator tree and the merged shortest
/// paths. dot: the dominator tree for Graphviz. jsonl: a line for each root and object. heapsnapshot: for Chrome's
/// developer tools. parquet: a folder of tables for DuckDB and the like.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0 the file is written, 2 bad usage, a dump that cannot be read or a file that cannot be written.

Examples:
  heapmatrix export heap.dump --exe server --format pprof -o heap.pb.gz
  heapmatrix export heap.dump --format dot --limit 30 -o -")]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// The format: pprof, dot, jsonl, heapsnapshot or parquet
    #[arg(long, value_name = "FORMAT", hide_possible_values = true)]
    format: Format,
    /// Where to write it; - is standard output
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// How many nodes a dot file has
    #[arg(long, value_name = "N", default_value = "60", value_parser = positive)]
    limit: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Pprof,
    Dot,
    Jsonl,
    Heapsnapshot,
    Parquet,
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        self.source.refuse_output(&self.output)?;
        self.source.with_heap(|heap| self.run(heap))
    }

    fn run(&self, heap: &Heap<'_, '_>) -> Outcome {
        if self.format == Format::Parquet {
            return self.tables(heap);
        }
        let mut out = Output::create(&self.output)?;
        match self.format {
            Format::Pprof => export::pprof(heap, &mut out)?,
            Format::Dot => export::dot(heap, usize::try_from(self.limit).unwrap_or(usize::MAX), &mut out)?,
            Format::Jsonl => export::jsonl(heap, &mut out)?,
            Format::Heapsnapshot => {
                let nodes = heap.dominators().reached();
                if nodes > export::HEAPSNAPSHOT_NODES {
                    note(format_args!(
                        "note: viewers fail at some {} nodes, and this has {}: pprof and parquet are for heaps of this size",
                        Count(export::HEAPSNAPSHOT_NODES.into()),
                        Count(nodes.into())
                    ));
                }
                export::heapsnapshot(heap, &mut out)?;
            }
            Format::Parquet => {}
        }
        out.commit()?;
        Ok(Verdict::Sound)
    }

    #[cfg(feature = "parquet")]
    fn tables(&self, heap: &Heap<'_, '_>) -> Outcome {
        if super::output::is_standard_output(&self.output) {
            return Err("parquet is a folder of files: name one with -o".into());
        }
        let explain = |error: std::io::Error| format!("cannot write {}: {error}", self.output.display());
        std::fs::create_dir_all(&self.output).map_err(explain)?;
        for table in export::Table::ALL {
            let mut out = Output::create(&self.output.join(format!("{}.parquet", table.name())))?;
            export::parquet(heap, table, &mut out)?;
            out.commit()?;
        }
        Ok(Verdict::Sound)
    }

    #[cfg(not(feature = "parquet"))]
    fn tables(&self, _: &Heap<'_, '_>) -> Outcome {
        Err("this heapmatrix was built without parquet: cargo install heapmatrix --features parquet".into())
    }
}
