//! Objects, the words in them, and the spans around them.

use serde::{Deserialize, Serialize};

/// A length in memory that abstracts over the word size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Extent {
    /// So many words of the target,
    pub words: u32,
    /// and so many bytes.
    pub bytes: u32,
}

impl Extent {
    /// Nothing.
    pub const ZERO: Extent = Extent { words: 0, bytes: 0 };

    /// So many words.
    pub const fn words(words: u32) -> Extent {
        Extent { words, bytes: 0 }
    }

    /// So many bytes.
    pub const fn bytes(bytes: u32) -> Extent {
        Extent { words: 0, bytes }
    }

    /// The length in bytes on a machine with pointers of so many bytes.
    pub const fn on(self, ptr_size: u64) -> u64 {
        self.words as u64 * ptr_size + self.bytes as u64
    }
}

/// What a word holds: a number, or the address of something in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Value {
    /// A number; 32-bit machines keep its low half. Zero is nil.
    Scalar(u64),
    /// An object, or a place inside it.
    Object {
        /// Index of the object, which is never freed.
        object: usize,
        /// How far into the object: less than its requested size.
        #[serde(default)]
        offset: Extent,
    },
    /// A word of [`World::data`](super::World::data).
    Data(usize),
    /// A word of [`World::bss`](super::World::bss).
    Bss(usize),
    /// A type's descriptor.
    Type(usize),
    /// An itab.
    Itab(usize),
    /// A function's entry PC.
    Code(usize),
    /// A function's static `funcval`: a word in read-only data that holds the entry PC.
    Funcval(usize),
    /// One of [`World::bitvectors`](super::World::bitvectors), as a `runtime.bitvector`.
    Bitvector(usize),
    /// A goroutine's `g`.
    Goroutine(usize),
    /// A word in a stack frame of a goroutine that is not dead.
    Stack {
        /// Index of the goroutine.
        goroutine: usize,
        /// Index of the activation, outermost first; its frame is set up.
        frame: usize,
        /// Index of the word, as in [`Activation::words`](super::Activation::words), and less than
        /// the function's frame.
        word: usize,
    },
}

impl Value {
    /// Go's nil.
    pub const NIL: Value = Value::Scalar(0);
}

impl Default for Value {
    fn default() -> Self {
        Value::NIL
    }
}

/// A word of an object or of a segment, together with its bit in the pointer mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// The mask says that this word is a pointer.
    Pointer(Value),
    /// The mask says that this word is none. It can hold an address all the same, as a `uintptr`.
    Plain(Value),
}

impl Slot {
    /// What the word holds.
    pub const fn value(&self) -> &Value {
        match self {
            Slot::Pointer(value) | Slot::Plain(value) => value,
        }
    }

    /// The word's bit in the pointer mask.
    pub const fn is_pointer(&self) -> bool {
        matches!(self, Slot::Pointer(_))
    }
}

/// What an object was allocated for, and what was stored in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Contents {
    /// Memory that the garbage collector does not scan: allocated with `flagNoScan`.
    Bytes {
        /// Requested size in bytes, at least 1. Below 16 the object is a block of the tiny
        /// allocator's own, of 16 bytes.
        len: u32,
        /// Stored over and over until the object is full; zeros if this is empty.
        pattern: Vec<u8>,
    },
    /// Words with a pointer mask. Without a single pointer this is allocated with `flagNoScan` too.
    Words {
        /// Requested size in words, at least 1 and at least the number of slots. The words
        /// after the slots are zero and no pointers.
        len: u32,
        /// The first words.
        slots: Vec<Slot>,
    },
}

impl Contents {
    /// The requested size in bytes, before `mallocgc` rounds it up.
    pub fn requested(&self, ptr_size: u64) -> u64 {
        match self {
            Contents::Bytes { len, .. } => u64::from(*len),
            Contents::Words { len, .. } => u64::from(*len) * ptr_size,
        }
    }

    /// The number of words from the first to the last pointer: `ptrdata` in words. Zero means
    /// that the object is allocated with `flagNoScan`.
    pub fn pointer_words(&self) -> usize {
        match self {
            Contents::Bytes { .. } => 0,
            Contents::Words { slots, .. } => {
                slots.iter().rposition(Slot::is_pointer).map_or(0, |last| last + 1)
            }
        }
    }
}

/// An object: what one call of `mallocgc` returns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// Its size and its contents.
    pub contents: Contents,
    /// The sweeper frees it when so many further objects have been allocated, or at the end if
    /// fewer ever are. Its slot goes to the head of the span's freelist, with stale contents and
    /// stale bits in the heap bitmap, and may be allocated again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freed_after: Option<usize>,
    /// A registered finalizer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finalizer: Option<super::Finalizer>,
    /// How many bytes into the object that finalizer belongs: `SetFinalizer` takes a pointer into a block of the tiny
    /// allocator. Only [`Contents::Bytes`] of less than 16 bytes can have another than 0.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub finalizer_at: u32,
    /// Index of the bucket, if the memory profiler sampled this allocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<usize>,
}

impl Object {
    /// An object that lives, with nothing special about it.
    pub const fn new(contents: Contents) -> Object {
        Object { contents, freed_after: None, finalizer: None, finalizer_at: 0, sample: None }
    }
}

/// Where the arena begins, and how long its spans are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Arena {
    /// So many pages of the arena lie below an address from which on addresses take a byte more in a dump (2^28 or
    /// 2^42), at most 256. 0: the arena is where Go 1.5 has it.
    pub below: u32,
    /// Pages of the spans whose size class has one: no more than have 1,024 objects, and at most 4. Go 1.5 has none
    /// of more than one page; the format and its writer allow them. 0 is 1.
    pub span_pages: u8,
}

/// A `*funcval`: what a Go `func` value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Funcval {
    /// The static funcval of a function.
    Static(usize),
    /// An object that is a closure: its first word holds [`Value::Code`].
    Closure(usize),
}

/// A span in which no object of the world lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Span {
    /// In use for objects of one size class, and all of its slots are free.
    Empty {
        /// The size class, modulo the 66 classes of small objects.
        class: u8,
    },
    /// Given out for a stack.
    Stack {
        /// Its length in pages of 8 KiB, at least 1.
        pages: u32,
    },
    /// Free.
    Free {
        /// Its length in pages of 8 KiB, at least 1.
        pages: u32,
    },
    /// Dead: what it described belongs to another span now.
    Dead {
        /// Its length in pages of 8 KiB, at least 1.
        pages: u32,
    },
}
