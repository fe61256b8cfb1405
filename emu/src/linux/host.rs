//! What a running program shows to the outside.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use super::fd::Stream;

/// Takes what a program writes, and what there is to say about it.
pub trait Host {
    /// The program has written to its standard output or error.
    ///
    /// # Errors
    /// Ends the run.
    fn output(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()>;

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
