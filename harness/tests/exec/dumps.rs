//! Programs of an installed Go, which run to their end, dump themselves, and do the same every time.

use std::fs;
use std::process::Command;

use heapmatrix_emu::machine::AnyTarget;
use heapmatrix_reader::{Dump, Kind, laws};
use serde_json::Value;

use crate::go::Program;
use crate::{heapmatrix, stderr};

/// The dump can be read, obeys the laws, and encoding what was read gives the same bytes.
fn sound(dump: &[u8]) {
    let read = Dump::new(dump).unwrap();
    let mut encoded = read.version().header().to_vec();
    let mut objects = 0;
    for record in read.records() {
        let (_, record) = record.unwrap();
        objects += u64::from(record.kind() == Kind::Object);
        record.write_to(&mut encoded).unwrap();
    }
    assert!(objects > 100, "{objects} objects");
    assert_eq!(encoded, dump);
    laws::check(dump, |violation| panic!("{violation}"));
}

/// Runs a program twice on so many CPUs: the same instructions, output and dump. Returns the report, and
/// what went to standard error.
fn twice(program: &Program, cpus: &str, argument: &str) -> (Value, String) {
    let run = |name: &str| {
        let kept = program.file(name);
        let output = heapmatrix(&["--json", "--cpus", cpus, "--capture", &kept, program.path(), argument]);
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)));
        assert_eq!(report["status"], output.status.code().unwrap());
        (report, stderr(&output), fs::read(kept).unwrap())
    };
    let (first, second) = (run("first.dump"), run("second.dump"));
    assert_eq!(first.0["instructions"], second.0["instructions"]);
    assert_eq!(first.1, second.1);
    assert!(first.2 == second.2, "two runs on {cpus} CPUs have written different dumps");
    sound(&first.2);
    (first.0, first.1)
}

fn a_guest_of_the_corpus_dumps_itself(target: AnyTarget) {
    let arch = target.goarch();
    let Some(program) = Program::build("../corpora/real/guest", arch) else { return };
    let (report, _) = twice(&program, "1", "dump");
    assert_eq!((&report["arch"], &report["status"]), (&arch.into(), &0.into()));
    // Beside the dump is a link to its program, which the next command follows.
    #[cfg(unix)]
    {
        let kept = program.file("first.dump");
        let link = fs::read_link(format!("{kept}.exe")).unwrap();
        assert_eq!(link, fs::canonicalize(program.path()).unwrap());
        let typed = || {
            let output =
                Command::new(env!("CARGO_BIN_EXE_heapmatrix")).args(["top", &kept, "--json"]).output();
            let top: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
            let [typed, bytes] = ["typed_bytes", "bytes"].map(|name| top["heap"][name].as_u64().unwrap());
            (typed * 100).checked_div(bytes).unwrap()
        };
        assert!(typed() >= 97, "{arch}: {} % typed", typed());
        fs::remove_file(link).unwrap();
        assert!(typed() < 50, "a link that leads nowhere is none");
    }
}

fn a_guest_finds_all_as_on_linux(target: AnyTarget) {
    let Some(program) = Program::build("tests/exec/guest", target.goarch()) else { return };
    for cpus in ["1", "4"] {
        let (report, output) = twice(&program, cpus, "check");
        // A panic that nobody recovers from ends a Go program with status 2.
        assert_eq!(report["status"], 2, "{output}");
        assert!(!output.contains("heapmatrix: "), "a system call is missing: {output}");
        let last = output.find("deferred").expect(&output);
        assert!(output[last..].contains("panic: the end\n\ngoroutine 1 [running]:"), "{output}");
    }
}

heapmatrix_emu::each_engine!(a_guest_of_the_corpus_dumps_itself, a_guest_finds_all_as_on_linux);
