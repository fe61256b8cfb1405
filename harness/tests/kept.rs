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
