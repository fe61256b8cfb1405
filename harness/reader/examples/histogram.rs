//! Which sizes do the objects of a heap have? `cargo run --example histogram -- FILE`
//!
//! Prints a line for each size: the number of objects, and their bytes, largest share first. The dump is read as a
//! stream, in little memory however large it is.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Read, Write};

use heapmatrix_reader::{Event, Head, Record, Stream};

/// Reads a dump and prints its histogram.
pub fn histogram(dump: impl Read, mut out: impl Write) -> Result<(), Box<dyn Error>> {
    let mut stream = Stream::new(dump)?;
    let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
    while let Some((_offset, event)) = stream.next()? {
        // Objects larger than the stream's buffer come in pieces.
        let size = match event {
            Event::Record(Record::Object(object)) => object.contents.len() as u64,
            Event::Begin(Head::Object(object)) => object.length,
            _ => continue,
        };
        *counts.entry(size).or_default() += 1;
    }
    let mut rows: Vec<(u64, u64)> = counts.into_iter().collect();
    rows.sort_by_key(|&(size, count)| std::cmp::Reverse((size * count, size)));
    for (size, count) in rows {
        writeln!(out, "{count:>10} objects of {size:>8} bytes: {:>12}", size * count)?;
    }
    Ok(())
}

#[allow(dead_code)] // The tests include this file, and call what is above.
fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: histogram FILE")?;
    histogram(BufReader::new(File::open(path)?), std::io::stdout())
}
