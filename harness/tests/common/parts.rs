//! A run that is divided gives the report of the whole.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

fn heapmatrix(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_heapmatrix")).args(args).output().unwrap()
}

/// A report without what differs from run to run.
fn timeless(output: &Output) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(object) => {
                object.remove("seconds");
                object.values_mut().for_each(strip);
            }
            Value::Array(array) => array.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let message = String::from_utf8_lossy(&output.stderr);
    let mut report = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {message}"));
    strip(&mut report);
    report
}

/// Runs a command whole and in three parts, and compares the reports: JSON, and the exit status. Each part must have something
/// to do. `last` is what the command line ends with.
pub fn whole_and_in_parts(args: &[&str], last: &[&str]) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let json = |options: &[&str]| heapmatrix(&[args, &["--json"], options, last].concat());
    let whole = json(&[]);
    let files: Vec<String> = (1..=3)
        .map(|part| {
            let shard = format!("{part}/3");
            let output = json(&["--shard", &shard]);
            let report = timeless(&output);
            assert_eq!(report["shard"], *shard);
            assert_ne!(report, timeless(&whole), "part {shard} is the whole");
            let file = dir.path().join(format!("{part}.json"));
            fs::write(&file, output.stdout).unwrap();
            file.to_str().unwrap().to_owned()
        })
        .collect();
    let [a, b, c] = [&files[2], &files[0], &files[1]].map(String::as_str);
    let merged = heapmatrix(&["merge-reports", "--json", a, b, c]);
    assert_eq!(merged.status.code(), whole.status.code(), "{}", String::from_utf8_lossy(&merged.stderr));
    assert_eq!(timeless(&merged), timeless(&whole));

    for (parts, said) in [
        (&[a, b][..], "of 3 parts these are missing: 2/3"),
        (&[a, b, c, c], "is part 2/3, as is"),
        (&[a, "/no/such/report"], "cannot read /no/such/report"),
    ] {
        let output = heapmatrix(&[&["merge-reports"], parts].concat());
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(said) && message.lines().count() == 1, "{message}");
    }
    timeless(&whole)
}
