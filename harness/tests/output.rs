//! What commands leave behind: files that are whole or not there, and verdicts that don't depend on who reads.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

fn heapmatrix(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heapmatrix"));
    command.args(args);
    command
}

/// Runs a command whose standard output nobody reads.
fn unread(args: &[&str]) -> ExitStatus {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    heapmatrix(args).stdout(writer).stderr(Stdio::null()).status().unwrap()
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpora/golden/amd64").join(name)
}

/// A sound dump, one that is cut off, and one without its second half, which breaks laws.
fn dumps(dir: &Path) -> [String; 3] {
    let sound = fs::read(golden("profile.dump")).unwrap();
    let cut = sound[..sound.len() - 1].to_vec();
    let mut broken = sound[..heapmatrix_reader::Version::Go15.header().len()].to_vec();
    let params = heapmatrix_reader::Dump::new(&sound).unwrap().records().next().unwrap().unwrap().1;
    params.write_to(&mut broken).unwrap();
    broken.push(0);
    [("sound", sound), ("cut", cut), ("broken", broken)].map(|(name, bytes)| {
        let path = dir.join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    })
}

/// A program for Linux on amd64 that writes a byte so many times and ends with 7.
fn program(dir: &Path, times: u32) -> String {
    const BASE: u64 = 0x40_0000;
    const START: u64 = 64 + 56;
    let mut code = vec![0xbb]; // mov ebx, times
    code.extend(times.to_le_bytes());
    let round = code.len();
    code.extend([0xb8, 1, 0, 0, 0]); // mov eax, 1: write
    code.extend([0xbf, 1, 0, 0, 0]); // mov edi, 1
    code.push(0xbe); // mov esi, the program's first byte
    code.extend((BASE as u32).to_le_bytes());
    code.extend([0xba, 0, 16, 0, 0]); // mov edx, 4096
    code.extend([0x0f, 0x05]); // syscall
    code.extend([0xff, 0xcb]); // dec ebx
    code.extend([0x75, (round as i32 - code.len() as i32 - 2) as u8]); // jnz round
    code.extend([0xb8, 60, 0, 0, 0, 0xbf, 7, 0, 0, 0, 0x0f, 0x05]); // exit(7)
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
    elf.extend([BASE + START, 64, 0].map(u64::to_le_bytes).concat());
    elf.extend([0, 0, 64, 56, 1, 0, 0, 0].map(u16::to_le_bytes).concat());
    elf.drain(elf.len() - 4..);
    elf.resize(64, 0);
    elf.extend([1u32, 5].map(u32::to_le_bytes).concat()); // PT_LOAD, read and execute
    let length = START + 4096 + code.len() as u64;
    elf.extend([0, BASE, BASE, length, length, 4096].map(u64::to_le_bytes).concat());
    elf.extend(code);
    elf.resize(length as usize, 0);
    let path = dir.join(format!("program-{times}"));
    fs::write(&path, elf).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_verdict_survives_its_reader() {
    let dir = tempfile::tempdir().unwrap();
    let [sound, cut, broken] = dumps(dir.path());
    let out = dir.path().join("out");
    let out = out.to_str().unwrap();
    let seven = program(dir.path(), 1);
    for (args, status) in [
        (&["verify", &broken][..], 1),
        (&["verify", "--json", &broken], 1),
        (&["verify", &sound], 0),
        (&["salvage", &cut, "-o", out], 1),
        (&["salvage", &cut, "-o", "-"], 1),
        (&["salvage", &sound, "-o", "-"], 0),
        (&["inspect", &sound], 0),
        (&["inspect", "--json", &sound], 0),
        (&["inspect", &cut], 2),
        (&["print", &sound], 0),
        (&["print", &cut], 2),
        (&["grep", "nothing like this", &sound], 1),
        (&["grep", "(?-u)[^x]", &sound], 0),
        (&["grep", "nothing like this", &cut], 2),
        (&["exec", &seven], 7),
        (&["exec", "--json", &seven], 7),
    ] {
        assert_eq!(unread(args).code(), Some(status), "{args:?}");
    }
}

/// A program that writes for ever is stopped when nobody reads any more.
#[test]
fn a_program_that_does_not_end_ends_with_its_reader() {
    let dir = tempfile::tempdir().unwrap();
    assert!(unread(&["exec", &program(dir.path(), u32::MAX)]).success());
}

fn wait_for_input(child: &mut Child) {
    // It has opened its input when that has been read.
    let stdin = child.stdin.as_mut().unwrap();
    io::Write::write_all(stdin, &fs::read(golden("profile.dump")).unwrap()).unwrap();
}

#[test]
fn an_interrupt_leaves_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    fs::write(&out, "what was there").unwrap();
    let mut child = heapmatrix(&["salvage", "-", "-o", out.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for_input(&mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(fs::read_to_string(&out).unwrap(), "what was there");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
#[cfg(unix)]
fn no_command_writes_to_its_input() {
    let dir = tempfile::tempdir().unwrap();
    let [_, cut, _] = dumps(dir.path());
    let alias = dir.path().join("alias");
    std::os::unix::fs::symlink(&cut, &alias).unwrap();
    let link = dir.path().join("link");
    fs::hard_link(&cut, &link).unwrap();
    let before = fs::read(&cut).unwrap();
    let alias = alias.to_str().unwrap();
    for (input, output) in [(&*cut, &*cut), (&cut, alias), (alias, &cut), (&cut, link.to_str().unwrap())] {
        let result = heapmatrix(&["salvage", input, "-o", output]).output().unwrap();
        let message = String::from_utf8(result.stderr).unwrap();
        assert_eq!(result.status.code(), Some(2), "{input} to {output}: {message}");
        assert!(message.contains(output) && message.contains("is the input"), "{message}");
    }
    let through_pipes =
        heapmatrix(&["salvage", "-", "-o", &cut]).stdin(fs::File::open(&cut).unwrap()).output().unwrap();
    assert_eq!(through_pipes.status.code(), Some(2));
    let appended = fs::OpenOptions::new().append(true).open(&cut).unwrap();
    let appended = heapmatrix(&["salvage", &cut, "-o", "-"]).stdout(appended).output().unwrap();
    assert_eq!(appended.status.code(), Some(2));
    assert!(fs::read(&cut).unwrap() == before);
}

/// `/dev/full` is what a full disk is.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told_with_the_path() {
    let dir = tempfile::tempdir().unwrap();
    let [sound, ..] = dumps(dir.path());
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for (mut command, says) in [
        (heapmatrix(&["salvage", &sound, "-o", "/dev/full"]), "cannot write /dev/full: "),
        (heapmatrix(&["dump", "--arch", "386", "-o", "/dev/full"]), "cannot write /dev/full: "),
        (heapmatrix(&["salvage", &sound, "-o", "-"]), "cannot write standard output: "),
        (heapmatrix(&["inspect", &sound]), "cannot write standard output: "),
        (heapmatrix(&["verify", &sound]), "cannot write standard output: "),
        (heapmatrix(&["print", &sound]), "cannot write standard output: "),
    ] {
        let mut child = command.stdout(full()).stderr(Stdio::piped()).spawn().unwrap();
        let mut message = String::new();
        child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(2), "{command:?}: {message}");
        assert!(
            message.contains(says) && message.matches("cannot write").count() == 1,
            "{command:?}: {message}"
        );
    }
}
