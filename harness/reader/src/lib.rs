//! Reads the heap dumps that Go programs write with [`debug.WriteHeapDump`]: those of every Go release since
//! 1.5, of every architecture. Says exactly what is wrong with one that it cannot read.
//!
//! A histogram of the sizes of a dump's objects:
//!
//! ```
//! # use heapmatrix_reader::{Fields, Object, Version};
//! # fn main() -> heapmatrix_reader::Result<()> {
//! # let mut file = Version::Go15.header().to_vec();
//! # file.extend([6, 0, 8, 0, 0x7f, 0x36, 0, 1]);
//! # for contents in [&[0; 8][..], &[0; 16], &[0; 8]] {
//! #     let object = Object { address: 0x10, contents, fields: Fields::default() };
//! #     Record::Object(object).write_to(&mut file).unwrap();
//! # }
//! # file.push(0);
//! use heapmatrix_reader::{Dump, Record};
//!
//! let dump = Dump::new(&file)?;
//! let mut sizes = std::collections::BTreeMap::new();
//! for record in dump.records() {
//!     if let (_, Record::Object(object)) = record? {
//!         *sizes.entry(object.contents.len()).or_insert(0) += 1;
//!     }
//! }
//! assert_eq!(Vec::from_iter(sizes), [(8, 2), (16, 1)]);
//! # Ok(())
//! # }
//! ```
//!
//! - [`Dump`] reads a dump in memory without copying. [`Stream`] reads one from a [`Read`](std::io::Read)
//!   within a buffer of fixed size, however large its objects are. Both run the same decoder.
//! - [`Record::write_to`] gives back the bytes that were read.
//! - [`Index`] finds the object at an address, and with it the edges of the heap's graph.
//! - [`laws`] checks what every sound dump obeys beyond its syntax.
//! - [`salvage()`] repairs dumps that are cut off, have bytes missing or overwritten, or are struck by a defect of Go 1.5.
//!
//! The input may be hostile: nothing panics, nothing is allocated beyond what the input's size justifies, and
//! everything takes time in proportion to the input.
//!
//! [`debug.WriteHeapDump`]: https://pkg.go.dev/runtime/debug#WriteHeapDump
#![forbid(unsafe_code)]

mod body;
mod cursor;
mod dump;
mod error;
mod extents;
mod fields;
mod index;
pub mod laws;
mod order;
mod params;
mod profile;
mod record;
mod releases;
mod salvage;
mod slots;
mod stream;
#[cfg(test)]
mod testing;
mod text;
mod version;
mod wire;

pub use body::{
    AllocSample, Defer, Finalizer, Function, Goroutine, Itab, MemProf, MemStats, Object, OsThread, OtherRoot,
    Panic, Segment, StackFrame, Type,
};
pub use dump::{Dump, Records};
pub use error::{Error, Problem, Result};
pub use fields::{Field, FieldKind, Fields};
pub use index::{Edge, Index, Parts};
pub use params::{Arch, Params, PointerSize};
pub use profile::{Call, Stack};
pub use record::{Kind, Record};
pub use releases::Releases;
pub use salvage::{LostName, Salvage, Skipped, salvage, salvage_with};
pub use slots::{Slot, SlotCount, SlotRule};
pub use stream::{Event, Extent, FrameExtent, Head, Stream, StreamError};
pub use text::Text;
pub use version::Version;
