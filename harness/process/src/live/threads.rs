//! Stopping the threads of a process, and letting them go on in any case.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use libc::{c_int, pid_t};

use super::error::LiveError;
use super::sys::{self, Stop};

/// How many times new threads are looked for: each time, only a thread that ran could have made one.
const MOST_ROUNDS: usize = 100;

/// The threads of a process that stands still. They go on when this is dropped, and when this process ends in any way:
/// then the kernel lets go of them.
pub(super) struct Threads {
    /// With the signals that they were about to get.
    stopped: BTreeMap<pid_t, c_int>,
}

impl Threads {
    /// Stops all threads of a process.
    pub fn stop(pid: pid_t) -> Result<Threads, LiveError> {
        let mut threads = Threads { stopped: BTreeMap::new() };
        for _ in 0..MOST_ROUNDS {
            let mut new = Vec::new();
            for tid in tids(pid).map_err(|_| LiveError::NoProcess(pid as u32))? {
                if threads.stopped.contains_key(&tid) {
                    continue;
                }
                match sys::seize(tid) {
                    Ok(()) => {
                        // Known from now on, so that it is let go of in any case.
                        threads.stopped.insert(tid, 0);
                        new.push(tid);
                    }
                    // It has ended meanwhile; or has ended, and its parent does not know yet.
                    Err(error) if error.raw_os_error() == Some(libc::ESRCH) || is_zombie(pid, tid) => {}
                    Err(error) => return Err(LiveError::rights(pid as u32, error)),
                }
            }
            if new.is_empty() {
                return if threads.stopped.is_empty() {
                    Err(LiveError::NoProcess(pid as u32))
                } else {
                    Ok(threads)
                };
            }
            // All are asked to stop before any is waited for.
            for &tid in &new {
                let _ = sys::interrupt(tid);
            }
            for tid in new {
                match sys::wait(tid) {
                    Ok(Stop::Stopped(signal)) => _ = threads.stopped.insert(tid, signal),
                    Ok(Stop::Ended) => _ = threads.stopped.remove(&tid),
                    Err(error) => return Err(LiveError::Stop(pid as u32, error)),
                }
            }
        }
        Err(LiveError::Stop(pid as u32, io::Error::other("it goes on making threads")))
    }

    /// Their numbers.
    pub fn tids(&self) -> impl Iterator<Item = pid_t> {
        self.stopped.keys().copied()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        for (&tid, &signal) in &self.stopped {
            // One that was killed meanwhile is no more.
            let _ = sys::detach(tid, signal);
        }
    }
}

/// The threads of a process.
fn tids(pid: pid_t) -> io::Result<Vec<pid_t>> {
    let entries = fs::read_dir(format!("/proc/{pid}/task"))?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// Whether a thread has ended, and its parent has not taken note of it.
fn is_zombie(pid: pid_t, tid: pid_t) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    matches!(state, None | Some('Z' | 'X'))
}
