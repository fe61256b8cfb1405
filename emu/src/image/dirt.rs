//! Rubbish: what memory holds wherever Go has not cleared it, and nothing of it is to be seen in a dump.
//!
//! A world with a [seed](crate::world::World::dirt) has it in padding, in fields that neither the dump nor the guest
//! program reads, after the last bit of bitmaps and after arrays, and in the parts of stacks that are no frame.

use super::facts::{FactError, Layouts};

/// Structures of which all is rubbish that is not filled, but for these fields: they are zero until they are.
const MEANT: &[(&str, &[&str])] = &[
    ("runtime._defer", &["fn", "link", "pc", "sp"]),
    ("runtime._func", &[]),
    ("runtime._panic", &[]),
    ("runtime._type", &[]),
    ("runtime.bitvector", &[]),
    ("runtime.bucket", &[]),
    ("runtime.finalizer", &[]),
    ("runtime.finblock", &["alllink", "next", "cnt"]),
    ("runtime.g", &["_panic", "_defer", "m", "syscallsp", "sched.lr", "sched.pc", "sched.sp"]),
    ("runtime.itab", &[]),
    ("runtime.m", &["g0", "curg", "alllink"]),
    ("runtime.memRecord", &[]),
    ("runtime.mheap", &[]),
    ("runtime.moduledata", &["next"]),
    ("runtime.mspan", &["next", "ref", "specials"]),
    ("runtime.mstats", &[]),
    ("runtime.ptrtype", &[]),
    ("runtime.specialfinalizer", &[]),
    ("runtime.specialprofile", &[]),
    ("runtime.uncommontype", &["name", "pkgpath"]),
];

/// A source of rubbish: the same at the same place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dirt {
    seed: u64,
}

impl Dirt {
    /// The rubbish of a seed; nothing but zeros for the seed 0.
    pub fn new(seed: u64) -> Dirt {
        Dirt { seed }
    }

    /// Whether there is any.
    pub fn is_some(self) -> bool {
        self.seed != 0
    }

    /// So many bytes of it.
    pub fn bytes(self, place: u64, len: u64) -> Vec<u8> {
        if !self.is_some() {
            return vec![0; len as usize];
        }
        let words = (0..len.div_ceil(8)).flat_map(|i| self.word(place.wrapping_add(i)).to_le_bytes());
        words.take(len as usize).collect()
    }

    /// A structure that is to be filled.
    pub fn structure(self, layouts: Layouts, structure: &str, place: u64) -> Result<Vec<u8>, FactError> {
        let size = layouts.size(structure)?;
        let Some((_, meant)) = MEANT.iter().find(|(name, _)| *name == structure && self.is_some()) else {
            return Ok(vec![0; size as usize]);
        };
        let mut bytes = self.bytes(place, size);
        for field in *meant {
            let number = layouts.number(structure, field)?;
            bytes[number.offset as usize..][..number.width as usize].fill(0);
        }
        Ok(bytes)
    }

    /// SplitMix64, of which no byte is zero: zeros would look clean.
    fn word(self, place: u64) -> u64 {
        let mut z = self.seed.wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) | 0x0101_0101_0101_0101
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_rubbish_that_is_not_meant() {
        let layouts = Layouts::of("ppc64").unwrap();
        for (structure, meant) in MEANT {
            let dirty = Dirt::new(7).structure(layouts, structure, 3).unwrap();
            assert_eq!(dirty.len() as u64, layouts.size(structure).unwrap());
            let width = |field: &&str| layouts.number(structure, field).unwrap().width as usize;
            assert_eq!(
                dirty.iter().filter(|&&byte| byte == 0).count(),
                meant.iter().map(width).sum::<usize>()
            );
            assert!(Dirt::new(0).structure(layouts, structure, 3).unwrap().iter().all(|&byte| byte == 0));
        }
    }
}
