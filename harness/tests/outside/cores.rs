//! Core files that `exec --core` writes, of every machine; and core files that are none.

use std::fs;

use heapmatrix_emu::machine::AnyTarget;

use crate::{busy, go, has, ok, refused, same_but_for_tmpbuf, sound, stderr, toolchains};

/// A core file of a process that is about to dump itself gives the dump that it then writes: which `--compare` shows to be
/// the one that `exec` takes from outside.
fn a_core_gives_the_programs_own_dump(target: AnyTarget) {
    let arch = target.goarch();
    for go in toolchains() {
        let program = go::Program::build_with(&go, "../corpora/real/guest", arch, &[]);
        let what = format!("{} for {arch}", go.display());
        let [core, outside, dump] = ["core", "outside", "dump"].map(|name| program.file(name));
        let take = ["exec", "--dump", &outside, "--core", &core, "--at", "runtime.dumpparams"];
        let identical = ok(&[&take[..], &["--compare", program.path(), "own"]].concat());
        assert!(identical.contains("dump 1: identical"), "{what}: {identical}");
        ok(&["dump", &core, "--dialect", "go1.7-exact", "-o", &dump]);
        let word = target.ptr_size() as usize;
        same_but_for_tmpbuf(&fs::read(&dump).unwrap(), &fs::read(&outside).unwrap(), word, &what);
        // What the format means, with the core file compressed, and its program named.
        let packed = zstd::encode_all(&fs::read(&core).unwrap()[..], 1).unwrap();
        fs::write(&core, packed).unwrap();
        ok(&["dump", &core, "--exe", program.path(), "-o", &dump]);
        ok(&["exec", "--dump", &outside, program.path(), "own"]);
        assert!(fs::read(&dump).unwrap() == fs::read(&outside).unwrap(), "{what}");
    }
}

/// The same of programs of Go 1.5, which no system has any more: `HEAPMATRIX_GO15_GUESTS` is a folder of them (see `exec`'s tests).
#[test]
fn a_core_of_go_1_5_gives_the_programs_own_dump() {
    let Some(folder) = std::env::var_os("HEAPMATRIX_GO15_GUESTS") else {
        eprintln!("NOT RUN: HEAPMATRIX_GO15_GUESTS names no folder of Go 1.5 programs");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let [core, outside, dump] =
        ["core", "outside", "dump"].map(|name| dir.path().join(name).display().to_string());
    let mut compared = 0;
    for program in fs::read_dir(folder).unwrap() {
        let program = program.unwrap().path().display().to_string();
        let Some((_, arch)) = program.rsplit_once('-') else { continue };
        let Ok(target) = arch.parse::<AnyTarget>() else { continue };
        let take = ["exec", "--dump", &outside, "--core", &core, "--at", "runtime.dumpparams"];
        let identical = ok(&[&take[..], &["--compare", &program, "own"]].concat());
        assert!(identical.contains("dump 1: identical"), "{program}: {identical}");
        ok(&["dump", &core, "--dialect", "go1.5-exact", "-o", &dump]);
        let word = target.ptr_size() as usize;
        same_but_for_tmpbuf(&fs::read(&dump).unwrap(), &fs::read(&outside).unwrap(), word, &program);
        compared += 1;
    }
    assert!(compared > 0, "HEAPMATRIX_GO15_GUESTS has no files <name>-<arch>");
}

/// A program that crashes leaves a core file, of which a sound dump is made.
fn a_crashed_program_is_dumped(target: AnyTarget) {
    let arch = target.goarch();
    for go in toolchains() {
        let program = busy(&go, arch);
        let [core, dump] = ["core", "dump"].map(|name| program.file(name));
        let args =
            ["exec", "--env", "GOTRACEBACK=crash", "--cpus", "2", "--core", &core, program.path(), "crash"];
        let crashed = crate::heapmatrix(&args);
        assert_eq!(crashed.status.code(), Some(128 + 6), "{arch}: {}", stderr(&crashed));
        let report: serde_json::Value =
            serde_json::from_str(&ok(&["dump", &core, "-o", &dump, "--json"])).unwrap();
        assert_eq!((&report["arch"], &report["not_unwound"]), (&arch.into(), &0.into()), "{report}");
        assert!(report["goroutines"].as_u64().unwrap() > 6, "{report}");
        sound(&fs::read(&dump).unwrap(), &format!("{} for {arch}", go.display()));
    }
}

heapmatrix_emu::each_engine!(a_core_gives_the_programs_own_dump, a_crashed_program_is_dumped);

#[test]
fn what_is_no_core_of_a_go_program_is_refused() {
    let Some(program) = go::Program::build("../corpora/real/guest", "arm") else { return };
    let other = go::Program::build("tests/exec/guest", "arm").expect("there is a toolchain");
    let foreign = go::Program::build("../corpora/real/guest", "amd64").expect("there is a toolchain");
    let [core, cut, text, dump] = ["core", "cut", "text", "dump"].map(|name| program.file(name));
    ok(&["exec", "--core", &core, "--at", "runtime.dumpparams", program.path(), "dump"]);
    let whole = fs::read(&core).unwrap();
    fs::write(&cut, &whole[..whole.len() - 1]).unwrap();
    fs::write(&text, "not a core file\n").unwrap();
    for (args, says) in [
        (&[cut.as_str()][..], "the core file is cut: "),
        (&[&text], "not an ELF file"),
        (&[program.path()], "an executable, not a core file"),
        (&[&core, "--exe", other.path()], "is not of this program"),
        (&[&core, "--exe", foreign.path()], "the program is for amd64, and the core file is of arm"),
        (&[&core, "--exe", &text], "not an ELF file"),
        (&[&core, "--exe", &core], "not an executable"),
        (&["/no/such/core"], "cannot read /no/such/core"),
        (&[&core, "--exe", "/no/such/program"], "cannot read /no/such/program"),
        (&[&core, "--dialect", "go1.5"], "its dialects are go1.7 and go1.7-exact, not go1.5"),
        (&[&core, "--pid", "1"], "cannot be used with"),
        (&[], "required arguments were not provided"),
    ] {
        let message = refused(&[&["dump"], args, &["-o", &dump]].concat());
        assert!(message.contains(says), "{args:?}: {message}");
        assert!(!fs::exists(&dump).unwrap(), "{args:?}");
    }
    // Every part of the file is damaged in some way: that is an error or a dump, and never a panic.
    for at in (0..whole.len()).step_by(whole.len() / 60) {
        let mut damaged = whole.clone();
        damaged[at..].iter_mut().take(64).for_each(|byte| *byte ^= 0x5a);
        fs::write(&core, damaged).unwrap();
        let output = crate::heapmatrix(&["dump", &core, "-o", &dump]);
        assert!(matches!(output.status.code(), Some(0 | 2)), "damage at {at}: {}", stderr(&output));
        assert!(stderr(&output).lines().count() <= 1, "damage at {at}: {}", stderr(&output));
    }
}

#[test]
fn a_program_that_is_not_gos_is_told() {
    if !has("gcc") || !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let [source, program, dump] =
        ["main.c", "program", "dump"].map(|name| dir.path().join(name).display().to_string());
    fs::write(&source, "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n").unwrap();
    assert!(std::process::Command::new("gcc").args(["-o", &program, &source]).status().unwrap().success());
    let mut child = std::process::Command::new(&program).spawn().unwrap();
    let message = refused(&["dump", "--pid", &child.id().to_string(), "-o", &dump]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(message.contains("not a Go program"), "{message}");
}
