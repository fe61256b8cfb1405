//! `/proc/PID/maps` and `/proc/PID/pagemap`: what is mapped, and which pages there are.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes of an entry of `pagemap`; its bits for pages in memory and in swap, and for those that are a file's.
const ENTRY: u64 = 8;
const PRESENT: u64 = 3 << 62;
const OF_FILE: u64 = 1 << 61;
/// How many entries are read at once.
const ENTRIES: u64 = 1 << 16;

/// An address with a length, or with the first address after it.
pub(super) type Range = (u64, u64);

/// A mapping of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    pub start: u64,
    pub end: u64,
    /// Whether it may be read, and written.
    pub read: bool,
    pub write: bool,
    /// Whether a file is mapped; its device and number.
    pub file: Option<(u64, u64)>,
    /// Where in the file.
    pub offset: u64,
}

/// The mappings in the text of `/proc/PID/maps`: `start-end rwxp offset major:minor inode path`. Those of the kernel itself,
/// which cannot be read like memory, are left out.
pub(super) fn parse(maps: &str) -> Vec<Mapping> {
    maps.lines()
        .filter(|line| !line.ends_with("[vvar]") && !line.contains("[vsyscall]") && !line.contains("[vvar_"))
        .filter_map(line)
        .collect()
}

fn line(line: &str) -> Option<Mapping> {
    let mut words = line.split_ascii_whitespace();
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let (start, end) = words.next()?.split_once('-')?;
    let rights = words.next()?.as_bytes();
    let offset = hex(words.next()?)?;
    let (major, minor) = words.next()?.split_once(':')?;
    let inode: u64 = words.next()?.parse().ok()?;
    Some(Mapping {
        start: hex(start)?,
        end: hex(end)?,
        read: rights.first() == Some(&b'r'),
        write: rights.get(1) == Some(&b'w'),
        file: (inode != 0).then_some((hex(major)? << 32 | hex(minor)?, inode)),
        offset,
    })
}

/// Which pages are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pages {
    /// All that there are.
    All,
    /// Those that are the process's own, and no longer what the mapped file has.
    Own,
}

/// Adds the runs of pages in a range that there are, each an address and a length. The rest are zeros, or in the mapped file.
pub(super) fn present(
    pagemap: &File,
    page: u64,
    (start, end): Range,
    wanted: Pages,
    runs: &mut Vec<Range>,
) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the kernel writes in the order of this machine")]
    let entry = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().expect("eight bytes"));
    let mut buf = vec![0; (ENTRIES * ENTRY) as usize];
    let mut at = start;
    while at < end {
        let pages = ((end - at) / page).min(ENTRIES);
        let bytes = &mut buf[..(pages * ENTRY) as usize];
        pagemap.read_exact_at(bytes, at / page * ENTRY)?;
        for bytes in bytes.chunks_exact(ENTRY as usize) {
            let entry = entry(bytes);
            if entry & PRESENT != 0 && (wanted == Pages::All || entry & OF_FILE == 0) {
                match runs.last_mut() {
                    Some((from, len)) if *from + *len == at => *len += page,
                    _ => runs.push((at, page)),
                }
            }
            at += page;
        }
        if pages == 0 {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_maps_are_understood() {
        let maps = "\
00400000-0049b000 r-xp 00000000 fd:00 1234                  /tmp/a program
c000000000-c004000000 rw-p 00000000 00:00 0                 [anon: Go: heap]
7ffff7ff9000-7ffff7ffd000 r--p 00000000 00:00 0             [vvar]
garbage
";
        let read = parse(maps);
        assert_eq!(read.len(), 2);
        let (start, end, file) = (0x40_0000, 0x49_b000, Some((0xfd << 32, 1234)));
        assert_eq!(read[0], Mapping { start, end, read: true, write: false, file, offset: 0 });
        assert!(read[1].write && read[1].file.is_none() && read[1].end == 0xc0_0400_0000);
    }

    /// This process's own memory: what was touched is there.
    #[test]
    fn pages_that_were_touched_are_present() {
        let memory = vec![1u8; 1 << 20];
        let page = super::super::sys::page_size();
        let start = (memory.as_ptr().addr() as u64).next_multiple_of(page);
        let end = start + (1 << 19);
        let mut runs = Vec::new();
        let pagemap = File::open("/proc/self/pagemap").unwrap();
        for wanted in [Pages::All, Pages::Own] {
            runs.clear();
            present(&pagemap, page, (start, end), wanted, &mut runs).unwrap();
            assert_eq!(runs, [(start, end - start)]);
        }
    }

    /// Code is what the file has. Constants that hold addresses are not: the dynamic linker has relocated and then protected
    /// them, as this program may lie anywhere.
    #[test]
    fn read_only_pages_are_the_files_unless_relocated() {
        static NAMES: [&str; 2] = ["some", "names"];
        let maps = parse(&std::fs::read_to_string("/proc/self/maps").unwrap());
        let pagemap = File::open("/proc/self/pagemap").unwrap();
        let page = super::super::sys::page_size();
        let code = read_only_pages_are_the_files_unless_relocated as *const () as u64;
        for (at, own) in [(code, false), (std::hint::black_box(&NAMES).as_ptr().addr() as u64, true)] {
            let mapping = maps.iter().find(|mapping| (mapping.start..mapping.end).contains(&at)).unwrap();
            assert!(mapping.file.is_some() && !mapping.write, "{mapping:?}");
            let here = at / page * page;
            for (wanted, is_wanted) in [(Pages::All, true), (Pages::Own, own)] {
                let mut runs = Vec::new();
                present(&pagemap, page, (here, here + page), wanted, &mut runs).unwrap();
                assert_eq!(
                    runs,
                    if is_wanted { vec![(here, page)] } else { vec![] },
                    "{mapping:?}, {wanted:?}"
                );
            }
        }
    }
}
