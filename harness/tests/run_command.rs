//! `heapmatrix run` and `heapmatrix dump` as a user calls them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use heapmatrix_emu::world::World;
use heapmatrix_reader::{Dump, Kind};
use serde_json::Value;

fn heapmatrix(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_heapmatrix")).args(args).output().unwrap()
}

/// The report of a run that succeeds.
fn run(args: &[&str]) -> Value {
    let output = heapmatrix(&[&["run", "--json"], args].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "progress must not show where there is no terminal");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The files of a directory, by name.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| (path.file_name().unwrap().to_string_lossy().into(), fs::read(&path).unwrap()))
        .collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_whatever_the_number_of_jobs() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for (dir, jobs) in dirs.iter().zip(["1", "3"]) {
        run(&["--worlds", "6", "--seed", "40", "--jobs", jobs, "--out", dir.path().to_str().unwrap()]);
    }
    let [alone, together] = dirs.map(|dir| files(dir.path()));
    assert_eq!(alone.keys().collect::<Vec<_>>(), together.keys().collect::<Vec<_>>());
    assert_eq!(alone.len(), 6 * (1 + World::MACHINES.len()), "a world and its dumps for each seed");
    assert!(alone == together, "the bytes differ");

    // `dump` writes what `run` has checked, and a world's file is that world.
    let dump = heapmatrix(&["dump", "--arch", "ppc64", "--seed", "43", "-o", "-"]);
    assert_eq!(dump.status.code(), Some(0));
    assert!(dump.stdout == alone["world-43-ppc64.dump"], "the dump differs from the run's");
    let world: World = serde_json::from_slice(&alone["world-43.json"]).unwrap();
    assert_eq!(world, heapmatrix::matrix::world(43));
}

#[test]
fn a_default_run_shows_every_kind_of_record_on_every_machine() {
    let report = run(&[]);
    assert_eq!((&report["ok"], &report["worlds"], &report["seed"]), (&true.into(), &100.into(), &1.into()));
    let arches = report["arches"].as_array().unwrap();
    let names: Vec<&str> = arches.iter().map(|arch| arch["arch"].as_str().unwrap()).collect();
    assert!(names.iter().copied().eq(World::MACHINES.iter().map(|target| target.goarch())), "{names:?}");
    for arch in arches {
        assert_eq!(
            (&arch["worlds"], &arch["passed"], &arch["failed"]),
            (&100.into(), &100.into(), &0.into())
        );
        for figure in ["objects", "frames", "dump_bytes", "instructions", "seconds"] {
            assert!(arch[figure].as_f64().unwrap() > 0.0, "{figure} of {}", arch["arch"]);
        }
        // Go 1.5 has a record for other roots, and never writes it.
        for kind in Kind::ALL.into_iter().filter(|&kind| kind != Kind::OtherRoot) {
            assert!(arch["kinds"][kind.name()].as_u64() > Some(0), "no {kind} on {}", arch["arch"]);
        }
    }
}

#[test]
fn parameters_begin_as_each_machine_writes_them() {
    for target in World::MACHINES {
        let arch = target.goarch();
        let bytes = heapmatrix(&["dump", "--arch", arch, "-o", "-"]).stdout;
        let header = b"go1.5 heap dump\n";
        assert_eq!(&bytes[..header.len()], header);
        let start = [6, u8::from(target.big_endian()), target.ptr_size() as u8];
        assert_eq!(bytes[header.len()..][..3], start, "{arch}");
        assert_eq!(Dump::new(&bytes).unwrap().params().goarch(), Some(arch.into()));
    }
}

#[test]
fn without_a_command_all_of_them_are_listed() {
    let output = heapmatrix(&[]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    for command in ["run", "dump", "inspect", "print", "verify", "salvage", "exec", "corpus"] {
        assert!(message.contains(&format!("\n  {command} ")), "{command}: {message}");
    }
    assert!(output.stdout.is_empty());
}

#[test]
fn wrong_arguments_are_told_in_one_line() {
    for (args, part) in [
        (&["run", "--arch", "vax"][..], "no worlds on this architecture"),
        (&["run", "--arch", "loong64"], "no worlds on this architecture"),
        (&["run", "--worlds", "0"], "--worlds"),
        (&["run", "--jobs", "0"], "--jobs"),
        (&["run", "--out", "/proc/nowhere"], "cannot write to /proc/nowhere"),
        (&["dump", "--arch", "arm", "-o", "/proc/nowhere/x"], "cannot write /proc/nowhere/x"),
        (&["dump", "--arch", "arm"], "--output"),
        (&["dump", "--arch", "arm", "--dialect", "go1.6", "-o", "-"], "unknown dialect"),
        (&["frobnicate"], "frobnicate"),
    ] {
        let output = heapmatrix(args);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
        assert_eq!(message.lines().count(), 1, "{args:?}: {message}");
        assert!(message.contains(part), "{args:?}: {message}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}
