//! The calls by which a database such as SQLite keeps its files: locks of ranges, memory that is shared with a file, and
//! files that grow and shrink under it.

use heapmatrix_emu::guest::ir::{Op, Reg, Width};
use heapmatrix_emu::linux::Options;

use super::each;
use super::files::path;
use super::guest::Arg::{Is, Word};
use super::guest::{DATA, Guest, get_lock};

const O_RDWR_CREAT: u64 = 0o102;
const SET_LOCK: u64 = 6;
const READ: u64 = 0;
const WRITE: u64 = 1;
const UNLOCK: u64 = 2;
const EBADF: i64 = -9;
const EINVAL: i64 = -22;

/// The file's size, and where the lock's bytes are: beyond the first page, as SQLite has them.
const SIZE: u64 = 32 << 10;
const LOCKED: u64 = 0x4000_0000;

/// Where a program has a `struct flock`, the address of the shared memory, what it reads, and results.
const FLOCK: u64 = DATA + 64;
const SHARED: u64 = DATA + 128;
const READ_BACK: u64 = DATA + 136;
const RESULTS: u64 = DATA + 256;

/// A program that keeps the results of its calls, and what they should be.
struct Calls {
    g: Guest,
    expected: Vec<(String, i64)>,
}

impl Calls {
    fn check(&mut self, name: &str, args: &[super::guest::Arg], expected: i64) {
        self.g.call(name, args).keep(RESULTS + 8 * self.expected.len() as u64);
        self.expected.push((format!("{name} {}", self.expected.len()), expected));
    }

    /// `fcntl` with a lock of some bytes.
    fn lock(&mut self, command: u64, fd: u64, kind: u64, expected: i64) {
        let word = self.g.word();
        self.g.store(FLOCK, kind, Width::B2).store(FLOCK + 2, 0, Width::B2);
        self.g.words(FLOCK + word, &[Is(LOCKED + 2), Is(510), Is(0)]);
        self.check("fcntl", &[Is(fd), Is(command), Is(FLOCK)], expected);
    }

    /// Stores a word so many bytes into the shared memory.
    fn store_shared(&mut self, at: i32, value: u64) {
        self.g.ops(&[
            Op::Imm(Reg::V1, SHARED),
            Op::Load(Reg::V1, Reg::V1, 0, Width::Word),
            Op::Imm(Reg::V0, value),
            Op::Store(Reg::V0, Reg::V1, at, Width::Word),
        ]);
    }

    /// Loads a word of the shared memory, as if it were a call's result.
    fn load_shared(&mut self, at: i32, expected: i64) {
        self.g.ops(&[
            Op::Imm(Reg::V1, SHARED),
            Op::Load(Reg::V1, Reg::V1, 0, Width::Word),
            Op::Load(Reg::V0, Reg::V1, at, Width::Word),
        ]);
        self.g.keep(RESULTS + 8 * self.expected.len() as u64);
        self.expected.push((format!("load {}", self.expected.len()), expected));
    }
}

#[test]
fn locks_and_shared_memory_do_what_databases_want() {
    each(|target| {
        let mut calls = Calls { g: Guest::new(target), expected: Vec::new() };
        let word = target.ptr_size();
        path(&mut calls.g, DATA, "/db-shm");
        let open = [Is(DATA), Is(O_RDWR_CREAT), Is(0o644)];
        calls.check("open", &open, 3);
        calls.check("open", &open, 4);
        // Locks are the process's: its own are in nobody's way.
        calls.lock(SET_LOCK, 3, READ, 0);
        calls.lock(SET_LOCK, 3, WRITE, 0);
        calls.lock(SET_LOCK, 4, WRITE, 0);
        let get = get_lock(target);
        calls.lock(get, 4, WRITE, 0);
        calls.g.ops(&[Op::Imm(Reg::V1, FLOCK), Op::Load(Reg::V0, Reg::V1, 0, Width::B2)]).keep(READ_BACK + 8);
        calls.lock(SET_LOCK, 9, WRITE, EBADF);
        calls.lock(SET_LOCK, 3, 7, EINVAL);

        calls.check("ftruncate", &[Is(3), Is(SIZE)], 0);
        calls.g.call("mmap", &[Is(0), Is(SIZE), Is(3), Is(1), Is(3), Is(0)]).keep(SHARED);
        // What is stored is in the file, through whichever descriptor it is read.
        calls.store_shared(0, 0x1234);
        calls.store_shared(word as i32, 0x5678);
        calls.check("read", &[Is(4), Is(READ_BACK), Is(word)], word as i64);
        calls.g.ops(&[Op::Imm(Reg::V1, READ_BACK), Op::Load(Reg::V0, Reg::V1, 0, Width::Word)]);
        calls.g.keep(READ_BACK + 16);
        // And what is written to the file is in memory.
        calls.g.words(READ_BACK, &[Is(0x4321)]);
        calls.check("write", &[Is(4), Is(READ_BACK), Is(word)], word as i64);
        calls.load_shared(0, 0x1234);
        calls.load_shared(word as i32, 0x4321);
        calls.check("fsync", &[Is(3)], 0);
        calls.lock(SET_LOCK, 3, UNLOCK, 0);
        calls.check("munmap", &[Word(SHARED), Is(SIZE)], 0);
        // A journal is emptied, and what was mapped is gone with it.
        calls.check("ftruncate", &[Is(3), Is(0)], 0);
        calls.check("read", &[Is(4), Is(READ_BACK), Is(word)], 0);
        calls.check("close", &[Is(3)], 0);
        calls.check("unlink", &[Is(DATA)], 0);
        calls.check("write", &[Is(4), Is(READ_BACK), Is(word)], word as i64);
        calls.g.exit(0);

        let mut done = calls.g.run(Options::default());
        assert_eq!(done.status(), 0, "{target}");
        for (at, (name, expected)) in (RESULTS..).step_by(8).zip(&calls.expected) {
            assert_eq!(done.word(at), *expected, "{target}: {name}");
        }
        let unlocked = done.word(READ_BACK + 8);
        assert_eq!((unlocked, done.word(READ_BACK + 16)), (UNLOCK as i64, 0x1234), "{target}");
        assert!(done.output.notes.is_empty(), "{target}: {:?}", done.output.notes);
        assert!(done.process.captured().is_empty(), "{target}: it is deleted");
    });
}
