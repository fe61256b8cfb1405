//! What can be wrong with a request to guest memory.

use std::io;

use super::PAGE;

/// What can be wrong with a request to guest memory. Nothing has changed when one is returned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// An address or a length that is not a multiple of [`PAGE`], or an empty range.
    #[error("guest range {addr:#x}+{len:#x} is not made of whole pages of {PAGE} bytes")]
    NotPages {
        /// The range's first address.
        addr: u64,
        /// The range's length in bytes.
        len: u64,
    },
    /// A range that ends after the last address.
    #[error("guest range {addr:#x}+{len:#x} leaves the 64-bit address space")]
    OutOfSpace {
        /// The range's first address.
        addr: u64,
        /// The range's length in bytes.
        len: u64,
    },
    /// A new region over an old one.
    #[error(
        "cannot map {name} at {addr:#x}+{len:#x}: {other} is there, at {other_addr:#x}+{other_len:#x}; unmap it first"
    )]
    Overlap {
        /// The new region's name.
        name: &'static str,
        /// The new region's first address.
        addr: u64,
        /// The new region's length in bytes.
        len: u64,
        /// The old region's name.
        other: &'static str,
        /// The old region's first address.
        other_addr: u64,
        /// The old region's length in bytes.
        other_len: u64,
    },
    /// A range that is not mapped from end to end.
    #[error("guest range {addr:#x}+{len:#x} is not mapped at {missing:#x}")]
    NotMapped {
        /// The range's first address.
        addr: u64,
        /// The range's length in bytes.
        len: u64,
        /// The first address that is not mapped.
        missing: u64,
    },
    /// The host has no memory to give.
    #[error("the host refused {len:#x} bytes for guest region {name}: {source}")]
    Host {
        /// The region's name.
        name: &'static str,
        /// The region's length in bytes.
        len: u64,
        /// What the host said.
        source: io::Error,
    },
}

/// The end of a range of whole pages.
pub(super) fn page_range(addr: u64, len: u64) -> Result<u64, MemoryError> {
    if len == 0 || !addr.is_multiple_of(PAGE) || !len.is_multiple_of(PAGE) {
        return Err(MemoryError::NotPages { addr, len });
    }
    addr.checked_add(len).ok_or(MemoryError::OutOfSpace { addr, len })
}
