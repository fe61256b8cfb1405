//! A cross-architecture emulation test harness for Go heap dumps.

pub mod cli;
pub mod exec;
pub mod oracle;
