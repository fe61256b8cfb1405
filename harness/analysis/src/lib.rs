//! Why is this memory held? Answers for the heap dumps of Go programs: what keeps an object alive, how much it retains,
//! and what grew.
//!
//! - [`graph`] has the objects of a dump and its roots as nodes, and the pointers between them as edges.
//! - [`dominators`] finds what each of them retains.
//! - [`types`] says what each object is, with the help of the program's debugging information.
#![forbid(unsafe_code)]

pub mod dominators;
pub mod graph;
pub mod types;
