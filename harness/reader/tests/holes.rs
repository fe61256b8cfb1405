//! Dumps with holes: of real and of emulated machines, with bytes cut out or overwritten at many places. What is
//! saved are records of the whole dump, and nearly all of them.

mod machines;
mod unpack;

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use heapmatrix_reader::{Dump, Kind, Salvage, salvage};

/// What is done to a range of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    Cut,
    Zeros,
    Noise,
    /// What stands somewhere else in the dump.
    Misplaced,
}

const ALL: [Damage; 4] = [Damage::Cut, Damage::Zeros, Damage::Noise, Damage::Misplaced];

impl Damage {
    fn of(self, dump: &[u8], range: Range<usize>) -> Vec<u8> {
        let mut state = range.start as u64 | 1;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        let other = dump.len() / 3;
        let filling: Vec<u8> = match self {
            Self::Cut => Vec::new(),
            Self::Zeros => vec![0; range.len()],
            Self::Noise => range.clone().map(|_| noise()).collect(),
            Self::Misplaced => dump[other..].iter().cycle().take(range.len()).copied().collect(),
        };
        [&dump[..range.start], &filling, &dump[range.end..]].concat()
    }
}

/// What came of salvaging damaged dumps.
#[derive(Debug, Default)]
struct Found {
    dumps: usize,
    /// Records that are whole, and those of them that were saved.
    whole: usize,
    saved: usize,
    /// Saved records that begin and end like records of the dump, but are not. Where bytes are overwritten inside
    /// contents nobody can see it, and hardly where as many are cut out as bring another record's end into step.
    unseen: usize,
}

/// A dump, and where its records end, by where they start.
struct Whole {
    name: String,
    dump: Vec<u8>,
    ends: HashMap<usize, usize>,
}

impl Whole {
    fn read(path: &Path) -> Self {
        let dump = unpack::read(path);
        let mut ends = HashMap::new();
        let mut records = Dump::new(&dump).unwrap().records();
        while let Some(record) = records.next() {
            let start = record.unwrap().0 as usize;
            ends.insert(start, records.offset() as usize);
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        Self { name, dump, ends }
    }

    /// Damages the dump, and holds what is saved to it.
    fn hold(&self, damage: Damage, range: Range<usize>, found: &mut Found) {
        let Self { name, dump, ends } = self;
        let damaged = damage.of(dump, range.clone());
        let shift = dump.len() - damaged.len();
        let saved = salvage(&damaged).unwrap();
        for part in parts(&saved, damaged.len()) {
            let mut records = Dump::new(&damaged).unwrap().records_from(part.start);
            while records.offset() < part.end {
                let start = records.offset() as usize;
                let (_, record) = records.next().unwrap().unwrap();
                let end = records.offset() as usize;
                let is_whole = |shift: usize| {
                    ends.get(&(start + shift)) == Some(&(end + shift))
                        && damaged[start..end] == dump[start + shift..end + shift]
                };
                let kind = record.kind();
                if kind == Kind::Eof {
                    // Every dump ends in one, and it says nothing.
                } else if is_whole(0) || is_whole(shift) {
                    found.saved += 1;
                } else {
                    let what = format!("{name}, {damage:?} at {range:?}: {kind} at {start}, to {end}");
                    assert!(ends.contains_key(&start), "{what} begins nowhere");
                    // The statistics of a world are any numbers, and so are what zeros make of them.
                    let in_step = ends.values().any(|&other| other == end + shift);
                    assert!(in_step || kind == Kind::MemStats, "{what} ends nowhere");
                    found.unseen += 1;
                }
            }
        }
        found.dumps += 1;
        found.whole += ends.iter().filter(|&(&start, &end)| end <= range.start || start >= range.end).count();
        // Nothing is left out before the damage.
        for skipped in saved.skipped() {
            let follows = skipped.range.end + shift as u64 >= range.start as u64;
            assert!(follows, "{name}, {damage:?} at {range:?}: {skipped:?}");
            assert!(skipped.after.is_some(), "{skipped:?}");
            let before = skipped.before.1 as usize;
            assert!(ends.contains_key(&before) || ends.contains_key(&(before + shift)), "{skipped:?}");
        }
    }
}

/// The parts of a damaged dump that are saved, without the header.
fn parts(saved: &Salvage<'_>, length: usize) -> Vec<Range<u64>> {
    let mut parts = Vec::new();
    let mut from = 16;
    // A type whose name was hit has lost it; it is told, and no record of the dump.
    let names = saved.lost_names().map(|name| name.offset..name.removed.end + 1);
    let mut gaps: Vec<Range<u64>> = saved.skipped().map(|skipped| skipped.range).chain(names).collect();
    gaps.sort_by_key(|gap| gap.start);
    for gap in gaps {
        parts.push(from..gap.start);
        from = gap.end;
    }
    parts.push(from..length as u64 - saved.dropped());
    parts
}

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpora")
}

/// Holes of all sizes at places all over a real dump.
fn real(go: &str, arch: &str) {
    let whole = Whole::read(&corpora().join(format!("real/go{go}-{arch}.dump.zst")));
    let length = whole.dump.len();
    assert!(salvage(&whole.dump).unwrap().is_intact());
    for damage in ALL {
        let mut found = Found::default();
        for (i, size) in [1, 7, 100, 1000, 4096, 20_000, 100_000].into_iter().enumerate() {
            // Other places for each size; the first is early, among the first objects.
            let step = (length - 120_000) / 6;
            (0..6).map(|n| 16_384 + n * step + 11 * n * i).for_each(|start| {
                whole.hold(damage, start..start + size, &mut found);
            });
        }
        println!("{go} {arch} {damage:?}: {found:?}");
        assert!(found.saved * 1000 >= found.whole * 995, "{damage:?}: {found:?}");
        assert!(damage != Damage::Cut || found.unseen <= 2, "{damage:?}: {found:?}");
    }
}

/// Holes all over small dumps, in which little is left that could prove anything.
fn golden(arch: &str) {
    let mut dumps = 0;
    for entry in fs::read_dir(corpora().join("golden").join(arch)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.ends_with(".json") || name.contains(".struck.") {
            continue;
        }
        let whole = Whole::read(&path);
        let length = whole.dump.len();
        assert!(salvage(&whole.dump).unwrap().is_intact(), "{name}");
        let mut found = Found::default();
        // Noise may read like any record where there is so little to hold it to.
        for damage in [Damage::Cut, Damage::Zeros] {
            for size in [1, 9, 150, 5000].into_iter().filter(|size| size + 100 < length) {
                // Nothing is saved of a dump without its params.
                for start in (whole.ends[&16]..length - size).step_by(length / 7) {
                    whole.hold(damage, start..start + size, &mut found);
                }
            }
        }
        dumps += found.dumps;
    }
    assert!(dumps > 1000, "{dumps}");
}

macro_rules! real_dumps {
    ($($name:ident: $arch:literal),*) => {
        $(mod $name {
            #[test]
            fn real_19() {
                super::real("1.19.8", $arch);
            }

            #[test]
            fn real_27() {
                super::real("1.27.3", $arch);
            }
        })*
    };
}

mod real_dumps {
    use super::real;

    real_dumps!(amd64: "amd64", i386: "386", arm: "arm", ppc64: "ppc64");
}

machines::each_machine!(golden);

/// Several holes in one dump, the classic one of a lost page among them: what was lost is told, each hole once.
#[test]
fn holes_are_told_one_by_one() {
    let whole = Whole::read(&corpora().join("real/go1.27.3-amd64.dump.zst"));
    let mut damaged = whole.dump.clone();
    let holes = [1_000_000..1_004_096, 500_000..500_100, 16_384..20_480];
    holes.iter().for_each(|hole| drop(damaged.drain(hole.clone())));
    let saved = salvage(&damaged).unwrap();
    assert_eq!((saved.cut(), saved.skipped().count()), (None, 3));
    assert!(!saved.is_intact() && saved.has_lost_records());
    let mut out = Vec::new();
    saved.write_to(&mut out).unwrap();
    let records = Dump::new(&out).unwrap().records().count();
    let whole_records = whole
        .ends
        .iter()
        .filter(|&(&start, &end)| holes.iter().all(|hole| end <= hole.start || start >= hole.end));
    assert!(records + 6 >= whole_records.count(), "{records}");
}
