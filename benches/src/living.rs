//! The memory of a living process, which stands still because the pipe that it dumps its heap into is full.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use heapmatrix_writer::{Addr, Memory, Unreadable};

/// How long a process may take to stand still.
const PATIENCE: Duration = Duration::from_secs(60);

/// A copy of a process's memory.
pub struct Copied {
    segments: Vec<(u64, Vec<u8>)>,
    /// Which of them was found last.
    last: Cell<usize>,
}

impl Copied {
    /// Waits until all threads of a process wait, and copies its memory.
    ///
    /// # Errors
    /// Where the system does not let it be read; or where it does not stand still.
    pub fn of(pid: u32) -> io::Result<Copied> {
        let proc = PathBuf::from(format!("/proc/{pid}"));
        let start = Instant::now();
        // One look may fall between two system calls.
        for still in 0.. {
            if still == 5 {
                break;
            }
            sleep(Duration::from_millis(20));
            if !waits(&proc)? {
                return match start.elapsed() < PATIENCE {
                    true => Self::of(pid),
                    false => Err(io::Error::other(format!("process {pid} does not stand still"))),
                };
            }
        }
        let memory = File::open(proc.join("mem"))?;
        let mut segments: Vec<(u64, Vec<u8>)> = Vec::new();
        for line in std::fs::read_to_string(proc.join("maps"))?.lines() {
            let mut words = line.split_whitespace();
            let range = words.next().and_then(|range| range.split_once('-'));
            let number = |text| u64::from_str_radix(text, 16).map_err(io::Error::other);
            let (Some((from, to)), Some(true)) = (range, words.next().map(|mode| mode.starts_with('r')))
            else {
                continue;
            };
            let (from, to) = (number(from)?, number(to)?);
            let mut bytes = vec![0; (to - from) as usize];
            // The kernel's own pages cannot be read, nor does a dump need them.
            if memory.read_exact_at(&mut bytes, from).is_err() {
                continue;
            }
            match segments.last_mut() {
                Some((start, before)) if *start + before.len() as u64 == from => before.append(&mut bytes),
                _ => segments.push((from, bytes)),
            }
        }
        Ok(Copied { segments, last: Cell::new(0) })
    }
}

/// Whether each thread of a process sleeps.
fn waits(proc: &std::path::Path) -> io::Result<bool> {
    for thread in std::fs::read_dir(proc.join("task"))? {
        let stat = std::fs::read_to_string(thread?.path().join("stat"))?;
        // The name before the state may have anything in it.
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        if state != Some('S') {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Memory for Copied {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Unreadable> {
        let len = buf.len() as u64;
        buf.copy_from_slice(self.borrow(addr, len).ok_or(Unreadable { addr, len })?);
        Ok(())
    }

    #[inline]
    fn borrow(&self, addr: Addr, len: u64) -> Option<&[u8]> {
        let within = |i: usize| {
            let (start, bytes) = self.segments.get(i)?;
            let at = usize::try_from(addr.0.checked_sub(*start)?).ok()?;
            bytes.get(at..at.checked_add(usize::try_from(len).ok()?)?)
        };
        within(self.last.get()).or_else(|| {
            let after = self.segments.partition_point(|&(start, _)| start <= addr.0);
            self.last.set(after.checked_sub(1)?);
            within(self.last.get())
        })
    }
}
