//! The corpus as an archive to hand on: the same bytes whoever packs it, with checksums of all that is in it.

use std::fmt::Write as _;
use std::io::{self, Write};

use sha2::{Digest, Sha256};

/// How well the archive is compressed. Most of what is in it is compressed already.
const LEVEL: i32 = 19;

/// The file with the checksums, as `sha256sum -c` takes it.
pub const CHECKSUMS: &str = "SHA256SUMS";

/// Whether a file of a corpus's folder belongs into its archive: dumps and what is known of them, and what somebody needs to
/// use them, and not what makes them.
pub fn belongs(name: &str) -> bool {
    let folder = ["golden/", "real/", "regressions/"].iter().any(|folder| name.starts_with(folder));
    let kind = [".dump", ".dump.zst", ".json"].iter().any(|kind| name.ends_with(kind));
    folder && (kind || name.starts_with("regressions/")) && !name.starts_with("golden/worlds/")
        || ["README.md", "LICENSE", "reader.py", "real/count.py"].contains(&name)
}

/// Packs files, each with its name and contents, into a `.tar.zst` whose only folder has a name and a version. The archive
/// depends on the files alone: not on their order, times, owners, or the machine.
///
/// # Errors
/// Those of `out`.
pub fn pack(folder: &str, mut files: Vec<(String, Vec<u8>)>, out: impl Write) -> io::Result<()> {
    files.sort();
    let mut checksums = String::new();
    for (name, bytes) in &files {
        let digest = Sha256::digest(bytes);
        for byte in digest {
            let _ = write!(checksums, "{byte:02x}");
        }
        let _ = writeln!(checksums, "  {name}");
    }
    files.push((CHECKSUMS.to_owned(), checksums.into_bytes()));
    let mut archive = tar::Builder::new(zstd::Encoder::new(out, LEVEL)?);
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(if name.ends_with(".py") { 0o755 } else { 0o644 });
        header.set_mtime(0);
        archive.append_data(&mut header, format!("{folder}/{name}"), &bytes[..])?;
    }
    archive.into_inner()?.finish()?.flush()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;

    use super::*;

    fn packed(files: &[(&str, &str)]) -> Vec<u8> {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
        let mut out = Vec::new();
        pack("corpus-1", files.collect(), &mut out).unwrap();
        out
    }

    #[test]
    fn an_archive_has_the_files_and_their_checksums() {
        let archive = packed(&[("b/c.dump", "two"), ("README.md", "one")]);
        let mut files = BTreeMap::new();
        let mut reader = tar::Archive::new(zstd::Decoder::new(&archive[..]).unwrap());
        for entry in reader.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            files.insert(entry.path().unwrap().display().to_string(), text);
        }
        assert_eq!(files["corpus-1/b/c.dump"], "two");
        assert_eq!(files["corpus-1/README.md"], "one");
        assert_eq!(
            files["corpus-1/SHA256SUMS"],
            "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed  README.md\n\
             3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3  b/c.dump\n"
        );
        assert_eq!(files.len(), 3);
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let (one, other) = (packed(&[("a", "1"), ("b", "2")]), packed(&[("b", "2"), ("a", "1")]));
        assert_eq!(one, other);
        assert_ne!(one, packed(&[("a", "1"), ("b", "3")]));
    }

    #[test]
    fn long_names_are_kept() {
        let name = format!("fuzz/{}/{}", "d".repeat(120), "f".repeat(90));
        let archive = packed(&[(&name, "x")]);
        let mut reader = tar::Archive::new(zstd::Decoder::new(&archive[..]).unwrap());
        let names: Vec<_> = reader
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert!(names.contains(&format!("corpus-1/{name}")), "{names:?}");
    }
}
