//! What a piece of work takes from the heap at its worst moment, by an allocator that counts.
//!
//! A program that measures makes it its own, since a library must not choose that for everybody who links it:
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: heapmatrix_fuzz::memory::Counting = heapmatrix_fuzz::memory::Counting;
//!
//! let (kept, peak) = heapmatrix_fuzz::memory::peak(|| vec![1u8; 1000]);
//! assert_eq!(peak, kept.len());
//! ```

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counting for each thread apart: tests that run beside each other don't mix.
pub struct Counting;

thread_local! {
    // Without a destructor and constant: safe to touch from inside an allocator.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn add(bytes: isize) {
    let live = LIVE.get() + bytes;
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
}

// SAFETY: every call goes to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        add(-(layout.size() as isize));
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new may both be there while the system copies.
        add(size as isize);
        add(-(layout.size() as isize));
        // SAFETY: the caller's promise.
        unsafe { System.realloc(at, layout, size) }
    }
}

/// Does `work` and returns its result and the bytes that it had at most, beyond those that were there before.
///
/// # Panics
/// In a program whose allocator doesn't count: nothing would ever be too much there.
pub fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    let probe = std::hint::black_box(Box::new(0u8));
    assert_ne!(LIVE.get(), before, "this program has not made `Counting` its global allocator");
    drop(probe);
    PEAK.set(before);
    let result = work();
    (result, (PEAK.get() - before) as usize)
}
