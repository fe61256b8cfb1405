//! Writer and reader share no code: what they are built from has nothing of this project in it.

use std::fs;
use std::path::Path;

/// The names in a manifest's `[dependencies]`.
fn dependencies(manifest: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(manifest);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (_, rest) = text.split_once("\n[dependencies]\n").expect("a section of dependencies");
    let section = rest.split("\n[").next().expect("a first part");
    let lines = section.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split(['.', ' ', '=']).next().expect("a name").to_owned()).collect()
}

#[test]
fn writer_and_reader_have_no_code_of_this_project_in_common() {
    for manifest in ["writer/Cargo.toml", "harness/reader/Cargo.toml"] {
        let names = dependencies(manifest);
        assert!(!names.is_empty(), "{manifest}");
        let own: Vec<_> = names.iter().filter(|name| name.starts_with("heapmatrix")).collect();
        assert!(own.is_empty(), "{manifest}: {own:?}");
    }
    assert!(
        dependencies("harness/Cargo.toml").iter().any(|name| name == "heapmatrix-reader"),
        "names are found"
    );
}
