//! The bodies of the fuzz targets: what must hold for any input.
//!
//! libFuzzer calls them from `targets/`; the tests of the reader and of the harness call them with the inputs of the
//! saved corpora, and with hostile ones of their own.

#[cfg(feature = "analysis")]
pub mod analysing;
mod expect;
#[cfg(any(feature = "exec", feature = "writer"))]
pub mod machines;
pub mod memory;
pub mod reading;
#[cfg(feature = "exec")]
pub mod running;
#[cfg(feature = "writer")]
pub mod writing;
