//! Processes that run: they are stopped, what is needed of their memory is copied, and they go on.
//!
//! The dump is written from the copy. So nothing that its output does, and nothing that is wrong with the process, can keep
//! the process from going on. Everything that can be done before it is stopped is: its program is read, and there is room
//! for the copy, touched so that copying does not wait for it.

mod error;
mod maps;
mod sys;
mod threads;

use std::fs::{self, File};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use heapmatrix_writer::go119::Thread;
use heapmatrix_writer::{Addr, Memory, Unreadable};
use libc::pid_t;
use memmap2::{Mmap, MmapMut, MmapOptions};

pub use error::LiveError;

use crate::error::ProcessError;
use crate::executable::Executable;
use crate::machine::Registers;
use crate::memory::Pieces;
use crate::process::Process;
use maps::{Mapping, Pages, Range};
use threads::Threads;

/// Room beyond what the process has when its memory is looked at, for what it allocates until it is stopped.
const SPARE: u64 = 16 << 20;
/// How much is copied by one system call.
const PIECE: u64 = 4 << 20;
/// As many ranges as one system call takes (`UIO_MAXIOV`).
const MOST_RANGES: usize = 1024;
/// The most threads that copy.
const MOST_COPIERS: usize = 4;

/// A copy of a process.
#[derive(Debug)]
pub struct Snapshot {
    threads: Vec<Thread>,
    /// What was copied, as long as it is wanted.
    copy: MmapMut,
    /// Where in the process each piece of the copy lies: its first address and its length.
    ranges: Vec<Range>,
    /// Anonymous memory, of which what was not copied is zero.
    anonymous: Vec<Range>,
    /// How far its program lies from where it was linked for.
    bias: u64,
    /// For how long it stood still.
    pub stopped_for: Duration,
}

/// A process's program: the file that it was started from, even if that has been deleted or replaced.
///
/// # Errors
/// If there is no such process, or none that could be dumped, and those of rights.
pub fn program_of(pid: u32) -> Result<Mmap, LiveError> {
    if let Some(error) = LiveError::impossible(pid) {
        return Err(error);
    }
    let file = File::open(format!("/proc/{pid}/exe")).map_err(|error| LiveError::rights(pid, error))?;
    map(&file).map_err(|error| LiveError::Read(pid, error))
}

/// A process that runs on, with what of its memory does not change, such as its program's version.
///
/// # Errors
/// Those of rights: its memory is read by the same right as it is stopped.
pub fn running(pid: u32, program: &Executable<'_>) -> Result<Process<Running>, LiveError> {
    let raw = pid_t::try_from(pid).map_err(|_| LiveError::NoProcess(pid))?;
    let bias = bias(pid, program);
    if let Err(error) = sys::read(raw, &[(program.entry_at(bias), 1)], &mut [0])
        && error.raw_os_error() != Some(libc::EFAULT)
    {
        return Err(LiveError::rights(pid, error));
    }
    Ok(Process { target: program.target(), memory: Running(raw), threads: Vec::new(), bias })
}

/// The memory of a process that runs.
#[derive(Clone, Copy, Debug)]
pub struct Running(pid_t);

impl Memory for Running {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Unreadable> {
        let len = buf.len();
        match sys::read(self.0, &[(addr.0, len)], buf) {
            Ok(n) if n == len => Ok(()),
            _ => Err(Unreadable { addr, len: len as u64 }),
        }
    }
}

#[allow(unsafe_code)]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the bytes are plain, and nothing is assumed of them. The file cannot be written to while it runs (ETXTBSY).
    unsafe { Mmap::map(file) }
}

impl Snapshot {
    /// Stops a process, copies what is needed, and lets it go on.
    ///
    /// # Errors
    /// See [`LiveError`]. The process goes on in any case.
    pub fn take(pid: u32, program: &Executable<'_>) -> Result<Snapshot, LiveError> {
        if let Some(error) = LiveError::impossible(pid) {
            return Err(error);
        }
        let raw = pid_t::try_from(pid).map_err(|_| LiveError::NoProcess(pid))?;
        let (page, failed) = (sys::page_size(), |error| LiveError::Read(pid, error));
        let pagemap = File::open(format!("/proc/{pid}/pagemap")).ok();
        let look = || Mapped::look(pid, pagemap.as_ref(), page);
        let bytes = look().map_err(|error| LiveError::rights(pid, error))?.bytes();
        let mut copy = room(bytes + bytes / 16 + SPARE).map_err(failed)?;

        let since = Instant::now();
        let threads = Threads::stop(raw)?;
        let registers = read_registers(&threads, program);
        let Mapped { mappings, runs: ranges } = look().map_err(failed)?;
        let bytes = total(&ranges);
        if bytes > copy.len() as u64 {
            copy = room(bytes).map_err(failed)?;
        }
        let copied = copy_memory(raw, &ranges, &mut copy);
        drop(threads);
        let stopped_for = since.elapsed();
        copied.map_err(failed)?;

        let anonymous =
            mappings.iter().filter(|m| m.read && m.file.is_none()).map(|m| (m.start, m.end - m.start));
        Ok(Snapshot {
            threads: registers,
            copy,
            ranges,
            anonymous: anonymous.collect(),
            bias: bias(pid, program),
            stopped_for,
        })
    }

    /// How many bytes were copied.
    pub fn bytes(&self) -> u64 {
        total(&self.ranges)
    }

    /// The process as it was.
    ///
    /// # Errors
    /// [`ProcessError::OtherContents`] if the program is another.
    pub fn process<'d>(&'d self, program: &Executable<'d>) -> Result<Process<Pieces<'d>>, ProcessError> {
        let mut memory = Pieces::default();
        let mut at = 0;
        for &(addr, len) in &self.ranges {
            memory.add(addr, &self.copy[at..at + len as usize]);
            at += len as usize;
        }
        program.check(&memory, self.bias)?;
        for &(addr, len) in &self.anonymous {
            memory.add_zeros(addr, len);
        }
        program.add_to(&mut memory, self.bias, sys::page_size());
        Ok(Process { target: program.target(), memory, threads: self.threads.clone(), bias: self.bias })
    }
}

/// What of a process is mapped, and what of that is copied.
struct Mapped {
    mappings: Vec<Mapping>,
    runs: Vec<Range>,
}

impl Mapped {
    fn look(pid: u32, pagemap: Option<&File>, page: u64) -> io::Result<Self> {
        let mappings = maps::parse(&fs::read_to_string(format!("/proc/{pid}/maps"))?);
        Ok(Mapped { runs: runs(&mappings, pagemap, page)?, mappings })
    }

    fn bytes(&self) -> u64 {
        total(&self.runs)
    }
}

/// The bytes in some ranges.
fn total(ranges: &[Range]) -> u64 {
    ranges.iter().map(|&(_, len)| len).sum()
}

/// The runs of pages that are copied: of memory that can be written, and of what no file has. Read-only pages of a file are
/// among the latter if the dynamic linker has relocated them, as those of a position-independent program's types.
fn runs(mappings: &[Mapping], pagemap: Option<&File>, page: u64) -> io::Result<Vec<Range>> {
    let mut runs = Vec::new();
    for mapping in mappings.iter().filter(|m| m.read) {
        let wanted = if mapping.write || mapping.file.is_none() { Pages::All } else { Pages::Own };
        match pagemap {
            // Of a file, what is not in memory is in the file.
            Some(pagemap) => maps::present(pagemap, page, (mapping.start, mapping.end), wanted, &mut runs)?,
            None => runs.push((mapping.start, mapping.end - mapping.start)),
        }
    }
    Ok(runs)
}

/// Room for a copy, in memory already.
fn room(bytes: u64) -> io::Result<MmapMut> {
    let len = usize::try_from(bytes).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    MmapOptions::new().len(len.max(1)).populate().map_anon()
}

/// The registers of threads that stand still; those that have just ended have none.
fn read_registers(threads: &Threads, program: &Executable<'_>) -> Vec<Thread> {
    let layout = Registers::of(program.target());
    let registers = |tid: pid_t| {
        let mut bytes = vec![0; layout.bytes()];
        let n = sys::registers(tid, &mut bytes).ok()?;
        (n == bytes.len()).then(|| layout.thread(program.target(), tid as u64, &bytes))
    };
    threads.tids().filter_map(registers).collect()
}

/// What one system call copies: ranges, and where they go.
type Job<'c> = (Vec<(u64, usize)>, &'c mut [u8]);

/// Copies ranges of a process's memory, one after the other, by some threads at once.
fn copy_memory(pid: pid_t, ranges: &[Range], copy: &mut [u8]) -> io::Result<()> {
    let mut jobs: Vec<Job<'_>> = Vec::new();
    let (mut rest, mut job, mut size) = (copy, Vec::new(), 0);
    for &(addr, len) in ranges {
        let mut at = 0;
        while at < len {
            let n = (len - at).min(PIECE - size);
            job.push((addr + at, n as usize));
            (at, size) = (at + n, size + n);
            if size == PIECE || job.len() == MOST_RANGES {
                let (now, later) = rest.split_at_mut(size as usize);
                jobs.push((std::mem::take(&mut job), now));
                (rest, size) = (later, 0);
            }
        }
    }
    jobs.push((job, &mut rest[..size as usize]));
    let copiers = thread::available_parallelism().map_or(1, usize::from).min(MOST_COPIERS).min(jobs.len());
    let share = jobs.len().div_ceil(copiers);
    let failed = AtomicUsize::new(0);
    thread::scope(|scope| {
        let workers: Vec<_> = jobs
            .chunks_mut(share)
            .map(|jobs| {
                let failed = &failed;
                scope.spawn(move || {
                    jobs.iter_mut().try_for_each(|(ranges, to)| {
                        if failed.load(Ordering::Relaxed) > 0 {
                            return Ok(());
                        }
                        copy_piece(pid, ranges, to)
                            .inspect_err(|_| _ = failed.fetch_add(1, Ordering::Relaxed))
                    })
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("copying does not panic"))
    })
}

/// Copies some ranges. The kernel stops at the first page that cannot be read: such pages are zero in the copy.
fn copy_piece(pid: pid_t, ranges: &[(u64, usize)], to: &mut [u8]) -> io::Result<()> {
    let (mut ranges, mut done) = (ranges.to_vec(), 0);
    while done < to.len() {
        let page = sys::page_size() as usize;
        let mut read = match sys::read(pid, &ranges, &mut to[done..]) {
            Ok(n) if n > 0 => n,
            // What cannot be read is left out, as it is in a core file: devices, pages that a file no longer has.
            Ok(_) => page,
            Err(error) if error.raw_os_error() == Some(libc::EFAULT) => page,
            Err(error) => return Err(error),
        };
        read = read.min(to.len() - done);
        done += read;
        while let Some((addr, len)) = ranges.first_mut() {
            let n = read.min(*len);
            (*addr, *len, read) = (*addr + n as u64, *len - n, read - n);
            if *len > 0 {
                break;
            }
            ranges.remove(0);
        }
    }
    Ok(())
}

/// How far a program lies from where it was linked for: by its auxiliary vector.
fn bias(pid: u32, program: &Executable<'_>) -> u64 {
    if !program.is_relocatable() {
        return 0;
    }
    let auxv = fs::read(format!("/proc/{pid}/auxv")).unwrap_or_default();
    let entry = program.auxiliary(&auxv, crate::core_file::AT_ENTRY);
    entry.map_or(0, |entry| entry.wrapping_sub(program.entry()))
}
