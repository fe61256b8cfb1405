//! Integers as dumps have them.

use heapmatrix_writer::AnyTarget;

/// How many integers of each length in bits four real dumps have together.
///
/// Counted by walking every record, numbers and lengths alike, of what one program (strings, slices, maps,
/// channels, closures, a tree, goroutines) wrote with `debug.WriteHeapDump` when built by Go 1.5.4
/// for 386, amd64, arm and ppc64: 1,232,641 integers in 12,315,518 bytes.
pub const BIT_LENGTHS: [(u32, u64); 36] = [
    (0, 82189),
    (1, 336814),
    (2, 311),
    (3, 3662),
    (4, 126273),
    (5, 143632),
    (6, 32561),
    (7, 50397),
    (8, 11051),
    (9, 7930),
    (10, 3923),
    (11, 10997),
    (12, 8662),
    (13, 13433),
    (14, 19391),
    (15, 25114),
    (16, 35201),
    (17, 72193),
    (18, 38809),
    (19, 408),
    (20, 147),
    (21, 261),
    (22, 14),
    (23, 607),
    (24, 6),
    (25, 1),
    (26, 2),
    (28, 592),
    (29, 67748),
    (30, 18121),
    (32, 18135),
    (39, 18124),
    (40, 67734),
    (42, 71),
    (47, 18123),
    (61, 4),
];

/// A number generator of Marsaglia's (xorshift64), so that every run measures the same.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        Random(0x9e37_79b9_7f4a_7c15)
    }
}

impl Random {
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }
}

/// `n` integers of the lengths that real dumps have, in an order without a pattern.
pub fn real(n: usize) -> Vec<u64> {
    let mut random = Random::default();
    let all = BIT_LENGTHS.iter().map(|&(_, count)| count).sum();
    let one = |_| {
        let mut at = random.below(all);
        let (bits, _) = *BIT_LENGTHS
            .iter()
            .find(|&&(_, count)| at.checked_sub(count).map(|rest| at = rest).is_none())
            .expect("below the sum");
        if bits == 0 { 0 } else { 1 << (bits - 1) | random.bits() & ((1 << (bits - 1)) - 1) }
    };
    (0..n).map(one).collect()
}

/// `n` integers as object records have them: tag, address, length, a pair for each pointer, the end.
pub fn records(n: usize) -> Vec<u64> {
    let mut random = Random::default();
    let mut integers = Vec::with_capacity(n + 16);
    let mut address = 0xc8_2000_0000;
    while integers.len() < n {
        let pointers = [0, 0, 0, 0, 0, 0, 1, 2][random.below(8) as usize];
        integers.extend([1, address, 16]);
        integers.extend((0..pointers).flat_map(|i| [1, 8 * i]));
        integers.push(0);
        address += 16;
    }
    integers.truncate(n);
    integers
}

/// `n` integers below 128.
pub fn one_byte(n: usize) -> Vec<u64> {
    let mut random = Random::default();
    (0..n).map(|_| random.below(128)).collect()
}

/// `n` integers that take ten bytes.
pub fn ten_bytes(n: usize) -> Vec<u64> {
    let mut random = Random::default();
    (0..n).map(|_| random.bits() | 1 << 63).collect()
}

/// (kind, offset) pairs of pointer fields, `n` integers in all: objects of up to 32 words.
pub fn pairs(n: usize) -> Vec<u64> {
    let mut random = Random::default();
    (0..n / 2).flat_map(|_| [1, 8 * random.below(32)]).collect()
}

/// `n` addresses in the first 512 MB of a target's heap.
pub fn heap_pointers(target: AnyTarget, n: usize) -> Vec<u64> {
    let mut random = Random::default();
    let start = if target.ptr_size() == 8 { 0xc8_2000_0000 } else { 0x1840_0000 };
    (0..n).map(|_| start + random.below(64 << 20) * 8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_has_the_lengths_of_the_histogram() {
        let n = 100_000;
        let mut counts = [0u64; 65];
        for v in real(n) {
            counts[64 - v.leading_zeros() as usize] += 1;
        }
        let all: u64 = BIT_LENGTHS.iter().map(|&(_, count)| count).sum();
        for (bits, count) in BIT_LENGTHS {
            let expected = count as f64 / all as f64;
            let found = counts[bits as usize] as f64 / n as f64;
            assert!(
                (expected - found).abs() < 0.01,
                "{bits} bits: {expected} of the histogram, {found} of the mix"
            );
        }
    }
}
