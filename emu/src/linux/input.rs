//! Standard input: it comes from the host, and the process waits for it like for any other file.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::errno::Errno;
use super::fd::{self, Descriptors, Object, Stream};
use super::flags::{O_RDWR, O_WRONLY};
use super::fs::{Files, HostFile, Kind};
use super::host::{Host, Input};
use super::process::Process;

/// Opens standard input, output and error. Returns what is known about an input that is a stream.
pub fn standard(files: &Files, fds: &mut Descriptors, host: &mut dyn Host) -> Result<Rc<fd::Input>, Errno> {
    let input = host.input();
    let terminal = matches!(input, Input::Stream { terminal: true });
    let stream = Rc::new(fd::Input { terminal, ..fd::Input::default() });
    let mut offset = 0;
    let object = match input {
        Input::Empty => Object::Node(files.lookup(&files.root(), b"/dev/null", true)?),
        Input::File(mut file) => {
            offset = std::io::Seek::stream_position(&mut file).unwrap_or(0);
            Object::Node(files.inode(Kind::Host(HostFile::open(file)), 0o444)?)
        }
        Input::Bytes(bytes) => Object::Node(files.inode(Kind::Fixed(bytes.into()), 0o444)?),
        Input::Stream { .. } => Object::Input(Rc::clone(&stream)),
    };
    let flags = if terminal { O_RDWR } else { 0 };
    let open: Rc<RefCell<fd::Open>> = fds.make(object, flags, None);
    open.borrow_mut().offset = offset;
    fds.set(0, open, false);
    for (fd, stream) in [(1, Stream::Out), (2, Stream::Err)] {
        let open = fds.make(Object::Output(stream), O_WRONLY, None);
        fds.set(fd, open, false);
    }
    Ok(stream)
}

impl Process {
    /// Whether standard input can be read without waiting. If it can't, the process looks again later.
    pub(super) fn look_for_input(&mut self, want: usize) -> bool {
        let there = self.input.ready.get() || self.host.await_input(Some(Duration::ZERO), want);
        self.input.ready.set(there);
        self.input_wanted = if there { None } else { Some(want) };
        there
    }

    /// Tells those who wait for standard input that something has come.
    pub(super) fn input_came(&mut self) {
        if self.input_wanted.is_some_and(|want| self.look_for_input(want)) {
            self.files_changed();
        }
    }

    /// All threads wait, one of them for standard input: waits for that, or until a moment of the
    /// monotonic clock. Here alone time passes as it does for the host. Whether input came.
    pub(super) fn await_input(&mut self, deadline: Option<u64>) -> bool {
        let Some(want) = self.input_wanted else { return false };
        let wait = deadline.map(|at| Duration::from_nanos(at.saturating_sub(self.clock.monotonic())));
        let came = self.host.await_input(wait, want);
        if came {
            self.input.ready.set(true);
            self.input_wanted = None;
            self.files_changed();
        }
        came
    }
}
