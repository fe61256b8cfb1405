//! The dump's format: tags, integers, the buffered sink and the dialects.
//!
//! Nothing here knows a runtime's data structures: the walker of another Go version would write
//! through the same encoder.

pub mod dialect;
pub(crate) mod sink;
pub mod tags;
pub(crate) mod uvarint;
