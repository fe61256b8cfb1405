//! `heapmatrix grep`: which object, frame or segment holds these bytes.

use std::io::{self, Read};
use std::ops::ControlFlow;

use clap::ArgGroup;
use heapmatrix_reader::{Event, Head, Kind, Params, PointerSize, Record, Stream};
use regex::bytes::{Regex, RegexBuilder};
use serde::Serialize;

use super::hex::{self, Digits, Printable};
use super::input::Input;
use super::number::number;
use super::out::{BAD, FAINT, HEAD, NAME, Out};
use super::print::pattern;
use super::search::{Match, Search};
use super::stdout::write_json_line;
use super::summary::hex as address;
use super::{Outcome, Verdict, list_to_stdout};

/// How much is shown before and after a match, and of it, in bytes.
const AROUND: usize = 16;
const SHOWN: usize = 64;

/// Find bytes in the objects, frames and segments of a heap dump
///
/// A line for each match has the offset of its record, as print takes it, the address of the match, and where it is in
/// the record's contents. Large contents are read in pieces: matches longer than 64 KiB in contents larger than 1 MiB can
/// be missed.
#[derive(Debug, clap::Args)]
#[command(allow_missing_positional = true, group(ArgGroup::new("wanted").required(true)))]
#[command(after_long_help = "\
Exit status: 0 something was found, 1 nothing was, 2 bad usage or a dump that cannot be read to its end.

Examples:
  heapmatrix grep 'password=\\w+' heap.dump
  heapmatrix grep --pointer 0xc000012000 heap.dump --limit 10")]
pub struct Args {
    /// A regular expression over bytes, in the syntax of Rust's regex crate; (?-u:\xff) is a byte
    #[arg(value_name = "PATTERN", group = "wanted")]
    pattern: Option<String>,
    #[command(flatten)]
    input: Input,
    /// Find these bytes, in hexadecimal
    #[arg(long, value_name = "BYTES", group = "wanted", value_parser = bytes)]
    hex: Option<Bytes>,
    /// Find aligned words that hold this address
    #[arg(long, value_name = "ADDRESS", group = "wanted", value_parser = number)]
    pointer: Option<u64>,
    /// Treat PATTERN as text, not as a regular expression
    #[arg(short = 'F', long, conflicts_with_all = ["hex", "pointer"])]
    fixed_strings: bool,
    /// Ignore the case of letters
    #[arg(short, long, conflicts_with_all = ["hex", "pointer"])]
    ignore_case: bool,
    /// Print the number of matches instead
    #[arg(short, long)]
    count: bool,
    /// Stop after this many matches
    #[arg(long, value_name = "N", value_parser = number)]
    limit: Option<u64>,
    /// Print a line of JSON for each match, as docs/print-json.md describes it
    #[arg(long, visible_alias = "json", conflicts_with = "count")]
    jsonl: bool,
}

/// Bytes that were given as digits.
#[derive(Clone, Debug)]
struct Bytes(Vec<u8>);

fn bytes(text: &str) -> Result<Bytes, String> {
    hex::parse(text).map(Bytes)
}

/// A match as JSON.
#[derive(Serialize)]
struct Found {
    offset: u64,
    kind: &'static str,
    record_address: String,
    address: String,
    within: u64,
    length: usize,
    bytes: String,
}

/// The search of a dump.
struct Grep<'a, 'o, 'w> {
    args: &'a Args,
    out: &'o mut Out<'w>,
    /// Where words start: addresses of which this is a factor.
    alignment: u64,
    matches: u64,
}

/// A record with contents.
#[derive(Clone, Copy)]
struct Place {
    offset: u64,
    kind: Kind,
    address: u64,
}

/// Goes on, or stops with an error or because enough was found.
type Flow = ControlFlow<io::Result<()>>;

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        // Before anything is read.
        let pattern = self.plain_pattern()?;
        let source = self.input.open()?;
        list_to_stdout(|out| self.search(pattern, source, out))
    }

    #[cfg(test)]
    pub(super) fn run(&self, source: Box<dyn Read>, out: &mut Out<'_>) -> Outcome {
        self.search(self.plain_pattern()?, source, out)
    }

    /// What is to be found, if that does not depend on the machine.
    fn plain_pattern(&self) -> Result<Option<Regex>, String> {
        if let Some(Bytes(bytes)) = &self.hex {
            return Ok(Some(literal(bytes)));
        }
        let Some(text) = &self.pattern else { return Ok(None) };
        let text = if self.fixed_strings { regex::escape(text) } else { text.clone() };
        pattern(&text)?;
        let built = RegexBuilder::new(&text).case_insensitive(self.ignore_case).build();
        let built = built.map_err(|error| error.to_string().replace('\n', " "))?;
        if built.is_match(b"") {
            return Err(format!("the pattern '{text}' matches where nothing is: it would match everywhere"));
        }
        Ok(Some(built))
    }

    fn search(&self, pattern: Option<Regex>, source: Box<dyn Read>, out: &mut Out<'_>) -> Outcome {
        let mut stream = self.input.stream(source)?;
        let mut grep = Grep { args: self, out, alignment: 1, matches: 0 };
        grep.run(pattern, &mut stream)?;
        let matches = grep.matches;
        if self.count {
            out.line(matches)?;
        }
        Ok(if matches > 0 { Verdict::Sound } else { Verdict::Failed })
    }
}

/// A pattern that matches these bytes.
fn literal(bytes: &[u8]) -> Regex {
    let escaped: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    Regex::new(&format!("(?-u:{escaped})")).expect("bytes are a pattern")
}

/// A pattern that matches an address in memory.
fn word(params: &Params<'_>, address: u64) -> Result<Regex, String> {
    let bytes = match (params.pointer_size, params.big_endian) {
        (PointerSize::Eight, false) => address.to_le_bytes().to_vec(),
        (PointerSize::Eight, true) => address.to_be_bytes().to_vec(),
        (PointerSize::Four, big_endian) => {
            let Ok(address) = u32::try_from(address) else {
                return Err(format!(
                    "{address:#x} is not an address on this machine: its words have 32 bits"
                ));
            };
            if big_endian { address.to_be_bytes().to_vec() } else { address.to_le_bytes().to_vec() }
        }
    };
    Ok(literal(&bytes))
}

impl Grep<'_, '_, '_> {
    fn run(
        &mut self,
        pattern: Option<Regex>,
        stream: &mut Stream<Box<dyn Read>>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let explain = |error| self.args.input.explain(error);
        let Some((_, Event::Record(Record::Params(params)))) = stream.next().map_err(explain)? else {
            unreachable!("a dump begins with its parameters, or cannot be read")
        };
        let pattern = match (pattern, self.args.pointer) {
            (Some(pattern), _) => pattern,
            (None, wanted) => {
                self.alignment = params.pointer_size.bytes();
                word(&params, wanted.unwrap_or_default())?
            }
        };
        if !self.args.count && !self.args.jsonl {
            let (record, kind, address, within) = ("record", "kind", "address", "within");
            let heads = format!("{record:>12}  {kind:<10} {address:<14} {within:>10}  bytes");
            self.out.painted_line(HEAD, heads)?;
        }
        if self.args.limit == Some(0) {
            return Ok(());
        }
        match self.records(&pattern, stream) {
            Ok(ControlFlow::Break(stopped)) => Ok(stopped?),
            Ok(ControlFlow::Continue(())) => Ok(()),
            Err(error) => Err(self.args.input.explain(error).into()),
        }
    }

    fn records(
        &mut self,
        pattern: &Regex,
        stream: &mut Stream<Box<dyn Read>>,
    ) -> Result<Flow, heapmatrix_reader::StreamError> {
        let mut large: Option<(Place, Search<'_>)> = None;
        while let Some((offset, event)) = stream.next()? {
            let flow = match (event, &mut large) {
                (Event::Record(record), _) => match place(offset, &record) {
                    Some((place, contents)) => {
                        Search::whole(pattern, contents, |found| self.found(place, found))
                    }
                    None => Flow::Continue(()),
                },
                (Event::Begin(head), _) => {
                    large = Some((head_place(offset, &head), Search::new(pattern)));
                    Flow::Continue(())
                }
                (Event::Contents(bytes), Some((place, search))) => {
                    let place = *place;
                    search.piece(bytes, |found| self.found(place, found))
                }
                (Event::Fields(_) | Event::Function(_) | Event::End, _) => match large.take() {
                    // The contents are complete.
                    Some((place, search)) => search.end(|found| self.found(place, found)),
                    None => Flow::Continue(()),
                },
                (Event::Contents(_), None) => Flow::Continue(()),
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(Flow::Continue(()))
    }

    fn found(&mut self, place: Place, found: Match<'_>) -> Flow {
        let at = place.address.wrapping_add(found.offset);
        if !at.is_multiple_of(self.alignment) {
            return Flow::Continue(());
        }
        self.matches += 1;
        if !self.args.count
            && let Err(error) = self.print(place, at, found)
        {
            return Flow::Break(Err(error));
        }
        if self.args.limit == Some(self.matches) { Flow::Break(Ok(())) } else { Flow::Continue(()) }
    }

    fn print(&mut self, place: Place, at: u64, found: Match<'_>) -> io::Result<()> {
        if self.args.jsonl {
            let found = Found {
                offset: place.offset,
                kind: place.kind.name(),
                record_address: address(place.address),
                address: address(at),
                within: found.offset,
                length: found.bytes.len(),
                bytes: Digits(found.bytes).to_string(),
            };
            return write_json_line(&mut *self.out, &found);
        }
        let out = &mut *self.out;
        out.text(format_args!("{:>12}  ", place.offset))?;
        out.paint(NAME, format_args!("{:<10}", place.kind))?;
        let within = format!("+{:#x}", found.offset);
        out.text(format_args!(" {:<14} {within:>10}  ", format!("{at:#x}")))?;
        let before = &found.before[found.before.len().saturating_sub(AROUND)..];
        out.paint(FAINT, Printable(before))?;
        out.paint(BAD, Printable(&found.bytes[..found.bytes.len().min(SHOWN)]))?;
        if found.bytes.len() > SHOWN {
            out.text("…")?;
        } else {
            out.paint(FAINT, Printable(&found.after[..found.after.len().min(AROUND)]))?;
        }
        out.end()
    }
}

/// The contents of a whole record that has any.
fn place<'a>(offset: u64, record: &Record<'a>) -> Option<(Place, &'a [u8])> {
    let (address, contents) = match record {
        Record::Object(o) => (o.address, o.contents),
        Record::StackFrame(s) => (s.sp, s.contents),
        Record::Data(s) | Record::Bss(s) => (s.address, s.contents),
        _ => return None,
    };
    Some((Place { offset, kind: record.kind(), address }, contents))
}

fn head_place(offset: u64, head: &Head) -> Place {
    let address = match head {
        Head::Object(extent) | Head::Data(extent) | Head::Bss(extent) => extent.address,
        Head::StackFrame(frame) => frame.sp,
    };
    Place { offset, kind: head.kind(), address }
}
