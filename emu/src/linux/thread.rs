//! Threads, and whose turn it is on the one emulated CPU.

use std::collections::{BTreeMap, VecDeque};

use super::budget::Charge;
use super::errno::Errno;
use super::segments::ThreadSegments;
use super::signal::{AltStack, Pending};
use crate::machine::Context;

/// The process's number, and its first thread's.
pub const PID: u32 = 1000;

/// What a waiting thread waits for, besides its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// For somebody to wake the futex at this address.
    Futex(u64),
    /// For time alone.
    Time,
    /// For an open file to change: then its system call is tried again.
    File,
}

/// Whether a thread can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It has the CPU, or waits for it.
    Ready,
    /// It waits, at the longest until a moment of the monotonic clock.
    Waiting(Wait, Option<u64>),
}

/// A system call that a thread is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its number.
    pub number: u64,
    /// Its arguments.
    pub args: [u64; 6],
    /// When it is tried again after waiting: the moment at which it gives up.
    pub deadline: Option<u64>,
    /// Whether it has waited before.
    pub again: bool,
}

/// What a thread's system call will answer when the thread has the CPU again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This.
    Result(Result<u64, Errno>),
    /// Whatever the call answers now.
    Retry(Call),
}

/// A signal handler's frame on a thread's stack, and the CPU as it was before.
///
/// Frames hold the integer registers as Linux lays them out, for handlers to read and change. All
/// the rest, such as floating-point registers, comes back from here.
pub struct Interrupted {
    /// The CPU when the signal came.
    pub context: Context,
    /// What that takes.
    pub _charge: Charge,
}

/// What a saved context takes on the host, in bytes: ppc64's is the largest.
pub const CONTEXT_COST: u64 = 96 << 10;

/// What a thread takes on the host, in bytes: its context, and its places in queues.
pub const THREAD_COST: u64 = CONTEXT_COST + 4096;

/// How many threads a process may have: `RLIMIT_NPROC`.
pub const MAX_THREADS: usize = 16_384;

/// A thread.
pub struct Thread {
    /// Its number.
    pub tid: u32,
    /// The CPU as it left it. `None` while it has the CPU.
    pub context: Option<Context>,
    /// Whether it can run.
    pub state: State,
    /// What to tell it when it runs again.
    pub answer: Option<Answer>,
    /// The signals that it blocks.
    pub mask: u128,
    /// Its stack for signal handlers.
    pub alt_stack: AltStack,
    /// The signals that it was sent.
    pub pending: Pending,
    /// The handlers that it is in, by the address of their frames.
    pub interrupted: BTreeMap<u64, Interrupted>,
    /// The word to clear and wake when it ends: `set_tid_address`.
    pub clear_tid: u64,
    /// How many instructions it has executed.
    pub cpu: u64,
    /// What it is called: `PR_SET_NAME`.
    pub name: [u8; 15],
    /// `PR_SET_KEEPCAPS`.
    pub keep_capabilities: bool,
    /// Its segments, on 386.
    pub segments: ThreadSegments,
    /// What it takes; the first thread takes nothing.
    pub _charge: Option<Charge>,
}

impl Thread {
    /// A thread that can run.
    pub fn new(tid: u32, context: Option<Context>) -> Self {
        Thread {
            tid,
            context,
            state: State::Ready,
            answer: None,
            mask: 0,
            alt_stack: AltStack::default(),
            pending: Pending::default(),
            interrupted: BTreeMap::new(),
            clear_tid: 0,
            cpu: 0,
            name: [0; 15],
            keep_capabilities: false,
            segments: ThreadSegments::default(),
            _charge: None,
        }
    }
}

/// The threads of a process.
pub struct Threads {
    all: BTreeMap<u32, Thread>,
    /// Those that can run, in the order of their turns. The first has the CPU.
    turns: VecDeque<u32>,
    next_tid: u32,
    /// The only thread that may run.
    alone: Option<u32>,
}

impl Threads {
    /// A process's first thread, on the CPU.
    pub fn new() -> Self {
        Threads {
            all: BTreeMap::from([(PID, Thread::new(PID, None))]),
            turns: VecDeque::from([PID]),
            next_tid: PID + 1,
            alone: None,
        }
    }

    /// Adds a thread that can run, with the attributes that `make` gives it, and returns its number.
    pub fn add(&mut self, make: impl FnOnce(u32) -> Thread) -> u32 {
        let tid = self.next_tid;
        self.next_tid += 1;
        self.all.insert(tid, make(tid));
        self.turns.push_back(tid);
        tid
    }

    /// A thread.
    pub fn get(&mut self, tid: u32) -> Option<&mut Thread> {
        self.all.get_mut(&tid)
    }

    /// All threads.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Thread> {
        self.all.values()
    }

    /// Removes a thread that has ended.
    pub fn remove(&mut self, tid: u32) {
        self.all.remove(&tid);
        self.turns.retain(|&t| t != tid);
    }

    /// From now on only this thread runs, or again all of them.
    pub fn run_alone(&mut self, tid: Option<u32>) {
        self.alone = tid;
    }

    /// Whose turn it is.
    pub fn next(&self) -> Option<u32> {
        match self.alone {
            Some(tid) => self.turns.contains(&tid).then_some(tid),
            None => self.turns.front().copied(),
        }
    }

    /// A thread's turn is over.
    pub fn yield_turn(&mut self, tid: u32) {
        if self.turns.front() == Some(&tid) {
            self.turns.rotate_left(1);
        }
    }

    /// A thread begins to wait.
    pub fn block(&mut self, tid: u32, wait: Wait, deadline: Option<u64>, call: Call) {
        if let Some(thread) = self.all.get_mut(&tid) {
            thread.state = State::Waiting(wait, deadline);
            thread.answer =
                (wait == Wait::File).then_some(Answer::Retry(Call { deadline, again: true, ..call }));
            self.turns.retain(|&t| t != tid);
        }
    }

    /// A thread waits no longer, and its call answers so. A call to be tried again keeps to that
    /// when `answer` is `None`.
    pub fn unblock(&mut self, tid: u32, answer: Option<Result<u64, Errno>>) {
        let Some(thread) = self.all.get_mut(&tid) else { return };
        if thread.state == State::Ready {
            return;
        }
        thread.state = State::Ready;
        if let Some(answer) = answer {
            thread.answer = Some(Answer::Result(answer));
        }
        self.turns.push_back(tid);
    }

    /// The threads that wait for files.
    pub fn waiting_for_files(&self) -> Vec<u32> {
        self.all
            .values()
            .filter(|t| matches!(t.state, State::Waiting(Wait::File, _)))
            .map(|t| t.tid)
            .collect()
    }

    /// The earliest moment at which a thread gives up waiting.
    pub fn next_deadline(&self) -> Option<u64> {
        self.all
            .values()
            .filter_map(|t| match t.state {
                State::Waiting(_, deadline) => deadline,
                State::Ready => None,
            })
            .min()
    }

    /// The threads whose moment has come, with what they waited for: the earliest moment first.
    pub fn due(&self, now: u64) -> Vec<(u32, Wait)> {
        let mut due: Vec<(u64, u32, Wait)> = self
            .all
            .values()
            .filter_map(|t| match t.state {
                State::Waiting(wait, Some(deadline)) if deadline <= now => Some((deadline, t.tid, wait)),
                _ => None,
            })
            .collect();
        due.sort_by_key(|&(deadline, tid, _)| (deadline, tid));
        due.into_iter().map(|(_, tid, wait)| (tid, wait)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Call = Call { number: 1, args: [0; 6], deadline: None, again: false };

    fn three() -> (Threads, u32, u32) {
        let mut threads = Threads::new();
        let second = threads.add(|tid| Thread::new(tid, None));
        let third = threads.add(|tid| Thread::new(tid, None));
        (threads, second, third)
    }

    #[test]
    fn turns_go_round() {
        let (mut threads, second, third) = three();
        threads.yield_turn(PID);
        assert_eq!(threads.next(), Some(second));
        threads.yield_turn(PID);
        assert_eq!(threads.next(), Some(second), "only the one whose turn it is can give it away");
        threads.block(second, Wait::Time, None, CALL);
        assert_eq!(threads.next(), Some(third));
        threads.unblock(second, Some(Ok(0)));
        threads.unblock(second, Some(Ok(0)));
        threads.remove(third);
        threads.remove(PID);
        assert_eq!((threads.next(), threads.turns.len()), (Some(second), 1));
    }

    #[test]
    fn alone_means_alone() {
        let (mut threads, second, _) = three();
        threads.run_alone(Some(second));
        assert_eq!(threads.next(), Some(second));
        threads.block(second, Wait::Futex(8), None, CALL);
        assert_eq!(threads.next(), None, "the others stay frozen while it waits");
        threads.run_alone(None);
        assert_eq!(threads.next(), Some(PID));
    }

    #[test]
    fn deadlines_come_in_order() {
        let (mut threads, second, third) = three();
        threads.block(second, Wait::Time, Some(30), CALL);
        threads.block(third, Wait::File, Some(20), CALL);
        assert_eq!(threads.next_deadline(), Some(20));
        assert_eq!(threads.due(19), []);
        assert_eq!(threads.due(40), [(third, Wait::File), (second, Wait::Time)]);
        assert_eq!(threads.waiting_for_files(), [third]);
        threads.unblock(third, None);
        let retried = Call { deadline: Some(20), again: true, ..CALL };
        assert_eq!(threads.get(third).unwrap().answer, Some(Answer::Retry(retried)));
    }
}
