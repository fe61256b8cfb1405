//! Runtimes that are wrong on purpose: mistakes that whoever changes `runtime/heapdump.go` may make, one at a time.
//!
//! Runs with a toolchain of Go 1.27 that `HEAPMATRIX_GO` names. `caught.md` is the table of who catches what;
//! `UPDATE_WRONG_RUNTIMES=1` writes it anew.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use heapmatrix::go_report::Oracle;
use heapmatrix::real::check::{self, Case};
use heapmatrix::real::guest::Toolchain;
use heapmatrix::real::run::Guest;
use serde::Deserialize;

use crate::toolchains;

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

fn caught(toolchain: &Toolchain, source: &str, original: &Path, mistake: &Mistake) -> Caught {
    assert_eq!(source.matches(&mistake.anchor).count(), 1, "{}: where?", mistake.what);
    let (dir, edit) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let changed = edit.path().join("changed.go");
    fs::write(&changed, source.replacen(&mistake.anchor, &mistake.replacement, 1)).unwrap();
    let overlay = edit.path().join("overlay.json");
    let replace = BTreeMap::from([(original.display().to_string(), changed.display().to_string())]);
    fs::write(&overlay, serde_json::to_string(&BTreeMap::from([("Replace", replace)])).unwrap()).unwrap();
    let flags = vec![format!("-overlay={}", overlay.display())];
    let toolchain = Toolchain { flags, ..toolchain.clone() };
    let guest = |arch: &&str| Guest::new(toolchain.build(arch, dir.path()).unwrap()).unwrap();
    let guests: Vec<Guest> = MACHINES.iter().map(guest).collect();
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
        `HEAPMATRIX_GO` names a toolchain of Go 1.27.\n\n| mistake | first |"
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
    let root = toolchain.go.parent().and_then(Path::parent).expect("go is in bin");
    let original = root.join("src/runtime/heapdump.go");
    let source = fs::read_to_string(&original).unwrap();
    let rows: Vec<(String, Caught)> =
        mistakes().iter().map(|m| (m.what.clone(), caught(&toolchain, &source, &original, m))).collect();
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
