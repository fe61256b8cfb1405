//! The dump's format: tags, integers, the buffered sink and the dialects.
//!
//! Nothing here knows a runtime's data structures: the walker of another Go version would write
//! through the same encoder.

#[cfg(target_arch = "x86_64")]
mod bmi2;
pub mod dialect;
pub(crate) mod room;
pub(crate) mod sink;
pub mod tags;
pub(crate) mod uvarint;
