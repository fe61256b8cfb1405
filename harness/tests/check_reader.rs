//! `heapmatrix check-reader` and `merge-reports` as a user calls them.

#[path = "common/parts.rs"]
mod parts;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use parts::whole_and_in_parts;
use serde_json::Value;

const HEAPMATRIX: &str = env!("CARGO_BIN_EXE_heapmatrix");

fn heapmatrix(args: &[&str]) -> Output {
    Command::new(HEAPMATRIX).args(args).output().unwrap()
}

/// The report of a reader, and the exit status.
fn check(options: &[&str], reader: &[&str]) -> (Value, i32) {
    let output = heapmatrix(&[&["check-reader", "--json"], options, &["--"], reader].concat());
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (report, output.status.code().unwrap())
}

/// What a reader is told that passes.
fn passes(options: &[&str], reader: &[&str]) -> usize {
    let (report, status) = check(options, reader);
    let cases = report["cases"].as_array().unwrap();
    let failures: Vec<_> = cases.iter().filter(|case| case["verdict"] != "right").collect();
    assert!(failures.is_empty() && status == 0 && report["ok"] == true, "{status}: {failures:#?}");
    cases.len()
}

#[test]
fn our_own_reader_passes() {
    assert!(passes(&[], &[HEAPMATRIX, "inspect", "--json", "{}"]) > 1000);
}

#[test]
fn our_own_reader_passes_record_by_record() {
    let only = ["--only", "^(golden|real|generated)/.*(386|ppc64|mips64le|s390x)"];
    let reader = [HEAPMATRIX, "print", "--jsonl", "--contents", "--pointers", "{}"];
    assert!(passes(&only, &reader) > 100);
}

/// The corpus's own reader, in another language and with no line of ours, is right with what it was written for.
#[test]
fn the_reader_in_python_passes() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("did not run: there is no python3");
        return;
    }
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpora/reader.py");
    let only = "golden/ppc64/|real/go1.27.*(386|mips)|generated/.*-1$|hostile/go1.7-mips-";
    assert!(passes(&["--only", only], &["python3", reader.to_str().unwrap(), "{}"]) > 150);
    let lines = fs::read_to_string(&reader).unwrap().lines().count();
    assert!(lines <= 110, "{lines} lines are no tiny reader");
}

/// The cases' verdicts and what is said of them.
fn verdicts(options: &[&str], reader: &[&str]) -> Vec<(String, String)> {
    let (report, status) = check(options, reader);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let cases = report["cases"].as_array().unwrap();
    let verdicts: Vec<_> = cases.iter().map(|case| (text(&case["verdict"]), text(&case["what"]))).collect();
    let ok = verdicts.iter().all(|(verdict, _)| verdict == "right");
    assert_eq!((status, &report["ok"]), (i32::from(!ok), &Value::Bool(ok)));
    verdicts
}

#[cfg(target_os = "linux")]
#[test]
fn each_way_of_being_wrong_is_told() {
    let sound = ["--only", "^golden/ppc64/panic_with_defers$", "--timeout", "60", "--memory", "64"];
    let slow = ["--only", "^golden/ppc64/panic_with_defers$", "--timeout", "2"];
    let broken = ["--only", "^hostile/go1.7-ppc64-no-eof$", "--timeout", "2"];
    let script = |script: &str| format!("reader() {{ {HEAPMATRIX} inspect --json \"$@\"; }}; {script}");
    for (dump, text, verdict, what) in [
        (&sound[..], "reader \"$0\"", "right", ""),
        (&broken, "reader \"$0\"", "right", ""),
        (&sound, "reader \"$0\" | sed 's/\"eof\": *1/\"eof\": 2/'", "wrong", "records.eof is 1, not 2"),
        (&sound, "echo '{ }'", "wrong", "said nothing to compare"),
        (&sound, "echo", "wrong", "printed nothing"),
        (&sound, "echo hello", "wrong", "printed no JSON: line 1: expected value"),
        (&sound, "echo '{\"kind\": \"objet\"}'", "wrong", "no kind of record named objet"),
        (&sound, "echo 'no such thing' >&2; exit 1", "refused", "exit status 1: no such thing"),
        (&broken, "true", "taken", "was read as if it were sound"),
        (&sound, "kill -SEGV $$", "crashed", "SIGSEGV"),
        (&broken, "kill -ABRT $$", "crashed", "SIGABRT"),
        (&slow, "sleep 60", "hung", "did not end within 2 s"),
        (&broken, "sleep 60", "hung", "did not end within 2 s"),
        (&sound, "exec head -c 200M /dev/zero | tail", "crashed", "ran out of memory (limit 64 MiB)"),
    ] {
        let found = verdicts(dump, &["sh", "-c", &script(text), "{}"]);
        assert_eq!(found.len(), 1, "{text}");
        assert!(found[0].0 == verdict && found[0].1.contains(what), "{text}: {found:?}");
    }
}

#[test]
fn a_wrong_field_of_a_record_is_found() {
    let only = ["--only", "^golden/(386|mips)/defers$"];
    let reader = |edit: &str| {
        let script = format!("{HEAPMATRIX} print --jsonl --contents --pointers \"$0\" | sed '{edit}'");
        verdicts(&only, &["sh", "-c", &script, "{}"])
    };
    let wrong = |what: &str| vec![("wrong".to_owned(), what.to_owned()); 2];
    assert_eq!(
        reader("s/main\\.g/main.h/"),
        wrong("line 6: frame 2 of goroutine 0: name is \"main.g\", not \"main.h\"")
    );
    assert_eq!(
        reader("s/\"os_id\":4711/\"os_id\":4712/"),
        wrong("line 16: thread 0: os_id is 4711, not 4712")
    );
    assert_eq!(reader("7,8d").len(), 2);
    assert_eq!(reader("$p"), wrong("records.eof is 1, not 2"));
}

#[cfg(feature = "emulator")]
#[test]
fn a_run_in_parts_gives_the_report_of_the_whole() {
    let report =
        whole_and_in_parts(&["run", "--worlds", "12", "--seed", "7", "--arch", "386,ppc64,arm64"], &[]);
    assert_eq!(report["command"], "run");
    assert!(report["arches"].as_array().unwrap().iter().all(|arch| arch["passed"] == 12), "{report}");
}

#[test]
fn a_check_in_parts_gives_the_report_of_the_whole() {
    // A reader that is wrong with some: those with an even digest.
    let script = format!("{HEAPMATRIX} inspect --json \"$0\" && ! cksum <\"$0\" | grep -q '^[0-9]*[02468] '");
    let args = ["check-reader", "--only", "golden/(386|mips)|hostile/go1.5-386-length"];
    let report = whole_and_in_parts(&args, &["--", "sh", "-c", &script, "{}"]);
    let cases = report["cases"].as_array().unwrap();
    let wrong = cases.iter().filter(|case| case["verdict"] == "refused").count();
    assert!(wrong > 10 && wrong < cases.len() / 2, "{wrong} of {}", cases.len());
}

#[test]
fn the_dumps_of_a_folder_are_taken_and_those_that_fail_kept() {
    let (dir, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpora/golden/ppc64");
    for file in ["defers.dump", "defers.json", "profile.dump"] {
        fs::copy(golden.join(file), dir.path().join(file)).unwrap();
    }
    let options = ["--corpus", dir.path().to_str().unwrap(), "--generated", "0", "--no-hostile"];
    let reader = [HEAPMATRIX, "inspect", "--json", "{}"];
    assert_eq!(passes(&options, &reader), 2);
    let junit = kept.path().join("results.xml");
    let keep = ["--out", kept.path().to_str().unwrap(), "--junit", junit.to_str().unwrap()];
    // Without JSON beside it a dump has only to be read.
    let found = verdicts(&[&options[..], &keep].concat(), &["test", "-r", "{}"]);
    assert_eq!(found[0], ("wrong".to_owned(), "printed nothing".to_owned()));
    assert_eq!(found[1].0, "right");
    assert_eq!(
        fs::read(kept.path().join("defers.dump")).unwrap(),
        fs::read(golden.join("defers.dump")).unwrap()
    );
    assert!(!kept.path().join("profile.dump").exists());
    let xml = fs::read_to_string(junit).unwrap();
    assert!(xml.contains("tests=\"2\" failures=\"1\"") && xml.contains("printed nothing"), "{xml}");
}

#[test]
fn a_table_tells_what_repeats_the_first_failure() {
    let options = ["check-reader", "--only", "golden/386/d", "--timeout", "7", "--", "false", "it's", "{}"];
    let output = heapmatrix(&options);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let lines = [
        "machine  format  dumps  right  wrong  refused  taken  crashed  hung",
        "386      go1.5       2                      2",
        "",
        "refused  golden/386/defers and 1 more: exit status 1",
        "",
        r"repeat the first with: heapmatrix check-reader --timeout 7 --only '^golden/386/defers$' -- false 'it'\''s' {}",
        "",
        "2 dumps: the reader was not right with 2",
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), lines);
}

#[test]
fn wrong_arguments_are_told_in_one_line() {
    let empty = tempfile::tempdir().unwrap();
    let empty = empty.path().to_str().unwrap();
    for (args, part) in [
        (&["check-reader"][..], "required arguments were not provided: <CMD>"),
        (&["check-reader", "--", "reader"], "the reader's command has no {} for the file of the dump"),
        (
            &["check-reader", "--only", "golden/386/defers", "--", "/no/such/reader", "{}"],
            "cannot run /no/such/reader: ",
        ),
        (&["check-reader", "--only", "(", "--", "cat", "{}"], "invalid value '(' for '--only <PATTERN>'"),
        (&["check-reader", "--only", "zzz", "--", "cat", "{}"], "no dump's name matches zzz"),
        (&["check-reader", "--corpus", empty, "--", "cat", "{}"], "no dumps in "),
        (&["check-reader", "--corpus", "/no/such/folder", "--", "cat", "{}"], "cannot read /no/such/folder"),
        (
            &["check-reader", "--adapter", "nobody", "--", "cat", "{}"],
            "no adapter nobody: choose from heapspurs, ",
        ),
        (&["check-reader", "--shard", "5/4", "--", "cat", "{}"], "such as 3/16"),
        (&["check-reader", "--timeout", "0", "--", "cat", "{}"], "--timeout"),
        (&["merge-reports"], "<FILE>"),
        (&["merge-reports", "/dev/null"], "/dev/null ends too early, at 0 bytes: run that part again"),
        (&["merge-reports", "/etc/hostname"], "/etc/hostname is no report that "),
    ] {
        let output = heapmatrix(args);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
        assert_eq!(message.lines().count(), 1, "{args:?}: {message}");
        assert!(message.contains(part), "{args:?}: {message}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}
