//! What the benches share: flat images of processes with a large heap, and figures of real dumps.

pub mod image;
pub mod mix;
pub mod reference;
pub mod shape;
pub mod sinks;

/// Sizes in MB that a bench runs at: the numbers of an environment variable, separated by commas.
///
/// # Panics
/// If the variable holds anything else.
pub fn sizes(variable: &str, default: &[u64]) -> Vec<u64> {
    let Ok(list) = std::env::var(variable) else { return default.to_vec() };
    list.split(',').map(|n| n.trim().parse().unwrap_or_else(|_| panic!("{variable}={list}: no MB"))).collect()
}
