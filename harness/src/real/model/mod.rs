//! The model: what a dump must contain, by the world and by what the guest reports.
//!
//! It checks every object of the world with its slot, contents and pointers; what was allocated for values; global
//! variables; types and itabs; finalizers; every goroutine with its state, frames, defers and panics; statistics and
//! profile. It knows how Go lays out types and chooses slots, and takes addresses from the guest's own pointers. What it
//! cannot find: mistakes in what no world has, such as objects of the runtime itself; the outside writer looks there.

mod dumped;
mod figures;
mod heap;
mod roots;
mod stacks;

use std::collections::BTreeMap;
use std::fmt;

use heapmatrix_reader::{Dump, Error, Index, Kind, Releases};
use serde::Serialize;

use self::dumped::Dumped;
use super::known::Known;
use super::layout::Layout;
use super::report::Report;
use super::world::World;

/// The first place where a dump is not what its world says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// The kind of the record.
    pub record: &'static str,
    /// Which record, and what is wrong with which of its fields.
    pub what: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.record, self.what)
    }
}

fn wrong<T>(kind: Kind, what: impl Into<String>) -> Result<T, Mismatch> {
    Err(Mismatch { record: kind.name(), what: what.into() })
}

/// A comparison that says both values when it fails.
fn same<T: PartialEq + fmt::LowerHex>(
    kind: Kind,
    field: impl FnOnce() -> String,
    expected: T,
    found: T,
) -> Result<(), Mismatch> {
    if expected == found {
        return Ok(());
    }
    wrong(kind, format!("{} is {found:#x}, not {expected:#x}", field()))
}

/// What the parts of the model look at.
struct Model<'a> {
    world: &'a World,
    report: &'a Report,
    layout: Layout,
    /// Go 1.`release`.
    release: u8,
    index: &'a Index<'a>,
    dumped: Dumped<'a>,
    known: BTreeMap<Known, u64>,
}

/// Holds a dump to its world. Returns how often it shows known faults.
///
/// # Errors
/// The dump cannot be read; otherwise the inner result has the first mismatch.
pub fn check(
    world: &World,
    report: &Report,
    dump: &[u8],
) -> Result<Result<BTreeMap<Known, u64>, Mismatch>, Error> {
    let dump = Dump::new(dump)?;
    let index = Index::new(dump)?;
    let layout = Layout { word: dump.params().pointer_size.bytes() };
    let dumped = Dumped::read(dump)?;
    // A release that does not say which it is, is a newer one.
    let release = report.release().unwrap_or(u8::MAX);
    let mut model = Model { world, report, layout, release, index: &index, dumped, known: BTreeMap::new() };
    Ok(model.check().map(|()| model.known))
}

impl Model<'_> {
    fn check(&mut self) -> Result<(), Mismatch> {
        self.params()?;
        self.itabs()?;
        self.objects()?;
        self.parts()?;
        self.garbage()?;
        self.goroutines()?;
        self.threads()?;
        self.globals()?;
        self.finalizers()?;
        self.statistics()?;
        self.profile()
    }

    /// Whether the dump may be of a release that has a fault.
    fn known_of_release(&self, fault: Known) -> bool {
        fault.releases().overlaps(Releases::between(self.release, self.release))
    }

    fn known(&mut self, fault: Known) {
        *self.known.entry(fault).or_default() += 1;
    }

    /// The word at an offset of some contents.
    fn word(&self, contents: &[u8], offset: u64) -> Option<u64> {
        self.index.dump().params().word(contents, offset)
    }
}
