//! Options and limits, tried on a program of an installed Go.

use std::fs;

use heapmatrix_writer::AnyTarget;

use crate::go::Program;
use crate::{heapmatrix, stderr, stdout};

/// Runs the guest with options before it and arguments after it: the status, standard output, and
/// standard error.
fn run(program: &Program, options: &[&str], arguments: &[&str]) -> (i32, String, String) {
    let args = [options, &[program.path()], arguments].concat();
    let output = heapmatrix(&args);
    (output.status.code().unwrap(), stdout(&output), stderr(&output))
}

fn guest(arch: &str) -> Option<Program> {
    Program::build("tests/exec/guest", arch)
}

/// Programs end with their own status, and those that know no limits at the command's.
fn ends(target: AnyTarget) {
    let arch = target.goarch();
    let Some(guest) = guest(arch) else { return };
    assert_eq!(run(&guest, &["--arch", arch], &["exit"]), (3, String::new(), String::new()));
    let (status, _, err) = run(&guest, &[], &["panic"]);
    assert!(status == 2 && err.starts_with("panic: of its own"), "{status} {err}");
    let (status, _, err) = run(&guest, &[], &["kill"]);
    assert!(status == 128 + 9 && err.contains("killed by SIGKILL"), "{status} {err}");
    let (status, _, err) = run(&guest, &["--max-instructions", "20000000"], &["spin"]);
    assert!(status == 2 && err.contains("raise it with --max-instructions"), "{status} {err}");
    let (status, _, err) = run(&guest, &["--max-memory", "160"], &["eat"]);
    assert!(status == 2 && err.contains("raise it with --max-memory"), "{status} {err}");
    let (status, _, err) = run(&guest, &["--max-memory", "1"], &["exit"]);
    assert!(status == 2 && err.contains("raise it with --max-memory"), "{status} {err}");
}

heapmatrix_emu::each_engine!(ends);

#[test]
fn the_host_is_read_through_mounts_and_written_in_one_folder() {
    let Some(guest) = guest("amd64") else { return };
    let secret = guest.file("secret");
    fs::write(&secret, "of the host").unwrap();
    let read = |options: &[&str], path: &str| run(&guest, options, &["read", path]).1;
    assert!(read(&[], &secret).contains("no such file"));
    assert_eq!(read(&["--mount", &secret], &secret), "of the host <nil>\n");
    assert_eq!(read(&["--mount", &format!("{secret}:/given")], "/given"), "of the host <nil>\n");
    let folder = format!("{}:/given", guest.dir.path().display());
    assert_eq!(read(&["--mount", &folder], "/given/secret"), "of the host <nil>\n");

    let out = guest.file("out");
    let (_, answer, _) = run(&guest, &["--mount", &folder, "--out", &out], &["write", "/given/secret"]);
    assert!(answer.contains("read-only"), "{answer}");
    assert_eq!(fs::read_to_string(&secret).unwrap(), "of the host");
    assert_eq!(run(&guest, &["--cwd", "/", "--out", &out], &["write", "../../above"]).1, "<nil>\n");
    assert_eq!(fs::read_to_string(guest.file("out/above")).unwrap(), "written\n");
}

#[test]
fn programs_see_what_they_are_given_and_nothing_else() {
    let Some(guest) = guest("386") else { return };
    let options = ["--env", "A=b", "--env", "C=", "--cpus", "3"];
    let (_, shown, _) = run(&guest, &options, &["show", "--env", "-x"]);
    assert_eq!(shown, format!("[{} show --env -x] [A=b C=] 3\n", guest.path()));
    let (_, _, trace) = run(&guest, &["--trace", "syscalls"], &["exit"]);
    assert!(trace.lines().last().unwrap().contains("exit_group(0x3"), "{trace}");
}

#[test]
fn what_cannot_be_dumped_says_why() {
    let Some(guest) = guest("ppc64") else { return };
    for (options, says) in [
        (["--arch", "arm"], "is a program for ppc64, not for arm"),
        (["--dump", "x"], "never reached runtime.dumpparams (exit status 3)"),
        (["--compare", "--json"], "never reached runtime.dumpparams (exit status 3)"),
        (["--capture", "x"], "has written no heap dump into a file"),
        // Where goroutines run, and where nothing is that could be reached.
        (
            ["--dump=x", "--at=main.main"],
            "cannot dump the program at main.main: g.atomicstatus of the goroutine",
        ),
        (
            ["--dump=x", "--at=main.main"],
            "only while the world is stopped and all spans are swept, as in runtime.dumpparams",
        ),
        (["--dump=x", "--at=runtime.newobject"], "the process has no memory statistics"),
        (["--dump=x", "--at=runtime.gcSweep"], "never reached runtime.gcSweep (exit status 3)"),
        (["--dump=x", "--at=main.absent"], "the program has no symbol main.absent"),
        (["--compare", "--at=main.main"], "--compare cannot be combined with --at"),
    ] {
        let (status, out, err) = run(&guest, &options, &["exit"]);
        assert!(status == 2 && out.is_empty() && err.contains(says), "{options:?}: {status} {out} {err}");
    }
}

/// What would have no effect is told.
#[test]
fn a_place_and_a_dialect_are_of_a_dump() {
    for option in [["--at", "main.main"], ["--dialect", "go1.5"]] {
        let output = heapmatrix(&[&option[..], &["program"]].concat());
        let said = stderr(&output);
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
        assert!(said.contains("--dump <FILE>|--core <FILE>|--compare"), "{said}");
    }
}

#[test]
fn programs_of_the_host_run_with_its_libraries() {
    const ECHO: &str = "/bin/echo";
    let dynamic = fs::read(ECHO).is_ok_and(|elf| elf.windows(9).any(|text| text == b"ld-linux-"));
    if !cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) || !dynamic {
        eprintln!("NOT RUN: {ECHO} is no dynamically linked program for x86-64 here");
        return;
    }
    let output = heapmatrix(&["--sysroot", "/", ECHO, "hello"]);
    assert_eq!((output.status.code(), &stdout(&output)[..]), (Some(0), "hello\n"), "{}", stderr(&output));
    let output = heapmatrix(&[ECHO, "hello"]);
    let says = stderr(&output);
    assert!(output.status.code() == Some(2) && says.contains("the dynamic linker /lib"), "{says}");
}
