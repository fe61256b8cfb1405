//! What commands keep beside a dump, and when.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder with a dump in it.
struct Place {
    folder: tempfile::TempDir,
    dump: PathBuf,
}

impl Place {
    fn new(dump: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("heap.dump");
        fs::write(&path, dump).unwrap();
        Self { folder, dump: path }
    }

    fn small() -> Self {
        let golden = "../corpora/golden/ppc64/pointers_everywhere.dump";
        Self::new(&fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(golden)).unwrap())
    }

    /// A dump with an object of 33 MiB.
    fn large() -> Self {
        let mut dump = b"go1.7 heap dump\n".to_vec();
        // Params of amd64, then an object and the end.
        dump.extend([6, 0, 8, 0, 0x7f, 5]);
        dump.extend(b"amd64");
        dump.extend([0, 1]);
        dump.extend([1, 0x10, 0x80, 0x80, 0x80 | 0x10 | 0x74, 0x10]);
        let length = (0x74 | 0x10) << 14 | 0x10 << 21;
        dump.resize(dump.len() + length, 7);
        dump.extend([0, 0]);
        Self::new(&dump)
    }

    fn kept(&self) -> PathBuf {
        self.folder.path().join("heap.dump.hmx")
    }

    /// What a command prints on standard output and on standard error.
    fn top(&self, arguments: &[&str]) -> (String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_heapmatrix"))
            .arg("top")
            .arg(&self.dump)
            .args(arguments)
            .output()
            .unwrap();
        let [out, error] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert_eq!(output.status.code(), Some(0), "{error}");
        (out, error)
    }

    /// A path beside the dump.
    fn beside(&self, end: &str) -> PathBuf {
        self.folder.path().join(format!("heap.dump{end}"))
    }

    fn files(&self) -> usize {
        fs::read_dir(self.folder.path()).unwrap().count()
    }
}

#[test]
fn what_is_kept_gives_the_same_report() {
    let place = Place::small();
    let (first, error) = place.top(&[]);
    assert_eq!((error, place.files()), (String::new(), 1), "small dumps are read again");
    let (second, error) = place.top(&["--index", "always"]);
    assert!(error.starts_with("note: ") && error.contains("heap.dump.hmx"), "{error}");
    let kept = fs::read(place.kept()).unwrap();
    for arguments in [&[][..], &["--index", "always"], &["--index", "auto"]] {
        let (third, error) = place.top(arguments);
        assert_eq!((&third, error), (&first, String::new()));
    }
    assert_eq!((&second, place.files()), (&first, 2));

    // One that is damaged, or of another dump, is made again.
    for broken in [&kept[..kept.len() - 1], &[&kept[..40], &[1], &kept[41..]].concat()] {
        fs::write(place.kept(), broken).unwrap();
        let (out, error) = place.top(&["--index", "always"]);
        assert!(out == first && error.starts_with("note: "), "{error}");
        assert_eq!(fs::read(place.kept()).unwrap(), kept);
    }
    // One that is not used is not looked at.
    fs::write(place.kept(), "somebody else's").unwrap();
    assert_eq!(place.top(&["--index", "never"]), (first.clone(), String::new()));
    let (out, error) = place.top(&["--index", "always"]);
    assert!(out == first && error.contains("stays as it is"), "{error}");
    assert_eq!(fs::read(place.kept()).unwrap(), b"somebody else's");
}

#[test]
fn large_dumps_are_kept_where_that_can_be() {
    let place = Place::large();
    assert_eq!((place.top(&["--index", "never"]).1, place.files()), (String::new(), 1));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |mode| fs::set_permissions(place.folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        mode(0o555);
        let (out, error) = place.top(&[]);
        mode(0o755);
        assert!(!out.is_empty() && error.is_empty(), "{error}");
        assert_eq!(place.files(), 1, "a folder that is read only stays as it is");
    }
    let (_, error) = place.top(&[]);
    assert!(error.starts_with("note: "), "{error}");
    assert_eq!((place.top(&[]).1, place.files()), (String::new(), 2));
}

#[test]
fn nothing_is_kept_of_what_is_no_plain_file() {
    let place = Place::small();
    let bytes = fs::read(&place.dump).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_heapmatrix"));
    command.args(["top", "-", "--index", "always"]).current_dir(place.folder.path());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&bytes).unwrap();
    fs::write(&place.dump, packed.finish().unwrap()).unwrap();
    assert_eq!(place.top(&["--index", "always"]).1, "");
    assert_eq!(place.files(), 1);
}

/// The program of a dump is found beside it, and used only if the dump is of it.
#[test]
fn a_program_beside_a_dump_is_not_believed() {
    let place = Place::small();
    let (first, _) = place.top(&[]);
    let program = place.folder.path().join("heap.dump.exe");
    fs::write(&program, "no program").unwrap();
    let (out, error) = place.top(&[]);
    assert_eq!(out, first);
    assert!(error.starts_with("note: ") && error.contains("heap.dump.exe is no program"), "{error}");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let (out, error) = place.top(&[]);
    assert_eq!(out, first);
    assert!(error.contains("the dump is not of this program") && error.contains("not used"), "{error}");
}

/// Runs a command, which must not wait for what never comes.
#[cfg(unix)]
fn ends(command: &mut Command) -> (Option<i32>, String, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    for _ in 0..600 {
        if child.try_wait().unwrap().is_some() {
            let output = child.wait_with_output().unwrap();
            let [out, error] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
            return (output.status.code(), out, error);
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    child.kill().unwrap();
    panic!("{command:?} waits");
}

#[cfg(unix)]
fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// What stands where a program or an index might be, and is neither, costs nobody anything.
#[test]
#[cfg(unix)]
fn what_lies_beside_a_dump_may_be_anything() {
    let place = Place::small();
    let (first, _) = place.top(&[]);
    let top = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_heapmatrix"));
        ends(command.arg("top").arg(&place.dump).args(arguments))
    };
    for end in [".exe", ".hmx"] {
        let beside = place.beside(end);
        std::os::unix::fs::symlink("/no/such/file", &beside).unwrap();
        assert_eq!(top(&[]), (Some(0), first.clone(), String::new()), "{end}: a link that leads nowhere");
        fs::remove_file(&beside).unwrap();
        make_pipe(&beside);
        let (status, out, error) = top(&[]);
        assert_eq!((status, &out), (Some(0), &first), "{end}: a pipe: {error}");
        fs::remove_file(&beside).unwrap();
        fs::create_dir(&beside).unwrap();
        let (status, out, error) = top(&[]);
        assert_eq!((status, &out), (Some(0), &first), "{end}: a folder: {error}");
        fs::remove_dir(&beside).unwrap();
        fs::write(&beside, "").unwrap();
        let (status, out, error) = top(&[]);
        assert_eq!((status, &out), (Some(0), &first), "{end}: an empty file: {error}");
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o000)).unwrap();
        let (status, out, error) = top(&[]);
        assert_eq!((status, &out), (Some(0), &first), "{end}: a file that may not be read: {error}");
        fs::remove_file(&beside).unwrap();
    }
    // What somebody names is another matter.
    let pipe = place.beside(".exe");
    make_pipe(&pipe);
    for (program, says) in [
        (pipe.to_str().unwrap(), "no plain file"),
        ("/", "no plain file"),
        ("/no/such/file", "No such file"),
        (place.dump.to_str().unwrap(), "can't be read as an ELF file"),
    ] {
        let (status, out, error) = top(&["--exe", program]);
        assert_eq!((status, &out[..]), (Some(2), ""), "{program}: {error}");
        assert!(error.contains(program) && error.contains(says), "{program}: {error}");
    }
}

/// A dump that comes through a pipe with a name is read once, to its end.
#[test]
#[cfg(unix)]
fn a_dump_may_come_through_a_pipe() {
    let place = Place::small();
    let (first, _) = place.top(&[]);
    let bytes = fs::read(&place.dump).unwrap();
    let pipe = place.folder.path().join("pipe");
    make_pipe(&pipe);
    for index in ["auto", "always"] {
        let write = std::thread::spawn({
            let (pipe, bytes) = (pipe.clone(), bytes.clone());
            move || fs::write(pipe, bytes)
        });
        let mut command = Command::new(env!("CARGO_BIN_EXE_heapmatrix"));
        let (status, out, error) = ends(command.arg("top").arg(&pipe).args(["--index", index]));
        assert_eq!((status, &out), (Some(0), &first), "{error}");
        write.join().unwrap().unwrap();
    }
}

/// Nothing that is read is written to: the dump, an earlier one, the program.
#[test]
#[cfg(unix)]
fn reports_replace_nothing_that_they_are_made_of() {
    let place = Place::small();
    let [base, program] = ["base", "program"].map(|name| place.folder.path().join(name));
    fs::copy(&place.dump, &base).unwrap();
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let [dump, base, program] = [&place.dump, &base, &program].map(|path| path.to_str().unwrap());
    for arguments in [
        &["web", dump, "-o", dump][..],
        &["web", dump, "--base", base, "-o", base],
        &["web", dump, "--exe", program, "-o", program],
        &["export", dump, "--format", "jsonl", "-o", dump],
        &["export", dump, "--format", "pprof", "--exe", program, "-o", program],
    ] {
        let (output, before) = (arguments.last().unwrap(), fs::read(arguments.last().unwrap()).unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_heapmatrix"));
        let (status, _, error) = ends(command.args(arguments));
        assert_eq!(status, Some(2), "{arguments:?}: {error}");
        assert!(error.contains(output) && error.contains("is the input"), "{arguments:?}: {error}");
        assert!(fs::read(output).unwrap() == before, "{arguments:?}");
    }
}
