//! Two memories: the CPU and the interpreter leave the same bytes everywhere.
//!
//! What it can find: an instruction that the code generator encodes wrongly, that the engine executes
//! wrongly, or that the interpreter misunderstands; and so that the process which the writer is given is
//! the one that the world describes. What it cannot find: a program that is wrong itself, for both run the
//! same one (the [model](super::model) is there for that), and anything about the writer.

use heapmatrix_emu::memory::{GuestMemory, Region};

/// Where two memories differ.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// They do not consist of the same regions.
    #[error("region {index} is {left} in one memory and {right} in the other")]
    Regions {
        /// The place of the first such region in the order of addresses.
        index: usize,
        /// The one memory's region: its name and its addresses.
        left: String,
        /// The other's.
        right: String,
    },
    /// A region does not hold the same bytes.
    #[error("{region} differs from {addr:#x} on: {left:02x?} and {right:02x?}")]
    Bytes {
        /// The region's name.
        region: &'static str,
        /// The first address that differs.
        addr: u64,
        /// The bytes there in the one memory, at most eight.
        left: Vec<u8>,
        /// In the other.
        right: Vec<u8>,
    },
}

/// Compares two memories: their regions by name and address, and every byte.
///
/// # Errors
/// The first [`Difference`].
pub fn check(left: &GuestMemory, right: &GuestMemory) -> Result<(), Difference> {
    let (mut lefts, mut rights) = (left.regions(), right.regions());
    for index in 0.. {
        match (lefts.next(), rights.next()) {
            (None, None) => break,
            (Some(l), Some(r)) if place(l) == place(r) => bytes(l, r)?,
            (l, r) => {
                let [left, right] =
                    [l, r].map(|region| region.map_or("missing".to_owned(), |r| format!("{r:?}")));
                return Err(Difference::Regions { index, left, right });
            }
        }
    }
    Ok(())
}

fn place(region: &Region) -> (&'static str, u64, u64) {
    (region.name(), region.addr(), region.len())
}

fn bytes(left: &Region, right: &Region) -> Result<(), Difference> {
    let (l, r) = (left.bytes(), right.bytes());
    if l == r {
        return Ok(());
    }
    let at = l.iter().zip(r).position(|(l, r)| l != r).unwrap_or(0);
    let some = |bytes: &[u8]| bytes[at..bytes.len().min(at + 8)].to_vec();
    let (region, addr) = (left.name(), left.addr() + at as u64);
    Err(Difference::Bytes { region, addr, left: some(l), right: some(r) })
}

#[cfg(test)]
mod tests {
    use heapmatrix_emu::memory::Prot;

    use super::*;

    fn memory() -> GuestMemory {
        let mut memory = GuestMemory::new();
        memory.map("data", 0x1000, 0x2000, Prot::READ_WRITE).unwrap();
        memory.map("stack", 0x8000, 0x1000, Prot::READ_WRITE).unwrap();
        memory
    }

    #[test]
    fn a_byte_is_found_where_it_is() {
        let (left, mut right) = (memory(), memory());
        assert_eq!(check(&left, &right), Ok(()));
        right.write(0x8fff, &[7]).unwrap();
        let difference = Difference::Bytes { region: "stack", addr: 0x8fff, left: vec![0], right: vec![7] };
        assert_eq!(check(&left, &right), Err(difference));
    }

    #[test]
    fn a_region_that_only_one_has_is_found() {
        let (left, mut right) = (memory(), memory());
        right.map("heap", 0x10000, 0x1000, Prot::READ_WRITE).unwrap();
        for (left, right) in [(&left, &right), (&right, &left)] {
            assert!(matches!(check(left, right), Err(Difference::Regions { index: 2, .. })));
        }
    }
}
