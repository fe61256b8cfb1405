//! Worlds by chance: one generator for property tests and for `heapmatrix run`.
//!
//! A world is full of references and rules, which chance does not keep. So chance makes a
//! [sketch](sketch): numbers without meaning. [Resolving](resolve) gives every sketch a meaning: indexes
//! are taken modulo the length of what they index, and what breaks a rule is left out. Since every sketch is
//! a world, sketches shrink freely: elements go away, numbers go to zero, and zero means the simplest thing.

mod resolve;
mod sketch;
mod stacks;

use std::ops::RangeInclusive;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::World;

/// How large a world is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    /// The number of objects, about: some more serve as closures.
    pub objects: RangeInclusive<usize>,
    /// The number of goroutines.
    pub goroutines: RangeInclusive<usize>,
    /// The number of activations of a goroutine, at least 1.
    pub depth: RangeInclusive<usize>,
}

impl Size {
    /// Worlds of the size that `heapmatrix run` uses: large enough for several spans of a size class
    /// and for every kind of record, small enough for a thousand in seconds.
    pub const DEFAULT: Size = Size { objects: 50..=300, goroutines: 3..=10, depth: 1..=8 };

    /// Worlds for property tests, from nothing at all to some tens of objects.
    pub const SMALL: Size = Size { objects: 0..=40, goroutines: 0..=5, depth: 1..=5 };

    /// Worlds with so many objects and few goroutines.
    pub const fn with_objects(objects: usize) -> Size {
        Size { objects: objects..=objects, goroutines: 1..=3, depth: 1..=4 }
    }
}

impl Default for Size {
    fn default() -> Self {
        Size::DEFAULT
    }
}

/// A strategy for worlds that keep all [rules](World::check).
pub fn worlds(size: Size) -> impl Strategy<Value = World> {
    sketch::sketches(size).prop_map(|sketch| resolve::resolve(&sketch))
}

impl World {
    /// World number `index` of a seed, of the default size: always the same.
    pub fn generate(seed: u64, index: u64) -> World {
        World::generate_sized(seed, index, Size::DEFAULT)
    }

    /// World number `index` of a seed, of some other size.
    ///
    /// # Panics
    /// When a range of the size is empty.
    pub fn generate_sized(seed: u64, index: u64, size: Size) -> World {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&index.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let sketch = sketch::sketches(size).new_tree(&mut runner).expect("nothing of a sketch is filtered");
        resolve::resolve(&sketch.current())
    }
}
