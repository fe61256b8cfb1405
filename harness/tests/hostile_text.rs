//! What a file, a program or an argument says never reaches the terminal as it is: every command, with dumps, programs
//! and arguments whose names rewrite screens, forge lines and turn the reading direction.

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use heapmatrix_reader::{
    Arch, Call, Fields, Function, Goroutine, Itab, MemProf, Object, OtherRoot, Params, PointerSize, Record,
    Segment, Stack, StackFrame, Text, Type, Version,
};
use serde_json::{Value, json};

/// A title, a colour, forged lines, control characters of both sets, marks that turn the direction or are not seen.
const HOSTILE: &str = "\x1b]0;PWNED\x07\x1b[31mred\x1b[0m\nFORGED line\r\nFORGED again\t\x7f\u{9b}31m\u{85}\
                       \u{202e}\u{2066}\u{200f}\u{61c}\u{200b}\u{feff}\u{2028}\u{ad}\u{e0041}end";

/// The same, and not UTF-8.
fn hostile_bytes() -> Vec<u8> {
    [HOSTILE.as_bytes(), b"\xff\xe2\x80.\x80"].concat()
}

/// Whether a character is seen as what it is: said once more, and not in the words of the command.
fn is_seen(c: char) -> bool {
    let unseen = ['\u{ad}', '\u{61c}', '\u{feff}'];
    let ranges = [
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2060}'..='\u{206f}',
        '\u{e0000}'..='\u{e007f}',
    ];
    !c.is_control() && !unseen.contains(&c) && !ranges.iter().any(|range| range.contains(&c))
}

#[track_caller]
fn assert_clean(what: &str, bytes: &[u8]) {
    let text =
        str::from_utf8(bytes).unwrap_or_else(|_| panic!("{what}: not UTF-8: {}", bytes.escape_ascii()));
    for line in text.split('\n') {
        assert!(line.chars().all(is_seen), "{what}: {line:?}");
        assert!(!line.trim_start().starts_with("FORGED"), "{what}: {text}");
    }
}

fn run<S: AsRef<std::ffi::OsStr>>(dir: &Path, args: &[S], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_heapmatrix"))
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that has seen enough closes its input.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// Runs a command; nothing that it prints deceives, and what it prints is not nothing.
#[track_caller]
fn clean(dir: &Path, args: &[&str], input: &[u8]) -> Output {
    let output = run(dir, args, input);
    let what = format!("{args:?}");
    assert_clean(&what, &output.stdout);
    assert_clean(&what, &output.stderr);
    assert!(!output.stdout.is_empty() || !output.stderr.is_empty(), "{what} prints nothing");
    assert!(output.status.code().is_some_and(|code| code <= 2), "{what}: {:?}", output.status);
    output
}

/// A dump in which every string is `name`, and that breaks a law that quotes one.
fn dump(version: Version, name: &[u8]) -> Vec<u8> {
    let name = Text(name);
    let fields = Fields::from_encoded(&[1, 0]).unwrap();
    let contents = name.0;
    let stack = Stack::encode_list([Call { function: name, file: name, line: 1 }; 2]);
    let mut file = version.header().to_vec();
    let arch = if version == Version::Go17 { Arch::Name(name) } else { Arch::Char(0x202e) };
    let params = Params {
        big_endian: false,
        pointer_size: PointerSize::Eight,
        heap_start: 0x1_0000,
        heap_end: 0x2_0000,
        arch,
        experiment: name,
        cpus: 1,
    };
    let goroutine = Goroutine {
        address: 1,
        sp: 2,
        id: 3,
        creation_pc: 4,
        status: 4,
        is_system: false,
        is_background: false,
        wait_since: 5,
        wait_reason: name,
        context: 6,
        thread: 7,
        defer: 8,
        panic: 9,
    };
    let function = Function { entry: 1, pc: 2, continuation_pc: 3, name };
    let ty = |size| Record::Type(Type { address: 0x10, size, name, data_is_pointer: true });
    for record in [
        Record::Params(params),
        ty(8),
        ty(16),
        Record::Itab(Itab { address: 0x800, type_address: 0x10 }),
        Record::Object(Object { address: 0x1_0000, contents, fields }),
        Record::Goroutine(goroutine),
        Record::StackFrame(StackFrame { sp: 2, depth: 0, child_sp: 0, contents, function, fields }),
        Record::OtherRoot(OtherRoot { description: name, target: 1 }),
        Record::Data(Segment { address: 0x100, contents, fields }),
        Record::Bss(Segment { address: 0x200, contents, fields }),
        Record::MemProf(MemProf {
            address: 1,
            size: 8,
            stack: Stack::from_encoded(&stack).unwrap(),
            allocs: 1,
            frees: 0,
        }),
        Record::Eof,
    ] {
        record.write_to(&mut file).unwrap();
    }
    file
}

#[test]
fn dumps() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let bytes = hostile_bytes();
    for name in [HOSTILE.as_bytes(), &bytes] {
        for version in [Version::Go15, Version::Go17] {
            let dump = dump(version, name);
            for args in [
                &["inspect", "-"][..],
                &["inspect", "-", "--all"],
                &["inspect", "-", "--json"],
                &["print", "-"],
                &["print", "-", "--contents", "--pointers"],
                &["print", "-", "--contents", "--pointers", "--jsonl"],
                &["print", "-", "--type", "PWNED"],
                &["grep", "PWNED", "-"],
                &["grep", "(?s)PWNED.*end", "-"],
                &["grep", "PWNED", "-", "--jsonl"],
                &["verify", "-"],
                &["verify", "-", "--json"],
                &["salvage", "-", "-o", "saved"],
            ] {
                let output = clean(dir, args, &dump);
                if args[0] != "salvage" {
                    assert!(
                        !output.stdout.is_empty(),
                        "{args:?}: {}",
                        String::from_utf8_lossy(&output.stderr)
                    );
                }
                // At every place where it may break off or be wrong.
                for at in (0..dump.len()).step_by(211) {
                    clean(dir, args, &dump[..at]);
                    let mut changed = dump.clone();
                    changed[at] ^= 0xff;
                    clean(dir, args, &changed);
                }
            }
            // The colours are ours, and nothing else gets through with them.
            for command in ["inspect", "print", "verify"] {
                let colored = run(dir, &[command, "-", "--color", "always"], &dump).stdout;
                let text = String::from_utf8(colored).unwrap();
                assert!(
                    !text.contains("\x1b]") && !text.contains("\x1b[31mred") && !text.contains('\x07'),
                    "{text:?}"
                );
                assert!(command == "verify" || text.contains("\x1b[1m"), "{text:?}");
            }
        }
    }
}

#[test]
fn json_is_exact() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = hostile_bytes();
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    for (name, value) in [(HOSTILE.as_bytes(), json!(HOSTILE)), (&bytes, json!({ "bytes": digits }))] {
        let dump = dump(Version::Go17, name);
        let summary = clean(dir.path(), &["inspect", "-", "--json"], &dump).stdout;
        let summary: Value = serde_json::from_slice(&summary).unwrap();
        for pointer in
            ["/params/arch", "/params/experiment", "/goroutines/0/wait_reason", "/goroutines/0/stack/0"]
        {
            assert_eq!(summary.pointer(pointer), Some(&value), "{pointer}");
        }
        let lines = clean(dir.path(), &["print", "-", "--jsonl"], &dump).stdout;
        let records: Vec<Value> =
            str::from_utf8(&lines).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(records.len(), 12);
        for (kind, pointer) in [
            ("params", "/arch"),
            ("type", "/name"),
            ("goroutine", "/wait_reason"),
            ("stackframe", "/function"),
            ("otherroot", "/description"),
            ("memprof", "/stack/1/file"),
        ] {
            let record = records.iter().find(|record| record["kind"] == kind).unwrap();
            assert_eq!(record.pointer(pointer), Some(&value), "{kind} {pointer}");
        }
    }
}

/// An amd64 program that opens a file of a hostile name, and reads from address 8, in a function of a hostile name.
fn elf() -> Vec<u8> {
    const BASE: u32 = 0x40_0000;
    let (name, path) = ([&hostile_bytes()[..], b"\0"].concat(), [HOSTILE.as_bytes(), b"\0"].concat());
    let code_at = 64 + 56;
    let mut code = vec![0xb8, 2, 0, 0, 0, 0xbf];
    code.extend((BASE + code_at + 21).to_le_bytes());
    code.extend([0x31, 0xf6, 0x0f, 0x05, 0x8b, 0x04, 0x25, 8, 0, 0, 0]);
    assert_eq!(code.len(), 21);
    code.extend(path);
    let size = u64::from(code_at) + code.len() as u64;
    let symbols_at = size.next_multiple_of(8);
    let names_at = symbols_at + 48;
    let sections_at = (names_at + 1 + name.len() as u64).next_multiple_of(8);

    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let u16s = |file: &mut Vec<u8>, values: &[u16]| values.iter().for_each(|v| file.extend(v.to_le_bytes()));
    let u32s = |file: &mut Vec<u8>, values: &[u32]| values.iter().for_each(|v| file.extend(v.to_le_bytes()));
    let u64s = |file: &mut Vec<u8>, values: &[u64]| values.iter().for_each(|v| file.extend(v.to_le_bytes()));
    // The header: an executable for x86-64.
    u16s(&mut file, &[2, 62]);
    u32s(&mut file, &[1]);
    u64s(&mut file, &[u64::from(BASE + code_at), 64, sections_at]);
    u32s(&mut file, &[0]);
    u16s(&mut file, &[64, 56, 1, 64, 3, 2]);
    // One segment, readable, writable and executable.
    u32s(&mut file, &[1, 7]);
    u64s(&mut file, &[0, BASE.into(), BASE.into(), size, size, 0x1000]);
    file.extend(&code);
    file.resize(usize::try_from(symbols_at).unwrap() + 24, 0);
    // The symbol: a global function in section 1.
    u32s(&mut file, &[1]);
    file.extend([0x12, 0]);
    u16s(&mut file, &[1]);
    u64s(&mut file, &[u64::from(BASE + code_at), 21]);
    file.push(0);
    file.extend(&name);
    file.resize(usize::try_from(sections_at).unwrap() + 64, 0);
    for (kind, at, length, link, info, align, entry) in
        [(2, symbols_at, 48, 2, 1, 8, 24), (3, names_at, 1 + name.len() as u64, 0, 0, 1, 0)]
    {
        u32s(&mut file, &[0, kind]);
        u64s(&mut file, &[0, 0, at, length]);
        u32s(&mut file, &[link, info]);
        u64s(&mut file, &[align, entry]);
    }
    file
}

#[test]
fn programs() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("program"), elf()).unwrap();
    let said = |args: &[&str]| String::from_utf8(clean(dir, args, b"").stderr).unwrap();
    let killed = run(dir, &["exec", "program"], b"");
    assert_eq!(killed.status.code(), Some(139), "{killed:?}");
    for args in [
        &["exec", "program"][..],
        &["exec", "--trace", "syscalls", "program"],
        &["exec", "--json", "program"],
    ] {
        let output = run(dir, args, b"");
        assert_clean(&format!("{args:?}"), &output.stdout);
        assert_clean(&format!("{args:?}"), &output.stderr);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(text.contains("PWNED"), "{args:?} does not name the symbol: {text}");
    }
    // Nothing of Go's is in it.
    assert!(said(&["exec", "--dump", "x", "program"]).contains("not a Go program"));
    assert!(said(&["exec", "--dump", "x", "--at", HOSTILE, "program"]).contains("PWNED"));
    assert!(said(&["exec", HOSTILE]).contains("PWNED"));
}

#[test]
fn files() {
    let dir = tempfile::tempdir().unwrap();
    let name = HOSTILE.replace('/', "");
    let dir = dir.path();
    fs::write(dir.join(&name), dump(Version::Go15, b"a")).unwrap();
    fs::write(dir.join("text"), HOSTILE).unwrap();
    let other = std::ffi::OsStr::from_bytes(b"no\xff\x1b[31m");
    let nowhere = format!("none/{name}");
    for command in [&["inspect"][..], &["print"], &["verify"], &["grep", "x"], &["salvage", "-o", "saved"]] {
        clean(dir, &[command, &[&name]].concat(), b"");
        clean(dir, &[command, &["text"]].concat(), b"");
        clean(dir, &[command, &["-"]].concat(), HOSTILE.as_bytes());
        clean(dir, &[command, &[&nowhere]].concat(), b"");
        let mut args: Vec<&std::ffi::OsStr> = command.iter().map(|arg| arg.as_ref()).collect();
        args.push(other);
        let output = run(dir, &args, b"");
        assert_clean(&format!("{args:?}"), &output.stderr);
        assert_eq!(output.status.code(), Some(2));
    }
    clean(dir, &["salvage", &name, "-o", &name], b"");
    clean(dir, &["salvage", &name, "-o", &nowhere], b"");
    clean(dir, &["dump", "--arch", "arm", "-o", &nowhere], b"");
    clean(dir, &["run", "--worlds", "1", "--out", &format!("{name}/below")], b"");
    clean(dir, &["corpus", "check", "--dir", &nowhere], b"");
}

/// Every command and every option that takes a value, as the help names them.
#[test]
fn arguments() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let help = |args: &[&str]| String::from_utf8(clean(dir, args, b"").stdout).unwrap();
    let words = |text: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix("  "));
        lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
    };
    let commands = help(&["--help"]);
    let commands = commands.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let commands = words(commands);
    assert!(commands.len() >= 9, "{commands:?}");
    clean(dir, &[HOSTILE], b"");
    clean(dir, &[&format!("--{HOSTILE}")], b"");
    let mut options = 0;
    for command in commands.iter().filter(|&command| command != "help") {
        clean(dir, &[command, &format!("--{HOSTILE}")], b"");
        clean(dir, &[command, "--color", HOSTILE], b"");
        for line in help(&[command, "--help"]).lines().filter(|line| line.contains(" <")) {
            let Some(option) = line.split_whitespace().find(|word| word.starts_with("--")) else { continue };
            let output = clean(dir, &[command, option, HOSTILE, "--no-such-option"], b"");
            assert_eq!(output.status.code(), Some(2), "{command} {option}");
            options += 1;
        }
    }
    assert!(options > 20, "{options} options");
}
