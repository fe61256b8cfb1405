//! The golden corpus is what its worlds give, byte for byte, and `heapmatrix corpus` keeps it so.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use heapmatrix::golden::Golden;
use heapmatrix_emu::world::World;
use heapmatrix_writer::AnyTarget;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpora/golden")
}

/// `heapmatrix corpus ACTION --dir DIR`: exit status and output.
fn corpus(action: &str, dir: &Path) -> (Option<i32>, String) {
    let command = Command::new(env!("CARGO_BIN_EXE_heapmatrix"))
        .args(["corpus", action, "--dir", dir.to_str().unwrap()])
        .output();
    let Output { status, stdout, stderr } = command.unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

fn is_what_its_worlds_give(target: AnyTarget) {
    let golden = Golden::open(&folder()).unwrap();
    assert!(golden.worlds().count() >= 20);
    let differences = golden.check(target).unwrap();
    assert!(differences.is_empty(), "`heapmatrix corpus regenerate` would write {differences:#?}");
}

heapmatrix_emu::each_machine!(is_what_its_worlds_give);

/// From a world alone, and from files that are damaged, too many or too few.
#[test]
fn regenerate_makes_what_check_accepts() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::create_dir(dir.join("worlds")).unwrap();
    for world in ["type_with_name.json", "dumper_state.json"] {
        fs::copy(folder().join("worlds").join(world), dir.join("worlds").join(world)).unwrap();
    }
    let (status, text) = corpus("check", dir);
    assert_eq!(status, Some(1), "{text}");
    assert_eq!(corpus("regenerate", dir).0, Some(0));
    assert_eq!(
        corpus("check", dir),
        (Some(0), format!("2 worlds on {} architectures, all up to date\n", World::MACHINES.len()))
    );

    let damaged = dir.join("ppc64/type_with_name.json");
    let sound = fs::read(&damaged).unwrap();
    assert_eq!(sound, fs::read(folder().join("ppc64/type_with_name.json")).unwrap());
    fs::write(&damaged, b"{}").unwrap();
    fs::write(dir.join("arm/of_no_world.dump"), b"").unwrap();
    fs::remove_file(dir.join("386/dumper_state.dump.zst")).unwrap();
    let expected = "386/dumper_state.dump.zst is missing\n\
                    arm/of_no_world.dump comes from no world\n\
                    ppc64/type_with_name.json is not what its world gives\n\
                    3 files differ: heapmatrix corpus regenerate rewrites them\n";
    assert_eq!(corpus("check", dir), (Some(1), expected.into()));
    assert_eq!(corpus("regenerate", dir).0, Some(0));
    assert_eq!(corpus("check", dir).0, Some(0));
    assert_eq!(fs::read(&damaged).unwrap(), sound);
}

#[test]
fn what_is_no_corpus_is_one_line_and_status_2() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("worlds/not-a-world.json");
    let (status, text) = corpus("check", dir.path());
    assert_eq!((status, text.lines().count()), (Some(2), 1), "{text}");
    fs::create_dir(path.parent().unwrap()).unwrap();
    fs::write(&path, b"{\"types\": 7}").unwrap();
    let (status, text) = corpus("regenerate", dir.path());
    assert_eq!((status, text.lines().count()), (Some(2), 1), "{text}");
    assert!(text.contains("not-a-world.json: not a world"), "{text}");
}
