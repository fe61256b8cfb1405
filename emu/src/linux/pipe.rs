//! Pipes, with a name and without.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use super::budget::Budget;
use super::errno::Errno;
use super::fd::{POLLERR, POLLHUP, POLLIN, POLLOUT, Refusal};
use super::flags::O_WRONLY;

/// Bytes that a pipe holds before its writer waits.
pub const CAPACITY: usize = 1 << 16;
/// Bytes that are written as a whole or not at all.
const ATOMIC: usize = 4096;

/// What all ends of a pipe share.
#[derive(Debug, Default)]
pub struct PipeState {
    bytes: VecDeque<u8>,
    readers: u32,
    writers: u32,
    /// How often each side was opened.
    opened: Sides,
    /// The threads that wait for the other side to be opened, with how often it had been. They count as
    /// open already.
    waiting: [BTreeMap<u32, u64>; 2],
    changes: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sides {
    readers: u64,
    writers: u64,
}

impl PipeState {
    /// An end has come, or gone.
    fn count(&mut self, reads: bool, writes: bool, come: bool) {
        let step = |count: &mut u32, this: bool| match (this, come) {
            (false, _) => {}
            (true, true) => *count += 1,
            (true, false) => *count -= 1,
        };
        step(&mut self.readers, reads);
        step(&mut self.writers, writes);
        self.opened.readers += u64::from(reads && come);
        self.opened.writers += u64::from(writes && come);
        self.changes += 1;
    }
}

/// An end of a pipe. Dropping it tells the other end.
#[derive(Debug)]
pub struct PipeEnd {
    pipe: Rc<RefCell<PipeState>>,
    reads: bool,
    writes: bool,
}

impl PipeEnd {
    /// A new pipe: the end to read from, and the end to write to.
    pub fn pair() -> (PipeEnd, PipeEnd) {
        let pipe = Rc::default();
        (PipeEnd::new(&pipe, true, false), PipeEnd::new(&pipe, false, true))
    }

    /// An end of a pipe.
    fn new(pipe: &Rc<RefCell<PipeState>>, reads: bool, writes: bool) -> Self {
        pipe.borrow_mut().count(reads, writes, true);
        PipeEnd { pipe: Rc::clone(pipe), reads, writes }
    }

    /// Opens a named pipe, for thread `tid`. `again` says that it has waited for the other side.
    ///
    /// # Errors
    /// [`Refusal::NotNow`] when it must wait for the other side, `ENXIO` when it may not wait.
    pub fn open(
        pipe: &Rc<RefCell<PipeState>>,
        (reads, writes): (bool, bool),
        non_blocking: bool,
        (tid, again): (u32, bool),
    ) -> Result<PipeEnd, Refusal> {
        let mut state = pipe.borrow_mut();
        let side = usize::from(writes);
        let others = if reads { state.opened.writers } else { state.opened.readers };
        if again && let Some(&before) = state.waiting[side].get(&tid) {
            if before == others {
                return Err(Refusal::NotNow);
            }
            // It has counted since it began to wait.
            state.waiting[side].remove(&tid);
            return Ok(PipeEnd { pipe: Rc::clone(pipe), reads, writes });
        }
        if state.waiting[side].remove(&tid).is_some() {
            // A signal had interrupted it.
            state.count(reads, writes, false);
        }
        let there = if reads { state.writers > 0 } else { state.readers > 0 };
        if there || reads && (writes || non_blocking) {
            drop(state);
            return Ok(PipeEnd::new(pipe, reads, writes));
        }
        if non_blocking {
            return Err(Errno::NxIo.into());
        }
        state.count(reads, writes, true);
        state.waiting[side].insert(tid, others);
        Err(Refusal::NotNow)
    }

    /// Another end of the same pipe, opened with an access mode of `open(2)`.
    pub fn again(&self, access: u32) -> PipeEnd {
        PipeEnd::new(&self.pipe, access != O_WRONLY, access != 0)
    }

    /// Takes what there is. No bytes mean that all writers are gone.
    ///
    /// # Errors
    /// `EBADF` of an end to write to.
    pub fn read(&self, buf: &mut [u8]) -> Result<usize, Refusal> {
        let mut pipe = self.pipe.borrow_mut();
        if !self.reads {
            return Err(Errno::BadF.into());
        }
        if buf.is_empty() {
            return Ok(0);
        }
        if pipe.bytes.is_empty() {
            return if pipe.writers == 0 { Ok(0) } else { Err(Refusal::NotNow) };
        }
        let n = pipe.bytes.len().min(buf.len());
        for (slot, byte) in buf.iter_mut().zip(pipe.bytes.drain(..n)) {
            *slot = byte;
        }
        if pipe.bytes.is_empty() {
            pipe.bytes = VecDeque::new();
        }
        pipe.changes += 1;
        Ok(n)
    }

    /// Puts in as much as there is space for; few bytes only together.
    ///
    /// # Errors
    /// `EPIPE` when nobody reads, `EBADF` of an end to read from, `ENOMEM` when files and pipes hold as much
    /// as they may.
    pub fn write(&self, bytes: &[u8], room: &Budget) -> Result<usize, Refusal> {
        let mut pipe = self.pipe.borrow_mut();
        if !self.writes {
            return Err(Errno::BadF.into());
        }
        if pipe.readers == 0 {
            return Err(Errno::Pipe.into());
        }
        if room.left() < CAPACITY as u64 {
            return Err(Errno::NoMem.into());
        }
        let space = CAPACITY - pipe.bytes.len();
        let n = if bytes.len() <= ATOMIC && space < bytes.len() { 0 } else { bytes.len().min(space) };
        if n == 0 && !bytes.is_empty() {
            return Err(Refusal::NotNow);
        }
        pipe.bytes.extend(&bytes[..n]);
        pipe.changes += 1;
        Ok(n)
    }

    /// How many bytes wait to be read.
    pub fn len(&self) -> usize {
        self.pipe.borrow().bytes.len()
    }

    /// What could be done now without waiting, as `poll` bits.
    pub fn ready(&self) -> u32 {
        let pipe = self.pipe.borrow();
        let when = |condition, bits| if condition { bits } else { 0 };
        let writes = when(pipe.bytes.len() <= CAPACITY - ATOMIC, POLLOUT) | when(pipe.readers == 0, POLLERR);
        let reads = when(!pipe.bytes.is_empty(), POLLIN)
            | when(pipe.writers == 0 && pipe.opened.writers > 0, POLLHUP);
        when(self.writes, writes) | when(self.reads, reads)
    }

    /// How often anything has changed.
    pub fn changes(&self) -> u64 {
        self.pipe.borrow().changes
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        let mut pipe = self.pipe.borrow_mut();
        pipe.count(self.reads, self.writes, false);
        if pipe.readers == 0 && pipe.writers == 0 {
            pipe.bytes = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_bytes_are_written_together() {
        let room = Budget::new(1 << 20);
        let (reader, writer) = PipeEnd::pair();
        assert_eq!(writer.write(&vec![1; CAPACITY - 10], &room), Ok(CAPACITY - 10));
        assert_eq!(writer.write(&[2; 11], &room), Err(Refusal::NotNow));
        assert_eq!(writer.write(&[2; ATOMIC + 1], &room), Ok(10), "many bytes are split");
        let mut buf = vec![0; CAPACITY];
        assert_eq!((reader.read(&mut buf), buf[CAPACITY - 10]), (Ok(CAPACITY), 2));
        assert_eq!(writer.write(&[2; 11], &Budget::new(10)), Err(Errno::NoMem.into()));
        drop(reader);
        assert_eq!((writer.write(b"x", &room), writer.ready()), (Err(Errno::Pipe.into()), POLLOUT | POLLERR));
    }

    #[test]
    fn the_two_sides_of_a_named_pipe_meet() {
        let pipe = Rc::default();
        let open = |reads, writes, tid, again| PipeEnd::open(&pipe, (reads, writes), false, (tid, again));
        assert_eq!(open(true, false, 1, false).err(), Some(Refusal::NotNow));
        assert_eq!(open(true, false, 1, true).err(), Some(Refusal::NotNow));
        let writer = open(false, true, 2, false).unwrap();
        drop(writer);
        let reader = open(true, false, 1, true).expect("a writer has come, and gone");
        assert_eq!(reader.read(&mut [0; 4]), Ok(0));
        drop(reader);
        assert_eq!(open(false, true, 2, false).err(), Some(Refusal::NotNow));
        let reader = open(true, false, 1, false).expect("a writer waits");
        assert_eq!(reader.read(&mut [0; 4]), Err(Refusal::NotNow), "the writer counts before it has come");
        drop((open(false, true, 2, true).expect("a reader has come"), reader));
        assert_eq!(PipeEnd::open(&pipe, (false, true), true, (1, false)).err(), Some(Errno::NxIo.into()));
        let early = PipeEnd::open(&pipe, (true, false), true, (1, false)).unwrap();
        assert!(open(false, true, 2, false).is_ok());
        drop(early);
        assert!(open(true, true, 3, false).is_ok());
    }
}
