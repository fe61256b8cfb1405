//! Runtimes that are wrong on purpose: mistakes that whoever changes `runtime/heapdump.go` may make, one at a time.
//!
//! All of them run with a toolchain of Go 1.27 that `HEAPMATRIX_GO` names: `caught.md` is the table of who catches what, and
//! `UPDATE_WRONG_RUNTIMES=1` writes it anew. Of those that can be made in the distribution's Go some run with that.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use heapmatrix::go_report::Oracle;
use heapmatrix::real::check::{self, Case};
use heapmatrix::real::guest::Toolchain;
use heapmatrix::real::run::Guest;
use serde::Deserialize;

use crate::{ATTEMPTS, toolchains};

/// Machines that differ in word size, byte order, calls and registers for arguments.
const MACHINES: [&str; 2] = ["amd64", "mips"];
const WORLDS: u64 = 5;

/// A mistake: what it is, and the edit that makes it.
#[derive(Debug, Deserialize)]
struct Mistake {
    what: String,
    /// The first world's seed: mostly 1. Some mistakes show in few worlds.
    #[serde(default = "one")]
    seed: u64,
    anchor: String,
    replacement: String,
}

fn one() -> u64 {
    1
}

fn mistakes() -> Vec<Mistake> {
    serde_json::from_str(include_str!("mistakes.json")).unwrap()
}

/// Which machines an oracle catches a mistake on.
type Caught = BTreeMap<Oracle, BTreeSet<Cow<'static, str>>>;

/// The dumping code of a toolchain's runtime.
struct Original {
    file: PathBuf,
    source: String,
}

impl Original {
    fn of(toolchain: &Toolchain) -> Original {
        let mut env = Command::new(&toolchain.go);
        let root =
            env.args(["env", "GOROOT"]).env("GOTOOLCHAIN", "local").env_remove("GOROOT").output().unwrap();
        let root = PathBuf::from(String::from_utf8(root.stdout).unwrap().trim());
        let file = root.join("src/runtime/heapdump.go");
        Original { source: fs::read_to_string(&file).unwrap(), file }
    }

    fn has(&self, mistake: &Mistake) -> bool {
        self.source.matches(&mistake.anchor).count() == 1
    }
}

/// The guest with a mistake in its runtime.
fn guests(toolchain: &Toolchain, original: &Original, mistake: &Mistake, machines: &[&str]) -> Vec<Guest> {
    assert!(original.has(mistake), "{}: where?", mistake.what);
    let (dir, edit) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let changed = edit.path().join("changed.go");
    fs::write(&changed, original.source.replacen(&mistake.anchor, &mistake.replacement, 1)).unwrap();
    let overlay = edit.path().join("overlay.json");
    let replace = BTreeMap::from([(original.file.display().to_string(), changed.display().to_string())]);
    fs::write(&overlay, serde_json::to_string(&BTreeMap::from([("Replace", replace)])).unwrap()).unwrap();
    let flags = vec![format!("-overlay={}", overlay.display())];
    let toolchain = Toolchain { flags, ..toolchain.clone() };
    let guest = |arch: &&str| Guest::new(toolchain.build(arch, dir.path()).unwrap()).unwrap();
    machines.iter().map(guest).collect()
}

fn caught(toolchain: &Toolchain, original: &Original, mistake: &Mistake, machines: &[&str]) -> Caught {
    let guests = guests(toolchain, original, mistake, machines);
    let cases: Vec<Case> = (0..WORLDS).map(|i| Case::Seed(mistake.seed + i)).collect();
    let mut caught = Caught::new();
    for failure in check::check(&cases, &guests, &|| (), &|_, _| ()).failures {
        for finding in failure.findings {
            caught.entry(finding.oracle).or_default().insert(failure.arch.clone());
        }
    }
    eprintln!("{}: {caught:?}", mistake.what);
    caught
}

fn table(rows: &[(String, Caught)]) -> String {
    let mut table = "# Runtimes that are wrong on purpose\n\n\
        Each row is a mistake in `runtime/heapdump.go` of Go 1.27 ([the edits](mistakes.json)), and the oracles that catch it \
        on five random worlds, mostly the first. A cell names the machines, of amd64 and mips. Oracles stand in the order in which \
        they are asked; the first to catch a mistake is in the second column. `harness/tests/real` holds this table when \
        `HEAPMATRIX_GO` names a toolchain of Go 1.27. Without, it makes some of the mistakes in the distribution's Go, which \
        has the same lines for most of them.\n\n| mistake | first |"
        .to_owned();
    Oracle::ALL.iter().for_each(|oracle| write!(table, " {oracle} |").unwrap());
    table += "\n|---|---|";
    Oracle::ALL.iter().for_each(|_| table += "---|");
    table += "\n";
    for (what, caught) in rows {
        let first = caught.keys().next().map_or("", |oracle| oracle.name());
        write!(table, "| {what} | {first} |").unwrap();
        for oracle in Oracle::ALL {
            let machines: Vec<&str> = caught.get(&oracle).into_iter().flatten().map(|arch| &**arch).collect();
            let cell = if machines.len() == MACHINES.len() { "all".to_owned() } else { machines.join(", ") };
            write!(table, " {cell} |").unwrap();
        }
        table += "\n";
    }
    table
}

#[test]
fn every_mistake_is_caught() {
    let toolchains = toolchains::toolchains();
    let mut toolchains = toolchains.iter().map(|go| Toolchain::find(go).unwrap());
    let Some(toolchain) = toolchains.find(|toolchain| toolchain.version.starts_with("go1.27")) else {
        eprintln!("NOT RUN: HEAPMATRIX_GO names no toolchain of Go 1.27");
        return;
    };
    let original = Original::of(&toolchain);
    let row = |mistake: &Mistake| (mistake.what.clone(), caught(&toolchain, &original, mistake, &MACHINES));
    let rows: Vec<(String, Caught)> = mistakes().iter().map(row).collect();
    let missed: Vec<&String> =
        rows.iter().filter(|(_, caught)| caught.is_empty()).map(|(what, _)| what).collect();
    assert!(missed.is_empty(), "nobody caught: {missed:#?}");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/caught.md");
    let table = table(&rows);
    if std::env::var_os("UPDATE_WRONG_RUNTIMES").is_some() {
        fs::write(&file, &table).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap();
    assert!(committed == table, "caught.md is out of date: UPDATE_WRONG_RUNTIMES=1 writes it anew");
}

/// The same with the Go that most have, and on the machine that differs most from the one that its runtime is written on. A
/// runtime takes seconds to build: one of four mistakes is made, all of them only where `HEAPMATRIX_GO` asks for more.
#[test]
fn mistakes_in_the_distributions_go_are_caught() {
    let Some(go) = toolchains::toolchain() else {
        eprintln!("NOT RUN: no Go toolchain is installed (Debian: golang-go)");
        return;
    };
    let toolchain = Toolchain::find(&go).unwrap();
    let original = Original::of(&toolchain);
    let (fit, other): (Vec<Mistake>, Vec<Mistake>) = mistakes().into_iter().partition(|m| original.has(m));
    for Mistake { what, .. } in &other {
        eprintln!("NOT RUN with {}, whose code is another there: {what}", toolchain.version);
    }
    assert!(fit.len() >= 20, "{} of the mistakes can be made in {}", fit.len(), toolchain.version);
    let step = if std::env::var_os("HEAPMATRIX_GO").is_some() { 1 } else { 4 };
    let missed = |mistake: &&Mistake| caught(&toolchain, &original, mistake, &["mips"]).is_empty();
    let missed: Vec<&str> = fit.iter().step_by(step).filter(missed).map(|mistake| &*mistake.what).collect();
    assert!(missed.is_empty(), "nobody caught with {}: {missed:#?}", toolchain.version);
}

/// A world that shows a mistake shrinks to one that a person can read.
#[test]
fn worlds_that_show_a_mistake_shrink() {
    let Some(go) = toolchains::toolchain() else {
        eprintln!("NOT RUN: no Go toolchain is installed (Debian: golang-go)");
        return;
    };
    let (toolchain, what) = (Toolchain::find(&go).unwrap(), "Only a goroutine's latest defer is dumped");
    let mistake = mistakes().into_iter().find(|mistake| mistake.what == what).unwrap();
    let guests = guests(&toolchain, &Original::of(&toolchain), &mistake, &["386"]);
    let check = |case| check::check(&[case], &guests, &|| (), &|_, _| ()).failures.into_iter().next();
    let (seed, failure) = (1..).find_map(|seed| Some((seed, check(Case::Seed(seed))?))).unwrap();
    let oracle = failure.findings[0].oracle;
    let world = check::shrink(seed, &guests, oracle, |tried, _| tried < ATTEMPTS);
    let again = check(Case::World(Box::new(world.clone()))).expect("it fails");
    assert_eq!(again.findings[0].oracle, oracle);
    assert!(
        world.objects.len() <= 2 && world.goroutines.len() == 1 && world.finalizers.is_empty(),
        "{world:?}"
    );
    assert!(world.goroutines[0].steps.len() <= 2 && world.earlier == 0 && !world.profile, "{world:?}");
}

/// What can be said without a toolchain.
#[test]
fn the_table_has_every_mistake() {
    let (table, mistakes) = (include_str!("caught.md"), mistakes());
    assert!(mistakes.len() >= 20);
    for Mistake { what, anchor, replacement, .. } in &mistakes {
        assert_ne!(anchor, replacement, "{what}");
        let row = table.lines().find(|line| line.starts_with(&format!("| {what} |"))).expect(what);
        let first = row.split('|').nth(2).unwrap().trim();
        assert!(Oracle::ALL.iter().any(|oracle| oracle.name() == first), "{what}: caught by {first:?}");
    }
    assert_eq!(table.lines().filter(|line| line.starts_with("| ")).count(), mistakes.len() + 1);
}
