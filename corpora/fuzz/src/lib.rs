//! The bodies of the fuzz targets: what must hold for any input.

mod expect;
mod memory;
pub mod reading;
#[cfg(feature = "writer")]
pub mod writing;
