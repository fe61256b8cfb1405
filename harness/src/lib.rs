//! A cross-architecture emulation test harness for Go heap dumps.

pub mod cli;
pub mod exec;
pub mod golden;
pub mod matrix;
pub mod oracle;
pub mod report;
pub mod tally;
mod units;

/// Holds the README's example to the interface.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
