//! What the runtime keeps about itself: finalizers, threads, statistics, profiles.

use serde::{Deserialize, Serialize};

use super::{Funcval, Pc, Value};

/// A finalizer, as `SetFinalizer` registers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finalizer {
    /// The function to call.
    pub fun: Funcval,
    /// `fint`: index of the type of the function's argument.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fint: Option<usize>,
    /// `ot`: index of the type of the pointer to the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ot: Option<usize>,
}

/// A root that the runtime does not know of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OtherRoot {
    /// What holds it.
    pub description: String,
    /// What it points to.
    pub target: Value,
}

/// An entry of the finalizer queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queued {
    /// `arg`: the object.
    pub object: Value,
    /// What is to be called with it.
    pub finalizer: Finalizer,
}

/// A thread: an `m`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thread {
    /// `id`: the runtime's number of the thread.
    pub id: i32,
    /// `procid`: the operating system's.
    pub procid: u64,
}

/// A bucket of the memory profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bucket {
    /// `stk`: innermost PC first. At least one.
    pub stack: Vec<Pc>,
    /// `size` of the objects in bytes; 32-bit machines keep the low half.
    pub size: u64,
    /// `allocs`: a count; 32-bit machines keep the low half.
    pub allocs: u64,
    /// `frees`: a count; 32-bit machines keep the low half.
    pub frees: u64,
}

macro_rules! mem_stats {
    ($($name:ident)*) => {
        /// `mstats`: what the dump has of it, under the runtime's names. Bytes, counts and nanoseconds as
        /// the runtime documents them (mstats.go); nothing in an image depends on them.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        #[allow(missing_docs)]
        pub struct MemStats {
            $(pub $name: u64,)*
            /// The circular buffer of pause times in nanoseconds: at most 256, missing ones are zero.
            pub pause_ns: Vec<u64>,
            /// The number of collections.
            pub numgc: u32,
        }

        impl MemStats {
            /// Names and values of the fields that are single 64-bit integers, in the order of the structure
            /// and of the dump.
            pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
                [$((stringify!($name), self.$name)),*].into_iter()
            }

            /// The same fields, to be set.
            pub(crate) fn counters_mut(&mut self) -> impl Iterator<Item = &mut u64> {
                [$(&mut self.$name),*].into_iter()
            }
        }
    };
}

mem_stats! {
    alloc total_alloc sys nlookup nmalloc nfree
    heap_alloc heap_sys heap_idle heap_inuse heap_released heap_objects
    stacks_inuse stacks_sys mspan_inuse mspan_sys mcache_inuse mcache_sys
    buckhash_sys gc_sys other_sys next_gc last_gc pause_total_ns
}
