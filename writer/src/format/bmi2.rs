//! The instructions of x86-64 that move bits apart in one step, for many uvarints at a time and for [`Work`].
//!
//! The only module with `unsafe` in this crate. It pays: an integer takes ten instructions without a branch,
//! where [`put_uvarint`](super::uvarint::put_uvarint), whose bytes these are, takes more than twice as many and
//! a misprediction whenever lengths change.
//!
//! What has to be shown for it is little. [`put_uvarints`] and [`run`] ask whether the CPU has the instructions right before
//! they call what is compiled for them. The first writes 10 bytes at most for each integer, whose number is known
//! beforehand; the space for them is checked once, before the first. The second writes nothing itself.
#![allow(unsafe_code)]

use std::arch::x86_64::{_lzcnt_u64, _pdep_u64};

use super::cpu::{Any, Cpu, Work};
use super::uvarint::{MAX_LEN, put_uvarint};

/// Seven bits of each byte.
const PAYLOAD: u64 = 0x7f7f_7f7f_7f7f_7f7f;

/// How many integers are looked at together.
const GROUP: usize = 8;

/// Integers from here on take more than the 8 bytes that a register has.
const LONG: u64 = 1 << 56;

/// For each number of leading zeros the length in bytes; nothing where it would be more than 8.
const LENGTHS: [u8; 65] = {
    let mut lengths = [0; 65];
    let mut zeros = 8;
    while zeros <= 64 {
        lengths[zeros] = if zeros == 64 { 1 } else { (64 - zeros).div_ceil(7) as u8 };
        zeros += 1;
    }
    lengths
};

/// For each number of leading zeros the bits that say which bytes are followed by another.
const MORE: [u64; 65] = {
    let mut more = [0; 65];
    let mut zeros = 8;
    while zeros <= 64 {
        more[zeros] = !PAYLOAD & ((1 << (8 * (LENGTHS[zeros] as usize - 1))) - 1);
        zeros += 1;
    }
    more
};

/// Writes `values` to the front of `room` and gives the number of bytes that they took, or `None` on a CPU
/// that cannot do it this way.
///
/// # Panics
/// If `room` has less than [`MAX_LEN`] bytes for each value.
#[inline]
pub(crate) fn put_uvarints(room: &mut [u8], values: &[u64]) -> Option<usize> {
    // The answer is computed once in a process, and then an atomic load.
    if !is_x86_feature_detected!("bmi2") || !is_x86_feature_detected!("lzcnt") {
        return None;
    }
    assert!(room.len() / MAX_LEN >= values.len(), "no room for {} numbers", values.len());
    // SAFETY: the CPU has the instructions, and the room was checked in the line above.
    Some(unsafe { put_with_pdep(room, values) })
}

/// A CPU that has the instructions. Only [`run_there`] makes one.
#[derive(Clone, Copy)]
struct Bmi2(());

impl Cpu for Bmi2 {
    #[inline(always)]
    fn spread(self, v: u64) -> u64 {
        // SAFETY: there is no value of this type but on a CPU that has the instruction.
        unsafe { _pdep_u64(v, PAYLOAD) }
    }
}

/// Does the work with the instructions that there are.
#[inline(always)]
pub(crate) fn run<W: Work>(work: W) -> W::Output {
    let there = is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("avx2");
    if there {
        // SAFETY: the CPU has them.
        unsafe { run_there(work) }
    } else {
        work.on(Any)
    }
}

/// Does the work.
///
/// # Safety
/// The CPU has the instructions.
#[target_feature(enable = "bmi1,bmi2,lzcnt,avx2")]
unsafe fn run_there<W: Work>(work: W) -> W::Output {
    work.on(Bmi2(()))
}

/// # Safety
/// `room` has [`MAX_LEN`] bytes for each value.
#[target_feature(enable = "bmi2,lzcnt")]
unsafe fn put_with_pdep(room: &mut [u8], values: &[u64]) -> usize {
    let mut at = 0;
    let (groups, rest) = values.as_chunks::<GROUP>();
    for group in groups {
        let all = group.iter().fold(0, |all, v| all | v);
        if all < 0x80 {
            room[at..][..GROUP].copy_from_slice(&group.map(|v| v as u8));
            at += GROUP;
        } else if all < LONG {
            for &v in group {
                // SAFETY: at most 8 bytes for each value before this one, so that 8 are left of the value's 10.
                at += unsafe { put_short(room.as_mut_ptr().add(at), v) };
            }
        } else {
            at += put_each(&mut room[at..], group);
        }
    }
    at + put_each(&mut room[at..], rest)
}

/// Writes 8 bytes, and gives how many of them count.
///
/// # Safety
/// `v` is less than [`LONG`], and there are 8 bytes to write to.
#[target_feature(enable = "bmi2,lzcnt")]
unsafe fn put_short(to: *mut u8, v: u64) -> usize {
    let zeros = _lzcnt_u64(v) as usize;
    // SAFETY: the tables have an entry for each number of zeros that 64 bits can have.
    let (len, more) = unsafe { (*LENGTHS.get_unchecked(zeros), *MORE.get_unchecked(zeros)) };
    let bytes = (_pdep_u64(v, PAYLOAD) | more).to_le_bytes();
    // SAFETY: the caller's.
    unsafe { to.cast::<[u8; 8]>().write_unaligned(bytes) };
    usize::from(len)
}

fn put_each(room: &mut [u8], values: &[u64]) -> usize {
    let mut at = 0;
    for &v in values {
        let next = room[at..].first_chunk_mut().expect("there is room for all");
        at += put_uvarint(next, v);
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn both(values: &[u64]) -> (Option<Vec<u8>>, Vec<u8>) {
        let mut room = vec![0; values.len() * MAX_LEN];
        let fast = put_uvarints(&mut room, values).map(|n| room[..n].to_vec());
        let mut portable = vec![0; values.len() * MAX_LEN];
        let n = put_each(&mut portable, values);
        portable.truncate(n);
        (fast, portable)
    }

    #[test]
    fn every_length_is_encoded_as_on_other_machines() {
        let values: Vec<u64> =
            (0..64).flat_map(|bits| [1 << bits, (1 << bits) - 1, u64::MAX >> bits, 0x55 << bits]).collect();
        let (fast, portable) = both(&values);
        // On a CPU without the instructions there is nothing to compare.
        assert_eq!(fast.unwrap_or_else(|| portable.clone()), portable);
    }

    #[test]
    fn a_cpu_that_has_the_instructions_uses_them() {
        let has_them = is_x86_feature_detected!("bmi2") && is_x86_feature_detected!("lzcnt");
        assert_eq!(put_uvarints(&mut [0; MAX_LEN], &[1]).is_some(), has_them);
    }

    #[test]
    fn the_longest_of_the_short_ones_fit_exactly() {
        for n in 0..40 {
            let (fast, portable) = both(&vec![LONG - 1; n]);
            assert_eq!(fast.unwrap_or_else(|| portable.clone()), portable);
        }
    }

    struct Spread(u64);

    impl Work for Spread {
        type Output = u64;

        #[inline(always)]
        fn on(self, cpu: impl Cpu) -> u64 {
            cpu.spread(self.0)
        }
    }

    #[test]
    #[should_panic(expected = "no room for 2 numbers")]
    fn room_is_checked() {
        // As above: where the function is never called, the panic is the test's own.
        if put_uvarints(&mut [0; 2 * MAX_LEN - 1], &[1, 2]).is_none() {
            panic!("no room for 2 numbers");
        }
    }

    proptest! {
        #[test]
        fn bits_are_moved_apart_as_on_other_machines(v in 0..LONG) {
            prop_assert_eq!(run(Spread(v)), Any.spread(v));
        }

        #[test]
        fn integers_are_encoded_as_on_other_machines(
            values in proptest::collection::vec((any::<u64>(), 0..64).prop_map(|(v, shift)| v >> shift), 0..100)
        ) {
            let (fast, portable) = both(&values);
            prop_assert_eq!(fast.unwrap_or_else(|| portable.clone()), portable);
        }
    }
}
