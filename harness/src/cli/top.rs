//! `heapmatrix top`: which types hold the memory.

use heapmatrix_analysis::heap::Heap;
use heapmatrix_analysis::top::{Row, top};
use serde::Serialize;

use super::heap::{Basis, Source, column, more, share};
use super::number::positive;
use super::out::{HEAD, Out};
use super::summary::hex;
use super::waste::{WasteRow, waste_rows};
use super::{Outcome, Verdict, to_stdout, write_json};
use crate::units::Count;

/// Show which types of objects hold the memory of a heap dump
///
/// For each type: how many objects there are, their own bytes, and what would be gone without them (retained). Only
/// objects that roots reach are counted.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0 the dump was read, 2 bad usage or a dump that cannot be read.

Examples:
  heapmatrix top heap.dump --by count --limit 30 --json
  heapmatrix top heap.dump --exe server --waste")]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// How many types to show
    #[arg(long, value_name = "N", default_value = "20", value_parser = positive)]
    limit: u64,
    /// What comes first: retained, shallow or count
    #[arg(long, value_name = "WHAT", default_value = "retained", hide_possible_values = true)]
    by: By,
    /// Show memory that is wasted instead: room that slices do not use, arrays held for a small part, duplicates, empty maps
    #[arg(long, conflicts_with = "by")]
    waste: bool,
    /// Print JSON, as docs/analysis-json.md describes it
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum By {
    Retained,
    Shallow,
    Count,
}

#[derive(Serialize)]
struct Report {
    heap: Basis,
    types: Vec<TypeRow>,
}

#[derive(Serialize)]
struct WasteReport {
    heap: Basis,
    waste: Vec<WasteRow>,
}

#[derive(Serialize)]
struct TypeRow {
    name: String,
    count: u64,
    shallow: u64,
    retained: u64,
    /// The object that retains most.
    sample: String,
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        self.source.with_heap(|heap| to_stdout(|out| self.run(heap, out)))
    }

    pub(super) fn run(&self, heap: &Heap<'_, '_>, out: &mut Out<'_>) -> Outcome {
        let basis = Basis::new(heap);
        if self.waste {
            return self.waste(heap, basis, out);
        }
        let mut rows = top(heap);
        rows.sort_by_key(|row| {
            std::cmp::Reverse(match self.by {
                By::Retained => row.retained,
                By::Shallow => row.shallow,
                By::Count => row.count,
            })
        });
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        if self.json {
            let types = rows.iter().take(limit).map(|row| TypeRow {
                name: heap.name(row.label, row.sample),
                count: row.count,
                shallow: row.shallow,
                retained: row.retained,
                sample: hex(heap.index().address(row.sample as usize)),
            });
            write_json(out, &Report { heap: basis, types: types.collect() })?;
            return Ok(Verdict::Sound);
        }
        basis.print(out)?;
        out.end()?;
        let whole = heap.reached().bytes;
        out.painted_line(
            HEAD,
            format_args!("{:>12} {:>12} {:>7} {:>12} {:>7}  type", "objects", "shallow", "", "retained", ""),
        )?;
        for Row { label, count, shallow, retained, sample } in rows.iter().take(limit) {
            out.line(format_args!(
                "{:>12} {:>12} {:>7} {:>12} {:>7}  {}",
                Count(*count),
                column(*shallow),
                share(*shallow, whole),
                column(*retained),
                share(*retained, whole),
                heap.name(*label, *sample)
            ))?;
        }
        more(out, rows.len().saturating_sub(limit) as u64, "type")?;
        Ok(Verdict::Sound)
    }

    fn waste(&self, heap: &Heap<'_, '_>, basis: Basis, out: &mut Out<'_>) -> Outcome {
        let (mut rows, limit) = (waste_rows(heap), usize::try_from(self.limit).unwrap_or(usize::MAX));
        let left = rows.len().saturating_sub(limit);
        rows.truncate(limit);
        if self.json {
            write_json(out, &WasteReport { heap: basis, waste: rows })?;
            return Ok(Verdict::Sound);
        }
        basis.print(out)?;
        out.end()?;
        let whole = heap.reached().bytes;
        out.painted_line(
            HEAD,
            format_args!("{:>12} {:>12} {:>7}  {:<39} type", "objects", "bytes", "", "what"),
        )?;
        for WasteRow { what, name, objects, bytes, .. } in &rows {
            let (count, part) = (Count(*objects).to_string(), share(*bytes, whole));
            out.line(format_args!("{count:>12} {:>12} {part:>7}  {what:<39} {name}", column(*bytes)))?;
        }
        more(out, left as u64, "row")?;
        Ok(Verdict::Sound)
    }
}
