//! `heapmatrix exec`, with real Go programs where there are any.
//!
//! Two things outside this repository switch tests on, and a test that finds its own missing says that it
//! has not run: a Go toolchain of the distribution, and a folder of Go 1.5 programs named by
//! `HEAPMATRIX_GO15_GUESTS` (files `<name>-<arch>`, each of which dumps its heap into the file that its
//! first argument names).

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use heapmatrix_reader::{Dump, Kind, laws};
use serde_json::Value;

const ARCHITECTURES: [&str; 4] = ["amd64", "386", "arm", "ppc64"];

fn heapmatrix(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_heapmatrix")).arg("exec").args(args).output().expect("heapmatrix runs")
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
        (&[text], "not an ELF file"),
        (&["--arch", "vax", text], "not an ELF file"),
        (&["--env", "=x", text], "NAME=value"),
        (&["--cpus", "0", text], "--cpus"),
        (&["--mount", "/no/such/folder", text], "/no/such/folder is not there"),
        (&[], "PROGRAM"),
    ] {
        let output = heapmatrix(args);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
        assert!(message.contains(says) && message.trim_end().lines().count() == 1, "{args:?}: {message}");
    }
}

/// The first Go toolchain that there is.
fn go() -> Option<PathBuf> {
    let debian =
        std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|e| e.path().join("bin/go"));
    let candidates = debian.filter(|p| p.to_string_lossy().contains("/go-"));
    let works = |go: &PathBuf| Command::new(go).arg("version").output().is_ok_and(|o| o.status.success());
    std::iter::once(PathBuf::from("go")).chain(candidates).find(works)
}

/// Builds the guest of `corpora/real` with what is installed, whatever the environment says about others.
fn build(go: &Path, arch: &str, dir: &Path) -> PathBuf {
    let program = dir.join(format!("guest-{arch}"));
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpora/real/guest");
    let output = Command::new(go)
        .current_dir(guest)
        .args(["build", "-trimpath", "-buildvcs=false", "-o"])
        .arg(&program)
        .arg(".")
        .envs([("GOOS", "linux"), ("GOARCH", arch), ("CGO_ENABLED", "0"), ("GOFLAGS", ""), ("GOWORK", "off")])
        .envs([("GOTOOLCHAIN", "local"), ("GOPROXY", "off")])
        .output()
        .expect("go runs");
    assert!(output.status.success(), "go build for {arch}: {}", stderr(&output));
    program
}

#[test]
fn programs_of_an_installed_go_dump_themselves() {
    let Some(go) = go() else {
        eprintln!("NOT RUN: no Go toolchain is installed (Debian: golang-go)");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    for arch in ARCHITECTURES {
        let program = build(&go, arch, dir.path());
        let kept = dir.path().join(format!("{arch}.dump"));
        let args = [
            "--json",
            "--arch",
            arch,
            "--capture",
            kept.to_str().unwrap(),
            program.to_str().unwrap(),
            "dump",
        ];
        let (first, second) = (heapmatrix(&args), heapmatrix(&args));
        assert_eq!(first.status.code(), Some(0), "{arch}: {}", stderr(&first));
        let report: Value = serde_json::from_slice(&first.stdout).unwrap();
        let again: Value = serde_json::from_slice(&second.stdout).unwrap();
        assert_eq!(report["instructions"], again["instructions"], "{arch}: every run is the same");
        assert_eq!(report["arch"], arch);

        let bytes = std::fs::read(&kept).unwrap();
        let dump = Dump::new(&bytes).unwrap();
        let mut encoded = dump.version().header().to_vec();
        let mut objects = 0;
        for record in dump.records() {
            let (_, record) = record.unwrap_or_else(|error| panic!("{arch}: {error}"));
            objects += u64::from(record.kind() == Kind::Object);
            record.write_to(&mut encoded).unwrap();
        }
        assert!(objects > 100, "{arch}: {objects} objects");
        assert_eq!(encoded, bytes, "{arch}: encoding what was read gives the same bytes");
        laws::check(&bytes, |violation| panic!("{arch}: {violation}"));

        let outside = heapmatrix(&["--compare", program.to_str().unwrap(), "dump"]);
        assert_eq!(outside.status.code(), Some(2), "{arch}: {}", stderr(&outside));
        assert!(stderr(&outside).contains("only Go 1.5's runtime"), "{arch}: {}", stderr(&outside));
    }
}

#[test]
fn a_dump_from_outside_is_the_programs_own_byte_for_byte() {
    let Some(folder) = std::env::var_os("HEAPMATRIX_GO15_GUESTS") else {
        eprintln!("NOT RUN: HEAPMATRIX_GO15_GUESTS names no folder of Go 1.5 programs");
        return;
    };
    let mut programs: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    programs.retain(|p| ARCHITECTURES.iter().any(|arch| p.to_string_lossy().ends_with(&format!("-{arch}"))));
    programs.sort();
    assert!(!programs.is_empty(), "HEAPMATRIX_GO15_GUESTS has no files <name>-<arch>");
    for program in programs {
        for cpus in ["1", "4"] {
            let program = program.to_str().unwrap();
            let args =
                ["--json", "--cpus", cpus, "--compare", "--dialect", "go1.5-exact", program, "own.dump"];
            let output = heapmatrix(&args);
            let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            let comparisons = report["comparisons"].as_array().map_or(&[][..], Vec::as_slice);
            let run = format!("{program} on {cpus} CPUs");
            assert!(!comparisons.is_empty(), "{run}: {}", stderr(&output));
            for comparison in comparisons {
                assert_eq!(comparison["identical"], true, "{run}: {comparison}");
                eprintln!("{run}: identical, {} bytes", comparison["bytes"]);
            }
            assert_eq!(output.status.code(), Some(0), "{run}: {}", stderr(&output));
        }
    }
}
