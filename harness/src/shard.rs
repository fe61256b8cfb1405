//! A run in parts: which of a run's cells a part takes, and a run's report put together from those of its parts.
//!
//! Which part takes a cell depends on the cell alone, so that parts can run anywhere, in any order, with any number of
//! jobs, and one that failed can run again.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};

/// One of the parts of a run: `3/16` is the third of sixteen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    /// From 1.
    number: u32,
    of: u32,
}

impl Shard {
    /// The only part of a run that is not divided.
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    /// Whether this part takes a cell: a world, by its seed or its name, on a machine.
    pub fn takes(self, world: impl fmt::Display, machine: &str) -> bool {
        hash(&format!("{world}/{machine}")) % u64::from(self.of) == u64::from(self.number - 1)
    }

    /// Whether there are other parts.
    pub fn is_whole(&self) -> bool {
        self.of == 1
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self::WHOLE
    }
}

/// FNV-1a of 64 bits, whose low bits are mixed with the high ones. Reports of different releases of this crate must
/// fit together: it may not change.
fn hash(cell: &str) -> u64 {
    let hash = cell.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(number, of)| {
            let number_of = |digits: &str| digits.parse::<u32>().ok().filter(|&n| n > 0);
            Some(Self { number: number_of(number)?, of: number_of(of)? })
        });
        parsed
            .filter(|shard| shard.number <= shard.of)
            .ok_or_else(|| "expected a part and the number of parts, such as 3/16".to_owned())
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl Serialize for Shard {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Shard {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// The report of a part of a run.
pub trait Part {
    /// Which part.
    fn shard(&self) -> Shard;

    /// What the whole run was asked for, in words: the same in all its parts.
    fn asked(&self) -> String;

    /// Adds what another part of the same run found. Both stay in the order of a run that is not divided.
    fn add(&mut self, other: Self);

    /// Says that the report is of the whole run.
    fn complete(&mut self);
}

/// Why reports are not the parts of a run.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// There is none.
    #[error("no reports: name the files")]
    Nothing,
    /// They are parts of different runs.
    #[error(
        "{second} is of another run than {first}: {second_asked}, not {first_asked}; parts differ in nothing but their --shard"
    )]
    DifferentRuns {
        /// A file.
        first: String,
        /// What it is of.
        first_asked: String,
        /// Another file.
        second: String,
        /// What that is of.
        second_asked: String,
    },
    /// Two have the same cells.
    #[error("{second} is part {shard}, as is {first}: name the report of each part once")]
    Twice {
        /// A file.
        first: String,
        /// Another file.
        second: String,
        /// The part.
        shard: Shard,
    },
    /// Some are not there.
    #[error("of {of} parts these are missing: {}; run them with --shard and --json, and name their reports, too", missing.join(", "))]
    Missing {
        /// Their number.
        of: u32,
        /// Which are not there, as `--shard` takes them.
        missing: Vec<String>,
    },
}

/// How many missing parts are named.
const MISSING_NAMED: usize = 10;

/// Puts the report of a run together from those of its parts, each with the name of its file.
///
/// # Errors
/// [`MergeError`], unless each part of one run is there once.
pub fn merge<P: Part>(parts: impl IntoIterator<Item = (String, P)>) -> Result<P, MergeError> {
    let mut sorted: BTreeMap<Shard, (String, P)> = BTreeMap::new();
    let mut run: Option<(String, String, u32)> = None;
    for (name, part) in parts {
        let (shard, asked) = (part.shard(), format!("{} in {} parts", part.asked(), part.shard().of));
        let (first, first_asked, _) = run.get_or_insert((name.clone(), asked.clone(), shard.of));
        if *first_asked != asked {
            let (first, first_asked) = (first.clone(), first_asked.clone());
            return Err(MergeError::DifferentRuns { first, first_asked, second: name, second_asked: asked });
        }
        if let Some((first, _)) = sorted.get(&shard) {
            return Err(MergeError::Twice { first: first.clone(), second: name, shard });
        }
        sorted.insert(shard, (name, part));
    }
    let of = run.ok_or(MergeError::Nothing)?.2;
    if u64::from(of) != sorted.len() as u64 {
        let missing = (1..=of).map(|number| Shard { number, of }).filter(|shard| !sorted.contains_key(shard));
        let mut missing: Vec<String> =
            missing.take(MISSING_NAMED + 1).map(|shard| shard.to_string()).collect();
        if missing.len() > MISSING_NAMED {
            missing[MISSING_NAMED] = "…".to_owned();
        }
        return Err(MergeError::Missing { of, missing });
    }
    let mut parts = sorted.into_values().map(|(_, part)| part);
    let mut whole = parts.next().ok_or(MergeError::Nothing)?;
    parts.for_each(|part| whole.add(part));
    whole.complete();
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_by_their_number_and_how_many_there_are() {
        let shard: Shard = "3/16".parse().unwrap();
        assert_eq!(shard, Shard { number: 3, of: 16 });
        assert_eq!(shard.to_string(), "3/16");
        assert_eq!(serde_json::to_string(&shard).unwrap(), "\"3/16\"");
        assert_eq!(serde_json::from_str::<Shard>("\"3/16\"").unwrap(), shard);
        assert_eq!("1/1".parse(), Ok(Shard::WHOLE));
        for wrong in ["", "3", "0/4", "5/4", "1/0", "a/4", "1/4/4", "-1/4", "1/ 4"] {
            assert_eq!(
                wrong.parse::<Shard>().unwrap_err(),
                "expected a part and the number of parts, such as 3/16"
            );
        }
    }

    #[test]
    fn each_cell_is_in_one_part_and_parts_are_of_like_size() {
        for of in [1, 2, 3, 7, 16] {
            let shards: Vec<Shard> = (1..=of).map(|number| Shard { number, of }).collect();
            let mut sizes = vec![0_u32; shards.len()];
            for seed in 0..2000 {
                for machine in ["amd64", "386", "arm", "ppc64", "mips"] {
                    let takes = shards.iter().map(|shard| shard.takes(seed, machine));
                    let takers: Vec<usize> =
                        takes.enumerate().filter(|&(_, takes)| takes).map(|(k, _)| k).collect();
                    assert_eq!(takers.len(), 1, "{seed} {machine}");
                    sizes[takers[0]] += 1;
                }
            }
            let even = 10_000 / of;
            assert!(sizes.iter().all(|&size| size.abs_diff(even) < even / 4 + 1), "{sizes:?}");
        }
    }

    /// Parts of one run may come from releases of different age.
    #[test]
    fn which_part_takes_a_cell_never_changes() {
        let taker =
            |world: u64, machine: &str| (1..=16).find(|&n| Shard { number: n, of: 16 }.takes(world, machine));
        let takers = [(1, "amd64"), (2, "amd64"), (1, "s390x"), (u64::MAX, "mips")]
            .map(|(world, machine)| taker(world, machine).unwrap());
        assert_eq!(takers, TAKERS);
    }

    const TAKERS: [u32; 4] = [7, 5, 11, 5];

    #[derive(Debug, PartialEq)]
    struct Counted(Shard, &'static str, u32);

    impl Part for Counted {
        fn shard(&self) -> Shard {
            self.0
        }

        fn asked(&self) -> String {
            self.1.to_owned()
        }

        fn add(&mut self, other: Self) {
            self.2 = self.2 * 10 + other.2;
        }

        fn complete(&mut self) {
            self.0 = Shard::WHOLE;
        }
    }

    fn merged(parts: &[(&str, &'static str, u32)]) -> Result<Counted, String> {
        let parts = parts.iter().enumerate().map(|(file, &(shard, asked, count))| {
            (format!("{file}.json"), Counted(shard.parse().unwrap(), asked, count))
        });
        merge(parts).map_err(|error| error.to_string())
    }

    #[test]
    fn all_parts_of_one_run_are_put_together_in_order() {
        let whole = merged(&[("2/3", "a", 2), ("3/3", "a", 3), ("1/3", "a", 1)]);
        assert_eq!(whole, Ok(Counted(Shard::WHOLE, "a", 123)));
        assert_eq!(merged(&[("1/1", "a", 1)]), Ok(Counted(Shard::WHOLE, "a", 1)));
    }

    #[test]
    fn what_is_no_whole_run_is_refused() {
        let error = |parts: &[(&str, &'static str, u32)]| merged(parts).unwrap_err();
        assert_eq!(error(&[]), "no reports: name the files");
        assert_eq!(
            error(&[("2/3", "a", 1), ("1/3", "a", 1)]),
            "of 3 parts these are missing: 3/3; run them with --shard and --json, and name their reports, too"
        );
        assert_eq!(
            error(&[("1/2", "a", 1), ("1/2", "a", 1)]),
            "1.json is part 1/2, as is 0.json: name the report of each part once"
        );
        assert_eq!(
            error(&[("1/2", "a", 1), ("2/2", "b", 1)]),
            "1.json is of another run than 0.json: b in 2 parts, not a in 2 parts; parts differ in nothing but their --shard",
        );
        assert!(error(&[("1/2", "a", 1), ("2/3", "a", 1)]).contains("a in 3 parts, not a in 2 parts"));
        let many = error(&[("1/4000000000", "a", 1)]);
        assert!(many.contains(" 10/4000000000, 11/4000000000, …; "), "{many}");
    }
}
