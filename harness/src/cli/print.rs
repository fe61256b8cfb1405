//! `heapmatrix print`: a dump's records, one line each.

use std::fmt;
use std::io::{self, Read, Write};

use heapmatrix_reader::{Event, Extent, Fields, FrameExtent, Function, Head, Kind, Record};

use super::input::Input;
use super::{Outcome, Verdict, list_to_stdout};

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
        let source = self.input.open()?;
        list_to_stdout(|out| self.run(source, out))
    }

    pub(super) fn run(&self, source: Box<dyn Read>, out: &mut dyn Write) -> Outcome {
        let mut stream = self.input.stream(source)?;
        let mut lines = 0;
        let mut large = None;
        while lines < self.limit {
            match stream.next() {
                Ok(Some((offset, Event::Record(record)))) => {
                    if self.selects(offset, record.kind()) {
                        line(out, offset, record.kind(), Described(&record))?;
                        lines += 1;
                    }
                }
                Ok(Some((offset, Event::Begin(head)))) => {
                    large = Some(Large { offset, head, function: String::new(), pointers: 0 });
                }
                Ok(Some((_, Event::End))) => {
                    if let Some(large) = large.take().filter(|l| self.selects(l.offset, l.head.kind())) {
                        line(out, large.offset, large.head.kind(), large.describe())?;
                        lines += 1;
                    }
                }
                Ok(Some((_, piece))) => large.iter_mut().for_each(|large: &mut Large| large.add(&piece)),
                Ok(None) => break,
                Err(error) => return Err(self.input.explain(error).into()),
            }
        }
        Ok(Verdict::Sound)
    }

    fn selects(&self, offset: u64, kind: Kind) -> bool {
        offset >= self.offset && (self.records.is_empty() || self.records.contains(&kind))
    }
}

fn line(out: &mut dyn Write, offset: u64, kind: Kind, description: impl fmt::Display) -> io::Result<()> {
    writeln!(out, "{offset:>10} {kind:<15} {description}")
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

/// A record's values on one line: addresses in hexadecimal, strings quoted. Nothing is collected, as a line may be
/// several times as long as the record.
struct Described<'r, 'a>(&'r Record<'a>);

impl fmt::Display for Described<'_, '_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = |contents: &[u8]| contents.len() as u64;
        let extent = |out: &mut fmt::Formatter<'_>, address, contents, fields: Fields<'_>| {
            out.write_str(&describe_extent(Extent { address, length: length(contents) }, fields.count()))
        };
        match self.0 {
            Record::Eof => Ok(()),
            Record::Object(o) => extent(out, o.address, o.contents, o.fields),
            Record::Data(s) | Record::Bss(s) => extent(out, s.address, s.contents, s.fields),
            Record::StackFrame(s) => {
                let length = length(s.contents);
                let head = FrameExtent { sp: s.sp, depth: s.depth, child_sp: s.child_sp, length };
                out.write_str(&describe_frame(head, &describe_function(&s.function), s.fields.count()))
            }
            Record::OtherRoot(r) => write!(out, "{:#x} {:?}", r.target, r.description),
            Record::Type(t) => {
                write!(out, "{:#x} size={} pointer={} {:?}", t.address, t.size, t.data_is_pointer, t.name)
            }
            Record::Goroutine(g) => write!(
                out,
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
            Record::Params(p) => write!(
                out,
                "arch={} big-endian={} pointer={} heap={:#x}-{:#x} cpus={} {:?}",
                p.arch.to_string().escape_debug(),
                p.big_endian,
                p.pointer_size.bytes(),
                p.heap_start,
                p.heap_end,
                p.cpus,
                p.experiment
            ),
            Record::Finalizer(f) | Record::QueuedFinalizer(f) => write!(
                out,
                "object={:#x} closure={:#x} entry={:#x} argument-type={:#x} object-type={:#x}",
                f.object, f.closure, f.entry, f.argument_type, f.object_type
            ),
            Record::Itab(i) => write!(out, "{:#x} type={:#x}", i.address, i.type_address),
            Record::OsThread(t) => write!(out, "{:#x} id={} os-id={}", t.address, t.id, t.os_id),
            Record::MemStats(m) => write!(
                out,
                "alloc={} sys={} mallocs={} frees={} heap-alloc={} heap-objects={} gcs={}",
                m.alloc, m.sys, m.mallocs, m.frees, m.heap_alloc, m.heap_objects, m.num_gc
            ),
            Record::Defer(d) => write!(
                out,
                "{:#x} goroutine={:#x} sp={:#x} pc={:#x} closure={:#x} entry={:#x} link={:#x}",
                d.address, d.goroutine, d.sp, d.pc, d.closure, d.entry, d.link
            ),
            Record::Panic(p) => write!(
                out,
                "{:#x} goroutine={:#x} argument-type={:#x} argument={:#x} link={:#x}",
                p.address, p.goroutine, p.argument_type, p.argument_data, p.link
            ),
            Record::MemProf(b) => {
                write!(out, "{:#x} size={} allocs={} frees={} ", b.address, b.size, b.allocs, b.frees)?;
                for (i, call) in b.stack.enumerate() {
                    let separator = if i == 0 { "" } else { " < " };
                    write!(out, "{separator}{:?}@{:?}:{}", call.function, call.file, call.line)?;
                }
                Ok(())
            }
            Record::AllocSample(s) => write!(out, "object={:#x} bucket={:#x}", s.object, s.bucket),
        }
    }
}
