//! Dumps as they lie in the corpora: packed, most of them.

use std::fs;
use std::io::Read;
use std::path::Path;

use ruzstd::decoding::StreamingDecoder;

/// A file's contents, unpacked if it is called `.zst`.
///
/// # Panics
/// If it cannot be read, or holds anything but one whole frame.
pub fn read(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if path.extension().is_none_or(|extension| extension != "zst") {
        return bytes;
    }
    let (mut packed, mut unpacked) = (&bytes[..], Vec::new());
    StreamingDecoder::new(&mut packed).unwrap().read_to_end(&mut unpacked).unwrap();
    assert!(packed.is_empty(), "{}: {} bytes after the frame", path.display(), packed.len());
    unpacked
}
