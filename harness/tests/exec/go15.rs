//! Programs of Go 1.5, whose dumps from outside are held against their own.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::toolchains::toolchains;
use crate::{architectures, heapmatrix, stderr, stdout};

#[test]
fn a_dump_from_outside_is_the_programs_own_byte_for_byte() {
    let Some(folder) = std::env::var_os("HEAPMATRIX_GO15_GUESTS") else {
        eprintln!("NOT RUN: HEAPMATRIX_GO15_GUESTS names no folder of Go 1.5 programs");
        return;
    };
    let mut programs: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    programs.retain(|p| architectures().any(|arch| p.to_string_lossy().ends_with(&format!("-{arch}"))));
    programs.sort();
    assert!(!programs.is_empty(), "HEAPMATRIX_GO15_GUESTS has no files <name>-<arch>");
    for program in programs {
        for cpus in ["1", "4"] {
            let program = program.to_str().unwrap();
            let args = ["--json", "--cpus", cpus, "--compare", program, "own.dump"];
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

/// Whether a toolchain is of Go 1.5.
fn is_go15(go: &Path) -> bool {
    let version = Command::new(go).arg("version").output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&version).contains("go1.5")
}

/// A program whose dump depends on the dialect is compared in the one in which the two can be equal.
#[test]
fn a_comparison_without_a_dialect_is_an_exact_one() {
    let Some(go) = toolchains().into_iter().find(|go| is_go15(go)) else {
        eprintln!("NOT RUN: HEAPMATRIX_GO names no toolchain of Go 1.5");
        return;
    };
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exec/unstarted/main.go");
    for arch in ["amd64", "386", "arm", "ppc64"] {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("guest");
        let mut build = Command::new(&go);
        build.args(["build", "-o"]).arg(&program).arg(&source);
        // A Go of that age looks for itself where it was made.
        build.env("GOROOT", go.parent().and_then(Path::parent).unwrap());
        build.envs([("GOOS", "linux"), ("GOARCH", arch), ("CGO_ENABLED", "0"), ("GOPATH", "")]);
        let built = build.output().unwrap();
        assert!(built.status.success(), "{arch}: {}", stderr(&built));
        let program = program.to_str().unwrap();
        let compared = |dialect: &[&str]| heapmatrix(&[&["--compare"], dialect, &[program]].concat());
        let exact = compared(&[]);
        assert!(
            stdout(&exact).starts_with("dump 1: identical"),
            "{arch}: {}{}",
            stdout(&exact),
            stderr(&exact)
        );
        assert_eq!(exact.status.code(), Some(0), "{arch}");
        let other = compared(&["--dialect", "go1.5"]);
        assert_eq!(other.status.code(), Some(1), "{arch}: no dialect would do as well: {}", stdout(&other));
    }
}
