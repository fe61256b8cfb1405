//! Why is this memory held? Answers for the heap dumps of Go programs: what keeps an object alive, how much it retains,
//! and what grew.
//!
//! - [`graph`] has the objects of a dump and its roots as nodes, and the pointers between them as edges.
//! - [`dominators`] finds what each of them retains.
//! - [`types`] finds of what type each object is, from the program's binary.
//! - [`naming`] is what reports ask about types and variables.
//! - [`heap`] is a dump with all of this, from which the reports begin: [`top`], [`paths`], [`explain`], [`goroutines`],
//!   [`tree`] with its [`suspects`], [`waste`], [`diff`] of two, and [`export`] to other tools.
//! - [`sidecar`] keeps all this in a file for the next time.
#![forbid(unsafe_code)]

mod bits;
pub mod diff;
pub mod dominators;
pub mod explain;
pub mod export;
pub mod goroutines;
pub mod graph;
pub mod heap;
pub mod naming;
pub mod paths;
pub mod sidecar;
pub mod suspects;
pub mod top;
pub mod tree;
pub mod types;
pub mod waste;
