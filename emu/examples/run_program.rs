//! Runs a static Linux program of any of the machines: `cargo run --example run_program -- PROGRAM [ARG…]`
//!
//! What it prints is printed; then how it ended, and after how many instructions.

use std::error::Error;
use std::io::{self, Write};
use std::{env, fs};

use heapmatrix_emu::linux::{Host, Options, Outcome, Process, Stream};

/// Passes on what a program writes.
struct Terminal;

impl Host for Terminal {
    fn output(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        match stream {
            Stream::Out => io::stdout().write_all(bytes),
            Stream::Err => io::stderr().write_all(bytes),
        }
    }

    fn note(&mut self, message: &str) {
        eprintln!("note: {message}");
    }
}

/// Runs a program to its end, and says how it ended.
pub fn run(elf: &[u8], args: Vec<String>, host: impl Host + 'static) -> Result<String, Box<dyn Error>> {
    // The same program with the same options does the same in every run, however fast the host is.
    let options = Options { args, max_memory: 1 << 30, ..Options::default() };
    let mut process = Process::load(elf, options, Box::new(host))?;
    // With an address instead of `None`, the process would stop there, to be looked at.
    let status = match process.run(None)? {
        Outcome::Ended(status) => status,
        Outcome::Reached { .. } | Outcome::Paused => unreachable!("there is nothing to stop at"),
    };
    let stats = process.stats();
    Ok(format!("{}: {status} after {} instructions", process.target(), stats.instructions))
}

#[allow(dead_code)] // The tests include this file, and call what is above.
fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let program = args.first().ok_or("usage: run_program PROGRAM [ARG…]")?;
    println!("{}", run(&fs::read(program)?, args.clone(), Terminal)?);
    Ok(())
}
