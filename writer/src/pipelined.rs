//! A dump that is written by a thread of its own while what follows is encoded.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, Scope, ScopedJoinHandle};

use crate::format::sink::write_all;
use crate::generation::Generation;
use crate::{AnyTarget, Error, Memory, Options, Summary, write_heap_dump};

/// How many bytes are written before there is a thread. To start one, and to touch for the first time what is handed over,
/// takes longer than the encoder takes for so many.
const ALONE: u64 = 20 * PIECE as u64;

/// How many bytes are handed over at once, at most.
const PIECE: usize = 128 << 10;

/// How many pieces there are: as many are written as one group as are being filled.
const PIECES: usize = 2 * GROUP;

/// How many pieces the thread gives back at once. The faster of the two waits for the other, and to wake it up takes the
/// slower one's time: so it happens once for so many.
const GROUP: usize = 4;

/// [`write_heap_dump`] with the output in a thread of its own, for outputs that take their time: a file, a
/// compressor. A dump takes as long as the slower of the two, and not as both. Beyond what
/// [`write_heap_dump`] needs, that takes 1 MiB of memory. The first 2.5 MiB are written without the thread.
/// The output gets 128 KiB at a time, or the [capacity](Options::capacity) if that is less.
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
    pipelined(ALONE, target, memory, program, options, out)
}

/// The same with so many bytes written before there is a thread.
fn pipelined<M: Memory + ?Sized>(
    alone: u64,
    target: AnyTarget,
    memory: &M,
    program: &impl Generation,
    options: &Options<'_>,
    out: impl Write + Send,
) -> Result<Summary, Error> {
    if program.depends_on_output() {
        return write_heap_dump(target, memory, program, options, out);
    }
    let options = Options { capacity: options.capacity.min(PIECE), ..*options };
    through_thread(alone, out, |out| write_heap_dump(target, memory, program, &options, out))
}

/// What `encode` writes goes into `out`, by a thread after so many bytes.
fn through_thread<T>(
    alone: u64,
    out: impl Write + Send,
    encode: impl FnOnce(&mut dyn Write) -> Result<T, Error>,
) -> Result<T, Error> {
    thread::scope(|scope| {
        let mut pipe = Pipe { scope, alone, written: 0, out: Some(out), thread: None };
        let encoded = encode(&mut pipe);
        let Some(Thread { full, empty: _, writing }) = pipe.thread else { return encoded };
        drop(full);
        match writing.join() {
            Ok(Ok(())) => encoded,
            Ok(Err(error)) => Err(error),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// What the way to the thread takes where nothing has to be encoded: the benches' limit.
pub(crate) fn copy_pipelined(dump: &[u8], out: impl Write + Send) -> Result<(), Error> {
    let mut written = 0;
    through_thread(ALONE, out, |out| {
        dump.chunks(PIECE).try_for_each(|piece| write_all(out, piece, &mut written))
    })
}

/// The encoder's end.
struct Pipe<'scope, 'env, W> {
    scope: &'scope Scope<'scope, 'env>,
    alone: u64,
    /// How many bytes have been written without the thread.
    written: u64,
    /// The output, until the thread has it.
    out: Option<W>,
    thread: Option<Thread<'scope>>,
}

impl<'scope, W: Write + Send + 'scope> Write for Pipe<'scope, '_, W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.written < self.alone
            && let Some(out) = &mut self.out
        {
            let n = out.write(data)?.min(data.len());
            self.written += n as u64;
            return Ok(n);
        }
        if let Some(out) = self.out.take() {
            self.thread = Some(Thread::start(self.scope, out, self.written));
        }
        self.thread.as_mut().expect("it was started when the output was taken").hand_over(data)?;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The thread that writes, and the way to it.
struct Thread<'scope> {
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    writing: ScopedJoinHandle<'scope, Result<(), Error>>,
}

impl<'scope> Thread<'scope> {
    /// Starts it, for an output that has taken so many bytes.
    fn start(scope: &'scope Scope<'scope, '_>, out: impl Write + Send + 'scope, written: u64) -> Self {
        let (full, pieces) = sync_channel(PIECES);
        let (emptied, empty) = channel();
        for _ in 0..PIECES {
            emptied.send(Vec::with_capacity(PIECE)).expect("the other end is here");
        }
        let writing = scope.spawn(move || drain(out, written, &pieces, &emptied));
        Thread { full, empty, writing }
    }

    fn hand_over(&mut self, data: &[u8]) -> io::Result<()> {
        // The thread has ended, and says why itself.
        let ended = || io::Error::from(io::ErrorKind::BrokenPipe);
        for part in data.chunks(PIECE) {
            let mut piece = self.empty.recv().map_err(|_| ended())?;
            piece.clear();
            piece.extend_from_slice(part);
            self.full.send(piece).map_err(|_| ended())?;
        }
        Ok(())
    }
}

/// Writes each piece and gives it back, with its group; ends with the pipe, or with the first error.
fn drain(
    mut out: impl Write,
    mut written: u64,
    pieces: &Receiver<Vec<u8>>,
    emptied: &Sender<Vec<u8>>,
) -> Result<(), Error> {
    let mut group = Vec::with_capacity(GROUP);
    for piece in pieces {
        write_all(&mut out, &piece, &mut written)?;
        group.push(piece);
        if group.len() == GROUP {
            // Nobody takes them back after the last one.
            group.drain(..).for_each(|piece| drop(emptied.send(piece)));
        }
    }
    Ok(())
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
        alone: u64,
        dialect: Dialect,
        options: &Options<'_>,
        out: impl Fn() -> Reluctant,
    ) -> [(Result<u64, String>, Vec<u8>); 2] {
        let (memory, program) = (&image.memory, Program::new(&image.symbols, dialect));
        let [mut plain, mut pipelined] = [out(), out()];
        let results = [
            write_heap_dump(Ppc64::ANY, memory, &program, options, &mut plain),
            super::pipelined(alone, Ppc64::ANY, memory, &program, options, &mut pipelined),
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
            for (most, alone) in [usize::MAX / 2, 0, 4095, 100_000, 300_007]
                .into_iter()
                .flat_map(|most| [0, 1, 50_000, 200_000, ALONE].map(|alone| (most, alone)))
            {
                let out = || Reluctant { taken: vec![], most, piece: 10_000, calls: 0 };
                let [plain, pipelined] = both(&image, alone, Dialect::Go15, &options, out);
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

    /// Unless it depends on the output when it is asked, or what comes first is all.
    #[test]
    fn the_output_has_a_thread_of_its_own() {
        let image = image();
        let threads = |alone, dialect| {
            let program = Program::new(&image.symbols, dialect);
            let mut out = Threads::default();
            pipelined(alone, Ppc64::ANY, &image.memory, &program, &Options::default(), &mut out).unwrap();
            out.0.iter().map(|&id| id == thread::current().id()).collect::<Vec<bool>>()
        };
        let here = threads(0, Dialect::Go15Exact);
        assert!(!here.is_empty() && here.iter().all(|&here| here), "{here:?}");
        let there = threads(0, Dialect::Go15);
        assert!(!there.is_empty() && there.iter().all(|&here| !here), "{there:?}");
        let both = threads(1, Dialect::Go15);
        assert!(both.len() > 1 && both[0] && both[1..].iter().all(|&here| !here), "{both:?}");
        let small = threads(ALONE, Dialect::Go15);
        assert!(!small.is_empty() && small.iter().all(|&here| here), "{small:?}");
    }

    /// Of what is collected, the output gets as much at once as the thread would, whatever the capacity.
    #[test]
    fn the_output_gets_no_more_than_a_piece_at_once() {
        let image = image();
        let program = Program::new(&image.symbols, Dialect::Go15);
        let options = Options { capacity: 8 * PIECE, ..Options::default() };
        let mut out = Lengths::default();
        pipelined(ALONE, Ppc64::ANY, &image.memory, &program, &options, &mut out).unwrap();
        // The object that is larger than a piece is not collected.
        out.0.retain(|&len| len != 40 << 13);
        assert!(out.0.len() > 1 && out.0.iter().all(|&len| len <= PIECE), "{:?}", out.0);
    }

    /// The lengths of all writes.
    #[derive(Default)]
    struct Lengths(Vec<usize>);

    impl Write for Lengths {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.0.push(data.len());
            Ok(data.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_error_of_memory_comes_after_what_precedes_it() {
        let mut image = image();
        image.symbols.memstats = crate::Addr(0x10);
        let out = || Reluctant { taken: vec![], most: usize::MAX / 2, piece: usize::MAX, calls: 0 };
        let [plain, pipelined] = both(&image, 0, Dialect::Go15, &Options::default(), out);
        assert!(plain.0.is_err() && plain.1.len() > 400_000, "{:?}", plain.0);
        assert!(plain == pipelined);
    }

    #[test]
    fn losses_are_those_of_the_dialect() {
        let image = image();
        let out = || Reluctant { taken: vec![], most: 200_000, piece: 1000, calls: 0 };
        let [plain, pipelined] = both(&image, 0, Dialect::Go15Exact, &Options::default(), out);
        assert!(plain == pipelined);
    }

    #[test]
    fn all_arrives_through_the_public_ways() {
        let image = image();
        let (memory, program) = (&image.memory, Program::new(&image.symbols, Dialect::Go15));
        let (mut plain, mut pipelined, mut copied) = (Vec::new(), Vec::new(), Vec::new());
        let options = Options::default();
        let one = write_heap_dump(Ppc64::ANY, memory, &program, &options, &mut plain).unwrap();
        let other =
            write_heap_dump_pipelined(Ppc64::ANY, memory, &program, &options, &mut pipelined).unwrap();
        copy_pipelined(&plain, &mut copied).unwrap();
        assert!(plain == pipelined && plain == copied && plain.len() > PIECE);
        assert_eq!(one, other);
    }
}
