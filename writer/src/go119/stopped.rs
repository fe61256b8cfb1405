//! A process that was stopped from outside, wherever it happened to be: a core file, or a running process under a debugger.
//!
//! Its world is not stopped. Goroutines run, spans wait to be swept, a collection may be under way. What can be known all
//! the same is worked out by `sweep`, `standing` and `counters`; what cannot is told in [`Doubts`].

use std::cell::RefCell;

/// A thread of a stopped process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thread {
    /// Its number in the operating system.
    pub tid: u64,
    /// The program counter.
    pub pc: u64,
    /// The stack pointer.
    pub sp: u64,
    /// The link register; 0 on machines that have none.
    pub lr: u64,
    /// The general registers, in the order of the architecture's own numbers. They may hold pointers.
    pub general: Vec<u64>,
}

/// A process that was stopped from outside.
#[derive(Debug, Default)]
pub struct Stopped<'a> {
    threads: &'a [Thread],
    doubts: RefCell<Doubts>,
}

impl<'a> Stopped<'a> {
    /// A process with these threads.
    pub fn new(threads: &'a [Thread]) -> Self {
        Stopped { threads, doubts: RefCell::default() }
    }

    /// What the last dump of it could not know.
    pub fn doubts(&self) -> Doubts {
        self.doubts.borrow().clone()
    }

    /// A dump begins.
    pub(super) fn begin(&self) {
        *self.doubts.borrow_mut() = Doubts::default();
    }

    pub(super) fn threads(&self) -> &'a [Thread] {
        self.threads
    }

    /// Takes note of something.
    pub(super) fn note(&self, note: impl FnOnce(&mut Doubts)) {
        note(&mut self.doubts.borrow_mut());
    }
}

/// What a dump of a stopped process rests on besides what the runtime says, and what it lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Doubts {
    /// Whether a collection was under way (`gcphase`): what it has shaded so far is not in the dump, and nothing depends on it.
    pub collecting: bool,
    /// Spans that were not swept: their objects are those that were marked, as sweeping would leave them.
    pub unswept_spans: u64,
    /// Spans that were being swept: what may be an object of them is one.
    pub spans_being_swept: u64,
    /// Goroutines that ran, and whose stacks were unwound from the registers of their threads.
    pub running: u64,
    /// Goroutines whose stacks could not be unwound to their ends: their numbers, and why. What is left of such a stack is one
    /// frame without a function, of which any word may be a pointer. Of very many only the first are told.
    pub not_unwound: Vec<(u64, String)>,
    /// How many these are.
    pub not_unwound_count: u64,
    /// Objects that were being allocated, of which it is not known where their pointers are: they have none in the dump.
    pub undescribed_objects: u64,
    /// Whether the statistics were computed from the runtime's counters, because nobody had collected them. Those of the heap
    /// are what the dump itself contains.
    pub statistics_computed: bool,
    /// Pointers in registers, and on stacks of the runtime that were at work for a goroutine: each a root of its own.
    pub other_roots: u64,
}
