//! What the commands that read dumps print, to the letter: of golden dumps, which the corpus' worlds give.
//!
//! `UPDATE_OUTPUTS=1 cargo test -p heapmatrix --test outputs` writes what is printed now into `tests/outputs/`; the
//! difference is then for a person to judge.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The command's output and status, run where paths are those of the repository.
fn output(args: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_heapmatrix"))
        .args(args.split(' '))
        .current_dir(root())
        .env_remove("CLICOLOR_FORCE")
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
    let status = output.status.code().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let colors = args.contains("--color always");
    assert_eq!(
        text.contains('\x1b'),
        colors,
        "{args}: colours without a terminal only if they are asked for"
    );
    // There are more laws in time, and that changes nothing else.
    let laws = format!("all {} laws hold", heapmatrix_reader::laws::Law::ALL.len());
    format!("$ heapmatrix {args}\n{}status {status}\n", text.replace(&laws, "all laws hold"))
}

#[track_caller]
fn assert_output(name: &str, commands: &[&str]) {
    let printed = commands.iter().map(|args| output(args)).collect::<Vec<_>>().join("\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outputs").join(name);
    if std::env::var_os("UPDATE_OUTPUTS").is_some() {
        fs::write(&path, &printed).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    if printed != expected {
        let differs = printed.lines().zip(expected.lines()).position(|(a, b)| a != b);
        let line = differs.unwrap_or(printed.lines().count().min(expected.lines().count()));
        panic!(
            "{} line {}: printed\n{:?}\nexpected\n{:?}\nUPDATE_OUTPUTS=1 takes over what is printed",
            path.display(),
            line + 1,
            printed.lines().nth(line),
            expected.lines().nth(line)
        );
    }
}

#[test]
fn inspect() {
    assert_output(
        "inspect.txt",
        &[
            "inspect corpora/golden/ppc64/panic_with_defers.dump",
            "inspect corpora/real/go1.27.3-386.dump.zst --limit 3",
            "inspect corpora/golden/ppc64/panic_with_defers.dump --json",
        ],
    );
}

#[test]
fn print() {
    assert_output(
        "print.txt",
        &[
            "print corpora/golden/ppc64/panic_with_defers.dump",
            "print corpora/golden/arm/pointers_everywhere.dump --records object,data --contents --pointers",
            "print corpora/golden/amd64/profile.dump --records params,memprof --jsonl",
            "print corpora/golden/386/panic_with_defers.dump --records panic --color always",
        ],
    );
}

#[test]
fn grep() {
    assert_output(
        "grep.txt",
        &[
            "grep [[:print:]]{12,} corpora/real/go1.27.3-386.dump.zst --limit 5",
            "grep --hex 7f454c46 corpora/real/go1.27.3-386.dump.zst",
            "grep (?-u)\\x00\\x01 corpora/golden/ppc64/panic_with_defers.dump --jsonl --limit 2",
            "grep -c a corpora/golden/ppc64/panic_with_defers.dump",
        ],
    );
}

#[test]
fn verify() {
    let commands =
        ["panic_with_defers", "profile"].map(|name| format!("verify corpora/golden/ppc64/{name}.dump"));
    assert_output("verify.txt", &commands.each_ref().map(String::as_str));
}

/// The README's code is a part of an example, which is compiled and run by the writer's tests.
#[test]
fn the_readme_shows_the_writers_example() {
    let [readme, example] = ["README.md", "writer/examples/core_file.rs"]
        .map(|path| fs::read_to_string(root().join(path)).unwrap());
    let blocks: Vec<&str> =
        readme.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 1);
    assert!(
        example.contains(blocks[0]),
        "writer/examples/core_file.rs has other code than the README:\n{}",
        blocks[0]
    );
}

#[test]
fn analysis() {
    assert_output(
        "analysis.txt",
        &[
            "top corpora/real/go1.27.3-386.dump.zst --limit 5",
            "top corpora/golden/ppc64/pointers_everywhere.dump --json",
            "goroutines corpora/real/go1.19.8-ppc64.dump.zst --limit 2",
            "why corpora/real/go1.27.3-386.dump.zst 0x8998000",
            "why corpora/real/go1.27.3-386.dump.zst --type without --limit 3",
            "why corpora/golden/ppc64/pointers_everywhere.dump 0x10",
            "explain corpora/real/go1.27.3-386.dump.zst 0x8998000",
            "explain corpora/real/go1.27.3-386.dump.zst 0x8998000 --json",
            "diff corpora/real/go1.27.3-386.dump.zst corpora/real/go1.27.3-386.dump.zst",
            "diff corpora/real/go1.19.8-arm.dump.zst corpora/real/go1.19.8-386.dump.zst --limit 3 --json",
        ],
    );
}

/// The names of all values in a JSON document.
fn keys(value: &serde_json::Value, found: &mut std::collections::BTreeSet<String>) {
    match value {
        serde_json::Value::Object(object) => {
            found.extend(object.keys().cloned());
            object.values().for_each(|value| keys(value, found));
        }
        serde_json::Value::Array(array) => array.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

#[test]
fn every_value_of_the_analysis_is_described() {
    let described =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/analysis-json.md")).unwrap();
    for command in ["top F", "goroutines F", "why F 0x8998000", "explain F 0x8998000", "diff F F", "diff G F"]
    {
        let command = command
            .replace('F', "corpora/real/go1.27.3-386.dump.zst")
            .replace('G', "corpora/real/go1.19.8-386.dump.zst");
        let printed = output(&format!("{command} --json"));
        let json = printed.split_once('\n').unwrap().1.rsplit_once("status ").unwrap().0;
        let mut found = std::collections::BTreeSet::new();
        keys(&serde_json::from_str(json).unwrap(), &mut found);
        assert!(found.len() > 5, "{command}: {found:?}");
        for key in found {
            assert!(described.contains(&format!("`{key}`")), "{command}: {key} is not described");
        }
    }
}

/// The README shows what is printed: each `$ heapmatrix …` with the lines below it, where `…` alone on a line stands
/// for any number of lines.
#[test]
fn the_readme_shows_what_is_printed() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let blocks: Vec<&str> =
        readme.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 2, "{} examples", blocks.len());
    for block in blocks {
        let (command, shown) = block.split_once('\n').unwrap();
        let args = command.strip_prefix("$ heapmatrix ").unwrap_or_else(|| panic!("{command}"));
        let printed = output(&args.replace('\'', ""));
        let mut rest = printed.split_once('\n').unwrap().1;
        let mut parts = shown.split("…\n");
        let first = parts.next().unwrap();
        rest = rest.strip_prefix(first).unwrap_or_else(|| panic!("{args}: not {first:?} but {rest}"));
        for part in parts {
            let at = rest.find(part).unwrap_or_else(|| panic!("{args}: no {part:?} in {rest}"));
            rest = &rest[at + part.len()..];
        }
        let ended = rest.lines().count() <= 1 && rest.starts_with("status ");
        assert!(ended || shown.ends_with("…\n"), "{args}: more is printed: {rest}");
    }
}
