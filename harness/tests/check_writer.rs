//! `heapmatrix check-writer` as a user calls it, with the example as the writer.
#![cfg(feature = "emulator")]

#[path = "common/parts.rs"]
mod parts;
#[path = "../examples/pipe_writer.rs"]
mod pipe_writer;

use std::fs::{self, OpenOptions};
use std::io;
use std::process::{Command, Output};

use serde_json::Value;

const HEAPMATRIX: &str = env!("CARGO_BIN_EXE_heapmatrix");

fn heapmatrix(args: &[&str]) -> Output {
    Command::new(HEAPMATRIX).args(args).output().unwrap()
}

/// Set if this test's program is to be the writer, and how it is to be wrong.
const AS_WRITER: &str = "HEAPMATRIX_TEST_AS_WRITER";

/// The shell's words that run this test's program as the writer. A test prints to standard output: the dump goes to a
/// descriptor of its own.
fn as_writer(wrong: &str) -> [String; 5] {
    let script = format!(
        "{AS_WRITER}={wrong} exec \"$0\" --exact the_example_writes_the_dump --nocapture 3>&1 >/dev/null"
    );
    let this = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    ["sh".to_owned(), "-c".to_owned(), script, this, String::new()]
}

#[test]
fn the_example_writes_the_dump() {
    let Ok(wrong) = std::env::var(AS_WRITER) else {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let (target, dump) = (path("target"), path("dump"));
        let output = heapmatrix(&["check-writer", "--arch", "mips", "--seed", "3", "--target", &target]);
        assert!(output.status.success(), "{output:?}");
        assert!(heapmatrix(&["dump", "--arch", "mips", "--seed", "3", "-o", &dump]).status.success());
        let target = fs::read(&target).unwrap();
        let mut written = Vec::new();
        pipe_writer::pipe_writer(&target[..], &mut written).unwrap();
        assert!(written == fs::read(&dump).unwrap(), "another dump than `heapmatrix dump` writes");
        let cut = pipe_writer::pipe_writer(&target[..target.len() / 2], &mut Vec::new());
        assert!(cut.is_err(), "a target that is cut off has a dump");
        return;
    };
    let mut dump = Vec::new();
    pipe_writer::pipe_writer(io::stdin().lock(), &mut dump).unwrap();
    match &*wrong {
        "right" => {}
        "even" if dump.len() % 2 == 1 => {}
        // A byte in the middle: whatever that is.
        "byte" | "even" => {
            let middle = dump.len() / 2;
            dump[middle] ^= 1;
        }
        "cut" => dump.truncate(dump.len() - 1),
        "more" => dump.push(0),
        other => panic!("{other}"),
    }
    let mut out = OpenOptions::new().write(true).open("/dev/fd/3").unwrap();
    io::Write::write_all(&mut out, &dump).unwrap();
}

/// The report on a writer.
fn check(options: &[&str], writer: &[String]) -> (Value, i32) {
    let writer: Vec<&str> = writer.iter().map(String::as_str).collect();
    let output = heapmatrix(&[&["check-writer", "--json"], options, &["--"], &writer].concat());
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (report, output.status.code().unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn the_example_passes_on_every_machine() {
    let (report, status) = check(&["--worlds", "3", "--timeout", "100"], &as_writer("right"));
    assert!(status == 0 && report["ok"] == true, "{report:#}");
    assert_eq!(report["command"], "check-writer");
    let arches = report["arches"].as_array().unwrap();
    assert_eq!(arches.len(), heapmatrix_emu::world::World::MACHINES.len());
    assert!(arches.iter().all(|arch| arch["passed"] == 3), "{report:#}");
}

#[cfg(target_os = "linux")]
#[test]
fn wrong_writers_are_caught_and_the_world_is_named() {
    for (wrong, said) in [("byte", ""), ("cut", "the input ends without an eof record"), ("more", "")] {
        let options = ["--worlds", "2", "--arch", "386,ppc64", "--seed", "5", "--timeout", "100"];
        let (report, status) = check(&options, &as_writer(wrong));
        assert!(status == 1 && report["ok"] == false, "{wrong}: {report:#}");
        let failures = report["failures"].as_array().unwrap();
        assert_eq!(failures.len(), 4, "{wrong}: {report:#}");
        let text = |name: &str| failures[0][name].as_str().unwrap().to_owned();
        assert!(text("what").contains(said), "{wrong}: {}", text("what"));
        let repeat = "heapmatrix check-writer --arch 386 --worlds 1 --seed 5 -- sh -c ";
        assert!(text("repeat").starts_with(repeat), "{}", text("repeat"));
    }
}

/// One writer is wrong with some worlds: those whose dumps have an even number of bytes.
#[cfg(target_os = "linux")]
#[test]
fn a_check_in_parts_gives_the_report_of_the_whole() {
    let writer = as_writer("even");
    let writer: Vec<&str> = ["--"].into_iter().chain(writer.iter().map(String::as_str)).collect();
    let args = ["check-writer", "--worlds", "5", "--arch", "386,ppc64", "--timeout", "100"];
    let report = parts::whole_and_in_parts(&args, &writer);
    let passed: u64 =
        report["arches"].as_array().unwrap().iter().map(|a| a["passed"].as_u64().unwrap()).sum();
    assert!((1..10).contains(&passed), "{report:#}");
}

#[test]
fn a_writer_that_writes_no_dump_is_told_so() {
    for (script, said) in [
        ("cat >/dev/null; exit 3", "the writer gave up: exit status 3"),
        ("kill -SEGV $$", "the writer crashed: SIGSEGV"),
        ("cat >/dev/null", "expected a dump that can be read"),
        ("head -n 1", "expected a dump that can be read"),
    ] {
        let writer = ["sh", "-c", script].map(str::to_owned);
        let (report, status) = check(&["--worlds", "1", "--arch", "arm", "--timeout", "100"], &writer);
        let what = report["failures"][0]["what"].as_str().unwrap_or_default();
        assert!(status == 1 && what.contains(said), "{script}: {report:#}");
    }
}

#[test]
fn wrong_arguments_are_told_in_one_line() {
    for (args, part) in [
        (&["check-writer"][..], "required arguments were not provided: <CMD>"),
        (&["check-writer", "--", "/no/such/writer"], "cannot run /no/such/writer: "),
        (&["check-writer", "--arch", "riscv64", "--", "cat"], "no worlds on this architecture"),
        (&["check-writer", "--worlds", "0", "--", "cat"], "--worlds"),
        (&["check-writer", "--target", "/no/such/folder/x"], "cannot write /no/such/folder/x"),
    ] {
        let output = heapmatrix(args);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
        assert_eq!(message.lines().count(), 1, "{args:?}: {message}");
        assert!(message.contains(part), "{args:?}: {message}");
    }
}
