//! A bit for each object.

/// Truth values by number.
#[derive(Clone, Debug)]
pub(crate) struct Bits(pub(crate) Vec<u64>);

impl Bits {
    /// So many that are false.
    pub fn new(length: usize) -> Self {
        Self(vec![0; length.div_ceil(64)])
    }

    /// So many, each as `is_set` says.
    pub fn of(length: usize, is_set: impl Fn(usize) -> bool) -> Self {
        let mut bits = Self::new(length);
        for index in (0..length).filter(|&index| is_set(index)) {
            bits.set(index);
        }
        bits
    }

    /// One of them.
    #[inline]
    pub fn get(&self, index: usize) -> bool {
        self.0[index / 64] >> (index % 64) & 1 != 0
    }

    /// Makes one true.
    #[inline]
    pub fn set(&mut self, index: usize) {
        self.0[index / 64] |= 1 << (index % 64);
    }
}
