//! `heapmatrix print`: a dump's records, one line each.

use std::io::{self, Write};

use heapmatrix_reader::{Event, Extent, FrameExtent, Function, Head, Kind, Record};

use super::input::Input;
use super::{Outcome, Verdict};

/// Print the records of a heap dump, one line each
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    input: Input,
    /// Only records of these kinds, separated by commas
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kind)]
    records: Vec<Kind>,
    /// Only records at this offset and behind it
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: u64,
    /// No more lines than this
    #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    limit: u64,
}

fn kind(name: &str) -> Result<Kind, String> {
    Kind::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        format!("the kinds are {}", names.join(", "))
    })
}

impl Args {
    /// Runs the command.
    pub fn execute(&self) -> Outcome {
        let mut stream = self.input.stream()?;
        let mut out = io::BufWriter::new(io::stdout().lock());
        let mut lines = 0;
        let mut large = None;
        while lines < self.limit {
            let line = match stream.next() {
                Ok(Some((offset, Event::Record(record)))) => self.line(offset, &record),
                Ok(Some((offset, Event::Begin(head)))) => {
                    large = Some(Large { offset, head, function: String::new(), pointers: 0 });
                    None
                }
                Ok(Some((_, Event::End))) => large.take().and_then(|large| self.large_line(&large)),
                Ok(Some((_, piece))) => {
                    large.iter_mut().for_each(|large: &mut Large| large.add(&piece));
                    None
                }
                Ok(None) => break,
                Err(error) => {
                    // What was read comes first: it leads to what can't be.
                    out.flush()?;
                    return Err(self.input.explain(error).into());
                }
            };
            if let Some(line) = line {
                writeln!(out, "{line}")?;
                lines += 1;
            }
        }
        out.flush()?;
        Ok(Verdict::Sound)
    }

    fn selects(&self, offset: u64, kind: Kind) -> bool {
        offset >= self.offset && (self.records.is_empty() || self.records.contains(&kind))
    }

    fn line(&self, offset: u64, record: &Record<'_>) -> Option<String> {
        let kind = record.kind();
        self.selects(offset, kind).then(|| format!("{offset:>10} {kind:<15} {}", describe(record)))
    }

    fn large_line(&self, large: &Large) -> Option<String> {
        let (offset, kind) = (large.offset, large.head.kind());
        self.selects(offset, kind).then(|| format!("{offset:>10} {kind:<15} {}", large.describe()))
    }
}

/// A record that comes in pieces.
struct Large {
    offset: u64,
    head: Head,
    function: String,
    pointers: usize,
}

impl Large {
    fn add(&mut self, piece: &Event<'_>) {
        match piece {
            Event::Function(function) => self.function = describe_function(function),
            Event::Fields(fields) => self.pointers += fields.count(),
            _ => {}
        }
    }

    fn describe(&self) -> String {
        match self.head {
            Head::Object(extent) | Head::Data(extent) | Head::Bss(extent) => {
                describe_extent(extent, self.pointers)
            }
            Head::StackFrame(frame) => describe_frame(frame, &self.function, self.pointers),
        }
    }
}

fn describe_extent(Extent { address, length }: Extent, pointers: usize) -> String {
    format!("{address:#x} size={length} pointers={pointers}")
}

fn describe_frame(frame: FrameExtent, function: &str, pointers: usize) -> String {
    let FrameExtent { sp, depth, child_sp, length } = frame;
    format!("sp={sp:#x} depth={depth} child={child_sp:#x} size={length} pointers={pointers} {function}")
}

fn describe_function(function: &Function<'_>) -> String {
    let &Function { entry, pc, continuation_pc, name } = function;
    format!("entry={entry:#x} pc={pc:#x} continues={continuation_pc:#x} {name:?}")
}

/// A record's values on one line: addresses in hexadecimal, strings quoted.
fn describe(record: &Record<'_>) -> String {
    let length = |contents: &[u8]| contents.len() as u64;
    match record {
        Record::Eof => String::new(),
        Record::Object(o) => {
            describe_extent(Extent { address: o.address, length: length(o.contents) }, o.fields.count())
        }
        Record::Data(s) | Record::Bss(s) => {
            describe_extent(Extent { address: s.address, length: length(s.contents) }, s.fields.count())
        }
        Record::StackFrame(s) => {
            let (length, function) = (length(s.contents), describe_function(&s.function));
            let head = FrameExtent { sp: s.sp, depth: s.depth, child_sp: s.child_sp, length };
            describe_frame(head, &function, s.fields.count())
        }
        Record::OtherRoot(r) => format!("{:#x} {:?}", r.target, r.description),
        Record::Type(t) => {
            format!("{:#x} size={} pointer={} {:?}", t.address, t.size, t.data_is_pointer, t.name)
        }
        Record::Goroutine(g) => format!(
            "{:#x} id={} status={} sp={:#x} created={:#x} system={} background={} since={} context={:#x} \
             thread={:#x} defer={:#x} panic={:#x} {:?}",
            g.address,
            g.id,
            g.status,
            g.sp,
            g.creation_pc,
            g.is_system,
            g.is_background,
            g.wait_since,
            g.context,
            g.thread,
            g.defer,
            g.panic,
            g.wait_reason
        ),
        Record::Params(p) => format!(
            "arch={} big-endian={} pointer={} heap={:#x}-{:#x} cpus={} {:?}",
            p.arch,
            p.big_endian,
            p.pointer_size.bytes(),
            p.heap_start,
            p.heap_end,
            p.cpus,
            p.experiment
        )
        .replace('\n', "\\n"),
        Record::Finalizer(f) | Record::QueuedFinalizer(f) => format!(
            "object={:#x} closure={:#x} entry={:#x} argument-type={:#x} object-type={:#x}",
            f.object, f.closure, f.entry, f.argument_type, f.object_type
        ),
        Record::Itab(i) => format!("{:#x} type={:#x}", i.address, i.type_address),
        Record::OsThread(t) => format!("{:#x} id={} os-id={}", t.address, t.id, t.os_id),
        Record::MemStats(m) => format!(
            "alloc={} sys={} mallocs={} frees={} heap-alloc={} heap-objects={} gcs={}",
            m.alloc, m.sys, m.mallocs, m.frees, m.heap_alloc, m.heap_objects, m.num_gc
        ),
        Record::Defer(d) => format!(
            "{:#x} goroutine={:#x} sp={:#x} pc={:#x} closure={:#x} entry={:#x} link={:#x}",
            d.address, d.goroutine, d.sp, d.pc, d.closure, d.entry, d.link
        ),
        Record::Panic(p) => format!(
            "{:#x} goroutine={:#x} argument-type={:#x} argument={:#x} link={:#x}",
            p.address, p.goroutine, p.argument_type, p.argument_data, p.link
        ),
        Record::MemProf(b) => {
            let calls: Vec<String> =
                b.stack.map(|call| format!("{:?}@{:?}:{}", call.function, call.file, call.line)).collect();
            let calls = calls.join(" < ");
            format!("{:#x} size={} allocs={} frees={} {calls}", b.address, b.size, b.allocs, b.frees)
        }
        Record::AllocSample(s) => format!("object={:#x} bucket={:#x}", s.object, s.bucket),
    }
}
