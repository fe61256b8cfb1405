//! `heapmatrix check-go` as a user calls it.

use std::process::{Command, Output};

use serde_json::Value;

use crate::each_toolchain;
use crate::parts::whole_and_in_parts;
use crate::toolchains::toolchains;

fn check_go(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_heapmatrix"))
        .arg("check-go")
        .args(args)
        .output()
        .expect("heapmatrix runs")
}

#[test]
fn wrong_arguments_are_told_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let world = dir.path().join("world.json");
    std::fs::write(&world, r#"{"objects":[],"held":[3],"goroutines":[],"finalizers":[],"queued":0,"profile":false,"collections":0}"#)
        .unwrap();
    // What commands of old releases say.
    let go = |name: &str, script: &str| {
        use std::os::unix::fs::PermissionsExt;
        let file = dir.path().join(name);
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let old = go("go1.18", "echo go1.18.10");
    let ancient = go("go1.5", "case $1 in env) echo;; *) echo go version go1.5.4 linux/amd64;; esac");
    let (dir, world) = (dir.path().to_str().unwrap(), world.to_str().unwrap());
    for (args, says) in [
        (&[][..], "--go"),
        (&["--go", "/no/such/go"], "cannot run /no/such/go: "),
        (&["--go", dir], "name a go command, or the folder of a toolchain"),
        (&["--go", "/bin/true"], "/bin/true is no go command"),
        (&["--go", "/bin/false"], "/bin/false is no go command"),
        (&["--go", "go", "--arch", "vax"], "no such machine: choose from amd64, 386, arm"),
        (&["--go", "go", "--worlds", "0"], "--worlds"),
        (&["--go", "go", "--seed", "x"], "expected a number"),
        (&["--go", "go", "--world", "/no/such/world"], "cannot read /no/such/world"),
        (&["--go", "go", "--world", "/etc/hostname"], "/etc/hostname is no world: "),
        (&["--go", "go", "--world", world], "is no world: held is object 3, and there are 0"),
        (&["--go", "go", "--world", world, "--seed", "1"], "cannot be used with"),
        (&["--go", "go", "--shrink", "/dev/null/x"], "cannot write /dev/null/x"),
        (&["--go", &old], "is go1.18.10: worlds need Go 1.19 or a newer one"),
        (&["--go", &ancient], "is go1.5.4 linux/amd64: worlds need Go 1.19 or a newer one"),
        (&["--go", "go", "--out", "/dev/null/x"], "cannot write to /dev/null/x"),
    ] {
        let output = check_go(args);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
        assert!(message.contains(says) && message.trim_end().lines().count() == 1, "{args:?}: {message}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_report_says_what_was_checked_and_what_is_known() {
    each_toolchain(|toolchain| {
        let go = toolchain.go.to_str().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().to_str().unwrap();
        let args = ["--go", go, "--arch", "386,mips", "--worlds", "2", "--seed", "9"];
        let json = check_go(&[&args[..], &["--json", "--out", out]].concat());
        assert_eq!(json.status.code(), Some(0), "{}", String::from_utf8_lossy(&json.stderr));
        let report: Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!((&report["ok"], &report["go"]), (&true.into(), &toolchain.version.as_str().into()));
        let arches = report["arches"].as_array().unwrap();
        assert_eq!(arches.len(), 2);
        assert!(
            arches.iter().all(|arch| arch["passed"] == 2 && arch["records"]["object"].as_u64() > Some(100))
        );
        // Every release since Go 1.7 names such types so.
        let known = &report["known"]["pointer-type-name"];
        assert_eq!((&known["since"], &known["dumps"]), (&7.into(), &4.into()), "{report:#}");

        // What was kept is the same again, as text, and without a world of a seed.
        let world = dir.path().join("world-9.json");
        assert!(
            dir.path().join("world-9-mips.dump").is_file() && dir.path().join("world-10-386.dump").is_file()
        );
        let text = check_go(&["--go", go, "--arch", "mips", "--world", world.to_str().unwrap()]);
        let text = String::from_utf8_lossy(&text.stdout).into_owned();
        assert!(text.contains("known since go1.7: pointer-type-name, 1 time in 1 dump. "), "{text}");
        assert!(
            text.ends_with(&format!("{}: 1 world on 1 machine, every dump is right\n", toolchain.version)),
            "{text}"
        );
    });
}

/// A world is in one part, on all machines: these are compared with each other.
#[test]
fn a_check_in_parts_gives_the_report_of_the_whole() {
    let Some(go) = toolchains().into_iter().next() else { return };
    let args = ["check-go", "--go", go.to_str().unwrap(), "--arch", "386,mips", "--worlds", "4"];
    let report = whole_and_in_parts(&args, &[]);
    assert_eq!((&report["command"], &report["worlds"]), (&"check-go".into(), &4.into()));
    assert!(report["arches"].as_array().unwrap().iter().all(|arch| arch["passed"] == 4), "{report:#}");
}
