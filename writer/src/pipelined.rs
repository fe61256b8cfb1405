//! A dump that is written by a thread of its own while what follows is encoded.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use crate::format::sink::write_all;
use crate::generation::Generation;
use crate::{AnyTarget, Error, Memory, Options, Summary, write_heap_dump};

/// How many bytes are handed over at once, at most: the output has nothing to do until the first of them are there, and memory that
/// is touched for the first time takes longer than what is written to it.
const PIECE: usize = 64 << 10;

/// How many pieces there are: one is being filled, one is being written, and the others even out the difference.
const PIECES: usize = 8;

/// [`write_heap_dump`] with the output in a thread of its own, for outputs that take their time: a file, a
/// compressor. A dump takes as long as the slower of the two, and not as both. Beyond what
/// [`write_heap_dump`] needs, that takes 512 KiB of memory. The output gets 64 KiB at a time, or the
/// [capacity](Options::capacity) if that is less.
///
/// With [`Defects::write_errors_ignored`], what is lost depends on when the output is asked, and the two take turns.
///
/// # Errors
/// Those of [`write_heap_dump`]. One of the output comes first, for it is about what was dumped earlier.
///
/// [`Defects::write_errors_ignored`]: crate::Defects::write_errors_ignored
pub fn write_heap_dump_pipelined<M: Memory + ?Sized>(
    target: AnyTarget,
    memory: &M,
    program: &impl Generation,
    options: &Options<'_>,
    out: impl Write + Send,
) -> Result<Summary, Error> {
    if program.depends_on_output() {
        return write_heap_dump(target, memory, program, options, out);
    }
    thread::scope(|scope| {
        let (full, pieces) = sync_channel(PIECES);
        let (emptied, empty) = channel();
        for _ in 0..PIECES {
            emptied.send(Vec::with_capacity(PIECE)).expect("the other end is here");
        }
        let writing = scope.spawn(move || drain(out, &pieces, &emptied));
        let mut pipe = Pipe { full, empty };
        let options = Options { capacity: options.capacity.min(PIECE), ..*options };
        let dumped = write_heap_dump(target, memory, program, &options, &mut pipe);
        drop(pipe);
        match writing.join() {
            Ok(Ok(())) => dumped,
            Ok(Err(error)) => Err(error),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Writes each piece and gives it back; ends with the pipe, or with the first error.
fn drain(mut out: impl Write, pieces: &Receiver<Vec<u8>>, emptied: &Sender<Vec<u8>>) -> Result<(), Error> {
    let mut written = 0;
    for piece in pieces {
        write_all(&mut out, &piece, &mut written)?;
        // Nobody takes it back after the last one.
        let _ = emptied.send(piece);
    }
    Ok(())
}

/// The encoder's end.
struct Pipe {
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
}

impl Write for Pipe {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        // The thread has ended, and says why itself.
        let ended = || io::Error::from(io::ErrorKind::BrokenPipe);
        for part in data.chunks(PIECE) {
            let mut piece = self.empty.recv().map_err(|_| ended())?;
            piece.clear();
            piece.extend_from_slice(part);
            self.full.send(piece).map_err(|_| ended())?;
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dialect;
    use crate::go15::Program;
    use crate::target::{Ppc64, Target};
    use crate::testing::Image;

    /// A process with half a megabyte of objects, one of them larger than a piece.
    fn image() -> Image<Ppc64> {
        let mut image = Image::<Ppc64>::new();
        for (page, npages, elemsize) in [(0, 1, 48), (1, 40, 40 << 13), (41, 8, 2048), (49, 15, 8192)] {
            image.span(page, npages, elemsize);
        }
        image.finish();
        image
    }

    fn both(
        image: &Image<Ppc64>,
        dialect: Dialect,
        options: &Options<'_>,
        out: impl Fn() -> Reluctant,
    ) -> [(Result<u64, String>, Vec<u8>); 2] {
        let (memory, program) = (&image.memory, Program::new(&image.symbols, dialect));
        let [mut plain, mut pipelined] = [out(), out()];
        let results = [
            write_heap_dump(Ppc64::ANY, memory, &program, options, &mut plain),
            write_heap_dump_pipelined(Ppc64::ANY, memory, &program, options, &mut pipelined),
        ];
        let [first, second] = results.map(|r| r.map(|s| s.bytes).map_err(|e| e.to_string()));
        [(first, plain.taken), (second, pipelined.taken)]
    }

    /// Takes at most so many bytes, in small pieces, with interruptions.
    struct Reluctant {
        taken: Vec<u8>,
        most: usize,
        piece: usize,
        calls: usize,
    }

    impl Write for Reluctant {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            if self.calls.is_multiple_of(3) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let n = data.len().min(self.piece).min(self.most - self.taken.len());
            if n == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.taken.extend_from_slice(&data[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_same_bytes_and_the_same_errors_arrive() {
        let image = image();
        for capacity in [4096, Options::DEFAULT_CAPACITY] {
            let options = Options { capacity, ..Options::default() };
            for most in [usize::MAX / 2, 0, 4095, 100_000, 300_007] {
                let [plain, pipelined] = both(&image, Dialect::Go15, &options, || Reluctant {
                    taken: vec![],
                    most,
                    piece: 10_000,
                    calls: 0,
                });
                assert_eq!(plain.0, pipelined.0);
                assert!(plain.1 == pipelined.1, "{} and {} bytes", plain.1.len(), pipelined.1.len());
            }
        }
    }

    /// Which threads write.
    #[derive(Default)]
    struct Threads(Vec<thread::ThreadId>);

    impl Write for Threads {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.0.push(thread::current().id());
            Ok(data.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Unless it depends on the output when it is asked.
    #[test]
    fn the_output_has_a_thread_of_its_own() {
        let image = image();
        for (dialect, here) in [(Dialect::Go15, false), (Dialect::Go15Exact, true)] {
            let program = Program::new(&image.symbols, dialect);
            let mut out = Threads::default();
            write_heap_dump_pipelined(Ppc64::ANY, &image.memory, &program, &Options::default(), &mut out)
                .unwrap();
            assert!(!out.0.is_empty());
            assert!(out.0.iter().all(|&id| (id == thread::current().id()) == here), "{dialect}");
        }
        let mut out = Threads::default();
        write_heap_dump_pipelined(Ppc64::ANY, &image.memory, &image.symbols, &Options::default(), &mut out)
            .unwrap();
        assert!(out.0.iter().all(|&id| id != thread::current().id()));
    }

    #[test]
    fn an_error_of_memory_comes_after_what_precedes_it() {
        let mut image = image();
        image.symbols.memstats = crate::Addr(0x10);
        let out = || Reluctant { taken: vec![], most: usize::MAX / 2, piece: usize::MAX, calls: 0 };
        let [plain, pipelined] = both(&image, Dialect::Go15, &Options::default(), out);
        assert!(plain.0.is_err() && plain.1.len() > 400_000, "{:?}", plain.0);
        assert!(plain == pipelined);
    }

    #[test]
    fn losses_are_those_of_the_dialect() {
        let image = image();
        let out = || Reluctant { taken: vec![], most: 200_000, piece: 1000, calls: 0 };
        let [plain, pipelined] = both(&image, Dialect::Go15Exact, &Options::default(), out);
        assert!(plain == pipelined);
    }
}
