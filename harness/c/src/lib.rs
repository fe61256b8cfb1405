//! `include/heapmatrix.h`: somebody's writer of heap dumps, as a C function, on every machine.
//!
//! The header says what each function does and what it may be given. Nothing here panics into C: a panic is a report.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use heapmatrix::feed;
use heapmatrix::matrix::{self, CellError, Dumper, Matrix};
use heapmatrix::shard::Shard;
use heapmatrix_emu::run::Finished;
use heapmatrix_emu::world::World;
use heapmatrix_writer::{Addr, AnyTarget, Memory};

/// A process that stands still: `heapmatrix_target`.
#[derive(Debug)]
pub struct Target<'a> {
    finished: &'a Finished,
    arch: CString,
}

/// Where a dump goes: `heapmatrix_output`.
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
}

/// Somebody's writer: `heapmatrix_writer`.
pub type Writer = unsafe extern "C" fn(*const Target<'_>, *mut Output, *mut c_void) -> c_int;

/// All is well.
const RIGHT: c_int = 0;
/// A dump is wrong.
const WRONG: c_int = 1;
/// There is nothing to run.
const USAGE: c_int = 2;

/// `heapmatrix_arch`.
///
/// # Safety
/// `target` is what a writer was called with, and that has not returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn heapmatrix_arch(target: *const Target<'_>) -> *const c_char {
    // SAFETY: as above.
    unsafe { &*target }.arch.as_ptr()
}

/// `heapmatrix_pointer_size`.
///
/// # Safety
/// As [`heapmatrix_arch`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn heapmatrix_pointer_size(target: *const Target<'_>) -> c_uint {
    // SAFETY: as above.
    let size = unsafe { &*target }.finished.target.ptr_size();
    c_uint::try_from(size).unwrap_or_default()
}

/// `heapmatrix_big_endian`.
///
/// # Safety
/// As [`heapmatrix_arch`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn heapmatrix_big_endian(target: *const Target<'_>) -> c_int {
    // SAFETY: as above.
    unsafe { &*target }.finished.target.big_endian().into()
}

/// `heapmatrix_symbol`.
///
/// # Safety
/// As [`heapmatrix_arch`]; `name` is a string with a zero byte at its end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn heapmatrix_symbol(target: *const Target<'_>, name: *const c_char) -> u64 {
    // SAFETY: as above.
    let (target, name) = unsafe { (&*target, CStr::from_ptr(name)) };
    let mut symbols = target.finished.symbols.named();
    symbols.find(|(known, _)| known.as_bytes() == name.to_bytes()).map_or(0, |(_, address)| address.0)
}

/// `heapmatrix_read`.
///
/// # Safety
/// As [`heapmatrix_arch`]; `buffer` has room for `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn heapmatrix_read(
    target: *const Target<'_>,
    address: u64,
    buffer: *mut c_void,
    length: usize,
) -> c_int {
    // SAFETY: as above.
    let memory = unsafe { &(*target).finished.memory };
    // Through a copy, as C's buffer need not have been written to: a reference to it could not be made. What is not there
    // is refused before there is room for it.
    let Some(bytes) = memory.borrow(Addr(address), length as u64) else {
        return pieces(memory, address, buffer, length);
    };
    // SAFETY: as above; memory of the process and memory of C's do not overlap.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.cast(), length) };
    0
}

/// Reads what is in more than one region.
fn pieces(memory: &impl Memory, address: u64, buffer: *mut c_void, length: usize) -> c_int {
    let mut piece = [0; 4096];
    // Once to see whether it is all there, and once to copy it.
    for copies in [false, true] {
        let mut done = 0;
        while done < length {
            let part = piece.len().min(length - done);
            let at = address.checked_add(done as u64);
            if at.is_none_or(|at| memory.read(Addr(at), &mut piece[..part]).is_err()) {
                return -1;
            }
            if copies {
                // SAFETY: `done + part` is at most `length`, for which there is room.
                unsafe { ptr::copy_nonoverlapping(piece.as_ptr(), buffer.cast::<u8>().add(done), part) };
            }
            done += part;
        }
    }
    0
}

/// `heapmatrix_other_roots`.
///
/// # Safety
/// As [`heapmatrix_arch`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn heapmatrix_other_roots(target: *const Target<'_>) -> usize {
    // SAFETY: as above.
    unsafe { &*target }.finished.locations.other_roots.len()
}

/// `heapmatrix_other_root`.
///
/// # Safety
/// As [`heapmatrix_arch`]; the other pointers can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn heapmatrix_other_root(
    target: *const Target<'_>,
    number: usize,
    description: *mut *const c_char,
    length: *mut usize,
    address: *mut u64,
) -> c_int {
    // SAFETY: as above.
    let roots = unsafe { &(*target).finished.locations.other_roots };
    let Some((text, to)) = roots.get(number) else { return -1 };
    // SAFETY: as above.
    unsafe {
        *description = text.as_ptr().cast();
        *length = text.len();
        *address = to.0;
    }
    0
}

/// `heapmatrix_write`.
///
/// # Safety
/// `output` is what a writer was called with, and that has not returned; there are `length` bytes at `bytes`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn heapmatrix_write(output: *mut Output, bytes: *const c_void, length: usize) {
    if length > 0 {
        // SAFETY: as above.
        unsafe { (*output).bytes.extend_from_slice(std::slice::from_raw_parts(bytes.cast(), length)) };
    }
}

/// A writer, and what it wants to be called with.
struct Call {
    writer: Writer,
    context: *mut c_void,
}

// SAFETY: the matrix runs with one worker, and its caller waits for that: nothing is called at the same time. The header
// says that it is not on the caller's thread.
unsafe impl Sync for Call {}

impl Call {
    fn dump(&self, world: &World, finished: &Finished) -> Result<Vec<u8>, CellError> {
        let arch = CString::new(finished.target.goarch()).unwrap_or_default();
        let (target, mut output) = (Target { finished, arch }, Output::default());
        // SAFETY: the caller of `heapmatrix_check_writer` says that it is such a function.
        let status = unsafe { (self.writer)(&target, &mut output, self.context) };
        if status != 0 {
            return Err(CellError::Writer(format!("the writer gave up: it returned {status}")));
        }
        feed::judge(world, finished, &output.bytes)?;
        Ok(output.bytes)
    }
}

/// `heapmatrix_check_writer`.
///
/// # Safety
/// `writer` is NULL or such a function; `machines` is NULL or a string with a zero byte at its end; `message` is NULL or has
/// room for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn heapmatrix_check_writer(
    writer: Option<Writer>,
    context: *mut c_void,
    machines: *const c_char,
    seed: u64,
    worlds: u64,
    message: *mut c_char,
    size: usize,
) -> c_int {
    // SAFETY: as above.
    let machines = (!machines.is_null()).then(|| unsafe { CStr::from_ptr(machines) }.to_string_lossy());
    let run = || check(writer, context, machines.as_deref(), seed, worlds);
    let (status, text) = catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| (USAGE, "heapmatrix failed: the panic is on standard error".to_owned()));
    if !message.is_null() && size > 0 {
        let end = (0..=text.len().min(size - 1)).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        let bytes = &text.as_bytes()[..end];
        // SAFETY: there is room for `size` bytes, and `bytes` are fewer.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), message.cast(), bytes.len());
            *message.add(bytes.len()) = 0;
        }
    }
    status
}

fn check(
    writer: Option<Writer>,
    context: *mut c_void,
    machines: Option<&str>,
    seed: u64,
    worlds: u64,
) -> (c_int, String) {
    let Some(writer) = writer else { return (USAGE, "the writer is NULL".to_owned()) };
    let mut targets: Vec<AnyTarget> = Vec::new();
    for name in machines.into_iter().flat_map(|names| names.split(',')) {
        match World::MACHINES.iter().find(|target| target.goarch() == name) {
            Some(&target) => targets.push(target),
            None => return (USAGE, format!("no worlds on {name}")),
        }
    }
    if machines.is_none() {
        targets = World::MACHINES.to_vec();
    }
    let matrix = Matrix { targets, worlds, seed, jobs: 1, shard: Shard::WHOLE };
    let call = Call { writer, context };
    let dumper = Dumper {
        repeat: &|target, seed| {
            format!("heapmatrix_check_writer(writer, context, \"{target}\", {seed}, 1, …)")
        },
        dump: &|world, finished| call.dump(world, finished),
    };
    match matrix::run_with(&matrix, &dumper, &|| (), None) {
        Ok(report) => (if report.ok { RIGHT } else { WRONG }, report.to_string()),
        Err(error) => (USAGE, error.to_string()),
    }
}
