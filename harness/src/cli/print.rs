//! `heapmatrix print`: a dump's records, one line each.

use std::collections::BTreeSet;
use std::io::Read;

use heapmatrix_reader::{Event, Fields, Function, Head, Kind, Params, Record, Stream, Text};
use regex::bytes::Regex;

use super::input::Input;
use super::number::number;
use super::out::{HEAD, Out};
use super::record::{Pointers, Row, Value};
use super::stdout::write_json_line;
use super::{Outcome, Verdict, list_to_stdout};

/// More contents of one record than this are not shown: they have to be in memory together.
const MOST_CONTENTS: u64 = 1 << 30;

/// Print the records of a heap dump, one line each
///
/// A line has the record's offset in the dump, its kind and its values. Numbers and addresses can be given
/// in any form that heapmatrix prints, in decimal or as 0x….
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0 the records were printed, 2 bad usage or a dump that cannot be read to its end.

Examples:
  heapmatrix print heap.dump --records goroutine,stackframe
  heapmatrix print heap.dump --address 0xc000012000 --contents --pointers")]
pub struct Args {
    #[command(flatten)]
    input: Input,
    /// Only records of these kinds, separated by commas
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kind)]
    records: Vec<Kind>,
    /// Only records at this address, that contain it, or that refer to it
    #[arg(long, value_name = "ADDRESS", value_parser = number)]
    address: Option<u64>,
    /// Only types whose name matches this regular expression, and records that name such a type
    #[arg(long = "type", value_name = "PATTERN", value_parser = pattern)]
    type_name: Option<Regex>,
    /// Only records at this offset and after it
    #[arg(long, value_name = "N", default_value = "0", value_parser = number)]
    offset: u64,
    /// Print at most this many records
    #[arg(long, value_name = "N", value_parser = number)]
    limit: Option<u64>,
    /// The contents of each object, frame and segment too, in hexadecimal
    #[arg(long)]
    contents: bool,
    /// The pointer fields of each object, frame and segment too, with what they hold
    #[arg(long)]
    pointers: bool,
    /// Print a line of JSON for each record, as docs/print-json.md describes it
    #[arg(long, visible_alias = "json")]
    jsonl: bool,
}

fn kind(name: &str) -> Result<Kind, String> {
    Kind::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        format!("the kinds are {}", names.join(", "))
    })
}

/// A regular expression; its errors, which have a line that points to the place, in one line.
pub fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| {
        let report = error.to_string();
        let wrong = report.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("'{text}' is not a regular expression: {wrong}")
    })
}

/// A listing in the making.
struct Listing<'a, 'o, 'w> {
    args: &'a Args,
    out: &'o mut Out<'w>,
    count: u64,
    /// The addresses of the types whose names match.
    types: BTreeSet<u64>,
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        let source = self.input.open()?;
        list_to_stdout(|out| self.run(source, out))
    }

    pub(super) fn run(&self, source: Box<dyn Read>, out: &mut Out<'_>) -> Outcome {
        let mut stream = self.input.stream(source)?;
        if !self.jsonl {
            out.painted_line(HEAD, format_args!("{:>12}  {:<15} values", "offset", "kind"))?;
        }
        let listing = Listing { args: self, out, count: 0, types: BTreeSet::new() };
        listing.run(&mut stream)
    }

    fn shows_memory(&self) -> bool {
        self.contents || self.pointers
    }
}

impl Listing<'_, '_, '_> {
    fn run(mut self, stream: &mut Stream<Box<dyn Read>>) -> Outcome {
        let mut params = None;
        let mut large: Option<Large> = None;
        while self.args.limit.is_none_or(|limit| self.count < limit) {
            match stream.next().map_err(|error| self.args.input.explain(error))? {
                Some((offset, Event::Record(record))) => {
                    if let Record::Params(found) = &record {
                        params = Some(machine(found));
                    }
                    let mut row = Row::new(offset, &record);
                    if let (Some(params), Some((contents, fields))) = (params, memory(&record)) {
                        self.add_memory(&mut row, params, contents, fields);
                    }
                    self.row(&row)?;
                }
                Some((offset, Event::Begin(head))) => large = Some(Large::new(offset, head)),
                Some((_, Event::End)) => {
                    if let (Some(large), Some(params)) = (large.take(), params) {
                        let fields = Fields::from_encoded(&large.fields)
                            .map_err(|error| self.args.input.explain(error.into()))?;
                        let function = large.function.as_ref().map(OwnedFunction::borrow);
                        let mut row = Row::of_pieces(large.offset, large.head, function, large.count);
                        self.add_memory(&mut row, params, &large.contents, fields);
                        self.row(&row)?;
                    }
                }
                Some((_, piece)) => {
                    if let Some(large) = &mut large {
                        large.add(&piece, self.args.shows_memory() && self.may_select(large))?;
                    }
                }
                None => break,
            }
        }
        Ok(Verdict::Sound)
    }

    /// Whether a record of which only the beginning is known may be printed.
    fn may_select(&self, large: &Large) -> bool {
        let by_function = self.args.address.is_some() && large.head.kind() == Kind::StackFrame;
        by_function || self.selects(&Row::of_pieces(large.offset, large.head, None, 0))
    }

    fn selects(&self, row: &Row<'_>) -> bool {
        let args = self.args;
        row.offset >= args.offset
            && (args.records.is_empty() || args.records.contains(&row.kind))
            && args.address.is_none_or(|address| row.has_address(address))
            && (args.type_name.is_none()
                || self.is_such_type(row)
                || row.types().any(|address| self.types.contains(&address)))
    }

    fn is_such_type(&self, row: &Row<'_>) -> bool {
        let name = row.values.iter().find_map(|&(name, value)| match value {
            Value::Text(text) if row.kind == Kind::Type && name == "name" => Some(text),
            _ => None,
        });
        name.is_some_and(|name| self.args.type_name.as_ref().is_some_and(|pattern| pattern.is_match(name)))
    }

    fn add_memory<'r>(&self, row: &mut Row<'r>, params: Params<'r>, contents: &'r [u8], fields: Fields<'r>) {
        row.contents = self.args.contents.then_some(contents);
        row.pointers = self.args.pointers.then_some(Pointers { params, fields, contents });
    }

    fn row(&mut self, row: &Row<'_>) -> std::io::Result<()> {
        // Types stand before the records that name them.
        if self.is_such_type(row)
            && let Some(&(_, Value::Address(address))) = row.values.first()
        {
            self.types.insert(address);
        }
        if !self.selects(row) {
            return Ok(());
        }
        self.count += 1;
        if self.args.jsonl { write_json_line(&mut *self.out, row) } else { row.print(self.out) }
    }
}

/// What is needed to read words.
fn machine(params: &Params<'_>) -> Params<'static> {
    let &Params { big_endian, pointer_size, heap_start, heap_end, cpus, .. } = params;
    let (arch, experiment) = (heapmatrix_reader::Arch::Char(0), Text::default());
    Params { big_endian, pointer_size, heap_start, heap_end, arch, experiment, cpus }
}

/// The contents and fields of records that have them.
fn memory<'a>(record: &Record<'a>) -> Option<(&'a [u8], Fields<'a>)> {
    match record {
        Record::Object(o) => Some((o.contents, o.fields)),
        Record::StackFrame(s) => Some((s.contents, s.fields)),
        Record::Data(s) | Record::Bss(s) => Some((s.contents, s.fields)),
        _ => None,
    }
}

/// A record that comes in pieces: of its memory, only what is to be shown is kept.
struct Large {
    offset: u64,
    head: Head,
    function: Option<OwnedFunction>,
    count: usize,
    contents: Vec<u8>,
    /// As they are encoded.
    fields: Vec<u8>,
}

struct OwnedFunction {
    entry: u64,
    pc: u64,
    continuation_pc: u64,
    name: Vec<u8>,
}

impl OwnedFunction {
    fn borrow(&self) -> Function<'_> {
        let &Self { entry, pc, continuation_pc, .. } = self;
        Function { entry, pc, continuation_pc, name: Text(&self.name) }
    }
}

impl Large {
    fn new(offset: u64, head: Head) -> Self {
        Self { offset, head, function: None, count: 0, contents: Vec::new(), fields: Vec::new() }
    }

    fn add(&mut self, piece: &Event<'_>, keeps: bool) -> Result<(), String> {
        match piece {
            Event::Function(function) => {
                let &Function { entry, pc, continuation_pc, name } = function;
                self.function = Some(OwnedFunction { entry, pc, continuation_pc, name: name.0.to_vec() });
            }
            Event::Fields(fields) => {
                self.count += fields.count();
                if keeps {
                    self.fields.extend(Fields::encode_list(*fields));
                }
            }
            Event::Contents(bytes) if keeps => {
                if self.head.length() > MOST_CONTENTS {
                    let (kind, offset) = (self.head.kind(), self.offset);
                    let most = crate::units::Bytes(MOST_CONTENTS);
                    return Err(format!(
                        "the {kind} record at {offset} is too large to be shown: more than {most}; \
                         omit --contents and --pointers, or select other records"
                    ));
                }
                self.contents.extend_from_slice(bytes);
            }
            _ => {}
        }
        Ok(())
    }
}
