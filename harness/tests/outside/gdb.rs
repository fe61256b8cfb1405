//! gdb: its core files, and what it and Delve make of those that `exec --core` writes.

use std::fs;
use std::process::Command;

use heapmatrix_emu::machine::AnyTarget;

use crate::{busy, go, has, has_version, heapmatrix, ok, same_but_for_tmpbuf, toolchains};

/// What gdb prints for some commands.
fn gdb(tool: &str, args: &[&str], commands: &[&str]) -> String {
    let mut command = Command::new(tool);
    command.args(["-nx", "-batch"]);
    for one in ["set debuginfod enabled off", "set auto-load safe-path /"].iter().chain(commands) {
        command.args(["-ex", one]);
    }
    let output = command.args(args).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A process that gdb stops where it is about to dump itself, and whose core gdb takes: the dump is the one that it then
/// writes, with its other threads still.
#[test]
fn gcore_of_a_process_gives_its_own_dump() {
    if !has("gdb") || !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return;
    }
    for go in toolchains() {
        let program = go::Program::build_with(&go, "../corpora/real/guest", "amd64", &[]);
        let [core, dump, own] = ["core", "dump", "own.dump"].map(|name| program.file(name));
        let said = gdb(
            "gdb",
            &["--args", program.path(), &own],
            &[
                "set startup-with-shell off",
                "set environment GOMAXPROCS 1",
                "handle all nostop noprint pass",
                "handle SIGTRAP stop nopass",
                "break runtime.dumpparams",
                "run",
                &format!("gcore {core}"),
                "set scheduler-locking on",
                "delete",
                "break runtime.casgstatus",
                "continue",
                "kill",
            ],
        );
        assert!(fs::exists(&core).unwrap(), "{}: {said}", go.display());
        ok(&["dump", &core, "--dialect", "go1.7-exact", "-o", &dump]);
        same_but_for_tmpbuf(
            &fs::read(&dump).unwrap(),
            &fs::read(&own).unwrap(),
            8,
            &go.display().to_string(),
        );
    }
}

/// gdb opens core files of emulated programs: their threads, and where these stand.
fn gdb_opens_the_core_of_an_emulated_program(target: AnyTarget) {
    if !has("gdb-multiarch") {
        return;
    }
    let arch = target.goarch();
    for go in toolchains().into_iter().take(1) {
        let program = busy(&go, arch);
        let core = program.file("core");
        let at = ["--core", &core, "--at", "runtime.gcStart", "--max-instructions", "60000000"];
        // The program never ends by itself.
        let _ = heapmatrix(&[&["exec", "--cpus", "2"], &at[..], &[program.path()]].concat());
        let said = gdb(
            "gdb-multiarch",
            &[program.path(), &core],
            &["info threads", "backtrace 3", "info registers pc"],
        );
        assert!(said.contains("LWP 1000") && said.contains("LWP 1001"), "{arch}: {said}");
        assert!(said.contains("#0  runtime.gcStart"), "{arch}: {said}");
        assert!(said.contains("#1  "), "{arch}: {said}");
    }
}

heapmatrix_emu::each_engine!(gdb_opens_the_core_of_an_emulated_program);

/// Delve opens core files of emulated programs of the machines that it knows: threads, and goroutines with their stacks.
#[test]
fn delve_opens_the_core_of_an_emulated_program() {
    if !has_version("dlv", "version") {
        return;
    }
    for go in toolchains().into_iter().take(1) {
        for arch in ["amd64", "arm64"] {
            let program = busy(&go, arch);
            let [core, commands] = ["core", "commands"].map(|name| program.file(name));
            let crash =
                ["--env", "GOTRACEBACK=crash", "--cpus", "2", "--core", &core, program.path(), "crash"];
            let _ = heapmatrix(&[&["exec"], &crash[..]].concat());
            fs::write(&commands, "threads\ngoroutines\nprint main.made\ngoroutine 1 bt\nexit\n").unwrap();
            let mut dlv = Command::new("dlv");
            dlv.args(["core", program.path(), &core, "--init", &commands, "--check-go-version=false"]);
            // Its settings are a file of the user's.
            dlv.arg("--allow-non-terminal-interactive=true").env("XDG_CONFIG_HOME", program.dir.path());
            let output = dlv.output().unwrap();
            let said = format!("{}{}", crate::stdout(&output), crate::stderr(&output));
            let wanted = [
                "Thread 1000",
                "Thread 1001",
                "Goroutine 1 ",
                "busy/main.go:",
                "[6]uintptr [",
                "runtime.raise",
            ];
            for what in wanted {
                assert!(said.contains(what), "{arch}: no {what}: {said}");
            }
        }
    }
}
