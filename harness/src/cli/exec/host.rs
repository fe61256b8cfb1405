//! The side of this machine: the program's output passed through, and its standard input.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use clap::ValueEnum;
use heapmatrix_emu::linux::{Host, Input, Stream};

use super::super::note;
use super::super::stdout::Stdout;

/// How much a program may write after the reader of its output has left. One that ends by itself ends within that;
/// one that writes until somebody stops it is stopped.
const UNREAD: u64 = 16 << 20;
/// The most bytes of standard input that are read at a time.
const MOST: usize = 1 << 20;

/// `--stdin`: what the program finds as its standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stdin {
    /// This command's, as the program reads it: how a run goes may depend on when input comes
    Live,
    /// This command's, read to its end before the program starts: the same input gives the same run
    Whole,
    /// Nothing
    None,
}

/// What a program that is run sees of this machine.
pub struct Passed {
    /// Standard output is the report's.
    pub json: bool,
    /// System calls are shown.
    pub trace: bool,
    /// Standard output.
    pub stdout: Stdout,
    /// Standard input.
    pub stdin: Stdin,
    /// Where the program's files would be, if they are not mounted: the folder that it works in, its own, and
    /// what its arguments name. Empty after a word was said about one.
    pub places: Vec<PathBuf>,
    /// What feeds standard input.
    pub feed: Feed,
}

impl Host for Passed {
    fn output(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        if stream == Stream::Out && !self.json {
            self.stdout.write_all(bytes)?;
            self.stdout.flush()?;
            if self.stdout.unread() > UNREAD { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
        } else {
            io::stderr().lock().write_all(bytes)
        }
    }

    fn input(&mut self) -> Input {
        match self.stdin {
            Stdin::None => Input::Empty,
            Stdin::Live => live(),
            Stdin::Whole => {
                let mut bytes = Vec::new();
                match io::stdin().lock().read_to_end(&mut bytes) {
                    Ok(_) => {}
                    Err(error) => self.note(&format!("cannot read standard input: {error}")),
                }
                Input::Bytes(bytes)
            }
        }
    }

    fn await_input(&mut self, wait: Option<Duration>, want: usize) -> bool {
        self.feed.wait(wait, want)
    }

    fn read_input(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.feed.read(buf)
    }

    fn not_found(&mut self, path: &str) {
        let path = Path::new(path);
        if self.places.iter().any(|place| path.starts_with(place)) && path.symlink_metadata().is_ok() {
            self.places.clear();
            let shown = path.display();
            self.note(&format!(
                "the program looked for {shown}, which this machine has, but it sees no files of this machine: \
                 --mount {shown}, or a folder that it is in, lets it read that"
            ));
        }
    }

    fn note(&mut self, message: &str) {
        note(format_args!("heapmatrix: {message}"));
    }

    fn traces(&self) -> bool {
        self.trace
    }

    fn trace(&mut self, line: &str) {
        note(line);
    }
}

/// This command's standard input, as it is: a file is one for the program, too.
fn live() -> Input {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        use std::os::unix::fs::MetadataExt;
        if let Ok(file) = io::stdin().as_fd().try_clone_to_owned().map(File::from)
            && let Ok(metadata) = file.metadata()
        {
            let null = std::fs::metadata("/dev/null").is_ok_and(|null| null.rdev() == metadata.rdev());
            if metadata.is_file() {
                return Input::File(file);
            }
            if null && metadata.rdev() != 0 {
                return Input::Empty;
            }
        }
    }
    Input::Stream { terminal: io::stdin().is_terminal() }
}

/// How the thread that reads standard input is asked for so many bytes, and answers.
type Reader = (Sender<usize>, Receiver<io::Result<Vec<u8>>>);

/// Standard input, read by a thread of its own, and only when the program wants some.
#[derive(Default)]
pub struct Feed {
    thread: Option<Reader>,
    /// Whether the thread was asked, and has not answered yet.
    asked: bool,
    /// What it has answered.
    answer: Option<io::Result<Vec<u8>>>,
    /// How much of that was taken.
    taken: usize,
}

impl Feed {
    fn wait(&mut self, wait: Option<Duration>, want: usize) -> bool {
        if self.answer.is_some() {
            return true;
        }
        let (asking, answers) = self.thread.get_or_insert_with(reader);
        if !self.asked {
            self.asked = asking.send(want.clamp(1, MOST)).is_ok();
        }
        let answer = match wait {
            None => answers.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(wait) => answers.recv_timeout(wait),
        };
        self.answer = match answer {
            Ok(answer) => Some(answer),
            Err(RecvTimeoutError::Timeout) => return false,
            Err(RecvTimeoutError::Disconnected) => Some(Ok(Vec::new())),
        };
        (self.asked, self.taken) = (false, 0);
        true
    }

    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.answer.take() {
            None => Ok(0),
            Some(Err(error)) => Err(error),
            Some(Ok(bytes)) => {
                let rest = &bytes[self.taken..];
                let n = rest.len().min(buf.len());
                buf[..n].copy_from_slice(&rest[..n]);
                self.taken += n;
                if self.taken < bytes.len() {
                    self.answer = Some(Ok(bytes));
                }
                Ok(n)
            }
        }
    }
}

/// A thread that reads standard input, once for each number of bytes that it is asked for.
fn reader() -> Reader {
    let (asking, asked) = channel::<usize>();
    let (answering, answers) = channel();
    std::thread::spawn(move || {
        for want in asked {
            let mut bytes = vec![0; want];
            let answer = read_once(&mut bytes).map(|n| {
                bytes.truncate(n);
                bytes
            });
            if answering.send(answer).is_err() {
                break;
            }
        }
    });
    (asking, answers)
}

/// Reads what there is, and no more than that: what the program leaves is for whoever comes next.
fn read_once(buf: &mut [u8]) -> io::Result<usize> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        let mut file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        loop {
            match file.read(buf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
    #[cfg(not(unix))]
    io::stdin().lock().read(buf)
}
