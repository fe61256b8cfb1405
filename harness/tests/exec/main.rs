//! `heapmatrix exec`, with real Go programs where there are any.
//!
//! Two things outside this repository switch tests on, and a test that finds its own missing says that it
//! has not run: a Go toolchain of the distribution, and a folder of Go 1.5 programs named by
//! `HEAPMATRIX_GO15_GUESTS` (files `<name>-<arch>`, each of which dumps its heap into the file that its
//! first argument names). `HEAPMATRIX_GO` names folders of further toolchains, separated as in `PATH`.

mod commands;
mod dumps;
mod files;
mod go;
mod go15;
#[cfg(target_os = "linux")]
mod leaving;
mod sqlite;
mod today;
mod toolchains;
mod transliteration;

use std::process::{Command, Output};

use heapmatrix_emu::machine::Machine;

/// The names of all machines.
fn architectures() -> impl Iterator<Item = &'static str> {
    Machine::ALL.iter().map(|target| target.goarch())
}

fn heapmatrix(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_heapmatrix")).arg("exec").args(args).output().expect("heapmatrix runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_is_no_program_is_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("text");
    std::fs::write(&text, "#!/bin/sh\n").unwrap();
    let text = text.to_str().unwrap();
    for (args, says) in [
        (&["/no/such/program"][..], "cannot read /no/such/program"),
        (&["/"], "cannot read /"),
        (&[text], "not an ELF file"),
        (&["--arch", "vax", text], "not an ELF file"),
        (&["--env", "=x", text], "NAME=value"),
        (&["--cpus", "0", text], "--cpus"),
        (&["--mount", "/no/such/folder", text], "/no/such/folder is not there"),
        (&["--no-such-option", text], "--no-such-option"),
        (&["--dialect", "go1.6", text], "go1.5-exact"),
        (&["--trace", "all", text], "syscalls"),
        (&[], "PROGRAM"),
    ] {
        let output = heapmatrix(args);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
        assert!(message.contains(says) && message.trim_end().lines().count() == 1, "{args:?}: {message}");
    }
}
