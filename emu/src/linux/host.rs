//! What a running program shows to the outside.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::fd::Stream;

/// What a program's standard input is.
#[derive(Debug)]
pub enum Input {
    /// `/dev/null`.
    Empty,
    /// A file, which the program reads from its position on.
    File(std::fs::File),
    /// These bytes, all of which are there from the beginning.
    Bytes(Vec<u8>),
    /// Whatever [`Host::read_input`] gives.
    Stream {
        /// Whether it is a terminal.
        terminal: bool,
    },
}

/// Takes what a program writes, and what there is to say about it.
pub trait Host {
    /// The program has written to its standard output or error.
    ///
    /// # Errors
    /// Ends the run.
    fn output(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()>;

    /// What the program finds as its standard input. Called once, when it is loaded.
    fn input(&mut self) -> Input {
        Input::Empty
    }

    /// Waits until there is something to read from standard input, or its end, no longer than `wait`, and for
    /// ever without one; whether there is. `want` is how many bytes are wanted at most.
    fn await_input(&mut self, wait: Option<Duration>, want: usize) -> bool {
        let _ = (wait, want);
        true
    }

    /// Takes what has come from standard input; nothing at its end. Called when there is something.
    ///
    /// # Errors
    /// The program reads `EIO`.
    fn read_input(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let _ = buf;
        Ok(0)
    }

    /// The program has looked for a file that it does not have.
    fn not_found(&mut self, path: &str) {
        let _ = path;
    }

    /// Something that whoever runs the program should know.
    fn note(&mut self, message: &str);

    /// Whether [`Host::trace`] is wanted.
    fn traces(&self) -> bool {
        false
    }

    /// A system call and its answer.
    fn trace(&mut self, line: &str) {
        let _ = line;
    }
}

/// What a program wrote, and the notes on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// [`Host::note`].
    pub notes: Vec<String>,
}

/// A host that keeps everything for later. Its clones share what they keep.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Rc<RefCell<Output>>);

impl Recorder {
    /// What has been recorded so far.
    pub fn output(&self) -> Output {
        self.0.borrow().clone()
    }
}

impl Host for Recorder {
    fn output(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let output = &mut *self.0.borrow_mut();
        match stream {
            Stream::Out => output.stdout.extend_from_slice(bytes),
            Stream::Err => output.stderr.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn note(&mut self, message: &str) {
        self.0.borrow_mut().notes.push(message.to_owned());
    }
}
