//! A living process that comes to stand still because the pipe that it dumps its heap into is full.

use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a process may take to stand still.
const PATIENCE: Duration = Duration::from_secs(60);
/// Looks at it that must find it standing: one look may fall between two system calls.
const LOOKS: u32 = 5;

/// Waits until all threads of a process wait.
///
/// # Errors
/// Where the system does not say what they do; or where it does not stand still.
pub fn settle(pid: u32) -> io::Result<()> {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let (start, mut still) = (Instant::now(), 0);
    while still < LOOKS {
        if start.elapsed() > PATIENCE {
            return Err(io::Error::other(format!("process {pid} does not stand still")));
        }
        sleep(Duration::from_millis(20));
        still = if waits(&proc)? { still + 1 } else { 0 };
    }
    Ok(())
}

/// Whether each thread of a process sleeps.
fn waits(proc: &Path) -> io::Result<bool> {
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
