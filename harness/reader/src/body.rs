//! What records hold. Each structure has its fields in the order in which they stand in a dump.
//!
//! Addresses are those of the dumped program, in bytes. What is not an address says its unit. Sources are functions
//! of Go's `src/runtime/heapdump.go`.

use crate::wire::wire_structs;
use crate::{Fields, Stack, Text};

wire_structs! {
    /// A heap object. Source: `dumpobj`.
    ///
    /// Its size is that of its allocation: its size class, or whole pages.
    pub struct Object<'a> {
        /// Where it is.
        pub address: u64,
        /// Its bytes.
        pub contents: &'a [u8],
        /// Its pointers.
        pub fields: Fields<'a>,
    }

    /// A root outside segments and stacks. Source: `dumpotherroot`, which no Go since 1.5 calls.
    pub struct OtherRoot<'a> {
        /// What holds the pointer.
        pub description: Text<'a>,
        /// What it points to.
        pub target: u64,
    }

    /// A type. Source: `dumptype`; dumped once at least before the first itab that names it.
    pub struct Type<'a> {
        /// Its address, by which itabs name it.
        pub address: u64,
        /// The size of its values, in bytes.
        pub size: u64,
        /// Its name, with the whole import path.
        pub name: Text<'a>,
        /// Whether an interface that holds a value of the type has a pointer in its data word.
        pub data_is_pointer: bool,
    }

    /// A goroutine. Its stack frames follow from the innermost outwards, then its defers and its panics, the
    /// latest first. Source: `dumpgoroutine`.
    pub struct Goroutine<'a> {
        /// The address of its descriptor (`g`).
        pub address: u64,
        /// Its stack pointer: in a system call, at the entry of the call.
        pub sp: u64,
        /// Its number.
        pub id: u64,
        /// The program counter of the `go` statement that started it.
        pub creation_pc: u64,
        /// `_Grunnable` 1, `_Gsyscall` 3, `_Gwaiting` 4. The goroutine that makes the dump has 4.
        pub status: u64,
        /// Whether the runtime started it for itself.
        pub is_system: bool,
        /// Always false.
        pub is_background: bool,
        /// Since when it has been waiting, in nanoseconds of the monotonic clock; 0 if that isn't known.
        pub wait_since: u64,
        /// What it is waiting for. Stale unless the status is 4.
        pub wait_reason: Text<'a>,
        /// Its context register (`sched.ctxt`).
        pub context: u64,
        /// The thread that runs it, by its descriptor (`m`), or 0.
        pub thread: u64,
        /// Its latest defer, or 0.
        pub defer: u64,
        /// Its latest panic, or 0.
        pub panic: u64,
    }

    /// A stack frame. Source: `dumpframe`.
    pub struct StackFrame<'a> {
        /// The lowest address in the frame.
        pub sp: u64,
        /// The number of frames that are further in.
        pub depth: u64,
        /// The `sp` of the next frame further in, or 0 in the innermost.
        pub child_sp: u64,
        /// Its bytes, up to the caller's frame.
        pub contents: &'a [u8],
        /// What it is the frame of.
        pub function: Function<'a>,
        /// Its words that may be pointers: first the arguments that it passes, then its variables.
        /// In outermost frames some lie past the contents.
        pub fields: Fields<'a>,
    }

    /// The part of a [`StackFrame`] that says where the function is. Source: `dumpframe`.
    pub struct Function<'a> {
        /// The function's first instruction.
        pub entry: u64,
        /// Where it is executing.
        pub pc: u64,
        /// Where it continues after a recovered panic: mostly `pc`, and 0 if it never will.
        pub continuation_pc: u64,
        /// Its name, or `unknown function`.
        pub name: Text<'a>,
    }

    /// A finalizer that is set, or one that is queued because its object is dead: two kinds of records of the
    /// same form. Source: `dumpfinalizer` and `finq_callback`.
    pub struct Finalizer {
        /// Its object.
        pub object: u64,
        /// Its closure (`funcval`).
        pub closure: u64,
        /// The closure's first instruction.
        pub entry: u64,
        /// The type of the closure's argument.
        pub argument_type: u64,
        /// The type of the object: a pointer type.
        pub object_type: u64,
    }

    /// An itab, which stands for a pair of an interface and a type. Source: `itab_callback`.
    pub struct Itab {
        /// Its address, which an interface value holds.
        pub address: u64,
        /// The type: in go1.5 and go1.6 that of the data word, `*T` where a `T` is held by reference; in
        /// go1.7 that of the value, `T`.
        pub type_address: u64,
    }

    /// A thread. Source: `dumpms`.
    pub struct OsThread {
        /// The address of its descriptor (`m`).
        pub address: u64,
        /// Go's number for it.
        pub id: u64,
        /// The operating system's number for it.
        pub os_id: u64,
    }

    /// What the runtime counts about memory: `runtime.MemStats`, in bytes unless said otherwise.
    /// Source: `dumpmemstats`.
    pub struct MemStats {
        /// Allocated and not yet freed.
        pub alloc: u64,
        /// Allocated since the start.
        pub total_alloc: u64,
        /// Obtained from the system: the sum of what ends in `sys`.
        pub sys: u64,
        /// Number of pointer look-ups.
        pub lookups: u64,
        /// Number of allocations.
        pub mallocs: u64,
        /// Number of frees.
        pub frees: u64,
        /// Allocated on the heap and not yet freed.
        pub heap_alloc: u64,
        /// Obtained for the heap.
        pub heap_sys: u64,
        /// In idle spans.
        pub heap_idle: u64,
        /// In spans with objects.
        pub heap_inuse: u64,
        /// Returned to the system.
        pub heap_released: u64,
        /// Number of objects.
        pub heap_objects: u64,
        /// Used by stacks.
        pub stack_inuse: u64,
        /// Obtained for stacks.
        pub stack_sys: u64,
        /// Used by span descriptors.
        pub mspan_inuse: u64,
        /// Obtained for span descriptors.
        pub mspan_sys: u64,
        /// Used by allocation caches.
        pub mcache_inuse: u64,
        /// Obtained for allocation caches.
        pub mcache_sys: u64,
        /// Obtained for the profile's hash table.
        pub buckhash_sys: u64,
        /// Obtained for the garbage collector.
        pub gc_sys: u64,
        /// Obtained for everything else.
        pub other_sys: u64,
        /// The size of `heap_alloc` at which the next collection starts.
        pub next_gc: u64,
        /// When the last collection ended, in nanoseconds since 1970.
        pub last_gc: u64,
        /// Time that the world has been stopped, in nanoseconds.
        pub pause_total_ns: u64,
        /// The latest pauses in nanoseconds, a ring: the last is at `(num_gc + 255) % 256`.
        pub pause_ns: [u64; 256],
        /// Number of collections.
        pub num_gc: u64,
    }

    /// A segment of global variables: initialised ones in a `data` record, others in a `bss` record of the same
    /// form. Source: `dumproots`.
    pub struct Segment<'a> {
        /// Where it is.
        pub address: u64,
        /// Its bytes.
        pub contents: &'a [u8],
        /// Its pointers.
        pub fields: Fields<'a>,
    }

    /// A deferred call. Source: `dumpgoroutine`.
    pub struct Defer {
        /// The address of its descriptor (`_defer`).
        pub address: u64,
        /// Its goroutine.
        pub goroutine: u64,
        /// The stack pointer of the deferring frame.
        pub sp: u64,
        /// The program counter of the deferring frame.
        pub pc: u64,
        /// The closure (`funcval`) to call; 0 for an open-coded defer of Go 1.14 and later.
        pub closure: u64,
        /// The closure's first instruction.
        pub entry: u64,
        /// The defer before this one, or 0.
        pub link: u64,
    }

    /// A panic. Source: `dumpgoroutine`.
    pub struct Panic {
        /// The address of its descriptor (`_panic`).
        pub address: u64,
        /// Its goroutine.
        pub goroutine: u64,
        /// The type of its argument.
        pub argument_type: u64,
        /// The data word of its argument.
        pub argument_data: u64,
        /// Always 0; once the defer that was running.
        pub defer: u64,
        /// The panic before this one, or 0.
        pub link: u64,
    }

    /// A bucket of the memory profile: allocations of one size at one stack. Source: `dumpmemprof_callback`.
    pub struct MemProf<'a> {
        /// The address of its descriptor (`bucket`), by which samples name it.
        pub address: u64,
        /// The size of an allocation, in bytes.
        pub size: u64,
        /// Where they were allocated.
        pub stack: Stack<'a>,
        /// Number of sampled allocations.
        pub allocs: u64,
        /// Number of those that have been freed.
        pub frees: u64,
    }

    /// An object that the memory profile has sampled. Source: `dumpmemprof`.
    pub struct AllocSample {
        /// The object.
        pub object: u64,
        /// Its bucket: a [`MemProf`].
        pub bucket: u64,
    }
}
