//! What the commands that read dumps take for one, and what they say of everything else.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use heapmatrix_reader::{Arch, Fields, Object, Params, PointerSize, Record, Version};

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

fn dump() -> Vec<u8> {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpora");
    zstd::decode_all(&fs::read(corpora.join("real/go1.27.3-386.dump.zst")).unwrap()[..]).unwrap()
}

const COMMANDS: [&[&str]; 4] = [&["inspect"], &["print"], &["verify"], &["salvage", "-o", "-"]];

/// Runs every command on a file and on a pipe with these bytes.
fn run_all(dir: &Path, bytes: &[u8], mut check: impl FnMut(&str, &Path, Output)) {
    let path: PathBuf = dir.join("input");
    fs::write(&path, bytes).unwrap();
    for command in COMMANDS {
        let on_file = heapmatrix(&[command, &[path.to_str().unwrap()]].concat(), b"");
        check(command[0], &path, on_file);
        let on_pipe = heapmatrix(&[command, &["-"]].concat(), bytes);
        check(command[0], Path::new("standard input"), on_pipe);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn compressed_dumps_are_dumps() {
    let dir = tempfile::tempdir().unwrap();
    let plain = dump();
    let expected: Vec<_> =
        COMMANDS.iter().map(|command| heapmatrix(&[command, &["-"][..]].concat(), &plain).stdout).collect();
    let cut = plain.len() / 2;
    let members = [gzip(&plain[..cut]), gzip(&plain[cut..])].concat();
    for bytes in [&plain, &gzip(&plain), &members, &zstd::encode_all(&plain[..], 1).unwrap()] {
        let mut expected = expected.iter().flat_map(|output| [output, output]);
        run_all(dir.path(), bytes, |command, name, output| {
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{command}: {error}");
            assert!(!error.contains("note"), "{command}: {error}");
            // Only verify says how the input is called.
            let said = String::from_utf8_lossy(&output.stdout)
                .replace(&name.display().to_string(), "standard input");
            let expected = String::from_utf8_lossy(expected.next().unwrap());
            assert!(said == expected, "{command}");
        });
    }
}

#[test]
fn a_programs_output_before_the_dump_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let plain = dump();
    for text in ["starting\n", "go1.5\ngo1.7 heap", &"a line of text\n".repeat(4000)] {
        let bytes = [text.as_bytes(), &plain].concat();
        for bytes in [&bytes, &zstd::encode_all(&bytes[..], 1).unwrap()] {
            run_all(dir.path(), bytes, |command, _, output| {
                let error = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.status.success(), "{command}: {error}");
                let note = format!("the dump begins after {} bytes of text", text.len());
                assert!(error.contains(&note), "{command}: {error}");
                if command == "salvage" {
                    assert!(output.stdout == plain);
                }
            });
        }
    }
}

#[test]
fn what_is_no_dump_is_told_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let elf = |class: u8, order: u8, kind: [u8; 2]| {
        [b"\x7fELF", &[class, order, 1][..], &[0; 9], &kind, &[0; 100]].concat()
    };
    let too_far = [&[b'a'; 100_000][..], &dump()].concat();
    let inside = [&[0, 1, 2][..], &dump()].concat();
    let cases: [(Vec<u8>, &str); 11] = [
        (elf(2, 1, [2, 0]), "heapmatrix exec"),
        (elf(1, 2, [0, 3]), "heapmatrix exec"),
        (elf(2, 1, [4, 0]), "core file"),
        (elf(1, 2, [0, 4]), "core file"),
        (b"{\"bytes\": 1}".to_vec(), "JSON"),
        (Vec::new(), "header: the input ends here"),
        (b"not a dump".to_vec(), "not a Go heap dump"),
        (b"go1.4 heap dump\n".to_vec(), "go1.4 heap dump"),
        (vec![0; 200_000], "not a Go heap dump"),
        (too_far, "not a Go heap dump"),
        (inside, "not a Go heap dump"),
    ];
    for (bytes, says) in cases {
        run_all(dir.path(), &bytes, |command, name, output| {
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{command}: {error}");
            assert!(error.contains(says) && error.lines().count() == 1, "{command}: {error}");
            assert!(error.contains(&name.display().to_string()), "{command}: {error}");
        });
    }
}

/// An input without end that is no dump: only its beginning is read.
#[test]
#[cfg(target_os = "linux")]
fn the_header_is_looked_at_first() {
    for command in COMMANDS {
        let output = heapmatrix(&[command, &["/dev/zero"]].concat(), b"");
        assert_eq!(output.status.code(), Some(2), "{command:?}");
    }
}

/// A dump that is made while it is read.
struct Objects {
    start: io::Cursor<Vec<u8>>,
    object: Vec<u8>,
    address: u64,
    count: u64,
    at: usize,
}

impl Objects {
    /// So many objects of 64 bytes, which are neighbours but for each eighth, which is free.
    fn dump(count: u64) -> impl Read {
        let address = 0xc0_0000_0000;
        let params = Params {
            big_endian: false,
            pointer_size: PointerSize::Eight,
            heap_start: address,
            heap_end: address + (1 << 40),
            arch: Arch::Name("amd64".into()),
            experiment: "go1.21.0".into(),
            cpus: 1,
        };
        let mut start = Version::Go17.header().to_vec();
        Record::Params(params).write_to(&mut start).unwrap();
        Self { start: io::Cursor::new(start), object: Vec::new(), address, count, at: 0 }
    }
}

impl Read for Objects {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.start.read(buffer)?;
        if read > 0 {
            return Ok(read);
        }
        if self.at == self.object.len() {
            if self.count == 0 {
                return Ok(0);
            }
            (self.at, self.count) = (0, self.count - 1);
            self.object.clear();
            if self.count == 0 {
                self.object.push(0);
            } else {
                let contents = [7; 64];
                let object = Object { address: self.address, contents: &contents, fields: Fields::default() };
                Record::Object(object).write_to(&mut self.object)?;
                self.address += if self.count.is_multiple_of(8) { 128 } else { 64 };
            }
        }
        let count = (&self.object[self.at..]).read(buffer)?;
        self.at += count;
        Ok(count)
    }
}

/// Large dumps take little memory, in files and in pipes: what a process had at most is what the kernel says.
#[test]
#[cfg(target_os = "linux")]
fn large_dumps_take_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let (path, out) = (dir.path().join("large"), dir.path().join("out"));
    let (path, out) = (path.to_str().unwrap(), out.to_str().unwrap());
    let mut file = io::BufWriter::new(fs::File::create(path).unwrap());
    io::copy(&mut Objects::dump(1_500_000), &mut file).unwrap();
    drop(file);
    assert!(fs::metadata(path).unwrap().len() > 100 << 20);
    for (args, through_a_pipe) in [
        (&["inspect", path][..], false),
        (&["verify", path], false),
        (&["salvage", path, "-o", out], false),
        (&["verify", "-"], true),
        (&["salvage", "-", "-o", out], true),
    ] {
        // The shell's own children are those of which it knows what they took at most.
        let input = if through_a_pipe { format!("cat {path} | ") } else { String::new() };
        let script = format!(
            "import resource, subprocess, sys\n\
             subprocess.run({:?}, shell=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n\
             print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)",
            format!("{input}{} {}", env!("CARGO_BIN_EXE_heapmatrix"), args.join(" "))
        );
        let Ok(output) = Command::new("python3").args(["-c", &script]).output() else {
            println!("not run: there is no python3");
            return;
        };
        let kilobytes: u64 = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
        println!("{args:?}: {kilobytes} kB");
        assert!(kilobytes < 64 << 10, "{args:?} took {kilobytes} kB");
    }
    assert_eq!(fs::metadata(out).unwrap().len(), fs::metadata(path).unwrap().len());
}
