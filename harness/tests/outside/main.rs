//! Processes that are dumped from outside, wherever they stand: their core files, and while they run.
//!
//! Tests need Go, and some gdb, QEMU or a Linux of amd64. One that lacks what it needs says that it has not run, and why.

mod cores;
mod gdb;
#[path = "../exec/go.rs"]
mod go;
mod heap;
mod live;
mod moments;
mod qemu;
mod rights;
#[path = "../exec/toolchains.rs"]
mod toolchains;

use std::path::Path;
use std::process::{Command, Output};

fn heapmatrix(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_heapmatrix")).args(args).output().expect("heapmatrix runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs the command, which succeeds, and returns what it prints.
fn ok(args: &[&str]) -> String {
    let output = heapmatrix(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
    stdout(&output)
}

/// The command's error, in one line.
fn refused(args: &[&str]) -> String {
    let output = heapmatrix(args);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
    assert_eq!(message.trim_end().lines().count(), 1, "{args:?}: {message}");
    message
}

/// Whether a tool is installed; says so if not.
fn has(tool: &str) -> bool {
    has_version(tool, "--version")
}

/// The same of one that is asked for its version in its own way.
fn has_version(tool: &str, version: &str) -> bool {
    let there = Command::new(tool).arg(version).output().is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("NOT RUN: {tool} is not installed");
    }
    there
}

/// The toolchains that there are; says so if there are none.
fn toolchains() -> Vec<std::path::PathBuf> {
    let toolchains = toolchains::toolchains();
    if toolchains.is_empty() {
        eprintln!("NOT RUN: no Go toolchain is installed (Debian: golang-go), and HEAPMATRIX_GO names none");
    }
    toolchains
}

/// The busy program, built by a toolchain for an architecture.
fn busy(go: &Path, arch: &str) -> go::Program {
    go::Program::build_with(go, "tests/outside/busy", arch, &[])
}

/// Makes sure that a dump obeys the laws.
fn sound(dump: &[u8], what: &str) {
    heapmatrix_reader::laws::check(dump, |violation| panic!("{what}: {violation}"));
}

/// Bytes that differ are all in one place as large as a slice's header: the dumper's own `tmpbuf`, which the program has the
/// kernel allocate while it dumps itself.
fn same_but_for_tmpbuf(a: &[u8], b: &[u8], word: usize, what: &str) {
    assert_eq!(a.len(), b.len(), "{what}");
    let different: Vec<usize> =
        a.iter().zip(b).enumerate().filter(|(_, (a, b))| a != b).map(|(at, _)| at).collect();
    if let (Some(first), Some(last)) = (different.first(), different.last()) {
        assert!(last - first < 3 * word, "{what}: bytes {first} to {last} differ");
    }
}
