//! Files, timers and input, with small programs on all of them.

use std::io;
use std::time::Duration;

use heapmatrix_emu::guest::ir::Width;
use heapmatrix_emu::linux::{ExitStatus, Host, Input, Options, Outcome, Process, Recorder, RunError, Stream};

use crate::each;
use crate::guest::Arg::{At, Is};
use crate::guest::{DATA, Guest, ORIGIN};
use heapmatrix_emu::guest::ir::Op;

const O_RDWR_CREAT: u64 = 0o102;
const ENOSPC: i64 = -28;
/// Nearly all of a program's own memory, in bytes.
const MUCH: u64 = 0xf000;

/// Puts a path into a program's data.
pub fn path(g: &mut Guest, addr: u64, path: &str) {
    for (at, byte) in (addr..).zip(path.bytes().chain([0])) {
        g.store(at, byte.into(), Width::B1);
    }
}

/// Room for the program itself, its stack, and so many KiB of files.
fn little(files: u64) -> Options {
    Options { max_memory: (8 << 20) + 0x1_0000 + (files << 10), ..Options::default() }
}

#[test]
fn room_of_deleted_files_is_given_back() {
    each(|target| {
        let rounds = |deletes: bool| {
            let mut g = Guest::new(target);
            path(&mut g, DATA, "/f");
            for round in 0..6 {
                g.call("open", &[Is(DATA), Is(O_RDWR_CREAT), Is(0o644)]);
                g.call("write", &[Is(3), Is(ORIGIN), Is(MUCH)]).keep(DATA + 64 + 8 * round);
                g.call("close", &[Is(3)]);
                if deletes {
                    g.call("unlink", &[Is(DATA)]);
                } else {
                    g.store(DATA + 1, u64::from(b'g') + round, Width::B1);
                }
            }
            let done = g.exit(0).run(little(160));
            assert_eq!(done.status(), 0, "{target}");
            (0..6).map(|round| done.word(DATA + 64 + 8 * round)).collect::<Vec<_>>()
        };
        assert_eq!(rounds(true), [MUCH as i64; 6], "{target}");
        let kept = rounds(false);
        assert!(kept[0] == MUCH as i64 && kept[2] < MUCH as i64 && kept[5] < 0, "{target}: {kept:?}");
    });
}

#[test]
fn folders_without_end_end_where_there_is_no_room() {
    each(|target| {
        let mut g = Guest::new(target);
        // Names of 120 bytes, which count as well.
        path(&mut g, DATA, &format!("/{}", "a".repeat(120)));
        g.call("mkdir", &[Is(DATA), Is(0o755)]).keep(DATA + 264);
        for name in 0..150 {
            g.store(DATA + 2, u64::from(b'b') + name, Width::B1).call("mkdir", &[Is(DATA), Is(0o755)]);
        }
        g.keep(DATA + 272).exit(0);
        let done = g.run(little(128));
        assert_eq!((done.status(), done.word(DATA + 264)), (0, 0), "{target}");
        assert_eq!(done.word(DATA + 272), ENOSPC, "{target}: 151 folders do not fit");
    });
}

#[test]
fn a_timer_wakes_who_waits_for_its_signal() {
    each(|target| {
        let mut g = Guest::new(target);
        let handler = g.label();
        g.handle(14, At(handler), 0);
        // In 3 s, and once: no interval.
        g.words(DATA + 128, &[Is(0), Is(0), Is(3), Is(0)]);
        g.call("setitimer", &[Is(0), Is(DATA + 128), Is(0)]).keep(DATA + 8);
        g.words(DATA + 160, &[Is(3600), Is(0)]);
        g.call("nanosleep", &[Is(DATA + 160), Is(0)]).keep(DATA + 16);
        g.call("clock_gettime", &[Is(1), Is(DATA + 24)]).exit(0);
        g.ops(&[Op::Label(handler)]).store(DATA, 1, Width::Word).ops(&[Op::Leave(0)]);
        let done = g.run(Options::default());
        assert_eq!((done.status(), done.word(DATA), done.word(DATA + 8)), (0, 1, 0), "{target}");
        assert_eq!(
            (done.word(DATA + 16), done.word(DATA + 24)),
            (-4, 4),
            "{target}: a second after the start"
        );
    });
}

/// A host whose input comes late: when the program has nothing else to do.
struct Late {
    recorder: Recorder,
    input: Option<Vec<u8>>,
}

impl Host for Late {
    fn output(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        Host::output(&mut self.recorder, stream, bytes)
    }

    fn note(&mut self, message: &str) {
        self.recorder.note(message);
    }

    fn input(&mut self) -> Input {
        Input::Stream { terminal: false }
    }

    fn await_input(&mut self, wait: Option<Duration>, _: usize) -> bool {
        wait.is_none()
    }

    fn read_input(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let bytes = self.input.take().unwrap_or_default();
        buf[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

#[test]
fn input_is_waited_for() {
    each(|target| {
        let mut g = Guest::new(target);
        // poll({0, POLLIN}, 1, 20 ms): nothing yet.
        g.store(DATA + 64, 0, Width::B4).store(DATA + 68, if target.big_endian() { 0 } else { 1 }, Width::B1);
        g.store(DATA + 69, if target.big_endian() { 1 } else { 0 }, Width::B1);
        g.call("poll", &[Is(DATA + 64), Is(1), Is(20)]).keep(DATA);
        g.call("poll", &[Is(DATA + 64), Is(1), Is(u64::MAX)]).keep(DATA + 8);
        g.call("read", &[Is(0), Is(DATA + 128), Is(100)]).keep(DATA + 16);
        g.call("write", &[Is(1), Is(DATA + 128), Is(5)]).exit(0);
        let recorder = Recorder::default();
        let host = Late { recorder: recorder.clone(), input: Some(b"hello".to_vec()) };
        let mut process = Process::load(&g.elf(), Options::default(), Box::new(host)).unwrap();
        let outcome = process.run(None);
        assert!(matches!(outcome, Ok(Outcome::Ended(ExitStatus::Exited(0)))), "{target}: {outcome:?}");
        assert_eq!(recorder.output().stdout, b"hello", "{target}");

        let mut g = Guest::new(target);
        g.call("read", &[Is(0), Is(DATA + 128), Is(100)]).keep(DATA).exit(0);
        assert_eq!(g.run(Options::default()).word(DATA), 0, "{target}: empty where the host has none");
    });
}

#[test]
fn where_the_program_works_and_what_it_is_called() {
    each(|target| {
        let mut g = Guest::new(target);
        path(&mut g, DATA, "made/here");
        path(&mut g, DATA + 32, "made");
        path(&mut g, DATA + 64, "/home/u/bin/program");
        g.call("mkdir", &[Is(DATA + 32), Is(0o755)]);
        g.call("open", &[Is(DATA), Is(O_RDWR_CREAT), Is(0o644)]).call("write", &[Is(3), Is(DATA), Is(4)]);
        g.call("open", &[Is(DATA + 64), Is(0), Is(0)]).keep(DATA + 128).exit(0);
        let (cwd, program) = ("/home/u/work".to_owned(), "/home/u/bin/program".to_owned());
        let mut done = g.run(Options { cwd, path: program, ..Options::default() });
        assert_eq!((done.status(), done.word(DATA + 128)), (0, 4), "{target}");
        let made = done.process.captured();
        let [file] = &made[..] else { panic!("{target}: {made:?}") };
        assert_eq!((file.name(), file.to_vec()), ("/home/u/work/made/here".into(), Some(b"made".to_vec())));
    });
}

#[test]
fn what_waits_for_nothing_is_a_deadlock() {
    each(|target| {
        let mut g = Guest::new(target);
        g.call("poll", &[Is(0), Is(0), Is(u64::MAX)]).exit(0);
        let done = g.run(Options::default());
        assert!(matches!(done.outcome, Err(RunError::Deadlock(1))), "{target}: {:?}", done.outcome);
    });
}
