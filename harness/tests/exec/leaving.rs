//! A program that Go's own dump ends: what remains of it is dumped from outside.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use heapmatrix_reader::{Dump, Record, laws};

use crate::go::Program;
use crate::stderr;
use crate::toolchains::toolchains;

/// `SIGABRT`.
const ABORTED: i32 = 6;

/// This machine's name for Go, if it is one of those that are dumped.
fn host() -> Option<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Some("amd64"),
        "x86" => Some("386"),
        "aarch64" => Some("arm64"),
        _ => None,
    }
}

/// Whether a toolchain's runtime throws on a goroutine that leaves a system call.
fn throws(go: &Path) -> bool {
    let version = Command::new(go).arg("version").output().map(|o| o.stdout).unwrap_or_default();
    let version = String::from_utf8_lossy(&version).into_owned();
    ["go1.26.", "go1.27."].iter().any(|release| version.contains(release))
}

/// Dumps what a toolchain's program leaves behind when it dies of its own dump. Gives the reason if it leaves nothing.
fn dies_and_is_dumped(go: &Path, arch: &str) -> Result<(), String> {
    let program = Program::build_with(go, "tests/exec/leaving", arch, &[]);
    let output = Command::new("sh")
        .args(["-c", "ulimit -c unlimited 2>/dev/null; exec ./guest"])
        .current_dir(program.dir.path())
        .env("GOTRACEBACK", "crash")
        .output()
        .map_err(|error| format!("no shell: {error}"))?;
    let says = stderr(&output);
    if output.status.success() {
        return Err("no goroutine was just leaving a system call in 30 seconds".to_owned());
    }
    assert!(says.contains("dumpgs in STW - bad status"), "{says}");
    assert_eq!(output.status.signal(), Some(ABORTED), "{says}");
    let core = std::fs::read_dir(program.dir.path()).unwrap().flatten().map(|entry| entry.path());
    let is_core = |path: &std::path::PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("core"))
    };
    let Some(core) = core.into_iter().find(is_core) else {
        return Err("the system leaves no core file in the working folder (kernel.core_pattern)".to_owned());
    };
    let file = program.file("dead.dump");
    let output = Command::new(env!("CARGO_BIN_EXE_heapmatrix"))
        .args(["dump", "-o", &file])
        .arg(core)
        .output()
        .expect("heapmatrix runs");
    assert!(output.status.success(), "{}", stderr(&output));
    let dump = std::fs::read(file).unwrap();
    laws::check(&dump, |violation| panic!("{violation}"));
    let records = Dump::new(&dump).unwrap().records().map(|record| record.unwrap().1);
    // main, and eight that sleep; the runtime's own are beside them.
    let goroutines = records.filter(|record| matches!(record, Record::Goroutine(g) if !g.is_system)).count();
    assert_eq!(goroutines, 9);
    Ok(())
}

#[test]
fn what_its_own_dump_kills_is_dumped_from_outside() {
    let toolchains = toolchains();
    let those: Vec<_> = toolchains.iter().filter(|go| throws(go)).collect();
    match host() {
        None => eprintln!("NOT RUN: programs of this machine cannot be dumped"),
        Some(_) if those.is_empty() => {
            eprintln!(
                "NOT RUN: no toolchain is of Go 1.26 or 1.27, whose dump throws; HEAPMATRIX_GO names more"
            );
        }
        Some(arch) => those.iter().for_each(|go| match dies_and_is_dumped(go, arch) {
            Ok(()) => eprintln!("{}: dies of its own dump, and is dumped", go.display()),
            Err(why) => eprintln!("NOT RUN: {}: {why}", go.display()),
        }),
    }
}
