//! Measures how the runtimes of Go releases are laid out, on every machine, and writes the tables of `tables/`.
//!
//!     cargo run -p heapmatrix-layouts --example measure -- go /usr/lib/go-1.21/bin/go
//!
//! Each argument is a go command. Its release's table is written anew: `tables/go1.27.txt` of Go 1.27.3.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use heapmatrix_layouts::{Dwarf, measured};
use heapmatrix_writer::AnyTarget;

/// A program that has all of the runtime that a dump needs.
const PROGRAM: &str = r#"package main

import (
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
)

type T struct{ p *int }

func (t *T) Method(int) {}

func main() {
	runtime.SetFinalizer(new(T), func(*T) {})
	reflect.ValueOf(new(T)).Method(0).Interface().(func(int))(1)
	debug.WriteHeapDump(os.Stdout.Fd())
}
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("tables");
    let work = env::temp_dir().join(format!("measure-{}", std::process::id()));
    fs::create_dir_all(&work)?;
    for go in env::args().skip(1) {
        measure(&go, &tables, &work)?;
    }
    Ok(fs::remove_dir_all(work)?)
}

fn measure(go: &str, tables: &Path, work: &Path) -> Result<(), Box<dyn Error>> {
    let version = Command::new(go).args(["env", "GOVERSION"]).output()?.stdout;
    let version = String::from_utf8(version)?.trim().to_owned();
    let release: Vec<_> = version.splitn(3, '.').take(2).collect();
    fs::write(work.join("main.go"), PROGRAM)?;
    fs::write(
        work.join("go.mod"),
        format!("module measure\n\n{}\n", release.join(".").replace("go", "go ")),
    )?;

    // Which machines have a row.
    let mut rows: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for target in AnyTarget::ALL {
        let build = Command::new(go)
            .args(["build", "-o", "program", "."])
            .envs([("GOOS", "linux"), ("GOARCH", target.goarch()), ("CGO_ENABLED", "0"), ("GOFLAGS", "")])
            .envs([("GOTOOLCHAIN", "local"), ("GOWORK", "off")])
            .current_dir(work)
            .output()?;
        if !build.status.success() {
            eprintln!(
                "{version}: no {target}: {}",
                String::from_utf8_lossy(&build.stderr).lines().next().unwrap_or("")
            );
            continue;
        }
        for row in measured::rows(&Dwarf::read(&fs::read(work.join("program"))?)?, *target)? {
            rows.entry(row).or_default().insert(target.goarch());
        }
    }

    // Rows of the same machines together.
    let mut groups: BTreeMap<Vec<&str>, Vec<&str>> = BTreeMap::new();
    for (row, machines) in &rows {
        groups.entry(machines.iter().copied().collect()).or_default().push(row);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(machines, _)| (std::cmp::Reverse(machines.len()), machines.clone()));
    let mut table =
        format!("# As {version} has it: offsets and sizes in bytes. Made by examples/measure.rs.\n");
    for (machines, rows) in groups {
        table += &format!("{}\n", machines.join(" "));
        rows.iter().for_each(|row| table += &format!(" {row}\n"));
    }
    let path = tables.join(format!("{}.txt", release.join(".")));
    fs::write(&path, table)?;
    println!("{}: {} lines", path.display(), rows.len());
    Ok(())
}
