//! `RLIMIT_NOFILE`, which programs raise when they start.

use heapmatrix_emu::linux::Options;

use super::each;
use super::guest::Arg::Is;
use super::guest::{DATA, Guest};

const NOFILE: u64 = 7;
const EPERM: i64 = -1;
const EBADF: i64 = -9;
const EINVAL: i64 = -22;
const EMFILE: i64 = -24;

#[test]
fn a_program_sets_how_many_files_it_may_open() {
    each(|target| {
        let mut g = Guest::new(target);
        let word = g.word();
        g.call("getrlimit", &[Is(NOFILE), Is(DATA)]);
        let mut results = Vec::new();
        let mut keep = |g: &mut Guest, expected| {
            let at = DATA + 128 + 8 * results.len() as u64;
            g.keep(at);
            results.push((at, expected));
        };
        for (present, highest, expected) in [(5, 4, EINVAL), (1, 5000, EPERM), (3, 4096, 0)] {
            g.words(DATA + 64, &[Is(present), Is(highest)]).call("setrlimit", &[Is(NOFILE), Is(DATA + 64)]);
            keep(&mut g, expected);
        }
        // Three are open from the beginning.
        g.call("dup", &[Is(0)]);
        keep(&mut g, EMFILE);
        g.words(DATA + 64, &[Is(4096), Is(4096)]).call("setrlimit", &[Is(NOFILE), Is(DATA + 64)]);
        for (fd, expected) in [(4095, 4095), (4096, EBADF)] {
            g.call("dup2", &[Is(0), Is(fd)]);
            keep(&mut g, expected);
        }
        g.call("prlimit64", &[Is(0), Is(NOFILE), Is(0), Is(DATA + 96)]);
        g.call("getrlimit", &[Is(16), Is(DATA)]);
        keep(&mut g, EINVAL);
        g.exit(0);
        let done = g.run(Options::default());
        assert_eq!(done.status(), 0, "{target}");
        assert_eq!((done.word(DATA), done.word(DATA + word)), (1024, 4096), "{target}: the kernel's");
        // Two numbers of 64 bits, the lower half first or last.
        let lower = if target.big_endian() { 8 - word } else { 0 };
        assert_eq!(done.word(DATA + 96 + lower), 4096, "{target}");
        for (at, expected) in results {
            assert_eq!(done.word(at), expected, "{target}: the result at {at:#x}");
        }
    });
}
