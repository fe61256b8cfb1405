//! What the benches share: flat images of processes with a large heap, and figures of real dumps.

use std::io;

use heapmatrix_writer::AnyTarget;

pub mod buffered;
pub mod image;
#[cfg(target_os = "linux")]
pub mod living;
pub mod mix;
pub mod plot;
pub mod reading;
pub mod reference;
pub mod shape;
pub mod sinks;
pub mod toolchains;

/// Sizes in MB that a bench runs at: the numbers of an environment variable, separated by commas.
///
/// # Panics
/// If the variable holds anything else.
pub fn sizes(variable: &str, default: &[u64]) -> Vec<u64> {
    let Ok(list) = std::env::var(variable) else { return default.to_vec() };
    list.split(',').map(|n| n.trim().parse().unwrap_or_else(|_| panic!("{variable}={list}: no MB"))).collect()
}

/// How long this thread has been on a CPU, in nanoseconds, system calls included: what other programs do meanwhile
/// does not count.
///
/// # Errors
/// Where the system does not tell.
pub fn on_cpu() -> io::Result<f64> {
    Ok(cpu_time::ThreadTime::try_now()?.as_duration().as_secs_f64() * 1e9)
}

/// The machines whose structures have been measured, of which there can be images.
pub fn measured() -> Vec<AnyTarget> {
    let goarches = heapmatrix_facts::measured();
    AnyTarget::ALL.iter().copied().filter(|target| goarches.contains(&target.goarch())).collect()
}
