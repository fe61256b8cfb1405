//! `heapmatrix diff`: what grew.

use std::io;

use heapmatrix_analysis::diff::Diff;
use heapmatrix_analysis::heap::{Heap, Total};
use heapmatrix_analysis::paths::Paths;
use serde::Serialize;

use super::heap::{Basis, Pair, more};
use super::number::positive;
use super::out::{BAD, FAINT, GOOD, HEAD, NAME, Out};
use super::{Outcome, Verdict, to_stdout, write_json};
use crate::units::{Count, Size, Things};

/// Show what grew between two heap dumps of one process, and what retains it
///
/// Objects do not move in Go: one that is in both dumps has the same address, size and type.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0 the dumps were read, 2 bad usage or a dump that cannot be read.

Examples:
  heapmatrix diff before.dump after.dump
  heapmatrix diff before.dump after.dump.zst --limit 5 --json")]
pub struct Args {
    #[command(flatten)]
    pair: Pair,
    /// How many types, and how many places, to show
    #[arg(long, value_name = "N", default_value = "15", value_parser = positive)]
    limit: u64,
    /// Print JSON, as docs/analysis-json.md describes it
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    verdict: String,
    /// What to know before it is believed.
    caveats: Vec<String>,
    old: Basis,
    new: Basis,
    growth: i128,
    grew_at: Vec<Place>,
    types: Vec<TypeRow>,
}

/// A place where memory accumulates.
#[derive(Clone, Debug, Serialize)]
pub struct Place {
    /// The expression by which the program reaches what is there.
    pub expression: String,
    /// What is there most.
    pub name: String,
    /// How many there are more.
    pub more: u64,
    /// By how many bytes more is retained.
    pub growth: u64,
    /// What holds them.
    pub holder: String,
}

#[derive(Serialize)]
struct TypeRow {
    name: String,
    before: u64,
    before_bytes: u64,
    after: u64,
    after_bytes: u64,
    new: u64,
    gone: u64,
    survived: u64,
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        self.pair.with_heaps(|old, new| to_stdout(|out| self.run(old, new, out)))
    }

    pub(super) fn run(&self, old: &Heap<'_, '_>, new: &Heap<'_, '_>, out: &mut Out<'_>) -> Outcome {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let diff = Diff::new(old, new);
        let places = places(&diff, new);
        let verdict = verdict(&diff, &places);
        if self.json {
            let types = diff.types.iter().take(limit).map(|change| TypeRow {
                name: change.name.clone(),
                before: change.before.objects,
                before_bytes: change.before.bytes,
                after: change.after.objects,
                after_bytes: change.after.bytes,
                new: change.added(),
                gone: change.gone(),
                survived: change.survived.objects,
            });
            let report = Report {
                verdict,
                caveats: caveats(&diff, old, new),
                old: Basis::new(old),
                new: Basis::new(new),
                growth: diff.growth(),
                grew_at: places.into_iter().take(limit).collect(),
                types: types.collect(),
            };
            write_json(out, &report)?;
            return Ok(Verdict::Sound);
        }
        out.painted_line(if diff.growth() > 0 { BAD } else { GOOD }, &verdict)?;
        for line in caveats(&diff, old, new) {
            out.painted_line(FAINT, line)?;
        }
        out.end()?;
        print_places(&places, limit, out)?;
        print_types(&diff, limit, out)?;
        Ok(Verdict::Sound)
    }
}

/// Where the growth accumulates, as the program sees it.
pub fn places(diff: &Diff, new: &Heap<'_, '_>) -> Vec<Place> {
    if diff.suspects.is_empty() {
        return Vec::new();
    }
    let paths = Paths::new(new);
    let nodes = diff.tree.nodes();
    let place = |suspect: &heapmatrix_analysis::suspects::Suspect| {
        let (holder, held) = (&nodes[suspect.holder as usize], &nodes[suspect.held as usize]);
        Place {
            expression: paths.expression(new, held.sample),
            name: new.name(held.label, held.sample),
            more: diff.more_at(suspect.held),
            growth: suspect.weight,
            holder: new.name(holder.label, holder.sample),
        }
    };
    diff.suspects.iter().map(place).collect()
}

/// What a person would say.
pub fn verdict(diff: &Diff, places: &[Place]) -> String {
    let Diff { before: Total { bytes: before, .. }, after: Total { bytes: after, .. }, .. } = *diff;
    let growth = diff.growth();
    let by = Size(u64::try_from(growth.unsigned_abs()).unwrap_or(u64::MAX));
    // Sizes that look alike would not say what changed.
    let (from, to) = (Size(before).to_string(), Size(after).to_string());
    let (from, to) =
        if from == to { (Count(before).to_string(), Things(after, "byte").to_string()) } else { (from, to) };
    let change = match growth {
        0 => format!("The heap is as large as before, {}", Size(before)),
        1.. => format!("The heap grew by {by}, from {from} to {to}"),
        _ => format!("The heap shrank by {by}, from {from} to {to}"),
    };
    let Some(place) = places.first() else { return format!("{change}.") };
    let share = if growth > 0 { u128::from(place.growth) * 100 / growth.unsigned_abs() } else { 0 };
    let part = match share {
        1..99 => format!("{share}% of it"),
        99..=150 => "all of it".to_owned(),
        // Something else became less.
        _ => "what grew most".to_owned(),
    };
    let size = Size(place.growth);
    let what = match place.more {
        0 => format!("{size} more in {}", place.name),
        1 => format!("1 more {}, {size} with what it holds", place.name),
        more => format!("{} more {}, {size} with what they hold", Count(more), place.name),
    };
    format!("{change}; {part} is at {}: {what}.", place.expression)
}

/// What to know before a comparison is believed.
pub fn caveats(diff: &Diff, old: &Heap<'_, '_>, new: &Heap<'_, '_>) -> Vec<String> {
    let mut caveats = Vec::new();
    let [was, is] = [old, new].map(|heap| heap.dump().params());
    if (&was.arch, was.pointer_size, was.big_endian) != (&is.arch, is.pointer_size, is.big_endian) {
        caveats.push(format!("the dumps are of two machines, {} and {}", was.arch, is.arch));
    } else if diff.is_of_two_processes() {
        caveats.push(
            "hardly an object of one dump is in the other: they seem to be of two processes, of which only the sums can be \
             compared"
                .to_owned(),
        );
    }
    let basis = Basis::new(new);
    caveats.extend(basis.advice().map(|advice| format!("types are known of {}: {advice}", basis.typed())));
    caveats
}

fn print_places(places: &[Place], limit: usize, out: &mut Out<'_>) -> io::Result<()> {
    if places.is_empty() {
        return Ok(());
    }
    out.painted_line(HEAD, format_args!("{:>12} {:>12}  where, and what", "growth", "more"))?;
    for place in places.iter().take(limit) {
        out.text(format_args!("{:>12} {:>12}  ", Size(place.growth).to_string(), Count(place.more)))?;
        out.paint(NAME, &place.expression)?;
        out.line(format_args!("  {}", place.name))?;
    }
    more(out, places.len().saturating_sub(limit) as u64, "place")?;
    out.end()
}

fn print_types(diff: &Diff, limit: usize, out: &mut Out<'_>) -> io::Result<()> {
    // What changed most comes first, in whichever direction.
    let mut types: Vec<_> = diff.types.iter().filter(|change| change.added() + change.gone() > 0).collect();
    types.sort_by_key(|change| std::cmp::Reverse(change.growth().unsigned_abs()));
    if !types.is_empty() {
        out.painted_line(
            HEAD,
            format_args!(
                "{:>13} {:>12} {:>12} {:>12} {:>12}  type",
                "growth", "bytes now", "new", "gone", "survived"
            ),
        )?;
    }
    for change in types.iter().take(limit) {
        let growth = change.growth();
        let by = Size(u64::try_from(growth.unsigned_abs()).unwrap_or(u64::MAX));
        let sign = if growth < 0 {
            "-"
        } else if growth > 0 {
            "+"
        } else {
            ""
        };
        out.line(format_args!(
            "{:>13} {:>12} {:>12} {:>12} {:>12}  {}",
            format!("{sign}{by}"),
            Size(change.after.bytes).to_string(),
            Count(change.added()),
            Count(change.gone()),
            Count(change.survived.objects),
            change.name
        ))?;
    }
    more(out, types.len().saturating_sub(limit) as u64, "type")?;
    let unchanged = diff.types.len() - types.len();
    if unchanged > 0 {
        out.line(format_args!("{} unchanged", Things(unchanged as u64, "type")))
    } else {
        Ok(())
    }
}
