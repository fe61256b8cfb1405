//! The oracles: independent ways of telling whether a heap dump is right.
//!
//! None of them is enough alone; each finds what the others cannot. They share no code with the
//! writer that they judge.

pub mod isomorphism;
pub mod laws;
pub mod literal;
pub mod literal119;
pub mod memories;
pub mod model;
pub mod reencode;

/// `thechar` of Go 1.5, as a dump's parameters spell the architecture.
pub(crate) fn thechar(target: heapmatrix_writer::AnyTarget) -> u64 {
    heapmatrix_writer::go15::thechar(target).expect("a world's machine is one of Go 1.5's").into()
}
