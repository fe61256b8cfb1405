//! The commands that read dumps, as a user runs them: what they print, and how they exit.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use heapmatrix_reader::{
    Arch, Fields, Itab, Object, Params, PointerSize, Record, Segment, Text, Type, Version,
};

/// Runs `heapmatrix`, with `input` as its standard input.
fn heapmatrix(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_heapmatrix"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that has seen enough closes its input.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

#[track_caller]
fn assert_exit(output: &Output, code: i32) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    // Errors take one line, and nothing else goes there.
    assert_eq!(err.lines().count(), usize::from(code == 2), "{err}");
    assert!(!err.contains("panicked"), "{err}");
}

/// A small dump that obeys the laws but for its statistics, which are all zero: so they do as well.
fn dump() -> Vec<u8> {
    let contents = &[7; 16][..];
    let fields = Fields::default();
    let mut file = Version::Go15.header().to_vec();
    let segment = Segment { address: 0x1000, contents, fields };
    for record in [
        Record::Params(Params {
            big_endian: false,
            pointer_size: PointerSize::Eight,
            heap_start: 0x1_0000,
            heap_end: 0x2_0000,
            arch: Arch::Char(b'6'.into()),
            experiment: Text::default(),
            cpus: 1,
        }),
        Record::Type(Type { address: 0x4_0000, size: 8, name: "main.T".into(), data_is_pointer: true }),
        Record::Itab(Itab { address: 0x800, type_address: 0x4_0000 }),
        Record::Object(Object { address: 0x1_0000, contents, fields }),
        Record::Data(segment),
        Record::Bss(segment),
    ] {
        record.write_to(&mut file).unwrap();
    }
    file.push(10);
    file.extend([0; 281]);
    file.push(0);
    file
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_dump_is_read_from_files_and_pipes_compressed_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let plain = dump();
    let compressed = zstd::encode_all(&plain[..], 1).unwrap();
    let mut all = Vec::new();
    // The name says nothing: what is inside does.
    for (name, bytes) in [("a.dump", &plain), ("a.zst", &compressed), ("b.dump", &compressed)] {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        all.push(heapmatrix(&["inspect", "--json", path.to_str().unwrap()], b""));
        all.push(heapmatrix(&["inspect", "--json", "-"], bytes));
    }
    for output in &all {
        assert_exit(output, 0);
        assert_eq!(json(output)["bytes"], plain.len());
        assert_eq!(json(output)["records"]["object"], 1);
        assert_eq!(output.stdout, all[0].stdout);
    }
    let text = heapmatrix(&["inspect", "-"], &plain);
    assert_exit(&text, 0);
    assert!(String::from_utf8(text.stdout).unwrap().contains("amd64, little-endian, 8-byte pointers"));
}

#[test]
fn print_selects_records() {
    let all = heapmatrix(&["print", "-"], &dump());
    assert_exit(&all, 0);
    let all = String::from_utf8(all.stdout).unwrap();
    assert_eq!(all.lines().count(), 9);
    let head = all.lines().next().unwrap();
    let object = all.lines().nth(4).unwrap();
    assert!(object.contains("object") && object.ends_with("0x10000 size=16 pointers=0"), "{object}");
    let offset = object.split_whitespace().next().unwrap();
    let hexadecimal = format!("{:#x}", offset.parse::<u64>().unwrap());
    for args in [
        &["--offset", offset, "--limit", "1"][..],
        &["--offset", &hexadecimal, "--limit", "0x1"],
        &["--records", "object,panic", "--offset", "0"],
        &["--address", "0x1000f"],
        &["--address", "65,536"],
    ] {
        let some = heapmatrix(&[&["print", "-"], args].concat(), &dump());
        assert_exit(&some, 0);
        assert_eq!(String::from_utf8(some.stdout).unwrap(), format!("{head}\n{object}\n"), "{args:?}");
    }
    // A type, and the itab that names it.
    let some = heapmatrix(&["print", "-", "--type", "^main[.]T$"], &dump());
    let kinds: Vec<String> = String::from_utf8(some.stdout)
        .unwrap()
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().nth(1).unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["type", "itab"]);
    let unknown = heapmatrix(&["print", "-", "--records", "objects"], &dump());
    assert_exit(&unknown, 2);
    assert!(String::from_utf8(unknown.stderr).unwrap().contains("allocsample"));
}

#[test]
fn verify_exits_with_1_when_a_law_is_broken() {
    let sound = heapmatrix(&["verify", "--json", "-"], &dump());
    assert_exit(&sound, 0);
    assert_eq!(json(&sound)["ok"], true);
    let mut doubled = dump();
    doubled.pop();
    doubled.extend([10].iter().chain(&[0; 281]));
    doubled.push(0);
    let broken = heapmatrix(&["verify", "-"], &doubled);
    assert_exit(&broken, 1);
    assert!(String::from_utf8(broken.stdout).unwrap().contains("once: "));
    let broken = json(&heapmatrix(&["verify", "--json", "-"], &doubled));
    let once = broken["laws"].as_array().unwrap().iter().find(|law| law["law"] == "once").unwrap();
    assert_eq!((&broken["ok"], &once["violations"]), (&false.into(), &1.into()));
}

#[test]
fn salvage_writes_what_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let path = out.to_str().unwrap();
    assert_exit(&heapmatrix(&["salvage", "-", "-o", path], &dump()), 0);
    assert_eq!(fs::read(&out).unwrap(), dump());
    let dump = dump();
    assert_exit(&heapmatrix(&["salvage", "-", "-o", path], &dump[..dump.len() - 100]), 1);
    let saved = fs::read(&out).unwrap();
    assert!(saved.len() < dump.len() - 100 && saved.ends_with(&[0]));
    assert_exit(&heapmatrix(&["inspect", path], b""), 0);
    let nowhere = dir.path().join("none").join("out");
    assert_exit(&heapmatrix(&["salvage", "-", "-o", nowhere.to_str().unwrap()], &dump), 2);
}

#[test]
fn unreadable_input_is_one_line_and_status_2() {
    let missing = Path::new(env!("CARGO_MANIFEST_DIR")).join("no-such.dump");
    for command in ["inspect", "print", "verify"] {
        assert_exit(&heapmatrix(&[command, missing.to_str().unwrap()], b""), 2);
        // A frame that breaks off is no dump, compressed or not.
        let compressed = zstd::encode_all(&dump()[..], 1).unwrap();
        assert_exit(&heapmatrix(&[command, "-"], &compressed[..20]), 2);
    }
    for input in [&b""[..], b"go1.5", b"not a dump", &[0xff; 100]] {
        assert_exit(&heapmatrix(&["inspect", "-"], input), 2);
        assert_exit(&heapmatrix(&["print", "-"], input), 2);
        assert_exit(&heapmatrix(&["salvage", "-", "-o", "-"], input), 2);
        assert_exit(&heapmatrix(&["verify", "-"], input), 2);
    }
    let cut = &dump()[..100];
    let error = heapmatrix(&["inspect", "-"], cut);
    assert_exit(&error, 2);
    let text = String::from_utf8(error.stderr).unwrap();
    assert!(text.contains("offset 100") && text.contains("heapmatrix salvage"), "{text}");
}

/// A hundred megabytes and more from a pipe, as a stream: what the process had at most is what the kernel says.
#[test]
#[cfg(target_os = "linux")]
fn inspect_and_print_take_little_memory() {
    let sound = dump();
    let object =
        Record::Object(Object { address: 0x1_0000, contents: &[7; 1 << 20], fields: Fields::default() });
    let mut round = Vec::new();
    object.write_to(&mut round).unwrap();
    // Params, a type and an itab, many objects, and the rest.
    let at = sound.len() - 1;
    for command in ["inspect", "print"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_heapmatrix"))
            .args([command, "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(&sound[..at]).unwrap();
        (0..128).for_each(|_| input.write_all(&round).unwrap());
        // All but what fits into the pipe has been read.
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        input.write_all(&sound[at..]).unwrap();
        drop(input);
        assert!(child.wait().unwrap().success());
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(kilobytes < 64 << 10, "{command} took {kilobytes} kB");
    }
}

/// As `src/cli/damage.rs` does at every offset, but with the whole command: its status, and its one line of error.
#[test]
fn damaged_dumps_end_with_a_status_that_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let sound = dump();
    for at in (0..sound.len()).step_by(23) {
        let mut changed = sound.clone();
        changed[at] ^= 0xff;
        for input in [&sound[..at], &changed] {
            for args in [
                &["inspect", "-"][..],
                &["print", "-"],
                &["verify", "-"],
                &["salvage", "-", "-o", out.to_str().unwrap()],
            ] {
                let output = heapmatrix(args, input);
                let code = output.status.code().unwrap_or_else(|| panic!("{args:?} at {at}: a signal"));
                assert!(code <= 2, "{args:?} at {at}: status {code}");
                assert_exit(&output, code);
                assert!(code > 0 || input.len() == sound.len(), "{args:?} at {at}: the cut is not noticed");
            }
        }
    }
}

/// An object that comes in pieces, with something across two of them and something at its end.
#[test]
fn large_records_are_searched_and_shown() {
    let mut contents = vec![0; 3 << 20];
    let (across, word) = ((2 << 20) - 50, (3 << 20) - 8);
    contents[across..across + 60].copy_from_slice(&"needle ".repeat(9).as_bytes()[..60]);
    contents[word..].copy_from_slice(&0x1_0000u64.to_le_bytes());
    let pairs = Fields::encode_list([0, word as u64, 3 << 20].map(heapmatrix_reader::Field::pointer));
    let fields = Fields::from_encoded(&pairs).unwrap();
    let mut file = dump();
    file.pop();
    Record::Object(Object { address: 0x100_0000, contents: &contents, fields }).write_to(&mut file).unwrap();
    file.push(0);
    let lines = |args: &[&str]| -> Vec<String> {
        let output = heapmatrix(args, &file);
        assert_exit(&output, 0);
        let text = String::from_utf8(output.stdout).unwrap();
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().skip(1).map(words).collect()
    };
    let offset = dump().len() - 1;
    let place = |within: usize| format!("{offset} object {:#x} +{within:#x}", 0x100_0000 + within);
    for (args, within) in [
        (&["grep", "(needle ){8}", "-"][..], across),
        (&["grep", "--hex", "6e 65 65 64 6c 65 20", "-", "--limit", "1"], across),
        (&["grep", "--pointer", "65536", "-"], word),
    ] {
        let found = lines(args);
        assert_eq!(found.len(), 1, "{args:?}: {found:?}");
        assert!(found[0].starts_with(&place(within)), "{args:?}: {found:?}");
    }
    let count = heapmatrix(&["grep", "-c", "-F", "needle", "-"], &file);
    assert_eq!(String::from_utf8(count.stdout).unwrap(), "8\n");
    let none = heapmatrix(&["grep", "nothing like this", "-"], &file);
    assert_exit(&none, 1);

    let shown = lines(&["print", "-", "--address", "0x1000008", "--pointers", "--contents"]);
    assert_eq!(shown[0], format!("{offset} object 0x1000000 size=3145728 pointers=3"));
    assert_eq!(shown[1..4], ["+0x0 0x0", "+0x2ffff8 0x10000", "+0x300000 past the end"]);
    assert_eq!(shown[4], "0x000001000000 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 |................|");
    assert_eq!(shown[5], "*");
    assert!(
        shown.last().unwrap().starts_with("0x0000012ffff0 00 00 00 00 00 00 00 00 00 00 01 00"),
        "{shown:?}"
    );
}
