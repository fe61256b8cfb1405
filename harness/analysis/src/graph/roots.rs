//! What keeps objects alive from outside the heap.

use heapmatrix_reader::{Dump, Goroutine, OtherRoot, Record, StackFrame};

/// A node of the graph that is no object: a root, or a group of roots.
///
/// Roots form a tree, so that what only roots of one kind hold is retained by that kind: all roots have the global
/// variables below them, the groups of goroutines with theirs and the frames of each, and finalizers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// What it is.
    pub kind: RootKind,
    /// The root of which this is a part; that of [`RootKind::All`] is itself.
    pub parent: u32,
    /// Where it is: an address for variables, otherwise the offset of the record that says more; 0 for what has none.
    pub(crate) at: u64,
}

/// What a [`Root`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RootKind {
    /// All roots.
    All,
    /// All global variables: the data and the bss segment.
    Globals,
    /// A global variable; where its extent is not known, a word of one.
    Variable,
    /// Goroutines with the same functions on their stacks and the same state.
    Stacks,
    /// A goroutine, with its context register, its deferred calls and its panics.
    Goroutine,
    /// A stack frame.
    Frame,
    /// What finalizers keep: their closures, what their objects point to, and the objects of those that are queued.
    Finalizers,
    /// Roots that the writer of the dump named.
    Other,
}

impl Root {
    /// The address of a [variable](RootKind::Variable).
    pub fn address(&self) -> Option<u64> {
        (self.kind == RootKind::Variable).then_some(self.at)
    }

    /// The goroutine, or one that stands for its group.
    pub fn goroutine<'a>(&self, dump: &Dump<'a>) -> Option<Goroutine<'a>> {
        match (self.kind, self.record(dump)?) {
            (RootKind::Goroutine | RootKind::Stacks, Record::Goroutine(goroutine)) => Some(goroutine),
            _ => None,
        }
    }

    /// The frames of the goroutine, or of one that stands for its group: innermost first.
    pub fn frames<'a>(&self, dump: &Dump<'a>) -> Vec<StackFrame<'a>> {
        if !matches!(self.kind, RootKind::Goroutine | RootKind::Stacks) {
            return Vec::new();
        }
        let frames = dump.records_from(self.at).skip(1).map_while(|record| match record {
            Ok((_, Record::StackFrame(frame))) => Some(frame),
            _ => None,
        });
        frames.collect()
    }

    /// The stack frame.
    pub fn frame<'a>(&self, dump: &Dump<'a>) -> Option<StackFrame<'a>> {
        match (self.kind, self.record(dump)?) {
            (RootKind::Frame, Record::StackFrame(frame)) => Some(frame),
            _ => None,
        }
    }

    /// The root that the writer named.
    pub fn other<'a>(&self, dump: &Dump<'a>) -> Option<OtherRoot<'a>> {
        match (self.kind, self.record(dump)?) {
            (RootKind::Other, Record::OtherRoot(root)) => Some(root),
            _ => None,
        }
    }

    fn record<'a>(&self, dump: &Dump<'a>) -> Option<Record<'a>> {
        let recorded =
            matches!(self.kind, RootKind::Stacks | RootKind::Goroutine | RootKind::Frame | RootKind::Other);
        let (_, record) = recorded.then(|| dump.records_from(self.at).next())??.ok()?;
        Some(record)
    }
}
