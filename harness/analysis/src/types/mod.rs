//! Of what type each object is, found from the program's own debugging information.
//!
//! - [`Binary`] is the program's file: its types, global variables, functions and type descriptors.
//! - [`Typing`] is what a dump's objects are, with the names of types and of the fields in them.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use heapmatrix_analysis::types::{Binary, Typing};
//! use heapmatrix_reader::{Dump, Index};
//!
//! let (dump, program) = (std::fs::read("heap.dump")?, std::fs::read("program")?);
//! let index = Index::new(Dump::new(&dump)?)?;
//! let binary = Binary::open(&program)?;
//! let typing = Typing::new(&index, Some(&binary))?;
//! println!("{}", typing.share(&index, |_| true));
//! for object in 0..index.len() {
//!     println!("{:#x} is {}", index.address(object), typing.name(typing.type_of(object)));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Types spread from what is known, along pointers: into objects, into the middle of them, through slices, strings,
//! maps, channels, closures and interfaces. Where two sources disagree, the better one wins. They are, the best first:
//! malloc headers and finalizers; global variables and what the runtime keeps; stacks. See `evidence.rs` for the rule.

mod binary;
mod closures;
mod descriptors;
mod dwarf;
mod elf;
mod evidence;
mod follow;
mod headers;
mod kept;
mod matching;
mod memory;
mod moduledata;
mod path;
mod plan;
mod program;
mod propagate;
mod roots;
mod table;
mod typing;
mod uses;
mod values;

pub use binary::{Binary, BinaryError};
pub use dwarf::Global;
pub use table::{Field, Kind, Shape, Type, TypeId, Types};
pub use typing::{Share, Typing};
pub use uses::Use;
pub use values::{FieldValue, Values};
