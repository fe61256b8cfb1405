//! Steps: the list that drives the program's work on the heap and on the runtime's structures.
//!
//! A world of 100,000 objects must not become megabytes of code, so the program is a small set of
//! [handlers](super::handlers) and a list in read-only data. Each step begins with the address of its
//! handler, followed by operands of a word each. An operand that stands for a value is a pair: the address
//! of a cell, and a number to be added to what the cell holds. The cell is that of an object, which
//! only the program fills, or one that always holds zero.

use heapmatrix_writer::AnyTarget;

use super::heap_bits::HeapBits;
use crate::guest::ir::Label;
use crate::image::section::encode;

/// A word that the program computes: what a cell holds, plus a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operand {
    /// The cell's address.
    pub cell: u64,
    /// The number.
    pub add: Number,
}

/// A number that is known when the code has been assembled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    /// A number known before.
    Known(u64),
    /// The address of a label, plus so many bytes.
    Label(Label, u64),
    /// The address of an op.
    Op(usize),
}

/// One step.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// `mallocgc` of a small object.
    Allocate {
        /// The address of the cache's pointer to the current span of the class.
        cached: u64,
        /// The size of the class in bytes.
        size: u64,
        /// The cell that receives the object's address.
        handle: u64,
    },
    /// `largeAlloc`.
    AllocateLarge { span: u64, handle: u64 },
    /// `heapBitsSetType`.
    SetType { handle: u64, bits: HeapBits },
    /// What `mSpan_Sweep` does to a small object that it finds dead.
    Free { handle: u64, size: u64 },
    /// What it does to a large one.
    FreeLarge { span: u64 },
    /// Stores bytes, padded with zeros to whole words, `offset` bytes after what the cell holds.
    Copy { cell: u64, offset: u64, bytes: Vec<u8> },
    /// Stores a word `offset` bytes after what the cell holds.
    Set { cell: u64, offset: u64, value: Operand },
    /// Pushes a node onto a list; `link` is the address of its link field.
    Push { head: u64, node: u64, link: u64 },
    /// `addspecial`.
    AddSpecial { special: u64, handle: u64 },
    /// `queuefinalizer`, up to the entry's address, which it leaves in a cell.
    QueueFinalizer,
    /// What `runfinq` does to the queue.
    RunFinalizers,
    /// The end of the list.
    End,
}

/// The handlers' labels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handlers {
    pub allocate: Label,
    pub allocate_large: Label,
    pub set_type: Label,
    pub free: Label,
    pub free_large: Label,
    pub copy: Label,
    pub set: Label,
    pub push: Label,
    pub add_special: Label,
    pub queue_finalizer: Label,
    pub run_finalizers: Label,
    pub end: Label,
}

/// The list in the target's form, to be loaded at `base`.
pub(crate) fn encode_steps(
    target: AnyTarget,
    base: u64,
    steps: &[Step],
    handlers: &Handlers,
    number: impl Fn(Number) -> u64,
) -> Vec<u8> {
    let mut list = List { target, base, bytes: Vec::new() };
    let label = |label| number(Number::Label(label, 0));
    for step in steps {
        match step {
            Step::Allocate { cached, size, handle } => {
                list.words(&[label(handlers.allocate), *cached, *size, *handle]);
            }
            Step::AllocateLarge { span, handle } => {
                list.words(&[label(handlers.allocate_large), *span, *handle])
            }
            Step::SetType { handle, bits } => {
                let data = list.end() + 7 * target.ptr_size();
                let middle = data + bits.aligned.len() as u64;
                let end = middle + bits.halfway.len() as u64;
                let next = end.next_multiple_of(target.ptr_size());
                list.words(&[label(handlers.set_type), *handle, data, middle, middle, end, next]);
                list.bytes.extend_from_slice(&bits.aligned);
                list.bytes.extend_from_slice(&bits.halfway);
                list.pad();
            }
            Step::Free { handle, size } => list.words(&[label(handlers.free), *handle, *size]),
            Step::FreeLarge { span } => list.words(&[label(handlers.free_large), *span]),
            Step::Copy { cell, offset, bytes } => {
                let data = list.end() + 4 * target.ptr_size();
                let next = (data + bytes.len() as u64).next_multiple_of(target.ptr_size());
                list.words(&[label(handlers.copy), *cell, *offset, next]);
                list.bytes.extend_from_slice(bytes);
                list.pad();
            }
            Step::Set { cell, offset, value } => {
                list.words(&[label(handlers.set), *cell, *offset, value.cell, number(value.add)]);
            }
            Step::Push { head, node, link } => list.words(&[label(handlers.push), *head, *node, *link]),
            Step::AddSpecial { special, handle } => {
                list.words(&[label(handlers.add_special), *special, *handle])
            }
            Step::QueueFinalizer => list.words(&[label(handlers.queue_finalizer)]),
            Step::RunFinalizers => list.words(&[label(handlers.run_finalizers)]),
            Step::End => list.words(&[label(handlers.end)]),
        }
    }
    list.bytes
}

struct List {
    target: AnyTarget,
    base: u64,
    bytes: Vec<u8>,
}

impl List {
    /// The address of the next byte.
    fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    fn words(&mut self, words: &[u64]) {
        for &word in words {
            let (bytes, len) = encode(self.target, self.target.ptr_size(), word);
            self.bytes.extend_from_slice(&bytes[..len]);
        }
    }

    /// Pads to whole words.
    fn pad(&mut self) {
        let len = self.bytes.len().next_multiple_of(self.target.ptr_size() as usize);
        self.bytes.resize(len, 0);
    }
}
