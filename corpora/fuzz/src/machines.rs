//! How inputs name a machine.
//!
//! By its place among all of Go's, to which new ones are appended: so a saved input means what it meant when more
//! machines can be emulated. An input with another number means nothing.

use heapmatrix_writer::AnyTarget;

/// The bit of a machine's byte that is not of its number.
const FLAG: u8 = 1 << 2;

/// The machine that a byte names, and its flag.
pub fn machine(byte: u8) -> Option<(AnyTarget, bool)> {
    let number = byte & (FLAG - 1) | (byte >> 1 & !(FLAG - 1));
    Some((*AnyTarget::ALL.get(usize::from(number))?, byte & FLAG != 0))
}

/// The byte of a machine.
pub fn byte(target: AnyTarget, flag: bool) -> u8 {
    let number = AnyTarget::ALL.iter().position(|&t| t == target).expect("a machine") as u8;
    number & (FLAG - 1) | (number & !(FLAG - 1)) << 1 | if flag { FLAG } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saved_inputs_keep_their_meaning() {
        let saved = [(0, AnyTarget::Amd64), (1, AnyTarget::I386), (2, AnyTarget::Arm), (3, AnyTarget::Ppc64)];
        for (number, target) in saved {
            assert_eq!(machine(number), Some((target, false)));
            assert_eq!(machine(number | FLAG), Some((target, true)));
        }
        for &target in AnyTarget::ALL {
            for flag in [false, true] {
                assert_eq!(machine(byte(target, flag)), Some((target, flag)));
            }
        }
        assert_eq!(machine(0xff), None);
    }
}
