//! Go heap dumps of every architecture whose contents are known, as part of a program: the folders `golden`, `real` and
//! `regressions`, which `README.md` describes.
#![forbid(unsafe_code)]

use include_dir::{Dir, include_dir};

/// What is in no folder.
static ALONE: [(&str, &[u8]); 3] = [
    ("README.md", include_bytes!("../README.md")),
    ("LICENSE", include_bytes!("../LICENSE")),
    ("reader.py", include_bytes!("../reader.py")),
];

/// The folders, each with its name.
static FOLDERS: [(&str, Dir<'static>); 3] = [
    ("golden/", include_dir!("$CARGO_MANIFEST_DIR/golden")),
    ("real/", include_dir!("$CARGO_MANIFEST_DIR/real")),
    ("regressions/", include_dir!("$CARGO_MANIFEST_DIR/regressions")),
];

/// All files: names with `/` between folders, such as `golden/386/defers.dump`, and contents.
pub fn files() -> impl Iterator<Item = (String, &'static [u8])> {
    let alone = ALONE.iter().map(|(name, bytes)| ((*name).to_owned(), *bytes));
    alone.chain(FOLDERS.iter().flat_map(|(prefix, dir)| {
        let mut all = Vec::new();
        collect(prefix, dir, &mut all);
        all
    }))
}

fn collect(prefix: &str, dir: &'static Dir<'static>, all: &mut Vec<(String, &'static [u8])>) {
    let file = |file: &'static include_dir::File<'static>| {
        (format!("{prefix}{}", slashes(file.path())), file.contents())
    };
    all.extend(dir.files().map(file));
    dir.dirs().for_each(|dir| collect(prefix, dir, all));
}

fn slashes(path: &std::path::Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

/// The contents of a file.
pub fn file(name: &str) -> Option<&'static [u8]> {
    let alone = ALONE.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes);
    alone.or_else(|| {
        FOLDERS.iter().find_map(|(prefix, dir)| Some(dir.get_file(name.strip_prefix(prefix)?)?.contents()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_the_names_that_they_have_in_the_corpus() {
        let names: Vec<String> = files().map(|(name, _)| name).collect();
        for name in ["golden/386/defers.dump", "golden/386/defers.json", "regressions/index.txt"] {
            assert!(names.iter().any(|there| there == name), "{name}");
            assert_eq!(files().find(|(there, _)| there == name).map(|(_, bytes)| bytes), file(name));
        }
        assert!(
            names.iter().filter(|name| name.starts_with("real/") && name.ends_with(".dump.zst")).count() > 8
        );
        assert_eq!(file("golden/nothing"), None);
    }
}
