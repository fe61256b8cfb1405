//! The version of Go that a program was built with, as its file says: stripping leaves it there.
//!
//! Source: `debug/buildinfo`, the format since Go 1.18, in which the strings are in place.

use object::{Object, ObjectSegment};

/// What it begins with, at a multiple of [`ALIGN`].
const MAGIC: &[u8] = b"\xff Go buildinf:";
const ALIGN: usize = 16;
/// Where the flags are, and which of them says that the strings are in place.
const FLAGS: usize = 15;
const INLINE: u8 = 2;
/// Where the first string is: the version, after its length as a uvarint.
const VERSION: usize = 32;
/// No version is so long, in bytes, that its length takes two bytes.
const LONGEST: u8 = 0x7f;

/// The version that is in an executable.
pub(crate) fn version(elf: &[u8]) -> Option<String> {
    let file = object::File::parse(elf).ok()?;
    file.segments().find_map(|segment| {
        let bytes = segment.data().ok()?;
        (0..bytes.len()).step_by(ALIGN).find_map(|at| in_place(bytes.get(at..)?))
    })
}

fn in_place(info: &[u8]) -> Option<String> {
    if !info.starts_with(MAGIC) || info.get(FLAGS)? & INLINE == 0 {
        return None;
    }
    let len = *info.get(VERSION).filter(|&&len| len <= LONGEST)?;
    let version = info.get(VERSION + 1..)?.get(..len.into())?;
    String::from_utf8(version.to_vec()).ok().filter(|version| !version.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_in_place() {
        let mut info = [MAGIC, &[8, INLINE]].concat();
        info.resize(VERSION, 0);
        info.push(8);
        info.extend(b"go1.27.3\x05rest");
        assert_eq!(in_place(&info).as_deref(), Some("go1.27.3"));
        // Each way in which there is none.
        for cut in [0, 14, FLAGS, VERSION, VERSION + 1, VERSION + 8] {
            assert_eq!(in_place(&info[..cut]), None, "{cut}");
        }
        for (at, byte) in [(0, 0), (FLAGS, 0), (VERSION, 0), (VERSION, 0x80), (VERSION + 1, 0xff)] {
            let mut other = info.clone();
            other[at] = byte;
            assert_eq!(in_place(&other), None, "{at}");
        }
    }
}
