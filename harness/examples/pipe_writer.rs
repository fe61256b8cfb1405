//! A writer for `heapmatrix check-writer`: reads a process from standard input, and writes its dump to standard output.
//!
//! This is the project's own writer. Take it as the frame for another one, which replaces the call of `write_heap_dump`.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};

use heapmatrix_writer::go15::Program;
use heapmatrix_writer::{Addr, AnyTarget, Defects, Memory, Options, Symbols, Unreadable, write_heap_dump};
use serde_json::Value;

/// The regions of a process, each with its first address.
struct Process {
    regions: Vec<(u64, Vec<u8>)>,
}

impl Memory for Process {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Unreadable> {
        let unreadable = || Unreadable { addr, len: buf.len() as u64 };
        let mut bytes = Vec::with_capacity(buf.len());
        // What is asked for may go on in the next region.
        while bytes.len() < buf.len() {
            let at = addr.0.checked_add(bytes.len() as u64).ok_or_else(unreadable)?;
            let inside = |(start, region): &&(u64, Vec<u8>)| {
                at.checked_sub(*start).is_some_and(|from| from < region.len() as u64)
            };
            let (start, region) = self.regions.iter().find(inside).ok_or_else(unreadable)?;
            let rest = &region[usize::try_from(at - start).map_err(|_| unreadable())?..];
            bytes.extend(&rest[..rest.len().min(buf.len() - bytes.len())]);
        }
        buf.copy_from_slice(&bytes);
        Ok(())
    }
}

/// Reads a target and writes its dump.
pub fn pipe_writer(input: impl Read, output: impl Write) -> Result<(), Box<dyn Error>> {
    let mut input = BufReader::new(input);
    let mut line = String::new();
    input.read_line(&mut line)?;
    let head: Value = serde_json::from_str(&line)?;
    if head["heapmatrix"] != 1 || head["format"] != "go1.5" {
        return Err("this is no target of version 1 with a process of Go 1.5".into());
    }
    let target: AnyTarget = head["arch"].as_str().ok_or("no arch")?.parse()?;
    let mut regions = Vec::new();
    for region in list(&head["regions"]) {
        let mut bytes = Vec::new();
        let size = region["size"].as_u64().ok_or("a region without a size")?;
        if (&mut input).take(size).read_to_end(&mut bytes)? as u64 != size {
            return Err("the target is cut off".into());
        }
        regions.push((address(&region["address"]).ok_or("a region without an address")?, bytes));
    }
    let symbols = Symbols::from_lookup(|name| address(&head["symbols"][name]).map(Addr))?;
    let roots: Vec<(&str, Addr)> = list(&head["other_roots"])
        .iter()
        .filter_map(|root| Some((root["description"].as_str()?, Addr(address(&root["target"])?))))
        .collect();
    let program = Program { symbols: &symbols, defects: Defects::NONE, sys_alloc: None };
    let options = Options { other_roots: &roots, ..Options::default() };
    write_heap_dump(target, &Process { regions }, &program, &options, output)?;
    Ok(())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn address(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn Error>> {
    pipe_writer(io::stdin().lock(), io::stdout().lock())
}
