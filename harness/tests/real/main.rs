//! Worlds on the real runtime, with every Go toolchain that there is.
//!
//! A toolchain of the distribution switches these tests on, and `HEAPMATRIX_GO`, which names folders of further ones,
//! separated as in `PATH`. Without any they say that they have not run. `HEAPMATRIX_GO_WORLDS` is how many random worlds
//! each is given.

#[path = "../common/parts.rs"]
mod parts;
#[path = "../exec/toolchains.rs"]
mod toolchains;

mod command;
mod golden;
mod mistakes;

use std::fs;
use std::path::{Path, PathBuf};

use heapmatrix::real::check::{self, Case};
use heapmatrix::real::guest::Toolchain;
use heapmatrix::real::run::Guest;
use heapmatrix::real::world::World;

const DEFAULT_WORLDS: u64 = 3;
/// How many worlds are tried to find a small one that fails.
const ATTEMPTS: u32 = 300;

fn each_toolchain(test: impl Fn(&Toolchain)) {
    let toolchains: Vec<PathBuf> = toolchains::toolchains();
    if toolchains.is_empty() {
        eprintln!("NOT RUN: no Go toolchain is installed (Debian: golang-go), and HEAPMATRIX_GO names none");
    }
    toolchains.iter().for_each(|go| test(&Toolchain::find(go).unwrap()));
}

fn guests(toolchain: &Toolchain, arches: &[&str]) -> Vec<Guest> {
    let dir = tempfile::tempdir().unwrap();
    let guest = |arch: &&str| Guest::new(toolchain.build(arch, dir.path()).unwrap()).unwrap();
    arches.iter().map(guest).collect()
}

/// The folder of worlds that have failed.
fn regressions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpora/regressions/real")
}

fn saved() -> Vec<Case> {
    let files = fs::read_dir(regressions()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|e| e == "json")).collect();
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    let world = |file: &PathBuf| {
        let world: World = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        world.check().unwrap_or_else(|what| panic!("{}: {what}", file.display()));
        Case::World(Box::new(world))
    };
    files.iter().map(world).collect()
}

/// Random worlds, and those that once failed, on a machine.
fn worlds_are_dumped_as_they_are(arch: &str) {
    let worlds =
        std::env::var("HEAPMATRIX_GO_WORLDS").ok().map(|n| n.parse().unwrap()).unwrap_or(DEFAULT_WORLDS);
    each_toolchain(|toolchain| {
        let guests = guests(toolchain, &[arch]);
        let random = (1..=worlds).map(Case::Seed);
        let cases: Vec<Case> = random.chain(saved()).collect();
        let report = check::check(&cases, &guests, &|| (), &|_, _| ());
        eprintln!("{} for {arch}: {:?}", toolchain.version, report.arches);
        let Some(failure) = report.failures.first() else {
            assert_eq!(report.arches[0].passed + report.arches[0].not_dumped, cases.len() as u64);
            assert!(report.arches[0].passed > 0 && report.outside_writer_not_asked.is_none(), "{report:?}");
            return;
        };
        if let Some(seed) = failure.seed {
            let world = check::shrink(seed, &guests, failure.findings[0].oracle, |tried, _| tried < ATTEMPTS);
            let file = regressions().join(format!("new_{}_{arch}_{seed}.json", toolchain.version));
            fs::write(&file, serde_json::to_vec_pretty(&world).unwrap()).unwrap();
            panic!("{} for {arch}: {failure:?}, shrunk to {}", toolchain.version, file.display());
        }
        panic!("{} for {arch}: {failure:?}", toolchain.version);
    });
}

macro_rules! on_each_machine {
    ($($name:ident $arch:literal)*) => {
        $(mod $name {
            #[test]
            fn worlds_are_dumped_as_they_are() {
                super::worlds_are_dumped_as_they_are($arch);
            }
        })*

        #[test]
        fn every_machine_has_its_tests() {
            let tested = [$($arch),*];
            let mut machines = heapmatrix_emu::machine::Machine::ALL.iter();
            assert!(machines.all(|target| tested.contains(&target.goarch())));
        }
    };
}

on_each_machine!(
    amd64 "amd64" i386 "386" arm "arm" arm64 "arm64" ppc64 "ppc64" ppc64le "ppc64le" mips "mips" mipsle "mipsle"
    mips64 "mips64" mips64le "mips64le" riscv64 "riscv64" s390x "s390x"
);

/// The same worlds mean the same with all toolchains, on machines that differ in all that machines can differ in.
#[test]
fn releases_and_machines_agree() {
    let all: Vec<Toolchain> =
        toolchains::toolchains().iter().map(|go| Toolchain::find(go).unwrap()).collect();
    if all.len() < 2 {
        eprintln!("NOT RUN: fewer than two Go toolchains: HEAPMATRIX_GO names more");
    }
    let guests: Vec<Guest> = all.iter().flat_map(|toolchain| guests(toolchain, &["amd64", "mips"])).collect();
    for seed in 100..103 {
        let report = check::check(&[Case::Seed(seed)], &guests, &|| (), &|_, _| ());
        assert!(report.ok, "seed {seed}: {:?}", report.failures);
    }
}
