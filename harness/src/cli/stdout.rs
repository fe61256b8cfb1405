//! Standard output, whose reader may leave before the end.
//!
//! A reader that leaves changes no verdict: a broken dump stays broken when nobody reads the report any more. So
//! what a report writes after that goes nowhere, and the command comes to its end. A listing, which has no verdict,
//! ends with its reader.

use std::fmt;
use std::fs::Metadata;
use std::io::{self, BufWriter, Write};

use serde::Serialize;

use super::Outcome;
use super::escape::EscapingWriter;
use super::out::Out;

/// Standard output. Errors say that they are its.
#[derive(Debug)]
pub struct Stdout {
    /// Whether a reader that has left is an error.
    listing: bool,
    /// How many bytes have been written since the reader has left.
    unread: Option<u64>,
}

impl Stdout {
    /// For reports: goes on when the reader has left.
    pub fn whoever_reads() -> Self {
        Self { listing: false, unread: None }
    }

    /// For listings: an error of the kind [`BrokenPipe`](io::ErrorKind::BrokenPipe) when the reader has left.
    pub fn while_read() -> Self {
        Self { listing: true, unread: None }
    }

    /// The number of bytes that have been written and that nobody reads.
    pub fn unread(&self) -> u64 {
        self.unread.unwrap_or(0)
    }

    /// What comes of writing: if the reader has left, all `bytes` are gone.
    fn settle<T>(&mut self, result: io::Result<T>, gone: T, bytes: usize) -> io::Result<T> {
        let left = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
        if !self.listing && result.as_ref().is_err_and(left) {
            *self.unread.get_or_insert(0) += bytes as u64;
            return Ok(gone);
        }
        result.map_err(|error| io::Error::new(error.kind(), format!("cannot write standard output: {error}")))
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = match self.unread {
            Some(_) => Err(io::ErrorKind::BrokenPipe.into()),
            None => io::stdout().lock().write(bytes),
        };
        self.settle(result, bytes.len(), bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = io::stdout().lock().flush();
        self.settle(result, (), 0)
    }
}

/// What standard output is.
///
/// # Errors
/// If it is closed, or the system doesn't say.
pub fn metadata() -> io::Result<Metadata> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        std::fs::File::from(io::stdout().as_fd().try_clone_to_owned()?).metadata()
    }
    #[cfg(not(unix))]
    Err(io::ErrorKind::Unsupported.into())
}

/// Prints a report. Unlike `println!` it does not panic when nobody reads on.
pub fn print(text: fmt::Arguments<'_>) -> io::Result<()> {
    report(|out| out.write_fmt(text))
}

/// Prints a value as JSON.
pub fn print_json(value: &impl Serialize) -> io::Result<()> {
    report(|out| write_json(out, value))
}

/// Writes a value as JSON.
pub fn write_json(out: impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut out = EscapingWriter::json(out);
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}

/// Writes a value as one line of JSON.
pub fn write_json_line(out: impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut out = EscapingWriter::json(out);
    serde_json::to_writer(&mut out, value)?;
    writeln!(out)
}

/// Runs what writes a report. What it wrote before it failed is seen.
pub fn to_stdout(run: impl FnOnce(&mut Out<'_>) -> Outcome) -> Outcome {
    run_to(Stdout::whoever_reads(), run)
}

/// Runs what writes a listing, for as long as somebody reads it.
pub fn list_to_stdout(run: impl FnOnce(&mut Out<'_>) -> Outcome) -> Outcome {
    run_to(Stdout::while_read(), run)
}

fn run_to(stdout: Stdout, run: impl FnOnce(&mut Out<'_>) -> Outcome) -> Outcome {
    let mut writer = BufWriter::new(stdout);
    let outcome = run(&mut Out::new(&mut writer, has_colors(&io::stdout())));
    let flushed = writer.flush();
    // What was found out stays so when nobody has read the last of it.
    let verdict = outcome?;
    match flushed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(verdict),
    }
}

/// Whether a stream is to have colours: as `--color` says, and on a terminal unless `NO_COLOR` is set.
pub fn has_colors(stream: &impl anstream::stream::RawStream) -> bool {
    anstream::AutoStream::choice(stream) != anstream::ColorChoice::Never
}

fn report(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut writer = BufWriter::new(Stdout::whoever_reads());
    write(&mut Out::new(&mut writer, has_colors(&io::stdout())))?;
    writer.flush()
}
