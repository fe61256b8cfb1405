//! The oracles: independent ways of telling whether a heap dump is right.
//!
//! None of them is enough alone; each finds what the others cannot. They share no code with the
//! writer that they judge.

pub mod isomorphism;
pub mod laws;
pub mod literal;
pub mod memories;
pub mod model;
pub mod reencode;
