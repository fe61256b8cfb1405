//! Programs of Go 1.5, whose dumps from outside are held against their own.

use std::path::PathBuf;

use serde_json::Value;

use crate::{architectures, heapmatrix, stderr};

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
