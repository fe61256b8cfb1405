//! Files, locks, pipes, timers and input as a program sees them: the same on all machines, and under Linux.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use heapmatrix_writer::AnyTarget;

use crate::go::Program;
use crate::{stderr, stdout};

/// What the program prints under Linux, of which a run on an x86-64 Linux makes sure.
const EXPECTED: &str = include_str!("files/expected.txt");
const INPUT: &[u8] = b"one\ntwo";

/// Runs a command with [`INPUT`] through a pipe.
fn fed(command: &mut Command) -> Output {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    child.stdin.take().unwrap().write_all(INPUT).unwrap();
    child.wait_with_output().unwrap()
}

fn exec() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heapmatrix"));
    command.arg("exec");
    command
}

fn lines_differ(arch: &str, seen: &str) {
    for (seen, expected) in seen.lines().zip(EXPECTED.lines()) {
        assert_eq!(seen, expected, "{arch}");
    }
    assert_eq!(seen.lines().count(), EXPECTED.lines().count(), "{arch}");
}

fn files_are_as_under_linux(target: AnyTarget) {
    let arch = target.goarch();
    let Some(program) = Program::build("tests/exec/files", arch) else { return };
    let output = fed(exec().args(["--cwd", "/", program.path()]));
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    lines_differ(arch, &stdout(&output));
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) && matches!(arch, "amd64" | "386") {
        let native = fed(Command::new(program.path()).current_dir(program.dir.path()));
        lines_differ("native", &stdout(&native));
    }
}

heapmatrix_emu::each_engine!(files_are_as_under_linux);

#[test]
fn input_comes_from_a_file_a_pipe_or_nowhere() {
    let Some(program) = Program::build("tests/exec/guest", "386") else { return };
    let file = program.file("input");
    fs::write(&file, "from a file\n").unwrap();
    let run = |options: &[&str]| {
        let mut command = exec();
        command.args(options).args([program.path(), "input"]);
        command
    };
    let from_file = run(&[]).stdin(fs::File::open(&file).unwrap()).output().unwrap();
    assert_eq!(stdout(&from_file), "\"from a file\\n\" true\n", "{}", stderr(&from_file));
    let shown = |options: &[&str]| stdout(&fed(&mut run(options)));
    assert_eq!(shown(&[]), "\"one\\ntwo\" false\n");
    assert_eq!(shown(&["--stdin", "whole"]), "\"one\\ntwo\" true\n");
    assert_eq!(shown(&["--stdin", "none"]), "\"\" false\n");
}

#[test]
fn what_a_program_misses_is_named_once() {
    let Some(program) = Program::build("tests/exec/guest", "amd64") else { return };
    let output = exec().args([program.path(), "miss"]).output().unwrap();
    let notes = stderr(&output);
    assert_eq!(
        stdout(&output),
        "function not implemented\nfunction not implemented\naddress family not supported by protocol\n"
    );
    assert_eq!(notes.matches("fork/exec").count(), 1, "{notes}");
    assert_eq!(notes.matches("sockets").count(), 1, "{notes}");
}

#[test]
fn a_file_that_is_not_mounted_is_pointed_out() {
    let Some(program) = Program::build("tests/exec/guest", "arm") else { return };
    let beside = program.file("beside");
    fs::write(&beside, "here").unwrap();
    let run =
        |options: &[&str]| exec().args(options).args([program.path(), "read", &beside]).output().unwrap();
    let notes = stderr(&run(&[]));
    assert!(notes.contains(&format!("--mount {beside}")) && notes.lines().count() == 1, "{notes}");
    let folder = program.dir.path().to_str().unwrap();
    let mounted = run(&["--mount", folder, "--cwd", folder]);
    assert_eq!((stdout(&mounted), stderr(&mounted)), ("here <nil>\n".to_owned(), String::new()));
}

#[cfg(unix)]
#[test]
fn what_is_kept_never_leaves_its_folder() {
    let Some(program) = Program::build("tests/exec/guest", "ppc64") else { return };
    let (out, outside) = (program.file("out"), program.file("outside"));
    fs::create_dir_all(&out).unwrap();
    fs::create_dir_all(&outside).unwrap();
    fs::write(program.file("outside/victim"), "safe").unwrap();
    std::os::unix::fs::symlink(&outside, program.file("out/d")).unwrap();
    std::os::unix::fs::symlink(program.file("outside/victim"), program.file("out/link")).unwrap();
    fs::hard_link(program.file("outside/victim"), program.file("out/hard")).unwrap();
    let output = exec()
        .args(["--out", &out, "--cwd", "/work", program.path(), "write-all"])
        .args(["d/victim", "/tmp/far", "hard", "link", "new/deep/file"])
        .output()
        .unwrap();
    let says = stderr(&output);
    assert!(says.contains("/work/d/victim") && says.contains("symbolic link"), "{says}");
    assert_eq!(output.status.code(), Some(2), "{says}");
    assert_eq!(fs::read_to_string(program.file("outside/victim")).unwrap(), "safe");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    for kept in ["tmp/far", "hard", "link", "new/deep/file"] {
        assert_eq!(fs::read_to_string(program.file(&format!("out/{kept}"))).unwrap(), "written\n", "{kept}");
    }
}

#[test]
fn a_file_that_cannot_be_kept_keeps_no_other_from_being() {
    let Some(program) = Program::build("tests/exec/guest", "mips") else { return };
    let (out, taken) = (program.file("out"), program.file("out/taken"));
    fs::create_dir_all(&out).unwrap();
    fs::write(&taken, "before").unwrap();
    fs::create_dir(program.file("out/folder")).unwrap();
    let output = exec()
        .args(["--out", &out, "--cwd", "/work", program.path(), "write-all"])
        .args(["taken/below", "folder", "/z"])
        .output()
        .unwrap();
    let says = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{says}");
    assert!(says.contains("cannot keep /work/taken/below") && says.contains("taken is a file"), "{says}");
    assert!(says.contains("cannot keep /work/folder") && says.contains("folder is a folder"), "{says}");
    assert_eq!(fs::read_to_string(&taken).unwrap(), "before");
    assert_eq!(fs::read_to_string(program.file("out/z")).unwrap(), "written\n");
}

#[test]
fn a_file_is_no_folder_and_a_mounted_one_is_in_one() {
    let Some(program) = Program::build("tests/exec/guest", "s390x") else { return };
    let given = program.file("given");
    fs::write(&given, "of the host").unwrap();
    let run = |options: &[&str], out: &str| {
        let out = program.file(out);
        let output = exec()
            .args(["--out", &out, "--cwd", "/"])
            .args(options)
            .args([program.path(), "write-each", "/a", "/a/b", "/z"])
            .output()
            .unwrap();
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
        let mut kept: Vec<_> = fs::read_dir(&out)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        kept.sort();
        (stdout(&output), kept)
    };
    let (answers, kept) = run(&[], "out");
    assert_eq!(answers, "<nil>\nopen /a/b: not a directory\n<nil>\n");
    assert_eq!(kept, ["a", "z"]);
    let (answers, kept) = run(&["--mount", &format!("{given}:/a/b")], "with");
    assert_eq!(answers, "open /a: is a directory\nopen /a/b: read-only file system\n<nil>\n");
    assert_eq!(kept, ["z"]);
    assert_eq!(fs::read_to_string(&given).unwrap(), "of the host");
}

#[test]
fn a_dump_that_the_program_deletes_is_kept() {
    let Some(program) = Program::build("tests/exec/guest", "amd64") else { return };
    let kept = program.file("kept");
    let output = exec().args(["--capture", &kept, program.path(), "dump-and-delete"]).output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    assert!(fs::read(kept).unwrap().starts_with(b"go1."));
}
