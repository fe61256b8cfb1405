//! The cache of types that have been dumped already.

use crate::memory::Addr;

/// `typeCacheBuckets`.
const BUCKETS: usize = 256;
/// `typeCacheAssoc`.
const ASSOC: usize = 4;

/// `typecache`: by a type's hash a bucket, in which the type most recently used comes first.
///
/// A type that has fallen out of its bucket is dumped again. That is part of the format.
pub(crate) struct TypeCache {
    buckets: Box<[[Addr; ASSOC]; BUCKETS]>,
}

impl TypeCache {
    /// How many there are in it, with those that are nil.
    pub(crate) const WORDS: u64 = (BUCKETS * ASSOC) as u64;

    /// An empty cache.
    pub(crate) fn new() -> Self {
        TypeCache { buckets: Box::new([[Addr::NIL; ASSOC]; BUCKETS]) }
    }

    /// Whether type `t` is in the cache. It then comes first in its bucket, either way.
    pub(crate) fn touch(&mut self, t: Addr, hash: u32) -> bool {
        let bucket = &mut self.buckets[hash as usize % BUCKETS];
        let found = bucket.iter().position(|&cached| cached == t);
        // Move to front; or move all back and let the last one fall out.
        bucket[..=found.unwrap_or(ASSOC - 1)].rotate_right(1);
        bucket[0] = t;
        found.is_some()
    }

    /// The array's elements in the order of memory.
    pub(crate) fn words(&self) -> impl Iterator<Item = u64> + '_ {
        self.buckets.iter().flatten().map(|t| t.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(cache: &TypeCache, hash: usize) -> Vec<u64> {
        cache.words().skip(hash * ASSOC).take(ASSOC).collect()
    }

    #[test]
    fn the_most_recently_used_type_comes_first() {
        let mut cache = TypeCache::new();
        for t in [1, 2, 3, 4] {
            assert!(!cache.touch(Addr(t), 7));
        }
        assert_eq!(bucket(&cache, 7), [4, 3, 2, 1]);
        assert!(cache.touch(Addr(4), 7), "at the front");
        assert_eq!(bucket(&cache, 7), [4, 3, 2, 1]);
        assert!(cache.touch(Addr(2), 7), "in the middle");
        assert_eq!(bucket(&cache, 7), [2, 4, 3, 1]);
        assert!(cache.touch(Addr(1), 7), "at the end");
        assert_eq!(bucket(&cache, 7), [1, 2, 4, 3]);
    }

    #[test]
    fn the_fifth_type_of_a_bucket_drives_out_the_first() {
        let mut cache = TypeCache::new();
        for t in [1, 2, 3, 4, 5] {
            assert!(!cache.touch(Addr(t), 0x1ff));
        }
        assert_eq!(bucket(&cache, 0xff), [5, 4, 3, 2]);
        assert!(!cache.touch(Addr(1), 0xff), "is dumped again");
        assert!(cache.touch(Addr(5), 0xff));
    }

    #[test]
    fn only_the_low_byte_of_the_hash_counts() {
        let mut cache = TypeCache::new();
        assert!(!cache.touch(Addr(1), 0x1234_5678));
        assert!(cache.touch(Addr(1), 0x78));
        assert!(!cache.touch(Addr(1), 0x79));
    }
}
