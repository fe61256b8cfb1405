//! Dumps whose program is not at hand: whatever they are, each object gets a type.

use std::io::Read;
use std::path::{Path, PathBuf};

use heapmatrix_analysis::types::{Typing, Values};
use heapmatrix_reader::{Dump, Index};

/// The dumps of a folder and of those in it.
fn dumps(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_string_lossy();
        if path.is_dir() {
            dumps(&path, found);
        } else if name.ends_with(".dump.zst") {
            let file = std::fs::File::open(&path).unwrap();
            let mut dump = Vec::new();
            ruzstd::decoding::StreamingDecoder::new(file).unwrap().read_to_end(&mut dump).unwrap();
            found.push((path.clone(), dump));
        } else if name.ends_with(".dump") {
            found.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
}

#[test]
fn every_dump_of_the_corpora_has_types_of_a_kind() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpora");
    let mut found = Vec::new();
    for folder in ["golden", "real"] {
        dumps(&corpora.join(folder), &mut found);
    }
    assert!(found.len() > 100, "the corpora have dumps");
    for (path, dump) in found {
        let Ok(index) = Dump::new(&dump).and_then(Index::new) else { continue };
        let typing = Typing::new(&index, None).unwrap();
        let values = Values::new(&index, &typing, None);
        let share = typing.share(&index, |_| true);
        assert_eq!(share.objects, index.len() as u64, "{}", path.display());
        assert!(share.typed_bytes <= share.bytes, "{}", path.display());
        for object in 0..index.len() {
            let name = typing.name(typing.type_of(object));
            assert!(!name.is_empty() && name != "?", "{}: {:#x}", path.display(), index.address(object));
            values.fields(object, 8);
        }
    }
}
