//! A cross-architecture emulation test harness for Go heap dumps.
//!
//! Without the feature `emulator` it is a program for those who hold a dump: it reads dumps, and needs no C toolchain.

pub mod check;
pub mod cli;
#[cfg(feature = "emulator")]
pub mod exec;
#[cfg(feature = "emulator")]
pub mod feed;
pub mod go_report;
#[cfg(feature = "emulator")]
pub mod golden;
#[cfg(feature = "emulator")]
pub mod matrix;
#[cfg(feature = "emulator")]
pub mod oracle;
#[cfg(feature = "emulator")]
pub mod pack;
#[cfg(feature = "emulator")]
pub mod real;
pub mod report;
pub mod shard;
pub mod tally;
mod units;
