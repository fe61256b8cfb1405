//! The dump's format: its versions, tags, integers and the buffered sink.
//!
//! Nothing here knows a runtime: every generation writes through the same encoder.

#[cfg(target_arch = "x86_64")]
mod bmi2;
mod buffer;
pub(crate) mod cpu;
pub(crate) mod room;
pub(crate) mod sink;
pub mod tags;
pub(crate) mod uvarint;
pub mod version;
